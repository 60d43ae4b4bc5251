/* Philox's words through the transform of G. E. P. Box and M. E. Muller (1958): two uniform numbers make two normal
 * ones. In double, rounded once. */
#include "kernels/replay/normal.h"

#include "kernels/half.h"
#include "kernels/philox.h"

#include <math.h>

enum { WORDS = 4 };

/* In (0, 1): never 0, whose logarithm there is none of. */
static double uniform(uint32_t word) {
  return ((double)word + 0.5) * 0x1p-32;
}

static void put(void *array, enum run_type type, size_t i, double value) {
  switch (type) {
  case RUN_BFLOAT16:
    ((uint16_t *)array)[i] = bf16_from_float((float)value);
    return;
  case RUN_FLOAT16:
    ((uint16_t *)array)[i] = fp16_from_float((float)value);
    return;
  default:
    ((float *)array)[i] = (float)value;
  }
}

static void fill_four(void *array, enum run_type type, size_t first, size_t n, uint64_t seed, uint64_t stream) {
  const struct philox words = philox_at(first / WORDS, stream, seed);
  for (unsigned pair = 0; pair < WORDS; pair += 2) {
    const double radius = sqrt(-2 * log(uniform(words.word[pair])));
    const double angle = 2 * M_PI * uniform(words.word[pair + 1]);
    if (first + pair < n) {
      put(array, type, first + pair, radius * cos(angle));
    }
    if (first + pair + 1 < n) {
      put(array, type, first + pair + 1, radius * sin(angle));
    }
  }
}

void normal_fill(void *array, enum run_type type, size_t n, uint64_t seed, uint64_t stream) {
#ifdef _OPENMP
#pragma omp parallel for schedule(static) if (n > RUN_CHUNK)
#endif
  for (size_t first = 0; first < n; first += WORDS) {
    fill_four(array, type, first, n, seed, stream);
  }
}
