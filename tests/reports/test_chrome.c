/* The trace of events is JSON whatever the names, and has what the facts have. What viewers ask of it is checked on real
 * runs, in tests/e2e/test_export.py. */
#include "reports/chrome.h"
#include "tests/reports/emitted.h"
#include "tests/reports/golden.h"
#include "tests/reports/sample_facts.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static json_t *root, *events;

static void load(void (*sample)(struct facts *)) {
  json_error_t where;
  size_t size;
  char *text = emitted(chrome_emit, sample, &size);
  root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
  cr_assert_not_null(root, "%s at line %d", where.text, where.line);
  events = json_object_get(root, "traceEvents");
  cr_assert(json_is_array(events));
  free(text);
}

static void tear_down(void) {
  json_decref(root);
}

TestSuite(chrome, .fini = tear_down);

static bool is(const json_t *event, const char *key, const char *text) {
  const char *value = json_string_value(json_object_get(event, key));
  return value && strcmp(value, text) == 0;
}

static size_t count(const char *key, const char *text) {
  size_t i, found = 0;
  json_t *event;
  json_array_foreach(events, i, event) {
    found += is(event, key, text);
  }
  return found;
}

Test(chrome, golden) {
  size_t size;
  char *text = emitted(chrome_emit, sample_facts_gpt, &size);
  golden_expect("chrome_gpt.json", text, size);
  free(text);
}

Test(chrome, has_what_the_facts_have) {
  load(sample_facts_gpt);
  cr_expect_eq(count("ph", "C"), 3 * 24);
  cr_expect_eq(count("ph", "i"), 6 + 1);
  cr_expect_eq(count("cat", "saved"), 20);
  cr_expect_eq(count("cat", "phase"), 3 * 6);
}

/* A release that was never seen ends with the block. */
Test(chrome, slices_end) {
  size_t i;
  json_t *event;
  load(sample_facts_gpt);
  json_array_foreach(events, i, event) {
    if (is(event, "cat", "saved")) {
      double duration = json_number_value(json_object_get(event, "dur"));
      cr_expect(duration >= 2.9e6 && duration <= 3e6, "%f", duration);
    }
  }
}

Test(chrome, plain_program) {
  load(sample_facts_plain);
  cr_expect_eq(count("ph", "X"), 0);
  cr_expect_eq(count("name", "peak"), 1);
}

Test(chrome, nothing_at_all) {
  load(NULL);
  cr_expect_eq(count("ph", "C"), 0);
}
