/* The reader on whole traces: every kind of record, the order of streams, tables, what it says of a file. Files that are
 * not whole are in test_trace_damage.c. */
#include "trace/trace_reader.h"

#include "tests/support/files.h"
#include "tests/support/trace_events.h"
#include "tests/support/trace_sample.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static char *folder;
static struct path path;
static struct trace_builder builder;
static struct trace_reader *reader;

static void setup(void) {
  folder = folder_make();
  path = path_join(folder, "run.trace");
  trace_builder_init(&builder, 64 << 20);
}

static void teardown(void) {
  trace_reader_close(reader);
  trace_builder_fini(&builder);
  folder_remove(folder);
}

TestSuite(trace_reader, .init = setup, .fini = teardown);

static void open_trace(void) {
  struct error err = {""};
  trace_builder_save(&builder, path.text);
  cr_assert_eq(trace_reader_open(&reader, path.text, &err), 0, "%s", err.message);
}

static struct trace_event next(void) {
  struct trace_event event;
  struct error err = {""};
  cr_assert_eq(trace_reader_next(reader, &event, &err), 1, "%s", err.message);
  return event;
}

static void expect_end(void) {
  struct trace_event event;
  struct error err = {""};
  cr_assert_eq(trace_reader_next(reader, &event, &err), 0, "%s", err.message);
  cr_assert_eq(trace_reader_next(reader, &event, &err), 0, "the end stays the end");
}

static struct trace_event expect(enum trace_event_kind kind, uint64_t time_ns, uint32_t tid, uint32_t stack) {
  struct trace_event event = next();
  cr_assert_eq(event.kind, kind, "at %lu: kind %d", event.time_ns, event.kind);
  cr_assert_eq(event.time_ns, time_ns);
  cr_assert_eq(event.tid, tid);
  cr_assert_eq(event.stack, stack);
  return event;
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

static void expect_first_half(void) {
  expect(TRACE_THREAD, 100, 42, 0);
  expect(TRACE_STEP, 105, 42, 0);
  struct trace_event event = expect(TRACE_ALLOC, 110, 42, 1);
  cr_assert_eq(event.address, 0x7f0000001000);
  cr_assert_eq(event.size, 65536);
  cr_assert_not(event.realloc);
  event = expect(TRACE_SMALL, 120, 42, 0);
  cr_assert_eq(event.small.alloc_bytes, 96);
  cr_assert_eq(event.small.alloc_count, 3);
  cr_assert_eq(event.small.free_bytes, 32);
  cr_assert_eq(event.small.free_count, 1);
  event = expect(TRACE_REGION, 125, 42, 2);
  cr_assert_eq(event.region.data, 0x7f0000001040);
  cr_assert_eq(event.region.bytes, 32768);
  cr_assert_str_eq(event.region.layer, "blocks.0.fc.weight");
  cr_assert_str_eq(event.region.name, "/usr/lib/libtorch_cpu.so");
  cr_assert_str_eq(event.region.op, "framework");
  event = expect(TRACE_SAVE, 130, 42, 2);
  cr_assert_eq(event.save.tensor, 0xabc0);
  cr_assert_eq(event.save.data, 0x7f0000001040);
  cr_assert_eq(event.save.bytes, 65536);
  cr_assert_eq(event.save.elements, 16384);
  cr_assert_eq(event.save.dtype, 6);
  cr_assert_eq(event.save.source, TRACE_SOURCE_PROBE);
  cr_assert_str_eq(event.save.layer, "blocks.0.fc.weight");
  cr_assert_str_eq(event.save.op, "blocks.0.fc.weight");
  event = expect(TRACE_RESIDENT, 140, 42, 0);
  cr_assert_eq(event.resident.data, 0x7f0000001000);
  cr_assert_eq(event.resident.bytes, 65536);
  cr_assert_eq(event.resident.role, TRACE_ROLE_PARAMETER);
  cr_assert_str_eq(event.resident.name, "blocks.0.fc.weight");
}

static void expect_other_thread(void) {
  struct trace_event event = expect(TRACE_MAP, 145, 101, 3);
  cr_assert_eq(event.address, 0x7e0000000000);
  cr_assert_eq(event.size, 1 << 20);
  event = expect(TRACE_UNMAP, 146, 101, 3);
  cr_assert_eq(event.address, 0x7e0000000000);
  cr_assert_eq(event.size, 1 << 20);
  event = expect(TRACE_LOST, 147, 101, 0);
  cr_assert_eq(event.size, 7);
  event = expect(TRACE_SMALL, 147, 101, 0); /* pending in the chunk header: behind its last record */
  cr_assert_eq(event.small.alloc_bytes, 64);
  cr_assert_eq(event.small.alloc_count, 2);
}

static void expect_second_half(void) {
  struct trace_event event = expect(TRACE_PHASE, 150, 42, 0);
  cr_assert_eq(event.phase.phase, TRACE_PHASE_BACKWARD);
  cr_assert(event.phase.begins);
  event = expect(TRACE_RELEASE, 160, 42, 3);
  cr_assert_eq(event.release.tensor, 0xabc0);
  cr_assert_eq(event.release.node_type, 0x1400);
  cr_assert_eq(event.release.source, TRACE_SOURCE_PROBE);
  cr_assert_eq(expect(TRACE_REGION_END, 165, 42, 0).address, 0x7f0000001040);
  event = expect(TRACE_FREE, 170, 42, 2);
  cr_assert_eq(event.address, 0x7f0000001000);
  cr_assert(event.in_release && !event.realloc);
  event = expect(TRACE_PHASE, 180, 42, 0);
  cr_assert_not(event.phase.begins);
  cr_assert_eq(expect(TRACE_ALLOC, 190, 42, 1).address, 0x7f0000009000);
  event = expect(TRACE_FREE, 200, 42, 1);
  cr_assert(event.realloc && !event.in_release);
  event = expect(TRACE_ALLOC, 210, 42, 1);
  cr_assert(event.realloc);
  cr_assert_eq(event.address, 0x7f000000c000);
  cr_assert_eq(event.size, 8192);
  event = expect(TRACE_FREE, 220, 42, 0);
  cr_assert(!event.realloc && !event.in_release);
}

Test(trace_reader, reads_every_kind) {
  trace_sample_every_kind(&builder);
  open_trace();
  for (int pass = 0; pass < 2; pass++) {
    expect_first_half();
    expect_other_thread();
    expect_second_half();
    expect_end();
    trace_reader_rewind(reader);
  }
}

Test(trace_reader, rewinds_from_anywhere) {
  trace_sample_every_kind(&builder);
  open_trace();
  for (int events = 0; events < 8; events++) {
    for (int i = 0; i < events; i++) {
      next();
    }
    trace_reader_rewind(reader);
  }
  expect_first_half();
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

static void expect_stack(uint32_t id, const uint64_t *frames, size_t count) {
  size_t found;
  const uint64_t *stack = trace_reader_stack(reader, id, &found);
  cr_assert_eq(found, count);
  cr_assert_arr_eq(stack, frames, count * sizeof *frames);
}

Test(trace_reader, gives_stacks) {
  trace_sample_every_kind(&builder);
  open_trace();
  expect_stack(2, (uint64_t[]){0x1014, 0x1020, 0x1030}, 3);
  expect_stack(1, (uint64_t[]){0x1010, 0x1020, 0x1030}, 3);
  expect_stack(3, (uint64_t[]){0x9000}, 1);
  expect_stack(4, (uint64_t[]){0x1010, 0x8000000002000058, 0x8000000004000000, 0x1020}, 4);
  cr_assert_eq(trace_reader_stack_limit(reader), 5);
  size_t count = 1;
  cr_assert_null(trace_reader_stack(reader, 0, &count));
  cr_assert_eq(count, 0);
  cr_assert_null(trace_reader_stack(reader, 5, &count));
  cr_assert_null(trace_reader_stack(reader, UINT32_MAX, &count));
}

Test(trace_reader, gives_codes_by_id) {
  trace_sample_every_kind(&builder);
  open_trace();
  static const char *const expected[][2] = {
      {"", ""}, {"", ""}, {"/home/me/train.py", "Net.forward"}, {"", ""}, {"", "Net.forward"}};
  const struct trace_code *codes;
  cr_assert_eq(trace_reader_codes(reader, &codes), 5);
  for (size_t i = 0; i < 5; i++) {
    cr_expect_str_eq(codes[i].file, expected[i][0]);
    cr_expect_str_eq(codes[i].name, expected[i][1]);
  }
}

Test(trace_reader, gives_deep_and_empty_stacks) {
  static uint64_t frames[TRACE_STACK_DEPTH_MAX], other[TRACE_STACK_DEPTH_MAX];
  for (size_t i = 0; i < TRACE_STACK_DEPTH_MAX; i++) {
    frames[i] = other[i] = UINT64_MAX - i * i * 12345;
  }
  other[7] = 5; /* shares all but the innermost eight */
  struct trace_chunk_writer *t = trace_builder_tables(&builder, 4 * TRACE_CHUNK_STEP);
  cr_assert(trace_write_stack(t, 1, frames, 0, NULL, 0));
  cr_assert(trace_write_stack(t, 2, frames, TRACE_STACK_DEPTH_MAX, frames, 0));
  cr_assert(trace_write_stack(t, 3, other, TRACE_STACK_DEPTH_MAX, frames, TRACE_STACK_DEPTH_MAX));
  open_trace();
  expect_stack(2, frames, TRACE_STACK_DEPTH_MAX);
  expect_stack(3, other, TRACE_STACK_DEPTH_MAX);
  size_t count = 1;
  trace_reader_stack(reader, 1, &count);
  cr_assert_eq(count, 0);
}

Test(trace_reader, gives_modules_over_time) {
  trace_sample_every_kind(&builder);
  open_trace();
  const struct trace_module *modules;
  cr_assert_eq(trace_reader_modules(reader, &modules), 3);
  cr_assert_eq(modules[0].from_ns, 10);
  cr_assert_eq(modules[0].to_ns, 500);
  cr_assert_eq(modules[0].begin, 0x1000);
  cr_assert_eq(modules[0].end, 0x1800);
  cr_assert_eq(modules[0].bias, 0x1000);
  cr_assert_str_eq(modules[0].path, "/usr/lib/libtorch_cpu.so");
  cr_assert_eq(modules[0].build_id_size, 3);
  cr_assert_arr_eq(modules[0].build_id, ((uint8_t[]){0xab, 0, 0xcd}), 3);
  cr_assert_eq(modules[1].to_ns, UINT64_MAX);
  cr_assert_str_eq(modules[1].path, "");
  cr_assert_null(modules[1].build_id);
  cr_assert_eq(modules[2].from_ns, 600);
  cr_assert_eq(modules[2].end, 0x1400);
}

Test(trace_reader, tells_what_the_trace_is) {
  trace_sample_every_kind(&builder);
  trace_builder_flags(&builder, TRACE_FLAG_ENDED);
  open_trace();
  const struct trace_info *info = trace_reader_info(reader);
  cr_assert_eq(info->version_major, 1);
  cr_assert_eq(info->pid, 42);
  cr_assert_eq(info->ppid, 41);
  cr_assert_eq(info->rank, -1);
  cr_assert_eq(info->world_size, 0);
  cr_assert_str_eq(info->host, "");
  cr_assert_eq(info->exit_status, -1);
  cr_assert_eq(info->min_size, 4096);
  cr_assert_eq(info->stack_depth, 64);
  cr_assert_eq(info->argc, 2);
  cr_assert_str_eq(info->argv[0], "python3");
  cr_assert_str_eq(info->argv[1], "train.py");
  cr_assert_null(info->argv[2]);
  cr_assert_str_eq(info->framework, "pytorch 2.13.0");
  cr_assert_eq(info->chunks, 3);
  cr_assert_eq(info->streams, 2);
  cr_assert_eq(info->file_bytes, TRACE_HEADER_SIZE + 3 * TRACE_CHUNK_STEP);
  cr_assert_eq(info->end_ns, 220, "of the last record, since the header does not say");
  cr_assert(info->complete);
  cr_assert_str_eq(info->damage, "");
}

Test(trace_reader, shows_progress) {
  trace_sample_random(&builder, 50000, 3, 1);
  open_trace();
  struct trace_event event;
  double before = trace_reader_progress(reader);
  cr_assert_eq(before, 0);
  while (trace_reader_next(reader, &event, NULL) == 1) {
    double now = trace_reader_progress(reader);
    cr_assert(now >= before && now <= 1);
    before = now;
  }
  cr_assert_gt(before, 0.5);
}

/* ---- order ------------------------------------------------------------------------------------------------------- */

/* What the merge should give: by time, then by stream, within a stream as it was written. Addresses tell who is who. */
static void write_numbered(uint32_t stream, uint64_t time_ns, uint64_t number) {
  struct trace_chunk_writer *w = &builder.writers[stream];
  if (!w->base || w->base + TRACE_CHUNK_HEADER_SIZE + 500 < w->cursor) { /* many chunks, some in the midst of a time */
    w = trace_builder_events(&builder, stream, time_ns, TRACE_CHUNK_STEP);
  }
  trace_write_alloc(w, time_ns, (uint64_t)stream << 32 | number, 1, 0, false);
}

Test(trace_reader, merges_streams_by_time) {
  enum { STREAMS = 7, EVENTS = 20000 };
  uint64_t random = 99, time_ns = 0;
  for (uint64_t i = 0; i < EVENTS; i++) {
    time_ns += trace_sample_next(&random) % 3 == 0; /* so that many share a time */
    write_numbered((uint32_t)(trace_sample_next(&random) % STREAMS), time_ns, i);
  }
  open_trace();
  struct trace_event before = next();
  for (int i = 1; i < EVENTS; i++) {
    struct trace_event event = next();
    uint64_t stream = event.address >> 32, stream_before = before.address >> 32;
    cr_assert_eq(event.tid, 100 + stream);
    cr_assert(before.time_ns < event.time_ns || (before.time_ns == event.time_ns && stream_before <= stream));
    cr_assert(stream != stream_before || before.address < event.address);
    before = event;
  }
  expect_end();
}

/* A thread's next chunk may begin earlier than the last one ended, where clocks differ: time still never goes back. */
Test(trace_reader, never_goes_back_in_time) {
  struct trace_chunk_writer *w = trace_builder_events(&builder, 0, 1000, TRACE_CHUNK_STEP);
  trace_write_lost(w, 1010, 1);
  w = trace_builder_events(&builder, 0, 900, TRACE_CHUNK_STEP);
  trace_write_lost(w, 905, 2);
  w = trace_builder_events(&builder, 1, 1012, TRACE_CHUNK_STEP);
  trace_write_lost(w, 1012, 3);
  open_trace();
  cr_assert_eq(expect(TRACE_LOST, 1010, 100, 0).size, 1);
  cr_assert_eq(expect(TRACE_LOST, 1012, 101, 0).size, 3);
  cr_assert_eq(expect(TRACE_LOST, 1015, 100, 0).size, 2);
  expect_end();
}

Test(trace_reader, counts_pending_sums_of_chunks_without_records) {
  struct trace_chunk_writer *w = trace_builder_events(&builder, 0, 50, TRACE_CHUNK_STEP);
  trace_builder_small(w, &(struct trace_small){1, 2, 3, 4});
  trace_builder_events(&builder, 0, 60, TRACE_CHUNK_STEP);
  open_trace();
  cr_assert_eq(expect(TRACE_SMALL, 50, 100, 0).small.free_count, 4);
  expect_end();
}

Test(trace_reader, reads_a_trace_without_events) {
  open_trace();
  expect_end();
  cr_assert_eq(trace_reader_info(reader)->chunks, 0);
  cr_assert_eq(trace_reader_stack_limit(reader), 1);
}

/* ---- newer versions ---------------------------------------------------------------------------------------------- */

static void append(struct trace_chunk_writer *w, const uint8_t *bytes, size_t size) {
  memcpy(w->cursor, bytes, size);
  w->cursor += size;
  trace_store_u32(w->base + TRACE_C_USED, (uint32_t)(w->cursor - w->base) - TRACE_CHUNK_HEADER_SIZE);
}
#define APPEND(w, ...) append(w, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* Unknown event kinds are skipped but their dt counts; unknown fields at the end of known ones are skipped. */
Test(trace_reader, skips_what_a_newer_version_added) {
  trace_store_u16(builder.bytes + TRACE_H_MINOR, 7);
  struct trace_chunk_writer *w = trace_builder_events(&builder, 0, 100, TRACE_CHUNK_STEP);
  APPEND(w, 0x9f, 4, 5, 1, 2, 3);       /* dt 5 */
  APPEND(w, 0x85, 4, 5, 9, 0xff, 0xff); /* LOST with more behind it */
  APPEND(w, 0xef, 2, 0xff, 0xff);       /* of tables: no dt */
  APPEND(w, 0x85, 2, 1, 8);
  w = trace_builder_tables(&builder, TRACE_CHUNK_STEP);
  APPEND(w, 0xee, 3, 1, 2, 3);
  cr_assert(trace_write_stack(w, 1, (uint64_t[]){5}, 1, NULL, 0));
  trace_builder_save(&builder, path.text);
  open_trace();
  cr_assert_eq(expect(TRACE_LOST, 110, 100, 0).size, 9);
  cr_assert_eq(expect(TRACE_LOST, 111, 100, 0).size, 8);
  expect_end();
  expect_stack(1, (uint64_t[]){5}, 1);
  cr_assert_eq(trace_reader_info(reader)->version_minor, 7);
}

Test(trace_reader, takes_varints_that_are_longer_than_needed) {
  struct trace_chunk_writer *w = trace_builder_events(&builder, 0, 0, TRACE_CHUNK_STEP);
  APPEND(w, 0x85, 0x90, 0x80, 0x00,                            /* length 16 */
         0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, /* dt 1 in nine bytes */
         0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00);            /* count 2 in seven */
  open_trace();
  cr_assert_eq(expect(TRACE_LOST, 1, 100, 0).size, 2);
  expect_end();
}
