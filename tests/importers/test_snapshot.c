/* Memory snapshots of PyTorch as traces: the dictionaries are written as PyTorch's versions write them, by Python's pickle;
 * the trace is read back with the one reader. */
#include "importers/snapshot.h"

#include "tests/importers/python.h"
#include "tests/support/files.h"
#include "tests/support/trace_events.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define FRAME(file, line, name) "{\"filename\": \"" file "\", \"line\": " #line ", \"name\": \"" name "\"}"
#define SEGMENT(device, address, blocks)                                                                               \
  "{\"device\": " #device ", \"address\": " #address ", \"total_size\": 2097152, \"stream\": 0, \"blocks\": [" blocks  \
  "]}"
#define BLOCK(size, state, frames)                                                                                     \
  "{\"size\": " #size ", \"requested_size\": " #size " - 12, \"state\": \"" state "\", \"frames\": [" frames "]}"
#define EVENT(action, addr, size, time, frames)                                                                        \
  "{\"action\": \"" action "\", \"addr\": " #addr ", \"size\": " #size ", \"stream\": 0, \"frames\": [" frames         \
  "], \"time_us\": " #time "}"
#define SNAPSHOT(segments, traces) "{\"segments\": [" segments "], \"device_traces\": [" traces "]}"

static char *folder;
static struct path source, target;
static struct snapshot_summary summary;
static struct error err;
static struct trace_events run;

static void setup(void) {
  folder = folder_make();
  source = path_join(folder, "run.pickle");
  target = path_join(folder, "run.act");
}

static void teardown(void) {
  trace_events_fini(&run);
  folder_remove(folder);
}

TestSuite(snapshot, .init = setup, .fini = teardown);

static int import_device(const char *expression, int device) {
  static uint8_t bytes[PYTHON_MAX];
  static const char *const command[] = {"actscope", "import", "run.pickle"};
  const struct snapshot_options options = {.device = device, .command = command, .command_count = 3};
  file_write(source.text, bytes, python_pickle(bytes, expression, 4));
  return snapshot_import(source.text, target.text, &options, &summary, &err);
}

static void import(const char *expression) {
  cr_assert_eq(import_device(expression, SNAPSHOT_DEVICE_ANY), 0, "%s", err.message);
  run = trace_events_read(target.text);
  cr_assert_eq(run.code, 0, "%s", run.damage);
  cr_assert(run.complete, "%s", run.damage);
}

static void expect_refused(const char *expression, int code, const char *says) {
  cr_expect_eq(import_device(expression, SNAPSHOT_DEVICE_ANY), code);
  cr_expect_not_null(strstr(err.message, says), "it says \"%s\", not \"%s\"", err.message, says);
  cr_expect_not_null(strstr(err.message, "run.pickle: "), "it does not name the file: %s", err.message);
}

static void expect(size_t index, enum trace_event_kind kind, uint64_t time_ns, uint64_t address, uint64_t size) {
  cr_assert_lt(index, run.count);
  const struct trace_event *event = &run.items[index];
  cr_assert_eq(event->kind, kind, "event %zu is a %d", index, event->kind);
  cr_assert_eq(event->time_ns, time_ns, "event %zu is at %lu", index, (unsigned long)event->time_ns);
  cr_assert_eq(event->address, address);
  cr_assert(kind == TRACE_FREE || event->size == size, "event %zu has %lu bytes", index, (unsigned long)event->size);
}

/* The frame-th frame of the event's stack. */
static void expect_frame(size_t index, size_t frame, const char *file, unsigned line, const char *name) {
  size_t count;
  const struct trace_code *codes;
  const uint64_t *stack = trace_reader_stack(run.reader, run.items[index].stack, &count);
  size_t codes_count = trace_reader_codes(run.reader, &codes);
  cr_assert_lt(frame, count, "event %zu has %zu frames", index, count);
  cr_assert(stack[frame] & TRACE_FRAME_CODE);
  size_t code = (stack[frame] & ~TRACE_FRAME_CODE) >> TRACE_FRAME_LINE_BITS;
  cr_assert_lt(code, codes_count);
  cr_expect_str_eq(codes[code].file, file);
  cr_expect_str_eq(codes[code].name, name);
  cr_expect_eq(stack[frame] & TRACE_FRAME_LINE_MAX, line);
}

static size_t depth(size_t index) {
  size_t count;
  trace_reader_stack(run.reader, run.items[index].stack, &count);
  return count;
}

/* ---- the history ------------------------------------------------------------------------------------------------- */

Test(snapshot, events_of_the_history) {
  import(SNAPSHOT(
      SEGMENT(0, 0x7f0000000000, BLOCK(1024, "inactive", "")),
      "[" EVENT("segment_alloc", 0x7f0000000000, 2097152, 1700000000000000, "") "," EVENT(
          "alloc", 0x7f0000000000, 1000, 1700000000000007,
          FRAME("/home/me/model.py", 41, "forward") "," FRAME(
              "/home/me/train.py", 88,
              "<module>")) "," EVENT("free_requested", 0x7f0000000000, 1000, 1700000000000020,
                                     FRAME("/home/me/train.py", 90,
                                           "<module>")) "," EVENT("free_completed", 0x7f0000000000, 1000,
                                                                  1700000000000021,
                                                                  FRAME("/home/me/model.py", 41,
                                                                        "forward")) "," EVENT("segment_free",
                                                                                              0x7f0000000000, 2097152,
                                                                                              1700000000000022,
                                                                                              "") "]"));
  cr_assert_eq(run.count, 4);
  expect(0, TRACE_MAP, 0, 0x7f0000000000, 2097152);
  expect(1, TRACE_ALLOC, 7000, 0x7f0000000000, 1000);
  expect_frame(1, 0, "/home/me/model.py", 41, "forward");
  expect_frame(1, 1, "/home/me/train.py", 88, "<module>");
  cr_assert_eq(depth(1), 2);
  expect(2, TRACE_FREE, 21000, 0x7f0000000000, 0);         /* when no stream uses it any more ... */
  expect_frame(2, 0, "/home/me/train.py", 90, "<module>"); /* ... but who let go is the one that asked for it */
  expect(3, TRACE_UNMAP, 22000, 0x7f0000000000, 2097152);
  const struct trace_info *info = trace_reader_info(run.reader);
  cr_assert_eq(info->start_unix_ns, UINT64_C(1700000000000000000));
  cr_assert_eq(info->end_ns, 22000);
  cr_assert_str_eq(info->argv[2], "run.pickle");
  cr_assert_str_eq(info->framework, "pytorch memory snapshot");
  cr_assert_eq(summary.events, 5);
  cr_assert(summary.timed && summary.has_stacks && !summary.earlier && !summary.others && !summary.failures);
}

/* Its ring buffer lost the beginning: what is freed first was there, and so was what is still there. */
Test(snapshot, blocks_that_are_older_than_the_history) {
  import(SNAPSHOT(
      SEGMENT(0, 0x10000,
              BLOCK(512, "active_allocated", FRAME("m.py", 5, "init")) "," BLOCK(512, "inactive", "") "," BLOCK(
                  1024, "active_allocated", "") "," BLOCK(512, "active_pending_free", FRAME("m.py", 6, "copy"))),
      "[" EVENT("free_requested", 0x20000, 4096, 100, "") "," EVENT("free_completed", 0x20000, 4096, 101, "") "," EVENT(
          "alloc", 0x20000, 8192, 102, "") "," EVENT("alloc", 0x10400, 1000, 103, "") "]"));
  cr_assert_eq(run.count, 6);
  expect(0, TRACE_ALLOC, 0, 0x20000, 4096); /* by its free */
  expect_frame(0, 0, "", 0, "allocated before the history begins");
  expect(1, TRACE_ALLOC, 0, 0x10000, 500); /* by its segment, with its stack */
  expect_frame(1, 0, "m.py", 5, "init");
  expect(2, TRACE_ALLOC, 0, 0x10800, 500);
  expect_frame(2, 0, "m.py", 6, "copy");
  expect(3, TRACE_FREE, 1000, 0x20000, 0);
  expect(4, TRACE_ALLOC, 2000, 0x20000, 8192); /* the address serves again */
  expect(5, TRACE_ALLOC, 3000, 0x10400, 1000); /* not older: the history has it */
  cr_assert_eq(summary.earlier, 3);
  cr_assert_eq(summary.earlier_bytes, 5096);
}

Test(snapshot, only_blocks) {
  import("[" SEGMENT(0, 0x10000, BLOCK(512, "active_allocated", FRAME("m.py", 5, "init"))) "]");
  cr_assert_eq(run.count, 1);
  expect(0, TRACE_ALLOC, 0, 0x10000, 500);
  cr_assert_eq(summary.events, 0);
  cr_assert(summary.has_stacks);
}

/* A program may have told PyTorch to leave out when streams are done with a block. */
Test(snapshot, without_completed_frees_a_request_ends_a_block) {
  import(SNAPSHOT("", "[" EVENT("alloc", 0x1000, 64, 10, "") "," EVENT("free_requested", 0x1000, 64, 11,
                                                                       FRAME("m.py", 7, "f")) "]"));
  cr_assert_eq(run.count, 2);
  expect(1, TRACE_FREE, 1000, 0x1000, 0);
  expect_frame(1, 0, "m.py", 7, "f");
}

Test(snapshot, versions_before_times_and_with_a_history_of_blocks) {
  import("{\"segments\": [{\"address\": 0x10000, \"total_size\": 1024, \"blocks\": [{\"size\": 512, \"state\": "
         "\"active_allocated\","
         " \"history\": [{\"addr\": 0x10000, \"real_size\": 300, \"frames\": [" FRAME(
             "m.py", 5,
             "init") "]}]}]}],"
                     "\"device_traces\": [[{\"action\": \"alloc\", \"addr\": 0x10200, \"size\": 64, \"stream\": 0},"
                     "{\"action\": \"free_completed\", \"addr\": 0x10200, \"size\": 64, \"stream\": 0}]]}");
  cr_assert_eq(run.count, 3);
  expect(0, TRACE_ALLOC, 0, 0x10000, 300);
  expect_frame(0, 0, "m.py", 5, "init");
  expect(1, TRACE_ALLOC, 1000, 0x10200, 64);
  expect(2, TRACE_FREE, 2000, 0x10200, 0);
  cr_assert_not(summary.timed);
  cr_assert_eq(trace_reader_info(run.reader)->start_unix_ns, 0);
}

Test(snapshot, times_that_go_back_or_are_missing) {
  import(SNAPSHOT("", "[" EVENT("alloc", 0x1000, 1, 50, "") "," EVENT("alloc", 0x2000, 1, 40, "") "," EVENT(
                          "alloc", 0x3000, 1, None, "") "," EVENT("alloc", 0x4000, 1, 60, "") "]"));
  for (size_t i = 0; i < 4; i++) {
    expect(i, TRACE_ALLOC, i < 3 ? 0 : 10000, 0x1000 * (i + 1), 1);
  }
}

Test(snapshot, failed_allocations_are_told) {
  import(SNAPSHOT("", "[" EVENT("alloc", 0x1000, 1, 50,
                                "") ",{\"action\": \"oom\", \"size\": 4096, \"device_free\": 512, \"stream\": 0,"
                                    "\"time_us\": 51}," EVENT("snapshot", 0, 0, 52, "") "," EVENT("something new", 0, 0,
                                                                                                  53, "") "]"));
  cr_assert_eq(run.count, 1);
  cr_assert_eq(summary.failures, 1);
  cr_assert_eq(summary.failed_bytes, 4096);
  cr_assert_eq(summary.free_bytes, 512);
}

/* ---- frames ------------------------------------------------------------------------------------------------------ */

/* C++ frames are recorded too, if the program asked for it: among them PyTorch's own, of taking the stack. */
Test(snapshot, frames_of_cpp) {
  import(SNAPSHOT(
      "",
      "[" EVENT(
          "alloc", 0x1000, 1, 50,
          FRAME("??", 0, "torch::unwind::unwind()") "," FRAME("??", 0, "torch::CapturedTraceback::gather(bool, bool, bool)") "," FRAME(
              "??", 0,
              "c10::cuda::CUDACachingAllocator::Native::NativeCachingAllocator::allocate(unsigned "
              "long)") "," FRAME("??", 0,
                                 "at::_ops::gelu::call(at::Tensor const&, "
                                 "c10::basic_string_view<char>)") "," FRAME("m.py", 5,
                                                                            "forward")) "," EVENT("free"
                                                                                                  "_com"
                                                                                                  "plet"
                                                                                                  "ed",
                                                                                                  0x1000, 1, 51,
                                                                                                  FRAME("??", 0,
                                                                                                        "torch::"
                                                                                                        "autograd::"
                                                                                                        "SavedVariable:"
                                                                                                        ":reset_data("
                                                                                                        ")")) "]"));
  cr_assert_eq(depth(0), 3);
  expect_frame(0, 1, "", 0, "at::_ops::gelu::call(at::Tensor const&, c10::basic_string_view<char>)");
  expect_frame(0, 2, "m.py", 5, "forward");
  cr_assert(run.items[1].in_release);
}

Test(snapshot, frames_of_the_profiler) {
  import(SNAPSHOT(
      "",
      "[" EVENT("alloc", 0x1000, 1, 50,
                FRAME("none", 0, "<built-in function gelu>") "," FRAME("none", 0, "me/train.py(88): forward") "," FRAME(
                    "none", 0, "odd): name") "," FRAME("none", 0, "(5): f")) "]"));
  expect_frame(0, 0, "", 0, "<built-in function gelu>");
  expect_frame(0, 1, "me/train.py", 88, "forward");
  expect_frame(0, 2, "", 0, "odd): name");
  expect_frame(0, 3, "", 0, "(5): f");
}

Test(snapshot, equal_stacks_are_one) {
  import(
      "(lambda shared: {\"segments\": [], \"device_traces\": [[{\"action\": \"alloc\", \"addr\": i * 512, \"size\": 9,"
      "\"frames\": shared if i % 2 else [" FRAME("m.py", 5, "f") "]} for i in range(1, 101)]]})([" FRAME("m.py", 5,
                                                                                                         "f") "])");
  cr_assert_eq(run.count, 100);
  for (size_t i = 0; i < run.count; i++) {
    cr_assert_eq(run.items[i].stack, 1);
  }
}

Test(snapshot, frames_that_are_none) {
  import(SNAPSHOT("",
                  "[" EVENT("alloc", 0x1000, 1, 50,
                            "5, None, [1], {}, {\"line\": -3, \"name\": 7}") ","
                                                                             "{\"action\": \"alloc\", \"addr\": 8192, "
                                                                             "\"size\": 1, \"frames\": {\"a\": 1}}]"));
  cr_assert_eq(depth(0), 5);
  for (size_t i = 0; i < 5; i++) {
    expect_frame(0, i, "", 0, "");
  }
  cr_assert_eq(run.items[1].stack, 0);
}

/* ---- devices ----------------------------------------------------------------------------------------------------- */

static const char devices[] =
    SNAPSHOT(SEGMENT(3, 0x10000, BLOCK(512, "active_allocated", "")),
             "[],[" EVENT("alloc", 0x1000, 64, 10, "") "," EVENT("alloc", 0x2000, 64, 10, "") "],[]");

Test(snapshot, the_device_with_most_is_imported) {
  import(devices);
  cr_assert_eq(run.count, 2);
  cr_assert_eq(summary.device, 1);
  cr_assert_eq(summary.others, 1);
}

Test(snapshot, another_device) {
  cr_assert_eq(import_device(devices, 3), 0, "%s", err.message);
  run = trace_events_read(target.text);
  cr_assert_eq(run.count, 1);
  expect(0, TRACE_ALLOC, 0, 0x10000, 500);
  cr_assert_eq(summary.device, 3);
}

Test(snapshot, a_device_that_is_not_there) {
  for (int device = 0; device < 6; device += 2) {
    cr_assert_eq(import_device(devices, device), ERROR_USAGE);
    cr_assert_not_null(strstr(err.message, "; device 1 has most"), "%s", err.message);
  }
}

/* ---- what is none ------------------------------------------------------------------------------------------------ */

Test(snapshot, pickles_that_are_no_snapshot) {
  expect_refused("5", ERROR_INPUT, "no `segments'");
  expect_refused("[1, 2]", ERROR_INPUT, "no `segments'");
  expect_refused("{\"segments\": 5}", ERROR_INPUT, "no `segments'");
  expect_refused("{\"segments\": [], \"device_traces\": [[]]}", ERROR_INPUT, "no block and no event");
  expect_refused("print", ERROR_INPUT, "nothing else is ever run");
}

Test(snapshot, parts_of_other_kinds_are_survived) {
  expect_refused("{\"segments\": {\"blocks\": 1}, \"device_traces\": 7}", ERROR_INPUT, "no `segments'");
  expect_refused(
      "{\"segments\": [5, {\"blocks\": 3}, {\"device\": 1 << 63, \"blocks\": [1]}], \"device_traces\": [5, {}]}",
      ERROR_INPUT, "no block and no event");
  import(SNAPSHOT(SEGMENT(0, None, "7, None, {\"state\": \"active_allocated\"}"),
                  "[5, None, {}, {\"action\": 5}," EVENT("alloc", -5, -7, -1, "") "," EVENT(
                      "alloc", 1 << 70, 1 << 40, 1 << 70, "") "," EVENT("alloc", 4096, 512, 1 << 70, "") "]"));
  cr_assert_eq(run.count, 1);
  cr_assert_eq(summary.events, 1);
  cr_assert_eq(summary.damaged, 3 + 6);
}

/* What is left out is counted, but for actions of newer versions. */
Test(snapshot, damaged_events_are_told) {
  static const char *const sizes[] = {"-1", "1 << 70", "1.5", "float(\"nan\")", "None", "\"1\""};
  char expression[512];
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    snprintf(
        expression, sizeof expression,
        SNAPSHOT("", "[" EVENT("alloc", 4096, 512, 5, "") ",{\"action\": \"alloc\", \"addr\": 8192, \"size\": %s}]"),
        sizes[i]);
    import(expression);
    cr_expect_eq(run.count, 1, "%s", sizes[i]);
    cr_expect(summary.damaged == 1 && summary.events == 1, "%s", sizes[i]);
    trace_events_fini(&run);
  }
  import(SNAPSHOT("", "[" EVENT("alloc", 4096, 512, 5, "") ",{\"action\": \"of_newer_versions\"}]"));
  cr_expect_eq(summary.damaged, 0);
}

Test(snapshot, nothing_but_damage) {
  expect_refused("(lambda x: x.append(x) or {\"segments\": x, \"device_traces\": x})([])", ERROR_INPUT,
                 "all that is in it is");
  expect_refused("{\"segments\": [], \"device_traces\": [[[]]]}", ERROR_INPUT, "all that is in it is damaged");
}

Test(snapshot, sizes_that_cannot_be) {
  cr_assert_eq(import_device(SNAPSHOT("", "[" EVENT("alloc", 0x1000, 1 << 60, 5, "") "]"), 0), ERROR_INPUT);
  cr_assert_not_null(strstr(err.message, "cannot be"), "%s", err.message);
}

Test(snapshot, files_that_are_none) {
  const struct snapshot_options options = {.device = SNAPSHOT_DEVICE_ANY};
  cr_expect_eq(snapshot_import(source.text, target.text, &options, &summary, &err), ERROR_IO);
  cr_expect_not_null(strstr(err.message, "No such file"), "%s", err.message);
  cr_expect_eq(snapshot_import(folder, target.text, &options, &summary, &err), ERROR_INPUT);
  cr_expect_not_null(strstr(err.message, "no regular file"), "%s", err.message);
  file_write(source.text, "", 0);
  cr_expect_eq(snapshot_import(source.text, target.text, &options, &summary, &err), ERROR_INPUT);
  cr_expect_not_null(strstr(err.message, "is empty"), "%s", err.message);
  file_write(source.text, "hello", 5);
  cr_expect_eq(snapshot_import(source.text, target.text, &options, &summary, &err), ERROR_INPUT);
  cr_expect_not_null(strstr(err.message, "not a whole pickle"), "%s", err.message);
}
