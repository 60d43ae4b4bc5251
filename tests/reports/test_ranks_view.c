/* The views of several processes, as golden text: a job on one machine, one on two with what can be wrong, a program with
 * workers, and nothing that could be read. */
#include "reports/ranks_view.h"

#include "reports/format.h"
#include "tests/reports/golden.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)
#define MS UINT64_C(1000000)

static struct ranks ranks;
static struct sink sink;
static struct error err;

static void set_up(void) {
  cr_assert_eq(ranks_init(&ranks), 0);
  cr_assert_eq(sink_open_memory(&sink, &err), 0);
}

static void tear_down(void) {
  ranks_fini(&ranks);
  free(sink.memory);
}

TestSuite(ranks_view, .init = set_up, .fini = tear_down);

/* ---- samples -------------------------------------------------------------------------------------------------------- */

struct process {
  const char *path, *command, *host;
  int pid, ppid, rank, exit_status;
  uint64_t peak_mib, saved_mib, at_ms; /* begins at 0, ends at 4000 ms; its peak lasts from at_ms on */
  const char *damage;                  /* NULL: none */
};

static void add(struct process process) {
  static struct facts_step steps[4];
  const uint64_t peak = process.peak_mib * MIB, saved = process.saved_mib * MIB;
  struct facts_sample samples[] = {{.time_ns = 1 * MS, .live_bytes = peak / 2},
                                   {.time_ns = process.at_ms * MS, .live_bytes = peak},
                                   {.time_ns = 3999 * MS, .live_bytes = peak / 4}};
  struct facts_projection projections[] = {
      {.bits = 3, .peak_bytes = peak - saved / 2, .saving_bytes = (int64_t)(saved / 2), .eligible_bytes = saved}};
  struct facts_saved_block block = {.bytes = saved};
  struct facts facts = {
      .run = {.command = strdup(process.command ? process.command : "python3 train.py --epochs 1"),
              .host = strdup(process.host ? process.host : "node-1"),
              .damage = strdup(process.damage ? process.damage : ""),
              .framework = strdup(saved ? "pytorch 2.13.0" : ""),
              .pid = process.pid,
              .ppid = process.ppid,
              .rank = process.rank,
              .world_size = process.rank >= 0 ? 4 : 0,
              .exit_status = process.exit_status,
              .complete = !process.damage,
              .start_unix_ns = UINT64_C(1700000000) * 1000 * MS,
              .wall_ns = 4000 * MS,
              .events = 1000},
      .peak = {peak, process.at_ms * MS, saved ? 3 : -1, saved ? PHASE_BACKWARD : PHASE_OUTSIDE, 0},
      .categories = {[CATEGORY_SAVED_ACTIVATION] = saved, [CATEGORY_OTHER] = peak - saved},
      .steps = steps,
      .steps_count = saved ? 4 : 0,
      .saved_step = saved ? 3 : -1,
      .saved_bytes = saved,
      .saved = &block,
      .saved_count = saved ? 1 : 0,
      .projections = projections,
      .projections_count = 1,
      .timeline = samples,
      .timeline_count = 3,
  };
  cr_assert_eq(ranks_add(&ranks, process.path, true, &facts), 0);
  free(facts.run.command);
  free(facts.run.host);
  free(facts.run.damage);
  free(facts.run.framework);
}

static void finish(void) {
  cr_assert_eq(ranks_finish(&ranks, NULL, NULL, &err), 0, "%s", err.message);
}

static void job(void) {
  add((struct process){"run.act.100", "torchrun --nproc_per_node 4 train.py --epochs 1", NULL, 100, 1, -1, 0, 60, 0,
                       500, NULL});
  for (int rank = 0; rank < 4; rank++) {
    static char names[4][3][32];
    snprintf(names[rank][0], 32, "run.act.rank%d", rank);
    add((struct process){names[rank][0], NULL, NULL, 110 + rank, 100, rank, -1, rank == 2 ? 300 : 200,
                         rank == 2 ? 120 : 60, 2000 + 10 * (uint64_t)rank, NULL});
    for (int worker = 1; worker <= 2; worker++) {
      snprintf(names[rank][worker], 32, "run.act.rank%d.%d", rank, 110 + 10 * worker + rank);
      add((struct process){names[rank][worker], NULL, NULL, 110 + 10 * worker + rank, 110 + rank, rank, -1,
                           4 * (uint64_t)worker, 0, 1500, NULL});
    }
  }
  finish();
}

static void troubled(void) {
  add((struct process){"a/run.act.rank0", NULL, "node-a", 20, 10, 0, 0, 1000, 600, 2000, NULL});
  add((struct process){"a/run.act.rank1", NULL, "node-a", 21, 10, 1, 137, 900, 500, 1000,
                       "the process was killed by signal 9 (SIGKILL) before it could end the trace; everything it "
                       "recorded until then is here"});
  add((struct process){"b/run.act.rank2", NULL, "node-b", 20, 10, 2, 1, 1100, 600, 2000, NULL});
  add((struct process){"b/run.act.rank2.19", NULL, "node-b", 19, 10, 2, -1, 300, 100, 500, NULL});
  add((struct process){"b/again.sqlite", NULL, "node-b", 20, 10, 2, 1, 1100, 600, 2000, NULL});
  for (int i = 0; i < 5; i++) {
    add((struct process){"b/run.act.rank2.3", "sh -c 'uname -p; \033[31mred'", "node-b", 30 + i, 20, 2, 0,
                         1 + (uint64_t)i, 0, 100, NULL});
  }
  cr_assert_eq(ranks_add_failure(&ranks, "b/run.act.rank3",
                                 "b/run.act.rank3: the trace is damaged at byte 8192: a chunk's size makes no sense; "
                                 "copy it again or record again"),
               0);
  finish();
}

static void workers(void) {
  add((struct process){"run.act", NULL, NULL, 20, 10, -1, 0, 1000, 600, 2000, NULL});
  add((struct process){"run.act.21", NULL, NULL, 21, 20, -1, -1, 30, 0, 2000, NULL});
  finish();
}

static void nothing(void) {
  cr_assert_eq(ranks_add_failure(&ranks, "x", "x: not an actscope trace; give the path of a recorded run"), 0);
  cr_assert_eq(ranks_add_failure(&ranks, "y", "y: there is no such file"), 0);
  finish();
}

/* ---- views ---------------------------------------------------------------------------------------------------------- */

static void expect(void (*sample)(void), const char *format, size_t top, const char *golden) {
  sample();
  ranks_backend_find(format)->emit(&sink, &ranks, &(struct report_options){.top = top});
  cr_assert_eq(sink_close(&sink, &err), 0);
  golden_expect(golden, sink.memory, sink.memory_size);
}

static void expect_no_line_beyond(int columns) {
  char *copy = strdup(sink.memory), *rest = copy;
  for (char *line; (line = strsep(&rest, "\n"));) {
    cr_expect_leq(format_width(line), columns, "too wide: %s", line);
    cr_expect(!*line || line[strlen(line) - 1] != ' ', "ends in blanks: '%s'", line);
  }
  free(copy);
}

Test(ranks_view, page_of_a_job) {
  expect(job, "text", 10, "ranks_job.txt");
  expect_no_line_beyond(80);
}

Test(ranks_view, page_of_a_troubled_job) {
  expect(troubled, "text", 10, "ranks_troubled.txt");
  expect_no_line_beyond(80);
}

Test(ranks_view, page_that_is_cut_short) {
  expect(job, "text", 2, "ranks_top.txt");
}

Test(ranks_view, page_of_a_program_with_workers) {
  expect(workers, "text", 10, "ranks_workers.txt");
}

Test(ranks_view, page_of_nothing) {
  expect(nothing, "text", 10, "ranks_nothing.txt");
}

Test(ranks_view, json_of_a_troubled_job) {
  expect(troubled, "json", 0, "ranks_troubled.json");
}

Test(ranks_view, json_of_nothing) {
  json_error_t error;
  nothing();
  ranks_json_emit(&sink, &ranks, &(struct report_options){0});
  cr_assert_eq(sink_close(&sink, &err), 0);
  json_t *root = json_loads(sink.memory, 0, &error);
  cr_assert(root, "%s", error.text);
  cr_expect_eq(json_integer_value(json_object_get(root, "mains")), 0);
  cr_expect(json_is_null(json_object_get(root, "highest_path")));
  cr_expect_eq(json_array_size(json_object_get(root, "failures")), 2);
  json_decref(root);
}

Test(ranks_view, csv_of_a_troubled_job) {
  expect(troubled, "csv", 0, "ranks_troubled.csv");
}

Test(ranks_view, markdown_of_a_troubled_job) {
  expect(troubled, "md", 10, "ranks_troubled.md");
}

Test(ranks_view, one_table_of_csv) {
  troubled();
  ranks_csv_emit(&sink, &ranks, &(struct report_options){.table = "failures"});
  cr_assert_eq(sink_close(&sink, &err), 0);
  cr_expect_str_eq(sink.memory,
                   "path,reason\nb/run.act.rank3,b/run.act.rank3: the trace is damaged at byte 8192: a chunk's size "
                   "makes no sense; copy it again or record again\n");
}
