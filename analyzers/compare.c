/* Joins the lists of two runs by name: both into one array, sorted, neighbours of one name made one row. */
#include "analyzers/compare.h"

#include "analyzers/strings.h"
#include "common/error.h"

#include <stdlib.h>
#include <string.h>

const char *const compare_doubt_names[COMPARE_DOUBTS] = {
    "min_size", "framework", "evidence", "incomplete", "lost_events", "layers", "rank", "steps", "python_lines"};

static const double codes_within = 0.01; /* of what codes save: one bit more or less is 3 % of it or more */

/* ---- rows ---------------------------------------------------------------------------------------------------------- */

int64_t compare_change(const struct compare_row *row) {
  return (int64_t)(row->bytes[COMPARE_AFTER] - row->bytes[COMPARE_BEFORE]);
}

static uint64_t magnitude(int64_t value) {
  return value < 0 ? -(uint64_t)value : (uint64_t)value;
}

bool compare_matters(const struct comparison *comparison, const struct compare_row *row) {
  return magnitude(compare_change(row)) > comparison->tolerance;
}

static const char *text(const char *name) {
  return name ? name : "";
}

static int by_name(const struct compare_row *a, const struct compare_row *b) {
  int order = strcmp(a->name, b->name);
  order = order ? order : strcmp(a->op, b->op);
  order = order ? order : (int)a->category - (int)b->category;
  return order ? order : (a->bits > b->bits) - (a->bits < b->bits);
}

static int name_order(const void *a, const void *b) {
  return by_name(a, b);
}

static uint64_t larger(const struct compare_row *row) {
  return row->bytes[0] > row->bytes[1] ? row->bytes[0] : row->bytes[1];
}

static int change_order(const void *a, const void *b) {
  const struct compare_row *first = a, *second = b;
  uint64_t x = magnitude(compare_change(first)), y = magnitude(compare_change(second));
  if (x == y) {
    x = larger(first);
    y = larger(second);
  }
  return x != y ? (x < y ? 1 : -1) : by_name(first, second);
}

static void add_up(struct compare_row *sum, const struct compare_row *row) {
  for (int side = 0; side < COMPARE_SIDES; side++) {
    sum->bytes[side] += row->bytes[side];
    sum->blocks[side] += row->blocks[side];
    sum->there[side] |= row->there[side];
  }
}

/* Rows of one name become one; the largest change comes first. */
static void join(struct compare_table *table) {
  size_t count = 0;
  qsort(table->rows, table->count, sizeof *table->rows, name_order);
  for (size_t i = 0; i < table->count; i++) {
    if (count && by_name(&table->rows[count - 1], &table->rows[i]) == 0) {
      add_up(&table->rows[count - 1], &table->rows[i]);
    } else {
      table->rows[count++] = table->rows[i];
    }
  }
  table->count = count;
  qsort(table->rows, table->count, sizeof *table->rows, change_order);
}

/* ---- places: sites whose lines have moved ---------------------------------------------------------------------------- */

static int by_place(const struct compare_row *a, const struct compare_row *b) {
  int order = strcmp(a->place, b->place);
  order = order ? order : strcmp(a->op, b->op);
  return order ? order : (int)a->category - (int)b->category;
}

static int place_order(const void *a, const void *b) {
  int order = by_place(a, b);
  return order ? order : by_name(a, b);
}

static bool is_on_one_side(const struct compare_row *row, enum compare_side side) {
  return row->there[side] && !row->there[side == COMPARE_BEFORE ? COMPARE_AFTER : COMPARE_BEFORE];
}

/* Some lines of a place have gone and others have come: they have moved, and which became which is not known, so that all of
 * the place is one row. Where lines have only come, or only gone, each stays a row. Returns how many are left. */
static size_t join_place(struct compare_row *rows, size_t count) {
  size_t gone = 0, come = 0;
  const char *name = NULL;
  for (size_t i = 0; i < count; i++) {
    gone += is_on_one_side(&rows[i], COMPARE_BEFORE);
    come += is_on_one_side(&rows[i], COMPARE_AFTER);
    name = rows[i].there[COMPARE_AFTER] ? rows[i].name : name;
  }
  if (!gone || !come) {
    return count;
  }
  for (size_t i = 1; i < count; i++) {
    add_up(&rows[0], &rows[i]);
  }
  rows[0].name = count == 2 ? name : rows[0].place;
  return 1;
}

static void join_places(struct compare_table *table) {
  size_t kept = 0, end;
  qsort(table->rows, table->count, sizeof *table->rows, place_order);
  for (size_t i = 0; i < table->count; i = end) {
    for (end = i + 1; end < table->count && by_place(&table->rows[i], &table->rows[end]) == 0;) {
      end++;
    }
    const size_t left = join_place(&table->rows[i], end - i);
    memmove(&table->rows[kept], &table->rows[i], left * sizeof *table->rows);
    kept += left;
  }
  table->count = kept;
  qsort(table->rows, table->count, sizeof *table->rows, change_order);
}

/* ---- the lists ----------------------------------------------------------------------------------------------------- */

typedef size_t list_function(const struct comparison *comparison, enum compare_side side, struct compare_row *rows);

static struct compare_row row_of(enum compare_side side, const char *name, uint64_t bytes, uint64_t blocks) {
  struct compare_row row = {.name = text(name), .place = "", .op = ""};
  row.bytes[side] = bytes;
  row.blocks[side] = blocks;
  row.there[side] = true;
  return row;
}

/* Each of these writes the rows of one run, unless rows is NULL, and returns how many there are. */

static size_t list_categories(const struct comparison *comparison, enum compare_side side, struct compare_row *rows) {
  for (int i = 0; rows && i < CATEGORY_COUNT; i++) {
    rows[i] = row_of(side, category_names[i], comparison->facts[side]->categories[i], 0);
    rows[i].category = (enum category)i;
    rows[i].there[side] = rows[i].bytes[side] > 0;
  }
  return CATEGORY_COUNT;
}

static size_t list_ops(const struct comparison *comparison, enum compare_side side, struct compare_row *rows) {
  const struct facts *facts = comparison->facts[side];
  for (size_t i = 0; rows && i < facts->by_op_count; i++) {
    rows[i] = row_of(side, facts->by_op[i].op, facts->by_op[i].bytes, facts->by_op[i].blocks);
  }
  return facts->by_op_count;
}

static size_t list_layers(const struct comparison *comparison, enum compare_side side, struct compare_row *rows) {
  const struct facts_layers *layers = &comparison->layer_sums[side];
  for (size_t i = 0; rows && i < layers->count; i++) {
    rows[i] = row_of(side, layers->items[i].layer, layers->items[i].bytes, layers->items[i].blocks);
  }
  return layers->count;
}

static size_t list_like_layers(const struct comparison *comparison, enum compare_side side, struct compare_row *rows) {
  const struct facts_layers *layers = &comparison->like_sums[side];
  for (size_t i = 0; rows && i < layers->count; i++) {
    const struct facts_layer *layer = &layers->items[i];
    rows[i] = row_of(side, layer->layers > 1 ? layer->pattern : layer->layer, layer->bytes, layer->blocks);
  }
  return layers->count;
}

static size_t list_sites(const struct comparison *comparison, enum compare_side side, struct compare_row *rows) {
  const struct facts *facts = comparison->facts[side];
  for (size_t i = 0; rows && i < facts->sites_count; i++) {
    const struct facts_site *site = &facts->sites[i];
    rows[i] = row_of(side, site->site, site->bytes, site->blocks);
    rows[i].op = text(site->op);
    rows[i].category = site->category;
  }
  return facts->sites_count;
}

static size_t list_left(const struct comparison *comparison, enum compare_side side, struct compare_row *rows) {
  const struct facts *facts = comparison->facts[side];
  size_t count = 0;
  for (size_t i = 0; i < facts->busy_sites_count; i++) {
    const struct facts_busy_site *site = &facts->busy_sites[i];
    if (rows && site->traffic.end_bytes) {
      rows[count] = row_of(side, site->site, site->traffic.end_bytes, site->traffic.end_blocks);
      rows[count].op = text(site->op);
    }
    count += site->traffic.end_bytes > 0;
  }
  return count;
}

static size_t list_projections(const struct comparison *comparison, enum compare_side side, struct compare_row *rows) {
  const struct facts *facts = comparison->facts[side];
  for (size_t i = 0; rows && i < facts->projections_count; i++) {
    rows[i] = row_of(side, "", facts->projections[i].peak_bytes, 0);
    rows[i].bits = facts->projections[i].bits;
  }
  return facts->projections_count;
}

static int fill(const struct comparison *comparison, struct compare_table *table, list_function *list) {
  size_t before = list(comparison, COMPARE_BEFORE, NULL), after = list(comparison, COMPARE_AFTER, NULL);
  table->rows = calloc(before + after + 1, sizeof *table->rows);
  if (!table->rows) {
    return ERROR_MEMORY;
  }
  list(comparison, COMPARE_BEFORE, table->rows);
  list(comparison, COMPARE_AFTER, table->rows + before);
  table->count = before + after;
  join(table);
  return 0;
}

/* "train.c:88 forward < train.c:120 main" without the numbers of lines. NULL: no memory. */
static const char *place_of(struct strings *places, const char *site) {
  char *place = strdup(site), *end = place;
  const char *interned;
  for (const char *at = site; place && *at;) {
    const size_t digits = *at == ':' ? strspn(at + 1, "0123456789") : 0;
    if (digits && at[1 + digits] == ' ') {
      at += 1 + digits;
    } else {
      *end++ = *at++;
    }
  }
  if (!place) {
    return NULL;
  }
  interned = strings_intern_bytes(places, place, (size_t)(end - place));
  free(place);
  return interned;
}

static int find_places(struct comparison *comparison, struct compare_table *table) {
  for (size_t i = 0; i < table->count; i++) {
    struct compare_row *row = &table->rows[i];
    row->place = place_of(comparison->places, row->name);
    if (!row->place) {
      return ERROR_MEMORY;
    }
  }
  join_places(table);
  return 0;
}

/* Frames of a file in no module. */
static bool has_python_lines(const struct facts *facts) {
  for (size_t i = 0; i < facts->stacks_count; i++) {
    const struct facts_stack *stack = &facts->stacks[i];
    for (size_t j = 0; j < stack->frames_count; j++) {
      if (!*stack->frames[j].module && *stack->frames[j].file) {
        return true;
      }
    }
  }
  return false;
}

static bool sites_compare(const struct comparison *comparison) {
  return comparison->python_lines[0] == comparison->python_lines[1];
}

static int fill_sites(struct comparison *comparison) {
  if (!sites_compare(comparison)) { /* not one would be the same */
    return 0;
  }
  comparison->places = strings_open();
  int rc = comparison->places ? fill(comparison, &comparison->sites, list_sites) : ERROR_MEMORY;
  rc = rc == 0 ? find_places(comparison, &comparison->sites) : rc;
  rc = rc == 0 ? fill(comparison, &comparison->left, list_left) : rc;
  return rc == 0 ? find_places(comparison, &comparison->left) : rc;
}

static int bits_order(const void *a, const void *b) {
  const struct compare_row *first = a, *second = b;
  return (first->bits > second->bits) - (first->bits < second->bits);
}

static int fill_tables(struct comparison *comparison) {
  int rc = fill(comparison, &comparison->categories, list_categories);
  rc = rc == 0 ? fill(comparison, &comparison->ops, list_ops) : rc;
  for (int side = 0; rc == 0 && side < COMPARE_SIDES; side++) {
    rc = facts_layers_init(&comparison->layer_sums[side], comparison->facts[side], false);
    rc = rc == 0 ? facts_layers_init(&comparison->like_sums[side], comparison->facts[side], true) : rc;
  }
  rc = rc == 0 ? fill(comparison, &comparison->layers, list_layers) : rc;
  rc = rc == 0 ? fill(comparison, &comparison->like_layers, list_like_layers) : rc;
  rc = rc == 0 ? fill_sites(comparison) : rc;
  rc = rc == 0 ? fill(comparison, &comparison->projections, list_projections) : rc;
  if (rc == 0) { /* a handful, which are read by their bits */
    qsort(comparison->projections.rows, comparison->projections.count, sizeof *comparison->projections.rows,
          bits_order);
  }
  return rc;
}

/* ---- steps --------------------------------------------------------------------------------------------------------- */

static int u64_order(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static uint64_t median(uint64_t *values, size_t count) {
  if (count == 0) {
    return 0;
  }
  qsort(values, count, sizeof *values, u64_order);
  const uint64_t below = values[(count - 1) / 2];
  return below + (values[count / 2] - below) / 2; /* the mean of the two in the middle of an even count */
}

static int sum_up_steps(struct compare_steps *steps, const struct facts *facts) {
  uint64_t *values = calloc(3 * facts->steps_count + 1, sizeof *values);
  size_t complete = 0;
  if (!values) {
    return ERROR_MEMORY;
  }
  uint64_t *peaks = values + facts->steps_count, *saved = peaks + facts->steps_count;
  for (size_t i = 0; i < facts->steps_count; i++) {
    const struct facts_step *step = &facts->steps[i];
    if (step->complete) {
      values[complete] = step->end_ns - step->begin_ns;
      peaks[complete] = step->peak_bytes;
      saved[complete++] = step->saved_bytes;
    }
  }
  *steps = (struct compare_steps){.count = facts->steps_count,
                                  .complete = complete,
                                  .duration_ns = median(values, complete),
                                  .peak_bytes = median(peaks, complete),
                                  .saved_bytes = median(saved, complete)};
  free(values);
  return 0;
}

/* ---- verdict ------------------------------------------------------------------------------------------------------- */

static unsigned doubt_if(bool condition, enum compare_doubt doubt) {
  return condition ? (unsigned)doubt : 0;
}

static unsigned find_doubts(const struct comparison *comparison) {
  const struct facts *const *facts = comparison->facts;
  const struct facts_run *a = &facts[0]->run, *b = &facts[1]->run;
  const struct compare_steps *steps = comparison->steps;
  const bool saved[] = {facts[0]->saved_count > 0, facts[1]->saved_count > 0};
  const bool layers[] = {comparison->layer_sums[0].count > 0, comparison->layer_sums[1].count > 0};
  return doubt_if(a->min_size != b->min_size, COMPARE_MIN_SIZE) |
         doubt_if(strcmp(text(a->framework), text(b->framework)) != 0, COMPARE_FRAMEWORK) |
         doubt_if(strcmp(text(a->evidence), text(b->evidence)) != 0, COMPARE_EVIDENCE) |
         doubt_if(!a->complete || !b->complete, COMPARE_INCOMPLETE) |
         doubt_if(a->lost_events || b->lost_events, COMPARE_LOST) |
         doubt_if(saved[0] && saved[1] && layers[0] != layers[1], COMPARE_LAYERS) |
         doubt_if(a->rank != b->rank, COMPARE_RANK) |
         doubt_if((steps[0].complete == 0) != (steps[1].complete == 0), COMPARE_FEW_STEPS) |
         doubt_if(!sites_compare(comparison), COMPARE_PYTHON_LINES);
}

static void judge_table(struct comparison *comparison, const struct compare_table *table) {
  for (size_t i = 0; i < table->count; i++) {
    comparison->identical &= compare_change(&table->rows[i]) == 0;
    comparison->same &= !compare_matters(comparison, &table->rows[i]);
  }
}

static void judge_figure(struct comparison *comparison, uint64_t before, uint64_t after) {
  struct compare_row row = {.bytes = {before, after}};
  struct compare_table table = {.rows = &row, .count = 1};
  judge_table(comparison, &table);
}

static void judge(struct comparison *comparison) {
  const struct facts *before = comparison->facts[0], *after = comparison->facts[1];
  comparison->identical = comparison->same = comparison->steps[0].count == comparison->steps[1].count;
  judge_figure(comparison, before->peak.bytes, after->peak.bytes);
  judge_figure(comparison, before->saved_bytes, after->saved_bytes);
  judge_table(comparison, &comparison->categories);
  judge_table(comparison, &comparison->ops);
  judge_table(comparison, &comparison->sites);
  judge_table(comparison, &comparison->projections);
  if (!(comparison->doubts & COMPARE_LAYERS)) { /* layers that were not recorded have not gone */
    judge_table(comparison, &comparison->layers);
  }
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

int comparison_make(struct comparison *comparison, const struct facts *before, const struct facts *after,
                    double share) {
  uint64_t peak = before->peak.bytes > after->peak.bytes ? before->peak.bytes : after->peak.bytes;
  *comparison = (struct comparison){.facts = {before, after},
                                    .python_lines = {has_python_lines(before), has_python_lines(after)},
                                    .tolerance = (uint64_t)(share * (double)peak)};
  int rc = fill_tables(comparison);
  for (int side = 0; rc == 0 && side < COMPARE_SIDES; side++) {
    rc = sum_up_steps(&comparison->steps[side], comparison->facts[side]);
  }
  if (rc == 0) {
    comparison->doubts = find_doubts(comparison);
    judge(comparison);
  }
  return rc;
}

void comparison_fini(struct comparison *comparison) {
  struct compare_table *const tables[] = {&comparison->categories,  &comparison->ops,   &comparison->layers,
                                          &comparison->like_layers, &comparison->sites, &comparison->projections,
                                          &comparison->left};
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
    free(tables[i]->rows);
  }
  for (int side = 0; side < COMPARE_SIDES; side++) {
    facts_layers_fini(&comparison->layer_sums[side]);
    facts_layers_fini(&comparison->like_sums[side]);
  }
  strings_close(comparison->places);
  *comparison = (struct comparison){0};
}

/* Bytes that a step keeps less with the codes. */
static int64_t saved_less(const struct facts_projection *projection) {
  return (int64_t)(projection->eligible_bytes - projection->code_bytes);
}

const struct facts_projection *compare_projected(const struct comparison *comparison) {
  const struct facts *before = comparison->facts[0], *after = comparison->facts[1];
  const int64_t less = (int64_t)(before->saved_bytes - after->saved_bytes);
  const struct facts_projection *best = NULL;
  uint64_t nearest = UINT64_MAX;
  for (size_t i = 0; less > 0 && i < before->projections_count; i++) {
    const struct facts_projection *projection = &before->projections[i];
    uint64_t distance = magnitude(saved_less(projection) - less);
    if (distance < nearest && (double)distance <= codes_within * (double)saved_less(projection)) {
      nearest = distance;
      best = projection;
    }
  }
  return best;
}
