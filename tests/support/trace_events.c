/* Events in memory: see the header. */
#include "tests/support/trace_events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void keep(struct trace_events *events, const struct trace_event *event) {
  if ((events->count & (events->count - 1)) == 0) {
    size_t room = events->count ? 2 * events->count : 1;
    events->items = realloc(events->items, room * sizeof *events->items);
    if (!events->items) {
      abort();
    }
  }
  events->items[events->count++] = *event;
}

struct trace_events trace_events_take(struct trace_reader *reader) {
  struct trace_events events = {.opened = true, .complete = trace_reader_info(reader)->complete};
  struct trace_event event;
  struct error err = {""};
  memset(&event, 0xee, sizeof event); /* whatever an event of its kind should not leave unset shows */
  while ((events.code = trace_reader_next(reader, &event, &err)) == 1) {
    keep(&events, &event);
  }
  snprintf(events.damage, sizeof events.damage, "%.500s",
           events.code ? err.message : trace_reader_info(reader)->damage);
  return events;
}

struct trace_events trace_events_read(const char *path) {
  struct trace_reader *reader;
  struct error err = {""};
  int code = trace_reader_open(&reader, path, &err);
  if (code) {
    struct trace_events events = {.code = code};
    snprintf(events.damage, sizeof events.damage, "%.500s", err.message);
    return events;
  }
  struct trace_events events = trace_events_take(reader);
  events.reader = reader;
  return events;
}

void trace_events_fini(struct trace_events *events) {
  trace_reader_close(events->reader);
  free(events->items);
  *events = (struct trace_events){0};
}

static bool same_detail(const struct trace_event *a, const struct trace_event *b) {
  switch (a->kind) {
  case TRACE_SMALL:
    return memcmp(&a->small, &b->small, sizeof a->small) == 0;
  case TRACE_SAVE:
    return a->save.tensor == b->save.tensor && a->save.data == b->save.data && a->save.bytes == b->save.bytes &&
           a->save.elements == b->save.elements && a->save.dtype == b->save.dtype && a->save.source == b->save.source &&
           strcmp(a->save.layer, b->save.layer) == 0 && strcmp(a->save.op, b->save.op) == 0;
  case TRACE_RELEASE:
    return a->release.tensor == b->release.tensor && a->release.node_type == b->release.node_type &&
           a->release.source == b->release.source;
  case TRACE_RESIDENT:
    return a->resident.data == b->resident.data && a->resident.bytes == b->resident.bytes &&
           a->resident.role == b->resident.role && strcmp(a->resident.name, b->resident.name) == 0;
  case TRACE_REGION:
    return a->region.data == b->region.data && a->region.bytes == b->region.bytes &&
           strcmp(a->region.layer, b->region.layer) == 0 && strcmp(a->region.name, b->region.name) == 0 &&
           strcmp(a->region.op, b->region.op) == 0;
  case TRACE_PHASE:
    return a->phase.phase == b->phase.phase && a->phase.begins == b->phase.begins;
  default:
    return true;
  }
}

bool trace_event_equal(const struct trace_event *a, const struct trace_event *b) {
  return a->kind == b->kind && a->time_ns == b->time_ns && a->tid == b->tid && a->stack == b->stack &&
         a->address == b->address && a->size == b->size && a->in_release == b->in_release && a->realloc == b->realloc &&
         same_detail(a, b);
}

bool trace_events_are_prefix(const struct trace_events *a, const struct trace_events *b) {
  if (a->count > b->count) {
    return false;
  }
  for (size_t i = 0; i < a->count; i++) {
    if (!trace_event_equal(&a->items[i], &b->items[i])) {
      return false;
    }
  }
  return true;
}
