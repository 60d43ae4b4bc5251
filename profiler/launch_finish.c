/* Finds the traces that a recording has left, chooses the main one, packs them: see launch.h.
 *
 * While recording, each process writes RUN.<pid> (RUN.<pid>-<n> after exec). In the end RUN is the trace of the process
 * that the user meant: the one launched, or, when that was only a wrapper (a shell, env, torchrun), the one that did the
 * work, told by its size. */
#include "profiler/launch.h"

#include "trace/trace_finish.h"
#include "trace/trace_format.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WRAPPER_RATIO = 4 }; /* another process's trace so many times larger makes the launched one a wrapper */

struct found {
  char *path;
  int pid, image; /* the image-th program that this process has become by exec */
  off_t size;
};

struct found_list {
  struct found *items;
  size_t count;
};

/* Is this the trace of the process with that number? A user's own "RUN.2" is not. */
static bool is_trace_of(const char *path, int pid) {
  uint8_t head[TRACE_H_PID + 4] = {0};
  uint32_t recorded = 0;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  bool yes = fd >= 0 && read(fd, head, sizeof head) == (ssize_t)sizeof head &&
             memcmp(head, TRACE_MAGIC, TRACE_MAGIC_SIZE) == 0;
  if (fd >= 0) {
    close(fd);
  }
  memcpy(&recorded, head + TRACE_H_PID, sizeof recorded);
  return yes && recorded == (uint32_t)pid;
}

/* "<stem>.<pid>" or "<stem>.<pid>-<image>" */
static bool parse_name(const char *name, const char *stem, int *pid, int *image) {
  size_t length = strlen(stem);
  if (strncmp(name, stem, length) != 0 || name[length] != '.' || !isdigit((unsigned char)name[length + 1])) {
    return false;
  }
  char *end;
  *pid = (int)strtol(name + length + 1, &end, 10);
  *image = 0;
  if (*end == '-' && isdigit((unsigned char)end[1])) {
    *image = (int)strtol(end + 1, &end, 10);
  }
  return *end == '\0';
}

static void add_found(struct found_list *list, const char *folder, const char *name, int pid, int image) {
  struct found item = {.pid = pid, .image = image};
  struct stat status;
  if (asprintf(&item.path, "%s/%s", folder, name) < 0) {
    return;
  }
  struct found *grown = NULL;
  if (is_trace_of(item.path, pid) && stat(item.path, &status) == 0) {
    item.size = status.st_size;
    grown = realloc(list->items, (list->count + 1) * sizeof *grown);
  }
  if (!grown) {
    free(item.path);
    return;
  }
  list->items = grown;
  list->items[list->count++] = item;
}

static struct found_list find_traces(const char *output) {
  struct found_list list = {0};
  char folder[CONFIG_PATH_MAX];
  snprintf(folder, sizeof folder, "%s", output);
  char *slash = strrchr(folder, '/');
  *slash = '\0';
  DIR *stream = opendir(*folder ? folder : "/");
  for (struct dirent *entry; stream && (entry = readdir(stream));) {
    int pid;
    int image;
    if (parse_name(entry->d_name, slash + 1, &pid, &image)) {
      add_found(&list, folder, entry->d_name, pid, image);
    }
  }
  if (stream) {
    closedir(stream);
  }
  return list;
}

static void free_found(struct found_list *list) {
  for (size_t i = 0; i < list->count; i++) {
    free(list->items[i].path);
  }
  free(list->items);
}

/* Is its process still writing it? A process that records has its trace mapped; one that waits to be reaped, has gone on by
 * exec, or got the number later, has not. */
static bool is_written(const struct found *item) {
  char maps[64];
  char line[CONFIG_PATH_MAX + 128];
  if (kill(item->pid, 0) != 0 && errno == ESRCH) {
    return false;
  }
  snprintf(maps, sizeof maps, "/proc/%d/maps", item->pid);
  FILE *stream = fopen(maps, "re");
  bool mapped = !stream && errno == EACCES; /* somebody else's: it may be */
  while (stream && !mapped && fgets(line, sizeof line, stream)) {
    char *path = strchr(line, '/');
    line[strcspn(line, "\n")] = '\0';
    mapped = path && strcmp(path, item->path) == 0;
  }
  if (stream) {
    fclose(stream);
  }
  return mapped;
}

void launch_remove_stale(const char *output) {
  struct found_list list = find_traces(output);
  for (size_t i = 0; i < list.count; i++) {
    if (!is_written(&list.items[i])) {
      unlink(list.items[i].path);
    }
  }
  free_found(&list);
}

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

static int finish_one(const struct launch_options *options, struct found *item, const char *target, int status,
                      struct launch_trace *trace, struct error *err) {
  struct trace_finish_options finish = {
      .compress = options->compress,
      .exit_status = status,
      .progress = options->progress,
      .context = options->context,
  };
  trace->pid = item->pid;
  trace->running = is_written(item);
  int code = trace->running ? 0 : trace_finish(item->path, target, &finish, err);
  if (trace->running || code < 0) {
    trace->path = strdup(item->path); /* as it was recorded: it can be read all the same */
  } else {
    trace->path = strdup(target);
  }
  return code;
}

int launch_finish_traces(const struct launch_options *options, int root_pid, struct launch_result *result,
                         struct error *err) {
  struct found_list list = find_traces(options->output);
  result->traces = calloc(list.count ? list.count : 1, sizeof *result->traces);
  if (!result->traces) {
    free_found(&list);
    return error_set(err, ERROR_MEMORY, "out of memory");
  }
  int code = 0;
  size_t main_trace = choose_main(&list, root_pid);
  if (list.count) { /* the main one first */
    struct found first = list.items[main_trace];
    list.items[main_trace] = list.items[0];
    list.items[0] = first;
  }
  for (size_t i = 0; i < list.count; i++) {
    struct found *item = &list.items[i];
    bool is_root = item->pid == root_pid && is_last_image(&list, item);
    const char *target = i == 0 ? options->output : item->path;
    int one = finish_one(options, item, target, is_root ? result->status : -1, &result->traces[i], err);
    code = code ? code : one;
    result->count = i + 1;
  }
  free_found(&list);
  return code;
}
