/* What the Python package writes, read for the text: rows, figures that are not there, noise, long names; and what is not
 * such a document. The package's own documents are read in tests/e2e/test_dropin_command.py. */
#include "reports/verify_view.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define ROW(name, cosine, noise)                                                                                       \
  "{\"name\": \"" name "\", \"cosine\": " cosine ", \"relative_error\": 0.5, \"negligible\": " noise "}"
#define LONG "encoder.layers.with.a.name.that.is.longer.than.sixty.three.characters.mlp.weight"
#define WIDTH(bits, rows, more)                                                                                        \
  "{\"bits\": " bits ", \"parameters\": [" rows "], \"min_cosine\": 0.75, \"mean_cosine\": 0.875, "                    \
  "\"max_relative_error\": 0.5, \"whole_cosine\": null, \"whole_relative_error\": 0.25, "                              \
  "\"memory\": {\"exact\": {\"peak_bytes\": 900, \"saved_bytes\": 800}, "                                              \
  "\"measured\": {\"peak_bytes\": 700, \"saved_bytes\": 600}, "                                                        \
  "\"projected\": {\"peak_bytes\": 650, \"saved_bytes\": 500}}, " more                                                 \
  "\"loss\": {\"exact\": [2, 1.5], \"few_bit\": [2, 1.25]}, \"passed\": true}"
#define DOCUMENT(widths)                                                                                               \
  "{\"schema\": \"actscope.verify/1\", \"kind\": \"torch\", \"bits\": [" widths "], \"passed\": true}"
#define TWO ROW("a", "0.75", "false") ", " ROW("noise", "-1", "true") ", " ROW(LONG, "null", "false")

static struct verify_result result;

static int read_it(const char *document) {
  struct error err;
  const int code = verify_json_read(document, &result, &err);
  cr_assert(code == 0 || strlen(err.message) > 0);
  return code;
}

Test(verify_read, figures) {
  cr_assert_eq(read_it(DOCUMENT(WIDTH("2", TWO, "") ", " WIDTH("3", TWO, ""))), 0);
  cr_assert_eq(result.widths_count, 2);
  cr_assert_eq(result.widths[1].bits, 3);
  cr_assert(result.passed && result.widths[0].passed && result.metered);
  cr_assert_eq(result.exact.peak_bytes, 900);
  cr_assert_eq(result.exact.saved_bytes, 800);
  cr_assert_eq(result.widths[0].measured.peak_bytes, 700);
  cr_assert_eq(result.widths[0].measured.saved_bytes, 600);
  cr_assert_eq(result.widths[0].projected.peak_bytes, 650);
  cr_assert_eq(result.widths[0].projected.saved_bytes, 500);
  cr_assert_eq(result.losses_count, 2);
  cr_assert_eq(result.losses[1], 1.5f);
  cr_assert_eq(result.widths[1].losses[1], 1.25f);
  const struct verify_rows *rows = &result.widths[0].start;
  cr_assert_eq(rows->min_cosine, 0.75);
  cr_assert_eq(rows->mean_cosine, 0.875);
  cr_assert_eq(rows->max_relative_error, 0.5);
  cr_assert(isnan(rows->whole.cosine));
  cr_assert_eq(rows->whole.relative_error, 0.25);
  verify_result_fini(&result);
}

Test(verify_read, rows) {
  cr_assert_eq(read_it(DOCUMENT(WIDTH("2", TWO, ""))), 0);
  const struct verify_rows *rows = &result.widths[0].start;
  cr_assert_eq(rows->count, 2, "noise is left out");
  cr_assert_eq(result.skipped, 1);
  cr_assert_str_eq(rows->rows[0].name, "a");
  cr_assert_eq(rows->rows[0].gradient.cosine, 0.75);
  cr_assert(isnan(rows->rows[1].gradient.cosine));
  cr_assert_eq(strlen(rows->rows[1].name), REPLAY_NAME_SIZE - 1);
  cr_assert_eq(strncmp(rows->rows[1].name, "...", 3), 0);
  cr_assert_str_eq(rows->rows[1].name + 3, &LONG[strlen(LONG) - (REPLAY_NAME_SIZE - 4)]);
  verify_result_fini(&result);
}

Test(verify_read, nothing_but_noise_is_shown) {
  cr_assert_eq(read_it(DOCUMENT(WIDTH("2", ROW("a", "0.5", "true"), ""))), 0);
  cr_assert_eq(result.widths[0].start.count, 1);
  cr_assert_eq(result.skipped, 0);
  verify_result_fini(&result);
}

Test(verify_read, trained) {
  cr_assert_eq(read_it(DOCUMENT(WIDTH("2", TWO,
                                      "\"trained\": {\"steps\": 7, \"min_cosine\": 0.25, \"parameters\": [" ROW(
                                          "a", "0.25", "false") "]}, "))),
               0);
  cr_assert_eq(result.steps, 7);
  cr_assert_eq(result.widths[0].trained.count, 1);
  cr_assert_eq(result.widths[0].trained.min_cosine, 0.25);
  verify_result_fini(&result);
}

Test(verify_read, refusals) {
  static const char *const documents[] = {
      "", "{", "[]", "{}", "{\"schema\": \"actscope.verify/1\", \"kind\": \"torch\"}",
      "{\"schema\": \"actscope.verify/2\", \"kind\": \"torch\", \"bits\": [" WIDTH("2", TWO, "") "]}",
      "{\"schema\": \"actscope.verify/1\", \"kind\": \"model\", \"bits\": [" WIDTH("2", TWO, "") "]}",
      "{\"schema\": \"actscope.verify/1\", \"kind\": \"torch\", \"bits\": [3]}",
      "{\"schema\": \"actscope.verify/1\", \"kind\": \"torch\", \"bits\": [{\"parameters\": 3}]}", DOCUMENT(""),
      DOCUMENT(WIDTH("2", "", "")),
      /* widths that do not go together */
      DOCUMENT(WIDTH("2", TWO, "") ", " WIDTH("3", ROW("a", "1", "false"), ""))};
  for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
    cr_assert_eq(read_it(documents[i]), ERROR_INPUT, "%s", documents[i]);
    verify_result_fini(&result);
  }
}

static void expect_text(struct verify_view *view, const char *wanted, bool there) {
  struct sink sink;
  struct error err;
  cr_assert_eq(sink_open_memory(&sink, &err), 0);
  verify_text_emit(&sink, view, &result);
  cr_assert_eq(sink_close(&sink, &err), 0);
  cr_assert_eq(strstr(sink.memory, wanted) != NULL, there, "'%s' in:\n%s", wanted, sink.memory);
  free(sink.memory);
}

Test(verify_read, text) {
  struct verify_view view = {.subject = VERIFY_TORCH, .name = "train.py:make", .limits = {0.5, HUGE_VAL}};
  cr_assert_eq(read_it(DOCUMENT(WIDTH("2", TWO, ""))), 0);
  expect_text(&view, "2 parameters of train.py:make", true);
  expect_text(&view, "projected  650 B  500 B", true);
  expect_text(&view, "1 parameter is left out", true);
  expect_text(&view, "libfewbit has not", false);
  expect_text(&view, "On batches of", false);
  verify_result_fini(&result);
}
