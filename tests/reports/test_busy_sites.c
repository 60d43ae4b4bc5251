/* Sites over the whole run: sums by site, the lists of a page, and the JSON. */
#include "reports/busy_sites.h"
#include "tests/reports/sample_facts.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct facts facts;
static struct sink sink;
static struct error err;

static void set_up(void) {
  sample_facts_plain(&facts);
  cr_assert_eq(sink_open_memory(&sink, &err), 0);
}

static void tear_down(void) {
  facts_fini(&facts);
  free(sink.memory);
}

TestSuite(busy_sites, .init = set_up, .fini = tear_down);

Test(busy_sites, stacks_of_one_site_are_one) {
  struct facts_busy_site *sites;
  size_t count;
  cr_assert_eq(busy_sites_group(&facts, BUSY_BY_ALLOCATIONS, &sites, &count), 0);
  cr_assert_eq(count, 3);
  cr_expect_eq(sites[0].traffic.allocations, 10000);
  cr_expect_eq(sites[0].traffic.temporary, 10000);
  cr_expect_eq(sites[0].traffic.bytes, (uint64_t)70 << 20);
  cr_expect_str_eq(sites[1].site, "train.c:90 keep");
  free(sites);
  cr_assert_eq(busy_sites_group(&facts, BUSY_BY_END_BYTES, &sites, &count), 0);
  cr_expect_str_eq(sites[0].site, "train.c:90 keep");
  cr_expect_str_eq(sites[1].site, "");
  cr_expect_eq(sites[2].traffic.end_bytes, 0);
  free(sites);
}

static void print(size_t top) {
  busy_sites_print(&sink, &facts, &(struct report_options){.top = top});
  cr_assert_eq(sink_close(&sink, &err), 0);
}

/* What a list leaves out is counted, also what no site is told of: 100 of the allocations. */
Test(busy_sites, nothing_is_hidden_silently) {
  print(1);
  cr_expect_not_null(strstr(sink.memory, "   10,000 x  70.0 MiB in all; all given back at once\n"));
  cr_expect_not_null(strstr(sink.memory, "  and 301 more allocations from other places\n"));
  cr_expect_not_null(strstr(sink.memory, "    2.0 MiB  in 199 of its 200 blocks\n             train.c:90 keep\n"));
  cr_expect_not_null(strstr(sink.memory, "  and 5 B from other places\n"));
  cr_expect_null(strstr(sink.memory, "(no stack)"));
}

Test(busy_sites, all_of_them) {
  print(SIZE_MAX);
  cr_expect_not_null(strstr(sink.memory, "  and 100 more allocations from other places\n"));
  cr_expect_not_null(strstr(sink.memory, "        5 B  in 1 block\n             (no stack)\n"));
  cr_expect_not_null(strstr(sink.memory, "Live where the trace ends"), "the sample was cut off");
}

Test(busy_sites, where_nothing_was_left) {
  facts.run.complete = true;
  facts.traffic.end_bytes = facts.traffic.end_blocks = 0;
  for (size_t i = 0; i < facts.busy_sites_count; i++) {
    facts.busy_sites[i].traffic.end_bytes = facts.busy_sites[i].traffic.end_blocks = 0;
  }
  print(10);
  cr_expect_not_null(strstr(sink.memory, "Most allocations"));
  cr_expect_null(strstr(sink.memory, "Not given back"));
}

Test(busy_sites, json) {
  facts.small_traffic = (struct facts_traffic){7, 123, 0, 5, 80};
  json_t *traffic = busy_sites_json(&sink, &facts, 0);
  const json_t *sites = json_object_get(traffic, "sites");
  json_int_t sum = 0;
  size_t i;
  json_t *site;
  cr_expect_eq(json_array_size(sites), 3);
  json_array_foreach(sites, i, site) {
    sum += json_integer_value(json_object_get(site, "allocations"));
    cr_expect_eq(json_object_size(site), 7);
  }
  cr_expect_eq(sum, 10201);
  cr_expect_eq(json_integer_value(json_object_get(json_object_get(traffic, "blocks"), "temporary")), 10001);
  cr_expect(json_is_null(json_object_get(json_object_get(traffic, "small"), "temporary")));
  cr_expect_eq(json_integer_value(json_object_get(json_object_get(traffic, "small"), "end_blocks")), 5);
  json_decref(traffic);
  traffic = busy_sites_json(&sink, &facts, 1);
  cr_expect_eq(json_array_size(json_object_get(traffic, "sites")), 1);
  json_decref(traffic);
}
