/* A picture drawn by gnuplot. */
#include "cli/plot.h"

#include "cli/command.h"
#include "reports/gnuplot.h"

#include <stdlib.h>
#include <strings.h>

#include <string.h>

void plot_check_name(const char *path, struct argp_state *state) {
  const size_t length = path ? strlen(path) : 0;
  const char *ending = length > 4 ? path + length - 4 : "";
  if (path && strcasecmp(ending, ".svg") != 0 && strcasecmp(ending, ".png") != 0) {
    argp_error(state, "--plot: '%s' is no name ending in .svg or .png", path);
  }
}

int plot_draw(const char *path, struct sink *script, struct error *err) {
  int missing = 0, code = sink_close(script, err);
  if (code == 0) {
    code = gnuplot_draw(path, script->memory, script->memory_size, &missing, err);
  }
  free(script->memory);
  if (missing) {
    command_fail(code, err);
    return 0;
  }
  return code;
}
