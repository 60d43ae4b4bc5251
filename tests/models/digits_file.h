/* A file like digits.csv.gz: row i is of class i % 10, its points tell which, and a little noise differs by row. */
#ifndef ACTSCOPE_TESTS_MODELS_DIGITS_FILE_H
#define ACTSCOPE_TESTS_MODELS_DIGITS_FILE_H

#include <stdbool.h>
#include <stddef.h>

void digits_file_write(const char *path, size_t rows, bool packed);
/* The class of 64 points from such a file, as data.h has them. */
int digits_file_label(const float *image);

#endif
