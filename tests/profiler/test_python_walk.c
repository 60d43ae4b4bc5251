/* Walks over frames made of bytes, in the form of each version; and over what is no frame. */
#include "profiler/python_walk.h"
#include "tests/profiler/fake_python.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t versions[] = {0x030912f0, 0x030a0df0, 0x030b07f0, 0x030c01f0, 0x030d00f0};
enum { VERSIONS = sizeof versions / sizeof *versions, MOST = 64, MARK = 3 };

static struct python_guard guard;
static struct python_frame found[MOST];

static void enter(void) {
  python_guard_enter(&guard);
}

TestSuite(python_walk, .init = enter);

static size_t walk(const struct python_layout *layout, const struct fake_frame *innermost, size_t max) {
  struct fake_thread thread;
  return python_walk(layout, &guard, fake_thread(&thread, layout, innermost), found, max);
}

Test(python_walk, gives_every_frame_of_every_version) {
  for (size_t v = 0; v < VERSIONS; v++) {
    const struct python_layout *layout = python_layout_find(versions[v]);
    struct fake_frame frames[3];
    fake_frame(&frames[2], layout, 0x3000, 6, 1, NULL);
    fake_frame(&frames[1], layout, 0x2000, 4, 0, &frames[2]);
    fake_frame(&frames[0], layout, 0x1000, 2, 0, &frames[1]);
    cr_assert_eq(walk(layout, frames, MOST), 3, "version %#x", versions[v]);
    for (size_t i = 0; i < 3; i++) {
      cr_expect_eq(found[i].code, 0x1000 * (i + 1));
      cr_expect_eq(found[i].at, 2 * (i + 1));
    }
  }
}

Test(python_walk, each_frame_is_an_entry_before_3_11) {
  for (size_t v = 0; v < 2; v++) {
    const struct python_layout *layout = python_layout_find(versions[v]);
    struct fake_frame frames[2];
    fake_frame(&frames[1], layout, 0x2000, 4, 0, NULL);
    fake_frame(&frames[0], layout, 0x1000, 2, 0, &frames[1]);
    cr_assert_eq(walk(layout, frames, MOST), 2);
    cr_expect(found[0].entry && found[1].entry);
  }
}

Test(python_walk, in_3_11_a_frame_says_whether_it_is_an_entry) {
  const struct python_layout *layout = python_layout_find(0x030b0000);
  struct fake_frame frames[3];
  fake_frame(&frames[2], layout, 0x3000, 6, 1, NULL);
  fake_frame(&frames[1], layout, 0x2000, 4, 0, &frames[2]);
  fake_frame(&frames[0], layout, 0x1000, 2, 1, &frames[1]);
  cr_assert_eq(walk(layout, frames, MOST), 3);
  cr_expect(found[0].entry && !found[1].entry && found[2].entry);
}

Test(python_walk, from_3_12_on_marks_end_the_frames_of_an_evaluation_function) {
  for (size_t v = 3; v < VERSIONS; v++) {
    const struct python_layout *layout = python_layout_find(versions[v]);
    struct fake_frame frames[5];
    fake_frame(&frames[4], layout, 0x9999, 0, MARK, NULL);
    fake_frame(&frames[3], layout, 0x3000, 6, 0, &frames[4]);
    fake_frame(&frames[2], layout, 0x2000, 4, 1, &frames[3]); /* a generator's */
    fake_frame(&frames[1], layout, 0x9999, 0, MARK, &frames[2]);
    fake_frame(&frames[0], layout, 0x1000, 2, 0, &frames[1]);
    cr_assert_eq(walk(layout, frames, MOST), 3);
    cr_expect_eq(found[2].code, 0x3000);
    cr_expect(found[0].entry && !found[1].entry && found[2].entry);
    cr_assert_eq(walk(layout, &frames[1], MOST), 2, "a mark that nothing runs behind yet");
    cr_expect_eq(found[0].code, 0x2000);
  }
}

Test(python_walk, a_frame_that_has_not_begun) {
  for (size_t v = 2; v < VERSIONS; v++) {
    const struct python_layout *layout = python_layout_find(versions[v]);
    struct fake_frame frame;
    fake_frame(&frame, layout, 0x1000, (uint32_t)-2, 0, NULL);
    fake_put_word(&frame, layout->frame_at, 0x1000 + layout->code_begin - 2u);
    cr_assert_eq(walk(layout, &frame, MOST), 1);
    cr_expect_eq(found[0].at, PYTHON_NOT_BEGUN);
  }
  const struct python_layout *layout = python_layout_find(versions[0]);
  struct fake_frame frame;
  int32_t none = -1;
  fake_frame(&frame, layout, 0x1000, 0, 0, NULL);
  fake_put(&frame, layout->frame_at, &none, sizeof none);
  cr_assert_eq(walk(layout, &frame, MOST), 1);
  cr_expect_eq(found[0].at, PYTHON_NOT_BEGUN);
}

Test(python_walk, no_thread_and_no_frames) {
  for (size_t v = 0; v < VERSIONS; v++) {
    const struct python_layout *layout = python_layout_find(versions[v]);
    cr_expect_eq(python_walk(layout, &guard, 0, found, MOST), 0);
    cr_expect_eq(python_walk(layout, &guard, 0x1000, found, MOST), 0, "a thread that is not there");
    cr_expect_eq(walk(layout, NULL, MOST), 0);
  }
}

/* A chain that comes back to itself, of frames and of nothing but marks; and one that is longer than what is asked for. */
Test(python_walk, ends_at_the_most_frames) {
  for (size_t v = 0; v < VERSIONS; v++) {
    const struct python_layout *layout = python_layout_find(versions[v]);
    struct fake_frame frames[2];
    fake_frame(&frames[0], layout, 0x1000, 2, 0, &frames[1]);
    fake_frame(&frames[1], layout, 0x2000, 2, 0, &frames[0]);
    cr_expect_eq(walk(layout, frames, MOST), MOST);
    cr_expect_eq(walk(layout, frames, 7), 7);
    cr_expect_eq(walk(layout, frames, 0), 0);
  }
  const struct python_layout *layout = python_layout_find(versions[3]);
  struct fake_frame mark;
  fake_frame(&mark, layout, 0x1000, 2, MARK, &mark);
  cr_expect_eq(walk(layout, &mark, MOST), 0);
}

Test(python_walk, ends_where_a_frame_cannot_be_read) {
  const uint64_t nowhere[] = {8, 0x1001, 0xdeadbeef0000, UINT64_C(0x8000000000000000), UINT64_MAX};
  for (size_t v = 0; v < VERSIONS; v++) {
    const struct python_layout *layout = python_layout_find(versions[v]);
    for (size_t i = 0; i < sizeof nowhere / sizeof *nowhere; i++) {
      struct fake_frame frames[2];
      fake_frame(&frames[1], layout, 0x2000, 4, 0, NULL);
      fake_put_word(&frames[1], layout->frame_caller, nowhere[i]);
      fake_frame(&frames[0], layout, 0x1000, 2, 0, &frames[1]);
      cr_expect_eq(walk(layout, frames, MOST), 2);
      cr_expect_eq(found[1].code, 0x2000);
    }
  }
}

/* Torn: words of frames are numbers of any kind, addresses of other frames among them. */
Test(python_walk, survives_frames_of_noise) {
  static struct fake_frame frames[32];
  const size_t words = sizeof frames / 8;
  uint64_t *memory = (uint64_t *)frames;
  srand(11);
  for (int round = 0; round < 5000; round++) {
    const struct python_layout *layout = python_layout_find(versions[round % VERSIONS]);
    for (size_t i = 0; i < words; i++) {
      uint64_t noise = (uint64_t)rand() << 33 ^ (uint64_t)rand() << 11 ^ (uint64_t)rand();
      memory[i] = rand() % 3 ? (uintptr_t)&frames[rand() % 32] : noise;
    }
    cr_assert_leq(walk(layout, &frames[rand() % 32], MOST), MOST);
  }
}
