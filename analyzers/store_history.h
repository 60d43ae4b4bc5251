/* The saved blocks of every step, from a store. Private to the store. */
#ifndef ACTSCOPE_ANALYZERS_STORE_HISTORY_H
#define ACTSCOPE_ANALYZERS_STORE_HISTORY_H

#include "analyzers/facts.h"

#include <sqlite3.h>

/* Fills in facts->history; stacks and steps must have been read. What reports need of a row comes back, the events of its
 * past do not. 0, or an SQLite code. */
int store_read_saved_history(sqlite3 *db, struct facts *facts);

#endif
