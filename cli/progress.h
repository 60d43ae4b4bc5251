/* One line on stderr that tells how far a long reading is: only on a terminal, only when it takes a while. */
#ifndef ACTSCOPE_CLI_PROGRESS_H
#define ACTSCOPE_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
  const char *label; /* "reading the trace" */
  uint64_t begin_ns, drawn_ns;
  bool terminal, drawn;
};

void progress_begin(struct progress *progress, const char *label);
void progress_update(void *context, double share); /* context: the struct progress, as callbacks hand it on */
void progress_end(struct progress *progress);      /* leaves nothing on the screen */

#endif
