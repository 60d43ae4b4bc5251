/* The other side of include/actscope/mark.h: what a program says of its own tensors, as the same records that the autograd
 * probe makes. Every pointer is a number to us; only names are read. */
#include "profiler/recorder_private.h"

#include <string.h>

#define EXPORT __attribute__((visibility("default")))

/* ---- names ----------------------------------------------------------------------------------------------------------- */

/* A program marks with the same few names over and over: their strings' handles by a hash of the name, so that each is
 * written once. A slot is claimed by its hash and filled once; where the table is full, strings are written again. After a
 * fork the handles are of another process: they are asked for anew. */
enum { NAMES = 4096, PROBES = 16 };
static struct { uint64_t hash, handle; } names[NAMES];

/* FNV-1a. */
static uint64_t hash_of(const char *name) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  for (; *name; name++) {
    hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
  }
  return hash ? hash : 1;
}

static uint64_t handle_of(const char *name) {
  if (!name || !*name) {
    return 0;
  }
  const uint64_t hash = hash_of(name);
  for (unsigned i = 0; i < PROBES; i++) {
    const size_t slot = (hash + i) % NAMES;
    uint64_t there = __atomic_load_n(&names[slot].hash, __ATOMIC_RELAXED);
    if (there == 0 &&
        __atomic_compare_exchange_n(&names[slot].hash, &there, hash, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
      there = hash;
    }
    if (there != hash) {
      continue;
    }
    uint64_t handle = __atomic_load_n(&names[slot].handle, __ATOMIC_RELAXED);
    if (handle >> 32 != recorder.pid) {
      handle = recorder_name_handle(name, strlen(name));
      __atomic_store_n(&names[slot].handle, handle, __ATOMIC_RELAXED);
    }
    return handle;
  }
  return recorder_name_handle(name, strlen(name));
}

/* ---- scopes ---------------------------------------------------------------------------------------------------------- */

/* The calling thread's: "blocks.3.mlp" and where each of its names begins. What is deeper or longer than there is room for
 * is counted, so that every pop finds its push, but not told. */
enum { SCOPES = 32, SCOPE_NAME = 384 };
static __thread struct scope {
  unsigned depth;
  uint16_t begins[SCOPES]; /* lengths of the name before each push */
  uint16_t length;
  char name[SCOPE_NAME];
} scope __attribute__((tls_model("initial-exec")));

static void scope_append(const char *name) {
  size_t room = SCOPE_NAME - 1 - scope.length, size = strlen(name);
  size = size < room ? size : room;
  memcpy(scope.name + scope.length, name, size);
  scope.length = (uint16_t)(scope.length + size);
  scope.name[scope.length] = '\0';
}

static void scope_push(const char *name) {
  if (scope.depth++ >= SCOPES) {
    return;
  }
  scope.begins[scope.depth - 1] = scope.length;
  if (name && *name) {
    scope_append(scope.length ? "." : "");
    scope_append(name);
  }
}

static void scope_pop(void) {
  if (scope.depth && --scope.depth < SCOPES) {
    scope.length = scope.begins[scope.depth];
    scope.name[scope.length] = '\0';
  }
}

static void scope_replace(const char *name) {
  scope.depth = 0;
  scope.length = 0;
  scope.name[0] = '\0';
  scope_append(name ? name : "");
}

/* Names the holder: one data, several ops. Addresses have 47 bits. */
static uint64_t token_of(const void *data, const char *op) {
  return (uint64_t)(uintptr_t)data ^ (op && *op ? hash_of(op) << 48 : 0);
}

/* ---- hooks ----------------------------------------------------------------------------------------------------------- */

/* A region was marked: also a small one may be a parameter. */
static bool has_regions;

/* May it be a whole block that is recorded, or a region? An allocator rounds sizes up. What is saved may also be a small
 * piece of a large block: only the analysis can tell. */
static bool may_be_resident(uint64_t bytes) {
  return bytes + 64 >= recorder_min_size || __atomic_load_n(&has_regions, __ATOMIC_RELAXED);
}

static uint64_t size_of(uint32_t type) {
  switch (type) { /* c10::ScalarType */
  case 0:
  case 1:
  case 11:
    return 1;
  case 2:
  case 5:
  case 15:
    return 2;
  case 4:
  case 7:
  case 8:
    return 8;
  default:
    return 4;
  }
}

EXPORT void actscope_mark_hook_save(const void *data, uint64_t elements, uint32_t type, const char *op);
EXPORT void actscope_mark_hook_save(const void *data, uint64_t elements, uint32_t type, const char *op) {
  if (elements > TRACE_SIZE_MAX / 8) {
    return;
  }
  struct trace_save save = {
      .tensor = token_of(data, op),
      .data = (uintptr_t)data,
      .bytes = elements * size_of(type),
      .elements = elements,
      .dtype = type,
      .source = TRACE_SOURCE_MARK,
      .op = (uint32_t)handle_of(op),
  };
  recorder_save(&save, __builtin_frame_address(0));
}

EXPORT void actscope_mark_hook_release(const void *data, const char *op);
EXPORT void actscope_mark_hook_release(const void *data, const char *op) {
  recorder_release(token_of(data, op), 0, TRACE_SOURCE_MARK);
}

EXPORT void actscope_mark_hook_parameter(const void *data, uint64_t bytes, const char *name);
EXPORT void actscope_mark_hook_parameter(const void *data, uint64_t bytes, const char *name) {
  if (bytes <= TRACE_SIZE_MAX && may_be_resident(bytes)) {
    recorder_resident((uintptr_t)data, bytes, TRACE_ROLE_PARAMETER, name ? name : "", name ? strlen(name) : 0);
  }
}

EXPORT void actscope_mark_hook_backward(int begins);
EXPORT void actscope_mark_hook_backward(int begins) {
  recorder_phase(TRACE_PHASE_BACKWARD, begins != 0);
}

/* What the thread was told last. A trace knows beginnings and ends of three phases: "outside" is when none of them is on,
 * and what follows a backward pass is an update, unless it is told to be over. */
EXPORT void actscope_mark_hook_phase(int phase);
EXPORT void actscope_mark_hook_phase(int phase) {
  static __thread int current __attribute__((tls_model("initial-exec")));
  const int before = current;
  if (phase < 0 || phase > TRACE_PHASE_UPDATE) {
    return;
  }
  current = phase;
  if (before) {
    recorder_phase((uint32_t)before, false);
  }
  if (phase) {
    recorder_phase((uint32_t)phase, true);
  } else if (before == TRACE_PHASE_BACKWARD) {
    recorder_phase(TRACE_PHASE_UPDATE, true);
    recorder_phase(TRACE_PHASE_UPDATE, false);
  }
}

EXPORT void actscope_mark_hook_step(void);
EXPORT void actscope_mark_hook_step(void) {
  recorder_step();
}

EXPORT void actscope_mark_hook_region(const void *data, uint64_t bytes, const char *name, const char *op);
EXPORT void actscope_mark_hook_region(const void *data, uint64_t bytes, const char *name, const char *op) {
  struct trace_region region = {
      .data = (uintptr_t)data,
      .bytes = bytes,
      .name = (uint32_t)handle_of(name),
      .op = (uint32_t)handle_of(op),
  };
  if (data && bytes && bytes <= TRACE_SIZE_MAX) {
    __atomic_store_n(&has_regions, true, __ATOMIC_RELAXED);
    recorder_region(&region, __builtin_frame_address(0));
  }
}

EXPORT void actscope_mark_hook_region_end(const void *data);
EXPORT void actscope_mark_hook_region_end(const void *data) {
  recorder_region_end((uintptr_t)data);
}

EXPORT void actscope_mark_hook_layer(const char *name);
EXPORT void actscope_mark_hook_layer(const char *name) {
  scope_replace(name);
  recorder_layer(handle_of(name));
}

EXPORT void actscope_mark_hook_push(const char *name);
EXPORT void actscope_mark_hook_push(const char *name) {
  scope_push(name);
  recorder_layer(handle_of(scope.name));
}

EXPORT void actscope_mark_hook_pop(void);
EXPORT void actscope_mark_hook_pop(void) {
  scope_pop();
  recorder_layer(handle_of(scope.name));
}
