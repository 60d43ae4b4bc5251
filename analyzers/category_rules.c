/* The rules, one function each, in the order in which they are asked. */
#include "analyzers/category_rules.h"

#include "common/error.h"

#include <stdlib.h>

/* A block that outlives so many beginnings of steps is no batch, however far ahead batches are loaded. */
enum { STEPS_OF_A_STATE = 3 };

/* ---- where in the training loop ---------------------------------------------------------------------------------- */

struct life {
  const struct lasting_block *block;
  uint64_t end;     /* event; LASTING_NEVER: it lived as long as the program */
  enum phase phase; /* of its birth; outside: between steps, or before the first one */
  size_t begun;     /* steps that had begun at its birth: the next one's index */
  size_t outlived;  /* beginnings of steps */
  unsigned traits;
  struct parameter_size *size; /* NULL: no parameter has its size */
};

static bool born_between_steps(const struct life *life) {
  return life->phase == PHASE_UPDATE || life->phase == PHASE_OUTSIDE;
}

static struct life life_of(const struct category_rules *rules, const struct lasting_block *block) {
  struct life life = {.block = block};
  int step;
  life.end = block->in_teardown ? LASTING_NEVER : block->free_event;
  life.phase = steps_phase_at(rules->steps, block->alloc_event, &step);
  life.begun = steps_begun(rules->steps, block->alloc_event);
  life.outlived = steps_begun(rules->steps, life.end) - life.begun;
  life.traits = stack_traits_of(rules->traits, block->stack);
  const uint64_t *size = map64_find(&rules->size_of, block->bytes);
  life.size = size ? &rules->sizes[*size - 1] : NULL;
  return life;
}

/* Or what comes to the same for what is judged here: it outlives the last backward pass, being older than that. */
static bool lives_to_the_end(const struct category_rules *rules, const struct life *life) {
  const struct step *last = &rules->steps->items[rules->steps->count - 1];
  return life->end == LASTING_NEVER || (life->outlived > 0 && life->end > last->backward_end_event);
}

/* By the end of the step that was under way when it was born, or of the next one if that was between steps. Where the last
 * step ends is a guess. */
static bool ends_within_step(const struct category_rules *rules, const struct life *life) {
  size_t index = born_between_steps(life) ? life->begun : life->begun - 1;
  if (index + 1 >= rules->steps->count) {
    return life->end != LASTING_NEVER;
  }
  return life->end <= rules->steps->items[index].end_event;
}

static enum category passing(const struct category_rules *rules, const struct life *life) {
  return ends_within_step(rules, life) ? CATEGORY_TEMPORARY : CATEGORY_OTHER;
}

/* ---- parameters -------------------------------------------------------------------------------------------------- */

static const struct saved_row *row_of(const struct category_rules *rules, const struct lasting_block *block,
                                      uint32_t index) {
  return saved_row_at(rules->history, lasting_row(rules->lasting, block, index));
}

static bool is_parameter(const struct category_rules *rules, const struct lasting_block *block) {
  for (uint32_t i = 0; i < block->rows_count; i++) {
    const struct saved_row *row = row_of(rules, block, i);
    if (row->resident && !row->region) {
      return true;
    }
  }
  return false;
}

/* ---- gradients --------------------------------------------------------------------------------------------------- */

/* A tensor that backward made and that is still there when backward has ended: what AccumulateGrad stored. In a program
 * without PyTorch's frames its size has to be a parameter's. */
static bool is_gradient(const struct category_rules *rules, const struct life *life) {
  if (life->traits & STACK_IN_REDUCER) {
    return true;
  }
  if (life->phase != PHASE_BACKWARD || life->end <= rules->steps->items[life->begun - 1].backward_end_event) {
    return false;
  }
  if (!(life->traits & STACK_IN_BACKWARD)) {
    return life->size && !(life->traits & STACK_OF_TENSOR); /* a tensor would be another thread's: a loader's */
  }
  if (life->traits & STACK_IN_UPDATE_HOOK) {
    return false;
  }
  return life->traits & STACK_OF_TENSOR; /* the rest is a library's workspace or compiled code */
}

/* ---- inputs ------------------------------------------------------------------------------------------------------ */

static bool born_in_graph(const struct category_rules *rules, const struct life *life) {
  return !rules->reduces && born_between_steps(life) && life->begun < rules->steps->count &&
         life->block->alloc_event >= rules->steps->items[life->begun].graph_event;
}

/* Some ops save nothing (a position added to a batch), so that a graph may have grown a while when the step begins. It is not
 * seen to grow in every step: while the last one's loss is there, its parameters have not left. */
static bool computes_in_graph(const struct category_rules *rules, const struct life *life) {
  bool *computing = &rules->computing[life->block->stack];
  *computing = *computing || born_in_graph(rules, life);
  return *computing;
}

static bool is_computed(const struct category_rules *rules, const struct life *life) {
  enum { COMPUTES = STACK_IN_NETWORK_OP | STACK_IN_CUSTOM_FUNCTION | STACK_IN_AUTOCAST | STACK_IN_BACKWARD };
  return life->traits & COMPUTES || (life->traits & STACK_IN_ANY_OP && computes_in_graph(rules, life));
}

/* The first save of the block itself, not of a region of it; SAVED_NEVER: never held. */
static uint64_t first_save(const struct category_rules *rules, const struct lasting_block *block) {
  for (uint32_t i = 0; i < block->rows_count; i++) {
    const struct saved_row *row = row_of(rules, block, i);
    if (!row->region && row->first_holder != SAVED_NONE) {
      return saved_holder_at(rules->history, row->first_holder)->save_event;
    }
  }
  return SAVED_NEVER;
}

/* Where a forward pass begins at its first save, for want of a mark, its first op has run by then. PyTorch's are known by
 * their names; what others compute must not be taken for a batch. */
static bool may_be_input(const struct category_rules *rules, const struct life *life) {
  return !is_computed(rules, life) && (life->traits & STACK_OF_TENSOR || rules->steps->phases_marked ||
                                       *trace_reader_info(rules->traits->reader)->framework);
}

/* The forward pass saves it, but it was there before: a batch. */
static bool is_saved_input(const struct category_rules *rules, const struct life *life) {
  uint64_t save = first_save(rules, life->block);
  return save != SAVED_NEVER && may_be_input(rules, life) &&
         (born_between_steps(life) || steps_begun(rules->steps, save) > life->begun);
}

/* ---- between steps ----------------------------------------------------------------------------------------------- */

static bool recurs(const struct category_rules *rules, const struct life *life) {
  return rules->windows[life->block->stack] >= 2;
}

/* A parameter's state is made in its first update. What is made later, when all of that size have theirs, is a copy of the
 * weights that the program keeps. */
static bool is_state_of_a_parameter(const struct life *life) {
  struct parameter_size *size = life->size;
  if (!size->state_window) {
    size->state_window = life->begun;
  }
  size->states += life->begun == size->state_window;
  return life->begun == size->state_window || size->states < size->parameters;
}

/* What an optimizer makes once and keeps; batches are made anew for every step, from the same place. */
static bool is_optimizer_state(const struct category_rules *rules, const struct life *life) {
  if (life->begun == 0) { /* some optimizers make theirs when they are made */
    return life->size && life->traits & STACK_IN_LIKE_OP;
  }
  if (life->size) {
    return is_state_of_a_parameter(life);
  }
  return life->outlived > 0 && life->traits & STACK_OF_TENSOR && !recurs(rules, life);
}

static enum category judge_between_steps(const struct category_rules *rules, const struct life *life) {
  if (life->begun < rules->steps->count && life->outlived == 0 && !lives_to_the_end(rules, life)) {
    return life->begun > 0 ? CATEGORY_TEMPORARY : CATEGORY_OTHER;
  }
  if (life->outlived >= STEPS_OF_A_STATE || (lives_to_the_end(rules, life) && !recurs(rules, life))) {
    return is_optimizer_state(rules, life) ? CATEGORY_OPTIMIZER_STATE : CATEGORY_OTHER;
  }
  const bool is_copy = life->size && life->traits & STACK_IN_LIKE_OP; /* of weights, as an evaluation makes them */
  if (may_be_input(rules, life) && !is_copy && (life->traits & STACK_OF_TENSOR || recurs(rules, life))) {
    return CATEGORY_INPUT;
  }
  return passing(rules, life);
}

enum category category_rules_judge(struct category_rules *rules, const struct lasting_block *block) {
  if (is_parameter(rules, block)) {
    return CATEGORY_PARAMETER;
  }
  if (!rules->steps->count) {
    return CATEGORY_OTHER;
  }
  struct life life = life_of(rules, block);
  rules->reduces = rules->reduces || life.traits & STACK_IN_REDUCER;
  if (is_gradient(rules, &life)) {
    return CATEGORY_GRADIENT;
  }
  if (life.traits & STACK_IN_UPDATE_HOOK && life.outlived > 0 && life.size) {
    return CATEGORY_OPTIMIZER_STATE;
  }
  if (is_saved_input(rules, &life)) {
    return CATEGORY_INPUT;
  }
  return born_between_steps(&life) ? judge_between_steps(rules, &life) : passing(rules, &life);
}

/* ---- what the rules need to know of all blocks ------------------------------------------------------------------- */

static void note_role(struct category_rules *rules, const struct saved_row *row, uint32_t index) {
  if (!row->region || !(row->resident || saved_row_counts(row))) {
    return;
  }
  struct region_role *role = &rules->roles[row->region - 1];
  if (role->category == CATEGORY_COUNT) {
    *role = (struct region_role){CATEGORY_SAVED_ACTIVATION, index};
  }
  role->category = row->resident ? CATEGORY_PARAMETER : role->category;
}

static int note_parameter(struct category_rules *rules, uint64_t bytes) {
  uint64_t *index = bytes ? map64_put(&rules->size_of, bytes) : NULL;
  if (!index) {
    return bytes ? ERROR_MEMORY : 0;
  }
  if (!*index) {
    *index = rules->size_of.count;
  }
  rules->sizes[*index - 1].parameters++;
  return 0;
}

static int note_parameters(struct category_rules *rules) {
  int rc = 0;
  for (uint32_t i = 0; i < rules->history->rows.count && rc == 0; i++) {
    const struct saved_row *row = saved_row_at(rules->history, i);
    note_role(rules, row, i);
    if (row->resident && !row->superseded) {
      rc = note_parameter(rules, row->bytes);
    }
  }
  return rc;
}

static size_t count_residents(const struct saved_history *history) {
  size_t count = 0;
  for (uint32_t i = 0; i < history->rows.count; i++) {
    count += saved_row_at(history, i)->resident;
  }
  return count;
}

/* The blocks come in the order of their birth, so those of one window come together. */
static int count_windows(struct category_rules *rules) {
  uint32_t *last = calloc((size_t)rules->traits->stacks_limit + 1, sizeof *last); /* window + 1 */
  for (size_t i = 0; last && i < rules->lasting->blocks.count; i++) {
    const struct lasting_block *block = lasting_at(rules->lasting, i);
    const uint32_t window = (uint32_t)steps_begun(rules->steps, block->alloc_event) + 1;
    int step;
    enum phase phase = steps_phase_at(rules->steps, block->alloc_event, &step);
    if (phase == PHASE_FORWARD || phase == PHASE_BACKWARD || last[block->stack] == window ||
        steps_begun(rules->steps, block->free_event) + 1 == window) {
      continue;
    }
    last[block->stack] = window;
    rules->windows[block->stack]++;
  }
  free(last);
  return last ? 0 : ERROR_MEMORY;
}

int category_rules_init(struct category_rules *rules) {
  rules->windows = calloc((size_t)rules->traits->stacks_limit + 1, sizeof *rules->windows);
  rules->sizes = calloc(count_residents(rules->history) + 1, sizeof *rules->sizes);
  rules->roles = calloc(rules->regions->items.count + 1, sizeof *rules->roles);
  for (size_t i = 0; rules->roles && i < rules->regions->items.count; i++) {
    rules->roles[i].category = CATEGORY_COUNT;
  }
  rules->computing = calloc((size_t)rules->traits->stacks_limit + 1, sizeof *rules->computing);
  int rc = rules->windows && rules->sizes && rules->roles && rules->computing ? note_parameters(rules) : ERROR_MEMORY;
  return rc == 0 && rules->steps->count ? count_windows(rules) : rc;
}

void category_rules_fini(struct category_rules *rules) {
  map64_fini(&rules->size_of);
  free(rules->sizes);
  free(rules->windows);
  free(rules->roles);
  free(rules->computing);
  *rules = (struct category_rules){0};
}
