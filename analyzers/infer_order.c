/* The heaviest decreasing subsequence of ends, by a tree of prefix maxima (Fenwick's). */
#include "analyzers/infer_order.h"

#include "common/error.h"

#include <stdlib.h>

struct chain { /* of spans up to one of them */
  uint64_t weight;
  size_t last; /* span + 1; 0: none */
};

static int by_begin(const void *a, const void *b) {
  const struct infer_span *x = a, *y = b;
  return (x->begin > y->begin) - (x->begin < y->begin);
}

static int later_first(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x < y) - (x > y);
}

/* How many ends come later, + 1: the place of a span in the tree. */
static size_t rank_of(const uint32_t *ends, size_t count, uint32_t end) {
  const uint32_t *found = bsearch(&end, ends, count, sizeof *ends, later_first);
  return (size_t)(found - ends) + 1;
}

/* The heaviest chain whose last span ends after all but the first `rank` do. */
static struct chain heaviest(const struct chain *tree, size_t rank) {
  struct chain best = {0};
  for (; rank; rank &= rank - 1) {
    best = tree[rank].weight > best.weight ? tree[rank] : best;
  }
  return best;
}

static void enter(struct chain *tree, size_t count, size_t rank, struct chain chain) {
  for (; rank <= count; rank += rank & -rank) {
    tree[rank] = chain.weight > tree[rank].weight ? chain : tree[rank];
  }
}

int infer_order_nested(struct infer_span *spans, size_t count, uint64_t *weight) {
  struct chain *tree = calloc(count + 1, sizeof *tree), best = {0};
  size_t *before = calloc(count + 1, sizeof *before); /* the chain's span before this one, + 1 */
  uint32_t *ends = calloc(count + 1, sizeof *ends);
  const int rc = tree && before && ends ? 0 : ERROR_MEMORY;
  *weight = 0;
  if (rc == 0 && count) {
    qsort(spans, count, sizeof *spans, by_begin);
    for (size_t i = 0; i < count; i++) {
      ends[i] = spans[i].end;
    }
    qsort(ends, count, sizeof *ends, later_first);
    for (size_t i = 0; i < count; i++) {
      const size_t rank = rank_of(ends, count, spans[i].end);
      const struct chain outer = heaviest(tree, rank - 1);
      const struct chain chain = {outer.weight + spans[i].weight, i + 1};
      before[i] = outer.last;
      enter(tree, count, rank, chain);
      best = chain.weight > best.weight ? chain : best;
    }
    *weight = best.weight;
    for (size_t at = best.last; at; at = before[at - 1]) {
      spans[at - 1].kept = true;
    }
  }
  free(tree);
  free(before);
  free(ends);
  return rc;
}

int infer_order_overtaken(const struct infer_span *spans, size_t count, uint64_t *overtaken) {
  uint64_t *tree = calloc(count + 1, sizeof *tree); /* sums of weights, by rank */
  uint32_t *ends = calloc(count + 1, sizeof *ends);
  const int rc = tree && ends ? 0 : ERROR_MEMORY;
  uint64_t all = 0;
  for (size_t i = 0; i < count && rc == 0; i++) {
    ends[i] = spans[i].end;
  }
  if (rc == 0 && count) {
    qsort(ends, count, sizeof *ends, later_first);
  }
  for (size_t i = 0; i < count && rc == 0; i++) {
    const size_t rank = rank_of(ends, count, spans[i].end);
    overtaken[i] = all;
    for (size_t at = rank; at; at &= at - 1) {
      overtaken[i] -= tree[at]; /* those that end later */
    }
    all += spans[i].marked ? spans[i].weight : 0;
    for (size_t at = rank; at <= count; at += at & -at) {
      tree[at] += spans[i].marked ? spans[i].weight : 0;
    }
  }
  free(tree);
  free(ends);
  return rc;
}
