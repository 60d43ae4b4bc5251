/* The layout of a version, by the table and by what 3.13 says of itself. */
#include "profiler/python_layout.h"

#include <criterion/criterion.h>
#include <string.h>

/* The beginning of _PyRuntime as CPython 3.13.0 has it, read through ctypes. */
static const uint64_t offsets_3_13_0[] = {8750607829840520312u,
                                          51183856,
                                          0,
                                          283320,
                                          608,
                                          632,
                                          194968,
                                          7272,
                                          7264,
                                          7344,
                                          7400,
                                          7656,
                                          7640,
                                          7648,
                                          16,
                                          7752,
                                          0,
                                          7768,
                                          7760,
                                          304,
                                          0,
                                          8,
                                          16,
                                          72,
                                          152,
                                          160,
                                          232,
                                          32,
                                          80,
                                          8,
                                          0,
                                          56,
                                          72,
                                          70,
                                          208,
                                          112,
                                          120,
                                          128,
                                          136,
                                          68,
                                          52,
                                          96,
                                          104,
                                          200,
                                          16,
                                          8,
                                          416,
                                          24,
                                          88,
                                          168,
                                          32,
                                          24,
                                          16,
                                          40,
                                          24,
                                          16,
                                          48,
                                          32,
                                          40,
                                          24,
                                          16,
                                          32,
                                          16,
                                          24,
                                          40,
                                          16,
                                          32,
                                          64,
                                          32,
                                          16,
                                          40,
                                          240,
                                          200};
enum { VERSION = 0x030d00f0, WORDS = sizeof offsets_3_13_0 / sizeof *offsets_3_13_0, MOST_WORDS = 71 };

static bool read_with(size_t word, uint64_t value, uint32_t version, size_t size) {
  uint64_t words[WORDS];
  struct python_layout layout;
  memcpy(words, offsets_3_13_0, sizeof words);
  words[word] = value;
  return python_layout_read(version, words, size, &layout);
}

Test(python_layout, knows_3_9_to_3_13) {
  for (uint32_t minor = 0; minor < 20; minor++) {
    const struct python_layout *layout = python_layout_find(3u << 24 | minor << 16 | 0x01f0);
    cr_expect_eq(layout != NULL, minor >= 9 && minor <= 13, "3.%u", minor);
  }
  cr_expect_null(python_layout_find(2u << 24 | 11u << 16));
  cr_expect_null(python_layout_find(0));
}

/* A walk reads a frame as one span. */
Test(python_layout, what_is_read_of_a_frame_lies_in_it) {
  for (uint32_t minor = 9; minor <= 13; minor++) {
    const struct python_layout *l = python_layout_find(3u << 24 | minor << 16);
    cr_expect_leq(l->frame_code + 8, l->frame_bytes);
    cr_expect_leq(l->frame_caller + 8, l->frame_bytes);
    cr_expect_leq(l->frame_at + (l->at_unit ? 4 : 8), l->frame_bytes);
    cr_expect(l->frame_kind == PYTHON_NOWHERE || l->frame_kind < l->frame_bytes);
    cr_expect_eq(l->frame_bytes % 8, 0);
  }
}

Test(python_layout, of_3_13_is_what_it_says_itself) {
  struct python_layout layout;
  cr_assert(python_layout_read(VERSION, offsets_3_13_0, sizeof offsets_3_13_0, &layout));
  const struct python_layout *table = python_layout_find(VERSION);
  cr_expect_eq(layout.thread_frame, table->thread_frame);
  cr_expect_eq(layout.frame_code, table->frame_code);
  cr_expect_eq(layout.frame_caller, table->frame_caller);
  cr_expect_eq(layout.frame_at, table->frame_at);
  cr_expect_eq(layout.frame_kind, table->frame_kind);
  cr_expect_eq(layout.frame_bytes, table->frame_bytes);
  cr_expect_eq(layout.code_file, table->code_file);
  cr_expect_eq(layout.code_name, table->code_name);
  cr_expect_eq(layout.code_lines, table->code_lines);
  cr_expect_eq(layout.code_first_line, table->code_first_line);
  cr_expect_eq(layout.code_begin, table->code_begin);
  cr_expect_eq(layout.text_ascii, table->text_ascii);
  cr_expect_eq(layout.text_compact, table->text_compact);
}

Test(python_layout, other_offsets_are_taken_over) {
  uint64_t words[WORDS];
  struct python_layout layout;
  memcpy(words, offsets_3_13_0, sizeof words);
  words[23] = 96;  /* thread_state.current_frame */
  words[31] = 120; /* interpreter_frame.instr_ptr */
  words[35] = 144; /* code_object.filename */
  cr_assert(python_layout_read(VERSION, words, sizeof words, &layout));
  cr_expect_eq(layout.thread_frame, 96);
  cr_expect_eq(layout.frame_at, 120);
  cr_expect_eq(layout.frame_bytes, 128);
  cr_expect_eq(layout.code_file, 144);
}

Test(python_layout, refuses_what_it_cannot_follow) {
  const size_t size = sizeof offsets_3_13_0;
  cr_expect(read_with(0, offsets_3_13_0[0], VERSION, MOST_WORDS * 8));
  cr_expect_not(read_with(0, offsets_3_13_0[0], VERSION, MOST_WORDS * 8 - 1), "too short");
  cr_expect_not(read_with(0, 0, VERSION, size), "no cookie");
  cr_expect_not(read_with(1, VERSION + 1, VERSION, size), "of another version");
  cr_expect_not(read_with(2, 1, VERSION, size), "without the interpreter's lock");
  cr_expect_not(read_with(23, 1u << 20, VERSION, size), "no offset");
  cr_expect_not(read_with(43, UINT64_MAX, VERSION, size));
  cr_expect_not(read_with(45, 24, VERSION, size), "another object's head");
  cr_expect_not(read_with(66, 40, VERSION, size));
  cr_expect_not(read_with(68, 40, VERSION, size));
  cr_expect_not(read_with(1, 0x030c01f0, 0x030c01f0, size), "3.12 has none");
  cr_expect_not(read_with(1, 0x030e00f0, 0x030e00f0, size), "3.14 is not known");
}
