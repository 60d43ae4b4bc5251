/* What the parts of replay_run share. Private to them. */
#ifndef ACTSCOPE_KERNELS_REPLAY_REPLAY_WORK_H
#define ACTSCOPE_KERNELS_REPLAY_REPLAY_WORK_H

#include "kernels/layers/tape.h"
#include "kernels/replay/replay_pass.h"
#include "kernels/replay/replay_run.h"

struct replay_work {
  const struct replay_options *options;
  struct replay_result *result;
  struct fewbit_choice choices[REPLAY_WIDTHS]; /* by width; [0] is unused */
  size_t *group_of;                            /* by activation, SIZE_MAX: skipped */
  size_t count;                                /* of activations */
  struct gradient_error *errors;               /* by width: of the whole list */
};

/* The group's function in its type at a width; ERROR_USAGE if there is no quantizer for it. */
int replay_work_pass(const struct replay_work *work, const struct replay_group *group, size_t width,
                     struct replay_pass *pass, struct error *err);

/* Times and errors of one activation of the group. */
int replay_measure(struct replay_work *work, size_t group, struct error *err);

/* The whole list forward and backward at a width, so that all of it is held at once. dry: counts and computes nothing;
 * *peak is the meter's. Results are taken from a run that is not dry. */
int replay_hold(struct replay_work *work, size_t width, bool dry, size_t *peak, struct error *err);

#endif
