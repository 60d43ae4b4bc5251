/* actscope record: runs a command with the profiler in it and leaves a trace. */
#include "cli/choice.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/record_tell.h"

#include "common/error.h"
#include "profiler/launch.h"
#include "profiler/rank.h"

#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum option_key {
  OPTION_MIN_SIZE = 256,
  OPTION_STACK_DEPTH,
  OPTION_FOLLOW,
  OPTION_NO_FOLLOW,
  OPTION_PROBE,
  OPTION_NO_PROBE,
  OPTION_LAYERS,
  OPTION_PYTHON_STACKS,
  OPTION_COMPRESS,
  OPTION_NO_COMPRESS
};

struct arguments {
  struct launch_options launch;
  bool quiet, probe_given, no_probe;
};

static uint64_t parse_size(const char *text, struct argp_state *state) {
  char *end;
  errno = 0;
  uint64_t value = isdigit((unsigned char)*text) ? strtoull(text, &end, 10) : (end = (char *)"?", 0);
  static const char units[] = "KMG";
  const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
  uint64_t scale = 1;
  if (unit) {
    scale = 1ull << (10 * (unit - units + 1));
    end++;
  }
  if (*end || errno || value > UINT64_MAX / scale) {
    argp_error(state, "'%s' is no size: give bytes, or a number with K, M or G", text);
  }
  return value * scale;
}

static uint32_t parse_depth(const char *text, struct argp_state *state) {
  char *end;
  unsigned long value = isdigit((unsigned char)*text) ? strtoul(text, &end, 10) : (end = (char *)"?", 0);
  if (*end || value > CONFIG_STACK_DEPTH_MAX) {
    argp_error(state, "'%s' is no stack depth: give 0 (no stacks) to %d frames", text, CONFIG_STACK_DEPTH_MAX);
  }
  return (uint32_t)value;
}

CHOICE_NAMES(probe_at, config_probe_names)
const struct choice choice_probe = {"probe", probe_at};

static error_t parse(int key, char *text, struct argp_state *state) {
  struct arguments *arguments = state->input;
  struct launch_options *launch = &arguments->launch;
  switch (key) {
  case 'o':
    launch->output = output_parse_name("-o", text, state);
    return 0;
  case 'q':
    arguments->quiet = true;
    command_be_quiet();
    return 0;
  case OPTION_MIN_SIZE:
    launch->min_size = parse_size(text, state);
    return 0;
  case OPTION_STACK_DEPTH:
    launch->stack_depth = parse_depth(text, state);
    return 0;
  case OPTION_FOLLOW:
  case OPTION_NO_FOLLOW:
    launch->follow = key == OPTION_FOLLOW;
    return 0;
  case OPTION_PROBE:
    launch->probe = (enum config_probe)choice_parse(&choice_probe, "--probe", text, state);
    arguments->probe_given = true;
    return 0;
  case OPTION_NO_PROBE:
    arguments->no_probe = true;
    return 0;
  case OPTION_LAYERS:
    launch->layers = true;
    return 0;
  case OPTION_PYTHON_STACKS:
    launch->python_stacks = true;
    return 0;
  case OPTION_COMPRESS:
  case OPTION_NO_COMPRESS:
    launch->compress = key == OPTION_COMPRESS;
    return 0;
  case ARGP_KEY_ARGS:
    launch->argv = state->argv + state->next;
    return 0;
  case ARGP_KEY_NO_ARGS:
    argp_error(state, "no command given: actscope record -- COMMAND [ARG...]");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_option options[] = {
    {"output", 'o', "RUN", 0,
     "Write the trace to RUN (default: actscope.COMMAND.PID.trace); of a distributed job each rank's to RUN.rankN. In "
     "RUN "
     "%r is the rank, %h the machine's name, %p the pid, %q{NAME} a variable, %% a %",
     0},
    {"min-size", OPTION_MIN_SIZE, "BYTES", 0,
     "Record each block of BYTES or more by itself; smaller ones are only summed (default 4096; 0: every block; K, M, "
     "G "
     "allowed)",
     0},
    {"stack-depth", OPTION_STACK_DEPTH, "N", 0, "Most frames of a stack, from the innermost (default 128)", 0},
    {"follow-children", OPTION_FOLLOW, NULL, 0, "Record child processes too, each in RUN.PID (the default)", 0},
    {"no-follow-children", OPTION_NO_FOLLOW, NULL, 0, "Record the command's own process only", 0},
    {"probe", OPTION_PROBE, "HOW", 0,
     "How autograd's saved tensors are seen: auto (default), symbols (libtorch's own calls), hooks (PyTorch's "
     "saved_tensors_hooks), none",
     0},
    {"no-probe", OPTION_NO_PROBE, NULL, 0, "The same as --probe=none: blocks and stacks only", 0},
    {"layers", OPTION_LAYERS, NULL, 0,
     "Record the names of the layers (modules) that save activations, such as blocks.3.mlp.act; PyTorch only", 0},
    {"python-stacks", OPTION_PYTHON_STACKS, NULL, 0,
     "Record the lines of Python in every stack, such as train.py:88 forward; CPython 3.9 to 3.13", 0},
    {"compress", OPTION_COMPRESS, NULL, 0, "Pack the trace with zstd when the command has ended (the default)", 0},
    {"no-compress", OPTION_NO_COMPRESS, NULL, 0, "Leave the trace unpacked", 0},
    {"quiet", 'q', NULL, 0, "Say nothing when all went well", 0},
    {0}};

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "-- COMMAND [ARG...]",
    .doc =
        "Runs COMMAND and records its memory: every block of the heap from --min-size on with the stacks that "
        "allocated "
        "and freed it, and what PyTorch's autograd saves for backward.\v"
        "The command runs as it would alone; its exit status is passed on (128+n after signal n). Exit status 2: wrong "
        "usage; 3: the command cannot be run or recorded."};

/* The launchers of a job's ranks have one parent, by which their traces come together. */
static void default_output(char *path, size_t size, const char *command) {
  const char *slash = strrchr(command, '/');
  const int pid = rank_find().rank >= 0 ? (int)getppid() : (int)getpid();
  char name[256];
  char *to = name; /* a % begins a pattern */
  for (const char *from = slash ? slash + 1 : command; *from && to < name + sizeof name - 2; from++) {
    *to++ = *from == '%' ? '_' : *from;
  }
  *to = '\0';
  snprintf(path, size, "actscope.%.200s.%d.trace", name, pid);
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
  if (arguments.no_probe && arguments.probe_given && arguments.launch.probe != CONFIG_PROBE_NONE) {
    return command_usage("record", "--no-probe and --probe=%s contradict each other: leave one out",
                         config_probe_names[arguments.launch.probe]);
  }
  arguments.launch.probe = arguments.no_probe ? CONFIG_PROBE_NONE : arguments.launch.probe;
  if (arguments.launch.layers && arguments.launch.probe == CONFIG_PROBE_NONE) {
    return command_usage("record", "--layers names what the probe sees: it cannot be used with --no-probe");
  }
  if (arguments.launch.python_stacks && arguments.launch.stack_depth == 0) {
    return command_usage("record", "--python-stacks puts lines into stacks: it cannot be used with --stack-depth 0");
  }
  char output[320];
  if (!arguments.launch.output) {
    default_output(output, sizeof output, arguments.launch.argv[0]);
    arguments.launch.output = output;
  }
  struct progress progress;
  progress_expect(&progress, "packing the trace");
  arguments.launch.progress = progress_update;
  arguments.launch.context = &progress;
  struct launch_result result;
  struct error err;
  int code = launch_run(&arguments.launch, &result, &err);
  progress_end(&progress);
  int status = result.status;
  if (code < 0) {
    status = command_fail(code, &err);
    status = result.count ? result.status : status; /* it ran, and its traces are there if unpacked */
  }
  bool ran = code == 0 || result.count;
  if (ran && (!arguments.quiet || code || result.count == 0)) {
    record_tell(&arguments.launch, &result);
  }
  launch_result_fini(&result);
  return status;
}

const struct command command_record = {"record", "run a command and record its memory in a trace", run, &argp};
