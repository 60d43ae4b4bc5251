/* Interned stacks and strings, read back by the trace's own reader. */
#include "profiler/tables.h"
#include "tests/support/files.h"
#include "trace/trace_reader.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STACKS = 60000, DEPTH = 40 };

static struct config config = {.min_size = 4096, .stack_depth = 128};
static struct run_file file;
static char *folder;

static void setup(void) {
  folder = folder_make();
  snprintf(config.trace_path, sizeof config.trace_path, "%s/run", folder);
  cr_assert(run_file_create(&file, &config));
  cr_assert(tables_init(&file));
}

static void teardown(void) {
  folder_remove(folder);
}

TestSuite(tables, .init = setup, .fini = teardown);

/* Stack i: of i % DEPTH + 1 frames, no two alike. */
static size_t make_stack(uint64_t i, uint64_t *frames) {
  size_t count = i % DEPTH + 1;
  for (size_t j = 0; j < count; j++) {
    frames[j] = 0x400000 + (j + 1 == count ? i * 16 : j * 4096 + i % 7);
  }
  return count;
}

Test(tables, every_stack_is_kept_while_the_table_grows, .timeout = 60) {
  uint64_t frames[DEPTH];
  for (uint64_t i = 0; i < STACKS; i++) {
    size_t count = make_stack(i, frames);
    struct stack_key key = stack_key_of(frames, count);
    cr_assert_eq(tables_find_stack(&key), 0);
    cr_assert_eq(tables_add_stack(&key, frames, count), i + 1);
    cr_assert_eq(tables_add_stack(&key, frames, count), i + 1, "a second time it is the same");
  }
  for (uint64_t i = 0; i < STACKS; i++) {
    struct stack_key key = stack_key_of(frames, make_stack(i, frames));
    cr_assert_eq(tables_find_stack(&key), i + 1);
  }
  struct trace_reader *reader;
  struct error err = {""};
  cr_assert_eq(trace_reader_open(&reader, file.path, &err), 0, "%s", err.message);
  for (uint64_t i = 0; i < STACKS; i++) {
    size_t count;
    const uint64_t *read = trace_reader_stack(reader, (uint32_t)i + 1, &count);
    cr_assert_eq(count, make_stack(i, frames));
    cr_assert_arr_eq(read, frames, count * sizeof frames[0]);
  }
  trace_reader_close(reader);
}

Test(tables, deepest_stack_and_longest_string_fit) {
  static uint64_t frames[CONFIG_STACK_DEPTH_MAX];
  for (uint64_t i = 0; i < CONFIG_STACK_DEPTH_MAX; i++) {
    frames[i] = i % 2 ? UINT64_MAX - i : i; /* the differences need all bits */
  }
  struct stack_key key = stack_key_of(frames, CONFIG_STACK_DEPTH_MAX);
  cr_expect_eq(tables_add_stack(&key, frames, CONFIG_STACK_DEPTH_MAX), 1);
  char *text = calloc(1, RUN_FILE_CHUNK_MIN * 2);
  memset(text, 'x', RUN_FILE_CHUNK_MIN * 2 - 1);
  cr_expect_neq(tables_add_string(text, RUN_FILE_CHUNK_MIN * 2 - 1), 0, "it is cut");
  cr_expect_eq(tables_add_string("", 0), 0);
  free(text);
  struct trace_reader *reader;
  size_t count;
  cr_assert_eq(trace_reader_open(&reader, file.path, NULL), 0);
  const uint64_t *read = trace_reader_stack(reader, 1, &count);
  cr_assert_eq(count, CONFIG_STACK_DEPTH_MAX);
  cr_expect_arr_eq(read, frames, sizeof frames);
  trace_reader_close(reader);
}

Test(tables, metadata) {
  tables_add_meta("framework", "none");
  tables_add_meta("framework", "pytorch 3");
  struct trace_reader *reader;
  cr_assert_eq(trace_reader_open(&reader, file.path, NULL), 0);
  cr_expect_str_eq(trace_reader_meta(reader, "framework"), "pytorch 3");
  cr_expect_str_eq(trace_reader_meta(reader, "nothing"), "");
  trace_reader_close(reader);
}

/* The trace has been removed, and something else stands in its place: that must not be written into. */
Test(tables, nothing_is_written_into_another_file) {
  cr_assert_eq(unlink(file.path), 0);
  file_write(file.path, "not yours", 9);
  cr_expect_null(run_file_map_chunk(&file, RUN_FILE_CHUNK_MIN));
  cr_expect_eq(file.stop, TRACE_STOP_FILE);
  size_t size;
  char *kept = (char *)file_read(file.path, &size);
  cr_expect_eq(size, 9);
  cr_expect_str_eq(kept, "not yours");
  free(kept);
  uint64_t frames[] = {1, 2};
  struct stack_key key = stack_key_of(frames, 2);
  cr_expect_eq(tables_add_stack(&key, frames, 2), 0);
}

Test(tables, codes_are_written_once_by_what_they_say) {
  uint32_t first = tables_add_code("a.py", 4, "f", 1);
  cr_assert_eq(first, 1);
  cr_expect_eq(tables_add_code("a.py", 4, "g", 1), 2);
  cr_expect_eq(tables_add_code("b.py", 4, "f", 1), 3);
  cr_expect_eq(tables_add_code("a.py.", 4, "f.", 1), first);
  cr_expect_eq(tables_add_code("", 0, "f", 1), 4);
  for (int i = 0; i < 20000; i++) {
    char name[16];
    size_t size = (size_t)snprintf(name, sizeof name, "f%d", i);
    cr_assert_eq(tables_add_code("c.py", 4, name, size), 5 + (uint32_t)i);
  }
  struct trace_reader *reader;
  struct error err = {""};
  const struct trace_code *codes;
  cr_assert_eq(trace_reader_open(&reader, file.path, &err), 0, "%s", err.message);
  cr_assert_eq(trace_reader_codes(reader, &codes), 20005);
  cr_expect_str_eq(codes[3].file, "b.py");
  cr_expect_str_eq(codes[3].name, "f");
  cr_expect_str_eq(codes[4].file, "");
  cr_expect_str_eq(codes[20004].name, "f19999");
  trace_reader_close(reader);
}
