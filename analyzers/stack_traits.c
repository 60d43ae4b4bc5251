/* Two tables: frames by the beginnings of their names, operators by their canonical names. */
#include "analyzers/stack_traits.h"

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { LOOKED_AT = 1 << 15 };

static const struct {
  const char *beginning;
  unsigned trait;
} frame_traits[] = {
    {"c10::alloc_cpu", STACK_OF_TENSOR},
    {"torch::autograd::Engine::", STACK_IN_BACKWARD},
    {"torch::autograd::PyFunctionTensorPostAccGradHooks", STACK_IN_UPDATE_HOOK},
    {"at::autocast::", STACK_IN_AUTOCAST},
    {"c10d::Reducer::", STACK_IN_REDUCER},
};

/* Beginnings of what networks are made of and data loaders are not. */
static const char *const network_ops[] = {
    "addmm",      "addmv",         "addbmm",
    "baddbmm",    "bmm",           "mm",
    "mv",         "matmul",        "linear",
    "conv",       "cudnn_",        "mkldnn_",
    "native_",    "layer_norm",    "group_norm",
    "batch_norm", "instance_norm", "rms_norm",
    "softmax",    "log_softmax",   "max_pool",
    "avg_pool",   "adaptive_",     "embedding",
    "dropout",    "bernoulli",     "scaled_dot_product_",
    "lstm",       "gru",           "rnn_",
    "thnn_",      "einsum",        "nll_loss",
    "mse_loss",   "cross_entropy", "binary_cross_entropy",
    "glu",        "prelu",         "rrelu",
};

static const char *const like_ops[] = {"zeros_like", "ones_like", "full_like", "empty_like", "clone"};

static bool begins(const char *text, const char *beginning) {
  return strncmp(text, beginning, strlen(beginning)) == 0;
}

static bool is_network_op(const char *op) {
  for (size_t i = 0; i < sizeof network_ops / sizeof *network_ops; i++) {
    if (begins(op, network_ops[i])) {
      return true;
    }
  }
  return op_is_pointwise(op, NULL);
}

static bool is_like_op(const char *op) {
  for (size_t i = 0; i < sizeof like_ops / sizeof *like_ops; i++) {
    if (strcmp(op, like_ops[i]) == 0) {
      return true;
    }
  }
  return false;
}

static unsigned traits_of_op(struct stack_traits *traits, uint32_t stack) {
  const char *op = op_names_canonical(traits->names, op_names_of_stack(traits->names, stack, NULL), "");
  return (is_network_op(op) ? STACK_IN_NETWORK_OP : 0) | (is_like_op(op) ? STACK_IN_LIKE_OP : 0);
}

static unsigned traits_of_frames(struct stack_traits *traits, uint32_t stack) {
  const uint64_t time_ns = trace_reader_info(traits->reader)->end_ns;
  size_t count = 0;
  const uint64_t *frames = trace_reader_stack(traits->reader, stack, &count);
  unsigned found = 0;
  for (size_t i = 0; i < count; i++) {
    const char *name = symbols_name(traits->symbols, frames[i], time_ns);
    for (size_t t = 0; t < sizeof frame_traits / sizeof *frame_traits; t++) {
      found |= begins(name, frame_traits[t].beginning) ? frame_traits[t].trait : 0;
    }
  }
  return found;
}

int stack_traits_init(struct stack_traits *traits) {
  traits->stacks_limit = trace_reader_stack_limit(traits->reader);
  traits->known = calloc((size_t)traits->stacks_limit + 1, sizeof *traits->known);
  return traits->known ? 0 : ERROR_MEMORY;
}

void stack_traits_fini(struct stack_traits *traits) {
  free(traits->known);
  *traits = (struct stack_traits){0};
}

unsigned stack_traits_of(struct stack_traits *traits, uint32_t stack) {
  if (stack == 0 || stack >= traits->stacks_limit) {
    return 0;
  }
  if (!traits->known[stack]) {
    traits->known[stack] = (uint16_t)(LOOKED_AT | traits_of_frames(traits, stack) | traits_of_op(traits, stack));
  }
  return traits->known[stack] & ~(unsigned)LOOKED_AT;
}
