/* Quantizers in files: round trips, what the paper's library makes of them, damage. */
#include "kernels/npz.h"
#include "kernels/quantizer_file.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct function named(const char *name) {
  struct function function;
  cr_assert_eq(function_find(&function, name, NULL), 0);
  return function;
}

static struct quantizer builtin(const char *name, unsigned bits, enum quantizer_method method) {
  struct quantizer quantizer;
  cr_assert_eq(quantizer_builtin(&quantizer, named(name).id, bits, method, NULL), 0);
  return quantizer;
}

static void expect_same(const struct quantizer *a, const struct quantizer *b) {
  cr_expect_eq(a->function, b->function);
  cr_expect_arr_eq(a->params, b->params, sizeof a->params);
  cr_expect_eq(a->bits, b->bits);
  cr_expect_eq(a->method, b->method, "%s", a->name);
  cr_assert_eq(a->intervals, b->intervals);
  cr_assert_eq(a->levels_count, b->levels_count);
  cr_expect_arr_eq(a->codes, b->codes, a->intervals);
  for (unsigned i = 0; i + 1 < a->intervals; i++) {
    cr_expect_eq(a->breakpoints[i], b->breakpoints[i], "%s %u: %.9g, %.9g", a->name, i, (double)a->breakpoints[i],
                 (double)b->breakpoints[i]);
  }
  cr_expect_arr_eq(a->levels, b->levels, sizeof a->levels);
}

Test(quantizer_file, json_round_trip) {
  static const char *const names[] = {"gelu", "tanh", "relu", "hardtanh", "leaky_relu"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    for (int method = 0; method <= QUANTIZER_INTERVAL; method++) {
      struct quantizer q = builtin(names[i], 4, (enum quantizer_method)method), read;
      struct error err;
      char *bytes;
      size_t size;
      cr_assert_eq(quantizer_encode_json(&q, 1, &bytes, &size, &err), 0);
      cr_assert_eq(quantizer_decode_json(&read, NULL, 0, bytes, size, "memory", &err), 0, "%s", err.message);
      expect_same(&q, &read);
      cr_expect_eq(q.error, read.error);
      cr_expect_eq(q.cosine, read.cosine);
      cr_expect_eq(q.weight.kind, read.weight.kind);
      cr_expect_eq(q.weight.b, read.weight.b);
      free(bytes);
    }
  }
}

Test(quantizer_file, json_keys_are_the_contract) {
  static const char *const keys[] = {"\"schema\": \"actscope.quantizer/1\"",
                                     "\"function\": \"gelu\"",
                                     "\"bits\": 2",
                                     "\"method\": \"interval\"",
                                     "\"weight\": \"normal:0:1.5\"",
                                     "\"error\": 0.",
                                     "\"cosine\": 0.",
                                     "\"levels\": [",
                                     "\"breakpoints\": [",
                                     "\"codes\": ["};
  struct quantizer q = builtin("gelu", 2, QUANTIZER_INTERVAL);
  char *bytes, *text;
  size_t size;
  cr_assert_eq(quantizer_encode_json(&q, 1, &bytes, &size, NULL), 0);
  text = strndup(bytes, size);
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    cr_expect(strstr(text, keys[i]), "no %s in %s", keys[i], text);
  }
  free(bytes);
  free(text);
}

Test(quantizer_file, json_of_several) {
  struct quantizer q[2] = {builtin("gelu", 2, QUANTIZER_VALUE), builtin("gelu", 3, QUANTIZER_VALUE)}, read;
  struct function gelu = named("gelu");
  struct error err;
  char *bytes;
  size_t size;
  cr_assert_eq(quantizer_encode_json(q, 2, &bytes, &size, &err), 0);
  cr_assert_eq(quantizer_decode_json(&read, &gelu, 3, bytes, size, "memory", &err), 0, "%s", err.message);
  expect_same(&q[1], &read);
  cr_expect_eq(quantizer_decode_json(&read, &gelu, 4, bytes, size, "memory", &err), ERROR_INPUT);
  free(bytes);
}

Test(quantizer_file, json_refused) {
  static const char *const texts[] = {
      "",
      "{",
      "[]",
      "{}",
      "null",
      "{\"schema\": \"other/1\"}",
      "{\"schema\": \"actscope.quantizer/1\", \"function\": \"nonsense\"}",
      "{\"schema\": \"actscope.quantizer/1\", \"function\": \"gelu\"}",
      "{\"schema\": \"actscope.quantizer/1\", \"function\": \"gelu\", \"bits\": 1, \"levels\": [0, 1], "
      "\"breakpoints\": [0], \"codes\": [0, 2]}",
      "{\"schema\": \"actscope.quantizer/1\", \"function\": \"gelu\", \"bits\": 1, \"levels\": [0, 1], "
      "\"breakpoints\": [0, 1], \"codes\": [0, 1]}",
      "{\"schema\": \"actscope.quantizer/1\", \"function\": \"gelu\", \"bits\": 1, \"levels\": [0, 1, 2], "
      "\"breakpoints\": [0, 1], \"codes\": [0, 1, 2]}",
      "{\"schema\": \"actscope.quantizer/1\", \"function\": \"gelu\", \"bits\": 1, \"levels\": [0, \"1\"], "
      "\"breakpoints\": [0], \"codes\": [0, 1]}",
      "{\"schema\": \"actscope.quantizer/1\", \"function\": \"elu\", \"parameters\": {\"beta\": 1}, \"bits\": 1}"};
  struct quantizer q;
  struct error err;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    cr_expect_eq(quantizer_decode_json(&q, NULL, 0, texts[i], strlen(texts[i]), "memory", &err), ERROR_INPUT, "%s",
                 texts[i]);
  }
}

static int decode(const char *text, const struct function *function, struct quantizer *q, struct error *err) {
  return quantizer_decode_json(q, function, 0, text, strlen(text), "memory", err);
}

/* A table of a function that is not built in is known by its name; what the file does not tell is NaN. */
Test(quantizer_file, json_of_another_function) {
  static const char mine[] = "{\"schema\": \"actscope.quantizer/1\", \"function\": \"mine\", \"bits\": 1, "
                             "\"levels\": [0, 1], \"breakpoints\": [0], \"codes\": [0, 1]}";
  struct function function, gelu = named("gelu");
  struct function_user user;
  struct quantizer q;
  struct error err;
  cr_assert_eq(decode(mine, NULL, &q, &err), 0, "%s", err.message);
  cr_expect_str_eq(q.name, "mine");
  cr_expect_eq(q.function, FUNCTION_USER);
  cr_expect(isnan(q.error) && isnan(q.cosine) && isnan(q.lower_bound) && isnan(q.residual));
  cr_assert_eq(decode(mine, &gelu, &q, &err), 0, "%s", err.message); /* whoever says so has looked */
  cr_expect_eq(q.function, FUNCTION_GELU);
  function_init_named(&function, &user, "mine");
  cr_expect_eq(decode(mine, &function, &q, &err), 0);
  function_init_named(&function, &user, "yours");
  cr_expect_eq(decode(mine, &function, &q, &err), ERROR_INPUT);
  cr_expect_str_eq(err.message, "memory: is a table for mine, not for yours");
  function_init_named(&function, &user, "stepwise");
  cr_expect_eq(function.id, FUNCTION_STEPWISE);
  cr_expect_eq(function_check(&function, &err), ERROR_USAGE);
}

/* Every message begins with the file's name. */
Test(quantizer_file, messages_name_the_file) {
  static const char descending[] = "{\"schema\": \"actscope.quantizer/1\", \"function\": \"gelu\", \"bits\": 1, "
                                   "\"levels\": [0, 1], \"breakpoints\": [1, 0], \"codes\": [0, 1, 0]}";
  static const char *const texts[] = {
      descending, "{\"schema\": \"actscope.quantizer/1\", \"function\": \"elu\", \"parameters\": {\"beta\": 1}}",
      "no JSON"};
  struct quantizer q;
  struct error err;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    cr_expect_eq(decode(texts[i], NULL, &q, &err), ERROR_INPUT);
    cr_expect_eq(strncmp(err.message, "memory: ", 8), 0, "%s", err.message);
  }
}

/* ---- .npz -------------------------------------------------------------------------------------------------------- */

Test(quantizer_file, npz_round_trip) {
  static const char *const names[] = {"gelu", "tanh", "relu", "hardtanh", "hardshrink"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    struct quantizer q = builtin(names[i], 2, QUANTIZER_INTERVAL), read;
    struct function function = named(names[i]);
    struct error err;
    char *bytes;
    size_t size;
    cr_assert_eq(quantizer_encode_npz(&q, 1, &bytes, &size, &err), 0);
    cr_assert(npz_recognise(bytes, size));
    cr_assert_eq(quantizer_decode_npz(&read, &function, 2, bytes, size, "memory", &err), 0, "%s", err.message);
    for (unsigned k = 0; k + 1 < q.intervals; k++) { /* a breakpoint that is no float has floats on both sides */
      const float points[] = {nextafterf(q.breakpoints[k], -INFINITY), q.breakpoints[k],
                              nextafterf(q.breakpoints[k], INFINITY)};
      for (int p = 0; p < 3; p++) {
        bool exact = q.breakpoints_exact[k] == (double)q.breakpoints[k];
        cr_expect(quantizer_level(&q, points[p]) == quantizer_level(&read, points[p]) || (!exact && p == 1),
                  "%s at %.9g", names[i], (double)points[p]);
      }
    }
    cr_expect_arr_eq(q.levels, read.levels, sizeof q.levels);
    free(bytes);
  }
}

/* An x belongs below a border that it equals: searchsorted's way. */
Test(quantizer_file, npz_has_the_papers_keys_and_sides) {
  struct quantizer q = builtin("relu", 1, QUANTIZER_INTERVAL);
  double *borders, *levels;
  size_t borders_count, levels_count, size;
  char *bytes;
  cr_assert_eq(quantizer_encode_npz(&q, 1, &bytes, &size, NULL), 0);
  cr_assert_eq(npz_read(bytes, size, "relu01-borders", &borders, &borders_count, "memory", NULL), 0);
  cr_assert_eq(npz_read(bytes, size, "relu01-levels", &levels, &levels_count, "memory", NULL), 0);
  cr_expect_eq(borders_count, 3u);
  cr_expect_eq(levels_count, 2u);
  cr_expect_eq(borders[1], 0); /* x <= 0 is below: relu'(0) is 0 */
  cr_expect_leq(borders[0], -100);
  cr_expect_geq(borders[2], 100);
  free(borders);
  free(levels);
  free(bytes);
}

Test(quantizer_file, npz_holds_intervals_only) {
  struct quantizer q = builtin("gelu", 3, QUANTIZER_VALUE);
  struct error err;
  char *bytes;
  size_t size;
  cr_expect_eq(quantizer_encode_npz(&q, 1, &bytes, &size, &err), ERROR_USAGE);
  cr_expect(strstr(err.message, "--method interval"), "%s", err.message);
}

static struct path golden(void) {
  const char *source = getenv("ACTSCOPE_SOURCE");
  return path_join(source ? source : ".", "tests/golden/quantizers-numpy.npz");
}

/* Written by numpy.savez_compressed, float32 levels among it. */
Test(quantizer_file, npz_of_numpy) {
  struct function gelu = named("gelu"), silu = named("silu"), tanh = named("tanh");
  struct path path = golden();
  struct quantizer q;
  struct error err;
  cr_assert_eq(quantizer_load(&q, &gelu, 2, path.text, &err), 0, "%s", err.message);
  cr_expect_eq(q.intervals, 4u);
  cr_expect_eq(q.levels[1], 0.3f);
  cr_expect_eq(quantizer_level(&q, 0.5f), 0.7f);
  cr_expect_eq(quantizer_level(&q, nextafterf(0.5f, 1)), 1);
  cr_expect_eq(quantizer_level(&q, 0), 0.3f);
  cr_expect_eq(quantizer_load(&q, &silu, 1, path.text, &err), ERROR_INPUT); /* three levels, two stretches */
  cr_expect_eq(quantizer_load(&q, &tanh, 1, path.text, &err), ERROR_INPUT);
  cr_expect(strstr(err.message, "tanh01-borders"), "%s", err.message);
  cr_expect_eq(quantizer_load(&q, NULL, 0, path.text, &err), ERROR_USAGE);
  cr_expect_eq(quantizer_load(&q, &gelu, 2, "/nonexistent.npz", &err), ERROR_IO);
}

Test(quantizer_file, npz_kinds_of_numbers) {
  struct path path = golden();
  size_t size, count;
  char *bytes = (char *)file_read(path.text, &size);
  double *values;
  cr_assert_eq(npz_read(bytes, size, "ints", &values, &count, "memory", NULL), 0);
  cr_assert_eq(count, 3u);
  cr_expect_eq(values[1], -2);
  free(values);
  cr_expect_eq(npz_read(bytes, size, "matrix", &values, &count, "memory", NULL), ERROR_INPUT);
  free(bytes);
}

/* Cut anywhere, or with any byte changed, the file is refused or read: never a crash (run under the sanitizers). */
Test(quantizer_file, npz_damaged) {
  struct function gelu = named("gelu");
  struct path path = golden();
  struct quantizer q;
  size_t size, refused = 0;
  char *bytes = (char *)file_read(path.text, &size);
  for (size_t cut = 0; cut < size; cut++) {
    char *copy = malloc(cut + 1);
    memcpy(copy, bytes, cut);
    cr_expect_lt(quantizer_decode_npz(&q, &gelu, 2, copy, cut, "memory", NULL), 0, "cut at %zu", cut);
    free(copy);
  }
  for (size_t at = 0; at < size; at++) {
    for (int bit = 0; bit < 8; bit += 3) {
      bytes[at] = (char)(bytes[at] ^ 1 << bit);
      refused += quantizer_decode_npz(&q, &gelu, 2, bytes, size, "memory", NULL) < 0;
      bytes[at] = (char)(bytes[at] ^ 1 << bit);
    }
  }
  cr_expect_gt(refused, 100u);
  free(bytes);
}
