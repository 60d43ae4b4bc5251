/* What the preload library left under its keys becomes sentences. */
#include "analyzers/unseen.h"

#include "tests/analyzers/run_builder.h"

#include <criterion/criterion.h>
#include <string.h>

static struct run_builder run;
static struct facts facts;

static void set_up(void) {
  run_init(&run);
}

static void tear_down(void) {
  facts_fini(&facts);
  run_fini(&run);
}

static void tell(const char *key, const char *value) {
  trace_write_meta(&run.trace.tables, run_string(&run, key), run_string(&run, value));
}

TestSuite(unseen, .init = set_up, .fini = tear_down);

Test(unseen, nothing) {
  facts = run_facts(&run);
  cr_expect_str_eq(facts.run.unseen, "");
}

Test(unseen, several) {
  tell("deepbind", "plugin.so");
  tell("own_malloc", "/lib/libjemalloc.so.2");
  facts = run_facts(&run);
  cr_expect_eq(strstr(facts.run.unseen, "/lib/libjemalloc.so.2 has a malloc that comes before"), facts.run.unseen);
  cr_expect_not_null(strstr(facts.run.unseen, "LD_PRELOAD. plugin.so was opened with RTLD_DEEPBIND"));
  cr_expect_eq(facts.run.unseen[strlen(facts.run.unseen) - 1], '.');
}
