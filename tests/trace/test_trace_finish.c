/* Finishing: the same events out of a smaller file, and nothing lost when it cannot be written. */
#include "trace/trace_finish.h"

#include "tests/support/files.h"
#include "tests/support/trace_events.h"
#include "tests/support/trace_sample.h"
#include "trace/trace_reader.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char *folder;
static struct path raw, target;
static struct trace_builder builder;

static void setup(void) {
  folder = folder_make();
  raw = path_join(folder, "run.123");
  target = path_join(folder, "run.trace");
  trace_builder_init(&builder, 256 << 20);
}

static void teardown(void) {
  trace_builder_fini(&builder);
  folder_remove(folder);
}

TestSuite(trace_finish, .init = setup, .fini = teardown);

static void finish(const char *to, bool compress) {
  struct error err = {""};
  struct trace_finish_options options = {.compress = compress, .exit_status = 3};
  cr_assert_eq(trace_finish(raw.text, to, &options, &err), 0, "%s", err.message);
}

static void expect_same(const struct trace_events *a, const struct trace_events *b) {
  cr_assert_eq(a->code, 0, "%s", a->damage);
  cr_assert_eq(b->code, 0, "%s", b->damage);
  cr_assert_eq(a->count, b->count);
  for (size_t i = 0; i < a->count; i++) {
    cr_assert(trace_event_equal(&a->items[i], &b->items[i]), "event %zu of kind %d differs", i, a->items[i].kind);
  }
}

static void expect_same_stacks(const struct trace_reader *a, const struct trace_reader *b) {
  cr_assert_eq(trace_reader_stack_limit(a), trace_reader_stack_limit(b));
  for (uint32_t id = 0; id < trace_reader_stack_limit(a); id++) {
    size_t a_count, b_count;
    const uint64_t *left = trace_reader_stack(a, id, &a_count), *right = trace_reader_stack(b, id, &b_count);
    cr_assert_eq(a_count, b_count);
    cr_assert(a_count == 0 || memcmp(left, right, a_count * sizeof *left) == 0, "stack %u differs", id);
  }
}

/* The builder's trace, raw and finished, is the same one. */
static void expect_kept(bool compress) {
  trace_builder_save(&builder, raw.text);
  struct trace_events before = trace_events_read(raw.text);
  finish(target.text, compress);
  struct trace_events after = trace_events_read(target.text);
  expect_same(&before, &after);
  expect_same_stacks(before.reader, after.reader);
  cr_assert_str_eq(trace_reader_info(before.reader)->framework, trace_reader_info(after.reader)->framework);
  trace_events_fini(&before);
  trace_events_fini(&after);
}

static off_t size_of(const char *path) {
  struct stat status;
  cr_assert_eq(stat(path, &status), 0);
  return status.st_size;
}

static size_t files_in_folder(void) {
  size_t count = 0;
  DIR *dir = opendir(folder);
  for (struct dirent *entry; (entry = readdir(dir));) {
    count += entry->d_name[0] != '.';
  }
  closedir(dir);
  return count;
}

/* ---- the same events --------------------------------------------------------------------------------------------- */

Test(trace_finish, keeps_every_kind) {
  trace_sample_every_kind(&builder);
  expect_kept(true);
  expect_kept(false);
}

Test(trace_finish, keeps_many_events_of_many_threads) {
  trace_sample_random(&builder, 400000, 5, 3);
  expect_kept(true);
  expect_kept(false);
}

/* More than one packed chunk a stream: references, stacks and addresses begin anew in each. */
Test(trace_finish, keeps_long_streams) {
  trace_sample_random(&builder, 600000, 1, 4);
  expect_kept(true);
}

Test(trace_finish, keeps_an_empty_trace) {
  expect_kept(true);
  expect_kept(false);
}

/* A packed chunk has one thread at its beginning: chunks of another thread are not joined to it. */
Test(trace_finish, keeps_threads_that_change_with_the_chunk) {
  for (uint32_t i = 0; i < 6; i++) {
    struct trace_chunk_writer *w = trace_builder_events(&builder, 0, i * 100, TRACE_CHUNK_STEP);
    trace_store_u32(w->base + TRACE_C_TID, 50 + i / 2);
    trace_write_alloc(w, i * 100 + 5, 4096 * i, 1, 0, false);
    if (i == 3) {
      trace_write_thread(w, i * 100 + 6, 52); /* which is the next chunk's */
    }
    trace_builder_small(w, &(struct trace_small){i, 1, 0, 0});
  }
  expect_kept(true);
}

Test(trace_finish, keeps_records_of_a_newer_version) {
  static const uint8_t newer[] = {0x9f, 4, 5, 1, 2, 3, 0xef, 2, 0xff, 0xff};
  struct trace_chunk_writer *w = trace_builder_events(&builder, 0, 0, TRACE_CHUNK_STEP);
  memcpy(w->cursor, newer, sizeof newer);
  w->cursor += sizeof newer;
  w->time_ns += 5;
  trace_write_lost(w, 9, 1);
  expect_kept(true);
}

/* A chunk that is missing in the raw trace is missed in the finished one. */
Test(trace_finish, keeps_gaps) {
  for (uint64_t i = 0; i < 4; i++) {
    trace_write_lost(trace_builder_events(&builder, 0, i, TRACE_CHUNK_STEP), i, 1);
  }
  memset(builder.bytes + TRACE_HEADER_SIZE + TRACE_CHUNK_STEP, 0, TRACE_CHUNK_STEP);
  trace_builder_flags(&builder, TRACE_FLAG_ENDED);
  for (int compress = 0; compress < 2; compress++) {
    expect_kept(compress);
    struct trace_events events = trace_events_read(target.text);
    cr_assert_eq(events.count, 3);
    cr_assert_not_null(strstr(events.damage, "missing in its midst"), "%s", events.damage);
    trace_events_fini(&events);
  }
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

/* A training loop: each step makes the same blocks at the same places and frees them in reverse; only times are noise. */
static void write_loop(size_t steps, uint64_t blocks) {
  struct trace_chunk_writer *w = trace_builder_events(&builder, 0, 0, TRACE_CHUNK_STEP);
  uint64_t random = 17, time_ns = 0;
  for (size_t i = 0; i < steps * 2 * blocks; i++) {
    uint64_t phase = i % (2 * blocks), block = phase < blocks ? phase : 2 * blocks - 1 - phase;
    uint64_t address = 0x7f0000000000 + block * 0x2340;
    time_ns += 500 + trace_sample_next(&random) % 1000;
    while (!(phase < blocks ? trace_write_alloc(w, time_ns, address, 100 + block * 16, 0, false)
                            : trace_write_free(w, time_ns, address, 0, TRACE_FREE_PLAIN))) {
      w = trace_builder_events(&builder, 0, time_ns, TRACE_CHUNK_STEP);
    }
  }
}

Test(trace_finish, keeps_the_budget_of_bytes) {
  write_loop(300, 500);
  expect_kept(true);
  double bytes = (double)size_of(target.text) / (300 * 2 * 500);
  cr_assert_lt(bytes, 4, "%.2f bytes an event", bytes); /* the design's budget; 1000 equal times alone need 1.25 */
}

Test(trace_finish, takes_the_source_away_and_leaves_no_other_file) {
  trace_sample_every_kind(&builder);
  trace_builder_save(&builder, raw.text);
  chmod(raw.text, 0640);
  finish(target.text, true);
  cr_assert_eq(access(raw.text, F_OK), -1);
  cr_assert_eq(files_in_folder(), 1);
  struct stat status;
  stat(target.text, &status);
  cr_assert_eq(status.st_mode & 0777, 0640);
}

Test(trace_finish, finishes_in_place) {
  trace_sample_every_kind(&builder);
  trace_builder_save(&builder, raw.text);
  finish(raw.text, true);
  cr_assert_eq(files_in_folder(), 1);
  struct trace_events events = trace_events_read(raw.text);
  cr_assert_eq(events.count, 20);
  cr_assert(trace_reader_info(events.reader)->flags & TRACE_FLAG_FINISHED);
  trace_events_fini(&events);
}

static void expect_status(int given, int expected, uint32_t flags, bool complete) {
  trace_store_u32(builder.bytes + TRACE_H_EXIT_STATUS, 7);
  trace_builder_flags(&builder, flags);
  trace_builder_save(&builder, raw.text);
  struct trace_finish_options options = {.compress = true, .exit_status = given};
  cr_assert_eq(trace_finish(raw.text, target.text, &options, NULL), 0);
  struct trace_events events = trace_events_read(target.text);
  cr_assert_eq(trace_reader_info(events.reader)->exit_status, expected);
  cr_assert_eq(events.complete, complete);
  trace_events_fini(&events);
}

Test(trace_finish, sets_the_exit_status) {
  expect_status(137, 137, 0, false);
  expect_status(0, 0, TRACE_FLAG_ENDED, true);
  expect_status(-1, 7, TRACE_FLAG_ENDED, true);
}

static void keep_share(void *context, double share) {
  double *last = context;
  cr_assert(share >= *last && share <= 1);
  *last = share;
}

Test(trace_finish, shows_progress) {
  trace_sample_random(&builder, 100000, 2, 9);
  trace_builder_save(&builder, raw.text);
  double share = 0;
  struct trace_finish_options options = {.compress = true, .progress = keep_share, .context = &share};
  cr_assert_eq(trace_finish(raw.text, target.text, &options, NULL), 0);
  cr_assert_gt(share, 0.9);
}

/* ---- what cannot be done ----------------------------------------------------------------------------------------- */

static void expect_untouched(int code, int expected, const struct error *err) {
  cr_assert_eq(code, expected, "%s", err->message);
  cr_assert_str_not_empty(err->message);
  size_t size;
  uint8_t *bytes = file_read(raw.text, &size);
  cr_assert_eq(size, builder.size);
  cr_assert_arr_eq(bytes, builder.bytes, size);
  free(bytes);
  cr_assert_eq(files_in_folder(), 1, "something was left behind");
}

/* A limit on file sizes stands for the full disk: both end in a write that fails. */
Test(trace_finish, keeps_the_source_when_the_disk_is_full) {
  trace_sample_random(&builder, 300000, 2, 6);
  trace_builder_save(&builder, raw.text);
  signal(SIGXFSZ, SIG_IGN);
  for (rlim_t limit = 1000; limit < 1000000; limit *= 7) {
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){limit, RLIM_INFINITY});
    struct trace_finish_options options = {.compress = true, .exit_status = -1};
    struct error err = {""};
    int code = trace_finish(raw.text, target.text, &options, &err);
    expect_untouched(code, ERROR_IO, &err);
  }
}

Test(trace_finish, keeps_the_source_when_there_is_no_such_folder) {
  trace_sample_every_kind(&builder);
  trace_builder_save(&builder, raw.text);
  struct trace_finish_options options = {.compress = true};
  struct error err = {""};
  int code = trace_finish(raw.text, path_join(folder, "none/run").text, &options, &err);
  expect_untouched(code, ERROR_IO, &err);
}

Test(trace_finish, keeps_a_source_that_is_damaged) {
  trace_sample_every_kind(&builder);
  builder.bytes[TRACE_HEADER_SIZE + TRACE_CHUNK_STEP + TRACE_CHUNK_HEADER_SIZE] = 0x7e;
  trace_builder_save(&builder, raw.text);
  struct trace_finish_options options = {.compress = true};
  struct error err = {""};
  expect_untouched(trace_finish(raw.text, target.text, &options, &err), ERROR_INPUT, &err);
}

Test(trace_finish, refuses_what_is_finished_or_missing) {
  trace_sample_every_kind(&builder);
  trace_builder_save(&builder, raw.text);
  finish(raw.text, true);
  struct trace_finish_options options = {.compress = true};
  struct error err = {""};
  cr_assert_eq(trace_finish(raw.text, target.text, &options, &err), ERROR_USAGE);
  cr_assert_eq(trace_finish(target.text, raw.text, &options, &err), ERROR_IO);
  cr_assert_eq(files_in_folder(), 1);
}
