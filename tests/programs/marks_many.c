/* A step that leaves many blocks, each of a layer of its own: marks_many BLOCKS NAME. NAME stands in the names of the layers and
 * is the op of every third block, whatever it is; sizes repeat after a while. */
#include "actscope/mark.h"
#include "tests/programs/check.h"

#include <stdio.h>
#include <stdlib.h>

enum { SIZES = 97, LEAST = 128, STEPS = 2 };

static const char *op_of(const char *name, size_t i) {
  return i % 3 == 0 ? name : i % 3 == 1 ? "gelu" : "addmm";
}

static void step(float **blocks, size_t count, const char *name) {
  char layer[256];
  actscope_mark_step();
  actscope_mark_phase(ACTSCOPE_FORWARD);
  for (size_t i = 0; i < count; i++) {
    const size_t elements = LEAST + i % SIZES;
    blocks[i] = malloc(elements * sizeof **blocks);
    CHECK(blocks[i]);
    snprintf(layer, sizeof layer, "block.%zu.%s", i, name);
    actscope_mark_layer(layer);
    actscope_mark_save(blocks[i], elements, ACTSCOPE_FLOAT32, op_of(name, i));
  }
  actscope_mark_layer(NULL);
  free(malloc(LEAST)); /* the ops have returned */
  actscope_mark_backward(1);
  for (size_t i = count; i-- > 0;) {
    actscope_mark_release(blocks[i], op_of(name, i));
    free(blocks[i]);
  }
  actscope_mark_backward(0);
}

int main(int argc, char **argv) {
  CHECK(argc == 3);
  const size_t count = strtoul(argv[1], NULL, 10);
  float **blocks = calloc(count + 1, sizeof *blocks);
  CHECK(blocks);
  for (int i = 0; i < STEPS; i++) {
    step(blocks, count, argv[2]);
  }
  free(blocks);
  return 0;
}
