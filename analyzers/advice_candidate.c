/* What every source of advice needs. */
#include "analyzers/advice_candidate.h"

#include "analyzers/strings.h"
#include "common/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_TOLD = 3 };

int candidate_new(struct advisor *advisor, enum advice_kind kind, struct candidate **candidate) {
  *candidate = NULL;
  if (advisor->count == ADVICE_CANDIDATES_MAX) {
    return 0;
  }
  *candidate = &advisor->candidates[advisor->count];
  **candidate = (struct candidate){.advice.kind = kind};
  int rc = scenario_init(&(*candidate)->scenario, advisor->analysis->timeline.peak_event);
  advisor->count += rc == 0;
  return rc;
}

static const char *find_pattern(const struct advisor *advisor, const char *layer) {
  for (size_t i = 0; i < advisor->layers.count; i++) {
    if (strcmp(advisor->layers.items[i].layer, layer) == 0) {
      return advisor->layers.items[i].pattern;
    }
  }
  return layer;
}

const char *advice_like_layers(struct advisor *advisor, const char *layer) {
  uint64_t *known = map64_put(&advisor->patterns, (uint64_t)(uintptr_t)layer);
  if (known && !*known) {
    *known = (uint64_t)(uintptr_t)strings_intern(advisor->facts->strings, find_pattern(advisor, layer));
  }
  return known ? (const char *)(uintptr_t)*known : NULL;
}

int candidate_take(struct advisor *advisor, struct candidate *candidate, const struct relief *relief) {
  const uint64_t peak = advisor->analysis->timeline.peak_event;
  if (relief->from >= relief->to) {
    return 0;
  }
  candidate->advice.blocks += relief->from <= peak && peak < relief->to;
  if (relief->op) {
    tally_add(&candidate->ops, relief->op, relief->bytes);
  }
  if (relief->layer && *relief->layer) {
    const char *layer = advice_like_layers(advisor, relief->layer);
    if (!layer) {
      return ERROR_MEMORY;
    }
    tally_add(&candidate->layers, layer, relief->bytes);
  }
  if (relief->bytes > candidate->largest) {
    candidate->largest = relief->bytes;
    candidate->advice.site = advisor->facts->history->stacks[relief->stack].site;
  }
  return scenario_take(&candidate->scenario, relief->bytes, relief->from, relief->to);
}

void tally_add(struct tally *tally, const char *name, uint64_t bytes) {
  for (size_t i = 0; i < tally->count; i++) {
    if (tally->items[i].name == name) {
      tally->items[i].bytes += bytes;
      return;
    }
  }
  if (tally->count < ADVICE_NAMES_MAX) {
    tally->items[tally->count].name = name;
    tally->items[tally->count++].bytes = bytes;
  }
}

static void largest_first(struct tally *tally) {
  for (size_t i = 1; i < tally->count; i++) {
    for (size_t j = i; j > 0 && tally->items[j - 1].bytes < tally->items[j].bytes; j--) {
      const char *name = tally->items[j].name;
      const uint64_t bytes = tally->items[j].bytes;
      tally->items[j] = tally->items[j - 1];
      tally->items[j - 1].name = name;
      tally->items[j - 1].bytes = bytes;
    }
  }
}

char *tally_join(struct tally *tally, struct strings *strings) {
  char *text = NULL, *joined = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (!out) {
    return NULL;
  }
  largest_first(tally);
  /* "and 1 more" would be no shorter than its name. */
  const size_t told = tally->count > NAMES_TOLD + 1 ? NAMES_TOLD : tally->count;
  for (size_t i = 0; i < told; i++) {
    fprintf(out, "%s%s", i ? ", " : "", tally->items[i].name);
  }
  if (told < tally->count) {
    fprintf(out, " and %zu more", tally->count - told);
  }
  if (fclose(out) == 0) {
    joined = strings_intern(strings, text);
  }
  free(text);
  return joined;
}

bool advice_row_counts(const struct saved_row *row) {
  return saved_row_counts(row) && !row->region && row->first_holder != SAVED_NONE;
}
