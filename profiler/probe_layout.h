/* Finds out where a c10::TensorImpl keeps what the probe needs, without trusting one version's headers.
 *
 * A tensor whose data is a block just allocated gives itself away: some word of its TensorImpl points to a StorageImpl,
 * some word of that is the block's address and another the bytes asked for; and some word of the TensorImpl is the number
 * of elements, followed by a 16-bit dtype whose size times that number is those bytes. The first tensor for which all of
 * that holds at one set of offsets settles it. */
#ifndef ACTSCOPE_PROFILER_PROBE_LAYOUT_H
#define ACTSCOPE_PROFILER_PROBE_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  PROBE_RECENT_BLOCKS = 16384, /* a power of two */
  PROBE_LEARN_BYTES = 4096,    /* the smallest block that the layout is learned from */
};

struct probe_layout {
  bool known;
  uint16_t storage;      /* offset of the StorageImpl pointer in the TensorImpl */
  uint16_t data;         /* offset of the data pointer in the StorageImpl */
  uint16_t bytes;        /* offset of the size in bytes in the StorageImpl */
  uint16_t elements;     /* offset of the number of elements in the TensorImpl; the dtype follows, 16 bits */
  uint32_t recent_count; /* of blocks noted so far, modulo 2^32 */
  struct {
    uint64_t address, size;
  } recent[PROBE_RECENT_BLOCKS];
};

struct probe_tensor {
  uint64_t data;     /* of the storage, not of a view into it */
  uint64_t bytes;    /* of the storage */
  uint64_t elements; /* of the tensor */
  uint32_t dtype;    /* c10::ScalarType, TRACE_DTYPE_UNKNOWN */
};

void probe_layout_note_block(struct probe_layout *layout, const void *block, size_t size);

/* Tries to learn the layout from this TensorImpl; true if it is known now. Never faults, whatever impl points to. */
bool probe_layout_learn(struct probe_layout *layout, const void *impl);

/* May impl be read with this layout? For a pointer that is not known for certain to be one. Never faults. */
bool probe_layout_fits(const struct probe_layout *layout, const void *impl);

/* Reads a TensorImpl with a known layout. False: it has no storage, or an empty one. */
bool probe_layout_read(const struct probe_layout *layout, const void *impl, struct probe_tensor *tensor);

/* Bytes of an element of a c10::ScalarType; 0 if unknown. */
unsigned probe_dtype_size(uint32_t dtype);

/* Copies memory of this process that may not be there; false if it is not. */
bool probe_read_memory(uint64_t address, void *bytes, size_t size);

#endif
