/* The meter of the layers' room: every array of a model, its gradients and its optimizer goes through one, so that peak
 * and saved bytes are counted and not guessed. A dry meter counts alike but gives no memory: that is how `plan` runs a
 * model that is too large for this machine.
 *
 * One meter, one thread. Bytes are bytes asked for. */
#ifndef ACTSCOPE_KERNELS_LAYERS_MEMORY_H
#define ACTSCOPE_KERNELS_LAYERS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

enum memory_kind {
  MEMORY_PARAMETER,  /* weights, and buffers that live as long (running means, position tables) */
  MEMORY_GRADIENT,   /* of parameters */
  MEMORY_OPTIMIZER,  /* its state */
  MEMORY_INPUT,      /* the batch */
  MEMORY_ACTIVATION, /* results of layers, gradients of them, and what is kept for backward */
  MEMORY_TEMPORARY,  /* freed by the call that made it */
  MEMORY_KINDS
};
const char *memory_kind_name(enum memory_kind kind); /* "parameter", "gradient", "optimizer_state", ... */

enum { MEMORY_HOLDS = 8 };

struct tensor;

struct memory {
  bool dry;
  size_t limit;      /* a real meter gives no memory beyond so many live bytes; 0: no limit */
  size_t live, peak; /* of all kinds */
  size_t live_of[MEMORY_KINDS];
  size_t at_peak[MEMORY_KINDS]; /* when `peak` was reached; sums to it */
  size_t saved, saved_peak;     /* of distinct tensors with a holder: see tensor_hold */
  size_t saved_at_peak;         /* `saved` when `peak` was reached */

  /* For the marks by which `actscope record` sees what is saved (include/actscope/mark.h): what has been held since the
   * last node, until the node says which op holds it; and which op lets go now, NULL where none does. */
  const struct tensor *holds[MEMORY_HOLDS];
  unsigned holds_count;
  const char *releasing;
};

void memory_init(struct memory *memory, bool dry);

/* Starts the peaks anew from what is live now: at the beginning of a step. */
void memory_restart_peaks(struct memory *memory);

/* Zeroed and aligned to 64 bytes, for memory_free with the same kind and bytes; NULL if there is no memory, and always
 * in a dry meter. bytes may be 0. A failed allocation of a real meter is not counted. */
void *memory_take(struct memory *memory, enum memory_kind kind, size_t bytes);
/* The same, its contents undefined. */
void *memory_take_raw(struct memory *memory, enum memory_kind kind, size_t bytes);
void memory_free(struct memory *memory, enum memory_kind kind, void *data, size_t bytes);

/* For tensor_hold and tensor_release: so many bytes more, or fewer, that somebody keeps for backward. */
void memory_hold(struct memory *memory, size_t bytes);
void memory_release(struct memory *memory, size_t bytes);

#endif
