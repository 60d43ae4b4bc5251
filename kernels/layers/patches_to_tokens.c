#include "kernels/layers/patches_to_tokens.h"

#include "kernels/layers/arithmetic.h"
#include "kernels/layers/op.h"

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

enum { BLOCK = 16 }; /* a cache line of floats, both ways */

/* to[j][i] (+)= from[i][j], by blocks so that neither side jumps for every number. */
static void transpose(const float *from, size_t rows, size_t columns, float *to, bool add) {
  for (size_t row = 0; row < rows; row += BLOCK) {
    const size_t row_end = row + BLOCK < rows ? row + BLOCK : rows;
    for (size_t j = 0; j < columns; j++) {
      for (size_t i = row; i < row_end; i++) {
        to[j * rows + i] = from[i * columns + j] + (add ? to[j * rows + i] : 0);
      }
    }
  }
}

void patches_to_tokens_forward(const float *x, float *y, size_t batch, size_t channels, size_t pixels) {
#pragma omp parallel for schedule(static) if (batch * channels * pixels > PARALLEL_ELEMENTS)
  for (size_t b = 0; b < batch; b++) {
    transpose(x + b * channels * pixels, channels, pixels, y + b * channels * pixels, false);
  }
}

void patches_to_tokens_backward(const float *dy, float *dx, size_t batch, size_t channels, size_t pixels) {
#pragma omp parallel for schedule(static) if (batch * channels * pixels > PARALLEL_ELEMENTS)
  for (size_t b = 0; b < batch; b++) {
    transpose(dy + b * channels * pixels, pixels, channels, dx + b * channels * pixels, true);
  }
}

/* ---- on a tape --------------------------------------------------------------------------------------------------- */

struct patches_to_tokens_saved {
  size_t batch, channels, pixels;
};

static void release(void *saved) {
  (void)saved;
}

static void backward(struct tape *tape, struct node *node) {
  const struct patches_to_tokens_saved *s = (const void *)node->saved;
  float *dx = tape_gradient(tape, node->inputs[0]);
  if (dx) {
    patches_to_tokens_backward(tensor_floats(node->output->gradient), dx, s->batch, s->channels, s->pixels);
  }
}

static const struct node_ops ops = {"transpose", backward, release};

struct value *op_patches_to_tokens(struct tape *tape, struct value *x) {
  if (!op_has(tape, ops.op, x)) {
    return NULL;
  }
  if (x->dims != 4) {
    return op_misfit(tape, ops.op, x, x);
  }
  const struct patches_to_tokens_saved saved = {x->shape[0], x->shape[1], x->shape[2] * x->shape[3]};
  struct value *y = tape_result(tape, (const size_t[]){saved.batch, saved.pixels, saved.channels}, 3);
  if (y && tensor_floats(y->tensor)) {
    patches_to_tokens_forward(tensor_floats(x->tensor), tensor_floats(y->tensor), saved.batch, saved.channels,
                              saved.pixels);
  }
  return tape_node(tape, &ops, y, (struct value *[]){x}, 1, &saved, sizeof saved);
}
