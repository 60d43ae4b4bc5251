/* Finds the traces beside a RUN: see the header. */
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
#include <time.h>
#include <unistd.h>

/* "actscope", "apply": what the command line in the header, arguments with a NUL behind each, begins with. */
static bool is_own_command(const char *first) {
  const char *slash = strrchr(first, '/');
  return strcmp(slash ? slash + 1 : first, "actscope") == 0 && strcmp(first + strlen(first) + 1, "apply") == 0;
}

/* Reads the header; false if this is no trace, or, where the name says a number, not of the process with that number, as a
 * user's own "RUN.2". */
static bool read_header(struct found *item) {
  uint8_t head[TRACE_HEADER_SIZE + 2] = {0}; /* two NULs behind the command line */
  uint32_t recorded = 0;
  int fd = open(item->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* not to hang on a FIFO of that name */
  bool yes = fd >= 0 && read(fd, head, TRACE_HEADER_SIZE) >= (ssize_t)TRACE_H_COMMAND &&
             memcmp(head, TRACE_MAGIC, TRACE_MAGIC_SIZE) == 0;
  if (fd >= 0) {
    close(fd);
  }
  memcpy(&recorded, head + TRACE_H_PID, sizeof recorded);
  memcpy(&item->ppid, head + TRACE_H_PPID, sizeof item->ppid);
  memcpy(&item->flags, head + TRACE_H_FLAGS, sizeof item->flags);
  memcpy(&item->rank, head + TRACE_H_RANK, sizeof item->rank);
  memcpy(&item->world_size, head + TRACE_H_WORLD_SIZE, sizeof item->world_size);
  item->own = is_own_command((const char *)head + TRACE_H_COMMAND);
  yes = yes && (item->pid < 0 || recorded == (uint32_t)item->pid);
  item->pid = (int)recorded;
  return yes;
}

/* ".<pid>" or ".<pid>-<image>", and nothing behind it */
static bool parse_pid(const char *text, struct found *item) {
  if (text[0] != '.' || !isdigit((unsigned char)text[1])) {
    return false;
  }
  char *end;
  item->pid = (int)strtol(text + 1, &end, 10);
  if (*end == '-' && isdigit((unsigned char)end[1])) {
    item->image = (int)strtol(end + 1, &end, 10);
  }
  return *end == '\0';
}

/* ".rank<N>", and perhaps what parse_pid takes */
static bool parse_rank(const char *text, int first, int last, struct found *item) {
  static const char mark[] = ".rank";
  size_t length = sizeof mark - 1;
  if (strncmp(text, mark, length) != 0 || !isdigit((unsigned char)text[length])) {
    return false;
  }
  char *end;
  long rank = strtol(text + length, &end, 10);
  item->pid = -1;
  return rank >= first && rank <= last && (*end == '\0' || parse_pid(end, item));
}

static void add_found(struct found_list *list, const char *folder, const char *name, struct found item) {
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

/* By rank, for which first and last are given, or by pid. */
struct wanted {
  bool ranks;
  int first, last;
};

static struct found_list find(const char *output, struct wanted wanted) {
  struct found_list list = {0};
  char folder[CONFIG_PATH_MAX];
  snprintf(folder, sizeof folder, "%s", output);
  char *slash = strrchr(folder, '/');
  *slash = '\0';
  size_t length = strlen(slash + 1);
  DIR *stream = opendir(*folder ? folder : "/");
  for (struct dirent *entry; stream && (entry = readdir(stream));) {
    struct found item = {0};
    const char *rest = entry->d_name + length;
    if (strncmp(entry->d_name, slash + 1, length) == 0 &&
        (wanted.ranks ? parse_rank(rest, wanted.first, wanted.last, &item) : parse_pid(rest, &item))) {
      add_found(&list, folder, entry->d_name, item);
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

struct found_list found_traces(const char *output) {
  return find(output, (struct wanted){.ranks = false});
}

struct found_list found_ranks(const char *base, int first, int last) {
  return find(base, (struct wanted){true, first, last});
}

void found_free(struct found_list *list) {
  for (size_t i = 0; i < list->count; i++) {
    free(list->items[i].path);
    free(list->items[i].target);
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

enum { WAIT_MS = 10 };

void found_wait(const struct found_list *list, unsigned milliseconds) {
  unsigned waited = 0;
  for (size_t i = 0; i < list->count; i++) {
    while (waited < milliseconds && found_is_written(&list->items[i])) {
      nanosleep(&(struct timespec){.tv_nsec = WAIT_MS * 1000000}, NULL);
      waited += WAIT_MS;
    }
  }
}
