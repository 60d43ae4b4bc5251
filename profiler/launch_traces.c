/* Finds the traces RUN.<pid> beside a RUN: see the header. */
#include "profiler/launch_traces.h"

#include "profiler/config.h"
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

/* "actscope", "apply": what the command line in the header, arguments with a NUL behind each, begins with. */
static bool is_own_command(const char *first) {
  const char *slash = strrchr(first, '/');
  return strcmp(slash ? slash + 1 : first, "actscope") == 0 && strcmp(first + strlen(first) + 1, "apply") == 0;
}

/* Reads the header; false if this is not the trace of the process with that number, as a user's own "RUN.2". */
static bool read_header(struct found *item) {
  uint8_t head[TRACE_HEADER_SIZE + 2] = {0}; /* two NULs behind the command line */
  uint32_t recorded = 0;
  int fd = open(item->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* not to hang on a FIFO of that name */
  bool yes = fd >= 0 && read(fd, head, TRACE_HEADER_SIZE) >= (ssize_t)TRACE_H_RANK &&
             memcmp(head, TRACE_MAGIC, TRACE_MAGIC_SIZE) == 0;
  if (fd >= 0) {
    close(fd);
  }
  memcpy(&recorded, head + TRACE_H_PID, sizeof recorded);
  memcpy(&item->ppid, head + TRACE_H_PPID, sizeof item->ppid);
  memcpy(&item->flags, head + TRACE_H_FLAGS, sizeof item->flags);
  item->own = is_own_command((const char *)head + TRACE_H_COMMAND);
  return yes && recorded == (uint32_t)item->pid;
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
  if (read_header(&item) && stat(item.path, &status) == 0) {
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

static int compare(const void *a, const void *b) {
  const struct found *left = a, *right = b;
  return left->pid != right->pid ? (left->pid > right->pid) - (left->pid < right->pid) : left->image - right->image;
}

struct found_list found_traces(const char *output) {
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
  if (list.count) {
    qsort(list.items, list.count, sizeof *list.items, compare);
  }
  return list;
}

void found_free(struct found_list *list) {
  for (size_t i = 0; i < list->count; i++) {
    free(list->items[i].path);
  }
  free(list->items);
  *list = (struct found_list){0};
}

bool found_is_written(const struct found *item) {
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
