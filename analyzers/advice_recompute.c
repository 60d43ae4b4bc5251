/* Advice to compute again in backward what forward would have to keep: whole layers (checkpoints) where a network has many
 * that are alike, else the results of cheap ops. What is computed again is there from when the op before it in backward has
 * let go of what it held, and until its own holders let go, as in the run that was recorded. */
#include "analyzers/advice_candidate.h"

#include "analyzers/map64.h"
#include "analyzers/op_name.h"
#include "analyzers/strings.h"
#include "common/error.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct part { /* of the network: what is checkpointed as one, "blocks.3"; within the step under way */
  const char *name;
  uint64_t first_save, next_save; /* by an op in it; by the first op behind it */
  uint64_t first_release;         /* by an op in it: backward has come to it */
};

struct turn { /* a holder of the step, by its release */
  uint64_t release_event;
  uint32_t holder;
};

struct recompute {
  struct advisor *advisor;
  struct map64 part_names; /* a layer's name -> that of its part, both interned, by address; 1: none */
  bool in_parts;           /* the network has parts */
  struct part *parts;
  struct turn *turns;
  size_t parts_count, parts_capacity, turns_count, turns_capacity;
  struct candidate *cheap;
};

struct stretch { /* of the history's holders: those that a step saves */
  const struct step *step;
  int32_t index; /* the step's */
  uint32_t first, past;
};

/* "blocks.3" of "blocks.3.mlp.act"; NULL: the layer is no part of a list of layers. */
static size_t part_length(const char *layer) {
  for (const char *at = layer; *at;) {
    size_t size = strcspn(at, ".");
    if (size && strspn(at, "0123456789") == size && at > layer) {
      return (size_t)(at - layer) + size;
    }
    at += size + (at[size] == '.');
  }
  return 0;
}

static const char *part_of(struct recompute *recompute, const char *layer) {
  uint64_t *known = map64_put(&recompute->part_names, (uint64_t)(uintptr_t)layer);
  if (known && !*known) {
    size_t length = part_length(layer);
    const char *name = length ? strings_intern_bytes(recompute->advisor->facts->strings, layer, length) : NULL;
    *known = name ? (uint64_t)(uintptr_t)name : 1;
  }
  return known && *known > 1 ? (const char *)(uintptr_t)*known : NULL;
}

/* "blocks.*", interned; NULL: no memory. */
static const char *pattern_of(const struct recompute *recompute, const char *part) {
  size_t length = strlen(part);
  while (length && isdigit((unsigned char)part[length - 1])) {
    length--;
  }
  char *pattern = malloc(length + 2);
  if (!pattern) {
    return NULL;
  }
  memcpy(pattern, part, length);
  memcpy(pattern + length, "*", 2);
  const char *interned = strings_intern(recompute->advisor->facts->strings, pattern);
  free(pattern);
  return interned;
}

static struct part *find_part(struct recompute *recompute, const char *name) {
  for (size_t i = recompute->parts_count; name && i-- > 0;) { /* the one under way is the last as a rule */
    if (recompute->parts[i].name == name) {
      return &recompute->parts[i];
    }
  }
  return NULL;
}

/* ---- one step ---------------------------------------------------------------------------------------------------- */

static int by_release(const void *a, const void *b) {
  const struct turn *x = a, *y = b;
  return x->release_event != y->release_event
             ? (x->release_event > y->release_event) - (x->release_event < y->release_event)
             : (x->holder > y->holder) - (x->holder < y->holder);
}

static void *room(void *items, size_t count, size_t *capacity, size_t size) {
  if (count < *capacity) {
    return items;
  }
  size_t larger = *capacity ? *capacity * 2 : 64;
  void *moved = realloc(items, larger * size);
  *capacity = moved ? larger : *capacity;
  return moved;
}

static int add_turn(struct recompute *recompute, uint32_t index, const struct saved_holder *holder) {
  struct turn *turns = room(recompute->turns, recompute->turns_count, &recompute->turns_capacity, sizeof *turns);
  if (!turns) {
    return ERROR_MEMORY;
  }
  recompute->turns = turns;
  turns[recompute->turns_count++] = (struct turn){holder->release_event, index};
  return 0;
}

/* The holder's part, new if it is the first of it in this step; NULL: it is of none, or there is no memory. */
static struct part *enter_part(struct recompute *recompute, const struct saved_holder *holder) {
  const char *name = part_of(recompute, holder->layer);
  struct part *part = find_part(recompute, name);
  if (part || !name) {
    return part;
  }
  struct part *parts = room(recompute->parts, recompute->parts_count, &recompute->parts_capacity, sizeof *parts);
  if (!parts) {
    return NULL;
  }
  recompute->parts = parts;
  part = &parts[recompute->parts_count++];
  *part = (struct part){name, holder->save_event, SAVED_NEVER, SAVED_NEVER};
  return part;
}

static int read_step(struct recompute *recompute, const struct stretch *stretch) {
  const struct saved_history *history = recompute->advisor->facts->history;
  size_t before = SIZE_MAX; /* the part that the last save was in */
  int rc = 0;
  recompute->parts_count = recompute->turns_count = 0;
  for (uint32_t i = stretch->first; i < stretch->past && rc == 0; i++) {
    const struct saved_holder *holder = saved_holder_at(history, i);
    struct part *part = enter_part(recompute, holder);
    const size_t now = part ? (size_t)(part - recompute->parts) : SIZE_MAX;
    if (before != SIZE_MAX && before != now) {
      recompute->parts[before].next_save = holder->save_event;
    }
    before = now;
    if (part && holder->release_event < part->first_release) {
      part->first_release = holder->release_event;
    }
    rc = add_turn(recompute, i, holder);
  }
  if (recompute->turns_count) {
    qsort(recompute->turns, recompute->turns_count, sizeof *recompute->turns, by_release);
  }
  return rc;
}

static uint64_t not_after(uint64_t event, uint64_t latest) {
  return event < latest ? event : latest;
}

/* The last release before this one, when backward comes to its op; backward's beginning where there is none. */
static uint64_t release_before(const struct recompute *recompute, const struct step *step, uint64_t release_event) {
  size_t low = 0, high = recompute->turns_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (recompute->turns[middle].release_event < release_event) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  uint64_t before = low ? recompute->turns[low - 1].release_event : 0;
  return before > step->backward_event ? before : step->backward_event;
}

struct held {    /* by all holders of a row together */
  uint32_t last; /* of them */
  uint64_t first_release;
  const char *part; /* NULL: not all of one part */
  bool cheap;       /* no pointwise nonlinearity among them, nor the op that computed it: these need it themselves */
};

static struct held held_of(struct recompute *recompute, const struct saved_row *row) {
  const struct saved_history *history = recompute->advisor->facts->history;
  const char *made_by = history->stacks[row->stack].op;
  struct held held = {.first_release = SAVED_NEVER,
                      .part = part_of(recompute, saved_holder_at(history, row->first_holder)->layer),
                      .cheap = true};
  for (uint32_t at = row->first_holder; at != SAVED_NONE;) {
    const struct saved_holder *holder = saved_holder_at(history, at);
    held.last = at;
    held.first_release = not_after(holder->release_event, held.first_release);
    held.part = part_of(recompute, holder->layer) == held.part ? held.part : NULL;
    held.cheap = held.cheap && !op_is_pointwise(holder->op, NULL) && strcmp(holder->op, made_by) != 0;
    at = holder->next;
  }
  return held;
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

/* The candidate of all parts of this pattern; NULL there: there are too many patterns. */
static int candidate_of(const struct recompute *recompute, const char *pattern, struct candidate **candidate) {
  struct advisor *advisor = recompute->advisor;
  for (size_t i = 0; i < advisor->count; i++) {
    *candidate = &advisor->candidates[i];
    if ((*candidate)->advice.kind == ADVICE_CHECKPOINT && (*candidate)->layers.count &&
        (*candidate)->layers.items[0].name == pattern) {
      return 0;
    }
  }
  return candidate_new(advisor, ADVICE_CHECKPOINT, candidate);
}

/* What was there before the part's first op is its input, which a checkpoint keeps. */
static int take_of_part(struct recompute *recompute, const struct stretch *stretch, const struct saved_row *row,
                        const struct held *held) {
  const struct saved_history *history = recompute->advisor->facts->history;
  const struct part *part = find_part(recompute, held->part);
  struct candidate *candidate;
  if (!part || row->alloc_event <= part->first_save || part->first_release == SAVED_NEVER) {
    return 0;
  }
  const char *pattern = pattern_of(recompute, part->name);
  int rc = pattern ? candidate_of(recompute, pattern, &candidate) : ERROR_MEMORY;
  if (rc != 0 || !candidate) {
    return rc;
  }
  const struct relief relief = {.bytes = row->bytes,
                                .from = not_after(part->next_save, stretch->step->backward_event),
                                .to = release_before(recompute, stretch->step, part->first_release),
                                .op = saved_holder_at(history, row->first_holder)->op,
                                .layer = pattern,
                                .stack = row->stack};
  return candidate_take(recompute->advisor, candidate, &relief);
}

/* ---- cheap ops --------------------------------------------------------------------------------------------------- */

/* What the op computes from what it keeps anyway, without a matrix product. */
static bool is_cheap(const char *op) {
  bool saves_result = false;
  return (op_is_pointwise(op, &saves_result) && !saves_result) || strcmp(op, "native_layer_norm") == 0;
}

static int take_cheap(struct recompute *recompute, const struct stretch *stretch, const struct saved_row *row,
                      const struct held *held) {
  const struct saved_history *history = recompute->advisor->facts->history;
  const char *made_by = history->stacks[row->stack].op;
  if (!held->cheap || !is_cheap(made_by) || held->first_release == SAVED_NEVER) {
    return 0;
  }
  int rc = recompute->cheap ? 0 : candidate_new(recompute->advisor, ADVICE_RECOMPUTE, &recompute->cheap);
  if (rc != 0 || !recompute->cheap) {
    return rc;
  }
  const uint64_t next =
      held->last + 1 < stretch->past ? saved_holder_at(history, held->last + 1)->save_event : SAVED_NEVER;
  const struct relief relief = {.bytes = row->bytes,
                                .from = not_after(next, stretch->step->backward_event),
                                .to = release_before(recompute, stretch->step, held->first_release),
                                .op = made_by,
                                .stack = row->stack};
  return candidate_take(recompute->advisor, recompute->cheap, &relief);
}

/* ---- all steps --------------------------------------------------------------------------------------------------- */

static int take_step(struct recompute *recompute, const struct stretch *stretch) {
  const struct saved_history *history = recompute->advisor->facts->history;
  int rc = read_step(recompute, stretch);
  for (uint32_t i = stretch->first; i < stretch->past && rc == 0; i++) {
    const struct saved_row *row = saved_row_at(history, saved_holder_at(history, i)->row);
    if (!advice_row_counts(row) || row->first_holder != i || row->step != stretch->index) {
      continue;
    }
    const struct held held = held_of(recompute, row);
    rc =
        recompute->in_parts ? take_of_part(recompute, stretch, row, &held) : take_cheap(recompute, stretch, row, &held);
  }
  return rc;
}

/* The holders that the step saves in its forward pass, which is over where its backward pass begins. Holders are in the order
 * of their saves. */
static struct stretch stretch_from(const struct recompute *recompute, uint32_t first) {
  const struct saved_history *history = recompute->advisor->facts->history;
  const struct steps *steps = &recompute->advisor->analysis->steps;
  const size_t begun = steps_begun(steps, saved_holder_at(history, first)->save_event);
  struct stretch stretch = {begun ? &steps->items[begun - 1] : NULL, (int32_t)begun - 1, first, first};
  const uint64_t end = begun ? stretch.step->backward_event : steps->items[0].begin_event;
  while (stretch.past < history->holders.count && saved_holder_at(history, stretch.past)->save_event < end) {
    stretch.past++;
  }
  return stretch;
}

static int take_all(struct recompute *recompute) {
  const struct saved_history *history = recompute->advisor->facts->history;
  int rc = 0;
  for (uint32_t i = 0; i < history->holders.count && rc == 0;) {
    const struct stretch stretch = stretch_from(recompute, i);
    rc = stretch.step && stretch.past > i && stretch.step->facts.complete ? take_step(recompute, &stretch) : 0;
    i = stretch.past > i ? stretch.past : i + 1;
  }
  return rc;
}

static bool has_parts(struct recompute *recompute) {
  const struct saved_history *history = recompute->advisor->facts->history;
  for (uint32_t i = 0; i < history->holders.count; i++) {
    if (part_of(recompute, saved_holder_at(history, i)->layer)) {
      return true;
    }
  }
  return false;
}

int advice_recomputed(struct advisor *advisor) {
  struct recompute recompute = {.advisor = advisor};
  recompute.in_parts = has_parts(&recompute);
  int rc = take_all(&recompute);
  map64_fini(&recompute.part_names);
  free(recompute.parts);
  free(recompute.turns);
  return rc;
}
