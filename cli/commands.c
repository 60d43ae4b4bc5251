/* The table of commands: a new one gets a place in a group here. */
#include "cli/commands.h"

#include "cli/nearest.h"
#include "cli/options.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>

static const struct command *const recording[] = {&command_record, &command_import, NULL};
static const struct command *const reading[] = {&command_report,  &command_diff,   &command_info,
                                                &command_analyze, &command_export, NULL};
static const struct command *const trying[] = {
    &command_project, &command_replay, &command_verify, &command_quantize, &command_plan, &command_models, NULL};
static const struct command *const saving[] = {&command_apply, NULL};
static const struct command *const helping[] = {&command_help, &command_doctor, NULL};

const struct command_group command_groups[] = {
    {"Record a run", recording},
    {"See where its memory goes", reading},
    {"See what few-bit gradients would save, and whether to trust them", trying},
    {"Get the saving", saving},
    {"Find out more", helping},
    {0}};

const struct command *command_at(size_t index) {
  for (const struct command_group *group = command_groups; group->title; group++) {
    for (size_t i = 0; group->commands[i]; i++) {
      if (index-- == 0) {
        return group->commands[i];
      }
    }
  }
  return NULL;
}

const char *command_name_at(size_t index) {
  const struct command *command = command_at(index);
  return command ? command->name : NULL;
}

const struct command *command_find(const char *name) {
  const struct command *command;
  for (size_t i = 0; (command = command_at(i)); i++) {
    if (strcmp(command->name, name) == 0) {
      return command;
    }
  }
  return NULL;
}

bool command_runs_program(const struct command *command) {
  const char *words = command->argp->args_doc;
  return words && strncmp(words, "-- ", 3) == 0;
}

/* argp's own message, and what was meant. Where nothing near was, argp says the rest. */
static bool is_mistyped(const struct command *command, int argc, char *const *argv) {
  const struct argp_option *meant = NULL;
  const char *word = options_unknown(command->argp, command_runs_program(command), argc, argv, &meant);
  if (!word || !meant) {
    return false;
  }
  command_usage(command->name, "unrecognized option '%.*s'; did you mean '--%s'?", (int)strcspn(word, "="), word,
                meant->name);
  return true;
}

int command_run(const struct command *command, int argc, char **argv) {
  char name[COMMAND_NAME_MAX + 16];
  snprintf(name, sizeof name, "actscope %s", command->name);
  argv[0] = name;
  return is_mistyped(command, argc, argv) ? EXIT_USAGE : command->run(argc, argv);
}

int command_unknown(const char *name) {
  const char *nearest = nearest_find(name, command_name_at);
  if (nearest) {
    command_note("unknown command '%.60s': did you mean '%s'?", name, nearest);
  } else {
    command_note("unknown %s '%.60s': `actscope --help' lists the commands", name[0] == '-' ? "option" : "command",
                 name);
  }
  return EXIT_USAGE;
}
