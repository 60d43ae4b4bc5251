#include "kernels/layers/rope.h"

#include "tests/layers/gradient_check.h"

#include <criterion/criterion.h>
#include <math.h>

enum { BATCH = 2, ROWS = 5, HEADS = 3, WIDTH = 8, BEHIND = 4, STRIDE = HEADS * WIDTH + BEHIND };
static const struct rope rope = {BATCH, ROWS, HEADS, WIDTH, STRIDE};

/* As points of the complex plane. Angles in float32 are off by 4 2^-24 at most. */
Test(rope, turns_pairs_by_their_row) {
  float x[BATCH * ROWS * STRIDE], y[BATCH * ROWS * STRIDE];
  gradient_check_fill(x, BATCH * ROWS * STRIDE, -1, 1, 1);
  rope_forward(&rope, x, y);
  for (size_t i = 0; i < BATCH * ROWS * STRIDE; i++) {
    const size_t column = i % STRIDE, row = i / STRIDE % ROWS, place = column % WIDTH % (WIDTH / 2);
    const bool second = column % WIDTH >= WIDTH / 2;
    double expected = (double)x[i];
    if (column < HEADS * WIDTH) {
      const double angle = (double)row * pow(10000, -2.0 * (double)place / WIDTH);
      const double a = (double)x[second ? i - WIDTH / 2 : i], b = (double)x[second ? i : i + WIDTH / 2];
      expected = second ? a * sin(angle) + b * cos(angle) : a * cos(angle) - b * sin(angle);
    }
    cr_assert_float_eq((double)y[i], expected, 1e-6, "%zu: %g, not %g", i, (double)y[i], expected);
  }
}

/* A rotation's gradient is the rotation back: what was turned comes back, added to what is there. */
Test(rope, backward_turns_back) {
  float x[BATCH * ROWS * STRIDE], y[BATCH * ROWS * STRIDE], back[BATCH * ROWS * STRIDE];
  gradient_check_fill(x, BATCH * ROWS * STRIDE, -1, 1, 2);
  for (size_t i = 0; i < BATCH * ROWS * STRIDE; i++) {
    back[i] = 1;
  }
  rope_forward(&rope, x, y);
  rope_backward(&rope, y, back);
  for (size_t i = 0; i < BATCH * ROWS * STRIDE; i++) {
    cr_assert_float_eq((double)back[i], (double)x[i] + 1, 1e-6);
  }
}

/* Scores see how far rows are apart, and not where they are. */
Test(rope, products_depend_on_the_distance) {
  enum { FAR = 40 };
  const struct rope one = {1, FAR, 1, 200, 200}; /* more pairs than are turned at once */
  float x[FAR * 200], y[FAR * 200];
  for (size_t i = 0; i < FAR; i++) {
    gradient_check_fill(x + i * 200, 200, -1, 1, 5);
  }
  rope_forward(&one, x, y);
  double first = 0, later = 0;
  for (size_t i = 0; i < 200; i++) {
    first += (double)y[i] * (double)y[3 * 200 + i];
    later += (double)y[36 * 200 + i] * (double)y[39 * 200 + i];
  }
  cr_assert_float_eq(first, later, 1e-4); /* angles near 40, off by 40 2^-24, in products of 67 in all */
  cr_assert_float_neq(first, 67, 1);
}
