/* Code objects made of bytes: texts of every width, and what is none. */
#include "profiler/python_code.h"
#include "profiler/python_walk.h"
#include "tests/profiler/fake_python.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t versions[] = {0x030912f0, 0x030a0df0, 0x030b07f0, 0x030c01f0, 0x030d00f0};
enum { VERSIONS = sizeof versions / sizeof *versions, TYPE = 0x7770 };

static struct python_guard guard;
static struct python_code code;
static struct fake_code fake;

static void enter(void) {
  python_guard_enter(&guard);
}

TestSuite(python_code, .init = enter);

static bool read_at(const struct python_layout *layout, uint32_t at) {
  memset(&code, 0, sizeof code);
  return python_code_read(layout, &guard, TYPE, (uintptr_t)fake.object, at, &code);
}

Test(python_code, tells_file_name_and_line_in_every_version) {
  for (size_t v = 0; v < VERSIONS; v++) {
    const struct python_layout *layout = python_layout_find(versions[v]);
    fake_code(&fake, layout, TYPE, "/home/me/train.py", "Net.forward", 88);
    cr_assert(read_at(layout, 4), "version %#x", versions[v]);
    cr_expect_str_eq(code.file, "/home/me/train.py");
    cr_expect_str_eq(code.name, "Net.forward");
    cr_expect_eq(code.file_size, 17);
    cr_expect_eq(code.name_size, 11);
    cr_expect_eq(code.line, 88);
    cr_expect(code.shown);
  }
}

/* The first traceable instruction is where the program's own begin: a frame before it is an aid of the interpreter's. */
Test(python_code, frames_that_python_does_not_show) {
  for (size_t v = 2; v < VERSIONS; v++) {
    const struct python_layout *layout = python_layout_find(versions[v]);
    const uint32_t first = 2;
    fake_code(&fake, layout, TYPE, "x.py", "f", 1);
    fake_put(fake.object, layout->code_first_traced, &first, sizeof first);
    cr_assert(read_at(layout, 2));
    cr_expect_not(code.shown);
    cr_assert(read_at(layout, 4));
    cr_expect(code.shown);
    cr_assert(read_at(layout, PYTHON_NOT_BEGUN));
    cr_expect_not(code.shown);
  }
}

/* Before 3.11 it shows them, at the line of the function: a debugger is told of the call then. */
Test(python_code, frames_that_have_not_begun) {
  for (size_t v = 0; v < 2; v++) {
    const struct python_layout *layout = python_layout_find(versions[v]);
    fake_code(&fake, layout, TYPE, "x.py", "f", 7);
    cr_assert(read_at(layout, PYTHON_NOT_BEGUN));
    cr_expect(code.shown);
    cr_expect_eq(code.line, 7);
  }
}

static void expect_text(unsigned width, const void *characters, size_t count, const char *utf8) {
  for (size_t v = 0; v < VERSIONS; v++) {
    const struct python_layout *layout = python_layout_find(versions[v]);
    fake_code(&fake, layout, TYPE, "x.py", "f", 1);
    fake_text(&fake.name, layout, width, false, characters, count);
    cr_assert(read_at(layout, 0));
    cr_expect_str_eq(code.name, utf8);
    cr_expect_eq(code.name_size, strlen(utf8));
  }
}

Test(python_code, characters_of_every_width) {
  const uint8_t latin[] = {'g', 'r', 0xf6, 0xdf, 'e'};
  const uint16_t two[] = {0x540d, 'x', 0x7ff, 0x800};
  const uint32_t four[] = {0x1f600, 'y', 0x10ffff};
  const uint16_t halves[] = {'a', 0xdc80, 0xd800};
  const uint32_t beyond[] = {0x110000, 0xffffffff};
  expect_text(1, latin, 5,
              "gr\xc3\xb6\xc3\x9f"
              "e");
  expect_text(2, two, 4, "\xe5\x90\x8dx\xdf\xbf\xe0\xa0\x80");
  expect_text(4, four, 3, "\xf0\x9f\x98\x80y\xf4\x8f\xbf\xbf");
  expect_text(2, halves, 3, "a\xef\xbf\xbd\xef\xbf\xbd");
  expect_text(4, beyond, 2, "\xef\xbf\xbd\xef\xbf\xbd");
  expect_text(1, "", 0, "");
}

Test(python_code, long_texts_are_cut_at_a_character) {
  const struct python_layout *layout = python_layout_find(versions[3]);
  static uint16_t wide[1000];
  fake_code(&fake, layout, TYPE, "x.py", "f", 1);
  for (size_t i = 0; i < 1000; i++) {
    wide[i] = 0x540d;
  }
  fake_text(&fake.name, layout, 2, false, wide, 1000);
  cr_assert(read_at(layout, 0));
  cr_expect_eq(code.name_size % 3, 0);
  cr_expect_gt(code.name_size, PYTHON_NAME_MAX - 8);
  cr_expect_lt(code.name_size, PYTHON_NAME_MAX);
  cr_expect_eq(strlen(code.name), code.name_size);
}

Test(python_code, refuses_what_is_none) {
  const struct python_layout *layout = python_layout_find(versions[3]);
  const uint32_t legacy = 1 << PYTHON_TEXT_KIND_SHIFT, odd = PYTHON_TEXT_COMPACT | 3 << PYTHON_TEXT_KIND_SHIFT;
  fake_code(&fake, layout, TYPE + 8, "x.py", "f", 1);
  cr_expect_not(read_at(layout, 0), "another type");
  fake_code(&fake, layout, TYPE, "x.py", "f", 1);
  fake_put_word(fake.object, layout->code_file, 0x1000);
  cr_expect_not(read_at(layout, 0), "a file name that is not there");
  fake_code(&fake, layout, TYPE, "x.py", "f", 1);
  fake_put(&fake.name, PYTHON_TEXT_STATE, &legacy, 4);
  cr_expect_not(read_at(layout, 0), "a text that is not compact");
  fake_put(&fake.name, PYTHON_TEXT_STATE, &odd, 4);
  cr_expect_not(read_at(layout, 0), "characters of three bytes");
  fake_code(&fake, layout, TYPE, "x.py", "f", 1);
  fake_put_word(&fake.lines, PYTHON_BYTES_SIZE, UINT64_C(1) << 40);
  cr_expect_not(read_at(layout, 0), "a table of lines without end");
  cr_expect_not(python_code_read(layout, &guard, TYPE, 0, 0, &code));
  cr_expect_not(python_code_read(layout, &guard, TYPE, 0xdeadbeef000, 0, &code));
}

/* Every word in turn is a number of any kind: an answer or none, never a fault. */
Test(python_code, survives_noise) {
  srand(5);
  for (int round = 0; round < 3000; round++) {
    const struct python_layout *layout = python_layout_find(versions[round % VERSIONS]);
    fake_code(&fake, layout, TYPE, "/home/me/train.py", "Net.forward", 88);
    uint64_t *parts[] = {fake.object, fake.file.bytes, fake.name.bytes, fake.lines.bytes};
    for (int i = 0; i < 3; i++) {
      uint64_t noise = (uint64_t)rand() << 33 ^ (uint64_t)rand() << 11 ^ (uint64_t)rand();
      parts[rand() % 4][rand() % 24] = rand() % 2 ? noise : (uintptr_t)&fake + (uint64_t)rand() % sizeof fake;
    }
    (void)read_at(layout, (uint32_t)rand());
  }
}
