/* Cosines by bits from what verify and replay write; everything else is refused. */
#include "reports/gradients.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct gradients gradients;
static struct error err;

static int read_text(const char *text) {
  char path[] = "/tmp/actscope-gradients-XXXXXX";
  const int fd = mkstemp(path);
  cr_assert(fd >= 0);
  cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
  close(fd);
  const int code = gradients_read(path, &gradients, &err);
  unlink(path);
  return code;
}

Test(gradients, of_verify_sorted_by_bits) {
  cr_assert_eq(read_text("{\"schema\":\"actscope.verify/1\",\"kind\":\"model\",\"model\":\"gpt\",\"bits\":["
                         "{\"bits\":3,\"min_cosine\":0.99,\"mean_cosine\":0.999,\"max_relative_error\":0.1},"
                         "{\"bits\":2,\"min_cosine\":0.9,\"mean_cosine\":null}]}"),
               0, "%s", err.message);
  cr_assert_eq(gradients.count, 2);
  cr_expect_str_eq(gradients.subject, "the parameters of gpt");
  cr_expect_eq(gradients.widths[0].bits, 2);
  cr_expect_eq(gradients.widths[0].min_cosine, 0.9);
  cr_expect(isnan(gradients.widths[0].mean_cosine));
  cr_expect_eq(gradients.widths[1].max_relative_error, 0.1);
}

/* The mean counts a group as often as it stands for an activation. */
Test(gradients, of_replay) {
  cr_assert_eq(
      read_text("{\"schema\":\"actscope.replay/1\",\"kind\":\"run\",\"run\":\"a.act\",\"total\":[{\"bits\":2}],"
                "\"activations\":["
                "{\"count\":3,\"widths\":[{\"bits\":2,\"cosine\":0.8,\"relative_error\":0.4}]},"
                "{\"count\":1,\"widths\":[{\"bits\":2,\"cosine\":1.0,\"relative_error\":0.5}]},"
                "{\"count\":1,\"skipped\":\"no function\",\"widths\":[]}]}"),
      0, "%s", err.message);
  cr_assert_eq(gradients.count, 1);
  cr_expect_eq(gradients.widths[0].min_cosine, 0.8);
  cr_expect_eq(gradients.widths[0].max_relative_error, 0.5);
  cr_expect_float_eq(gradients.widths[0].mean_cosine, 0.85, 1e-12);
}

Test(gradients, refuses_what_is_something_else) {
  cr_expect_eq(read_text("{"), ERROR_INPUT);
  cr_expect_eq(read_text("[]"), ERROR_INPUT);
  cr_expect_eq(read_text("{\"schema\":\"actscope.report/1\"}"), ERROR_INPUT);
  cr_expect_eq(read_text("{\"schema\":\"actscope.verify/1\",\"kind\":\"training\",\"training\":{}}"), ERROR_INPUT);
  cr_expect_eq(read_text("{\"schema\":\"actscope.verify/1\",\"bits\":[{\"bits\":0,\"min_cosine\":1},"
                         "{\"bits\":\"x\",\"min_cosine\":1},{\"bits\":99,\"min_cosine\":1}]}"),
               ERROR_INPUT);
  cr_expect_eq(gradients_read("/nonexistent/verify.json", &gradients, &err), ERROR_IO);
  cr_expect_eq(gradients_read("/", &gradients, &err), ERROR_IO);
}
