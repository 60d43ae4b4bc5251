/* Names are looked at once for every return address, inlined functions included. */
#include "analyzers/infer_frames.h"

#include "common/error.h"

#include <stdlib.h>
#include <string.h>

enum { LOOKED_AT = 1, BACKWARD = 2, CALLS_PYTHON = 4, RECOMPUTES = 8, INLINES_MAX = 32, CLASS_MAX = 128 };

int infer_frames_init(struct infer_frames *frames) {
  const struct trace_module *modules;
  const size_t count = trace_reader_modules(frames->reader, &modules);
  for (size_t i = 0; i < count; i++) {
    const char *slash = strrchr(modules[i].path, '/');
    frames->has_libtorch |= strncmp(slash ? slash + 1 : modules[i].path, "libtorch", 8) == 0;
  }
  frames->stacks_limit = trace_reader_stack_limit(frames->reader);
  frames->stacks = calloc((size_t)frames->stacks_limit + 1, sizeof *frames->stacks);
  return frames->stacks ? 0 : ERROR_MEMORY;
}

void infer_frames_fini(struct infer_frames *frames) {
  map64_fini(&frames->functions);
  free(frames->stacks);
  *frames = (struct infer_frames){0};
}

static uint64_t end_ns(const struct infer_frames *frames) {
  return trace_reader_info(frames->reader)->end_ns;
}

/* Arguments, of templates too, are of other functions. */
static bool names_backward(const char *function) {
  static const char *const words[] = {"ackward", "ackprop", "torch::autograd::Engine::"};
  const size_t length = strcspn(function, "<(");
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    const char *found = strstr(function, words[i]);
    if (found && found < function + length) {
      return true;
    }
  }
  return false;
}

/* Where the backward pass calls Python: a custom function's backward, or what unpacks a saved tensor. */
static bool calls_python(const char *function) {
  return strcmp(function, "torch::autograd::PyNode::apply") == 0 ||
         strcmp(function, "torch::autograd::PySavedVariableHooks::call_unpack_hook") == 0;
}

static unsigned look_at(struct infer_frames *frames, uint64_t address) {
  struct symbol_frame found[INLINES_MAX];
  const size_t count = symbols_resolve(frames->symbols, address, end_ns(frames), found, INLINES_MAX);
  unsigned says = LOOKED_AT;
  for (size_t i = 0; i < count; i++) {
    const bool is_line = !*found[i].module; /* of Python: CheckpointFunction.backward computes forward */
    says |= !(is_line && frames->has_libtorch) && names_backward(found[i].function) ? BACKWARD : 0;
    says |= calls_python(found[i].function) ? CALLS_PYTHON : 0;
  }
  return says;
}

static unsigned function_says(struct infer_frames *frames, uint64_t address) {
  uint64_t *known = address ? map64_put(&frames->functions, address) : NULL;
  if (!known) {
    return 0;
  }
  if (!*known) {
    const unsigned says = look_at(frames, address); /* moves nothing of the map */
    *known = says;
  }
  return (unsigned)*known;
}

static unsigned stack_says(struct infer_frames *frames, uint32_t stack) {
  if (stack >= frames->stacks_limit) {
    return 0;
  }
  if (!frames->stacks[stack]) {
    size_t count = 0;
    const uint64_t *addresses = trace_reader_stack(frames->reader, stack, &count);
    unsigned says = LOOKED_AT;
    for (size_t i = 0; i < count; i++) {
      const unsigned function = function_says(frames, addresses[i]);
      says |= function & CALLS_PYTHON && !(says & BACKWARD) ? RECOMPUTES : 0;
      says |= function & (BACKWARD | CALLS_PYTHON);
    }
    frames->stacks[stack] = (uint8_t)says;
  }
  return frames->stacks[stack];
}

bool infer_frames_backward(struct infer_frames *frames, uint32_t stack) {
  return stack_says(frames, stack) & BACKWARD;
}

bool infer_frames_recomputes(struct infer_frames *frames, uint32_t stack) {
  const unsigned says = stack_says(frames, stack);
  return says & BACKWARD && says & RECOMPUTES;
}

size_t infer_frames_depth(const struct infer_frames *frames, uint32_t stack) {
  size_t count = 0;
  trace_reader_stack(frames->reader, stack, &count);
  return count;
}

/* "torch::autograd::generated::GeluBackward0::apply" -> "GeluBackward0" */
static bool node_of(const char *function, char class[static CLASS_MAX]) {
  static const char *const methods[] = {"::apply", "::release_variables"};
  const char *name = strstr(function, "Backward");
  const char *end = name ? strstr(name, "::") : NULL;
  if (!end || (strcmp(end, methods[0]) != 0 && strcmp(end, methods[1]) != 0)) {
    return false;
  }
  while (name > function && name[-1] != ':') {
    name--;
  }
  const size_t length = (size_t)(end - name);
  if (length >= CLASS_MAX) {
    return false;
  }
  memcpy(class, name, length);
  class[length] = '\0';
  return true;
}

const char *infer_frames_node(struct infer_frames *frames, uint32_t stack) {
  char class[CLASS_MAX];
  size_t count = 0;
  const uint64_t *addresses = trace_reader_stack(frames->reader, stack, &count);
  for (size_t i = 0; i < count; i++) {
    if (node_of(symbols_name(frames->symbols, addresses[i], end_ns(frames)), class)) {
      return symbols_intern(frames->symbols, class);
    }
  }
  return "";
}
