/* Saved activations by the layer that saved them: follows from the list of saved blocks alone. */
#ifndef ACTSCOPE_ANALYZERS_FACTS_LAYERS_H
#define ACTSCOPE_ANALYZERS_FACTS_LAYERS_H

#include "analyzers/facts.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct facts_layer {
  const char *layer;   /* "blocks.3.mlp.act"; "" for blocks that were saved in none */
  const char *pattern; /* the same for like layers: "blocks.*.mlp.act" */
  uint64_t bytes, blocks, eligible_bytes;
  uint64_t layers; /* how many it sums up, 1 unless like layers are taken together */
};

struct facts_layers {        /* zeroed: none */
  struct facts_layer *items; /* by bytes, largest first */
  size_t count;
  struct strings *strings; /* holds the patterns */
};

/* Sums facts->saved by layer, or by pattern if like layers are taken together (`layer` is then one of them). No items where
 * no block has a layer: the run was recorded without --layers. 0, or ERROR_MEMORY; layer names are the facts'. */
int facts_layers_init(struct facts_layers *layers, const struct facts *facts, bool like_together);
void facts_layers_fini(struct facts_layers *layers);

#endif
