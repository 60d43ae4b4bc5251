/* Where things are in a snapshot, whatever version of PyTorch wrote it. Private to snapshot*.c. */
#ifndef ACTSCOPE_IMPORTERS_SNAPSHOT_LAYOUT_H
#define ACTSCOPE_IMPORTERS_SNAPSHOT_LAYOUT_H

#include "common/error.h"
#include "importers/pickle.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SNAPSHOT_NO_TIME UINT64_MAX

struct snapshot_layout {
  const struct pickle_value *segments; /* a list */
  const struct pickle_value *traces;   /* a list of lists, by device; NULL: none */
};

enum snapshot_action {
  SNAPSHOT_ALLOC,
  SNAPSHOT_FREE_REQUESTED, /* the program let go of it */
  SNAPSHOT_FREE_COMPLETED, /* it is free: no stream uses it any more */
  SNAPSHOT_SEGMENT_ALLOC,  /* memory of the device for the cache, or given back */
  SNAPSHOT_SEGMENT_FREE,
  SNAPSHOT_OOM,
  SNAPSHOT_OTHER,   /* which newer versions may have */
  SNAPSHOT_DAMAGED, /* of no kind, or at no address, or of no size that can be */
};

struct snapshot_event {
  enum snapshot_action action;
  uint64_t address;                  /* of SNAPSHOT_OOM: bytes free on the device */
  uint64_t bytes;                    /* asked for */
  uint64_t time_us;                  /* since 1970; SNAPSHOT_NO_TIME */
  const struct pickle_value *frames; /* innermost first; NULL: none */
};

struct snapshot_block {
  uint64_t address, bytes; /* asked for, where that is known */
  bool live, damaged;      /* damaged: as an event; never live */
  const struct pickle_value *frames;
};

/* Finds the parts; ERROR_INPUT if this is no snapshot. */
int snapshot_layout_find(struct snapshot_layout *layout, const struct pickle_value *root, struct error *err);

/* Segments without blocks, and histories that are no list, of any device. */
uint64_t snapshot_layout_damaged(const struct snapshot_layout *layout);

/* Devices are numbered below this. */
size_t snapshot_devices(const struct snapshot_layout *layout);

size_t snapshot_events_count(const struct snapshot_layout *layout, size_t device);
struct snapshot_event snapshot_event_at(const struct snapshot_layout *layout, size_t device, size_t index);

/* Walks the blocks of a device's segments: begin with a zeroed walk; false at the end. */
struct snapshot_walk {
  size_t segment, block;
  uint64_t address; /* of the next block, where blocks do not say */
};
bool snapshot_block_next(const struct snapshot_layout *layout, size_t device, struct snapshot_walk *walk,
                         struct snapshot_block *block);

#endif
