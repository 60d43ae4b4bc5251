/* Names in the dictionaries of a snapshot (torch/csrc/cuda/memory_snapshot.cpp and torch/csrc/cuda/Module.cpp write them).
 * Versions before 2.1 have no times, and before 2.0 a block has its frames and size in a `history`. */
#include "importers/snapshot_layout.h"

#include <string.h>

/* A device that a snapshot names is a small number; what is larger is damage. */
enum { DEVICES_MAX = 1024 };

static bool is_segment(const struct pickle_value *value) {
  return pickle_get(value, "blocks") && pickle_get(value, "total_size");
}

/* torch.cuda.memory_snapshot() gives the segments alone. */
static const struct pickle_value *find_segments(const struct pickle_value *root) {
  const struct pickle_value *segments = pickle_get(root, "segments");
  if (segments) {
    return segments->kind == PICKLE_LIST ? segments : NULL;
  }
  return pickle_count(root) && is_segment(pickle_at(root, 0)) ? root : NULL;
}

int snapshot_layout_find(struct snapshot_layout *layout, const struct pickle_value *root, struct error *err) {
  const struct pickle_value *traces = pickle_get(root, "device_traces");
  *layout = (struct snapshot_layout){.segments = find_segments(root)};
  layout->traces = traces && traces->kind == PICKLE_LIST ? traces : NULL;
  if (!layout->segments) {
    return error_set(err, ERROR_INPUT,
                     "it has no `segments': not a memory snapshot; save one with torch.cuda.memory._dump_snapshot()");
  }
  return 0;
}

static bool is_list(const struct pickle_value *value) {
  return value && value->kind == PICKLE_LIST;
}

uint64_t snapshot_layout_damaged(const struct snapshot_layout *layout) {
  uint64_t damaged = 0;
  for (size_t i = 0; i < pickle_count(layout->segments); i++) {
    damaged += !is_list(pickle_get(pickle_at(layout->segments, i), "blocks"));
  }
  for (size_t i = 0; i < pickle_count(layout->traces); i++) {
    damaged += !is_list(pickle_at(layout->traces, i));
  }
  return damaged;
}

/* An address or a number of bytes: not below zero, no fraction, and none of those that a pickle's int is cut to. */
static bool is_amount(const struct pickle_value *value) {
  return pickle_u64(value, UINT64_MAX) <= INT64_MAX;
}

static size_t device_of(const struct pickle_value *segment) {
  return pickle_u64(pickle_get(segment, "device"), 0);
}

size_t snapshot_devices(const struct snapshot_layout *layout) {
  size_t count = pickle_count(layout->traces);
  count = count < DEVICES_MAX ? count : DEVICES_MAX;
  for (size_t i = 0; i < pickle_count(layout->segments); i++) {
    size_t device = device_of(pickle_at(layout->segments, i));
    count = device < DEVICES_MAX && device >= count ? device + 1 : count;
  }
  return count;
}

/* ---- the history ------------------------------------------------------------------------------------------------- */

static enum snapshot_action action_named(const char *name) {
  static const struct {
    const char *name;
    enum snapshot_action action;
  } actions[] = {
      {"alloc", SNAPSHOT_ALLOC},
      {"free_completed", SNAPSHOT_FREE_COMPLETED},
      {"free_requested", SNAPSHOT_FREE_REQUESTED},
      {"free", SNAPSHOT_FREE_COMPLETED},
      {"segment_alloc", SNAPSHOT_SEGMENT_ALLOC},
      {"segment_free", SNAPSHOT_SEGMENT_FREE},
      {"segment_map", SNAPSHOT_SEGMENT_ALLOC},
      {"segment_unmap", SNAPSHOT_SEGMENT_FREE},
      {"oom", SNAPSHOT_OOM},
  };
  for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
    if (strcmp(actions[i].name, name) == 0) {
      return actions[i].action;
    }
  }
  return SNAPSHOT_OTHER;
}

static enum snapshot_action action_of(const struct pickle_value *entry) {
  const char *name = pickle_text(pickle_get(entry, "action"), NULL);
  const enum snapshot_action action = name ? action_named(name) : SNAPSHOT_DAMAGED;
  const bool placed = action != SNAPSHOT_OTHER && action != SNAPSHOT_OOM;
  return placed && !(is_amount(pickle_get(entry, "addr")) && is_amount(pickle_get(entry, "size"))) ? SNAPSHOT_DAMAGED
                                                                                                   : action;
}

size_t snapshot_events_count(const struct snapshot_layout *layout, size_t device) {
  return pickle_count(pickle_at(layout->traces, device));
}

struct snapshot_event snapshot_event_at(const struct snapshot_layout *layout, size_t device, size_t index) {
  const struct pickle_value *entry = pickle_at(pickle_at(layout->traces, device), index);
  const enum snapshot_action action = action_of(entry);
  return (struct snapshot_event){
      .action = action,
      .address = pickle_u64(pickle_get(entry, action == SNAPSHOT_OOM ? "device_free" : "addr"), 0),
      .bytes = pickle_u64(pickle_get(entry, "size"), 0),
      .time_us = pickle_u64(pickle_get(entry, "time_us"), SNAPSHOT_NO_TIME),
      .frames = pickle_get(entry, "frames"),
  };
}

/* ---- the blocks -------------------------------------------------------------------------------------------------- */

static struct snapshot_block block_of(const struct pickle_value *value, uint64_t address) {
  const struct pickle_value *history = pickle_at(pickle_get(value, "history"), 0);
  uint64_t size = pickle_u64(pickle_get(value, "size"), 0);
  const struct pickle_value *asked = pickle_get(value, "requested_size"), *frames = pickle_get(value, "frames");
  const struct pickle_value *place = pickle_get(value, "address"), *state = pickle_get(value, "state");
  asked = asked ? asked : pickle_get(history, "real_size");
  const bool damaged = !pickle_text(state, NULL) || !is_amount(asked ? asked : pickle_get(value, "size")) ||
                       (place ? !is_amount(place) : address > INT64_MAX);
  return (struct snapshot_block){
      .address = pickle_u64(place, address),
      .bytes = pickle_u64(asked, size),
      /* active_allocated; active_pending_free or active_awaiting_free, by version: a stream still uses it */
      .live = !damaged && strncmp(pickle_text(state, ""), "active", 6) == 0,
      .damaged = damaged,
      .frames = frames ? frames : pickle_get(history, "frames"),
  };
}

bool snapshot_block_next(const struct snapshot_layout *layout, size_t device, struct snapshot_walk *walk,
                         struct snapshot_block *block) {
  for (; walk->segment < pickle_count(layout->segments); walk->segment++, walk->block = 0) {
    const struct pickle_value *segment = pickle_at(layout->segments, walk->segment);
    const struct pickle_value *value = pickle_at(pickle_get(segment, "blocks"), walk->block);
    if (!value || device_of(segment) != device) {
      continue;
    }
    uint64_t address = walk->block ? walk->address : pickle_u64(pickle_get(segment, "address"), 0);
    *block = block_of(value, address);
    walk->address = block->address + pickle_u64(pickle_get(value, "size"), 0);
    walk->block++;
    return true;
  }
  return false;
}
