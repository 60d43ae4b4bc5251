/* See the header. */
#include "tests/analyzers/sequence_builder.h"

#include <stdlib.h>

void sequence_init(struct sequence_builder *builder) {
  *builder = (struct sequence_builder){
      .sequence = {.threshold = 1, .tick_ns = 1, .stacks_limit = SEQUENCE_STACKS, .on = true}};
  if (spill_open(&builder->sequence.blocks, sizeof(struct infer_block)) != 0 ||
      spill_open(&builder->sequence.events, sizeof(struct infer_event)) != 0) {
    abort();
  }
}

void sequence_fini(struct sequence_builder *builder) {
  infer_sequence_fini(&builder->sequence);
}

static struct trace_event next_event(struct sequence_builder *builder, enum trace_event_kind kind, uint32_t stack) {
  builder->number++;
  builder->time_ns += 10;
  return (struct trace_event){.kind = kind, .time_ns = builder->time_ns, .stack = stack, .address = 0x1000};
}

uint32_t sequence_alloc(struct sequence_builder *builder, uint64_t bytes, uint32_t stack) {
  struct trace_event event = next_event(builder, TRACE_ALLOC, stack);
  event.size = bytes;
  return infer_sequence_alloc(&builder->sequence, &event, builder->number) - 1;
}

void sequence_free(struct sequence_builder *builder, uint32_t block, uint32_t stack) {
  const struct trace_event event = next_event(builder, TRACE_FREE, stack);
  infer_sequence_free(&builder->sequence, block + 1, &event, builder->number);
}

void sequence_random(struct sequence_builder *builder, unsigned seed, unsigned events, unsigned stacks) {
  uint32_t *live = calloc(events + 1, sizeof *live);
  unsigned count = 0;
  if (!live) {
    abort();
  }
  for (unsigned i = 0; i < events; i++) {
    if (count == 0 || rand_r(&seed) % 2) {
      live[count++] = sequence_alloc(builder, 1 + (unsigned)rand_r(&seed) % 8, 1 + (unsigned)rand_r(&seed) % stacks);
    } else {
      const unsigned which = (unsigned)rand_r(&seed) % count;
      sequence_free(builder, live[which], 1 + (unsigned)rand_r(&seed) % stacks);
      live[which] = live[--count];
    }
  }
  free(live);
}
