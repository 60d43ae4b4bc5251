/* The product of how much the steps agree, how well the frees keep to the order, how much else speaks for a backward pass, and
 * how often it was seen. */
#include "analyzers/infer_confidence.h"

#include "analyzers/map64.h"
#include "common/error.h"

#include <math.h>
#include <stdlib.h>

struct tally {            /* of one allocation stack */
  uint64_t bytes, blocks; /* saved in all steps */
  uint32_t usual, here;   /* blocks in the usual step, in the step at hand */
};

struct census {
  const struct infer_steps *steps;
  const struct infer_sequence *sequence;
  struct tally *stacks;
};

static uint32_t stack_of(const struct census *census, const struct infer_step *step, uint32_t index) {
  const uint32_t block = infer_step_block(census->steps, step, index);
  return infer_alloc_stack(census->sequence, infer_block_at(census->sequence, block));
}

/* Equal for steps that save as many blocks from the same places. */
static uint64_t hash_of(const struct census *census, const struct infer_step *step) {
  uint64_t sum = 1;
  for (uint32_t i = 0; i < step->saved_count; i++) {
    uint64_t hash = (stack_of(census, step, i) + (uint64_t)1) * 0x9e3779b97f4a7c15u;
    hash = (hash ^ hash >> 31) * 0xbf58476d1ce4e5b9u;
    sum += hash ^ hash >> 29;
  }
  return sum ? sum : 1;
}

static void count_all(const struct census *census) {
  for (size_t i = 0; i < census->steps->items.count; i++) {
    const struct infer_step *step = infer_step_at(census->steps, i);
    for (uint32_t b = 0; b < step->saved_count; b++) {
      struct tally *tally = &census->stacks[stack_of(census, step, b)];
      tally->bytes += infer_block_at(census->sequence, infer_step_block(census->steps, step, b))->bytes;
      tally->blocks++;
    }
  }
}

/* Bytes that the step and the usual one have in common, to those that either has, a stack's blocks taken for equal. */
static double likeness(const struct census *census, const struct infer_step *usual, const struct infer_step *step) {
  double both = 0, either = 0;
  for (uint32_t i = 0; i < step->saved_count; i++) {
    census->stacks[stack_of(census, step, i)].here++;
  }
  for (int of_usual = 0; of_usual < 2; of_usual++) {
    const struct infer_step *walked = of_usual ? usual : step;
    for (uint32_t i = 0; i < walked->saved_count; i++) {
      struct tally *tally = &census->stacks[stack_of(census, walked, i)];
      const uint32_t more = tally->usual > tally->here ? tally->usual : tally->here;
      const uint32_t less = tally->usual > tally->here ? tally->here : tally->usual;
      const double size = tally->blocks ? (double)tally->bytes / (double)tally->blocks : 0;
      const uint32_t seen = of_usual ? tally->usual : tally->here; /* times that this walk comes by */
      if (!of_usual || !tally->here) {
        both += size * less / seen;
        either += size * more / seen;
      }
    }
  }
  for (uint32_t i = 0; i < step->saved_count; i++) {
    census->stacks[stack_of(census, step, i)].here = 0;
  }
  return either > 0 ? both / either : 0;
}

/* The mean over the steps of what each has in common with the set that most steps save; one that at least two others save
 * exactly is as good, for a loop may take turns. */
static int agreement(const struct census *census, double *mean) {
  const struct infer_steps *steps = census->steps;
  struct map64 times = {0};
  uint64_t most = 0;
  size_t usual = 0;
  for (size_t i = 0; i < steps->items.count; i++) {
    uint64_t *count = map64_put(&times, hash_of(census, infer_step_at(steps, i)));
    if (!count) {
      map64_fini(&times);
      return ERROR_MEMORY;
    }
    usual = ++*count > most ? i : usual;
    most = *count > most ? *count : most;
  }
  const struct infer_step *example = infer_step_at(steps, usual);
  for (uint32_t i = 0; i < example->saved_count; i++) {
    census->stacks[stack_of(census, example, i)].usual++;
  }
  double sum = 0;
  for (size_t i = 0; i < steps->items.count; i++) {
    const struct infer_step *step = infer_step_at(steps, i);
    const bool recurs = *map64_find(&times, hash_of(census, step)) >= INFER_RECURS;
    sum += recurs ? 1 : likeness(census, example, step);
  }
  *mean = sum / (double)steps->items.count;
  map64_fini(&times);
  return 0;
}

/* By bytes. */
static double mean_order(const struct infer_steps *steps) {
  double ordered = 0, bytes = 0;
  for (size_t i = 0; i < steps->items.count; i++) {
    const struct infer_step *step = infer_step_at(steps, i);
    ordered += step->order * (double)step->saved_bytes;
    bytes += (double)step->saved_bytes;
  }
  return bytes > 0 ? ordered / bytes : 0;
}

/* Names of functions that speak of backward settle it; without them, gradients of the shapes of activations leave a doubt. */
static double signs_of_backward(const struct infer_steps *steps, const struct infer_patterns *patterns) {
  double sum = 0;
  for (size_t i = 0; i < steps->items.count; i++) {
    const struct infer_pattern *pattern = &patterns->items[infer_step_at(steps, i)->pattern - 1];
    sum += pattern->named >= 0.5 ? 1 : 0.5 + 0.4 * (pattern->echo < 1 ? pattern->echo : 1);
  }
  return sum / (double)steps->items.count;
}

int infer_confidence(const struct infer_steps *steps, const struct infer_patterns *patterns,
                     const struct infer_sequence *sequence, double *confidence) {
  struct census census = {.steps = steps, .sequence = sequence};
  double agree = 0;
  *confidence = 0;
  if (!steps->items.count) {
    return 0;
  }
  census.stacks = calloc((size_t)sequence->stacks_limit + 1, sizeof *census.stacks);
  if (!census.stacks) {
    return ERROR_MEMORY;
  }
  count_all(&census);
  const int rc = agreement(&census, &agree);
  free(census.stacks);
  const double seen = 1 - exp2(-(double)steps->items.count);
  *confidence = agree * mean_order(steps) * signs_of_backward(steps, patterns) * seen;
  return rc;
}
