/* Finds the traces that a recording has left, chooses the main one, packs them: see launch.h.
 *
 * While recording, each process writes RUN.<pid> (RUN.<pid>-<n> after exec). In the end RUN is the trace of the process
 * that the user meant: the one launched, or, when that was only a wrapper (a shell, env, torchrun), the one that did the
 * work, told by its size. */
#include "profiler/launch.h"

#include "profiler/launch_traces.h"
#include "trace/trace_finish.h"
#include "trace/trace_format.h"
#include "trace/trace_writer.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WRAPPER_RATIO = 4 }; /* another process's trace so many times larger makes the launched one a wrapper */

static size_t choose_main(const struct found_list *list, int root_pid) {
  size_t largest = 0;
  size_t root = SIZE_MAX;
  for (size_t i = 0; i < list->count; i++) {
    const struct found *item = &list->items[i];
    largest = item->size > list->items[largest].size ? i : largest;
    if (item->pid == root_pid && (root == SIZE_MAX || item->image > list->items[root].image)) {
      root = i;
    }
  }
  bool wrapper = root == SIZE_MAX || list->items[largest].size / WRAPPER_RATIO > list->items[root].size;
  return wrapper ? largest : root;
}

static bool is_last_image(const struct found_list *list, const struct found *item) {
  for (size_t i = 0; i < list->count; i++) {
    if (list->items[i].pid == item->pid && list->items[i].image > item->image) {
      return false;
    }
  }
  return true;
}

static bool is_interrupted(const struct launch_result *result, const struct found *item) {
  for (char **path = result->interrupted; path && *path; path++) {
    if (strcmp(*path, item->path) == 0) {
      return true;
    }
  }
  return false;
}

/* Leaves those of an earlier recording out of the list: one of our processes may have got the number of one of theirs. */
static void leave_out_interrupted(struct found_list *list, const struct launch_result *result) {
  size_t kept = 0;
  for (size_t i = 0; i < list->count; i++) {
    if (is_interrupted(result, &list->items[i])) {
      free(list->items[i].path);
    } else {
      list->items[kept++] = list->items[i];
    }
  }
  list->count = kept;
}

/* Nothing that an image allocated outlives its exec: unless it was what the user meant, its trace is of no use. Looks for
 * later images among all, so it goes from the first image, which comes first in the list, to the last. */
static void remove_replaced(struct found_list *list) {
  size_t kept = 1; /* the main one */
  for (size_t i = 1; i < list->count; i++) {
    struct found item = list->items[i];
    if ((item.flags & TRACE_FLAG_EXEC) && !is_last_image(list, &item) && unlink(item.path) == 0) {
      free(item.path);
    } else {
      list->items[kept++] = item;
    }
  }
  list->count = list->count ? kept : 0;
}

/* Of `record -- actscope apply COMMAND`, COMMAND is what the user meant: the traces of apply itself go, and its child is
 * the one launched. Returns that process. */
static int leave_out_own(struct found_list *list, int root_pid) {
  int child = -1;
  for (size_t i = 0; i < list->count; i++) {
    child = list->items[i].ppid == root_pid && list->items[i].pid != root_pid ? list->items[i].pid : child;
  }
  size_t kept = 0;
  bool left = false;
  for (size_t i = 0; i < list->count; i++) {
    struct found item = list->items[i];
    if (child >= 0 && item.own && item.pid == root_pid && unlink(item.path) == 0) {
      left = true;
      free(item.path);
    } else {
      list->items[kept++] = item;
    }
  }
  list->count = kept;
  return left ? child : root_pid;
}

/* The main one first, the others behind it in their order. */
static void put_first(struct found_list *list, size_t at) {
  struct found first = list->items[at];
  memmove(list->items + 1, list->items, at * sizeof *list->items);
  list->items[0] = first;
}

/* What finishing would have noted, into the trace as it was recorded. */
static void note_status(const char *path, int status) {
  uint8_t bytes[4];
  int fd = status >= 0 ? open(path, O_WRONLY | O_CLOEXEC) : -1;
  if (fd >= 0) {
    trace_store_u32(bytes, (uint32_t)status);
    (void)!pwrite(fd, bytes, sizeof bytes, TRACE_H_EXIT_STATUS);
    close(fd);
  }
}

static int keep_unfinished(const struct found *item, int status, int code, const struct error *reason,
                           struct error *err) {
  if (code == ERROR_INPUT) { /* a damaged trace, which the reason names */
    return error_set(err, code, "%s", reason->message);
  }
  note_status(item->path, status);
  return error_set(err, code, "%s: %s can be read as it is", reason->message, item->path);
}

static int finish_one(const struct launch_options *options, struct found *item, const char *target, int status,
                      struct launch_trace *trace, struct error *err) {
  struct trace_finish_options finish = {
      .compress = options->compress,
      .exit_status = status,
      .progress = options->progress,
      .context = options->context,
  };
  struct error reason;
  trace->pid = item->pid;
  trace->running = found_is_written(item);
  int code = trace->running ? 0 : trace_finish(item->path, target, &finish, &reason);
  trace->path = strdup(trace->running || code < 0 ? item->path : target);
  return code < 0 ? keep_unfinished(item, status, code, &reason, err) : 0;
}

static int finish_all(const struct launch_options *options, int root_pid, struct found_list *list,
                      struct launch_result *result, struct error *err) {
  int code = 0;
  for (size_t i = 0; i < list->count; i++) {
    struct found *item = &list->items[i];
    bool is_root = item->pid == root_pid && is_last_image(list, item);
    const char *target = i == 0 ? options->output : item->path;
    /* The first reason is the one to tell: it is the main trace's, or the others fail for the same. */
    int one = finish_one(options, item, target, is_root ? result->status : -1, &result->traces[i], code ? NULL : err);
    code = code ? code : one;
    result->count = i + 1;
  }
  return code;
}

int launch_finish_traces(const struct launch_options *options, int root_pid, struct launch_result *result,
                         struct error *err) {
  struct found_list list = found_traces(options->output);
  leave_out_interrupted(&list, result);
  root_pid = leave_out_own(&list, root_pid);
  if (list.count) {
    put_first(&list, choose_main(&list, root_pid));
  }
  remove_replaced(&list);
  result->traces = calloc(list.count ? list.count : 1, sizeof *result->traces);
  int code = result->traces ? finish_all(options, root_pid, &list, result, err)
                            : error_set(err, ERROR_MEMORY, "out of memory");
  found_free(&list);
  return code;
}
