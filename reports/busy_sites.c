/* Groups as groups.c makes them, and the two lists that heaptrack's users look for: most allocations, and leaks. */
#include "reports/busy_sites.h"

#include "common/error.h"
#include "reports/format.h"
#include "reports/json.h"
#include "reports/report_text.h"
#include "reports/table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- groups ------------------------------------------------------------------------------------------------------ */

static int compare_names(const struct facts_busy_site *a, const struct facts_busy_site *b) {
  int order = strcmp(a->site ? a->site : "", b->site ? b->site : "");
  return order ? order : strcmp(a->op ? a->op : "", b->op ? b->op : "");
}

static int name_order(const void *a, const void *b) {
  const struct facts_busy_site *first = a, *second = b;
  int order = compare_names(first, second);
  return order ? order : first->stack < second->stack ? -1 : first->stack > second->stack;
}

static uint64_t weight(const struct facts_busy_site *site, enum busy_order order) {
  return order == BUSY_BY_END_BYTES ? site->traffic.end_bytes : site->traffic.allocations;
}

static int weight_order(const void *a, const void *b, void *context) {
  const enum busy_order order = *(const enum busy_order *)context;
  const uint64_t x = weight(a, order), y = weight(b, order);
  return x != y ? (x < y ? 1 : -1) : name_order(a, b);
}

int busy_sites_group(const struct facts *facts, enum busy_order order, struct facts_busy_site **sites, size_t *count) {
  struct facts_busy_site *all = calloc(facts->busy_sites_count + 1, sizeof *all);
  *sites = all;
  *count = 0;
  if (!all) {
    return ERROR_MEMORY;
  }
  if (facts->busy_sites_count) {
    memcpy(all, facts->busy_sites, facts->busy_sites_count * sizeof *all);
    qsort(all, facts->busy_sites_count, sizeof *all, name_order);
  }
  for (size_t i = 0; i < facts->busy_sites_count; i++) {
    if (*count && compare_names(&all[*count - 1], &all[i]) == 0) {
      facts_traffic_add(&all[*count - 1].traffic, &all[i].traffic);
    } else {
      all[(*count)++] = all[i];
    }
  }
  qsort_r(all, *count, sizeof *all, weight_order, &order);
  return 0;
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

static void print_entry(struct sink *sink, const char *amount, const char *text, const char *site) {
  char first[48];
  snprintf(first, sizeof first, "  %9s  ", amount);
  paragraph_print(sink, STYLE_PLAIN, 13, first, text);
  report_text_below(sink, 13, site && *site ? site : "(no stack)");
}

static void print_busy(struct sink *sink, const struct facts_busy_site *site) {
  const struct facts_traffic *traffic = &site->traffic;
  char amount[FORMAT_SIZE + 4], bytes[FORMAT_SIZE], count[FORMAT_SIZE], temporary[64] = "", text[256];
  if (traffic->temporary) {
    snprintf(temporary, sizeof temporary, "; %s given back at once",
             traffic->temporary == traffic->allocations ? "all" : format_count(count, traffic->temporary));
  }
  snprintf(text, sizeof text, "%s in all%s", format_bytes(bytes, traffic->bytes), temporary);
  snprintf(amount, sizeof amount, "%.40s x", format_count(count, traffic->allocations));
  print_entry(sink, amount, text, site->site);
}

static void print_left(struct sink *sink, const struct facts_busy_site *site) {
  const struct facts_traffic *traffic = &site->traffic;
  char bytes[FORMAT_SIZE], blocks[FORMAT_SIZE], of[FORMAT_SIZE], text[256];
  format_count(blocks, traffic->end_blocks);
  if (traffic->end_blocks == traffic->allocations) {
    snprintf(text, sizeof text, "in %s block%s", blocks, traffic->end_blocks == 1 ? "" : "s");
  } else {
    snprintf(text, sizeof text, "in %s of its %s blocks", blocks, format_count(of, traffic->allocations));
  }
  print_entry(sink, format_bytes(bytes, traffic->end_bytes), text, site->site);
}

/* What the list does not show, of the whole run's sum. */
static void print_rest(struct sink *sink, uint64_t all, uint64_t shown, enum busy_order order) {
  char text[128], amount[FORMAT_SIZE];
  if (all <= shown) {
    return;
  }
  if (order == BUSY_BY_END_BYTES) {
    snprintf(text, sizeof text, "and %s from other places", format_bytes(amount, all - shown));
  } else {
    snprintf(text, sizeof text, "and %s more allocation%s from other places", format_count(amount, all - shown),
             all - shown == 1 ? "" : "s");
  }
  paragraph_print(sink, STYLE_DIM, 2, "  ", text);
}

static void print_list(struct sink *sink, const struct facts *facts, const char *title, enum busy_order order,
                       size_t top) {
  const uint64_t all = order == BUSY_BY_END_BYTES ? facts->traffic.end_bytes : facts->traffic.allocations;
  struct facts_busy_site *sites;
  size_t count;
  uint64_t shown = 0;
  if (busy_sites_group(facts, order, &sites, &count) != 0) {
    sink_fail(sink, ENOMEM);
  }
  for (size_t i = 0; i < count && i < top && weight(&sites[i], order); i++) {
    if (i == 0) {
      section_print(sink, title);
    }
    (order == BUSY_BY_END_BYTES ? print_left : print_busy)(sink, &sites[i]);
    shown += weight(&sites[i], order);
  }
  print_rest(sink, count ? all : 0, shown, order);
  free(sites);
}

void busy_sites_print(struct sink *sink, const struct facts *facts, const struct report_options *options) {
  print_list(sink, facts, "Most allocations", BUSY_BY_ALLOCATIONS, options->top);
  print_list(sink, facts, facts->run.complete ? "Not given back at the end" : "Live where the trace ends",
             BUSY_BY_END_BYTES, options->top);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static json_t *traffic_json(const struct facts_traffic *traffic) {
  json_t *object = json_object();
  json_put_count(object, "allocations", traffic->allocations);
  json_put_count(object, "bytes", traffic->bytes);
  json_put_count(object, "temporary", traffic->temporary);
  json_put_count(object, "end_blocks", traffic->end_blocks);
  json_put_count(object, "end_bytes", traffic->end_bytes);
  return object;
}

json_t *busy_sites_json(struct sink *sink, const struct facts *facts, size_t top) {
  json_t *object = json_object(), *array = json_array(), *small = traffic_json(&facts->small_traffic);
  struct facts_busy_site *sites;
  size_t count;
  if (busy_sites_group(facts, BUSY_BY_ALLOCATIONS, &sites, &count) != 0) {
    sink_fail(sink, ENOMEM);
  }
  for (size_t i = 0; i < count && (top == 0 || i < top); i++) {
    json_t *site = traffic_json(&sites[i].traffic);
    json_put_text(site, "op", sites[i].op);
    json_put_text(site, "site", sites[i].site);
    json_array_append_new(array, site);
  }
  json_object_set_new(small, "temporary", json_null()); /* of blocks that are only summed it is not known */
  json_object_set_new(object, "blocks", traffic_json(&facts->traffic));
  json_object_set_new(object, "small", small);
  json_object_set_new(object, "sites", array);
  free(sites);
  return object;
}
