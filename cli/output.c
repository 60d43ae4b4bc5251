/* Options of the output. */
#include "cli/output.h"

#include "cli/choice.h"
#include "cli/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_JSON = 0x200, KEY_COLOR };

static const char *const colors[] = {
    [SINK_COLOR_AUTO] = "auto", [SINK_COLOR_ALWAYS] = "always", [SINK_COLOR_NEVER] = "never"};
CHOICE_NAMES(color_at, colors)
const struct choice choice_color = {"choice", color_at};

const char *output_parse_name(const char *option, const char *text, struct argp_state *state) {
  if (!*text) {
    argp_error(state, "%s: the name is empty; give that of the file to write", option);
  }
  return text;
}

static error_t parse_option(int key, char *text, struct argp_state *state) {
  struct output *output = state->input;
  switch (key) {
  case 'o':
    output->path = output_parse_name("-o", text, state);
    return 0;
  case KEY_JSON:
    output->json = true;
    return 0;
  case 'q':
    command_be_quiet();
    return 0;
  case KEY_COLOR:
    output->color = (enum sink_color)choice_parse(&choice_color, "--color", text ? text : "always", state);
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

#define OUTPUT_OPTION                                                                                                  \
  { "output", 'o', "PATH", 0, "Write to PATH instead of standard output (\"-\")", 1 }
#define QUIET_OPTION                                                                                                   \
  { "quiet", 'q', NULL, 0, "Show no progress, and say nothing but what went wrong", 2 }
#define COLOR_OPTION                                                                                                   \
  { "color", KEY_COLOR, "WHEN", OPTION_ARG_OPTIONAL, "Colours and lines: auto (on a terminal), always, never", 2 }

static const struct argp_option options[] = {
    OUTPUT_OPTION, {"json", KEY_JSON, NULL, 0, "Show the figures as JSON", 1}, COLOR_OPTION, QUIET_OPTION, {0}};
static const struct argp_option plain_options[] = {OUTPUT_OPTION, QUIET_OPTION, {0}};

const struct argp output_argp = {.options = options, .parser = parse_option};
const struct argp output_plain_argp = {.options = plain_options, .parser = parse_option};

error_t output_parse_alone(int key, char *text, struct argp_state *state) {
  switch (key) {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = state->input;
    return 0;
  case ARGP_KEY_ARG:
    argp_error(state, "too many arguments: '%s'", text);
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

bool output_is_same(const char *output, const char *input) {
  struct stat a, b;
  return stat(output, &a) == 0 && stat(input, &b) == 0 && S_ISREG(a.st_mode) && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

int output_check(const char *path, const char *run, struct error *err) {
  if (path && run && output_is_same(path, run)) {
    return error_set(err, ERROR_USAGE, "%s is the run itself and would be lost; give another name with -o", path);
  }
  return 0;
}

static bool is_file_name(const char *path) {
  return path && strcmp(path, "-") != 0;
}

/* The folder that the file is in, as the file system numbers it. */
static bool folder_stat(const char *path, struct stat *status) {
  const char *slash = strrchr(path, '/');
  char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
  const bool found = folder && stat(folder, status) == 0;
  free(folder);
  return found;
}

bool output_is_same_target(const char *a, const char *b) {
  const char *slash_a = strrchr(a, '/'), *slash_b = strrchr(b, '/');
  struct stat x, y;
  return output_is_same(a, b) || (strcmp(slash_a ? slash_a + 1 : a, slash_b ? slash_b + 1 : b) == 0 &&
                                  folder_stat(a, &x) && folder_stat(b, &y) && x.st_dev == y.st_dev &&
                                  x.st_ino == y.st_ino && (stat(a, &x) != 0 || S_ISREG(x.st_mode)));
}

/* What is no regular file is only looked at: to open a pipe and close it again would be seen at its other end. */
static int try_to_write(const char *path, struct error *err) {
  struct stat status;
  struct sink sink;
  if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
    errno = S_ISDIR(status.st_mode) ? EISDIR : 0;
    return errno || access(path, W_OK) != 0 ? error_set(err, ERROR_IO, "cannot write %s: %s", path, strerror(errno))
                                            : 0;
  }
  int code = sink_open(&sink, path, SINK_COLOR_NEVER, err);
  if (code == 0) {
    sink_discard(&sink);
  }
  return code;
}

int output_prepare(const struct output *output, const char *plot, const char *const *inputs, size_t inputs_count,
                   struct error *err) {
  const char *const outputs[] = {is_file_name(output->path) ? output->path : NULL, plot};
  for (size_t i = 0; i < 2 * inputs_count; i++) {
    const char *input = inputs[i / 2], *path = outputs[i % 2];
    if (input && path && output_is_same(path, input)) {
      return error_set(err, ERROR_USAGE, "%s is what is read, and would be lost; give another name", path);
    }
  }
  if (outputs[0] && plot && output_is_same_target(outputs[0], plot)) {
    return error_set(err, ERROR_USAGE, "-o and --plot name the same file");
  }
  int code = outputs[0] ? try_to_write(outputs[0], err) : 0;
  return code == 0 && plot ? try_to_write(plot, err) : code;
}

int output_open(struct sink *sink, const struct output *output, const char *run, struct error *err) {
  int code = output_check(output->path, run, err);
  return code < 0 ? code : sink_open(sink, output->path, output->color, err);
}
