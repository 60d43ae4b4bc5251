/* Sorting brings like things together; neighbours are summed up. */
#include "reports/groups.h"

#include "common/error.h"
#include "reports/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

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

static uint64_t first_save(const struct facts_saved_block *block) {
  uint64_t first = UINT64_MAX;
  for (size_t i = 0; i < block->holders_count; i++) {
    first = block->holders[i].save_ns < first ? block->holders[i].save_ns : first;
  }
  return first;
}

/* The largest first. */
static uint64_t group_weight(const struct group_of_blocks *group, enum facts_order order) {
  uint64_t bytes = group->block->bytes * group->count;
  switch (order) {
  case FACTS_BY_BLOCKS:
    return group->count;
  case FACTS_BY_ELIGIBLE:
    return group->block->eligible ? bytes : 0;
  case FACTS_BY_TIME:
    return ~first_save(group->block);
  case FACTS_BY_NAME:
    return 0;
  default:
    return bytes;
  }
}

static int group_order(const void *a, const void *b, void *context) {
  const struct group_of_blocks *first = a, *second = b;
  enum facts_order order = *(const enum facts_order *)context;
  uint64_t x = group_weight(first, order), y = group_weight(second, order);
  uint64_t x_bytes = group_weight(first, FACTS_BY_BYTES), y_bytes = group_weight(second, FACTS_BY_BYTES);
  int names = order == FACTS_BY_NAME ? compare_text(first->block->op, second->block->op) : 0;
  if (x != y) {
    return x < y ? 1 : -1;
  }
  if (names) {
    return names;
  }
  if (x_bytes != y_bytes) {
    return x_bytes < y_bytes ? 1 : -1;
  }
  return first->block < second->block ? -1 : first->block > second->block;
}

/* One entry a block, those alike beside one another. NULL: no memory. */
static const struct facts_saved_block **sorted_blocks(const struct facts *facts) {
  const struct facts_saved_block **order = calloc(facts->saved_count + 1, sizeof(struct facts_saved_block *));
  for (size_t i = 0; order && i < facts->saved_count; i++) {
    order[i] = &facts->saved[i];
  }
  if (order) {
    qsort(order, facts->saved_count, sizeof *order, block_order);
  }
  return order;
}

int groups_of_blocks(const struct facts *facts, enum facts_order order, struct group_of_blocks **groups,
                     size_t *count) {
  const struct facts_saved_block **sorted = sorted_blocks(facts);
  struct group_of_blocks *found = calloc(facts->saved_count + 1, sizeof *found);
  *count = 0;
  for (size_t i = 0; sorted && found && i < facts->saved_count; i++) {
    if (*count && compare_words(found[*count - 1].block, sorted[i]) == 0) {
      found[*count - 1].count++;
      found[*count - 1].one_name &= compare_text(found[*count - 1].block->name, sorted[i]->name) == 0;
    } else {
      const bool named = sorted[i]->name && sorted[i]->name[0];
      found[(*count)++] = (struct group_of_blocks){.block = sorted[i], .count = 1, .one_name = named};
    }
  }
  if (*count) {
    qsort_r(found, *count, sizeof *found, group_order, &order);
  }
  *groups = found;
  free(sorted);
  return sorted && found ? 0 : ERROR_MEMORY;
}

void groups_holders(const struct facts_saved_block *block, char *out, size_t size) {
  size_t used = 0;
  out[0] = '\0';
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

/* Bytes of an element of a type as PyTorch names it: the digits at its end are bits. 0: not known. */
static uint64_t element_bytes(const char *dtype) {
  size_t digits = strlen(dtype);
  while (digits && dtype[digits - 1] >= '0' && dtype[digits - 1] <= '9') {
    digits--;
  }
  return strcmp(dtype, "bool") == 0 ? 1 : strtoull(dtype + digits, NULL, 10) / 8;
}

void groups_type(const struct facts_saved_block *block, char *out, size_t size) {
  const char *dtype = block->dtype && block->dtype[0] ? block->dtype : "unknown type";
  uint64_t element = element_bytes(dtype);
  char elements[FORMAT_SIZE];
  if (element && block->elements * element == block->bytes) {
    snprintf(out, size, "%s", dtype);
  } else {
    snprintf(out, size, "%s x %s", format_count(elements, block->elements), dtype);
  }
}

/* ---- sites ------------------------------------------------------------------------------------------------------- */

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

static int site_bytes_order(const void *a, const void *b, void *context) {
  const struct facts_site *first = a, *second = b;
  enum facts_order order = *(const enum facts_order *)context;
  if (order == FACTS_BY_BLOCKS && first->blocks != second->blocks) {
    return first->blocks < second->blocks ? 1 : -1;
  }
  if (order != FACTS_BY_NAME && first->bytes != second->bytes) {
    return first->bytes < second->bytes ? 1 : -1;
  }
  return compare_sites(first, second);
}

/* Puts the sums at the front; returns how many. */
static size_t sum_sites(struct facts_site *sites, size_t count) {
  size_t groups = 0;
  qsort(sites, count, sizeof *sites, site_order);
  for (size_t i = 0; i < count; i++) {
    if (groups && compare_sites(&sites[groups - 1], &sites[i]) == 0) {
      sites[groups - 1].bytes += sites[i].bytes;
      sites[groups - 1].blocks += sites[i].blocks;
    } else {
      sites[groups++] = sites[i];
    }
  }
  return groups;
}

int groups_of_sites(const struct facts *facts, bool saved, enum facts_order order, struct facts_site **sites,
                    size_t *count) {
  struct facts_site *all = calloc(facts->sites_count + 1, sizeof *all);
  *count = 0;
  *sites = all;
  if (!all) {
    return ERROR_MEMORY;
  }
  for (size_t i = 0; i < facts->sites_count; i++) {
    if (saved || facts->sites[i].category != CATEGORY_SAVED_ACTIVATION) {
      all[(*count)++] = facts->sites[i];
    }
  }
  *count = sum_sites(all, *count);
  qsort_r(all, *count, sizeof *all, site_bytes_order, &order);
  return 0;
}

/* ---- reasons ----------------------------------------------------------------------------------------------------- */

static int reason_order(const void *a, const void *b) {
  const struct group_reason *first = a, *second = b;
  if (first->eligible != second->eligible) {
    return first->eligible ? -1 : 1;
  }
  return first->bytes < second->bytes ? 1 : first->bytes > second->bytes ? -1 : strcmp(first->text, second->text);
}

/* The entry of the block's reason, new if it was not there; there are a dozen at most, so a linear search does. */
static struct group_reason *find_reason(struct group_reason *reasons, size_t *count,
                                        const struct facts_saved_block *block) {
  const char *text = block->reason ? block->reason : "";
  for (size_t i = 0; i < *count; i++) {
    if (reasons[i].eligible == block->eligible && strcmp(reasons[i].text, text) == 0) {
      return &reasons[i];
    }
  }
  if (*count == GROUP_REASONS_MAX) {
    return NULL;
  }
  reasons[*count] = (struct group_reason){.text = text, .eligible = block->eligible};
  return &reasons[(*count)++];
}

size_t groups_of_reasons(const struct facts *facts, struct group_reason reasons[static GROUP_REASONS_MAX]) {
  size_t count = 0;
  for (size_t i = 0; i < facts->saved_count; i++) {
    struct group_reason *reason = find_reason(reasons, &count, &facts->saved[i]);
    if (reason) {
      reason->bytes += facts->saved[i].bytes;
    }
  }
  qsort(reasons, count, sizeof *reasons, reason_order);
  return count;
}
