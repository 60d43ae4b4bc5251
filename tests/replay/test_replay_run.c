/* Replays of lists made by hand. Bytes and peaks are worked out here; errors are what quadrature says of the quantizer
 * for inputs from N(0, 1).
 *
 * Tolerance of the errors: relative_error^2 is a ratio of two means over n = 2^17 draws, each with a relative deviation
 * below 3 / sqrt(n) = 0.8 percent here (the fourth moments of f' dy are bounded by those of dy, 3); 3 percent of the
 * square, 1.5 of the root, is more than three of them. */
#include "kernels/replay/replay_run.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static const struct replay_options every_width = {.bits = {1, 2, 3, 4}, .bits_count = 4, .seed = 5, .untimed = true};

static struct replay_result replay(const struct replay_activation *list, size_t count,
                                   const struct replay_options *options) {
  struct replay_result result;
  struct error err = {""};
  cr_assert_eq(replay_run(list, count, options, &result, &err), 0, "%s", err.message);
  return result;
}

static uint64_t codes(uint64_t elements, unsigned bits) {
  return (elements * bits + 7) / 8;
}

Test(replay_run, groups_and_bytes) {
  const struct replay_activation list[] = {{"gelu", "float32", "blocks.0.act", 1001, 4096},
                                           {"silu", "bfloat16", "", 640, 1280},
                                           {"gelu", "float32", "blocks.1.act", 1001, 4096},
                                           {"gelu", "float32", "", 1002, 4096},
                                           {"gelu", "float16", "", 1001, 2048},
                                           {"gelu", "float64", "", 1001, 8192},
                                           {"snake", "float32", "", 10, 40}};
  struct replay_result result = replay(list, 7, &every_width);
  cr_assert_eq(result.groups_count, 6);
  cr_expect(result.activations == 7 && result.replayed == 5 && result.widths_count == 5);
  const struct replay_group *first = result.groups;
  cr_expect(first->count == 2 && first->recorded == 4096 && strcmp(first->layer, "blocks.0.act") == 0);
  cr_expect(first->widths[0].held == 2 * 4004 && first->widths[0].projected == 2 * 4004);
  cr_expect(result.groups[1].widths[0].held == 1280 && result.groups[3].widths[0].held == 2002);
  uint64_t exact = 0;
  for (size_t i = 0; i < result.groups_count; i++) {
    const struct replay_group *group = &result.groups[i];
    exact += group->widths[0].held;
    for (unsigned bits = 1; bits <= 4 && !group->skipped; bits++) {
      cr_expect_eq(group->widths[bits].bits, bits);
      cr_expect_eq(group->widths[bits].held, group->count * codes(group->elements, bits));
      cr_expect_eq(group->widths[bits].projected, group->widths[bits].held);
    }
  }
  cr_expect(result.groups[4].skipped && strstr(result.groups[4].skipped, "float16"));
  cr_expect(result.groups[5].skipped && result.groups[5].widths[0].held == 0);
  cr_expect(result.total[0].held == exact && result.total[0].projected == exact);
  replay_result_fini(&result);
}

/* Exact: x is held beside y, dx and dy are made beside x; two of n bytes and one of m, in this order. Few-bit: two
 * arrays and the codes of all so far. */
Test(replay_run, peaks) {
  enum { N = 4000, M = 1000 };
  const struct replay_activation list[] = {
      {"gelu", "float32", "", N, 0}, {"gelu", "float32", "", N, 0}, {"silu", "float32", "", M, 0}};
  struct replay_result result = replay(list, 3, &every_width);
  const uint64_t n = 4 * N, m = 4 * M;
  cr_expect_eq(result.total[0].held, 2 * n + m);
  cr_expect_eq(result.total[0].peak, n + n + 2 * n); /* the second's backward, the first still held */
  for (unsigned bits = 1; bits <= 4; bits++) {
    cr_expect_eq(result.total[bits].held, 2 * codes(N, bits) + codes(M, bits));
    cr_expect_eq(result.total[bits].peak, 2 * codes(N, bits) + 2 * n);
    cr_expect_eq(result.total[bits].projected_peak, result.total[bits].peak);
  }
  replay_result_fini(&result);
}

/* relu, tanh and sigmoid keep their result: the same bytes, exact gradients for relu at one bit. */
Test(replay_run, kept_results) {
  const struct replay_activation list[] = {
      {"relu", "float32", "", 5000, 0}, {"tanh", "float16", "", 5000, 0}, {"sigmoid", "bfloat16", "", 5000, 0}};
  struct replay_result result = replay(list, 3, &every_width);
  cr_expect(result.groups[0].widths[0].held == 20000 && result.groups[1].widths[0].held == 10000);
  for (int width = 0; width < 5; width++) {
    cr_expect(result.groups[0].widths[width].gradient.relative_error == 0, "width %d", width);
    cr_expect(result.groups[0].widths[width].gradient.cosine == 1, "width %d", width);
  }
  /* y's own rounding comes on top of dx's: 1 - y^2 near 1 is off by 2 y times half a unit of y. */
  cr_expect_lt(result.groups[1].widths[0].gradient.relative_error, 0x1p-10);
  cr_expect_lt(result.groups[2].widths[0].gradient.relative_error, 0x1p-7);
  cr_expect_gt(result.groups[2].widths[0].gradient.relative_error, 0);
  replay_result_fini(&result);
}

Test(replay_run, errors_are_those_of_the_quantizer) {
  enum { N = 1 << 17 };
  static const char *const names[] = {"gelu", "silu", "mish", "softplus"};
  const struct weight normal = {.kind = WEIGHT_NORMAL, .a = 0, .b = 1};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const struct replay_activation list[] = {{names[i], "float32", "", N, 4 * N}};
    struct replay_result result = replay(list, 1, &every_width);
    struct function function;
    cr_assert_eq(function_find(&function, names[i], NULL), 0);
    cr_expect_lt(result.groups[0].widths[0].gradient.relative_error, 3e-7, "%s", names[i]);
    for (unsigned bits = 1; bits <= 4; bits++) {
      const struct gradient_figures *got = &result.groups[0].widths[bits].gradient;
      struct quantizer quantizer, zero;
      double error, square, cosine;
      const double nothing[] = {0};
      cr_assert_eq(quantizer_builtin(&quantizer, function.id, bits, QUANTIZER_VALUE, NULL), 0);
      cr_assert_eq(quantizer_measure(&quantizer, &function, &normal, &error, &cosine, NULL), 0);
      cr_assert_eq(quantizer_from_table(&zero, &function, NULL, NULL, 1, nothing, 1, NULL), 0);
      cr_assert_eq(quantizer_measure(&zero, &function, &normal, &square, NULL, NULL), 0); /* of f'^2 */
      cr_expect_float_eq(got->relative_error / sqrt(error / square), 1, 0.015, "%s %u: %g, not %g", names[i], bits,
                         got->relative_error, sqrt(error / square));
      cr_expect_float_eq((1 - got->cosine) / (1 - cosine), 1, 0.04, "%s %u", names[i], bits);
    }
    replay_result_fini(&result);
  }
}

/* The same seed gives the same figures; identical activations that are apart have draws of their own. */
Test(replay_run, draws) {
  const struct replay_activation list[] = {{"gelu", "float32", "", 3000, 0}, {"gelu", "float32", "", 3000, 0}};
  struct replay_options options = every_width;
  struct replay_result together = replay(list, 2, &options), again = replay(list, 2, &options);
  options.apart = true;
  struct replay_result apart = replay(list, 2, &options);
  options.seed++;
  struct replay_result other = replay(list, 2, &options);
  cr_assert(together.groups_count == 1 && apart.groups_count == 2);
  const double first = together.groups[0].widths[3].gradient.cosine;
  cr_expect(first == again.groups[0].widths[3].gradient.cosine);
  cr_expect(first == apart.groups[0].widths[3].gradient.cosine);
  cr_expect(first != apart.groups[1].widths[3].gradient.cosine);
  cr_expect(first != other.groups[0].widths[3].gradient.cosine);
  cr_expect(apart.total[3].held == together.total[3].held);
  replay_result_fini(&together);
  replay_result_fini(&again);
  replay_result_fini(&apart);
  replay_result_fini(&other);
}

Test(replay_run, times) {
  const struct replay_activation list[] = {{"gelu", "float32", "", 20000, 0}, {"silu", "bfloat16", "", 20000, 0}};
  struct replay_options options = every_width;
  options.untimed = false;
  options.bits_count = 1;
  struct replay_result result = replay(list, 2, &options);
  for (int width = 0; width < 2; width++) {
    double forward = 0;
    for (int i = 0; i < 2; i++) {
      const struct replay_width *figures = &result.groups[i].widths[width];
      cr_expect(figures->forward_ns > 0 && figures->backward_ns > 0 && figures->forward_ns < 1e5);
      forward += figures->forward_ns * 20000;
    }
    cr_expect_float_eq(result.total[width].forward_ns, forward, 1e-6 * forward);
  }
  replay_result_fini(&result);
}

static void count_calls(void *context, double share) {
  int *calls = context;
  cr_expect(share >= 0 && share < 1);
  ++*calls;
}

Test(replay_run, empty_and_wrong) {
  int calls = 0;
  struct replay_options options = {.bits = {3}, .bits_count = 1, .progress = count_calls, .context = &calls};
  struct replay_result result = replay(NULL, 0, &options);
  cr_expect(result.groups_count == 0 && result.total[1].held == 0 && result.total[0].gradient.cosine == 1);
  cr_expect_gt(calls, 0);
  replay_result_fini(&result);
  options.bits_count = 0;
  cr_expect_eq(replay_run(NULL, 0, &options, &result, NULL), ERROR_USAGE);
  replay_result_fini(&result);
  options = (struct replay_options){.bits = {3}, .bits_count = 1};
  const struct replay_activation none[] = {{"gelu", "float32", "", 0, 0}};
  result = replay(none, 1, &options);
  cr_expect(result.replayed == 1 && result.total[1].held == 0);
  replay_result_fini(&result);
}

/* More than any machine has is refused before anything is taken. */
Test(replay_run, too_large) {
  const struct replay_activation list[] = {{"gelu", "float32", "", (uint64_t)1 << 50, 0}};
  struct replay_result result;
  struct error err;
  cr_expect_eq(replay_run(list, 1, &every_width, &result, &err), ERROR_MEMORY);
  cr_expect(strstr(err.message, "GiB"), "%s", err.message);
  replay_result_fini(&result);
}
