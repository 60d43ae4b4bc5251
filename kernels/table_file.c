/* Reads tables of numbers. */
#include "kernels/table_file.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 1 << 20 };

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

/* How many numbers the line holds (up to columns), or -1 if there is something else on it. */
static int parse_line(char *line, double *cells, size_t columns) {
  size_t found = 0;
  char *at = line, *end;
  for (;;) {
    at += strspn(at, " \t\r\n,;");
    if (!*at || *at == '#') {
      return (int)found;
    }
    if (found == columns) {
      return -1;
    }
    cells[found] = strtod(at, &end);
    if (end == at || !isfinite(cells[found])) {
      return -1;
    }
    found++;
    at = end;
  }
}

static int read_rows(struct table_file *table, FILE *file, const char *path, struct error *err) {
  size_t capacity = 0, line_capacity = 0, number = 0;
  char *line = NULL;
  int code = 0;
  while (code == 0 && getline(&line, &line_capacity, file) >= 0) {
    int found;
    number++;
    if (table->rows == capacity && (code = grow(table, &capacity)) < 0) {
      error_set(err, code, "%s: out of memory", path);
      break;
    }
    found = parse_line(line, table->cells + table->rows * table->columns, table->columns);
    if (found == (int)table->columns) {
      if (++table->rows > ROWS_MAX) {
        code = error_set(err, ERROR_INPUT, "%s: more than %d rows", path, ROWS_MAX);
      }
    } else if (found && !(table->rows == 0 && number == 1)) { /* the first line may be a heading */
      code = error_set(err, ERROR_INPUT, "%s: line %zu: %zu numbers were expected", path, number, table->columns);
    }
  }
  if (code == 0 && ferror(file)) {
    code = error_set(err, ERROR_IO, "%s: cannot read: %s", path, strerror(errno));
  }
  free(line);
  return code;
}

int table_file_read(struct table_file *table, const char *path, size_t columns, struct error *err) {
  FILE *file;
  int code;
  *table = (struct table_file){.columns = columns};
  file = fopen(path, "re");
  if (!file) {
    return error_set(err, ERROR_INPUT, "%s: cannot open: %s", path, strerror(errno));
  }
  code = read_rows(table, file, path, err);
  fclose(file);
  return code;
}

void table_file_fini(struct table_file *table) {
  free(table->cells);
  *table = (struct table_file){0};
}

static int read_bytes(FILE *file, char **bytes, size_t *size, size_t most) {
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
    if (*size > most) {
      return EFBIG;
    }
  } while (got > 0);
  (*bytes)[*size] = 0;
  return ferror(file) ? errno : 0;
}

int table_file_bytes(char **bytes, size_t *size, const char *path, size_t most, struct error *err) {
  FILE *file = fopen(path, "re");
  int number;
  *bytes = NULL;
  *size = 0;
  if (!file) {
    return error_set(err, ERROR_INPUT, "%s: cannot open: %s", path, strerror(errno));
  }
  number = read_bytes(file, bytes, size, most);
  fclose(file);
  return number ? error_set(err, number == ENOMEM ? ERROR_MEMORY : ERROR_INPUT, "%s: cannot read: %s", path,
                            strerror(number))
                : 0;
}
