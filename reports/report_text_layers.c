/* The text report's table of layers. A network of twelve like blocks has twelve like layers of each kind; they are one row,
 * "blocks.*.mlp.act". */
#include "analyzers/facts_layers.h"
#include "reports/format.h"
#include "reports/report_text.h"
#include "reports/table.h"

#include <errno.h>
#include <stdio.h>

static const char *row_name(const struct facts_layer *layer) {
  if (!*layer->layer) {
    return "(in no layer)";
  }
  return layer->layers > 1 ? layer->pattern : layer->layer;
}

static void row(struct table *table, const struct facts *facts, const struct facts_layer *layer) {
  char bar[BAR_SIZE];
  table_cell(table, row_name(layer));
  table_count(table, layer->layers);
  table_bytes(table, layer->bytes);
  table_percent(table, (double)layer->bytes, (double)facts->saved_bytes);
  table_cell(table, bar_format(bar, (double)layer->bytes / (double)facts->saved_bytes, 10, table->sink->unicode));
  if (layer->eligible_bytes) {
    table_bytes(table, layer->eligible_bytes);
  } else {
    table_cell(table, "-");
  }
  table_count(table, layer->blocks);
}

static void print_rows(struct sink *sink, const struct facts *facts, const struct facts_layers *layers, size_t top) {
  static const struct table_column columns[] = {
      {"layer", COLUMN_FLEX, STYLE_BOLD},   {"layers", COLUMN_RIGHT, STYLE_PLAIN},
      {"bytes", COLUMN_RIGHT, STYLE_PLAIN}, {"share", COLUMN_RIGHT, STYLE_PLAIN},
      {"", COLUMN_LEFT, STYLE_ACCENT},      {"eligible", COLUMN_RIGHT, STYLE_GOOD},
      {"blocks", COLUMN_RIGHT, STYLE_PLAIN}};
  struct table table;
  size_t hidden = 0;
  uint64_t rest = 0;
  table_init(&table, sink, columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < layers->count; i++) {
    if (i < top) {
      row(&table, facts, &layers->items[i]);
    } else {
      hidden += layers->items[i].layers;
      rest += layers->items[i].bytes;
    }
  }
  table_print(&table);
  if (hidden) {
    report_text_rest(sink, "layer", hidden, rest);
  }
}

void report_text_by_layer(struct sink *sink, const struct facts *facts, const struct report_options *options) {
  struct facts_layers layers;
  if (facts_layers_init(&layers, facts, true) != 0 || facts_layers_sort(&layers, facts, report_order(options)) != 0) {
    sink_fail(sink, ENOMEM);
  } else if (layers.count) {
    char title[96];
    snprintf(title, sizeof title, "Saved for backward in step %d, by layer", facts->saved_step);
    section_print(sink, title);
    print_rows(sink, facts, &layers, options->top);
  }
  facts_layers_fini(&layers);
}
