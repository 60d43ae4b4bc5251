/* Chunks of one stream of events and of tables, written out as they fill. */
#include "importers/run_writer.h"

#include "common/temporary.h"
#include "trace/trace_finish.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  CHUNK_SIZE = 16 * TRACE_CHUNK_STEP,
  STRING_MAX = CHUNK_SIZE / 4, /* what is longer is cut: it is no name */
  EVENTS_TID = 1,
};

/* ---- failures ---------------------------------------------------------------------------------------------------- */

void run_writer_fail(struct run_writer *writer, int code, const struct error *err) {
  if (!writer->code) {
    writer->code = code;
    writer->err = *err;
  }
}

static void fail_to_write(struct run_writer *writer) {
  struct error err;
  run_writer_fail(writer,
                  error_set(&err, ERROR_IO, "%s: cannot be written: %s%s", writer->target, strerror(errno),
                            errno == ENOSPC ? "; make room on the disk" : ""),
                  &err);
}

static void fail_for_memory(struct run_writer *writer) {
  struct error err;
  run_writer_fail(writer, error_set(&err, ERROR_MEMORY, "no memory for the trace's tables; try a machine with more"),
                  &err);
}

/* ---- chunks ------------------------------------------------------------------------------------------------------ */

static void write_bytes(struct run_writer *writer, const void *bytes, size_t size) {
  if (!writer->code && fwrite(bytes, 1, size, writer->file) != size) {
    fail_to_write(writer);
  }
}

static void begin_chunk(struct run_writer *writer, struct run_chunk *chunk) {
  memset(chunk->bytes, 0, CHUNK_SIZE);
  trace_chunk_begin(&chunk->writer, chunk->bytes, CHUNK_SIZE, chunk->kind, 0, chunk->sequence++, writer->time_ns,
                    chunk->kind == TRACE_CHUNK_EVENTS ? EVENTS_TID : 0);
  if (chunk->kind == TRACE_CHUNK_TABLES) {
    writer->previous_count = 0;
  }
}

static struct trace_chunk_writer *next_chunk(struct run_writer *writer, struct run_chunk *chunk) {
  write_bytes(writer, chunk->bytes, CHUNK_SIZE);
  begin_chunk(writer, chunk);
  return &chunk->writer;
}

/* Where a record of this size at most goes; every chunk has room for each. */
static struct trace_chunk_writer *room(struct run_writer *writer, struct run_chunk *chunk, size_t size) {
  return (size_t)(chunk->writer.end - chunk->writer.cursor) >= size ? &chunk->writer : next_chunk(writer, chunk);
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

/* The number; *is_new: its record is still to be written. */
static uint32_t number(struct run_writer *writer, struct intern *intern, const void *bytes, size_t size, bool *is_new) {
  uint32_t before = intern->count;
  uint32_t found = writer->code ? 0 : intern_number(intern, bytes, size);
  if (!found && !writer->code) {
    fail_for_memory(writer);
  }
  *is_new = found > before;
  return found;
}

uint32_t run_writer_string(struct run_writer *writer, const char *text, size_t size) {
  bool is_new;
  size = size < STRING_MAX ? size : STRING_MAX;
  uint32_t id = size ? number(writer, &writer->strings, text, size, &is_new) : 0;
  if (id && is_new) {
    trace_write_string(room(writer, &writer->tables, TRACE_STRING_RECORD_MAX(size)), id, text, size);
  }
  return id;
}

uint32_t run_writer_code(struct run_writer *writer, uint32_t file, uint32_t name) {
  bool is_new;
  const uint32_t names[] = {file, name};
  uint32_t id = number(writer, &writer->codes, names, sizeof names, &is_new);
  if (is_new) {
    trace_write_code(room(writer, &writer->tables, TRACE_RECORD_MAX), id, file, name);
  }
  return id;
}

uint32_t run_writer_stack(struct run_writer *writer, const uint64_t *frames, size_t count) {
  bool is_new;
  count = count < TRACE_STACK_DEPTH_MAX ? count : TRACE_STACK_DEPTH_MAX;
  uint32_t id = count ? number(writer, &writer->stacks, frames, count * sizeof *frames, &is_new) : 0;
  if (id && is_new) {
    struct trace_chunk_writer *to = room(writer, &writer->tables, TRACE_STACK_RECORD_MAX(count));
    trace_write_stack(to, id, frames, count, writer->previous, writer->previous_count);
    memcpy(writer->previous, frames, count * sizeof *frames);
    writer->previous_count = count;
    writer->header.stack_depth = count > writer->header.stack_depth ? (uint32_t)count : writer->header.stack_depth;
  }
  return id;
}

void run_writer_meta(struct run_writer *writer, const char *key, const char *value) {
  uint32_t key_id = run_writer_string(writer, key, strlen(key));
  uint32_t value_id = run_writer_string(writer, value, strlen(value));
  trace_write_meta(room(writer, &writer->tables, TRACE_RECORD_MAX), key_id, value_id);
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

static struct trace_chunk_writer *event_room(struct run_writer *writer, uint64_t time_ns) {
  struct trace_chunk_writer *to = room(writer, &writer->events, TRACE_RECORD_MAX);
  writer->time_ns = time_ns > writer->time_ns ? time_ns : writer->time_ns;
  return to;
}

static bool is_possible(struct run_writer *writer, uint64_t size) {
  if (size > TRACE_SIZE_MAX) {
    struct error err;
    run_writer_fail(
        writer,
        error_set(&err, ERROR_INPUT, "a block of %" PRIu64 " bytes cannot be: what is imported is damaged", size),
        &err);
  }
  return size <= TRACE_SIZE_MAX;
}

void run_writer_alloc(struct run_writer *writer, uint64_t time_ns, uint64_t address, uint64_t size, uint32_t stack) {
  if (!is_possible(writer, size)) {
    return;
  }
  trace_write_alloc(event_room(writer, time_ns), time_ns, address, size, stack, false);
}

void run_writer_free(struct run_writer *writer, uint64_t time_ns, uint64_t address, uint32_t stack,
                     enum trace_free_kind kind) {
  trace_write_free(event_room(writer, time_ns), time_ns, address, stack, kind);
}

void run_writer_map(struct run_writer *writer, uint64_t time_ns, uint64_t address, uint64_t size, uint32_t stack,
                    bool unmap) {
  if (!is_possible(writer, size)) {
    return;
  }
  trace_write_map(event_room(writer, time_ns), time_ns, address, size, stack, unmap);
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static void write_header(struct run_writer *writer) {
  uint8_t bytes[TRACE_HEADER_SIZE];
  trace_write_file_header(bytes, &writer->header);
  write_bytes(writer, bytes, sizeof bytes);
}

static void open_raw(struct run_writer *writer) {
  if (asprintf(&writer->raw, "%s.XXXXXX", writer->target) < 0) {
    writer->raw = NULL;
    fail_for_memory(writer);
    return;
  }
  int fd = mkostemp(writer->raw, O_CLOEXEC);
  writer->file = fd < 0 ? NULL : fdopen(fd, "w");
  if (fd < 0) {
    fail_to_write(writer);
    free(writer->raw);
    writer->raw = NULL;
    return;
  }
  temporary_add(writer->raw);
  mode_t mask = umask(0);
  umask(mask);
  fchmod(fd, 0666 & ~mask);
  if (!writer->file) {
    fail_to_write(writer);
    close(fd);
  }
}

int run_writer_open(struct run_writer *writer, const char *target, const struct trace_file_header *header,
                    struct error *err) {
  *writer = (struct run_writer){
      .target = target,
      .header = *header,
      .tables = {.kind = TRACE_CHUNK_TABLES, .bytes = malloc(CHUNK_SIZE)},
      .events = {.kind = TRACE_CHUNK_EVENTS, .bytes = malloc(CHUNK_SIZE)},
  };
  if (!writer->tables.bytes || !writer->events.bytes) {
    fail_for_memory(writer);
  } else {
    open_raw(writer);
    write_header(writer);
    begin_chunk(writer, &writer->tables);
    begin_chunk(writer, &writer->events);
  }
  return writer->code ? error_set(err, writer->code, "%s", writer->err.message) : 0;
}

static void close_raw(struct run_writer *writer) {
  write_bytes(writer, writer->tables.bytes, CHUNK_SIZE);
  write_bytes(writer, writer->events.bytes, CHUNK_SIZE);
  writer->header.flags |= TRACE_FLAG_ENDED;
  writer->header.end_ns = writer->time_ns;
  if (!writer->code && fseek(writer->file, 0, SEEK_SET) != 0) {
    fail_to_write(writer);
  }
  write_header(writer);
  int failed = fclose(writer->file);
  writer->file = NULL;
  if (failed && !writer->code) {
    fail_to_write(writer);
  }
}

int run_writer_end(struct run_writer *writer, void (*progress)(void *context, double share), void *context,
                   struct error *err) {
  close_raw(writer);
  if (writer->code) {
    return error_set(err, writer->code, "%s", writer->err.message);
  }
  const struct trace_finish_options options = {
      .compress = true, .exit_status = writer->header.exit_status, .progress = progress, .context = context};
  return trace_finish(writer->raw, writer->target, &options, err);
}

void run_writer_fini(struct run_writer *writer) {
  if (writer->file) {
    fclose(writer->file);
  }
  if (writer->raw) {
    temporary_drop(writer->raw);
    unlink(writer->raw); /* gone already where the trace is finished */
    free(writer->raw);
  }
  free(writer->tables.bytes);
  free(writer->events.bytes);
  intern_fini(&writer->strings);
  intern_fini(&writer->codes);
  intern_fini(&writer->stacks);
  *writer = (struct run_writer){0};
}
