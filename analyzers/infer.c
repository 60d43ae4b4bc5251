/* From the sequence to the events that a probe would have written. */
#include "analyzers/infer.h"

#include "analyzers/infer_confidence.h"
#include "analyzers/infer_frames.h"
#include "analyzers/infer_ops.h"
#include "analyzers/infer_patterns.h"
#include "analyzers/infer_runs.h"
#include "analyzers/infer_steps.h"
#include "analyzers/saved_history.h"
#include "common/error.h"

#include <stdlib.h>

/* Of the peak: saved sets that are smaller are not worth telling, and the smaller the more likely are they something else. */
enum { LEAST_SHARE = 400, LEAST_BYTES = 1 << 15 };

/* How far behind a block's allocation the op that needs it is looked for, and before its end the node that lets go of it. */
enum { CONSUMER_WITHIN = 1024, NODE_WITHIN = 16 };

struct inference {
  const struct infer_source *source;
  const struct infer_sequence *sequence;
  struct infer_frames frames;
  struct infer_runs runs;
  struct infer_patterns patterns;
  struct infer_steps steps;
  struct infer_ops ops;
  struct infer_result *result;
};

/* ---- who needs a block ------------------------------------------------------------------------------------------------ */

static const char *op_at(const struct inference *inference, uint32_t place) {
  return op_names_of_stack(inference->source->names, infer_event_at(inference->sequence, place)->stack, NULL);
}

/* The class of the node that let go of the block: it is on the stack of the free, or was on that of one of the last events
 * before. There it may have been another node, which had nothing to allocate: the gradient that a pointwise op makes has the
 * size of what it saved. */
static const char *releasing_node(struct inference *inference, const struct infer_step *step,
                                  const struct infer_block *block) {
  for (uint32_t back = 0; back <= NODE_WITHIN && block->free_at >= step->turn + back; back++) {
    const uint32_t at = block->free_at - back;
    const char *class = infer_frames_node(&inference->frames, infer_event_at(inference->sequence, at)->stack);
    if (*class) {
      const bool pointwise = op_is_pointwise(op_names_canonical(inference->source->names, "", class), NULL);
      const bool fits = infer_block_of(inference->sequence, at)->bytes == block->bytes;
      return back == 0 || !pointwise || fits ? class : "";
    }
  }
  return "";
}

/* The place where an op of this class first allocates, from the block's own allocation on; INFER_NEVER: it was not seen. */
static uint32_t consumer_of(const struct inference *inference, const struct infer_step *step, uint32_t alloc_at,
                            const char *class) {
  const uint32_t end = alloc_at < step->turn ? step->turn : step->end; /* it may be computed again within backward */
  for (uint32_t at = alloc_at; at < end && at - alloc_at < CONSUMER_WITHIN; at++) {
    if (infer_block_of(inference->sequence, at)->alloc_at == at && op_names_agree(op_at(inference, at), class)) {
      return at;
    }
  }
  return INFER_NEVER;
}

/* ---- events ------------------------------------------------------------------------------------------------------------ */

enum what { SAVE, BACKWARD_BEGINS, RELEASE, BACKWARD_ENDS }; /* in the order in which they come beside one event */

struct insert {
  uint64_t number; /* of an event of the trace */
  const char *op;  /* by its node, where the op itself was not seen; else "" */
  uint32_t block, stack;
  uint8_t what;
  bool behind; /* that event, or before it */
  bool known;  /* which op saves */
};

static int add(struct inference *inference, uint32_t place, struct insert insert) {
  struct insert *entry = spill_push(&inference->result->inserts);
  if (!entry) {
    return ERROR_MEMORY;
  }
  insert.number = infer_event_at(inference->sequence, place)->number;
  *entry = insert;
  return 0;
}

/* The name of an op that was not seen, if any op needs the block: by the node that let go of it, else of what allocated it. */
static const char *op_unseen(const struct inference *inference, const struct infer_block *block, const char *class) {
  struct op_names *names = inference->source->names;
  if (*class || inference->frames.has_libtorch) {
    return op_names_canonical(names, *class ? "" : op_at(inference, block->alloc_at), class);
  }
  return infer_ops_name(&inference->ops, infer_alloc_stack(inference->sequence, block));
}

static int add_save(struct inference *inference, const struct infer_step *step, uint32_t number) {
  const struct infer_block *block = infer_block_at(inference->sequence, number);
  const bool by_torch = inference->frames.has_libtorch && block->free_at <= step->end;
  const char *class = by_torch ? releasing_node(inference, step, block) : "";
  const uint32_t consumer = *class ? consumer_of(inference, step, block->alloc_at, class) : INFER_NEVER;
  const uint32_t place = consumer == INFER_NEVER ? block->alloc_at : consumer;
  return add(inference, place,
             (struct insert){.block = number,
                             .stack = infer_event_at(inference->sequence, place)->stack,
                             .op = consumer == INFER_NEVER ? op_unseen(inference, block, class) : "",
                             .what = SAVE,
                             .behind = place == block->alloc_at,
                             .known = *class != '\0'});
}

/* What the program keeps beyond the backward pass: backward needs it no more. */
static int add_release(struct inference *inference, const struct infer_step *step, uint32_t number) {
  if (infer_block_at(inference->sequence, number)->free_at <= step->end) {
    return 0;
  }
  return add(inference, step->end, (struct insert){.block = number, .what = RELEASE, .behind = true});
}

static int add_step(struct inference *inference, const struct infer_step *step) {
  int rc = add(inference, step->turn, (struct insert){.what = BACKWARD_BEGINS});
  for (uint32_t i = 0; i < step->saved_count && rc == 0; i++) {
    const uint32_t block = infer_step_block(&inference->steps, step, i);
    rc = add_save(inference, step, block);
    rc = rc == 0 ? add_release(inference, step, block) : rc;
  }
  return rc == 0 ? add(inference, step->end, (struct insert){.what = BACKWARD_ENDS, .behind = true}) : rc;
}

static int by_number(const void *a, const void *b) {
  const struct insert *x = a, *y = b;
  if (x->number != y->number) {
    return (x->number > y->number) - (x->number < y->number);
  }
  if (x->behind != y->behind) {
    return x->behind - y->behind;
  }
  return x->what != y->what ? x->what - y->what : (x->block > y->block) - (x->block < y->block);
}

/* Where there is no libtorch, blocks go by the functions that allocate them. */
static int name_stacks(struct inference *inference) {
  const struct spill *saved = &inference->steps.saved;
  const size_t limit = (size_t)inference->sequence->stacks_limit + 1;
  bool *known = calloc(limit, sizeof *known);
  uint32_t *stacks = calloc(limit, sizeof *stacks);
  size_t count = 0;
  for (size_t i = 0; known && stacks && i < saved->count; i++) {
    const uint32_t block = *(const uint32_t *)spill_at(saved, i);
    const uint32_t stack = infer_alloc_stack(inference->sequence, infer_block_at(inference->sequence, block));
    if (!known[stack]) {
      known[stack] = true;
      stacks[count++] = stack;
    }
  }
  const int rc = known && stacks ? infer_ops_init(&inference->ops, inference->source->reader,
                                                  inference->source->symbols, stacks, count)
                                 : ERROR_MEMORY;
  free(known);
  free(stacks);
  return rc;
}

static int add_all(struct inference *inference) {
  struct spill *inserts = &inference->result->inserts;
  int rc = spill_open(inserts, sizeof(struct insert));
  rc = rc == 0 && !inference->frames.has_libtorch ? name_stacks(inference) : rc;
  for (size_t i = 0; i < inference->steps.items.count && rc == 0; i++) {
    rc = add_step(inference, infer_step_at(&inference->steps, i));
  }
  if (rc == 0 && inserts->count) {
    qsort(inserts->base, inserts->count, inserts->item_size, by_number);
  }
  return rc;
}

static void fill_event(const struct infer_result *result, const struct insert *insert, struct trace_event *event) {
  const struct infer_block *block = infer_block_at(result->sequence, insert->block);
  const uint64_t tensor = (uint64_t)insert->block + 1;
  *event = (struct trace_event){.stack = insert->stack};
  switch ((enum what)insert->what) {
  case SAVE:
    event->kind = TRACE_SAVE;
    event->save.tensor = tensor;
    event->save.data = block->address;
    event->save.bytes = block->bytes;
    event->save.elements = block->bytes / sizeof(float);
    event->save.dtype = TRACE_DTYPE_UNKNOWN;
    event->save.source = (enum trace_source)(insert->known ? SAVED_BY_ORDER : SAVED_BY_ORDER_ALONE);
    event->save.layer = "";
    event->save.op = insert->op;
    return;
  case RELEASE:
    event->kind = TRACE_RELEASE;
    event->release.tensor = tensor;
    return;
  default:
    event->kind = TRACE_PHASE;
    event->phase.phase = TRACE_PHASE_BACKWARD;
    event->phase.begins = insert->what == BACKWARD_BEGINS;
  }
}

bool infer_next(struct infer_result *result, uint64_t number, bool behind, struct trace_event *event) {
  if (result->next == result->inserts.count) {
    return false;
  }
  const struct insert *insert = spill_at(&result->inserts, result->next);
  if (insert->number != number || insert->behind != behind) {
    return false;
  }
  result->next++;
  fill_event(result, insert, event);
  return true;
}

/* ---- all together -------------------------------------------------------------------------------------------------------- */

static int find_steps(struct inference *inference) {
  const uint64_t share = inference->source->peak / LEAST_SHARE;
  int rc = infer_frames_init(&inference->frames);
  rc = rc == 0 ? infer_runs_find(&inference->runs, inference->sequence) : rc;
  rc = rc == 0 ? infer_patterns_find(&inference->patterns, &inference->runs, inference->sequence, &inference->frames,
                                     share > LEAST_BYTES ? share : LEAST_BYTES)
               : rc;
  return rc == 0 && inference->patterns.count
             ? infer_steps_find(&inference->steps, &inference->patterns, &inference->runs, inference->sequence,
                                &inference->frames)
             : rc;
}

int infer(const struct infer_source *source, struct infer_result *result) {
  struct inference inference = {.source = source, .sequence = source->sequence, .result = result};
  inference.frames =
      (struct infer_frames){.reader = source->reader, .symbols = source->symbols, .names = source->names};
  *result = (struct infer_result){.sequence = source->sequence};
  int rc = source->sequence->on ? find_steps(&inference) : 0;
  rc = rc == 0 ? infer_confidence(&inference.steps, &inference.patterns, inference.sequence, &result->confidence) : rc;
  if (result->confidence < INFER_LEAST_CONFIDENCE) {
    result->confidence = 0;
  }
  rc = rc == 0 && result->confidence > 0 ? add_all(&inference) : rc;
  infer_ops_fini(&inference.ops);
  infer_steps_fini(&inference.steps);
  infer_runs_fini(&inference.runs);
  infer_frames_fini(&inference.frames);
  return rc;
}

void infer_result_fini(struct infer_result *result) {
  spill_fini(&result->inserts);
  *result = (struct infer_result){0};
}
