/* Tables of numbers in text: CSV or white space, one row a line, '#' comments, a first line of words skipped. */
#ifndef ACTSCOPE_KERNELS_TABLE_FILE_H
#define ACTSCOPE_KERNELS_TABLE_FILE_H

#include "common/error.h"

#include <stddef.h>

struct table_file {
  size_t rows, columns;
  double *cells; /* rows * columns, row by row */
};

/* Reads rows of exactly `columns` finite numbers. table_file_fini is due even after an error. */
int table_file_read(struct table_file *table, const char *path, size_t columns, struct error *err);
void table_file_fini(struct table_file *table);

/* A whole file of at most `most` bytes into memory that the caller frees, a zero behind it. */
int table_file_bytes(char **bytes, size_t *size, const char *path, size_t most, struct error *err);

#endif
