/* The outer layer of a trace: file header, chunk headers, checksums, compression. */
#include "trace/trace_file.h"

#include "trace/crc32.h"
#include "trace/trace_decode.h"
#include "trace/trace_unfinished.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

/* The command line begins behind the fixed fields: a header that ends before them is none. */
#define HEADER_SIZE_MIN TRACE_H_COMMAND
#define HEADER_SIZE_MAX (1u << 20)

uint16_t trace_load_u16(const uint8_t *at) {
  uint16_t value;
  memcpy(&value, at, sizeof value);
  return le16toh(value);
}

uint32_t trace_load_u32(const uint8_t *at) {
  uint32_t value;
  memcpy(&value, at, sizeof value);
  return le32toh(value);
}

uint64_t trace_load_u64(const uint8_t *at) {
  uint64_t value;
  memcpy(&value, at, sizeof value);
  return le64toh(value);
}

/* CRC of size bytes in which the four at `hole` (the sum itself) count as zero. */
static uint32_t crc_with_hole(const uint8_t *bytes, size_t size, size_t hole) {
  static const uint8_t zero[4];
  uint32_t crc = crc32_update(0, bytes, hole);
  crc = crc32_update(crc, zero, sizeof zero);
  return crc32_update(crc, bytes + hole + 4, size - hole - 4);
}

/* ---- mapping ----------------------------------------------------------------------------------------------------- */

static int refuse_missing(const char *path, struct error *err) {
  char *unfinished = trace_unfinished_beside(path);
  int code = unfinished ? error_set(err, ERROR_IO,
                                    "%s: there is no such file, but %s is there: a recording that was not finished; "
                                    "read that",
                                    path, unfinished)
                        : error_set(err, ERROR_IO, "%s: there is no such file; give the path of a recorded run", path);
  free(unfinished);
  return code;
}

static int refuse_open(const char *path, struct error *err) {
  if (errno == ENOENT || errno == ENOTDIR) {
    return refuse_missing(path, err);
  }
  return error_set(err, ERROR_IO, "%s: cannot be read: %s", path, strerror(errno));
}

static int check_size(const struct stat *status, const char *path, struct error *err) {
  if (!S_ISREG(status->st_mode)) {
    return error_set(err, ERROR_INPUT, "%s: not a regular file; give the path of a recorded run", path);
  }
  if (status->st_size == 0) {
    return error_set(err, ERROR_INPUT, "%s: the file is empty; record the run again", path);
  }
  return 0;
}

/* O_NONBLOCK, because opening a pipe that nobody writes to would wait for ever. */
static int map_file(struct trace_file *file, const char *path, struct error *err) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    return refuse_open(path, err);
  }
  struct stat status;
  int code = fstat(fd, &status) ? refuse_open(path, err) : check_size(&status, path, err);
  if (!code) {
    void *map = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
      code = refuse_open(path, err);
    } else {
      file->map = map;
      file->size = (size_t)status.st_size;
    }
  }
  close(fd);
  return code;
}

/* ---- file header ------------------------------------------------------------------------------------------------- */

static int check_version(const struct trace_file *file, struct error *err) {
  unsigned major = trace_load_u16(file->map + TRACE_H_MAJOR);
  if (major == TRACE_VERSION_MAJOR) {
    return 0;
  }
  return error_set(err, ERROR_INPUT,
                   "%s: the trace has format version %u.%u, this actscope reads version %u; use the actscope that "
                   "recorded it",
                   file->path, major, trace_load_u16(file->map + TRACE_H_MINOR), TRACE_VERSION_MAJOR);
}

static int damaged_header(const struct trace_file *file, const char *why, struct error *err) {
  return error_set(err, ERROR_INPUT, "%s: the trace's header is damaged (%s); copy it again or record the run again",
                   file->path, why);
}

/* These fields are zero until a trace is finished: if they are not, it is the flag that was lost. */
static bool has_finished_fields(const uint8_t *header) {
  return trace_load_u32(header + TRACE_H_CRC) || trace_load_u64(header + TRACE_H_CHUNKS) ||
         trace_load_u64(header + TRACE_H_FILE_SIZE);
}

static int check_finished(struct trace_file *file, struct error *err) {
  const uint8_t *header = file->map;
  if (trace_load_u32(header + TRACE_H_CRC) != crc_with_hole(header, file->header_size, TRACE_H_CRC)) {
    return damaged_header(file, "its checksum is wrong", err);
  }
  uint64_t size = trace_load_u64(header + TRACE_H_FILE_SIZE);
  if (file->size > size) {
    return error_set(err, ERROR_INPUT, "%s: there are %" PRIu64 " bytes behind the end of the trace; copy it again",
                     file->path, file->size - size);
  }
  file->truncated = file->size < size;
  return 0;
}

static int check_header(struct trace_file *file, struct error *err) {
  if (file->size < TRACE_MAGIC_SIZE || memcmp(file->map, TRACE_MAGIC, TRACE_MAGIC_SIZE) != 0) {
    return error_set(err, ERROR_INPUT, "%s: not an actscope trace; give the path of a recorded run", file->path);
  }
  if (file->size < HEADER_SIZE_MIN) {
    return error_set(err, ERROR_INPUT, "%s: the trace is cut short within its header; copy it again", file->path);
  }
  int code = check_version(file, err);
  if (code) {
    return code;
  }
  file->header_size = trace_load_u32(file->map + TRACE_H_SIZE);
  if (file->header_size < HEADER_SIZE_MIN || file->header_size > HEADER_SIZE_MAX || file->header_size % 8) {
    return damaged_header(file, "its size makes no sense", err);
  }
  if (file->header_size > file->size) {
    return error_set(err, ERROR_INPUT, "%s: the trace is cut short within its header; copy it again", file->path);
  }
  if (trace_load_u32(file->map + TRACE_H_COMMAND_SIZE) > file->header_size - TRACE_H_COMMAND) {
    return damaged_header(file, "the command line does not fit", err);
  }
  file->finished = trace_load_u32(file->map + TRACE_H_FLAGS) & TRACE_FLAG_FINISHED;
  if (file->finished) {
    return check_finished(file, err);
  }
  return has_finished_fields(file->map) ? damaged_header(file, "its flags are wrong", err) : 0;
}

/* ---- chunk headers ----------------------------------------------------------------------------------------------- */

int trace_file_damaged(const struct trace_file *file, uint64_t offset, const char *why, struct error *err) {
  return error_set(err, ERROR_INPUT, "%s: the trace is damaged at byte %" PRIu64 ": %s; copy it again or record again",
                   file->path, offset, why);
}

static struct trace_chunk chunk_parse(const uint8_t *at, uint64_t offset) {
  struct trace_chunk chunk = {
      .offset = offset,
      .time_ns = trace_load_u64(at + TRACE_C_TIME),
      .stream = trace_load_u32(at + TRACE_C_STREAM),
      .sequence = trace_load_u32(at + TRACE_C_SEQUENCE),
      .tid = trace_load_u32(at + TRACE_C_TID),
      .capacity = trace_load_u32(at + TRACE_C_CAPACITY),
      .used = trace_load_u32(at + TRACE_C_USED),
      .raw_size = trace_load_u32(at + TRACE_C_RAW_SIZE),
      .payload_crc = trace_load_u32(at + TRACE_C_PAYLOAD_CRC),
      .kind = trace_load_u16(at + TRACE_C_KIND),
      .flags = trace_load_u16(at + TRACE_C_FLAGS),
  };
  /* The process may still run: what is below the length just read is there only after this. */
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  for (int i = 0; i < 4; i++) {
    chunk.small[i] = trace_load_u64(at + TRACE_C_SMALL_ALLOC_BYTES + 8 * i);
  }
  return chunk;
}

/* What both kinds of file must keep to; NULL if it does. */
static const char *chunk_problem(const struct trace_chunk *chunk) {
  if (chunk->capacity < TRACE_CHUNK_HEADER_SIZE || chunk->capacity > TRACE_CHUNK_MAX) {
    return "a chunk's size makes no sense";
  }
  if (chunk->used > chunk->capacity - TRACE_CHUNK_HEADER_SIZE) {
    return "a chunk holds more than it has room for";
  }
  for (int i = 0; i < 4; i++) {
    if (chunk->small[i] > TRACE_SIZE_MAX) {
      return "a chunk's sums of small blocks make no sense";
    }
  }
  return chunk->time_ns > TRACE_TIME_MAX ? "a chunk's time makes no sense" : NULL;
}

static const char *raw_problem(const struct trace_chunk *chunk) {
  if (chunk->capacity % TRACE_CHUNK_STEP || chunk->flags || chunk->raw_size || chunk->payload_crc) {
    return "a chunk header makes no sense";
  }
  return chunk_problem(chunk);
}

static const char *packed_problem(const struct trace_chunk *chunk, const uint8_t *header) {
  if (trace_load_u32(header + TRACE_C_CRC) != crc_with_hole(header, TRACE_CHUNK_HEADER_SIZE, TRACE_C_CRC)) {
    return "the checksum of a chunk header is wrong";
  }
  if (chunk->flags & ~TRACE_CHUNK_FLAGS) {
    return "a chunk is packed in a way that this actscope does not know";
  }
  bool packed = chunk->flags & TRACE_CHUNK_ZSTD;
  if (packed != (chunk->raw_size != 0) || chunk->raw_size > TRACE_CHUNK_MAX) {
    return "a chunk's unpacked size makes no sense";
  }
  if (chunk->flags & TRACE_CHUNK_COLUMNS && chunk->kind != TRACE_CHUNK_EVENTS) {
    return "a chunk of tables has columns";
  }
  return chunk_problem(chunk);
}

static int chunk_add(struct trace_file *file, const struct trace_chunk *chunk, struct error *err) {
  size_t count = file->chunks_count;
  if (count < 16 ? count == 0 : (count & (count - 1)) == 0) {
    size_t room = count ? 2 * count : 16;
    struct trace_chunk *chunks = realloc(file->chunks, room * sizeof *chunks);
    if (!chunks) {
      return error_set(err, ERROR_MEMORY, "%s: out of memory for its %zu chunks", file->path, room);
    }
    file->chunks = chunks;
  }
  file->chunks[file->chunks_count++] = *chunk;
  return 0;
}

/* A chunk is reserved before its header is written, so a process that was killed may leave a hole of zeros; what other
 * threads reserved behind it is whole. A file that was cut may end within a chunk: its records up to there are read. */
static int scan_raw(struct trace_file *file, struct error *err) {
  uint64_t at = file->header_size;
  while (at + TRACE_CHUNK_HEADER_SIZE <= file->size) {
    uint32_t magic = trace_load_u32(file->map + at);
    if (magic == 0) {
      at += TRACE_CHUNK_STEP;
      continue;
    }
    struct trace_chunk chunk = chunk_parse(file->map + at, at);
    const char *problem = magic == TRACE_CHUNK_MAGIC ? raw_problem(&chunk) : "no chunk begins there";
    if (problem) {
      return trace_file_damaged(file, at, problem, err);
    }
    uint64_t there = file->size - at - TRACE_CHUNK_HEADER_SIZE;
    if (chunk.used > there) {
      chunk.used = (uint32_t)there;
      chunk.cut = true;
      file->truncated = true;
    }
    int code = chunk_add(file, &chunk, err);
    if (code) {
      return code;
    }
    at += chunk.capacity;
  }
  /* A piece of a chunk header: whether records followed is not known. */
  file->truncated |= at < file->size && file->map[at] != 0;
  return 0;
}

/* Finished: chunks without gaps, as many as the header says. In a truncated file, as many as are whole. */
static int scan_finished(struct trace_file *file, struct error *err) {
  uint64_t at = file->header_size;
  while (at < file->size) {
    bool whole = at + TRACE_CHUNK_HEADER_SIZE <= file->size;
    struct trace_chunk chunk = {0};
    if (whole) {
      chunk = chunk_parse(file->map + at, at);
      const char *problem = packed_problem(&chunk, file->map + at);
      if (problem) {
        return trace_file_damaged(file, at, problem, err);
      }
      whole = chunk.capacity <= file->size - at;
    }
    if (!whole) {
      return file->truncated ? 0 : trace_file_damaged(file, at, "a chunk reaches behind the end", err);
    }
    int code = chunk_add(file, &chunk, err);
    if (code) {
      return code;
    }
    at += chunk.capacity;
  }
  if (!file->truncated && file->chunks_count != trace_load_u64(file->map + TRACE_H_CHUNKS)) {
    return trace_file_damaged(file, at, "the number of chunks is wrong", err);
  }
  return 0;
}

static int chunk_compare(const void *left, const void *right) {
  const struct trace_chunk *a = left, *b = right;
  if (a->kind != b->kind) {
    return a->kind < b->kind ? -1 : 1;
  }
  if (a->stream != b->stream) {
    return a->stream < b->stream ? -1 : 1;
  }
  return a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

/* Sorts the chunks and looks for ones that are missing, or there twice, within a stream. */
static int order_chunks(struct trace_file *file, struct error *err) {
  if (file->chunks_count) {
    qsort(file->chunks, file->chunks_count, sizeof *file->chunks, chunk_compare);
  }
  for (size_t i = 0; i < file->chunks_count; i++) {
    const struct trace_chunk *chunk = &file->chunks[i], *before = i ? chunk - 1 : NULL;
    bool continues = before && before->kind == chunk->kind && before->stream == chunk->stream;
    uint64_t expected = continues ? before->sequence + UINT64_C(1) : 0;
    if (continues && before->sequence == chunk->sequence) {
      return trace_file_damaged(file, chunk->offset, "a chunk is there twice", err);
    }
    file->gaps += chunk->sequence != expected;
  }
  return 0;
}

int trace_file_open(struct trace_file *file, const char *path, struct error *err) {
  *file = (struct trace_file){.path = strdup(path)};
  int code = file->path ? map_file(file, path, err) : error_set(err, ERROR_MEMORY, "%s: out of memory", path);
  if (!code) {
    code = check_header(file, err);
  }
  if (!code) {
    code = file->finished ? scan_finished(file, err) : scan_raw(file, err);
  }
  if (!code) {
    code = order_chunks(file, err);
  }
  if (code) {
    trace_file_fini(file);
  }
  return code;
}

void trace_file_fini(struct trace_file *file) {
  if (file->map) {
    munmap((void *)(uintptr_t)file->map, file->size);
  }
  ZSTD_freeDCtx(file->zstd);
  free(file->chunks);
  free(file->path);
  *file = (struct trace_file){0};
}

/* ---- payloads ---------------------------------------------------------------------------------------------------- */

static int payload_reserve(struct trace_payload *payload, size_t size, const struct trace_file *file,
                           struct error *err) {
  if (payload->capacity < size + TRACE_PADDING) {
    free(payload->buffer);
    payload->buffer = calloc(1, size + TRACE_PADDING);
    payload->capacity = payload->buffer ? size + TRACE_PADDING : 0;
  }
  if (!payload->buffer) {
    return error_set(err, ERROR_MEMORY, "%s: out of memory for a chunk of %zu bytes", file->path, size);
  }
  payload->begin = payload->buffer;
  payload->end = payload->buffer + size;
  return 0;
}

static int unpack(struct trace_file *file, const struct trace_chunk *chunk, struct trace_payload *payload,
                  struct error *err) {
  if (!file->zstd && !(file->zstd = ZSTD_createDCtx())) {
    return error_set(err, ERROR_MEMORY, "%s: out of memory for unpacking", file->path);
  }
  int code = payload_reserve(payload, chunk->raw_size, file, err);
  if (code) {
    return code;
  }
  size_t size = ZSTD_decompressDCtx(file->zstd, payload->buffer, chunk->raw_size,
                                    file->map + chunk->offset + TRACE_CHUNK_HEADER_SIZE, chunk->used);
  if (ZSTD_isError(size) || size != chunk->raw_size) {
    return trace_file_damaged(file, chunk->offset, "a chunk cannot be unpacked", err);
  }
  return 0;
}

/* Bytes near the end of the map are copied, so that the padding behind them can be read. */
static int borrow(const struct trace_file *file, const struct trace_chunk *chunk, struct trace_payload *payload,
                  struct error *err) {
  uint64_t begin = chunk->offset + TRACE_CHUNK_HEADER_SIZE;
  if (file->size - begin >= (uint64_t)chunk->used + TRACE_PADDING) {
    payload->begin = file->map + begin;
    payload->end = payload->begin + chunk->used;
    return 0;
  }
  int code = payload_reserve(payload, chunk->used, file, err);
  if (!code) {
    memcpy(payload->buffer, file->map + begin, chunk->used);
  }
  return code;
}

int trace_chunk_load(struct trace_file *file, const struct trace_chunk *chunk, struct trace_payload *payload,
                     struct error *err) {
  const uint8_t *bytes = file->map + chunk->offset + TRACE_CHUNK_HEADER_SIZE;
  if (file->finished && crc32_update(0, bytes, chunk->used) != chunk->payload_crc) {
    return trace_file_damaged(file, chunk->offset, "the checksum of a chunk is wrong", err);
  }
  int code = chunk->flags & TRACE_CHUNK_ZSTD ? unpack(file, chunk, payload, err) : borrow(file, chunk, payload, err);
  if (!code && chunk->cut) {
    payload->end = trace_records_end(payload->begin, payload->end);
  }
  return code;
}

void trace_payload_fini(struct trace_payload *payload) {
  free(payload->buffer);
  *payload = (struct trace_payload){0};
}

void trace_chunk_forget(const struct trace_file *file, const struct trace_chunk *chunk) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  uintptr_t begin = ((uintptr_t)(file->map + chunk->offset) + page - 1) & ~(page - 1);
  uintptr_t end = (uintptr_t)(file->map + chunk->offset + TRACE_CHUNK_HEADER_SIZE + chunk->used) & ~(page - 1);
  if (end > begin) {
    madvise((void *)begin, end - begin, MADV_DONTNEED);
  }
}
