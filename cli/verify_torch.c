/* Runs `python3 -m actscope.torch verify` and takes what it found: see the header.
 *
 * The result comes by a file, not by the exit status: a Python that fails for reasons of its own ends with 1, too. */
#include "cli/verify_torch.h"

#include "cli/command.h"
#include "kernels/weight.h"
#include "profiler/launch.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { ARGUMENTS_MAX = 32, STATUS_NO_TORCH = 10, STATUS_OLD = 11 };

/* Words of its own, because what a Python says without torch is a page of traceback; takes some hundredths of a second.
 * Any Python can read it, even 2. */
static const char probe[] = "import sys; sys.exit(11 if sys.version_info < (3, 9) else "
                            "10 if __import__('importlib.util').util.find_spec('torch') is None else 0)";

/* ---- options ----------------------------------------------------------------------------------------------------- */

enum { KEY_TORCH = 0x600, KEY_FUNCTIONS, KEY_WEIGHT, KEY_PYTHON };

static error_t parse(int key, char *text, struct argp_state *state) {
  struct verify_torch *torch = state->input;
  switch (key) {
  case KEY_TORCH:
    torch->target = text;
    return 0;
  case KEY_FUNCTIONS:
    torch->functions = text;
    return 0;
  case KEY_WEIGHT:
    torch->weight = text;
    return 0;
  case KEY_PYTHON:
    torch->python = text;
    return 0;
  case ARGP_KEY_END:
    if (!torch->target && (torch->functions || torch->weight || torch->python)) {
      argp_error(state, "--functions, --weight and --python go with --torch");
    }
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_option options_list[] = {
    {NULL, 0, NULL, 0, "A PyTorch model of your own:", 6},
    {"torch", KEY_TORCH, "SCRIPT.py:FUNCTION", 0, "Check the model that FUNCTION() returns, as (model, loss_fn, batch)",
     6},
    {"functions", KEY_FUNCTIONS, "LIST", 0,
     "Replace exactly these, e.g. gelu,silu, or all (default: those whose input PyTorch keeps)", 6},
    {"weight", KEY_WEIGHT, "W", 0,
     "How much each x counts when levels are fitted: uniform:A:B, normal:MEAN:STD, histogram:FILE", 6},
    {"python", KEY_PYTHON, "PROGRAM", 0, "The Python that has PyTorch (default: python3)", 6},
    {0}};
const struct argp verify_torch_argp = {.options = options_list, .parser = parse};

/* ---- the command line -------------------------------------------------------------------------------------------- */

struct check {
  const struct verify_torch *torch;
  const char *python;
  const struct widths *widths;
  const struct training_arguments *training;
  const struct verify_limits *limits;
};

struct command_line {
  char *words[ARGUMENTS_MAX + 1]; /* owned, NULL at the end */
  int count;
  bool failed; /* out of memory */
};

__attribute__((format(printf, 2, 3))) static void add(struct command_line *line, const char *format, ...) {
  va_list args;
  va_start(args, format);
  if (line->count == ARGUMENTS_MAX || vasprintf(&line->words[line->count], format, args) < 0) {
    line->words[line->count] = NULL;
    line->failed = true;
  } else {
    line->count++;
  }
  va_end(args);
}

static void command_line_fini(struct command_line *line) {
  for (int i = 0; i < line->count; i++) {
    free(line->words[i]);
  }
}

static void add_bits(struct command_line *line, const struct widths *widths) {
  char list[2 * QUANTIZER_BITS_MAX + 1] = "";
  for (size_t i = 0; i < widths->count; i++) {
    snprintf(list + strlen(list), sizeof list - strlen(list), "%s%u", i ? "," : "", widths->bits[i]);
  }
  add(line, "--bits=%s", list);
}

static void add_options(struct command_line *line, const struct check *check) {
  add_bits(line, check->widths);
  add(line, "--method=%s", quantizer_method_name(check->widths->method));
  add(line, "--seed=%llu", (unsigned long long)check->training->seed);
  add(line, "--steps=%zu", check->training->steps);
  add(line, "--min-cosine=%.17g", check->limits->min_cosine);
  if (isfinite(check->limits->max_relative_error)) {
    add(line, "--max-relative-error=%.17g", check->limits->max_relative_error);
  }
  if (check->torch->functions) {
    add(line, "--functions=%s", check->torch->functions);
  }
  if (check->torch->weight) {
    add(line, "--weight=%s", check->torch->weight);
  }
}

static void make_command_line(struct command_line *line, const struct check *check, const char *output) {
  add(line, "%s", check->python);
  add(line, "-m");
  add(line, "actscope.torch");
  add(line, "verify");
  add_options(line, check);
  add(line, "--output=%s", output);
  add(line, "--");
  add(line, "%s", check->torch->target);
}

/* ---- running Python ---------------------------------------------------------------------------------------------- */

/* For Python, and what it starts, the package comes before any other of its name. */
static int set_path(struct error *err) {
  const char *old = getenv("PYTHONPATH");
  char *package, *path = NULL;
  int code = launch_find_package(&package, err);
  if (code == 0 && asprintf(&path, "%s%s%s", package, old && *old ? ":" : "", old ? old : "") < 0) {
    path = NULL;
    code = error_set(err, ERROR_MEMORY, "out of memory");
  }
  if (code == 0 && path) {
    setenv("PYTHONPATH", path, 1);
  }
  free(package);
  free(path);
  return code;
}

static int run(char *const *words, int *status, struct error *err) {
  const struct launch_options launch = {.argv = words, .probe = CONFIG_PROBE_NONE};
  struct launch_result result;
  int code = launch_run(&launch, &result, err);
  *status = result.status;
  launch_result_fini(&result);
  return code;
}

/* torch's profiler, which measures the peak, has a word for every pass. */
static void hush_profiler(void) {
  setenv("KINETO_LOG_LEVEL", "6", 0);
  setenv("TORCH_CPP_LOG_LEVEL", "ERROR", 0);
  setenv("GLOG_minloglevel", "2", 0);
}

/* Is it a Python with a PyTorch? */
static int check_python(const char *python, struct error *err) {
  char option[] = "-c", code_text[sizeof probe];
  char *path = launch_find_program(python), *words[] = {path, option, memcpy(code_text, probe, sizeof probe), NULL};
  int status = 0, code = 0;
  if (!path) {
    return error_set(err, ERROR_INPUT, "%s: no such program; name the Python that has PyTorch with --python", python);
  }
  code = run(words, &status, err);
  if (code == 0 && status == STATUS_NO_TORCH) {
    code = error_set(err, ERROR_INPUT,
                     "%s: has no PyTorch; install it there, or name the Python that has it with --python", path);
  } else if (code == 0 && status == STATUS_OLD) {
    code = error_set(err, ERROR_INPUT, "%s: is older than Python 3.9; name another with --python", path);
  } else if (code == 0 && status) {
    code = error_set(err, ERROR_INPUT, "%s: is no Python that works: it ended with status %d; name one with --python",
                     path, status);
  }
  free(path);
  return code;
}

static int read_document(const char *path, char **document, struct error *err) {
  FILE *file = fopen(path, "re");
  struct stat size;
  *document = NULL;
  if (!file || fstat(fileno(file), &size) != 0) {
    const int reason = errno;
    if (file) {
      fclose(file);
    }
    return error_set(err, ERROR_IO, "%s: %s", path, strerror(reason));
  }
  char *text = calloc(1, (size_t)size.st_size + 1);
  const bool whole = text && fread(text, 1, (size_t)size.st_size, file) == (size_t)size.st_size;
  fclose(file);
  if (!whole) {
    free(text);
    return error_set(err, ERROR_IO, "%s: cannot be read", path);
  }
  *document = text;
  return 0;
}

/* What came of it, by the status: the document, or why there is none. */
static int outcome(const char *target, const char *path, int status, char **document, struct error *err) {
  if (status == EXIT_USAGE || status == EXIT_INPUT) {
    return status;
  }
  if (status > 128) {
    return error_set(err, ERROR_INPUT, "%s: was ended by signal %d before there was a result", target, status - 128);
  }
  if ((status == EXIT_DONE || status == EXIT_SHORT) && read_document(path, document, err) == 0) {
    return 0;
  }
  return error_set(err, ERROR_INPUT, "%s: ended without a result, with status %d", target, status);
}

static int run_verify(const struct check *check, const char *folder, char **document, struct error *err) {
  struct command_line line = {0};
  char path[PATH_MAX];
  int status = 0;
  snprintf(path, sizeof path, "%s/verify.json", folder);
  make_command_line(&line, check, path);
  int code = line.failed ? error_set(err, ERROR_MEMORY, "out of memory") : run(line.words, &status, err);
  code = code ? code : outcome(check->torch->target, path, status, document, err);
  command_line_fini(&line);
  return code;
}

/* ---- from outside ------------------------------------------------------------------------------------------------ */

char *verify_torch_script(const char *target, struct error *err) {
  const char *colon = strrchr(target, ':');
  char *script = colon && colon > target && colon[1] ? strndup(target, (size_t)(colon - target)) : NULL;
  if (!script) {
    error_set(err, ERROR_USAGE, "--torch: '%s' is not SCRIPT.py:FUNCTION, e.g. train.py:make", target);
  }
  return script;
}

int verify_torch_refuse(const struct model_arguments *settings, const struct training_arguments *training,
                        struct error *err) {
  struct training_arguments others = *training;
  others.steps_given = false; /* which it has */
  if (model_arguments_refuse(settings, &others, "", NULL, NULL) == 0) {
    return 0;
  }
  return error_set(err, ERROR_USAGE,
                   "--torch: model and batch are the script's; --batch, --sequence, --set, --optimizer, --rate, --data "
                   "and --data-file are for built-in models");
}

static int check_weight(const char *text, struct error *err) {
  struct weight weight;
  struct error reason;
  int code = text ? weight_parse(&weight, text, &reason) : 0;
  if (code) {
    return error_set(err, code, "--weight: %s", reason.message);
  }
  if (text) {
    weight_fini(&weight);
  }
  return 0;
}

int verify_torch_run(const struct verify_torch *torch, const struct widths *widths,
                     const struct training_arguments *training, const struct verify_limits *limits, char **document,
                     struct error *err) {
  const struct check check = {torch, torch->python ? torch->python : "python3", widths, training, limits};
  char *folder = NULL;
  *document = NULL;
  int code = check_weight(torch->weight, err);
  code = code ? code : set_path(err);
  code = code ? code : check_python(check.python, err);
  code = code ? code : launch_report_make(&folder, err);
  if (code == 0) {
    hush_profiler();
    code = run_verify(&check, folder, document, err);
    launch_report_remove(folder);
  }
  free(folder);
  return code;
}
