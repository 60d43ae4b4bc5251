/* The probe's second way: C functions that actscope's Python start-up file calls through ctypes. They end in the same
 * records as the first way's. Every pointer is a number to us; nothing is dereferenced. */
#include "profiler/recorder.h"

#include <string.h>

#define EXPORT __attribute__((visibility("default")))

extern uint64_t probe_saves_seen;
extern bool probe_lesson;

/* How many SavedVariables the symbol way has seen made: 0 after one was made for certain means that it does not work. */
EXPORT uint64_t actscope_probe_saves_seen(void);
EXPORT uint64_t actscope_probe_saves_seen(void) {
  return __atomic_load_n(&probe_saves_seen, __ATOMIC_RELAXED);
}

/* Between 1 and 0, what is saved only teaches where a tensor keeps what. A program of tiny tensors has none to learn from. */
EXPORT void actscope_probe_lesson(int begins);
EXPORT void actscope_probe_lesson(int begins) {
  __atomic_store_n(&probe_lesson, begins != 0, __ATOMIC_RELAXED);
}

/* A tensor of `elements` of a c10::ScalarType, whose storage begins at data and has `bytes`, is saved; token names it. */
EXPORT void actscope_probe_save(uint64_t token, uint64_t data, uint64_t bytes, uint64_t elements, uint32_t dtype);
EXPORT void actscope_probe_save(uint64_t token, uint64_t data, uint64_t bytes, uint64_t elements, uint32_t dtype) {
  struct trace_save save = {
      .tensor = token,
      .data = data,
      .bytes = bytes,
      .elements = elements,
      .dtype = dtype,
      .source = TRACE_SOURCE_HOOKS,
  };
  if (bytes + 64 >= recorder_min_size) {
    recorder_save(&save, __builtin_frame_address(0));
  }
}

EXPORT void actscope_probe_release(uint64_t token);
EXPORT void actscope_probe_release(uint64_t token) {
  recorder_release(token, 0, TRACE_SOURCE_HOOKS);
}

/* The storage at data belongs to a parameter (role 1) or a buffer (role 2) of a module. */
EXPORT void actscope_probe_resident(uint64_t data, uint64_t bytes, uint32_t role, const char *name);
EXPORT void actscope_probe_resident(uint64_t data, uint64_t bytes, uint32_t role, const char *name) {
  if (bytes + 64 >= recorder_min_size) {
    recorder_resident(data, bytes, role, name, strlen(name));
  }
}

/* A phase (enum trace_phase) begins or ends. */
EXPORT void actscope_probe_phase(uint32_t phase, int begins);
EXPORT void actscope_probe_phase(uint32_t phase, int begins) {
  recorder_phase(phase, begins != 0);
}

/* A layer's name for actscope_probe_layer, and the layer that the calling thread is in from now on; 0: in none. */
EXPORT uint64_t actscope_probe_layer_handle(const char *name);
EXPORT uint64_t actscope_probe_layer_handle(const char *name) {
  return recorder_name_handle(name, strlen(name));
}

EXPORT void actscope_probe_layer(uint64_t handle);
EXPORT void actscope_probe_layer(uint64_t handle) {
  recorder_layer(handle);
}

/* The process's rank in a distributed job, once it knows: the environment need not say it. */
EXPORT void actscope_probe_rank(int32_t rank, uint32_t world_size);
EXPORT void actscope_probe_rank(int32_t rank, uint32_t world_size) {
  if (rank >= 0 && world_size > (uint32_t)rank) {
    recorder_rank(rank, world_size);
  }
}

/* Says something about the run, "framework" for one. */
EXPORT void actscope_probe_meta(const char *key, const char *value);
EXPORT void actscope_probe_meta(const char *key, const char *value) {
  recorder_meta(key, value);
}
