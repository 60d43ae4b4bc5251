/* Pieces of arenas: what they are at the peak, and what the peak would be with the arena carved smaller. All figures are
 * sums of the sizes below. */
#include "analyzers/analyze.h"
#include "analyzers/projection.h"
#include "analyzers/store.h"
#include "tests/analyzers/run_builder.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <string.h>

enum { KIB = 1024, ARENA = 1024 * KIB, PARAMETERS = 300 * KIB };
enum { GELU_A = 256 * KIB, GELU_B = 128 * KIB, SILU = 64 * KIB, LINEAR = 200 * KIB, PIECES = 4 };
#define AT_PARAMETERS UINT64_C(0x10000000)
#define AT_ARENA UINT64_C(0x20000000)
#define AT_OTHER UINT64_C(0x40000000)

static struct run_builder run;
static struct facts facts;
static uint32_t stack, names[PIECES], ops[3];

static const uint64_t sizes[PIECES] = {GELU_A, GELU_B, SILU, LINEAR};
static const char *const piece_names[PIECES] = {"a.sum", "b.sum", "c.sum", "x"};
static const unsigned op_of[PIECES] = {0, 0, 1, 2};

static void setup(void) {
  run_init(&run);
  stack = run_stack_outside(&run, 1);
  ops[0] = run_string(&run, "gelu");
  ops[1] = run_string(&run, "silu");
  ops[2] = run_string(&run, "addmm");
  for (int i = 0; i < PIECES; i++) {
    names[i] = run_string(&run, piece_names[i]);
  }
}

static void teardown(void) {
  facts_fini(&facts);
  run_fini(&run);
}

TestSuite(arenas, .init = setup, .fini = teardown);

static uint64_t place(uint64_t arena, int piece) {
  for (int i = 0; i < piece; i++) {
    arena += sizes[i];
  }
  return arena;
}

static void carve(uint64_t arena) {
  for (int i = 0; i < PIECES; i++) {
    run_region(&run, place(arena, i), sizes[i], names[i], ops[op_of[i]]);
  }
}

static void arena_new(uint64_t arena) {
  run_alloc(&run, arena, ARENA, stack);
  carve(arena);
}

/* A step that saves all pieces and releases them, but those behind `released`. */
static void step(uint64_t arena, int released) {
  run_mark_step(&run);
  run_mark_phase(&run, TRACE_PHASE_FORWARD, true);
  for (int i = 0; i < PIECES; i++) {
    run_mark_save(&run, place(arena, i), sizes[i], 0);
  }
  run_mark_phase(&run, TRACE_PHASE_BACKWARD, true);
  for (int i = released; i-- > 0;) {
    run_mark_release(&run, place(arena, i));
  }
  run_mark_phase(&run, TRACE_PHASE_BACKWARD, false);
}

static uint64_t codes(uint64_t bytes, unsigned bits) {
  return bytes / 4 * bits / 8;
}

static void expect_projected(unsigned bits, uint64_t peak) {
  cr_expect_eq(facts.projections[bits - 1].peak_bytes, peak, "%u bits: %lu instead of %lu", bits,
               (unsigned long)facts.projections[bits - 1].peak_bytes, (unsigned long)peak);
}

/* ---- at the peak -------------------------------------------------------------------------------------------------- */

/* The peak lies before the first step: the arena is there, nothing is saved yet. Its pieces count all the same. */
Test(arenas, pieces_count_while_their_arena_lives) {
  run_alloc(&run, AT_PARAMETERS, PARAMETERS, stack);
  run_resident(&run, AT_PARAMETERS, TRACE_ROLE_PARAMETER, true);
  arena_new(AT_ARENA);
  for (int i = 0; i < 3; i++) {
    step(AT_ARENA, PIECES);
  }
  facts = run_facts(&run);
  const uint64_t pieces = GELU_A + GELU_B + SILU + LINEAR;
  cr_expect_eq(facts.peak.bytes, ARENA + PARAMETERS);
  cr_expect_eq(facts.peak.step, -1);
  cr_expect_eq(facts.categories[CATEGORY_SAVED_ACTIVATION], pieces);
  cr_expect_eq(facts.categories[CATEGORY_PARAMETER], PARAMETERS);
  cr_expect_eq(facts.categories[CATEGORY_OTHER], ARENA - pieces);
  cr_expect_eq(facts.steps_count, 3);
  cr_expect_eq(facts.saved_bytes, pieces);
  cr_expect_eq(facts.saved_count, PIECES);
  for (size_t i = 0; i < facts.saved_count; i++) {
    cr_expect(facts.saved[i].in_arena);
  }
  cr_expect_str_eq(facts.saved[0].name, "a.sum");
  cr_expect_str_eq(facts.saved[0].layer, "a.sum", "no scope: the name tells where it belongs");
  cr_expect_str_eq(facts.saved[0].op, "gelu");
}

/* The first piece begins where the arena does: the two are told apart. */
Test(arenas, what_lies_beside_the_pieces_is_the_arenas) {
  arena_new(AT_ARENA);
  run_mark_step(&run);
  run_mark_save(&run, AT_ARENA, GELU_A, 0);
  run_mark_save(&run, AT_ARENA + ARENA - 4 * KIB, 4 * KIB, ops[2]);
  run_mark_phase(&run, TRACE_PHASE_BACKWARD, true);
  run_mark_release(&run, AT_ARENA);
  run_mark_release(&run, AT_ARENA + ARENA - 4 * KIB);
  run_mark_phase(&run, TRACE_PHASE_BACKWARD, false);
  facts = run_facts(&run);
  cr_assert_eq(facts.saved_count, 2);
  cr_expect_eq(facts.saved[0].bytes, ARENA - (GELU_A + GELU_B + SILU + LINEAR));
  cr_expect(!facts.saved[0].in_arena);
  cr_expect_eq(facts.saved[1].bytes, GELU_A);
}

Test(arenas, parameters_may_be_pieces) {
  arena_new(AT_ARENA);
  run_resident(&run, place(AT_ARENA, 3), TRACE_ROLE_PARAMETER, true);
  step(AT_ARENA, PIECES);
  facts = run_facts(&run);
  cr_expect_eq(facts.categories[CATEGORY_PARAMETER], LINEAR);
  cr_expect_eq(facts.categories[CATEGORY_SAVED_ACTIVATION], GELU_A + GELU_B + SILU);
  cr_expect_eq(facts.saved_bytes, GELU_A + GELU_B + SILU);
}

/* ---- with codes --------------------------------------------------------------------------------------------------- */

/* Codes in place of the three, and room for the largest. */
Test(arenas, the_arena_is_carved_smaller) {
  arena_new(AT_ARENA);
  step(AT_ARENA, PIECES);
  step(AT_ARENA, PIECES);
  facts = run_facts(&run);
  const uint64_t pieces = GELU_A + GELU_B + SILU;
  for (unsigned bits = 1; bits <= 4; bits++) {
    expect_projected(bits, ARENA - pieces + codes(pieces, bits) + GELU_A);
  }
  cr_expect_eq(facts.projections[2].eligible_bytes, pieces);
  cr_expect_eq(facts.projections[2].code_bytes, codes(pieces, 3));
  cr_expect_eq(facts.replaceables_count, 3, "one a piece, not one a step");
}

Test(arenas, room_is_that_of_the_chosen_functions) {
  struct facts_projection projection;
  arena_new(AT_ARENA);
  step(AT_ARENA, PIECES);
  facts = run_facts(&run);
  cr_assert_eq(projection_compute(&facts, 2, (const char *const[]){"gelu"}, 1, &projection), 0);
  cr_expect_eq(projection.peak_bytes, ARENA - GELU_B + codes(GELU_A + GELU_B, 2));
  cr_assert_eq(projection_compute(&facts, 2, (const char *const[]){"silu"}, 1, &projection), 0);
  cr_expect_eq(projection.peak_bytes, ARENA + codes(SILU, 2), "a single piece needs its room: codes come on top");
}

/* Nothing of an arena is freed by a release, so that it need not be told. */
Test(arenas, releases_may_be_left_out) {
  arena_new(AT_ARENA);
  step(AT_ARENA, 0);
  step(AT_ARENA, 1);
  step(AT_ARENA, 0);
  run_free(&run, AT_ARENA, stack, false);
  facts = run_facts(&run);
  cr_expect_eq(facts.steps_count, 3);
  for (size_t i = 0; i < facts.steps_count; i++) {
    cr_expect_eq(facts.steps[i].saved_bytes, GELU_A + GELU_B + SILU + LINEAR, "step %zu", i);
  }
  expect_projected(4, ARENA - GELU_B - SILU + codes(GELU_A + GELU_B + SILU, 4));
}

/* Held by a second op in one of the steps: then it stays in all of them. */
Test(arenas, a_piece_that_is_shared_once_stays) {
  arena_new(AT_ARENA);
  step(AT_ARENA, PIECES);
  run_mark_step(&run);
  run_mark_save(&run, AT_ARENA, GELU_A, 0);
  run_save_tensor(&run, 0x777, AT_ARENA, GELU_A, run_stack_in_op(&run, RUN_MUL, 2, false));
  run_mark_save(&run, place(AT_ARENA, 1), GELU_B, 0);
  run_mark_phase(&run, TRACE_PHASE_BACKWARD, true);
  run_mark_phase(&run, TRACE_PHASE_BACKWARD, false);
  facts = run_facts(&run);
  expect_projected(3, ARENA - SILU + codes(GELU_B + SILU, 3));
}

/* ---- where the arena lies in time ----------------------------------------------------------------------------------- */

/* Higher, for a moment, before the arena was there, within one segment of the timeline: that moment stays. */
Test(arenas, what_was_before_the_arena_stays) {
  run_alloc(&run, AT_OTHER, ARENA - 100 * KIB, stack);
  run_free(&run, AT_OTHER, stack, false);
  arena_new(AT_ARENA);
  step(AT_ARENA, PIECES);
  facts = run_facts(&run);
  cr_expect_eq(facts.peak.bytes, ARENA);
  expect_projected(1, ARENA - 100 * KIB);
}

Test(arenas, a_peak_before_the_arena_is_not_lowered) {
  run_alloc(&run, AT_OTHER, 3 * ARENA, stack);
  run_free(&run, AT_OTHER, stack, false);
  arena_new(AT_ARENA);
  step(AT_ARENA, PIECES);
  facts = run_facts(&run);
  expect_projected(1, 3 * ARENA);
}

Test(arenas, a_peak_behind_the_arena_is_not_lowered) {
  arena_new(AT_ARENA);
  step(AT_ARENA, PIECES);
  run_free(&run, AT_ARENA, stack, false);
  run_alloc(&run, AT_OTHER, 2 * ARENA, stack);
  facts = run_facts(&run);
  expect_projected(1, 2 * ARENA);
  cr_expect_eq(facts.categories[CATEGORY_SAVED_ACTIVATION], 0);
}

/* A new arena in each step, at one address; and two that live at the same time, which have a room each. */
Test(arenas, several) {
  for (int i = 0; i < 3; i++) {
    arena_new(AT_ARENA);
    step(AT_ARENA, PIECES);
    run_free(&run, AT_ARENA, stack, false);
  }
  arena_new(AT_ARENA);
  arena_new(AT_OTHER);
  step(AT_ARENA, PIECES);
  step(AT_OTHER, PIECES);
  facts = run_facts(&run);
  cr_expect_eq(facts.replaceables_count, 3 * 5);
  expect_projected(2, 2 * (ARENA - GELU_B - SILU + codes(GELU_A + GELU_B + SILU, 2)));
}

/* Carved for a smaller batch after the first step: the arena has to be as large as the largest needs. */
Test(arenas, the_fullest_carving_counts) {
  arena_new(AT_ARENA);
  step(AT_ARENA, PIECES);
  for (int i = 0; i < 2; i++) {
    run_region(&run, AT_ARENA, 10 * KIB, names[0], ops[0]);
    run_region(&run, AT_ARENA + 10 * KIB, 20 * KIB, names[1], ops[2]);
    run_mark_step(&run);
    run_mark_save(&run, AT_ARENA, 10 * KIB, 0);
    run_mark_save(&run, AT_ARENA + 10 * KIB, 20 * KIB, 0);
    run_mark_phase(&run, TRACE_PHASE_BACKWARD, true);
    run_mark_phase(&run, TRACE_PHASE_BACKWARD, false);
  }
  facts = run_facts(&run);
  cr_expect_eq(facts.steps[2].saved_bytes, 30 * KIB);
  cr_expect_eq(facts.categories[CATEGORY_SAVED_ACTIVATION], GELU_A + GELU_B + SILU + LINEAR);
  expect_projected(3, ARENA - GELU_B - SILU + codes(GELU_A + GELU_B + SILU, 3));
}

/* ---- where there is none ------------------------------------------------------------------------------------------- */

Test(arenas, marks_beside_the_heap_are_counted_as_such) {
  run_alloc(&run, AT_ARENA, ARENA, stack);
  run_region(&run, AT_OTHER, 100, names[0], ops[0]);
  run_mark_save(&run, AT_OTHER, 4096, ops[0]);
  run_mark_release(&run, AT_OTHER);
  run_mark_save(&run, AT_OTHER, 4092, ops[0]); /* most likely in a block that is not recorded by itself */
  run_region_end(&run, AT_OTHER);
  run_region_end(&run, AT_ARENA);
  facts = run_facts(&run);
  cr_expect_eq(facts.run.stray_marks, 2);
  cr_expect_eq(facts.saved_count, 0);
  cr_expect_eq(facts.replaceables_count, 0);
}

/* ---- more elements than there are ---------------------------------------------------------------------------------- */

/* A step that saves these bytes, behind an offset of a block of ARENA bytes, for GELU; its elements as the facts have them. */
static uint64_t elements_of_save(uint64_t offset, uint64_t bytes) {
  run_alloc(&run, AT_ARENA, ARENA, stack);
  run_mark_step(&run);
  run_mark_phase(&run, TRACE_PHASE_FORWARD, true);
  run_mark_save(&run, AT_ARENA + offset, bytes, ops[0]);
  run_mark_phase(&run, TRACE_PHASE_BACKWARD, true);
  run_mark_release(&run, AT_ARENA + offset);
  run_free(&run, AT_ARENA, stack, false);
  run_mark_phase(&run, TRACE_PHASE_BACKWARD, false);
  facts = run_facts(&run);
  cr_assert_eq(facts.saved_count, 1);
  cr_expect_eq(facts.saved[0].bytes, ARENA);
  return facts.saved[0].elements;
}

Test(arenas, a_save_that_fits) {
  cr_expect_eq(elements_of_save(0, ARENA), ARENA / 4);
  cr_expect_eq(facts.run.oversized_marks, 0);
}

Test(arenas, a_save_of_bytes_for_elements_ends_with_its_block) {
  cr_expect_eq(elements_of_save(0, 4 * ARENA), ARENA / 4);
  cr_expect_eq(facts.run.oversized_marks, 1);
}

Test(arenas, a_save_ends_with_its_block_from_its_own_address_on) {
  cr_expect_eq(elements_of_save(1024, ARENA), (ARENA - 1024) / 4);
  cr_expect_eq(facts.run.oversized_marks, 1);
}

Test(arenas, a_save_ends_with_its_region) {
  arena_new(AT_ARENA);
  run_mark_step(&run);
  run_mark_save(&run, AT_ARENA, GELU_A + 4, 0);
  run_mark_phase(&run, TRACE_PHASE_BACKWARD, true);
  run_mark_phase(&run, TRACE_PHASE_BACKWARD, false);
  facts = run_facts(&run);
  cr_assert_eq(facts.saved_count, 1);
  cr_expect_eq(facts.saved[0].elements, GELU_A / 4);
  cr_expect_eq(facts.run.oversized_marks, 1);
}

/* An expanded view of PyTorch: more elements than its storage holds. */
Test(arenas, tensors_of_a_probe_are_not_cut_off) {
  const struct trace_save save = {.tensor = 1,
                                  .data = AT_ARENA,
                                  .bytes = ARENA,
                                  .elements = ARENA,
                                  .dtype = 6,
                                  .source = TRACE_SOURCE_PROBE,
                                  .op = ops[0]};
  run_alloc(&run, AT_ARENA, ARENA, stack);
  run_save_dtype(&run, &save);
  run_mark_phase(&run, TRACE_PHASE_BACKWARD, true);
  run_mark_phase(&run, TRACE_PHASE_BACKWARD, false);
  facts = run_facts(&run);
  cr_assert_eq(facts.saved_count, 1);
  cr_expect_eq(facts.saved[0].elements, ARENA);
  cr_expect_eq(facts.run.oversized_marks, 0);
}

/* All of it comes back from a store. */
Test(arenas, a_store_keeps_them) {
  struct facts stored = {0};
  struct facts_projection a, b;
  struct error err = {""};
  struct path path = path_join(run.folder, "run.sqlite");
  arena_new(AT_ARENA);
  step(AT_ARENA, PIECES);
  facts = run_facts(&run);
  cr_assert_eq(store_write(path.text, &facts, &err), 0, "%s", err.message);
  cr_assert_eq(store_read(path.text, &stored, &err), 0, "%s", err.message);
  cr_assert_eq(stored.saved_count, PIECES);
  for (int i = 0; i < PIECES; i++) {
    cr_expect_str_eq(stored.saved[i].name, facts.saved[i].name);
    cr_expect(stored.saved[i].in_arena);
  }
  for (unsigned bits = 1; bits <= PROJECTION_BITS_MAX; bits++) {
    cr_assert_eq(projection_compute(&facts, bits, NULL, 0, &a), 0);
    cr_assert_eq(projection_compute(&stored, bits, NULL, 0, &b), 0);
    cr_expect_eq(a.peak_bytes, b.peak_bytes);
  }
  facts_fini(&stored);
}
