/* unwind.h: steps by rules (unwind_rule.h), checked against the thread's last walk; libunwind where rules do not reach. */
#define UNW_LOCAL_ONLY
#include "profiler/unwind.h"

#include "profiler/probe_layout.h"
#include "profiler/unwind_rule.h"

#include <libunwind.h>
#include <string.h>

enum step { STEP_DONE, STEP_END, STEP_ODD };

enum { PAGE = 4096, STACK_GAP = 1 << 20 };

void unwind_init(void) {
  /* The first walk sets up libunwind's own tables; done here it cannot happen inside somebody's malloc lock. */
  void *frames[4];
  (void)unw_backtrace(frames, 4);
}

void unwind_forget(struct unwind_memo *memo) {
  memo->count = 0;
  memo->flat_count = 0;
  memo->whole = false;
}

void unwind_flush(void) {
  unw_flush_cache(unw_local_addr_space, 0, 0);
}

/* ---- memory ------------------------------------------------------------------------------------------------------------ */

/* Hand-written code may come with wrong call frame information: what lies outside the part of the stack that is known to
 * be there is asked of the kernel first, a page at a time. */
static bool extend(struct unwind_memo *memo, uint64_t address) {
  uint64_t word;
  if (address % 8 || !probe_read_memory(address, &word, sizeof word)) {
    return false;
  }
  if (address >= memo->high && address - memo->high < STACK_GAP) {
    memo->high = (address | (PAGE - 1)) + 1;
  }
  return true;
}

static bool readable(struct unwind_memo *memo, uint64_t address) {
  return __builtin_expect(address - memo->low < memo->high - memo->low && address % 8 == 0, 1) || extend(memo, address);
}

/* The stack may have grown since, or this may be another one (a coroutine's, or that of signals). */
static void enter_stack(struct unwind_memo *memo, uint64_t sp) {
  uint64_t page = sp & ~(uint64_t)(PAGE - 1);
  if (page >= memo->low && page < memo->high) {
    return;
  }
  if (page > memo->low || memo->low - page > STACK_GAP) {
    memo->high = page + PAGE;
  }
  memo->low = page;
}

__attribute__((no_sanitize("address", "thread"))) static inline uint64_t load(uint64_t address) {
  return *(const volatile uint64_t *)address; // NOLINT(performance-no-int-to-ptr)
}

/* ---- a step ------------------------------------------------------------------------------------------------------------ */

#if defined(__x86_64__)
static uint64_t base_value(const struct unwind_frame *frame, unsigned base, uint64_t cfa) {
  return base == UNWIND_BASE_CFA ? cfa : base == UNWIND_BASE_SP ? frame->sp : frame->bp;
}

/* From *frame, whose bp_slot and plain are filled in, to its caller. */
static enum step step(struct unwind_memo *memo, struct unwind_frame *frame, struct unwind_frame *next) {
  uint64_t pc = frame->ip - !frame->exact;
  struct unwind_rule rule = unwind_rule_find(pc, code_key(pc));
  if (rule.kind != UNWIND_RULE_STEP) {
    return rule.kind == UNWIND_RULE_END ? STEP_END : STEP_ODD;
  }
  uint64_t cfa = base_value(frame, rule.cfa_base, 0) + (uint64_t)(int64_t)rule.cfa_offset;
  if (rule.cfa_deref) {
    if (!readable(memo, cfa)) {
      return STEP_ODD;
    }
    cfa = load(cfa);
  }
  uint64_t ip_slot = base_value(frame, rule.ip_base, cfa) + (uint64_t)(int64_t)rule.ip_offset;
  uint64_t bp_slot = rule.bp_base == UNWIND_BASE_NONE
                         ? 0
                         : base_value(frame, rule.bp_base, cfa) + (uint64_t)(int64_t)rule.bp_offset;
  if ((cfa <= frame->sp && !rule.is_signal) || !readable(memo, ip_slot) || (bp_slot && !readable(memo, bp_slot))) {
    return STEP_ODD;
  }
  frame->bp_slot = bp_slot;
  frame->plain = !rule.cfa_deref && !rule.is_signal && ip_slot == cfa - 8;
  *next = (struct unwind_frame){
      .ip = load(ip_slot), .sp = cfa, .bp = bp_slot ? load(bp_slot) : frame->bp, .exact = rule.is_signal};
  next->bp_slot = ip_slot; /* for the case that it holds 0 */
  if (rule.is_signal) {
    enter_stack(memo, cfa);
  }
  return next->ip == 0 ? STEP_END : STEP_DONE;
}
#else
static enum step step(struct unwind_memo *memo, struct unwind_frame *frame, struct unwind_frame *next) {
  (void)memo;
  (void)frame;
  (void)next;
  return STEP_ODD;
}
#endif

/* ---- the last walk ------------------------------------------------------------------------------------------------------ */

static inline bool same_state(const struct unwind_frame *a, const struct unwind_frame *b) {
  return a->ip == b->ip && a->sp == b->sp && a->bp == b->bp && a->exact == b->exact;
}

/* Does the step from `frame` still lead to `next`? */
static inline bool still_leads(struct unwind_memo *memo, struct unwind_frame *frame, const struct unwind_frame *next) {
  if (__builtin_expect(!frame->plain, 0)) {
    struct unwind_frame now;
    return step(memo, frame, &now) == STEP_DONE && same_state(&now, next);
  }
  return load(next->sp - 8) == next->ip && (frame->bp_slot ? load(frame->bp_slot) : frame->bp) == next->bp;
}

/* The outermost frame to which the last walk's frames from `at` on are still what a walk would find. */
static size_t verify(struct unwind_memo *memo, size_t at) {
  while (at > 0 && still_leads(memo, &memo->frames[at], &memo->frames[at - 1])) {
    at--;
  }
  return at;
}

struct walk {
  struct unwind_memo *memo;
  size_t max, fresh; /* frames in memo->fresh */
  size_t matched;    /* frames of the last walk that hold, from the outermost on */
  uint64_t end_slot;
  bool whole;
};

static bool push(struct walk *walk, const struct unwind_frame *frame) {
  walk->memo->fresh[walk->fresh++] = *frame;
  return walk->fresh < walk->max;
}

/* Takes over the frames of the last walk from k - 1 outwards. True: all of them held, so that the walk is done. */
static bool reuse(struct walk *walk, size_t *k) {
  struct unwind_memo *memo = walk->memo;
  size_t last = verify(memo, *k - 1);
  if (last == 0 && memo->whole && (memo->end_slot == 0 || load(memo->end_slot) == 0)) {
    walk->matched = *k;
    walk->whole = true;
    return true;
  }
  while (*k > last && push(walk, &memo->frames[*k - 1])) {
    --*k;
  }
  *k = last;
  return false;
}

static enum step walk_frames(struct walk *walk, struct unwind_frame at) {
  struct unwind_memo *memo = walk->memo;
  size_t k = memo->count;
  for (;;) {
    while (k && memo->frames[k - 1].sp < at.sp) {
      k--;
    }
    if (k && same_state(&memo->frames[k - 1], &at)) {
      if (reuse(walk, &k)) {
        return STEP_END;
      }
    } else {
      push(walk, &at);
    }
    if (walk->fresh == walk->max) {
      return STEP_DONE;
    }
    enum step result = step(memo, &memo->fresh[walk->fresh - 1], &at);
    if (result != STEP_DONE) {
      walk->whole = result == STEP_END;
      walk->end_slot = at.ip == 0 ? at.bp_slot : 0;
      return result;
    }
  }
}

/* Makes this walk the last one. */
static void keep(const struct walk *walk) {
  struct unwind_memo *memo = walk->memo;
  size_t matched = walk->matched;
  memo->whole = walk->whole;
  memo->end_slot = walk->end_slot;
  if (matched + walk->fresh > CONFIG_STACK_DEPTH_MAX) {
    size_t excess = matched + walk->fresh - CONFIG_STACK_DEPTH_MAX;
    memmove(memo->frames, memo->frames + excess, (matched - excess) * sizeof memo->frames[0]);
    matched -= excess;
    memo->whole = false; /* and so the keys are not used */
  }
  struct stack_key key = matched ? memo->frames[matched - 1].key : STACK_KEY_EMPTY;
  for (size_t i = 0; i < walk->fresh; i++) {
    struct unwind_frame *frame = &memo->frames[matched + i];
    *frame = memo->fresh[walk->fresh - 1 - i];
    key = stack_key_push(key, frame->ip);
    frame->key = key;
  }
  memo->count = matched + walk->fresh;
}

/* ---- libunwind ---------------------------------------------------------------------------------------------------------- */

static size_t walk_by_libunwind(struct unwind_memo *memo, uint64_t caller, size_t max) {
  unwind_forget(memo);
  int count = unw_backtrace((void **)memo->flat, (int)(max + UNWIND_OWN_FRAMES));
  if (count <= 0) {
    return 0;
  }
  size_t first = 0;
  while (first < (size_t)count && first < UNWIND_OWN_FRAMES && memo->flat[first] != caller) {
    first++;
  }
  if (first == (size_t)count || first == UNWIND_OWN_FRAMES) {
    first = 0;
  }
  size_t kept = (size_t)count - first < max ? (size_t)count - first : max;
  memmove(memo->flat, memo->flat + first, kept * sizeof memo->flat[0]);
  memo->flat_count = kept;
  return kept;
}

/* ---- the interface ------------------------------------------------------------------------------------------------------- */

const uint64_t *unwind_frames(struct unwind_memo *memo, size_t count) {
  for (size_t i = 0; i < count && !memo->flat_count; i++) {
    memo->flat[i] = memo->frames[memo->count - 1 - i].ip;
  }
  return memo->flat;
}

size_t unwind_walk(struct unwind_memo *memo, const void *frame, size_t max, bool may_lock, struct stack_key *key) {
  uint64_t address = (uintptr_t)frame;
  struct unwind_frame first = {.ip = load(address + 8), .sp = address + 16, .bp = load(address)};
  if (memo->epoch != code_epoch()) {
    unwind_forget(memo);
    memo->epoch = code_epoch();
  }
  memo->flat_count = 0;
  max = max < CONFIG_STACK_DEPTH_MAX ? max : CONFIG_STACK_DEPTH_MAX;
  enter_stack(memo, first.sp);
  struct walk walk = {.memo = memo, .max = max, .end_slot = memo->end_slot};
  enum step result = walk_frames(&walk, first);
  if (result == STEP_ODD && may_lock) {
    size_t count = walk_by_libunwind(memo, first.ip, max);
    *key = stack_key_of(memo->flat, count);
    return count;
  }
  keep(&walk);
  size_t count = memo->count < max ? memo->count : max;
  *key = memo->whole && count == memo->count ? memo->frames[count - 1].key : stack_key_of(unwind_frames(memo, count), count);
  return count;
}
