/* actscope help: the commands, or the manual of one. */
#include "cli/commands.h"

#include <argp.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the commands ------------------------------------------------------------------------------------------------ */

void command_print_all(FILE *out) {
  fputs("Usage: actscope COMMAND [ARG...]\n"
        "Memory profiler for neural-network training: where the memory goes, how much of\n"
        "it is activations saved for backward, and what few-bit gradients would save.\n",
        out);
  for (const struct command_group *group = command_groups; group->title; group++) {
    fprintf(out, "\n%s:\n", group->title);
    for (size_t i = 0; group->commands[i]; i++) {
      fprintf(out, "  %-9s %s\n", group->commands[i]->name, group->commands[i]->summary);
    }
  }
  fputs("\nStart with:\n"
        "  actscope record -o run.act -- python3 train.py\n"
        "  actscope report run.act\n\n"
        "`actscope COMMAND --help' tells a command's options, `actscope help COMMAND'\n"
        "shows its manual. Exit status: 0 done, 1 a check fell short, 2 wrong usage,\n"
        "3 bad input, or output not written; `record' and `apply' pass on the status of\n"
        "the program that they ran.\n",
        out);
}

/* ---- a manual page ----------------------------------------------------------------------------------------------- */

/* What man is asked for: a file of the installation that this program belongs to, so that the page is of this version, or
 * the page's name. */
static void name_page(char *page, size_t size, const char *command) {
  static const char *const endings[] = {"", ".gz"};
  char self[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  self[length > 0 ? length : 0] = '\0';
  char *slash = strrchr(self, '/');
  for (size_t i = 0; slash && i < sizeof endings / sizeof *endings; i++) {
    snprintf(page, size, "%.*s/../share/man/man1/actscope-%s.1%s", (int)(slash - self), self, command, endings[i]);
    if (access(page, R_OK) == 0) {
      return;
    }
  }
  snprintf(page, size, "actscope-%s", command);
}

/* man's exit status; silent: it says nothing. */
static int run_man(const char *option, const char *page, bool silent) {
  const pid_t pid = fork();
  int status = -1;
  if (pid == 0) {
    const int null = silent ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;
    if (null >= 0) {
      dup2(null, STDOUT_FILENO);
      dup2(null, STDERR_FILENO);
    }
    execlp("man", "man", option ? option : page, option ? page : NULL, (char *)NULL);
    _exit(127);
  }
  while (pid > 0 && waitpid(pid, &status, 0) < 0) { /* a signal: again */
  }
  return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool show_page(const char *command) {
  char page[PATH_MAX + 64];
  if (!isatty(STDOUT_FILENO)) {
    return false;
  }
  name_page(page, sizeof page, command);
  return run_man("-w", page, true) == 0 && run_man(NULL, page, false) == 0;
}

static int show(const char *name) {
  char option[] = "--help";
  char *argv[] = {NULL, option, NULL};
  const struct command *command = command_find(name);
  if (!command) {
    return command_unknown(name);
  }
  return show_page(name) ? EXIT_DONE : command_run(command, 2, argv);
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static error_t parse(int key, char *text, struct argp_state *state) {
  const char **command = state->input;
  switch (key) {
  case ARGP_KEY_ARG:
    if (*command) {
      argp_error(state, "too many arguments: '%s'; one COMMAND is explained", text);
    }
    *command = text;
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp argp = {
    .parser = parse,
    .args_doc = "[COMMAND]",
    .doc =
        "Shows the manual of COMMAND, or lists the commands.\vOn a terminal, and where man(1) has it, the manual page; "
        "otherwise what --help tells. Exit status: 0 done, 2 no such command."};

static int run(int argc, char **argv) {
  const char *command = NULL;
  argp_parse(&argp, argc, argv, 0, NULL, &command);
  if (command) {
    return show(command);
  }
  command_print_all(stdout);
  return EXIT_DONE;
}

const struct command command_help = {"help", "the manual of a command, or this list", run, &argp};
