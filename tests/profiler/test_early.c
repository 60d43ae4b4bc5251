/* The allocator for the time before the real one is known. */
#include "profiler/early.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

Test(early, blocks_are_aligned_zeroed_and_apart) {
  unsigned char *before = NULL;
  for (size_t alignment = 1; alignment <= 4096; alignment *= 2) {
    unsigned char *block = early_alloc(alignment, 100);
    cr_assert_not_null(block);
    cr_expect_eq((uintptr_t)block % (alignment < 16 ? 16 : alignment), 0);
    cr_expect_eq(early_size(block), 100);
    cr_expect(early_owns(block) && early_owns(block + 99));
    cr_expect(!before || block >= before + 100);
    for (int i = 0; i < 100; i++) {
      cr_assert_eq(block[i], 0);
    }
    memset(block, 0xff, 100);
    before = block;
  }
}

Test(early, size_0_is_a_block) {
  void *a = early_alloc(16, 0);
  void *b = early_alloc(16, 0);
  cr_expect(a && b && a != b);
  cr_expect_eq(early_size(a), 0);
}

Test(early, refuses_what_does_not_fit) {
  cr_expect_null(early_alloc(16, EARLY_SIZE + 1));
  cr_expect_null(early_alloc(16, EARLY_SIZE));
  cr_expect_null(early_alloc(16, SIZE_MAX - 8));
  cr_expect_null(early_alloc((size_t)1 << 40, 16));
  cr_expect_not_null(early_alloc(16, EARLY_SIZE - 64));
  cr_expect_null(early_alloc(16, 64));
}

Test(early, owns_nothing_else) {
  int local = 0;
  void *heap = malloc(10);
  cr_expect_not(early_owns(&local));
  cr_expect_not(early_owns(heap));
  cr_expect_not(early_owns(NULL));
  cr_expect_not(early_owns(early_memory + EARLY_SIZE));
  free(heap);
}
