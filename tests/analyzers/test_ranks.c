/* Several processes together: who is who, spreads and sums, from facts written by hand. */
#include "analyzers/ranks.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct ranks ranks;
static struct error err;

static void set_up(void) {
  cr_assert_eq(ranks_init(&ranks), 0);
}

static void tear_down(void) {
  ranks_fini(&ranks);
}

TestSuite(ranks, .init = set_up, .fini = tear_down);

/* A process that has `peak` bytes from 10 ns to its end at 100, and that trains if it saves anything. */
struct process {
  const char *path, *command, *host;
  int pid, ppid, rank;
  uint64_t peak, saved, start;
};

static void add(struct process process) {
  struct facts_sample samples[] = {{.time_ns = 10, .live_bytes = process.peak}};
  struct facts_projection projections[] = {{.bits = 1, .peak_bytes = process.peak - process.saved / 2},
                                           {.bits = 3, .peak_bytes = process.peak - process.saved / 4}};
  struct facts_saved_block block = {.bytes = process.saved};
  char command[64], host[64], empty[] = "";
  strcpy(command, process.command ? process.command : "python3 train.py");
  strcpy(host, process.host ? process.host : "node-1");
  struct facts facts = {
      .run = {.command = command,
              .host = host,
              .damage = empty,
              .framework = empty,
              .pid = process.pid,
              .ppid = process.ppid,
              .rank = process.rank,
              .world_size = process.rank >= 0 ? 4 : 0,
              .exit_status = -1,
              .complete = true,
              .start_unix_ns = 1000 + process.start,
              .wall_ns = 100},
      .peak = {.bytes = process.peak, .time_ns = 10, .step = -1},
      .saved_step = process.saved ? 0 : -1,
      .saved_bytes = process.saved,
      .saved = &block,
      .saved_count = process.saved ? 1 : 0,
      .projections = projections,
      .projections_count = 2,
      .timeline = samples,
      .timeline_count = 1,
  };
  cr_assert_eq(ranks_add(&ranks, process.path, true, &facts), 0);
}

static const struct ranks_process *find(const char *path) {
  for (size_t i = 0; i < ranks.processes_count; i++) {
    if (strcmp(ranks.processes[i].path, path) == 0) {
      return &ranks.processes[i];
    }
  }
  cr_assert_fail("no process %s", path);
  return NULL;
}

static void finish(void) {
  cr_assert_eq(ranks_finish(&ranks, NULL, NULL, &err), 0, "%s", err.message);
}

/* torchrun with three of four ranks, given in any order; rank 1 runs in a shell, rank 2 has workers, rank 0 a helper. */
static void add_job(void) {
  add((struct process){"worker1", NULL, NULL, 31, 22, 2, 50, 0, 5});
  add((struct process){"rank2", NULL, NULL, 22, 10, 2, 4000, 800, 0});
  add((struct process){"rank0", NULL, NULL, 20, 10, 0, 1000, 400, 0});
  add((struct process){"shell", "sh -c 'python3 train.py'", NULL, 19, 10, 1, 9000, 0, 0});
  add((struct process){"rank1", NULL, NULL, 21, 19, 1, 1600, 400, 0});
  add((struct process){"torchrun", "torchrun train.py", NULL, 10, 1, -1, 300, 0, 0});
  add((struct process){"worker2", "python3 -c 'from multiprocessing.spawn import spawn_main'", NULL, 32, 22, 2, 60, 0,
                       5});
  add((struct process){"compiler", "cc -c x.c", NULL, 40, 20, 0, 70, 0, 0});
  finish();
}

Test(ranks, roles_of_a_job) {
  static const struct {
    const char *path;
    enum ranks_role role;
    int rank;
    const char *main;
  } wanted[] = {
      {"rank0", RANKS_MAIN, 0, NULL},         {"rank1", RANKS_MAIN, 1, NULL},
      {"rank2", RANKS_MAIN, 2, NULL},         {"worker1", RANKS_WORKER, 2, "rank2"},
      {"worker2", RANKS_WORKER, 2, "rank2"},  {"compiler", RANKS_HELPER, 0, "rank0"},
      {"torchrun", RANKS_LAUNCHER, -1, NULL}, {"shell", RANKS_LAUNCHER, 1, "rank1"},
  };
  add_job();
  cr_expect_eq(ranks.processes_count, sizeof wanted / sizeof wanted[0]);
  for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
    const struct ranks_process *process = find(wanted[i].path);
    cr_expect_eq(process->role, wanted[i].role, "%s is %s", process->path, ranks_role_names[process->role]);
    cr_expect_eq(process->rank, wanted[i].rank, "%s has rank %d", process->path, process->rank);
    if (wanted[i].main) {
      cr_expect_str_eq(ranks.processes[process->main].path, wanted[i].main);
    } else {
      cr_expect_eq(process->main, RANKS_NONE, "%s", process->path);
    }
  }
  cr_expect(ranks.distributed);
  cr_expect_eq(ranks.mains, 3);
  cr_expect_eq(ranks.world_size, 4);
  cr_expect_eq(ranks.missing, 1);
  cr_expect(ranks_has(&ranks, 2) && !ranks_has(&ranks, 3));
  cr_expect_not(ranks.apart);
}

Test(ranks, spread_over_main_processes) {
  add_job();
  cr_expect_eq(ranks.peak.lowest, 1000);
  cr_expect_eq(ranks.peak.median, 1600);
  cr_expect_eq(ranks.peak.highest, 4000);
  cr_expect_float_eq(ranks.peak.mean, 2200, 1e-9);
  cr_expect_float_eq(ranks.peak.imbalance, 4000. / 2200 - 1, 1e-12);
  cr_expect_str_eq(ranks.processes[ranks.peak.at_lowest].path, "rank0");
  cr_expect_str_eq(ranks.processes[ranks.peak.at_highest].path, "rank2");
  cr_expect_eq(ranks.saved.highest, 800);
  cr_expect_eq(ranks.few_bit_bits, 3);
  cr_expect_eq(ranks.few_bit.highest, 3800);
  cr_assert_eq(ranks.projections_count, 2);
  cr_expect_eq(ranks.projections[0].bits, 1);
  cr_expect_eq(ranks.projections[0].highest_peak_bytes, 3600);
}

Test(ranks, sums_of_a_machine) {
  add_job();
  cr_assert_eq(ranks.nodes_count, 1);
  const struct ranks_node *node = &ranks.nodes[0];
  cr_expect_str_eq(node->host, "node-1");
  cr_expect_eq(node->counts[RANKS_MAIN], 3);
  cr_expect_eq(node->counts[RANKS_WORKER], 2);
  cr_expect_eq(node->counts[RANKS_HELPER], 1);
  cr_expect_eq(node->counts[RANKS_LAUNCHER], 2);
  cr_expect_eq(node->sum_of_peaks, 4000 + 1000 + 1600 + 9000 + 300 + 50 + 60 + 70);
  cr_expect_eq(node->peak_bytes, node->sum_of_peaks, "all at one time");
  cr_expect_not(node->exact, "from samples");
  cr_expect_eq(node->at_peak[RANKS_MAIN], 6600);
  cr_expect_eq(node->at_peak[RANKS_WORKER], 110);
  cr_expect_eq(node->time_ns, 5, "since the first began");
}

Test(ranks, machines_have_sums_of_their_own) {
  add((struct process){"b", NULL, "node-2", 20, 10, 1, 100, 1, 0});
  add((struct process){"a", NULL, "node-1", 20, 10, 0, 300, 1, 0});
  add((struct process){"worker", NULL, "node-2", 30, 20, 1, 7, 0, 0});
  finish();
  cr_assert_eq(ranks.nodes_count, 2);
  cr_expect_str_eq(ranks.nodes[0].host, "node-1");
  cr_expect_eq(ranks.nodes[0].peak_bytes, 300);
  cr_expect_eq(ranks.nodes[1].peak_bytes, 107);
  cr_expect_str_eq(ranks.processes[find("worker")->main].path, "b");
}

Test(ranks, without_ranks_a_tree_has_one_main_process) {
  add((struct process){"main", NULL, NULL, 10, 1, -1, 100, 50, 0});
  add((struct process){"worker", NULL, NULL, 11, 10, -1, 900, 0, 0}); /* larger, but it does not train */
  add((struct process){"other", "other", NULL, 50, 2, -1, 10, 0, 500});
  finish();
  cr_expect_not(ranks.distributed);
  cr_expect_eq(ranks.mains, 2);
  cr_expect_eq(ranks.missing, 0);
  cr_expect_eq(find("main")->role, RANKS_MAIN);
  cr_expect_eq(find("worker")->role, RANKS_WORKER);
  cr_expect_eq(find("other")->role, RANKS_MAIN);
  cr_expect(ranks.apart, "the one was over before the other began");
}

Test(ranks, one_process_counts_once) {
  add((struct process){"run", NULL, NULL, 10, 1, 0, 100, 50, 0});
  add((struct process){"run.sqlite", NULL, NULL, 10, 1, 0, 100, 50, 0});
  add((struct process){"later", NULL, NULL, 10, 1, 0, 100, 50, 700}); /* the number again, another process */
  finish();
  cr_expect_eq(ranks.processes_count, 2);
  cr_assert_eq(ranks.repeated_count, 1);
  cr_expect_str_eq(ranks.repeated[0], "run.sqlite");
  cr_expect_eq(ranks.mains, 1);
}

Test(ranks, failures_are_kept) {
  for (int i = 0; i < 9; i++) {
    cr_assert_eq(ranks_add_failure(&ranks, "file", "file: damaged"), 0);
  }
  finish();
  cr_expect_eq(ranks.failures_count, 9);
  cr_expect_str_eq(ranks.failures[8].reason, "file: damaged");
  cr_expect_eq(ranks.mains, 0);
  cr_expect_eq(ranks.peak.at_highest, RANKS_NONE);
}
