/* gnuplot as a child that reads its script from a pipe. */
#include "reports/gnuplot.h"

#include "reports/format.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
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

struct child { /* a gnuplot and what it is given */
  const char *folder;
  FILE *script, *output, *complaints; /* output NULL: ours */
  pid_t pid;
};

static int spawn(struct child *child) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t defaults;
  char name[] = "gnuplot", plain[] = "-d", dash[] = "-";
  char *argv[] = {name, plain, dash, NULL};
  int result;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_adddup2(&actions, fileno(child->script), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fileno(child->complaints), STDERR_FILENO);
  if (child->output) {
    posix_spawn_file_actions_adddup2(&actions, fileno(child->output), STDOUT_FILENO);
  }
  if (child->folder) {
    posix_spawn_file_actions_addchdir_np(&actions, child->folder);
  }
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  result = posix_spawnp(&child->pid, name, &actions, &attributes, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return result;
}

/* The whole script in an unnamed file: no pipe that could fill up or break. */
static FILE *write_script(const char *script, size_t size) {
  FILE *file = tmpfile();
  if (file) {
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

bool gnuplot_is_whole(const char *file, const char *path) {
  static const struct {
    const char *ending, *end;
  } kinds[] = {{".svg", "</svg>"}, {".png", "IEND\xae\x42\x60\x82"}, {".pdf", "%%EOF"}};
  const char *dot = strrchr(path, '.'), *end = NULL;
  char tail[32] = {0};
  FILE *in = fopen(file, "re");
  size_t size = 0;
  for (size_t i = 0; dot && i < sizeof kinds / sizeof *kinds; i++) {
    end = strcasecmp(dot, kinds[i].ending) == 0 ? kinds[i].end : end;
  }
  if (in && fseek(in, -(long)(sizeof tail), SEEK_END) == 0) {
    size = fread(tail, 1, sizeof tail, in);
  }
  if (in) {
    fclose(in);
  }
  return end && memmem(tail, size, end, strlen(end));
}

/* The first line of what gnuplot complained of that says something: some are empty, or show the place by a caret. */
static void read_complaint(FILE *complaints, char *out, size_t size) {
  char line[256];
  out[0] = '\0';
  rewind(complaints);
  while (!out[0] && fgets(line, sizeof line, complaints)) {
    line[strcspn(line, "\n")] = '\0';
    char *clean = line[strspn(line, " \t^")] && !strstr(line, "warning") ? format_clean(line, true) : NULL;
    snprintf(out, size, "%s", clean ? clean + strspn(clean, " ") : "");
    free(clean);
  }
}

/* gnuplot ends with an error at Ctrl-C, or by the signal, as it happens to stand: what came to us tells. */
static volatile sig_atomic_t interrupts;

static void note_interrupt(int number) {
  (void)number;
  interrupts = 1;
}

static int tell_failure(struct child *child, int status, struct gnuplot_end *end, struct error *err) {
  char complaint[200];
  end->interrupted = interrupts || (WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    return 0;
  }
  read_complaint(child->complaints, complaint, sizeof complaint);
  return error_set(err, ERROR_IO, "gnuplot failed%s%s", complaint[0] ? ": " : "", complaint);
}

static int run(struct child *child, struct gnuplot_end *end, struct error *err) {
  struct sigaction note = {.sa_handler = note_interrupt, .sa_flags = SA_RESTART}, before;
  interrupts = 0;
  sigaction(SIGINT, NULL, &before);
  if (before.sa_handler != SIG_IGN) { /* else gnuplot is to ignore it as we do */
    sigaction(SIGINT, &note, NULL);
  }
  const int result = spawn(child), status = result == 0 ? wait_for(child->pid) : 0;
  sigaction(SIGINT, &before, NULL);
  if (result != 0) {
    end->missing = result == ENOENT;
    return error_set(err, ERROR_IO, "gnuplot: %s; install gnuplot-nox for plots", strerror(result));
  }
  return tell_failure(child, status, end, err);
}

int gnuplot_run(const char *folder, const char *script, size_t size, FILE *output, struct gnuplot_end *end,
                struct error *err) {
  struct child child = {folder, write_script(script, size), output, tmpfile(), 0};
  *end = (struct gnuplot_end){0};
  int code = child.script && child.complaints
                 ? run(&child, end, err)
                 : error_set(err, ERROR_IO, "cannot write a script for gnuplot: %s", strerror(errno));
  if (child.script) {
    fclose(child.script);
  }
  if (child.complaints) {
    fclose(child.complaints);
  }
  return code;
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

/* The script with its terminal and output before it. */
static int draw(const char *terminal, const char *temporary, const char *script, size_t size, struct gnuplot_end *end,
                struct error *err) {
  char *whole = NULL;
  size_t whole_size;
  FILE *out = open_memstream(&whole, &whole_size);
  if (!out) {
    return error_set(err, ERROR_MEMORY, "out of memory");
  }
  fputs(terminal, out);
  fputs("set output ", out);
  print_quoted(out, temporary);
  fputc('\n', out);
  fwrite(script, 1, size, out);
  int code = fclose(out) == 0 ? gnuplot_run(NULL, whole, whole_size, NULL, end, err)
                              : error_set(err, ERROR_MEMORY, "out of memory");
  free(whole);
  return code;
}

static int put_in_place(const char *temporary, const char *path, struct error *err) {
  if (!gnuplot_is_whole(temporary, path)) {
    return error_set(err, ERROR_IO, "cannot write %s: gnuplot left it unfinished; is there space?", path);
  }
  return rename(temporary, path) == 0 ? 0 : error_set(err, ERROR_IO, "cannot write %s: %s", path, strerror(errno));
}

int gnuplot_draw(const char *path, const char *script, size_t size, int *missing, struct error *err) {
  const char *terminal = terminal_of(path);
  struct gnuplot_end end = {0};
  struct error why;
  char *temporary = NULL;
  *missing = 0;
  if (!terminal) {
    return error_set(err, ERROR_USAGE, "%s: plots are drawn as .svg or .png", path);
  }
  if (asprintf(&temporary, "%s.%ld.tmp", path, (long)getpid()) < 0) {
    return error_set(err, ERROR_MEMORY, "out of memory");
  }
  int code = create(temporary, path, err);
  if (code == 0) {
    code = draw(terminal, temporary, script, size, &end, &why);
    code =
        code < 0 ? error_set(err, code, "cannot draw %s: %s", path, why.message) : put_in_place(temporary, path, err);
  }
  if (code < 0) {
    unlink(temporary);
  }
  *missing = end.missing;
  if (end.interrupted) {
    raise(SIGINT);
  }
  free(temporary);
  return code;
}
