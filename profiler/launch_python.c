/* Looks through a command's words for a Python: see the header.
 *
 * What a shell script or another launcher will start cannot be known before, so those are let through; the report at
 * the end says if no Python came. */
#include "profiler/launch_python.h"

#include "profiler/launch.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_LINE_MAX = 512 };

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

static bool in_list(const char *name, const char *const *list, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (strcmp(name, list[i]) == 0) {
      return true;
    }
  }
  return false;
}

/* python, python3, python3.11, python3.13t, python3-dbg, pypy3 */
static bool is_python_name(const char *word) {
  const char *name = base_name(word);
  size_t prefix = strncmp(name, "python", 6) == 0 ? 6 : strncmp(name, "pypy", 4) == 0 ? 4 : 0;
  if (!prefix) {
    return false;
  }
  name += prefix;
  name += strspn(name, "0123456789.");
  return !*name || strcmp(name, "t") == 0 || strcmp(name, "d") == 0 || strcmp(name, "-dbg") == 0;
}

static bool is_shell_name(const char *word) {
  static const char *const shells[] = {"sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "fish", "busybox"};
  return in_list(base_name(word), shells, sizeof shells / sizeof *shells);
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

struct words {
  char *text; /* that they point into */
  char **items;
  size_t count;
};

static void words_fini(struct words *words) {
  free(words->text);
  free(words->items);
}

/* At spaces, and at what separates commands in a shell. */
static bool words_split(struct words *words, const char *text) {
  static const char separators[] = " \t\n;&|()'\"`$<>";
  *words = (struct words){.text = strdup(text), .items = calloc(strlen(text) / 2 + 2, sizeof *words->items)};
  if (!words->text || !words->items) {
    words_fini(words);
    return false;
  }
  char *rest = NULL;
  for (char *word = strtok_r(words->text, separators, &rest); word; word = strtok_r(NULL, separators, &rest)) {
    words->items[words->count++] = word;
  }
  return true;
}

/* ---- Python's own options ---------------------------------------------------------------------------------------- */

static int refuse_option(const char *python, char option, struct error *err) {
  static const char *const reasons[] = {"runs Python in isolation", "has Python ignore PYTHONPATH",
                                        "runs Python without its start-up files"};
  const char *reason = reasons[option == 'I' ? 0 : option == 'E' ? 1 : 2];
  return error_set(err, ERROR_INPUT,
                   "%s -%c: -%c %s, so that actscope's start-up file would not be read; leave it out, or use "
                   "actscope.torch in the program",
                   python, option, option, reason);
}

/* A word of short options, "-uI". *skip: how many words behind it belong to it; -1: what follows is the program's. */
static int check_short_options(const char *python, const char *word, int *skip, struct error *err) {
  *skip = 0;
  for (const char *c = word + 1; *c; c++) {
    if (*c == 'I' || *c == 'E' || *c == 'S') {
      return refuse_option(python, *c, err);
    }
    if (*c == 'c' || *c == 'm') {
      *skip = -1;
      return 0;
    }
    if (*c == 'W' || *c == 'X') {
      *skip = !c[1];
      return 0;
    }
  }
  return 0;
}

/* words, NULL at the end: what stands behind the interpreter. */
static int check_options(const char *python, char *const *words, struct error *err) {
  for (; *words && (*words)[0] == '-' && (*words)[1]; words++) {
    if ((*words)[1] == '-') {
      if (!(*words)[2]) {
        return 0;
      }
      words += strcmp(*words, "--check-hash-based-pycs") == 0 && words[1];
      continue;
    }
    int skip;
    int code = check_short_options(python, *words, &skip, err);
    if (code || skip < 0) {
      return code;
    }
    words += skip && words[1];
  }
  return 0;
}

/* ---- scripts ----------------------------------------------------------------------------------------------------- */

enum script { SCRIPT_NONE, SCRIPT_PYTHON, SCRIPT_SHELL };

static bool read_first_line(const char *path, char line[static FIRST_LINE_MAX]) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  ssize_t size = fd < 0 ? -1 : read(fd, line, FIRST_LINE_MAX - 1);
  if (fd >= 0) {
    close(fd);
  }
  line[size > 0 ? size : 0] = '\0';
  line[strcspn(line, "\n")] = '\0';
  return size > 2 && line[0] == '#' && line[1] == '!';
}

/* What runs the script, by its first line ("#!/usr/bin/env -S python3 -u"), and whether its options are fit. */
static enum script script_kind(const char *path, int *code, struct error *err) {
  char line[FIRST_LINE_MAX];
  struct words words;
  enum script kind = SCRIPT_NONE;
  *code = 0;
  if (!read_first_line(path, line) || !words_split(&words, line + 2)) {
    return SCRIPT_NONE;
  }
  for (size_t i = 0; i < words.count && !kind; i++) {
    if (is_python_name(words.items[i])) {
      kind = SCRIPT_PYTHON;
      *code = check_options(words.items[i], words.items + i + 1, err);
    } else if (is_shell_name(words.items[i])) {
      kind = SCRIPT_SHELL;
    }
  }
  words_fini(&words);
  return kind;
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static bool ends_with(const char *word, const char *ending) {
  size_t length = strlen(word), size = strlen(ending);
  return length > size && strcmp(word + length - size, ending) == 0;
}

/* Looks for a Python from the words' first one on. *found tells whether there is one, or what may start one. */
static int look_through(char *const *words, bool *found, struct error *err) {
  for (; *words && !*found; words++) {
    if (is_python_name(*words)) {
      *found = true;
      return check_options(*words, words + 1, err);
    }
    char *path = launch_find_program(*words);
    int code = 0;
    *found = (path && script_kind(path, &code, err) != SCRIPT_NONE) || ends_with(*words, ".py");
    free(path);
    if (code) {
      return code;
    }
  }
  return 0;
}

/* A shell's arguments: a script that is there, or -c and a line whose words are looked through. */
static int look_through_shell(char *const *arguments, bool *found, struct error *err) {
  int code = 0;
  for (; *arguments && !*found && !code; arguments++) {
    struct words words;
    *found = **arguments != '-' && access(*arguments, R_OK) == 0;
    if (!*found && words_split(&words, *arguments)) {
      code = look_through(words.items, found, err);
      words_fini(&words);
    }
  }
  return code;
}

int launch_check_python(const char *path, char *const *argv, struct error *err) {
  bool found = false;
  char *real = realpath(path, NULL);
  int code = 0;
  if (is_python_name(argv[0]) || (real && is_python_name(real))) {
    found = true;
    code = check_options(argv[0], argv + 1, err);
  } else if (script_kind(path, &code, err) != SCRIPT_NONE) {
    found = true;
  } else {
    code = is_shell_name(argv[0]) ? look_through_shell(argv + 1, &found, err) : look_through(argv + 1, &found, err);
  }
  free(real);
  if (!found && !code) {
    code = error_set(
        err, ERROR_INPUT,
        "%s: is not Python, nor is there a Python among its arguments; few-bit gradients are put into PyTorch "
        "programs: actscope apply --bits 3 -- python3 FILE",
        argv[0]);
  }
  return code;
}
