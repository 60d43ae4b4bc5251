/* `actscope replay`, `verify`, `plan` and `models` from outside: outputs, exit statuses, and what is checked against
 * what. The run that is replayed is a store, made by `actscope analyze` of an empty trace and filled by hand with eligible
 * blocks, as docs/sqlite-schema.md has them. */
#include "tests/cli/shell.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TINY_GPT "gpt --set layers=1 --set width=16 --set heads=2 --set vocabulary=11 --sequence 8 --batch 2"
#define TINY_MLP "mlp --set layers=1 --set width=8 --set inputs=6 --batch 4"

TestSuite(replay, .init = shell_set_up, .fini = shell_tear_down, .timeout = 120);

#define actscope(...) shell("$A " __VA_ARGS__)

/* The number behind the nth (from 0) "key": in "out"; NaN if there are fewer. */
static double figure(const char *key, int nth) {
  size_t size;
  char quoted[64], *content = (char *)file_read("out", &size), *at = content;
  double value = NAN;
  snprintf(quoted, sizeof quoted, "\"%s\": ", key);
  for (int i = 0; at && i <= nth; i++) {
    at = strstr(at + (i > 0), quoted);
  }
  if (at) {
    value = strtod(at + strlen(quoted), NULL);
  }
  free(content);
  return value;
}

/* Two gelus of 6000 float32 and one silu of 100 bfloat16, saved in another order than the blocks have, and a gelu of
 * float64, which libfewbit has not. */
static void make_store(void) {
  static const char rows[] =
      "UPDATE run SET saved_step = 0, saved_bytes = 128200, saved_blocks = 4, evidence = 'probe';"
      "INSERT INTO step VALUES (0, 0, 100, 200, 300, 1048576, 128200, 4, 1);"
      "INSERT INTO saved_block VALUES"
      " (1, 0, 1, 1, 80000, 10000, 'float64', 10, 190, 'addmm', 'gelu', '', '', 0, 'x.py:1', 1, 'probe', 1,"
      "  'its only holder is a pointwise nonlinearity'),"
      " (2, 0, 1, 1, 24000, 6000, 'float32', 20, 180, 'addmm', 'gelu', 'blocks.0.act', '', 0, 'x.py:1', 1, 'probe', 1,"
      "  'its only holder is a pointwise nonlinearity'),"
      " (3, 0, 1, 1, 24000, 6000, 'float32', 30, 170, 'addmm', 'gelu', 'blocks.1.act', '', 0, 'x.py:1', 1, 'probe', 1,"
      "  'its only holder is a pointwise nonlinearity'),"
      " (4, 0, 1, 1, 200, 100, 'bfloat16', 5, 195, 'addmm', 'silu', '', '', 0, 'x.py:1', 1, 'probe', 1,"
      "  'its only holder is a pointwise nonlinearity'),"
      " (5, 0, 1, 1, 777, 100, 'float32', 5, 195, 'addmm', 'addmm', '', '', 0, 'x.py:1', 1, 'probe', 0,"
      "  'its holder is not a pointwise nonlinearity');"
      "INSERT INTO holder VALUES (1, 0, 'gelu', 40, 185), (2, 0, 'gelu', 25, 180), (3, 0, 'gelu', 35, 170),"
      " (4, 0, 'silu', 6, 195), (5, 0, 'addmm', 6, 195);";
  sqlite3 *database;
  char *message = NULL;
  cr_assert_eq(actscope("analyze run.act -o run.sqlite"), 0);
  cr_assert_eq(sqlite3_open("run.sqlite", &database), SQLITE_OK);
  cr_assert_eq(sqlite3_exec(database, rows, NULL, NULL, &message), SQLITE_OK, "%s", message);
  cr_assert_eq(sqlite3_close(database), SQLITE_OK);
}

/* ---- replay ------------------------------------------------------------------------------------------------------ */

Test(replay, of_a_run) {
  make_store();
  cr_assert_eq(actscope("replay run.sqlite --bits 1,3"), 0);
  cr_expect(holds("out", "step 0 replayed: 3 of 4"));
  cr_expect(holds("out", "2 x gelu of 6,000 float32"));
  cr_expect(holds("out", "silu of 100 bfloat16"));
  cr_expect(holds("out", "Not replayed: gelu of 10,000 float64"));
  cr_expect(holds("out", "N(0, 1)"));
  cr_assert_eq(actscope("replay run.sqlite --bits 1,3 --json"), 0);
  cr_expect(holds("out", "\"schema\": \"actscope.replay/1\""));
  cr_expect(figure("step", 0) == 0 && figure("eligible", 0) == 4 && figure("replayed", 0) == 3);
  /* In the order of saving: silu, the gelus, the float64 one. */
  cr_expect(figure("elements", 0) == 100 && figure("elements", 1) == 6000 && figure("count", 1) == 2);
  cr_expect(figure("held_bytes", 0) == 200 && figure("held_bytes", 1) == 13 && figure("held_bytes", 2) == 38);
  cr_expect(figure("held_bytes", 3) == 48000 && figure("held_bytes", 4) == 1500 && figure("held_bytes", 5) == 4500);
  cr_expect(figure("held_bytes", 6) == 48200 && figure("held_bytes", 8) == 4538);
  cr_expect(figure("projected_bytes", 8) == 4538);
  cr_expect(figure("relative_error", 3) < 1e-6 && figure("cosine", 4) > 0.93 && figure("cosine", 4) < 0.98);
  cr_expect(figure("cosine", 5) > 0.996);
  cr_expect(figure("forward_ns", 3) > 0);
}

Test(replay, of_a_run_with_nothing_eligible) {
  cr_assert_eq(actscope("replay run.act"), 0);
  cr_expect(holds("out", "Nothing to replay"));
  cr_assert_eq(actscope("replay run.act --json"), 0);
  cr_expect(figure("eligible", 0) == 0);
  cr_expect_eq(actscope("verify run.act"), 0);
  cr_expect(holds("out", "Nothing to check"));
  cr_expect_eq(actscope("verify run.act --plot p.svg --json"), 0);
  cr_expect(holds("out", "\"bits\": []") && holds("out", "\"passed\": true") && holds("err", "nothing to draw"));
}

Test(replay, of_a_model) {
  cr_assert_eq(actscope("replay " TINY_GPT " --steps 3 --bits 0,2"), 0, "%s", "replay");
  cr_expect(holds("out", "blocks.0.mlp.act"));
  cr_expect(holds("out", "3 steps on random batches"));
  cr_assert_eq(actscope("replay " TINY_GPT " --steps 3 --bits 0,2 --optimizer sgd --json"), 0);
  cr_expect(holds("out", "\"kind\": \"model\"") && holds("out", "\"optimizer\": \"sgd\""));
  cr_expect(figure("bits", 0) == 0 && figure("bits", 1) == 2);
  for (int i = 0; i < 2; i++) {
    cr_expect(figure("peak_bytes", i) > 0 && figure("peak_bytes", i) == figure("planned_peak_bytes", i));
    cr_expect(figure("saved_bytes", i) > 0 && figure("saved_bytes", i) == figure("planned_saved_bytes", i));
    cr_expect(figure("step_ns", i) > 0);
  }
  cr_expect_lt(figure("saved_bytes", 1), figure("saved_bytes", 0));
}

/* ---- verify ------------------------------------------------------------------------------------------------------ */

Test(replay, verify_a_run) {
  make_store();
  cr_expect_eq(actscope("verify run.sqlite"), 0);
  cr_expect(holds("out", "blocks.1.act") && holds("out", "silu 1") && holds("out", "Passed"));
  cr_expect(holds("out", "1 eligible activation was not checked"));
  cr_expect_eq(actscope("verify run.sqlite --bits 1,3"), 1);
  cr_expect(holds("out", "Fell short"));
  cr_expect_eq(actscope("verify run.sqlite --bits 3 --max-relative-error 0.01 --json"), 1);
  cr_expect(holds("out", "\"passed\": false") && figure("skipped", 0) == 1);
  cr_expect(figure("saved_bytes", 0) == 48200 && figure("saved_bytes", 1) == 4538 && figure("saved_bytes", 2) == 4538);
}

Test(replay, verify_a_model) {
  cr_expect_eq(actscope("verify " TINY_GPT " --data random --bits 4 --min-cosine 0.5"), 0);
  cr_expect(holds("out", "blocks.0.mlp.fc1.weight") && holds("out", "Memory"));
  cr_expect(holds("out", "On batches of random numbers, seed 1") && !holds("out", "are the hardest"));
  cr_expect_eq(actscope("verify " TINY_GPT " --data random --bits 1 --min-cosine 0.9999"), 1);
  cr_expect(holds("out", "are the hardest") && holds("out", "--steps N"));
  cr_expect_eq(actscope("verify " TINY_MLP " --data random --set activation=relu --bits 1 --min-cosine 1 "
                        "--max-relative-error 0"),
               0);
  cr_expect_eq(actscope("verify " TINY_GPT " --data random --bits 1 --min-cosine 0.9999 --steps 2 --json"), 1);
  cr_expect(holds("out", "\"schema\": \"actscope.verify/1\"") && holds("out", "\"trained\""));
  cr_expect(figure("peak_bytes", 1) == figure("peak_bytes", 2), "measured as projected");
  cr_expect_lt(figure("saved_bytes", 1), figure("saved_bytes", 0));
  cr_expect_lt(figure("min_cosine", 0), 0.9999);
}

static void write_npy(const char *path, const float *values, size_t count) {
  char file[128 + 4096] = "\x93NUMPY\x01";
  const char length = 118;
  memset(file + 10, ' ', 118);
  memcpy(file + 8, &length, 1);
  file[9] = 0;
  file[7] = 0;
  const int used = snprintf(file + 10, 118, "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu,), }", count);
  file[10 + used] = ' ';
  file[127] = '\n';
  memcpy(file + 128, values, count * sizeof *values);
  file_write(path, file, 128 + count * sizeof *values);
}

Test(replay, verify_arrays) {
  float x[1000], dy[1000];
  for (int i = 0; i < 1000; i++) {
    x[i] = (float)(i - 500) / 200;
    dy[i] = i % 2 ? 1.0F : -0.5F;
  }
  write_npy("x.npy", x, 1000);
  write_npy("dy.npy", dy, 1000);
  write_npy("short.npy", dy, 999);
  cr_expect_eq(actscope("verify --tensors x.npy,dy.npy --function gelu"), 0);
  cr_expect(holds("out", "Few-bit gradients of gelu against exact ones, on x.npy"));
  cr_expect_eq(actscope("verify --tensors x.npy,dy.npy --function gelu --bits 1,4 --json"), 1);
  cr_expect(holds("out", "\"name\": \"gelu\"") && figure("bits", 2) == 4);
  cr_expect_eq(actscope("verify --tensors x.npy,dy.npy --function hardtanh --bits 1 --min-cosine 1"), 0);
  cr_expect_eq(actscope("verify --tensors x.npy,short.npy --function gelu"), 3);
  cr_expect_eq(actscope("verify --tensors x.npy,none.npy --function gelu"), 3);
  cr_expect_eq(actscope("verify --tensors x.npy,run.act --function gelu"), 3);
  cr_expect_eq(actscope("verify --tensors x.npy,dy.npy --function gelo"), 2);
}

Test(replay, verify_arrays_that_are_not_finite) {
  float x[10] = {0}, dy[10] = {0};
  write_npy("dy.npy", dy, 10);
  x[7] = NAN;
  write_npy("x.npy", x, 10);
  cr_expect_eq(actscope("verify --tensors x.npy,dy.npy --function gelu"), 3);
  cr_expect(holds("err", "x.npy: element 7 is NaN"));
  x[7] = -INFINITY;
  write_npy("x.npy", x, 10);
  cr_expect_eq(actscope("verify --tensors dy.npy,x.npy --function gelu"), 3);
  cr_expect(holds("err", "x.npy: element 7 is infinite"));
}

Test(replay, verify_training_that_diverges) {
  char text[4000];
  for (size_t i = 0; i < sizeof text; i++) {
    text[i] = "abcdefg "[i * i % 8];
  }
  file_write("words", text, sizeof text);
  cr_expect_eq(actscope("verify " TINY_GPT " --train --data-file words --optimizer sgd --rate 100000 --steps 30 "
                        "--seeds 1 --bits 4"),
               3);
  cr_expect(holds("err", "diverged") && !holds("out", "nan"));
}

Test(replay, verify_training) {
  char text[4000];
  for (size_t i = 0; i < sizeof text; i++) {
    text[i] = "abcdefg "[i * i % 8];
  }
  file_write("words", text, sizeof text);
  const int status = actscope("verify " TINY_GPT " --train --data-file words --steps 5 --seeds 2 --bits 4 --json");
  cr_expect(status == 0 || status == 1, "%d", status);
  cr_expect(holds("out", "\"kind\": \"training\"") && figure("seeds", 0) == 2 && figure("seed", 1) == 2);
  cr_expect_eq(holds("out", "\"passed\": true"), status == 0);
  cr_expect(figure("mean", 0) > 0 && figure("loss", 1) > 0);
  cr_expect_leq(actscope("verify " TINY_GPT " --train --data text --data-file words --steps 3 --seeds 1 --bits 4"), 1);
  cr_expect(holds("out", "within"));
}

Test(replay, verify_plot) {
  cr_assert_eq(actscope("verify " TINY_MLP " --data random --bits 3,4 --min-cosine 0 --plot p.svg"), 0);
  const bool drawn = access("p.svg", F_OK) == 0;
  cr_expect(drawn ? holds("p.svg", "<svg") : holds("err", "gnuplot"));
}

/* ---- plan and models --------------------------------------------------------------------------------------------- */

Test(replay, plan) {
  cr_assert_eq(actscope("plan roberta-base --batch 128 --sequence 128 --bits 3"), 0);
  cr_expect(holds("out", "124,647,170 parameters") && holds("out", "float32") && holds("out", "gelu"));
  cr_assert_eq(actscope("plan gpt2-xl --bits 3 --json"), 0);
  cr_expect(holds("out", "\"schema\": \"actscope.plan/1\""));
  cr_expect(figure("parameters", 0) == 1557611200, "%.0f", figure("parameters", 0)); /* as GPT-2's paper counts */
  cr_expect_lt(figure("peak_bytes", 1), figure("peak_bytes", 0));
  cr_assert_eq(actscope("plan bert-base --set types=3 --bits 3 --json"), 0);
  cr_expect_eq(figure("types", 0), 3);
  file_write("own.model", "base = gpt\nlayers = 3\nwidth = 24\nheads = 2\n", 43);
  cr_assert_eq(actscope("plan own.model --set activation=silu"), 0);
  cr_expect(holds("out", "3 layers, width 24") && holds("out", "silu"));
}

/* What `plan' says is what `replay' measures. */
Test(replay, plan_is_what_replay_measures) {
  cr_assert_eq(actscope("plan " TINY_GPT " --bits 3 --json"), 0);
  const double peak = figure("peak_bytes", 1), saved = figure("saved_bytes", 1);
  cr_assert_eq(actscope("replay " TINY_GPT " --bits 3 --steps 2 --json"), 0);
  cr_expect(peak > 0 && figure("peak_bytes", 0) == peak && figure("saved_bytes", 0) == saved);
}

Test(replay, models) {
  cr_assert_eq(actscope("models"), 0);
  cr_expect(holds("out", "roberta-base") && holds("out", "llama-7b"));
  cr_assert_eq(actscope("models --json"), 0);
  cr_expect(holds("out", "\"schema\": \"actscope.models/1\"") && holds("out", "\"name\": \"gpt2-xl\""));
}

/* ---- wrong usage ------------------------------------------------------------------------------------------------- */

Test(replay, wrong_usage) {
  static const struct {
    const char *line, *err;
    int status;
  } usages[] = {{"replay", "no RUN or MODEL", 2},
                {"replay gpt mlp", "too many arguments", 2},
                {"replay gpt --bits 9", "--bits: '9'", 2},
                {"replay gpt --steps x", "--steps: 'x'", 2},
                {"replay gpt --steps 0", "--steps", 2},
                {"replay gpt --optimizer adagrad", "adagrad", 2},
                {"replay gpt --set depth=3", "depth", 2},
                {"replay gpt --set depth", "KEY=VALUE", 2},
                {"replay gpt --data digits", "cannot learn from digits", 2},
                {"replay run.act --batch 3", "a run has no batch=3", 2},
                {"verify run.act --set width=3", "a run has no width=3", 2},
                {"replay none.act", "none.act", 3},
                {"replay gtp", "gtp", 2},
                {"verify nosuch", "nosuch", 2},
                {"replay run.act --steps 3", "a run has no --steps", 2},
                {"replay run.act --data text", "a run has no --data", 2},
                {"replay run.act --rate 0.1", "a run has no --rate", 2},
                {"replay run.act --optimizer sgd", "a run has no --optimizer", 2},
                {"verify run.act --data-file run.act", "a run has no --data-file", 2},
                {"verify --tensors x.npy,dy.npy --function gelu --steps 3", "--tensors is no model", 2},
                {"verify --tensors x.npy,dy.npy --function gelu --batch 3", "batch=3", 2},
                {"verify gpt --seeds 2", "--seeds goes with --train", 2},
                {"verify gpt2-xl -o /nonexistent/x", "/nonexistent", 3},
                {"verify gpt2-xl --plot /nonexistent/x.svg", "/nonexistent", 3},
                {"replay gpt -o /nonexistent/x --steps 1 --batch 1 --bits 0", "/nonexistent", 3},
                {"verify", "no RUN, MODEL, --tensors or --torch", 2},
                {"verify gpt --bits 0", "--bits: '0'", 2},
                {"verify gpt --min-cosine 2", "--min-cosine: '2'", 2},
                {"verify gpt --max-relative-error -1", "--max-relative-error: '-1'", 2},
                {"verify gpt --function gelu", "--tensors and --function", 2},
                {"verify --tensors x.npy --function gelu", "is not X.npy,DY.npy", 2},
                {"verify --tensors x.npy,dy.npy", "--tensors and --function", 2},
                {"verify run.act --train", "--train is for a MODEL", 2},
                {"verify gpt --train --data random", "nothing can be learnt", 2},
                {"verify gpt --seeds 1.5", "no whole number", 2},
                {"verify gpt --plot p.pdf", ".svg or .png", 2},
                {"plan", "no MODEL", 2},
                {"plan gtp", "gtp", 2},
                {"plan none.model", "none.model", 3},
                {"plan gpt --set heads=7", "heads", 2},
                {"models gpt", "too many arguments", 2}};
  for (size_t i = 0; i < sizeof usages / sizeof *usages; i++) {
    int status = actscope("%s", usages[i].line);
    cr_expect_eq(status, usages[i].status, "%s: %d", usages[i].line, status);
    cr_expect(holds("err", usages[i].err), "%s", usages[i].line);
  }
}

/* The run that is read is not written over. */
Test(replay, output_over_the_run) {
  make_store();
  cr_expect_eq(actscope("replay run.sqlite -o run.sqlite"), 2);
  cr_expect_eq(actscope("verify run.sqlite -o ./run.sqlite"), 2);
}

/* Nor is anything else that is read. */
Test(replay, output_over_what_is_read) {
  static const char *const lines[] = {
      "verify --tensors x.npy,dy.npy --function gelu -o x.npy",
      "verify --tensors x.npy,dy.npy --function gelu -o ./dy.npy",
      "verify --tensors x.svg,dy.npy --function gelu --plot x.svg",
      "verify --tensors x.npy,dy.npy --function gelu -o p.svg --plot ./p.svg",
      "verify " TINY_GPT " --data-file words -o words",
      "replay " TINY_GPT " --data-file words -o ./words --steps 1",
      "replay own.model -o own.model --steps 1",
      "verify own.model -o own.model",
      "plan own.model -o own.model",
  };
  const float values[] = {1, 2, 3, 4};
  char text[4000];
  memset(text, 'a', sizeof text);
  text[9] = 'b';
  file_write("words", text, sizeof text);
  file_write("own.model", "base = mlp\nwidth = 8\n", 21);
  write_npy("x.npy", values, 4);
  write_npy("x.svg", values, 4);
  write_npy("dy.npy", values, 4);
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    const int status = actscope("%s", lines[i]);
    cr_expect_eq(status, 2, "%s: %d", lines[i], status);
    cr_expect(holds("err", "would be lost") || holds("err", "name the same file"), "%s", lines[i]);
  }
  cr_expect(holds("own.model", "base = mlp") && holds("words", "aab"));
  cr_expect_neq(access("p.svg", F_OK), 0);
}
