/* The 128-bit hash by which a stack is known. It grows from the outermost frame inwards, so that stacks with a common
 * outer part share the work. Two different stacks out of a million share a key with a probability below 1e-26. */
#ifndef ACTSCOPE_PROFILER_STACK_KEY_H
#define ACTSCOPE_PROFILER_STACK_KEY_H

#include <stddef.h>
#include <stdint.h>

struct stack_key {
  uint64_t low, high;
};

#define STACK_KEY_EMPTY ((struct stack_key){0x9e3779b97f4a7c15u, 0xd6e8feb86659fd93u})

/* Where modules have been unmapped, an address may mean other code than before: there the epoch, which counts the
 * unmappings, is part of what an address means. Written by modules.c only. */
struct code_gone {
  uint64_t begin, size, epoch;
};
extern struct code_gone code_gone;

static inline uint64_t stack_key_mix(uint64_t a, uint64_t b) {
  __extension__ typedef unsigned __int128 uint128;
  uint128 product = (uint128)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t code_epoch(void) {
  return __atomic_load_n(&code_gone.epoch, __ATOMIC_ACQUIRE);
}

/* A number for the code at this address as it is now. */
static inline uint64_t code_key(uint64_t address) {
  uint64_t begin = __atomic_load_n(&code_gone.begin, __ATOMIC_RELAXED);
  uint64_t size = __atomic_load_n(&code_gone.size, __ATOMIC_RELAXED);
  if (__builtin_expect(address - begin < size, 0)) {
    return stack_key_mix(address, 0xa0761d6478bd642fu + 2 * code_epoch()) | UINT64_C(1) << 63;
  }
  return address;
}

/* Multiply-and-fold in two lanes, as wyhash does. */
static inline struct stack_key stack_key_push(struct stack_key key, uint64_t frame) {
  uint64_t code = code_key(frame);
  return (struct stack_key){
      .low = stack_key_mix(key.low ^ code, 0xa0761d6478bd642fu),
      .high = stack_key_mix(key.high + code, 0xe7037ed1a0b428dbu),
  };
}

/* Of frames given innermost first. */
static inline struct stack_key stack_key_of(const uint64_t *frames, size_t count) {
  struct stack_key key = STACK_KEY_EMPTY;
  while (count-- > 0) {
    key = stack_key_push(key, frames[count]);
  }
  return key;
}

/* Of a stack in two parts, by their keys. */
static inline struct stack_key stack_key_join(struct stack_key a, struct stack_key b) {
  return (struct stack_key){
      .low = stack_key_mix(a.low ^ b.low, 0xa0761d6478bd642fu),
      .high = stack_key_mix(a.high + b.high, 0xe7037ed1a0b428dbu),
  };
}

#endif
