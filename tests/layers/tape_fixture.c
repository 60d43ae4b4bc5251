#include "tests/layers/tape_fixture.h"

#include "tests/layers/gradient_check.h"

#include <criterion/criterion.h>
#include <string.h>

void tape_fixture_open(struct tape_fixture *fixture, bool dry) {
  memset(fixture, 0, sizeof *fixture);
  memory_init(&fixture->memory, dry);
  tape_init(&fixture->tape, &fixture->memory);
  fixture->tape.training = true;
}

void tape_fixture_close(struct tape_fixture *fixture) {
  tape_fini(&fixture->tape);
  for (unsigned i = 0; i < fixture->count; i++) {
    tensor_drop(fixture->leaves[i].tensor);
    tensor_drop(fixture->leaves[i].gradient);
  }
  cr_assert_eq(fixture->memory.live, 0, "%zu bytes are left", fixture->memory.live);
  cr_assert_eq(fixture->memory.saved, 0, "%zu saved bytes are left", fixture->memory.saved);
}

struct value *tape_fixture_leaf(struct tape_fixture *fixture, enum memory_kind kind, const size_t *shape,
                                unsigned dims) {
  cr_assert_lt(fixture->count, TAPE_FIXTURE_LEAVES);
  struct value *leaf = &fixture->leaves[fixture->count++];
  *leaf = (struct value){.dims = dims, .needs_gradient = true, .parameter = kind == MEMORY_PARAMETER};
  memcpy(leaf->shape, shape, dims * sizeof *shape);
  leaf->tensor = tensor_new(&fixture->memory, kind, value_count(leaf) * sizeof(float));
  cr_assert(leaf->tensor, "out of memory");
  if (!fixture->memory.dry) {
    gradient_check_fill(tensor_floats(leaf->tensor), value_count(leaf), -1, 1, fixture->count);
  }
  return leaf;
}
