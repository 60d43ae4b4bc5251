/* One prepared statement at a time: typed binding and reading, with UINT64_MAX ("never seen") as NULL. Private to the
 * store. */
#ifndef ACTSCOPE_ANALYZERS_STORE_ROW_H
#define ACTSCOPE_ANALYZERS_STORE_ROW_H

#include "analyzers/strings.h"

#include <sqlite3.h>
#include <stdint.h>

/* Values are bound, and read, from left to right. An error sticks: check `failed` once a row. */
struct store_row {
  sqlite3_stmt *statement; /* NULL: could not be prepared */
  int column;              /* the next one */
  int failed;              /* an SQLite code, 0: none; reading: a NULL or a type where there must not be one */
};

void store_row_open(struct store_row *row, sqlite3 *db, const char *sql);
void store_row_close(struct store_row *row);

void store_put_u64(struct store_row *row, uint64_t value); /* UINT64_MAX: NULL; at most 2^63-1 is kept */
void store_put_i64(struct store_row *row, int64_t value);
void store_put_step(struct store_row *row, int step); /* -1: NULL */
void store_put_real(struct store_row *row, double value);
void store_put_text(struct store_row *row, const char *text); /* borrowed until store_put_row */
int store_put_row(struct store_row *row);                     /* inserts it; 0 or the SQLite code */

/* 1: a row; 0: no more; negative: damage (`failed` says which). */
int store_next_row(struct store_row *row);
uint64_t store_get_u64(struct store_row *row); /* NULL: UINT64_MAX; negative: fails */
int64_t store_get_i64(struct store_row *row);
int store_get_step(struct store_row *row); /* NULL: -1 */
double store_get_real(struct store_row *row);
const char *store_get_text(struct store_row *row);                        /* never NULL; good until the next row */
char *store_get_interned(struct store_row *row, struct strings *strings); /* never NULL: "" if it fails */

#endif
