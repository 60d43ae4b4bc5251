/* actscope apply: runs a PyTorch program with few-bit gradients put in, and tells what was replaced. */
#include "cli/choice.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/record_tell.h"

#include "common/error.h"
#include "kernels/function.h"
#include "kernels/quantizer.h"
#include "kernels/weight.h"
#include "profiler/launch.h"
#include "reports/apply_view.h"
#include "reports/format.h"

#include <argp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option_key { OPTION_BITS = 256, OPTION_FUNCTIONS, OPTION_METHOD, OPTION_WEIGHT, OPTION_RECORD, OPTION_JSON };

struct arguments {
  struct launch_options launch;
  struct launch_apply apply;
  char *functions, *weight; /* what apply's point to */
  const char *json;
  bool quiet;
};

/* ---- options ----------------------------------------------------------------------------------------------------- */

static unsigned parse_bits(const char *text, struct argp_state *state) {
  if (text[0] < '1' || text[0] > '0' + QUANTIZER_BITS_MAX || text[1]) {
    argp_error(state, "--bits: '%s' is no number of bits from 1 to %d", text, QUANTIZER_BITS_MAX);
  }
  return (unsigned)(text[0] - '0');
}

/* The name as libfewbit has it; "all" is the drop-in's word. NULL: there is none. */
static const char *canonical_name(const char *name, struct error *err) {
  struct function function;
  if (strcmp(name, "all") == 0) {
    return name;
  }
  return choice_function_find(&function, name, err) == 0 ? function_name(&function) : NULL;
}

/* "gelu,silu" with canonical names, to be freed; NULL without memory, or, with the reason, if one is not known. */
static char *canonical_list(char *names, struct error *err) {
  char *list = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&list, &size);
  bool fine = out;
  for (char *rest = names, *name; fine && (name = strsep(&rest, ","));) {
    const char *canonical = canonical_name(name, err);
    fine = canonical && fprintf(out, "%s%s", name == names ? "" : ",", canonical) > 0;
  }
  if (out) {
    fclose(out);
  }
  if (!fine) {
    free(list);
  }
  return fine ? list : NULL;
}

static char *parse_functions(const char *text, struct argp_state *state) {
  struct error err = {"out of memory"};
  char *names = strdup(text);
  char *list = names ? canonical_list(names, &err) : NULL;
  free(names);
  if (!list) {
    argp_error(state, "--functions: %s", err.message);
  }
  return list;
}

static const char *parse_method(const char *text, struct argp_state *state) {
  choice_parse(&choice_method, "--method", text, state);
  return text;
}

/* A histogram's file is read by the program, which may be in another folder by then. To be freed. */
static char *parse_weight(const char *text, struct argp_state *state) {
  static const char histogram[] = "histogram:";
  char resolved[PATH_MAX], *made = NULL;
  struct weight weight;
  struct error err;
  int code = weight_parse(&weight, text, &err);
  if (code != 0) {
    argp_failure(state, error_exit_status(code), 0, "--weight: %s", err.message);
    return NULL;
  }
  weight_fini(&weight);
  if (strncmp(text, histogram, sizeof histogram - 1) != 0 || !realpath(text + sizeof histogram - 1, resolved)) {
    return strdup(text);
  }
  return asprintf(&made, "%s%s", histogram, resolved) < 0 ? NULL : made;
}

static error_t parse(int key, char *text, struct argp_state *state) {
  struct arguments *arguments = state->input;
  switch (key) {
  case OPTION_BITS:
    arguments->apply.bits = parse_bits(text, state);
    return 0;
  case OPTION_FUNCTIONS:
    free(arguments->functions);
    arguments->apply.functions = arguments->functions = parse_functions(text, state);
    return 0;
  case OPTION_METHOD:
    arguments->apply.method = parse_method(text, state);
    return 0;
  case OPTION_WEIGHT:
    free(arguments->weight);
    arguments->apply.weight = arguments->weight = parse_weight(text, state);
    return 0;
  case OPTION_RECORD:
    arguments->launch.output = output_parse_name("--record", text, state);
    return 0;
  case OPTION_JSON:
    arguments->json = output_parse_name("--json", text, state);
    return 0;
  case 'q':
    arguments->quiet = true;
    command_be_quiet();
    return 0;
  case ARGP_KEY_ARGS:
    arguments->launch.argv = state->argv + state->next;
    return 0;
  case ARGP_KEY_NO_ARGS:
    argp_error(state, "no command given: actscope apply --bits 3 -- python3 FILE [ARG...]");
    return 0;
  case ARGP_KEY_END:
    if (!arguments->apply.bits) {
      argp_error(state, "no --bits given, e.g. --bits 3");
    }
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_option options[] = {
    {"bits", OPTION_BITS, "B", 0, "Keep B bits an element for backward, 1 to 8", 0},
    {"functions", OPTION_FUNCTIONS, "LIST", 0,
     "Replace exactly these, e.g. gelu,silu, or all (default: those whose input PyTorch keeps)", 0},
    {"method", OPTION_METHOD, "METHOD", 0,
     "Quantizers: value, any map from x to 2^B levels (default), or interval, as in the paper", 0},
    {"weight", OPTION_WEIGHT, "W", 0,
     "How much each x counts when levels are fitted: uniform:A:B, normal:MEAN:STD, histogram:FILE", 0},
    {"record", OPTION_RECORD, "RUN", 0, "Record the run's memory as well, as actscope record -o RUN does", 0},
    {"json", OPTION_JSON, "FILE", 0, "Write what was replaced to FILE (- for standard output)", 0},
    {"quiet", 'q', NULL, 0, "Say nothing when something was replaced", 0},
    {0}};

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "-- COMMAND [ARG...]",
    .doc =
        "Runs COMMAND, a PyTorch program, with few-bit gradients put in: activations keep B bits an element for "
        "backward instead of their input. Nothing in the program changes.\v"
        "COMMAND is Python (also with -m, in a virtual environment), a script of Python's, or what starts one: a shell "
        "script, torchrun, mpirun. Its exit status is passed on (128+n after signal n). Exit status 2: wrong usage; "
        "3: the command cannot be run, is not Python, or is told by -I, -E or -S to read no start-up file."};

/* ---- what is said at the end ------------------------------------------------------------------------------------- */

/* "gelu 40 calls, silu 12 calls"; to be freed. */
static char *list_counts(const struct apply_counts *counts) {
  char *text = NULL, number[FORMAT_SIZE];
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  for (size_t i = 0; out && i < counts->count; i++) {
    const struct apply_count *item = &counts->items[i];
    fprintf(out, "%s%s %s call%s", i ? ", " : "", item->name, format_count(number, item->calls),
            item->calls == 1 ? "" : "s");
  }
  if (out) {
    fclose(out);
  }
  return text;
}

static void tell_fallbacks(const struct apply_counts *fallbacks) {
  char number[FORMAT_SIZE];
  for (size_t i = 0; i < fallbacks->count; i++) {
    const struct apply_count *item = &fallbacks->items[i];
    command_note("left exact: %s call%s: %s", format_count(number, item->calls), item->calls == 1 ? "" : "s",
                 item->name);
  }
}

static void tell_replaced(const struct apply_summary *summary, unsigned bits) {
  const struct apply_totals *totals = &summary->totals;
  char exact[FORMAT_SIZE], codes[FORMAT_SIZE];
  char *list = list_counts(&totals->replaced);
  command_note("replaced at %u bit%s: %s", bits, bits == 1 ? "" : "s", list ? list : "");
  command_note("kept for backward: %s of codes where PyTorch keeps %s, over all calls",
               format_bytes(codes, totals->bytes_codes), format_bytes(exact, totals->bytes_exact));
  free(list);
}

static void tell_unused(const struct apply_process *process, const char *functions) {
  if (process->totals.fallbacks.count) {
    command_note("nothing was replaced: few-bit gradients serve none of the program's calls");
  } else if (functions) {
    command_note("nothing was replaced: the program, in training, used none of: %s", functions);
  } else {
    command_note(
        "nothing was replaced: the program, in training, used no function whose input PyTorch keeps (gelu, silu, "
        "mish, elu ...); relu, tanh and sigmoid are replaced only if --functions names them");
  }
}

/* No process has replaced anything: the one that got farthest tells why. */
static void tell_nothing(const struct apply_summary *summary, const char *functions) {
  const struct apply_process *process;
  if (apply_summary_in_state(summary, APPLY_APPLIED, &process)) {
    tell_unused(process, functions);
  } else if (apply_summary_in_state(summary, APPLY_FAILED, &process)) {
    command_note("nothing was replaced: %s", process->error);
  } else if (apply_summary_in_state(summary, APPLY_NO_IMPORT, &process)) {
    command_note("nothing was replaced: the program did not import torch");
  } else if (apply_summary_in_state(summary, APPLY_NO_TORCH, &process)) {
    command_note("nothing was replaced: %s has no PyTorch; name a Python that has it, or install it there",
                 process->python);
  } else {
    command_note("nothing was replaced: no Python told that it had started (was PYTHONPATH cleared, or Python run with "
                 "-I, -E or -S?)");
  }
}

/* Processes that a signal ended, or _exit, told of what they had replaced up to their last backward pass but one. */
static void tell_unended(const struct apply_summary *summary) {
  size_t count = 0;
  int pid = 0;
  for (size_t i = 0; i < summary->count; i++) {
    if (summary->processes[i].state == APPLY_APPLIED && !summary->processes[i].ended) {
      pid = count++ ? pid : summary->processes[i].pid;
    }
  }
  if (count == 1) {
    command_note("note: pid %d could not tell at its end: what it replaced last is not counted", pid);
  } else if (count) {
    command_note("note: %zu processes could not tell at their end: what they replaced last is not counted", count);
  }
}

static void tell(const struct arguments *arguments, const struct apply_summary *summary) {
  bool replaced = summary->totals.replaced.count;
  if (arguments->quiet && replaced) {
    return;
  }
  if (replaced) {
    tell_replaced(summary, arguments->apply.bits);
  } else {
    tell_nothing(summary, arguments->apply.functions);
  }
  tell_fallbacks(&summary->totals.fallbacks);
  tell_unended(summary);
}

static int write_json(const struct arguments *arguments, const struct apply_summary *summary, struct sink *sink,
                      int status, struct error *err) {
  int argc = 0;
  while (arguments->launch.argv[argc]) {
    argc++;
  }
  char *command = format_command(argc, (const char *const *)arguments->launch.argv);
  struct apply_settings settings = {command ? command : "",  status,
                                    arguments->apply.bits,   arguments->apply.functions,
                                    arguments->apply.method, arguments->apply.weight};
  apply_json_emit(sink, summary, &settings);
  free(command);
  return sink_close(sink, err);
}

/* ---- running it -------------------------------------------------------------------------------------------------- */

static void report(const struct arguments *arguments, struct sink *sink, int status) {
  struct apply_summary summary;
  struct error err;
  int code = apply_summary_read(&summary, arguments->apply.report, &err);
  if (code == 0) {
    tell(arguments, &summary);
    code = sink ? write_json(arguments, &summary, sink, status, &err) : 0;
  } else if (sink) {
    sink_discard(sink);
  }
  if (code) {
    command_fail(code, &err); /* the program has run: its status is what counts */
  }
  apply_summary_fini(&summary);
}

static int launch(struct arguments *arguments, struct sink *sink) {
  struct progress progress;
  struct launch_result result;
  struct error err;
  progress_expect(&progress, "packing the trace");
  arguments->launch.progress = progress_update;
  arguments->launch.context = &progress;
  int code = launch_run(&arguments->launch, &result, &err);
  progress_end(&progress);
  int status = result.status;
  bool ran = code == 0 || result.count;
  if (code) {
    status = command_fail(code, &err);
    status = ran ? result.status : status; /* it ran, and its traces are there if unpacked */
  }
  if (ran) {
    report(arguments, sink, status);
  } else if (sink) {
    sink_discard(sink);
  }
  if (ran && arguments->launch.output && !arguments->quiet) {
    record_tell(&arguments->launch, &result);
  }
  launch_result_fini(&result);
  return status;
}

static int run_with_report(struct arguments *arguments) {
  struct sink sink;
  struct error err;
  char *folder;
  int code = launch_report_make(&folder, &err);
  if (code == 0 && arguments->json) { /* before the program runs: it may take hours */
    code = sink_open(&sink, arguments->json, SINK_COLOR_NEVER, &err);
  }
  int status;
  if (code == 0) {
    arguments->apply.report = folder;
    status = launch(arguments, arguments->json ? &sink : NULL);
  } else {
    status = command_fail(code, &err);
  }
  if (folder) {
    launch_report_remove(folder);
  }
  free(folder);
  return status;
}

/* What --json would overwrite, though it is to be written or read: its option, NULL: nothing. */
static const char *collision(const struct arguments *arguments) {
  const char *file = arguments->weight ? strchr(arguments->weight, ':') : NULL;
  if (!arguments->json || strcmp(arguments->json, "-") == 0) {
    return NULL;
  }
  if (arguments->launch.output && output_is_same_target(arguments->json, arguments->launch.output)) {
    return "--record";
  }
  return file && output_is_same(arguments->json, file + 1) ? "--weight" : NULL;
}

static int run(int argc, char **argv) {
  struct arguments arguments = {.launch = {
                                    .min_size = CONFIG_MIN_SIZE_DEFAULT,
                                    .stack_depth = CONFIG_STACK_DEPTH_DEFAULT,
                                    .by_rank = true,
                                    .follow = true,
                                    .compress = true,
                                }};
  /* In order: the command's own options are not ours. */
  argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &arguments);
  arguments.launch.apply = &arguments.apply;
  const char *other = collision(&arguments);
  int status = other ? command_usage("apply", "--json and %s name the same file", other) : run_with_report(&arguments);
  free(arguments.functions);
  free(arguments.weight);
  return status;
}

const struct command command_apply = {"apply", "run a PyTorch program with few-bit gradients put in", run, &argp};
