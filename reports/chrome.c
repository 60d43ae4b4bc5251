/* Chrome's trace event format ("Trace Event Format", JSON object form). Events are written one by one: a long run has
 * more of them than should lie in memory as JSON. */
#include "reports/chrome.h"

#include "analyzers/facts_saved.h"
#include "reports/json.h"
#include "reports/lanes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { TID_STEPS = 1, TID_LANES = 2 };

struct writer {
  struct sink *sink;
  const struct facts *facts;
  bool any; /* has an event been written */
};

static void write_event(struct writer *writer, json_t *event) {
  sink_print(writer->sink, "%s\n", writer->any ? "," : "");
  json_write(writer->sink, event);
  writer->any = true;
}

static void put_time(json_t *event, const char *key, uint64_t ns) {
  json_put_real(event, key, (double)ns / 1000);
}

/* phase: the format's letter for the kind of event. */
static json_t *new_event(const struct writer *writer, const char *phase, const char *name, uint64_t tid) {
  json_t *event = json_object();
  json_put_text(event, "ph", phase);
  json_put_text(event, "name", name);
  json_put_integer(event, "pid", writer->facts->run.pid);
  json_put_count(event, "tid", tid);
  return event;
}

static void write_metadata(struct writer *writer, const char *name, uint64_t tid, const char *key, json_t *value) {
  json_t *event = new_event(writer, "M", name, tid), *args = json_object();
  json_object_set_new(args, key, value);
  json_object_set_new(event, "args", args);
  write_event(writer, event);
}

static json_t *text_json(const char *text) {
  json_t *object = json_object(), *value;
  json_put_text(object, "text", text); /* cleaned */
  value = json_incref(json_object_get(object, "text"));
  json_decref(object);
  return value;
}

static void write_thread(struct writer *writer, uint64_t tid, const char *name) {
  write_metadata(writer, "thread_name", tid, "name", text_json(name));
  write_metadata(writer, "thread_sort_index", tid, "sort_index", json_integer((json_int_t)tid));
}

/* ---- counters ------------------------------------------------------------------------------------------------- */

/* args: what is counted, by the names of its parts; a viewer draws each, or stacks them. */
static void write_counter(struct writer *writer, const char *name, uint64_t ns, json_t *args) {
  json_t *event = new_event(writer, "C", name, TID_STEPS);
  put_time(event, "ts", ns);
  json_object_set_new(event, "args", args);
  write_event(writer, event);
}

static json_t *bytes_json(uint64_t bytes) {
  json_t *args = json_object();
  json_put_count(args, "bytes", bytes);
  return args;
}

/* Of those that have any bytes at any time: a track of zeros tells nothing. */
static json_t *categories_json(const struct facts_sample *sample, const bool *present) {
  json_t *args = json_object();
  for (size_t i = 0; i < CATEGORY_COUNT; i++) {
    if (present[i]) {
      json_put_count(args, category_names[i], sample->categories[i]);
    }
  }
  return args;
}

static void write_counters(struct writer *writer) {
  const struct facts *facts = writer->facts;
  bool present[CATEGORY_COUNT] = {false};
  for (size_t i = 0; i < facts->timeline_count; i++) {
    for (size_t category = 0; category < CATEGORY_COUNT; category++) {
      present[category] = present[category] || facts->timeline[i].categories[category];
    }
  }
  for (size_t i = 0; i < facts->timeline_count; i++) {
    const struct facts_sample *sample = &facts->timeline[i];
    write_counter(writer, "live bytes", sample->time_ns, bytes_json(sample->live_bytes));
    write_counter(writer, "saved bytes", sample->time_ns, bytes_json(sample->saved_bytes));
    write_counter(writer, "live bytes by category", sample->time_ns, categories_json(sample, present));
  }
}

/* ---- steps ---------------------------------------------------------------------------------------------------- */

/* Scope "p": drawn over the whole process. */
static void write_instant(struct writer *writer, const char *name, uint64_t ns, json_t *args) {
  json_t *event = new_event(writer, "i", name, TID_STEPS);
  json_put_text(event, "cat", "step");
  json_put_text(event, "s", "p");
  put_time(event, "ts", ns);
  json_object_set_new(event, "args", args);
  write_event(writer, event);
}

static void write_slice(struct writer *writer, const char *name, uint64_t tid, const char *category, uint64_t begin_ns,
                        uint64_t end_ns, json_t *args) {
  json_t *event = new_event(writer, "X", name, tid);
  json_put_text(event, "cat", category);
  put_time(event, "ts", begin_ns);
  put_time(event, "dur", end_ns > begin_ns ? end_ns - begin_ns : 0);
  if (args) {
    json_object_set_new(event, "args", args);
  }
  write_event(writer, event);
}

static json_t *step_args(const struct facts_step *step) {
  json_t *args = json_object();
  json_put_count(args, "peak_bytes", step->peak_bytes);
  json_put_count(args, "saved_bytes", step->saved_bytes);
  json_put_count(args, "saved_blocks", step->saved_blocks);
  json_put_bool(args, "complete", step->complete);
  return args;
}

/* A step that was cut off has phases that never came: their bounds lie at its end. */
static void write_phases(struct writer *writer, const struct facts_step *step) {
  const uint64_t bounds[] = {step->begin_ns, step->backward_ns, step->backward_end_ns, step->end_ns};
  for (int i = 0; i < 3; i++) {
    if (bounds[i] < bounds[i + 1] && bounds[i + 1] <= step->end_ns) {
      write_slice(writer, phase_names[PHASE_FORWARD + i], TID_STEPS, "phase", bounds[i], bounds[i + 1], NULL);
    }
  }
}

static void write_steps(struct writer *writer) {
  for (size_t i = 0; i < writer->facts->steps_count; i++) {
    const struct facts_step *step = &writer->facts->steps[i];
    char name[32];
    snprintf(name, sizeof name, "step %u", step->index);
    write_instant(writer, name, step->begin_ns, step_args(step));
    write_slice(writer, name, TID_STEPS, "step", step->begin_ns, step->end_ns, step_args(step));
    write_phases(writer, step);
  }
}

static void write_peak(struct writer *writer) {
  json_t *args = json_object();
  json_put_count(args, "bytes", writer->facts->peak.bytes);
  for (int i = 0; i < CATEGORY_COUNT; i++) {
    json_put_count(args, category_names[i], writer->facts->categories[i]);
  }
  write_instant(writer, "peak", writer->facts->peak.time_ns, args);
}

/* ---- saved blocks ---------------------------------------------------------------------------------------------- */

struct slices {
  struct writer *writer;
  struct lane_interval *items; /* in the order in which the blocks come */
  size_t count, capacity, next;
  uint32_t lanes;
};

/* From the first save to the last release; where one was never seen, to the block's end or the run's. */
static struct lane_interval block_interval(const struct facts *facts, const struct facts_saved_block *block) {
  struct lane_interval interval = {UINT64_MAX, 0, 0};
  uint64_t end = block->free_ns < facts->run.wall_ns ? block->free_ns : facts->run.wall_ns;
  for (size_t i = 0; i < block->holders_count; i++) {
    const struct facts_holder *holder = &block->holders[i];
    uint64_t release = holder->release_ns == UINT64_MAX ? end : holder->release_ns;
    interval.begin = holder->save_ns < interval.begin ? holder->save_ns : interval.begin;
    interval.end = release > interval.end ? release : interval.end;
  }
  interval.begin = interval.begin == UINT64_MAX ? block->alloc_ns : interval.begin;
  interval.end = interval.end > interval.begin ? interval.end : interval.begin;
  return interval;
}

static int collect(void *context, int step, const struct facts_saved_block *block) {
  struct slices *slices = context;
  (void)step;
  if (slices->count == slices->capacity) {
    size_t capacity = slices->capacity ? 2 * slices->capacity : 1024;
    struct lane_interval *items = realloc(slices->items, capacity * sizeof *items);
    if (!items) {
      return ERROR_MEMORY;
    }
    slices->items = items;
    slices->capacity = capacity;
  }
  slices->items[slices->count++] = block_interval(slices->writer->facts, block);
  return 0;
}

static json_t *holders_json(const struct facts_saved_block *block) {
  json_t *array = json_array();
  for (size_t i = 0; i < block->holders_count; i++) {
    json_array_append_new(array, text_json(block->holders[i].op));
  }
  return array;
}

static json_t *block_args(int step, const struct facts_saved_block *block) {
  json_t *args = json_object();
  json_put_known(args, "step", step);
  json_put_count(args, "bytes", block->bytes);
  json_put_count(args, "elements", block->elements);
  json_put_text(args, "dtype", block->dtype);
  json_put_text(args, "op_allocated", block->op_allocated);
  json_object_set_new(args, "holders", holders_json(block));
  json_put_text(args, "layer", block->layer);
  json_put_text(args, "site", block->site);
  json_put_bool(args, "eligible", block->eligible);
  json_put_text(args, "reason", block->reason);
  return args;
}

static int write_block(void *context, int step, const struct facts_saved_block *block) {
  struct slices *slices = context;
  const struct lane_interval *interval = &slices->items[slices->next++];
  write_slice(slices->writer, block->op, TID_LANES + (uint64_t)interval->lane, "saved", interval->begin, interval->end,
              block_args(step, block));
  return 0;
}

static void write_lane_names(struct writer *writer, uint32_t lanes) {
  for (uint32_t i = 0; i < lanes; i++) {
    char name[32];
    snprintf(name, sizeof name, "saved %u", i + 1);
    write_thread(writer, TID_LANES + (uint64_t)i, name);
  }
}

static void write_saved(struct writer *writer) {
  struct slices slices = {.writer = writer};
  if (facts_each_saved(writer->facts, collect, &slices) != 0 ||
      lanes_assign(slices.items, slices.count, &slices.lanes) != 0) {
    sink_fail(writer->sink, ENOMEM);
  } else {
    write_lane_names(writer, slices.lanes);
    if (facts_each_saved(writer->facts, write_block, &slices) != 0) {
      sink_fail(writer->sink, ENOMEM);
    }
  }
  free(slices.items);
}

static json_t *other_json(const struct facts *facts) {
  json_t *other = json_object();
  json_put_text(other, "producer", "actscope");
  json_put_text(other, "command", facts->run.command);
  json_put_count(other, "start_unix_ns", facts->run.start_unix_ns);
  json_put_text(other, "framework", facts->run.framework);
  return other;
}

void chrome_emit(struct sink *sink, const struct facts *facts) {
  struct writer writer = {.sink = sink, .facts = facts};
  json_decref(json_begin("")); /* for its noting of memory that ran out */
  sink_print(sink, "{\"displayTimeUnit\":\"ms\",\"otherData\":");
  json_write(sink, other_json(facts));
  sink_print(sink, ",\"traceEvents\":[");
  write_metadata(&writer, "process_name", TID_STEPS, "name", text_json(facts->run.command));
  write_thread(&writer, TID_STEPS, "steps");
  write_counters(&writer);
  write_steps(&writer);
  write_peak(&writer);
  write_saved(&writer);
  sink_print(sink, "\n]}\n");
}
