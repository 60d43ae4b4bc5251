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

/* The sums, one by one or with like layers taken together, are these rows: layer, pattern, bytes, blocks, eligible bytes,
 * layers. */
static void expect(bool alike, size_t count, const struct facts_layer rows[]) {
  cr_assert_eq(facts_layers_init(&layers, &facts, alike), 0);
  cr_assert_eq(layers.count, count);
  for (size_t i = 0; i < count; i++) {
    const struct facts_layer *got = &layers.items[i], *row = &rows[i];
    cr_expect_str_eq(got->layer, row->layer);
    cr_expect_str_eq(got->pattern, row->pattern);
    cr_expect_eq(got->bytes, row->bytes, "%s: %lu bytes", row->layer, (unsigned long)got->bytes);
    cr_expect_eq(got->blocks, row->blocks, "%s: %lu blocks", row->layer, (unsigned long)got->blocks);
    cr_expect_eq(got->eligible_bytes, row->eligible_bytes, "%s", row->layer);
    cr_expect_eq(got->layers, row->layers, "%s: %lu layers", row->layer, (unsigned long)got->layers);
  }
  facts_layers_fini(&layers);
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
  static const struct facts_layer rows[] = {
      {"blocks.10.act", "blocks.*.act", 22, 2, 22, 1},
      {"blocks.0.act", "blocks.*.act", 11, 2, 10, 1},
      {"blocks.0.fc1", "blocks.*.fc1", 7, 1, 0, 1}, /* on a tie by name */
      {"blocks.10.fc1", "blocks.*.fc1", 7, 1, 0, 1},
      {"", "", 5, 1, 0, 1},
      {"0", "0", 4, 1, 0, 1},
  };
  expect(false, 6, rows);
}

Test(facts_layers, alike_are_taken_together) {
  add_network();
  static const struct facts_layer rows[] = {
      {"blocks.0.act", "blocks.*.act", 33, 4, 32, 2},
      {"blocks.0.fc1", "blocks.*.fc1", 14, 2, 0, 2},
      {"", "", 5, 1, 0, 1},
      {"0", "0", 4, 1, 0, 1},
  };
  expect(true, 4, rows);
}

/* Only what is a number between dots: fc1 and fc2 are no like layers. */
Test(facts_layers, patterns_take_whole_parts_only) {
  add("fc1.0.1", 1, false);
  add("fc2.0.1x", 2, false);
  add(".3.", 3, false);
  static const struct facts_layer rows[] = {
      {".3.", ".*.", 3, 1, 0, 1},
      {"fc2.0.1x", "fc2.*.1x", 2, 1, 0, 1},
      {"fc1.0.1", "fc1.*.1", 1, 1, 0, 1},
  };
  expect(true, 3, rows);
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
  static const struct facts_layer rows[] = {
      {"blocks.1.mlp.2", "blocks.*.mlp.2", 30, 1, 0, 1},
      {"blocks.0.mlp.1", "blocks.*.mlp.1", 20, 2, 0, 2},
      {"blocks.0-x", "blocks.0-x", 5, 1, 0, 1},
      {"blocks.11", "blocks.11", 4, 1, 0, 1},
      {"blocks.0", "blocks.*", 2, 2, 0, 2},
  };
  expect(true, 5, rows);
}

Test(facts_layers, there_are_none_where_none_was_recorded) {
  add("", 5, false);
  expect(false, 0, NULL);
  facts.saved_count = 0;
  expect(true, 0, NULL);
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
