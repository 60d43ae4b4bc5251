/* `actscope quantize` from outside: outputs, exit statuses, files, a function of one's own. */
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char *folder;

static void set_up(void) {
  folder = folder_make();
  cr_assert_eq(chdir(folder), 0);
}

static void tear_down(void) {
  cr_assert_eq(chdir("/"), 0);
  folder_remove(folder);
}

TestSuite(quantize, .init = set_up, .fini = tear_down, .timeout = 120);

/* Runs `actscope quantize ARGS`; standard output in "out", standard error in "err". */
static int quantize(const char *format, ...) {
  const char *build = getenv("ACTSCOPE_BUILD");
  char arguments[2048], command[8192];
  va_list args;
  int status;
  cr_assert_not_null(build, "run by ctest, or set ACTSCOPE_BUILD to the build folder");
  va_start(args, format);
  vsnprintf(arguments, sizeof arguments, format, args);
  va_end(args);
  snprintf(command, sizeof command, "'%s/cli/actscope' quantize %s >out 2>err </dev/null", build, arguments);
  status = system(command);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool holds(const char *path, const char *text) {
  size_t size;
  char *content = (char *)file_read(path, &size);
  bool found = strstr(content, text);
  free(content);
  return found;
}

Test(quantize, page_of_text) {
  cr_assert_eq(quantize("gelu --weight uniform:-10:10"), 0);
  cr_expect(holds("out", "gelu: 3 bits, value, uniform:-10:10"));
  cr_expect(holds("out", "8 on 10 intervals"));
  cr_expect(holds("out", "0.00809"));
  cr_expect(holds("out", "-inf"));
  cr_assert_eq(quantize("relu --bits 1"), 0);
  cr_expect(holds("out", "0: exact"));
  cr_assert_eq(quantize("silu -b 1,4 --method interval"), 0);
  cr_expect(holds("out", "silu: 1 bit, interval"));
  cr_expect(holds("out", "silu: 4 bits, interval"));
}

Test(quantize, json) {
  cr_assert_eq(quantize("leaky_relu --negative-slope 0.2 --json"), 0);
  cr_expect(holds("out", "\"schema\": \"actscope.quantizer/1\""));
  cr_expect(holds("out", "\"negative_slope\": 0.2"));
  cr_expect(holds("out", "\"error\": 0.0"));
}

Test(quantize, wrong_usage) {
  static const struct {
    const char *line, *err;
  } usages[] = {{"", "no FUNCTION given"},
                {"gelo", "no function is named 'gelo'"},
                {"gelu --bits 9", "--bits: '9'"},
                {"gelu --bits 0", "--bits: '0'"},
                {"gelu --bits 1,", "--bits: '1,'"},
                {"gelu --method best", "unknown method 'best'"},
                {"gelu --weight normal:0", "normal takes mean and deviation"},
                {"gelu --alpha 1", "gelu has no parameter 'alpha'"},
                {"elu --alpha one", "--alpha: 'one' is not a number"},
                {"softplus --beta -1", "softplus"},
                {"gelu silu", "too many arguments: 'silu'"},
                {"stepwise", "give them with --table FILE"},
                {"gelu --bits 1,2 --plot p.svg", "--plot and --compare take one number"},
                {"gelu -o q.npz", "--method interval"},
                {"gelu --plot p.pdf", ".svg or .png"}};
  for (size_t i = 0; i < sizeof usages / sizeof *usages; i++) {
    int status = quantize("%s", usages[i].line);
    cr_expect_eq(status, 2, "%s: %d", usages[i].line, status);
    cr_expect(holds("err", usages[i].err), "%s", usages[i].line);
  }
  cr_expect_neq(access("q.npz", F_OK), 0); /* nothing half-made is left */
}

Test(quantize, bad_input) {
  file_write("bad.csv", "1,2\nx\n", 6);
  cr_expect_eq(quantize("mine --table bad.csv"), 3);
  cr_expect_eq(quantize("mine --table none.csv"), 3);
  cr_expect_eq(quantize("gelu --weight histogram:none.csv"), 3);
  cr_expect_eq(quantize("gelu --compare bad.csv"), 3);
  cr_expect_eq(quantize("gelu -o /nonexistent/q.json"), 3);
  cr_expect_eq(quantize("--library ./none.so:f"), 3);
}

Test(quantize, saved_and_compared) {
  cr_assert_eq(quantize("gelu -b 2,3 --method interval -o q.npz"), 0);
  cr_assert_eq(quantize("gelu -b 3 --compare q.npz"), 0);
  cr_expect(holds("out", "this one"));
  cr_expect(holds("out", "q.npz"));
  cr_assert_eq(quantize("gelu -b 3 -o q.json"), 0);
  cr_expect(holds("q.json", "\"codes\""));
  cr_assert_eq(quantize("gelu -b 3 --compare q.json"), 0);
  cr_expect(holds("out", "1.000"));
  cr_expect_eq(quantize("gelu -b 4 --compare q.npz"), 3);
}

Test(quantize, table_and_steps) {
  file_write("own.csv", "x,slope\n-1,0\n0,0.5\n1,1\n", 24);
  cr_assert_eq(quantize("--table own.csv -b 2"), 0);
  cr_expect(holds("out", "own: 2 bits"));
  cr_assert_eq(quantize("stepwise --table own.csv -b 2"), 0);
  cr_expect(holds("out", "0: exact"));
}

Test(quantize, library) {
  static const char source[] = "double cube(double x) { return x * x * x; }\n"
                               "double cube_derivative(double x) { return 3 * x * x; }\n"
                               "double half(double x) { return x; }\n";
  file_write("cube.c", source, sizeof source - 1);
  if (system("cc -shared -fPIC -o cube.so cube.c >/dev/null 2>&1") != 0) {
    cr_skip("no C compiler");
  }
  cr_assert_eq(quantize("--library ./cube.so:cube --weight uniform:-1:1 -b 2"), 0);
  cr_expect(holds("out", "cube: 2 bits"));
  cr_expect_eq(quantize("--library ./cube.so:half"), 3);
  cr_expect(holds("err", "half_derivative"));
}

Test(quantize, plot) {
  if (system("command -v gnuplot >/dev/null 2>&1") != 0) {
    cr_skip("no gnuplot");
  }
  cr_assert_eq(quantize("hardswish --plot \"it's.svg\""), 0);
  cr_expect(holds("it's.svg", "</svg>"));
  cr_expect(holds("it's.svg", "hardswish, 3 bits, value"));
}

/* Without gnuplot: a notice, no failure. */
Test(quantize, plot_without_gnuplot) {
  setenv("PATH", "/nonexistent", 1);
  cr_assert_eq(quantize("gelu --plot p.svg"), 0);
  cr_expect(holds("err", "install gnuplot-nox"));
  cr_expect(holds("out", "gelu: 3 bits"));
  cr_expect_neq(access("p.svg", F_OK), 0);
}
