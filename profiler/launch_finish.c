/* Finds the traces that a recording has left, chooses the main one, packs them: see launch.h.
 *
 * While recording, each process writes RUN.<pid> (RUN.<pid>-<n> after exec). In the end RUN is the trace of the process
 * that the user meant: the one launched, or, when that was only a wrapper (a shell, env), the one that did the work, told by
 * its size. Of a distributed job each rank's is RUN.rank<N>, and RUN a link to the first. */
#include "profiler/launch.h"

#include "profiler/launch_name.h"
#include "profiler/launch_traces.h"
#include "trace/trace_family.h"
#include "trace/trace_finish.h"
#include "trace/trace_format.h"
#include "trace/trace_writer.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { END_MS = 2000 }; /* for what outlives the command for a moment, such as data-loader workers */

/* ---- the main one ------------------------------------------------------------------------------------------------- */

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
  bool wrapper = root == SIZE_MAX || list->items[largest].size / TRACE_FAMILY_WRAPPER > list->items[root].size;
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

/* ---- what is no part of it ----------------------------------------------------------------------------------------- */

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
  size_t kept = 0;
  for (size_t i = 0; i < list->count; i++) {
    struct found item = list->items[i];
    if (!item.main && (item.flags & TRACE_FLAG_EXEC) && !is_last_image(list, &item) && unlink(item.path) == 0) {
      free(item.path);
    } else {
      list->items[kept++] = item;
    }
  }
  list->count = kept;
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

/* ---- ranks -------------------------------------------------------------------------------------------------------- */

/* Each one's rank becomes that of the work it takes part in. */
static int find_mains(struct found_list *list) {
  struct trace_family_process *processes = calloc(list->count + 1, sizeof *processes);
  if (!processes) {
    return ERROR_MEMORY;
  }
  for (size_t i = 0; i < list->count; i++) {
    const struct found *item = &list->items[i];
    processes[i] = (struct trace_family_process){
        .pid = item->pid, .ppid = item->ppid, .rank = item->rank, .weight = (uint64_t)item->size};
  }
  trace_family_find(processes, list->count);
  for (size_t i = 0; i < list->count; i++) {
    list->items[i].main = processes[i].role == TRACE_FAMILY_MAIN;
    list->items[i].rank = processes[i].rank;
  }
  free(processes);
  return 0;
}

/* Is a rank to be told from others, here or where another launcher uses the same RUN? */
static bool is_distributed(const struct found_list *list, const struct launch_name *name) {
  int only = -1;
  bool several = false, of_more = false;
  for (size_t i = 0; i < list->count; i++) {
    const struct found *item = &list->items[i];
    several = several || (only >= 0 && item->rank >= 0 && item->rank != only);
    only = item->rank >= 0 ? item->rank : only;
    of_more = of_more || item->rank > 0 || (item->rank >= 0 && item->world_size > 1);
  }
  return several || (of_more && !name->own);
}

static int by_rank(const void *a, const void *b) {
  const struct found *left = a, *right = b;
  if (left->main != right->main) {
    return left->main ? -1 : 1;
  }
  if (left->rank != right->rank) {
    return left->rank < right->rank ? -1 : 1;
  }
  return left->pid != right->pid ? (left->pid > right->pid) - (left->pid < right->pid) : left->image - right->image;
}

static void name_by_rank(struct found *item, const struct launch_name *name) {
  char path[CONFIG_PATH_MAX + 64];
  launch_name_of_rank(path, sizeof path, name->base, item->rank);
  size_t length = strlen(path);
  if (!item->main) { /* keep .<pid>, or .<pid>-<image> */
    snprintf(path + length, sizeof path - length, "%s", strrchr(item->path, '.'));
  }
  item->target = strdup(path);
}

static void name_all_by_rank(struct found_list *list, const struct launch_name *name) {
  qsort(list->items, list->count, sizeof *list->items, by_rank);
  for (size_t i = 0; i < list->count; i++) {
    if (list->items[i].rank >= 0) {
      name_by_rank(&list->items[i], name);
    }
  }
}

/* RUN is rank 0's; if other launchers have that rank, it is theirs to make. */
static void link_first(const struct found *first, const struct launch_name *name) {
  char link[CONFIG_PATH_MAX + 32];
  if ((first->rank > 0 && name->rank >= 0) || access(first->target, F_OK) != 0) {
    return;
  }
  snprintf(link, sizeof link, "%s.actscope-link", name->base);
  unlink(link);
  if (symlink(strrchr(first->target, '/') + 1, link) != 0 || rename(link, name->base) != 0) {
    unlink(link); /* a file system without links: the traces are there by their names */
  }
}

/* ---- finishing ---------------------------------------------------------------------------------------------------- */

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

static int finish_one(const struct launch_options *options, const struct found *item, int status,
                      struct launch_trace *trace, struct error *err) {
  const char *target = item->target ? item->target : item->path;
  struct trace_finish_options finish = {
      .compress = options->compress,
      .exit_status = status,
      .progress = options->progress,
      .context = options->context,
  };
  struct error reason;
  trace->pid = item->pid;
  trace->rank = item->main ? item->rank : -1;
  trace->running = found_is_written(item);
  int code = trace->running ? 0 : trace_finish(item->path, target, &finish, &reason);
  trace->path = strdup(trace->running || code < 0 ? item->path : target);
  return code < 0 ? keep_unfinished(item, status, code, &reason, err) : 0;
}

static int finish_all(const struct launch_options *options, int root_pid, const struct found_list *list,
                      struct launch_result *result, struct error *err) {
  int code = 0;
  for (size_t i = 0; i < list->count; i++) {
    const struct found *item = &list->items[i];
    bool is_root = item->pid == root_pid && is_last_image(list, item);
    /* The first reason is the one to tell: it is the main trace's, or the others fail for the same. */
    int one = finish_one(options, item, is_root ? result->status : -1, &result->traces[i], code ? NULL : err);
    code = code ? code : one;
    result->count = i + 1;
  }
  return code;
}

/* Puts the main ones first and says what each is to be called. *distributed: by rank. */
static int choose_names(struct found_list *list, const struct launch_options *options, const struct launch_name *name,
                        int root_pid, bool *distributed) {
  int code = find_mains(list);
  *distributed = code == 0 && options->by_rank && is_distributed(list, name);
  if (code == 0 && *distributed) {
    remove_replaced(list);
    name_all_by_rank(list, name);
    return 0;
  }
  for (size_t i = 0; i < list->count; i++) {
    list->items[i].main = false;
    list->items[i].rank = -1;
  }
  if (code == 0 && list->count) {
    size_t at = choose_main(list, root_pid);
    list->items[at].main = true;
    list->items[at].target = strdup(name->stem);
    remove_replaced(list);
    qsort(list->items, list->count, sizeof *list->items, by_rank);
  }
  return code;
}

static bool has_trace_of(const struct found_list *list, int pid) {
  bool has = false;
  for (size_t i = 0; i < list->count; i++) {
    has = has || list->items[i].pid == pid;
  }
  return has;
}

int launch_finish_traces(const struct launch_options *options, const struct launch_name *name, int root_pid,
                         struct launch_result *result, struct error *err) {
  struct found_list list = found_traces(name->stem);
  bool distributed = false;
  leave_out_interrupted(&list, result);
  root_pid = leave_out_own(&list, root_pid);
  result->missing = has_trace_of(&list, root_pid) ? 0 : root_pid;
  found_wait(&list, END_MS);
  result->traces = calloc(list.count + 1, sizeof *result->traces);
  int code = result->traces ? choose_names(&list, options, name, root_pid, &distributed) : ERROR_MEMORY;
  code = code ? error_set(err, code, "out of memory") : finish_all(options, root_pid, &list, result, err);
  if (result->count && distributed) {
    link_first(&list.items[0], name);
  }
  found_free(&list);
  return code;
}
