/* Options of the output. */
#include "cli/output.h"

#include <string.h>
#include <sys/stat.h>

enum { KEY_JSON = 0x200, KEY_COLOR };

static void parse_color(struct output *output, const char *text, struct argp_state *state) {
  static const char *const names[] = {"auto", "always", "never"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strcmp(text, names[i]) == 0) {
      output->color = (enum sink_color)i;
      return;
    }
  }
  argp_error(state, "--color: unknown choice '%s'; give auto, always or never", text);
}

static error_t parse_option(int key, char *text, struct argp_state *state) {
  struct output *output = state->input;
  switch (key) {
  case 'o':
    output->path = text;
    return 0;
  case KEY_JSON:
    output->json = true;
    return 0;
  case KEY_COLOR:
    parse_color(output, text ? text : "always", state);
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

#define OUTPUT_OPTION                                                                                                  \
  { "output", 'o', "PATH", 0, "Write to PATH instead of standard output (\"-\")", 1 }
#define COLOR_OPTION                                                                                                   \
  { "color", KEY_COLOR, "WHEN", OPTION_ARG_OPTIONAL, "Colours and lines: auto (on a terminal), always, never", 2 }

static const struct argp_option options[] = {
    OUTPUT_OPTION, {"json", KEY_JSON, NULL, 0, "Show the figures as JSON", 1}, COLOR_OPTION, {0}};
static const struct argp_option plain_options[] = {OUTPUT_OPTION, {0}};

const struct argp output_argp = {.options = options, .parser = parse_option};
const struct argp output_plain_argp = {.options = plain_options, .parser = parse_option};

bool output_is_same(const char *output, const char *input) {
  struct stat a, b;
  return stat(output, &a) == 0 && stat(input, &b) == 0 && S_ISREG(a.st_mode) && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

int output_check(const char *path, const char *run, struct error *err) {
  if (path && output_is_same(path, run)) {
    return error_set(err, ERROR_USAGE, "%s is the run itself and would be lost; give another name with -o", path);
  }
  return 0;
}

int output_open(struct sink *sink, const struct output *output, const char *run, struct error *err) {
  int code = output_check(output->path, run, err);
  return code < 0 ? code : sink_open(sink, output->path, output->color, err);
}
