/* Initial weights: the name and the seed make a key, the element's number a counter, so that a weight does not depend on
 * what else the model has. */
#include "kernels/models/net.h"
#include "kernels/philox.h"

#include <math.h>

struct init init_normal(float deviation) {
  return (struct init){INIT_NORMAL, deviation};
}

struct init init_torch(size_t fan_in) {
  return (struct init){INIT_UNIFORM, fan_in ? 1 / sqrtf((float)fan_in) : 0};
}

struct init init_constant(float value) {
  return (struct init){INIT_CONSTANT, value};
}

/* FNV-1a, 64 bits: G. Fowler, L. C. Noll, P. Vo. */
static uint64_t hash_name(const char *name) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  for (; *name; name++) {
    hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
  }
  return hash;
}

/* In (0, 1): the middle of one of 2^32 cells. */
static double unit(uint32_t word) {
  return ((double)word + 0.5) * 0x1p-32;
}

static void fill_normal(float *data, size_t count, double deviation, uint64_t hash, uint64_t seed) {
#pragma omp parallel for schedule(static) if (count > 65536)
  for (size_t i = 0; i < count; i += 4) { /* Box and Muller, 1958: two pairs from four words */
    const struct philox random = philox_at(i / 4, hash, seed);
    for (size_t k = 0; k < 4 && i + k < count; k++) {
      const double radius = sqrt(-2 * log(unit(random.word[k / 2 * 2])));
      const double angle = 2 * M_PI * unit(random.word[k / 2 * 2 + 1]);
      data[i + k] = (float)(deviation * radius * (k % 2 ? sin(angle) : cos(angle)));
    }
  }
}

static void fill_uniform(float *data, size_t count, double half, uint64_t hash, uint64_t seed) {
#pragma omp parallel for schedule(static) if (count > 65536)
  for (size_t i = 0; i < count; i += 4) {
    const struct philox random = philox_at(i / 4, hash, seed);
    for (size_t k = 0; k < 4 && i + k < count; k++) {
      data[i + k] = (float)(half * (2 * unit(random.word[k]) - 1));
    }
  }
}

void init_fill(float *data, size_t count, struct init init, const char *name, uint64_t seed) {
  switch (init.kind) {
  case INIT_NORMAL:
    fill_normal(data, count, (double)init.scale, hash_name(name), seed);
    break;
  case INIT_UNIFORM:
    fill_uniform(data, count, (double)init.scale, hash_name(name), seed);
    break;
  case INIT_CONSTANT:
    for (size_t i = 0; i < count; i++) {
      data[i] = init.scale;
    }
    break;
  }
}
