/* The state machine of steps. What a step saved and its highest level are found when it is closed. */
#include "analyzers/steps.h"

#include "common/error.h"

#include <stdlib.h>

void steps_init(struct steps *steps, struct timeline *timeline, struct holders *holders) {
  *steps = (struct steps){.timeline = timeline, .holders = holders, .best = -1, .deadline_ns = UINT64_MAX};
}

void steps_fini(struct steps *steps) {
  free(steps->items);
  free(steps->best_maximum.rows);
  free(steps->phases);
  *steps = (struct steps){0};
}

static struct step *step_last(struct steps *steps) {
  return &steps->items[steps->count - 1];
}

static int step_new(struct steps *steps, uint64_t event, uint64_t time_ns) {
  if (steps->count == steps->capacity) {
    size_t larger = steps->capacity ? steps->capacity * 2 : 64;
    struct step *items = realloc(steps->items, larger * sizeof *items);
    if (!items) {
      return ERROR_MEMORY;
    }
    steps->items = items;
    steps->capacity = larger;
  }
  steps->items[steps->count] = (struct step){
      .facts = {.index = (unsigned)steps->count, .begin_ns = time_ns},
      .graph_event = steps->graph_event && steps->graph_event < event ? steps->graph_event : event,
      .begin_event = event,
      .backward_event = UINT64_MAX,
      .backward_end_event = UINT64_MAX,
      .end_event = UINT64_MAX,
  };
  steps->count++;
  steps->open = true;
  return 0;
}

/* Of steps that save the same, as those of a loop do, the one that peaked highest stands for all: the run's peak is its
 * own if it is any one's of them. */
static bool is_better(const struct steps *steps, const struct step *step, const struct saved_maximum *maximum) {
  if (steps->best < 0 || maximum->bytes != steps->best_maximum.bytes) {
    return steps->best < 0 || maximum->bytes > steps->best_maximum.bytes;
  }
  return step->facts.peak_bytes > steps->items[steps->best].facts.peak_bytes;
}

static void keep_best(struct steps *steps, struct saved_maximum *maximum) {
  const struct step *step = step_last(steps);
  if (!step->facts.complete || !is_better(steps, step, maximum)) {
    free(maximum->rows);
    return;
  }
  free(steps->best_maximum.rows);
  steps->best_maximum = *maximum;
  steps->best = (int)steps->count - 1;
}

/* A marked step whose backward pass is not: it turned where the last of what was saved began to be released. */
static void turn_unmarked(struct steps *steps, struct step *step, bool followed) {
  if (!steps->marked || step->backward_event != UINT64_MAX || !steps->turn.event) {
    return;
  }
  step->backward_event = steps->turn.event;
  step->facts.backward_ns = steps->turn.time_ns;
  step->backward_end_event = steps->last.event;
  step->facts.backward_end_ns = steps->last.time_ns;
  step->facts.complete = followed || !steps->holders->window_live;
  steps->holders->window++;
  steps->holders->window_live = 0;
}

/* Closes the last step at an event that is a cut, or past the last event. Saves after its backward belong to no
 * step. */
static int step_close(struct steps *steps, uint64_t end_event, uint64_t end_ns, bool followed) {
  struct step *step = step_last(steps);
  struct saved_maximum maximum;
  if (steps->over.event && steps->over.event < end_event) {
    end_event = steps->over.event;
    end_ns = steps->over.time_ns;
  }
  steps->over.event = 0;
  turn_unmarked(steps, step, followed);
  step->end_event = end_event;
  step->facts.end_ns = end_ns;
  step->facts.backward_ns = step->backward_event == UINT64_MAX ? end_ns : step->facts.backward_ns;
  step->facts.backward_end_ns = step->facts.complete ? step->facts.backward_end_ns : end_ns;
  step->facts.peak_bytes = (uint64_t)timeline_highest(steps->timeline, step->begin_event, end_event);
  steps->open = false;
  steps->deadline_ns = UINT64_MAX;
  steps->deadline_event = 0;
  struct saved_span span = {step->begin_event, step->facts.complete ? step->backward_end_event : UINT64_MAX - 1,
                            steps->count > 1 ? step[-1].backward_end_event : 0, followed};
  int rc = holders_sweep(steps->holders, (int32_t)steps->count - 1, &span, &maximum);
  if (rc != 0) {
    free(maximum.rows);
    return rc;
  }
  step->facts.saved_bytes = maximum.bytes;
  step->facts.saved_blocks = maximum.blocks;
  keep_best(steps, &maximum);
  return 0;
}

static int compare_u64(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

/* The median duration of the updates of all steps but the last; UINT64_MAX if there are none. */
static uint64_t median_update(const struct steps *steps) {
  size_t earlier = steps->count - 1;
  uint64_t *updates = earlier ? malloc(earlier * sizeof *updates) : NULL;
  if (!updates) {
    return UINT64_MAX;
  }
  for (size_t i = 0; i < earlier; i++) {
    updates[i] = steps->items[i].facts.end_ns - steps->items[i].facts.backward_end_ns;
  }
  qsort(updates, earlier, sizeof *updates, compare_u64);
  uint64_t median = updates[earlier / 2];
  free(updates);
  return median;
}

int steps_tick(struct steps *steps, uint64_t time_ns) {
  if (time_ns <= steps->deadline_ns || steps->deadline_event) {
    return 0;
  }
  steps->deadline_event = steps->timeline->event;
  return timeline_cut(steps->timeline);
}

static int mark_first(struct steps *steps, struct step_mark *mark) {
  if (mark->event) {
    return 0;
  }
  *mark = (struct step_mark){steps->timeline->event, steps->timeline->time_ns};
  return timeline_cut(steps->timeline);
}

static enum phase phase_now(const struct steps *steps) {
  return steps->phases_count ? steps->phases[steps->phases_count - 1].phase : PHASE_OUTSIDE;
}

/* The step that was marked is one: something happens in it. */
static int begin_marked(struct steps *steps) {
  const struct step_mark mark = steps->mark;
  steps->mark.event = 0;
  return mark.event ? step_new(steps, mark.event, mark.time_ns) : 0;
}

int steps_save(struct steps *steps) {
  if (steps->depth) {
    return 0; /* a recomputation, or a graph of gradients: the step under way */
  }
  if (steps->phases_marked && phase_now(steps) == PHASE_OUTSIDE) {
    return 0; /* an evaluation: what it saves goes with it, or is filled anew */
  }
  steps->graph_grows = true;
  steps->turn.event = 0;
  return steps->marked ? begin_marked(steps) : mark_first(steps, &steps->first);
}

int steps_refilled(struct steps *steps, uint64_t filled_event) {
  if (!filled_event || !steps->first.event || filled_event < steps->first.event) {
    return 0;
  }
  steps->first.event = 0;
  return mark_first(steps, &steps->first);
}

int steps_marked(struct steps *steps) {
  int rc = timeline_cut(steps->timeline);
  if (rc == 0 && steps->open) {
    rc = step_close(steps, steps->timeline->event, steps->timeline->time_ns, true);
  }
  holders_retire(steps->holders, steps->timeline->event);
  steps->marked = true;
  steps->mark = (struct step_mark){steps->timeline->event, steps->timeline->time_ns};
  steps->first.event = steps->first_leaf.event = steps->forward.event = steps->turn.event = steps->last.event = 0;
  steps->graph_event = 0;
  return rc;
}

int steps_leaf(struct steps *steps) {
  if (steps->depth) {
    return 0;
  }
  steps->graph_grows = true;
  steps->graph_event = steps->graph_event ? steps->graph_event : steps->timeline->event;
  return mark_first(steps, &steps->first_leaf);
}

void steps_released(struct steps *steps) {
  if (!steps->depth && steps->marked && steps->open) {
    steps->last = (struct step_mark){steps->timeline->event, steps->timeline->time_ns};
    steps->turn = steps->turn.event ? steps->turn : steps->last;
  }
  if (!steps->depth && !steps->holders->window_live) {
    steps->first.event = steps->graph_event = 0; /* all dropped without a backward pass: no step began there */
  }
}

/* Where the step whose backward begins now began: where it was said, else at its first save, else where its graph did, else
 * here. */
static struct step_mark step_begin(const struct steps *steps) {
  return steps->forward.event      ? steps->forward
         : steps->first.event      ? steps->first
         : steps->first_leaf.event ? steps->first_leaf
                                   : (struct step_mark){steps->timeline->event, steps->timeline->time_ns};
}

/* The first backward pass of a marked step, or one of several. */
static int marked_backward_begins(struct steps *steps, uint64_t time_ns) {
  int rc = begin_marked(steps);
  steps->over.event = 0;
  if (rc == 0 && steps->open && step_last(steps)->backward_event == UINT64_MAX) {
    step_last(steps)->facts.backward_ns = time_ns;
    step_last(steps)->backward_event = steps->timeline->event;
  }
  return rc;
}

static int backward_begins(struct steps *steps, uint64_t time_ns, struct thread_state *thread) {
  int rc = holders_watch_all_returned(steps->holders, thread);
  if (rc == 0 && steps->marked) {
    return marked_backward_begins(steps, time_ns);
  }
  if (rc != 0 || (!steps->graph_grows && steps->open)) {
    return rc; /* a second pass over the same graph goes on with its step */
  }
  struct step_mark begin = step_begin(steps);
  rc = begin.event == steps->timeline->event ? timeline_cut(steps->timeline) : 0;
  if (rc != 0) {
    return rc;
  }
  uint64_t event = begin.event;
  rc = steps->open ? step_close(steps, event, begin.time_ns, true) : 0;
  if (rc == 0) {
    holders_retire(steps->holders, event);
    rc = step_new(steps, event, begin.time_ns);
  }
  if (rc == 0) {
    step_last(steps)->facts.backward_ns = time_ns;
    step_last(steps)->backward_event = steps->timeline->event;
  }
  return rc;
}

static void backward_ends(struct steps *steps, uint64_t time_ns) {
  struct step *step = step_last(steps);
  step->facts.backward_end_ns = time_ns;
  step->facts.complete = true;
  step->backward_end_event = steps->timeline->event;
  uint64_t median = median_update(steps);
  steps->deadline_ns = median > UINT64_MAX - time_ns ? UINT64_MAX : time_ns + median;
  steps->deadline_event = 0;
  steps->first.event = 0;
  steps->first_leaf.event = 0;
  steps->forward.event = 0;
  steps->graph_event = 0;
  steps->graph_grows = false;
  steps->holders->window++;
  steps->holders->window_live = 0;
}

int steps_backward(struct steps *steps, bool begins, uint64_t time_ns, struct thread_state *thread) {
  int rc = 0;
  if (begins) {
    rc = steps->depth ? 0 : backward_begins(steps, time_ns, thread);
    steps->depth++;
  } else if (steps->depth && --steps->depth == 0 && steps->open) {
    backward_ends(steps, time_ns);
  }
  steps->holders->in_backward = steps->depth > 0;
  return rc;
}

static int push_phase(struct steps *steps, enum phase phase) {
  if (steps->phases_count == steps->phases_capacity) {
    size_t larger = steps->phases_capacity ? steps->phases_capacity * 2 : 256;
    struct phase_mark *phases = realloc(steps->phases, larger * sizeof *phases);
    if (!phases) {
      return ERROR_MEMORY;
    }
    steps->phases = phases;
    steps->phases_capacity = larger;
  }
  steps->phases[steps->phases_count++] = (struct phase_mark){steps->timeline->event, phase};
  return 0;
}

/* A forward pass begins: the step's if it is the first since the last backward pass, or since the program was outside. */
static int forward_begins(struct steps *steps) {
  const struct phase_mark *before = steps->phases_count ? &steps->phases[steps->phases_count - 1] : NULL;
  bool was_outside = before && before->phase == PHASE_OUTSIDE && before->event + 1 < steps->timeline->event;
  if (steps->depth || steps->marked || (steps->forward.event && !was_outside)) {
    return 0;
  }
  steps->forward.event = 0;
  return mark_first(steps, &steps->forward);
}

int steps_phase(struct steps *steps, enum trace_phase phase, bool begins) {
  static const enum phase phases[] = {[TRACE_PHASE_FORWARD] = PHASE_FORWARD,
                                      [TRACE_PHASE_BACKWARD] = PHASE_BACKWARD,
                                      [TRACE_PHASE_UPDATE] = PHASE_UPDATE};
  int rc = phase == TRACE_PHASE_FORWARD && begins ? forward_begins(steps) : 0;
  steps->phases_marked = steps->phases_marked || phase != TRACE_PHASE_BACKWARD;
  if (rc == 0 && phase == TRACE_PHASE_UPDATE && !begins && steps->open && step_last(steps)->facts.complete) {
    steps->over = (struct step_mark){steps->timeline->event, steps->timeline->time_ns};
    rc = timeline_cut(steps->timeline);
  }
  enum phase now = begins ? phases[phase] : phase == TRACE_PHASE_BACKWARD ? PHASE_UPDATE : PHASE_OUTSIDE;
  return rc == 0 ? push_phase(steps, now) : rc;
}

int steps_finish(struct steps *steps, uint64_t end_ns) {
  uint64_t past_last = steps->timeline->event + 1;
  bool unfinished = !steps->depth && steps->first.event && steps->holders->window_live;
  int rc = 0;
  if (steps->open && unfinished) {
    rc = step_close(steps, steps->first.event, steps->first.time_ns, false);
  } else if (steps->open) {
    bool capped = steps->deadline_event && steps->deadline_ns < end_ns;
    rc = step_close(steps, capped ? steps->deadline_event : past_last, capped ? steps->deadline_ns : end_ns, false);
  }
  if (rc == 0 && unfinished) { /* the run ended within a forward pass */
    holders_retire(steps->holders, steps->first.event);
    rc = step_new(steps, steps->first.event, steps->first.time_ns);
    rc = rc == 0 ? step_close(steps, past_last, end_ns, false) : rc;
  }
  return rc;
}

/* As the program's marks have it. */
static enum phase marked_phase_at(const struct steps *steps, uint64_t event) {
  size_t low = 0, high = steps->phases_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (steps->phases[middle].event <= event) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low ? steps->phases[low - 1].phase : PHASE_OUTSIDE;
}

size_t steps_begun(const struct steps *steps, uint64_t event) {
  size_t low = 0, high = steps->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (steps->items[middle].begin_event <= event) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/* The step that an event lies in; NULL: none. */
static const struct step *step_at(const struct steps *steps, uint64_t event) {
  const size_t begun = steps_begun(steps, event);
  return begun && event < steps->items[begun - 1].end_event ? &steps->items[begun - 1] : NULL;
}

enum phase steps_phase_at(const struct steps *steps, uint64_t event, int *step) {
  const struct step *at = step_at(steps, event);
  *step = at ? (int)(at - steps->items) : -1;
  if (!at) {
    return PHASE_OUTSIDE;
  }
  return steps->phases_marked             ? marked_phase_at(steps, event)
         : event < at->backward_event     ? PHASE_FORWARD
         : event < at->backward_end_event ? PHASE_BACKWARD
                                          : PHASE_UPDATE;
}
