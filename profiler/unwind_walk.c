/* unwind.h: steps by rules (unwind_rule.h), checked against the thread's last walk. No unwinder of a library's: they take locks,
 * and libunwind reads and writes a pipe to find out what memory is there, whose numbers the program may have given to files
 * of its own by then. */
#include "profiler/unwind.h"

#include "profiler/probe_layout.h"
#include "profiler/unwind_rule.h"

#include <dlfcn.h>
#include <string.h>

enum step { STEP_DONE, STEP_GUESSED, STEP_END, STEP_ODD }; /* up to the second there is a next frame */

enum { PAGE = 4096, STACK_GAP = 1 << 20, FRAME_MAX = 1 << 14 };

void unwind_forget(struct unwind_memo *memo) {
  memo->count = 0;
  memo->whole = false;
}

/* ---- memory ------------------------------------------------------------------------------------------------------------ */

/* Hand-written code may come with wrong call frame information: what lies outside the part of the stack that is known to
 * be there is asked of the kernel first, a page at a time. */
static bool extend(struct unwind_range *range, uint64_t address) {
  uint64_t word;
  if (address % 8 || !probe_read_memory(address, &word, sizeof word)) {
    return false;
  }
  if (address >= range->high && address - range->high < STACK_GAP) {
    range->high = (address | (PAGE - 1)) + 1;
  }
  return true;
}

static bool readable(struct unwind_range *range, uint64_t address) {
  return __builtin_expect(address - range->low < range->high - range->low && address % 8 == 0, 1) ||
         extend(range, address);
}

/* The stack may have grown since, or this may be another one (a coroutine's, or that of signals). */
static void enter_stack(struct unwind_range *range, uint64_t sp) {
  uint64_t page = sp & ~(uint64_t)(PAGE - 1);
  if (page >= range->low && page < range->high) {
    return;
  }
  if (page > range->low || range->low - page > STACK_GAP) {
    range->high = page + PAGE;
  }
  range->low = page;
}

__attribute__((no_sanitize("address", "thread"))) static inline uint64_t load(uint64_t address) {
  return *(const volatile uint64_t *)address; // NOLINT(performance-no-int-to-ptr)
}

/* ---- a step ------------------------------------------------------------------------------------------------------------ */

/* Reads a word for the step from `at`, and keeps note of it. */
static inline bool read_word(struct unwind_range *range, struct unwind_step *at, uint64_t address, uint64_t *value) {
  if (!readable(range, address)) {
    return false;
  }
  *value = load(address);
  at->reads[at->count].address = address;
  at->reads[at->count].value = *value;
  at->count++;
  return true;
}

/* Code without call frame information (-fno-unwind-tables, assembler) may keep a frame pointer; it is taken for one if it
 * points a little further out, to a word that points into code. Frames that keep none are passed over, a signal's too. */
static enum step step_by_frame_pointer(struct unwind_range *range, struct unwind_step *at, struct unwind_step *next) {
  struct dl_find_object object;
  if (at->bp < at->sp || at->bp - at->sp > FRAME_MAX || !read_word(range, at, at->bp + 8, &next->ip) ||
      !read_word(range, at, at->bp, &next->bp) ||
      _dl_find_object((void *)(next->ip - 1), &object) != 0) { // NOLINT(performance-no-int-to-ptr)
    return STEP_ODD;
  }
  next->sp = at->bp + 16;
  next->exact = false;
  return STEP_GUESSED;
}

#if defined(__x86_64__)
static inline uint64_t base_value(const struct unwind_step *at, enum unwind_base base, uint64_t cfa) {
  return base == UNWIND_BASE_CFA ? cfa : base == UNWIND_BASE_SP ? at->sp : at->bp;
}

/* The step that no other kind of frame needs. */
static enum step step_special(struct unwind_range *range, struct unwind_step *at, struct unwind_step *next,
                              struct unwind_rule rule) {
  switch (unwind_rule_kind(rule)) {
  case UNWIND_RULE_ODD:
    return STEP_ODD;
  case UNWIND_RULE_END:
    return STEP_END;
  case UNWIND_RULE_NONE:
    return step_by_frame_pointer(range, at, next);
  case UNWIND_RULE_STEP:
    break;
  }
  uint64_t cfa = base_value(at, unwind_rule_cfa_base(rule), 0) + (uint64_t)(int64_t)rule.cfa_offset;
  if (unwind_rule_cfa_deref(rule) && !read_word(range, at, cfa, &cfa)) {
    return STEP_ODD;
  }
  bool is_signal = unwind_rule_is_signal(rule);
  uint64_t ip_slot = base_value(at, unwind_rule_ip_base(rule), cfa) + (uint64_t)(int64_t)unwind_rule_ip_offset(rule);
  uint64_t bp_slot = base_value(at, unwind_rule_bp_base(rule), cfa) + (uint64_t)(int64_t)rule.bp_offset;
  next->sp = cfa;
  next->bp = at->bp;
  next->exact = is_signal;
  if ((cfa <= at->sp && !is_signal) || !read_word(range, at, ip_slot, &next->ip) ||
      (unwind_rule_bp_base(rule) != UNWIND_BASE_NONE && !read_word(range, at, bp_slot, &next->bp))) {
    return STEP_ODD;
  }
  if (is_signal) {
    enter_stack(range, cfa);
  }
  return next->ip == 0 ? STEP_END : STEP_DONE;
}

/* From *at, whose reads are filled in, to its caller. The kinds of frame that nearly all are come first. */
__attribute__((always_inline)) static inline enum step step(struct unwind_range *range, struct unwind_step *at,
                                                            struct unwind_step *next) {
  const uint16_t by_sp = UNWIND_FORM(UNWIND_RULE_STEP, UNWIND_BASE_SP, 0, 0, UNWIND_BASE_CFA, 0, -8);
  const uint16_t by_bp = UNWIND_FORM(UNWIND_RULE_STEP, UNWIND_BASE_BP, 0, 0, UNWIND_BASE_CFA, 0, -8);
  const uint16_t bp_kept = UNWIND_FORM(0, 0, 0, UNWIND_BASE_CFA, 0, 0, 0);
  uint64_t pc = at->ip - !at->exact;
  struct unwind_rule rule = unwind_rule_find(pc, code_key(pc));
  uint16_t form = rule.form & (uint16_t)~bp_kept;
  at->count = 0;
  if (__builtin_expect(form != by_sp && form != by_bp, 0)) {
    return step_special(range, at, next, rule);
  }
  uint64_t cfa = (form == by_sp ? at->sp : at->bp) + (uint64_t)(int64_t)rule.cfa_offset;
  next->sp = cfa;
  next->bp = at->bp;
  next->exact = false;
  if (cfa <= at->sp || !read_word(range, at, cfa - 8, &next->ip) ||
      (rule.form & bp_kept && !read_word(range, at, cfa + (uint64_t)(int64_t)rule.bp_offset, &next->bp))) {
    return STEP_ODD;
  }
  return next->ip == 0 ? STEP_END : STEP_DONE;
}
#else
static enum step step(struct unwind_range *range, struct unwind_step *at, struct unwind_step *next) {
  at->count = 0;
  return step_by_frame_pointer(range, at, next);
}
#endif

/* ---- the last walk ------------------------------------------------------------------------------------------------------ */

static inline bool same_state(const struct unwind_frame *a, const struct unwind_step *b) {
  return a->ip == b->ip && a->sp == b->sp && a->bp == b->bp && a->exact == b->exact;
}

__attribute__((no_sanitize("address", "thread"))) static inline bool holds(const struct unwind_read *read) {
  return *(const volatile uint64_t *)read->address == read->value; // NOLINT(performance-no-int-to-ptr)
}

/* The number of words, of the first `count` that the last walk read, up to the innermost that has changed since; 0 if none
 * has. From the inside outwards and not beyond the first difference: what lies there may be no stack any more. */
static inline uint32_t find_change(const struct unwind_memo *memo, uint32_t count) {
  const struct unwind_read *first = memo->reads;
  const struct unwind_read *read = first + count;
  while (read - first >= 4 && holds(read - 1) && holds(read - 2) && holds(read - 3) && holds(read - 4)) {
    read -= 4;
  }
  while (read > first && holds(read - 1)) {
    read--;
  }
  return (uint32_t)(read - first);
}

struct walk {
  struct unwind_memo *memo;
  size_t max, fresh; /* frames in memo->fresh */
  size_t matched;    /* frames of the last walk that hold, from the outermost on */
  bool whole;
};

/* Frame i of the last walk becomes one of this walk. */
static void take_over(struct walk *walk, size_t i) {
  struct unwind_memo *memo = walk->memo;
  const struct unwind_frame *frame = &memo->frames[i];
  struct unwind_step *at = &memo->fresh[walk->fresh++];
  uint32_t first = i ? memo->frames[i - 1].reads : 0;
  at->ip = frame->ip;
  at->sp = frame->sp;
  at->bp = frame->bp;
  at->exact = frame->exact;
  at->count = frame->reads - first;
  for (unsigned j = 0; j < at->count; j++) {
    at->reads[j] = memo->reads[first + j];
  }
}

/* Takes over the frames of the last walk from k - 1 outwards. True: all of them held, so that the walk is done. */
static bool reuse(struct walk *walk, size_t *k) {
  struct unwind_memo *memo = walk->memo;
  uint32_t changed = find_change(memo, memo->frames[*k - 1].reads);
  if (changed == 0 && memo->whole) {
    walk->matched = *k;
    walk->whole = true;
    return true;
  }
  /* The frame whose step reads the changed word is the last that holds. */
  while (*k > 0 && walk->fresh < walk->max) {
    take_over(walk, --*k);
    if (changed && (*k == 0 || memo->frames[*k - 1].reads < changed)) {
      break;
    }
  }
  return false;
}

/* memo->fresh[0] holds the innermost frame. */
static enum step walk_frames(struct walk *walk) {
  struct unwind_memo *memo = walk->memo;
  size_t k = memo->count;
  for (;;) {
    struct unwind_step *at = &memo->fresh[walk->fresh];
    while (k && memo->frames[k - 1].sp < at->sp) {
      k--;
    }
    if (k && same_state(&memo->frames[k - 1], at)) {
      if (reuse(walk, &k)) {
        return STEP_END;
      }
    } else {
      at->count = 0;
      walk->fresh++;
    }
    if (walk->fresh == walk->max) {
      return STEP_DONE;
    }
    enum step result = step(&memo->range, &memo->fresh[walk->fresh - 1], &memo->fresh[walk->fresh]);
    if (result > STEP_GUESSED) {
      walk->whole = result == STEP_END;
      return result;
    }
  }
}

/* Deeper than what is remembered: the outermost frames are dropped, and the keys are not used. */
static void drop_excess(struct walk *walk) {
  struct unwind_memo *memo = walk->memo;
  size_t excess = walk->matched + walk->fresh - CONFIG_STACK_DEPTH_MAX;
  uint32_t reads = memo->frames[excess - 1].reads;
  walk->matched -= excess;
  walk->whole = false;
  memmove(memo->frames, memo->frames + excess, walk->matched * sizeof memo->frames[0]);
  for (size_t i = 0; i < walk->matched; i++) {
    memo->frames[i].reads -= reads;
  }
  if (walk->matched) {
    memmove(memo->reads, memo->reads + reads, memo->frames[walk->matched - 1].reads * sizeof memo->reads[0]);
  }
}

/* Makes this walk the last one. */
static struct stack_key keep(struct walk *walk) {
  struct unwind_memo *memo = walk->memo;
  if (walk->matched + walk->fresh > CONFIG_STACK_DEPTH_MAX) {
    drop_excess(walk);
  }
  size_t matched = walk->matched;
  struct stack_key key = matched ? memo->frames[matched - 1].key : STACK_KEY_EMPTY;
  uint32_t reads = matched ? memo->frames[matched - 1].reads : 0;
  for (size_t i = walk->fresh; i-- > 0;) {
    const struct unwind_step *at = &memo->fresh[i];
    for (unsigned j = 0; j < at->count; j++) {
      memo->reads[reads++] = at->reads[j];
    }
    key = stack_key_push(key, at->ip);
    struct unwind_frame *frame = &memo->frames[matched++]; /* by fields: no copy of a whole struct just written */
    frame->ip = at->ip;
    frame->sp = at->sp;
    frame->bp = at->bp;
    frame->key = key;
    frame->reads = reads;
    frame->exact = at->exact;
  }
  memo->count = matched;
  memo->whole = walk->whole;
  return key;
}

/* ---- the interface ------------------------------------------------------------------------------------------------------- */

const uint64_t *unwind_frames(struct unwind_memo *memo, size_t count) {
  for (size_t i = 0; i < count; i++) {
    memo->flat[i] = memo->frames[memo->count - 1 - i].ip;
  }
  return memo->flat;
}

static void begin_step(struct unwind_step *at, const void *frame) {
  uint64_t address = (uintptr_t)frame;
  at->ip = load(address + 8);
  at->sp = address + 16;
  at->bp = load(address);
  at->exact = false;
  at->count = 0;
}

bool unwind_meets_signal(const void *frame, uint64_t outer) {
  struct unwind_range range = {0};
  struct unwind_step at;
  begin_step(&at, frame);
  enter_stack(&range, at.sp);
  while (at.sp <= outer) {
    struct unwind_step next;
    enum step result = step(&range, &at, &next);
    if (result != STEP_DONE || next.exact) {
      return true;
    }
    at = next;
  }
  return false;
}

size_t unwind_walk(struct unwind_memo *memo, const void *frame, size_t max, struct stack_key *key) {
  struct unwind_step *first = &memo->fresh[0];
  begin_step(first, frame);
  if (memo->epoch != code_epoch()) {
    unwind_forget(memo);
    memo->epoch = code_epoch();
  }
  enter_stack(&memo->range, first->sp);
  struct walk walk = {.memo = memo, .max = max < CONFIG_STACK_DEPTH_MAX ? max : CONFIG_STACK_DEPTH_MAX};
  walk_frames(&walk);
  *key = keep(&walk);
  size_t count = memo->count < walk.max ? memo->count : walk.max;
  if (__builtin_expect(!memo->whole || count < memo->count, 0)) {
    *key = stack_key_of(unwind_frames(memo, count), count);
  }
  return count;
}
