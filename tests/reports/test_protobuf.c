/* The wire format, byte by byte: the examples of protocol buffers' own documentation, and the ends of varints. */
#include "reports/protobuf.h"

#include <criterion/criterion.h>
#include <string.h>

static struct protobuf message;

static void tear_down(void) {
  protobuf_fini(&message);
}

TestSuite(protobuf, .fini = tear_down);

static void expect_bytes(const char *bytes, size_t size) {
  cr_assert_not(message.failed);
  cr_assert_eq(message.size, size);
  cr_expect(size == 0 || memcmp(message.bytes, bytes, size) == 0);
}

Test(protobuf, integer) {
  protobuf_integer(&message, 1, 150);
  expect_bytes("\x08\x96\x01", 3);
}

Test(protobuf, zero_is_not_written) {
  protobuf_integer(&message, 1, 0);
  expect_bytes("", 0);
}

Test(protobuf, text) {
  protobuf_text(&message, 2, "testing");
  expect_bytes("\x12\x07testing", 9);
}

Test(protobuf, empty_text_is_written) {
  protobuf_text(&message, 6, "");
  expect_bytes("\x32\x00", 2);
}

Test(protobuf, inner_message) {
  struct protobuf inner = {0};
  protobuf_integer(&inner, 1, 150);
  protobuf_message(&message, 3, &inner);
  protobuf_fini(&inner);
  expect_bytes("\x1a\x03\x08\x96\x01", 5);
}

Test(protobuf, packed_integers) {
  protobuf_integers(&message, 6, (const uint64_t[]){3, 270, 86942}, 3);
  expect_bytes("\x32\x06\x03\x8e\x02\x9e\xa7\x05", 8);
}

Test(protobuf, no_integers) {
  protobuf_integers(&message, 6, NULL, 0);
  expect_bytes("", 0);
}

Test(protobuf, longest_varint) {
  protobuf_integer(&message, 15, UINT64_MAX);
  expect_bytes("\x78\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
}

Test(protobuf, field_beyond_fifteen) {
  protobuf_integer(&message, 16, 127);
  expect_bytes("\x80\x01\x7f", 3);
}

Test(protobuf, failure_sticks) {
  struct protobuf inner = {.failed = true};
  protobuf_message(&message, 1, &inner);
  protobuf_clear(&message);
  cr_expect(message.failed);
}
