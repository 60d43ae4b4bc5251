/* A row a layer and op, a column a width. */
#include "reports/saved_view.h"

#include "reports/figures.h"
#include "reports/json.h"

#include <stdio.h>
#include <string.h>

enum { COLUMNS_MAX = 2 + 1 + QUANTIZER_BITS_MAX };

/* The row of the same layer and op, which is at the same place unless rows were grouped otherwise. */
static const struct saved_row *find(const struct saved_rows *rows, const struct saved_row *like, size_t at) {
  for (size_t i = 0; i < rows->count; i++) {
    const struct saved_row *row = &rows->rows[(at + i) % rows->count];
    if (strcmp(row->op, like->op) == 0 && strcmp(row->layer, like->layer) == 0) {
      return row;
    }
  }
  return NULL;
}

struct titles {
  char text[COLUMNS_MAX][FORMAT_SIZE];
  struct table_column columns[COLUMNS_MAX];
};

static size_t make_columns(struct titles *titles, size_t names, const struct model_run *runs, size_t count) {
  for (size_t i = 0; i < count; i++) {
    format_width_bits(titles->text[i], runs[i].bits);
    if (runs[i].bits) {
      snprintf(titles->text[i], FORMAT_SIZE, "%u bit%s", runs[i].bits, runs[i].bits > 1 ? "s" : "");
    }
    titles->columns[names + i] = (struct table_column){titles->text[i], COLUMN_RIGHT, i ? STYLE_PLAIN : STYLE_BOLD};
  }
  return names + count;
}

static void row_bytes(struct table *table, const struct saved_rows *rows, const struct saved_row *like, size_t at) {
  const struct saved_row *row = find(rows, like, at);
  if (row) {
    table_bytes(table, row->bytes);
  } else {
    table_cell(table, "-");
  }
}

static bool any_bytes(const struct model_run *runs, size_t count, const struct saved_row *row, size_t at) {
  for (size_t i = 0; i < count; i++) {
    const struct saved_row *found = find(&runs[i].saved, row, at);
    if (found && found->bytes) {
      return true;
    }
  }
  return false;
}

/* The run at 3 bits, or the last. */
static const struct model_run *few_bit_run(const struct model_run *runs, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (runs[i].bits == 3) {
      return &runs[i];
    }
  }
  return &runs[count - 1];
}

void saved_table_print(struct sink *sink, const struct model_run *all, size_t all_count) {
  struct titles titles = {.columns = {{"layer", COLUMN_LEFT, STYLE_PLAIN}, {"op", COLUMN_FLEX, STYLE_ACCENT}}};
  const struct model_run runs[] = {all[0], *few_bit_run(all, all_count)};
  const size_t count = all_count > 1 ? 2 : 1;
  struct table table;
  table_init(&table, sink, titles.columns, make_columns(&titles, 2, runs, count));
  for (size_t i = 0; i < runs[0].saved.count; i++) {
    const struct saved_row *row = &runs[0].saved.rows[i];
    char name[TAPE_NAME_SIZE + 32];
    if (!any_bytes(runs, count, row, i)) {
      continue;
    }
    snprintf(name, sizeof name, row->layers > 1 ? "%s (%zu)" : "%s", row->layer, row->layers);
    table_cell(&table, name);
    table_cell(&table, row->op);
    for (size_t width = 0; width < count; width++) {
      row_bytes(&table, &runs[width].saved, row, i);
    }
  }
  table_cell(&table, "all");
  table_cell(&table, "");
  for (size_t width = 0; width < count; width++) {
    table_bytes(&table, saved_rows_bytes(&runs[width].saved));
  }
  table_print(&table);
}

void saved_op_table_print(struct sink *sink, const struct saved_rows *by_op, const struct model_run *runs,
                          size_t count) {
  struct titles titles = {.columns = {{"op", COLUMN_FLEX, STYLE_ACCENT}}};
  struct table table;
  table_init(&table, sink, titles.columns, make_columns(&titles, 1, runs, count));
  for (size_t i = 0; i < by_op[0].count; i++) {
    const struct saved_row *row = &by_op[0].rows[i];
    if (row->bytes == 0) {
      continue;
    }
    table_cell(&table, row->op);
    for (size_t width = 0; width < count; width++) {
      row_bytes(&table, &by_op[width], row, i);
    }
  }
  table_print(&table);
}

void saved_rise_print(struct sink *sink, const struct model_run *runs, size_t count) {
  if (runs[count - 1].train.meter.peak > runs[0].train.meter.peak) {
    paragraph_print(sink, STYLE_WARN, 2, "  ",
                    "The peak rises: what the activation function keeps, another op keeps as well, so that codes only "
                    "come on top.");
  }
}

json_t *saved_rows_json(const struct saved_rows *rows) {
  json_t *list = json_array();
  for (size_t i = 0; i < rows->count; i++) {
    json_t *object = json_object();
    if (rows->rows[i].layer[0]) {
      json_put_text(object, "layer", rows->rows[i].layer);
    }
    json_put_text(object, "op", rows->rows[i].op);
    json_put_count(object, "layers", rows->rows[i].layers);
    json_put_count(object, "nodes", rows->rows[i].nodes);
    json_put_count(object, "bytes", rows->rows[i].bytes);
    json_array_append_new(list, object);
  }
  return list;
}
