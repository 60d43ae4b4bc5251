/* What a fit takes, and what it is good for.
 *
 *     quantizer_bench time [BITS]        milliseconds of CPU a fit, median of 9, by function and method
 *     quantizer_bench cosine [N]         gradient cosine for x, dy ~ N(0, 1), N elements (10^7): a Markdown table
 *     quantizer_bench spread [BITS]      1 - cosine under N(0, deviation^2), geometric mean over functions, by weight
 */
#include "kernels/quantizer.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 9, BITS_MAX = 4 };

static void fit(struct quantizer *quantizer, const struct function *function, unsigned bits, int method,
                const struct weight *weight) {
  struct error err;
  if (quantizer_fit(quantizer, function, bits, (enum quantizer_method)method, weight, &err) < 0) {
    fprintf(stderr, "quantizer_bench: %s\n", err.message);
    exit(1);
  }
}

static struct weight weight_of(const char *text) {
  struct weight weight;
  if (weight_parse(&weight, text, NULL) < 0) {
    exit(2);
  }
  return weight;
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int ascending(const void *a, const void *b) {
  const double *p = a, *q = b;
  return (*p > *q) - (*p < *q);
}

static double time_fit(const struct function *function, unsigned bits, int method, const struct weight *weight) {
  static struct quantizer quantizer;
  double times[ROUNDS];
  for (int i = 0; i < ROUNDS; i++) {
    double begin = now_ms();
    fit(&quantizer, function, bits, method, weight);
    times[i] = now_ms() - begin;
  }
  qsort(times, ROUNDS, sizeof *times, ascending);
  return times[ROUNDS / 2];
}

static void run_time(unsigned bits) {
  struct weight uniform = weight_of("uniform:-10:10"), normal = weight_of("normal:0:1");
  printf("%-12s %17s %17s\n%-12s %8s %8s %8s %8s\n", "", "uniform:-10:10", "normal:0:1", "function", "value",
         "interval", "value", "interval");
  for (int id = 0; id < FUNCTION_STEPWISE; id++) {
    struct function function;
    function_init(&function, (enum function_id)id);
    printf("%-12s %8.2f %8.2f %8.2f %8.2f\n", function_name(&function), time_fit(&function, bits, 0, &uniform),
           time_fit(&function, bits, 1, &uniform), time_fit(&function, bits, 0, &normal),
           time_fit(&function, bits, 1, &normal));
  }
}

/* ---- cosine ------------------------------------------------------------------------------------------------------ */

/* SplitMix64, then Box and Muller. */
static uint64_t random_state = 1;

static double random_unit(void) {
  uint64_t z = random_state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return ((double)((z ^ z >> 31) >> 11) + 0.5) * 0x1p-53;
}

static void fill_normal(float *values, size_t count) {
  for (size_t i = 0; i < count; i++) {
    values[i] = (float)(sqrt(-2 * log(random_unit())) * cos(6.283185307179586 * random_unit()));
  }
}

struct samples {
  size_t count;
  float *x, *dy, *exact; /* exact: f'(x) dy */
};

static double cosine(const struct samples *samples, const struct quantizer *quantizer) {
  double product = 0, exact = 0, few = 0;
  for (size_t i = 0; i < samples->count; i++) {
    double e = (double)samples->exact[i], f = (double)(quantizer_level(quantizer, samples->x[i]) * samples->dy[i]);
    product += e * f;
    exact += e * e;
    few += f * f;
  }
  return product / sqrt(exact * few);
}

static void run_cosine(size_t count) {
  static const char *const weights[] = {"uniform:-10:10", "normal:0:1", "normal:0:1.5"};
  static const int methods[] = {QUANTIZER_INTERVAL, QUANTIZER_VALUE};
  static struct quantizer quantizer;
  struct samples samples = {count, malloc(count * sizeof(float)), malloc(count * sizeof(float)),
                            malloc(count * sizeof(float))};
  if (!samples.x || !samples.dy || !samples.exact) {
    exit(1);
  }
  fill_normal(samples.x, count);
  fill_normal(samples.dy, count);
  printf("| function | bits |");
  for (int method = 0; method < 2; method++) {
    for (int w = 0; w < 3; w++) {
      printf(" %s %s |", quantizer_method_name((enum quantizer_method)methods[method]), weights[w]);
    }
  }
  printf("\n| --- | --- | --- | --- | --- | --- | --- | --- |\n");
  for (int id = 0; id < FUNCTION_STEPWISE; id++) {
    struct function function;
    function_init(&function, (enum function_id)id);
    for (size_t i = 0; i < count; i++) {
      samples.exact[i] = (float)(function_derivative(&function, (double)samples.x[i]) * (double)samples.dy[i]);
    }
    for (unsigned bits = 1; bits <= BITS_MAX; bits++) {
      printf("| %s | %u |", function_name(&function), bits);
      for (int method = 0; method < 2; method++) {
        for (int w = 0; w < 3; w++) {
          struct weight weight = weight_of(weights[w]);
          fit(&quantizer, &function, bits, methods[method], &weight);
          printf(" %.5f |", cosine(&samples, &quantizer));
        }
      }
      printf("\n");
      fflush(stdout);
    }
  }
  free(samples.x);
  free(samples.dy);
  free(samples.exact);
}

/* ---- spread ------------------------------------------------------------------------------------------------------ */

static void run_spread(unsigned bits) {
  static const char *const weights[] = {"normal:0:1",   "normal:0:1.25", "normal:0:1.5",  "normal:0:2",
                                        "uniform:-3:3", "uniform:-5:5",  "uniform:-10:10"};
  static const double deviations[] = {0.25, 0.5, 1, 2, 3, 5};
  static struct quantizer quantizer;
  printf("| weight | 0.25 | 0.5 | 1 | 2 | 3 | 5 |\n| --- | --- | --- | --- | --- | --- | --- |\n");
  for (size_t w = 0; w < sizeof weights / sizeof *weights; w++) {
    struct weight weight = weight_of(weights[w]);
    double logs[6] = {0};
    for (int id = 0; id < FUNCTION_RELU; id++) {
      struct function function;
      function_init(&function, (enum function_id)id);
      fit(&quantizer, &function, bits, QUANTIZER_VALUE, &weight);
      for (int d = 0; d < 6; d++) {
        const struct weight seen = {WEIGHT_NORMAL, 0, deviations[d], NULL};
        double value;
        quantizer_measure(&quantizer, &function, &seen, NULL, &value, NULL);
        logs[d] += log(1 - value) / FUNCTION_RELU;
      }
    }
    printf("| %s |", weights[w]);
    for (int d = 0; d < 6; d++) {
      printf(" %.2e |", exp(logs[d]));
    }
    printf("\n");
  }
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "time";
  unsigned long number = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
  if (strcmp(what, "time") == 0) {
    run_time(number ? (unsigned)number : BITS_MAX);
  } else if (strcmp(what, "cosine") == 0) {
    run_cosine(number ? number : 10000000);
  } else if (strcmp(what, "spread") == 0) {
    run_spread(number ? (unsigned)number : 3);
  } else {
    fprintf(stderr, "usage: quantizer_bench time|cosine|spread [NUMBER]\n");
    return 2;
  }
  return 0;
}
