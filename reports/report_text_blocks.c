/* The text report's lists: saved blocks of the step, and what else lives at the peak. Two lines an entry.
 *
 * A network of twelve like layers leaves twelve like blocks; they are one entry, "12 x". */
#include "reports/format.h"
#include "reports/report_text.h"
#include "reports/table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct group {
  const struct facts_saved_block *block; /* the first of them */
  size_t count;
};

static int compare_text(const char *a, const char *b) {
  return strcmp(a ? a : "", b ? b : "");
}

static int compare_holders(const struct facts_saved_block *a, const struct facts_saved_block *b) {
  if (a->holders_count != b->holders_count) {
    return a->holders_count < b->holders_count ? -1 : 1;
  }
  for (size_t i = 0; i < a->holders_count; i++) {
    int order = compare_text(a->holders[i].op, b->holders[i].op);
    if (order) {
      return order;
    }
  }
  return 0;
}

/* 0: the two would be told of in the same words. The layer is not compared: like layers are what groups are for. */
static int compare_words(const struct facts_saved_block *a, const struct facts_saved_block *b) {
  int order;
  if (a->bytes != b->bytes) {
    return a->bytes < b->bytes ? 1 : -1;
  }
  if (a->elements != b->elements) {
    return a->elements < b->elements ? 1 : -1;
  }
  if ((order = compare_holders(a, b)) || (order = compare_text(a->op_allocated, b->op_allocated)) ||
      (order = compare_text(a->site, b->site)) || (order = compare_text(a->reason, b->reason))) {
    return order;
  }
  return compare_text(a->dtype, b->dtype);
}

static int block_order(const void *a, const void *b) {
  const struct facts_saved_block *first = *(const struct facts_saved_block *const *)a;
  const struct facts_saved_block *second = *(const struct facts_saved_block *const *)b;
  int order = compare_words(first, second);
  return order ? order : first < second ? -1 : first > second;
}

static int group_order(const void *a, const void *b) {
  const struct group *first = a, *second = b;
  uint64_t first_bytes = first->block->bytes * first->count, second_bytes = second->block->bytes * second->count;
  if (first_bytes != second_bytes) {
    return first_bytes < second_bytes ? 1 : -1;
  }
  return first->block < second->block ? -1 : first->block > second->block;
}

/* Fills groups (saved_count of them at most), largest total first; returns how many, 0 also when out of memory. */
static size_t group_blocks(const struct facts *facts, struct group *groups) {
  const struct facts_saved_block **order = calloc(facts->saved_count, sizeof(struct facts_saved_block *));
  size_t count = 0;
  for (size_t i = 0; order && i < facts->saved_count; i++) {
    order[i] = &facts->saved[i];
  }
  if (order) {
    qsort(order, facts->saved_count, sizeof *order, block_order);
  }
  for (size_t i = 0; order && i < facts->saved_count; i++) {
    if (count && compare_words(groups[count - 1].block, order[i]) == 0) {
      groups[count - 1].count++;
    } else {
      groups[count] = (struct group){.block = order[i], .count = 1};
      count++;
    }
  }
  free(order);
  qsort(groups, count, sizeof *groups, group_order);
  return count;
}

/* "held by gelu", "held by mul (2), silu": a holder that holds it several times is named once. */
static void holders_words(const struct facts_saved_block *block, char *out, size_t size) {
  size_t used = (size_t)snprintf(out, size, "held by ");
  for (size_t i = 0; i < block->holders_count && used < size; i++) {
    const char *op = block->holders[i].op;
    size_t times = 0, before = 0;
    for (size_t j = 0; j < block->holders_count; j++) {
      bool same = compare_text(block->holders[j].op, op) == 0;
      times += same;
      before += same && j < i;
    }
    if (before) {
      continue;
    }
    used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "", op ? op : "?");
    if (times > 1 && used < size) {
      used += (size_t)snprintf(out + used, size - used, " (%zu)", times);
    }
  }
}

/* Columns that "   12 x   24.0 MiB  " and, without a factor, "   24.0 MiB  " take. */
enum { BLOCK_COLUMNS = 19, SITE_COLUMNS = 13 };

/* What stands beside an amount, cut to one line. */
static void print_beside(struct sink *sink, enum style style, int column, const char *text) {
  char *fitted = format_fit(text, sink->width - column, sink->unicode);
  if (fitted) {
    style_print(sink, style, fitted);
  } else {
    sink_fail(sink, ENOMEM);
  }
  sink_print(sink, "\n");
  free(fitted);
}

static void print_below(struct sink *sink, int column, const char *text) {
  if (text && text[0]) {
    sink_print(sink, "%*s", column, "");
    print_beside(sink, STYLE_DIM, column, text);
  }
}

static void print_amount(struct sink *sink, int column, uint64_t count, uint64_t bytes) {
  char times[24] = "", size[FORMAT_SIZE], amount[96];
  if (count > 1) {
    snprintf(times, sizeof times, "%" PRIu64 " x", count);
  }
  snprintf(amount, sizeof amount, "%*s%10s  ", column - 12, times, format_bytes(size, bytes));
  style_print(sink, STYLE_BOLD, amount);
}

/* Bytes of an element of a type as PyTorch names it: the digits at its end are bits. 0: not known. */
static uint64_t element_bytes(const char *dtype) {
  size_t digits = strlen(dtype);
  while (digits && dtype[digits - 1] >= '0' && dtype[digits - 1] <= '9') {
    digits--;
  }
  return strcmp(dtype, "bool") == 0 ? 1 : strtoull(dtype + digits, NULL, 10) / 8;
}

/* The elements are told only where they do not follow from bytes and type, as for a view of a larger block. */
static void type_words(const struct facts_saved_block *block, char *out, size_t size) {
  const char *dtype = block->dtype && block->dtype[0] ? block->dtype : "unknown type";
  uint64_t element = element_bytes(dtype);
  char elements[FORMAT_SIZE];
  if (element && block->elements * element == block->bytes) {
    snprintf(out, size, "%s", dtype);
  } else {
    snprintf(out, size, "%s x %s", format_count(elements, block->elements), dtype);
  }
}

static void print_block(struct sink *sink, const struct group *group) {
  const struct facts_saved_block *block = group->block;
  char holders[256], type[96], line[512];
  bool made = block->op_allocated && block->op_allocated[0];
  holders_words(block, holders, sizeof holders);
  type_words(block, type, sizeof type);
  print_amount(sink, BLOCK_COLUMNS, group->count, block->bytes);
  snprintf(line, sizeof line, "%s%s%s; %s%s", holders, made ? "; from " : "", made ? block->op_allocated : "", type,
           block->eligible ? "; eligible" : "");
  print_beside(sink, block->eligible ? STYLE_GOOD : STYLE_PLAIN, BLOCK_COLUMNS, line);
  print_below(sink, BLOCK_COLUMNS, block->site);
  print_below(sink, BLOCK_COLUMNS, group->count == 1 ? block->layer : NULL);
}

void report_text_blocks(struct sink *sink, const struct facts *facts, size_t top) {
  struct group *groups;
  char title[96];
  size_t count, rest_blocks = 0;
  uint64_t rest = 0;
  if (!facts->saved_count) {
    return;
  }
  groups = calloc(facts->saved_count, sizeof *groups);
  count = groups ? group_blocks(facts, groups) : 0;
  if (!count) {
    sink_fail(sink, ENOMEM);
  }
  snprintf(title, sizeof title, "Largest saved blocks of step %d", facts->saved_step);
  section_print(sink, title);
  for (size_t i = 0; i < count; i++) {
    if (i < top) {
      print_block(sink, &groups[i]);
    } else {
      rest += groups[i].block->bytes * groups[i].count;
      rest_blocks += groups[i].count;
    }
  }
  if (rest_blocks) {
    report_text_rest(sink, "block", rest_blocks, rest);
  }
  free(groups);
}

static void print_site(struct sink *sink, const struct facts_site *site) {
  char line[512], count[FORMAT_SIZE], category[REPORT_TEXT_CATEGORY_SIZE];
  report_text_category(category, site->category);
  print_amount(sink, SITE_COLUMNS, 1, site->bytes);
  snprintf(line, sizeof line, "%s in %s block%s%s%s", category, format_count(count, site->blocks),
           site->blocks == 1 ? "" : "s", site->op && site->op[0] ? ", by " : "", site->op ? site->op : "");
  print_beside(sink, STYLE_PLAIN, SITE_COLUMNS, line);
  print_below(sink, SITE_COLUMNS, site->site);
}

/* ---- sites ----------------------------------------------------------------------------------------------------- */

/* Sites that differ in frames a reader does not see are one; saved activations are told of above, by block. */
static int compare_sites(const struct facts_site *a, const struct facts_site *b) {
  int order = compare_text(a->site, b->site);
  order = order ? order : compare_text(a->op, b->op);
  return order ? order : (int)a->category - (int)b->category;
}

static int site_order(const void *a, const void *b) {
  const struct facts_site *first = a, *second = b;
  int order = compare_sites(first, second);
  return order ? order : first->stack < second->stack ? -1 : first->stack > second->stack;
}

static int site_bytes_order(const void *a, const void *b) {
  const struct facts_site *first = a, *second = b;
  if (first->bytes != second->bytes) {
    return first->bytes < second->bytes ? 1 : -1;
  }
  return compare_sites(first, second);
}

/* Fills sites (sites_count of them at most), largest first; returns how many. The texts stay the facts'. */
static size_t group_sites(const struct facts *facts, struct facts_site *sites) {
  size_t count = 0, groups = 0;
  for (size_t i = 0; i < facts->sites_count; i++) {
    if (facts->sites[i].category != CATEGORY_SAVED_ACTIVATION) {
      sites[count++] = facts->sites[i];
    }
  }
  qsort(sites, count, sizeof *sites, site_order);
  for (size_t i = 0; i < count; i++) {
    if (groups && compare_sites(&sites[groups - 1], &sites[i]) == 0) {
      sites[groups - 1].bytes += sites[i].bytes;
      sites[groups - 1].blocks += sites[i].blocks;
    } else {
      sites[groups++] = sites[i];
    }
  }
  qsort(sites, groups, sizeof *sites, site_bytes_order);
  return groups;
}

void report_text_sites(struct sink *sink, const struct facts *facts, size_t top) {
  struct facts_site *sites = calloc(facts->sites_count ? facts->sites_count : 1, sizeof *sites);
  size_t count = sites ? group_sites(facts, sites) : 0;
  uint64_t rest = 0;
  if (!sites) {
    sink_fail(sink, ENOMEM);
  }
  if (count) {
    section_print(sink,
                  report_text_has_evidence(facts) ? "Largest other sites at the peak" : "Largest sites at the peak");
  }
  for (size_t i = 0; i < count; i++) {
    if (i < top) {
      print_site(sink, &sites[i]);
    } else {
      rest += sites[i].bytes;
    }
  }
  if (count > top) {
    report_text_rest(sink, "site", count - top, rest);
  }
  free(sites);
}
