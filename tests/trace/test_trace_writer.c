/* The encoder, byte by byte: what docs/trace-format.md says is what is written. */
#include "trace/trace_writer.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY = 4096 };

static _Alignas(8) uint8_t memory[CAPACITY];
static struct trace_chunk_writer writer;

static void begin(void) {
  memset(memory, 0, sizeof memory);
  trace_chunk_begin(&writer, memory, CAPACITY, TRACE_CHUNK_EVENTS, 3, 4, 1000, 77);
}

TestSuite(trace_writer, .init = begin);

static uint32_t u32(size_t at) {
  return memory[at] | (uint32_t)memory[at + 1] << 8 | (uint32_t)memory[at + 2] << 16 | (uint32_t)memory[at + 3] << 24;
}

/* The payload is exactly these bytes, and all of it is published. */
static void expect(const char *what, const uint8_t *bytes, size_t size) {
  cr_assert_eq(u32(TRACE_C_USED), size, "%s: %u bytes instead of %zu", what, u32(TRACE_C_USED), size);
  for (size_t i = 0; i < size; i++) {
    uint8_t is = memory[TRACE_CHUNK_HEADER_SIZE + i];
    cr_assert_eq(is, bytes[i], "%s: byte %zu is %02x instead of %02x", what, i, is, bytes[i]);
  }
}
#define EXPECT(what, ...) expect(what, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

Test(trace_writer, begins_a_chunk) {
  cr_assert_arr_eq(memory, "ACHK", 4);
  cr_assert_eq(u32(TRACE_C_KIND), TRACE_CHUNK_EVENTS); /* and flags 0 */
  cr_assert_eq(u32(TRACE_C_STREAM), 3);
  cr_assert_eq(u32(TRACE_C_SEQUENCE), 4);
  cr_assert_eq(u32(TRACE_C_CAPACITY), CAPACITY);
  cr_assert_eq(u32(TRACE_C_USED), 0);
  cr_assert_eq(u32(TRACE_C_TIME), 1000);
  cr_assert_eq(u32(TRACE_C_TID), 77);
}

Test(trace_writer, writes_blocks) {
  cr_assert(trace_write_alloc(&writer, 1001, 0x40, 300, 5, false));
  cr_assert(trace_write_free(&writer, 1201, 0x40, 0, TRACE_FREE_IN_RELEASE));
  cr_assert(trace_write_alloc(&writer, 1201, 0x3f, 1, 1, true));
  EXPECT("blocks", 0x01, 1, 0x80, 0x01, 0xac, 0x02, 5, /* dt 1, da +64 = zigzag 128, size 300, stack 5 */
         0x03, 0xc8, 0x01, 0, 0,                       /* dt 200, da 0, stack 0 */
         0x08, 0, 1, 1, 1);                            /* dt 0, da -1 */
}

Test(trace_writer, writes_each_free_and_map) {
  trace_write_free(&writer, 1000, 0, 1, TRACE_FREE_PLAIN);
  trace_write_free(&writer, 1000, 0, 1, TRACE_FREE_REALLOC);
  trace_write_map(&writer, 1000, 0, 2, 1, false);
  trace_write_map(&writer, 1000, 0, 2, 1, true);
  EXPECT("tags", 0x02, 0, 0, 1, 0x07, 0, 0, 1, 0x05, 0, 0, 2, 1, 0x06, 0, 0, 2, 1);
}

Test(trace_writer, writes_long_records_with_their_length) {
  trace_write_thread(&writer, 1002, 200);
  trace_write_save(&writer, 1002, &(struct trace_save){1, 2, 3, 4, 5, 1, 6, 0, 0});
  trace_write_release(&writer, 1002, 7, 8, 2, 9);
  trace_write_resident(&writer, 1002, 10, 11, 2, 12);
  trace_write_phase(&writer, 1002, 2, true);
  trace_write_lost(&writer, 1002, 13);
  EXPECT("long", 0x80, 3, 2, 0xc8, 0x01, 0x81, 8, 0, 1, 2, 3, 4, 5, 1, 6, 0x82, 5, 0, 7, 8, 2, 9, 0x83, 5, 0, 10, 11, 2,
         12, 0x84, 3, 0, 2, 1, 0x85, 2, 0, 13);
}

Test(trace_writer, writes_what_programs_mark) {
  trace_write_region(&writer, 1001, &(struct trace_region){300, 2, 3, 4, 5, 6});
  trace_write_region_end(&writer, 1003, 300);
  trace_write_step(&writer, 1006);
  EXPECT("marks", 0x86, 8, 1, 0xac, 0x02, 2, 3, 4, 5, 6, 0x87, 3, 2, 0xac, 0x02, 0x88, 1, 3);
}

/* Without a layer and an op a save is what it was in version 1.0. */
Test(trace_writer, writes_the_layer_and_the_op_of_a_save_if_it_has_them) {
  trace_write_save(&writer, 1000, &(struct trace_save){1, 2, 3, 4, 5, 1, 6, 0, 0});
  trace_write_save(&writer, 1000, &(struct trace_save){1, 2, 3, 4, 5, 1, 6, 300, 0});
  trace_write_save(&writer, 1000, &(struct trace_save){1, 2, 3, 4, 5, 1, 6, 0, 7});
  EXPECT("saves", 0x81, 8, 0, 1, 2, 3, 4, 5, 1, 6, 0x81, 10, 0, 1, 2, 3, 4, 5, 1, 6, 0xac, 0x02, 0x81, 10, 0, 1, 2, 3,
         4, 5, 1, 6, 0, 7);
}

Test(trace_writer, writes_pending_sums_once) {
  cr_assert(trace_write_small(&writer, 1001));
  cr_assert_eq(u32(TRACE_C_USED), 0, "nothing is pending: nothing is written");
  trace_store_u64(memory + TRACE_C_SMALL_ALLOC_BYTES, 96);
  trace_store_u64(memory + TRACE_C_SMALL_FREE_COUNT, 2);
  cr_assert(trace_write_small(&writer, 1001));
  cr_assert(trace_write_small(&writer, 1002));
  EXPECT("small", 0x04, 1, 96, 0, 0, 2);
  cr_assert_eq(u32(TRACE_C_SMALL_ALLOC_BYTES), 0);
  cr_assert_eq(u32(TRACE_C_SMALL_FREE_COUNT), 0);
}

Test(trace_writer, takes_time_that_goes_back_as_equal) {
  trace_write_lost(&writer, 999, 1);
  trace_write_lost(&writer, 1005, 1);
  trace_write_lost(&writer, 1003, 1);
  trace_write_lost(&writer, 1006, 1);
  EXPECT("times", 0x85, 2, 0, 1, 0x85, 2, 5, 1, 0x85, 2, 0, 1, 0x85, 2, 1, 1);
}

Test(trace_writer, writes_stacks_by_what_is_new) {
  const uint64_t first[] = {0x110, 0x200, 0x300}, second[] = {0x108, 0x200, 0x300};
  trace_write_stack(&writer, 1, first, 3, NULL, 0);
  trace_write_stack(&writer, 2, second, 3, first, 3);
  trace_write_stack(&writer, 3, second, 3, second, 3);
  EXPECT("stacks", 0xc0, 0x89, 0x80, 0x80, 0x80, 0, 1, 0, 3, 0xa0, 0x04, 0xe0, 0x03, 0x80, 0x04, /* +272 +240 +256 */
         0xc0, 0x84, 0x80, 0x80, 0x80, 0, 2, 2, 1, 0x0f,                                         /* -8 */
         0xc0, 0x83, 0x80, 0x80, 0x80, 0, 3, 3, 0);
}

Test(trace_writer, writes_other_tables) {
  trace_write_string(&writer, 1, "abc", 3);
  trace_write_module(&writer, &(struct trace_module_record){1, 2, 3, 4, 5, 6});
  trace_write_module_gone(&writer, 7, 2);
  trace_write_meta(&writer, 8, 9);
  trace_write_code(&writer, 10, 11, 12);
  EXPECT("tables", 0xc3, 0x84, 0x80, 0x80, 0x80, 0, 1, 'a', 'b', 'c', 0xc1, 6, 1, 2, 3, 4, 5, 6, 0xc2, 2, 7, 2, 0xc4, 2,
         8, 9, 0xc5, 3, 10, 11, 12);
}

Test(trace_writer, frames_of_codes) {
  cr_assert_eq(trace_frame_of_code(1, 2), 0x8000000001000002);
  cr_assert_eq(trace_frame_of_code(UINT32_MAX, 0), 0x80ffffffff000000);
  cr_assert_eq(trace_frame_of_code(0, UINT32_MAX), 0x8000000000ffffff);
}

/* The largest numbers there are fit into what TRACE_RECORD_MAX promises. */
Test(trace_writer, keeps_within_the_record_size) {
  uint32_t before = 0;
  const uint64_t max = UINT64_MAX;
  const struct trace_save save = {max, max, max, max, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
  trace_write_save(&writer, max, &save);
  cr_assert_leq(u32(TRACE_C_USED) - before, TRACE_RECORD_MAX);
  before = u32(TRACE_C_USED);
  trace_write_module(&writer, &(struct trace_module_record){max, max, max, max, UINT32_MAX, UINT32_MAX});
  cr_assert_leq(u32(TRACE_C_USED) - before, TRACE_RECORD_MAX);
  before = u32(TRACE_C_USED);
  trace_write_region(&writer, max, &(struct trace_region){max, max, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX});
  cr_assert_leq(u32(TRACE_C_USED) - before, TRACE_RECORD_MAX);
  before = u32(TRACE_C_USED);
  trace_write_alloc(&writer, max, max / 2, max, UINT32_MAX, false);
  cr_assert_leq(u32(TRACE_C_USED) - before, TRACE_RECORD_MAX);
}

/* A full chunk refuses a record and stays as it is; nothing is ever written behind its end. */
Test(trace_writer, refuses_when_full) {
  size_t written = 0;
  while (trace_write_alloc(&writer, 1000 + written, written << 20, 1 << 30, 7, false)) {
    written++;
  }
  cr_assert_gt(written, 100);
  uint8_t before[CAPACITY];
  memcpy(before, memory, sizeof before);
  const uint64_t frames[10] = {1};
  cr_assert_not(trace_write_stack(&writer, 1, frames, 10, NULL, 0));
  cr_assert_not(trace_write_string(&writer, 1, memory, 100));
  cr_assert_not(trace_write_thread(&writer, 5000, 1));
  cr_assert_not(trace_write_lost(&writer, 5000, 1));
  cr_assert_arr_eq(before, memory, sizeof before);
  cr_assert_leq(u32(TRACE_C_USED), CAPACITY - TRACE_CHUNK_HEADER_SIZE);
}

Test(trace_writer, refuses_without_a_chunk) {
  struct trace_chunk_writer none = {0};
  cr_assert_not(trace_write_alloc(&none, 1, 2, 3, 4, false));
  cr_assert_not(trace_write_small(&none, 1));
}

Test(trace_writer, writes_the_file_header) {
  static _Alignas(8) uint8_t header[TRACE_HEADER_SIZE];
  struct trace_file_header fields = {
      .pid = 42, .rank = -1, .exit_status = -1, .world_size = 8, .command = "a\0b", .command_size = 4};
  trace_write_file_header(header, &fields);
  cr_assert_arr_eq(header, "ACTSCOPE\1\0\2\0\0\x10\0\0", 16);
  cr_assert_eq(header[TRACE_H_PID], 42);
  cr_assert_eq(header[TRACE_H_RANK + 3], 0xff);
  cr_assert_eq(header[TRACE_H_WORLD_SIZE], 8);
  cr_assert_eq(header[TRACE_H_POINTER_SIZE], 8);
  cr_assert_eq(header[TRACE_H_COMMAND_SIZE], 4);
  cr_assert_arr_eq(header + TRACE_H_COMMAND, "a\0b", 4);
}

Test(trace_writer, cuts_a_command_that_is_too_long) {
  static _Alignas(8) uint8_t header[TRACE_HEADER_SIZE];
  char *command = malloc(10000);
  memset(command, 'x', 10000);
  trace_write_file_header(header, &(struct trace_file_header){.command = command, .command_size = 10000});
  free(command);
  uint32_t size = header[TRACE_H_COMMAND_SIZE] | (uint32_t)header[TRACE_H_COMMAND_SIZE + 1] << 8;
  cr_assert_eq(size, TRACE_HEADER_SIZE - TRACE_H_COMMAND);
}
