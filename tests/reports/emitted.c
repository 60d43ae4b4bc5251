/* Emitters into memory. */
#include "tests/reports/emitted.h"

#include <criterion/criterion.h>

char *emitted(void (*emit)(struct sink *sink, const struct facts *facts), void (*sample)(struct facts *facts),
              size_t *size) {
  struct facts facts = {0};
  struct sink sink;
  struct error err;
  if (sample) {
    sample(&facts);
  }
  cr_assert_eq(sink_open_memory(&sink, &err), 0);
  emit(&sink, &facts);
  cr_assert_eq(sink_close(&sink, &err), 0, "%s", err.message);
  facts_fini(&facts);
  if (size) {
    *size = sink.memory_size;
  }
  return sink.memory;
}
