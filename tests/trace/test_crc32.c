/* CRC-32 against its published check values, and piece by piece against the whole. */
#include "trace/crc32.h"

#include <criterion/criterion.h>
#include <string.h>

Test(crc32, has_the_published_values) {
  cr_assert_eq(crc32_update(0, "", 0), 0);
  cr_assert_eq(crc32_update(0, "a", 1), 0xe8b7be43u);
  cr_assert_eq(crc32_update(0, "123456789", 9), 0xcbf43926u);
  const char *fox = "The quick brown fox jumps over the lazy dog";
  cr_assert_eq(crc32_update(0, fox, strlen(fox)), 0x414fa339u);
}

/* Every split of every length crosses the eight-byte loop at another place. */
Test(crc32, continues_where_it_stopped) {
  uint8_t bytes[40];
  for (size_t i = 0; i < sizeof bytes; i++) {
    bytes[i] = (uint8_t)(i * 37 + 11);
  }
  for (size_t size = 0; size <= sizeof bytes; size++) {
    uint32_t whole = crc32_update(0, bytes, size);
    for (size_t cut = 0; cut <= size; cut++) {
      cr_assert_eq(crc32_update(crc32_update(0, bytes, cut), bytes + cut, size - cut), whole);
    }
  }
}
