/* Philox4x32-10: random numbers by counter, so that element i of a stream has its own, whoever asks and in what order.
 * J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011. */
#ifndef ACTSCOPE_KERNELS_PHILOX_H
#define ACTSCOPE_KERNELS_PHILOX_H

#include <stdint.h>

struct philox {
  uint32_t word[4];
};

/* Four words of 32 bits for the counter and the key. */
static inline struct philox philox_at(uint64_t low, uint64_t high, uint64_t key) {
  uint32_t c0 = (uint32_t)low, c1 = (uint32_t)(low >> 32), c2 = (uint32_t)high, c3 = (uint32_t)(high >> 32);
  uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
  for (int round = 0; round < 10; round++) {
    const uint64_t a = UINT64_C(0xD2511F53) * c0, b = UINT64_C(0xCD9E8D57) * c2;
    c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
    c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)b;
    c3 = (uint32_t)a;
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return (struct philox){{c0, c1, c2, c3}};
}

#endif
