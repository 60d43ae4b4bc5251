/* Candidates for completion. */
#include "cli/complete.h"

#include "cli/choice.h"
#include "cli/commands.h"
#include "cli/options.h"

#include <stdio.h>
#include <string.h>

/* ---- lists of words ---------------------------------------------------------------------------------------------- */

static const char *const numbers_of_bits[] = {"1", "2", "3", "4", "5", "6", "7", "8"};
CHOICE_NAMES(bits_at, numbers_of_bits)
static const char *const weights[] = {"normal:", "uniform:", "histogram:"};
CHOICE_NAMES(weight_at, weights)

/* The drop-in's word for each function it has. */
static const char *replaceable_at(size_t index) {
  return index ? choice_function.names(index - 1) : "all";
}

static const struct value {
  const char *command, *option; /* command NULL: any that has the option and is not named above */
  const struct choice *choice;  /* or */
  nearest_names *names;
  bool list; /* several, with commas between */
  bool open; /* more of the word follows */
} values[] = {
    {"export", "format", &choice_export_format, NULL, false, false},
    {"report", "format", &choice_report_format, NULL, false, false},
    {"report", "table", &choice_report_table, NULL, false, false},
    {"project", "functions", &choice_pointwise, NULL, true, false},
    {NULL, "functions", NULL, replaceable_at, true, false},
    {NULL, "function", &choice_function, NULL, false, false},
    {"apply", "bits", NULL, bits_at, false, false},
    {NULL, "bits", NULL, bits_at, true, false},
    {NULL, "color", &choice_color, NULL, false, false},
    {NULL, "data", &choice_data, NULL, false, false},
    {NULL, "method", &choice_method, NULL, false, false},
    {NULL, "optimizer", &choice_optimizer, NULL, false, false},
    {NULL, "probe", &choice_probe, NULL, false, false},
    {NULL, "sort", &choice_sort, NULL, false, false},
    {NULL, "weight", NULL, weight_at, false, true},
};

static const struct value *find_value(const struct command *command, const struct argp_option *option) {
  for (size_t i = 0; option->name && i < sizeof values / sizeof *values; i++) {
    if (strcmp(values[i].option, option->name) == 0 &&
        (!values[i].command || strcmp(values[i].command, command->name) == 0)) {
      return &values[i];
    }
  }
  return NULL;
}

/* ---- output ------------------------------------------------------------------------------------------------------ */

static bool begins(const char *text, const char *beginning) {
  return strncmp(text, beginning, strlen(beginning)) == 0;
}

static void offer(const char *typed, const char *before, const char *name, const char *what) {
  char word[256];
  snprintf(word, sizeof word, "%s%s", before, name);
  if (begins(word, typed)) {
    printf("%s%s%s\n", word, what ? "\t" : "", what ? what : "");
  }
}

static void offer_names(const char *typed, const char *before, nearest_names *names) {
  const char *name;
  for (size_t i = 0; (name = names(i)); i++) {
    offer(typed, before, name, NULL);
  }
}

static void offer_commands(const char *typed) {
  const struct command *command;
  for (size_t i = 0; (command = command_at(i)); i++) {
    offer(typed, "", command->name, command->summary);
  }
}

static void offer_models(const char *typed) {
  const char *name;
  for (size_t i = 0; (name = choice_model.names(i)); i++) {
    offer(typed, "", name, "built-in model");
  }
}

/* Single letters only for who has typed no more than the dash. */
static void offer_options(const struct argp *argp, const char *typed) {
  const struct argp_option *option;
  for (size_t i = 0; (option = options_at(argp, i)); i++) {
    const char letter[] = {(char)option->key, '\0'};
    if (option->name) {
      offer(typed, "--", option->name, option->doc);
    }
    if (!typed[1] && option->key > ' ' && option->key <= '~') {
      offer(typed, "-", letter, option->doc);
    }
  }
}

/* ---- values and arguments ---------------------------------------------------------------------------------------- */

/* By the word that stands for it in --help: "FILE.svg", "PATH", "X.npy,DY.npy", "SCRIPT.py:FUNCTION". */
static bool is_file(const char *word) {
  static const char *const kinds[] = {"FILE", "PATH", "RUN", "DIR", "SNAPSHOT"};
  bool file = strchr(word, '.') && !begins(word, "[");
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    file = file || begins(word, kinds[i]);
  }
  return file;
}

/* The value of an option; before: what of the word stands before it, "--option=" or nothing. */
static void offer_value(const struct command *command, const struct argp_option *option, const char *typed,
                        const char *before) {
  const struct value *value = find_value(command, option);
  const char *given = typed + strlen(before), *comma = strrchr(given, ',');
  char kept[256];
  if (!value) {
    fputs(option->arg && is_file(option->arg) ? ":files\n" : "", stdout);
    return;
  }
  if (begins(given, "histogram:")) {
    puts(":files");
    return;
  }
  snprintf(kept, sizeof kept, "%s%.*s", before, value->list && comma ? (int)(comma - given) + 1 : 0, given);
  offer_names(typed, kept, value->choice ? value->choice->names : value->names);
  if (value->list || value->open) {
    puts(":nospace");
  }
}

/* An argument, by the word that stands for it in --help. */
static void offer_argument(const char *word, size_t length, const char *typed) {
  char kind[64];
  snprintf(kind, sizeof kind, "%.*s", (int)length, word);
  if (begins(kind, "[COMMAND") || begins(kind, "COMMAND")) {
    offer_commands(typed);
  } else if (begins(kind, "MODEL")) {
    offer_models(typed);
    puts(":files"); /* a .model */
  } else if (begins(kind, "FUNCTION")) {
    offer_names(typed, "", choice_function.names);
  } else if (is_file(kind)) {
    puts(":files");
  }
}

/* The index-th argument, of each of the ways that --help shows. */
static void offer_arguments(const struct argp *argp, size_t index, const char *typed) {
  for (const char *line = argp->args_doc; line && *line; line += strcspn(line, "\n"), line += *line == '\n') {
    const char *word = line;
    for (size_t i = 0; i < index && *word && *word != '\n' && !begins(word, "RUN..."); i++) {
      word += strcspn(word, " \n");
      word += *word == ' ';
    }
    if (*line != '-') {
      offer_argument(word, strcspn(word, " \n"), typed);
    }
  }
}

/* ---- the word that is typed -------------------------------------------------------------------------------------- */

static void offer_word(const struct command *command, const struct options_scan *scan, size_t arguments,
                       const char *typed) {
  bool several;
  const size_t name = strcspn(typed, "=");
  char before[256];
  if (scan->awaiting) {
    offer_value(command, scan->awaiting, typed, "");
  } else if (!scan->ended && begins(typed, "--") && typed[name]) {
    const struct argp_option *option = options_find(command->argp, typed + 2, name - 2, &several);
    snprintf(before, sizeof before, "%.*s", (int)name + 1, typed);
    if (option) {
      offer_value(command, option, typed, before);
    }
  } else if (!scan->ended && typed[0] == '-') {
    offer_options(command->argp, typed);
  } else {
    offer_arguments(command->argp, arguments, typed);
  }
}

static void complete_command(const struct command *command, int count, char *const *words) {
  struct options_scan scan = {.argp = command->argp, .in_order = command_runs_program(command)};
  const char *typed = words[count - 1];
  size_t arguments = 0;
  for (int i = 2; i < count - 1; i++) {
    const enum options_word kind = options_scan_word(&scan, words[i]);
    if (kind == OPTIONS_PLAIN && scan.in_order) {
      printf(":program %d\n", i);
      return;
    }
    arguments += kind == OPTIONS_PLAIN;
  }
  if (scan.in_order && !scan.awaiting && (scan.ended || typed[0] != '-')) {
    printf(":program %d\n", count - 1);
  } else {
    offer_word(command, &scan, arguments, typed);
  }
}

int complete(int count, char *const *words) {
  if (count < 2) {
    return EXIT_USAGE;
  }
  const struct command *command = command_find(words[1]);
  if (count == 2 && words[1][0] == '-') {
    offer(words[1], "", "--help", "list the commands");
    offer(words[1], "", "--version", "tell the version");
  } else if (count == 2) {
    offer_commands(words[1]);
  } else if (command) {
    complete_command(command, count, words);
  }
  return EXIT_DONE;
}
