/* The contract actscope.report/1: every key, its type, and the sums that hold between figures. */
#include "reports/project.h"
#include "reports/report.h"
#include "tests/reports/golden.h"
#include "tests/reports/sample_facts.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static struct facts facts;
static struct sink sink;
static struct error err;
static json_t *root;

static void load(void (*sample)(struct facts *)) {
  json_error_t where;
  sample(&facts);
  cr_assert_eq(sink_open_memory(&sink, &err), 0);
  report_backend_find("json")->emit(&sink, &facts, &(struct report_options){0});
  cr_assert_eq(sink_close(&sink, &err), 0);
  root = json_loadb(sink.memory, sink.memory_size, JSON_REJECT_DUPLICATES, &where);
  cr_assert_not_null(root, "%s at line %d", where.text, where.line);
}

static void tear_down(void) {
  json_decref(root);
  free(sink.memory);
  facts_fini(&facts);
}

TestSuite(report_json, .fini = tear_down);

/* "name:type", types: s text, i integer, n integer or null, r number or null, b bool, o object, a array; exactly these keys. */
static void expect_keys(const json_t *object, const char *keys) {
  char *copy = strdup(keys), *rest = copy;
  size_t count = 0;
  cr_assert(json_is_object(object));
  for (char *key; (key = strsep(&rest, " "));) {
    char *type = strchr(key, ':');
    const json_t *value;
    *type++ = '\0';
    value = json_object_get(object, key);
    cr_expect_not_null(value, "%s is missing", key);
    cr_expect((*type == 's' && json_is_string(value)) || (*type == 'i' && json_is_integer(value)) ||
                  (*type == 'n' && (json_is_integer(value) || json_is_null(value))) ||
                  (*type == 'r' && (json_is_number(value) || json_is_null(value))) ||
                  (*type == 'b' && json_is_boolean(value)) || (*type == 'o' && json_is_object(value)) ||
                  (*type == 'a' && json_is_array(value)),
              "%s is not of type %s", key, type);
    count++;
  }
  cr_expect_eq(json_object_size(object), count);
  free(copy);
}

static void expect_each(const json_t *array, const char *keys) {
  size_t i;
  json_t *element;
  cr_assert(json_is_array(array));
  json_array_foreach(array, i, element) {
    expect_keys(element, keys);
  }
}

static json_t *at(const char *object, const char *key) {
  return json_object_get(json_object_get(root, object), key);
}

static void expect_contract(void) {
  size_t i;
  json_t *block;
  cr_expect_str_eq(json_string_value(json_object_get(root, "schema")), "actscope.report/1");
  expect_keys(root, "schema:s run:o peak:o categories_at_peak:o steps:a saved:o projection:a sites_at_peak:a "
                    "traffic:o advice:a");
  expect_keys(json_object_get(root, "run"),
              "command:s pid:i ppid:n rank:n world_size:n host:s exit_status:n "
              "complete:b damage:s wall_ns:i start_unix_ns:i events:i "
              "lost_events:i unseen:s stray_marks:i oversized_marks:i threads:i min_size:i framework:s evidence:s "
              "confidence:r");
  expect_keys(json_object_get(root, "peak"), "bytes:i lasting_bytes:i time_ns:i step:n phase:s");
  expect_each(json_object_get(root, "advice"),
              "kind:s text:s bytes:i blocks:i peak_bytes:i saving_bytes:i bits:n ops:s "
              "layers:s site:s");
  expect_keys(json_object_get(root, "categories_at_peak"),
              "parameter:i gradient:i optimizer_state:i input:i saved_activation:i temporary:i small:i other:i");
  expect_each(json_object_get(root, "steps"),
              "index:i begin_ns:i end_ns:i peak_bytes:i saved_bytes:i saved_blocks:i complete:b");
  expect_keys(json_object_get(root, "saved"), "step:n bytes:i blocks:i by_op:a by_layer:a list:a");
  expect_each(at("saved", "by_op"), "op:s bytes:i exclusive_bytes:i blocks:i eligible_bytes:i");
  expect_each(at("saved", "by_layer"), "layer:s bytes:i blocks:i eligible_bytes:i");
  expect_each(at("saved", "list"), "bytes:i elements:i dtype:s op_allocated:s holders:a eligible:b reason:s layer:s "
                                   "name:s in_arena:b site:s python_stack:a evidence:s");
  json_array_foreach(at("saved", "list"), i, block) {
    expect_each(json_object_get(block, "holders"), "op:s save_ns:i release_ns:n");
  }
  expect_each(json_object_get(root, "projection"),
              "bits:i peak_bytes:i saving_bytes:i saving_percent:r eligible_bytes:i code_bytes:i");
}

/* Two lines of Python in the first stack that a saved block has. */
static void sample_with_lines(struct facts *sample) {
  sample_facts_gpt(sample);
  struct facts_frame *frames = sample->stacks[0].frames;
  frames[1] = (struct facts_frame){(char *)"Block.forward", (char *)"/home/me/gpt.py", (char *)"", 46};
  frames[2] = (struct facts_frame){(char *)"<module>", (char *)"/home/me/gpt.py", (char *)"", 137};
}

static void expect_line(const json_t *array, size_t index, const char *function, json_int_t line) {
  const json_t *entry = json_array_get(array, index);
  expect_keys(entry, "file:s line:i function:s");
  cr_expect_str_eq(json_string_value(json_object_get(entry, "function")), function);
  cr_expect_eq(json_integer_value(json_object_get(entry, "line")), line);
}

Test(report_json, lines_of_python_innermost_first) {
  size_t with_lines = 0, i;
  json_t *block;
  load(sample_with_lines);
  json_array_foreach(at("saved", "list"), i, block) {
    const json_t *lines = json_object_get(block, "python_stack");
    if (facts.saved[i].stack == facts.stacks[0].stack) {
      with_lines++;
      cr_assert_eq(json_array_size(lines), 2);
      expect_line(lines, 0, "Block.forward", 46);
      expect_line(lines, 1, "<module>", 137);
    } else {
      cr_expect_eq(json_array_size(lines), 0);
    }
  }
  cr_expect_gt(with_lines, 0);
  cr_expect_lt(with_lines, facts.saved_count);
}

static json_int_t sum_of(const json_t *array, const char *key) {
  json_int_t sum = 0;
  size_t i;
  json_t *element;
  json_array_foreach(array, i, element) {
    sum += json_integer_value(json_object_get(element, key));
  }
  return sum;
}

Test(report_json, contract_of_a_torch_run) {
  load(sample_facts_gpt);
  expect_contract();
  cr_expect(json_is_null(at("run", "rank")) && json_is_null(at("run", "world_size")));
  cr_expect_eq(json_integer_value(at("run", "exit_status")), 0);
  golden_expect("report_gpt.json", sink.memory, sink.memory_size);
}

Test(report_json, contract_of_a_plain_run) {
  load(sample_facts_plain);
  expect_contract();
  cr_expect(json_is_null(at("peak", "step")) && json_is_null(at("saved", "step")));
  cr_expect_eq(json_integer_value(at("run", "rank")), 1);
  cr_expect_eq(json_integer_value(at("run", "world_size")), 4);
  cr_expect(json_is_null(at("run", "ppid")));
  cr_expect_str_eq(json_string_value(at("run", "command")), "./train \xef\xbf\xbd\xef\xbf\xbd"
                                                            "data\033[31m");
}

/* What was asked for is told, so that nobody takes the part for the whole. */
Test(report_json, a_part_is_told) {
  struct facts_selection selection = FACTS_SELECT_ALL;
  selection.ops = "gelu";
  sample_facts_gpt(&facts);
  cr_assert_eq(facts_select(&facts, &selection, &err), 0);
  cr_assert_eq(sink_open_memory(&sink, &err), 0);
  report_backend_find("json")->emit(&sink, &facts, &(struct report_options){.top = 3, .selection = &selection});
  cr_assert_eq(sink_close(&sink, &err), 0);
  root = json_loadb(sink.memory, sink.memory_size, 0, NULL);
  expect_keys(json_object_get(root, "selection"), "op:s layer:n since_ns:i until_ns:n bytes:i blocks:i");
  cr_expect_eq(json_integer_value(at("selection", "blocks")), 4);
  cr_expect_eq(json_array_size(at("saved", "list")), 3);
  cr_expect_eq(json_integer_value(at("saved", "blocks")), 20, "of the whole step");
}

Test(report_json, sums_hold) {
  const char *name;
  json_t *value;
  json_int_t categories = 0;
  load(sample_facts_gpt);
  json_object_foreach(json_object_get(root, "categories_at_peak"), name, value) {
    categories += json_integer_value(value);
  }
  cr_expect_eq(categories, json_integer_value(at("peak", "bytes")));
  cr_expect_eq(sum_of(at("saved", "list"), "bytes"), json_integer_value(at("saved", "bytes")));
  cr_expect_eq(json_array_size(at("saved", "list")), (size_t)json_integer_value(at("saved", "blocks")));
}

/* What by_op says, counted again from the list: a block counts under each different holder. */
Test(report_json, ops_agree_with_the_list) {
  size_t i, j;
  json_t *op, *block;
  load(sample_facts_gpt);
  json_array_foreach(at("saved", "by_op"), i, op) {
    const char *name = json_string_value(json_object_get(op, "op"));
    json_int_t bytes = 0, exclusive = 0;
    json_array_foreach(at("saved", "list"), j, block) {
      json_t *holders = json_object_get(block, "holders"), *holder;
      size_t k, held = 0;
      json_array_foreach(holders, k, holder) {
        held += strcmp(json_string_value(json_object_get(holder, "op")), name) == 0;
      }
      bytes += held ? json_integer_value(json_object_get(block, "bytes")) : 0;
      exclusive += held == json_array_size(holders) ? json_integer_value(json_object_get(block, "bytes")) : 0;
    }
    cr_expect_eq(bytes, json_integer_value(json_object_get(op, "bytes")), "%s", name);
    cr_expect_eq(exclusive, json_integer_value(json_object_get(op, "exclusive_bytes")), "%s", name);
  }
}

Test(report_json, figures_beyond_32_bits_stay_whole) {
  load(sample_facts_gpt);
  json_decref(root);
  free(sink.memory);
  facts.peak.bytes = UINT64_C(9007199254740993); /* beyond what a double can hold */
  cr_assert_eq(sink_open_memory(&sink, &err), 0);
  report_backend_find("json")->emit(&sink, &facts, &(struct report_options){0});
  cr_assert_eq(sink_close(&sink, &err), 0);
  root = json_loadb(sink.memory, sink.memory_size, 0, NULL);
  cr_expect_eq(json_integer_value(at("peak", "bytes")), 9007199254740993);
}

Test(report_json, project_has_its_schema) {
  sample_facts_gpt(&facts);
  cr_assert_eq(sink_open_memory(&sink, &err), 0);
  project_json_emit(&sink, &facts, "gelu,silu");
  cr_assert_eq(sink_close(&sink, &err), 0);
  root = json_loadb(sink.memory, sink.memory_size, 0, NULL);
  expect_keys(root, "schema:s functions:s peak_bytes:i projection:a");
  cr_expect_eq(json_array_size(json_object_get(root, "projection")), 4);
}
