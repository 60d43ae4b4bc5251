/* Kinds and runs of random sequences, against their definition; and by hand, what a loop makes of them. */
#include "analyzers/infer_runs.h"
#include "tests/analyzers/sequence_builder.h"

#include <criterion/criterion.h>
#include <string.h>

static struct sequence_builder builder;
static struct infer_runs runs;

static void set_up(void) {
  sequence_init(&builder);
}

static void tear_down(void) {
  infer_runs_fini(&runs);
  sequence_fini(&builder);
}

TestSuite(infer_runs, .init = set_up, .fini = tear_down);

/* The last event before (or first after) a place of the block's kind; *is_free tells what it is. INFER_NEVER: none. */
static uint32_t neighbour(uint32_t place, uint32_t kind, int step, bool *is_free) {
  for (int64_t at = (int64_t)place + step; at >= 0 && at < infer_places(&builder.sequence); at += step) {
    const struct infer_block *block = infer_block_of(&builder.sequence, (uint32_t)at);
    if (block->kind == kind) {
      *is_free = block->free_at == at;
      return (uint32_t)at;
    }
  }
  return INFER_NEVER;
}

/* A run ends at a free before which its kind allocated: it begins there. */
static void check_run(uint32_t end, const struct infer_block *first) {
  const struct infer_run *run = infer_run_at(&runs, first->run - 1);
  bool is_free = false, whole = false;
  uint32_t begin = neighbour(end, first->kind, -1, &is_free), blocks = 0;
  cr_assert(!is_free && begin != INFER_NEVER);
  is_free = true;
  for (uint32_t at = end; is_free && at != INFER_NEVER; at = neighbour(at, first->kind, 1, &is_free)) {
    const struct infer_block *block = infer_block_of(&builder.sequence, at);
    cr_assert_eq(block->run, first->run);
    whole |= block->alloc_at == begin;
    blocks++;
  }
  cr_assert(run->begin == begin && run->end == end && run->kind == first->kind - 1);
  cr_assert(run->blocks == blocks && run->whole == whole);
}

static void check_kind(uint32_t kind) {
  uint64_t bytes = 0;
  uint32_t blocks = 0, whole = 0;
  for (uint32_t i = 0; i < builder.sequence.blocks.count; i++) {
    const struct infer_block *block = infer_block_at(&builder.sequence, i);
    if (block->kind == kind + 1) {
      bytes += block->bytes;
      blocks++;
      cr_assert_eq(infer_alloc_stack(&builder.sequence, block), runs.kinds[kind].alloc_stack);
      cr_assert_eq(infer_free_stack(&builder.sequence, block), runs.kinds[kind].free_stack);
    }
  }
  for (uint32_t i = 0; i < runs.runs.count; i++) {
    whole += infer_run_at(&runs, i)->kind == kind && infer_run_at(&runs, i)->whole;
  }
  cr_assert(runs.kinds[kind].bytes == bytes && runs.kinds[kind].blocks == blocks && runs.kinds[kind].runs == whole);
}

static size_t count_edges(void) {
  size_t count = 0;
  for (uint32_t i = 0; i < runs.runs.count; i++) {
    const struct infer_run *run = infer_run_at(&runs, i);
    count += run->whole && run->end > run->begin + 1 && runs.kinds[run->kind].runs >= INFER_RECURS ? 2 : 0;
  }
  return count;
}

static uint32_t place_of_edge(size_t index) {
  const uint32_t edge = *(const uint32_t *)spill_at(&runs.edges, index);
  const struct infer_run *run = infer_run_at(&runs, edge / 2);
  return edge % 2 ? run->end : run->begin;
}

Test(infer_runs, random_sequences) {
  for (unsigned seed = 0; seed < 40; seed++) {
    sequence_random(&builder, seed, 20 + seed * 5, 1 + seed % 4);
    cr_assert_eq(infer_runs_find(&runs, &builder.sequence), 0);
    for (uint32_t at = 0; at < infer_places(&builder.sequence); at++) {
      const struct infer_block *block = infer_block_of(&builder.sequence, at);
      cr_assert_eq(block->kind != 0, block->free_at != INFER_NEVER);
      if (block->free_at == at && infer_run_at(&runs, block->run - 1)->end == at) {
        check_run(at, block);
      }
    }
    for (uint32_t kind = 0; kind < runs.kinds_count; kind++) {
      check_kind(kind);
    }
    cr_assert_eq(runs.edges.count, count_edges());
    for (size_t i = 1; i < runs.edges.count; i++) {
      cr_assert_lt(place_of_edge(i - 1), place_of_edge(i));
    }
    infer_runs_fini(&runs);
    sequence_fini(&builder);
    sequence_init(&builder);
  }
}

/* Three layers a step: one run over the turning point, however many layers. */
Test(infer_runs, layers_make_one_run) {
  uint32_t layers[3];
  for (int step = 0; step < 3; step++) {
    for (int i = 0; i < 3; i++) {
      layers[i] = sequence_alloc(&builder, 100, 1);
    }
    for (int i = 2; i >= 0; i--) {
      sequence_free(&builder, sequence_alloc(&builder, 10, 3), 4);
      sequence_free(&builder, layers[i], 2);
    }
  }
  cr_assert_eq(infer_runs_find(&runs, &builder.sequence), 0);
  cr_assert_eq(runs.kinds_count, 2);
  cr_expect_eq(runs.kinds[0].runs, 3);
  cr_expect_eq(runs.kinds[1].runs, 9);
  cr_expect_eq(runs.edges.count, 6, "a temporary's two events lie side by side: nothing is between them");
}

Test(infer_runs, what_does_not_recur_has_no_edges) {
  for (int step = 0; step < INFER_RECURS - 1; step++) {
    const uint32_t outer = sequence_alloc(&builder, 100, 1);
    sequence_alloc(&builder, 10, 3);
    sequence_free(&builder, outer, 2);
  }
  cr_assert_eq(infer_runs_find(&runs, &builder.sequence), 0);
  cr_expect_eq(runs.edges.count, 0);
}

Test(infer_runs, nothing) {
  cr_assert_eq(infer_runs_find(&runs, &builder.sequence), 0);
  cr_expect(runs.kinds_count == 0 && runs.edges.count == 0);
}
