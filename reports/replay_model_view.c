/* A model's training, exact and few-bit, as text and as JSON. */
#include "reports/figures.h"
#include "reports/json.h"
#include "reports/replay_view.h"
#include "reports/saved_view.h"

#include <math.h>
#include <stdio.h>

/* ---- text -------------------------------------------------------------------------------------------------------- */

static const struct train_step *last_step(const struct model_run *run) {
  return run->train.steps ? &run->train.curve[run->train.steps - 1] : NULL;
}

static void widths_table(struct sink *sink, const struct replay_model *replay) {
  static const struct table_column columns[] = {
      {"bits", COLUMN_RIGHT, STYLE_BOLD},        {"peak", COLUMN_RIGHT, STYLE_BOLD},
      {"", COLUMN_RIGHT, STYLE_PLAIN},           {"saved", COLUMN_RIGHT, STYLE_PLAIN},
      {"planned", COLUMN_RIGHT, STYLE_PLAIN},    {"step", COLUMN_RIGHT, STYLE_PLAIN},
      {"first loss", COLUMN_RIGHT, STYLE_PLAIN}, {"last loss", COLUMN_RIGHT, STYLE_ACCENT}};
  struct table table;
  table_init(&table, sink, columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < replay->runs_count; i++) {
    const struct model_run *run = &replay->runs[i];
    const double first = (double)replay->runs[0].train.meter.peak, peak = (double)run->train.meter.peak;
    char text[FORMAT_SIZE];
    table_width_bits(&table, run->bits);
    table_bytes(&table, run->train.meter.peak);
    if (i) {
      snprintf(text, sizeof text, "%+.1f%%", 100 * (peak - first) / first);
    }
    table_cell(&table, i ? text : "");
    table_bytes(&table, run->saved_bytes);
    table_bytes(&table, replay->planned[i].saved_bytes);
    table_cell(&table, format_duration(text, run->train.step_ns));
    table_fixed(&table, 5, (double)run->train.curve[0].loss);
    table_fixed(&table, 5, (double)last_step(run)->loss);
  }
  table_print(&table);
}

/* At most so many rows: the first step, the last, and some between, evenly. */
static void curves_table(struct sink *sink, const struct replay_model *replay) {
  enum { ROWS_MAX = 11 };
  struct table_column columns[2 + QUANTIZER_BITS_MAX] = {{"step", COLUMN_RIGHT, STYLE_BOLD}};
  char titles[1 + QUANTIZER_BITS_MAX][FORMAT_SIZE];
  const size_t steps = replay->runs[0].train.steps, rows = steps < ROWS_MAX ? steps : ROWS_MAX;
  struct table table;
  for (size_t i = 0; i < replay->runs_count; i++) {
    columns[1 + i] =
        (struct table_column){format_width_bits(titles[i], replay->runs[i].bits), COLUMN_RIGHT, STYLE_PLAIN};
  }
  table_init(&table, sink, columns, 1 + replay->runs_count);
  for (size_t row = 0; row < rows; row++) {
    const size_t step = rows > 1 ? row * (steps - 1) / (rows - 1) : 0;
    table_count(&table, step + 1);
    for (size_t i = 0; i < replay->runs_count; i++) {
      table_fixed(&table, 5, (double)replay->runs[i].train.curve[step].loss);
    }
  }
  table_print(&table);
}

static void print_title(struct sink *sink, const struct replay_model_options *options,
                        const struct replay_model *replay) {
  char line[FIGURES_LINE_SIZE], text[FIGURES_LINE_SIZE + 256], count[FORMAT_SIZE];
  const struct model_run_options *run = &options->run;
  snprintf(text, sizeof text, "%s; %s parameters, %s, %zu step%s on %s, seed %llu",
           format_model(line, &replay->runs[0].model), format_count(count, replay->runs[0].parameters),
           optimizer_name(run->optimizer.kind), run->steps, run->steps == 1 ? "" : "s",
           run->data ? data_kind_name(run->data->kind) : "random batches", (unsigned long long)run->seed);
  paragraph_print(sink, STYLE_BOLD, 0, "", text);
  sink_print(sink, "\n");
}

void replay_model_text_emit(struct sink *sink, const struct replay_model_options *options,
                            const struct replay_model *replay) {
  print_title(sink, options, replay);
  widths_table(sink, replay);
  section_print(sink, "Loss");
  sink_print(sink, "\n");
  curves_table(sink, replay);
  section_print(sink, "Saved for backward by layer");
  sink_print(sink, "\n");
  saved_table_print(sink, replay->runs, replay->runs_count);
  sink_print(sink, "\n");
  saved_rise_print(sink, replay->runs, replay->runs_count);
  paragraph_print(
      sink, STYLE_DIM, 2, "  ",
      "Peak and saved are measured by the meter of the layers' room: parameters, gradients, optimizer, batch "
      "and activations; saved beside what `actscope plan' says. A step's time is the median.");
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static json_t *losses_json(const struct train_result *train) {
  json_t *losses = json_array();
  for (size_t i = 0; i < train->steps; i++) {
    const double loss = (double)train->curve[i].loss;
    json_array_append_new(losses, isfinite(loss) ? json_real(loss) : json_null());
  }
  return losses;
}

static json_t *run_json(const struct model_run *run, const struct model_run *planned) {
  json_t *object = json_object();
  json_put_count(object, "bits", run->bits);
  json_put_count(object, "peak_bytes", run->train.meter.peak);
  json_put_count(object, "saved_bytes", run->saved_bytes);
  json_put_count(object, "planned_peak_bytes", planned->train.meter.peak);
  json_put_count(object, "planned_saved_bytes", planned->saved_bytes);
  json_object_set_new(object, "at_peak", figures_kinds_json(run->train.meter.at_peak));
  json_put_count(object, "step_ns", run->train.step_ns);
  json_object_set_new(object, "loss", losses_json(&run->train));
  json_object_set_new(object, "layers", saved_rows_json(&run->saved));
  return object;
}

void replay_model_json_emit(struct sink *sink, const struct replay_model_options *options,
                            const struct replay_model *replay) {
  json_t *root = json_begin("actscope.replay/1"), *widths = json_array();
  const struct model_run_options *run = &options->run;
  json_put_text(root, "kind", "model");
  json_object_set_new(root, "model", figures_model_json(&replay->runs[0].model));
  json_put_count(root, "parameters", replay->runs[0].parameters);
  json_put_text(root, "optimizer", optimizer_name(run->optimizer.kind));
  json_put_count(root, "steps", run->steps);
  json_put_text(root, "data", run->data ? data_kind_name(run->data->kind) : "random");
  json_put_count(root, "seed", run->seed);
  json_put_text(root, "method", quantizer_method_name(run->method));
  for (size_t i = 0; i < replay->runs_count; i++) {
    json_array_append_new(widths, run_json(&replay->runs[i], &replay->planned[i]));
  }
  json_object_set_new(root, "widths", widths);
  json_emit(sink, root);
}
