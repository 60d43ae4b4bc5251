/* The text report's lists: saved blocks of the step, and what else lives at the peak. Two lines an entry.
 *
 * A network of twelve like layers leaves twelve like blocks; they are one entry, "12 x". */
#include "reports/format.h"
#include "reports/groups.h"
#include "reports/report_text.h"
#include "reports/summary.h"
#include "reports/table.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

void report_text_below(struct sink *sink, int column, const char *text) {
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

/* With a word before it: the layers of a Sequential are named 0, 1, 2. */
static void print_layer(struct sink *sink, const char *layer) {
  char line[256];
  if (layer[0]) {
    snprintf(line, sizeof line, "layer %s", layer);
    report_text_below(sink, BLOCK_COLUMNS, line);
  }
}

static void print_block(struct sink *sink, const struct group_of_blocks *group) {
  const struct facts_saved_block *block = group->block;
  char holders[256], type[96], line[512];
  bool made = block->op_allocated && block->op_allocated[0];
  groups_holders(block, holders, sizeof holders);
  groups_type(block, type, sizeof type);
  print_amount(sink, BLOCK_COLUMNS, group->count, block->bytes);
  snprintf(line, sizeof line, "%s%sheld by %s%s%s; %s%s", group->one_name ? block->name : "",
           group->one_name ? ", " : "", holders, made ? "; from " : "", made ? block->op_allocated : "", type,
           block->eligible ? "; eligible" : "");
  print_beside(sink, block->eligible ? STYLE_GOOD : STYLE_PLAIN, BLOCK_COLUMNS, line);
  report_text_below(sink, BLOCK_COLUMNS, block->site);
  if (group->count == 1 && !(group->one_name && strcmp(block->layer, block->name) == 0)) {
    print_layer(sink, block->layer);
  }
}

void report_text_blocks(struct sink *sink, const struct facts *facts, const struct report_options *options) {
  struct group_of_blocks *groups;
  char title[96];
  size_t count, rest_blocks = 0;
  uint64_t rest = 0;
  if (!facts->saved_count) {
    return;
  }
  if (groups_of_blocks(facts, report_order(options), &groups, &count) != 0) {
    sink_fail(sink, ENOMEM);
  }
  snprintf(title, sizeof title,
           report_order(options) == FACTS_BY_BYTES ? "Largest saved blocks of step %d" : "Saved blocks of step %d",
           facts->saved_step);
  section_print(sink, title);
  for (size_t i = 0; i < count; i++) {
    if (i < options->top) {
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

/* Where nothing is known of any block, no category is worth a word. */
static void print_site(struct sink *sink, const struct facts_site *site, bool tells) {
  char line[512], count[FORMAT_SIZE], category[REPORT_TEXT_CATEGORY_SIZE];
  report_text_category(category, site->category);
  print_amount(sink, SITE_COLUMNS, 1, site->bytes);
  snprintf(line, sizeof line, "%s%sin %s block%s%s%s", tells ? category : "", tells ? " " : "",
           format_count(count, site->blocks), site->blocks == 1 ? "" : "s", site->op && site->op[0] ? ", by " : "",
           site->op ? site->op : "");
  print_beside(sink, STYLE_PLAIN, SITE_COLUMNS, line);
  report_text_below(sink, SITE_COLUMNS, site->site);
}

static void site_title(struct sink *sink, const struct facts *facts, enum facts_order order) {
  const char *other = report_text_has_evidence(facts) ? "other " : "";
  char title[48];
  snprintf(title, sizeof title, "%s%ssites at the peak", order == FACTS_BY_BYTES ? "Largest " : "", other);
  title[0] = (char)toupper((unsigned char)title[0]);
  section_print(sink, title);
}

void report_text_sites(struct sink *sink, const struct facts *facts, const struct report_options *options) {
  struct facts_site *sites;
  size_t count;
  uint64_t rest = 0;
  const bool tells = summary_tells_categories(facts);
  if (groups_of_sites(facts, false, report_order(options), &sites, &count) != 0) {
    sink_fail(sink, ENOMEM);
  }
  if (count) {
    site_title(sink, facts, report_order(options));
  }
  for (size_t i = 0; i < count; i++) {
    if (i < options->top) {
      print_site(sink, &sites[i], tells);
    } else {
      rest += sites[i].bytes;
    }
  }
  if (count > options->top) {
    report_text_rest(sink, "site", count - options->top, rest);
  }
  free(sites);
}
