/* From analyzers/ to kernels/, which know nothing of each other. */
#include "cli/replay_list.h"

#include "analyzers/eligible.h"

#include <stdlib.h>

int replay_list(const struct facts *facts, struct replay_activation **list, size_t *count, struct error *err) {
  struct eligible *eligible = NULL;
  *list = NULL;
  int code = eligible_list(facts, &eligible, count);
  if (code == 0) {
    *list = calloc(*count + 1, sizeof **list);
    code = *list ? 0 : ERROR_MEMORY;
  }
  for (size_t i = 0; code == 0 && i < *count; i++) {
    (*list)[i] = (struct replay_activation){eligible[i].function, eligible[i].dtype, eligible[i].layer,
                                            eligible[i].elements, eligible[i].bytes};
  }
  free(eligible);
  return code < 0 ? error_set(err, code, "the list of eligible activations: out of memory") : 0;
}
