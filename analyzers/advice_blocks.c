/* Advice about single blocks: masks that could be bits, what is kept past its use. */
#include "analyzers/advice_candidate.h"

#include "analyzers/op_name.h"
#include "common/error.h"

#include <stdlib.h>
#include <string.h>

/* ---- masks ------------------------------------------------------------------------------------------------------- */

static int take_mask(struct advisor *advisor, struct candidate **candidate, const struct saved_row *row) {
  const struct saved_history *history = advisor->facts->history;
  const struct saved_holder *holder = saved_holder_at(history, row->first_holder);
  const uint64_t packed = (row->elements + 7) / 8;
  if (row->holders != 1 || row->bytes <= packed || holder->release_event == SAVED_NEVER ||
      !op_holds_mask(holder->op, history->stacks[row->stack].op)) {
    return 0;
  }
  int rc = *candidate ? 0 : candidate_new(advisor, ADVICE_MASK_BITS, candidate);
  if (rc != 0 || !*candidate) {
    return rc;
  }
  const uint64_t from = holder->op_end_event < holder->release_event ? holder->op_end_event : holder->save_event;
  const struct relief relief = {row->bytes - packed, from,      holder->release_event, history->stacks[row->stack].op,
                                holder->layer,       row->stack};
  (*candidate)->advice.bits = 1;
  rc = candidate_take(advisor, *candidate, &relief);
  return rc == 0 ? scenario_take(&(*candidate)->scenario, row->bytes, holder->release_event, row->free_event) : rc;
}

int advice_masks(struct advisor *advisor) {
  const struct saved_history *history = advisor->facts->history;
  struct candidate *candidate = NULL;
  int rc = 0;
  for (uint32_t i = 0; i < history->rows.count && rc == 0; i++) {
    const struct saved_row *row = saved_row_at(history, i);
    rc = advice_row_counts(row) ? take_mask(advisor, &candidate, row) : 0;
  }
  return rc;
}

/* ---- kept past its use ------------------------------------------------------------------------------------------- */

/* When the last op let go of the block; 0: none held it; SAVED_NEVER: some op saves it after `end`, or never lets go. */
static uint64_t last_release(const struct advisor *advisor, const struct lasting_block *block, uint64_t end) {
  const struct saved_history *history = advisor->facts->history;
  uint64_t last = 0;
  for (uint32_t i = 0; i < block->rows_count; i++) {
    const struct saved_row *row = saved_row_at(history, lasting_row(&advisor->analysis->lasting, block, i));
    for (uint32_t at = row->region ? SAVED_NONE : row->first_holder; at != SAVED_NONE;) {
      const struct saved_holder *holder = saved_holder_at(history, at);
      const uint64_t release = holder->save_event > end ? SAVED_NEVER : holder->release_event;
      last = release > last ? release : last;
      at = holder->next;
    }
  }
  return last;
}

/* The step of its birth, if it is a tensor of a forward pass that outlives the backward pass, which lets go of all that it
 * reads; NULL: it is none. */
static const struct step *kept_since(const struct advisor *advisor, const struct lasting_block *block) {
  const struct steps *steps = &advisor->analysis->steps;
  int index;
  enum phase phase = steps_phase_at(steps, block->alloc_event, &index);
  if ((block->category != CATEGORY_OTHER && block->category != CATEGORY_TEMPORARY) || phase != PHASE_FORWARD ||
      !(stack_traits_of(&advisor->analysis->traits, block->stack) & STACK_OF_TENSOR)) {
    return NULL;
  }
  const struct step *step = &steps->items[index];
  return step->facts.complete && block->free_event > step->backward_end_event ? step : NULL;
}

int advice_kept(struct advisor *advisor) {
  const struct lasting *lasting = &advisor->analysis->lasting;
  struct candidate *candidate = NULL;
  int rc = 0;
  for (size_t i = 0; i < lasting->blocks.count && rc == 0; i++) {
    const struct lasting_block *block = lasting_at(lasting, i);
    const struct step *step = kept_since(advisor, block);
    uint64_t release = step ? last_release(advisor, block, step->end_event) : SAVED_NEVER;
    if (release == SAVED_NEVER) {
      continue;
    }
    rc = candidate ? 0 : candidate_new(advisor, ADVICE_FREE_KEPT, &candidate);
    if (rc != 0 || !candidate) {
      return rc;
    }
    const uint64_t from = release > step->backward_event ? release : step->backward_event;
    const char *op = advisor->facts->history->stacks[block->stack].op;
    rc = candidate_take(advisor, candidate,
                        &(struct relief){block->bytes, from, block->free_event, op, NULL, block->stack});
  }
  return rc;
}
