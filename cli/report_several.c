/* Several runs together, and the hint that there are several. */
#include "cli/report_several.h"

#include "cli/command.h"
#include "cli/load.h"
#include "profiler/launch.h"
#include "reports/format.h"

#include <stdlib.h>
#include <sys/stat.h>

static int emit(const struct ranks *ranks, const struct ranks_backend *backend, const struct output *output,
                const struct report_options *report, struct error *err) {
  struct sink sink;
  int code = output_open(&sink, output, NULL, err);
  if (code == 0) {
    backend->emit(&sink, ranks, report);
    code = sink_close(&sink, err);
  }
  return code;
}

/* What could be read was shown; scripts look at the status. */
static int tell_failures(const struct ranks *ranks, struct error *err) {
  if (!ranks->failures_count) {
    return 0;
  }
  return error_set(err, ERROR_INPUT, "%zu of %zu runs could not be read: %s", ranks->failures_count,
                   ranks->failures_count + ranks->processes_count + ranks->repeated_count, ranks->failures[0].reason);
}

int report_several(const struct subject *runs, const struct ranks_backend *backend, const struct output *output,
                   const struct report_options *report, bool top_given) {
  struct ranks ranks = {0};
  struct report_options shown = *report;
  struct error err;
  shown.top = top_given ? shown.top : backend->top;
  int code = output_prepare(output, NULL, runs->names, runs->count, &err);
  code = code == 0 ? load_ranks(runs->names, runs->count, &ranks, &err) : code;
  code = code == 0 ? emit(&ranks, backend, output, &shown, &err) : code;
  code = code == 0 ? tell_failures(&ranks, &err) : code;
  ranks_fini(&ranks);
  return code < 0 ? command_fail(code, &err) : EXIT_DONE;
}

void report_hint_at_others(const char *run) {
  const size_t others = launch_count_others(run);
  char *path = others ? format_path(run) : NULL;
  struct stat status;
  if (path) {
    bool is_link = lstat(run, &status) == 0 && S_ISLNK(status.st_mode); /* to one of them */
    command_hint("%zu other process%s recorded with it; all together: actscope report %s%s%s.*", others,
                 others == 1 ? " was" : "es were", is_link ? "" : path, is_link ? "" : " ", path);
  }
  free(path);
}
