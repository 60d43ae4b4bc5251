/* In rounds: where does the curve of what is not explained yet turn, what lies over its turning points, and which of these
 * recur? What recurs and is not a loop's saved set (gradients that wait for the update, temporaries, data structures that are
 * torn down) is dropped, and the next round sees what lay below it. */
#include "analyzers/infer_patterns.h"

#include "analyzers/infer_climb.h"
#include "analyzers/infer_order.h"
#include "common/error.h"

#include <stdlib.h>
#include <string.h>

enum { ROUNDS_MAX = 8, SHAPES_MAX = 32 };

struct part { /* of what lies over a turning point: blocks of a kind */
  uint32_t kind, blocks;
};

struct shape { /* turning points with the same runs over them */
  uint64_t times, seen, level;
  uint32_t place;     /* of one of them */
  struct part *parts; /* by kind: the heaviest nested set of what lies there */
  size_t parts_count;
  uint32_t *runs; /* and its runs */
  size_t runs_count;
  bool grouped;
};

struct round {
  struct infer_runs *runs;
  const struct infer_sequence *sequence;
  struct infer_frames *frames;
  struct shape shapes[SHAPES_MAX];
  size_t shapes_count;
};

/* ---- turning points by their shapes --------------------------------------------------------------------------------- */

static int by_weight(const void *a, const void *b) {
  const struct shape *x = a, *y = b;
  const double p = (double)x->times * (double)x->level, q = (double)y->times * (double)y->level;
  return p != q ? (p < q) - (p > q) : (x->place > y->place) - (x->place < y->place);
}

static int by_place(const void *a, const void *b) {
  const struct shape *x = a, *y = b;
  return (x->place > y->place) - (x->place < y->place);
}

static int by_times(const void *a, const void *b) {
  const struct shape *x = a, *y = b;
  return x->times != y->times ? (x->times < y->times) - (x->times > y->times) : by_weight(a, b);
}

static uint64_t key_of(const struct infer_turn *turn) {
  return turn->hash ? turn->hash : 1;
}

/* A shape goes by one in the middle of its turning points: the first take longer than the rest. */
static void choose_places(const struct spill *turns, const struct map64 *by_hash, struct shape *shapes) {
  for (size_t i = 0; i < turns->count; i++) {
    const struct infer_turn *turn = spill_at(turns, i);
    struct shape *shape = &shapes[*map64_find(by_hash, key_of(turn)) - 1];
    if (shape->seen++ == shape->times / 2) {
      shape->place = turn->place;
    }
  }
}

/* All shapes there are, as an array that the caller frees. */
static int count_shapes(const struct spill *turns, struct shape **shapes, size_t *count) {
  struct map64 by_hash = {0};
  *count = 0;
  *shapes = calloc(turns->count + 1, sizeof **shapes);
  int rc = *shapes ? 0 : ERROR_MEMORY;
  for (size_t i = 0; i < turns->count && rc == 0; i++) {
    const struct infer_turn *turn = spill_at(turns, i);
    uint64_t *number = map64_put(&by_hash, key_of(turn));
    if (!number) {
      rc = ERROR_MEMORY;
      break;
    }
    if (!*number) {
      (*shapes)[*count] = (struct shape){.level = turn->level};
      *number = ++*count;
    }
    (*shapes)[*number - 1].times++;
  }
  if (rc == 0) {
    choose_places(turns, &by_hash, *shapes);
  }
  map64_fini(&by_hash);
  return rc;
}

static int list_shapes(struct round *round, uint64_t threshold) {
  struct spill turns = {0};
  struct shape *all = NULL;
  size_t count = 0;
  int rc = spill_open(&turns, sizeof(struct infer_turn));
  rc = rc == 0 ? infer_climb_turns(round->runs, 0, threshold, &turns) : rc;
  rc = rc == 0 ? count_shapes(&turns, &all, &count) : rc;
  if (rc == 0 && count) {
    qsort(all, count, sizeof *all, by_weight);
    round->shapes_count = count < SHAPES_MAX ? count : SHAPES_MAX;
    memcpy(round->shapes, all, round->shapes_count * sizeof *all);
    qsort(round->shapes, round->shapes_count, sizeof *round->shapes, by_place);
  }
  free(all);
  spill_fini(&turns);
  return rc;
}

static int by_kind(const void *a, const void *b) {
  const struct part *x = a, *y = b;
  return (x->kind > y->kind) - (x->kind < y->kind);
}

/* Sums up the parts of each kind. */
static void merge_parts(struct shape *shape) {
  size_t kept = 0;
  if (!shape->parts) {
    return;
  }
  qsort(shape->parts, shape->parts_count, sizeof *shape->parts, by_kind);
  for (size_t i = 0; i < shape->parts_count; i++) {
    if (kept && shape->parts[kept - 1].kind == shape->parts[i].kind) {
      shape->parts[kept - 1].blocks += shape->parts[i].blocks;
    } else {
      shape->parts[kept++] = shape->parts[i];
    }
  }
  shape->parts_count = kept;
}

static int by_begin(const void *a, const void *b, void *context) {
  const struct infer_runs *runs = context;
  const struct infer_run *x = infer_run_at(runs, *(const uint32_t *)a), *y = infer_run_at(runs, *(const uint32_t *)b);
  return (x->begin > y->begin) - (x->begin < y->begin);
}

/* Fills in a shape from the runs over its place. */
static int fill_shape(void *context, size_t index, const uint32_t *over, size_t count) {
  struct round *round = context;
  struct shape *shape = &round->shapes[index];
  struct infer_span *spans = calloc(count + 1, sizeof *spans);
  uint64_t weight;
  shape->parts = calloc(count + 1, sizeof *shape->parts);
  shape->runs = calloc(count + 1, sizeof *shape->runs);
  int rc = spans && shape->parts && shape->runs ? 0 : ERROR_MEMORY;
  if (rc == 0 && count) {
    memcpy(shape->runs, over, count * sizeof *over);
    qsort_r(shape->runs, count, sizeof *shape->runs, by_begin, round->runs);
    for (size_t i = 0; i < count; i++) {
      const struct infer_run *run = infer_run_at(round->runs, shape->runs[i]);
      spans[i] = (struct infer_span){run->begin, run->end, infer_run_weight(round->runs, run), false, false};
    }
    rc = infer_order_nested(spans, count, &weight);
  }
  for (size_t i = 0; i < count && rc == 0; i++) {
    if (spans[i].kept) {
      const struct infer_run *run = infer_run_at(round->runs, shape->runs[i]);
      shape->parts[shape->parts_count++] = (struct part){run->kind, run->blocks};
      shape->runs[shape->runs_count++] = shape->runs[i];
    }
  }
  free(spans);
  merge_parts(shape);
  return rc;
}

static int fill_shapes(struct round *round) {
  uint32_t places[SHAPES_MAX];
  for (size_t i = 0; i < round->shapes_count; i++) {
    places[i] = round->shapes[i].place;
  }
  return infer_climb_over(round->runs, 0, places, round->shapes_count, fill_shape, round);
}

static void forget_shapes(struct round *round) {
  for (size_t i = 0; i < round->shapes_count; i++) {
    free(round->shapes[i].parts);
    free(round->shapes[i].runs);
  }
  round->shapes_count = 0;
}

static uint64_t part_bytes(const struct round *round, uint32_t kind, uint32_t blocks) {
  return round->runs->kinds[kind].bytes / round->runs->kinds[kind].blocks * blocks;
}

static struct part part_at(const struct shape *shape, size_t index) {
  return index < shape->parts_count ? shape->parts[index] : (struct part){UINT32_MAX, 0};
}

/* Bytes that both have, to those that either has. */
static double alike(const struct round *round, const struct shape *a, const struct shape *b) {
  uint64_t both = 0, either = 0;
  for (size_t i = 0, j = 0; i < a->parts_count || j < b->parts_count;) {
    const struct part x = part_at(a, i), y = part_at(b, j);
    const uint32_t kind = x.kind < y.kind ? x.kind : y.kind;
    const uint32_t p = x.kind == kind ? x.blocks : 0, q = y.kind == kind ? y.blocks : 0;
    both += part_bytes(round, kind, p < q ? p : q);
    either += part_bytes(round, kind, p < q ? q : p);
    i += x.kind == kind;
    j += y.kind == kind;
  }
  return either ? (double)both / (double)either : 0;
}

/* ---- is it a loop's saved set? --------------------------------------------------------------------------------------- */

struct candidate {
  const struct shape *shape;
  uint64_t times;
  uint32_t *blocks; /* of the chosen runs, in the order in which they are freed */
  size_t count;
};

static bool is_own(const struct round *round, const struct candidate *candidate, uint32_t kind) {
  return round->runs->kinds[kind].runs <= candidate->times + candidate->times / 2;
}

/* Chooses the runs of kinds that do not recur more often than the shape: others belong to a shorter loop within. */
static size_t choose_runs(const struct round *round, const struct candidate *candidate) {
  size_t blocks = 0;
  for (size_t i = 0; i < candidate->shape->runs_count; i++) {
    struct infer_run *run = infer_run_at(round->runs, candidate->shape->runs[i]);
    run->chosen = is_own(round, candidate, run->kind);
    blocks += run->chosen ? run->blocks : 0;
  }
  return blocks;
}

static int collect_blocks(const struct round *round, struct candidate *candidate, size_t count) {
  candidate->blocks = calloc(count + 1, sizeof *candidate->blocks);
  if (!candidate->blocks) {
    return ERROR_MEMORY;
  }
  for (uint32_t at = candidate->shape->place; at < infer_places(round->sequence) && candidate->count < count; at++) {
    const struct infer_block *block = infer_block_of(round->sequence, at);
    if (block->free_at == at && block->run && infer_run_at(round->runs, block->run - 1)->chosen) {
      candidate->blocks[candidate->count++] = infer_event_at(round->sequence, at)->block;
    }
  }
  return 0;
}

static const struct infer_block *block_of(const struct round *round, const struct candidate *candidate, size_t index) {
  return infer_block_at(round->sequence, candidate->blocks[index]);
}

static int compare_u64(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

/* The time in which the middle half of these moments pass. */
static uint64_t middle_half(uint64_t *times, size_t count) {
  qsort(times, count, sizeof *times, compare_u64);
  return times[count - 1 - count / 4] - times[count / 4];
}

/* How long the way down takes, to the way up. A backward pass computes as much as a forward pass; where things are only let
 * go of, one free follows the other at once. */
static int work_on_the_way_down(const struct round *round, const struct candidate *candidate, double *work) {
  uint64_t *times = calloc(candidate->count + 1, sizeof *times);
  if (!times) {
    return ERROR_MEMORY;
  }
  for (size_t i = 0; i < candidate->count; i++) {
    times[i] = infer_time_ns(round->sequence, block_of(round, candidate, i)->alloc_at);
  }
  const uint64_t up = middle_half(times, candidate->count);
  for (size_t i = 0; i < candidate->count; i++) {
    times[i] = infer_time_ns(round->sequence, block_of(round, candidate, i)->free_at);
  }
  const uint64_t down = middle_half(times, candidate->count);
  free(times);
  *work = (double)down / (double)(up ? up : 1);
  return 0;
}

static uint64_t bytes_of(const struct round *round, const struct candidate *candidate) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < candidate->count; i++) {
    bytes += block_of(round, candidate, i)->bytes;
  }
  return bytes;
}

/* Counts the sizes allocated after the last of the blocks and before the last of them is freed. */
static int count_sizes_below(const struct round *round, const struct candidate *candidate, struct map64 *sizes) {
  uint32_t from = 0;
  for (size_t i = 0; i < candidate->count; i++) {
    const uint32_t at = block_of(round, candidate, i)->alloc_at;
    from = at > from ? at : from;
  }
  const uint32_t to = block_of(round, candidate, candidate->count - 1)->free_at;
  for (uint32_t at = from + 1; at < to; at++) {
    const struct infer_block *block = infer_block_of(round->sequence, at);
    if (block->alloc_at != at || !block->bytes) {
      continue;
    }
    uint64_t *count = map64_put(sizes, block->bytes);
    if (!count) {
      return ERROR_MEMORY;
    }
    ++*count;
  }
  return 0;
}

static int echo_of(const struct round *round, const struct candidate *candidate, double *echo) {
  struct map64 sizes = {0};
  uint64_t echoed = 0, bytes = bytes_of(round, candidate);
  const int rc = count_sizes_below(round, candidate, &sizes);
  for (size_t i = 0; i < candidate->count && rc == 0; i++) {
    uint64_t *left = map64_find(&sizes, block_of(round, candidate, i)->bytes);
    if (left && *left) {
      --*left;
      echoed += block_of(round, candidate, i)->bytes;
    }
  }
  map64_fini(&sizes);
  *echo = bytes ? (double)echoed / (double)bytes : 0;
  return rc;
}

/* Share of the bytes that are allocated in a forward pass and freed by functions of a backward pass, as they are named. */
static double named_of(const struct round *round, const struct candidate *candidate) {
  uint64_t named = 0, bytes = bytes_of(round, candidate);
  for (size_t i = 0; i < candidate->count; i++) {
    const struct infer_block *block = block_of(round, candidate, i);
    const uint32_t alloc_stack = infer_alloc_stack(round->sequence, block);
    const bool forward =
        !infer_frames_backward(round->frames, alloc_stack) || infer_frames_recomputes(round->frames, alloc_stack);
    const bool saved = forward && infer_frames_backward(round->frames, infer_free_stack(round->sequence, block));
    named += saved ? block->bytes : 0;
  }
  return bytes ? (double)named / (double)bytes : 0;
}

static int by_alloc(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b; /* blocks are numbered by their allocation */
  return (x > y) - (x < y);
}

/* Do calls nest ever deeper on the way up? Then the blocks belong to functions that wait for each other, and are let go of as
 * these return. Changes the order of the blocks. */
static bool calls_nest(const struct round *round, struct candidate *candidate) {
  size_t deeper = 0;
  qsort(candidate->blocks, candidate->count, sizeof *candidate->blocks, by_alloc);
  for (size_t i = 1; i < candidate->count; i++) {
    const struct infer_block *x = block_of(round, candidate, i - 1), *y = block_of(round, candidate, i);
    deeper += infer_frames_depth(round->frames, infer_alloc_stack(round->sequence, y)) >
              infer_frames_depth(round->frames, infer_alloc_stack(round->sequence, x));
  }
  return deeper * 4 > (candidate->count - 1) * 3;
}

/* Where functions tell of a backward pass, little else is asked for; where libtorch is there, they would. */
static bool convinces(const struct round *round, struct candidate *candidate, const struct infer_pattern *pattern,
                      double work) {
  enum { BLOCKS_NAMED = 2, BLOCKS_NAMELESS = 5 }; /* beside the last, which nothing may lie between */
  if (pattern->named >= 0.5) {
    return candidate->count >= BLOCKS_NAMED && work >= 0.1;
  }
  return !round->frames->has_libtorch && candidate->count >= BLOCKS_NAMELESS && work >= 0.25 && pattern->echo >= 0.25 &&
         !calls_nest(round, candidate);
}

static int judge(const struct round *round, struct candidate *candidate, struct infer_pattern *pattern,
                 bool *convincing) {
  double work = 0;
  *convincing = false;
  *pattern = (struct infer_pattern){.times = candidate->times};
  for (size_t i = 0; i < candidate->shape->parts_count; i++) {
    const struct part *part = &candidate->shape->parts[i];
    pattern->level += is_own(round, candidate, part->kind) ? part_bytes(round, part->kind, part->blocks) : 0;
  }
  if (candidate->times < INFER_RECURS || candidate->count < 2) {
    return 0;
  }
  int rc = work_on_the_way_down(round, candidate, &work);
  rc = rc == 0 ? echo_of(round, candidate, &pattern->echo) : rc;
  pattern->named = named_of(round, candidate);
  *convincing = rc == 0 && convinces(round, candidate, pattern, work);
  return rc;
}

/* ---- rounds ------------------------------------------------------------------------------------------------------------- */

/* Takes shapes like this one together; how many turning points they are. */
static uint64_t group_with(struct round *round, const struct shape *shape) {
  uint64_t times = 0;
  for (size_t i = 0; i < round->shapes_count; i++) {
    struct shape *other = &round->shapes[i];
    if (!other->grouped && alike(round, shape, other) >= 0.5) {
      other->grouped = true;
      times += other->times;
    }
  }
  return times;
}

/* What the candidate's own kinds are; all of its kinds where it has none of its own. */
static void settle_kinds(const struct round *round, const struct candidate *candidate, uint32_t pattern) {
  bool any = false;
  for (size_t i = 0; i < candidate->shape->parts_count; i++) {
    any |= is_own(round, candidate, candidate->shape->parts[i].kind);
  }
  for (size_t i = 0; i < candidate->shape->parts_count; i++) {
    struct infer_kind *kind = &round->runs->kinds[candidate->shape->parts[i].kind];
    if (!any || is_own(round, candidate, candidate->shape->parts[i].kind)) {
      kind->pattern = kind->pattern ? kind->pattern : pattern;
      kind->dropped = !pattern;
    }
  }
}

static int try_shape(struct round *round, struct shape *shape, struct infer_patterns *patterns) {
  struct candidate candidate = {.shape = shape, .times = group_with(round, shape)};
  struct infer_pattern pattern;
  bool convincing = false;
  int rc = collect_blocks(round, &candidate, choose_runs(round, &candidate));
  rc = rc == 0 ? judge(round, &candidate, &pattern, &convincing) : rc;
  convincing = convincing && patterns->count < INFER_PATTERNS_MAX;
  if (rc == 0) {
    settle_kinds(round, &candidate, convincing ? (uint32_t)patterns->count + 1 : 0);
  }
  if (rc == 0 && convincing) {
    patterns->items[patterns->count++] = pattern;
  }
  for (size_t i = 0; i < shape->runs_count; i++) {
    infer_run_at(round->runs, shape->runs[i])->chosen = false;
  }
  free(candidate.blocks);
  return rc;
}

static int try_round(struct round *round, uint64_t threshold, struct infer_patterns *patterns) {
  int rc = list_shapes(round, threshold);
  rc = rc == 0 ? fill_shapes(round) : rc;
  if (rc == 0) {
    qsort(round->shapes, round->shapes_count, sizeof *round->shapes, by_times);
  }
  for (size_t i = 0; i < round->shapes_count && rc == 0; i++) {
    rc = round->shapes[i].grouped ? 0 : try_shape(round, &round->shapes[i], patterns);
  }
  forget_shapes(round);
  return rc;
}

int infer_patterns_find(struct infer_patterns *patterns, struct infer_runs *runs, const struct infer_sequence *sequence,
                        struct infer_frames *frames, uint64_t least) {
  struct round round = {.runs = runs, .sequence = sequence, .frames = frames};
  int rc = 0;
  *patterns = (struct infer_patterns){0};
  for (int i = 0; i < ROUNDS_MAX && rc == 0 && !patterns->count; i++) {
    const uint64_t highest = infer_climb_highest(runs, 0);
    if (highest < least || highest == 0) {
      break;
    }
    rc = try_round(&round, highest / 2 + 1, patterns);
  }
  return rc;
}
