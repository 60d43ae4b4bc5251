/* Reads that are asked for first: what is there is read, what is not is not. */
#include "profiler/python_guard.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sys/mman.h>

enum { PAGE = 4096 };

static struct python_guard guard;

static uint8_t *map_pages(size_t count) {
  uint8_t *pages = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  cr_assert_neq(pages, MAP_FAILED);
  return pages;
}

static void enter(void) {
  cr_assert(python_guard_works());
  python_guard_enter(&guard);
}

TestSuite(python_guard, .init = enter);

Test(python_guard, reads_what_is_there_and_leaves_errno) {
  static uint64_t words[2] = {0x1122334455667788, 42};
  uint64_t word;
  uint32_t half;
  errno = 77;
  cr_expect(python_read(&guard, (uintptr_t)words, &word));
  cr_expect_eq(word, 0x1122334455667788);
  cr_expect(python_read_u32(&guard, (uintptr_t)words + 4, &half));
  cr_expect_eq(half, 0x11223344);
  cr_expect(python_guard_span(&guard, (uintptr_t)words, sizeof words));
  cr_expect_eq(errno, 77);
}

Test(python_guard, refuses_what_is_not_there) {
  const uint64_t bad[] = {0, 8, 4096, UINT64_C(1) << 46, UINT64_C(1) << 47, UINT64_C(1) << 63, UINT64_MAX - 7};
  uint64_t word;
  uint32_t half;
  errno = 77;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    cr_expect_not(python_read(&guard, bad[i], &word), "%#lx", bad[i]);
    cr_expect_not(python_read_u32(&guard, bad[i], &half), "%#lx", bad[i]);
    cr_expect_not(python_guard_span(&guard, bad[i], 64), "%#lx", bad[i]);
    cr_expect_not(python_guard_range(&guard, bad[i], 1), "%#lx", bad[i]);
  }
  cr_expect_eq(errno, 77);
}

Test(python_guard, refuses_what_is_not_aligned) {
  static uint64_t word, out;
  uint32_t half;
  cr_expect_not(python_read(&guard, (uintptr_t)&word + 4, &out));
  cr_expect_not(python_read_u32(&guard, (uintptr_t)&word + 2, &half));
  cr_expect_not(python_guard_span(&guard, (uintptr_t)&word + 1, 8));
}

Test(python_guard, both_pages_of_a_span_are_asked_for) {
  uint8_t *pages = map_pages(2);
  uint64_t end = (uintptr_t)pages + PAGE;
  munmap(pages + PAGE, PAGE);
  cr_expect(python_guard_span(&guard, end - 64, 64));
  cr_expect_not(python_guard_span(&guard, end - 56, 64));
  cr_expect(python_guard_range(&guard, end - PAGE, PAGE));
  cr_expect_not(python_guard_range(&guard, end - PAGE, PAGE + 1));
  cr_expect_not(python_guard_range(&guard, end - 8, SIZE_MAX), "a length that goes round");
  cr_expect(python_guard_range(&guard, end, 0), "nothing is always there");
}

Test(python_guard, a_page_that_may_not_be_read) {
  uint8_t *page = map_pages(1);
  uint64_t word;
  mprotect(page, PAGE, PROT_NONE);
  cr_expect_not(python_read(&guard, (uintptr_t)page, &word));
}

/* What was seen is believed until somebody says that memory has gone. */
Test(python_guard, forgets_when_something_is_unmapped) {
  uint8_t *page = map_pages(1);
  uint64_t word;
  cr_expect(python_read(&guard, (uintptr_t)page, &word));
  munmap(page, PAGE);
  python_guard_note_unmap();
  python_guard_enter(&guard);
  cr_expect_not(python_read(&guard, (uintptr_t)page, &word));
}

Test(python_guard, remembers_more_pages_than_it_has_room_for) {
  enum { PAGES = 3 * PYTHON_GUARD_PAGES };
  uint8_t *pages = map_pages(PAGES);
  for (int round = 0; round < 2; round++) {
    for (size_t i = 0; i < PAGES; i++) {
      uint64_t word, address = (uintptr_t)pages + i * PAGE + 8;
      pages[i * PAGE + 8] = (uint8_t)i;
      cr_assert(python_read(&guard, address, &word));
      cr_assert_eq(word, (uint8_t)i);
    }
  }
}
