/* A built-in model about to be trained: how, on which data, and a progress line over its steps. */
#ifndef ACTSCOPE_CLI_TRAINING_H
#define ACTSCOPE_CLI_TRAINING_H

#include "cli/model_arguments.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "kernels/replay/model_run.h"

struct training {
  struct model_run_options options; /* its context is this struct, which therefore must not be moved */
  struct data *data;                /* NULL: random batches */
  struct progress progress;
  size_t steps_done, steps;
};

/* What the arguments say; model and data are still to come. */
void training_init(struct training *training, const struct model_arguments *model,
                   const struct training_arguments *arguments, enum quantizer_method method);
void training_fini(struct training *training);

/* Before it begins: output_prepare, for what the model's name and its data were read from. */
int training_prepare_output(const struct training *training, const char *model, const struct output *output,
                            const char *plot, struct error *err);

/* Shows progress from here on; steps: all that are to come, over widths and seeds. */
void training_begin(struct training *training, size_t steps);
void training_end(struct training *training);

#endif
