/* `actscope quantize` from outside: outputs, exit statuses, files, a function of one's own. */
#include "tests/cli/shell.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(quantize, .init = shell_set_up, .fini = shell_tear_down, .timeout = 120);

#define quantize(...) shell("$A quantize " __VA_ARGS__)

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
                {"gelu --weight normal:0", "normal takes a mean and a deviation"},
                {"gelu --weight uniform:-1e300:1", "uniform takes two ascending ends"},
                {"gelu --weight histogram:", "histogram:FILE"},
                {"gelu --alpha 1", "gelu has no parameter 'alpha'"},
                {"elu --alpha one", "--alpha: 'one' is not a number"},
                {"softplus --beta -1", "softplus"},
                {"gelu silu", "too many arguments: 'silu'"},
                {"stepwise", "give them with --table FILE"},
                {"gelu --bits 1,2 --plot p.svg", "--plot and --compare take one number"},
                {"gelu -o q.npz", "--method interval"},
                {"gelu -b 3 --method interval --json -o q.npz", "--json does not go into an .npz"},
                {"gelu -b 3 --method interval --compare own.csv -o q.npz", "--compare does not go into an .npz"},
                {"gelu -o p.svg --plot p.svg", "use --plot for those"},
                {"--table own.csv -o own.csv", "own.csv is what is read"},
                {"gelu --weight histogram:own.csv --plot link.svg", "link.svg is what is read"},
                {"gelu --compare own.csv -o ./own.csv", "./own.csv is what is read"},
                {"gelu --plot p.pdf", ".svg or .png"},
                {"--library ./own.csv:f -o own.csv", "own.csv is what is read"},
                {"gelu -o q.svg", "use --plot"},
                {"gelu -o q.PDF", "use --plot"},
                {"gelu -o q.NPZ", "--method interval"},
                {"gelu --weight normal:1e14:1", "too narrow so far from 0"}};
  file_write("own.csv", "-1,0\n1,1\n", 9);
  cr_assert_eq(symlink("own.csv", "link.svg"), 0);
  for (size_t i = 0; i < sizeof usages / sizeof *usages; i++) {
    int status = quantize("%s", usages[i].line);
    cr_expect_eq(status, 2, "%s: %d", usages[i].line, status);
    cr_expect(holds("err", usages[i].err), "%s", usages[i].line);
  }
  cr_expect_neq(access("q.npz", F_OK), 0); /* nothing half-made is left */
  cr_expect(holds("own.csv", "-1,0"));
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
  cr_expect(holds("err", "q.npz: holds no array 'gelu04-borders'"));
  cr_expect_eq(quantize("silu -b 3 --compare q.json"), 3);
  cr_expect(holds("err", "q.json: is a table for gelu, not for silu"));
}

Test(quantize, compared_with_other_parameters) {
  cr_assert_eq(quantize("elu --alpha 2 -o Q.JSON"), 0);
  cr_assert(holds("Q.JSON", "\"codes\""));
  cr_assert_eq(quantize("elu --compare Q.JSON"), 0);
  cr_expect(holds("out", "is for other parameters: alpha 2, here 1."));
  cr_assert_eq(quantize("elu --compare Q.JSON --json"), 0);
  cr_expect(holds("out", "\"other_parameters\""));
  cr_assert_eq(quantize("elu --alpha 2 --compare Q.JSON"), 0);
  cr_expect_not(holds("out", "other parameters"));
}

Test(quantize, tiny_breakpoints) {
  cr_assert_eq(quantize("gelu --weight normal:0:1e-10"), 0);
  cr_expect(holds("out", "e-10"));
  cr_assert_eq(quantize("gelu --method interval -b 1"), 0);
  cr_expect(holds("out", "-inf  0.000000")); /* not the noise of computing it */
}

/* The number of a member of "compared" in "out". */
static double compared(const char *member) {
  size_t size;
  char *content = (char *)file_read("out", &size), *at = strstr(content, "\"compared\"");
  at = at ? strstr(at, member) : NULL;
  const double value = at ? strtod(at + strlen(member), NULL) : NAN;
  free(content);
  return value;
}

/* The fit's own error, after holding it against the table's: never above it but for what quadrature errs by. */
static double expect_best(const char *function, unsigned bits, const char *method, const char *weight,
                          const char *file) {
  cr_assert_eq(quantize("%s -b %u --method %s --weight %s --compare %s --json", function, bits, method, weight, file),
               0);
  const double own = compared("\"own_error\": "), other = compared("\"error\": ");
  cr_expect(own <= other + 1e-12, "%s, %u bits, %s, %s: %g, but %s has %g", function, bits, method, weight, own, file,
            other);
  return own;
}

/* Tables that are good for another weight, of both kinds and in both files, held against the fits for every function, 1 to
 * 4 bits and two weights. */
static void expect_best_of(const char *function) {
  static const char *const weights[] = {"uniform:-10:10", "normal:0:1"};
  cr_assert_eq(quantize("%s -b 1,2,3,4 --weight uniform:-4:5 -o value.json", function), 0);
  cr_assert_eq(quantize("%s -b 1,2,3,4 --weight uniform:-4:5 --method interval -o interval.npz", function), 0);
  for (unsigned bits = 1; bits <= 4; bits++) {
    for (size_t w = 0; w < sizeof weights / sizeof *weights; w++) {
      const double value = expect_best(function, bits, "value", weights[w], "value.json");
      expect_best(function, bits, "value", weights[w], "interval.npz");
      const double interval = expect_best(function, bits, "interval", weights[w], "interval.npz");
      cr_expect(value <= interval + 1e-12, "%s, %u bits, %s: %g, interval %g", function, bits, weights[w], value,
                interval);
    }
  }
}

#define BEST_OF(function)                                                                                              \
  Test(quantize, no_table_is_better_for_##function) {                                                                  \
    expect_best_of(#function);                                                                                         \
  }

BEST_OF(gelu)
BEST_OF(gelu_tanh)
BEST_OF(silu)
BEST_OF(mish)
BEST_OF(softplus)
BEST_OF(elu)
BEST_OF(celu)
BEST_OF(selu)
BEST_OF(hardswish)
BEST_OF(logsigmoid)
BEST_OF(sigmoid)
BEST_OF(tanh)
BEST_OF(softsign)
BEST_OF(tanhshrink)

Test(quantize, table_and_steps) {
  file_write("own.csv", "x,slope\n-1,0\n0,0.5\n1,1\n", 23);
  cr_assert_eq(quantize("--table own.csv -b 2"), 0);
  cr_expect(holds("out", "own: 2 bits"));
  cr_assert_eq(quantize("stepwise --table own.csv -b 2"), 0);
  cr_expect(holds("out", "0: exact"));
}

/* Writes into the pipe once somebody reads, for as long as a test may take at most. */
static void feed(const char *command) {
  char line[256];
  snprintf(line, sizeof line, "timeout 60 sh -c \"%s\" >/dev/null 2>&1 </dev/null &", command);
  cr_assert_eq(system(line), 0);
}

/* What a pipe has is read, once. */
Test(quantize, pipes) {
  cr_assert_eq(mkfifo("pipe", 0600), 0);
  file_write("own.csv", "-1,0\n0,0.5\n1,1\n", 15);
  file_write("histogram.csv", "-1,0,1\n0,1,2\n", 13);
  feed("cat own.csv >pipe");
  cr_assert_eq(quantize("own --table pipe -b 1"), 0);
  feed("cat histogram.csv >pipe");
  cr_assert_eq(quantize("gelu --weight histogram:pipe -b 1"), 0, "it was read twice");
  cr_assert_eq(quantize("gelu -b 2 --json -o q.json"), 0);
  feed("cat q.json >pipe");
  cr_assert_eq(quantize("gelu -b 2 --compare pipe"), 0);
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
  cr_expect_eq(quantize("--library cube.so:cube --weight uniform:-1:1 -b 2"), 0); /* of this folder, not the system's */
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

/* What a file is called is text, to the terminal and to gnuplot, which runs what stands between backquotes. */
Test(quantize, a_name_is_only_a_name) {
  file_write("`touch ran`'\".csv", "-1,0\n1,1\n", 9);
  cr_assert_eq(quantize("--table \"\\`touch ran\\`'\\\".csv\" --plot p.svg"), 0);
  cr_expect(holds("out", "`touch ran`'\": 3 bits"));
  cr_expect_neq(access("ran", F_OK), 0);
  file_write("red.csv", "-1,0\n1,1\n", 9);
  cr_assert_eq(quantize("\"$(printf '\\033[31m')\" --table red.csv"), 0);
  cr_expect_not(holds("out", "\033"));
}

Test(quantize, plot_that_cannot_be_written) {
  cr_assert_eq(quantize("gelu --plot none/p.svg"), 3);
  cr_expect(holds("err", "cannot write none/p.svg: No such file or directory"));
  cr_assert_eq(mkdir("p.svg", 0777), 0);
  cr_assert_eq(quantize("gelu --plot p.svg -o text"), 3);
  cr_expect(holds("err", "p.svg"));
  cr_assert_eq(rmdir("p.svg"), 0);
  cr_expect_neq(system("ls *.tmp >/dev/null 2>&1"), 0, "a half-made file is left");
}

/* gnuplot says nothing of a full disk. */
Test(quantize, plot_that_is_not_whole) {
  static const char fake[] = "#!/bin/sh\nexit 0\n";
  file_write("gnuplot", fake, sizeof fake - 1);
  cr_assert_eq(chmod("gnuplot", 0755), 0);
  setenv("PATH", shell_folder, 1);
  cr_expect_eq(quantize("gelu --plot p.svg"), 3);
  cr_expect(holds("err", "left it unfinished"));
  cr_expect_neq(access("p.svg", F_OK), 0);
}

/* Without gnuplot: a notice, no failure. */
Test(quantize, plot_without_gnuplot) {
  setenv("PATH", "/nonexistent", 1);
  cr_assert_eq(quantize("gelu --plot p.svg"), 0);
  cr_expect(holds("err", "install gnuplot-nox"));
  cr_expect(holds("out", "gelu: 3 bits"));
  cr_expect_neq(access("p.svg", F_OK), 0);
}
