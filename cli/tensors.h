/* The argument of --tensors: two files' names with a comma between. */
#ifndef ACTSCOPE_CLI_TENSORS_H
#define ACTSCOPE_CLI_TENSORS_H

#include <stdbool.h>

/* Splits "X.npy,DY.npy" in place. A comma that is part of a name stands behind a backslash, as does a backslash in front
 * of a comma or of another backslash. False, with text as it was, unless there are two names, neither of them empty. */
bool tensors_split(char *text, const char **x, const char **dy);

#endif
