/* How frames are named in exports. */
#include "reports/frames.h"

#include "reports/collapsed.h"
#include "tests/reports/emitted.h"

#include <analyzers/strings.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define FRAME(function, file, module, line)                                                                            \
  { (char *)(function), (char *)(file), (char *)(module), (line) }

static void expect(char *(*named)(const struct facts_frame *), const struct facts_frame *frame, const char *name) {
  char *got = named(frame);
  cr_expect_str_eq(got, name);
  free(got);
}

Test(frames, names) {
  const struct facts_frame gelu = FRAME("at::native::gelu", "gelu.cpp", "libtorch_cpu.so", 7);
  const struct facts_frame nameless = FRAME("0x7f31deadbeef", "", "libfoo.so", 0), nowhere = FRAME("", "", "", 0);
  expect(frames_name, &gelu, "at::native::gelu");
  expect(frames_place, &gelu, "at::native::gelu");
  expect(frames_name, &nameless, "[libfoo.so]");
  expect(frames_place, &nameless, "[libfoo.so]");
  expect(frames_place, &nowhere, "[unknown]");
}

Test(frames, places_of_python) {
  const struct facts_frame line = FRAME("Net.forward", "/home/me/train.py", "", 88),
                           text = FRAME("<module>", "<string>", "", 1);
  const struct facts_frame no_line = FRAME("<built-in function gelu>", "", "", 0),
                           odd = FRAME("f", "/a/\033[31m.py", "", 2);
  expect(frames_name, &line, "Net.forward");
  expect(frames_place, &line, "train.py:88 Net.forward");
  expect(frames_place, &text, "<string>:1 <module>");
  expect(frames_place, &no_line, "<built-in function gelu>");
  expect(frames_place, &odd, "\xef\xbf\xbd[31m.py:2 f");
}

static void sample(struct facts *facts) {
  static const struct facts_frame frames[] = {FRAME("c10::alloc", "", "libc10.so", 0), FRAME("a;b", "/x/t;.py", "", 3),
                                              FRAME("<module>", "/x/t.py", "", 9)};
  facts->stacks = calloc(1, sizeof *facts->stacks);
  facts->stacks[0] = (struct facts_stack){.stack = 5, .frames = malloc(sizeof frames), .frames_count = 3};
  memcpy(facts->stacks[0].frames, frames, sizeof frames);
  facts->stacks_count = 1;
  facts->sites = calloc(1, sizeof *facts->sites);
  facts->sites[0] = (struct facts_site){.stack = 5, .bytes = 100, .blocks = 1, .site = (char *)"", .op = (char *)""};
  facts->sites_count = 1;
  facts->peak.bytes = 130;
  facts->categories[CATEGORY_SMALL] = 20;
}

Test(frames, collapsed_stacks_have_lines_of_python) {
  size_t size;
  char *text = emitted(collapsed_emit, sample, &size);
  cr_assert_str_eq(text, "t.py:9 <module>;t:.py:3 a:b;c10::alloc 100\n[small blocks] 20\n[sites not listed] 10\n");
  free(text);
}
