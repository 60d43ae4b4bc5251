/* Rewrites a raw trace as a finished one: see the header. Chunks of the recorder are small, so that little is reserved in
 * vain; here they become chunks of a size that zstd works well on, events in columns and stacks one behind the other. */
#include "trace/trace_finish.h"

#include "trace/trace_file.h"
#include "trace/trace_output.h"
#include "trace/trace_pack.h"
#include "trace/trace_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Tables chunks are filled to this; a record that is larger gets a chunk of its own. */
#define TABLES_SIZE (2u << 20)

struct finish {
  const struct trace_finish_options *options;
  struct trace_file source;
  struct trace_output output;
  struct trace_payload payload;
  struct trace_packer packer;
  struct trace_bytes columns;
  struct trace_chunk next; /* what is known of the chunk that is being filled */
  uint32_t tid;            /* of the stream's last record */
  uint64_t done;           /* bytes */
  struct error *err;

  /* Of tables. */
  struct trace_chunk_writer tables;
  uint8_t *tables_bytes;
  uint64_t written[TRACE_STACK_DEPTH_MAX], read[2][TRACE_STACK_DEPTH_MAX];
  size_t written_count, read_count;
};

static int out_of_memory(const struct finish *f) {
  return error_set(f->err, ERROR_MEMORY, "%s: out of memory", f->source.path);
}

/* ---- streams ----------------------------------------------------------------------------------------------------- */

static bool same_stream(const struct trace_chunk *a, const struct trace_chunk *b) {
  return a->kind == b->kind && a->stream == b->stream;
}

static int emit(struct finish *f, const uint8_t *payload, size_t size) {
  int code = trace_output_add(&f->output, &f->next, payload, size, f->err);
  f->next.sequence++;
  return code;
}

static void report(struct finish *f, const struct trace_chunk *chunk) {
  f->done += chunk->capacity;
  trace_chunk_forget(&f->source, chunk);
  if (f->options->progress) {
    f->options->progress(f->options->context, (double)f->done / (double)f->source.size);
  }
}

/* ---- as it is ---------------------------------------------------------------------------------------------------- */

static int copy_chunk(struct finish *f, const struct trace_chunk *chunk) {
  uint32_t sequence = f->next.sequence;
  f->next = *chunk;
  f->next.sequence = sequence;
  return emit(f, f->payload.begin, (size_t)(f->payload.end - f->payload.begin));
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

static int flush_events(struct finish *f) {
  if (f->packer.records == 0) {
    return 0;
  }
  if (!trace_packer_end(&f->packer, &f->columns)) {
    return out_of_memory(f);
  }
  f->packer.records = 0;
  return emit(f, f->columns.data, f->columns.size);
}

static void begin_events(struct finish *f, uint32_t stream, uint64_t time_ns) {
  f->next = (struct trace_chunk){
      .kind = TRACE_CHUNK_EVENTS,
      .flags = TRACE_CHUNK_COLUMNS,
      .stream = stream,
      .sequence = f->next.sequence,
      .tid = f->tid,
      .time_ns = time_ns,
  };
  trace_packer_begin(&f->packer, time_ns);
}

static int flush_if_full(struct finish *f) {
  if (!trace_packer_is_full(&f->packer)) {
    return 0;
  }
  int code = flush_events(f);
  begin_events(f, f->next.stream, f->packer.time_ns);
  return code;
}

/* Follows THREAD records, since a chunk that begins behind one has to name the thread in its header. */
static void follow_thread(struct finish *f, const uint8_t *record, const uint8_t *end) {
  if (*record == TRACE_TAG_THREAD) {
    struct trace_decoder in = {.at = record + 1};
    trace_take_end(&in, end);
    trace_take_uv(&in); /* dt */
    f->tid = (uint32_t)trace_take_uv(&in);
  }
}

static int pack_rows(struct finish *f, const struct trace_chunk *chunk, struct trace_rows *rows) {
  int code = 0;
  while (!code && rows->in.at < rows->end) {
    const uint8_t *record = rows->in.at;
    const char *problem = trace_packer_add(&f->packer, rows);
    if (problem) {
      return trace_file_damaged(&f->source, chunk->offset, problem, f->err);
    }
    follow_thread(f, record, rows->end);
    code = flush_if_full(f);
  }
  return code;
}

/* The thread that a chunk's header names is lost where the chunk joins its predecessor; so it joins only one that ended
 * with the same thread. Pending sums become a record: they count behind the chunk's last one, which need not be the packed
 * chunk's last. */
static int pack_events(struct finish *f, const struct trace_chunk *chunk, bool joins) {
  uint64_t time_ns = joins && f->packer.time_ns > chunk->time_ns ? f->packer.time_ns : chunk->time_ns;
  int code = 0;
  if (!joins || chunk->tid != f->tid) {
    code = flush_events(f);
    f->tid = chunk->tid;
    begin_events(f, chunk->stream, time_ns);
  }
  struct trace_rows rows = {.in.at = f->payload.begin, .end = f->payload.end, .time_ns = time_ns};
  if (!code) {
    code = pack_rows(f, chunk, &rows);
  }
  if (!code && (chunk->small[0] | chunk->small[1] | chunk->small[2] | chunk->small[3])) {
    trace_packer_add_small(&f->packer, rows.time_ns, chunk->small);
    code = flush_if_full(f);
  }
  return code;
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

static int flush_tables(struct finish *f) {
  size_t size = f->tables.base ? (size_t)(f->tables.cursor - f->tables.base) - TRACE_CHUNK_HEADER_SIZE : 0;
  int code = size ? emit(f, f->tables.base + TRACE_CHUNK_HEADER_SIZE, size) : 0;
  f->tables.base = NULL;
  f->written_count = 0;
  return code;
}

static int begin_tables(struct finish *f, const struct trace_chunk *chunk, size_t room) {
  size_t size = room > TABLES_SIZE ? room : TABLES_SIZE;
  uint8_t *bytes = realloc(f->tables_bytes, size);
  if (!bytes) {
    return out_of_memory(f);
  }
  f->tables_bytes = bytes;
  uint32_t sequence = f->next.sequence;
  f->next = (struct trace_chunk){.kind = TRACE_CHUNK_TABLES, .stream = chunk->stream, .sequence = sequence};
  trace_chunk_begin(&f->tables, bytes, (uint32_t)size, TRACE_CHUNK_TABLES, 0, 0, 0, 0);
  return 0;
}

/* Decodes a STACK record's body by the chunk's stack before it; the new one is read[0] then, the old one read[1]. */
static const char *read_stack(struct finish *f, struct trace_decoder *in, const uint8_t *end, uint64_t *id) {
  *id = trace_take_uv(in);
  uint64_t shared = trace_take_uv(in), new = trace_take_uv(in);
  if (in->bad || in->at > end || shared > f->read_count || new > TRACE_STACK_DEPTH_MAX ||
      shared + new > TRACE_STACK_DEPTH_MAX || *id > UINT32_MAX) {
    return "a stack makes no sense";
  }
  memcpy(f->read[1], f->read[0], f->read_count * sizeof f->read[0][0]);
  uint64_t before = f->read_count ? f->read[1][0] : 0;
  for (uint64_t i = 0; i < new && in->at < end; i++) {
    f->read[0][i] = before += trace_take_sv(in);
  }
  if (in->bad || in->at != end) {
    return "a stack is cut off";
  }
  memcpy(f->read[0] + new, f->read[1] + f->read_count - shared, shared * sizeof f->read[0][0]);
  f->read_count = (size_t)(shared + new);
  return NULL;
}

static void write_table(struct finish *f, const uint8_t *record, const uint8_t *end, uint64_t id) {
  if (*record != TRACE_TAG_STACK) {
    memcpy(f->tables.cursor, record, (size_t)(end - record));
    f->tables.cursor += end - record;
    return;
  }
  trace_write_stack(&f->tables, (uint32_t)id, f->read[0], f->read_count, f->written, f->written_count);
  memcpy(f->written, f->read[0], f->read_count * sizeof f->written[0]);
  f->written_count = f->read_count;
}

static int pack_table(struct finish *f, const struct trace_chunk *chunk, struct trace_decoder *in) {
  const uint8_t *record = in->at++;
  const uint8_t *end = *record < 0x80 ? NULL : trace_take_end(in, f->payload.end);
  const char *problem = end ? NULL : "a record is cut off";
  uint64_t id = 0;
  if (!problem && *record == TRACE_TAG_STACK) {
    problem = read_stack(f, in, end, &id);
  }
  if (problem) {
    return trace_file_damaged(&f->source, chunk->offset, problem, f->err);
  }
  size_t room = *record == TRACE_TAG_STACK ? TRACE_STACK_RECORD_MAX(f->read_count) : (size_t)(end - record);
  int code = 0;
  if (f->tables.base && room > (size_t)(f->tables.end - f->tables.cursor)) {
    code = flush_tables(f);
  }
  if (!code && !f->tables.base) {
    code = begin_tables(f, chunk, room + TRACE_CHUNK_HEADER_SIZE);
  }
  if (!code) {
    write_table(f, record, end, id);
    in->at = end;
  }
  return code;
}

static int pack_tables(struct finish *f, const struct trace_chunk *chunk) {
  f->read_count = 0;
  struct trace_decoder in = {.at = f->payload.begin};
  int code = 0;
  while (!code && in.at < f->payload.end) {
    code = pack_table(f, chunk, &in);
  }
  return code;
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

static int flush(struct finish *f) {
  int code = flush_events(f);
  return code ? code : flush_tables(f);
}

static int take_chunk(struct finish *f, const struct trace_chunk *chunk, bool joins) {
  int code = trace_chunk_load(&f->source, chunk, &f->payload, f->err);
  if (code) {
    return code;
  }
  if (f->options->compress && chunk->kind == TRACE_CHUNK_EVENTS) {
    return pack_events(f, chunk, joins);
  }
  if (f->options->compress && chunk->kind == TRACE_CHUNK_TABLES) {
    return pack_tables(f, chunk);
  }
  return copy_chunk(f, chunk);
}

/* Takes over the stream that begins with chunk *at of the source, and moves *at behind it. Chunks are counted anew; but
 * where one is missing in the source, one is missing in the target. */
static int take_stream(struct finish *f, size_t *at) {
  const struct trace_chunk *first = &f->source.chunks[*at], *end = f->source.chunks + f->source.chunks_count;
  uint64_t expected = 0;
  int code = 0;
  f->next.sequence = 0;
  for (const struct trace_chunk *chunk = first; !code && chunk < end && same_stream(chunk, first); chunk++, ++*at) {
    bool gap = chunk->sequence != expected;
    expected = chunk->sequence + UINT64_C(1);
    if (gap) {
      code = flush(f);
      f->next.sequence++;
    }
    if (!code) {
      code = take_chunk(f, chunk, chunk > first && !gap);
    }
    report(f, chunk);
  }
  return code ? code : flush(f);
}

/* Tables go first: what is left of a finished trace that was cut can then be told names. */
static int take_all(struct finish *f) {
  int code = 0;
  for (int events = 0; events < 2; events++) {
    for (size_t at = 0; !code && at < f->source.chunks_count;) {
      bool is_events = f->source.chunks[at].kind == TRACE_CHUNK_EVENTS;
      if (is_events == (events == 1)) {
        code = take_stream(f, &at);
      } else {
        at++;
      }
    }
  }
  return code;
}

static int check_source(const struct finish *f) {
  if (f->source.finished) {
    return error_set(f->err, ERROR_USAGE, "%s: the trace is finished already", f->source.path);
  }
  if (f->source.truncated) {
    return error_set(f->err, ERROR_INPUT, "%s: the trace is cut short and cannot be finished; it can be read as it is",
                     f->source.path);
  }
  return 0;
}

static int finish_to(struct finish *f, const char *target, unsigned mode) {
  int code =
      trace_output_open(&f->output, target, mode, f->source.map, f->source.header_size, f->options->compress, f->err);
  if (!code && !trace_packer_init(&f->packer)) {
    code = out_of_memory(f);
  }
  if (!code) {
    code = take_all(f);
  }
  return code ? code : trace_output_end(&f->output, f->options->exit_status, f->err);
}

int trace_check_target(const char *target, struct error *err) {
  struct stat status;
  if (stat(target, &status) != 0) {
    return 0;
  }
  char magic[TRACE_MAGIC_SIZE] = "";
  int fd = S_ISREG(status.st_mode) ? open(target, O_RDONLY | O_CLOEXEC) : -1;
  ssize_t got = fd < 0 ? -1 : read(fd, magic, sizeof magic);
  if (fd >= 0) {
    close(fd);
  }
  if (got == 0 || (got == (ssize_t)sizeof magic && memcmp(magic, TRACE_MAGIC, sizeof magic) == 0)) {
    return 0;
  }
  return error_set(err, ERROR_USAGE, "%s: exists and is no trace; it is not overwritten, choose another name with -o",
                   target);
}

int trace_finish(const char *source, const char *target, const struct trace_finish_options *options,
                 struct error *err) {
  struct finish *f = calloc(1, sizeof *f);
  if (!f) {
    return error_set(err, ERROR_MEMORY, "%s: out of memory", source);
  }
  f->options = options;
  f->err = err;
  struct stat before = {0}, there = {0};
  int code = trace_file_open(&f->source, source, err);
  if (!code) {
    code = stat(source, &before) ? error_set(err, ERROR_IO, "%s: %s", source, strerror(errno)) : check_source(f);
  }
  bool same = stat(target, &there) == 0 && there.st_dev == before.st_dev && there.st_ino == before.st_ino;
  if (!code) {
    code = finish_to(f, target, before.st_mode);
  }
  if (!code && !same) {
    unlink(source);
  }
  trace_output_fini(&f->output);
  trace_packer_fini(&f->packer);
  trace_payload_fini(&f->payload);
  trace_bytes_fini(&f->columns);
  trace_file_fini(&f->source);
  free(f->tables_bytes);
  free(f);
  return code;
}
