/* The store's table of advice. Private to the store. */
#ifndef ACTSCOPE_ANALYZERS_STORE_ADVICE_H
#define ACTSCOPE_ANALYZERS_STORE_ADVICE_H

#include "analyzers/facts.h"

#include <sqlite3.h>

/* Each: 0, or an SQLite code. Reading fills in facts->advice. */
int store_write_advice(sqlite3 *db, const struct facts *facts);
int store_read_advice(sqlite3 *db, struct facts *facts);

#endif
