/* The projection against a simulation of its own: random runs, whose generator knows which block is eligible, when
 * its op returned and when it was let go, are simulated event by event with and without each block, for every choice
 * of bits and functions. The two share no code. */
#include "analyzers/projection.h"

#include "analyzers/store.h"
#include "common/error.h"
#include "tests/analyzers/run_builder.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define AT(n) (0x100000000u + (uint64_t)(n)*0x100000u)
enum { MAX_EVENTS = 4000, MAX_BLOCKS = 1000, OPS = 6, NEVER = MAX_EVENTS + 1 };

static uint64_t random_next(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  return *state ^= *state << 17;
}

/* What the generator knows of a block: events are ordinals, 1 the first. */
struct truth {
  uint64_t bytes, elements;
  unsigned alloc, free, op_end, release;
  const char *function; /* NULL: not eligible */
  enum run_op op;
  uint64_t tensor, other; /* other: a second holder's */
  bool live;
};

struct world {
  struct run_builder run;
  uint64_t seed;
  struct truth blocks[MAX_BLOCKS];
  unsigned count;
  uint32_t kernel[RUN_OPS], save[RUN_OPS], outside, deep[RUN_OPS];
  unsigned held[OPS * 8], held_count; /* blocks of the step under way, in order of saving */
};

static unsigned below(struct world *world, unsigned n) {
  return (unsigned)(random_next(&world->seed) % n);
}

static unsigned add_block(struct world *world, uint64_t bytes, uint32_t stack) {
  unsigned i = world->count++;
  cr_assert_lt(i, (unsigned)MAX_BLOCKS);
  run_alloc(&world->run, AT(i), bytes, stack);
  world->blocks[i] = (struct truth){.bytes = bytes,
                                    .elements = bytes / 4,
                                    .alloc = (unsigned)world->run.events,
                                    .free = NEVER,
                                    .release = NEVER,
                                    .live = true};
  return i;
}

static void end_block(struct world *world, unsigned i, uint32_t stack, bool in_release) {
  run_free(&world->run, AT(i), stack, in_release);
  world->blocks[i].free = (unsigned)world->run.events;
  world->blocks[i].live = false;
}

/* Temporaries that come and go, on this thread or another; NULL stack: another thread's. */
static void noise(struct world *world, uint32_t stack) {
  uint32_t stream = world->run.stream;
  for (unsigned n = below(world, 3); n; n--) {
    if (!stack) {
      world->run.stream = 1 + below(world, 2);
    }
    unsigned i = add_block(world, 1000 + below(world, 60000), stack ? stack : world->outside);
    if (below(world, 8)) {
      end_block(world, i, stack ? stack : world->outside, false);
    }
    world->run.stream = stream;
  }
}

/* One pointwise op on block x: noise within the op, its save, its result. The first event after it is `returned`. */
static unsigned forward_op(struct world *world, unsigned x, enum run_op op, unsigned *watched) {
  struct truth *in = &world->blocks[x];
  in->op = op;
  in->tensor = run_save_tensor(&world->run, 0, AT(x), in->bytes, world->save[op]);
  noise(world, world->kernel[op]);
  noise(world, 0); /* another thread's events say nothing of this one's stack */
  unsigned y = add_block(world, 4096 + below(world, 40000), world->kernel[op]);
  noise(world, world->deep[op]); /* deeper within the op */
  *watched = x;
  return y;
}

static void forward(struct world *world) {
  static const enum run_op ops[] = {RUN_GELU, RUN_SILU, RUN_MUL};
  unsigned x = add_block(world, 4096 + below(world, 40000), world->outside);
  world->held_count = 0;
  for (unsigned layer = 0; layer < OPS; layer++) {
    enum run_op op = ops[below(world, 3)];
    unsigned watched;
    unsigned y = forward_op(world, x, op, &watched);
    world->held[world->held_count++] = x;
    unsigned i = add_block(world, 4096, world->outside); /* the op has returned */
    world->blocks[watched].op_end = world->blocks[i].alloc;
    world->blocks[watched].function = op == RUN_GELU ? "gelu" : op == RUN_SILU ? "silu" : NULL;
    end_block(world, i, world->outside, false);
    if (below(world, 4) == 0) { /* another op holds it as well */
      world->blocks[watched].other = run_save_tensor(&world->run, 0, AT(watched), 64, world->save[RUN_MUL]);
      world->blocks[watched].function = NULL;
      run_alloc(&world->run, AT(MAX_BLOCKS), 64, world->outside); /* mul has returned */
      world->run.stream = 0;
      run_free(&world->run, AT(MAX_BLOCKS), world->outside, false);
    }
    x = y;
  }
  run_free(&world->run, AT(x), world->outside, false); /* the last result is not kept */
  world->blocks[x].free = (unsigned)world->run.events;
}

static void backward_op(struct world *world, unsigned i) {
  struct truth *block = &world->blocks[i];
  noise(world, world->outside);
  if (block->other) {
    run_release(&world->run, block->other, run_node_type(RUN_MUL));
  }
  run_release(&world->run, block->tensor, run_node_type(block->op));
  block->release = (unsigned)world->run.events;
  if (below(world, 5) == 0) { /* the program keeps it for longer */
    block->function = NULL;
    for (int n = 0; n < 20; n++) {
      unsigned t = add_block(world, 100, world->outside);
      end_block(world, t, world->outside, false);
    }
  }
  end_block(world, i, world->outside, block->function != NULL);
}

/* The network is gone through once; within backward, some layers run a small forward of their own (checkpoints). */
static void step(struct world *world) {
  forward(world);
  unsigned held[OPS * 8], count = world->held_count;
  memcpy(held, world->held, sizeof held);
  run_backward(&world->run, true);
  while (count) {
    if (below(world, 3) == 0) {
      forward(world);
      run_backward(&world->run, true);
      for (unsigned i = world->held_count; i; i--) {
        backward_op(world, world->held[i - 1]);
      }
      run_backward(&world->run, false);
    }
    backward_op(world, held[--count]);
  }
  run_backward(&world->run, false);
  noise(world, world->outside);
}

static void world_init(struct world *world, uint64_t seed) {
  memset(world, 0, sizeof *world);
  world->seed = seed * 0x9e3779b97f4a7c15u;
  run_init(&world->run);
  world->outside = run_stack_outside(&world->run, 3);
  for (int op = 0; op < RUN_OPS; op++) {
    world->kernel[op] = run_stack_in_op(&world->run, op, 3, true);
    world->save[op] = run_stack_in_op(&world->run, op, 3, false);
    const uint64_t frames[] = {run_op_address(RUN_ADDMM), run_op_address(RUN_LINEAR), run_op_address(op)};
    uint64_t deep[16] = {frames[0], frames[1], frames[2]};
    for (unsigned i = 0; i < 3; i++) { /* the frames of the program that run_stack_in_op puts below an op */
      deep[3 + i] = run_program_address(i);
    }
    world->deep[op] = run_stack(&world->run, deep, 6);
  }
  step(world);
  step(world);
  step(world);
}

/* ---- the simulation ---------------------------------------------------------------------------------------------- */

static bool chosen(const struct truth *block, const char *const *functions, size_t count) {
  for (size_t i = 0; i < count && block->function; i++) {
    if (strcmp(block->function, functions[i]) == 0) {
      return true;
    }
  }
  return block->function && count == 0;
}

static uint64_t simulate(const struct world *world, unsigned bits, const char *const *functions, size_t count) {
  uint64_t highest = 0;
  for (unsigned t = 1; t <= world->run.events; t++) {
    uint64_t live = 0;
    for (unsigned i = 0; i < world->count; i++) {
      const struct truth *block = &world->blocks[i];
      bool replaced = chosen(block, functions, count) && t >= block->op_end;
      live += block->alloc <= t && t < block->free && !replaced ? block->bytes : 0;
      live += replaced && t < block->release ? (block->elements * bits + 7) / 8 : 0;
    }
    highest = live > highest ? live : highest;
  }
  return highest;
}

static void compare(const struct world *world, const struct facts *facts, uint64_t seed) {
  static const char *const choices[][2] = {
      {NULL, NULL}, {"gelu", NULL}, {"silu", NULL}, {"gelu", "silu"}, {"relu", NULL}};
  for (unsigned bits = 1; bits <= PROJECTION_BITS_MAX; bits += bits < 4 ? 1 : 4) {
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
      size_t count = (choices[i][0] != NULL) + (choices[i][1] != NULL);
      struct facts_projection projection;
      cr_assert_eq(projection_compute(facts, bits, choices[i], count, &projection), 0);
      uint64_t expected = simulate(world, bits, choices[i], count);
      cr_assert_eq(projection.peak_bytes, expected, "seed %lu bits %u choice %zu: %lu, simulated %lu",
                   (unsigned long)seed, bits, i, (unsigned long)projection.peak_bytes, (unsigned long)expected);
    }
  }
}

Test(projection, agrees_with_a_simulation_of_random_runs) {
  static struct world world;
  unsigned saving = 0;
  for (uint64_t seed = 1; seed <= 40; seed++) {
    world_init(&world, seed);
    struct facts facts = run_facts(&world.run);
    cr_assert_eq(facts.steps_count, 3);
    compare(&world, &facts, seed);
    saving += facts.projections[1].saving_bytes != 0;
    facts_fini(&facts);
    run_fini(&world.run);
  }
  cr_assert_gt(saving, 20u, "the runs must exercise what they test");
}

Test(projection, works_from_a_store_without_the_trace) {
  static struct world world;
  world_init(&world, 77);
  struct facts facts = run_facts(&world.run), stored;
  struct path path = path_join(world.run.folder, "run.sqlite");
  cr_assert_eq(store_write(path.text, &facts, NULL), 0);
  cr_assert_eq(store_read(path.text, &stored, NULL), 0);
  compare(&world, &stored, 77);
  facts_fini(&stored);
  facts_fini(&facts);
  run_fini(&world.run);
}

/* ---- cases by hand ----------------------------------------------------------------------------------------------- */

/* Live bytes are 1000, at times 1500 in events 5 to 24, 600 from event 30 on, where a block of 400 bytes ends. */
static struct facts by_hand(struct facts_segment *segments, struct facts_replaceable *block) {
  segments[0] = (struct facts_segment){1, 0, 1000};
  segments[1] = (struct facts_segment){5, 0, 1500};
  segments[2] = (struct facts_segment){25, 0, 1000};
  segments[3] = (struct facts_segment){30, 0, 600};
  static char gelu[] = "gelu";
  *block = (struct facts_replaceable){.op = gelu,
                                      .step = 0,
                                      .listed = true,
                                      .bytes = 400,
                                      .elements = 100,
                                      .begin_event = 5,
                                      .release_event = 25,
                                      .free_event = 30};
  return (struct facts){.peak = {.bytes = 1500},
                        .segments = segments,
                        .segments_count = 4,
                        .replaceables = block,
                        .replaceables_count = 1};
}

Test(projection, codes_and_savings_by_hand) {
  struct facts_segment segments[4];
  struct facts_replaceable block;
  struct facts facts = by_hand(segments, &block);
  struct facts_projection p;
  cr_assert_eq(projection_compute(&facts, 3, NULL, 0, &p), 0);
  cr_assert_eq(p.peak_bytes, 1500 - 400 + 38); /* ceil(100 * 3 / 8) */
  cr_assert_eq(p.saving_bytes, 362);
  cr_assert_float_eq(p.saving_percent, 24.1333, 1e-3);
  cr_assert(p.eligible_bytes == 400 && p.code_bytes == 38);
  const char *other = "silu";
  cr_assert_eq(projection_compute(&facts, 3, &other, 1, &p), 0);
  cr_assert(p.peak_bytes == 1500 && p.saving_bytes == 0 && p.eligible_bytes == 0);
}

Test(projection, codes_may_come_on_top) {
  struct facts_segment segments[4];
  struct facts_replaceable block;
  struct facts facts = by_hand(segments, &block);
  block.elements = 1000; /* a small block of many tiny elements: 8 bits each are more than it had */
  struct facts_projection p;
  cr_assert_eq(projection_compute(&facts, 8, NULL, 0, &p), 0);
  cr_assert_eq(p.peak_bytes, 2100);
  cr_assert_eq(p.saving_bytes, -600);
  cr_assert_float_eq(p.saving_percent, -40, 1e-9);
}

Test(projection, bits_are_checked) {
  struct facts facts = {0};
  struct facts_projection p;
  cr_assert_eq(projection_compute(&facts, 0, NULL, 0, &p), ERROR_USAGE);
  cr_assert_eq(projection_compute(&facts, 9, NULL, 0, &p), ERROR_USAGE);
  cr_assert_eq(projection_compute(&facts, 8, NULL, 0, &p), 0);
  cr_assert(p.peak_bytes == 0 && p.saving_percent == 0);
  cr_assert_eq(projection_code_bytes(0, 3), 0);
  cr_assert_eq(projection_code_bytes(1, 1), 1);
  cr_assert_eq(projection_code_bytes(8, 1), 1);
  cr_assert_eq(projection_code_bytes(9, 1), 2);
  cr_assert_eq(projection_code_bytes(UINT64_MAX, 8), UINT64_MAX);
}
