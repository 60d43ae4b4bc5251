/* Forward-backward cycles, from saves and backward passes. A step begins with the first save after the backward pass
 * before it, and is known to be one when its own backward begins: a forward pass whose saves are all dropped before
 * that was an evaluation. It ends where the next begins.
 *
 * A program's own marks say more: a mark of a step decides alone where steps begin (with or without a backward pass in them),
 * one of a forward phase that a step begins before its first save, and one that everything is over ("outside") where it
 * ends. */
#ifndef ACTSCOPE_ANALYZERS_STEPS_H
#define ACTSCOPE_ANALYZERS_STEPS_H

#include "analyzers/facts.h"
#include "analyzers/holders.h"
#include "analyzers/timeline.h"
#include "trace/trace_reader.h"

#include <stdbool.h>
#include <stdint.h>

struct step {
  struct facts_step facts;
  uint64_t graph_event; /* the first parameter entered its graph: what is computed from here on is no batch */
  uint64_t begin_event, backward_event, backward_end_event, end_event;
};

struct step_mark {
  uint64_t event, time_ns; /* event 0: not seen yet */
};

struct phase_mark {
  uint64_t event;
  enum phase phase;
};

struct steps {
  struct timeline *timeline; /* borrowed, like holders */
  struct holders *holders;
  struct step *items;
  size_t count, capacity;
  bool open;                   /* the last item's backward has begun, its end is not known yet */
  unsigned depth;              /* backward passes under way */
  bool graph_grows;            /* a save, or a leaf entering a graph, since the last backward ended */
  struct step_mark first;      /* the first save of what may be the next step */
  struct step_mark first_leaf; /* its first leaf: tells of a forward pass that keeps nothing (all of it checkpointed) */
  uint64_t graph_event;  /* first_leaf's, but forgotten when a graph is dropped without a backward pass; 0: none */
  bool marked;           /* steps are those of the program's marks */
  struct step_mark mark; /* the mark of the next step, as long as nothing of it was seen */
  struct step_mark turn,
      last; /* of the open step's releases outside backward passes: first since the last save, last */
  struct step_mark
      forward;           /* the first mark of a forward phase since the last backward ended, or since it was outside */
  struct step_mark over; /* of the open step, whose end this is: nothing is under way any more */
  bool phases_marked;    /* other phases than backward are told: phases says which was when */
  struct phase_mark *phases;
  size_t phases_count, phases_capacity;
  uint64_t deadline_ns;    /* the open step's end unless another begins before; once its backward has ended */
  uint64_t deadline_event; /* the first event after it, 0: not reached */
  int best;                /* the complete step with most saved bytes, of equal ones the highest, -1: none */
  struct saved_maximum best_maximum;
};

void steps_init(struct steps *steps, struct timeline *timeline, struct holders *holders);
void steps_fini(struct steps *steps);

/* Each: 0, or ERROR_MEMORY. steps_tick comes before anything else of an event. */
int steps_tick(struct steps *steps, uint64_t time_ns);
int steps_save(struct steps *steps);
/* This save, steps_save of which was called, fills a region anew that was filled at the event before (0: none was) and not
 * read since: the forward pass that did so was dropped. */
int steps_refilled(struct steps *steps, uint64_t filled_event);
int steps_marked(struct steps *steps); /* the program says that a step begins */
/* Any phase; those of a backward pass go to steps_backward as well. */
int steps_phase(struct steps *steps, enum trace_phase phase, bool begins);
int steps_leaf(struct steps *steps);      /* a tensor that collects a gradient enters a graph */
void steps_released(struct steps *steps); /* holders may have let go of the last block of a forward pass */
int steps_backward(struct steps *steps, bool begins, uint64_t time_ns, struct thread_state *thread);

/* After the last event, at end_ns. */
int steps_finish(struct steps *steps, uint64_t end_ns);

/* How many steps have begun by this event. */
size_t steps_begun(const struct steps *steps, uint64_t event);
/* The step and phase at an event; *step = -1 outside any. */
enum phase steps_phase_at(const struct steps *steps, uint64_t event, int *step);

#endif
