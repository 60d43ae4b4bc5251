/* The SQLite store of a run: everything that facts hold, and the saved blocks of every step, for reports without the
 * trace and for other tools. docs/sqlite-schema.md describes it. */
#ifndef ACTSCOPE_ANALYZERS_STORE_H
#define ACTSCOPE_ANALYZERS_STORE_H

#include "analyzers/facts.h"
#include "common/error.h"

#include <stdbool.h>

#define STORE_APPLICATION_ID 0x41435453 /* "ACTS", SQLite's application_id */
#define STORE_SCHEMA_VERSION 2          /* SQLite's user_version; a reader refuses any other */

/* Is it a regular file that begins as SQLite's do? False if it is missing or cannot be read. */
bool store_is_database(const char *path);

/* May a store be written there? ERROR_USAGE if what is there is neither a database nor an empty file, and would be
 * lost. To be asked before the work; store_write asks again. */
int store_check(const char *path, struct error *err);

/* Writes the store as one transaction into a new file beside path and renames it into place, so that path is whole or
 * as it was. Facts without a history make a store with the listed blocks only. */
int store_write(const char *path, const struct facts *facts, struct error *err);

/* The facts of a store; the caller ends them with facts_fini. ERROR_IO: missing, not to be read; ERROR_INPUT:
 * damaged, not a store of actscope's, or of another schema version. On failure *facts is zeroed. */
int store_read(const char *path, struct facts *facts, struct error *err);
/* The same with facts->history, the saved blocks of every step, which takes longer. */
int store_read_history(const char *path, struct facts *facts, struct error *err);

#endif
