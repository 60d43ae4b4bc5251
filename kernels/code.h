/* The stream of codes: element i in the bits [i b, (i + 1) b) of a little-endian bit stream, least significant first.
 *
 * In bytes: bit k of the stream is bit k % 8 of byte k / 8. A stream of n codes has ceil(n b / 8) bytes; the bits of
 * the last byte that no code uses are zero. 1 <= b <= 8. This file is the plain definition; the kernels of each
 * instruction set write and read the same bytes. */
#ifndef ACTSCOPE_KERNELS_CODE_H
#define ACTSCOPE_KERNELS_CODE_H

#include <stddef.h>
#include <stdint.h>

#define CODE_BITS_MAX 8

/* ceil(elements * bits / 8), for any number of elements. */
static inline uint64_t code_size(uint64_t elements, unsigned bits) {
  return elements / 8 * bits + (elements % 8 * bits + 7) / 8;
}

/* Code i of the stream. Reads the one or two bytes that hold it, and no others. */
static inline unsigned code_get(const uint8_t *stream, size_t i, unsigned bits) {
  const size_t byte = i / 8 * bits + i % 8 * bits / 8;
  const unsigned shift = (unsigned)(i % 8 * bits % 8);
  unsigned word = stream[byte];
  if (shift + bits > 8) {
    word |= (unsigned)stream[byte + 1] << 8;
  }
  return word >> shift & ((1u << bits) - 1);
}

/* Writes n codes, each below 2^bits, as a stream of code_size(n, bits) bytes. */
void code_pack(const uint8_t *codes, size_t n, unsigned bits, uint8_t *stream);

/* The codes [first, first + n) of a stream. */
void code_unpack(const uint8_t *stream, size_t first, size_t n, unsigned bits, uint8_t *codes);

#endif
