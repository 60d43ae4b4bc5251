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

/* Names the holder: one data, several ops. Addresses have 47 bits. */
static uint64_t token_of(const void *data, const char *op) {
  return (uint64_t)(uintptr_t)data ^ (op && *op ? hash_of(op) << 48 : 0);
}

/* ---- hooks ----------------------------------------------------------------------------------------------------------- */

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
  const uint64_t bytes = elements * size_of(type);
  if (elements > TRACE_SIZE_MAX / 8 || bytes + 64 < recorder_min_size) {
    return;
  }
  struct trace_save save = {
      .tensor = token_of(data, op),
      .data = (uintptr_t)data,
      .bytes = bytes,
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
  if (bytes <= TRACE_SIZE_MAX && bytes + 64 >= recorder_min_size) {
    recorder_resident((uintptr_t)data, bytes, TRACE_ROLE_PARAMETER, name ? name : "", name ? strlen(name) : 0);
  }
}

EXPORT void actscope_mark_hook_backward(int begins);
EXPORT void actscope_mark_hook_backward(int begins) {
  recorder_phase(TRACE_PHASE_BACKWARD, begins != 0);
}

EXPORT void actscope_mark_hook_layer(const char *name);
EXPORT void actscope_mark_hook_layer(const char *name) {
  recorder_layer(handle_of(name));
}
