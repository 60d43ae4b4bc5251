/* Tables of numbers in text: CSV or white space, one row a line, '#' comments, lines of words above the first row. */
#ifndef ACTSCOPE_KERNELS_TABLE_FILE_H
#define ACTSCOPE_KERNELS_TABLE_FILE_H

#include "common/error.h"

#include <stddef.h>

struct table_file {
  size_t rows, columns;
  double *cells; /* rows * columns, row by row */
};

/* Reads rows of exactly `columns` finite numbers, at most 65536. table_file_fini is due even after an error. */
int table_file_read(struct table_file *table, const char *path, size_t columns, struct error *err);
/* The same from memory, with a zero behind it, which it changes; name is for messages. */
int table_file_parse(struct table_file *table, char *bytes, size_t size, size_t columns, const char *name,
                     struct error *err);
void table_file_fini(struct table_file *table);

/* A whole file of at most 64 MiB, or what a pipe has, into memory that the caller frees (after an error too), a zero
 * behind it. ERROR_IO if it cannot be opened or read. */
int table_file_bytes(char **bytes, size_t *size, const char *path, struct error *err);

#endif
