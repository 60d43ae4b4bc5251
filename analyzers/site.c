/* The choice of a frame is two tables: libraries that are not the program, and functions that only hand out memory. */
#include "analyzers/site.h"

#include "common/error.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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
    "xstrdup",
    "g_malloc",
    "g_strdup",
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
    "c10::cuda::CUDACachingAllocator",
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

/* Packages of Python whose lines say less than the line that called them; those of others (transformers, timm) are what a
 * program is made of, as its own are. */
static const char *const foundations[] = {"torch/", "numpy/", "functorch/", "scipy/", "pandas/"};

static const char recorder[] = "actscope_preload"; /* its own frames are no part of the program */

static bool begins_with_any(const char *text, const char *const *beginnings, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (*text == *beginnings[i] && strncmp(text, beginnings[i], strlen(beginnings[i])) == 0) {
      return true;
    }
  }
  return false;
}

/* "libx.so+0x12ab": an address for want of a name. */
static bool is_nameless(const char *function) {
  return !*function || strstr(function, "+0x") != NULL || strncmp(function, "0x", 2) == 0;
}

/* xmalloc, g_try_realloc, sqlite3Malloc, ggc_internal_alloc: named for what they do for others. */
static bool is_named_alloc(const char *function) {
  static const char alloc[] = "alloc";
  const size_t length = strlen(function), size = sizeof alloc - 1;
  return length > size && strcasecmp(function + length - size, alloc) == 0;
}

static bool is_known_allocator(const struct facts_frame *frame) {
  return begins_with_any(frame->function, allocators, sizeof allocators / sizeof *allocators) ||
         strncmp(frame->module, recorder, sizeof recorder - 1) == 0;
}

static bool is_allocator(const struct facts_frame *frame) {
  return is_known_allocator(frame) || is_named_alloc(frame->function);
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

/* Better than malloc. */
static bool is_named_allocator(const struct facts_frame *frame) {
  return !is_nameless(frame->function) && !is_known_allocator(frame);
}

static bool ends(const char *text, const char *end) {
  size_t length = strlen(text), size = strlen(end);
  return length >= size && strcmp(text + length - size, end) == 0;
}

/* A frame without a module is a code's: a line of Python, or of C++ that somebody else has named. */
bool site_is_python(const struct facts_frame *frame) {
  static const char *const others[] = {".c", ".h", ".cc", ".cpp", ".cu", ".cuh", ".hpp"};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    if (ends(frame->file, others[i])) {
      return false;
    }
  }
  return !*frame->module && *frame->file && !strstr(frame->function, "::");
}

/* What follows the name of a folder of installed packages, NULL: the file is in none. */
static const char *in_packages(const char *file) {
  static const char *const folders[] = {"/site-packages/", "/dist-packages/"};
  for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
    const char *found = strstr(file, folders[i]);
    if (found) {
      return found + strlen(folders[i]);
    }
  }
  return NULL;
}

/* Of Python's own modules, or of a package that others build on. */
static bool is_of_a_foundation(const struct facts_frame *frame) {
  static const char *const made[] = {"<frozen ", "<eval_with_key>", "<__array_function__ "}; /* by torch.fx, numpy */
  const char *package = in_packages(frame->file);
  if (!package &&
      (strstr(frame->file, "/lib/python3") || begins_with_any(frame->file, made, sizeof made / sizeof *made))) {
    return true;
  }
  /* torch.profiler names files from the package's folder on */
  return begins_with_any(package ? package : frame->file, foundations, sizeof foundations / sizeof *foundations);
}

/* _ctypes.cpython-311-x86_64-linux-gnu.so: the lower half of some module, and not the program even if its lines are known. */
static bool is_of_a_library(const struct facts_frame *frame) {
  return begins_with_any(frame->module, libraries, sizeof libraries / sizeof *libraries) ||
         (*frame->module == '_' && strstr(frame->module, ".cpython-")) || strstr(frame->file, "/include/c++/");
}

static bool is_of_the_program(const struct facts_frame *frame) {
  if (!*frame->file || !frame->line || is_known_allocator(frame)) { /* a helper of its own is shown with its caller */
    return false;
  }
  return *frame->module ? !is_of_a_library(frame) : site_is_python(frame) && !is_of_a_foundation(frame);
}

bool site_is_interpreter(const struct facts_frame *frame) {
  return strncmp(frame->module, "libpython", 9) == 0 || strncmp(frame->module, "python", 6) == 0;
}

static bool says_something(const struct facts_frame *frame) {
  return is_named(frame) && !is_plumbing(frame);
}

static bool is_operator(const struct facts_frame *frame) {
  return strncmp(frame->function, "at::_ops::", 10) == 0;
}

/* The innermost frame that passes. What lies beyond an interpreter's frames called the interpreter: that tells
 * nothing of what it was asked to do. */
static const struct facts_frame *find(const struct facts_stack *stack, bool (*test)(const struct facts_frame *),
                                      bool into_interpreter) {
  for (size_t i = 0; i < stack->frames_count; i++) {
    if (!into_interpreter && site_is_interpreter(&stack->frames[i])) {
      return NULL;
    }
    if (test(&stack->frames[i])) {
      return &stack->frames[i];
    }
  }
  return NULL;
}

static const struct facts_frame *choose(const struct facts_stack *stack) {
  static const struct {
    bool (*test)(const struct facts_frame *);
    bool into_interpreter;
  } tries[] = {{is_of_the_program, true}, {says_something, false}, {is_operator, false},
               {says_something, true},    {is_named, true},        {is_named_allocator, true}};
  for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
    const struct facts_frame *frame = find(stack, tries[i].test, tries[i].into_interpreter);
    if (frame) {
      return frame;
    }
  }
  return stack->frames_count ? &stack->frames[0] : NULL;
}

/* A code's name is no C++, as a rule: nothing in it is an argument list or a template. */
static void print_function(char out[NAME_MAX_BYTES], const struct facts_frame *frame) {
  if (*frame->module || strstr(frame->function, "::")) {
    symbols_short_name(frame->function, out, NAME_MAX_BYTES);
  } else {
    snprintf(out, NAME_MAX_BYTES, "%s", frame->function);
  }
}

static size_t print_program_frame(char *out, size_t size, const struct facts_frame *frame) {
  char function[NAME_MAX_BYTES];
  const char *slash = strrchr(frame->file, '/');
  print_function(function, frame);
  int length = snprintf(out, size, "%.150s:%u %s", slash ? slash + 1 : frame->file, frame->line, function);
  return length < 0 ? 0 : (size_t)length < size ? (size_t)length : size - 1;
}

/* The program's own frame and, since that is a helper like xmalloc as often as not, the frame that called it. */
static void print_program_site(char *out, size_t size, const struct facts_stack *stack,
                               const struct facts_frame *frame) {
  size_t length = print_program_frame(out, size, frame);
  const struct facts_frame *caller = frame + 1;
  if (caller < stack->frames + stack->frames_count && is_of_the_program(caller) && length + 4 < size) {
    memcpy(out + length, " < ", 4);
    print_program_frame(out + length + 3, size - length - 3, caller);
  }
}

size_t site_frame(const struct facts_stack *stack) {
  const struct facts_frame *frame = choose(stack);
  return frame ? (size_t)(frame - stack->frames) : stack->frames_count;
}

char *site_name(const struct facts_stack *stack, struct strings *strings) {
  const struct facts_frame *frame = choose(stack);
  char function[NAME_MAX_BYTES], text[4 * NAME_MAX_BYTES];
  if (!frame) {
    return strings_intern(strings, "");
  }
  if (is_of_the_program(frame)) {
    print_program_site(text, sizeof text, stack, frame);
  } else {
    print_function(function, frame);
    snprintf(text, sizeof text, "%.150s%s%s", frame->module, *frame->module ? " " : "", function);
  }
  return strings_intern(strings, text);
}

void site_resolver_fini(struct site_resolver *resolver) {
  map64_fini(&resolver->known);
  free(resolver->known_frames.items);
  *resolver = (struct site_resolver){0};
}

static int append(struct site_frames *frames, struct facts_frame frame) {
  if (frames->count == frames->capacity) {
    size_t larger = frames->capacity ? frames->capacity * 2 : 64;
    struct facts_frame *items = realloc(frames->items, larger * sizeof *items);
    if (!items) {
      return ERROR_MEMORY;
    }
    frames->items = items;
    frames->capacity = larger;
  }
  frames->items[frames->count++] = frame;
  return 0;
}

static int look_up(struct site_resolver *resolver, uint64_t address, uint64_t time_ns, struct site_frames *out) {
  struct symbol_frame found[INLINES_MAX];
  size_t count = symbols_resolve(resolver->symbols, address, time_ns, found, INLINES_MAX);
  for (size_t i = 0; i < count; i++) {
    struct facts_frame frame = {strings_intern(resolver->strings, found[i].function),
                                strings_intern(resolver->strings, found[i].file),
                                strings_intern(resolver->strings, found[i].module), found[i].line};
    if (!frame.function || !frame.file || !frame.module || append(out, frame) != 0) {
      return ERROR_MEMORY;
    }
  }
  return 0;
}

/* The same, from what is remembered. */
static int recall(struct site_resolver *resolver, uint64_t address, struct site_frames *out) {
  uint64_t *place = map64_put(&resolver->known, address);
  if (!place) {
    return ERROR_MEMORY;
  }
  if (!*place) {
    *place = resolver->known_frames.count + 1;
    if (look_up(resolver, address, resolver->time_ns, &resolver->known_frames) != 0 ||
        append(&resolver->known_frames, (struct facts_frame){0}) != 0) {
      return ERROR_MEMORY;
    }
  }
  for (size_t i = *place - 1; resolver->known_frames.items[i].function; i++) {
    if (append(out, resolver->known_frames.items[i]) != 0) {
      return ERROR_MEMORY;
    }
  }
  return 0;
}

int site_resolve(struct site_resolver *resolver, uint32_t stack, uint64_t time_ns, struct facts_stack *out) {
  size_t count = 0;
  const uint64_t *addresses = trace_reader_stack(resolver->reader, stack, &count);
  struct site_frames frames = {0};
  int rc = 0;
  for (size_t i = 0; i < count && rc == 0; i++) {
    bool known = time_ns == resolver->time_ns && addresses[i];
    rc = known ? recall(resolver, addresses[i], &frames) : look_up(resolver, addresses[i], time_ns, &frames);
  }
  if (rc != 0) {
    free(frames.items);
    frames = (struct site_frames){0};
  }
  *out = (struct facts_stack){.stack = stack, .frames = frames.items, .frames_count = frames.count};
  return rc;
}
