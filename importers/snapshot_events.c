/* Two passes over the history. The first finds the blocks that are older than it: their first event is not an allocation,
 * or there is none and a segment has them. They stand at the beginning of the trace. The second writes the events. */
#include "importers/snapshot_events.h"

#include "importers/snapshot_stacks.h"

#include <stdlib.h>

enum {
  EVENTS_PER_PROGRESS = 1 << 14,
  UNTIMED_STEP_NS = 1000, /* between events without times */
};

enum place_state { PLACE_UNSEEN, PLACE_LIVE, PLACE_FREE };

struct place { /* an address that events name */
  enum place_state state;
  uint32_t letting_go; /* the stack of its FREE_REQUESTED */
};

struct history {
  const struct snapshot_layout *layout;
  size_t device, count;
  enum snapshot_action end; /* with which blocks end */
  struct run_writer *writer;
  struct snapshot_stacks stacks;
  struct snapshot_summary *summary;
  struct intern addresses;
  struct place *places; /* by the address's number */
  size_t places_room;
  uint64_t begin_us, time_ns;
  uint32_t unknown; /* the stack of blocks of which none is known */
};

static struct snapshot_event event_at(const struct history *history, size_t index) {
  return snapshot_event_at(history->layout, history->device, index);
}

/* Good until the next call; NULL: no memory. */
static struct place *place_of(struct history *history, uint64_t address) {
  uint32_t number = intern_number(&history->addresses, &address, sizeof address);
  if (number >= history->places_room) {
    size_t larger = number * (size_t)2 + 256;
    struct place *places = realloc(history->places, larger * sizeof *places);
    if (!places) {
      number = 0;
    } else {
      for (size_t i = history->places_room; i < larger; i++) {
        places[i] = (struct place){0};
      }
      history->places = places;
      history->places_room = larger;
    }
  }
  if (!number) {
    struct error err;
    run_writer_fail(history->writer,
                    error_set(&err, ERROR_MEMORY, "no memory for the addresses; try a machine with more"), &err);
  }
  return number ? &history->places[number] : NULL;
}

/* ---- blocks that are older --------------------------------------------------------------------------------------- */

static void write_older(struct history *history, uint64_t address, uint64_t bytes, const struct pickle_value *frames) {
  uint32_t stack = snapshot_stack(&history->stacks, frames);
  if (!stack && !history->unknown) {
    history->unknown = snapshot_stack_named(&history->stacks, "allocated before the history begins");
  }
  history->summary->has_stacks = history->summary->has_stacks || stack;
  run_writer_alloc(history->writer, 0, address, bytes, stack ? stack : history->unknown);
  history->summary->earlier++;
  history->summary->earlier_bytes += bytes;
}

static bool ends_block(const struct history *history, const struct snapshot_event *event) {
  return event->action == history->end;
}

static void find_older_in_history(struct history *history) {
  for (size_t i = 0; i < history->count && !history->writer->code; i++) {
    struct snapshot_event event = event_at(history, i);
    bool ends = ends_block(history, &event);
    struct place *place = ends || event.action == SNAPSHOT_ALLOC ? place_of(history, event.address) : NULL;
    if (!place) {
      continue;
    }
    if (ends && place->state == PLACE_UNSEEN) {
      write_older(history, event.address, event.bytes, NULL);
    }
    place->state = ends ? PLACE_FREE : PLACE_LIVE;
  }
}

static void find_older_in_segments(struct history *history) {
  struct snapshot_walk walk = {0};
  struct snapshot_block block;
  while (snapshot_block_next(history->layout, history->device, &walk, &block) && !history->writer->code) {
    history->summary->damaged += block.damaged;
    struct place *place = block.live ? place_of(history, block.address) : NULL;
    if (place && place->state == PLACE_UNSEEN) {
      write_older(history, block.address, block.bytes, block.frames);
    }
  }
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

/* Times that go back, or are missing here and there, count as the one before. */
static void set_time(struct history *history, const struct snapshot_event *event) {
  if (!history->summary->timed) {
    history->time_ns += UNTIMED_STEP_NS;
    return;
  }
  uint64_t since_us =
      event->time_us == SNAPSHOT_NO_TIME || event->time_us < history->begin_us ? 0 : event->time_us - history->begin_us;
  since_us = since_us < TRACE_TIME_MAX / 1000 ? since_us : TRACE_TIME_MAX / 1000;
  history->time_ns = since_us * 1000 > history->time_ns ? since_us * 1000 : history->time_ns;
}

static void write_free(struct history *history, const struct snapshot_event *event, uint32_t stack) {
  struct place *place = place_of(history, event->address);
  if (!place) {
    return;
  }
  stack = place->letting_go ? place->letting_go : stack;
  place->letting_go = 0;
  run_writer_free(history->writer, history->time_ns, event->address, stack,
                  snapshot_stack_releases(&history->stacks, stack) ? TRACE_FREE_IN_RELEASE : TRACE_FREE_PLAIN);
}

static void note_failure(struct history *history, const struct snapshot_event *event) {
  history->summary->failures++;
  history->summary->failed_bytes = event->bytes;
  history->summary->free_bytes = event->address;
}

static void write_event(struct history *history, const struct snapshot_event *event) {
  uint32_t stack = snapshot_stack(&history->stacks, event->frames);
  set_time(history, event);
  if (ends_block(history, event)) {
    write_free(history, event, stack);
    return;
  }
  struct place *place;
  switch (event->action) {
  case SNAPSHOT_ALLOC:
    history->summary->has_stacks = history->summary->has_stacks || stack;
    run_writer_alloc(history->writer, history->time_ns, event->address, event->bytes, stack);
    break;
  case SNAPSHOT_FREE_REQUESTED:
    place = place_of(history, event->address);
    if (place) {
      place->letting_go = stack;
    }
    break;
  case SNAPSHOT_SEGMENT_ALLOC:
  case SNAPSHOT_SEGMENT_FREE:
    run_writer_map(history->writer, history->time_ns, event->address, event->bytes, stack,
                   event->action == SNAPSHOT_SEGMENT_FREE);
    break;
  case SNAPSHOT_OOM:
    note_failure(history, event);
    break;
  case SNAPSHOT_DAMAGED:
    history->summary->events--;
    history->summary->damaged++;
    break;
  default:
    break;
  }
}

static void write_events(struct history *history, const struct snapshot_options *options) {
  for (size_t i = 0; i < history->count && !history->writer->code; i++) {
    struct snapshot_event event = event_at(history, i);
    write_event(history, &event);
    if (options->progress && i % EVENTS_PER_PROGRESS == 0) {
      options->progress(options->context, "writing the trace", (double)i / (double)history->count);
    }
  }
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

/* A block ends when no stream uses it any more; but a program may have left those events out of its history. */
static enum snapshot_action end_of_blocks(const struct history *history) {
  for (size_t i = 0; i < history->count; i++) {
    if (event_at(history, i).action == SNAPSHOT_FREE_COMPLETED) {
      return SNAPSHOT_FREE_COMPLETED;
    }
  }
  return SNAPSHOT_FREE_REQUESTED;
}

uint64_t snapshot_start_ns(const struct snapshot_layout *layout, size_t device) {
  for (size_t i = 0; i < snapshot_events_count(layout, device); i++) {
    uint64_t time_us = snapshot_event_at(layout, device, i).time_us;
    if (time_us != SNAPSHOT_NO_TIME) {
      return time_us < TRACE_TIME_MAX / 1000 ? time_us * 1000 : 0;
    }
  }
  return 0;
}

void snapshot_events_write(const struct snapshot_layout *layout, size_t device, struct run_writer *writer,
                           const struct snapshot_options *options, struct snapshot_summary *summary) {
  struct history history = {
      .layout = layout,
      .device = device,
      .count = snapshot_events_count(layout, device),
      .writer = writer,
      .stacks = {.writer = writer},
      .summary = summary,
      .begin_us = snapshot_start_ns(layout, device) / 1000,
  };
  summary->events = history.count;
  summary->damaged = snapshot_layout_damaged(layout);
  summary->timed = history.begin_us != 0;
  history.end = end_of_blocks(&history);
  find_older_in_history(&history);
  find_older_in_segments(&history);
  write_events(&history, options);
  snapshot_stacks_fini(&history.stacks);
  intern_fini(&history.addresses);
  free(history.places);
}
