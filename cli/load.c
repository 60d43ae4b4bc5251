/* Loads a run. */
#include "cli/load.h"

#include "analyzers/analyze.h"
#include "analyzers/store.h"
#include "cli/output.h"
#include "cli/progress.h"

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

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

/* ---- several -------------------------------------------------------------------------------------------------------- */

struct part { /* of a progress that goes on over several */
  struct progress *progress;
  size_t index, count;
};

static void update_part(void *context, double share) {
  const struct part *part = context;
  progress_update(part->progress, ((double)part->index + share) / (double)part->count);
}

/* What a recording that is under way, or was killed, has beside its traces: RUN.* matches it. */
static bool is_no_run(const char *run) {
  static const char *const marks[] = {".actscope-lock", ".actscope-link", ".actscope-pack."};
  const char *slash = strrchr(run, '/');
  for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
    if (strstr(slash ? slash : run, marks[i])) {
      return true;
    }
  }
  return false;
}

static bool is_link(const char *run) {
  struct stat status;
  return lstat(run, &status) == 0 && S_ISLNK(status.st_mode);
}

/* RUN may be a link to RUN.rank0, and both match RUN*: the file's own name is the one to show. */
static bool is_given_otherwise(const char *const *runs, size_t count, size_t index) {
  const bool link = is_link(runs[index]);
  for (size_t i = 0; i < count; i++) {
    if (i != index && output_is_same(runs[i], runs[index]) && (link == is_link(runs[i]) ? i < index : link)) {
      return true;
    }
  }
  return false;
}

static int add_run(struct ranks *ranks, const char *run, struct part *part, struct error *err) {
  struct facts facts = {0};
  const struct analyze_options options = {.progress = update_part, .context = part};
  const bool is_store = store_is_database(run);
  int code = analyze_load(run, &facts, &options, err);
  if (code == 0) {
    code = ranks_add(ranks, run, is_store, &facts);
  } else if (code != ERROR_MEMORY) {
    code = ranks_add_failure(ranks, run, err->message);
  }
  facts_fini(&facts);
  return code < 0 ? error_set(err, code, "out of memory for %s", run) : 0;
}

int load_ranks(const char *const *runs, size_t count, struct ranks *ranks, struct error *err) {
  struct progress progress;
  int code = ranks_init(ranks);
  code = code < 0 ? error_set(err, code, "out of memory") : 0;
  progress_begin(&progress, "reading the runs");
  for (size_t i = 0; code == 0 && i < count; i++) {
    if (!is_no_run(runs[i]) && !is_given_otherwise(runs, count, i)) {
      code = add_run(ranks, runs[i], &(struct part){&progress, i, count}, err);
    }
  }
  progress_end(&progress);
  progress_begin(&progress, "adding them up");
  code = code == 0 ? ranks_finish(ranks, progress_update, &progress, err) : code;
  progress_end(&progress);
  return code;
}
