/* massif.out: golden text, and what must hold of a tree. ms_print reads real ones in tests/e2e/test_export.py. */
#include "reports/massif.h"
#include "tests/reports/emitted.h"
#include "tests/reports/golden.h"
#include "tests/reports/sample_facts.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Test(massif, golden) {
  size_t size;
  char *text = emitted(massif_emit, sample_facts_gpt, &size);
  golden_expect("massif_gpt.out", text, size);
  free(text);
}

Test(massif, plain_program_has_its_peak) {
  char *text = emitted(massif_emit, sample_facts_plain, NULL);
  cr_expect_not_null(strstr(text, "snapshot=0\n"));
  cr_expect_not_null(strstr(text, "heap_tree=peak\nn1: 1000 "));
  cr_expect_not_null(strstr(text, "[no stack]"));
  free(text);
}

/* A stack of a thousand frames is cut, not followed into the ground. */
static struct facts_frame frames[1000];
static struct facts_stack stack = {1, frames, 1000};
static struct facts_site sites[2] = {{1, 600, 1, NULL, NULL, CATEGORY_OTHER}, {1, 400, 1, NULL, NULL, CATEGORY_OTHER}};
static char names[1000][16];

static void deep(struct sink *sink, const struct facts *none) {
  struct facts facts = {.stacks = &stack, .stacks_count = 1, .sites = sites, .sites_count = 2, .peak.bytes = 1000};
  (void)none;
  for (int i = 0; i < 1000; i++) {
    snprintf(names[i], sizeof names[i], "f%d#x", i);
    frames[i].function = names[i];
  }
  massif_emit(sink, &facts);
}

Test(massif, deep_stacks_are_cut) {
  char *text = emitted(deep, NULL, NULL);
  cr_expect_not_null(strstr(text, " n1: 1000 0x0: f0~x (in ?)\n  n1: 1000 0x0: f1~x"), "two sites of a stack are one");
  cr_expect_not_null(strstr(text, "n0: 1000 0x0: f63~x"));
  cr_expect_null(strstr(text, "f64"));
  free(text);
}

/* A thousand small sites are summed up in one line; what no site accounts for has one, too. */
static void wide(struct sink *sink, const struct facts *none) {
  static struct facts_stack stacks[1000];
  static struct facts_site many[1000];
  struct facts facts = {.stacks = stacks, .stacks_count = 1000, .sites = many, .sites_count = 1000, .peak.bytes = 5100};
  (void)none;
  for (uint32_t i = 0; i < 1000; i++) {
    snprintf(names[i], sizeof names[i], "g%u", i);
    frames[i].function = names[i];
    stacks[i] = (struct facts_stack){i, &frames[i], 1};
    many[i] = (struct facts_site){i, 5, 1, NULL, NULL, CATEGORY_OTHER};
  }
  massif_emit(sink, &facts);
}

Test(massif, small_branches_are_summed_up) {
  char *text = emitted(wide, NULL, NULL);
  cr_expect_not_null(strstr(text, " n0: 5000 in 1000 places, all below massif's threshold (1.00%)\n"));
  cr_expect_not_null(strstr(text, "n2: 5100 (heap"));
  cr_expect_not_null(strstr(text, " n0: 100 0x0: [sites not listed] (in ?)\n"));
  free(text);
}
