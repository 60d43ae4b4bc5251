/* .npy files made by hand, byte by byte, as numpy.save writes them. */
#include "kernels/replay/npy.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *folder;

static void set_up(void) {
  folder = folder_make();
}

static void tear_down(void) {
  folder_remove(folder);
}

TestSuite(npy, .init = set_up, .fini = tear_down);

struct file {
  unsigned char bytes[4096];
  size_t size;
};

static struct file make(int version, const char *dictionary, const void *elements, size_t bytes) {
  struct file file = {.bytes = "\x93NUMPY", .size = 8};
  const size_t prefix = version == 1 ? 10 : 12, length = (strlen(dictionary) + prefix + 1 + 63) / 64 * 64 - prefix;
  file.bytes[6] = (unsigned char)version;
  for (size_t i = 0; i < (version == 1 ? 2U : 4U); i++) {
    file.bytes[file.size++] = (unsigned char)(length >> 8 * i);
  }
  memset(file.bytes + file.size, ' ', length);
  memcpy(file.bytes + file.size, dictionary, strlen(dictionary));
  file.size += length;
  file.bytes[file.size - 1] = '\n';
  memcpy(file.bytes + file.size, elements, bytes);
  file.size += bytes;
  return file;
}

static int read_file(struct npy *npy, const struct file *file, size_t size, struct error *err) {
  const struct path path = path_join(folder, "x.npy");
  file_write(path.text, file->bytes, size);
  return npy_read(npy, path.text, err);
}

Test(npy, float32) {
  const float values[] = {1, -2.5F, 3, 4, 5, 1e-30F};
  const struct file file =
      make(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", values, sizeof values);
  struct npy npy;
  cr_assert_eq(read_file(&npy, &file, file.size, NULL), 0);
  cr_expect(npy.type == RUN_FLOAT32 && npy.dims == 2 && npy.shape[0] == 2 && npy.shape[1] == 3 && npy.count == 6);
  cr_expect(!npy.fortran && !npy.rounded);
  for (size_t i = 0; i < 6; i++) {
    cr_expect(((const float *)npy.data)[i] == values[i]);
  }
  npy_fini(&npy);
  npy_fini(&npy);
}

Test(npy, other_types) {
  const double wide[] = {1.5, -0.1, 1e38};
  const uint16_t half[] = {0x3c00, 0xc000};
  const unsigned char big[] = {0x3f, 0x80, 0, 0, 0xc0, 0x40, 0, 0};
  struct npy npy;
  struct file file = make(2, "{'descr': '<f8', 'fortran_order': True, 'shape': (3,), }", wide, sizeof wide);
  cr_assert_eq(read_file(&npy, &file, file.size, NULL), 0);
  const float *floats = npy.data;
  cr_expect(npy.rounded && npy.fortran && npy.type == RUN_FLOAT32 && npy.dims == 1 && npy.count == 3);
  cr_expect(floats[0] == 1.5F && floats[1] == (float)-0.1 && floats[2] == 1e38F);
  npy_fini(&npy);
  file = make(1, "{'descr': '<f2', 'fortran_order': False, 'shape': (2, 1), }", half, sizeof half);
  cr_assert_eq(read_file(&npy, &file, file.size, NULL), 0);
  cr_expect(npy.type == RUN_FLOAT16 && npy.count == 2 && memcmp(npy.data, half, sizeof half) == 0);
  npy_fini(&npy);
  file = make(1, "{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", big, sizeof big);
  cr_assert_eq(read_file(&npy, &file, file.size, NULL), 0);
  floats = npy.data;
  cr_expect(floats[0] == 1 && floats[1] == -3);
  npy_fini(&npy);
}

static void expect_refused(const char *dictionary, const void *elements, size_t bytes, const char *says) {
  const struct file file = make(1, dictionary, elements, bytes);
  struct npy npy;
  struct error err = {""};
  cr_expect_eq(read_file(&npy, &file, file.size, &err), ERROR_INPUT, "%s", says);
  cr_expect(strstr(err.message, says), "%s: %s", says, err.message);
  npy_fini(&npy);
}

Test(npy, not_finite) {
  const char *const doubles = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }";
  const char *const halves = "{'descr': '<f2', 'fortran_order': False, 'shape': (2,), }";
  const double wide[] = {1.5, 1e300}, infinite[] = {1, -HUGE_VAL}, nan[] = {1, (double)NAN};
  const uint16_t half_nan[] = {0x7bff, 0x7e00}, half_infinite[] = {0xfbff, 0xfc00};
  const unsigned char big[] = {0x3f, 0x80, 0, 0, 0x7f, 0x80, 0, 1};
  expect_refused(doubles, wide, sizeof wide, "x.npy: element 1, 1e+300, is beyond float32's range");
  expect_refused(doubles, infinite, sizeof infinite, "element 1 is infinite");
  expect_refused(doubles, nan, sizeof nan, "element 1 is NaN");
  expect_refused(halves, half_nan, sizeof half_nan, "element 1 is NaN");
  expect_refused(halves, half_infinite, sizeof half_infinite, "element 1 is infinite");
  expect_refused("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", big, sizeof big, "element 1 is NaN");
}

Test(npy, shapes) {
  const float one[] = {7};
  struct npy scalar, empty;
  struct file file = make(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (), }", one, sizeof one);
  cr_assert_eq(read_file(&scalar, &file, file.size, NULL), 0);
  cr_expect(scalar.dims == 0 && scalar.count == 1 && ((const float *)scalar.data)[0] == 7);
  file = make(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 0), }", one, 0);
  cr_assert_eq(read_file(&empty, &file, file.size, NULL), 0);
  cr_expect(empty.dims == 2 && empty.count == 0);
  cr_expect(npy_same_shape(&scalar, &scalar) && npy_same_shape(&empty, &empty) && !npy_same_shape(&scalar, &empty));
  struct npy turned = empty;
  turned.fortran = true;
  cr_expect_not(npy_same_shape(&empty, &turned));
  npy_fini(&scalar);
  npy_fini(&empty);
}

/* Every shorter file is refused; none crashes. */
Test(npy, truncated) {
  const float values[] = {1, 2, 3};
  const struct file file = make(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", values, sizeof values);
  for (size_t size = 0; size < file.size; size++) {
    struct npy npy;
    cr_expect_eq(read_file(&npy, &file, size, NULL), ERROR_INPUT, "%zu bytes", size);
    npy_fini(&npy);
  }
}

Test(npy, damaged) {
  static const struct {
    const char *dictionary, *says;
  } cases[] = {{"{'descr': '<i4', 'fortran_order': False, 'shape': (1,), }", "not float32"},
               {"{'descr': '<f16', 'fortran_order': False, 'shape': (1,), }", "not float32"},
               {"{'descr': '<f4', 'shape': (1,), }", "header is damaged"},
               {"{'descr': '<f4', 'fortran_order': False, 'shape': (1", "header is damaged"},
               {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", "header is damaged"},
               {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", "header is damaged"},
               {"{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 4), }", "header is damaged"},
               {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,), }", "header is damaged"},
               {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "not float32"}};
  const float one[] = {1};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const struct file file = make(1, cases[i].dictionary, one, sizeof one);
    struct npy npy;
    struct error err = {""};
    cr_expect_eq(read_file(&npy, &file, file.size, &err), ERROR_INPUT, "%s", cases[i].dictionary);
    cr_expect(strstr(err.message, cases[i].says), "%s: %s", cases[i].dictionary, err.message);
    npy_fini(&npy);
  }
  struct npy npy;
  struct error err;
  cr_expect_eq(npy_read(&npy, "/nonexistent/x.npy", &err), ERROR_IO);
  cr_expect(strstr(err.message, "/nonexistent/x.npy"));
  npy_fini(&npy);
}
