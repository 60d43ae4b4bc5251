/* Weights: what is parsed and what is refused; densities have the integral they promise. */
#include "kernels/npz.h"
#include "kernels/weight.h"
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

TestSuite(weight, .init = set_up, .fini = tear_down);

static int parse_file(struct weight *weight, const char *text, struct error *err) {
  struct path path = path_join(folder, "histogram.csv");
  char spec[sizeof path + 16];
  file_write(path.text, text, strlen(text));
  snprintf(spec, sizeof spec, "histogram:%s", path.text);
  return weight_parse(weight, spec, err);
}

static double integral(const struct weight *weight) {
  double low, high, sum = 0;
  weight_support(weight, &low, &high);
  for (int i = 0; i < 100000; i++) {
    sum += weight_density(weight, low + (high - low) * (i + 0.5) / 100000);
  }
  return sum * (high - low) / 100000;
}

Test(weight, formulas) {
  struct weight weight;
  struct error err;
  char text[96];
  cr_assert_eq(weight_parse(&weight, "uniform:-10:10", &err), 0);
  cr_expect_float_eq(integral(&weight), 20, 1e-9);
  cr_expect_eq(weight_density(&weight, 11), 0);
  cr_expect_str_eq(weight_format(&weight, text, sizeof text), "uniform:-10:10");
  cr_assert_eq(weight_parse(&weight, "normal:0.1:1e-7", &err), 0);
  cr_expect_str_eq(weight_format(&weight, text, sizeof text), "normal:0.1:1e-07");
  cr_assert_eq(weight_parse(&weight, "uniform:0.30000000000000004:1", &err), 0);
  cr_expect_str_eq(weight_format(&weight, text, sizeof text), "uniform:0.30000000000000004:1");
  cr_assert_eq(weight_parse(&weight, "normal:1:0.5", &err), 0);
  cr_expect_float_eq(integral(&weight), 1, 1e-12);
  cr_expect_float_eq(weight_density(&weight, 1), 2 / sqrt(2 * M_PI), 1e-15);
}

/* float32 near 1e14 are 8388608 apart. */
Test(weight, too_narrow_so_far_out) {
  static const char *const texts[] = {"normal:1e14:1", "normal:-1e18:1",          "normal:1e25:1",
                                      "normal:1:9e-7", "uniform:1e9:1.0000001e9", "uniform:-1e9:-9.99999999e8"};
  struct weight weight;
  struct error err;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    cr_expect_eq(weight_parse(&weight, texts[i], &err), ERROR_USAGE, "'%s'", texts[i]);
    cr_expect(strstr(err.message, "too narrow so far from 0"), "%s", err.message);
  }
  cr_expect_eq(weight_parse(&weight, "normal:1:1e-6", &err), 0);
  cr_expect_eq(weight_parse(&weight, "normal:0:1e-20", &err), 0);
  cr_expect_eq(weight_parse(&weight, "uniform:1:1.000001", &err), 0);
  cr_expect_eq(weight_parse(&weight, "uniform:0:1e-20", &err), 0);
}

Test(weight, refused) {
  static const char *const texts[] = {"",
                                      "uniform",
                                      "uniform:1",
                                      "uniform:1:1",
                                      "uniform:2:1",
                                      "uniform:a:1",
                                      "uniform:0:inf",
                                      "normal:0:0",
                                      "normal:0:-1",
                                      "normal:0:1:2",
                                      "normal:0:x",
                                      "gauss:0:1",
                                      "uniform:nan:1",
                                      "normal:0:1 x",
                                      "uniform:1e999:2",
                                      "uniform:-1e308:1e308",
                                      "normal:1e40:1",
                                      "histogram:"};
  struct weight weight;
  struct error err;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    cr_expect_eq(weight_parse(&weight, texts[i], &err), ERROR_USAGE, "'%s'", texts[i]);
  }
  cr_expect_eq(weight_parse(&weight, "histogram:/nonexistent/file", &err), ERROR_IO);
  cr_expect(strstr(err.message, "cannot open"), "%s", err.message);
}

Test(weight, histogram_of_rows) {
  struct weight weight;
  struct error err;
  cr_assert_eq(parse_file(&weight, "left,right,count\n# a gap from 0 to 1\n-2,-1,0\n-1,0,3\n1,2,1\n2,4,0\n", &err), 0,
               "%s", err.message);
  cr_expect_float_eq(integral(&weight), 1, 1e-4);
  cr_expect_eq(weight.a, -1); /* empty ends are not part of it */
  cr_expect_eq(weight.b, 2);
  cr_expect_float_eq(weight_density(&weight, -0.5), 0.75, 1e-15);
  cr_expect_eq(weight_density(&weight, 0.5), 0);
  weight_fini(&weight);
}

Test(weight, histogram_refused) {
  static const char *const texts[] = {
      "", "0,1\n", "0,1,2,3\n", "0,1,-1\n", "0,1,0\n", "1,0,1\n", "0,1,1\n0.5,2,1\n", "0,1,1\nx,y,z\n", "0,1,nan\n"};
  struct weight weight;
  struct error err;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    cr_expect_eq(parse_file(&weight, texts[i], &err), ERROR_INPUT, "'%s'", texts[i]);
  }
}

Test(weight, histogram_of_numpy) {
  static const double edges[] = {-1, 0, 2}, counts[] = {1, 3};
  struct npz_writer writer = {0};
  struct path path = path_join(folder, "histogram.npz");
  struct weight weight;
  struct error err;
  char spec[sizeof path + 16];
  npz_writer_add(&writer, "edges", edges, 3);
  npz_writer_add(&writer, "counts", counts, 2);
  cr_assert_eq(npz_writer_finish(&writer, &err), 0);
  file_write(path.text, writer.bytes, writer.size);
  free(writer.bytes);
  snprintf(spec, sizeof spec, "histogram:%s", path.text);
  cr_assert_eq(weight_parse(&weight, spec, &err), 0, "%s", err.message);
  cr_expect_float_eq(weight_density(&weight, 1), 0.375, 1e-15);
  weight_fini(&weight);
}
