/* Whole runs of programs that say nothing: trainers of several sorts, whose steps and saved sets are known by construction, and
 * programs that only look like one. */
#include "analyzers/analyze.h"
#include "tests/analyzers/run_builder.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { KIB = 1024, LAYERS = 4, NS_OF_WORK = 100000 };
enum { PARAMETER, INPUT, LINEAR, GELU, TEMPORARY, LOSS, GRADIENT, FREE_SAVED, FREE_GRADIENT, FREE_TEMPORARY, PLACES };

struct program {
  struct run_builder run;
  uint32_t stacks[PLACES];
  uint64_t next_address;
  size_t steps;         /* made so far */
  uint64_t layer_bytes; /* of every activation */
};

static struct program program;
static struct facts facts;

static void set_up(void) {
  program = (struct program){.next_address = 1u << 20, .layer_bytes = 64 * KIB};
  run_init(&program.run);
  for (unsigned i = 0; i < PLACES; i++) {
    program.stacks[i] = run_stack_outside(&program.run, i);
  }
}

static void tear_down(void) {
  facts_fini(&facts);
  run_fini(&program.run);
}

TestSuite(infer, .init = set_up, .fini = tear_down);

static void work(int share) {
  program.run.time_ns += (uint64_t)(NS_OF_WORK * share);
}

static uint64_t allocate(int place, uint64_t bytes) {
  const uint64_t address = program.next_address;
  program.next_address += (bytes + 0xfff) & ~(uint64_t)0xfff;
  run_alloc(&program.run, address, bytes, program.stacks[place]);
  return address;
}

static void release(uint64_t address, int place) {
  run_free(&program.run, address, program.stacks[place], false);
}

static void use_temporary(int count) {
  for (int i = 0; i < count; i++) {
    const uint64_t temporary = allocate(TEMPORARY, 32 * KIB);
    work(1);
    release(temporary, FREE_TEMPORARY);
  }
}

struct pass {
  uint64_t input, linear[LAYERS], gelu[LAYERS];
};

static struct pass forward(void) {
  struct pass pass = {.input = allocate(INPUT, 8 * KIB)};
  for (int i = 0; i < LAYERS; i++) {
    pass.linear[i] = allocate(LINEAR, program.layer_bytes);
    work(2);
    use_temporary(1);
    pass.gelu[i] = allocate(GELU, program.layer_bytes);
    work(1);
  }
  return pass;
}

/* The gradient of each activation is computed from that of the one behind it. */
static void backward(const struct pass *pass) {
  uint64_t gradient = allocate(LOSS, program.layer_bytes);
  for (int i = LAYERS - 1; i >= 0; i--) {
    release(pass->gelu[i], FREE_SAVED);
    const uint64_t of_linear = allocate(GRADIENT, program.layer_bytes);
    work(2);
    release(gradient, FREE_GRADIENT);
    release(pass->linear[i], FREE_SAVED);
    gradient = allocate(GRADIENT, program.layer_bytes);
    work(4);
    release(of_linear, FREE_GRADIENT);
  }
  release(gradient, FREE_GRADIENT);
  release(pass->input, FREE_SAVED);
}

static void step(void) {
  const struct pass pass = forward();
  work(1);
  backward(&pass);
  work(1);
  program.steps++;
}

static uint64_t saved_of_a_step(void) {
  return 8 * KIB + 2 * LAYERS * program.layer_bytes;
}

static void expect_steps(void) {
  facts = run_facts(&program.run);
  cr_assert_eq(facts.steps_count, program.steps, "%zu steps", facts.steps_count);
  cr_expect_str_eq(facts.run.evidence, "inferred");
  cr_expect(facts.run.confidence > 0.5 && facts.run.confidence <= 1, "%g", facts.run.confidence);
  for (size_t i = 0; i < facts.steps_count; i++) {
    cr_expect_eq(facts.steps[i].saved_bytes, saved_of_a_step(), "step %zu", i);
    cr_expect_eq(facts.steps[i].saved_blocks, 2 * LAYERS + 1, "step %zu", i);
    cr_expect(facts.steps[i].complete);
  }
  for (size_t i = 0; i < facts.saved_count; i++) {
    cr_expect_str_eq(facts.saved[i].evidence, "inferred");
    cr_expect(!facts.saved[i].eligible && strstr(facts.saved[i].reason, "was not seen"));
  }
}

static void expect_no_claim(void) {
  facts = run_facts(&program.run);
  cr_expect_eq(facts.steps_count, 0);
  cr_expect_eq(facts.saved_count, 0);
  cr_expect_str_eq(facts.run.evidence, "none");
  cr_expect_eq(facts.run.confidence, 0);
}

/* ---- trainers ------------------------------------------------------------------------------------------------------ */

Test(infer, plain_trainer) {
  allocate(PARAMETER, 256 * KIB);
  for (int i = 0; i < 6; i++) {
    step();
  }
  expect_steps();
}

/* A step's turn is where the loss is done: what is allocated from there on is gradients, whose places free and allocate on the
 * way down alone. */
Test(infer, phases) {
  uint64_t turns[5];
  for (int i = 0; i < 5; i++) {
    const struct pass pass = forward();
    work(1);
    turns[i] = program.run.time_ns + 10;
    backward(&pass);
    program.steps++;
  }
  expect_steps();
  for (int i = 0; i < 5; i++) {
    cr_expect_eq(facts.steps[i].backward_ns, turns[i], "step %d", i);
    cr_expect(facts.steps[i].backward_end_ns > turns[i] && facts.steps[i].backward_end_ns <= facts.steps[i].end_ns);
  }
}

Test(infer, first_step_sets_up) {
  step();
  for (int i = 0; i < 10; i++) {
    allocate(PARAMETER, 64 * KIB); /* moments of the optimizer */
  }
  for (int i = 0; i < 5; i++) {
    step();
  }
  expect_steps();
}

Test(infer, evaluations_and_logging_between) {
  for (int i = 0; i < 9; i++) {
    step();
    use_temporary(i % 2);
    if (i % 3 == 2) {
      use_temporary(20); /* an evaluation keeps nothing */
    }
  }
  expect_steps();
}

/* Batches of other sizes: kinds are places of the program, not sizes. */
Test(infer, lengths_vary) {
  static const int sizes[] = {64, 16, 128, 32, 256, 16, 96, 64};
  uint64_t saved[8];
  for (int i = 0; i < 8; i++) {
    program.layer_bytes = (uint64_t)sizes[i] * KIB;
    saved[i] = saved_of_a_step();
    step();
  }
  facts = run_facts(&program.run);
  cr_assert_eq(facts.steps_count, 8);
  for (int i = 0; i < 8; i++) {
    cr_expect_eq(facts.steps[i].saved_bytes, saved[i], "step %d", i);
  }
}

/* Gradients that wait for the next step, larger than all activations, are not saved. */
Test(infer, gradients_live_from_step_to_step) {
  uint64_t gradients[8] = {0};
  for (int i = 0; i < 6; i++) {
    for (int g = 0; g < 8 && i > 0; g++) {
      release(gradients[g], FREE_TEMPORARY);
    }
    const struct pass pass = forward();
    backward(&pass);
    for (int g = 7; g >= 0; g--) {
      gradients[g] = allocate(PARAMETER, 256 * KIB);
      work(1);
    }
    program.steps++;
  }
  expect_steps();
}

Test(infer, gradients_of_the_last_step_are_freed_before_backward) {
  uint64_t gradients[8] = {0};
  for (int i = 0; i < 6; i++) {
    const struct pass pass = forward();
    for (int g = 0; g < 8 && i > 0; g++) {
      release(gradients[g], FREE_TEMPORARY);
    }
    backward(&pass);
    for (int g = 7; g >= 0; g--) {
      gradients[g] = allocate(PARAMETER, 256 * KIB);
      work(1);
    }
    program.steps++;
  }
  expect_steps();
}

/* Several forward and backward passes to one update: each is a step. */
Test(infer, gradients_accumulate) {
  for (int i = 0; i < 4; i++) {
    uint64_t gradients[8];
    for (int part = 0; part < 4; part++) {
      const struct pass pass = forward();
      backward(&pass);
      for (int g = 7; g >= 0 && part == 0; g--) {
        gradients[g] = allocate(PARAMETER, 128 * KIB);
      }
      program.steps++;
    }
    for (int g = 0; g < 8; g++) {
      release(gradients[g], FREE_TEMPORARY);
    }
  }
  expect_steps();
}

/* The program keeps its batch until it has the next one: backward needed it all the same. What it computes last and keeps as
 * long backward did not need. */
Test(infer, what_the_program_keeps) {
  enum { BATCH = TEMPORARY, LOGITS = PARAMETER };
  uint64_t batch = 0, logits = 0;
  for (int i = 0; i < 6; i++) {
    const uint64_t next = allocate(BATCH, 40 * KIB);
    work(1);
    if (batch) {
      release(batch, FREE_TEMPORARY);
    }
    batch = next;
    const struct pass pass = forward();
    if (logits) {
      release(logits, FREE_TEMPORARY);
    }
    logits = allocate(LOGITS, 80 * KIB);
    work(1);
    backward(&pass);
    program.steps++;
  }
  facts = run_facts(&program.run);
  cr_assert_eq(facts.steps_count, 6);
  cr_expect_eq(facts.saved_bytes, saved_of_a_step() + 40 * KIB);
  for (size_t i = 0; i < facts.saved_count; i++) {
    cr_expect_neq(facts.saved[i].bytes, 80 * KIB);
  }
}

/* The last step was under way when the run ended. */
Test(infer, run_ends_within_a_step) {
  for (int i = 0; i < 5; i++) {
    step();
  }
  forward();
  expect_steps();
}

/* ---- what functions are called ------------------------------------------------------------------------------------------ */

/* Never called: their names are what counts. */
__attribute__((noinline)) static void net_backward(void) {
  __asm__ volatile("nop; nop; nop");
}
__attribute__((noinline)) static void net_return(void) {
  __asm__ volatile("nop; nop; nop; nop");
}
__attribute__((noinline)) static void tensor_new(void) {
  __asm__ volatile("nop; nop; nop; nop; nop");
}
__attribute__((noinline)) static void linear_up(void) {
  __asm__ volatile("nop; nop; nop; nop; nop; nop");
}
__attribute__((noinline)) static void tanh_up(void) {
  __asm__ volatile("nop; nop; nop; nop; nop; nop; nop");
}

static uint32_t stack_of(void (*inner)(void), void (*outer)(void)) {
  const uint64_t frames[] = {(uint64_t)(uintptr_t)inner + 1, (uint64_t)(uintptr_t)outer + 1, run_program_address(0)};
  return run_stack(&program.run, frames, 3);
}

/* Two layers, and gradients in buffers that are there all the time. */
static void small_step(void) {
  const uint64_t input = allocate(INPUT, 64 * KIB), linear = allocate(LINEAR, 64 * KIB);
  work(1);
  const uint64_t last = allocate(GELU, 64 * KIB);
  work(2);
  release(last, FREE_SAVED);
  work(2);
  release(linear, FREE_SAVED);
  work(2);
  release(input, FREE_SAVED);
  work(1);
}

/* Order alone would not do: three blocks, and nothing that looks like gradients. */
Test(infer, names_settle_it) {
  program.stacks[FREE_SAVED] = stack_of(net_backward, net_backward);
  for (int i = 0; i < 8; i++) {
    small_step();
  }
  facts = run_facts(&program.run);
  cr_expect_eq(facts.steps_count, 8);
  cr_expect_eq(facts.saved_bytes, 3 * 64 * KIB);
  cr_expect_gt(facts.run.confidence, 0.95, "%g", facts.run.confidence);
}

Test(infer, other_names_do_not) {
  program.stacks[FREE_SAVED] = stack_of(net_return, net_return);
  for (int i = 0; i < 8; i++) {
    small_step();
  }
  facts = run_facts(&program.run);
  cr_expect_eq(facts.steps_count, 0);
}

/* Blocks go by who asked for them, not by a helper that allocates for all. */
Test(infer, ops_are_functions) {
  program.stacks[FREE_SAVED] = stack_of(net_backward, net_backward);
  program.stacks[INPUT] = stack_of(tensor_new, net_return);
  program.stacks[LINEAR] = stack_of(tensor_new, linear_up);
  program.stacks[GELU] = stack_of(tensor_new, tanh_up);
  for (int i = 0; i < 8; i++) {
    small_step();
  }
  facts = run_facts(&program.run);
  cr_assert_eq(facts.by_op_count, 3);
  bool linear = false, tanh = false;
  for (size_t i = 0; i < facts.by_op_count; i++) {
    cr_expect_str_neq(facts.by_op[i].op, "tensor_new");
    linear |= strcmp(facts.by_op[i].op, "linear_up") == 0;
    tanh |= strcmp(facts.by_op[i].op, "tanh_up") == 0;
  }
  cr_expect(linear && tanh);
}

/* ---- what is not inferred ------------------------------------------------------------------------------------------- */

Test(infer, two_steps_are_no_loop) {
  step();
  step();
  expect_no_claim();
}

/* A program that says itself what it saves is believed. */
Test(infer, marks_go_first) {
  for (int i = 0; i < 6; i++) {
    step();
  }
  run_mark_step(&program.run);
  facts = run_facts(&program.run);
  cr_expect_eq(facts.run.confidence, 0);
  cr_expect_eq(facts.saved_count, 0);
}

Test(infer, nothing_happens) {
  expect_no_claim();
}

/* Requests that need buffer upon buffer and let go of all of them in the end, in reverse order, with little work. */
Test(infer, server) {
  for (int request = 0; request < 20; request++) {
    const struct pass pass = forward();
    for (int i = LAYERS - 1; i >= 0; i--) {
      const uint64_t copy = allocate(GRADIENT, program.layer_bytes);
      release(pass.gelu[i], FREE_SAVED);
      release(pass.linear[i], FREE_SAVED);
      release(copy, FREE_GRADIENT);
    }
    release(pass.input, FREE_SAVED);
  }
  expect_no_claim();
}

/* A stack of jobs: work on the way down, but nothing is allocated there. */
Test(infer, stack_of_jobs) {
  uint64_t jobs[20];
  for (int round = 0; round < 10; round++) {
    for (int i = 0; i < 20; i++) {
      jobs[i] = allocate(LINEAR, 64 * KIB);
      work(1);
    }
    for (int i = 19; i >= 0; i--) {
      work(1);
      release(jobs[i], FREE_SAVED);
    }
  }
  expect_no_claim();
}

/* A pipeline: what came first goes first. */
Test(infer, pipeline) {
  uint64_t parts[8];
  for (int round = 0; round < 20; round++) {
    for (int i = 0; i < 8; i++) {
      parts[i] = allocate(LINEAR, 64 * KIB);
      work(1);
    }
    for (int i = 0; i < 8; i++) {
      const uint64_t result = allocate(GRADIENT, 64 * KIB);
      work(1);
      release(parts[i], FREE_SAVED);
      release(result, FREE_GRADIENT);
    }
  }
  expect_no_claim();
}

enum { DEPTH = 12 };

static void recurse(const uint32_t *stacks, int depth) {
  program.stacks[LINEAR] = stacks[depth];
  const uint64_t mine = allocate(LINEAR, 64 * KIB);
  work(1);
  if (depth + 1 < DEPTH) {
    recurse(stacks, depth + 1);
  }
  const uint64_t result = allocate(GRADIENT, 64 * KIB);
  work(1);
  release(result, FREE_GRADIENT);
  release(mine, FREE_SAVED);
}

/* Functions that wait for each other, each with its buffer: calls nest. */
Test(infer, recursion) {
  uint32_t stacks[DEPTH];
  for (unsigned i = 0; i < DEPTH; i++) {
    stacks[i] = run_stack_in_op(&program.run, RUN_MUL, i + 1, true);
  }
  for (int i = 0; i < 10; i++) {
    recurse(stacks, 0);
  }
  expect_no_claim();
}

/* A hundred kibibytes in a heap of a hundred mebibytes are not worth a claim. */
Test(infer, too_small_to_tell) {
  program.layer_bytes = 8 * KIB;
  allocate(PARAMETER, 100 << 20);
  for (int i = 0; i < 6; i++) {
    step();
  }
  expect_no_claim();
}

/* Sizes, addresses, times and stacks that make no sense: whatever is inferred then, the figures stay sums. */
Test(infer, damage, .timeout = 120) {
  size_t size;
  uint64_t seed = 11;
  unsigned inferred = 0;
  for (int i = 0; i < 6; i++) {
    step();
  }
  struct path path = path_join(program.run.folder, "damaged");
  run_save(&program.run, path.text);
  uint8_t *bytes = file_read(path.text, &size);
  for (int i = 0; i < 600; i++) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    const size_t at = size - 65536 + (size_t)(seed >> 33) % 2048; /* the events are in the last chunk */
    const uint8_t before = bytes[at];
    bytes[at] ^= (uint8_t)(1 + (seed >> 25) % 255);
    file_write(path.text, bytes, size);
    bytes[at] = before;
    struct facts damaged;
    struct error err = {""};
    const int rc = analyze_trace(path.text, &damaged, NULL, &err);
    cr_assert(rc == 0 || (rc == ERROR_INPUT && *err.message), "%d %s", rc, err.message);
    uint64_t sum = 0;
    for (int c = 0; c < CATEGORY_COUNT; c++) {
      sum += damaged.categories[c];
    }
    cr_assert_eq(sum, damaged.peak.bytes);
    cr_assert(damaged.run.confidence >= 0 && damaged.run.confidence <= 1);
    inferred += rc == 0 && damaged.run.confidence > 0;
    facts_fini(&damaged);
  }
  free(bytes);
  cr_expect_gt(inferred, 60u, "some damage must reach the inference");
}
