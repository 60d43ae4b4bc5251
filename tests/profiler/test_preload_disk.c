/* A trace that cannot go on: the program is unharmed, what was recorded reads, and the reason is told. */
#include "tests/profiler/recorded.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Files in a folder. */
static size_t folder_count(const char *folder) {
  size_t count = 0;
  DIR *stream = opendir(folder);
  for (struct dirent *entry; stream && (entry = readdir(stream));) {
    count += entry->d_name[0] != '.';
  }
  closedir(stream);
  return count;
}

static void expect_stopped(struct recorded *run, uint32_t reason) {
  cr_assert_geq(run->result.count, 1);
  cr_expect_eq(run->result.status, 5);
  cr_expect_str_eq(run->output, "1602000000\n");
  struct replay replay = replay_trace(run->result.traces[0].path);
  cr_expect_eq(replay.stop_reason, reason);
  cr_expect_eq(replay.double_allocs + replay.unknown_frees, 0);
  cr_expect(replay.allocs > 0 && replay.allocs < 200000, "%lu", replay.allocs);
  replay_fini(&replay);
}

/* No room to finish it: the trace stays as it was recorded, with what the launcher knows, and the message names it. */
static void expect_kept(const struct recorded *run) {
  const char *path = run->result.traces[0].path;
  cr_expect_eq(run->code, ERROR_IO);
  cr_expect(strstr(run->err.message, path), "%s", run->err.message);
  cr_expect_str_neq(path, run->options.output);
  struct replay replay = replay_trace(path);
  cr_expect_eq(replay.exit_status, 5);
  cr_expect_not(replay.flags & TRACE_FLAG_FINISHED);
  replay_fini(&replay);
}

Test(preload_disk, full, .timeout = 60) {
  char *mount_point = folder_make();
  if (mount("none", mount_point, "tmpfs", 0, "size=300k") != 0) {
    folder_remove(mount_point);
    cr_skip_test("mounting is not permitted here");
  }
  struct path output = path_join(mount_point, "run");
  struct recorded run = {0};
  run.options.output = output.text;
  recorded_run(&run, "steady", "12000000", NULL);
  expect_stopped(&run, TRACE_STOP_DISK_FULL);
  expect_kept(&run);
  recorded_fini(&run);
  umount(mount_point);
  rmdir(mount_point);
  free(mount_point);
}

/* Beyond RLIMIT_FSIZE a file does not grow: whoever tries is sent a signal that kills. */
Test(preload_disk, file_size_limit, .timeout = 60) {
  struct rlimit limit = {.rlim_cur = 400 << 10, .rlim_max = RLIM_INFINITY};
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  struct recorded run = {0};
  recorded_run(&run, "steady", "12000000", NULL);
  cr_expect_eq(run.code, 0, "%s", run.err.message);
  expect_stopped(&run, TRACE_STOP_DISK_FULL);
  recorded_fini(&run);
}

Test(preload_disk, no_room_for_a_beginning, .timeout = 60) {
  struct rlimit limit = {.rlim_cur = 2 << 10, .rlim_max = RLIM_INFINITY};
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  struct recorded run = {0};
  recorded_run(&run, "steady", "1000", NULL);
  cr_expect_eq(run.result.status, 5);
  cr_expect_str_eq(run.output, "130724\n");
  cr_expect_eq(run.result.count, 0);
  cr_expect_eq(folder_count(run.folder), 1, "but for the program's output nothing is left");
  recorded_fini(&run);
}

Test(preload_disk, path_with_spaces, .timeout = 60) {
  struct recorded run = {.folder = folder_make()};
  struct path output = path_join(run.folder, "a run of  mine.trace");
  run.options.output = output.text;
  recorded_run(&run, "steady", "1000", NULL);
  cr_assert_eq(run.code, 0, "%s", run.err.message);
  cr_expect_str_eq(run.result.traces[0].path, output.text);
  struct replay replay = replay_trace(output.text);
  cr_expect_eq(replay.exit_status, 5);
  replay_fini(&replay);
  recorded_fini(&run);
}

Test(preload_disk, output_that_is_not_ours_to_write, .timeout = 60) {
  struct recorded run = {.folder = folder_make()};
  struct path output = path_join(run.folder, "notes.txt");
  file_write(output.text, "my notes", 8);
  run.options.output = output.text;
  recorded_run(&run, "steady", "10", NULL);
  cr_expect_eq(run.code, ERROR_USAGE);
  cr_expect(strstr(run.err.message, "not overwritten"), "%s", run.err.message);
  cr_expect_eq(run.output_size, 0, "the program must not have run");
  size_t size;
  char *kept = (char *)file_read(output.text, &size);
  cr_expect_str_eq(kept, "my notes");
  free(kept);
  recorded_fini(&run);
}

Test(preload_disk, folder_that_is_not_there, .timeout = 60) {
  struct recorded run = {0};
  run.options.output = "/nowhere/at/all/run";
  recorded_run(&run, "steady", "10", NULL);
  cr_expect_eq(run.code, ERROR_IO);
  cr_expect_eq(run.output_size, 0);
  recorded_fini(&run);
}

/* A recording to RUN replaces what an earlier one left, and nothing else: RUN.2 may be a trace of its own. */
Test(preload_disk, neighbours_are_kept, .timeout = 60) {
  struct recorded first = {.folder = folder_make()};
  struct path other = path_join(first.folder, "run.2");
  first.options.output = other.text;
  recorded_run(&first, "steady", "10", NULL);
  cr_assert_eq(first.code, 0);
  struct recorded second = {.folder = strdup(first.folder)};
  recorded_run(&second, "steady", "10", NULL);
  cr_assert_eq(second.code, 0);
  cr_expect_eq(second.result.count, 1);
  cr_expect_eq(access(other.text, R_OK), 0);
  launch_result_fini(&second.result);
  free(second.output);
  free(second.folder);
  recorded_fini(&first);
}
