/* What training came to, over seeds: text and JSON. */
#include "reports/figures.h"
#include "reports/json.h"
#include "reports/verify_view.h"

#include <math.h>
#include <stdio.h>

/* Of a width whose runs did not all end finite. */
static void loss_cell(struct table *table, const char *text, const struct verify_outcome *outcome) {
  table_cell(table, isfinite(outcome->loss.mean) ? text : "-");
}

static void outcome_row(struct table *table, const struct verify_outcome *outcome, size_t seeds) {
  double sum = 0;
  for (size_t i = 0; i < seeds; i++) {
    sum += outcome->training_loss[i] / (double)seeds;
  }
  char text[FORMAT_SIZE];
  table_width_bits(table, outcome->bits);
  snprintf(text, sizeof text, "%.4f", sum);
  table_cell(table, isfinite(sum) ? text : "diverged");
  snprintf(text, sizeof text, "%.4f", outcome->loss.mean);
  table_cell(table, isfinite(outcome->loss.mean) ? text : "diverged");
  snprintf(text, sizeof text, "%.4f", outcome->loss.deviation);
  loss_cell(table, seeds > 1 ? text : "-", outcome);
  snprintf(text, sizeof text, "%.4f..%.4f", outcome->loss.low, outcome->loss.high);
  loss_cell(table, text, outcome);
  snprintf(text, sizeof text, "%.2f%%", 100 * outcome->accuracy.mean);
  table_cell(table, text);
  snprintf(text, sizeof text, "%.2f..%.2f", 100 * outcome->accuracy.low, 100 * outcome->accuracy.high);
  table_cell(table, text);
  table_cell(table, outcome->bits == 0 ? "" : outcome->within ? "yes" : "NO");
}

static void print_title(struct sink *sink, const struct verify_train_options *options,
                        const struct verify_training *training) {
  char line[FIGURES_LINE_SIZE], text[FIGURES_LINE_SIZE + 400], count[FORMAT_SIZE];
  const struct model_run_options *run = &options->run;
  snprintf(text, sizeof text, "%s; %s parameters, %s, %zu steps on %s (%s), %zu seed%s from %llu",
           format_model(line, &run->model), format_count(count, training->parameters),
           optimizer_name(run->optimizer.kind), run->steps, data_kind_name(run->data->kind), run->data->source,
           training->seeds, training->seeds == 1 ? "" : "s", (unsigned long long)run->seed);
  paragraph_print(sink, STYLE_BOLD, 0, "", text);
  sink_print(sink, "\n");
}

void verify_training_text_emit(struct sink *sink, const struct verify_train_options *options,
                               const struct verify_training *training) {
  static const struct table_column columns[] = {
      {"bits", COLUMN_RIGHT, STYLE_BOLD},        {"training loss", COLUMN_RIGHT, STYLE_PLAIN},
      {"test loss", COLUMN_RIGHT, STYLE_ACCENT}, {"deviation", COLUMN_RIGHT, STYLE_PLAIN},
      {"range", COLUMN_RIGHT, STYLE_PLAIN},      {"accuracy", COLUMN_RIGHT, STYLE_ACCENT},
      {"range", COLUMN_RIGHT, STYLE_PLAIN},      {"within", COLUMN_RIGHT, STYLE_BOLD}};
  struct table table;
  print_title(sink, options, training);
  table_init(&table, sink, columns, sizeof columns / sizeof *columns);
  for (size_t i = 0; i < training->count; i++) {
    outcome_row(&table, &training->outcomes[i], training->seeds);
  }
  table_print(&table);
  sink_print(sink, "\n");
  paragraph_print(sink, training->passed ? STYLE_GOOD : STYLE_WARN, 0, "",
                  training->passed ? "Passed: few-bit training ends no worse than exact training's own spread."
                                   : "Fell short: some width ends worse than exact training's own spread.");
  paragraph_print(
      sink, STYLE_DIM, 0, "",
      "Test loss and accuracy on data that was not trained on; training loss: the last tenth of the steps. A "
      "width is within if the mean of its test losses is not above the highest exact one and the mean of its "
      "accuracies not below the lowest.");
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static json_t *spread_json(const struct verify_spread *spread) {
  json_t *object = json_object();
  json_put_real(object, "mean", spread->mean);
  json_put_real(object, "deviation", spread->deviation);
  json_put_real(object, "low", spread->low);
  json_put_real(object, "high", spread->high);
  return object;
}

static json_t *outcome_json(const struct verify_outcome *outcome, const struct verify_training *training,
                            uint64_t seed) {
  json_t *object = json_object(), *runs = json_array();
  json_put_count(object, "bits", outcome->bits);
  json_object_set_new(object, "loss", spread_json(&outcome->loss));
  json_object_set_new(object, "accuracy", spread_json(&outcome->accuracy));
  for (size_t i = 0; i < training->seeds; i++) {
    json_t *run = json_object();
    json_put_count(run, "seed", seed + i);
    json_put_real(run, "loss", outcome->runs[i].loss);
    json_put_real(run, "accuracy", outcome->runs[i].accuracy);
    json_put_real(run, "training_loss", outcome->training_loss[i]);
    json_array_append_new(runs, run);
  }
  json_object_set_new(object, "runs", runs);
  if (outcome->bits) {
    json_put_bool(object, "within", outcome->within);
  }
  return object;
}

void verify_training_json_emit(struct sink *sink, const struct verify_train_options *options,
                               const struct verify_training *training) {
  json_t *root = json_begin("actscope.verify/1"), *object = json_object(), *outcomes = json_array();
  const struct model_run_options *run = &options->run;
  json_put_text(root, "kind", "training");
  json_put_text(root, "model", run->model.name);
  json_put_text(root, "data", data_kind_name(run->data->kind));
  json_put_text(root, "method", quantizer_method_name(run->method));
  json_put_text(object, "source", run->data->source);
  json_put_count(object, "steps", run->steps);
  json_put_count(object, "seeds", training->seeds);
  json_put_text(object, "optimizer", optimizer_name(run->optimizer.kind));
  json_put_count(object, "parameters", training->parameters);
  for (size_t i = 0; i < training->count; i++) {
    json_array_append_new(outcomes, outcome_json(&training->outcomes[i], training, run->seed));
  }
  json_object_set_new(object, "outcomes", outcomes);
  json_object_set_new(root, "training", object);
  json_put_bool(root, "passed", training->passed);
  json_emit(sink, root);
}
