/* Walks against libunwind's, from the same place: every frame must be the same, whatever the last walk was. */
#define UNW_LOCAL_ONLY
#include "profiler/unwind.h"
#include "profiler/unwind_rule.h"
#include "tests/profiler/bare_code.h"

#include <alloca.h>
#include <criterion/criterion.h>
#include <libunwind.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define NOINLINE __attribute__((noinline))
#define KEEP_FRAME() __asm__ volatile("" ::: "memory")

enum { MAX = 256 };

static __thread struct unwind_memo memo;
static size_t walks;

/* Both walks begin with this function's caller. */
static NOINLINE void compare(size_t max) {
  void *expected[CONFIG_STACK_DEPTH_MAX + 2];
  struct stack_key key;
  size_t count = unwind_walk(&memo, __builtin_frame_address(0), max, &key);
  const uint64_t *frames = unwind_frames(&memo, count);
  int known = unw_backtrace(expected, (int)max + 2);
  size_t skip = 0;
  while (skip < 4 && (uintptr_t)expected[skip] != frames[0]) {
    skip++;
  }
  cr_assert_lt(skip, 4, "the caller is not in libunwind's walk");
  for (size_t i = 0; i < count && skip + i < (size_t)known; i++) {
    cr_assert_eq(frames[i], (uintptr_t)expected[skip + i], "frame %zu of %zu", i, count);
  }
  /* libunwind may end one frame earlier or later at the very bottom, _start. */
  cr_assert(count == max || count + 1 >= (size_t)known - skip, "%zu frames, %d expected", count, known - (int)skip);
  struct stack_key again = stack_key_of(frames, count);
  cr_assert(key.low == again.low && key.high == again.high, "the key is not the frames'");
  walks++;
}

/* ---- functions with frames of every kind --------------------------------------------------------------------------------- */

typedef void descent(unsigned path, int depth, size_t max);
static descent plain, with_alloca, aligned, with_registers;

static NOINLINE void next(unsigned path, int depth, size_t max) {
  static descent *const kinds[] = {plain, with_alloca, aligned, with_registers};
  if (depth == 0) {
    compare(max);
    compare(max); /* the same once more */
  } else {
    kinds[path & 3](path >> 2 | path << 30, depth - 1, max);
  }
  KEEP_FRAME();
}

static NOINLINE void plain(unsigned path, int depth, size_t max) {
  next(path, depth, max);
  KEEP_FRAME();
}

/* CFA by rbp. */
static NOINLINE void with_alloca(unsigned path, int depth, size_t max) {
  volatile char *room = alloca(16 + path % 200);
  room[0] = 1;
  next(path, depth, max);
  room[1] = 2;
}

/* The stack is realigned: CFA by an expression. */
static NOINLINE void aligned(unsigned path, int depth, size_t max) {
  char buffer[128] __attribute__((aligned(128)));
  buffer[path % 128] = 1;
  __asm__ volatile("" ::"r"(buffer) : "memory"); /* somebody might look at it */
  next(path, depth, max);
  __asm__ volatile("" ::"r"(buffer) : "memory");
}

static NOINLINE void with_registers(unsigned path, int depth, size_t max) {
  unsigned a = path * 3, b = path * 5, c = path * 7, d = path * 11, e = path * 13;
  __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e));
  next(path, depth, max);
  __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e));
}

Test(unwind, frames_of_every_kind, .timeout = 60) {
  srand(1);
  for (int i = 0; i < 3000; i++) {
    next((unsigned)rand(), rand() % 24, MAX);
  }
  cr_expect_eq(walks, 6000);
}

Test(unwind, limited_depth, .timeout = 60) {
  for (size_t max = 1; max < 40; max++) {
    next(0x12345678u * (unsigned)max, 20, max);
    cr_expect_leq(memo.count, CONFIG_STACK_DEPTH_MAX);
  }
  for (int i = 0; i < 200; i++) { /* limits in turn, over the same frames */
    next(0x9876543u, 15 + i % 3, i % 2 ? 10 : MAX);
  }
}

Test(unwind, deeper_than_can_be_remembered, .timeout = 60) {
  for (int depth = 200; depth < 700; depth += 50) {
    next(0, depth, CONFIG_STACK_DEPTH_MAX);
    next(0, depth + 1, 100);
    next(0, 10, CONFIG_STACK_DEPTH_MAX);
  }
}

/* ---- signals --------------------------------------------------------------------------------------------------------------- */

static void handler(int number) {
  (void)number;
  compare(MAX);
  next(77, 5, MAX);
}

static NOINLINE void raise_below(unsigned path, int depth) {
  if (depth) {
    raise_below(path, depth - 1);
  } else {
    raise(SIGUSR1);
  }
  KEEP_FRAME();
}

static void run_signals(int flags) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
  sigaction(SIGUSR1, &action, NULL);
  for (int i = 0; i < 50; i++) {
    next((unsigned)i * 7919, 10, MAX);
    raise_below(1, i % 10);
  }
  cr_expect_eq(walks, 50 * 2 + 50 * 3);
}

Test(unwind, through_a_signal_frame, .timeout = 60) {
  run_signals(0);
}

Test(unwind, from_the_alternate_stack, .timeout = 60) {
  static char memory[1 << 18];
  stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
  sigaltstack(&stack, NULL);
  run_signals(SA_ONSTACK);
}

static bool met;

static void look_outwards(int number) {
  (void)number;
  met = unwind_meets_signal(__builtin_frame_address(0), UINT64_MAX >> 1);
}

Test(unwind, tells_a_signal_from_a_call) {
  char here;
  struct sigaction action = {.sa_handler = look_outwards};
  sigaction(SIGUSR1, &action, NULL);
  raise(SIGUSR1);
  cr_expect(met);
  cr_expect_not(unwind_meets_signal(__builtin_frame_address(0), (uintptr_t)&here));
}

/* ---- stacks that come and go ------------------------------------------------------------------------------------------------ */

static ucontext_t home;
static unsigned coroutine_path;

static void coroutine(void) {
  next(coroutine_path, 12, MAX);
  swapcontext(&(ucontext_t){0}, &home);
}

/* The same addresses again and again, of stacks of two sizes: what is remembered of the larger one is not there in the
 * smaller. glibc's makecontext has no frames beyond its own. */
Test(unwind, stacks_mapped_where_others_were, .timeout = 60) {
  for (int i = 0; i < 300; i++) {
    size_t size = i % 2 ? 1 << 16 : 1 << 18;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(memory, MAP_FAILED);
    ucontext_t context;
    getcontext(&context);
    context.uc_stack = (stack_t){.ss_sp = memory, .ss_size = size};
    context.uc_link = NULL;
    makecontext(&context, coroutine, 0);
    coroutine_path = (unsigned)i / 4 * 2654435761u;
    swapcontext(&home, &context);
    munmap(memory, size);
    next(coroutine_path, 3, MAX);
  }
}

static void *thread(void *argument) {
  for (unsigned i = 0; i < 200; i++) {
    next((unsigned)(uintptr_t)argument * 31 + i, 12, MAX);
  }
  return NULL;
}

Test(unwind, threads, .timeout = 60) {
  pthread_t threads[4];
  for (uintptr_t i = 0; i < 4; i++) {
    cr_assert_eq(pthread_create(&threads[i], NULL, thread, (void *)i), 0);
  }
  for (int i = 0; i < 4; i++) {
    pthread_join(threads[i], NULL);
  }
}

/* ---- no call frame information --------------------------------------------------------------------------------------------- */

static NOINLINE void meet_bare_code(const void *caller) {
  struct stack_key key;
  size_t count = unwind_walk(&memo, __builtin_frame_address(0), MAX, &key);
  const uint64_t *frames = unwind_frames(&memo, count);
  cr_assert_gt(count, 3);
  cr_expect_eq(unwind_rule_kind(unwind_rule_read(frames[0] - 1)), UNWIND_RULE_NONE);
  cr_expect_eq(frames[1], (uintptr_t)caller);
}

static uintptr_t further_out;

static NOINLINE void ask_for_a_signal(const void *caller) {
  (void)caller;
  cr_expect(unwind_meets_signal(__builtin_frame_address(0), further_out), "a guess tells nothing");
}

Test(unwind, through_code_without_frame_information) {
  const void *return_address;
  char here;
  further_out = (uintptr_t)&here;
  bare_call(ask_for_a_signal, &return_address);
  for (int i = 0; i < 3; i++) { /* the last walk is made use of */
    bare_call(meet_bare_code, &return_address);
    plain(3, 3, MAX);
  }
}

/* ---- rules ------------------------------------------------------------------------------------------------------------------- */

Test(unwind, no_rule_where_there_is_no_code) {
  int local;
  cr_expect_eq(unwind_rule_kind(unwind_rule_read(0)), UNWIND_RULE_ODD);
  cr_expect_eq(unwind_rule_kind(unwind_rule_read(UINT64_MAX)), UNWIND_RULE_ODD);
  cr_expect_eq(unwind_rule_kind(unwind_rule_read((uintptr_t)&local)), UNWIND_RULE_ODD);
}

#if defined(__x86_64__)
Test(unwind, rule_at_a_functions_first_instruction) {
  struct unwind_rule rule = unwind_rule_read((uintptr_t)&plain);
  cr_expect_eq(unwind_rule_kind(rule), UNWIND_RULE_STEP);
  cr_expect_eq(unwind_rule_cfa_base(rule), UNWIND_BASE_SP);
  cr_expect_eq(rule.cfa_offset, 8);
  cr_expect_eq(unwind_rule_bp_base(rule), UNWIND_BASE_NONE);
  cr_expect_eq(unwind_rule_ip_offset(rule), -8);
}
#endif
