/* The comparison for programs: keys and types of schema actscope.diff/1, and figures that add up. */
#include "analyzers/compare.h"
#include "reports/diff.h"
#include "tests/reports/sample_facts.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static struct facts before, after;
static json_t *root;

static void set_up(void) {
  sample_facts_gpt(&before);
  sample_facts_gpt(&after);
}

static void tear_down(void) {
  json_decref(root);
  facts_fini(&before);
  facts_fini(&after);
}

TestSuite(diff_json, .init = set_up, .fini = tear_down);

static void emit(size_t top) {
  struct comparison comparison;
  struct sink sink;
  struct error err;
  json_error_t problem;
  const struct diff_options options = {.names = {"before.act", "after.act"}, .share = 0.001, .top = top};
  cr_assert_eq(sink_open_memory(&sink, &err), 0);
  cr_assert_eq(comparison_make(&comparison, &before, &after, options.share), 0);
  diff_json_emit(&sink, &comparison, &options);
  cr_assert_eq(sink_close(&sink, &err), 0);
  root = json_loadb(sink.memory, sink.memory_size, 0, &problem);
  cr_assert_not_null(root, "%s", problem.text);
  comparison_fini(&comparison);
  free(sink.memory);
}

/* "a b c": these keys, and no others. */
static void expect_keys(const json_t *object, const char *keys) {
  char *copy = strdup(keys), *rest = copy;
  size_t count = 0;
  for (char *key; (key = strsep(&rest, " ")); count++) {
    cr_expect_not_null(json_object_get(object, key), "no key %s", key);
  }
  cr_expect_eq(json_object_size(object), count, "%zu keys, not those of: %s", json_object_size(object), keys);
  free(copy);
}

static json_int_t number(const json_t *object, const char *key) {
  const json_t *value = json_object_get(object, key);
  cr_assert(json_is_integer(value), "%s", key);
  return json_integer_value(value);
}

static const json_t *get(const char *key) {
  return json_object_get(root, key);
}

Test(diff_json, contract) {
  after.peak.bytes += 5 << 20;
  emit(0);
  cr_expect_str_eq(json_string_value(get("schema")), "actscope.diff/1");
  expect_keys(root,
              "schema before after same identical tolerance_bytes warnings peak projected categories_at_peak saved "
              "sites_at_peak left_at_end steps projection");
  expect_keys(get("before"), "path command pid rank exit_status complete damage wall_ns min_size framework evidence");
  expect_keys(get("peak"), "before after change change_percent");
  expect_keys(json_object_get(get("peak"), "before"), "bytes time_ns step phase");
  expect_keys(get("saved"), "before after change change_percent blocks_before blocks_after by_op by_layer");
  expect_keys(json_array_get(json_object_get(get("saved"), "by_op"), 0),
              "op before after change change_percent blocks_before blocks_after");
  expect_keys(json_array_get(json_object_get(get("saved"), "by_layer"), 0),
              "layer before after change change_percent blocks_before blocks_after");
  expect_keys(json_array_get(get("categories_at_peak"), 0), "category before after change change_percent");
  expect_keys(json_array_get(get("sites_at_peak"), 0),
              "site op category before after change change_percent blocks_before blocks_after");
  expect_keys(get("left_at_end"), "before after change change_percent blocks_before blocks_after sites");
  expect_keys(get("steps"), "count complete duration_ns peak_bytes saved_bytes");
  expect_keys(json_object_get(get("steps"), "count"), "before after change change_percent");
  expect_keys(json_array_get(get("projection"), 0), "bits before after change change_percent");
}

Test(diff_json, categories_sum_to_the_peaks) {
  size_t i;
  json_t *row;
  json_int_t sums[2] = {0};
  after.peak.bytes += 1 << 20;
  after.categories[CATEGORY_OTHER] += 1 << 20;
  emit(0);
  json_array_foreach(get("categories_at_peak"), i, row) {
    sums[0] += number(row, "before");
    sums[1] += number(row, "after");
    cr_expect_eq(number(row, "change"), number(row, "after") - number(row, "before"));
  }
  cr_expect_eq(sums[0], number(json_object_get(get("peak"), "before"), "bytes"));
  cr_expect_eq(sums[1], number(json_object_get(get("peak"), "after"), "bytes"));
  cr_expect_eq(number(get("peak"), "change"), 1 << 20);
  cr_expect(json_is_false(get("same")));
}

/* What one run lacks is null, not 0. */
Test(diff_json, what_is_new_or_gone) {
  after.by_op[4].op = (char *)"new_op";
  emit(0);
  size_t i, found = 0;
  json_t *row;
  json_array_foreach(json_object_get(get("saved"), "by_op"), i, row) {
    const char *op = json_string_value(json_object_get(row, "op"));
    if (strcmp(op, "new_op") == 0 || strcmp(op, "mul") == 0) {
      const bool is_new = *op == 'n';
      cr_expect_eq(json_is_null(json_object_get(row, "before")), is_new, "%s", op);
      cr_expect_eq(json_is_null(json_object_get(row, "after")), !is_new, "%s", op);
      cr_expect(json_is_null(json_object_get(row, "change_percent")) == is_new, "%s", op);
      found++;
    }
  }
  cr_expect_eq(found, 2);
}

Test(diff_json, top_limits_every_list) {
  emit(1);
  cr_expect_eq(json_array_size(json_object_get(get("saved"), "by_op")), 1);
  cr_expect_eq(json_array_size(json_object_get(get("saved"), "by_layer")), 1);
  cr_expect_eq(json_array_size(get("sites_at_peak")), 1);
}

Test(diff_json, warnings_have_names) {
  after.run.min_size = 0;
  emit(0);
  cr_assert_eq(json_array_size(get("warnings")), 1);
  expect_keys(json_array_get(get("warnings"), 0), "about text");
  cr_expect_str_eq(json_string_value(json_object_get(json_array_get(get("warnings"), 0), "about")), "min_size");
}

Test(diff_json, identical) {
  emit(0);
  cr_expect(json_is_true(get("same")) && json_is_true(get("identical")));
  cr_expect(json_is_null(get("projected")));
}

Test(diff_json, projected) {
  after.saved_bytes -= before.projections[0].eligible_bytes - before.projections[0].code_bytes;
  after.peak.bytes = before.projections[0].peak_bytes;
  emit(0);
  expect_keys(get("projected"), "bits projected_bytes peak_bytes off_percent");
  cr_expect_eq(number(get("projected"), "bits"), 1);
  cr_expect_float_eq(json_number_value(json_object_get(get("projected"), "off_percent")), 0, 1e-9);
}
