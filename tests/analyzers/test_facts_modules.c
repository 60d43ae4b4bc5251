/* Modules that frames name: this very program, under the base name that its frames have, with the build id of the trace. */
#include "analyzers/facts_modules.h"

#include "analyzers/store.h"
#include "analyzers/strings.h"
#include "tests/analyzers/run_builder.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <stdlib.h>
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

Test(facts_modules, a_store_has_them) {
  struct path path = path_join(run.folder, "run.sqlite");
  struct facts back;
  cr_assert_eq(store_write(path.text, &facts, NULL), 0);
  cr_assert_eq(store_read(path.text, &back, NULL), 0);
  cr_expect_eq(back.modules_count, facts.modules_count);
  cr_expect_str_eq(own_module(&back)->path, own_module(&facts)->path);
  cr_expect_str_eq(own_module(&back)->build_id, own_module(&facts)->build_id);
  cr_expect_str_eq(own_module(&back)->problem, own_module(&facts)->problem);
  facts_fini(&back);
}

Test(facts_modules, why_functions_have_no_names) {
  struct trace_module gone = {0, UINT64_MAX, 0x10000, 0x20000, 0x10000, "/nowhere/libgone.so", NULL, 0};
  struct facts_frame frame = {.module = strings_intern(facts.strings, "libgone.so")};
  struct facts_stack stack = {.frames = &frame, .frames_count = 1};
  struct facts of_gone = {.strings = facts.strings, .stacks = &stack, .stacks_count = 1};
  struct symbol_frame resolved;
  struct symbols *symbols;
  cr_expect_str_eq(own_module(&facts)->problem, "");
  cr_assert_eq(symbols_open(&symbols, &gone, 1), 0);
  symbols_resolve(symbols, 0x11234, 0, &resolved, 1);
  cr_assert_eq(facts_list_modules(&of_gone, &gone, 1, symbols), 0);
  cr_assert_eq(of_gone.modules_count, 1);
  cr_expect_str_eq(of_gone.modules[0].problem, "is not there any more");
  free(of_gone.modules);
  symbols_close(symbols);
}
