/* The options that say what a built-in model is and how it is trained: argp child parsers. */
#ifndef ACTSCOPE_CLI_MODEL_ARGUMENTS_H
#define ACTSCOPE_CLI_MODEL_ARGUMENTS_H

#include "common/error.h"
#include "kernels/models/data.h"
#include "kernels/models/model.h"
#include "kernels/models/optimizer.h"

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

enum { MODEL_SETTINGS_MAX = 32 };

struct model_arguments {
  char *settings[MODEL_SETTINGS_MAX]; /* "key=value", in the order given; owned */
  size_t settings_count;
  struct optimizer_options optimizer; /* set it to a default before */
  const char *optimizer_given;        /* --optimizer's text, NULL: not given */
};
/* --batch, --sequence, --set, --optimizer. */
extern const struct argp model_argp;
void model_arguments_fini(struct model_arguments *arguments);

struct training_arguments {
  size_t steps;
  uint64_t seed;
  double rate;      /* 0: the optimizer's default */
  const char *data; /* "text", "digits", "random"; NULL: the command's default */
  const char *data_file;
  bool steps_given;
};
/* --steps, --seed, --rate, --data, --data-file. */
extern const struct argp training_argp;

/* Is this the name of a built-in model, or of a .model file? */
bool model_arguments_is_model(const char *name);

/* Its options with the settings in them, checked. */
int model_arguments_find(const struct model_arguments *arguments, const char *name, struct model_options *options,
                         struct error *err);
/* The file that the name is of: `name`, or NULL for a built-in model. */
const char *model_arguments_file(const char *name);

/* For what is no model: ERROR_USAGE if there are settings or options of training (but --seed), which `what` ("run.act",
 * "--tensors") has not, or if run (may be NULL) is no file but may be a model's name mistyped. */
int model_arguments_refuse(const struct model_arguments *arguments, const struct training_arguments *training,
                           const char *what, const char *run, struct error *err);

/* Opens the data that was asked for, by default `by_default` ("random", or "real" for what the model can learn from), and
 * makes the model fit it; *data NULL for random batches, else for data_close. ERROR_USAGE for data of another kind. */
int training_arguments_data(const struct training_arguments *arguments, const char *by_default,
                            struct model_options *options, struct data **data, struct error *err);

#endif
