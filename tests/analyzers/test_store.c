/* What is in facts comes back from the store, field by field; files that are no store of ours are refused in words. */
#include "analyzers/store.h"

#include "analyzers/analyze.h"
#include "tests/analyzers/run_builder.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AT(n) (0x100000000u + (uint64_t)(n)*0x100000u)
enum { KIB = 1024 };

/* A run with something in every table: steps, shared and eligible blocks, a weight, small blocks, an unseen release. */
static void build_run(struct run_builder *run) {
  run_init(run);
  trace_write_meta(&run->trace.tables, run_string(run, "host"), run_string(run, "node-1"));
  trace_store_u32(run->trace.bytes + TRACE_H_WORLD_SIZE, 4);
  uint32_t outside = run_stack_outside(run, 1), gelu = run_stack_in_op(run, RUN_GELU, 2, false);
  uint32_t mul = run_stack_in_op(run, RUN_MUL, 2, false), kernel = run_stack_in_op(run, RUN_ADDMM, 2, true);
  run_small(run, 12345, 0);
  run_alloc(run, AT(0), 6 * KIB, outside);
  for (unsigned step = 1; step <= 3; step++) {
    run_alloc(run, AT(1), step * 10 * KIB, kernel);
    uint64_t a = run_save_tensor(run, 0, AT(1), step * 10 * KIB, gelu);
    run_alloc(run, AT(2), step * 12 * KIB, kernel);
    uint64_t b = run_save_tensor(run, 0, AT(2), step * 12 * KIB, mul);
    uint64_t c = run_save_tensor(run, 0, AT(2) + 64, 64, gelu);
    run_save_tensor(run, 0, AT(0), 6 * KIB, mul);
    run_backward(run, true);
    run_resident(run, AT(0), TRACE_ROLE_PARAMETER, true);
    run_release(run, c, run_node_type(RUN_GELU));
    run_release(run, b, run_node_type(RUN_MUL));
    run_free(run, AT(2), 0, true);
    run_release(run, a, run_node_type(RUN_GELU));
    run_free(run, AT(1), 0, true);
    run_backward(run, false);
  }
  run_alloc(run, AT(3), 5 * KIB, outside);
  run_save_tensor(run, 0, AT(3), 5 * KIB, mul); /* never released */
}

static void same_run(const struct facts *a, const struct facts *b) {
  cr_assert_str_eq(a->run.command, b->run.command);
  cr_assert_str_eq(a->run.damage, b->run.damage);
  cr_assert_str_eq(a->run.framework, b->run.framework);
  cr_assert_str_eq(a->run.evidence, b->run.evidence);
  cr_assert_str_eq(a->run.host, b->run.host);
  cr_assert(a->run.ppid == b->run.ppid && a->run.world_size == b->run.world_size);
  cr_assert(a->run.pid == b->run.pid && a->run.rank == b->run.rank && a->run.exit_status == b->run.exit_status);
  cr_assert(a->run.complete == b->run.complete && a->run.wall_ns == b->run.wall_ns);
  cr_assert(a->run.start_unix_ns == b->run.start_unix_ns && a->run.events == b->run.events);
  cr_assert(a->run.threads == b->run.threads && a->run.min_size == b->run.min_size);
  cr_assert_eq(a->run.lost_events, b->run.lost_events);
  cr_assert_str_eq(a->run.unseen, b->run.unseen);
  cr_assert_eq(a->run.stray_marks, b->run.stray_marks);
  cr_assert_eq(a->run.oversized_marks, b->run.oversized_marks);
  cr_assert_eq(a->run.confidence, b->run.confidence);
  cr_assert_eq(a->peak.lasting_bytes, b->peak.lasting_bytes);
  cr_assert(a->peak.bytes == b->peak.bytes && a->peak.time_ns == b->peak.time_ns);
  cr_assert(a->peak.step == b->peak.step && a->peak.phase == b->peak.phase);
  cr_assert(a->saved_step == b->saved_step && a->saved_bytes == b->saved_bytes && a->saved_blocks == b->saved_blocks);
  for (int i = 0; i < CATEGORY_COUNT; i++) {
    cr_assert_eq(a->categories[i], b->categories[i]);
  }
}

static void same_steps(const struct facts *a, const struct facts *b) {
  cr_assert_eq(a->steps_count, b->steps_count);
  for (size_t i = 0; i < a->steps_count; i++) {
    const struct facts_step *x = &a->steps[i], *y = &b->steps[i];
    cr_assert(x->index == y->index && x->begin_ns == y->begin_ns && x->backward_ns == y->backward_ns);
    cr_assert(x->backward_end_ns == y->backward_end_ns && x->end_ns == y->end_ns && x->complete == y->complete);
    cr_assert(x->peak_bytes == y->peak_bytes && x->saved_bytes == y->saved_bytes && x->saved_blocks == y->saved_blocks);
  }
}

static void same_block(const struct facts_saved_block *x, const struct facts_saved_block *y) {
  cr_assert(x->bytes == y->bytes && x->elements == y->elements && x->alloc_ns == y->alloc_ns);
  cr_assert(x->free_ns == y->free_ns && x->eligible == y->eligible && x->stack == y->stack);
  cr_assert_eq(x->dtype, y->dtype, "static strings are the same ones");
  cr_assert_eq(x->evidence, y->evidence);
  cr_assert_eq(x->reason, y->reason);
  cr_assert_str_eq(x->op_allocated, y->op_allocated);
  cr_assert_str_eq(x->op, y->op);
  cr_assert_str_eq(x->layer, y->layer);
  cr_assert_str_eq(x->name, y->name);
  cr_assert_eq(x->in_arena, y->in_arena);
  cr_assert_str_eq(x->site, y->site);
  cr_assert_eq(x->holders_count, y->holders_count);
  for (size_t i = 0; i < x->holders_count; i++) {
    cr_assert_str_eq(x->holders[i].op, y->holders[i].op);
    cr_assert(x->holders[i].save_ns == y->holders[i].save_ns && x->holders[i].release_ns == y->holders[i].release_ns);
  }
}

static void same_saved(const struct facts *a, const struct facts *b) {
  cr_assert_eq(a->saved_count, b->saved_count);
  for (size_t i = 0; i < a->saved_count; i++) {
    same_block(&a->saved[i], &b->saved[i]);
  }
  cr_assert_eq(a->by_op_count, b->by_op_count);
  for (size_t i = 0; i < a->by_op_count; i++) {
    const struct facts_op *x = &a->by_op[i], *y = &b->by_op[i];
    cr_assert_str_eq(x->op, y->op);
    cr_assert(x->bytes == y->bytes && x->exclusive_bytes == y->exclusive_bytes && x->blocks == y->blocks);
    cr_assert_eq(x->eligible_bytes, y->eligible_bytes);
  }
}

static void same_sites(const struct facts *a, const struct facts *b) {
  cr_assert_eq(a->sites_count, b->sites_count);
  for (size_t i = 0; i < a->sites_count; i++) {
    const struct facts_site *x = &a->sites[i], *y = &b->sites[i];
    cr_assert(x->stack == y->stack && x->bytes == y->bytes && x->blocks == y->blocks && x->category == y->category);
    cr_assert_str_eq(x->site, y->site);
    cr_assert_str_eq(x->op, y->op);
  }
  cr_assert_arr_eq(&a->traffic, &b->traffic, sizeof a->traffic);
  cr_assert_arr_eq(&a->small_traffic, &b->small_traffic, sizeof a->small_traffic);
  cr_assert_eq(a->busy_sites_count, b->busy_sites_count);
  for (size_t i = 0; i < a->busy_sites_count; i++) {
    const struct facts_busy_site *x = &a->busy_sites[i], *y = &b->busy_sites[i];
    cr_assert_eq(x->stack, y->stack);
    cr_assert_arr_eq(&x->traffic, &y->traffic, sizeof x->traffic);
    cr_assert_str_eq(x->site, y->site);
    cr_assert_str_eq(x->op, y->op);
  }
  cr_assert_eq(a->stacks_count, b->stacks_count);
  for (size_t i = 0; i < a->stacks_count; i++) {
    cr_assert(a->stacks[i].stack == b->stacks[i].stack && a->stacks[i].frames_count == b->stacks[i].frames_count);
    for (size_t k = 0; k < a->stacks[i].frames_count; k++) {
      const struct facts_frame *x = &a->stacks[i].frames[k], *y = &b->stacks[i].frames[k];
      cr_assert_str_eq(x->function, y->function);
      cr_assert_str_eq(x->file, y->file);
      cr_assert_str_eq(x->module, y->module);
      cr_assert_eq(x->line, y->line);
    }
  }
}

static void same_advice(const struct facts *a, const struct facts *b) {
  cr_assert_eq(a->advice_count, b->advice_count);
  for (size_t i = 0; i < a->advice_count; i++) {
    const struct facts_advice *x = &a->advice[i], *y = &b->advice[i];
    cr_assert(x->kind == y->kind && x->bits == y->bits && x->blocks == y->blocks && x->bytes == y->bytes);
    cr_assert(x->peak_bytes == y->peak_bytes && x->saving_bytes == y->saving_bytes);
    cr_assert_str_eq(x->ops, y->ops);
    cr_assert_str_eq(x->layers, y->layers);
    cr_assert_str_eq(x->site, y->site);
  }
}

static void same_timelines(const struct facts *a, const struct facts *b) {
  cr_assert(a->timeline_count == b->timeline_count && a->segments_count == b->segments_count);
  cr_assert(a->replaceables_count == b->replaceables_count && a->projections_count == b->projections_count);
  for (size_t i = 0; i < a->timeline_count; i++) {
    cr_assert_arr_eq(&a->timeline[i], &b->timeline[i], sizeof a->timeline[i]);
  }
  for (size_t i = 0; i < a->segments_count; i++) {
    cr_assert_arr_eq(&a->segments[i], &b->segments[i], sizeof a->segments[i]);
  }
  for (size_t i = 0; i < a->replaceables_count; i++) {
    const struct facts_replaceable *x = &a->replaceables[i], *y = &b->replaceables[i];
    cr_assert_str_eq(x->op, y->op);
    cr_assert(x->step == y->step && x->listed == y->listed && x->bytes == y->bytes && x->elements == y->elements);
    cr_assert(x->begin_event == y->begin_event && x->release_event == y->release_event);
    cr_assert_eq(x->free_event, y->free_event);
    cr_assert_eq(x->arena, y->arena);
  }
  for (size_t i = 0; i < a->projections_count; i++) {
    const struct facts_projection *x = &a->projections[i], *y = &b->projections[i];
    cr_assert(x->bits == y->bits && x->peak_bytes == y->peak_bytes && x->saving_bytes == y->saving_bytes);
    cr_assert(x->eligible_bytes == y->eligible_bytes && x->code_bytes == y->code_bytes);
    cr_assert_eq(x->saving_percent, y->saving_percent, "a double goes through the store unchanged");
  }
}

static void same_facts(const struct facts *a, const struct facts *b) {
  same_run(a, b);
  same_steps(a, b);
  same_saved(a, b);
  same_sites(a, b);
  same_timelines(a, b);
  same_advice(a, b);
}

struct stored {
  struct run_builder run;
  struct facts facts;
  struct path path;
};

static void stored_init(struct stored *stored) {
  build_run(&stored->run);
  stored->facts = run_facts(&stored->run);
  stored->path = path_join(stored->run.folder, "run.sqlite");
  struct error err = {""};
  stored->facts.run.confidence = 0.96875;
  stored->facts.peak.lasting_bytes = 12345;
  cr_assert_eq(store_write(stored->path.text, &stored->facts, &err), 0, "%s", err.message);
}

static void stored_fini(struct stored *stored) {
  facts_fini(&stored->facts);
  run_fini(&stored->run);
}

Test(store, facts_come_back_field_by_field) {
  struct stored stored;
  struct facts back;
  struct error err = {""};
  stored_init(&stored);
  cr_assert_eq(stored.facts.saved_count, 2);
  cr_assert_gt(stored.facts.replaceables_count, 0u);
  cr_assert_gt(stored.facts.stacks_count, 1u);
  cr_assert_eq(stored.facts.steps_count, 4);
  cr_assert_gt(stored.facts.advice_count, 0u);
  cr_assert_eq(analyze_load(stored.path.text, &back, NULL, &err), 0, "%s", err.message);
  same_facts(&stored.facts, &back);
  /* A store of a store has what a report needs too, and an existing file is replaced. */
  struct facts again;
  cr_assert_eq(store_write(stored.path.text, &back, &err), 0, "%s", err.message);
  cr_assert_eq(store_read(stored.path.text, &again, &err), 0, "%s", err.message);
  same_facts(&back, &again);
  facts_fini(&again);
  facts_fini(&back);
  stored_fini(&stored);
}

Test(store, a_run_without_anything_comes_back) {
  struct run_builder run;
  struct facts back;
  run_init(&run);
  run_small(&run, 1, 0);
  struct facts facts = run_facts(&run);
  struct path path = path_join(run.folder, "empty.sqlite");
  cr_assert_eq(store_write(path.text, &facts, NULL), 0);
  cr_assert_eq(store_read(path.text, &back, NULL), 0);
  cr_assert_eq(back.saved_step, -1);
  same_facts(&facts, &back);
  facts_fini(&back);
  facts_fini(&facts);
  run_fini(&run);
}

static int64_t number(sqlite3 *db, const char *sql) {
  sqlite3_stmt *statement;
  cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
  int64_t value = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;
  sqlite3_finalize(statement);
  return value;
}

Test(store, views_agree_with_the_facts) {
  struct stored stored;
  sqlite3 *db;
  stored_init(&stored);
  cr_assert_eq(sqlite3_open_v2(stored.path.text, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
  for (size_t i = 0; i < stored.facts.by_op_count; i++) {
    const struct facts_op *op = &stored.facts.by_op[i];
    char sql[160];
    snprintf(sql, sizeof sql,
             "SELECT bytes = %lu AND exclusive_bytes = %lu AND blocks = %lu AND eligible_bytes = %lu"
             " FROM saved_by_op WHERE op = '%s'",
             (unsigned long)op->bytes, (unsigned long)op->exclusive_bytes, (unsigned long)op->blocks,
             (unsigned long)op->eligible_bytes, op->op);
    cr_assert_eq(number(db, sql), 1, "%s", sql);
  }
  cr_assert_eq(number(db, "SELECT count(*) FROM saved_by_op"), (int64_t)stored.facts.by_op_count);
  cr_assert_eq(number(db, "SELECT sum(bytes) FROM saved_by_layer"), (int64_t)stored.facts.saved_bytes);
  cr_assert_eq(number(db, "SELECT count(*) FROM steps"), 4);
  cr_assert_eq(number(db, "SELECT count(*) FROM projection"), 4);
  cr_assert_eq(number(db, "SELECT peak_bytes FROM projection WHERE bits = 2"),
               (int64_t)stored.facts.projections[1].peak_bytes);
  cr_assert_eq(number(db, "SELECT count(*) FROM saved_block"), 7, "of every step");
  cr_assert_eq(number(db, "SELECT sum(bytes) FROM saved_block WHERE step = 1 AND at_saved_peak"),
               (int64_t)stored.facts.steps[1].saved_bytes);
  cr_assert_eq(number(db, "SELECT sum(bytes) FROM category"), (int64_t)stored.facts.peak.bytes);
  cr_assert_eq(number(db, "SELECT count(*) FROM holder WHERE release_ns IS NULL"), 1);
  sqlite3_close(db);
  stored_fini(&stored);
}

/* ---- files that must be refused ---------------------------------------------------------------------------------- */

static void refuse_for(int code, const char *path, const char *words) {
  struct facts facts;
  struct error err = {""};
  cr_assert_eq(store_read(path, &facts, &err), code);
  cr_assert(strstr(err.message, words), "'%s' should say '%s'", err.message, words);
  cr_assert(strstr(err.message, path));
  cr_assert_null(facts.strings);
}

static void refuse(const char *path, const char *words) {
  refuse_for(ERROR_INPUT, path, words);
}

static void change(const char *path, const char *sql) {
  sqlite3 *db;
  char *message = NULL;
  cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
  cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, &message), SQLITE_OK, "%s", message);
  sqlite3_close(db);
}

Test(store, foreign_files_are_refused) {
  struct stored stored;
  stored_init(&stored);
  struct path other = path_join(stored.run.folder, "other.sqlite");
  refuse_for(ERROR_IO, "/nonexistent/run.sqlite", "No such file");
  file_write(other.text, "", 0);
  refuse(other.text, "not a store"); /* SQLite takes an empty file for an empty database */
  change(other.text, "CREATE TABLE t (x)");
  refuse(other.text, "not a store");
  change(stored.path.text, "PRAGMA user_version=3");
  refuse(stored.path.text, "schema version 3");
  stored_fini(&stored);
}

Test(store, broken_tables_are_refused) {
  static const char *const breakages[] = {
      "DELETE FROM run",
      "DROP TABLE holder",
      "DROP TABLE segment",
      "DELETE FROM holder",
      "UPDATE run SET peak_phase = 'sideways'",
      "UPDATE run SET peak_step = 4",
      "UPDATE run SET saved_step = 1000000",
      "UPDATE run SET command = x'00'",
      "UPDATE category SET name = 'odds and ends' WHERE name = 'other'",
      "UPDATE step SET saved_bytes = 'many'",
      "UPDATE step SET peak_bytes = -5",
      "UPDATE saved_block SET bytes = 1.5",
      "UPDATE site SET category = 'none'",
      "DELETE FROM frame WHERE frame = 0",
      "UPDATE stack SET frames = '[0,1,99999]'",
      "UPDATE stack SET frames = '[0'",
      "UPDATE stack SET frames = ''",
      "UPDATE stack SET frames = '[0 1]'",
      "UPDATE projected SET saving_percent = 'much'",
  };
  for (size_t i = 0; i < sizeof breakages / sizeof *breakages; i++) {
    struct stored stored;
    stored_init(&stored);
    change(stored.path.text, breakages[i]);
    refuse(stored.path.text, "damaged");
    stored_fini(&stored);
  }
}

/* Reads whatever it is: success or a worded refusal, no crash (the sanitizers watch). */
static int read_any(const char *path) {
  struct facts facts;
  struct error err = {""};
  int rc = store_read_history(path, &facts, &err);
  cr_assert(rc == 0 || (rc == ERROR_INPUT && *err.message), "%d %s", rc, err.message);
  if (rc == 0) {
    facts_fini(&facts);
  }
  return rc;
}

Test(store, damage_by_the_thousand, .timeout = 120) {
  struct stored stored;
  size_t size;
  unsigned refused = 0;
  stored_init(&stored);
  uint8_t *bytes = file_read(stored.path.text, &size);
  struct path damaged = path_join(stored.run.folder, "damaged.sqlite");
  uint64_t seed = 42;
  for (int i = 0; i < 2000; i++) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    size_t at = (size_t)(seed >> 20) % size;
    uint8_t before = bytes[at];
    bytes[at] ^= (uint8_t)(1 + (seed >> 56) % 255);
    file_write(damaged.text, bytes, i % 4 ? size : at);
    refused += read_any(damaged.text) != 0;
    bytes[at] = before;
  }
  cr_assert_gt(refused, 500u, "a file that was cut must be noticed");
  free(bytes);
  stored_fini(&stored);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static size_t count_files(const char *folder) {
  DIR *entries = opendir(folder);
  size_t count = 0;
  for (struct dirent *entry; entries && (entry = readdir(entries));) {
    count += entry->d_name[0] != '.';
  }
  closedir(entries);
  return count;
}

Test(store, a_failed_write_leaves_the_old_store) {
  struct stored stored;
  struct error err = {""};
  stored_init(&stored);
  cr_assert_eq(store_write("/nonexistent/folder/run.sqlite", &stored.facts, &err), ERROR_IO);
  cr_assert(strstr(err.message, "-o"));
  struct facts broken = stored.facts;
  struct facts_step steps[2] = {{.index = 1}, {.index = 1}}; /* the same key twice */
  broken.steps = steps;
  broken.steps_count = 2;
  cr_assert_eq(store_write(stored.path.text, &broken, &err), ERROR_IO);
  cr_assert_eq(read_any(stored.path.text), 0);
  cr_assert_eq(count_files(stored.run.folder), 2, "the trace and the store: no temporary file is left");
  stored_fini(&stored);
}

Test(store, the_file_has_ordinary_permissions) {
  struct stored stored;
  struct stat status;
  umask(022);
  stored_init(&stored);
  cr_assert_eq(stat(stored.path.text, &status), 0);
  cr_assert_eq(status.st_mode & 0777, 0644);
  stored_fini(&stored);
}

Test(store, a_pipe_is_not_replaced_and_a_link_is_followed) {
  struct stored stored;
  struct stat status;
  struct error err = {""};
  stored_init(&stored);
  struct path pipe = path_join(stored.run.folder, "pipe"), link = path_join(stored.run.folder, "link");
  cr_assert_eq(mkfifo(pipe.text, 0600), 0);
  cr_assert_eq(store_write(pipe.text, &stored.facts, &err), ERROR_USAGE);
  cr_assert_eq(stat(pipe.text, &status), 0);
  cr_assert(S_ISFIFO(status.st_mode));
  cr_assert_eq(symlink(stored.path.text, link.text), 0);
  cr_assert_eq(store_write(link.text, &stored.facts, &err), 0);
  cr_assert_eq(lstat(link.text, &status), 0);
  cr_assert(S_ISLNK(status.st_mode));
  cr_assert_eq(read_any(link.text), 0);
  stored_fini(&stored);
}
