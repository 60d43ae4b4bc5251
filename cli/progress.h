/* A line on standard error that tells how far a long work is: on a terminal only, only when it takes a while, and not with
 * --quiet. It fits the terminal's width, and is gone when the work is done. */
#ifndef ACTSCOPE_CLI_PROGRESS_H
#define ACTSCOPE_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
  const char *label; /* "reading the trace" */
  uint64_t begin_ns, drawn_ns;
  bool shown;   /* may anything be shown at all? */
  bool waiting; /* the work begins with the first update */
  bool drawn;
};

void progress_begin(struct progress *progress, const char *label);
/* For work that begins later, with the first update: the time until then does not count. */
void progress_expect(struct progress *progress, const char *label);
void progress_update(void *context, double share); /* context: the struct progress, as callbacks hand it on */
void progress_end(struct progress *progress);      /* leaves nothing on the screen */

/* The line, for a terminal so many columns wide: label, bar, percent, and the time left once that can be told, as much of it
 * as there is room for; elapsed: nanoseconds since the work began. Returns text. */
enum { PROGRESS_LINE_SIZE = 512 };
char *progress_line(char text[PROGRESS_LINE_SIZE], const char *label, double share, uint64_t elapsed, size_t columns,
                    bool unicode);

#endif
