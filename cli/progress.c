/* The progress line. */
#include "cli/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 400, REDRAW_MS = 100 };

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void progress_begin(struct progress *progress, const char *label) {
  *progress = (struct progress){.label = label, .begin_ns = now_ns(), .terminal = isatty(STDERR_FILENO)};
}

void progress_update(void *context, double share) {
  struct progress *progress = context;
  uint64_t now;
  if (!progress->terminal) {
    return;
  }
  now = now_ns();
  if (now - progress->begin_ns < PATIENCE_MS * UINT64_C(1000000) ||
      now - progress->drawn_ns < REDRAW_MS * UINT64_C(1000000)) {
    return;
  }
  fprintf(stderr, "\ractscope: %s %3.0f%%", progress->label, 100 * (share < 0 ? 0 : share > 1 ? 1 : share));
  fflush(stderr);
  progress->drawn = true;
  progress->drawn_ns = now;
}

void progress_end(struct progress *progress) {
  if (progress->drawn) {
    fputs("\r\033[K", stderr);
    fflush(stderr);
  }
  progress->drawn = false;
}
