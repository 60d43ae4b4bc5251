/* Sums by layer and by pattern, and layers on their way from a trace into facts. */
#include "analyzers/facts_layers.h"

#include "analyzers/store.h"
#include "tests/analyzers/run_builder.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct facts facts;
static struct facts_saved_block blocks[8];
static struct facts_layers layers;

static void add(const char *layer, uint64_t bytes, bool eligible) {
  blocks[facts.saved_count++] = (struct facts_saved_block){.layer = layer, .bytes = bytes, .eligible = eligible};
  facts.saved = blocks;
}

static void expect(size_t at, const char *layer, const char *pattern, uint64_t bytes, uint64_t count, uint64_t eligible,
                   uint64_t number) {
  const struct facts_layer *got = &layers.items[at];
  cr_assert_lt(at, layers.count);
  cr_expect_str_eq(got->layer, layer);
  cr_expect_str_eq(got->pattern, pattern);
  cr_expect_eq(got->bytes, bytes, "%s: %lu bytes", layer, (unsigned long)got->bytes);
  cr_expect_eq(got->blocks, count, "%s: %lu blocks", layer, (unsigned long)got->blocks);
  cr_expect_eq(got->eligible_bytes, eligible, "%s", layer);
  cr_expect_eq(got->layers, number, "%s: %lu layers", layer, (unsigned long)got->layers);
}

static void add_network(void) {
  add("blocks.0.act", 10, true);
  add("blocks.10.act", 20, true);
  add("blocks.0.act", 1, false);
  add("", 5, false);
  add("blocks.0.fc1", 7, false);
  add("0", 4, false);
  add("blocks.10.fc1", 7, false);
  add("blocks.10.act", 2, true);
}

Test(facts_layers, are_summed_one_by_one) {
  add_network();
  cr_assert_eq(facts_layers_init(&layers, &facts, false), 0);
  cr_assert_eq(layers.count, 6);
  expect(0, "blocks.10.act", "blocks.*.act", 22, 2, 22, 1);
  expect(1, "blocks.0.act", "blocks.*.act", 11, 2, 10, 1);
  expect(2, "blocks.0.fc1", "blocks.*.fc1", 7, 1, 0, 1); /* on a tie by name */
  expect(3, "blocks.10.fc1", "blocks.*.fc1", 7, 1, 0, 1);
  expect(4, "", "", 5, 1, 0, 1);
  expect(5, "0", "0", 4, 1, 0, 1);
  facts_layers_fini(&layers);
}

Test(facts_layers, alike_are_taken_together) {
  add_network();
  cr_assert_eq(facts_layers_init(&layers, &facts, true), 0);
  cr_assert_eq(layers.count, 4);
  expect(0, "blocks.0.act", "blocks.*.act", 33, 4, 32, 2);
  expect(1, "blocks.0.fc1", "blocks.*.fc1", 14, 2, 0, 2);
  expect(2, "", "", 5, 1, 0, 1);
  expect(3, "0", "0", 4, 1, 0, 1);
  facts_layers_fini(&layers);
}

/* Only what is a number between dots: fc1 and fc2 are no like layers. */
Test(facts_layers, patterns_take_whole_parts_only) {
  add("fc1.0.1", 1, false);
  add("fc2.0.1x", 2, false);
  add(".3.", 3, false);
  cr_assert_eq(facts_layers_init(&layers, &facts, true), 0);
  expect(0, ".3.", ".*.", 3, 1, 0, 1);
  expect(1, "fc2.0.1x", "fc2.*.1x", 2, 1, 0, 1);
  expect(2, "fc1.0.1", "fc1.*.1", 1, 1, 0, 1);
  facts_layers_fini(&layers);
}

/* What a block saves itself, in blocks.0 and blocks.1, is alike; what a Sequential's members save is not. */
Test(facts_layers, number_at_the_end_counts_if_nothing_is_below) {
  add("blocks.1", 1, false);
  add("blocks.0", 1, false);
  add("blocks.0-x", 5, false);
  add("blocks.0.mlp.1", 10, false);
  add("blocks.1.mlp.1", 10, false);
  add("blocks.1.mlp.2", 30, false);
  add("blocks.11", 4, false);
  cr_assert_eq(facts_layers_init(&layers, &facts, true), 0);
  cr_assert_eq(layers.count, 5);
  expect(0, "blocks.1.mlp.2", "blocks.*.mlp.2", 30, 1, 0, 1);
  expect(1, "blocks.0.mlp.1", "blocks.*.mlp.1", 20, 2, 0, 2);
  expect(2, "blocks.0-x", "blocks.0-x", 5, 1, 0, 1);
  expect(3, "blocks.11", "blocks.11", 4, 1, 0, 1);
  expect(4, "blocks.0", "blocks.*", 2, 2, 0, 2);
  facts_layers_fini(&layers);
}

Test(facts_layers, there_are_none_where_none_was_recorded) {
  add("", 5, false);
  cr_assert_eq(facts_layers_init(&layers, &facts, false), 0);
  cr_assert_eq(layers.count, 0);
  facts_layers_fini(&layers);
  facts.saved_count = 0;
  cr_assert_eq(facts_layers_init(&layers, &facts, true), 0);
  cr_assert_eq(layers.count, 0);
  facts_layers_fini(&layers);
}

/* ---- from the trace ---------------------------------------------------------------------------------------------- */

#define AT(n) (0x100000000u + (uint64_t)(n)*0x100000u)
enum { KIB = 1024 };

static void save_tensor(struct run_builder *run, uint64_t tensor, unsigned n, uint32_t stack, uint32_t layer) {
  struct trace_save save = {.tensor = tensor,
                            .data = AT(n),
                            .bytes = n * 8 * KIB,
                            .elements = n * 2 * KIB,
                            .dtype = 6,
                            .source = TRACE_SOURCE_PROBE,
                            .stack = stack,
                            .layer = layer};
  run_save_dtype(run, &save);
}

static void save(struct run_builder *run, unsigned n, uint32_t stack, uint32_t layer) {
  run_alloc(run, AT(n), n * 8 * KIB, stack);
  save_tensor(run, 0x700 + n, n, stack, layer);
}

static const char *layer_of(const struct facts *made, uint64_t bytes) {
  for (size_t i = 0; i < made->saved_count; i++) {
    if (made->saved[i].bytes == bytes) {
      return made->saved[i].layer;
    }
  }
  cr_assert_fail("no block of %lu bytes", (unsigned long)bytes);
  return NULL;
}

static int64_t number(const char *path, const char *sql) {
  sqlite3 *db;
  sqlite3_stmt *statement;
  cr_assert_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
  cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
  int64_t value = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;
  sqlite3_finalize(statement);
  sqlite3_close(db);
  return value;
}

/* The layer of a block is the one that saved it first, whoever saves it later; the store has it for every step. */
Test(facts_layers, come_from_the_first_save) {
  struct run_builder run;
  run_init(&run);
  uint32_t gelu = run_stack_in_op(&run, RUN_GELU, 2, false), mul = run_stack_in_op(&run, RUN_MUL, 2, false);
  uint32_t act = run_string(&run, "blocks.0.act"), fc = run_string(&run, "blocks.0.fc");
  for (int step = 0; step < 2; step++) {
    save(&run, 1, gelu, act);
    save(&run, 2, mul, fc);
    save(&run, 3, mul, 0);
    save_tensor(&run, 0x900, 1, mul, fc);
    run_backward(&run, true);
    for (unsigned n = 1; n <= 3; n++) {
      run_release(&run, 0x700 + n, 0);
    }
    run_release(&run, 0x900, 0);
    for (unsigned n = 1; n <= 3; n++) {
      run_free(&run, AT(n), 0, true);
    }
    run_backward(&run, false);
  }
  struct facts made = run_facts(&run);
  cr_expect_str_eq(layer_of(&made, 8 * KIB), "blocks.0.act");
  cr_expect_str_eq(layer_of(&made, 16 * KIB), "blocks.0.fc");
  cr_expect_str_eq(layer_of(&made, 24 * KIB), "");

  struct path path = path_join(run.folder, "run.sqlite");
  struct facts back;
  cr_assert_eq(store_write(path.text, &made, NULL), 0);
  cr_assert_eq(store_read(path.text, &back, NULL), 0);
  cr_expect_str_eq(layer_of(&back, 8 * KIB), "blocks.0.act");
  cr_expect_eq(number(path.text, "SELECT bytes FROM saved_by_layer WHERE layer = 'blocks.0.fc'"), 16 * KIB);
  cr_expect_eq(number(path.text, "SELECT count(*) FROM saved_by_layer"), 3);
  cr_expect_eq(number(path.text, "SELECT count(*) FROM saved_block WHERE layer = 'blocks.0.act'"), 2, "both steps");
  facts_fini(&back);
  facts_fini(&made);
  run_fini(&run);
}
