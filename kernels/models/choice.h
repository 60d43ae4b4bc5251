/* A fewbit_choice for a tape, with the quantizers that it gives out: one for each function that is to go with codes, all
 * made when it is opened. A function that was not named then goes exact. */
#ifndef ACTSCOPE_KERNELS_MODELS_CHOICE_H
#define ACTSCOPE_KERNELS_MODELS_CHOICE_H

#include "kernels/layers/tape.h"
#include "kernels/models/model.h"

/* bits 0: all exact, nothing to close. functions: names, NULL after the last; method: enum quantizer_method. Copies of
 * *choice may be given to any number of tapes until choice_close. ERROR_USAGE for an unknown function or bits. */
int choice_open(struct fewbit_choice *choice, unsigned bits, int method, const char *const *functions,
                struct error *err);
/* For all functions that a model uses. */
int choice_open_model(struct fewbit_choice *choice, unsigned bits, int method, const struct model_options *options,
                      struct error *err);
void choice_close(struct fewbit_choice *choice); /* one that is zeroed is allowed */

#endif
