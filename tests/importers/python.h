/* Pickles for tests, made by Python's own pickle: what the readers are held against. */
#ifndef ACTSCOPE_TESTS_IMPORTERS_PYTHON_H
#define ACTSCOPE_TESTS_IMPORTERS_PYTHON_H

#include <stddef.h>
#include <stdint.h>

enum { PYTHON_MAX = 1 << 18 };

/* Pickles what the Python expression gives (no single quotes in it), with this protocol; returns the bytes that it took. Any
 * failure aborts the test. */
size_t python_pickle(uint8_t bytes[PYTHON_MAX], const char *expression, int protocol);

#endif
