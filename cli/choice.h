/* Options that take one of a few names: for parsing, for messages, and for completion. */
#ifndef ACTSCOPE_CLI_CHOICE_H
#define ACTSCOPE_CLI_CHOICE_H

#include "cli/nearest.h"
#include "kernels/function.h"

#include <argp.h>

struct choice {
  const char *noun; /* "format": unknown format 'x'; the formats are: ... */
  nearest_names *names;
};

/* Each is defined where its names are parsed, or in choice.c where they come from another room. */
extern const struct choice choice_color, choice_method, choice_sort, choice_data, choice_optimizer, choice_probe,
    choice_export_format, choice_report_format, choice_report_table, choice_function, choice_pointwise, choice_model;

/* A nearest_names over an array of strings. */
#define CHOICE_NAMES(function, array)                                                                                  \
  static const char *function(size_t index) {                                                                          \
    return index < sizeof(array) / sizeof *(array) ? (array)[index] : NULL;                                            \
  }

/* The number of the name. Where there is none of that name, wrong usage, told with the names there are and the one that
 * was probably meant. option: "--format". */
size_t choice_parse(const struct choice *choice, const char *option, const char *text, struct argp_state *state);

/* function_find, with the name that was probably meant where there is none of that name. */
int choice_function_find(struct function *function, const char *name, struct error *err);

/* That wrong usage, for a text that was found to be no name in another way. */
void choice_refuse(const struct choice *choice, const char *option, const char *text, struct argp_state *state);

#endif
