/* Advice about gradients that live over forward passes though nobody reads them there: zero_grad(set_to_none=False) fills
 * them with zeros instead of letting them go, or zero_grad is called after the forward pass. Where gradients go between some
 * steps and not between others, they are being accumulated: that is needed. */
#include "analyzers/advice_candidate.h"

#include "analyzers/map64.h"
#include "common/error.h"

#include <stdlib.h>

struct gradients {
  struct advisor *advisor;
  struct candidate *candidate;
  struct map64 ranks; /* of what a backward pass adds: (key, bytes) -> how many there were in this step */
  struct map64 added; /* (key, bytes, rank) in the step -> event at which it was gone + 1 */
};

static uint64_t mix(uint64_t a, uint64_t b) {
  uint64_t x = (a ^ b * 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
  return (x ^ x >> 29) | 1;
}

/* Equal for what the same place in the backward pass allocates, whatever called backward. */
static uint64_t place_key(const struct advisor *advisor, uint32_t stack, uint64_t bytes) {
  return mix(stack_traits_backward_place(&advisor->analysis->traits, stack), bytes);
}

/* Does any gradient go between two steps? */
static bool go_between_steps(const struct advisor *advisor) {
  const struct steps *steps = &advisor->analysis->steps;
  const struct lasting *lasting = &advisor->analysis->lasting;
  const uint64_t last_begin = steps->items[steps->count - 1].begin_event;
  for (size_t i = 0; i < lasting->blocks.count; i++) {
    const struct lasting_block *block = lasting_at(lasting, i);
    int step;
    if (block->category == CATEGORY_GRADIENT && block->free_event < last_begin) {
      enum phase phase = steps_phase_at(steps, block->free_event, &step);
      if (phase != PHASE_FORWARD && phase != PHASE_BACKWARD) {
        return true;
      }
    }
  }
  return false;
}

static size_t first_added(const struct lasting *lasting, uint64_t event) {
  size_t low = 0, high = lasting->added.count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (lasting_added_at(lasting, middle)->alloc_event < event) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

static int count_rank(struct map64 *ranks, uint64_t key, uint64_t *rank) {
  uint64_t *count = map64_put(ranks, key);
  *rank = count ? ++*count : 0;
  return count ? 0 : ERROR_MEMORY;
}

static int note_added(struct gradients *gradients, const struct step *step) {
  const struct lasting *lasting = &gradients->advisor->analysis->lasting;
  map64_fini(&gradients->ranks);
  map64_fini(&gradients->added);
  for (size_t i = first_added(lasting, step->backward_event); i < lasting->added.count; i++) {
    const struct lasting_added *added = lasting_added_at(lasting, i);
    uint64_t rank, key = place_key(gradients->advisor, added->stack, added->bytes);
    if (added->alloc_event >= step->backward_end_event) {
      break;
    }
    uint64_t *end =
        count_rank(&gradients->ranks, key, &rank) == 0 ? map64_put(&gradients->added, mix(key, rank)) : NULL;
    if (!end) {
      return ERROR_MEMORY;
    }
    *end = added->free_event;
  }
  map64_fini(&gradients->ranks);
  return 0;
}

/* From when on the step needs the gradient: it is computed anew, and was added to the one that was kept. */
static int needed_from(struct gradients *gradients, const struct step *step, const struct lasting_block *block,
                       uint64_t *event) {
  uint64_t rank, key = place_key(gradients->advisor, block->stack, block->bytes);
  int rc = count_rank(&gradients->ranks, key, &rank);
  const uint64_t *end = rc == 0 ? map64_find(&gradients->added, mix(key, rank)) : NULL;
  *event = end ? *end : step->backward_event;
  return rc;
}

static int take(struct gradients *gradients, const struct lasting_block *block, uint64_t from, uint64_t to) {
  int rc = gradients->candidate ? 0 : candidate_new(gradients->advisor, ADVICE_FREE_GRADIENTS, &gradients->candidate);
  if (rc != 0 || !gradients->candidate) {
    return rc;
  }
  const struct relief relief = {block->bytes, from, to, NULL, NULL, block->stack};
  return candidate_take(gradients->advisor, gradients->candidate, &relief);
}

/* Let go between a forward pass and its backward pass: it could have been before. */
static int take_late(struct gradients *gradients, const struct lasting_block *block) {
  const struct steps *steps = &gradients->advisor->analysis->steps;
  const size_t begun = steps_begun(steps, block->free_event);
  const struct step *step = begun ? &steps->items[begun - 1] : NULL;
  const bool late = step && block->alloc_event < step->begin_event && block->free_event <= step->backward_event;
  return late ? take(gradients, block, step->begin_event, block->free_event) : 0;
}

/* The gradients that were kept from this step's update to its successor's are `blocks`. */
static int take_kept(struct gradients *gradients, const struct step *step, struct lasting_block *const *blocks,
                     size_t count) {
  int rc = note_added(gradients, step);
  for (size_t i = 0; i < count && rc == 0; i++) {
    uint64_t until = 0;
    if (blocks[i]->alloc_event < step->begin_event && step->backward_event < blocks[i]->free_event) {
      rc = needed_from(gradients, step, blocks[i], &until);
      rc = rc == 0 ? take(gradients, blocks[i], step->begin_event, until) : rc;
    }
  }
  return rc;
}

static int take_all_kept(struct gradients *gradients, struct lasting_block *const *blocks, size_t count) {
  const struct steps *steps = &gradients->advisor->analysis->steps;
  int rc = 0;
  for (size_t i = 1; i < steps->count && rc == 0; i++) {
    rc = steps->items[i].backward_event != UINT64_MAX ? take_kept(gradients, &steps->items[i], blocks, count) : 0;
  }
  return rc;
}

static int take_gradients(struct gradients *gradients, struct lasting_block **blocks) {
  const struct lasting *lasting = &gradients->advisor->analysis->lasting;
  size_t count = 0;
  int rc = 0;
  for (size_t i = 0; i < lasting->blocks.count && rc == 0; i++) {
    struct lasting_block *block = lasting_at(lasting, i);
    if (block->category == CATEGORY_GRADIENT) {
      blocks[count++] = block;
      rc = take_late(gradients, block);
    }
  }
  return rc == 0 && !go_between_steps(gradients->advisor) && !gradients->candidate
             ? take_all_kept(gradients, blocks, count)
             : rc;
}

static size_t count_gradients(const struct lasting *lasting) {
  size_t count = 0;
  for (size_t i = 0; i < lasting->blocks.count; i++) {
    count += lasting_at(lasting, i)->category == CATEGORY_GRADIENT;
  }
  return count;
}

int advice_gradients(struct advisor *advisor) {
  struct gradients gradients = {.advisor = advisor};
  struct lasting_block **blocks = calloc(count_gradients(&advisor->analysis->lasting) + 1, sizeof *blocks);
  int rc = blocks ? take_gradients(&gradients, blocks) : ERROR_MEMORY;
  map64_fini(&gradients.ranks);
  map64_fini(&gradients.added);
  free(blocks);
  return rc;
}
