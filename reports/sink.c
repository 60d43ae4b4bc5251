/* Sinks: standard output, files replaced as a whole, memory. */
#include "reports/sink.h"

#include "common/temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WIDTH_DEFAULT = 80, WIDTH_MIN = 60, WIDTH_MAX = 120 };

static int terminal_width(int fd) {
  struct winsize size;
  if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
    return WIDTH_DEFAULT;
  }
  return size.ws_col < WIDTH_MIN ? WIDTH_MIN : size.ws_col > WIDTH_MAX ? WIDTH_MAX : size.ws_col;
}

bool sink_wants_color(bool terminal) {
  const char *no_color = getenv("NO_COLOR"), *force = getenv("CLICOLOR_FORCE"), *clicolor = getenv("CLICOLOR");
  const char *term = getenv("TERM");
  if (no_color && *no_color) {
    return false;
  }
  if (force && *force && strcmp(force, "0") != 0) {
    return true;
  }
  return terminal && term && strcmp(term, "dumb") != 0 && !(clicolor && strcmp(clicolor, "0") == 0);
}

static void choose_look(struct sink *sink, enum sink_color color) {
  int fd = fileno(sink->file);
  bool terminal = isatty(fd);
  sink->color = color == SINK_COLOR_ALWAYS || (color == SINK_COLOR_AUTO && sink_wants_color(terminal));
  sink->unicode = (terminal || color == SINK_COLOR_ALWAYS) && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
  sink->width = terminal ? terminal_width(fd) : WIDTH_DEFAULT;
}

/* The file's own name behind symbolic links, so that replacing it does not replace the link. */
static char *resolve(const char *path) {
  char *real = realpath(path, NULL);
  return real ? real : strdup(path);
}

/* Opens "<path>.<pid>.tmp" with the mode of the file it will replace. */
static int open_replacement(struct sink *sink, const char *path, const struct stat *existing) {
  int fd;
  sink->path = resolve(path);
  if (!sink->path || asprintf(&sink->temporary, "%s.%ld.tmp", sink->path, (long)getpid()) < 0) {
    sink->temporary = NULL;
    errno = ENOMEM;
    return -1;
  }
  temporary_add(sink->temporary); /* before it is there: a signal may come between */
  fd = open(sink->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (fd >= 0 && existing && fchmod(fd, existing->st_mode & 07777) != 0) {
    /* Another owner's mode cannot always be kept; the report matters more. */
    errno = 0;
  }
  return fd;
}

static int open_path(struct sink *sink, const char *path) {
  struct stat existing;
  bool exists = stat(path, &existing) == 0;
  if (exists && !S_ISREG(existing.st_mode)) {
    return open(path, O_WRONLY | O_CLOEXEC);
  }
  return open_replacement(sink, path, exists ? &existing : NULL);
}

static void forget_names(struct sink *sink) {
  temporary_drop(sink->temporary);
  free(sink->path);
  free(sink->temporary);
  sink->path = sink->temporary = NULL;
}

int sink_open(struct sink *sink, const char *path, enum sink_color color, struct error *err) {
  int fd;
  *sink = (struct sink){0};
  if (!path || strcmp(path, "-") == 0) {
    sink->file = stdout;
    choose_look(sink, color);
    return 0;
  }
  fd = open_path(sink, path);
  sink->file = fd >= 0 ? fdopen(fd, "w") : NULL;
  if (!sink->file) {
    int code = error_set(err, ERROR_IO, "cannot write %s: %s", path, strerror(errno));
    if (fd >= 0) {
      close(fd);
      unlink(sink->temporary ? sink->temporary : "");
    }
    forget_names(sink);
    return code;
  }
  choose_look(sink, color);
  return 0;
}

int sink_open_memory(struct sink *sink, struct error *err) {
  *sink = (struct sink){.width = WIDTH_DEFAULT};
  sink->file = open_memstream(&sink->memory, &sink->memory_size);
  return sink->file ? 0 : error_set(err, ERROR_MEMORY, "out of memory");
}

void sink_fail(struct sink *sink, int error_number) {
  if (!sink->failure) {
    sink->failure = error_number ? error_number : EIO;
  }
}

void sink_print(struct sink *sink, const char *format, ...) {
  va_list args;
  va_start(args, format);
  if (vfprintf(sink->file, format, args) < 0) {
    sink_fail(sink, errno);
  }
  va_end(args);
}

void sink_write(struct sink *sink, const char *bytes, size_t size) {
  if (size && fwrite(bytes, 1, size, sink->file) != size) {
    sink_fail(sink, errno);
  }
}

/* Flushes and closes; standard output stays open for others, but is flushed and checked. */
static void finish_file(struct sink *sink) {
  if (fflush(sink->file) != 0 || ferror(sink->file)) {
    sink_fail(sink, errno);
  }
  /* Some file systems tell of a full disk only at fsync; pipes and terminals cannot be synced, which is fine. */
  if (sink->temporary && fsync(fileno(sink->file)) != 0 && errno != EINVAL && errno != EROFS) {
    sink_fail(sink, errno);
  }
  if (sink->file != stdout && fclose(sink->file) != 0) {
    sink_fail(sink, errno);
  }
  sink->file = NULL;
}

static void put_in_place(struct sink *sink) {
  if (!sink->temporary) {
    return;
  }
  if (!sink->failure && rename(sink->temporary, sink->path) != 0) {
    sink_fail(sink, errno);
  }
  if (sink->failure) {
    unlink(sink->temporary);
  }
}

int sink_close(struct sink *sink, struct error *err) {
  int code = 0;
  finish_file(sink);
  put_in_place(sink);
  if (sink->failure && sink->failure != EPIPE) {
    code = error_set(err, sink->failure == ENOMEM ? ERROR_MEMORY : ERROR_IO, "cannot write %s: %s%s",
                     sink->path ? sink->path : "the output", strerror(sink->failure),
                     sink->failure == ENOSPC ? "; free some space or write elsewhere with -o" : "");
  }
  forget_names(sink);
  return code;
}

void sink_discard(struct sink *sink) {
  struct error ignored;
  sink_fail(sink, ECANCELED);
  sink_close(sink, &ignored);
}
