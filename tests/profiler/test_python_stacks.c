/* Python's frames in a trace, from an interpreter that is made of bytes: places among native frames, names, code objects that
 * die. The evaluation function is one of libc's, so that the loader can tell how large it is. */
#include "profiler/python_stacks.h"

#include "profiler/recorder.h"
#include "tests/profiler/fake_python.h"
#include "tests/support/files.h"
#include "trace/trace_reader.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VERSION = 0x030b07f0, OUTSIDE = 0x1000, DEPTH = 16, FRAMES = 4 };

static char *folder;
static uint64_t type[32];
static struct fake_thread thread;
static struct fake_frame frames[FRAMES]; /* [0] is the innermost */
static struct fake_code codes[FRAMES];
static struct python_memo memo;
static const struct python_layout *layout;
static uint64_t inside; /* a return address in the evaluation function */

static void *current_thread(void) {
  return thread.state;
}

static uint64_t died;

static void dealloc(void *object) {
  died = (uintptr_t)object;
}

static struct python_start start(void) {
  return (struct python_start){
      .version = VERSION,
      .thread = current_thread,
      .code_type = type,
      .evaluate = (const void *)(uintptr_t)&qsort_r,
      .own_folder = "/opt/actscope/startup",
  };
}

/* f0 < f1 < f2 < f3, of which f1 and f3 were called from C. */
static void make_frames(void) {
  layout = python_layout_find(VERSION);
  for (int i = FRAMES; i-- > 0;) {
    char name[16];
    snprintf(name, sizeof name, "f%d", i);
    uint64_t code = fake_code(&codes[i], layout, (uintptr_t)type, "/home/me/train.py", name, 10 + (uint32_t)i);
    fake_frame(&frames[i], layout, code, 2, i % 2, i + 1 < FRAMES ? &frames[i + 1] : NULL);
  }
  fake_thread(&thread, layout, frames);
}

static void setup(void) {
  static char name[] = "code";
  folder = folder_make();
  setenv(CONFIG_ENV_TRACE, path_join(folder, "run").text, 1);
  setenv(CONFIG_ENV_PYTHON_STACKS, "1", 1);
  recorder_init();
  cr_assert_not_null(recorder_config());
  fake_put_word(type, PYTHON_TYPE_NAME, (uintptr_t)name);
  fake_put_word(type, PYTHON_TYPE_DEALLOC, (uintptr_t)&dealloc);
  make_frames();
  struct python_start all = start();
  cr_assert_eq(python_stacks_prepare(&all), PYTHON_FITS);
  python_stacks_enable(true);
  inside = (uintptr_t)&qsort_r + 8;
}

static void teardown(void) {
  folder_remove(folder);
}

TestSuite(python_stacks, .init = setup, .fini = teardown, .timeout = 60);

static void free_code(const struct fake_code *code) {
  void (*destroy)(void *);
  memcpy(&destroy, (uint8_t *)type + PYTHON_TYPE_DEALLOC, sizeof destroy);
  destroy((void *)(uintptr_t)code->object);
}

/* ---- splicing -------------------------------------------------------------------------------------------------------- */

/* What stands in place i: 'n' a native frame, or the digit of a function. */
static char place(uint64_t frame) {
  if (!(frame & TRACE_FRAME_CODE)) {
    return 'n';
  }
  return (char)('0' + (frame & TRACE_FRAME_LINE_MAX) - 10);
}

/* native: 'n' outside, 'e' in the evaluation function. */
static void expect_places(const char *native, const char *wanted, size_t max) {
  uint64_t addresses[DEPTH];
  char places[DEPTH + 1] = "";
  size_t count = strlen(native);
  for (size_t i = 0; i < count; i++) {
    addresses[i] = native[i] == 'e' ? inside : OUTSIDE;
  }
  const uint64_t *spliced = python_stacks_splice(&memo, addresses, &count, max);
  for (size_t i = 0; i < count; i++) {
    places[i] = place(spliced[i]);
  }
  cr_expect_str_eq(places, wanted, "%s: %s, not %s", native, places, wanted);
}

Test(python_stacks, frames_take_the_places_of_evaluation_functions) {
  struct stack_key key = STACK_KEY_EMPTY;
  cr_assert_eq(python_stacks_take(&memo, DEPTH, &key), FRAMES);
  expect_places("nnennenn", "nn01nn23nn", DEPTH);
  expect_places("ee", "0123", DEPTH);
  expect_places("nnenenen", "nn01n23nnn", DEPTH); /* one too many: it stays as it is */
  expect_places("nnenn", "nn01nn23", DEPTH);      /* one does not show */
  expect_places("nn", "nn0123", DEPTH);
  expect_places("", "0123", DEPTH);
  expect_places("nnennenn", "nn01n", 5);
  expect_places("nnennenn", "nn0", 3);
  expect_places("nnennenn", "", 0);
}

Test(python_stacks, own_frames_are_left_out_but_not_their_function) {
  struct stack_key key = STACK_KEY_EMPTY;
  fake_code(&codes[1], layout, (uintptr_t)type, "/opt/actscope/startup/actscope_layers.py", "f1", 11);
  fake_code(&codes[2], layout, (uintptr_t)type, "/opt/actscope/startup.py", "f2", 12);
  cr_assert_eq(python_stacks_take(&memo, DEPTH, &key), FRAMES);
  expect_places("nenen", "n0n23n", DEPTH);
  fake_code(&codes[0], layout, (uintptr_t)type, "/opt/actscope/startup/actscope_layers.py", "f0", 10);
  free_code(&codes[0]);
  cr_assert_eq(python_stacks_take(&memo, DEPTH, &key), FRAMES);
  expect_places("nenen", "nnn23n", DEPTH);
}

/* ---- keys ------------------------------------------------------------------------------------------------------------ */

static struct stack_key take(void) {
  struct stack_key key = stack_key_push(STACK_KEY_EMPTY, 7);
  python_stacks_take(&memo, DEPTH, &key);
  return key;
}

static bool same(struct stack_key a, struct stack_key b) {
  return a.low == b.low && a.high == b.high;
}

Test(python_stacks, keys_are_those_of_the_lines) {
  struct stack_key first = take(), native = stack_key_push(STACK_KEY_EMPTY, 7);
  cr_expect(same(first, take()));
  cr_expect_not(same(first, native));
  fake_frame(&frames[0], layout, (uintptr_t)codes[0].object, 6, 0, &frames[1]);
  cr_expect(same(first, take()), "another instruction of the line");
  fake_frame(&frames[0], layout, (uintptr_t)codes[1].object, 6, 0, &frames[1]);
  cr_expect_not(same(first, take()));
  fake_frame(&frames[0], layout, (uintptr_t)codes[0].object, 2, 0, &frames[1]);
  cr_expect(same(first, take()));
  fake_thread(&thread, layout, NULL);
  cr_expect(same(native, take()), "no frames");
  fake_thread(&thread, layout, &frames[1]);
  cr_expect_not(same(first, take()));
}

/* Two instructions in turn, as in a loop: once both are known, the code object is not read any more. */
Test(python_stacks, what_is_known_is_not_read_again) {
  struct stack_key keys[2];
  for (int i = 0; i < 4; i++) {
    fake_frame(&frames[0], layout, (uintptr_t)codes[0].object, i % 2 ? 4 : 2, 0, &frames[1]);
    keys[i % 2] = take();
  }
  for (int i = 0; i < FRAMES; i++) {
    fake_put_word(codes[i].object, PYTHON_OBJECT_TYPE, 0x4444);
  }
  for (int i = 0; i < 4; i++) {
    fake_frame(&frames[0], layout, (uintptr_t)codes[0].object, i % 2 ? 4 : 2, 0, &frames[1]);
    cr_expect(same(keys[i % 2], take()), "%d", i);
  }
}

/* Other code comes to lie where code has died: without the destructor's word the old names would be believed. */
Test(python_stacks, what_is_known_of_code_dies_with_it) {
  struct stack_key first = take();
  uint64_t deaths = python_stacks_deaths();
  free_code(&codes[0]);
  cr_expect_eq(died, (uintptr_t)codes[0].object, "the true destructor was called");
  cr_expect_eq(python_stacks_deaths(), deaths + 1);
  cr_expect(same(first, take()), "the same code again is the same");
  fake_code(&codes[0], layout, (uintptr_t)type, "/home/me/other.py", "g", 10);
  free_code(&codes[3]);
  cr_expect_not(same(first, take()));
}

Test(python_stacks, torn_frames_give_what_can_be_read) {
  struct stack_key whole = take();
  fake_put_word(codes[0].object, PYTHON_OBJECT_TYPE, 0x4444);
  free_code(&codes[0]);
  cr_expect_not(same(whole, take()));
  expect_places("nenen", "n1n23n", DEPTH);
  fake_put_word(&frames[1], layout->frame_caller, 0xdeadbeef0000);
  take();
  expect_places("nenen", "n1nnn", DEPTH);
}

/* ---- in a trace ------------------------------------------------------------------------------------------------------ */

static char *heap; /* of the preload library's kind: never read */

static struct trace_reader *read_back(void) {
  char name[64];
  struct trace_reader *reader;
  struct error err = {""};
  snprintf(name, sizeof name, "run.%d", (int)getpid());
  cr_assert_eq(trace_reader_open(&reader, path_join(folder, name).text, &err), 0, "%s", err.message);
  return reader;
}

/* The names of the codes in the stack of the n-th allocation. */
static void stack_of(struct trace_reader *reader, int n, char *text, size_t size) {
  const struct trace_code *all;
  struct trace_event event;
  struct error err;
  size_t count, used = 0, codes_count = trace_reader_codes(reader, &all);
  trace_reader_rewind(reader);
  while (n >= 0 && trace_reader_next(reader, &event, &err) > 0) {
    n -= event.kind == TRACE_ALLOC;
  }
  cr_assert_lt(n, 0);
  const uint64_t *found = trace_reader_stack(reader, event.stack, &count);
  text[0] = '\0';
  for (size_t i = 0; i < count; i++) {
    if (found[i] & TRACE_FRAME_CODE) {
      uint64_t id = (found[i] & ~TRACE_FRAME_CODE) >> TRACE_FRAME_LINE_BITS;
      cr_assert_lt(id, codes_count);
      used += (size_t)snprintf(text + used, size - used, "%s:%d %s;", all[id].file,
                               (int)(found[i] & TRACE_FRAME_LINE_MAX), all[id].name);
    }
  }
}

static __attribute__((noinline)) void allocate(void) {
  recorder_alloc(recorder_current(), heap += 4096, 4096, __builtin_frame_address(0));
}

Test(python_stacks, stand_in_the_trace) {
  char text[512];
  errno = 77;
  allocate();
  cr_expect_eq(errno, 77);
  fake_thread(&thread, layout, &frames[2]);
  allocate();
  python_stacks_enable(false);
  allocate();
  struct trace_reader *reader = read_back();
  stack_of(reader, 0, text, sizeof text);
  cr_expect_str_eq(text,
                   "/home/me/train.py:10 f0;/home/me/train.py:11 f1;/home/me/train.py:12 f2;/home/me/train.py:13 f3;");
  stack_of(reader, 1, text, sizeof text);
  cr_expect_str_eq(text, "/home/me/train.py:12 f2;/home/me/train.py:13 f3;");
  stack_of(reader, 2, text, sizeof text);
  cr_expect_str_eq(text, "");
  trace_reader_close(reader);
}

/* ---- start ----------------------------------------------------------------------------------------------------------- */

Test(python_stacks, looks_are_what_would_be_recorded) {
  const char *looks;
  static const char wanted[] = "/home/me/train.py\0f0\00010\0/home/me/train.py\0f1\00011\0"
                               "/home/me/train.py\0f2\00012\0/home/me/train.py\0f3\00013";
  cr_assert_eq(python_stacks_look(&looks), sizeof wanted);
  cr_expect_arr_eq(looks, wanted, sizeof wanted);
  fake_put_word(codes[2].object, PYTHON_OBJECT_TYPE, 0x4444);
  cr_expect_eq(python_stacks_look(&looks), -1);
}

Test(python_stacks, prepares_only_what_fits) {
  struct python_start bad = start();
  bad.version = 0x030800f0;
  cr_expect_eq(python_stacks_prepare(&bad), PYTHON_UNKNOWN_VERSION);
  cr_expect_not(python_stacks_on);
  bad = start();
  bad.offsets = type;
  bad.offsets_size = sizeof type;
  cr_expect_eq(python_stacks_prepare(&bad), PYTHON_UNKNOWN_VERSION);
  bad = start();
  bad.code_type = frames;
  cr_expect_eq(python_stacks_prepare(&bad), PYTHON_ANOTHER);
  bad = start();
  cr_expect_eq(python_stacks_prepare(&bad), PYTHON_FITS, "again");
  free_code(&codes[0]);
  cr_expect_eq(died, (uintptr_t)codes[0].object, "the destructor is still taken over only once");
}

Test(python_stacks_off, nothing_is_on_by_itself) {
  const char *looks;
  cr_expect_eq(python_stacks_look(&looks), -1, "not prepared");
  python_stacks_enable(true);
  cr_expect_not(python_stacks_on);
  struct python_start nothing = start();
  cr_expect_eq(python_stacks_prepare(&nothing), PYTHON_NOT_WANTED, "nothing is recorded");
}
