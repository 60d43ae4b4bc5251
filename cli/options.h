/* Looks through the options that an argp and its children have, for what argp itself does not tell: the nearest name of a
 * mistyped one, and completion. */
#ifndef ACTSCOPE_CLI_OPTIONS_H
#define ACTSCOPE_CLI_OPTIONS_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>

/* The index-th option of argp and its children that has a name or a letter of its own, --help and --usage last; NULL past
 * the last. */
const struct argp_option *options_at(const struct argp *argp, size_t index);

/* By the first `length` letters of text: the option of that name, or the only one whose name begins so. NULL: none, or
 * several, *several is true then. */
const struct argp_option *options_find(const struct argp *argp, const char *text, size_t length, bool *several);
const struct argp_option *options_find_letter(const struct argp *argp, char letter);

/* What a word of the command line is, with what is known of the words before it. */
enum options_word {
  OPTIONS_PLAIN,   /* an argument */
  OPTIONS_OPTION,  /* --name, --name=value, -x, -xvalue */
  OPTIONS_VALUE,   /* of the option before it */
  OPTIONS_END,     /* "--" */
  OPTIONS_UNKNOWN, /* --name of no option */
};
struct options_scan {
  const struct argp *argp;
  bool in_order;                      /* options end at the first argument */
  bool ended;                         /* there are no options any more */
  const struct argp_option *awaiting; /* its value is the next word; NULL: none */
};
enum options_word options_scan_word(struct options_scan *scan, const char *word);

/* The first long option among the words that argp does not have, NULL: none; *meant: the one that was probably meant, or
 * NULL. in_order: options end at the first argument. */
const char *options_unknown(const struct argp *argp, bool in_order, int argc, char *const *argv,
                            const struct argp_option **meant);

#endif
