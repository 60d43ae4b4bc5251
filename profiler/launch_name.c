/* Names of traces: see the header. */
#include "profiler/launch_name.h"

#include "profiler/rank.h"
#include "trace/trace_finish.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { NAME_ROOM = 64 }; /* for .rank<N>, .<pid>-<n> and the names of temporary files beside it */

/* ---- patterns ------------------------------------------------------------------------------------------------------- */

struct expansion {
  char *path;
  size_t size, length;
  const char *output; /* for messages */
  struct error *err;
};

static int put(struct expansion *to, const char *text, size_t length) {
  if (length >= to->size - to->length) {
    return error_set(to->err, ERROR_USAGE, "%.100s...: the path is too long", to->output);
  }
  memcpy(to->path + to->length, text, length);
  to->length += length;
  to->path[to->length] = '\0';
  return 0;
}

/* What stands for a variable must not lead into another folder. */
static int put_name(struct expansion *to, const char *text) {
  return strchr(text, '/') ? error_set(to->err, ERROR_USAGE, "%s: '%s' has a slash in it, and cannot be part of a name",
                                       to->output, text)
                           : put(to, text, strlen(text));
}

static int put_number(struct expansion *to, int number) {
  char text[16];
  snprintf(text, sizeof text, "%d", number);
  return put(to, text, strlen(text));
}

static int put_host(struct expansion *to) {
  struct utsname names;
  return uname(&names) == 0 ? put_name(to, names.nodename)
                            : error_set(to->err, ERROR_IO, "%s: this machine has no name", to->output);
}

/* %q{NAME}; at the brace. *end: behind the pattern. */
static int put_variable(struct expansion *to, const char *at, const char **end) {
  const char *close = *at == '{' ? strchr(at, '}') : NULL;
  char name[256];
  if (!close || close == at + 1 || close - at > (long)sizeof name) {
    return error_set(to->err, ERROR_USAGE, "%s: %%q needs a variable's name: %%q{NAME}", to->output);
  }
  *end = close + 1;
  snprintf(name, sizeof name, "%.*s", (int)(close - at - 1), at + 1);
  const char *value = getenv(name);
  return value && *value ? put_name(to, value)
                         : error_set(to->err, ERROR_USAGE, "%s: there is no %s in the environment", to->output, name);
}

static int put_rank(struct expansion *to, int rank) {
  return rank >= 0 ? put_number(to, rank)
                   : error_set(to->err, ERROR_USAGE,
                               "%s: %%r needs a rank, and this process is none of a distributed job; leave it out: "
                               "traces of the ranks that the command starts are named by themselves",
                               to->output);
}

static int put_pattern(struct expansion *to, const char *at, const char **end, int rank, bool *own) {
  *end = at + 1;
  *own = *own || strchr("rpq", *at);
  switch (*at) {
  case 'r':
    return put_rank(to, rank);
  case 'h':
    return put_host(to);
  case 'p':
    return put_number(to, (int)getpid());
  case 'q':
    return put_variable(to, at + 1, end);
  case '%':
    return put(to, "%", 1);
  default:
    return error_set(
        to->err, ERROR_USAGE,
        "%s: '%%' begins a pattern: %%r rank, %%h machine, %%p pid, %%q{NAME} variable; write %%%% for a %%",
        to->output);
  }
}

int launch_name_expand(char *path, size_t size, const char *output, int rank, bool *own, struct error *err) {
  struct expansion to = {.path = path, .size = size, .output = output, .err = err};
  int code = 0;
  *path = '\0';
  *own = false;
  for (const char *at = output; code == 0 && *at;) {
    size_t plain = strcspn(at, "%");
    code = put(&to, at, plain);
    at += plain;
    if (code == 0 && *at) {
      code = put_pattern(&to, at + 1, &at, rank, own);
    }
  }
  return code;
}

/* ---- what is there already ------------------------------------------------------------------------------------------ */

static int find_folder(const char *output, char *path, size_t size, struct error *err) {
  char folder[PATH_MAX];
  char resolved[PATH_MAX];
  const char *slash = strrchr(output, '/');
  const char *name = slash ? slash + 1 : output;
  snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - output) + 1 : 1, slash ? output : ".");
  if (!*name) {
    return error_set(err, ERROR_USAGE, "%s: is a folder; give the file that the trace is to be written to", output);
  }
  if (!realpath(folder, resolved) || access(resolved, W_OK | X_OK) != 0) {
    return error_set(err, ERROR_IO, "%s: cannot write there: %s; choose another place with -o", folder,
                     strerror(errno));
  }
  if ((size_t)snprintf(path, size, "%s/%s", resolved, name) >= size - 2 * NAME_ROOM) {
    return error_set(err, ERROR_USAGE, "%.100s...: the path is too long", output);
  }
  return 0;
}

/* ---- all ------------------------------------------------------------------------------------------------------------ */

void launch_name_of_rank(char *path, size_t size, const char *base, int rank) {
  snprintf(path, size, "%.*s.rank%d", (int)(size - NAME_ROOM), base, rank);
}

bool launch_name_is_shared(const struct launch_name *name) {
  return strcmp(name->stem, name->base) != 0;
}

int launch_name_make(struct launch_name *name, const struct launch_options *options, struct error *err) {
  char output[CONFIG_PATH_MAX];
  const struct rank rank = options->by_rank ? rank_find() : (struct rank){-1, 0};
  *name = (struct launch_name){.rank = rank.rank, .world_size = (int)rank.world_size};
  const char *given = options->by_rank ? output : options->output;
  int code =
      options->by_rank ? launch_name_expand(output, sizeof output, options->output, rank.rank, &name->own, err) : 0;
  code = code ? code : find_folder(given, name->base, sizeof name->base, err);
  if (code) {
    return code;
  }
  if (rank.rank >= 0 && rank.world_size != 1 && !name->own) {
    launch_name_of_rank(name->stem, sizeof name->stem, name->base, rank.rank);
  } else {
    memcpy(name->stem, name->base, sizeof name->stem);
  }
  code = trace_check_target(name->base, err);
  return code ? code : trace_check_target(name->stem, err);
}
