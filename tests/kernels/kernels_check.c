#include "tests/kernels/kernels_check.h"

#include "kernels/code.h"
#include "kernels/vmath_params.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { LONGEST = 300, PAGE = 1 << 16, SLACK = 64 };

/* ---- memory with nothing behind it ------------------------------------------------------------------------------- */

/* A page between two that must not be touched (64 KiB: a page wherever this runs). */
struct guarded {
  char *page;
};

static struct guarded guarded_make(void) {
  char *all = mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (all == MAP_FAILED || mprotect(all + PAGE, PAGE, PROT_READ | PROT_WRITE) != 0) {
    abort();
  }
  return (struct guarded){all + PAGE};
}

static void guarded_free(struct guarded g) {
  munmap(g.page - PAGE, 3 * PAGE);
}

/* An array that ends `from_end` bytes before the memory does. */
static void *at_end(struct guarded g, size_t size, size_t from_end) {
  return g.page + PAGE - from_end - size;
}

static void wipe(struct guarded g) {
  memset(g.page, 0x5a, PAGE);
}

/* Whether all but [array, array + size) is as wipe left it. */
static bool untouched_but(struct guarded g, const void *array, size_t size) {
  const char *begin = array, *end = begin + size;
  for (const char *p = g.page; p < g.page + PAGE; p++) {
    if ((p < begin || p >= end) && *p != 0x5a) {
      return false;
    }
  }
  return true;
}

/* ---- quantizers and values --------------------------------------------------------------------------------------- */

static uint32_t state = 1;

static uint32_t random_word(void) {
  state = state * 1664525 + 1013904223;
  return state >> 8;
}

static float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* Breakpoints all over the floats, 0 and denormals among them; codes and levels at random. */
static void make_codec(struct codec *codec, unsigned bits, unsigned intervals) {
  struct quantizer quantizer = {.bits = bits, .intervals = intervals, .levels_count = 1u << bits};
  for (unsigned i = 0; i + 1 < intervals; i++) {
    const int step = (int)i - (int)(intervals - 1) / 2;
    quantizer.breakpoints[i] =
        step == 0 ? 0.0f : copysignf(ldexpf(1.0f, abs(step) * 300 / (int)intervals - 140), (float)step);
  }
  for (unsigned i = 0; i < intervals; i++) {
    quantizer.codes[i] = (uint8_t)(random_word() & ((1u << bits) - 1));
  }
  for (unsigned i = 0; i < 1u << bits; i++) {
    quantizer.levels[i] = (float)random_word() * 0x1p-22f - 1.0f;
  }
  codec_init(codec, &quantizer);
}

static float some_value(const struct codec *codec) {
  static const float special[] = {NAN, INFINITY, -INFINITY, 0.0f, -0.0f, 1e-45f, -1e-45f, 0x1p-130f, 3.4e38f, -3.4e38f};
  const uint32_t kind = random_word() % 8;
  if (kind == 0) {
    return special[random_word() % (sizeof special / sizeof *special)];
  }
  if (kind < 4 && codec->breakpoints_count > 0) {
    const float breakpoint = codec->breakpoints[random_word() % codec->breakpoints_count];
    return kind == 1 ? breakpoint : nextafterf(breakpoint, kind == 2 ? INFINITY : -INFINITY);
  }
  if (kind < 6) {
    return float_of(random_word() << 8 ^ random_word()); /* any float, NaNs of all kinds */
  }
  return (float)random_word() * 0x1p-21f - 4.0f;
}

/* ---- encode ------------------------------------------------------------------------------------------------------ */

struct check {
  const struct kernels *kernels;
  struct codec *codec;
  struct guarded in, out, codes;
  struct finding finding;
};

static struct check check_begin(const struct kernels *kernels) {
  struct check check = {kernels,        aligned_alloc(_Alignof(struct codec), sizeof(struct codec)),
                        guarded_make(), guarded_make(),
                        guarded_make(), {""}};
  if (!check.codec) {
    abort();
  }
  return check;
}

static struct finding check_end(struct check *check) {
  free(check->codec);
  guarded_free(check->in);
  guarded_free(check->out);
  guarded_free(check->codes);
  return check->finding;
}

/* x ends `shift` elements before its page does, codes as many bytes. */
static bool encodes(struct check *c, const float *values, size_t n, size_t shift) {
  uint8_t expected[LONGEST];
  const size_t size = code_size(n, c->codec->bits);
  float *x = at_end(c->in, n * sizeof *x, shift * sizeof *x);
  uint8_t *codes = at_end(c->codes, size, shift);
  memcpy(x, values, n * sizeof *x);
  wipe(c->codes);
  kernels_ref.encode(c->codec, x, expected, n);
  c->kernels->encode(c->codec, x, codes, n);
  return memcmp(expected, codes, size) == 0 && untouched_but(c->codes, codes, size);
}

struct finding check_encode(const struct kernels *kernels) {
  static const unsigned intervals[] = {1, 2, 3, 4, 5, 8, 9, 16, 17, 32, 33, 64, 65, 100, 128, 129, 256, 257, 512};
  struct check c = check_begin(kernels);
  float values[LONGEST] = {0};
  for (unsigned bits = 1; bits <= 8; bits++) {
    for (size_t k = 0; k < sizeof intervals / sizeof *intervals; k++) {
      make_codec(c.codec, bits, intervals[k]);
      for (size_t n = 0; n <= LONGEST; n += n < 140 || n > 250 ? 1 : 7) {
        for (size_t i = 0; i < n; i++) {
          values[i] = some_value(c.codec);
        }
        const size_t shift = n % 3 ? 0 : random_word() % SLACK;
        if (!encodes(&c, values, n, shift)) {
          snprintf(c.finding.text, sizeof c.finding.text,
                   "%s: %u bits, %u intervals, %zu elements, %zu before the end: other codes", kernels->name, bits,
                   intervals[k], n, shift);
          return check_end(&c);
        }
      }
    }
  }
  return check_end(&c);
}

/* ---- decode ------------------------------------------------------------------------------------------------------ */

/* The stream begins at the codes' first byte, wherever that lies. */
static bool decodes(struct check *c, const float *dy, const uint8_t *stream, size_t n, size_t shift,
                    enum store_hint hint, bool in_place) {
  float expected[LONGEST];
  const size_t size = code_size(n, c->codec->bits);
  uint8_t *codes = at_end(c->codes, size, shift % 5);
  float *in = at_end(c->in, n * sizeof *in, shift % 7 * sizeof *in);
  float *out = at_end(c->out, n * sizeof *out, shift * sizeof *out);
  memcpy(codes, stream, size);
  memcpy(in, dy, n * sizeof *in);
  kernels_ref.decode(c->codec, codes, in, expected, n, STORE_CACHED);
  wipe(c->out);
  if (in_place) {
    memcpy(out, dy, n * sizeof *out);
    in = out;
  }
  c->kernels->decode(c->codec, codes, in, out, n, hint);
  return memcmp(expected, out, n * sizeof *out) == 0 && untouched_but(c->out, out, n * sizeof *out);
}

struct finding check_decode(const struct kernels *kernels) {
  struct check c = check_begin(kernels);
  float dy[LONGEST] = {0};
  uint8_t stream[LONGEST] = {0};
  for (unsigned bits = 1; bits <= 8; bits++) {
    make_codec(c.codec, bits, 2);
    for (size_t n = 0; n <= LONGEST; n++) {
      for (size_t i = 0; i < n; i++) {
        dy[i] = some_value(c.codec);
        stream[i] = (uint8_t)random_word();
      }
      for (unsigned way = 0; way < 3; way++) {
        const size_t shift = n % 2 ? random_word() % SLACK : n / 2 % 16;
        if (!decodes(&c, dy, stream, n, shift, way == 1 ? STORE_STREAM : STORE_CACHED, way == 2)) {
          snprintf(c.finding.text, sizeof c.finding.text,
                   "%s: %u bits, %zu elements, %zu before the end%s: other gradients", kernels->name, bits, n, shift,
                   way == 1   ? ", past the caches"
                   : way == 2 ? ", in place"
                              : "");
          return check_end(&c);
        }
      }
    }
  }
  return check_end(&c);
}

/* ---- half precision ---------------------------------------------------------------------------------------------- */

typedef void widen_kernel(const uint16_t *from, float *to, size_t n);
typedef void narrow_kernel(const float *from, uint16_t *to, size_t n);

static bool widens(struct check *c, widen_kernel *kernel, widen_kernel *reference) {
  float expected[100];
  for (unsigned word = 0, n = 1; word < 1 << 16; word += n, n = n % 100 + 1) {
    uint16_t *from = at_end(c->in, n * sizeof *from, 0);
    float *to = at_end(c->out, n * sizeof *to, 0);
    for (unsigned i = 0; i < n; i++) {
      from[i] = (uint16_t)(word + i);
    }
    wipe(c->out);
    reference(from, expected, n);
    kernel(from, to, n);
    if (memcmp(expected, to, n * sizeof *to) != 0 || !untouched_but(c->out, to, n * sizeof *to)) {
      return false;
    }
  }
  return true;
}

static bool narrows(struct check *c, narrow_kernel *kernel, narrow_kernel *reference) {
  uint16_t expected[100];
  for (unsigned round = 0; round < 4000; round++) {
    const unsigned n = round % 101;
    float *from = at_end(c->in, n * sizeof *from, 0);
    uint16_t *to = at_end(c->out, n * sizeof *to, 0);
    for (unsigned i = 0; i < n; i++) { /* everywhere, and where fp16 rounds, ties, is denormal, overflows */
      const uint32_t bits = random_word() << 8 ^ random_word();
      from[i] = float_of(i % 2 ? bits : (bits & 0x8fffffff & ~(random_word() % 3 ? 0 : 0xfffu)) | 0x30000000);
    }
    wipe(c->out);
    reference(from, expected, n);
    kernel(from, to, n);
    if ((n && memcmp(expected, to, n * sizeof *to) != 0) || !untouched_but(c->out, to, n * sizeof *to)) {
      return false;
    }
  }
  return true;
}

struct finding check_half(const struct kernels *kernels) {
  struct check c = check_begin(kernels);
  const char *wrong = !widens(&c, kernels->bf16_widen, kernels_ref.bf16_widen)      ? "bf16 to float"
                      : !widens(&c, kernels->fp16_widen, kernels_ref.fp16_widen)    ? "fp16 to float"
                      : !narrows(&c, kernels->bf16_narrow, kernels_ref.bf16_narrow) ? "float to bf16"
                      : !narrows(&c, kernels->fp16_narrow, kernels_ref.fp16_narrow) ? "float to fp16"
                                                                                    : NULL;
  if (wrong) {
    snprintf(c.finding.text, sizeof c.finding.text, "%s: %s: other bits", kernels->name, wrong);
  }
  return check_end(&c);
}

/* ---- activations ------------------------------------------------------------------------------------------------- */

/* Where a float stands among all of them in order. */
static int64_t position(float x) {
  int32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits < 0 ? -(int64_t)(bits & 0x7fffffff) : bits;
}

static bool is_near(float a, float b, unsigned ulps) {
  return isnan(a) || isnan(b) ? isnan(a) && isnan(b) : llabs(position(a) - position(b)) <= (long long)ulps;
}

static bool activates(struct check *c, enum function_id id, const float *params, const float *whole, size_t n,
                      size_t shift, enum store_hint hint, bool in_place) {
  float *x = at_end(c->in, n * sizeof *x, shift % 7 * sizeof *x);
  float *y = at_end(c->out, n * sizeof *y, shift * sizeof *y);
  memcpy(x, whole, n * sizeof *x);
  wipe(c->out);
  if (in_place) {
    memcpy(y, x, n * sizeof *y);
    x = y;
  }
  c->kernels->activate[id](x, y, n, params, hint);
  return memcmp(y, whole + LONGEST, n * sizeof *y) == 0 && untouched_but(c->out, y, n * sizeof *y);
}

static bool activates_always(struct check *c, enum function_id id, const float *params, unsigned ulps) {
  float whole[2 * LONGEST], exact[LONGEST]; /* x, then y as one call gives it */
  for (size_t i = 0; i < LONGEST; i++) {
    whole[i] = i % 4 ? (float)random_word() * 0x1p-20f - 8.0f : some_value(c->codec);
  }
  c->kernels->activate[id](whole, whole + LONGEST, LONGEST, params, STORE_CACHED);
  kernels_ref.activate[id](whole, exact, LONGEST, params, STORE_CACHED);
  for (size_t i = 0; i < LONGEST; i++) {
    if (!is_near(whole[LONGEST + i], exact[i], ulps)) {
      snprintf(c->finding.text, sizeof c->finding.text, "%s: %s(%a) is %a, not %a", c->kernels->name,
               function_traits(id)->name, (double)whole[i], (double)whole[LONGEST + i], (double)exact[i]);
      return false;
    }
  }
  for (size_t n = 0; n <= LONGEST; n++) {
    for (unsigned way = 0; way < 3; way++) {
      if (!activates(c, id, params, whole, n, n % SLACK, way == 1 ? STORE_STREAM : STORE_CACHED, way == 2)) {
        snprintf(c->finding.text, sizeof c->finding.text, "%s: %s of %zu elements%s: other bits", c->kernels->name,
                 function_traits(id)->name, n,
                 way == 1   ? ", past the caches"
                 : way == 2 ? ", in place"
                            : "");
        return false;
      }
    }
  }
  return true;
}

struct finding check_activate(const struct kernels *kernels, unsigned ulps) {
  struct check c = check_begin(kernels);
  make_codec(c.codec, 3, 9);
  for (int id = 0; id < FUNCTION_STEPWISE; id++) {
    struct function function;
    float params[VMATH_PARAMS];
    function_init(&function, id);
    vmath_params(id, function.params, params);
    if (!activates_always(&c, id, params, ulps)) {
      break;
    }
  }
  return check_end(&c);
}
