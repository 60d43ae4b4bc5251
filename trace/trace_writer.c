/* The encoder of trace records: see the header. Nothing here allocates, locks or calls beyond memcpy and memcmp, because
 * it runs inside malloc. */
#include "trace/trace_writer.h"

#include <string.h>

void trace_store_u16(uint8_t *at, uint16_t value) {
  at[0] = (uint8_t)value;
  at[1] = (uint8_t)(value >> 8);
}

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "traces are written on little-endian machines only: the shared fields are stored with single plain stores"
#endif

/* Single stores, so that a reader of the shared mapping never sees half a number. */
void trace_store_u32(uint8_t *at, uint32_t value) {
  __atomic_store_n((uint32_t *)(void *)at, value, __ATOMIC_RELAXED);
}

void trace_store_u64(uint8_t *at, uint64_t value) {
  __atomic_store_n((uint64_t *)(void *)at, value, __ATOMIC_RELAXED);
}

static uint64_t load_u64(const uint8_t *at) {
  return __atomic_load_n((const uint64_t *)(const void *)at, __ATOMIC_RELAXED);
}

static uint8_t *put_uv(uint8_t *p, uint64_t value) {
  while (value >= 0x80) {
    *p++ = (uint8_t)(value | 0x80);
    value >>= 7;
  }
  *p++ = (uint8_t)value;
  return p;
}

static uint8_t *put_sv(uint8_t *p, int64_t value) {
  return put_uv(p, ((uint64_t)value << 1) ^ (uint64_t)(value >> 63));
}

static bool has_room(const struct trace_chunk_writer *w, size_t bytes) {
  return w->base && (size_t)(w->end - w->cursor) >= bytes;
}

/* Release order: whoever sees the new length sees the bytes too; and after SIGKILL the kernel keeps both. */
static bool publish(struct trace_chunk_writer *w, uint8_t *cursor) {
  w->cursor = cursor;
  uint32_t used = (uint32_t)(cursor - w->base) - TRACE_CHUNK_HEADER_SIZE;
  __atomic_store_n((uint32_t *)(void *)(w->base + TRACE_C_USED), used, __ATOMIC_RELEASE);
  return true;
}

static uint8_t *put_time(struct trace_chunk_writer *w, uint8_t *p, uint64_t time_ns) {
  uint64_t delta = time_ns > w->time_ns ? time_ns - w->time_ns : 0;
  w->time_ns += delta;
  return put_uv(p, delta);
}

static uint8_t *put_address(struct trace_chunk_writer *w, uint8_t *p, uint64_t address) {
  p = put_sv(p, (int64_t)(address - w->address));
  w->address = address;
  return p;
}

/* Bodies of long records are shorter than 128 bytes but for stacks and strings, so their length is one byte: it is left
 * free and filled in at the end. */
static uint8_t *begin_long(uint8_t *p, enum trace_tag tag) {
  *p = (uint8_t)tag;
  return p + 2;
}

static bool publish_long(struct trace_chunk_writer *w, uint8_t *end) {
  w->cursor[1] = (uint8_t)(end - w->cursor - 2);
  return publish(w, end);
}

void trace_write_file_header(uint8_t *bytes, const struct trace_file_header *h) {
  memset(bytes, 0, TRACE_HEADER_SIZE);
  memcpy(bytes + TRACE_H_MAGIC, TRACE_MAGIC, TRACE_MAGIC_SIZE);
  trace_store_u16(bytes + TRACE_H_MAJOR, TRACE_VERSION_MAJOR);
  trace_store_u16(bytes + TRACE_H_MINOR, TRACE_VERSION_MINOR);
  trace_store_u32(bytes + TRACE_H_SIZE, TRACE_HEADER_SIZE);
  trace_store_u32(bytes + TRACE_H_FLAGS, h->flags);
  trace_store_u32(bytes + TRACE_H_STOP_REASON, h->stop_reason);
  trace_store_u64(bytes + TRACE_H_START_UNIX, h->start_unix_ns);
  trace_store_u64(bytes + TRACE_H_START_MONO, h->start_mono_ns);
  trace_store_u64(bytes + TRACE_H_END_TIME, h->end_ns);
  trace_store_u64(bytes + TRACE_H_MIN_SIZE, h->min_size);
  trace_store_u32(bytes + TRACE_H_STACK_DEPTH, h->stack_depth);
  trace_store_u32(bytes + TRACE_H_PID, h->pid);
  trace_store_u32(bytes + TRACE_H_PPID, h->ppid);
  trace_store_u32(bytes + TRACE_H_RANK, (uint32_t)h->rank);
  trace_store_u32(bytes + TRACE_H_EXIT_STATUS, (uint32_t)h->exit_status);
  trace_store_u32(bytes + TRACE_H_WORLD_SIZE, h->world_size);
  trace_store_u16(bytes + TRACE_H_MACHINE, h->machine);
  trace_store_u16(bytes + TRACE_H_POINTER_SIZE, sizeof(void *));
  trace_store_u64(bytes + TRACE_H_LOST_EVENTS, h->lost_events);
  size_t room = TRACE_HEADER_SIZE - TRACE_H_COMMAND;
  size_t size = h->command_size < room ? h->command_size : room;
  trace_store_u32(bytes + TRACE_H_COMMAND_SIZE, (uint32_t)size);
  if (size) {
    memcpy(bytes + TRACE_H_COMMAND, h->command, size);
  }
}

void trace_chunk_begin(struct trace_chunk_writer *w, uint8_t *base, uint32_t capacity, enum trace_chunk_kind kind,
                       uint32_t stream, uint32_t sequence, uint64_t time_ns, uint32_t tid) {
  *w = (struct trace_chunk_writer){
      .base = base,
      .cursor = base + TRACE_CHUNK_HEADER_SIZE,
      .end = base + capacity,
      .time_ns = time_ns,
  };
  trace_store_u16(base + TRACE_C_KIND, (uint16_t)kind);
  trace_store_u32(base + TRACE_C_STREAM, stream);
  trace_store_u32(base + TRACE_C_SEQUENCE, sequence);
  trace_store_u32(base + TRACE_C_CAPACITY, capacity);
  trace_store_u64(base + TRACE_C_TIME, time_ns);
  trace_store_u32(base + TRACE_C_TID, tid);
  /* The magic comes last: a chunk whose header is half written is not one yet. */
  __atomic_store_n((uint32_t *)(void *)(base + TRACE_C_MAGIC), TRACE_CHUNK_MAGIC, __ATOMIC_RELEASE);
}

static bool write_block(struct trace_chunk_writer *w, enum trace_tag tag, uint64_t time_ns, uint64_t address,
                        uint64_t size, uint32_t stack) {
  if (!has_room(w, TRACE_RECORD_MAX)) {
    return false;
  }
  uint8_t *p = w->cursor;
  *p++ = (uint8_t)tag;
  p = put_time(w, p, time_ns);
  p = put_address(w, p, address);
  p = put_uv(p, size);
  return publish(w, put_uv(p, stack));
}

bool trace_write_alloc(struct trace_chunk_writer *w, uint64_t time_ns, uint64_t address, uint64_t size, uint32_t stack,
                       bool is_realloc) {
  return write_block(w, is_realloc ? TRACE_TAG_REALLOC_ALLOC : TRACE_TAG_ALLOC, time_ns, address, size, stack);
}

bool trace_write_map(struct trace_chunk_writer *w, uint64_t time_ns, uint64_t address, uint64_t size, uint32_t stack,
                     bool unmap) {
  return write_block(w, unmap ? TRACE_TAG_UNMAP : TRACE_TAG_MAP, time_ns, address, size, stack);
}

bool trace_write_free(struct trace_chunk_writer *w, uint64_t time_ns, uint64_t address, uint32_t stack,
                      enum trace_free_kind kind) {
  static const uint8_t tags[] = {TRACE_TAG_FREE, TRACE_TAG_FREE_RELEASE, TRACE_TAG_REALLOC_FREE};
  if (!has_room(w, TRACE_RECORD_MAX)) {
    return false;
  }
  uint8_t *p = w->cursor;
  *p++ = tags[kind];
  p = put_time(w, p, time_ns);
  p = put_address(w, p, address);
  return publish(w, put_uv(p, stack));
}

bool trace_write_small(struct trace_chunk_writer *w, uint64_t time_ns) {
  static const int offsets[] = {TRACE_C_SMALL_ALLOC_BYTES, TRACE_C_SMALL_ALLOC_COUNT, TRACE_C_SMALL_FREE_BYTES,
                                TRACE_C_SMALL_FREE_COUNT};
  if (!w->base) {
    return false;
  }
  uint64_t sums[4];
  uint64_t any = 0;
  for (int i = 0; i < 4; i++) {
    sums[i] = load_u64(w->base + offsets[i]);
    any |= sums[i];
  }
  if (!any) {
    return true;
  }
  if (!has_room(w, TRACE_RECORD_MAX)) {
    return false;
  }
  uint8_t *p = w->cursor;
  *p++ = TRACE_TAG_SMALL;
  p = put_time(w, p, time_ns);
  for (int i = 0; i < 4; i++) {
    p = put_uv(p, sums[i]);
  }
  /* Zeroed before the record is published: killed in between, the sums are lost rather than counted twice. */
  for (int i = 0; i < 4; i++) {
    trace_store_u64(w->base + offsets[i], 0);
  }
  return publish(w, p);
}

bool trace_write_thread(struct trace_chunk_writer *w, uint64_t time_ns, uint32_t tid) {
  if (!has_room(w, TRACE_RECORD_MAX)) {
    return false;
  }
  uint8_t *p = begin_long(w->cursor, TRACE_TAG_THREAD);
  p = put_time(w, p, time_ns);
  return publish_long(w, put_uv(p, tid));
}

bool trace_write_save(struct trace_chunk_writer *w, uint64_t time_ns, const struct trace_save *save) {
  if (!has_room(w, TRACE_RECORD_MAX)) {
    return false;
  }
  uint8_t *p = begin_long(w->cursor, TRACE_TAG_SAVE);
  p = put_time(w, p, time_ns);
  p = put_uv(p, save->tensor);
  p = put_uv(p, save->data);
  p = put_uv(p, save->bytes);
  p = put_uv(p, save->elements);
  p = put_uv(p, save->dtype);
  p = put_uv(p, save->source);
  p = put_uv(p, save->stack);
  p = save->layer || save->op ? put_uv(p, save->layer) : p;
  return publish_long(w, save->op ? put_uv(p, save->op) : p);
}

bool trace_write_release(struct trace_chunk_writer *w, uint64_t time_ns, uint64_t tensor, uint64_t node_type,
                         uint32_t source, uint32_t stack) {
  if (!has_room(w, TRACE_RECORD_MAX)) {
    return false;
  }
  uint8_t *p = begin_long(w->cursor, TRACE_TAG_RELEASE);
  p = put_time(w, p, time_ns);
  p = put_uv(p, tensor);
  p = put_uv(p, node_type);
  p = put_uv(p, source);
  return publish_long(w, put_uv(p, stack));
}

bool trace_write_resident(struct trace_chunk_writer *w, uint64_t time_ns, uint64_t data, uint64_t bytes, uint32_t role,
                          uint32_t name) {
  if (!has_room(w, TRACE_RECORD_MAX)) {
    return false;
  }
  uint8_t *p = begin_long(w->cursor, TRACE_TAG_RESIDENT);
  p = put_time(w, p, time_ns);
  p = put_uv(p, data);
  p = put_uv(p, bytes);
  p = put_uv(p, role);
  return publish_long(w, put_uv(p, name));
}

bool trace_write_phase(struct trace_chunk_writer *w, uint64_t time_ns, uint32_t phase, bool begins) {
  if (!has_room(w, TRACE_RECORD_MAX)) {
    return false;
  }
  uint8_t *p = begin_long(w->cursor, TRACE_TAG_PHASE);
  p = put_time(w, p, time_ns);
  p = put_uv(p, phase);
  return publish_long(w, put_uv(p, begins));
}

bool trace_write_region(struct trace_chunk_writer *w, uint64_t time_ns, const struct trace_region *region) {
  if (!has_room(w, TRACE_RECORD_MAX)) {
    return false;
  }
  uint8_t *p = begin_long(w->cursor, TRACE_TAG_REGION);
  p = put_time(w, p, time_ns);
  p = put_uv(p, region->data);
  p = put_uv(p, region->bytes);
  p = put_uv(p, region->layer);
  p = put_uv(p, region->name);
  p = put_uv(p, region->op);
  return publish_long(w, put_uv(p, region->stack));
}

bool trace_write_region_end(struct trace_chunk_writer *w, uint64_t time_ns, uint64_t data) {
  if (!has_room(w, TRACE_RECORD_MAX)) {
    return false;
  }
  uint8_t *p = begin_long(w->cursor, TRACE_TAG_REGION_END);
  p = put_time(w, p, time_ns);
  return publish_long(w, put_uv(p, data));
}

bool trace_write_step(struct trace_chunk_writer *w, uint64_t time_ns) {
  if (!has_room(w, TRACE_RECORD_MAX)) {
    return false;
  }
  uint8_t *p = begin_long(w->cursor, TRACE_TAG_STEP);
  return publish_long(w, put_time(w, p, time_ns));
}

bool trace_write_lost(struct trace_chunk_writer *w, uint64_t time_ns, uint64_t count) {
  if (!has_room(w, TRACE_RECORD_MAX)) {
    return false;
  }
  uint8_t *p = begin_long(w->cursor, TRACE_TAG_LOST);
  p = put_time(w, p, time_ns);
  return publish_long(w, put_uv(p, count));
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

/* Length of a body that may be long: a varint of fixed width 5, so that it can be filled in afterwards. */
static void put_length(uint8_t *at, uint32_t length) {
  for (int i = 0; i < 4; i++) {
    at[i] = (uint8_t)((length >> (7 * i)) | 0x80);
  }
  at[4] = (uint8_t)(length >> 28);
}

static bool publish_table(struct trace_chunk_writer *w, uint8_t *end) {
  put_length(w->cursor + 1, (uint32_t)(end - w->cursor - 6));
  return publish(w, end);
}

static size_t shared_frames(const uint64_t *a, size_t a_count, const uint64_t *b, size_t b_count) {
  size_t shared = 0;
  while (shared < a_count && shared < b_count && a[a_count - 1 - shared] == b[b_count - 1 - shared]) {
    shared++;
  }
  return shared;
}

bool trace_write_stack(struct trace_chunk_writer *w, uint32_t id, const uint64_t *frames, size_t count,
                       const uint64_t *previous, size_t previous_count) {
  if (!has_room(w, TRACE_STACK_RECORD_MAX(count))) {
    return false;
  }
  size_t shared = shared_frames(frames, count, previous, previous_count);
  uint8_t *p = w->cursor;
  *p = TRACE_TAG_STACK;
  p = put_uv(p + 6, id);
  p = put_uv(p, shared);
  p = put_uv(p, count - shared);
  uint64_t before = previous_count ? previous[0] : 0;
  for (size_t i = 0; i < count - shared; i++) {
    p = put_sv(p, (int64_t)(frames[i] - before));
    before = frames[i];
  }
  return publish_table(w, p);
}

bool trace_write_string(struct trace_chunk_writer *w, uint32_t id, const void *bytes, size_t size) {
  if (!has_room(w, TRACE_STRING_RECORD_MAX(size))) {
    return false;
  }
  uint8_t *p = w->cursor;
  *p = TRACE_TAG_STRING;
  p = put_uv(p + 6, id);
  memcpy(p, bytes, size);
  return publish_table(w, p + size);
}

bool trace_write_module(struct trace_chunk_writer *w, const struct trace_module_record *m) {
  if (!has_room(w, TRACE_RECORD_MAX)) {
    return false;
  }
  uint8_t *p = begin_long(w->cursor, TRACE_TAG_MODULE);
  p = put_uv(p, m->time_ns);
  p = put_uv(p, m->begin);
  p = put_uv(p, m->size);
  p = put_uv(p, m->bias);
  p = put_uv(p, m->path);
  return publish_long(w, put_uv(p, m->build_id));
}

bool trace_write_module_gone(struct trace_chunk_writer *w, uint64_t time_ns, uint64_t begin) {
  if (!has_room(w, TRACE_RECORD_MAX)) {
    return false;
  }
  uint8_t *p = begin_long(w->cursor, TRACE_TAG_MODULE_GONE);
  p = put_uv(p, time_ns);
  return publish_long(w, put_uv(p, begin));
}

bool trace_write_meta(struct trace_chunk_writer *w, uint32_t key, uint32_t value) {
  if (!has_room(w, TRACE_RECORD_MAX)) {
    return false;
  }
  uint8_t *p = begin_long(w->cursor, TRACE_TAG_META);
  p = put_uv(p, key);
  return publish_long(w, put_uv(p, value));
}

bool trace_write_code(struct trace_chunk_writer *w, uint32_t id, uint32_t file, uint32_t name) {
  if (!has_room(w, TRACE_RECORD_MAX)) {
    return false;
  }
  uint8_t *p = begin_long(w->cursor, TRACE_TAG_CODE);
  p = put_uv(p, id);
  p = put_uv(p, file);
  return publish_long(w, put_uv(p, name));
}
