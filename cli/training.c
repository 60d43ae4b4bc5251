/* A built-in model about to be trained. */
#include "cli/training.h"

static void on_step(void *context, const struct train_step *step) {
  struct training *training = context;
  (void)step;
  training->steps_done++;
  progress_update(&training->progress, (double)training->steps_done / (double)training->steps);
}

void training_init(struct training *training, const struct model_arguments *model,
                   const struct training_arguments *arguments, enum quantizer_method method) {
  *training = (struct training){.options = {.optimizer = model->optimizer,
                                            .steps = arguments->steps,
                                            .seed = arguments->seed,
                                            .method = method,
                                            .progress = on_step,
                                            .context = training}};
  if (arguments->rate > 0) {
    training->options.optimizer.rate = (float)arguments->rate;
  }
}

void training_fini(struct training *training) {
  data_close(training->data);
}

int training_prepare_output(const struct training *training, const char *model, const struct output *output,
                            const char *plot, struct error *err) {
  const char *const inputs[] = {model_arguments_file(model), training->data ? training->data->source : NULL};
  return output_prepare(output, plot, inputs, 2, err);
}

void training_begin(struct training *training, size_t steps) {
  training->steps_done = 0;
  training->steps = steps ? steps : 1;
  progress_begin(&training->progress, "training");
}

void training_end(struct training *training) {
  progress_end(&training->progress);
}
