/* actscope record: runs a command with the profiler in it and leaves a trace. */
#include "cli/command.h"
#include "cli/progress.h"

#include "common/error.h"
#include "profiler/launch.h"
#include "reports/format.h"
#include "trace/trace_reader.h"

#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum option_key {
  OPTION_MIN_SIZE = 256,
  OPTION_STACK_DEPTH,
  OPTION_FOLLOW,
  OPTION_NO_FOLLOW,
  OPTION_PROBE,
  OPTION_NO_PROBE,
  OPTION_COMPRESS,
  OPTION_NO_COMPRESS
};

struct arguments {
  struct launch_options launch;
  bool quiet;
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

static enum config_probe parse_probe(const char *text, struct argp_state *state) {
  int mode = config_probe_parse(text);
  if (mode < 0) {
    argp_error(state, "'%s' is no probe: give auto, symbols, hooks or none", text);
  }
  return (enum config_probe)mode;
}

static error_t parse(int key, char *text, struct argp_state *state) {
  struct arguments *arguments = state->input;
  struct launch_options *launch = &arguments->launch;
  switch (key) {
  case 'o':
    launch->output = text;
    return 0;
  case 'q':
    arguments->quiet = true;
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
    launch->probe = parse_probe(text, state);
    return 0;
  case OPTION_NO_PROBE:
    launch->probe = CONFIG_PROBE_NONE;
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
    {"output", 'o', "RUN", 0, "Write the trace to RUN (default: actscope.COMMAND.PID.trace)", 0},
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
    {"compress", OPTION_COMPRESS, NULL, 0, "Pack the trace with zstd when the command has ended (the default)", 0},
    {"no-compress", OPTION_NO_COMPRESS, NULL, 0, "Leave it unpacked", 0},
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

/* ---- what is said at the end --------------------------------------------------------------------------------------- */

static const char *stop_text(uint32_t reason) {
  switch (reason) {
  case TRACE_STOP_DISK_FULL:
    return "the disk was full; free some space, or choose another place with -o or a larger --min-size";
  case TRACE_STOP_FILE:
    return "the trace file could not be reached any more";
  default:
    return "there was no memory for the profiler";
  }
}

/* What bypassed the recorder, by the keys that the preload library writes. */
static void tell_unseen(const struct trace_reader *reader) {
  static const struct {
    const char *key, *text;
  } notes[] = {
      {"own_malloc",
       "defines malloc itself, so that the heap was not seen; link the program without an allocator of its own "
       "to record it"},
      {"no_usable_size", "has no malloc_usable_size, so that small blocks cannot be told; record with --min-size 0"},
      {"own_operator_new", "gives C++'s new memory of its own, which was not seen; only malloc was"},
      {"deepbind", "was opened with RTLD_DEEPBIND: what it allocates itself was not seen"},
  };
  for (size_t i = 0; i < sizeof notes / sizeof notes[0]; i++) {
    const char *who = trace_reader_meta(reader, notes[i].key);
    if (*who) {
      command_note("note: %s %s", who, notes[i].text);
    }
  }
}

static void tell_trace(const struct launch_trace *trace) {
  struct trace_reader *reader;
  struct error err;
  char size[FORMAT_SIZE];
  if (trace_reader_open(&reader, trace->path, &err) < 0) {
    command_note("%s", err.message);
    return;
  }
  const struct trace_info *info = trace_reader_info(reader);
  char time[FORMAT_SIZE];
  command_note("recorded %s of pid %d in %s (%s%s%s)", format_duration(time, info->end_ns), info->pid, trace->path,
               format_bytes(size, info->file_bytes), *info->framework ? ", " : "", info->framework);
  if (info->stop_reason) {
    command_note("%s: recording stopped early: %s", trace->path, stop_text(info->stop_reason));
  }
  tell_unseen(reader);
  trace_reader_close(reader);
}

enum { NAMED_MOST = 8 }; /* where more processes were recorded, one of their names says little */

/* A trace of the main one's process is of another image of it, and counts for none. */
static void tell_count(const struct launch_options *launch, const struct launch_result *result) {
  size_t others = 0;
  const char *first = NULL;
  for (size_t i = 1; i < result->count; i++) {
    if (result->traces[i].pid != result->traces[0].pid) {
      first = first ? first : result->traces[i].path;
      others++;
    }
  }
  if (others > NAMED_MOST) {
    command_note("%zu other processes recorded: %s.*", others, launch->output);
  } else if (others) {
    command_note("%zu other process%s recorded: %s%s", others, others > 1 ? "es" : "", first, others > 1 ? " ..." : "");
  }
}

static void tell_others(const struct launch_options *launch, const struct launch_result *result) {
  tell_count(launch, result);
  for (size_t i = 0; i < result->count; i++) {
    if (result->traces[i].running) {
      command_note("pid %d still runs; its trace %s can be read already", result->traces[i].pid,
                   result->traces[i].path);
    }
  }
  char **kept = result->interrupted;
  if (kept && *kept) {
    command_note("note: kept: %s%s, which an earlier recording did not finish; report what you need, then remove the "
                 "rest",
                 *kept, kept[1] ? " ..." : "");
  }
}

static void tell(const struct launch_options *launch, const struct launch_result *result) {
  if (result->count == 0) {
    command_note("%s: nothing was recorded: the preload library did not start in it (was LD_PRELOAD cleared, is the "
                 "disk full, or is %s not writable by it?)",
                 launch->argv[0], launch->output);
    return;
  }
  tell_trace(&result->traces[0]);
  tell_others(launch, result);
  char *path = format_path(result->traces[0].path);
  if (path) {
    command_note("see what it holds: actscope report %s", path);
  }
  free(path);
}

static void default_output(char *path, size_t size, const char *command) {
  const char *slash = strrchr(command, '/');
  snprintf(path, size, "actscope.%.200s.%d.trace", slash ? slash + 1 : command, (int)getpid());
}

static int run(int argc, char **argv) {
  struct arguments arguments = {.launch = {
                                    .min_size = CONFIG_MIN_SIZE_DEFAULT,
                                    .stack_depth = CONFIG_STACK_DEPTH_DEFAULT,
                                    .follow = true,
                                    .compress = true,
                                }};
  /* In order: the command's own options are not ours. */
  argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &arguments);
  char output[320];
  if (!arguments.launch.output) {
    default_output(output, sizeof output, arguments.launch.argv[0]);
    arguments.launch.output = output;
  }
  struct progress progress;
  progress_begin(&progress, "packing the trace");
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
    tell(&arguments.launch, &result);
  }
  launch_result_fini(&result);
  return status;
}

const struct command command_record = {"record", "run a command and record its memory in a trace", run};
