/* Where a report goes: standard output, a file that appears only when it is whole, or memory (for tests).
 *
 * Emitters write and do not check: the first failure is kept, and sink_close tells it. A file is written under a
 * temporary name beside its own and renamed at the end, so a full disk never leaves half a report. One thread. */
#ifndef ACTSCOPE_REPORTS_SINK_H
#define ACTSCOPE_REPORTS_SINK_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct sink {
  FILE *file;
  char *path, *temporary; /* NULL unless a regular file is being replaced */
  char *memory;           /* of a memory sink, valid after sink_close; the caller frees it */
  size_t memory_size;
  int failure;         /* errno of the first failure, 0 = none */
  bool color, unicode; /* may the emitter use escape sequences, characters beyond ASCII */
  int width;           /* columns a text has */
};

enum sink_color { SINK_COLOR_AUTO, SINK_COLOR_ALWAYS, SINK_COLOR_NEVER };

/* Does the environment ask for colour? NO_COLOR (not empty): never; CLICOLOR_FORCE (not empty, not 0): always; else on a
 * terminal that is not dumb, unless CLICOLOR is 0. */
bool sink_wants_color(bool terminal);

/* path NULL or "-": standard output. What is no regular file (a pipe, /dev/null) is written to directly. Colour,
 * character set and width follow the terminal, the locale (setlocale is the caller's), sink_wants_color and color. */
int sink_open(struct sink *sink, const char *path, enum sink_color color, struct error *err);
/* 80 columns, plain; 0 or ERROR_MEMORY. */
int sink_open_memory(struct sink *sink, struct error *err);

void sink_print(struct sink *sink, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sink_write(struct sink *sink, const char *bytes, size_t size);
void sink_fail(struct sink *sink, int error_number);

/* Ends the sink: 0 when every byte has arrived (or the reader of the pipe has gone away, which is no error), else
 * ERROR_IO or ERROR_MEMORY; a temporary file is gone then. */
int sink_close(struct sink *sink, struct error *err);
/* Ends it without putting the file in place. */
void sink_discard(struct sink *sink);

#endif
