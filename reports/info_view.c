/* What `info` shows: a few lines to read, or JSON. */
#include "reports/format.h"
#include "reports/info.h"
#include "reports/json.h"
#include "reports/table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void fact(struct sink *sink, const char *label, enum style style, const char *text) {
  char first[32];
  snprintf(first, sizeof first, "  %-11s", label);
  paragraph_print(sink, style, 13, first, text);
}

static void show_file(struct sink *sink, const struct info *info) {
  char text[256], size[FORMAT_SIZE], version[64] = "store (SQLite)";
  char each[64] = "";
  if (info->kind == INFO_TRACE) {
    snprintf(version, sizeof version, "trace format %u.%u, %s", info->version_major, info->version_minor,
             info->finished ? "packed" : "not packed");
    if (info->events) {
      snprintf(each, sizeof each, ", %.1f bytes an event", (double)info->file_bytes / (double)info->events);
    }
  }
  snprintf(text, sizeof text, "%s%s; %s", format_bytes(size, info->file_bytes), each, version);
  fact(sink, "file", STYLE_PLAIN, text);
}

static void show_state(struct sink *sink, const struct info *info) {
  char text[768];
  if (info->complete) {
    fact(sink, "state", STYLE_GOOD, "whole");
    return;
  }
  snprintf(text, sizeof text, "%s: %s", info->damaged ? "damaged" : "incomplete",
           info->damage[0] ? info->damage : "the process was not seen to end");
  fact(sink, "state", STYLE_WARN, text);
}

static void show_process(struct sink *sink, const struct info *info) {
  char text[512], status[24] = "unknown", rank[48] = "", began[32] = "";
  time_t seconds = (time_t)(info->start_unix_ns / 1000000000);
  struct tm local;
  if (info->exit_status >= 0) {
    snprintf(status, sizeof status, "%d", info->exit_status);
  }
  if (info->rank >= 0) {
    snprintf(rank, sizeof rank, info->world_size ? ", rank %d of %d" : ", rank %d", info->rank, info->world_size);
  }
  if (info->start_unix_ns && localtime_r(&seconds, &local)) {
    strftime(began, sizeof began, ", began %Y-%m-%d %H:%M:%S", &local);
  }
  if (!info->pid) { /* imported */
    fact(sink, "process", STYLE_PLAIN, *began ? began + 2 : "not known");
    return;
  }
  snprintf(text, sizeof text, "pid %d%s%s%s, exit status %s%s", info->pid, *info->host ? " on " : "", info->host, rank,
           status, began);
  fact(sink, "process", STYLE_PLAIN, text);
}

static void show_events(struct sink *sink, const struct info *info) {
  char text[320], all[FORMAT_SIZE], allocations[FORMAT_SIZE], frees[FORMAT_SIZE], saves[FORMAT_SIZE],
      releases[FORMAT_SIZE];
  format_count(all, info->events);
  if (info->kind == INFO_STORE) {
    fact(sink, "events", STYLE_PLAIN, all);
    return;
  }
  snprintf(text, sizeof text, "%s: %s allocations, %s frees, %s saves, %s releases", all,
           format_count(allocations, info->allocations), format_count(frees, info->frees),
           format_count(saves, info->saves), format_count(releases, info->releases));
  fact(sink, "events", STYLE_PLAIN, text);
}

static void show_recorded(struct sink *sink, const struct info *info) {
  char text[256], wall[FORMAT_SIZE], size[FORMAT_SIZE], threads[FORMAT_SIZE], blocks[96];
  snprintf(blocks, sizeof blocks, "blocks of %s or more", format_round_bytes(size, info->min_size));
  snprintf(text, sizeof text, "%s, %s thread%s, %s", format_duration(wall, info->wall_ns),
           format_count(threads, info->threads), info->threads == 1 ? "" : "s",
           info->min_size > 1 ? blocks : "every block");
  fact(sink, "recorded", STYLE_PLAIN, text);
  show_events(sink, info);
}

static void show_tables(struct sink *sink, const struct info *info) {
  char text[160], count[FORMAT_SIZE];
  if (info->kind == INFO_TRACE) {
    snprintf(text, sizeof text,
             "%s different, at most %" PRIu64 " frames deep; %" PRIu64 " module%s, %" PRIu64 " stream%s",
             format_count(count, info->stacks), info->stack_depth, info->modules, info->modules == 1 ? "" : "s",
             info->streams, info->streams == 1 ? "" : "s");
    fact(sink, "stacks", STYLE_PLAIN, text);
  }
  if (info->lost_events) {
    snprintf(text, sizeof text, "%s event%s could not be recorded", format_count(count, info->lost_events),
             info->lost_events == 1 ? "" : "s");
    fact(sink, "lost", STYLE_WARN, text);
  }
}

static void show_next(struct sink *sink, const struct info *info) {
  char *path = format_path(info->path), *text = NULL;
  if (path && asprintf(&text, "actscope report %s", path) >= 0) {
    sink_print(sink, "\n");
    paragraph_print(sink, STYLE_DIM, 8, "  next: ", text);
  } else {
    sink_fail(sink, ENOMEM);
    text = NULL;
  }
  free(text);
  free(path);
}

void info_text_emit(struct sink *sink, const struct info *info) {
  paragraph_print(sink, STYLE_BOLD, 0, "", info->path);
  fact(sink, "command", STYLE_PLAIN, info->command[0] ? info->command : "unknown");
  show_state(sink, info);
  show_process(sink, info);
  fact(sink, "framework", STYLE_PLAIN, info->framework[0] ? info->framework : "none seen");
  if (info->python[0]) {
    fact(sink, "python", STYLE_PLAIN, info->python);
  }
  show_recorded(sink, info);
  show_tables(sink, info);
  show_file(sink, info);
  if (!info->damaged) {
    show_next(sink, info);
  }
}

static void fill_json(json_t *root, const struct info *info) {
  json_put_text(root, "path", info->path);
  json_put_text(root, "kind", info->kind == INFO_STORE ? "store" : "trace");
  json_put_text(root, "command", info->command);
  json_put_integer(root, "pid", info->pid);
  json_put_known(root, "ppid", info->ppid);
  json_put_known(root, "rank", info->rank);
  json_put_known(root, "world_size", info->world_size ? info->world_size : -1);
  json_put_text(root, "host", info->host);
  json_put_known(root, "exit_status", info->exit_status);
  json_put_bool(root, "complete", info->complete);
  json_put_bool(root, "damaged", info->damaged);
  json_put_text(root, "damage", info->damage);
  json_put_text(root, "framework", info->framework);
  json_put_count(root, "start_unix_ns", info->start_unix_ns);
  json_put_count(root, "wall_ns", info->wall_ns);
  json_put_count(root, "min_size", info->min_size);
  json_put_count(root, "events", info->events);
  json_put_count(root, "lost_events", info->lost_events);
  json_put_count(root, "threads", info->threads);
  json_put_count(root, "file_bytes", info->file_bytes);
  if (info->kind == INFO_TRACE) {
    json_put_text(root, "python", info->python);
    json_put_bool(root, "finished", info->finished);
    json_put_count(root, "version_major", info->version_major);
    json_put_count(root, "version_minor", info->version_minor);
    json_put_count(root, "stack_depth", info->stack_depth);
    json_put_count(root, "allocations", info->allocations);
    json_put_count(root, "frees", info->frees);
    json_put_count(root, "saves", info->saves);
    json_put_count(root, "releases", info->releases);
    json_put_count(root, "streams", info->streams);
    json_put_count(root, "stacks", info->stacks);
    json_put_count(root, "modules", info->modules);
  }
}

void info_json_emit(struct sink *sink, const struct info *info) {
  json_t *root = json_begin("actscope.info/1");
  fill_json(root, info);
  json_emit(sink, root);
}

void infos_json_emit(struct sink *sink, const struct info *infos, size_t count) {
  json_t *root = json_begin("actscope.infos/1"), *runs = json_array();
  for (size_t i = 0; i < count; i++) {
    json_t *run = json_object();
    fill_json(run, &infos[i]);
    json_array_append_new(runs, run);
  }
  json_object_set_new(root, "runs", runs);
  json_emit(sink, root);
}
