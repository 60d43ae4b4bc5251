/* Reads tables of numbers. */
#include "kernels/table_file.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 1 << 16, FILE_BYTES_MAX = 1 << 26 };

static int grow(struct table_file *table, size_t *capacity) {
  size_t wanted = *capacity ? 2 * *capacity : 256;
  double *cells = realloc(table->cells, (wanted * table->columns + 1) * sizeof *cells);
  if (!cells) {
    return ERROR_MEMORY;
  }
  table->cells = cells;
  *capacity = wanted;
  return 0;
}

static const char blanks[] = " \t\r,;", ends[] = " \t\r,;#";

/* Into numbers those of one line, which a zero ends: how many there are (up to columns), or -1 if there is something
 * else on it. */
static int parse_line(const char *line, double *numbers, size_t columns) {
  size_t found = 0;
  const char *at = line;
  char *end;
  for (;;) {
    at += strspn(at, blanks);
    if (!*at || *at == '#') {
      return (int)found;
    }
    if (found == columns) {
      return -1;
    }
    numbers[found] = strtod(at, &end);
    if (end == at || !isfinite(numbers[found]) || !strchr(ends, *end)) {
      return -1;
    }
    found++;
    at = end;
  }
}

/* A table's heading begins with a word; not with a number that is misspelt further on, nor with "nan". */
static bool is_heading(const char *line) {
  const char *at = line + strspn(line, blanks);
  char *end;
  strtod(at, &end);
  return (isalpha((unsigned char)*at) && (end == at || !strchr(ends, *end))) || *at == '"';
}

static int add_line(struct table_file *table, size_t *capacity, size_t number, const char *line, const char *name,
                    struct error *err) {
  if (table->rows == *capacity && grow(table, capacity) < 0) {
    return error_set(err, ERROR_MEMORY, "%s: out of memory", name);
  }
  const int found = parse_line(line, table->cells + table->rows * table->columns, table->columns);
  if (found == (int)table->columns) {
    return ++table->rows <= ROWS_MAX ? 0 : error_set(err, ERROR_INPUT, "%s: more than %d rows", name, ROWS_MAX);
  }
  if (found == 0 || (table->rows == 0 && is_heading(line))) {
    return 0;
  }
  return error_set(err, ERROR_INPUT, "%s: line %zu: %zu numbers were expected", name, number, table->columns);
}

int table_file_parse(struct table_file *table, char *bytes, size_t size, size_t columns, const char *name,
                     struct error *err) {
  static const char byte_order_mark[] = "\xef\xbb\xbf";
  size_t capacity = 0, number = 0;
  char *end = bytes + size, *line = bytes;
  int code = 0;
  *table = (struct table_file){.columns = columns};
  if (size && memchr(bytes, 0, size)) {
    return error_set(err, ERROR_INPUT, "%s: is no text", name);
  }
  if (size >= 3 && memcmp(line, byte_order_mark, 3) == 0) {
    line += 3;
  }
  while (code == 0 && line < end) {
    char *stop = memchr(line, '\n', (size_t)(end - line));
    if (stop) {
      *stop = 0;
    }
    code = add_line(table, &capacity, ++number, line, name, err);
    line = stop ? stop + 1 : end;
  }
  return code;
}

int table_file_read(struct table_file *table, const char *path, size_t columns, struct error *err) {
  char *bytes;
  size_t size;
  int code = table_file_bytes(&bytes, &size, path, err);
  *table = (struct table_file){.columns = columns};
  if (code == 0) {
    code = table_file_parse(table, bytes, size, columns, path, err);
  }
  free(bytes);
  return code;
}

void table_file_fini(struct table_file *table) {
  free(table->cells);
  *table = (struct table_file){0};
}

static int read_bytes(FILE *file, char **bytes, size_t *size) {
  size_t capacity = 1 << 16, got;
  do {
    if (!*bytes || *size + 1 >= capacity) {
      char *more = realloc(*bytes, capacity *= 2);
      if (!more) {
        return ENOMEM;
      }
      *bytes = more;
    }
    got = fread(*bytes + *size, 1, capacity - *size - 1, file);
    *size += got;
    if (*size > FILE_BYTES_MAX) {
      return EFBIG;
    }
  } while (got > 0);
  (*bytes)[*size] = 0;
  return ferror(file) ? errno : 0;
}

int table_file_bytes(char **bytes, size_t *size, const char *path, struct error *err) {
  FILE *file = fopen(path, "re");
  *bytes = NULL;
  *size = 0;
  if (!file) {
    return error_set(err, ERROR_IO, "%s: cannot open: %s", path, strerror(errno));
  }
  const int number = read_bytes(file, bytes, size);
  fclose(file);
  if (number == EFBIG) {
    return error_set(err, ERROR_INPUT, "%s: more than %d MiB: no file of this kind", path, FILE_BYTES_MAX >> 20);
  }
  return number
             ? error_set(err, number == ENOMEM ? ERROR_MEMORY : ERROR_IO, "%s: cannot read: %s", path, strerror(number))
             : 0;
}
