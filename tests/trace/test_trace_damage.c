/* Files that are no traces, or not whole ones: never a crash, always a message or everything that is there. Run it with
 * -DACTSCOPE_SANITIZE=address,undefined for what these tests are worth most. */
#include "tests/support/files.h"
#include "tests/support/trace_events.h"
#include "tests/support/trace_sample.h"
#include "trace/trace_finish.h"
#include "trace/trace_reader.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *folder;
static struct path path;
static struct trace_builder builder;

static void setup(void) {
  folder = folder_make();
  path = path_join(folder, "run.trace");
  trace_builder_init(&builder, 16 << 20);
}

static void teardown(void) {
  trace_builder_fini(&builder);
  folder_remove(folder);
}

TestSuite(trace_damage, .init = setup, .fini = teardown);

static void expect_refused(int code, const char *says) {
  struct trace_events events = trace_events_read(path.text);
  cr_assert_not(events.opened);
  cr_assert_eq(events.code, code, "%s", events.damage);
  cr_assert_not_null(strstr(events.damage, says), "it says \"%s\", not \"%s\"", events.damage, says);
  cr_assert_not_null(strstr(events.damage, path.text), "it does not name the file: %s", events.damage);
  trace_events_fini(&events);
}

/* Opening may succeed, or fail; reading must fail with this. */
static void expect_damaged(const char *says) {
  trace_builder_save(&builder, path.text);
  struct trace_events events = trace_events_read(path.text);
  cr_assert_eq(events.code, ERROR_INPUT);
  cr_assert_not_null(strstr(events.damage, says), "it says \"%s\", not \"%s\"", events.damage, says);
  trace_events_fini(&events);
}

/* ---- foreign files ----------------------------------------------------------------------------------------------- */

Test(trace_damage, refuses_a_missing_file) {
  expect_refused(ERROR_IO, "no such file");
}

Test(trace_damage, refuses_an_empty_file) {
  file_write(path.text, "", 0);
  expect_refused(ERROR_INPUT, "empty");
}

Test(trace_damage, refuses_foreign_files) {
  file_write(path.text, "ACTSCOP", 7);
  expect_refused(ERROR_INPUT, "not an actscope trace");
  file_write(path.text, "#!/bin/sh\necho hello\n", 21);
  expect_refused(ERROR_INPUT, "not an actscope trace");
}

Test(trace_damage, refuses_folders_and_pipes) {
  cr_assert_eq(mkfifo(path.text, 0600), 0);
  expect_refused(ERROR_INPUT, "not a regular file");
  path = path_join(folder, "");
  expect_refused(ERROR_INPUT, "not a regular file");
}

Test(trace_damage, refuses_a_file_that_may_not_be_read) {
  file_write(path.text, "x", 1);
  chmod(path.text, 0);
  if (access(path.text, R_OK) == 0) {
    cr_skip("root may read everything");
  }
  expect_refused(ERROR_IO, "cannot be read");
}

Test(trace_damage, refuses_other_major_versions) {
  for (uint16_t major = 0; major < 4; major++) {
    trace_store_u16(builder.bytes + TRACE_H_MAJOR, major);
    trace_builder_save(&builder, path.text);
    if (major != TRACE_VERSION_MAJOR) {
      expect_refused(ERROR_INPUT, "version");
    }
  }
}

/* ---- processes that were killed ---------------------------------------------------------------------------------- */

Test(trace_damage, reads_all_that_a_killed_process_left) {
  trace_sample_every_kind(&builder);
  trace_builder_save(&builder, path.text);
  struct trace_events events = trace_events_read(path.text);
  cr_assert_eq(events.code, 0);
  cr_assert_eq(events.count, 20);
  cr_assert_not(events.complete);
  cr_assert_str_eq(events.damage,
                   "the process was killed or went on as a program that is not recorded (exec with a cleared "
                   "environment, a static program) before it could end the trace; everything it recorded until then "
                   "is here");
  trace_events_fini(&events);
}

static void expect_damage(uint32_t exit_status, uint32_t stop_reason, const char *damage) {
  trace_store_u32(builder.bytes + TRACE_H_EXIT_STATUS, exit_status);
  trace_store_u32(builder.bytes + TRACE_H_STOP_REASON, stop_reason);
  trace_builder_save(&builder, path.text);
  struct trace_events events = trace_events_read(path.text);
  cr_expect_str_eq(events.damage, damage);
  trace_events_fini(&events);
}

/* That it was killed is said only where it is known. */
Test(trace_damage, tells_how_a_process_ended_that_did_not_end_its_trace) {
  expect_damage(128 + 9, TRACE_STOP_NONE,
                "the process was killed by signal 9 (SIGKILL) before it could end the trace; everything it recorded "
                "until then is here");
  expect_damage(255, TRACE_STOP_NONE,
                "the process was killed by signal 127 before it could end the trace; everything it recorded until "
                "then is here");
  expect_damage(0, TRACE_STOP_NONE,
                "the process ended or went on as a program that is not recorded (exec with a cleared environment, a "
                "static program) before it could end the trace; everything it recorded until then is here");
  expect_damage(0, TRACE_STOP_DISK_FULL, "recording stopped before the process ended: the disk was full");
  expect_damage((uint32_t)-1, TRACE_STOP_DISK_FULL, "recording stopped before the process ended: the disk was full");
}

/* A chunk that was reserved and never begun: zeros between chunks, or behind the last. */
Test(trace_damage, scans_on_behind_reserved_chunks) {
  struct trace_chunk_writer *w = trace_builder_events(&builder, 0, 0, TRACE_CHUNK_STEP);
  trace_write_lost(w, 1, 1);
  builder.size += 3 * TRACE_CHUNK_STEP;
  w = trace_builder_events(&builder, 1, 0, 2 * TRACE_CHUNK_STEP);
  trace_write_lost(w, 2, 2);
  builder.size += TRACE_CHUNK_STEP;
  trace_builder_save(&builder, path.text);
  struct trace_events events = trace_events_read(path.text);
  cr_assert_eq(events.code, 0);
  cr_assert_eq(events.count, 2);
  trace_events_fini(&events);
}

Test(trace_damage, tells_of_a_stream_that_lacks_a_chunk) {
  for (uint64_t i = 0; i < 3; i++) {
    trace_write_lost(trace_builder_events(&builder, 0, i, TRACE_CHUNK_STEP), i, 1);
  }
  memset(builder.bytes + TRACE_HEADER_SIZE + TRACE_CHUNK_STEP, 0, TRACE_CHUNK_STEP);
  trace_builder_save(&builder, path.text);
  struct trace_events events = trace_events_read(path.text);
  cr_assert_eq(events.code, 0);
  cr_assert_eq(events.count, 2);
  cr_assert_not_null(strstr(events.damage, "missing in its midst"), "%s", events.damage);
  trace_events_fini(&events);
}

Test(trace_damage, tells_why_recording_stopped) {
  trace_store_u32(builder.bytes + TRACE_H_STOP_REASON, TRACE_STOP_DISK_FULL);
  trace_store_u64(builder.bytes + TRACE_H_LOST_EVENTS, 12);
  trace_builder_flags(&builder, TRACE_FLAG_ENDED);
  trace_builder_save(&builder, path.text);
  struct trace_events events = trace_events_read(path.text);
  cr_assert_not(events.complete);
  cr_assert_not_null(strstr(events.damage, "disk was full"), "%s", events.damage);
  cr_assert_not_null(strstr(events.damage, "12 events"), "%s", events.damage);
  trace_events_fini(&events);
}

static void finish(bool compress) {
  struct error err = {""};
  struct trace_finish_options options = {.compress = compress, .exit_status = 0};
  cr_assert_eq(trace_finish(path.text, path.text, &options, &err), 0, "%s", err.message);
}

/* ---- single faults ----------------------------------------------------------------------------------------------- */

static struct trace_chunk_writer *with_payload(const uint8_t *bytes, size_t size) {
  struct trace_chunk_writer *w = trace_builder_events(&builder, 0, 0, TRACE_CHUNK_STEP);
  memcpy(w->base + TRACE_CHUNK_HEADER_SIZE, bytes, size);
  trace_store_u32(w->base + TRACE_C_USED, (uint32_t)size);
  return w;
}
#define WITH(...) with_payload((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

Test(trace_damage, finds_unknown_tags) {
  WITH(0x85, 2, 0, 1, 0x00);
  expect_damaged("unknown tag");
}

Test(trace_damage, finds_cut_records) {
  WITH(0x01, 0, 2);
  expect_damaged("cut off");
}

Test(trace_damage, finds_lengths_beyond_the_chunk) {
  WITH(0x85, 0x80, 0x80, 0x80, 0x80, 0x08, 1);
  expect_damaged("cut off");
}

Test(trace_damage, finds_records_shorter_than_their_fields) {
  WITH(0x85, 1, 0, 0x85, 2, 0, 1);
  expect_damaged("makes no sense");
}

Test(trace_damage, finds_endless_varints) {
  WITH(0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0);
  expect_damaged("makes no sense");
}

Test(trace_damage, finds_impossible_sizes) {
  WITH(0x01, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0);
  expect_damaged("larger than is possible");
}

Test(trace_damage, finds_regions_that_are_cut) {
  WITH(0x86, 4, 0, 1, 2, 0);
  expect_damaged("cut off");
}

Test(trace_damage, finds_regions_of_impossible_size) {
  WITH(0x86, 15, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0);
  expect_damaged("larger than is possible");
}

/* In a trace that lacks something names may be missing; in a finished one they may not. */
static void expect_damaged_once_finished(const char *says) {
  trace_builder_save(&builder, path.text);
  finish(true);
  struct trace_events events = trace_events_read(path.text);
  cr_assert_eq(events.code, ERROR_INPUT);
  cr_assert_not_null(strstr(events.damage, says), "%s", events.damage);
  trace_events_fini(&events);
}

Test(trace_damage, finds_regions_without_their_names) {
  WITH(0x86, 7, 0, 1, 2, 0, 0, 9, 0);
  expect_damaged_once_finished("a string that is not there");
}

Test(trace_damage, finds_absurd_stacks) {
  struct trace_chunk_writer *w = trace_builder_tables(&builder, TRACE_CHUNK_STEP);
  const uint8_t absurd[] = {0xc0, 8, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0};
  memcpy(w->base + TRACE_CHUNK_HEADER_SIZE, absurd, sizeof absurd);
  trace_store_u32(w->base + TRACE_C_USED, sizeof absurd);
  expect_damaged("more frames");
}

Test(trace_damage, finds_stacks_that_share_what_is_not_there) {
  struct trace_chunk_writer *w = trace_builder_tables(&builder, TRACE_CHUNK_STEP);
  const uint8_t absurd[] = {0xc0, 4, 1, 1, 1, 2};
  memcpy(w->base + TRACE_CHUNK_HEADER_SIZE, absurd, sizeof absurd);
  trace_store_u32(w->base + TRACE_C_USED, sizeof absurd);
  expect_damaged("more frames");
}

Test(trace_damage, finds_absurd_numbers_of_stacks) {
  struct trace_chunk_writer *w = trace_builder_tables(&builder, TRACE_CHUNK_STEP);
  trace_write_stack(w, UINT32_MAX, (uint64_t[]){1}, 1, NULL, 0);
  expect_damaged("no possible number");
}

Test(trace_damage, finds_codes_of_absurd_numbers) {
  struct trace_chunk_writer *w = trace_builder_tables(&builder, TRACE_CHUNK_STEP);
  const struct trace_chunk_writer empty = *w;
  trace_write_code(w, UINT32_MAX, 0, 0);
  expect_damaged("no possible number");
  *w = empty;
  trace_write_code(w, 1, 0, UINT32_MAX);
  expect_damaged("no possible number");
}

Test(trace_damage, finds_codes_without_their_names) {
  trace_write_code(trace_builder_tables(&builder, TRACE_CHUNK_STEP), 1, 0, 3);
  expect_damaged_once_finished("a code's name is missing");
}

Test(trace_damage, finds_chunks_of_impossible_size) {
  static const uint32_t sizes[] = {0,         1, 127, 128, TRACE_CHUNK_STEP + 1, TRACE_CHUNK_MAX + TRACE_CHUNK_STEP,
                                   UINT32_MAX};
  struct trace_chunk_writer *w = trace_builder_events(&builder, 0, 0, TRACE_CHUNK_STEP);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    trace_store_u32(w->base + TRACE_C_CAPACITY, sizes[i]);
    expect_damaged("makes no sense");
  }
  trace_store_u32(w->base + TRACE_C_CAPACITY, TRACE_CHUNK_STEP);
  trace_store_u32(w->base + TRACE_C_USED, TRACE_CHUNK_STEP - 127);
  expect_damaged("more than it has room for");
}

Test(trace_damage, finds_chunks_that_are_there_twice) {
  trace_builder_events(&builder, 0, 0, TRACE_CHUNK_STEP);
  builder.sequences[0] = 0;
  trace_builder_events(&builder, 0, 0, TRACE_CHUNK_STEP);
  expect_damaged("twice");
}

/* ---- every cut --------------------------------------------------------------------------------------------------- */

/* However much is missing, what is read is the beginning of each stream; and if anything is missing, it says so. */
static void expect_cut(const struct trace_events *whole, size_t size, bool loses) {
  struct trace_events events = trace_events_read(path.text);
  cr_assert(events.code == 0 || events.code == ERROR_INPUT, "cut to %zu: %d", size, events.code);
  cr_assert(events.count <= whole->count);
  if (loses) {
    cr_assert_eq(events.code, ERROR_INPUT, "cut to %zu bytes, and it does not notice", size);
    cr_assert_str_not_empty(events.damage);
  }
  trace_events_fini(&events);
}

static void cut_everywhere(const struct trace_events *whole) {
  struct stat status;
  stat(path.text, &status);
  for (size_t size = (size_t)status.st_size; size-- > 0;) {
    cr_assert_eq(truncate(path.text, (off_t)size), 0);
    expect_cut(whole, size, true);
  }
}

Test(trace_damage, finds_every_cut_of_a_finished_trace, .timeout = 200) {
  for (int compress = 0; compress < 2; compress++) {
    trace_builder_fini(&builder);
    trace_builder_init(&builder, 16 << 20);
    trace_sample_every_kind(&builder);
    trace_builder_save(&builder, path.text);
    struct trace_events whole = trace_events_read(path.text);
    finish(compress);
    cut_everywhere(&whole);
    trace_events_fini(&whole);
  }
}

/* One stream, so that what is left must be a prefix: all records that are whole, and no more. */
Test(trace_damage, reads_what_is_left_of_a_raw_trace) {
  struct trace_chunk_writer *w = trace_builder_events(&builder, 0, 0, TRACE_CHUNK_STEP);
  for (uint64_t i = 0; i < 40; i++) {
    trace_write_alloc(w, i * 1000, i << 12, i << (i % 30), 0, false);
    trace_write_release(w, i * 1000, i << 40, i << 20, 1, 0);
    trace_write_free(w, i * 1000 + 300, i << 12, 0, TRACE_FREE_PLAIN);
  }
  trace_builder_save(&builder, path.text);
  struct trace_events whole = trace_events_read(path.text);
  cr_assert_eq(whole.count, 120);
  size_t used = (size_t)(w->cursor - w->base), before = 0;
  for (size_t size = 0; size < used; size++) {
    trace_builder_write(&builder, path.text, TRACE_HEADER_SIZE + size);
    struct trace_events events = trace_events_read(path.text);
    cr_assert(trace_events_are_prefix(&events, &whole));
    cr_assert(events.count >= before && events.count <= before + 1);
    cr_assert_eq(events.code, size ? ERROR_INPUT : 0, "cut to %zu bytes of the chunk", size);
    before = events.count;
    trace_events_fini(&events);
  }
  for (size_t size = used; size < TRACE_CHUNK_STEP; size += 1009) { /* only room is missing */
    trace_builder_write(&builder, path.text, TRACE_HEADER_SIZE + size);
    struct trace_events events = trace_events_read(path.text);
    cr_assert_eq(events.code, 0);
    cr_assert_eq(events.count, 120);
    trace_events_fini(&events);
  }
  trace_events_fini(&whole);
}

Test(trace_damage, survives_every_cut_of_a_header) {
  trace_sample_every_kind(&builder);
  for (size_t size = 0; size <= TRACE_HEADER_SIZE; size += size < 200 || size > 4080 ? 1 : 97) {
    trace_builder_write(&builder, path.text, size);
    struct trace_events events = trace_events_read(path.text);
    cr_assert_eq(events.code, size < TRACE_HEADER_SIZE ? ERROR_INPUT : 0);
    trace_events_fini(&events);
  }
}

/* ---- flipped bytes ----------------------------------------------------------------------------------------------- */

enum { FLIPS = 4000 };

static void write_at(int fd, uint8_t byte, size_t at) {
  cr_assert_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
}

/* Flips up to `most` of the file's first `size` bytes at a time, checks, and puts them right again. */
static void flip(const uint8_t *bytes, size_t size, int most, uint64_t seed, void (*check)(void)) {
  int fd = open(path.text, O_WRONLY | O_CLOEXEC);
  cr_assert(fd >= 0);
  for (int i = 0; i < FLIPS; i++) {
    size_t at[8];
    int count = 1 + (int)(trace_sample_next(&seed) % (uint64_t)most);
    for (int k = 0; k < count; k++) {
      at[k] = trace_sample_next(&seed) % size;
      write_at(fd, bytes[at[k]] ^ (uint8_t)(1 + trace_sample_next(&seed) % 255), at[k]);
    }
    check();
    for (int k = 0; k < count; k++) {
      write_at(fd, bytes[at[k]], at[k]);
    }
  }
  close(fd);
}

static void check_survives(void) {
  struct trace_events events = trace_events_read(path.text);
  cr_assert(events.code <= 0);
  cr_assert(events.code == 0 || events.damage[0]);
  trace_events_fini(&events);
}

static void check_found(void) {
  struct trace_events events = trace_events_read(path.text);
  cr_assert_eq(events.code, ERROR_INPUT, "a flipped byte was not found");
  cr_assert_str_not_empty(events.damage);
  trace_events_fini(&events);
}

/* A raw trace has no checksums: it may read as another one. To meet records rather than unused room, the file is cut to
 * what is used of a single chunk. */
Test(trace_damage, survives_flips_in_raw_traces, .timeout = 200) {
  trace_sample_every_kind(&builder);
  for (int chunk = 0; chunk < 3; chunk++) {
    uint8_t *base = builder.bytes + TRACE_HEADER_SIZE + (size_t)chunk * TRACE_CHUNK_STEP;
    memmove(builder.bytes + TRACE_HEADER_SIZE, base, TRACE_CHUNK_STEP);
    size_t size = TRACE_HEADER_SIZE + 512;
    trace_builder_write(&builder, path.text, size);
    flip(builder.bytes, size, 4, 7 + (uint64_t)chunk, check_survives);
  }
}

/* Where all the decoding is: half of the flips hit chunk headers, half records. */
Test(trace_damage, survives_flips_in_records, .timeout = 200) {
  trace_sample_random(&builder, 4000, 2, 5);
  trace_builder_save(&builder, path.text);
  uint64_t seed = 11;
  int fd = open(path.text, O_WRONLY | O_CLOEXEC);
  for (int i = 0; i < FLIPS; i++) {
    size_t chunk = trace_sample_next(&seed) % ((builder.size - TRACE_HEADER_SIZE) / TRACE_CHUNK_STEP);
    size_t within = trace_sample_next(&seed) % (i % 2 ? TRACE_CHUNK_HEADER_SIZE : 16000);
    size_t at = TRACE_HEADER_SIZE + chunk * TRACE_CHUNK_STEP + within;
    write_at(fd, builder.bytes[at] ^ (uint8_t)(1 + trace_sample_next(&seed) % 255), at);
    check_survives();
    write_at(fd, builder.bytes[at], at);
  }
  close(fd);
}

static void flip_finished(bool compress) {
  trace_sample_every_kind(&builder);
  trace_builder_save(&builder, path.text);
  finish(compress);
  size_t size;
  uint8_t *bytes = file_read(path.text, &size);
  flip(bytes, size, 8, 13 + compress, check_found);
  int fd = open(path.text, O_WRONLY | O_CLOEXEC);
  for (size_t at = TRACE_HEADER_SIZE; at < size; at++) { /* each byte behind the header once */
    write_at(fd, bytes[at] ^ 0x40, at);
    check_found();
    write_at(fd, bytes[at], at);
  }
  close(fd);
  free(bytes);
}

Test(trace_damage, finds_flips_in_finished_traces, .timeout = 200) {
  flip_finished(false);
}

Test(trace_damage, finds_flips_in_compressed_traces, .timeout = 200) {
  flip_finished(true);
}
