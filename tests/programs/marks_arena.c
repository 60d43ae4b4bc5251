/* Arenas as programs have them, well-behaved and not: carves, saves and releases as its argument says, in three steps, and
 * prints what a report must say of it, from its own arithmetic: "steps N", "saved BYTES", "blocks N" of the fullest step. */
#include "actscope/mark.h"
#include "tests/programs/check.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { KIB = 1024, PIECE = 64 * KIB, PIECES = 8, STEPS = 3 };

static char *arena_new(size_t bytes) {
  char *arena = malloc(bytes);
  CHECK(arena);
  memset(arena, 1, bytes);
  return arena;
}

static void truth(int steps, size_t saved, int blocks) {
  print("steps %d\nsaved %zu\nblocks %d\n", steps, saved, blocks);
}

static void save(const char *piece, size_t bytes) {
  actscope_mark_save(piece, bytes / sizeof(float), ACTSCOPE_FLOAT32, NULL);
}

static void carve(const char *arena, size_t bytes, int count, const char *op) {
  static const char *const names[] = {"p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7"};
  for (int i = 0; i < count; i++) {
    actscope_mark_region(arena + (size_t)i * bytes, bytes, names[i % PIECES], op);
  }
}

static void forward(const char *arena, size_t bytes, int count) {
  actscope_mark_phase(ACTSCOPE_FORWARD);
  for (int i = 0; i < count; i++) {
    save(arena + (size_t)i * bytes, bytes);
  }
}

static void backward(const char *arena, size_t bytes, int count) {
  actscope_mark_phase(ACTSCOPE_BACKWARD);
  for (int i = count; i-- > 0;) {
    actscope_mark_release(arena + (size_t)i * bytes, NULL);
  }
}

static void step(const char *arena, size_t bytes, int count) {
  forward(arena, bytes, count);
  backward(arena, bytes, count);
  actscope_mark_phase(ACTSCOPE_UPDATE);
  actscope_mark_phase(ACTSCOPE_OUTSIDE);
}

/* ---- as it is meant ---------------------------------------------------------------------------------------------- */

/* Carved once; the last of its pieces is never saved. */
static void persistent(void) {
  char *arena = arena_new(PIECES * PIECE);
  carve(arena, PIECE, PIECES, "gelu");
  for (int i = 0; i < STEPS; i++) {
    actscope_mark_step();
    step(arena, PIECE, PIECES - 1);
  }
  free(arena);
  truth(STEPS, (PIECES - 1) * PIECE, PIECES - 1);
}

/* A new block, carved, in every step, and freed with what is still held. */
static void each_step(void) {
  for (int i = 0; i < STEPS; i++) {
    char *arena = arena_new(PIECES * PIECE);
    carve(arena, PIECE, PIECES, "gelu");
    forward(arena, PIECE, PIECES);
    backward(arena, PIECE, PIECES / 2);
    free(arena);
    actscope_mark_phase(ACTSCOPE_OUTSIDE);
  }
  truth(STEPS, PIECES * PIECE, PIECES);
}

/* Batches of other sizes: carved anew in every step, from the arena's beginning. */
static void other_sizes(void) {
  char *arena = arena_new(PIECES * PIECE);
  for (int i = 0; i < STEPS; i++) {
    const size_t bytes = PIECE - (size_t)i * 4 * KIB;
    carve(arena, bytes, PIECES, "gelu");
    step(arena, bytes, PIECES);
  }
  free(arena);
  truth(STEPS, PIECES * PIECE, PIECES);
}

/* Pieces below what is recorded by itself, in an arena that is. */
static void small_pieces(void) {
  char *arena = arena_new(64 * KIB);
  carve(arena, KIB, PIECES, "gelu");
  for (int i = 0; i < STEPS; i++) {
    step(arena, KIB, PIECES);
  }
  free(arena);
  truth(STEPS, PIECES * KIB, PIECES);
}

/* Two backward passes a step; without the marks of steps they would be six. */
static void accumulation(void) {
  char *arena = arena_new(PIECES * PIECE);
  carve(arena, PIECE, PIECES, "gelu");
  for (int i = 0; i < STEPS; i++) {
    actscope_mark_step();
    for (int half = 0; half < 2; half++) {
      forward(arena, PIECE, PIECES);
      backward(arena, PIECE, PIECES);
    }
    actscope_mark_phase(ACTSCOPE_OUTSIDE);
  }
  free(arena);
  truth(STEPS, PIECES * PIECE, PIECES);
}

/* After each step, forward passes that no backward follows. */
static void evaluation(void) {
  char *arena = arena_new(PIECES * PIECE);
  carve(arena, PIECE, PIECES, "gelu");
  for (int i = 0; i < STEPS; i++) {
    step(arena, PIECE, PIECES);
    for (int batch = 0; batch < 2; batch++) {
      forward(arena, PIECE, PIECES);
      actscope_mark_phase(ACTSCOPE_OUTSIDE);
    }
  }
  free(arena);
  truth(STEPS, PIECES * PIECE, PIECES);
}

static void *carve_half(void *half) {
  for (int i = 0; i < 100; i++) {
    carve(half, PIECE, PIECES / 2, "gelu");
  }
  forward(half, PIECE, PIECES / 2);
  actscope_mark_phase(ACTSCOPE_OUTSIDE);
  return NULL;
}

/* Each thread carves and saves a half, at the same time; one of them releases all. */
static void threads(void) {
  char *arena = arena_new(PIECES * PIECE);
  for (int i = 0; i < STEPS; i++) {
    pthread_t other;
    CHECK(pthread_create(&other, NULL, carve_half, arena + PIECES / 2 * PIECE) == 0);
    carve_half(arena);
    CHECK(pthread_join(other, NULL) == 0);
    backward(arena, PIECE, PIECES);
    actscope_mark_phase(ACTSCOPE_OUTSIDE);
  }
  free(arena);
  truth(STEPS, PIECES * PIECE, PIECES);
}

/* ---- as it is not ------------------------------------------------------------------------------------------------ */

/* A piece over half of each of two others: those end, and what they held is let go. */
static void overlap(void) {
  char *arena = arena_new(PIECES * PIECE);
  for (int i = 0; i < STEPS; i++) {
    carve(arena, PIECE, PIECES, "gelu");
    actscope_mark_phase(ACTSCOPE_FORWARD);
    save(arena, PIECE);
    save(arena + PIECE, PIECE);
    actscope_mark_region(arena + PIECE / 2, PIECE, "over both", "gelu");
    for (int k = 2; k < PIECES; k++) {
      save(arena + (size_t)k * PIECE, PIECE);
    }
    save(arena + PIECE / 2, PIECE);
    backward(arena + 2 * PIECE, PIECE, PIECES - 2);
    actscope_mark_release(arena + PIECE / 2, NULL);
    actscope_mark_phase(ACTSCOPE_OUTSIDE);
  }
  free(arena);
  truth(STEPS, (PIECES - 1) * PIECE, PIECES - 1);
}

/* The arena moves while it is carved, and is carved anew. */
static void moved(void) {
  char *arena = arena_new(PIECE);
  for (int i = 0; i < STEPS; i++) {
    char *larger = realloc(arena, (size_t)(i + 2) * PIECES * PIECE);
    CHECK(larger);
    arena = larger;
    carve(arena, PIECE, PIECES, "gelu");
    step(arena, PIECE, PIECES);
  }
  free(arena);
  truth(STEPS, PIECES * PIECE, PIECES);
}

/* Without regions, and by hand: a block whose mark gives bytes for elements, and one of which only a small piece is saved. */
static void whole_blocks(void) {
  for (int i = 0; i < STEPS; i++) {
    char *bytes = arena_new(PIECE), *head = arena_new(PIECE);
    actscope_mark_phase(ACTSCOPE_FORWARD);
    actscope_mark_save(bytes, PIECE, ACTSCOPE_FLOAT32, "gelu");
    actscope_mark_save(head, 100, ACTSCOPE_FLOAT32, "gelu");
    actscope_mark_phase(ACTSCOPE_BACKWARD);
    actscope_mark_release(head, "gelu");
    free(head);
    actscope_mark_release(bytes, "gelu");
    free(bytes);
    actscope_mark_phase(ACTSCOPE_OUTSIDE);
  }
  truth(STEPS, 2 * PIECE, 2);
}

/* Nothing that is saved lies in a block that is recorded by itself. */
static void small_blocks(void) {
  for (int i = 0; i < STEPS; i++) {
    char *block = arena_new(KIB);
    actscope_mark_phase(ACTSCOPE_FORWARD);
    actscope_mark_save(block, KIB / sizeof(float), ACTSCOPE_FLOAT32, "gelu");
    actscope_mark_phase(ACTSCOPE_BACKWARD);
    actscope_mark_release(block, "gelu");
    free(block);
    actscope_mark_phase(ACTSCOPE_OUTSIDE);
  }
  truth(STEPS, 0, 0);
}

/* Off the heap: phases tell of steps, but nothing is known of what they save. */
static void mapped(void) {
  char *arena = mmap(NULL, PIECES * PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(arena != MAP_FAILED);
  carve(arena, PIECE, PIECES, "gelu");
  for (int i = 0; i < STEPS; i++) {
    step(arena, PIECE, PIECES);
  }
  munmap(arena, PIECES * PIECE);
  truth(STEPS, 0, 0);
}

/* Marks that make no sense, between those of `persistent`. */
static void nonsense(void) {
  char *arena = arena_new(PIECES * PIECE), *tiny = malloc(100), name[1000];
  int there;
  CHECK(tiny);
  memset(name, 'n', sizeof name - 1);
  name[sizeof name - 1] = '\0';
  actscope_mark_region(NULL, 100, "null", "gelu");
  actscope_mark_region(arena, 0, "nothing", "gelu");
  actscope_mark_region(arena, SIZE_MAX, "everything", "gelu");
  actscope_mark_region(&there, sizeof there, "on the stack", NULL);
  actscope_mark_region(tiny, 100, NULL, NULL);
  actscope_mark_region_end(arena + 1);
  actscope_mark_region_end(NULL);
  actscope_mark_release(arena, "gelu");
  actscope_mark_release(NULL, NULL);
  actscope_mark_save(tiny, 25, ACTSCOPE_FLOAT32, "gelu");
  actscope_mark_save(arena, SIZE_MAX, ACTSCOPE_FLOAT64, "gelu");
  actscope_mark_parameter(NULL, 0, NULL);
  actscope_mark_phase((enum actscope_phase)77);
  actscope_mark_phase((enum actscope_phase) - 1);
  for (int i = 0; i < 40; i++) {
    actscope_mark_push(i % 2 ? name : i % 3 ? NULL : "");
  }
  for (int i = 0; i < 50; i++) {
    actscope_mark_pop();
  }
  actscope_mark_layer(name);
  actscope_mark_layer(NULL);
  /* The piece that reaches beyond the arena ends where it does. */
  carve(arena, PIECE, PIECES - 1, "gelu");
  actscope_mark_region(arena + (PIECES - 1) * PIECE, 100 * PIECE, "p7", "gelu");
  for (int i = 0; i < STEPS; i++) {
    actscope_mark_step();
    actscope_mark_step();
    step(arena, PIECE, PIECES);
    backward(arena, PIECE, PIECES); /* again: nobody holds them */
    actscope_mark_phase(ACTSCOPE_OUTSIDE);
  }
  free(tiny);
  free(arena);
  truth(STEPS, PIECES * PIECE, PIECES);
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    void (*run)(void);
  } cases[] = {{"persistent", persistent},     {"each_step", each_step},       {"other_sizes", other_sizes},
               {"small_pieces", small_pieces}, {"accumulation", accumulation}, {"evaluation", evaluation},
               {"threads", threads},           {"overlap", overlap},           {"moved", moved},
               {"whole_blocks", whole_blocks}, {"small_blocks", small_blocks}, {"mapped", mapped},
               {"nonsense", nonsense}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    if (argc == 2 && strcmp(argv[1], cases[i].name) == 0) {
      cases[i].run();
      return 0;
    }
  }
  print("marks_arena CASE\n");
  return 2;
}
