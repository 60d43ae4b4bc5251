/* docs/trace-format.md is true: the bytes of its examples are those that the code writes, at the offsets it gives. */
#include "tests/support/files.h"
#include "tests/support/trace_sample.h"
#include "trace/trace_finish.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A line "OFFSET  XX XX XX  what": compares its bytes; returns how many there were, 0 if it is no such line. */
static size_t check_line(const char *line, const uint8_t *bytes, size_t size) {
  unsigned offset, byte;
  int at = 0, more = 0;
  size_t count = 0;
  // NOLINTNEXTLINE(cert-err34-c): six digits at most
  if (sscanf(line, "%6x%n", &offset, &at) != 1 || at != 6 || strncmp(line + at, "  ", 2) != 0) {
    return 0;
  }
  // NOLINTNEXTLINE(cert-err34-c): two digits at most
  for (at += 1; at < 6 + 2 + 3 * 14 && line[at] == ' ' && sscanf(line + at, " %2x%n", &byte, &more) == 1 && more == 3;
       at += more) {
    cr_assert_lt(offset + count, size, "%s", line);
    cr_assert_eq(bytes[offset + count], byte, "the byte at %zx is %02x: %s", offset + count, bytes[offset + count],
                 line);
    count++;
  }
  return count;
}

/* Checks the code block behind the heading; returns the bytes compared. */
static size_t check_example(const char *document, const char *heading, const uint8_t *bytes, size_t size) {
  const char *at = strstr(document, heading);
  cr_assert_not_null(at);
  at = strstr(at, "```\n") + 4;
  size_t compared = 0;
  for (const char *end = strstr(at, "```"); at < end; at = strchr(at, '\n') + 1) {
    size_t count = check_line(at, bytes, size);
    cr_assert_gt(count, 0, "not a line of bytes: %.60s", at);
    compared += count;
  }
  return compared;
}

static char *read_document(void) {
  const char *source = getenv("ACTSCOPE_SOURCE");
  size_t size;
  return (char *)file_read(path_join(source ? source : ".", "docs/trace-format.md").text, &size);
}

Test(trace_format, raw_example_is_what_the_writer_writes) {
  struct trace_builder builder;
  trace_builder_init(&builder, 1 << 20);
  trace_sample_documented(&builder);
  char *document = read_document();
  cr_assert_gt(check_example(document, "## Example: raw", builder.bytes, builder.size), 300);
  free(document);
  trace_builder_fini(&builder);
}

Test(trace_format, example_of_marks_is_what_the_writer_writes) {
  struct trace_builder builder;
  trace_builder_init(&builder, 1 << 20);
  trace_sample_marked(&builder);
  char *document = read_document();
  cr_assert_gt(check_example(document, "## Example: marks", builder.bytes, builder.size), 60);
  free(document);
  trace_builder_fini(&builder);
}

Test(trace_format, finished_example_is_what_finishing_writes) {
  char *folder = folder_make();
  struct path path = path_join(folder, "run.trace");
  struct trace_builder builder;
  trace_builder_init(&builder, 1 << 20);
  trace_sample_documented(&builder);
  trace_builder_save(&builder, path.text);
  struct trace_finish_options options = {.compress = true, .exit_status = 0};
  cr_assert_eq(trace_finish(path.text, path.text, &options, NULL), 0);
  size_t size;
  uint8_t *bytes = file_read(path.text, &size);
  char *document = read_document();
  cr_assert_gt(check_example(document, "## Example: finished", bytes, size), 150);
  free(document);
  free(bytes);
  trace_builder_fini(&builder);
  folder_remove(folder);
}
