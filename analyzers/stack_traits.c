/* Tables of names: functions, and beginnings of operators. */
#include "analyzers/stack_traits.h"

#include "analyzers/op_name.h"
#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOKED_AT = 1 << 15, OPERATOR_MAX = 128 };

static const struct {
  const char *name; /* of a function, or with "::" or "<" at its end of everything in a class or namespace */
  unsigned trait;
} functions[] = {
    {"c10::alloc_cpu", STACK_OF_TENSOR},
    {"torch::autograd::Engine::", STACK_IN_BACKWARD},
    {"torch::autograd::PyNode::", STACK_IN_OWN_BACKWARD},
    {"torch::autograd::CppNode<", STACK_IN_OWN_BACKWARD},
    {"torch::autograd::PyFunctionPreHook::", STACK_IN_OWN_BACKWARD},
    {"torch::autograd::PyFunctionTensorPreHook::", STACK_IN_OWN_BACKWARD},
    {"torch::autograd::PyFunctionPostHook::", STACK_IN_OWN_BACKWARD},
    {"torch::autograd::PySavedVariableHooks::", STACK_IN_OWN_BACKWARD},
    {"torch::autograd::PyFunctionTensorPostAccGradHooks::", STACK_IN_UPDATE_HOOK},
    {"at::autocast::", STACK_IN_AUTOCAST},
    {"c10d::Reducer::", STACK_IN_REDUCER},
    {"Py_FinalizeEx", STACK_IN_TEARDOWN},
    {"exit", STACK_IN_TEARDOWN},
    {"_dl_fini", STACK_IN_TEARDOWN},
};

/* Beginnings of what networks are made of and data loaders are not; without '_' before them. */
static const char *const network_operators[] = {
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

/* Likewise of what both do, the ones that save nothing or little: a network may begin with them. */
static const char *const any_operators[] = {"add",  "sub",  "rsub",         "mul",       "div",    "neg",
                                            "sum",  "mean", "cat",          "stack",     "repeat", "roll",
                                            "flip", "pad",  "constant_pad", "upsample_", "cumsum"};

static const char *const like_operators[] = {"zeros_like", "ones_like", "full_like", "clone"};

static bool begins(const char *text, const char *beginning) {
  return strncmp(text, beginning, strlen(beginning)) == 0;
}

static bool begins_with_one_of(const char *name, const char *const *beginnings, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (begins(name, beginnings[i])) {
      return true;
    }
  }
  return false;
}

static bool is_network_operator(const char *name) {
  return begins_with_one_of(name, network_operators, sizeof network_operators / sizeof *network_operators) ||
         op_is_pointwise(name, NULL);
}

static bool is_any_operator(const char *name) {
  return begins_with_one_of(name, any_operators, sizeof any_operators / sizeof *any_operators);
}

static bool is_like_operator(const char *name) {
  for (size_t i = 0; i < sizeof like_operators / sizeof *like_operators; i++) {
    if (strcmp(name, like_operators[i]) == 0) {
      return true;
    }
  }
  return false;
}

/* Of "at::_ops::NAME::call", where NAME may end in '_' (in place) or an overload. */
static unsigned traits_of_operator(const char *function) {
  static const char prefix[] = "at::_ops::";
  char name[OPERATOR_MAX];
  if (!begins(function, prefix)) {
    return 0;
  }
  function += sizeof prefix - 1;
  function += strspn(function, "_");
  snprintf(name, sizeof name, "%.*s", (int)strcspn(function, ":"), function);
  size_t length = strlen(name);
  if (length && name[length - 1] == '_') {
    name[length - 1] = '\0';
  }
  if (begins(name, "foreach_")) {
    return STACK_IN_FOREACH;
  }
  return is_network_operator(name) ? STACK_IN_NETWORK_OP
         : is_like_operator(name)  ? STACK_IN_LIKE_OP
         : is_any_operator(name)   ? STACK_IN_ANY_OP
                                   : 0;
}

static unsigned traits_of_function(const char *function) {
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    const char *name = functions[i].name;
    const char last = name[strlen(name) - 1];
    const bool is_scope = last == ':' || last == '<';
    if (is_scope ? begins(function, name) : strcmp(function, name) == 0) {
      return functions[i].trait;
    }
  }
  return op_is_custom_function(function) ? STACK_IN_CUSTOM_FUNCTION : traits_of_operator(function);
}

static unsigned traits_of_frame(struct stack_traits *traits, uint64_t frame) {
  const uint64_t time_ns = trace_reader_info(traits->reader)->end_ns;
  uint64_t *known = frame ? map64_put(&traits->frames, frame) : NULL;
  if (known && *known) {
    return (unsigned)*known & ~(unsigned)LOOKED_AT;
  }
  const unsigned found = traits_of_function(symbols_name(traits->symbols, frame, time_ns));
  if (known) {
    *known = LOOKED_AT | found;
  }
  return found;
}

static unsigned traits_of_frames(struct stack_traits *traits, uint32_t stack) {
  size_t count = 0;
  const uint64_t *frames = trace_reader_stack(traits->reader, stack, &count);
  unsigned found = 0;
  for (size_t i = 0; i < count; i++) {
    const unsigned trait = traits_of_frame(traits, frames[i]);
    if (trait != STACK_IN_OWN_BACKWARD || !(found & STACK_IN_BACKWARD)) { /* of several engines the innermost counts */
      found |= trait;
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
  map64_fini(&traits->frames);
  *traits = (struct stack_traits){0};
}

unsigned stack_traits_of(struct stack_traits *traits, uint32_t stack) {
  if (stack == 0 || stack >= traits->stacks_limit) {
    return 0;
  }
  if (!traits->known[stack]) {
    traits->known[stack] = (uint16_t)(LOOKED_AT | traits_of_frames(traits, stack));
  }
  return traits->known[stack] & ~(unsigned)LOOKED_AT;
}

uint64_t stack_traits_backward_place(struct stack_traits *traits, uint32_t stack) {
  size_t count = 0;
  const uint64_t *frames = trace_reader_stack(traits->reader, stack, &count);
  uint64_t place = 0xcbf29ce484222325u;
  for (size_t i = 0; i < count; i++) {
    if (traits_of_frame(traits, frames[i]) == STACK_IN_BACKWARD) {
      return place;
    }
    place = (place ^ frames[i]) * 0x100000001b3u;
  }
  return 0;
}
