/* Replays the activations that a recorded run saved and that few-bit codes could replace: each at its true size and in
 * its type, exact and at each width. Bytes held come from the meter, times from the clock, errors against f' in double.
 *
 * Inputs and the gradients that come in are drawn from N(0, 1): a run has no samples of its own. Functions have their
 * default parameters, gelu its erf form. */
#ifndef ACTSCOPE_KERNELS_REPLAY_REPLAY_RUN_H
#define ACTSCOPE_KERNELS_REPLAY_REPLAY_RUN_H

#include "common/error.h"
#include "kernels/quantizer.h"
#include "kernels/replay/gradient_error.h"

#include <stdbool.h>
#include <stdint.h>

enum { REPLAY_WIDTHS = 1 + QUANTIZER_BITS_MAX, REPLAY_NAME_SIZE = 64 };

/* What there is to replay, as the analysis of the run has it; strings are borrowed for the call. */
struct replay_activation {
  const char *function; /* as torch.nn.functional has it */
  const char *dtype;    /* "float32" */
  const char *layer;    /* "" not known */
  uint64_t elements;
  uint64_t bytes; /* of the recorded block */
};

struct replay_options {
  unsigned bits[QUANTIZER_BITS_MAX];
  size_t bits_count;
  enum quantizer_method method;
  uint64_t seed;
  bool untimed;                                  /* a check of gradients: forward_ns and backward_ns stay 0 */
  bool apart;                                    /* identical activations are not grouped: each draws its own numbers */
  void (*progress)(void *context, double share); /* or NULL */
  void *context;
};

struct replay_width {
  unsigned bits;                    /* 0: exact */
  uint64_t projected, held;         /* bytes for backward: as the projection counts them; by the meter */
  double forward_ns, backward_ns;   /* an element; for the total: of the whole list */
  struct gradient_figures gradient; /* against f' dy in double */
  uint64_t peak, projected_peak; /* the total only: the meter's, with x, y, dy and dx of one activation at a time; the
                                        same counted before anything was computed */
};

/* Activations of one function, type and size. */
struct replay_group {
  char function[REPLAY_NAME_SIZE], dtype[REPLAY_NAME_SIZE], layer[REPLAY_NAME_SIZE]; /* layer: the first one's */
  uint64_t elements;                                                                 /* of each */
  uint64_t recorded; /* bytes of each one's block in the run */
  size_t count;
  const char *skipped;                       /* why it was not replayed; NULL: it was. Static */
  struct replay_width widths[REPLAY_WIDTHS]; /* exact, then by options.bits; bytes are of all in the group */
};

struct replay_result {
  struct replay_group *groups; /* by their first activation */
  size_t groups_count;
  size_t activations, replayed; /* in the list; of them not skipped */
  size_t widths_count;
  struct replay_width total[REPLAY_WIDTHS];
};

/* ERROR_MEMORY, before anything is done, if the machine has not the memory that the list needs. */
int replay_run(const struct replay_activation *list, size_t count, const struct replay_options *options,
               struct replay_result *result, struct error *err);
void replay_result_fini(struct replay_result *result); /* after failure, too */

#endif
