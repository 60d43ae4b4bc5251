/* The traces of a job's ranks: what they are called, whichever launched which, and what an earlier job has left. */
#include "tests/profiler/recorded.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void clear(void) {
  static const char *const names[] = {"RANK", "WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    unsetenv(names[i]);
  }
}

TestSuite(launch_ranks, .init = clear, .timeout = 60);

static struct recorded record_line(const char *folder, const char *line) {
  struct recorded run = {.folder = strdup(folder), .options = {.by_rank = true, .follow = true, .compress = true}};
  recorded_run(&run, "/bin/sh", "-c", line, NULL);
  cr_assert_eq(run.code, 0, "%s", run.err.message);
  return run;
}

static void end(struct recorded *run) { /* but for the folder */
  launch_result_fini(&run->result);
  free(run->output);
  free(run->folder);
}

static bool is_there(const char *folder, const char *name) {
  struct stat status;
  return lstat(path_join(folder, name).text, &status) == 0;
}

static void expect_link(const char *folder, const char *target) {
  char read[256] = "";
  cr_expect_gt(readlink(path_join(folder, "run").text, read, sizeof read - 1), 0, "run is no link");
  cr_expect_str_eq(read, target);
}

/* A job of so many ranks, started by a shell. */
static char *job(int ranks) {
  static char line[4096];
  size_t length = 0;
  for (int i = 0; i < ranks; i++) {
    length += (size_t)snprintf(line + length, sizeof line - length, "RANK=%d WORLD_SIZE=%d %s %s & ", i, ranks,
                               recorded_program("forks"), i == 1 ? "fork" : "child");
  }
  snprintf(line + length, sizeof line - length, "wait");
  return line;
}

Test(launch_ranks, below_one_launcher) {
  char *folder = folder_make();
  struct recorded run = record_line(folder, job(3));
  cr_assert_eq(run.result.count, 5, "%zu: three ranks, a child, the shell", run.result.count);
  expect_link(folder, "run.rank0");
  for (int i = 0; i < 3; i++) {
    char name[32];
    snprintf(name, sizeof name, "run.rank%d", i);
    cr_expect_eq(run.result.traces[i].rank, i);
    cr_expect_str_eq(run.result.traces[i].path, path_join(folder, name).text);
  }
  char child[64], shell[64];
  snprintf(shell, sizeof shell, "run.%d", run.result.traces[3].pid);
  snprintf(child, sizeof child, "run.rank1.%d", run.result.traces[4].pid);
  cr_expect_str_eq(run.result.traces[3].path, path_join(folder, shell).text);
  cr_expect_str_eq(run.result.traces[4].path, path_join(folder, child).text);
  cr_expect_eq(run.result.traces[4].rank, -1);
  end(&run);

  struct recorded again = record_line(folder, job(2));
  cr_expect_eq(again.result.count, 4);
  cr_expect(is_there(folder, "run.rank1"));
  cr_expect_not(is_there(folder, "run.rank2"), "the larger job's");
  cr_expect_not(is_there(folder, child));
  end(&again);

  struct recorded alone = record_line(folder, "exit 3");
  cr_expect_eq(alone.result.count, 1);
  cr_expect_not(is_there(folder, "run.rank0"));
  struct replay replay = replay_trace(path_join(folder, "run").text);
  cr_expect_eq(replay.exit_status, 3, "the link is replaced, not followed");
  replay_fini(&replay);
  end(&alone);
  folder_remove(folder);
}

static struct recorded record_as(const char *folder, int rank, int world, const char *line) {
  char text[16];
  snprintf(text, sizeof text, "%d", rank);
  setenv("OMPI_COMM_WORLD_RANK", text, 1);
  snprintf(text, sizeof text, "%d", world);
  setenv("OMPI_COMM_WORLD_SIZE", text, 1);
  return record_line(folder, line);
}

Test(launch_ranks, each_with_its_launcher) {
  char *folder = folder_make();
  for (int rank = 2; rank >= 0; rank--) {
    char line[64];
    snprintf(line, sizeof line, "exit %d", 10 + rank);
    struct recorded run = record_as(folder, rank, 3, line);
    cr_assert_eq(run.result.count, 1);
    cr_expect_eq(run.result.traces[0].rank, rank);
    cr_expect_eq(is_there(folder, "run"), rank == 0, "rank %d", rank);
    end(&run);
  }
  expect_link(folder, "run.rank0");
  for (int rank = 0; rank < 3; rank++) {
    char name[32];
    snprintf(name, sizeof name, "run.rank%d", rank);
    struct replay replay = replay_trace(path_join(folder, name).text);
    cr_expect_eq(replay.exit_status, 10 + rank);
    replay_fini(&replay);
  }
  struct recorded smaller = record_as(folder, 0, 2, "exit 0");
  cr_expect(is_there(folder, "run.rank1"), "the other launcher's");
  cr_expect_not(is_there(folder, "run.rank2"), "of no rank of this job");
  end(&smaller);
  folder_remove(folder);
}

/* srun numbers the nodes, torchrun on each the ranks. */
Test(launch_ranks, launchers_below_launchers) {
  char *folder = folder_make();
  char line[1024];
  const char *work = recorded_program("forks");
  snprintf(line, sizeof line, "RANK=4 WORLD_SIZE=8 %s child; RANK=5 WORLD_SIZE=8 %s child; exit 0", work, work);
  setenv("SLURM_PROCID", "1", 1);
  setenv("SLURM_NTASKS", "2", 1);
  struct recorded run = record_line(folder, line);
  cr_assert_eq(run.result.count, 3);
  cr_expect_str_eq(run.result.traces[0].path, path_join(folder, "run.rank4").text);
  cr_expect_str_eq(run.result.traces[1].path, path_join(folder, "run.rank5").text);
  char shell[64];
  snprintf(shell, sizeof shell, "run.rank1.%d", run.result.traces[2].pid);
  cr_expect_str_eq(run.result.traces[2].path, path_join(folder, shell).text);
  cr_expect_not(is_there(folder, "run.rank1"), "that is a rank of the first node");
  cr_expect_not(is_there(folder, "run"), "so is the first one");
  end(&run);
  folder_remove(folder);
}

Test(launch_ranks, a_job_of_one_is_no_job) {
  char *folder = folder_make();
  struct recorded run = record_as(folder, 0, 1, "exit 0");
  cr_expect_str_eq(run.result.traces[0].path, path_join(folder, "run").text);
  cr_expect_not(is_there(folder, "run.rank0"));
  end(&run);
  folder_remove(folder);
}
