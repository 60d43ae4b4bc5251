/* What is said of a recording at its end: which traces there are, and what is missing in them. */
#include "cli/record_tell.h"

#include "analyzers/unseen.h"
#include "cli/command.h"
#include "reports/format.h"
#include "trace/trace_reader.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *stop_text(uint32_t reason) {
  switch (reason) {
  case TRACE_STOP_DISK_FULL:
    return "the disk was full, or the trace larger than ulimit -f allows; free some space, or choose another place "
           "with "
           "-o or a larger --min-size";
  case TRACE_STOP_FILE:
    return "the trace file could not be reached any more";
  default:
    return "there was no memory for the profiler";
  }
}

/* What bypassed the recorder. */
static void tell_unseen(const struct trace_reader *reader) {
  char sentence[UNSEEN_SIZE];
  for (size_t i = 0; unseen_sentence(reader, i, sentence); i++) {
    command_note("note: %s", sentence);
  }
}

/* The start-up file says that it gives names; without it the trace does not know either that torch was imported. */
static void tell_layers(const struct launch_options *launch, const struct trace_reader *reader) {
  if (launch->layers && !*trace_reader_meta(reader, "layers")) {
    command_note("note: no names of layers: the program did not import torch, or its Python does not read actscope's "
                 "start-up file (-I, -E and -S keep it from that)");
  }
}

/* The start-up file says whether it reads this interpreter's frames; without it nobody has looked. */
static void tell_python_stacks(const struct launch_options *launch, const struct trace_reader *reader) {
  const char *reason = trace_reader_meta(reader, "python_off");
  if (!launch->python_stacks || *trace_reader_meta(reader, "python")) {
    return;
  }
  if (*reason) {
    command_note("note: no lines of Python: %s", reason);
  } else {
    command_note(
        "note: no lines of Python: no Python of 3.7 or newer has read actscope's start-up file (-I, -E and -S keep "
        "it from that), or it has no ctypes");
  }
}

/* Of several ranks: the line is one for all, and what is missing in the first is missing in all. */
static void tell_trace(const struct launch_options *launch, const struct launch_trace *trace, bool alone, bool first) {
  struct trace_reader *reader;
  struct error err;
  char size[FORMAT_SIZE];
  if (trace_reader_open(&reader, trace->path, &err) < 0) {
    command_note("%s", err.message);
    return;
  }
  const struct trace_info *info = trace_reader_info(reader);
  char time[FORMAT_SIZE];
  if (alone) {
    command_note("recorded %s of pid %d in %s (%s%s%s)", format_duration(time, info->end_ns), info->pid, trace->path,
                 format_bytes(size, info->file_bytes), *info->framework ? ", " : "", info->framework);
  }
  if (info->stop_reason) {
    command_note("%s: recording stopped early: %s", trace->path, stop_text(info->stop_reason));
  }
  if (first) {
    tell_unseen(reader);
    tell_layers(launch, reader);
    tell_python_stacks(launch, reader);
  }
  trace_reader_close(reader);
}

enum { NAMED_MOST = 8 }; /* where more processes were recorded, one of their names says little */

/* Those of the main process are of other images of it, and count for none. */
static bool is_main(const struct launch_result *result, size_t index) {
  return result->traces[index].rank >= 0 || result->traces[index].pid == result->traces[0].pid;
}

static void tell_count(const struct launch_result *result) {
  size_t others = 0;
  const char *first = NULL;
  for (size_t i = 1; i < result->count; i++) {
    if (!is_main(result, i)) {
      first = first ? first : result->traces[i].path;
      others++;
    }
  }
  if (others > NAMED_MOST) {
    command_note("%zu other processes recorded: %s.*", others, result->run);
  } else if (others) {
    command_note("%zu other process%s recorded: %s%s", others, others > 1 ? "es" : "", first, others > 1 ? " ..." : "");
  }
}

static void tell_others(const struct launch_result *result) {
  tell_count(result);
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

/* The ranks have much in common: one line for all. Returns how many there are. */
static size_t tell_ranks(const struct launch_result *result) {
  char size[FORMAT_SIZE];
  uint64_t bytes = 0;
  size_t ranks = 0;
  for (; ranks < result->count && result->traces[ranks].rank >= 0; ranks++) {
    struct stat status;
    bytes += stat(result->traces[ranks].path, &status) == 0 ? (uint64_t)status.st_size : 0;
  }
  if (ranks > 1) {
    command_note("recorded %zu ranks, %d to %d, in %s ... (%s)", ranks, result->traces[0].rank,
                 result->traces[ranks - 1].rank, result->traces[0].path, format_bytes(size, bytes));
  }
  return ranks;
}

/* Where other launchers have the other ranks, that of the first speaks for all. */
static void tell_next(const struct launch_result *result, size_t ranks) {
  const struct launch_trace *first = &result->traces[0];
  bool shared = ranks && strcmp(first->path, result->run) != 0;
  char *path = format_path(shared ? result->run : first->path);
  if (path && (!shared || first->rank == 0)) {
    command_note("see what %s: actscope report %s%s", shared ? "the ranks hold" : "it holds", path, shared ? ".*" : "");
  }
  free(path);
}

static bool folder_is_gone(const char *path) {
  const char *slash = strrchr(path, '/');
  char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : NULL;
  const bool gone = folder && access(folder, F_OK) != 0;
  free(folder);
  return gone;
}

static void tell_nothing(const struct launch_options *launch, const struct launch_result *result) {
  if (result->run && folder_is_gone(result->run)) {
    command_note("%s: nothing is left of the recording: the folder of %s was removed while the program ran",
                 launch->argv[0], launch->output);
  } else {
    command_note("%s: nothing was recorded: the preload library did not start in it (was LD_PRELOAD cleared, is the "
                 "disk full, or is %s not writable by it?), or its trace was removed while it ran",
                 launch->argv[0], launch->output);
  }
}

void record_tell(const struct launch_options *launch, const struct launch_result *result) {
  if (result->count == 0) {
    tell_nothing(launch, result);
    return;
  }
  if (result->missing) {
    command_note(
        "note: there is no trace of pid %d, the command itself: it was removed while the program ran, or could "
        "not be begun; what is here is of the processes that it started",
        result->missing);
  }
  size_t ranks = tell_ranks(result);
  for (size_t i = 0; i < (ranks > 1 ? ranks : 1); i++) {
    tell_trace(launch, &result->traces[i], ranks <= 1, i == 0);
  }
  tell_others(result);
  tell_next(result, ranks);
}
