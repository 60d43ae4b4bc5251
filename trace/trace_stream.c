/* The decoder of event records: the hot path of every analysis.
 *
 * A record is decoded in two halves, so that streams can be merged: peek takes tag and dt, take the rest. */
#include "trace/trace_stream.h"

#include <stdlib.h>

/* In place of a tag: the pending sums of the chunk header, which count behind its last record. */
#define TAG_PENDING 0

/* ---- compact records --------------------------------------------------------------------------------------------- */

static inline const char *give_stack(const struct trace_stream *s, uint64_t stack, struct trace_event *event) {
  event->stack = (uint32_t)stack;
  if (__builtin_expect(stack >= s->tables->stacks.count, 0) && stack) {
    event->stack = 0;
    return s->tables->lenient ? NULL : "a record names a stack that is not there";
  }
  return NULL;
}

static inline const char *take_stack(const struct trace_stream *s, struct trace_decoder *in,
                                     struct trace_event *event) {
  return give_stack(s, trace_take_uv(in), event);
}

static inline const char *take_block(struct trace_stream *s, struct trace_decoder *in, struct trace_event *event,
                                     bool sized) {
  s->address += trace_take_sv(in);
  event->address = s->address;
  event->size = sized ? trace_take_uv(in) : 0;
  if (__builtin_expect(event->size > TRACE_SIZE_MAX, 0)) {
    return "a block is larger than is possible";
  }
  return take_stack(s, in, event);
}

static inline uint64_t columns_address(struct trace_stream *s, uint8_t kind) {
  struct trace_columns *c = s->columns;
  if (kind == TRACE_ALLOC) {
    uint64_t address = trace_columns_address(c, TRACE_COLUMN_ALLOC, &c->frees, s->address);
    trace_references_add(&c->allocs, address);
    return address;
  }
  if (kind == TRACE_FREE) {
    uint64_t address = trace_columns_address(c, TRACE_COLUMN_FREE, &c->allocs, s->address);
    trace_references_add(&c->frees, address);
    return address;
  }
  return s->address + trace_columns_sv(c, TRACE_COLUMN_ADDRESS);
}

static inline const char *take_columns(struct trace_stream *s, struct trace_event *event, bool sized) {
  event->address = s->address = columns_address(s, (uint8_t)event->kind);
  event->size = sized ? trace_columns_uv(s->columns, TRACE_COLUMN_SIZE) : 0;
  uint64_t stack = trace_columns_stack(s->columns);
  if (__builtin_expect(s->columns->bad || event->size > TRACE_SIZE_MAX, 0)) {
    return "a block makes no sense";
  }
  return give_stack(s, stack, event);
}

static const char *sums_problem(const uint64_t sums[4]) {
  for (int i = 0; i < 4; i++) {
    if (sums[i] > TRACE_SIZE_MAX) {
      return "sums of small blocks are larger than is possible";
    }
  }
  return NULL;
}

static void small_fill(struct trace_event *event, const uint64_t sums[4]) {
  event->small.alloc_bytes = sums[0];
  event->small.alloc_count = sums[1];
  event->small.free_bytes = sums[2];
  event->small.free_count = sums[3];
}

static const char *take_small(struct trace_decoder *in, struct trace_event *event) {
  uint64_t sums[4];
  for (int i = 0; i < 4; i++) {
    sums[i] = trace_take_uv(in);
  }
  small_fill(event, sums);
  return sums_problem(sums);
}

/* ---- long records ------------------------------------------------------------------------------------------------ */

/* The text of a string's number, "" for 0. */
static const char *give_string(const struct trace_stream *s, uint64_t number, const char **text) {
  size_t size;
  const char *found = trace_tables_string(s->tables, number, &size);
  *text = found ? found : "";
  return number && !found && !s->tables->lenient ? "a record names a string that is not there" : NULL;
}

static const char *take_save(struct trace_stream *s, struct trace_decoder *in, struct trace_event *event) {
  event->save.tensor = trace_take_uv(in);
  event->save.data = trace_take_uv(in);
  event->save.bytes = trace_take_uv(in);
  event->save.elements = trace_take_uv(in);
  uint64_t dtype = trace_take_uv(in), source = trace_take_uv(in);
  event->save.dtype = dtype < TRACE_DTYPE_UNKNOWN ? (uint32_t)dtype : TRACE_DTYPE_UNKNOWN;
  event->save.source = (enum trace_source)source;
  if (event->save.bytes > TRACE_SIZE_MAX || event->save.elements > TRACE_SIZE_MAX || source > TRACE_SOURCE_MARK) {
    return "a saved tensor makes no sense";
  }
  const char *problem = take_stack(s, in, event);
  uint64_t layer = in->at < s->record_end ? trace_take_uv(in) : 0; /* a trace before 1.1 has neither */
  uint64_t op = in->at < s->record_end ? trace_take_uv(in) : 0;
  problem = problem ? problem : give_string(s, layer, &event->save.layer);
  return problem ? problem : give_string(s, op, &event->save.op);
}

static const char *take_release(struct trace_stream *s, struct trace_decoder *in, struct trace_event *event) {
  event->release.tensor = trace_take_uv(in);
  event->release.node_type = trace_take_uv(in);
  uint64_t source = trace_take_uv(in);
  event->release.source = (enum trace_source)source;
  if (source > TRACE_SOURCE_MARK) {
    return "a release makes no sense";
  }
  return take_stack(s, in, event);
}

static const char *take_resident(struct trace_stream *s, struct trace_decoder *in, struct trace_event *event) {
  event->resident.data = trace_take_uv(in);
  event->resident.bytes = trace_take_uv(in);
  uint64_t role = trace_take_uv(in), name = trace_take_uv(in);
  event->resident.role = (enum trace_role)role;
  if (event->resident.bytes > TRACE_SIZE_MAX || (role != TRACE_ROLE_PARAMETER && role != TRACE_ROLE_BUFFER)) {
    return "a parameter makes no sense";
  }
  return give_string(s, name, &event->resident.name);
}

static const char *take_phase(struct trace_decoder *in, struct trace_event *event) {
  uint64_t phase = trace_take_uv(in), edge = trace_take_uv(in);
  event->phase.phase = (enum trace_phase)phase;
  event->phase.begins = edge;
  return phase < TRACE_PHASE_FORWARD || phase > TRACE_PHASE_UPDATE || edge > 1 ? "a phase makes no sense" : NULL;
}

static const char *take_thread(struct trace_stream *s, struct trace_decoder *in, struct trace_event *event) {
  uint64_t tid = trace_take_uv(in);
  event->tid = s->tid = (uint32_t)tid;
  return tid > UINT32_MAX ? "a thread's number makes no sense" : NULL;
}

static const char *take_lost(struct trace_decoder *in, struct trace_event *event) {
  event->size = trace_take_uv(in);
  return event->size > TRACE_SIZE_MAX ? "a number of lost events makes no sense" : NULL;
}

static const char *take_region(struct trace_stream *s, struct trace_decoder *in, struct trace_event *event) {
  event->region.data = trace_take_uv(in);
  event->region.bytes = trace_take_uv(in);
  uint64_t layer = trace_take_uv(in), name = trace_take_uv(in), op = trace_take_uv(in);
  if (event->region.bytes > TRACE_SIZE_MAX) {
    return "a region is larger than is possible";
  }
  const char *problem = give_string(s, layer, &event->region.layer);
  problem = problem ? problem : give_string(s, name, &event->region.name);
  problem = problem ? problem : give_string(s, op, &event->region.op);
  return problem ? problem : take_stack(s, in, event);
}

static const char *take_region_end(struct trace_decoder *in, struct trace_event *event) {
  event->address = trace_take_uv(in);
  return NULL;
}

static const char *take_long(struct trace_stream *s, struct trace_decoder *in, struct trace_event *event) {
  switch (s->tag) {
  case TRACE_TAG_THREAD:
    event->kind = TRACE_THREAD;
    return take_thread(s, in, event);
  case TRACE_TAG_SAVE:
    event->kind = TRACE_SAVE;
    return take_save(s, in, event);
  case TRACE_TAG_RELEASE:
    event->kind = TRACE_RELEASE;
    return take_release(s, in, event);
  case TRACE_TAG_RESIDENT:
    event->kind = TRACE_RESIDENT;
    return take_resident(s, in, event);
  case TRACE_TAG_PHASE:
    event->kind = TRACE_PHASE;
    return take_phase(in, event);
  case TRACE_TAG_REGION:
    event->kind = TRACE_REGION;
    return take_region(s, in, event);
  case TRACE_TAG_REGION_END:
    event->kind = TRACE_REGION_END;
    return take_region_end(in, event);
  case TRACE_TAG_STEP:
    event->kind = TRACE_STEP;
    return NULL;
  default: /* peek lets no other tag through */
    event->kind = TRACE_LOST;
    return take_lost(in, event);
  }
}

/* ---- peek and take ----------------------------------------------------------------------------------------------- */

/* The chunk's records are through: its pending sums are left, then the next chunk. */
static void peek_end(struct trace_stream *s) {
  s->ready = s->small[0] | s->small[1] | s->small[2] | s->small[3];
  s->tag = TAG_PENDING;
}

static bool is_known(uint8_t tag) {
  return (tag >= TRACE_TAG_ALLOC && tag <= TRACE_TAG_REALLOC_ALLOC) ||
         (tag >= TRACE_TAG_THREAD && tag <= TRACE_TAG_STEP);
}

static const char *begin_problem(const struct trace_stream *s, const struct trace_decoder *in) {
  if (s->tag < 0x80 && !is_known(s->tag)) {
    return "a record has an unknown tag";
  }
  return in->at > s->record_end ? "a record is cut off" : "a record's time makes no sense";
}

/* Finds the end of a long record in a chunk of columns, whose rest column only such records and SMALL use. */
static bool find_rest(struct trace_stream *s) {
  if (s->tag < 0x80) {
    s->record_end = s->end;
    return true;
  }
  struct trace_decoder in = {.at = s->at};
  s->record_end = trace_take_end(&in, s->end);
  s->at = in.at;
  return s->record_end;
}

static const char *peek_columns(struct trace_stream *s) {
  for (struct trace_columns *c = s->columns;;) {
    if (c->column[TRACE_COLUMN_TAG].at >= c->column[TRACE_COLUMN_TAG].end) {
      peek_end(s);
      return NULL;
    }
    s->tag = *c->column[TRACE_COLUMN_TAG].at++;
    uint64_t delta = s->tag < TRACE_TAG_STACK ? trace_columns_uv(c, TRACE_COLUMN_TIME) : 0;
    if (__builtin_expect(c->bad || delta > TRACE_TIME_MAX - s->time_ns || !find_rest(s), 0)) {
      return "a column is cut off";
    }
    s->time_ns += delta;
    if (__builtin_expect(is_known(s->tag), 1)) {
      s->ready = true;
      return NULL;
    }
    if (s->tag < 0x80) {
      return "a record has an unknown tag";
    }
    s->at = s->record_end;
  }
}

/* Decodes tag and dt of the next record that is known here. */
static const char *peek_rows(struct trace_stream *s) {
  struct trace_decoder in = {.at = s->at};
  for (;;) {
    if (in.at >= s->end) {
      peek_end(s);
      return NULL;
    }
    s->tag = *in.at++;
    s->record_end = s->tag < 0x80 ? s->end : trace_take_end(&in, s->end);
    if (!s->record_end) {
      return "a record is cut off";
    }
    uint64_t delta = s->tag < TRACE_TAG_STACK ? trace_take_uv(&in) : 0;
    if (__builtin_expect(in.bad || in.at > s->record_end || delta > TRACE_TIME_MAX - s->time_ns, 0)) {
      return begin_problem(s, &in);
    }
    s->time_ns += delta;
    if (__builtin_expect(is_known(s->tag), 1)) {
      s->at = in.at;
      s->ready = true;
      return NULL;
    }
    if (s->tag < 0x80) {
      return "a record has an unknown tag";
    }
    in.at = s->record_end;
  }
}

static inline const char *peek(struct trace_stream *s) {
  return s->columns ? peek_columns(s) : peek_rows(s);
}

/* What each compact tag stands for. */
static const struct shape {
  uint8_t kind;
  bool sized, in_release, realloc;
} shapes[] = {
    [TRACE_TAG_ALLOC] = {TRACE_ALLOC, true, false, false},
    [TRACE_TAG_FREE] = {TRACE_FREE, false, false, false},
    [TRACE_TAG_FREE_RELEASE] = {TRACE_FREE, false, true, false},
    [TRACE_TAG_MAP] = {TRACE_MAP, true, false, false},
    [TRACE_TAG_UNMAP] = {TRACE_UNMAP, true, false, false},
    [TRACE_TAG_REALLOC_FREE] = {TRACE_FREE, false, false, true},
    [TRACE_TAG_REALLOC_ALLOC] = {TRACE_ALLOC, true, false, true},
};

/* The rest of the record that peek has begun. */
static const char *take(struct trace_stream *s, struct trace_decoder *in, struct trace_event *event) {
  if (s->tag >= 0x80) {
    return take_long(s, in, event);
  }
  if (s->tag == TRACE_TAG_SMALL) {
    event->kind = TRACE_SMALL;
    return take_small(in, event);
  }
  const struct shape *shape = &shapes[s->tag];
  event->kind = shape->kind;
  event->in_release = shape->in_release;
  event->realloc = shape->realloc;
  return s->columns ? take_columns(s, event, shape->sized) : take_block(s, in, event, shape->sized);
}

static const char *take_pending(struct trace_stream *s, struct trace_event *event) {
  event->kind = TRACE_SMALL;
  small_fill(event, s->small);
  memset(s->small, 0, sizeof s->small);
  s->ready = false;
  return NULL;
}

/* Only the members that every kind has are cleared: the union costs more than decoding does. */
static inline void event_begin(const struct trace_stream *s, struct trace_event *event) {
  event->time_ns = s->time_ns;
  event->tid = s->tid;
  event->stack = 0;
  event->address = event->size = 0;
  event->in_release = event->realloc = false;
}

const char *trace_stream_take(struct trace_stream *s, struct trace_event *event) {
  event_begin(s, event);
  if (__builtin_expect(s->tag == TAG_PENDING, 0)) {
    return take_pending(s, event);
  }
  struct trace_decoder in = {.at = s->at};
  const char *problem = take(s, &in, event);
  if (__builtin_expect(in.bad || in.at > s->record_end, 0)) {
    return in.at > s->record_end && s->record_end == s->end ? "a record is cut off" : "a record makes no sense";
  }
  if (__builtin_expect(problem != NULL, 0)) {
    return problem;
  }
  s->at = s->tag < 0x80 ? in.at : s->record_end; /* in columns, too: a block leaves the rest column alone */
  return peek(s);
}

/* ---- chunks ------------------------------------------------------------------------------------------------------ */

void trace_stream_release(struct trace_stream *s) {
  trace_payload_fini(&s->payload);
  free(s->columns_owned);
  s->columns_owned = s->columns = NULL;
}

void trace_stream_rewind(struct trace_stream *s, const struct trace_file *file) {
  s->next = s->first;
  s->ready = false;
  s->time_ns = file->chunks[s->first].time_ns;
}

static int begin_columns(struct trace_stream *s, const struct trace_file *file, const char **problem,
                         struct error *err) {
  if (!s->columns_owned && !(s->columns_owned = malloc(sizeof *s->columns_owned))) {
    return error_set(err, ERROR_MEMORY, "%s: out of memory", file->path);
  }
  s->columns = s->columns_owned;
  *problem = trace_columns_begin(s->columns, &s->payload);
  s->at = s->columns->column[TRACE_COLUMN_REST].at;
  s->end = s->columns->column[TRACE_COLUMN_REST].end;
  return 0;
}

/* A chunk's time base earlier than its predecessor's last record is taken as equal: time never goes back. */
static int begin_chunk(struct trace_stream *s, const struct trace_file *file, const struct trace_chunk *chunk,
                       struct error *err) {
  s->at = s->payload.begin;
  s->end = s->payload.end;
  s->columns = NULL;
  s->address = 0;
  s->time_ns = chunk->time_ns > s->time_ns ? chunk->time_ns : s->time_ns;
  s->tid = chunk->tid;
  memcpy(s->small, chunk->small, sizeof s->small);
  const char *problem = NULL;
  int code = chunk->flags & TRACE_CHUNK_COLUMNS ? begin_columns(s, file, &problem, err) : 0;
  if (!code && !problem) {
    problem = peek(s);
  }
  return problem ? trace_file_damaged(file, chunk->offset, problem, err) : code;
}

int trace_stream_load(struct trace_stream *s, struct trace_file *file, struct error *err) {
  const struct trace_chunk *chunk = &file->chunks[s->next];
  if (s->next > s->first) {
    trace_chunk_forget(file, chunk - 1);
  }
  int code = trace_chunk_load(file, chunk, &s->payload, err);
  if (code) {
    return code;
  }
  s->chunk = s->next++;
  return begin_chunk(s, file, chunk, err);
}
