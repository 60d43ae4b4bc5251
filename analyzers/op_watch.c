/* When has a forward op returned? At the first event of its thread whose stack no longer has the op's frame at the same
 * depth, counted from the outermost end, which does not move while the op runs. */
#include "analyzers/holders.h"

static bool on_stack(const uint64_t *frames, size_t count, const struct op_watch *watch, size_t depth_limit) {
  if (count < depth_limit) {
    return count >= watch->depth && frames[count - watch->depth] == watch->address;
  }
  for (size_t i = 0; i < count; i++) { /* the stack was cut at its outermost end: depths say nothing */
    if (frames[i] == watch->address) {
      return true;
    }
  }
  return false;
}

/* The op that this event is in is the next one to wait for; depth 0: it is in none, so wait for one to come. */
static void watch_next(const struct holders *holders, struct op_watch *watch, uint32_t stack) {
  size_t count = 0, frame = SIZE_MAX;
  const uint64_t *frames = trace_reader_stack(holders->reader, stack, &count);
  op_names_of_stack(holders->names, stack, &frame);
  watch->depth = frame < count ? count - frame : 0;
  watch->address = frame < count ? frames[frame] : 0;
}

static bool is_marked(const struct holders *holders, const struct op_watch *watch) {
  return saved_holder_at(holders->history, watch->holder)->source == TRACE_SOURCE_MARK;
}

/* Has the last op that the watch waits for returned by this event? */
static bool advance(const struct holders *holders, const struct trace_event *event, struct op_watch *watch) {
  if (!watch->depth) {
    watch_next(holders, watch, event->stack);
    return false;
  }
  size_t count = 0;
  const uint64_t *frames = trace_reader_stack(holders->reader, event->stack, &count);
  /* A call saves a tensor once: the same stack saving again is the next call from the same place. And a mark is its
   * op's only event: the next mark is another op's, though one function of the program's may make all marks. */
  bool again = event->kind == TRACE_SAVE && (event->stack == watch->stack || is_marked(holders, watch));
  if (!again && on_stack(frames, count, watch, trace_reader_info(holders->reader)->stack_depth)) {
    return false;
  }
  if (--watch->returns == 0) {
    return true;
  }
  watch_next(holders, watch, event->stack);
  return false;
}

static int op_returned(struct holders *holders, struct saved_holder *holder) {
  holder->op_end_event = holders->timeline->event;
  return timeline_cut(holders->timeline);
}

int holders_watch(struct holders *holders, const struct trace_event *event, struct thread_state *thread) {
  size_t kept = 0;
  int rc = 0;
  for (size_t i = 0; i < thread->watches_count; i++) {
    struct op_watch *watch = &thread->watches[i];
    struct saved_holder *holder = saved_holder_at(holders->history, watch->holder);
    if (holder->release_event != SAVED_NEVER) {
      continue; /* released before its op was seen to return */
    }
    if (!advance(holders, event, watch)) {
      thread->watches[kept++] = *watch;
    } else if (rc == 0) {
      rc = op_returned(holders, holder);
    }
  }
  thread->watches_count = kept;
  return rc;
}

int holders_watch_all_returned(struct holders *holders, struct thread_state *thread) {
  int rc = 0;
  for (size_t i = 0; i < thread->watches_count && rc == 0; i++) {
    struct saved_holder *holder = saved_holder_at(holders->history, thread->watches[i].holder);
    if (holder->release_event == SAVED_NEVER) {
      rc = op_returned(holders, holder);
    }
  }
  thread->watches_count = 0;
  return rc;
}
