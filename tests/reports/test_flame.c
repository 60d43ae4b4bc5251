/* The tree of calls: bytes add up, frames that say nothing are left out. */
#include "reports/flame.h"
#include "tests/reports/sample_facts.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct facts facts;
static struct flame flame;

static void tear_down(void) {
  flame_fini(&flame);
  free(facts.sites);
  facts.sites = NULL;
  facts_fini(&facts);
}

TestSuite(flame, .fini = tear_down);

static const struct flame_node *child(const struct flame_node *node, uint32_t index) {
  cr_assert_lt(index, node->children);
  return &flame.nodes[flame.order[node->first_child + index]];
}

/* Two stacks of these frames, the innermost first; their blocks are of 300 and 100 bytes, and 50 are small. */
enum { FRAMES = 9 };
#define FRAME(function, file, module, line)                                                                            \
  { (char *)(function), (char *)(file), (char *)(module), line }
static struct facts_frame frames[2][FRAMES] = {
    {FRAME("c10::alloc_cpu", "", "libc10.so", 0), FRAME("at::detail::empty", "", "libtorch.so", 0),
     FRAME("at::detail::empty", "", "libtorch.so", 0), FRAME("libtorch.so+0x1234", "", "libtorch.so", 0),
     FRAME("at::_ops::linear", "", "libtorch.so", 0), FRAME("_PyEval_EvalFrameDefault", "", "python3.11", 0),
     FRAME("python3.11+0x583b2e", "", "python3.11", 0), FRAME("forward", "/home/x/model.py", "", 12),
     FRAME("Py_RunMain", "", "libpython3.11.so.1.0", 0)},
    {FRAME("c10::alloc_cpu", "", "libc10.so", 0), FRAME("at::_ops::gelu", "", "libtorch.so", 0),
     FRAME("0x7f00deadbeef", "", "libtorch.so", 0), FRAME("_PyEval_EvalFrameDefault", "", "python3.11", 0),
     FRAME("python3.11+0x583b2e", "", "python3.11", 0), FRAME("_PyEval_EvalFrameDefault", "", "python3.11", 0),
     FRAME("python3.11+0x583b2e", "", "python3.11", 0), FRAME("PyEval_EvalCode", "", "python3.11", 0),
     FRAME("Py_RunMain", "", "libpython3.11.so.1.0", 0)}};

static void build(void) {
  static struct facts_stack stacks[2] = {{1, frames[0], FRAMES}, {2, frames[1], FRAMES}};
  facts.sites = calloc(3, sizeof *facts.sites);
  facts.sites[0] = (struct facts_site){1, 300, 3, (char *)"", (char *)"", CATEGORY_SAVED_ACTIVATION};
  facts.sites[1] = (struct facts_site){2, 100, 1, (char *)"", (char *)"", CATEGORY_TEMPORARY};
  facts.sites[2] = (struct facts_site){9, 7, 1, (char *)"", (char *)"", CATEGORY_OTHER};
  facts.sites_count = 3;
  facts.peak.bytes = 457;
  facts.categories[CATEGORY_SMALL] = 50;
  facts.stacks = stacks;
  facts.stacks_count = 2;
  const int code = flame_init(&flame, &facts);
  facts.stacks = NULL;
  facts.stacks_count = 0;
  cr_assert_eq(code, 0);
}

static void expect_chain(const struct flame_node *node, const char *const *names, uint64_t bytes) {
  for (; *names; names++) {
    cr_expect_str_eq(node->name, *names);
    cr_expect_eq(node->bytes, bytes);
    node = names[1] ? child(node, 0) : node;
  }
  cr_expect_eq(node->children, 0);
}

/* The interpreter's frames are left out of a stack that has lines of Python, and are one in another. */
Test(flame, frames_that_say_nothing_are_left_out) {
  static const char *const with_lines[] = {"forward (model.py:12)", "at::_ops::linear", "at::detail::empty",
                                           "c10::alloc_cpu", NULL};
  static const char *const without[] = {"[libpython3.11.so.1.0]", "[python3.11]", "at::_ops::gelu", "c10::alloc_cpu",
                                        NULL};
  build();
  expect_chain(child(&flame.nodes[0], 0), with_lines, 300);
  expect_chain(child(&flame.nodes[0], 1), without, 100);
}

Test(flame, bytes_add_up) {
  build();
  for (size_t i = 0; i < flame.count; i++) {
    const struct flame_node *node = &flame.nodes[i];
    uint64_t below = 0, all = 0, before = UINT64_MAX;
    for (uint32_t c = 0; c < node->children; c++) {
      below += child(node, c)->bytes;
      cr_expect_leq(child(node, c)->bytes, before);
      before = child(node, c)->bytes;
    }
    for (int c = 0; c < CATEGORY_COUNT; c++) {
      all += node->categories[c];
    }
    cr_expect_eq(all, node->bytes);
    cr_expect(!node->children || below == node->bytes, "%s", node->name);
  }
  cr_expect_eq(flame.nodes[0].bytes, 457);
  cr_expect_eq(flame_category(&flame.nodes[0]), CATEGORY_SAVED_ACTIVATION);
}

Test(flame, what_no_stack_tells_is_there) {
  build();
  const struct flame_node *root = &flame.nodes[0];
  cr_assert_eq(root->children, 4);
  cr_expect_str_eq(child(root, 2)->name, "[small blocks]");
  cr_expect_eq(child(root, 2)->bytes, 50);
  cr_expect_str_eq(child(root, 3)->name, "[no stack]");
  cr_expect_eq(child(root, 3)->bytes, 7);
}

Test(flame, of_nothing) {
  cr_assert_eq(flame_init(&flame, &facts), 0);
  cr_expect_eq(flame.count, 1);
  cr_expect_eq(flame.nodes[0].children, 0);
}
