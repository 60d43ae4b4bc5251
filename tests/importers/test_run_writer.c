/* Traces that importers make: read back with the one reader. */
#include "importers/run_writer.h"

#include "tests/support/files.h"
#include "tests/support/trace_events.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

static char *folder;
static struct path path;
static struct run_writer writer;
static struct error err;

static void setup(void) {
  static const char command[] = "actscope\0import";
  folder = folder_make();
  path = path_join(folder, "run.act");
  const struct trace_file_header header = {
      .start_unix_ns = 5, .rank = -1, .exit_status = -1, .command = command, .command_size = sizeof command};
  cr_assert_eq(run_writer_open(&writer, path.text, &header, &err), 0, "%s", err.message);
}

static void teardown(void) {
  run_writer_fini(&writer);
  folder_remove(folder);
}

TestSuite(run_writer, .init = setup, .fini = teardown);

static struct trace_events end_and_read(void) {
  cr_assert_eq(run_writer_end(&writer, NULL, NULL, &err), 0, "%s", err.message);
  run_writer_fini(&writer);
  struct trace_events events = trace_events_read(path.text);
  cr_assert_eq(events.code, 0, "%s", events.damage);
  cr_assert(events.complete, "%s", events.damage);
  return events;
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

Test(run_writer, what_is_written_is_read) {
  uint32_t code =
      run_writer_code(&writer, run_writer_string(&writer, "train.py", 8), run_writer_string(&writer, "f", 1));
  const uint64_t frames[] = {trace_frame_of_code(code, 3), trace_frame_of_code(code, 9)};
  uint32_t stack = run_writer_stack(&writer, frames, 2);
  cr_assert_eq(run_writer_stack(&writer, frames, 2), stack);
  cr_assert_neq(run_writer_stack(&writer, frames, 1), stack);
  cr_assert_eq(run_writer_stack(&writer, frames, 0), 0);
  cr_assert_eq(run_writer_string(&writer, "", 0), 0);
  run_writer_meta(&writer, "framework", "something");
  run_writer_alloc(&writer, 10, 0x1000, 64, stack);
  run_writer_map(&writer, 10, 0x100000, 4096, 0, false);
  run_writer_free(&writer, 12, 0x1000, 0, TRACE_FREE_IN_RELEASE);
  struct trace_events events = end_and_read();
  const struct trace_info *info = trace_reader_info(events.reader);
  cr_assert_eq(events.count, 3);
  cr_assert(events.items[0].kind == TRACE_ALLOC && events.items[0].stack == stack && events.items[0].size == 64);
  cr_assert(events.items[2].kind == TRACE_FREE && events.items[2].in_release && events.items[2].time_ns == 12);
  cr_assert_str_eq(info->framework, "something");
  cr_assert_eq(info->end_ns, 12);
  cr_assert_eq(info->start_unix_ns, 5);
  cr_assert_eq(info->stack_depth, 2);
  cr_assert_eq(info->argc, 2);
  size_t count;
  cr_assert_arr_eq(trace_reader_stack(events.reader, stack, &count), frames, sizeof frames);
  trace_events_fini(&events);
  cr_assert_eq(files_in_folder(), 1);
}

/* Many chunks of both kinds: addresses, times and stacks begin anew in each. */
Test(run_writer, large_runs) {
  enum { COUNT = 300000 };
  uint64_t frames[40];
  for (uint64_t i = 0; i < COUNT; i++) {
    for (size_t depth = 0; depth < 40; depth++) {
      frames[depth] = depth ? depth : i;
    }
    run_writer_alloc(&writer, i * 3, 0x10000 + i * 512, i + 1, i % 10 ? 0 : run_writer_stack(&writer, frames, 40));
  }
  struct trace_events events = end_and_read();
  cr_assert_eq(events.count, COUNT);
  for (uint64_t i = 0; i < COUNT; i++) {
    const struct trace_event *event = &events.items[i];
    cr_assert(event->time_ns == i * 3 && event->address == 0x10000 + i * 512 && event->size == i + 1);
    size_t count;
    const uint64_t *stack = trace_reader_stack(events.reader, event->stack, &count);
    cr_assert(i % 10 ? !stack : count == 40 && stack[0] == i && stack[39] == 39);
  }
  trace_events_fini(&events);
}

Test(run_writer, deepest_stacks_and_longest_names) {
  static uint64_t frames[TRACE_STACK_DEPTH_MAX + 10];
  static char name[1 << 20];
  memset(name, 'n', sizeof name);
  for (size_t i = 0; i < TRACE_STACK_DEPTH_MAX + 10; i++) {
    frames[i] = trace_frame_of_code((uint32_t)(i * 2654435761u), (uint32_t)i);
  }
  cr_assert_eq(run_writer_stack(&writer, frames, TRACE_STACK_DEPTH_MAX + 10), 1);
  cr_assert_eq(run_writer_string(&writer, name, sizeof name), 1);
  run_writer_alloc(&writer, 0, 0x1000, 1, 1);
  struct trace_events events = end_and_read();
  size_t count;
  cr_assert_arr_eq(trace_reader_stack(events.reader, 1, &count), frames, TRACE_STACK_DEPTH_MAX * sizeof *frames);
  cr_assert_eq(count, TRACE_STACK_DEPTH_MAX);
  trace_events_fini(&events);
}

Test(run_writer, nothing_is_left_of_what_was_not_ended) {
  run_writer_alloc(&writer, 0, 0x1000, 1, 0);
  run_writer_fini(&writer);
  cr_assert_eq(files_in_folder(), 0);
}

/* A limit on the size of files stands for the full disk. */
Test(run_writer, a_full_disk) {
  struct rlimit limit = {.rlim_cur = 3 << 20, .rlim_max = RLIM_INFINITY};
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &limit);
  for (uint64_t i = 0; i < 1000000; i++) {
    run_writer_alloc(&writer, i, 0x1000 + (i * 7919 % 100000) * 4096, i, 0);
  }
  cr_assert_eq(run_writer_end(&writer, NULL, NULL, &err), ERROR_IO);
  cr_assert_not_null(strstr(err.message, "run.act: cannot be written: File too large"), "%s", err.message);
  run_writer_fini(&writer);
  cr_assert_eq(files_in_folder(), 0);
}

Test(run_writer, a_folder_that_is_not_there) {
  struct run_writer other;
  struct path nowhere = path_join(folder, "nowhere/run.act");
  cr_assert_eq(run_writer_open(&other, nowhere.text, &(struct trace_file_header){0}, &err), ERROR_IO);
  cr_assert_not_null(strstr(err.message, "nowhere/run.act: cannot be written: No such file"), "%s", err.message);
  run_writer_fini(&other);
}
