/* The choice of a frame is two tables: libraries that are not the program, and functions that only hand out memory. */
#include "analyzers/site.h"

#include "common/error.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INLINES_MAX = 32, NAME_MAX_BYTES = 160 };

/* Beginnings of file names. */
static const char *const libraries[] = {
    "libtorch",   "libc10",      "libc.",       "libc-",       "libm.",       "libm-",     "libpthread", "ld-linux",
    "libpython",  "python",      "libopenblas", "libblas",     "liblapack",   "libmkl",    "libgomp",    "libomp",
    "libiomp",    "libstdc++",   "libc++",      "libgcc_s",    "libcuda",     "libcublas", "libcudnn",   "libdnnl",
    "libunwind",  "libjemalloc", "libtcmalloc", "libmimalloc", "_multiarray", "_C.",       "libz.",      "libdl.",
    "linux-vdso", "libshm",      "libuv",       "libtbb",      "libffi",
};

/* Beginnings of functions that allocate for others. */
static const char *const allocators[] = {
    "malloc",
    "calloc",
    "realloc",
    "free",
    "posix_memalign",
    "aligned_alloc",
    "memalign",
    "valloc",
    "pvalloc",
    "__libc_",
    "_int_",
    "operator new",
    "operator delete",
    "std::",
    "__gnu_cxx::",
    "actscope",
    "0x",
    "mmap",
    "reallocarray",
    "c10::alloc_cpu",
    "c10::free_cpu",
    "c10::DefaultCPUAllocator",
    "c10::StorageImpl",
    "c10::TensorImpl",
    "c10::intrusive_ptr",
    "c10::impl::",
    "c10::Dispatcher",
    "c10::KernelFunction",
    "c10::Allocator",
    "at::DefaultCPUAllocator",
    "at::detail::empty",
    "at::native::empty",
    "at::empty",
    "at::_ops::empty",
    "at::_empty",
    "at::detail::",
    "at::native::resize",
    "at::native::_resize",
    "at::TensorIterator",
    "PyMem_",
    "PyObject_Malloc",
    "_PyMem_",
    "_PyObject_",
    "PyObject_Calloc",
    "PyDataMem_",
    "at::(anonymous namespace)::create_out",
};

/* Parts of functions that pass a call on: they say less than what called them. */
static const char *const plumbing[] = {
    "::set_output",        "at::meta::",
    "at::_ops::",          "::wrapper_",
    "VariableType",        "ADInplaceOrView",
    "structured_",         "c10::impl::",
    "at::functorch::",     "PyObject_Call",
    "_PyEval_EvalFrame",   "_PyObject_",
    "PyObject_Vectorcall", "_PyFunction_Vectorcall",
    "PyVectorcall_Call",
};

static const char recorder[] = "actscope_preload"; /* its own frames are no part of the program */

static bool begins_with_any(const char *text, const char *const *beginnings, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (strncmp(text, beginnings[i], strlen(beginnings[i])) == 0) {
      return true;
    }
  }
  return false;
}

/* "libx.so+0x12ab": an address for want of a name. */
static bool is_nameless(const char *function) {
  return !*function || strstr(function, "+0x") != NULL || strncmp(function, "0x", 2) == 0;
}

static bool is_allocator(const struct facts_frame *frame) {
  return begins_with_any(frame->function, allocators, sizeof allocators / sizeof *allocators) ||
         strncmp(frame->module, recorder, sizeof recorder - 1) == 0;
}

static bool is_plumbing(const struct facts_frame *frame) {
  for (size_t i = 0; i < sizeof plumbing / sizeof *plumbing; i++) {
    if (strstr(frame->function, plumbing[i])) {
      return true;
    }
  }
  return false;
}

static bool is_named(const struct facts_frame *frame) {
  return !is_nameless(frame->function) && !is_allocator(frame);
}

static bool says_something(const struct facts_frame *frame) {
  return is_named(frame) && !is_plumbing(frame);
}

static bool is_of_the_program(const struct facts_frame *frame) {
  return *frame->file && frame->line && *frame->module && !is_allocator(frame) &&
         !strstr(frame->file, "/include/c++/") &&
         !begins_with_any(frame->module, libraries, sizeof libraries / sizeof *libraries);
}

static const struct facts_frame *choose(const struct facts_stack *stack) {
  static bool (*const tests[])(const struct facts_frame *) = {is_of_the_program, says_something, is_named};
  for (size_t test = 0; test < sizeof tests / sizeof *tests; test++) {
    for (size_t i = 0; i < stack->frames_count; i++) {
      if (tests[test](&stack->frames[i])) {
        return &stack->frames[i];
      }
    }
  }
  return stack->frames_count ? &stack->frames[0] : NULL;
}

char *site_name(const struct facts_stack *stack, struct strings *strings) {
  const struct facts_frame *frame = choose(stack);
  char function[NAME_MAX_BYTES], text[2 * NAME_MAX_BYTES];
  if (!frame) {
    return strings_intern(strings, "");
  }
  symbols_short_name(frame->function, function, sizeof function);
  if (is_of_the_program(frame)) {
    const char *slash = strrchr(frame->file, '/');
    snprintf(text, sizeof text, "%.150s:%u %s", slash ? slash + 1 : frame->file, frame->line, function);
  } else {
    snprintf(text, sizeof text, "%.150s%s%s", frame->module, *frame->module ? " " : "", function);
  }
  return strings_intern(strings, text);
}

static int append_frames(struct facts_stack *out, size_t *capacity, const struct symbol_frame *frames, size_t count,
                         struct strings *strings) {
  if (out->frames_count + count > *capacity) {
    size_t larger = (out->frames_count + count) * 2;
    struct facts_frame *moved = realloc(out->frames, larger * sizeof *moved);
    if (!moved) {
      return ERROR_MEMORY;
    }
    out->frames = moved;
    *capacity = larger;
  }
  for (size_t i = 0; i < count; i++) {
    struct facts_frame frame = {strings_intern(strings, frames[i].function), strings_intern(strings, frames[i].file),
                                strings_intern(strings, frames[i].module), frames[i].line};
    if (!frame.function || !frame.file || !frame.module) {
      return ERROR_MEMORY;
    }
    out->frames[out->frames_count++] = frame;
  }
  return 0;
}

int site_resolve(const struct trace_reader *reader, struct symbols *symbols, struct strings *strings, uint32_t stack,
                 uint64_t time_ns, struct facts_stack *out) {
  size_t count = 0, capacity = 0;
  const uint64_t *addresses = trace_reader_stack(reader, stack, &count);
  *out = (struct facts_stack){.stack = stack};
  for (size_t i = 0; i < count; i++) {
    struct symbol_frame frames[INLINES_MAX];
    size_t expanded = symbols_resolve(symbols, addresses[i], time_ns, frames, INLINES_MAX);
    if (append_frames(out, &capacity, frames, expanded, strings) != 0) {
      free(out->frames);
      *out = (struct facts_stack){0};
      return ERROR_MEMORY;
    }
  }
  return 0;
}
