/* gnuplot as a child that reads its script from a pipe. */
#include "reports/gnuplot.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *terminal_of(const char *path) {
  const char *dot = strrchr(path, '.');
  if (dot && strcmp(dot, ".svg") == 0) {
    return "set terminal svg size 900,700 enhanced background '#ffffff' font 'sans,14'\n";
  }
  return dot && strcmp(dot, ".png") == 0 ? "set terminal pngcairo size 900,700 enhanced font 'sans,12'\n" : NULL;
}

/* A name within gnuplot's single quotes: each of its own is doubled. */
static void print_quoted(FILE *out, const char *text) {
  fputc('\'', out);
  for (; *text; text++) {
    fputs(*text == '\'' ? "''" : (char[]){*text, 0}, out);
  }
  fputc('\'', out);
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

static int run(FILE *script, const char *temporary, const char *path, int *missing, struct error *err) {
  pid_t pid;
  int status, result = spawn(&pid, fileno(script));
  if (result != 0) {
    *missing = result == ENOENT;
    return error_set(err, ERROR_IO, "cannot draw %s: gnuplot: %s; install gnuplot-nox for plots", path,
                     strerror(result));
  }
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return error_set(err, ERROR_IO, "cannot draw %s: gnuplot failed", path);
  }
  return rename(temporary, path) == 0 ? 0 : error_set(err, ERROR_IO, "cannot write %s: %s", path, strerror(errno));
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
  file = write_script(terminal, temporary, script, size);
  code = file ? run(file, temporary, path, missing, err)
              : error_set(err, ERROR_IO, "cannot write a script for gnuplot: %s", strerror(errno));
  if (code < 0) {
    unlink(temporary);
  }
  if (file) {
    fclose(file);
  }
  free(temporary);
  return code;
}
