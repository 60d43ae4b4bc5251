/* The stream of codes against its definition, bit by bit; and the arithmetic of its size. */
#include "kernels/code.h"

#include <criterion/criterion.h>
#include <string.h>

enum { LONGEST = 300 };

static unsigned random_byte(unsigned *state) {
  *state = *state * 1664525 + 1013904223;
  return *state >> 24;
}

static void make_codes(uint8_t *codes, size_t n, unsigned bits) {
  unsigned state = 12345 + bits;
  for (size_t i = 0; i < n; i++) {
    codes[i] = (uint8_t)(random_byte(&state) & ((1u << bits) - 1));
  }
}

Test(code, takes_whole_bytes) {
  for (unsigned bits = 1; bits <= CODE_BITS_MAX; bits++) {
    for (uint64_t n = 0; n <= LONGEST; n++) {
      cr_assert_eq(code_size(n, bits), (n * bits + 7) / 8);
    }
  }
}

/* n * bits does not overflow on the way: also where it has more than 64 bits. */
Test(code, sizes_are_of_64_bits) {
  cr_assert_eq(code_size(UINT64_C(1) << 31, 3), UINT64_C(805306368));
  cr_assert_eq(code_size((UINT64_C(1) << 31) + 3, 3), UINT64_C(805306370));
  cr_assert_eq(code_size((UINT64_C(1) << 33) + 1, 1), (UINT64_C(1) << 30) + 1);
  cr_assert_eq(code_size(UINT64_C(1) << 62, 5), (UINT64_C(1) << 59) * 5);
  cr_assert_eq(code_size(UINT64_MAX, 8), UINT64_MAX);
  cr_assert_eq(code_size(UINT64_MAX, 7), UINT64_MAX / 8 * 7 + 7);
}

/* Bit k of the stream is bit k % 8 of byte k / 8, and is bit k % bits of code k / bits. */
Test(code, packs_bit_by_bit_as_defined) {
  uint8_t codes[LONGEST], stream[LONGEST + 1];
  for (unsigned bits = 1; bits <= CODE_BITS_MAX; bits++) {
    make_codes(codes, LONGEST, bits);
    for (size_t n = 0; n <= LONGEST; n++) {
      memset(stream, 0xa5, sizeof stream);
      code_pack(codes, n, bits, stream);
      const size_t size = code_size(n, bits);
      for (size_t k = 0; k < 8 * size; k++) {
        const unsigned expected = k < n * bits ? codes[k / bits] >> k % bits & 1 : 0;
        cr_assert_eq(stream[k / 8] >> k % 8 & 1u, expected, "%u bits, %zu codes, bit %zu", bits, n, k);
      }
      cr_assert_eq(stream[size], 0xa5, "%u bits, %zu codes: a byte too many", bits, n);
    }
  }
}

Test(code, unpacks_from_anywhere_what_was_packed) {
  uint8_t codes[LONGEST], stream[LONGEST], again[LONGEST];
  for (unsigned bits = 1; bits <= CODE_BITS_MAX; bits++) {
    make_codes(codes, LONGEST, bits);
    code_pack(codes, LONGEST, bits, stream);
    for (size_t first = 0; first < LONGEST; first++) {
      code_unpack(stream, first, LONGEST - first, bits, again);
      cr_assert_arr_eq(again, codes + first, LONGEST - first, "%u bits from %zu on", bits, first);
    }
  }
}
