/* One sentence a kind. Names of ops and layers come from the trace and are cut to what a line can bear. */
#include "reports/advice_words.h"

#include "reports/format.h"

#include <stdio.h>

enum { NAMES_SIZE = 256 };

static const char *or_some(const char *names, const char *otherwise) {
  return names && names[0] ? names : otherwise;
}

/* " in blocks.*.mlp.1"; "" where no layers are known. */
static const char *in_layers(const struct facts_advice *advice, char out[static NAMES_SIZE]) {
  const char *layers = or_some(advice->layers, "");
  snprintf(out, NAMES_SIZE, "%s%.200s", *layers ? " in " : "", layers);
  return out;
}

static void few_bits(const struct facts_run *run, const struct facts_advice *advice, char *out) {
  char layers[NAMES_SIZE], how[64] = "libfewbit (actscope/fewbit.h) computes them";
  if (run->framework && *run->framework) {
    snprintf(how, sizeof how, "actscope apply --bits %u", advice->bits);
  }
  snprintf(out, ADVICE_WORDS_SIZE, "Keep %u-bit codes for backward in place of the input of %.200s%s: %s", advice->bits,
           or_some(advice->ops, "the activations"), in_layers(advice, layers), how);
}

static void mask_bits(const struct facts_advice *advice, char *out) {
  char layers[NAMES_SIZE];
  snprintf(out, ADVICE_WORDS_SIZE, "Keep the masks of %.200s%s as a bit an element", or_some(advice->ops, "dropout"),
           in_layers(advice, layers));
}

static void free_gradients(const struct facts_advice *advice, char *out) {
  (void)advice;
  snprintf(out, ADVICE_WORDS_SIZE,
           "Let gradients go before the forward pass, which does not read them: zero_grad(set_to_none=True) "
           "right after the optimizer's step");
}

static void free_kept(const struct facts_advice *advice, char *out) {
  snprintf(out, ADVICE_WORDS_SIZE,
           "Let go before backward of what only the program keeps, results of %.200s, unless it reads them later: "
           "del, or leave their scope",
           or_some(advice->ops, "some op"));
}

static void checkpoint(const struct facts_advice *advice, char *out) {
  snprintf(out, ADVICE_WORDS_SIZE, "Checkpoint each of %.200s: what it keeps (%.200s) is computed again in backward",
           or_some(advice->layers, "the layers"), or_some(advice->ops, "all of it"));
}

static void recompute(const struct facts_advice *advice, char *out) {
  snprintf(out, ADVICE_WORDS_SIZE,
           "Compute the results of %.200s, which other ops keep, again in backward: a checkpoint around each and the "
           "op behind it",
           or_some(advice->ops, "cheap ops"));
}

static void foreach (const struct facts_advice *advice, char *out) {
  snprintf(out, ADVICE_WORDS_SIZE,
           "Let the optimizer compute on one parameter after the other, not on all at once (%.200s): foreach=False",
           or_some(advice->ops, "all ops"));
}

static void temporary(const struct facts_advice *advice, char *out) {
  const char *site = or_some(advice->site, "");
  snprintf(out, ADVICE_WORDS_SIZE,
           "The peak has temporaries of %.200s%s%.200s%s: do without them, or in smaller pieces",
           or_some(advice->ops, "some op"), *site ? " (" : "", site, *site ? ")" : "");
}

const char *advice_words(const struct facts_run *run, const struct facts_advice *advice,
                         char out[static ADVICE_WORDS_SIZE]) {
  static void (*const words[ADVICE_KINDS])(const struct facts_advice *, char *) = {
      [ADVICE_MASK_BITS] = mask_bits,   [ADVICE_FREE_GRADIENTS] = free_gradients, [ADVICE_FREE_KEPT] = free_kept,
      [ADVICE_CHECKPOINT] = checkpoint, [ADVICE_RECOMPUTE] = recompute,           [ADVICE_FOREACH] = foreach,
      [ADVICE_TEMPORARY] = temporary,
  };
  if (advice->kind == ADVICE_FEW_BITS) {
    few_bits(run, advice, out);
  } else {
    words[advice->kind](advice, out);
  }
  return out;
}
