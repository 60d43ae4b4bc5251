/* Orders of frees, against all subsets of a few spans. */
#include "analyzers/infer_order.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { SPANS = 9, ROUNDS = 300 };

/* Begins and ends are 0 to 2 n - 1, each once. */
static void make_spans(unsigned *seed, struct infer_span *spans, size_t n) {
  uint32_t places[2 * SPANS] = {0};
  for (uint32_t i = 0; i < 2 * n; i++) {
    const uint32_t other = (uint32_t)rand_r(seed) % (i + 1);
    places[i] = places[other];
    places[other] = i;
  }
  for (size_t i = 0; i < n; i++) {
    const uint32_t a = places[2 * i], b = places[2 * i + 1];
    spans[i] = (struct infer_span){
        .begin = a < b ? a : b, .end = a < b ? b : a, .weight = (uint64_t)rand_r(seed) % 5, .marked = rand_r(seed) % 2};
  }
}

static bool is_nested(const struct infer_span *spans, size_t n, unsigned subset) {
  for (size_t i = 0; i < n; i++) {
    for (size_t j = 0; j < n; j++) {
      const bool both = subset >> i & 1 && subset >> j & 1;
      if (both && spans[i].begin < spans[j].begin && spans[i].end < spans[j].end) {
        return false;
      }
    }
  }
  return true;
}

static uint64_t weight_of(const struct infer_span *spans, size_t n, unsigned subset) {
  uint64_t weight = 0;
  for (size_t i = 0; i < n; i++) {
    weight += subset >> i & 1 ? spans[i].weight : 0;
  }
  return weight;
}

Test(infer_order, heaviest_nested_set) {
  unsigned seed = 1;
  for (int round = 0; round < ROUNDS; round++) {
    const size_t n = (size_t)round % (SPANS + 1);
    struct infer_span spans[SPANS];
    uint64_t weight, best = 0;
    unsigned kept = 0;
    make_spans(&seed, spans, n);
    cr_assert_eq(infer_order_nested(spans, n, &weight), 0);
    for (unsigned subset = 0; subset < 1u << n; subset++) {
      const uint64_t other = is_nested(spans, n, subset) ? weight_of(spans, n, subset) : 0;
      best = other > best ? other : best;
    }
    for (size_t i = 0; i < n; i++) {
      kept |= (unsigned)spans[i].kept << i;
      cr_assert(i == 0 || spans[i - 1].begin < spans[i].begin);
    }
    cr_assert_eq(weight, best);
    cr_assert_eq(weight_of(spans, n, kept), best);
    cr_assert(is_nested(spans, n, kept));
  }
}

static int by_begin(const void *a, const void *b) {
  return (int)((const struct infer_span *)a)->begin - (int)((const struct infer_span *)b)->begin;
}

Test(infer_order, overtaken) {
  unsigned seed = 2;
  for (int round = 0; round < ROUNDS; round++) {
    const size_t n = (size_t)round % (SPANS + 1);
    struct infer_span spans[SPANS];
    uint64_t overtaken[SPANS];
    make_spans(&seed, spans, n);
    qsort(spans, n, sizeof *spans, by_begin);
    cr_assert_eq(infer_order_overtaken(spans, n, overtaken), 0);
    for (size_t i = 0; i < n; i++) {
      uint64_t expected = 0;
      for (size_t j = 0; j < i; j++) {
        expected += spans[j].marked && spans[j].end < spans[i].end ? spans[j].weight : 0;
      }
      cr_assert_eq(overtaken[i], expected);
    }
  }
}
