/* Figures and names as people read them. Figures go into a caller's buffer of FORMAT_SIZE bytes, which is returned. */
#ifndef ACTSCOPE_REPORTS_FORMAT_H
#define ACTSCOPE_REPORTS_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORMAT_SIZE 48

const char *format_bytes(char out[static FORMAT_SIZE], uint64_t bytes);            /* "968.3 MiB", "1.21 GiB" */
const char *format_round_bytes(char out[static FORMAT_SIZE], uint64_t bytes);      /* "4 KiB": settings, limits */
const char *format_signed_bytes(char out[static FORMAT_SIZE], int64_t bytes);      /* "-12.0 KiB" */
const char *format_count(char out[static FORMAT_SIZE], uint64_t count);            /* "1,234,567" */
const char *format_duration(char out[static FORMAT_SIZE], uint64_t ns);            /* "42.3 s", "3 min 20 s" */
const char *format_percent(char out[static FORMAT_SIZE], double part, double all); /* "78.2%", "<0.1%", "-" if no all */

/* Decodes one UTF-8 character at *text, moves *text behind it and returns it; -1 for a byte that is not UTF-8 (one byte
 * is skipped). Not at the end of the string. */
int32_t format_utf8_next(const char **text);
/* Columns that a valid string takes on a terminal: wide characters two, combining ones none. */
int format_width(const char *text);

/* A copy, to be freed, with every invalid byte replaced by U+FFFD; with `printable` also control characters, so that a
 * name cannot send escape sequences to a terminal. NULL when out of memory. */
char *format_clean(const char *text, bool printable);
/* The same, cut in the middle to at most `columns` columns with an ellipsis where it is longer. */
char *format_fit(const char *text, int columns, bool unicode);
/* A command line as one would type it: quoted where a shell would need it. To be freed; NULL when out of memory. */
char *format_command(int argc, const char *const *argv);
/* A file's name as an argument to copy: quoted likewise, and "./" before one that would be read as an option. What goes to
 * a terminal has to be cleaned besides. To be freed; NULL when out of memory. */
char *format_path(const char *path);

#endif
