/* What other recordings to the same RUN have left or still write: see the header. */
#include "profiler/launch_earlier.h"

#include "profiler/launch_traces.h"
#include "trace/trace_format.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- one at a time ----------------------------------------------------------------------------------------------- */

enum { LOCK_TRIES = 100 };

static void close_lock(struct launch_lock *lock) {
  close(lock->fd);
  lock->fd = -1;
}

/* Has the lock's file been removed, by the recording that ended, between our open and our flock? */
static bool is_gone(const struct launch_lock *lock) {
  struct stat held;
  struct stat there;
  return fstat(lock->fd, &held) != 0 || stat(lock->path, &there) != 0 || held.st_ino != there.st_ino ||
         held.st_dev != there.st_dev;
}

int launch_lock_take(struct launch_lock *lock, const char *output, struct error *err) {
  snprintf(lock->path, sizeof lock->path, "%s.actscope-lock", output);
  for (int i = 0; i < LOCK_TRIES; i++) {
    lock->fd = open(lock->path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (lock->fd < 0) {
      return 0; /* a full disk, a file system without locks: the recording itself matters more */
    }
    if (flock(lock->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      close_lock(lock);
      return error_set(
          err, ERROR_USAGE,
          "%s: another actscope records to it now; wait until it has ended, or choose another name with -o", output);
    }
    if (!is_gone(lock)) {
      return 0;
    }
    close_lock(lock);
  }
  return 0;
}

void launch_lock_drop(struct launch_lock *lock) {
  if (lock->fd >= 0) {
    unlink(lock->path);
    close_lock(lock);
  }
}

/* ---- what is there ----------------------------------------------------------------------------------------------- */

enum { GRACE_MS = 1000 }; /* for helpers of the run before to end */

static int refuse_if_written(const struct found_list *list, const char *output, struct error *err) {
  found_wait(list, GRACE_MS);
  for (size_t i = 0; i < list->count; i++) {
    if (!(list->items[i].flags & TRACE_FLAG_FINISHED) && found_is_written(&list->items[i])) {
      return error_set(err, ERROR_USAGE,
                       "%s: pid %d is being recorded to it (%s); wait until it has ended, or choose another name with "
                       "-o",
                       output, list->items[i].pid, list->items[i].path);
    }
  }
  return 0;
}

/* Finished ones belong to a recording that is whole, and is replaced. Any other is all that there is of its process. */
static void remove_finished(struct found_list *list) {
  size_t kept = 0;
  for (size_t i = 0; i < list->count; i++) {
    if ((list->items[i].flags & TRACE_FLAG_FINISHED) && unlink(list->items[i].path) == 0) {
      free(list->items[i].path);
    } else {
      list->items[kept++] = list->items[i];
    }
  }
  list->count = kept;
}

/* Hands over the names of what remains in the list. */
static int name_interrupted(struct found_list *list, struct launch_result *result, struct error *err) {
  char **names = calloc(list->count + 1, sizeof *names);
  if (!names) {
    return error_set(err, ERROR_MEMORY, "out of memory");
  }
  for (size_t i = 0; i < list->count; i++) {
    names[i] = list->items[i].path;
    list->items[i].path = NULL;
  }
  result->interrupted = names;
  return 0;
}

/* Takes over the items of more. */
static int append(struct found_list *list, struct found_list more, struct error *err) {
  struct found *grown = more.count ? reallocarray(list->items, list->count + more.count, sizeof *grown) : NULL;
  if (more.count && !grown) {
    found_free(&more);
    return error_set(err, ERROR_MEMORY, "out of memory");
  }
  if (grown) {
    memcpy(grown + list->count, more.items, more.count * sizeof *grown);
    list->items = grown;
    list->count += more.count;
    free(more.items);
  }
  return 0;
}

/* Of several launchers each looks after its own rank; the first also after those that a larger job has left. */
static struct found_list ranks_of(const struct launch_name *name) {
  if (!launch_name_is_shared(name)) {
    return found_ranks(name->base, 0, INT_MAX);
  }
  return name->rank == 0 && name->world_size ? found_ranks(name->base, name->world_size, INT_MAX)
                                             : (struct found_list){0};
}

int launch_clear_earlier(const struct launch_name *name, struct launch_result *result, struct error *err) {
  struct found_list list = found_traces(name->stem);
  int code = append(&list, ranks_of(name), err);
  code = code ? code : refuse_if_written(&list, name->stem, err);
  if (code == 0) {
    remove_finished(&list);
    code = name_interrupted(&list, result, err);
  }
  found_free(&list);
  return code;
}

size_t launch_count_others(const char *run) {
  const char *slash = strrchr(run, '/');
  char *path = NULL;
  if (asprintf(&path, "%s%s", slash ? "" : "./", run) < 0) {
    return 0;
  }
  struct stat own;
  bool is_there = stat(path, &own) == 0;
  struct found_list list = found_traces(path), ranks = found_ranks(path, 0, INT_MAX);
  size_t count = list.count + ranks.count;
  for (size_t i = 0; i < ranks.count; i++) {
    struct stat other; /* of a job, RUN is one of them */
    count -= is_there && stat(ranks.items[i].path, &other) == 0 && other.st_ino == own.st_ino;
  }
  found_free(&list);
  found_free(&ranks);
  free(path);
  return count;
}
