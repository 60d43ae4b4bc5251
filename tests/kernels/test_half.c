/* bfloat16 and fp16 against their definitions: to float by ldexp, from float by looking for the nearest of all. */
#include "kernels/half.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { WORDS = 1 << 16 };

static uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* A format of 1 sign, the rest exponent and fraction. */
static double value_of(unsigned word, int fraction_bits, int bias) {
  const int exponent = (int)(word >> fraction_bits) & ((1 << (15 - fraction_bits)) - 1);
  const double fraction = word & ((1u << fraction_bits) - 1);
  const double magnitude = exponent == 0 ? ldexp(fraction, 1 - bias - fraction_bits)
                                         : ldexp(1 + ldexp(fraction, -fraction_bits), exponent - bias);
  return word >> 15 ? -magnitude : magnitude;
}

struct format {
  const char *name;
  float (*widen)(uint16_t);
  uint16_t (*narrow)(float);
  int fraction_bits, bias;
};

static const struct format formats[] = {{"bf16", bf16_to_float, bf16_from_float, 7, 127},
                                        {"fp16", fp16_to_float, fp16_from_float, 10, 15}};

static bool is_special(const struct format *f, unsigned word) {
  const unsigned exponents = (1u << (15 - f->fraction_bits)) - 1;
  return (word >> f->fraction_bits & exponents) == exponents;
}

Test(half, widens_all_words) {
  for (size_t k = 0; k < 2; k++) {
    const struct format *f = &formats[k];
    for (unsigned word = 0; word < WORDS; word++) {
      const float x = f->widen((uint16_t)word);
      if (!is_special(f, word)) {
        cr_assert_eq((double)x, value_of(word, f->fraction_bits, f->bias), "%s %04x", f->name, word);
      } else if (word & ((1u << f->fraction_bits) - 1)) {
        cr_assert(isnan(x), "%s %04x", f->name, word);
      } else {
        cr_assert(isinf(x), "%s %04x", f->name, word);
      }
      cr_assert_eq(!!signbit(x), word >> 15, "%s %04x", f->name, word);
      cr_assert(isnan(x) ? isnan(f->widen(f->narrow(x))) : f->narrow(x) == word, "%s %04x", f->name, word);
    }
  }
}

/* Between two neighbours: below the middle the lower, above it the upper, in it the even one. */
Test(half, narrows_to_the_nearest_and_ties_to_even) {
  for (size_t k = 0; k < 2; k++) {
    const struct format *f = &formats[k];
    for (unsigned word = 0; !is_special(f, word + 1); word++) {
      const double low = value_of(word, f->fraction_bits, f->bias),
                   high = value_of(word + 1, f->fraction_bits, f->bias);
      const float middle = (float)((low + high) / 2);
      if ((double)middle != (low + high) / 2) {
        continue; /* bf16's lowest denormals: no float lies between */
      }
      cr_assert_eq(f->narrow(middle), word + (word & 1), "%s %04x", f->name, word);
      cr_assert_eq(f->narrow(-middle), 0x8000 | (word + (word & 1)), "%s %04x", f->name, word);
      cr_assert_eq(f->narrow(nextafterf(middle, 0)), word, "%s %04x", f->name, word);
      cr_assert_eq(f->narrow(nextafterf(middle, INFINITY)), word + 1, "%s %04x", f->name, word);
    }
  }
}

Test(half, overflows_to_infinity_and_keeps_nan) {
  cr_assert_eq(fp16_from_float(65519.996f), 0x7bff);
  cr_assert_eq(fp16_from_float(65520.0f), 0x7c00);
  cr_assert_eq(fp16_from_float(-INFINITY), 0xfc00);
  cr_assert_eq(fp16_from_float(1e-8f), 0);
  cr_assert_eq(bf16_from_float(float_of(0x7f7f8000)), 0x7f80);
  cr_assert_eq(bf16_from_float(float_of(0x7f7f7fff)), 0x7f7f);
  for (uint32_t nan = 0x7f800001; nan < 0x7f800100; nan++) { /* a payload in the lowest bits only */
    cr_assert(isnan(bf16_to_float(bf16_from_float(float_of(nan)))));
    cr_assert(isnan(fp16_to_float(fp16_from_float(float_of(nan)))));
  }
  cr_assert_eq(bits_of(fp16_to_float(0x8000)), 0x80000000u);
}
