#include "kernels/layers/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY_ALIGNMENT = 64 };

const char *memory_kind_name(enum memory_kind kind) {
  static const char *const names[MEMORY_KINDS] = {
      [MEMORY_PARAMETER] = "parameter", [MEMORY_GRADIENT] = "gradient",     [MEMORY_OPTIMIZER] = "optimizer_state",
      [MEMORY_INPUT] = "input",         [MEMORY_ACTIVATION] = "activation", [MEMORY_TEMPORARY] = "temporary",
  };
  return names[kind];
}

void memory_init(struct memory *memory, bool dry) {
  memset(memory, 0, sizeof *memory);
  memory->dry = dry;
}

static void note_peak(struct memory *memory) {
  memory->peak = memory->live;
  memcpy(memory->at_peak, memory->live_of, sizeof memory->at_peak);
  memory->saved_at_peak = memory->saved;
}

void memory_restart_peaks(struct memory *memory) {
  note_peak(memory);
  memory->saved_peak = memory->saved;
}

static void count(struct memory *memory, enum memory_kind kind, size_t bytes) {
  memory->live += bytes;
  memory->live_of[kind] += bytes;
  if (memory->live > memory->peak) {
    note_peak(memory);
  }
}

void *memory_take_raw(struct memory *memory, enum memory_kind kind, size_t bytes) {
  if (memory->dry || bytes == 0) {
    count(memory, kind, bytes);
    return NULL;
  }
  void *data = NULL;
  if (memory->limit > 0 && (memory->live > memory->limit || bytes > memory->limit - memory->live)) {
    return NULL;
  }
  if (posix_memalign(&data, MEMORY_ALIGNMENT, bytes) != 0) {
    return NULL;
  }
#ifndef NDEBUG
  memset(data, 0xff, bytes); /* NaN, as float: whoever reads it before writing is found out */
#endif
  count(memory, kind, bytes);
  return data;
}

void *memory_take(struct memory *memory, enum memory_kind kind, size_t bytes) {
  void *data = memory_take_raw(memory, kind, bytes);
  return data ? memset(data, 0, bytes) : NULL;
}

void memory_free(struct memory *memory, enum memory_kind kind, void *data, size_t bytes) {
  free(data);
  memory->live -= bytes;
  memory->live_of[kind] -= bytes;
}

void memory_hold(struct memory *memory, size_t bytes) {
  memory->saved += bytes;
  if (memory->saved > memory->saved_peak) {
    memory->saved_peak = memory->saved;
  }
}

void memory_release(struct memory *memory, size_t bytes) {
  memory->saved -= bytes;
}
