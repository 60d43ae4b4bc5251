/* One step's forward pass, written down so that it can be walked backward: a small autograd.
 *
 * An op of ops.h takes values and makes one; it appends a node that knows what it saved and how to go back. Errors
 * (no memory, shapes that do not fit) stick to the tape: ops then return NULL and take NULL, so that a model reads as
 * formulas and asks once, at the end. tape_backward walks the nodes in reverse; a node's saved tensors go as soon as it
 * is done, gradients of intermediate values as soon as they are used, so that what the meter sees is what a framework's
 * autograd would hold.
 *
 * With a dry meter every op does all of this but compute. One tape, one thread (ops use OpenMP inside). Results do not
 * depend on the number of threads. */
#ifndef ACTSCOPE_KERNELS_LAYERS_TAPE_H
#define ACTSCOPE_KERNELS_LAYERS_TAPE_H

#include "actscope/fewbit.h"
#include "common/error.h"
#include "kernels/layers/tensor.h"

#include <stdbool.h>
#include <stdint.h>

enum { TAPE_DIMS = 4, TAPE_NAME_SIZE = 64, TAPE_DEPTH = 16 };

/* A float32 array, row-major, and once backward has come by the gradient of the loss by it. A parameter's value lives
 * with its model and its gradient adds up over tapes until zeroed; others live as long as their tape. */
struct value {
  struct tensor *tensor;
  struct tensor *gradient; /* NULL until there is one */
  size_t shape[TAPE_DIMS]; /* `dims` of them */
  unsigned dims;
  bool needs_gradient;
  bool parameter;
};
size_t value_count(const struct value *value); /* elements */

struct node;
struct tape;

/* What makes an op: how to go back from it, and how to let go of what it saved. `saved` is the op's own struct, kept in
 * the node; both are called once at most, backward first. */
struct node_ops {
  const char *op; /* as autograd would name it: "addmm", "gelu", "native_layer_norm" */
  /* Adds to the inputs' gradients (tape_gradient) from the output's gradient, which exists (its data is NULL in a dry
   * run). What is needed of the inputs is in `saved`: their own tensors may be gone (tape_forget). */
  void (*backward)(struct tape *tape, struct node *node);
  void (*release)(void *saved); /* tensor_release of all that is held */
};

enum { TAPE_INPUTS = 4, TAPE_SAVED_SIZE = 96 };

struct node {
  const struct node_ops *ops;
  char layer[TAPE_NAME_SIZE];                        /* "blocks.3.mlp.act": where the model was when the op ran */
  struct value *inputs[TAPE_INPUTS];                 /* borrowed; unused ones are NULL */
  struct value *output;                              /* borrowed */
  size_t saved_bytes;                                /* of what this op was the first to hold */
  bool done;                                         /* released: `saved` means nothing any more */
  _Alignas(16) unsigned char saved[TAPE_SAVED_SIZE]; /* the op's *_saved struct */
};

/* How activation functions go: exact, as autograd does it, or with codes. */
struct fewbit_choice {
  unsigned bits;                                                                    /* 0: exact */
  int method;                                                                       /* enum quantizer_method */
  const struct fewbit_quantizer *(*quantizer)(void *context, const char *function); /* NULL or NULL result: exact */
  void *context;
};

struct tape {
  struct memory *memory;
  struct fewbit_choice fewbit;
  bool training;  /* dropout drops, batchnorm uses the batch */
  bool inference; /* no gradients: nothing is saved, as under no_grad */
  uint64_t seed;  /* of dropout masks; ops count on from it */
  uint64_t draws;
  struct node *nodes; /* in the order of forward */
  size_t nodes_count, nodes_capacity;
  struct value **values; /* owned: those made by ops and tape_input */
  size_t values_count, values_capacity;
  char scope[TAPE_NAME_SIZE];
  unsigned char scope_lengths[TAPE_DEPTH]; /* of `scope` before each tape_enter */
  unsigned scope_depth;
  size_t saved_seen; /* what of the meter's `saved` has a node */
  int status;        /* 0 or an error code; sticks */
  struct error error;
};

void tape_init(struct tape *tape, struct memory *memory);
void tape_fini(struct tape *tape); /* all values and saved tensors go; parameters stay */

/* Enters and leaves a layer: names are joined by dots. */
void tape_enter(struct tape *tape, const char *format, ...) __attribute__((format(printf, 2, 3)));
void tape_leave(struct tape *tape);

/* A value of the batch's tensor or one like it: needs no gradient, keeps a reference of its own. */
struct value *tape_input(struct tape *tape, struct tensor *tensor, const size_t *shape, unsigned dims);

/* For ops. A value for a result of this shape, its tensor allocated (kind MEMORY_ACTIVATION) or, if tensor is not NULL,
 * taken over: the caller's reference becomes the value's. NULL with the tape's status set on failure. */
struct value *tape_value(struct tape *tape, struct tensor *tensor, const size_t *shape, unsigned dims);
/* The same with a tensor of its own, its contents undefined: for results that are written whole. */
struct value *tape_result(struct tape *tape, const size_t *shape, unsigned dims);
/* A node for output with `saved` (size bytes, <= sizeof node->saved) copied in; releases it at once if none of the
 * inputs needs a gradient. Returns output, or NULL. */
struct value *tape_node(struct tape *tape, const struct node_ops *ops, struct value *output,
                        struct value *const *inputs, unsigned inputs_count, const void *saved, size_t size);
/* The gradient of a value, zeroed at first, to add to; NULL if it needs none, if there is no memory, or in a dry run
 * (which counts it all the same). */
float *tape_gradient(struct tape *tape, struct value *value);
/* The same for ops that can write as well as add: a first gradient is not zeroed, and *beta is 0: write; else 1: add. */
float *tape_gradient_beta(struct tape *tape, struct value *value, float *beta);
/* Adds the tensor as it is (whole, of value's size): shares it if value has no gradient yet and is no parameter, so that
 * sums, reshapes and the like pass their gradient on without memory of their own. tape_gradient copies what is shared
 * before it gives it out for writing. */
void tape_pass_gradient(struct tape *tape, struct value *value, struct tensor *gradient);
/* Memory for the length of an op, its contents undefined; NULL in a dry run and, with the status set, if there is none. */
float *tape_scratch_take(struct tape *tape, size_t count);
void tape_scratch_free(struct tape *tape, float *data, size_t count);
int tape_fail(struct tape *tape, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The model lets go of a value that it needs no more (forward only): its tensor lives on only if an op holds it. What a
 * framework does when a local variable goes out of scope. Its gradient may still come. */
void tape_forget(struct tape *tape, struct value *value);

/* The gradient of the scalar `loss` by everything that needs one. Once a tape. */
int tape_backward(struct tape *tape, struct value *loss);

/* What nodes were the first to hold, by layer and op, in the order in which they first came; before backward or after. */
struct tape_row {
  const char *layer, *op; /* borrowed from the tape */
  size_t saved_bytes;
  size_t nodes;
};
/* rows: for free(). ERROR_MEMORY. */
int tape_by_layer(const struct tape *tape, struct tape_row **rows, size_t *count, struct error *err);

#endif
