#include "kernels/layers/conv2d.h"

#include "tests/layers/gradient_check.h"
#include "tests/layers/tape_fixture.h"

#include <criterion/criterion.h>
#include <stdlib.h>

struct geometry {
  size_t stride, padding;
};

static struct value *convolve(struct tape *tape, struct value *const *leaves, const void *context) {
  const struct geometry *g = context;
  return op_conv2d(tape, leaves[0], leaves[1], leaves[2], g->stride, g->padding);
}

static struct value *convolve_without_bias(struct tape *tape, struct value *const *leaves, const void *context) {
  const struct geometry *g = context;
  return op_conv2d(tape, leaves[0], leaves[1], NULL, g->stride, g->padding);
}

#define CONV(BATCH, CHANNELS, HEIGHT, WIDTH, OUT, KERNEL, STRIDE, PADDING)                                             \
  &(struct gradient_case) {                                                                                            \
    .name = "conv " #BATCH "x" #CHANNELS "x" #HEIGHT "x" #WIDTH " to " #OUT ", " #KERNEL "/" #STRIDE "/" #PADDING,     \
    .leaves = {{.name = "x", .shape = {BATCH, CHANNELS, HEIGHT, WIDTH}, .dims = 4},                                    \
               {.name = "w", .shape = {OUT, CHANNELS, KERNEL, KERNEL}, .dims = 4, .parameter = true},                  \
               {.name = "b", .shape = {OUT}, .dims = 1, .parameter = true}},                                           \
    .build = convolve, .context = &(struct geometry) {                                                                 \
      STRIDE, PADDING                                                                                                  \
    }                                                                                                                  \
  }

/* Linear in each input: differences are exact up to rounding at any h. */
Test(conv2d, gradients) {
  gradient_check(CONV(1, 1, 1, 1, 1, 1, 1, 0));
  gradient_check(CONV(2, 3, 5, 7, 4, 1, 1, 0)); /* its own columns */
  gradient_check(CONV(2, 3, 5, 7, 4, 1, 2, 0));
  gradient_check(CONV(2, 3, 5, 7, 4, 1, 1, 1)); /* a border of bias alone */
  gradient_check(CONV(3, 2, 6, 5, 3, 3, 1, 1));
  gradient_check(CONV(2, 3, 9, 8, 2, 3, 2, 1));
  gradient_check(CONV(1, 2, 11, 9, 3, 7, 2, 3));
  gradient_check(CONV(2, 1, 4, 4, 2, 4, 4, 0)); /* patches */
  gradient_check(CONV(1, 2, 3, 3, 2, 2, 3, 2)); /* places that see padding only */
}

Test(conv2d, gradients_without_bias) {
  gradient_check(&(struct gradient_case){
      .name = "conv without bias",
      .leaves = {{.name = "x", .shape = {2, 3, 6, 5}, .dims = 4}, {.name = "w", .shape = {4, 3, 3, 3}, .dims = 4}},
      .build = convolve_without_bias,
      .context = &(struct geometry){2, 1}});
}

/* The first layer: the batch needs no gradient. */
Test(conv2d, gradients_of_weights_only) {
  gradient_check(&(struct gradient_case){.name = "conv of a batch",
                                         .leaves = {{.name = "x", .shape = {2, 3, 6, 5}, .dims = 4, .constant = true},
                                                    {.name = "w", .shape = {4, 3, 3, 3}, .dims = 4, .parameter = true}},
                                         .build = convolve_without_bias,
                                         .context = &(struct geometry){1, 1}});
}

Test(conv2d, threads) {
  gradient_check_threads(CONV(5, 70, 13, 11, 130, 3, 1, 1));
  gradient_check_threads(CONV(5, 70, 13, 11, 130, 1, 1, 0));
  gradient_check_threads(CONV(1, 16, 100, 90, 9, 3, 1, 1)); /* rows of one image at a time */
}

/* ---- against the definition -------------------------------------------------------------------------------------- */

/* Element (b, o, y, x) as a sum in double over what the kernel sees. */
static double by_definition(const struct conv2d *c, const float *x, const float *w, size_t i) {
  const size_t column = i % c->out_width, row = i / c->out_width % c->out_height;
  const size_t out = i / (c->out_width * c->out_height) % c->out, image = i / (c->out_width * c->out_height * c->out);
  double sum = 0;
  for (size_t k = 0; k < c->channels * c->kernel * c->kernel; k++) {
    const size_t channel = k / (c->kernel * c->kernel);
    const long v = (long)(row * c->stride + k / c->kernel % c->kernel) - (long)c->padding;
    const long u = (long)(column * c->stride + k % c->kernel) - (long)c->padding;
    if (v >= 0 && u >= 0 && v < (long)c->height && u < (long)c->width) {
      sum += (double)w[out * c->channels * c->kernel * c->kernel + k] *
             (double)x[((image * c->channels + channel) * c->height + (size_t)v) * c->width + (size_t)u];
    }
  }
  return sum;
}

static float *filled(size_t n, uint64_t seed) {
  float *x = malloc(n * sizeof *x);
  cr_assert(x, "out of memory");
  gradient_check_fill(x, n, -1, 1, seed);
  return x;
}

/* Sums of `depth` products in float32: each addition is off by 2^-24 of a sum near sqrt(depth / 9), all of them by some
 * 2^-24 depth, and by 16 times that never. */
static void check_forward(struct conv2d c) {
  cr_assert_eq(conv2d_init(&c), 0);
  const size_t depth = c.channels * c.kernel * c.kernel, count = c.batch * c.out * c.out_height * c.out_width;
  float *x = filled(c.batch * c.channels * c.height * c.width, 1), *w = filled(c.out * depth, 2);
  float *y = filled(count, 3), *scratch = filled(conv2d_scratch(&c) + 1, 4);
  conv2d_forward(&c, x, w, NULL, y, scratch);
  for (size_t i = 0; i < count; i++) {
    const double expected = by_definition(&c, x, w, i);
    cr_assert_float_eq((double)y[i], expected, 0x1p-20 * (double)depth, "y[%zu] is %g, not %g", i, (double)y[i],
                       expected);
  }
  free(x);
  free(w);
  free(y);
  free(scratch);
}

Test(conv2d, is_what_it_says) {
  for (size_t kernel = 1; kernel <= 5; kernel++) {
    for (size_t stride = 1; stride <= 3; stride++) {
      for (size_t padding = 0; padding <= 3; padding++) {
        check_forward((struct conv2d){2, 3, 7, 6, 2, kernel, stride, padding, 0, 0});
      }
    }
  }
}

/* A tile has 2^20 numbers: 75 rows of the first one's images of 80 (147 numbers a place, 95 places a row), 35 rows of
 * the second's of 90 (270, 110), two of the third's five images (144, 53 x 53). */
Test(conv2d, tiles_meet) {
  check_forward((struct conv2d){2, 3, 160, 190, 1, 7, 2, 3, 0, 0});
  check_forward((struct conv2d){1, 30, 90, 110, 1, 3, 1, 1, 0, 0});
  check_forward((struct conv2d){5, 16, 53, 53, 1, 3, 1, 1, 0, 0});
}

/* ---- what is kept and what is refused ---------------------------------------------------------------------------- */

Test(conv2d, keeps_x_and_no_columns) {
  struct tape_fixture f;
  tape_fixture_open(&f, true);
  struct value *x = tape_fixture_leaf(&f, MEMORY_ACTIVATION, (size_t[]){8, 64, 56, 56}, 4);
  struct value *w = tape_fixture_leaf(&f, MEMORY_PARAMETER, (size_t[]){64, 64, 3, 3}, 4);
  cr_assert(op_conv2d(&f.tape, x, w, NULL, 1, 1));
  cr_assert_eq(f.memory.saved, 8 * 64 * 56 * 56 * sizeof(float));
  cr_assert_eq(f.memory.live_of[MEMORY_TEMPORARY], 0);
  cr_assert_gt(f.memory.at_peak[MEMORY_TEMPORARY], 0);
  cr_assert_leq(f.memory.at_peak[MEMORY_TEMPORARY], 4 << 20);
  tape_fixture_close(&f);
}

static void check_refused(const size_t w[4], size_t stride) {
  struct tape_fixture f;
  tape_fixture_open(&f, true);
  struct value *x = tape_fixture_leaf(&f, MEMORY_ACTIVATION, (size_t[]){1, 2, 3, 3}, 4);
  cr_assert_null(op_conv2d(&f.tape, x, tape_fixture_leaf(&f, MEMORY_PARAMETER, w, 4), NULL, stride, 0));
  cr_assert_eq(f.tape.status, ERROR_USAGE);
  tape_fixture_close(&f);
}

Test(conv2d, refuses_what_does_not_fit) {
  check_refused((size_t[]){1, 2, 5, 5}, 1);
  check_refused((size_t[]){1, 3, 1, 1}, 1);
  check_refused((size_t[]){1, 2, 2, 3}, 1);
  check_refused((size_t[]){1, 2, 1, 1}, 0);
}
