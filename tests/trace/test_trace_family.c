/* Families of processes, as the launchers of distributed jobs make them. */
#include "trace/trace_family.h"

#include <criterion/criterion.h>

enum { MOST = 32 };

static struct trace_family_process all[MOST];
static size_t count;

static void begin(void) {
  count = 0;
}

TestSuite(trace_family, .init = begin);

static size_t add(int pid, int ppid, int rank, uint64_t weight) {
  all[count] = (struct trace_family_process){.pid = pid, .ppid = ppid, .rank = rank, .weight = weight};
  return count++;
}

static void expect(size_t index, enum trace_family_role role, int rank, size_t main) {
  cr_expect_eq(all[index].role, role, "process %d has role %d instead of %d", all[index].pid, all[index].role, role);
  cr_expect_eq(all[index].rank, rank, "process %d has rank %d instead of %d", all[index].pid, all[index].rank, rank);
  cr_expect_eq(all[index].main, main, "process %d works for %zu instead of %zu", all[index].pid, all[index].main, main);
}

Test(trace_family, none) {
  trace_family_find(all, 0);
}

Test(trace_family, one) {
  size_t one = add(10, 1, -1, 5);
  trace_family_find(all, count);
  expect(one, TRACE_FAMILY_MAIN, -1, one);
  cr_expect_eq(all[one].parent, TRACE_FAMILY_NONE);
}

Test(trace_family, torchrun_with_workers) {
  size_t torchrun = add(10, 1, -1, 100), helper = add(11, 10, -1, 1), ranks[2], workers[2];
  for (int i = 0; i < 2; i++) {
    ranks[i] = add(20 + i, 10, i, 90);
    workers[i] = add(30 + i, 20 + i, i, 95); /* somewhat more than its rank: that makes it no main process */
  }
  trace_family_find(all, count);
  expect(torchrun, TRACE_FAMILY_ABOVE, -1, TRACE_FAMILY_NONE);
  expect(helper, TRACE_FAMILY_BESIDE, -1, TRACE_FAMILY_NONE);
  for (int i = 0; i < 2; i++) {
    expect(ranks[i], TRACE_FAMILY_MAIN, i, ranks[i]);
    expect(workers[i], TRACE_FAMILY_BELOW, i, ranks[i]);
    cr_expect_eq(all[ranks[i]].parent, torchrun);
  }
}

/* srun gives torchrun the number of its node: it must not be taken for the rank of that number. */
Test(trace_family, torchrun_below_srun) {
  size_t torchrun = add(10, 1, 1, 1000), shell = add(11, 10, 1, 5), ranks[2];
  ranks[0] = add(20, 10, 4, 90);
  ranks[1] = add(21, 11, 5, 90);
  trace_family_find(all, count);
  expect(torchrun, TRACE_FAMILY_ABOVE, -1, TRACE_FAMILY_NONE);
  expect(shell, TRACE_FAMILY_ABOVE, -1, TRACE_FAMILY_NONE);
  expect(ranks[0], TRACE_FAMILY_MAIN, 4, ranks[0]);
  expect(ranks[1], TRACE_FAMILY_MAIN, 5, ranks[1]);
}

/* One process a node: torchrun and its child have the same number. */
Test(trace_family, torchrun_below_srun_with_one_rank) {
  size_t torchrun = add(10, 1, 1, 10), rank = add(20, 10, 1, 90);
  trace_family_find(all, count);
  expect(torchrun, TRACE_FAMILY_ABOVE, 1, rank);
  expect(rank, TRACE_FAMILY_MAIN, 1, rank);
}

Test(trace_family, rank_in_a_shell) {
  size_t shell = add(10, 1, 3, 10), python = add(11, 10, 3, 44), tool = add(12, 10, 3, 2), child = add(13, 11, -1, 5);
  trace_family_find(all, count);
  expect(shell, TRACE_FAMILY_ABOVE, 3, python);
  expect(python, TRACE_FAMILY_MAIN, 3, python);
  expect(tool, TRACE_FAMILY_BESIDE, 3, python);
  expect(child, TRACE_FAMILY_BELOW, 3, python);
}

Test(trace_family, without_ranks_each_tree_has_its_own) {
  size_t shell = add(10, 1, -1, 1), python = add(11, 10, -1, 100), worker = add(12, 11, -1, 300);
  size_t other = add(50, 2, -1, 7), below = add(51, 50, -1, 28);
  trace_family_find(all, count);
  expect(shell, TRACE_FAMILY_ABOVE, -1, worker); /* three times as heavy as python, but the shell is the top */
  expect(python, TRACE_FAMILY_ABOVE, -1, worker);
  expect(worker, TRACE_FAMILY_MAIN, -1, worker);
  expect(other, TRACE_FAMILY_MAIN, -1, other);
  expect(below, TRACE_FAMILY_BELOW, -1, other);
}

Test(trace_family, numbers_of_other_machines_are_others) {
  size_t rank = add(10, 1, 0, 5), worker = add(11, 10, 0, 1), elsewhere = add(12, 10, -1, 1);
  all[elsewhere].machine = 1;
  trace_family_find(all, count);
  expect(rank, TRACE_FAMILY_MAIN, 0, rank);
  expect(worker, TRACE_FAMILY_BELOW, 0, rank);
  expect(elsewhere, TRACE_FAMILY_BESIDE, -1, TRACE_FAMILY_NONE);
  cr_expect_eq(all[elsewhere].parent, TRACE_FAMILY_NONE);
}

Test(trace_family, a_rank_that_was_started_again) {
  size_t torchrun = add(10, 1, -1, 9), first = add(20, 10, 0, 30), again = add(21, 10, 0, 80);
  trace_family_find(all, count);
  expect(torchrun, TRACE_FAMILY_ABOVE, -1, TRACE_FAMILY_NONE);
  expect(first, TRACE_FAMILY_BESIDE, 0, again);
  expect(again, TRACE_FAMILY_MAIN, 0, again);
}

/* Images of one process before and after exec have one number; and numbers may be damaged. */
Test(trace_family, numbers_twice_and_in_a_circle) {
  size_t before = add(10, 1, 0, 5), after = add(10, 1, 0, 50), child = add(11, 10, 0, 1);
  size_t a = add(20, 21, -1, 1), b = add(21, 20, -1, 1), own = add(30, 30, -1, 1);
  trace_family_find(all, count);
  expect(after, TRACE_FAMILY_MAIN, 0, after);
  cr_expect_eq(all[before].main, after);
  cr_expect_eq(all[child].main, after);
  expect(a, TRACE_FAMILY_BESIDE, -1, TRACE_FAMILY_NONE);
  expect(b, TRACE_FAMILY_BESIDE, -1, TRACE_FAMILY_NONE);
  expect(own, TRACE_FAMILY_BESIDE, -1, TRACE_FAMILY_NONE);
}
