/* Merges the streams of a trace by time and tells what the file is: see the header.
 *
 * Streams wait in a binary heap by the time of what comes next. One that has nothing loaded waits with its next chunk's
 * time base, so a chunk is unpacked no earlier than it is needed. The top is drained without touching the heap until the
 * second stream's time is reached. */
#include "trace/trace_reader.h"

#include "trace/trace_describe.h"
#include "trace/trace_file.h"
#include "trace/trace_stream.h"
#include "trace/trace_tables.h"

#include <stdlib.h>

/* Unpacked chunks of all streams at one time: a hostile file could otherwise ask for any amount. */
#define UNPACKED_MAX (UINT64_C(4) << 30)

struct trace_reader {
  struct trace_file file;
  struct trace_tables tables;
  struct trace_description description;

  struct trace_stream *streams;
  size_t streams_count;
  struct trace_stream **heap;
  size_t heap_count;
  struct trace_stream *top; /* heap[0], NULL at the end */
  uint64_t bound;           /* the top goes on while its time is below this */
  uint64_t unpacked;        /* bytes of all streams' buffers */
  uint64_t bytes_read;      /* of chunks that are loaded */
  int failed;               /* what next has returned, and goes on to return */
  struct error failure;
};

/* ---- merging ----------------------------------------------------------------------------------------------------- */

static bool goes_before(const struct trace_stream *a, const struct trace_stream *b) {
  return a->time_ns < b->time_ns || (a->time_ns == b->time_ns && a->index < b->index);
}

static void heap_sift(struct trace_reader *reader, size_t at) {
  struct trace_stream **heap = reader->heap, *moved = heap[at];
  for (size_t child; (child = 2 * at + 1) < reader->heap_count; at = child) {
    if (child + 1 < reader->heap_count && goes_before(heap[child + 1], heap[child])) {
      child++;
    }
    if (!goes_before(heap[child], moved)) {
      break;
    }
    heap[at] = heap[child];
  }
  heap[at] = moved;
}

/* Puts the first stream in its place again, and says how far the one that is first now may go. */
static void heap_settle(struct trace_reader *reader) {
  if (reader->heap_count == 0) {
    reader->top = NULL;
    return;
  }
  heap_sift(reader, 0);
  struct trace_stream *top = reader->top = reader->heap[0], *second = NULL;
  for (size_t child = 1; child <= 2 && child < reader->heap_count; child++) {
    if (!second || goes_before(reader->heap[child], second)) {
      second = reader->heap[child];
    }
  }
  reader->bound = second ? second->time_ns + (top->index < second->index) : UINT64_MAX;
}

static void heap_drop_top(struct trace_reader *reader) {
  struct trace_stream *top = reader->top;
  reader->unpacked -= top->payload.capacity;
  trace_stream_release(top);
  reader->heap[0] = reader->heap[--reader->heap_count];
  heap_settle(reader);
}

static int top_load(struct trace_reader *reader, struct error *err) {
  struct trace_stream *top = reader->top;
  size_t before = top->payload.capacity;
  int code = trace_stream_load(top, &reader->file, err);
  reader->unpacked += top->payload.capacity - before;
  if (!code && reader->unpacked > UNPACKED_MAX) {
    code = error_set(err, ERROR_MEMORY, "%s: more threads at one time than can be read", reader->file.path);
  }
  reader->bytes_read += reader->file.chunks[top->chunk].capacity;
  return code;
}

/* Brings to the top a stream whose next record is the next of all. */
static int heap_turn(struct trace_reader *reader, struct error *err) {
  struct trace_stream *top = reader->top;
  int code = 0;
  if (top->time_ns < reader->bound && !top->ready) {
    if (top->next == top->last) {
      heap_drop_top(reader);
      return 0;
    }
    code = top_load(reader, err);
  }
  if (!top->ready && top->next < top->last && reader->file.chunks[top->next].time_ns > top->time_ns) {
    top->time_ns = reader->file.chunks[top->next].time_ns;
  }
  heap_settle(reader);
  return code;
}

static int reader_fail(struct trace_reader *reader, int code, struct error *err) {
  if (err && err != &reader->failure) {
    *err = reader->failure;
  }
  reader->failed = code;
  reader->top = NULL;
  return code;
}

/* Everything that is there has been read. */
static int reader_end(struct trace_reader *reader, struct error *err) {
  if (!reader->failed && reader->file.truncated) {
    reader->failed = error_set(&reader->failure, ERROR_INPUT,
                               "%s: the trace is cut short: what followed byte %zu is missing; copy it again",
                               reader->file.path, reader->file.size);
  }
  return reader->failed ? reader_fail(reader, reader->failed, err) : 0;
}

int trace_reader_next(struct trace_reader *reader, struct trace_event *event, struct error *err) {
  for (;;) {
    struct trace_stream *top = reader->top;
    if (!top) {
      return reader_end(reader, err);
    }
    if (top->ready && top->time_ns < reader->bound) {
      const char *problem = trace_stream_take(top, event);
      if (!problem) {
        return 1;
      }
      uint64_t offset = reader->file.chunks[top->chunk].offset;
      return reader_fail(reader, trace_file_damaged(&reader->file, offset, problem, &reader->failure), err);
    }
    int code = heap_turn(reader, &reader->failure);
    if (code) {
      return reader_fail(reader, code, err);
    }
  }
}

void trace_reader_rewind(struct trace_reader *reader) {
  reader->failed = 0;
  reader->bytes_read = 0;
  reader->heap_count = reader->streams_count;
  for (size_t i = 0; i < reader->streams_count; i++) {
    reader->heap[i] = &reader->streams[i];
    trace_stream_rewind(&reader->streams[i], &reader->file);
  }
  for (size_t i = reader->heap_count; i-- > 0;) {
    heap_sift(reader, i);
  }
  heap_settle(reader);
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

/* Event chunks come first in the file's order; every other chunk is looked at here. Kinds that a newer version has added
 * are only checked. */
static int load_tables(struct trace_reader *reader, struct error *err) {
  struct trace_payload payload = {0};
  const char *problem = NULL;
  int code = 0;
  for (size_t i = 0; i < reader->file.chunks_count && !code; i++) {
    const struct trace_chunk *chunk = &reader->file.chunks[i];
    if (chunk->kind == TRACE_CHUNK_EVENTS) {
      continue;
    }
    code = trace_chunk_load(&reader->file, chunk, &payload, err);
    if (!code && chunk->kind == TRACE_CHUNK_TABLES && (problem = trace_tables_add(&reader->tables, &payload))) {
      code = trace_file_damaged(&reader->file, chunk->offset, problem, err);
    }
    trace_chunk_forget(&reader->file, chunk);
  }
  trace_payload_fini(&payload);
  if (!code && (problem = trace_tables_end(&reader->tables))) {
    code = trace_file_damaged(&reader->file, reader->file.header_size, problem, err);
  }
  return problem == trace_tables_no_memory ? ERROR_MEMORY : code;
}

static uint64_t tables_bytes(const struct trace_file *file) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < file->chunks_count; i++) {
    const struct trace_chunk *chunk = &file->chunks[i];
    if (chunk->kind == TRACE_CHUNK_TABLES) {
      bytes += chunk->raw_size ? chunk->raw_size : chunk->used;
    }
  }
  return bytes < UINT32_MAX ? bytes : UINT32_MAX - 1;
}

static bool begins_stream(const struct trace_file *file, size_t chunk) {
  return chunk == 0 || file->chunks[chunk].stream != file->chunks[chunk - 1].stream;
}

static int make_streams(struct trace_reader *reader, struct error *err) {
  const struct trace_file *file = &reader->file;
  size_t events = 0, count = 0;
  for (; events < file->chunks_count && file->chunks[events].kind == TRACE_CHUNK_EVENTS; events++) {
    count += begins_stream(file, events);
  }
  reader->streams = calloc(count + 1, sizeof *reader->streams);
  reader->heap = calloc(count + 1, sizeof(struct trace_stream *));
  if (!reader->streams || !reader->heap) {
    return error_set(err, ERROR_MEMORY, "%s: out of memory for %zu threads", file->path, count);
  }
  for (size_t i = 0; i < events; i++) {
    if (begins_stream(file, i)) {
      uint32_t index = (uint32_t)reader->streams_count++;
      reader->streams[index] = (struct trace_stream){.index = index, .first = i, .tables = &reader->tables};
    }
    reader->streams[reader->streams_count - 1].last = i + 1;
  }
  return 0;
}

/* Time of the last record of all: of the last one in some stream's last chunk. Damage there is for next to report. */
static uint64_t find_end(struct trace_reader *reader) {
  uint64_t end_ns = 0;
  for (size_t i = 0; i < reader->streams_count; i++) {
    struct trace_stream last = {.tables = &reader->tables, .next = reader->streams[i].last - 1};
    last.first = last.next;
    struct trace_event event;
    int code = trace_stream_load(&last, &reader->file, NULL);
    while (!code && last.ready && !trace_stream_take(&last, &event)) {
    }
    end_ns = last.time_ns > end_ns ? last.time_ns : end_ns;
    trace_stream_release(&last);
  }
  return end_ns;
}

static int reader_init(struct trace_reader *reader, const char *path, struct error *err) {
  int code = trace_file_open(&reader->file, path, err);
  if (code) {
    return code;
  }
  const struct trace_file *file = &reader->file;
  reader->tables.id_limit = tables_bytes(file);
  reader->tables.lenient = !file->finished || file->truncated || file->gaps;
  if ((code = load_tables(reader, err)) || (code = make_streams(reader, err))) {
    return code;
  }
  uint64_t end_ns = trace_load_u64(file->map + TRACE_H_END_TIME) ? 0 : find_end(reader);
  code = trace_describe(&reader->description, file, &reader->tables, reader->streams_count, end_ns, err);
  if (!code) {
    trace_reader_rewind(reader);
  }
  return code;
}

int trace_reader_open(struct trace_reader **out, const char *path, struct error *err) {
  *out = NULL;
  struct trace_reader *reader = calloc(1, sizeof *reader);
  if (!reader) {
    return error_set(err, ERROR_MEMORY, "%s: out of memory", path);
  }
  int code = reader_init(reader, path, err);
  if (code) {
    trace_reader_close(reader);
    return code;
  }
  *out = reader;
  return 0;
}

void trace_reader_close(struct trace_reader *reader) {
  if (!reader) {
    return;
  }
  for (size_t i = 0; i < reader->streams_count; i++) {
    trace_stream_release(&reader->streams[i]);
  }
  free(reader->streams);
  free(reader->heap);
  trace_description_fini(&reader->description);
  trace_tables_fini(&reader->tables);
  trace_file_fini(&reader->file);
  free(reader);
}

/* ---- questions --------------------------------------------------------------------------------------------------- */

const struct trace_info *trace_reader_info(const struct trace_reader *reader) {
  return &reader->description.info;
}

const uint64_t *trace_reader_stack(const struct trace_reader *reader, uint32_t stack, size_t *count) {
  /* The cache changes, what the reader says does not. */
  return trace_tables_stack((struct trace_tables *)(uintptr_t)&reader->tables, stack, count);
}

uint32_t trace_reader_stack_limit(const struct trace_reader *reader) {
  size_t count = reader->tables.stacks.count;
  return count ? (uint32_t)count : 1; /* 0 is no stack, but an id all the same */
}

const char *trace_reader_meta(const struct trace_reader *reader, const char *key) {
  return trace_tables_meta(&reader->tables, key);
}

size_t trace_reader_codes(const struct trace_reader *reader, const struct trace_code **codes) {
  *codes = reader->tables.codes.items;
  return reader->tables.codes.count;
}

size_t trace_reader_modules(const struct trace_reader *reader, const struct trace_module **modules) {
  *modules = reader->tables.modules.items;
  return reader->tables.modules.count;
}

double trace_reader_progress(const struct trace_reader *reader) {
  return reader->file.size ? (double)reader->bytes_read / (double)reader->file.size : 1;
}
