/* The profile is gzip, deterministic, and says what the facts say: its strings are looked for in the raw message. The message
 * is decoded field by field on real runs, in tests/e2e/test_export.py. */
#include "reports/pprof.h"
#include "tests/reports/emitted.h"
#include "tests/reports/sample_facts.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { ROOM = 1 << 16 };

static unsigned char message[ROOM];
static size_t message_size;

static void load(void (*sample)(struct facts *)) {
  size_t size;
  char *bytes = emitted(pprof_emit, sample, &size);
  z_stream stream = {.next_in = (unsigned char *)bytes, .avail_in = (uInt)size, .next_out = message, .avail_out = ROOM};
  cr_assert(size > 18 && memcmp(bytes, "\x1f\x8b\x08", 3) == 0);
  cr_expect_eq(memcmp(bytes + 4, "\0\0\0\0", 4), 0, "a time would make every export another file");
  cr_assert_eq(inflateInit2(&stream, 15 + 16), Z_OK);
  cr_assert_eq(inflate(&stream, Z_FINISH), Z_STREAM_END);
  cr_expect_eq(stream.avail_in, 0);
  message_size = stream.total_out;
  inflateEnd(&stream);
  free(bytes);
}

/* The string as an entry of the string table: field 6, its length, its bytes. */
static bool has_string(const char *text) {
  unsigned char entry[256] = {6 << 3 | 2, (unsigned char)strlen(text)};
  memcpy(entry + 2, text, strlen(text));
  return memmem(message, message_size, entry, strlen(text) + 2) != NULL;
}

Test(pprof, has_what_the_facts_have) {
  static const char *const strings[] = {"inuse_objects",
                                        "count",
                                        "inuse_space",
                                        "bytes",
                                        "category",
                                        "saved_activation",
                                        "other",
                                        "op",
                                        "gelu",
                                        "at::native::gelu(at::Tensor const&; x)",
                                        "[libtorch_cpu.so]",
                                        "/usr/lib/libtorch_cpu.so",
                                        "0123abcd",
                                        "[small blocks]",
                                        "[sites not listed]",
                                        "python3.11"};
  load(sample_facts_gpt);
  for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
    cr_expect(has_string(strings[i]), "%s", strings[i]);
  }
  cr_expect_not(has_string("0x7f31deadbeef"), "addresses part like stacks");
}

Test(pprof, stack_unknown) {
  load(sample_facts_plain);
  cr_expect(has_string("[no stack]"));
  cr_expect(has_string("./train \xef\xbf\xbd\xef\xbf\xbd"
                       "data\033[31m"));
}

Test(pprof, nothing_at_all) {
  load(NULL);
  cr_expect(has_string("inuse_space"));
}
