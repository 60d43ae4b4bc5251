/* Keys of stacks: equal for equal stacks only, and changed where code has been unmapped. */
#include "profiler/stack_key.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static bool same(struct stack_key a, struct stack_key b) {
  return a.low == b.low && a.high == b.high;
}

Test(stack_key, grows_from_the_outermost_frame) {
  uint64_t frames[] = {0x401000, 0x402000, 0x403000};
  struct stack_key outer = stack_key_of(frames + 1, 2);
  cr_expect(same(stack_key_of(frames, 3), stack_key_push(outer, frames[0])));
  cr_expect(same(stack_key_of(frames, 0), STACK_KEY_EMPTY));
}

Test(stack_key, tells_order_length_and_frames_apart) {
  uint64_t a[] = {1, 2, 3};
  uint64_t b[] = {3, 2, 1};
  uint64_t c[] = {1, 2, 3, 0};
  cr_expect_not(same(stack_key_of(a, 3), stack_key_of(b, 3)));
  cr_expect_not(same(stack_key_of(a, 3), stack_key_of(a, 2)));
  cr_expect_not(same(stack_key_of(a, 3), stack_key_of(c, 4)));
}

static int compare(const void *a, const void *b) {
  const struct stack_key *x = a;
  const struct stack_key *y = b;
  return x->low != y->low ? (x->low < y->low ? -1 : 1) : (x->high > y->high) - (x->high < y->high);
}

/* Neighbouring return addresses, as real ones are: a weak hash would show collisions at once. */
Test(stack_key, half_a_million_stacks_without_a_collision) {
  enum { COUNT = 1 << 19 };
  struct stack_key *keys = malloc(COUNT * sizeof *keys);
  cr_assert_not_null(keys);
  for (uint64_t i = 0; i < COUNT; i++) {
    uint64_t frames[] = {0x7f0000000000 + i % 8, 0x7f0000000100 + i / 8 % 256, 0x7f0000001000 + i / 2048};
    keys[i] = stack_key_of(frames, 3);
  }
  qsort(keys, COUNT, sizeof *keys, compare);
  size_t equal_low = 0;
  for (size_t i = 1; i < COUNT; i++) {
    cr_assert_not(same(keys[i - 1], keys[i]));
    equal_low += keys[i - 1].low == keys[i].low;
  }
  cr_expect_eq(equal_low, 0, "each half is a hash of its own");
  free(keys);
}

Test(stack_key, unmapped_code_means_something_else_afterwards) {
  uint64_t inside[] = {0x5000, 0x100};
  uint64_t outside[] = {0x9000, 0x100};
  struct stack_key inside_before = stack_key_of(inside, 2);
  struct stack_key outside_before = stack_key_of(outside, 2);
  code_gone = (struct code_gone){.begin = 0x4000, .size = 0x2000, .epoch = 1};
  struct stack_key inside_after = stack_key_of(inside, 2);
  cr_expect_not(same(inside_before, inside_after));
  cr_expect(same(outside_before, stack_key_of(outside, 2)));
  code_gone.epoch = 2;
  cr_expect_not(same(inside_after, stack_key_of(inside, 2)));
}
