#include "kernels/code.h"

void code_pack(const uint8_t *codes, size_t n, unsigned bits, uint8_t *stream) {
  unsigned word = 0, filled = 0;
  for (size_t i = 0; i < n; i++) {
    word |= (unsigned)codes[i] << filled;
    filled += bits;
    if (filled >= 8) {
      *stream++ = (uint8_t)word;
      word >>= 8;
      filled -= 8;
    }
  }
  if (filled > 0) {
    *stream = (uint8_t)word;
  }
}

void code_unpack(const uint8_t *stream, size_t first, size_t n, unsigned bits, uint8_t *codes) {
  for (size_t i = 0; i < n; i++) {
    codes[i] = (uint8_t)code_get(stream, first + i, bits);
  }
}
