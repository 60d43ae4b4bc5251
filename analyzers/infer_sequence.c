/* Two arrays that grow. A block's end is filled in when it comes. */
#include "analyzers/infer_sequence.h"

enum { DEFAULT_THRESHOLD = 4096 };

void infer_sequence_init(struct infer_sequence *sequence, const struct trace_reader *reader) {
  const uint64_t threshold = trace_reader_info(reader)->min_size;
  *sequence = (struct infer_sequence){.threshold = threshold > 1 ? threshold : DEFAULT_THRESHOLD,
                                      .tick_ns = trace_reader_info(reader)->end_ns / UINT32_MAX + 1,
                                      .stacks_limit = trace_reader_stack_limit(reader)};
  sequence->on = spill_open(&sequence->blocks, sizeof(struct infer_block)) == 0 &&
                 spill_open(&sequence->events, sizeof(struct infer_event)) == 0;
  if (!sequence->on) {
    infer_sequence_fini(sequence);
  }
}

void infer_sequence_fini(struct infer_sequence *sequence) {
  spill_fini(&sequence->blocks);
  spill_fini(&sequence->events);
  *sequence = (struct infer_sequence){0};
}

static bool push_event(struct infer_sequence *sequence, uint32_t block, uint32_t stack, const struct trace_event *event,
                       uint64_t number) {
  struct infer_event *entry = number <= UINT32_MAX ? spill_push(&sequence->events) : NULL;
  if (!entry) {
    infer_sequence_fini(sequence);
    return false;
  }
  const uint64_t tick = event->time_ns / sequence->tick_ns;
  *entry = (struct infer_event){.number = (uint32_t)number,
                                .tick = tick < UINT32_MAX ? (uint32_t)tick : UINT32_MAX,
                                .block = block,
                                .stack = stack < sequence->stacks_limit ? stack : 0};
  return true;
}

uint32_t infer_sequence_alloc(struct infer_sequence *sequence, const struct trace_event *event, uint64_t number) {
  if (!sequence->on || event->size < sequence->threshold) {
    return 0;
  }
  struct infer_block *block = sequence->blocks.count < INFER_BLOCKS_MAX ? spill_push(&sequence->blocks) : NULL;
  if (!block) {
    infer_sequence_fini(sequence);
    return 0;
  }
  *block = (struct infer_block){
      .address = event->address, .bytes = event->size, .alloc_at = infer_places(sequence), .free_at = INFER_NEVER};
  const uint32_t index = (uint32_t)sequence->blocks.count - 1;
  return push_event(sequence, index, event->stack, event, number) ? index + 1 : 0;
}

void infer_sequence_free(struct infer_sequence *sequence, uint32_t block, const struct trace_event *event,
                         uint64_t number) {
  if (!sequence->on || !block) {
    return;
  }
  infer_block_at(sequence, block - 1)->free_at = infer_places(sequence);
  push_event(sequence, block - 1, event->kind == TRACE_FREE ? event->stack : 0, event, number);
}

uint64_t infer_sequence_lasting(const struct infer_sequence *sequence, uint64_t number, uint64_t end_ns) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < sequence->blocks.count; i++) {
    const struct infer_block *block = infer_block_at(sequence, i);
    const bool ends = block->free_at != INFER_NEVER;
    const bool lives = infer_event_at(sequence, block->alloc_at)->number <= number &&
                       (!ends || infer_event_at(sequence, block->free_at)->number > number);
    const uint64_t life_ns =
        (ends ? infer_time_ns(sequence, block->free_at) : end_ns) - infer_time_ns(sequence, block->alloc_at);
    bytes += lives && life_ns >= end_ns / 2 ? block->bytes : 0;
  }
  return bytes;
}
