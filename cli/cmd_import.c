/* actscope import: a memory snapshot of PyTorch as a trace. */
#include "cli/command.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/subject.h"

#include "importers/snapshot.h"
#include "reports/format.h"
#include "trace/trace_finish.h"

#include <argp.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_DEVICE = 256, DEVICE_MAX = 1023 };

struct arguments {
  struct subject snapshot;
  const char *run; /* NULL: not given */
  int device;
  bool quiet;
};

static int parse_device(const char *text, struct argp_state *state) {
  char *end;
  unsigned long value = isdigit((unsigned char)*text) ? strtoul(text, &end, 10) : (end = (char *)"?", 0);
  if (*end || value > DEVICE_MAX) {
    argp_error(state, "--device: '%s' is no number of a device; give 0, 1, ...", text);
  }
  return (int)value;
}

static error_t parse(int key, char *text, struct argp_state *state) {
  struct arguments *arguments = state->input;
  switch (key) {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = &arguments->snapshot;
    return 0;
  case 'o':
    arguments->run = output_parse_name("-o", text, state);
    return 0;
  case OPTION_DEVICE:
    arguments->device = parse_device(text, state);
    return 0;
  case 'q':
    arguments->quiet = true;
    command_be_quiet();
    return 0;
  case ARGP_KEY_END:
    if (!arguments->run) {
      argp_error(state, "no RUN given for the trace: -o RUN");
    }
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_option options[] = {
    {"output", 'o', "RUN", 0, "Write the trace to RUN", 0},
    {"device", OPTION_DEVICE, "N", 0, "Import the memory of device N (default: of the one with most in it)", 0},
    {"quiet", 'q', NULL, 0, "Say nothing when all went well", 0},
    {0}};
static const struct argp_child children[] = {{&subject_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "SNAPSHOT",
    .children = children,
    .doc = "Makes a trace of SNAPSHOT, a memory snapshot that PyTorch has saved, so that every other command works on "
           "it: the timeline, the peak and the stacks of a run on a GPU.\v"
           "In the program, around what is of interest:\n"
           "  torch.cuda.memory._record_memory_history()\n"
           "  ...\n"
           "  torch.cuda.memory._dump_snapshot('run.pickle')\n"
           "then\n"
           "  actscope import run.pickle -o run.act && actscope report run.act\n"
           "\n"
           "SNAPSHOT is a pickle. It is read as data: one that asks for anything to be called is refused."};

/* ---- progress ---------------------------------------------------------------------------------------------------- */

struct stages {
  struct progress progress;
  const char *what; /* NULL: none has begun */
};

static void show_progress(void *context, const char *what, double share) {
  struct stages *stages = context;
  if (stages->what != what) {
    if (stages->what) {
      progress_end(&stages->progress);
    }
    progress_begin(&stages->progress, what);
    stages->what = what;
  }
  progress_update(&stages->progress, share);
}

/* ---- what is said ------------------------------------------------------------------------------------------------ */

static void tell_history(const struct snapshot_summary *summary) {
  char count[FORMAT_SIZE], bytes[FORMAT_SIZE];
  if (!summary->events) {
    command_hint("the snapshot has no history, so this is no more than what was there when it was saved; begin with "
                 "torch.cuda.memory._record_memory_history()");
  } else if (summary->earlier) {
    command_hint("%s block%s (%s) %s there before the history begins: as if allocated at its first event",
                 format_count(count, summary->earlier), summary->earlier == 1 ? "" : "s",
                 format_bytes(bytes, summary->earlier_bytes), summary->earlier == 1 ? "was" : "were");
  }
  if (summary->events && !summary->timed) {
    command_hint("its events have no times (PyTorch before 2.1): the trace has one a microsecond");
  }
}

static void tell_rest(const struct snapshot_summary *summary) {
  char count[FORMAT_SIZE], asked[FORMAT_SIZE], free[FORMAT_SIZE];
  if (summary->damaged) {
    command_note("the snapshot is damaged: %s part%s of it (events, blocks or segments without an address or size that "
                 "can be) %s left out",
                 format_count(count, summary->damaged), summary->damaged == 1 ? "" : "s",
                 summary->damaged == 1 ? "is" : "are");
  }
  if (summary->failures) {
    command_hint("%s allocation%s failed for want of memory; the last asked for %s when %s were free",
                 format_count(count, summary->failures), summary->failures == 1 ? "" : "s",
                 format_bytes(asked, summary->failed_bytes), format_bytes(free, summary->free_bytes));
  }
  if (!summary->has_stacks) {
    command_hint("it has no stacks, so nothing tells which code allocated; record them with "
                 "torch.cuda.memory._record_memory_history(context='all')");
  }
  if (summary->others) {
    command_hint("this is device %u; %u more %s in the snapshot: --device", summary->device, summary->others,
                 summary->others == 1 ? "is" : "are");
  }
}

static void tell(const struct arguments *arguments, const struct snapshot_summary *summary) {
  char count[FORMAT_SIZE];
  char *argument = format_path(arguments->run);
  if (argument) {
    command_note("wrote %s (from %s event%s of the allocator's history); read it with: actscope report %s",
                 arguments->run, format_count(count, summary->events), summary->events == 1 ? "" : "s", argument);
  }
  free(argument);
  tell_history(summary);
  tell_rest(summary);
}

static int import(const struct arguments *arguments, const char *const *command, size_t count,
                  struct snapshot_summary *summary, struct error *err) {
  struct stages stages = {0};
  const struct snapshot_options how = {.device = arguments->device,
                                       .command = command,
                                       .command_count = count,
                                       .progress = show_progress,
                                       .context = &stages};
  int code = output_check(arguments->run, arguments->snapshot.name, err);
  code = code == 0 ? trace_check_target(arguments->run, err) : code;
  code = code == 0 ? snapshot_import(arguments->snapshot.name, arguments->run, &how, summary, err) : code;
  if (stages.what) {
    progress_end(&stages.progress);
  }
  return code;
}

/* What the trace gives as the run's command, the device with it where one was asked for. */
static size_t name_command(const char *command[5], char device[16], const struct arguments *arguments) {
  size_t count = 0;
  command[count++] = "actscope";
  command[count++] = "import";
  command[count++] = arguments->snapshot.name;
  if (arguments->device != SNAPSHOT_DEVICE_ANY) {
    snprintf(device, 16, "%d", arguments->device);
    command[count++] = "--device";
    command[count++] = device;
  }
  return count;
}

static int run(int argc, char **argv) {
  struct arguments arguments = {
      .snapshot = {.missing = "no SNAPSHOT given: a pickle that PyTorch has saved", .one = "one SNAPSHOT is imported"},
      .device = SNAPSHOT_DEVICE_ANY};
  const char *command[5];
  char device[16];
  struct snapshot_summary summary;
  struct error err;
  argp_parse(&argp, argc, argv, 0, NULL, &arguments);
  size_t count = name_command(command, device, &arguments);
  int code = import(&arguments, command, count, &summary, &err);
  if (code == 0 && !arguments.quiet) {
    tell(&arguments, &summary);
  }
  return code < 0 ? command_fail(code, &err) : EXIT_DONE;
}

const struct command command_import = {"import", "make a trace of a memory snapshot of PyTorch", run, &argp};
