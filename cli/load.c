/* Loads a run. */
#include "cli/load.h"

#include "analyzers/analyze.h"
#include "cli/progress.h"

static int load(const char *run, struct facts *facts, bool history, struct error *err) {
  struct progress progress;
  struct analyze_options options = {.progress = progress_update, .context = &progress, .history = history};
  int code;
  progress_begin(&progress, "reading the run");
  code = analyze_load(run, facts, &options, err);
  progress_end(&progress);
  return code;
}

int load_facts(const char *run, struct facts *facts, struct error *err) {
  return load(run, facts, false, err);
}

int load_facts_history(const char *run, struct facts *facts, struct error *err) {
  return load(run, facts, true, err);
}
