/* Like things told of once: "12 x" blocks that only differ in the layer, sites that only differ in frames that nobody reads,
 * and the reasons why blocks are (not) eligible. What the pages for people have in common. */
#ifndef ACTSCOPE_REPORTS_GROUPS_H
#define ACTSCOPE_REPORTS_GROUPS_H

#include "analyzers/facts_select.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct group_of_blocks {
  const struct facts_saved_block *block; /* the first of them */
  size_t count;
  bool one_name; /* all are pieces of arenas that the program calls the same */
};

/* *groups in order (bytes: the largest total first), to be freed; *count 0 where nothing is saved. 0, or ERROR_MEMORY. */
int groups_of_blocks(const struct facts *facts, enum facts_order order, struct group_of_blocks **groups, size_t *count);

/* "gelu", "mul (2), silu": a holder that holds a block several times is named once. */
void groups_holders(const struct facts_saved_block *block, char *out, size_t size);
/* "float32", or "1,024 x float32" where the elements do not follow from bytes and type, as for a view of a larger block. */
void groups_type(const struct facts_saved_block *block, char *out, size_t size);

/* Sums of sites, whose texts stay the facts' and whose stack is one of theirs; those of saved activations, which blocks tell
 * of, only with `saved`. In order (bytes, blocks or name; else bytes), to be freed. 0, or ERROR_MEMORY. */
int groups_of_sites(const struct facts *facts, bool saved, enum facts_order order, struct facts_site **sites,
                    size_t *count);

struct group_reason {
  const char *text;
  bool eligible;
  uint64_t bytes;
};
enum { GROUP_REASONS_MAX = 32 };

/* Eligible first, then by bytes; returns how many. */
size_t groups_of_reasons(const struct facts *facts, struct group_reason reasons[static GROUP_REASONS_MAX]);

#endif
