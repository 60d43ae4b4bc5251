/* Modules that frames name: this very program, under the base name that its frames have, with the build id of the trace. */
#include "analyzers/facts_modules.h"

#include "analyzers/store.h"
#include "tests/analyzers/run_builder.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <string.h>

static struct run_builder run;
static struct facts facts;

static void set_up(void) {
  run_init(&run);
  run_alloc(&run, 0x1000, 8192, run_stack_in_op(&run, RUN_ADDMM, 2, true));
  facts = run_facts(&run);
}

static void tear_down(void) {
  facts_fini(&facts);
  run_fini(&run);
}

TestSuite(facts_modules, .init = set_up, .fini = tear_down);

static const struct facts_module *own_module(const struct facts *of) {
  return facts_find_module(of, of->stacks[of->stacks_count - 1].frames[0].module);
}

Test(facts_modules, frames_find_theirs) {
  const struct facts_module *module = own_module(&facts);
  cr_assert_not_null(module);
  cr_expect_not_null(strstr(module->path, module->name));
  cr_expect_null(facts_find_module(&facts, "libnowhere.so"));
}

Test(facts_modules, a_store_has_them_and_an_older_one_needs_not) {
  struct path path = path_join(run.folder, "run.sqlite");
  struct facts back;
  sqlite3 *db;
  cr_assert_eq(store_write(path.text, &facts, NULL), 0);
  cr_assert_eq(store_read(path.text, &back, NULL), 0);
  cr_expect_eq(back.modules_count, facts.modules_count);
  cr_expect_str_eq(own_module(&back)->path, own_module(&facts)->path);
  cr_expect_str_eq(own_module(&back)->build_id, own_module(&facts)->build_id);
  facts_fini(&back);
  cr_assert_eq(sqlite3_open(path.text, &db), SQLITE_OK);
  cr_assert_eq(sqlite3_exec(db, "DROP TABLE module", NULL, NULL, NULL), SQLITE_OK);
  sqlite3_close(db);
  cr_assert_eq(store_read(path.text, &back, NULL), 0);
  cr_expect_eq(back.modules_count, 0);
  facts_fini(&back);
}
