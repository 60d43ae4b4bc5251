/* CSV: golden text, quoting, one table. */
#include "reports/report.h"
#include "reports/report_rows.h"
#include "tests/reports/golden.h"
#include "tests/reports/sample_facts.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct facts facts;
static struct sink sink;
static struct error err;

static void tear_down(void) {
  facts_fini(&facts);
  free(sink.memory);
}

TestSuite(report_csv, .fini = tear_down);

static void emit(const struct report_options *options) {
  cr_assert_eq(sink_open_memory(&sink, &err), 0);
  report_backend_find("csv")->emit(&sink, &facts, options);
  cr_assert_eq(sink_close(&sink, &err), 0);
}

Test(report_csv, golden) {
  sample_facts_gpt(&facts);
  emit(&(struct report_options){0});
  golden_expect("report_gpt.csv", sink.memory, sink.memory_size);
}

Test(report_csv, one_table) {
  sample_facts_gpt(&facts);
  emit(&(struct report_options){.table = "by_op", .top = 2});
  cr_expect_str_eq(sink.memory, "op,bytes,exclusive_bytes,eligible_bytes,blocks\n"
                                "addmm,125829120,100663296,0,8\n"
                                "gelu,100663296,100663296,100663296,4\n");
}

Test(report_csv, quotes) {
  sample_facts_gpt(&facts);
  facts.run.framework = (char *)"a,\"b\"\nc";
  emit(&(struct report_options){0});
  cr_expect_not_null(strstr(sink.memory, "run,,framework,\"a,\"\"b\"\"\nc\"\n"));
}

Test(report_csv, what_is_not_known_is_empty) {
  sample_facts_plain(&facts);
  emit(&(struct report_options){0});
  cr_expect_not_null(strstr(sink.memory, "peak,,step,\n"));
  cr_expect_not_null(strstr(sink.memory, "saved,,step,\n"));
}

Test(report_csv, tables_have_names) {
  cr_expect_null(report_table_find("groups"), "that one is for pages");
  cr_expect_not_null(report_table_find("list"));
  cr_expect_null(report_table_find("busy_sites_page"));
  cr_expect_not_null(report_table_find("busy_sites"));
}
