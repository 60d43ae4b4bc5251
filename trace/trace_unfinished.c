/* While a command is recorded its processes write RUN.<pid>, and RUN appears when it has ended. */
#include "trace/trace_unfinished.h"

#include "trace/trace_format.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *skip_digits(const char *text) {
  return text + strspn(text, "0123456789");
}

/* stem.<digits>, or stem.<digits>-<digits> */
static bool is_name_of_process(const char *name, const char *stem) {
  size_t length = strlen(stem);
  if (strncmp(name, stem, length) != 0 || name[length] != '.') {
    return false;
  }
  const char *pid = name + length + 1, *end = skip_digits(pid);
  if (end > pid && *end == '-') {
    const char *image = end + 1;
    end = skip_digits(image);
    return end > image && !*end;
  }
  return end > pid && !*end;
}

static bool is_trace(int folder, const char *name, struct timespec *written) {
  char magic[TRACE_MAGIC_SIZE];
  struct stat status;
  int file = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* not to hang on a FIFO of that name */
  if (file < 0) {
    return false;
  }
  bool trace = fstat(file, &status) == 0 && S_ISREG(status.st_mode) &&
               read(file, magic, sizeof magic) == (ssize_t)sizeof magic &&
               memcmp(magic, TRACE_MAGIC, sizeof magic) == 0;
  close(file);
  *written = trace ? status.st_mtim : (struct timespec){0};
  return trace;
}

static bool is_later(const struct timespec *a, const struct timespec *b) {
  return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

static char *newest_in(DIR *folder, const char *stem) {
  struct timespec newest = {0}, written;
  char *name = NULL;
  for (struct dirent *entry; (entry = readdir(folder));) {
    if (is_name_of_process(entry->d_name, stem) && is_trace(dirfd(folder), entry->d_name, &written) &&
        (!name || is_later(&written, &newest))) {
      free(name);
      name = strdup(entry->d_name);
      newest = written;
    }
  }
  return name;
}

char *trace_unfinished_beside(const char *run) {
  const char *slash = strrchr(run, '/'), *stem = slash ? slash + 1 : run;
  int length = (int)(stem - run);
  char *path = NULL, *prefix = strndup(run, (size_t)length);
  DIR *folder = prefix && *stem ? opendir(*prefix ? prefix : ".") : NULL;
  char *name = folder ? newest_in(folder, stem) : NULL;
  if (name && asprintf(&path, "%s%s", prefix, name) < 0) {
    path = NULL;
  }
  if (folder) {
    closedir(folder);
  }
  free(name);
  free(prefix);
  return path;
}
