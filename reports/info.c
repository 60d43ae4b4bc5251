/* Reads what `info` tells of a run's file. */
#include "reports/info.h"

#include "analyzers/analyze.h"
#include "analyzers/store.h"
#include "reports/format.h"
#include "trace/trace_reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- traces -------------------------------------------------------------------------------------------------- */

struct tids {
  uint32_t *seen; /* few: a linear search from the most recent one */
  size_t count, capacity, last;
};

static int tids_note(struct tids *tids, uint32_t tid) {
  if (tids->count && tids->seen[tids->last] == tid) {
    return 0;
  }
  for (tids->last = 0; tids->last < tids->count; tids->last++) {
    if (tids->seen[tids->last] == tid) {
      return 0;
    }
  }
  if (tids->count == tids->capacity) {
    size_t capacity = tids->capacity ? 2 * tids->capacity : 16;
    uint32_t *seen = reallocarray(tids->seen, capacity, sizeof *seen);
    if (!seen) {
      return ERROR_MEMORY;
    }
    tids->seen = seen;
    tids->capacity = capacity;
  }
  tids->seen[tids->count++] = tid;
  return 0;
}

static void count_event(struct info *info, const struct trace_event *event) {
  info->events++;
  /* Threads may free a little after the end was noted; the analysis counts until then, too. */
  info->wall_ns = event->time_ns > info->wall_ns ? event->time_ns : info->wall_ns;
  info->allocations += event->kind == TRACE_ALLOC;
  info->frees += event->kind == TRACE_FREE;
  info->saves += event->kind == TRACE_SAVE;
  info->releases += event->kind == TRACE_RELEASE;
}

/* A damaged place ends the count, and is what `info` has to tell; it is no failure of info itself. */
static int count_events(struct info *info, struct trace_reader *reader, struct error *err) {
  struct trace_event event;
  struct tids tids = {0};
  struct error damage = {{0}};
  int more, code = 0;
  while (code == 0 && (more = trace_reader_next(reader, &event, &damage)) > 0) {
    count_event(info, &event);
    code = tids_note(&tids, event.tid);
  }
  info->threads = tids.count;
  free(tids.seen);
  if (code < 0) {
    return error_set(err, code, "out of memory");
  }
  if (more < 0) {
    info->damaged = true;
    info->complete = false;
    free(info->damage);
    info->damage = strdup(damage.message);
  }
  return 0;
}

static uint64_t count_stacks(const struct trace_reader *reader) {
  uint32_t limit = trace_reader_stack_limit(reader);
  uint64_t stacks = 0;
  for (uint32_t id = 1; id < limit; id++) {
    size_t frames;
    stacks += trace_reader_stack(reader, id, &frames) != NULL;
  }
  return stacks;
}

static void copy_header(struct info *info, const struct trace_info *header) {
  info->version_major = header->version_major;
  info->version_minor = header->version_minor;
  info->pid = header->pid;
  info->ppid = header->ppid;
  info->rank = header->rank;
  info->world_size = (int)header->world_size;
  info->host = strdup(header->host);
  info->exit_status = header->exit_status;
  info->complete = header->complete;
  info->finished = header->flags & TRACE_FLAG_FINISHED;
  info->start_unix_ns = header->start_unix_ns;
  info->wall_ns = header->end_ns;
  info->min_size = header->min_size;
  info->stack_depth = header->stack_depth;
  info->streams = header->streams;
  info->lost_events = header->lost_events;
  info->file_bytes = header->file_bytes;
  info->command = format_command(header->argc, header->argv);
  info->framework = strdup(header->framework ? header->framework : "");
  info->damage = strdup(header->damage ? header->damage : "");
}

static char *python_lines(const struct trace_reader *reader) {
  const char *version = trace_reader_meta(reader, "python"), *reason = trace_reader_meta(reader, "python_off");
  char *text;
  if (!*version && !*reason) {
    return strdup("");
  }
  return asprintf(&text, "%s%s", *version ? "CPython " : "none: ", *version ? version : reason) < 0 ? NULL : text;
}

static int read_trace(struct info *info, const char *path, struct error *err) {
  struct trace_reader *reader;
  const struct trace_module *modules;
  int code = trace_reader_open(&reader, path, err);
  if (code < 0) {
    return code;
  }
  info->kind = INFO_TRACE;
  copy_header(info, trace_reader_info(reader));
  info->python = python_lines(reader);
  code = count_events(info, reader, err);
  info->stacks = count_stacks(reader);
  info->modules = trace_reader_modules(reader, &modules);
  trace_reader_close(reader);
  return code;
}

/* ---- stores -------------------------------------------------------------------------------------------------- */

static void copy_run(struct info *info, const struct facts_run *run) {
  info->pid = run->pid;
  info->ppid = run->ppid;
  info->rank = run->rank;
  info->world_size = run->world_size;
  info->host = strdup(run->host ? run->host : "");
  info->exit_status = run->exit_status;
  info->complete = run->complete;
  info->finished = true;
  info->start_unix_ns = run->start_unix_ns;
  info->wall_ns = run->wall_ns;
  info->min_size = run->min_size;
  info->events = run->events;
  info->threads = run->threads;
  info->lost_events = run->lost_events;
  info->command = strdup(run->command ? run->command : "");
  info->framework = strdup(run->framework ? run->framework : "");
  info->python = strdup("");
  info->damage = strdup(run->damage ? run->damage : "");
}

static int read_store(struct info *info, const char *path, struct error *err) {
  struct facts facts = {0};
  struct stat status;
  int code = analyze_load(path, &facts, NULL, err);
  if (code == 0) {
    info->kind = INFO_STORE;
    copy_run(info, &facts.run);
    info->file_bytes = stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
  }
  facts_fini(&facts);
  return code;
}

/* ---- either -------------------------------------------------------------------------------------------------- */

int info_read(struct info *info, const char *path, struct error *err) {
  int code;
  *info = (struct info){.path = strdup(path)};
  code = store_is_database(path) ? read_store(info, path, err) : read_trace(info, path, err);
  if (code == 0 &&
      (!info->path || !info->command || !info->host || !info->framework || !info->python || !info->damage)) {
    code = error_set(err, ERROR_MEMORY, "out of memory");
  }
  if (code < 0) {
    info_fini(info);
  }
  return code;
}

void info_fini(struct info *info) {
  free(info->path);
  free(info->command);
  free(info->host);
  free(info->framework);
  free(info->python);
  free(info->damage);
  *info = (struct info){0};
}
