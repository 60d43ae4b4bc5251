/* Copies and sums of tape_by_layer. */
#include "kernels/replay/saved_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int saved_rows_collect(struct saved_rows *rows, const struct tape *tape, struct error *err) {
  struct tape_row *found;
  size_t count;
  *rows = (struct saved_rows){0};
  int code = tape_by_layer(tape, &found, &count, err);
  if (code < 0) {
    return code;
  }
  rows->rows = calloc(count + 1, sizeof *rows->rows);
  if (!rows->rows) {
    free(found);
    return error_set(err, ERROR_MEMORY, "saved bytes by layer: out of memory");
  }
  for (size_t i = 0; i < count; i++) {
    struct saved_row *row = &rows->rows[rows->count++];
    snprintf(row->layer, sizeof row->layer, "%s", found[i].layer);
    row->op = found[i].op;
    row->layers = 1;
    row->nodes = found[i].nodes;
    row->bytes = found[i].saved_bytes;
  }
  free(found);
  return 0;
}

void saved_rows_fini(struct saved_rows *rows) {
  free(rows->rows);
  *rows = (struct saved_rows){0};
}

/* ---- layers that are alike --------------------------------------------------------------------------------------- */

static bool is_number(const char *text, size_t length) {
  return length > 0 && strspn(text, "0123456789") >= length;
}

/* "blocks.3.mlp" -> "blocks.*.mlp" */
static void make_pattern(char out[static TAPE_NAME_SIZE], const char *name) {
  size_t used = 0;
  for (;;) {
    const size_t length = strcspn(name, ".");
    const bool number = is_number(name, length);
    used += (size_t)snprintf(out + used, TAPE_NAME_SIZE - used, "%.*s", number ? 1 : (int)length, number ? "*" : name);
    if (!name[length]) {
      return;
    }
    out[used++] = '.';
    name += length + 1;
  }
}

/* Of the same pattern, op and bytes a layer. */
static bool alike(const struct saved_row *group, const char *group_pattern, const struct saved_row *row,
                  const char *pattern) {
  return strcmp(group->op, row->op) == 0 && strcmp(group_pattern, pattern) == 0 &&
         group->bytes / group->layers == row->bytes && group->nodes / group->layers == row->nodes;
}

void saved_rows_group(struct saved_rows *rows) {
  size_t kept = 0;
  for (size_t i = 0; i < rows->count; i++) {
    const struct saved_row row = rows->rows[i];
    char pattern[TAPE_NAME_SIZE], group_pattern[TAPE_NAME_SIZE];
    size_t at = 0;
    make_pattern(pattern, row.layer);
    for (; at < kept; at++) {
      make_pattern(group_pattern, rows->rows[at].layer);
      if (alike(&rows->rows[at], group_pattern, &row, pattern)) {
        break;
      }
    }
    if (at == kept) {
      rows->rows[kept++] = row;
      continue;
    }
    memcpy(rows->rows[at].layer, pattern, sizeof pattern);
    rows->rows[at].layers++;
    rows->rows[at].nodes += row.nodes;
    rows->rows[at].bytes += row.bytes;
  }
  rows->count = kept;
}

/* ---- sums -------------------------------------------------------------------------------------------------------- */

static int by_bytes(const void *a, const void *b) {
  const struct saved_row *x = a, *y = b;
  return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

int saved_rows_by_op(const struct saved_rows *rows, struct saved_rows *by_op, struct error *err) {
  by_op->count = 0;
  by_op->rows = calloc(rows->count + 1, sizeof *by_op->rows);
  if (!by_op->rows) {
    return error_set(err, ERROR_MEMORY, "saved bytes by op: out of memory");
  }
  for (size_t i = 0; i < rows->count; i++) {
    size_t at = 0;
    while (at < by_op->count && strcmp(by_op->rows[at].op, rows->rows[i].op) != 0) {
      at++;
    }
    by_op->count += at == by_op->count;
    by_op->rows[at].op = rows->rows[i].op;
    by_op->rows[at].layers += rows->rows[i].layers;
    by_op->rows[at].nodes += rows->rows[i].nodes;
    by_op->rows[at].bytes += rows->rows[i].bytes;
  }
  qsort(by_op->rows, by_op->count, sizeof *by_op->rows, by_bytes);
  return 0;
}

size_t saved_rows_bytes(const struct saved_rows *rows) {
  size_t bytes = 0;
  for (size_t i = 0; i < rows->count; i++) {
    bytes += rows->rows[i].bytes;
  }
  return bytes;
}
