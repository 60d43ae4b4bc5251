/* What was probably meant by a mistyped name. */
#ifndef ACTSCOPE_CLI_NEAREST_H
#define ACTSCOPE_CLI_NEAREST_H

#include "common/error.h"

#include <stddef.h>

/* A list of names: the index-th, NULL past the last. */
typedef const char *nearest_names(size_t index);

/* The name that is one or two slips of the hand from text (a letter left out, put in, wrong, or two swapped, or the name
 * not ended), NULL if none is. Of several the first nearest one. */
const char *nearest_find(const char *text, nearest_names *names);

/* For names that a list cannot be given of: call it for each; *best begins NULL, *distance 0. */
void nearest_consider(const char *text, const char *name, const char **best, size_t *distance);

/* "; did you mean 'x'?" behind err's message, if there is an x and room for it. Returns code. */
int nearest_suggest(struct error *err, int code, const char *text, nearest_names *names);

#endif
