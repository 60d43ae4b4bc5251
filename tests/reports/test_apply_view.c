/* What processes told, added up: whole and broken files, and the JSON of the sum. */
#include "reports/apply_view.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *folder;
static struct apply_summary summary;
static struct error err;

static void set_up(void) {
  folder = folder_make();
}

static void tear_down(void) {
  apply_summary_fini(&summary);
  folder_remove(folder);
}

TestSuite(apply_view, .init = set_up, .fini = tear_down);

static void tell(const char *name, const char *text) {
  struct path path = path_join(folder, name);
  FILE *file = fopen(path.text, "w");
  cr_assert_not_null(file);
  fputs(text, file);
  fclose(file);
}

static void tell_three(void) {
  tell("30.json",
       "{\"pid\": 30, \"python\": \"/usr/bin/python3\", \"torch\": null, \"state\": \"no_import\", \"error\": "
       "null, \"ended\": true, \"report\": {\"replaced\": {}, \"bytes_exact\": 0, \"bytes_codes\": 0, "
       "\"fallbacks\": {}}}");
  tell("9.json",
       "{\"pid\": 9, \"python\": \"/v/python\", \"torch\": \"2.13.0\", \"state\": \"applied\", \"error\": null,"
       " \"ended\": true, \"report\": {\"replaced\": {\"silu\": 7, \"gelu\": 40}, \"bytes_exact\": 1000, "
       "\"bytes_codes\": 100, \"fallbacks\": {\"float64\": 2}}}");
  tell("12.json", "{\"pid\": 12, \"python\": \"/v/python\", \"torch\": \"2.13.0\", \"state\": \"applied\", \"error\": "
                  "null, \"ended\": false, \"report\": {\"replaced\": {\"silu\": 50}, \"bytes_exact\": 24, "
                  "\"bytes_codes\": 3, \"fallbacks\": {\"float64\": 1, \"sparse\": 5}}}");
}

static void expect_count(const struct apply_counts *counts, size_t at, const char *name, uint64_t calls) {
  cr_assert_lt(at, counts->count);
  cr_expect_str_eq(counts->items[at].name, name);
  cr_expect_eq(counts->items[at].calls, calls, "%s: %lu", name, (unsigned long)counts->items[at].calls);
}

Test(apply_view, adds_processes_up) {
  tell_three();
  cr_assert_eq(apply_summary_read(&summary, folder, &err), 0, "%s", err.message);
  cr_assert_eq(summary.count, 3);
  cr_expect_eq(summary.processes[0].pid, 9);
  cr_expect_eq(summary.processes[2].pid, 30);
  cr_expect_eq(summary.processes[2].state, APPLY_NO_IMPORT);
  cr_expect_str_eq(summary.processes[2].torch, "");
  cr_expect_not(summary.processes[1].ended);
  expect_count(&summary.processes[0].totals.replaced, 0, "gelu", 40);
  expect_count(&summary.processes[0].totals.replaced, 1, "silu", 7);
  expect_count(&summary.totals.replaced, 0, "silu", 57);
  expect_count(&summary.totals.replaced, 1, "gelu", 40);
  expect_count(&summary.totals.fallbacks, 0, "sparse", 5);
  expect_count(&summary.totals.fallbacks, 1, "float64", 3);
  cr_expect_eq(summary.totals.bytes_exact, 1024);
  cr_expect_eq(summary.totals.bytes_codes, 103);
  const struct apply_process *first = NULL;
  cr_expect_eq(apply_summary_in_state(&summary, APPLY_APPLIED, &first), 2);
  cr_expect_eq(first, &summary.processes[0]);
  cr_expect_eq(apply_summary_in_state(&summary, APPLY_NO_TORCH, &first), 0);
}

/* A process may be killed while it writes, and anybody may write into a folder in /tmp. */
Test(apply_view, leaves_out_what_makes_no_sense) {
  tell_three();
  tell("13.json", "{\"pid\": 13, \"pyth");
  tell("14.json", "");
  tell("15.json", "[1, 2]");
  tell("16.json.new", "{\"pid\": 16, \"state\": \"applied\"}");
  tell("17.json", "{\"pid\": \"x\", \"state\": 5, \"report\": {\"replaced\": [3], \"bytes_exact\": -4}}");
  cr_assert_eq(apply_summary_read(&summary, folder, &err), 0);
  cr_expect_eq(summary.count, 4);
  cr_expect_eq(summary.totals.bytes_exact, 1024);
  cr_expect_eq(apply_summary_in_state(&summary, APPLY_FAILED, NULL), 1);
}

Test(apply_view, empty_folder_and_none) {
  cr_assert_eq(apply_summary_read(&summary, folder, &err), 0);
  cr_expect_eq(summary.count, 0);
  cr_expect_eq(apply_summary_read(&summary, "/nowhere/at/all", &err), ERROR_IO);
  cr_expect_not_null(strstr(err.message, "/nowhere/at/all"));
}

Test(apply_view, json_of_the_sum) {
  struct sink sink;
  struct apply_settings settings = {"python3 'a b.py'", 143, 3, "gelu,silu", NULL, NULL};
  tell_three();
  cr_assert_eq(apply_summary_read(&summary, folder, &err), 0);
  cr_assert_eq(sink_open_memory(&sink, &err), 0);
  apply_json_emit(&sink, &summary, &settings);
  cr_assert_eq(sink_close(&sink, &err), 0);
  json_t *root = json_loadb(sink.memory, sink.memory_size, 0, NULL);
  cr_assert_not_null(root);
  cr_expect_str_eq(json_string_value(json_object_get(root, "schema")), "actscope.apply/1");
  cr_expect_str_eq(json_string_value(json_object_get(root, "command")), "python3 'a b.py'");
  cr_expect_eq(json_integer_value(json_object_get(root, "exit_status")), 143);
  cr_expect_str_eq(json_string_value(json_object_get(root, "functions")), "gelu,silu");
  cr_expect(json_is_null(json_object_get(root, "method")));
  cr_expect_eq(json_integer_value(json_object_get(json_object_get(root, "replaced"), "silu")), 57);
  cr_expect_eq(json_integer_value(json_object_get(root, "bytes_codes")), 103);
  json_t *process = json_array_get(json_object_get(root, "processes"), 1);
  cr_expect_eq(json_integer_value(json_object_get(process, "pid")), 12);
  cr_expect(json_is_false(json_object_get(process, "ended")));
  cr_expect_eq(json_integer_value(json_object_get(json_object_get(process, "fallbacks"), "sparse")), 5);
  json_decref(root);
  free(sink.memory);
}
