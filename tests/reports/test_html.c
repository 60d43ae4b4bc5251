/* Text that is nothing but text. */
#include "reports/html.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static char *escaped(const char *text) {
  struct sink sink;
  struct error err;
  cr_assert_eq(sink_open_memory(&sink, &err), 0);
  html_text(&sink, text);
  cr_assert_eq(sink_close(&sink, &err), 0);
  return sink.memory;
}

static void expect(const char *text, const char *wanted) {
  char *got = escaped(text);
  cr_expect_str_eq(got, wanted);
  free(got);
}

Test(html, what_has_a_meaning_is_escaped) {
  expect("a<b>c&d\"e'f", "a&lt;b&gt;c&amp;d&quot;e&#39;f");
  expect("&amp;</script>", "&amp;amp;&lt;/script&gt;");
  expect("plain, gr\xc3\xbc\xc3\x9f", "plain, gr\xc3\xbc\xc3\x9f");
}

Test(html, what_is_no_text_becomes_a_sign) {
  expect("a\xff"
         "b\033[31m",
         "a\xef\xbf\xbd"
         "b\xef\xbf\xbd[31m");
  expect("", "");
  expect(NULL, "");
}
