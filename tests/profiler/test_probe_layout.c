/* Learning where a tensor keeps what, on made-up TensorImpl objects of several layouts. */
#include "profiler/probe_layout.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { FLOAT32 = 6, INT64 = 4, BFLOAT16 = 15 };

/* Word indices of the fields in a layout. */
struct shape {
  const char *name;
  size_t storage, data, bytes, elements;
};

static const struct shape shapes[] = {
    {"torch 1.13", 3, 3, 6, 19}, {"torch 2.13", 3, 2, 6, 22}, {"made up", 7, 1, 2, 12}, {"another", 1, 9, 15, 30}};

struct tensor {
  uint64_t impl[32], storage[16];
  void *data;
};

static struct probe_layout layout;

static void make(struct tensor *tensor, const struct shape *shape, uint64_t elements, uint32_t dtype) {
  memset(tensor, 0, sizeof *tensor);
  uint64_t bytes = elements * probe_dtype_size(dtype);
  cr_assert_eq(posix_memalign(&tensor->data, 64, bytes), 0);
  tensor->impl[0] = 0x7f1234567890; /* a vtable */
  tensor->impl[shape->storage] = (uintptr_t)tensor->storage;
  tensor->storage[0] = 0x7f1234567000;
  tensor->storage[shape->data] = (uintptr_t)tensor->data;
  tensor->storage[shape->bytes] = bytes;
  tensor->impl[shape->elements] = elements;
  tensor->impl[shape->elements + 1] = dtype | (uint64_t)0xabcd << 16; /* device and bits follow the dtype */
  probe_layout_note_block(&layout, tensor->data, bytes);
}

static void check(const struct shape *shape) {
  struct tensor first;
  struct tensor second;
  memset(&layout, 0, sizeof layout);
  make(&first, shape, 5000, FLOAT32);
  cr_assert(probe_layout_learn(&layout, first.impl), "%s", shape->name);
  cr_expect_eq(layout.storage, 8 * shape->storage, "%s", shape->name);
  cr_expect_eq(layout.data, 8 * shape->data, "%s", shape->name);
  cr_expect_eq(layout.bytes, 8 * shape->bytes, "%s", shape->name);
  cr_expect_eq(layout.elements, 8 * shape->elements, "%s", shape->name);
  make(&second, shape, 7000, BFLOAT16);
  struct probe_tensor tensor;
  cr_assert(probe_layout_read(&layout, second.impl, &tensor));
  cr_expect_eq(tensor.data, (uintptr_t)second.data);
  cr_expect_eq(tensor.bytes, 14000);
  cr_expect_eq(tensor.elements, 7000);
  cr_expect_eq(tensor.dtype, BFLOAT16);
  free(first.data);
  free(second.data);
}

Test(probe_layout, learns_every_layout) {
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
    check(&shapes[i]);
  }
}

Test(probe_layout, no_block_no_lesson) {
  struct tensor tensor;
  make(&tensor, &shapes[0], 5000, FLOAT32);
  memset(&layout, 0, sizeof layout); /* nothing was noted */
  cr_expect_not(probe_layout_learn(&layout, tensor.impl));
  cr_expect_not(layout.known);
  free(tensor.data);
}

Test(probe_layout, wrong_sizes_teach_nothing) {
  struct tensor tensor;
  memset(&layout, 0, sizeof layout);
  make(&tensor, &shapes[0], 5000, FLOAT32);
  tensor.storage[shapes[0].bytes] += 4;
  cr_expect_not(probe_layout_learn(&layout, tensor.impl));
  tensor.storage[shapes[0].bytes] -= 4;
  tensor.impl[shapes[0].elements]--;
  cr_expect_not(probe_layout_learn(&layout, tensor.impl));
  tensor.impl[shapes[0].elements]++;
  cr_expect(probe_layout_learn(&layout, tensor.impl));
  free(tensor.data);
}

Test(probe_layout, whatever_it_is_given) {
  struct probe_tensor tensor;
  memset(&layout, 0, sizeof layout);
  cr_expect_not(probe_layout_learn(&layout, NULL));
  cr_expect_not(probe_layout_learn(&layout, (const void *)8));
  cr_expect_not(probe_layout_learn(&layout, (const void *)UINT64_MAX));
  uint64_t wild[32];
  for (size_t i = 0; i < 32; i++) {
    wild[i] = (i * 0x9e3779b97f4a7c15u) & ~7ull;
  }
  cr_expect_not(probe_layout_learn(&layout, wild));
  cr_expect_not(probe_layout_read(&layout, NULL, &tensor));
}

/* An object that ends where its mapping ends. */
Test(probe_layout, end_of_a_mapping) {
  char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  cr_assert_neq(pages, MAP_FAILED);
  munmap(pages + 4096, 4096);
  struct tensor tensor;
  memset(&layout, 0, sizeof layout);
  make(&tensor, &shapes[0], 5000, FLOAT32);
  void *impl = memcpy(pages + 4096 - 192, tensor.impl, 192); /* as long as 1.13's */
  cr_expect(probe_layout_learn(&layout, impl));
  free(tensor.data);
}

Test(probe_layout, dtype_sizes) {
  cr_expect_eq(probe_dtype_size(0), 1);
  cr_expect_eq(probe_dtype_size(INT64), 8);
  cr_expect_eq(probe_dtype_size(5), 2);
  cr_expect_eq(probe_dtype_size(FLOAT32), 4);
  cr_expect_eq(probe_dtype_size(7), 8);
  cr_expect_eq(probe_dtype_size(10), 16);
  cr_expect_eq(probe_dtype_size(11), 1);
  cr_expect_eq(probe_dtype_size(BFLOAT16), 2);
  cr_expect_eq(probe_dtype_size(1000), 0);
}
