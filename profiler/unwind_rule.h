/* How to get from a frame to its caller, as the module's call frame information (.eh_frame) says. x86-64 only. */
#ifndef ACTSCOPE_PROFILER_UNWIND_RULE_H
#define ACTSCOPE_PROFILER_UNWIND_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum unwind_rule_kind {
  UNWIND_RULE_ODD = 0, /* not to be expressed here, or there is no code */
  UNWIND_RULE_STEP,    /* as the fields below say */
  UNWIND_RULE_END,     /* there is no caller */
  UNWIND_RULE_NONE,    /* code without call frame information */
};

enum unwind_base { UNWIND_BASE_NONE, UNWIND_BASE_CFA, UNWIND_BASE_SP, UNWIND_BASE_BP };

/* The caller's sp, the CFA, is a register plus an offset, or the word of memory there (in functions that align their
 * stack, and in signal frames). Its ip and bp lie in memory at a base plus an offset; bp may be unchanged (base NONE).
 * One word, so that threads can share rules without locks. */
struct unwind_rule {
  int32_t cfa_offset;
  int16_t bp_offset;
  uint16_t form; /* as UNWIND_FORM puts it together */
};
_Static_assert(sizeof(struct unwind_rule) == 8, "a rule is one word");

/* bits: 0 kind, 2 cfa_base (SP or BP), 4 cfa_deref, 5 bp_base, 7 ip_base, 9 is_signal (the caller was interrupted: its ip is
 * no return address), 10 ip_offset in words, signed */
#define UNWIND_FORM(kind, cfa_base, cfa_deref, bp_base, ip_base, is_signal, ip_offset)                                 \
  ((uint16_t)((kind) | (cfa_base) << 2 | (cfa_deref) << 4 | (bp_base) << 5 | (ip_base) << 7 | (is_signal) << 9 |       \
              ((unsigned)((ip_offset) / 8) & 63) << 10))

static inline enum unwind_rule_kind unwind_rule_kind(struct unwind_rule rule) {
  return (enum unwind_rule_kind)(rule.form & 3);
}
static inline enum unwind_base unwind_rule_cfa_base(struct unwind_rule rule) {
  return (enum unwind_base)(rule.form >> 2 & 3);
}
static inline bool unwind_rule_cfa_deref(struct unwind_rule rule) {
  return rule.form >> 4 & 1;
}
static inline enum unwind_base unwind_rule_bp_base(struct unwind_rule rule) {
  return (enum unwind_base)(rule.form >> 5 & 3);
}
static inline enum unwind_base unwind_rule_ip_base(struct unwind_rule rule) {
  return (enum unwind_base)(rule.form >> 7 & 3);
}
static inline bool unwind_rule_is_signal(struct unwind_rule rule) {
  return rule.form >> 9 & 1;
}
static inline int unwind_rule_ip_offset(struct unwind_rule rule) {
  return ((int16_t)rule.form >> 10) * 8;
}

/* Reads the rule for code at pc (an address inside the instruction in question: return address less one). Lock-free,
 * takes no lock of the loader either; every pc is allowed. */
struct unwind_rule unwind_rule_read(uint64_t pc);

/* Rules found so far, of all threads. A slot is taken once and never changes: the rule is stored before the key. */
struct unwind_slot {
  uint64_t key; /* 0 = free, 1 = being filled */
  struct unwind_rule rule;
};
enum { UNWIND_SLOTS_LOG = 17 };
extern struct unwind_slot unwind_slots[1 << UNWIND_SLOTS_LOG];

static inline size_t unwind_slot_of(uint64_t key) {
  return (key * 0x9e3779b97f4a7c15u) >> (64 - UNWIND_SLOTS_LOG);
}

struct unwind_rule unwind_rule_search(uint64_t pc, uint64_t key);

/* The same from the slots; `key` is code_key(pc). */
static inline struct unwind_rule unwind_rule_find(uint64_t pc, uint64_t key) {
  const struct unwind_slot *slot = &unwind_slots[unwind_slot_of(key)];
  if (__builtin_expect(__atomic_load_n(&slot->key, __ATOMIC_ACQUIRE) == key, 1)) {
    return slot->rule;
  }
  return unwind_rule_search(pc, key);
}

#endif
