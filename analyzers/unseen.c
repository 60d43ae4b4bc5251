/* The preload library leaves the name of a file under a key of the trace's. */
#include "analyzers/unseen.h"

#include <stdio.h>
#include <string.h>

static const struct {
  const char *key, *text;
} kinds[] = {
    {"own_malloc",
     "has a malloc that comes before actscope's, so that the heap was not seen; link or run the program without "
     "it, or name actscope's library first in LD_PRELOAD"},
    {"no_usable_size", "has no malloc_usable_size, so that small blocks cannot be told; record with --min-size 0"},
    {"own_operator_new", "gives C++'s new memory of its own, which was not seen; only malloc was"},
    {"deepbind", "was opened with RTLD_DEEPBIND: what it allocates itself was not seen"},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

bool unseen_sentence(const struct trace_reader *reader, size_t index, char out[static UNSEEN_SIZE]) {
  for (size_t i = 0; i < KINDS; i++) {
    const char *who = trace_reader_meta(reader, kinds[i].key);
    if (*who && index-- == 0) {
      snprintf(out, UNSEEN_SIZE, "%.400s %s", who, kinds[i].text);
      return true;
    }
  }
  return false;
}

char *unseen_describe(const struct trace_reader *reader, struct strings *strings) {
  char text[KINDS * (UNSEEN_SIZE + 2)] = "", sentence[UNSEEN_SIZE];
  size_t length = 0;
  for (size_t i = 0; unseen_sentence(reader, i, sentence); i++) {
    length += (size_t)snprintf(text + length, sizeof text - length, "%s%s.", i ? " " : "", sentence);
  }
  return strings_intern(strings, text);
}
