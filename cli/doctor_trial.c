/* A recording, to see that one can be made: of this program itself, which says nothing when it is asked to complete no words,
 * and which surely allocates (/bin/true does not). */
#include "cli/doctor.h"

#include "cli/complete.h"

#include "profiler/launch.h"
#include "trace/trace_reader.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int count_events(const char *path, uint64_t *count, struct error *err) {
  struct trace_reader *reader;
  struct trace_event event;
  int code = trace_reader_open(&reader, path, err);
  if (code < 0) {
    return code;
  }
  while ((code = trace_reader_next(reader, &event, err)) > 0) {
    (*count)++;
  }
  const struct trace_info *info = trace_reader_info(reader);
  if (code == 0 && (!info->complete || *count == 0)) {
    code = error_set(err, ERROR_INPUT, "the trace of a trial is not complete%s%s", *info->damage ? ": " : "",
                     info->damage);
  }
  trace_reader_close(reader);
  return code;
}

/* The trace is one of the folder's files, all of which go with it. */
static int record_in(const char *folder, struct doctor_machine *machine, struct error *err) {
  char path[DOCTOR_PATH + 16], self[PATH_MAX], silent[] = COMPLETE_COMMAND;
  char *argv[] = {self, silent, NULL};
  const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  struct launch_result result;
  self[length > 0 ? length : 0] = '\0';
  snprintf(path, sizeof path, "%s/trial.act", folder);
  const struct launch_options options = {.output = path,
                                         .argv = argv,
                                         .min_size = 0,
                                         .stack_depth = CONFIG_STACK_DEPTH_DEFAULT,
                                         .compress = true,
                                         .probe = CONFIG_PROBE_NONE};
  int code = launch_run(&options, &result, err);
  if (code == 0 && result.count == 0) {
    code = error_set(err, ERROR_IO, "the library did not start in %s", self);
  }
  if (code == 0) {
    code = count_events(result.traces[0].path, &machine->trial_events, err);
  }
  launch_result_fini(&result);
  return code;
}

void doctor_try_recording(struct doctor_machine *machine) {
  struct error err = {""};
  char *library, *folder = NULL;
  int code = launch_find_library(&library, &err);
  if (code == 0) {
    snprintf(machine->preload, sizeof machine->preload, "%s", library);
    code = launch_report_make(&folder, &err);
  }
  if (code == 0) {
    code = record_in(folder, machine, &err);
  }
  if (code < 0) {
    snprintf(machine->preload_why, sizeof machine->preload_why, "%.*s", DOCTOR_PATH - 1, err.message);
  }
  if (folder) {
    launch_report_remove(folder);
  }
  free(folder);
  free(library);
}
