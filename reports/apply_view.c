/* Reads what processes told, adds it up, writes it as JSON: see the header. */
#include "reports/apply_view.h"

#include "reports/json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const state_names[] = {"applied", "failed", "no_import", "no_torch"};

/* ---- counts ------------------------------------------------------------------------------------------------------ */

static void counts_fini(struct apply_counts *counts) {
  for (size_t i = 0; i < counts->count; i++) {
    free(counts->items[i].name);
  }
  free(counts->items);
  *counts = (struct apply_counts){0};
}

static void totals_fini(struct apply_totals *totals) {
  counts_fini(&totals->replaced);
  counts_fini(&totals->fallbacks);
}

static bool counts_add(struct apply_counts *counts, const char *name, uint64_t calls) {
  for (size_t i = 0; i < counts->count; i++) {
    if (strcmp(counts->items[i].name, name) == 0) {
      counts->items[i].calls += calls;
      return true;
    }
  }
  struct apply_count *larger = realloc(counts->items, (counts->count + 1) * sizeof *larger);
  char *copy = strdup(name);
  counts->items = larger ? larger : counts->items;
  if (!larger || !copy) {
    free(copy);
    return false;
  }
  counts->items[counts->count++] = (struct apply_count){copy, calls};
  return true;
}

static bool counts_add_all(struct apply_counts *counts, const struct apply_counts *more) {
  for (size_t i = 0; i < more->count; i++) {
    if (!counts_add(counts, more->items[i].name, more->items[i].calls)) {
      return false;
    }
  }
  return true;
}

static int most_first(const void *a, const void *b) {
  const struct apply_count *x = a, *y = b;
  return x->calls != y->calls ? (x->calls < y->calls) - (x->calls > y->calls) : strcmp(x->name, y->name);
}

static void counts_sort(struct apply_counts *counts) {
  if (counts->count) {
    qsort(counts->items, counts->count, sizeof *counts->items, most_first);
  }
}

static bool totals_add(struct apply_totals *totals, const struct apply_totals *more) {
  totals->bytes_exact += more->bytes_exact;
  totals->bytes_codes += more->bytes_codes;
  return counts_add_all(&totals->replaced, &more->replaced) && counts_add_all(&totals->fallbacks, &more->fallbacks);
}

/* ---- one process ------------------------------------------------------------------------------------------------- */

static void process_fini(struct apply_process *process) {
  free(process->python);
  free(process->torch);
  free(process->error);
  totals_fini(&process->totals);
}

static char *take_text(const json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return strdup(text ? text : "");
}

static uint64_t take_count(const json_t *value) {
  json_int_t count = json_integer_value(value);
  return count > 0 ? (uint64_t)count : 0;
}

static bool take_counts(const json_t *object, struct apply_counts *counts) {
  const char *name;
  json_t *calls;
  json_object_foreach((json_t *)(uintptr_t)object, name, calls) {
    if (!counts_add(counts, name, take_count(calls))) {
      return false;
    }
  }
  counts_sort(counts);
  return true;
}

static enum apply_state take_state(const json_t *root) {
  const char *text = json_string_value(json_object_get(root, "state"));
  for (size_t i = 0; text && i < sizeof state_names / sizeof *state_names; i++) {
    if (strcmp(text, state_names[i]) == 0) {
      return (enum apply_state)i;
    }
  }
  return APPLY_FAILED;
}

static bool take_process(const json_t *root, struct apply_process *process) {
  const json_t *report = json_object_get(root, "report");
  *process = (struct apply_process){
      .pid = (int)json_integer_value(json_object_get(root, "pid")),
      .python = take_text(root, "python"),
      .torch = take_text(root, "torch"),
      .error = take_text(root, "error"),
      .state = take_state(root),
      .ended = json_is_true(json_object_get(root, "ended")),
      .totals = {.bytes_exact = take_count(json_object_get(report, "bytes_exact")),
                 .bytes_codes = take_count(json_object_get(report, "bytes_codes"))},
  };
  return process->python && process->torch && process->error &&
         take_counts(json_object_get(report, "replaced"), &process->totals.replaced) &&
         take_counts(json_object_get(report, "fallbacks"), &process->totals.fallbacks);
}

/* ---- all of them --------------------------------------------------------------------------------------------------- */

static bool add_process(struct apply_summary *summary, const json_t *root) {
  struct apply_process *larger = realloc(summary->processes, (summary->count + 1) * sizeof *larger);
  if (!larger) {
    return false;
  }
  summary->processes = larger;
  struct apply_process *process = &larger[summary->count];
  bool taken = take_process(root, process);
  summary->count++;
  return taken && totals_add(&summary->totals, &process->totals);
}

static bool is_report(const char *name) {
  size_t length = strlen(name);
  return length > 5 && strcmp(name + length - 5, ".json") == 0;
}

static bool read_report(struct apply_summary *summary, int folder, const char *name) {
  int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
  json_t *root = fd < 0 ? NULL : json_loadfd(fd, 0, NULL);
  if (fd >= 0) {
    close(fd);
  }
  bool fine = !json_is_object(root) || add_process(summary, root);
  json_decref(root);
  return fine;
}

static int by_pid(const void *a, const void *b) {
  const struct apply_process *x = a, *y = b;
  return (x->pid > y->pid) - (x->pid < y->pid);
}

int apply_summary_read(struct apply_summary *summary, const char *folder, struct error *err) {
  *summary = (struct apply_summary){0};
  DIR *stream = opendir(folder);
  if (!stream) {
    return error_set(err, ERROR_IO, "%s: what was replaced cannot be read: %s", folder, strerror(errno));
  }
  bool fine = true;
  for (struct dirent *entry; fine && (entry = readdir(stream));) {
    fine = !is_report(entry->d_name) || read_report(summary, dirfd(stream), entry->d_name);
  }
  closedir(stream);
  if (!fine) {
    apply_summary_fini(summary);
    return error_set(err, ERROR_MEMORY, "out of memory");
  }
  if (summary->count) {
    qsort(summary->processes, summary->count, sizeof *summary->processes, by_pid);
  }
  counts_sort(&summary->totals.replaced);
  counts_sort(&summary->totals.fallbacks);
  return 0;
}

void apply_summary_fini(struct apply_summary *summary) {
  for (size_t i = 0; i < summary->count; i++) {
    process_fini(&summary->processes[i]);
  }
  free(summary->processes);
  totals_fini(&summary->totals);
  *summary = (struct apply_summary){0};
}

size_t apply_summary_in_state(const struct apply_summary *summary, enum apply_state state,
                              const struct apply_process **first) {
  size_t count = 0;
  for (size_t i = 0; i < summary->count; i++) {
    const struct apply_process *process = &summary->processes[i];
    if (process->state == state && count++ == 0 && first) {
      *first = process;
    }
  }
  return count;
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static json_t *counts_json(const struct apply_counts *counts) {
  json_t *object = json_object();
  for (size_t i = 0; i < counts->count; i++) {
    json_put_count(object, counts->items[i].name, counts->items[i].calls);
  }
  return object;
}

static void put_totals(json_t *object, const struct apply_totals *totals) {
  json_object_set_new(object, "replaced", counts_json(&totals->replaced));
  json_put_count(object, "bytes_exact", totals->bytes_exact);
  json_put_count(object, "bytes_codes", totals->bytes_codes);
  json_object_set_new(object, "fallbacks", counts_json(&totals->fallbacks));
}

static json_t *process_json(const struct apply_process *process) {
  json_t *object = json_object();
  json_put_integer(object, "pid", process->pid);
  json_put_text(object, "python", process->python);
  json_put_text(object, "torch", process->torch);
  json_put_text(object, "state", state_names[process->state]);
  json_put_text(object, "error", process->error);
  json_put_bool(object, "ended", process->ended);
  put_totals(object, &process->totals);
  return object;
}

/* null: the drop-in's own choice. */
static void put_choice(json_t *object, const char *key, const char *text) {
  if (text) {
    json_put_text(object, key, text);
  } else {
    json_object_set_new(object, key, json_null());
  }
}

void apply_json_emit(struct sink *sink, const struct apply_summary *summary, const struct apply_settings *settings) {
  json_t *root = json_begin("actscope.apply/1"), *processes = json_array();
  json_put_text(root, "command", settings->command);
  json_put_integer(root, "exit_status", settings->exit_status);
  json_put_integer(root, "bits", settings->bits);
  put_choice(root, "functions", settings->functions);
  put_choice(root, "method", settings->method);
  put_choice(root, "weight", settings->weight);
  put_totals(root, &summary->totals);
  for (size_t i = 0; i < summary->count; i++) {
    json_array_append_new(processes, process_json(&summary->processes[i]));
  }
  json_object_set_new(root, "processes", processes);
  json_emit(sink, root);
}
