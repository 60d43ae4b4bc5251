/* Each pattern's turning points first, then their edges, then what lies over them. */
#include "analyzers/infer_steps.h"

#include "analyzers/infer_climb.h"
#include "analyzers/infer_order.h"
#include "common/error.h"

#include <stdlib.h>

/* Events of other threads that may lie between two of the backward pass. */
enum { STRAY_EVENTS = 2 };

struct tally {                   /* of a stack */
  uint32_t climbs, falls;        /* events on the ways up, and down */
  uint32_t relays;               /* frees on the way down of what was allocated there */
  uint32_t saves, keeps;         /* steps over whose turn a block from there lies; steps beyond whose end it does */
  uint32_t last_save, last_keep; /* the last of these steps + 1 */
};

struct search {
  struct infer_steps *steps;
  const struct infer_patterns *patterns;
  const struct infer_runs *runs;
  const struct infer_sequence *sequence;
  struct infer_frames *frames;
  struct tally *stacks;
};

static uint32_t pattern_of(const struct search *search, const struct infer_block *block) {
  return block->kind ? search->runs->kinds[block->kind - 1].pattern : 0;
}

/* ---- turning points ------------------------------------------------------------------------------------------------ */

/* The blocks of the pattern's kinds that were allocated at the places (from, top] and lie there still. */
static bool find_extent(const struct search *search, uint32_t from, struct infer_step *step) {
  bool any = false;
  for (uint32_t at = from; at <= step->top; at++) {
    const struct infer_block *block = infer_block_of(search->sequence, at);
    if (block->alloc_at != at || block->free_at <= step->top || pattern_of(search, block) != step->pattern) {
      continue;
    }
    step->first = any ? step->first : at;
    step->last = at;
    step->first_free = any && step->first_free < block->free_at ? step->first_free : block->free_at;
    step->last_free = any && step->last_free > block->free_at ? step->last_free : block->free_at;
    any = true;
  }
  return any;
}

/* Does the place lie within one of the first `count` steps, which are in order? */
static bool lies_within(const struct infer_steps *steps, size_t count, uint32_t place) {
  size_t low = 0, high = count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (infer_step_at(steps, middle)->first <= place) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low && place <= infer_step_at(steps, low - 1)->last_free;
}

static int push_step(struct infer_steps *steps, const struct infer_step *step) {
  struct infer_step *entry = spill_push(&steps->items);
  if (!entry) {
    return ERROR_MEMORY;
  }
  *entry = *step;
  return 0;
}

static void forget_after(struct infer_steps *steps, size_t count) {
  steps->items.count = count;
}

static int by_top(const void *a, const void *b) {
  const struct infer_step *x = a, *y = b;
  return (x->top > y->top) - (x->top < y->top);
}

/* Adds the steps of a pattern, unless most of them lie within those of a heavier one. */
static int add_pattern(const struct search *search, uint32_t pattern) {
  struct infer_steps *steps = search->steps;
  const size_t before = steps->items.count;
  struct spill turns = {0};
  uint32_t from = 0;
  size_t within = 0;
  int rc = spill_open(&turns, sizeof(struct infer_turn));
  rc = rc == 0 ? infer_climb_turns(search->runs, pattern, search->patterns->items[pattern - 1].level / 2 + 1, &turns)
               : rc;
  for (size_t i = 0; i < turns.count && rc == 0; i++) {
    struct infer_step step = {.pattern = pattern, .top = ((const struct infer_turn *)spill_at(&turns, i))->place};
    if (find_extent(search, from, &step)) {
      within += lies_within(steps, before, step.top);
      rc = push_step(steps, &step);
    }
    from = step.top + 1;
  }
  spill_fini(&turns);
  if (rc == 0 && within * 10 > (steps->items.count - before) * 3) {
    forget_after(steps, before);
  }
  if (steps->items.count) {
    qsort(steps->items.base, steps->items.count, steps->items.item_size, by_top);
  }
  return rc;
}

static int add_patterns(const struct search *search) {
  const struct infer_patterns *patterns = search->patterns;
  bool done[INFER_PATTERNS_MAX] = {false};
  int rc = 0;
  for (size_t n = 0; n < patterns->count && rc == 0; n++) {
    size_t heaviest = 0;
    double most = -1;
    for (size_t i = 0; i < patterns->count; i++) {
      const double weight = (double)patterns->items[i].level * (double)patterns->items[i].times;
      if (!done[i] && weight > most) {
        most = weight;
        heaviest = i;
      }
    }
    done[heaviest] = true;
    rc = add_pattern(search, (uint32_t)heaviest + 1);
  }
  return rc;
}

/* ---- where forward turns to backward, by the places of the program --------------------------------------------------- */

static void count_climb(const struct search *search, const struct infer_step *step) {
  for (uint32_t at = step->first; at <= step->last; at++) {
    search->stacks[infer_event_at(search->sequence, at)->stack].climbs++;
  }
}

static void count_fall(const struct search *search, const struct infer_step *step) {
  for (uint32_t at = step->first_free; at <= step->last_free; at++) {
    const struct infer_event *event = infer_event_at(search->sequence, at);
    const struct infer_block *block = infer_block_at(search->sequence, event->block);
    search->stacks[event->stack].falls++;
    search->stacks[event->stack].relays += block->free_at == at && block->alloc_at > step->first_free;
  }
}

/* Is it a place of the program that only the way down comes through? */
static bool falls_only(const struct search *search, uint32_t stack) {
  return search->stacks[stack].falls && !search->stacks[stack].climbs;
}

/* Does the event belong to the way down: by where it comes from, or since its block is let go of where gradients are? */
static bool starts_backward(const struct search *search, const struct infer_step *step, uint32_t at) {
  const struct infer_event *event = infer_event_at(search->sequence, at);
  const struct infer_block *block = infer_block_at(search->sequence, event->block);
  if (falls_only(search, event->stack)) {
    return true;
  }
  if (block->alloc_at != at || block->free_at > step->last_free) {
    return false;
  }
  const uint32_t free_stack = infer_free_stack(search->sequence, block);
  return search->stacks[free_stack].relays && falls_only(search, free_stack);
}

static void find_turn(const struct search *search, struct infer_step *step) {
  step->turn = step->last + 1;
  while (step->turn < step->first_free && !starts_backward(search, step, step->turn)) {
    step->turn++;
  }
  step->end = step->last_free;
}

/* ---- the same by the names of functions ------------------------------------------------------------------------------ */

static bool is_named(const struct search *search, uint32_t at) {
  return infer_frames_backward(search->frames, infer_event_at(search->sequence, at)->stack);
}

static bool is_pattern_named(const struct search *search, const struct infer_step *step) {
  return search->patterns->items[step->pattern - 1].named >= 0.5;
}

/* The backward pass is the stretch of events around the first frees in which functions named so are on the stack. */
static void find_named_turn(const struct search *search, struct infer_step *step, uint32_t limit) {
  uint32_t begin = step->last;
  while (begin <= step->last_free && !is_named(search, begin)) {
    begin++;
  }
  if (begin > step->last_free) {
    return;
  }
  uint32_t end = begin;
  for (uint32_t at = begin; at > step->first && begin - at < STRAY_EVENTS + 1; at--) {
    begin = is_named(search, at - 1) ? at - 1 : begin;
  }
  for (uint32_t at = end + 1; at < limit && at - end <= STRAY_EVENTS + 1; at++) {
    end = is_named(search, at) ? at : end;
  }
  step->turn = begin < step->turn || begin <= step->first_free ? begin : step->turn;
  step->end = end;
}

/* ---- what is saved ---------------------------------------------------------------------------------------------------- */

/* Where a step's saved blocks are looked for. */
struct window {
  uint32_t from, next_turn; /* places: of the first allocation, of the next step's turn */
  size_t number;            /* of the step */
};

/* Lies it over the turn, and is it gone before the next one? What backward frees may have been saved for a later step. */
static bool lies_over(const struct search *search, const struct infer_step *step, const struct infer_block *block,
                      const struct window *window) {
  if (block->free_at == INFER_NEVER || block->free_at < step->turn) {
    return false;
  }
  return block->free_at < window->next_turn || pattern_of(search, block) ||
         (is_pattern_named(search, step) && is_named(search, block->free_at));
}

static bool is_kept(const struct infer_step *step, const struct infer_block *block) {
  return block->free_at > step->end;
}

/* Computed again within the backward pass, and let go of by it: a checkpoint's. */
static bool is_recomputed(const struct search *search, const struct infer_step *step, const struct infer_block *block) {
  if (block->free_at == INFER_NEVER || block->free_at > step->end) {
    return false;
  }
  const uint32_t free_stack = infer_free_stack(search->sequence, block);
  return infer_frames_recomputes(search->frames, infer_alloc_stack(search->sequence, block)) &&
         infer_frames_backward(search->frames, free_stack) && !infer_frames_recomputes(search->frames, free_stack);
}

static int each_over(const struct search *search, const struct infer_step *step, const struct window *window,
                     int (*visit)(void *context, const struct infer_block *block), void *context) {
  int rc = 0;
  for (uint32_t at = window->from; at < step->turn && rc == 0; at++) {
    const struct infer_block *block = infer_block_of(search->sequence, at);
    if (block->alloc_at == at && lies_over(search, step, block, window)) {
      rc = visit(context, block);
    }
  }
  const uint32_t end = is_pattern_named(search, step) ? step->end : step->turn;
  for (uint32_t at = step->turn; at < end && rc == 0; at++) {
    const struct infer_block *block = infer_block_of(search->sequence, at);
    if (block->alloc_at == at && is_recomputed(search, step, block)) {
      rc = visit(context, block);
    }
  }
  return rc;
}

struct listing {
  const struct search *search;
  struct infer_step *step;
  const struct window *window;
  struct infer_span *items;
  size_t count, capacity;
};

static void count_once(uint32_t *steps, uint32_t *last, uint32_t number) {
  *steps += *last != number;
  *last = number;
}

static int tally_block(void *context, const struct infer_block *block) {
  const struct listing *listing = context;
  struct tally *tally = &listing->search->stacks[infer_alloc_stack(listing->search->sequence, block)];
  const uint32_t number = (uint32_t)listing->window->number + 1;
  count_once(&tally->saves, &tally->last_save, number);
  if (is_kept(listing->step, block)) {
    count_once(&tally->keeps, &tally->last_keep, number);
  }
  return 0;
}

/* What lies over the turn by chance does not do so again and again; and what the program keeps beyond the backward pass counts
 * if it does so in most steps: a batch, its labels. */
static bool recurs(const struct listing *listing, const struct infer_block *block) {
  const struct tally *tally = &listing->search->stacks[infer_alloc_stack(listing->search->sequence, block)];
  return tally->saves >= INFER_RECURS &&
         (!is_kept(listing->step, block) || tally->keeps >= listing->search->steps->items.count / 2);
}

static int list_span(void *context, const struct infer_block *block) {
  struct listing *listing = context;
  const struct search *search = listing->search;
  if (!recurs(listing, block)) {
    return 0;
  }
  if (listing->count == listing->capacity) {
    const size_t larger = listing->capacity ? listing->capacity * 2 : 128;
    struct infer_span *items = realloc(listing->items, larger * sizeof *items);
    if (!items) {
      return ERROR_MEMORY;
    }
    listing->items = items;
    listing->capacity = larger;
  }
  listing->items[listing->count++] = (struct infer_span){.begin = block->alloc_at,
                                                         .end = block->free_at,
                                                         .weight = 1,
                                                         .marked = pattern_of(search, block) == listing->step->pattern};
  return 0;
}

/* What was allocated late and outlasts most of what lay there then is not what backward waits for: the program keeps it. */
static int drop_overtaken(struct listing *listing) {
  uint64_t *overtaken = calloc(listing->count + 1, sizeof *overtaken), marked = 0;
  size_t kept = 0;
  const int rc = overtaken ? infer_order_overtaken(listing->items, listing->count, overtaken) : ERROR_MEMORY;
  for (size_t i = 0; i < listing->count && rc == 0; i++) {
    const struct infer_span span = listing->items[i];
    if (span.end <= listing->step->end || overtaken[i] * 2 <= marked) {
      listing->items[kept++] = span;
    }
    marked += span.marked;
  }
  listing->count = rc == 0 ? kept : listing->count;
  free(overtaken);
  return rc;
}

/* What is computed again within backward comes after the turn, and its order is its own. */
static int find_order(struct listing *listing) {
  uint64_t nested = 0, bytes = 0;
  size_t count = 0;
  while (count < listing->count && listing->items[count].begin < listing->step->turn) {
    bytes += listing->items[count++].weight;
  }
  const int rc = infer_order_nested(listing->items, count, &nested);
  listing->step->order = bytes ? (double)nested / (double)bytes : 0;
  return rc;
}

static int save_spans(struct listing *listing) {
  const struct search *search = listing->search;
  struct infer_step *step = listing->step;
  step->saved_first = search->steps->saved.count;
  for (size_t i = 0; i < listing->count; i++) {
    uint32_t *block = spill_push(&search->steps->saved);
    if (!block) {
      return ERROR_MEMORY;
    }
    *block = infer_event_at(search->sequence, listing->items[i].begin)->block;
    listing->items[i].weight = infer_block_at(search->sequence, *block)->bytes;
    step->saved_bytes += listing->items[i].weight;
    step->saved_count++;
  }
  return find_order(listing);
}

static int find_saved(const struct search *search, struct infer_step *step, const struct window *window) {
  struct listing listing = {.search = search, .step = step, .window = window};
  int rc = each_over(search, step, window, list_span, &listing);
  rc = rc == 0 && listing.count ? drop_overtaken(&listing) : rc;
  rc = rc == 0 && listing.count ? save_spans(&listing) : rc;
  free(listing.items);
  return rc;
}

static int tally_saved(const struct search *search, struct infer_step *step, const struct window *window) {
  struct listing listing = {.search = search, .step = step, .window = window};
  return each_over(search, step, window, tally_block, &listing);
}

/* Before the first step anything may have been: the forward pass begins as far before the first of its saved blocks as in the
 * next step. */
static uint32_t first_window(const struct infer_steps *steps) {
  const struct infer_step *first = infer_step_at(steps, 0), *second = infer_step_at(steps, 1);
  const uint32_t lead = second->first > first->end ? second->first - first->end - 1 : 0;
  return first->first > lead ? first->first - lead : 0;
}

static int each_window(const struct search *search,
                       int (*find)(const struct search *search, struct infer_step *step, const struct window *window)) {
  struct infer_steps *steps = search->steps;
  struct window window = {.from = steps->items.count > 1 ? first_window(steps) : 0};
  int rc = 0;
  for (size_t i = 0; i < steps->items.count && rc == 0; i++) {
    struct infer_step *step = infer_step_at(steps, i);
    window.number = i;
    window.next_turn = i + 1 == steps->items.count ? INFER_NEVER : infer_step_at(steps, i + 1)->turn;
    rc = find(search, step, &window);
    window.from = step->end + 1;
  }
  return rc;
}

/* ---- all together ------------------------------------------------------------------------------------------------------ */

/* A turning point within the backward pass of the step before is a recomputation's. */
static void find_edges(const struct search *search) {
  struct infer_steps *steps = search->steps;
  const size_t count = steps->items.count;
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    struct infer_step step = *infer_step_at(steps, i);
    const uint32_t limit = i + 1 < count ? infer_step_at(steps, i + 1)->first : infer_places(search->sequence);
    find_turn(search, &step);
    if (is_pattern_named(search, &step)) {
      find_named_turn(search, &step, limit > step.last_free ? limit : step.last_free + 1);
    }
    struct infer_step *before = kept ? infer_step_at(steps, kept - 1) : NULL;
    if (before && step.turn <= before->turn) {
      continue;
    }
    if (before && step.turn <= before->end) {
      if (is_pattern_named(search, &step)) {
        continue;
      }
      before->end = step.turn - 1;
    }
    *infer_step_at(steps, kept++) = step;
  }
  forget_after(steps, kept);
}

static int count_stacks(struct search *search) {
  search->stacks = calloc((size_t)search->sequence->stacks_limit + 1, sizeof *search->stacks);
  if (!search->stacks) {
    return ERROR_MEMORY;
  }
  for (size_t i = 0; i < search->steps->items.count; i++) {
    count_climb(search, infer_step_at(search->steps, i));
    count_fall(search, infer_step_at(search->steps, i));
  }
  return 0;
}

int infer_steps_find(struct infer_steps *steps, const struct infer_patterns *patterns, const struct infer_runs *runs,
                     const struct infer_sequence *sequence, struct infer_frames *frames) {
  struct search search = {.steps = steps, .patterns = patterns, .runs = runs, .sequence = sequence, .frames = frames};
  *steps = (struct infer_steps){0};
  int rc = spill_open(&steps->items, sizeof(struct infer_step));
  rc = rc == 0 ? spill_open(&steps->saved, sizeof(uint32_t)) : rc;
  rc = rc == 0 ? add_patterns(&search) : rc;
  rc = rc == 0 ? count_stacks(&search) : rc;
  if (rc == 0) {
    find_edges(&search);
    rc = each_window(&search, tally_saved);
  }
  rc = rc == 0 ? each_window(&search, find_saved) : rc;
  free(search.stacks);
  return rc;
}

void infer_steps_fini(struct infer_steps *steps) {
  spill_fini(&steps->items);
  spill_fini(&steps->saved);
  *steps = (struct infer_steps){0};
}
