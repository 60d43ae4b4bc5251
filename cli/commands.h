/* All the commands, as a user thinks of them. */
#ifndef ACTSCOPE_CLI_COMMANDS_H
#define ACTSCOPE_CLI_COMMANDS_H

#include "cli/command.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { COMMAND_NAME_MAX = 24 };

struct command_group {
  const char *title;
  const struct command *const *commands; /* NULL after the last */
};
extern const struct command_group command_groups[]; /* title NULL after the last */

const struct command *command_at(size_t index);           /* NULL past the last */
const char *command_name_at(size_t index);                /* a nearest_names */
const struct command *command_find(const char *name);     /* NULL: none */
bool command_runs_program(const struct command *command); /* does a program with words of its own follow: -- COMMAND? */

/* Runs it with argv[0] as its messages have it, "actscope report"; of a mistyped option, the one that was probably meant is
 * told. */
int command_run(const struct command *command, int argc, char **argv);

void command_print_all(FILE *out); /* what `actscope --help' says */

/* Tells that there is no such command, and which was probably meant; EXIT_USAGE. */
int command_unknown(const char *name);

#endif
