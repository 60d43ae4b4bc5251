/* gnuplot as a child that reads its script from a pipe. */
#include "reports/gnuplot.h"

#include "reports/format.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *terminal_of(const char *path) {
  const char *dot = strrchr(path, '.');
  if (dot && strcasecmp(dot, ".svg") == 0) {
    return "set terminal svg size 900,700 enhanced background '#ffffff' font 'sans,14'\n";
  }
  return dot && strcasecmp(dot, ".png") == 0 ? "set terminal pngcairo size 900,700 enhanced font 'sans,12'\n" : NULL;
}

/* Within gnuplot's single quotes each of its own is doubled. */
static void print_quoted(FILE *out, const char *text) {
  fputc('\'', out);
  for (; *text; text++) {
    fputs(*text == '\'' ? "''" : (char[]){*text, 0}, out);
  }
  fputc('\'', out);
}

void gnuplot_quote(struct sink *sink, const char *text) {
  char *clean = format_clean(text, true);
  if (!clean) {
    sink_fail(sink, ENOMEM);
    return;
  }
  print_quoted(sink->file, clean); /* what fails, fails again at the next sink_print */
  free(clean);
}

static int spawn(pid_t *pid, int script) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t defaults;
  char name[] = "gnuplot", dash[] = "-";
  char *argv[] = {name, dash, NULL};
  int result;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  sigaddset(&defaults, SIGINT);
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, script, STDIN_FILENO);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  result = posix_spawnp(pid, name, &actions, &attributes, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return result;
}

/* The whole script in an unnamed file: no pipe that could fill up or break. */
static FILE *write_script(const char *terminal, const char *temporary, const char *script, size_t size) {
  FILE *file = tmpfile();
  if (file) {
    fputs(terminal, file);
    fputs("set output ", file);
    print_quoted(file, temporary);
    fputc('\n', file);
    fwrite(script, 1, size, file);
    fputs("\nunset output\n", file);
    if (fflush(file) != 0 || fseek(file, 0, SEEK_SET) != 0) {
      fclose(file);
      file = NULL;
    }
  }
  return file;
}

/* Its wait status, or -1 with errno. Ctrl-C ends gnuplot, and only then, when its half-made file is gone, this. */
static int wait_for(pid_t pid) {
  int status = 0, result;
  do {
    result = waitpid(pid, &status, 0);
  } while (result < 0 && errno == EINTR);
  return result < 0 ? -1 : status;
}

/* gnuplot does not tell of a full disk: whether the file ends as one of its kind does. */
static bool is_whole(const char *file, const char *path) {
  static const char svg[] = "</svg>", png[] = "IEND\xae\x42\x60\x82";
  const char *dot = strrchr(path, '.'), *end = dot && strcasecmp(dot, ".png") == 0 ? png : svg;
  char tail[32] = {0};
  FILE *in = fopen(file, "re");
  size_t size = 0;
  if (in && fseek(in, -(long)(sizeof tail), SEEK_END) == 0) {
    size = fread(tail, 1, sizeof tail, in);
  }
  if (in) {
    fclose(in);
  }
  return memmem(tail, size, end, strlen(end));
}

static int run(FILE *script, const char *temporary, const char *path, int *missing, struct error *err) {
  struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
  pid_t pid;
  int status, result;
  sigaction(SIGINT, &ignore, &before);
  result = spawn(&pid, fileno(script));
  status = result == 0 ? wait_for(pid) : 0;
  sigaction(SIGINT, &before, NULL);
  if (result != 0) {
    *missing = result == ENOENT;
    return error_set(err, ERROR_IO, "cannot draw %s: gnuplot: %s; install gnuplot-nox for plots", path,
                     strerror(result));
  }
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGINT) {
    unlink(temporary);
    raise(SIGINT);
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return error_set(err, ERROR_IO, "cannot draw %s: gnuplot failed", path);
  }
  if (!is_whole(temporary, path)) {
    return error_set(err, ERROR_IO, "cannot write %s: gnuplot left it unfinished; is there space?", path);
  }
  return rename(temporary, path) == 0 ? 0 : error_set(err, ERROR_IO, "cannot write %s: %s", path, strerror(errno));
}

/* Makes the file that gnuplot will fill: what hinders that is told better by the system than by gnuplot. */
static int create(const char *temporary, const char *path, struct error *err) {
  const int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (fd < 0) {
    return error_set(err, ERROR_IO, "cannot write %s: %s", path, strerror(errno));
  }
  close(fd);
  return 0;
}

int gnuplot_draw(const char *path, const char *script, size_t size, int *missing, struct error *err) {
  const char *terminal = terminal_of(path);
  char *temporary = NULL;
  FILE *file = NULL;
  int code;
  *missing = 0;
  if (!terminal) {
    return error_set(err, ERROR_USAGE, "%s: plots are drawn as .svg or .png", path);
  }
  if (asprintf(&temporary, "%s.%ld.tmp", path, (long)getpid()) < 0) {
    return error_set(err, ERROR_MEMORY, "out of memory");
  }
  code = create(temporary, path, err);
  if (code == 0) {
    file = write_script(terminal, temporary, script, size);
    code = file ? run(file, temporary, path, missing, err)
                : error_set(err, ERROR_IO, "cannot write a script for gnuplot: %s", strerror(errno));
  }
  if (code < 0) {
    unlink(temporary);
  }
  if (file) {
    fclose(file);
  }
  free(temporary);
  return code;
}
