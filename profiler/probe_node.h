/* Tells which kind of autograd node lets a saved variable go. */
#ifndef ACTSCOPE_PROFILER_PROBE_NODE_H
#define ACTSCOPE_PROFILER_PROBE_NODE_H

#include <stdint.h>

/* The vtable pointer of the node that contains the SavedVariable at `saved`, whose release was called from `site`; 0 if it
 * lies in no node (in a vector, say). The vtable's symbol names the op. */
uint64_t probe_node_type(const void *saved, const void *site);

#endif
