/* What is the same for every table: which rows are shown, what the others stand for, and cells in words. */
#include "reports/report_table.h"

#include "reports/figures.h"
#include "reports/report_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

size_t report_table_shown(const struct report_table *table, const struct report_rows *rows, bool page) {
  size_t count = table->count(rows), top = rows->options->top;
  return (table->is_list || (page && table->is_long)) && top && top < count ? top : count;
}

const char *report_table_rest(const struct report_table *table, const struct report_rows *rows,
                              char out[static REPORT_REST_SIZE]) {
  const size_t count = table->count(rows), shown = report_table_shown(table, rows, true);
  char number[FORMAT_SIZE], size[FORMAT_SIZE];
  uint64_t bytes = 0;
  out[0] = '\0';
  if (shown == count) {
    return out;
  }
  for (size_t i = shown; table->bytes && i < count; i++) {
    bytes += table->bytes(rows, i);
  }
  snprintf(out, REPORT_REST_SIZE, "and %s more%s%s; --top 0 shows all", format_count(number, count - shown),
           table->bytes ? ", " : "", table->bytes ? format_bytes(size, bytes) : "");
  return out;
}

const char *report_cell_words(char out[static FORMAT_SIZE], enum cell_kind kind, const struct report_cell *cell) {
  if (!cell->known) {
    return strcpy(out, "-");
  }
  switch (kind) {
  case CELL_BYTES:
    return format_bytes(out, (uint64_t)cell->number);
  case CELL_SIGNED_BYTES:
    return format_signed_bytes(out, cell->number);
  case CELL_COUNT:
    return format_count(out, (uint64_t)cell->number);
  case CELL_TIME:
    return format_duration(out, (uint64_t)cell->number);
  case CELL_BOOL:
    return strcpy(out, cell->number ? "yes" : "no");
  case CELL_PERCENT:
    return format_percent(out, cell->real, 100);
  case CELL_COSINE:
    return format_cosine(out, cell->real);
  case CELL_ERROR:
    return format_relative(out, cell->real);
  default:
    snprintf(out, FORMAT_SIZE, "%" PRId64, cell->number);
    return out;
  }
}
