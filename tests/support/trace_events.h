/* Reads a trace to its end into memory, for tests that compare events. */
#ifndef ACTSCOPE_TESTS_TRACE_EVENTS_H
#define ACTSCOPE_TESTS_TRACE_EVENTS_H

#include "trace/trace_reader.h"

#include <stdbool.h>
#include <stddef.h>

struct trace_events {
  struct trace_reader *reader; /* open as long as the events are: names are the reader's; NULL if it is the caller's */
  struct trace_event *items;
  size_t count;
  int code; /* what ended the reading: 0, or an error of open or next */
  bool opened;
  char damage[512]; /* of trace_info, or the error's message */
  bool complete;
};

struct trace_events trace_events_read(const char *path);
/* The events that the reader gives from where it stands. */
struct trace_events trace_events_take(struct trace_reader *reader);
void trace_events_fini(struct trace_events *events);

/* Whether two events say the same, names compared as text. */
bool trace_event_equal(const struct trace_event *a, const struct trace_event *b);
/* Whether a's events are b's first ones, in order. */
bool trace_events_are_prefix(const struct trace_events *a, const struct trace_events *b);

#endif
