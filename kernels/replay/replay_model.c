/* One run after the other, each with a fresh model. */
#include "kernels/replay/replay_model.h"

static int replay_width(struct replay_model *replay, const struct model_run_options *options, unsigned bits,
                        struct error *err) {
  struct model_run_options once = *options;
  const size_t at = replay->runs_count++;
  once.steps = 1;
  once.progress = NULL;
  int code = model_run(&once, bits, true, &replay->planned[at], err);
  if (code == 0) {
    code = model_run(options, bits, false, &replay->runs[at], err);
  }
  saved_rows_group(&replay->runs[at].saved);
  return code;
}

int replay_model(struct replay_model *replay, const struct replay_model_options *options, struct error *err) {
  *replay = (struct replay_model){0};
  if (options->bits_count < 1 || options->bits_count > 1 + QUANTIZER_BITS_MAX) {
    return error_set(err, ERROR_USAGE, "replay: give 1 to %d widths", 1 + QUANTIZER_BITS_MAX);
  }
  int code = model_run_check(&options->run, 0, err);
  for (size_t i = 0; code == 0 && i < options->bits_count; i++) {
    code = replay_width(replay, &options->run, options->bits[i], err);
  }
  return code;
}

void replay_model_fini(struct replay_model *replay) {
  for (size_t i = 0; i < replay->runs_count; i++) {
    model_run_fini(&replay->runs[i]);
    model_run_fini(&replay->planned[i]);
  }
  *replay = (struct replay_model){0};
}
