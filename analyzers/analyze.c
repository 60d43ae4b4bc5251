/* The loop over a trace's events: who is told what, in which order. */
#include "analyzers/analyze.h"

#include "analyzers/analysis.h"
#include "analyzers/store.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { EVENTS_PER_PROGRESS = 1 << 16 };

static int block_end(struct analysis *analysis, struct block *block, const struct trace_event *event,
                     const struct thread_state *thread) {
  int rc = 0;
  if (block->row) {
    rc = holders_block_end(&analysis->holders, block, event, thread);
    steps_released(&analysis->steps);
  }
  if (rc == 0 && analysis->regions.by_address.count) {
    rc = holders_arena_end(&analysis->holders, block, event);
    steps_released(&analysis->steps);
  }
  infer_sequence_free(&analysis->sequence, block->inferred, event, analysis->events);
  timeline_free(&analysis->timeline, block->stack, block->size);
  blocks_remove(&analysis->blocks, block);
  return rc;
}

static int on_alloc(struct analysis *analysis, const struct trace_event *event, struct thread_state *thread) {
  if (!event->address) {
    return 0;
  }
  struct block *block = blocks_find(&analysis->blocks, event->address);
  if (block) { /* its free was not seen */
    int rc = block_end(analysis, block, event, thread);
    if (rc != 0) {
      return rc;
    }
  }
  block = blocks_add(&analysis->blocks, event->address, event->size);
  if (!block) {
    return ERROR_MEMORY;
  }
  block->event = analysis->events;
  block->time_ns = event->time_ns;
  block->before = timeline_level_before(&analysis->timeline);
  block->stack = event->stack < analysis->timeline.stacks_limit ? event->stack : 0;
  block->inferred = infer_sequence_alloc(&analysis->sequence, event, analysis->events);
  timeline_alloc(&analysis->timeline, block->stack, block->size);
  thread->last_alloc = event->address;
  return 0;
}

static int on_free(struct analysis *analysis, const struct trace_event *event, struct thread_state *thread) {
  struct block *block = blocks_find(&analysis->blocks, event->address);
  if (!block) {
    return 0;
  }
  if (thread->last_alloc == event->address) { /* given back before the thread allocated again */
    timeline_temporary(&analysis->timeline, block->stack);
    thread->last_alloc = 0;
  }
  return block_end(analysis, block, event, thread);
}

static void on_small(struct analysis *analysis, const struct trace_event *event, struct thread_state *thread) {
  struct small_sums *sums = &analysis->small;
  sums->alloc_bytes += event->small.alloc_bytes;
  sums->alloc_count += event->small.alloc_count;
  sums->free_bytes += event->small.free_bytes;
  sums->free_count += event->small.free_count;
  thread->last_alloc = event->small.alloc_count ? 0 : thread->last_alloc;
  timeline_small(&analysis->timeline, event->small.alloc_bytes, event->small.free_bytes);
}

static int on_autograd(struct analysis *analysis, const struct trace_event *event, struct thread_state *thread) {
  int rc;
  switch (event->kind) {
  case TRACE_SAVE:
    rc = steps_save(&analysis->steps);
    rc = rc == 0 ? holders_save(&analysis->holders, event, thread) : rc;
    return rc == 0 ? steps_refilled(&analysis->steps, analysis->holders.refilled) : rc;
  case TRACE_RELEASE:
    rc = holders_release(&analysis->holders, event, thread);
    steps_released(&analysis->steps);
    return rc;
  case TRACE_RESIDENT:
    rc = *event->resident.name ? 0 : steps_leaf(&analysis->steps);
    return rc == 0 ? holders_resident(&analysis->holders, event) : rc;
  case TRACE_PHASE:
    rc = steps_phase(&analysis->steps, event->phase.phase, event->phase.begins);
    return rc == 0 && event->phase.phase == TRACE_PHASE_BACKWARD
               ? steps_backward(&analysis->steps, event->phase.begins, event->time_ns, thread)
               : rc;
  case TRACE_STEP:
    return steps_marked(&analysis->steps);
  case TRACE_REGION:
    return holders_region(&analysis->holders, event);
  case TRACE_REGION_END:
    rc = holders_region_end(&analysis->holders, event);
    steps_released(&analysis->steps);
    return rc;
  default:
    return 0;
  }
}

/* The program, or the probe, says itself what it is at. */
static bool tells(enum trace_event_kind kind) {
  return kind == TRACE_SAVE || kind == TRACE_PHASE || kind == TRACE_STEP || kind == TRACE_REGION;
}

/* Events that were inferred, beside an event of the trace. */
static int put_in(struct analysis *analysis, const struct trace_event *beside, bool behind,
                  struct thread_state *thread) {
  struct trace_event event;
  int rc = 0;
  while (rc == 0 && infer_next(&analysis->inferred, analysis->events, behind, &event)) {
    event.time_ns = beside->time_ns;
    event.tid = beside->tid;
    rc = on_autograd(analysis, &event, thread);
  }
  return rc;
}

static int on_kind(struct analysis *analysis, const struct trace_event *event, struct thread_state *thread) {
  switch (event->kind) {
  case TRACE_ALLOC:
    return on_alloc(analysis, event, thread);
  case TRACE_FREE:
    return on_free(analysis, event, thread);
  case TRACE_SMALL:
    on_small(analysis, event, thread);
    return 0;
  default:
    if (tells(event->kind)) {
      infer_sequence_fini(&analysis->sequence);
    }
    return on_autograd(analysis, event, thread);
  }
}

static int on_event(struct analysis *analysis, const struct trace_event *event) {
  struct thread_state *thread = threads_get(&analysis->threads, event->tid);
  if (!thread) {
    return ERROR_MEMORY;
  }
  thread->events++;
  int rc = put_in(analysis, event, false, thread);
  rc = rc == 0 ? steps_tick(&analysis->steps, event->time_ns) : rc;
  if (rc == 0 && thread->watches_count && event->stack) {
    rc = holders_watch(&analysis->holders, event, thread);
  }
  rc = rc == 0 ? on_kind(analysis, event, thread) : rc;
  return rc == 0 ? put_in(analysis, event, true, thread) : rc;
}

static int read_events(struct analysis *analysis, const struct analyze_options *options, struct error *err) {
  struct trace_event event;
  int more;
  while ((more = trace_reader_next(analysis->reader, &event, err)) > 0) {
    timeline_begin(&analysis->timeline, ++analysis->events, event.time_ns);
    int rc = on_event(analysis, &event);
    if (rc != 0) {
      return error_set(err, rc, "the analysis ran out of memory after %llu events; try a machine with more",
                       (unsigned long long)analysis->events);
    }
    timeline_settle(&analysis->timeline);
    if (options && options->progress && analysis->events % EVENTS_PER_PROGRESS == 0) {
      options->progress(options->context, trace_reader_progress(analysis->reader));
    }
  }
  return more;
}

/* What a reading of the trace fills in. */
static int begin_reading(struct analysis *analysis, struct error *err) {
  analysis->events = 0;
  analysis->holders = (struct holders){.reader = analysis->reader,
                                       .names = analysis->names,
                                       .timeline = &analysis->timeline,
                                       .blocks = &analysis->blocks,
                                       .regions = &analysis->regions};
  if (timeline_init(&analysis->timeline, trace_reader_stack_limit(analysis->reader), analysis->info->end_ns) != 0 ||
      holders_init(&analysis->holders) != 0) {
    return error_set(err, ERROR_MEMORY, "no memory to analyse the trace; try a machine with more");
  }
  steps_init(&analysis->steps, &analysis->timeline, &analysis->holders);
  return 0;
}

static void forget_reading(struct analysis *analysis) {
  steps_fini(&analysis->steps);
  holders_fini(&analysis->holders);
  threads_fini(&analysis->threads);
  timeline_fini(&analysis->timeline);
  regions_fini(&analysis->regions);
  blocks_fini(&analysis->blocks);
}

static int analysis_init(struct analysis *analysis, const char *path, struct error *err) {
  int rc = trace_reader_open(&analysis->reader, path, err);
  if (rc != 0) {
    return rc;
  }
  const struct trace_module *modules;
  size_t modules_count = trace_reader_modules(analysis->reader, &modules);
  const struct trace_code *codes;
  size_t codes_count = trace_reader_codes(analysis->reader, &codes);
  analysis->info = trace_reader_info(analysis->reader);
  if (symbols_open(&analysis->symbols, modules, modules_count) != 0 ||
      op_names_open(&analysis->names, analysis->reader, analysis->symbols) != 0) {
    return error_set(err, ERROR_MEMORY, "no memory to analyse %s; try a machine with more", path);
  }
  symbols_set_codes(analysis->symbols, codes, codes_count);
  infer_sequence_init(&analysis->sequence, analysis->reader);
  return begin_reading(analysis, err);
}

static void analysis_fini(struct analysis *analysis) {
  forget_reading(analysis);
  infer_result_fini(&analysis->inferred);
  infer_sequence_fini(&analysis->sequence);
  lasting_fini(&analysis->lasting);
  stack_traits_fini(&analysis->traits);
  op_names_close(analysis->names);
  symbols_close(analysis->symbols);
  trace_reader_close(analysis->reader);
}

/* Nobody told what is saved: where the order of allocations does, the trace is read again with it put in. */
static int infer_saves(struct analysis *analysis, const struct analyze_options *options, struct error *err) {
  const struct infer_source source = {.reader = analysis->reader,
                                      .symbols = analysis->symbols,
                                      .names = analysis->names,
                                      .sequence = &analysis->sequence,
                                      .peak = (uint64_t)analysis->timeline.peak};
  analysis->lasting_bytes =
      infer_sequence_lasting(&analysis->sequence, analysis->timeline.peak_event, analysis->info->end_ns);
  if (infer(&source, &analysis->inferred) != 0) {
    return error_set(err, ERROR_MEMORY, "the analysis ran out of memory for its inference; try a machine with more");
  }
  analysis->sequence.on = false;
  if (analysis->inferred.confidence <= 0) {
    return 0;
  }
  forget_reading(analysis);
  int rc = begin_reading(analysis, err);
  trace_reader_rewind(analysis->reader);
  return rc == 0 ? read_events(analysis, options, err) : rc;
}

static int finish(struct analysis *analysis, struct facts *facts, struct error *err) {
  uint64_t last_ns = analysis->timeline.time_ns;
  analysis->end_ns = analysis->info->end_ns > last_ns ? analysis->info->end_ns : last_ns;
  timeline_finish(&analysis->timeline);
  int rc = steps_finish(&analysis->steps, analysis->end_ns);
  holders_finish(&analysis->holders);
  rc = rc == 0 ? assemble_facts(analysis, facts) : rc;
  return rc == 0 ? 0 : error_set(err, rc, "no memory for what the trace tells; try a machine with more");
}

int analyze_trace(const char *path, struct facts *facts, const struct analyze_options *options, struct error *err) {
  struct analysis analysis = {0};
  *facts = (struct facts){0};
  int rc = analysis_init(&analysis, path, err);
  rc = rc == 0 ? read_events(&analysis, options, err) : rc;
  rc = rc == 0 ? infer_saves(&analysis, options, err) : rc;
  rc = rc == 0 ? finish(&analysis, facts, err) : rc;
  analysis_fini(&analysis);
  if (rc != 0) {
    facts_fini(facts);
  }
  return rc;
}

int analyze_load(const char *path, struct facts *facts, const struct analyze_options *options, struct error *err) {
  if (!store_is_database(path)) {
    return analyze_trace(path, facts, options, err);
  }
  return options && options->history ? store_read_history(path, facts, err) : store_read(path, facts, err);
}
