/* The allocator's history as events of a trace, and the blocks that were there before it. Private to snapshot*.c. */
#ifndef ACTSCOPE_IMPORTERS_SNAPSHOT_EVENTS_H
#define ACTSCOPE_IMPORTERS_SNAPSHOT_EVENTS_H

#include "importers/run_writer.h"
#include "importers/snapshot.h"
#include "importers/snapshot_layout.h"

/* Wall clock of the first event, ns since 1970; 0: the events have no times. */
uint64_t snapshot_start_ns(const struct snapshot_layout *layout, size_t device);

/* Writes what the device's history and blocks tell. Failures are the writer's. */
void snapshot_events_write(const struct snapshot_layout *layout, size_t device, struct run_writer *writer,
                           const struct snapshot_options *options, struct snapshot_summary *summary);

#endif
