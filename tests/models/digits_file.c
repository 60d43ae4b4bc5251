#include "tests/models/digits_file.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <zlib.h>

/* Five points of 16 from number 6 times the class on; elsewhere from 0 to 3. */
static int point(size_t row, size_t i) {
  const size_t from = row % 10 * 6;
  return i >= from && i < from + 5 ? 16 : (int)((row * 7 + i * 13) % 4);
}

void digits_file_write(const char *path, size_t rows, bool packed) {
  gzFile file = gzopen(path, packed ? "wb" : "wbT");
  cr_assert(file, "%s", path);
  for (size_t row = 0; row < rows; row++) {
    for (size_t i = 0; i < 64; i++) {
      gzprintf(file, "%d,", point(row, i));
    }
    gzprintf(file, "%d\n", (int)(row % 10));
  }
  cr_assert_eq(gzclose(file), Z_OK);
}

int digits_file_label(const float *image) {
  for (int label = 0; label < 10; label++) {
    if (image[6 * label] == 1 && image[6 * label + 4] == 1) {
      return label;
    }
  }
  return -1;
}
