/* What libfewbit's forward and backward cost beside a plain copy of the same array, and beside the way of the paper's
 * library on a CPU: a binary search for each element, then packing.
 *
 *     fewbit_bench [-n ELEMENTS] [-b BITS] [-t TYPE] [-r ROUNDS] [FUNCTION...]     single thread
 *     fewbit_bench -L [-b BITS]                                                    a round trip of 2^31 + 4099 elements
 *
 * Every round runs all of them once, in the same order; a ratio is the median of the rounds' own ratios, so that a
 * slow phase of the machine hits both sides. Times are the thread's own CPU time, memory stalls included: on a quiet
 * machine the wall's, on a busy one what comes nearest. One line of JSON a function. ACTSCOPE_FEWBIT_ISA chooses the
 * kernels. */
#include "actscope/fewbit.h"

#ifdef _OPENMP
#include <omp.h>
#endif
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS_MAX = 101 };

static const char *const all_functions[] = {
    "gelu",       "gelu_tanh", "silu",        "mish",       "softplus",   "elu",       "celu", "selu",
    "sigmoid",    "tanh",      "logsigmoid",  "softsign",   "tanhshrink", "hardswish", "relu", "relu6",
    "leaky_relu", "hardtanh",  "hardsigmoid", "hardshrink", "softshrink", "threshold"};

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void fail(const char *what) {
  fprintf(stderr, "fewbit_bench: %s\n", what);
  exit(1);
}

static void must(int status) {
  if (status != FEWBIT_OK) {
    fail(fewbit_status_message(status));
  }
}

static void *array(size_t bytes) {
  void *made = NULL;
  if (posix_memalign(&made, 64, bytes + 64) != 0) {
    fail("out of memory");
  }
  memset(made, 0, bytes + 64); /* its pages are there before the clock runs */
  return made;
}

/* ---- the way of the paper's library ------------------------------------------------------------------------------ */

/* The number of borders <= x: std::upper_bound. */
static unsigned search(const float *borders, unsigned count, float x) {
  const float *first = borders;
  while (count > 0) {
    const unsigned half = count / 2;
    if (x < first[half]) {
      count = half;
    } else {
      first += half + 1;
      count -= half + 1;
    }
  }
  return (unsigned)(first - borders);
}

static void search_and_pack(const float *borders, unsigned count, const uint8_t *code, unsigned bits, const float *x,
                            uint8_t *stream, size_t n) {
  uint64_t word = 0;
  unsigned filled = 0;
  for (size_t i = 0; i < n; i++) {
    word |= (uint64_t)code[search(borders, count, x[i])] << filled;
    filled += bits;
    while (filled >= 8) {
      *stream++ = (uint8_t)word;
      word >>= 8;
      filled -= 8;
    }
  }
  if (filled > 0) {
    *stream = (uint8_t)word;
  }
}

static void unpack_and_scale(const float *levels, unsigned bits, const uint8_t *stream, const float *dy, float *dx,
                             size_t n) {
  uint64_t word = 0;
  unsigned filled = 0;
  for (size_t i = 0; i < n; i++) {
    while (filled < bits) {
      word |= (uint64_t)*stream++ << filled;
      filled += 8;
    }
    dx[i] = levels[word & ((1u << bits) - 1)] * dy[i];
    word >>= bits;
    filled -= bits;
  }
}

/* ---- measuring --------------------------------------------------------------------------------------------------- */

enum what { COPY, FORWARD, ENCODE, ACTIVATE, BACKWARD, STOCHASTIC, SEARCH, SCALE, WHATS };
static const char *const what_names[WHATS] = {"copy",     "forward",    "encode",          "activate",
                                              "backward", "stochastic", "search_and_pack", "unpack_and_scale"};

struct bench {
  const fewbit_quantizer *q, *stochastic;
  enum fewbit_type type;
  size_t n, bytes;
  void *x, *y, *dy, *dx;
  uint8_t *codes;
};

static void run(const struct bench *b, enum what what) {
  const fewbit_quantizer *q = b->q;
  unsigned count;
  const float *borders = fewbit_quantizer_breakpoints(q, &count);
  switch (what) {
  case COPY:
    memcpy(b->y, b->x, b->bytes);
    break;
  case FORWARD:
    must(fewbit_forward(q, b->type, b->x, b->y, b->codes, b->n));
    break;
  case ENCODE:
    must(fewbit_encode(q, b->type, b->x, b->codes, b->n));
    break;
  case ACTIVATE:
    must(fewbit_activate(q, b->type, b->x, b->y, b->n));
    break;
  case BACKWARD:
    must(fewbit_backward(q, b->type, b->codes, b->dy, b->dx, b->n));
    break;
  case STOCHASTIC:
    must(fewbit_forward_stochastic(b->stochastic, b->type, b->x, b->y, b->codes, b->n, 1, 0));
    break;
  case SEARCH:
    search_and_pack(borders, count, fewbit_quantizer_codes(q, NULL), fewbit_quantizer_bits(q), b->x, b->codes, b->n);
    break;
  default:
    unpack_and_scale(fewbit_quantizer_levels(q, NULL), fewbit_quantizer_bits(q), b->codes, b->dy, b->dx, b->n);
  }
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(const double *values, int count) {
  double sorted[ROUNDS_MAX];
  memcpy(sorted, values, (size_t)count * sizeof *values);
  qsort(sorted, (size_t)count, sizeof *sorted, ascending);
  return sorted[count / 2];
}

/* Round 0 warms up. The paths of the paper's library take float32 only. */
static void measure(const struct bench *b, const char *function, const char *type, int rounds) {
  double ns[WHATS][ROUNDS_MAX], ratio[ROUNDS_MAX];
  const int whats = b->type == FEWBIT_FLOAT32 ? WHATS : STOCHASTIC;
  for (int round = 0; round <= rounds; round++) {
    for (int what = 0; what < whats; what++) {
      const double begin = now_ns();
      run(b, (enum what)what);
      ns[what][round > 0 ? round - 1 : 0] = (now_ns() - begin) / (double)b->n;
    }
  }
  unsigned breakpoints;
  (void)fewbit_quantizer_breakpoints(b->q, &breakpoints);
  printf("{\"function\": \"%s\", \"type\": \"%s\", \"isa\": \"%s\", \"bits\": %u, \"intervals\": %u, \"elements\": %zu",
         function, type, fewbit_quantizer_isa(b->q), fewbit_quantizer_bits(b->q), breakpoints + 1, b->n);
  for (int what = 0; what < whats; what++) {
    for (int round = 0; round < rounds; round++) {
      ratio[round] = ns[what][round] / ns[COPY][round];
    }
    printf(", \"%s\": {\"ns\": %.4f, \"to_copy\": %.4f}", what_names[what], median(ns[what], rounds),
           median(ratio, rounds));
  }
  puts("}");
  fflush(stdout);
}

static uint16_t word_of(float x, enum fewbit_type type) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return (uint16_t)(type == FEWBIT_BFLOAT16 ? bits >> 16 : bits ? (bits >> 16 & 0x8000) | ((bits >> 13) - 0x1c000) : 0);
}

/* About normal(0, 1): a sum of four uniform numbers. */
static void fill(void *to, enum fewbit_type type, size_t n) {
  uint64_t state = 42;
  for (size_t i = 0; i < n; i++) {
    float sum = 0;
    for (int k = 0; k < 4; k++) {
      state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
      sum += (float)(state >> 40) * 0x1p-24f;
    }
    const float x = (sum - 2.0f) * 1.7320508f;
    if (type == FEWBIT_FLOAT32) {
      ((float *)to)[i] = x;
    } else {
      ((uint16_t *)to)[i] = word_of(x, type);
    }
  }
}

static fewbit_quantizer *quantizer(const char *function, unsigned bits) {
  fewbit_quantizer *q;
  fewbit_error error;
  if (fewbit_quantizer_builtin(function, bits, &q, &error) != FEWBIT_OK) {
    fail(error.message);
  }
  return q;
}

static void measure_all(char *const *functions, int count, const char *type, unsigned bits, size_t n, int rounds) {
  struct bench b = {.type = strcmp(type, "bfloat16") == 0  ? FEWBIT_BFLOAT16
                            : strcmp(type, "float16") == 0 ? FEWBIT_FLOAT16
                                                           : FEWBIT_FLOAT32,
                    .n = n};
  b.bytes = n * (b.type == FEWBIT_FLOAT32 ? 4 : 2);
  b.x = array(b.bytes), b.y = array(b.bytes), b.dy = array(b.bytes), b.dx = array(b.bytes), b.codes = array(n);
  fill(b.x, b.type, n);
  fill(b.dy, b.type, n);
  for (int i = 0; i < count; i++) {
    fewbit_quantizer *q = quantizer(functions[i], bits), *stochastic;
    must(fewbit_quantizer_stochastic(q, &stochastic, NULL));
    b.q = q, b.stochastic = stochastic;
    measure(&b, functions[i], type, rounds);
    fewbit_quantizer_free(stochastic);
    fewbit_quantizer_free(q);
  }
  free(b.x), free(b.y), free(b.dy), free(b.dx), free(b.codes);
}

/* ---- more elements than 31 bits count ---------------------------------------------------------------------------- */

/* bfloat16 in place; every stretch of the long array must come out as the same stretch does by itself. */
static void large(unsigned bits) {
  const size_t n = ((size_t)1 << 31) + 4099, period = (size_t)1 << 20;
  fewbit_quantizer *q = quantizer("gelu", bits);
  uint16_t *x = array(2 * n), *part = array(2 * period), *dx = array(2 * period);
  uint8_t *codes = array(fewbit_code_size(q, n)), *part_codes = array(period);
  fill(part, FEWBIT_BFLOAT16, period);
  for (size_t i = 0; i < n; i += period) {
    memcpy(x + i, part, 2 * (n - i < period ? n - i : period));
  }
  must(fewbit_forward(q, FEWBIT_BFLOAT16, x, x, codes, n));
  must(fewbit_backward(q, FEWBIT_BFLOAT16, codes, x, x, n));
  must(fewbit_forward(q, FEWBIT_BFLOAT16, part, part, part_codes, period));
  must(fewbit_backward(q, FEWBIT_BFLOAT16, part_codes, part, dx, period));
  for (size_t i = 0; i < n; i += period) {
    const size_t count = n - i < period ? n - i : period;
    if (memcmp(codes + i / 8 * bits, part_codes, count / 8 * bits) != 0 || memcmp(x + i, dx, 2 * count) != 0) {
      fail("the round trip of 2^31 + 4099 elements went wrong");
    }
  }
  printf("{\"large\": %zu, \"bits\": %u, \"isa\": \"%s\", \"code_bytes\": %zu, \"round_trip\": true}\n", n, bits,
         fewbit_quantizer_isa(q), fewbit_code_size(q, n));
  free(x), free(part), free(dx), free(codes), free(part_codes);
  fewbit_quantizer_free(q);
}

int main(int argc, char **argv) {
  size_t n = (size_t)1 << 24;
  unsigned bits = 3;
  int rounds = 11, option, is_large = 0;
  const char *type = "float32";
  while ((option = getopt(argc, argv, "n:b:t:r:L")) != -1) {
    switch (option) {
    case 'n':
      n = strtoull(optarg, NULL, 0);
      break;
    case 'b':
      bits = (unsigned)strtoul(optarg, NULL, 0);
      break;
    case 't':
      type = optarg;
      break;
    case 'r':
      rounds = (int)strtol(optarg, NULL, 0);
      break;
    case 'L':
      is_large = 1;
      break;
    default:
      return 2;
    }
  }
  if (n < 1 || rounds < 1 || rounds > ROUNDS_MAX) {
    fail("at least one element, 1 to 101 rounds");
  }
  if (is_large) {
    large(bits);
    return 0;
  }
#ifdef _OPENMP
  omp_set_num_threads(1);
#endif
  if (optind < argc) {
    measure_all(argv + optind, argc - optind, type, bits, n, rounds);
  } else {
    measure_all((char *const *)all_functions, sizeof all_functions / sizeof *all_functions, type, bits, n, rounds);
  }
  return 0;
}
