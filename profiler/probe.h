/* The autograd probe: sees what PyTorch's autograd saves for backward and when it lets go.
 *
 * The preload library defines the symbols of torch::autograd that libtorch calls through its own PLT (probe_torch.c), and
 * a few C functions that the Python start-up file calls (probe_python.c). Without libtorch in the process none of it is
 * ever entered. */
#ifndef ACTSCOPE_PROFILER_PROBE_H
#define ACTSCOPE_PROFILER_PROBE_H

#include "profiler/probe_layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern struct probe_layout probe_layout;

/* Remembers a recent block until the layout of torch's tensors is known; nothing after that. */
static inline void probe_note_block(const void *block, size_t size) {
  if (__builtin_expect(!__atomic_load_n(&probe_layout.known, __ATOMIC_RELAXED), 0)) {
    probe_layout_note_block(&probe_layout, block, size);
  }
}

#endif
