/* Errors as values: a code and a sentence that says what to do.
 *
 * Library functions return 0 or one of these negative codes and, where they take a `struct error *`, fill in the
 * message. Only commands print. A NULL error is allowed: the code alone is returned then. */
#ifndef ACTSCOPE_COMMON_ERROR_H
#define ACTSCOPE_COMMON_ERROR_H

enum error_code {
  ERROR_USAGE = -2,  /* the caller asked for something that makes no sense: exit status 2 */
  ERROR_INPUT = -3,  /* what was read is damaged, truncated, foreign, or no use for this: exit status 3 */
  ERROR_IO = -4,     /* a file is missing, or the system refused to read or write it: exit status 3 */
  ERROR_MEMORY = -5, /* out of memory: exit status 3 */
};

struct error {
  char message[640]; /* "what: why; what to do", no newline, no "actscope:" prefix */
};

/* Formats the message into err (if not NULL) and returns code, so that `return error_set(...)` reads well. */
int error_set(struct error *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The exit status that a command ends with for this code: 0, 2 or 3. */
int error_exit_status(int code);

#endif
