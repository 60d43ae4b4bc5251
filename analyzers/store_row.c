/* Thin wrappers over sqlite3_bind_* and sqlite3_column_* that count columns and remember the first failure. */
#include "analyzers/store_row.h"

#include <limits.h>

void store_row_open(struct store_row *row, sqlite3 *db, const char *sql) {
  *row = (struct store_row){0};
  row->failed = sqlite3_prepare_v2(db, sql, -1, &row->statement, NULL);
}

void store_row_close(struct store_row *row) {
  sqlite3_finalize(row->statement);
  row->statement = NULL;
}

static void note(struct store_row *row, int rc) {
  row->failed = row->failed ? row->failed : rc;
}

void store_put_u64(struct store_row *row, uint64_t value) {
  if (value == UINT64_MAX) {
    note(row, sqlite3_bind_null(row->statement, ++row->column));
  } else { /* SQLite has no larger integers; only a damaged trace has such numbers */
    uint64_t bounded = value > INT64_MAX ? INT64_MAX : value;
    note(row, sqlite3_bind_int64(row->statement, ++row->column, (sqlite3_int64)bounded));
  }
}

void store_put_i64(struct store_row *row, int64_t value) {
  note(row, sqlite3_bind_int64(row->statement, ++row->column, value));
}

void store_put_step(struct store_row *row, int step) {
  store_put_u64(row, step < 0 ? UINT64_MAX : (uint64_t)step);
}

void store_put_real(struct store_row *row, double value) {
  note(row, sqlite3_bind_double(row->statement, ++row->column, value));
}

void store_put_text(struct store_row *row, const char *text) {
  note(row, sqlite3_bind_text(row->statement, ++row->column, text ? text : "", -1, SQLITE_STATIC));
}

int store_put_row(struct store_row *row) {
  if (!row->failed) {
    int rc = sqlite3_step(row->statement);
    note(row, rc == SQLITE_DONE ? 0 : rc);
    sqlite3_reset(row->statement);
  }
  row->column = 0;
  return row->failed;
}

int store_next_row(struct store_row *row) {
  row->column = 0;
  if (row->failed) {
    return -1;
  }
  int rc = sqlite3_step(row->statement);
  if (rc == SQLITE_ROW) {
    return 1;
  }
  note(row, rc == SQLITE_DONE ? 0 : rc);
  return row->failed ? -1 : 0;
}

static int column_of_type(struct store_row *row, int type) {
  int column = row->column++;
  if (sqlite3_column_type(row->statement, column) != type) {
    note(row, SQLITE_MISMATCH);
  }
  return column;
}

uint64_t store_get_u64(struct store_row *row) {
  if (sqlite3_column_type(row->statement, row->column) == SQLITE_NULL) {
    row->column++;
    return UINT64_MAX;
  }
  int64_t value = store_get_i64(row);
  if (value < 0) {
    note(row, SQLITE_MISMATCH);
  }
  return value < 0 ? 0 : (uint64_t)value;
}

int64_t store_get_i64(struct store_row *row) {
  return sqlite3_column_int64(row->statement, column_of_type(row, SQLITE_INTEGER));
}

int store_get_step(struct store_row *row) {
  uint64_t step = store_get_u64(row);
  if (step != UINT64_MAX && step > INT_MAX) {
    note(row, SQLITE_MISMATCH);
  }
  return step > INT_MAX ? -1 : (int)step;
}

double store_get_real(struct store_row *row) {
  return sqlite3_column_double(row->statement, column_of_type(row, SQLITE_FLOAT));
}

const char *store_get_text(struct store_row *row) {
  const char *text = (const char *)sqlite3_column_text(row->statement, column_of_type(row, SQLITE_TEXT));
  if (!text) {
    note(row, SQLITE_MISMATCH);
  }
  return text ? text : "";
}

char *store_get_interned(struct store_row *row, struct strings *strings) {
  static char empty[1]; /* stands in where memory is short: the row has failed then */
  char *text = strings_intern(strings, store_get_text(row));
  if (!text) {
    note(row, SQLITE_NOMEM);
  }
  return text ? text : empty;
}
