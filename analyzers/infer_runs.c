/* Two walks over the sequence: one finds kinds and runs, one lists the edges of those that recur. */
#include "analyzers/infer_runs.h"

#include "common/error.h"

#include <stdlib.h>

struct turn { /* of a kind, while its runs are found */
  uint32_t last_block, last_place;
  uint32_t run; /* + 1, while frees go on; 0: allocations do */
};

static struct infer_kind *new_kind(struct infer_runs *runs) {
  if (runs->kinds_count == runs->kinds_capacity) {
    size_t larger = runs->kinds_capacity ? runs->kinds_capacity * 2 : 256;
    struct infer_kind *kinds = realloc(runs->kinds, larger * sizeof *kinds);
    if (!kinds) {
      return NULL;
    }
    runs->kinds = kinds;
    runs->kinds_capacity = larger;
  }
  runs->kinds[runs->kinds_count] = (struct infer_kind){0};
  return &runs->kinds[runs->kinds_count++];
}

static int classify(struct infer_runs *runs, const struct infer_sequence *sequence, struct infer_block *block) {
  const uint32_t alloc_stack = infer_alloc_stack(sequence, block), free_stack = infer_free_stack(sequence, block);
  uint64_t *number = map64_put(&runs->by_stacks, ((uint64_t)alloc_stack << 32 | free_stack) + 1);
  if (!number) {
    return ERROR_MEMORY;
  }
  if (!*number) {
    struct infer_kind *kind = new_kind(runs);
    if (!kind) {
      return ERROR_MEMORY;
    }
    kind->alloc_stack = alloc_stack;
    kind->free_stack = free_stack;
    *number = runs->kinds_count;
  }
  block->kind = (uint32_t)*number;
  struct infer_kind *kind = &runs->kinds[block->kind - 1];
  kind->bytes += block->bytes;
  kind->blocks++;
  return 0;
}

static int classify_all(struct infer_runs *runs, const struct infer_sequence *sequence) {
  int rc = 0;
  for (uint32_t i = 0; i < sequence->blocks.count && rc == 0; i++) {
    struct infer_block *block = infer_block_at(sequence, i);
    rc = block->free_at == INFER_NEVER ? 0 : classify(runs, sequence, block);
  }
  return rc;
}

static int on_free(struct infer_runs *runs, struct turn *turn, struct infer_block *block, uint32_t number) {
  if (!turn->run) {
    struct infer_run *run = spill_push(&runs->runs);
    if (!run) {
      return ERROR_MEMORY;
    }
    *run = (struct infer_run){.kind = block->kind - 1, .begin = turn->last_place, .end = block->free_at};
    turn->run = (uint32_t)runs->runs.count;
  }
  struct infer_run *run = infer_run_at(runs, turn->run - 1);
  block->run = turn->run;
  run->blocks++;
  if (number == turn->last_block) {
    run->whole = true;
    infer_kind_of(runs, run)->runs++;
  }
  return 0;
}

static int find(struct infer_runs *runs, const struct infer_sequence *sequence) {
  struct turn *turns = calloc(runs->kinds_count + 1, sizeof *turns);
  int rc = turns ? 0 : ERROR_MEMORY;
  for (uint32_t place = 0; place < infer_places(sequence) && rc == 0; place++) {
    const uint32_t number = infer_event_at(sequence, place)->block;
    struct infer_block *block = infer_block_at(sequence, number);
    if (!block->kind) {
      continue;
    }
    if (block->alloc_at == place) {
      turns[block->kind - 1] = (struct turn){number, place, 0};
    } else {
      rc = on_free(runs, &turns[block->kind - 1], block, number);
    }
  }
  free(turns);
  return rc;
}

static bool makes_edges(const struct infer_runs *runs, const struct infer_run *run) {
  return run->whole && run->end - run->begin > 1 && infer_kind_of(runs, run)->runs >= INFER_RECURS;
}

static int list_edges(struct infer_runs *runs, const struct infer_sequence *sequence) {
  for (uint32_t place = 0; place < infer_places(sequence); place++) {
    const struct infer_block *block = infer_block_of(sequence, place);
    if (!block->run) {
      continue;
    }
    const struct infer_run *run = infer_run_at(runs, block->run - 1);
    if ((place != run->begin && place != run->end) || !makes_edges(runs, run)) {
      continue;
    }
    uint32_t *edge = spill_push(&runs->edges);
    if (!edge) {
      return ERROR_MEMORY;
    }
    *edge = (block->run - 1) * 2 + (place == run->end);
  }
  return 0;
}

int infer_runs_find(struct infer_runs *runs, const struct infer_sequence *sequence) {
  *runs = (struct infer_runs){0};
  int rc = spill_open(&runs->runs, sizeof(struct infer_run));
  rc = rc == 0 ? spill_open(&runs->edges, sizeof(uint32_t)) : rc;
  rc = rc == 0 ? classify_all(runs, sequence) : rc;
  rc = rc == 0 ? find(runs, sequence) : rc;
  return rc == 0 ? list_edges(runs, sequence) : rc;
}

void infer_runs_fini(struct infer_runs *runs) {
  map64_fini(&runs->by_stacks);
  free(runs->kinds);
  spill_fini(&runs->runs);
  spill_fini(&runs->edges);
  *runs = (struct infer_runs){0};
}
