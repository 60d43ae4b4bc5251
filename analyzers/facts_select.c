/* Selection: first the step, then its blocks, then order. */
#include "analyzers/facts_select.h"

#include "analyzers/facts_ops.h"
#include "analyzers/facts_saved.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const facts_order_names[FACTS_ORDERS] = {"bytes", "blocks", "eligible", "name", "time"};

static bool has_window(const struct facts_selection *selection) {
  return selection->since_ns > 0 || selection->until_ns != UINT64_MAX;
}

bool facts_selection_needs_history(const struct facts_selection *selection) {
  return selection->step >= 0 || has_window(selection);
}

bool facts_selection_filters(const struct facts_selection *selection) {
  return selection->ops || selection->layers;
}

bool facts_selection_is_part(const struct facts_selection *selection) {
  return facts_selection_filters(selection) || facts_selection_needs_history(selection);
}

/* ---- the step --------------------------------------------------------------------------------------------------- */

static bool saved_more(const struct facts_step *a, const struct facts_step *b) {
  return a->saved_bytes != b->saved_bytes ? a->saved_bytes > b->saved_bytes : a->peak_bytes > b->peak_bytes;
}

/* -1: none lies within. */
static int best_step(const struct facts *facts, const struct facts_selection *selection) {
  const struct facts_step *best = NULL;
  for (size_t i = 0; i < facts->steps_count; i++) {
    const struct facts_step *step = &facts->steps[i];
    if (step->complete && step->begin_ns >= selection->since_ns && step->end_ns <= selection->until_ns &&
        (!best || saved_more(step, best))) {
      best = step;
    }
  }
  return best ? (int)(best - facts->steps) : -1;
}

static int choose_step(struct facts *facts, const struct facts_selection *selection, struct error *err) {
  int step = selection->step;
  if (step >= 0 && (size_t)step >= facts->steps_count) {
    return facts->steps_count ? error_set(err, ERROR_USAGE, "there is no step %d; the run's are 0 to %zu", step,
                                          facts->steps_count - 1)
                              : error_set(err, ERROR_USAGE, "there is no step %d; no step was seen in this run", step);
  }
  if (step < 0 && has_window(selection)) {
    step = best_step(facts, selection);
    if (step < 0 && facts->steps_count) {
      return error_set(
          err, ERROR_USAGE,
          "no complete step lies within that time; `actscope report --format csv --table steps` lists them");
    }
  }
  if (step >= 0 && step != facts->saved_step && facts_take_step(facts, (unsigned)step) != 0) {
    return error_set(err, ERROR_MEMORY, "out of memory");
  }
  return 0;
}

static void cut_time(struct facts *facts, const struct facts_selection *selection) {
  size_t steps = 0, samples = 0;
  for (size_t i = 0; i < facts->steps_count; i++) {
    if (facts->steps[i].end_ns > selection->since_ns && facts->steps[i].begin_ns < selection->until_ns) {
      facts->steps[steps++] = facts->steps[i];
    }
  }
  for (size_t i = 0; i < facts->timeline_count; i++) {
    if (facts->timeline[i].time_ns >= selection->since_ns && facts->timeline[i].time_ns < selection->until_ns) {
      facts->timeline[samples++] = facts->timeline[i];
    }
  }
  facts->steps_count = steps;
  facts->timeline_count = samples;
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

/* Is the name, or with `below` something above it ("blocks.3" of "blocks.3.mlp"), like one of the comma's patterns? */
static bool matches(const char *patterns, const char *name, bool below) {
  char pattern[512], inner[516];
  for (const char *at = patterns; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
    size_t size = strcspn(at, ",");
    if (!size || size >= sizeof pattern) {
      continue;
    }
    memcpy(pattern, at, size);
    pattern[size] = '\0';
    snprintf(inner, sizeof inner, "%s.*", pattern);
    if (fnmatch(pattern, name, 0) == 0 || (below && fnmatch(inner, name, 0) == 0)) {
      return true;
    }
  }
  return false;
}

static bool is_held_by(const struct facts_saved_block *block, const char *ops) {
  for (size_t i = 0; i < block->holders_count; i++) {
    if (matches(ops, block->holders[i].op, false)) {
      return true;
    }
  }
  return false;
}

static void filter_blocks(struct facts *facts, const struct facts_selection *selection) {
  size_t kept = 0;
  for (size_t i = 0; i < facts->saved_count; i++) {
    struct facts_saved_block block = facts->saved[i];
    if ((!selection->ops || is_held_by(&block, selection->ops)) &&
        (!selection->layers || matches(selection->layers, block.layer ? block.layer : "", true))) {
      facts->saved[kept++] = block;
    } else {
      free(block.holders);
    }
  }
  facts->saved_count = kept;
}

static void filter_ops(struct facts *facts, const char *ops) {
  size_t kept = 0;
  for (size_t i = 0; i < facts->by_op_count; i++) {
    if (!ops || matches(ops, facts->by_op[i].op, false)) {
      facts->by_op[kept++] = facts->by_op[i];
    }
  }
  facts->by_op_count = kept;
}

/* ---- order ------------------------------------------------------------------------------------------------------- */

struct key {
  uint64_t major, minor; /* the largest first */
  const char *name;
  size_t index;
};

static int by_key(const void *a, const void *b) {
  const struct key *x = a, *y = b;
  int order;
  if (x->major != y->major || x->minor != y->minor) {
    return x->major != y->major ? (x->major < y->major) - (x->major > y->major)
                                : (x->minor < y->minor) - (x->minor > y->minor);
  }
  order = strcmp(x->name, y->name);
  return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* Puts the items in the order of their keys. 0, or ERROR_MEMORY. */
static int permute(void *items, size_t size, struct key *keys, size_t count) {
  char *copy = malloc(count * size + 1);
  if (!copy) {
    return ERROR_MEMORY;
  }
  qsort(keys, count, sizeof *keys, by_key);
  memcpy(copy, items, count * size);
  for (size_t i = 0; i < count; i++) {
    memcpy((char *)items + i * size, copy + keys[i].index * size, size);
  }
  free(copy);
  return 0;
}

static uint64_t first_save(const struct facts_saved_block *block) {
  uint64_t first = UINT64_MAX;
  for (size_t i = 0; i < block->holders_count; i++) {
    first = block->holders[i].save_ns < first ? block->holders[i].save_ns : first;
  }
  return first;
}

struct sums { /* of an op or a layer, and what orders it */
  const char *name;
  uint64_t bytes, blocks, eligible_bytes;
};

static struct key key_of(const struct sums *sums, enum facts_order order, size_t index) {
  struct key key = {0, sums->bytes, sums->name, index};
  switch (order) {
  case FACTS_BY_BLOCKS:
    key.major = sums->blocks;
    break;
  case FACTS_BY_ELIGIBLE:
    key.major = sums->eligible_bytes;
    break;
  case FACTS_BY_NAME:
    key.minor = 0;
    break;
  default:
    break;
  }
  return key;
}

struct first { /* when a name, an interned string, first saved something */
  const char *name;
  size_t index;
};

static int by_address(const void *a, const void *b) {
  const struct first *x = a, *y = b;
  return (x->name > y->name) - (x->name < y->name);
}

static void note_first(const struct first *names, size_t count, struct key *keys, const char *name, uint64_t time) {
  const struct first wanted = {name, 0};
  const struct first *found = count ? bsearch(&wanted, names, count, sizeof *names, by_address) : NULL;
  if (found && ~time > keys[found->index].major) {
    keys[found->index].major = ~time;
  }
}

/* Sets every key's major to the complement of the first save of its name, as an op or as a layer. */
static int key_by_time(const struct facts *facts, struct key *keys, const char *const *names, size_t count, bool ops) {
  struct first *firsts = calloc(count + 1, sizeof *firsts);
  if (!firsts) {
    return ERROR_MEMORY;
  }
  for (size_t i = 0; i < count; i++) {
    firsts[i] = (struct first){names[i], i};
  }
  qsort(firsts, count, sizeof *firsts, by_address);
  for (size_t i = 0; i < facts->saved_count; i++) {
    const struct facts_saved_block *block = &facts->saved[i];
    if (!ops) {
      note_first(firsts, count, keys, block->layer, first_save(block));
    }
    for (size_t j = 0; ops && j < block->holders_count; j++) {
      note_first(firsts, count, keys, block->holders[j].op, block->holders[j].save_ns);
    }
  }
  free(firsts);
  return 0;
}

/* names: by which key_by_time finds the items; sums has the names by which they are told. */
static int sort_sums(const struct facts *facts, void *items, size_t size, const struct sums *sums,
                     const char *const *names, size_t count, enum facts_order order, bool ops) {
  struct key *keys = calloc(count + 1, sizeof *keys);
  int rc = keys ? 0 : ERROR_MEMORY;
  for (size_t i = 0; i < count && rc == 0; i++) {
    keys[i] = key_of(&sums[i], order, i);
  }
  if (rc == 0 && order == FACTS_BY_TIME) {
    rc = key_by_time(facts, keys, names, count, ops);
  }
  rc = rc == 0 ? permute(items, size, keys, count) : rc;
  free(keys);
  return rc;
}

static int sort_ops(struct facts *facts, enum facts_order order) {
  size_t count = facts->by_op_count;
  struct sums *sums = calloc(count + 1, sizeof *sums);
  const char **names = calloc(count + 1, sizeof *names);
  int rc = sums && names ? 0 : ERROR_MEMORY;
  for (size_t i = 0; i < count && rc == 0; i++) {
    const struct facts_op *op = &facts->by_op[i];
    sums[i] = (struct sums){op->op, op->bytes, op->blocks, op->eligible_bytes};
    names[i] = op->op;
  }
  if (rc == 0) {
    rc = sort_sums(facts, facts->by_op, sizeof *facts->by_op, sums, names, count, order, true);
  }
  free(sums);
  free(names);
  return rc;
}

int facts_layers_sort(struct facts_layers *layers, const struct facts *facts, enum facts_order order) {
  size_t count = layers->count;
  struct sums *sums = calloc(count + 1, sizeof *sums);
  const char **names = calloc(count + 1, sizeof *names);
  int rc = sums && names ? 0 : ERROR_MEMORY;
  for (size_t i = 0; i < count && rc == 0; i++) {
    const struct facts_layer *layer = &layers->items[i];
    sums[i] = (struct sums){layer->pattern, layer->bytes, layer->blocks, layer->eligible_bytes};
    names[i] = layer->layer;
  }
  if (rc == 0 && count) {
    rc = sort_sums(facts, layers->items, sizeof *layers->items, sums, names, count, order, false);
  }
  free(sums);
  free(names);
  return rc;
}

static int sort_blocks(struct facts *facts, enum facts_order order) {
  struct key *keys = calloc(facts->saved_count + 1, sizeof *keys);
  int rc = keys ? 0 : ERROR_MEMORY;
  for (size_t i = 0; i < facts->saved_count && rc == 0; i++) {
    const struct facts_saved_block *block = &facts->saved[i];
    const struct sums sums = {order == FACTS_BY_NAME ? block->op : "", block->bytes, 1,
                              block->eligible ? block->bytes : 0};
    keys[i] = key_of(&sums, order, i);
    keys[i].major = order == FACTS_BY_TIME ? ~first_save(block) : keys[i].major;
  }
  if (rc == 0 && facts->saved_count) {
    rc = permute(facts->saved, sizeof *facts->saved, keys, facts->saved_count);
  }
  free(keys);
  return rc;
}

int facts_select(struct facts *facts, const struct facts_selection *selection, struct error *err) {
  int rc = choose_step(facts, selection, err);
  if (rc != 0) {
    return rc;
  }
  if (has_window(selection)) {
    cut_time(facts, selection);
  }
  if (facts_selection_filters(selection)) {
    filter_blocks(facts, selection);
    rc = facts_count_ops(facts);
    filter_ops(facts, selection->ops);
  }
  rc = rc == 0 ? sort_blocks(facts, selection->order) : rc;
  rc = rc == 0 && facts->by_op_count ? sort_ops(facts, selection->order) : rc;
  return rc == 0 ? 0 : error_set(err, ERROR_MEMORY, "out of memory");
}
