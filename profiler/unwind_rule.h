/* How to get from a frame to its caller, as the module's call frame information (.eh_frame) says. x86-64 only. */
#ifndef ACTSCOPE_PROFILER_UNWIND_RULE_H
#define ACTSCOPE_PROFILER_UNWIND_RULE_H

#include <stdbool.h>
#include <stdint.h>

enum unwind_rule_kind {
  UNWIND_RULE_ODD = 0, /* not to be expressed here: libunwind's */
  UNWIND_RULE_STEP,    /* as the fields below say */
  UNWIND_RULE_END,     /* there is no caller */
};

enum unwind_base { UNWIND_BASE_NONE, UNWIND_BASE_CFA, UNWIND_BASE_SP, UNWIND_BASE_BP };

/* The caller's sp, the CFA, is a register plus an offset, or the word of memory there (in functions that align their
 * stack, and in signal frames). Its ip and bp lie in memory at a base plus an offset; bp may be unchanged (base NONE).
 * One word, so that threads can share rules without locks. */
struct unwind_rule {
  uint64_t kind : 2;
  uint64_t cfa_base : 2;  /* SP or BP */
  uint64_t cfa_deref : 1;
  uint64_t bp_base : 2;
  uint64_t ip_base : 2;   /* CFA with the offset -8, but in signal frames */
  uint64_t is_signal : 1; /* the caller was interrupted: its ip is no return address */
  int64_t cfa_offset : 24;
  int64_t bp_offset : 16;
  int64_t ip_offset : 14;
};
_Static_assert(sizeof(struct unwind_rule) == 8, "a rule is one word");

/* Reads the rule for code at pc (an address inside the instruction in question: return address less one). Lock-free,
 * takes no lock of the loader either; every pc is allowed. */
struct unwind_rule unwind_rule_read(uint64_t pc);

/* The same from a cache shared by all threads; `key` is code_key(pc). */
struct unwind_rule unwind_rule_find(uint64_t pc, uint64_t key);

#endif
