/* The options that every command with something to show shares: -o, --json, --color, --quiet. An argp child parser. */
#ifndef ACTSCOPE_CLI_OUTPUT_H
#define ACTSCOPE_CLI_OUTPUT_H

#include "common/error.h"
#include "reports/sink.h"

#include <argp.h>
#include <stdbool.h>

struct output {
  const char *path; /* NULL: standard output */
  enum sink_color color;
  bool json;
};

/* For commands that have --json, and for those that have not. A parent hands its struct output over as the child's
 * input: `state->child_inputs[0] = &arguments->output` at ARGP_KEY_INIT. */
extern const struct argp output_argp, output_plain_argp;

/* The parser of a command that takes these options and nothing else: its input is the struct output. */
error_t output_parse_alone(int key, char *text, struct argp_state *state);

/* The text, if it names anything; else usage. */
const char *output_parse_name(const char *option, const char *text, struct argp_state *state);

/* Are they one regular file? Either may be absent. */
bool output_is_same(const char *output, const char *input);

/* Would both be written to one file, though it may not exist yet? */
bool output_is_same_target(const char *a, const char *b);

/* ERROR_USAGE if path is the run that is read: it would be lost. Both may be NULL, and path need not exist. */
int output_check(const char *path, const char *run, struct error *err);

/* Before long work: ERROR_USAGE if -o or `plot` (NULL: none) names one of the files that are read (NULL entries are
 * skipped), or both name one; ERROR_IO if one cannot be written. */
int output_prepare(const struct output *output, const char *plot, const char *const *inputs, size_t inputs_count,
                   struct error *err);

/* Opens the sink that the options ask for, after that check. */
int output_open(struct sink *sink, const struct output *output, const char *run, struct error *err);

#endif
