/* The progress line. */
#include "cli/progress.h"

#include "cli/command.h"

#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 400, REDRAW_MS = 100, BAR_MIN = 8, BAR_MAX = 40, COLUMNS_DEFAULT = 80, COLUMNS_MAX = 160 };
static const uint64_t ms = 1000000, second = 1000000000;

/* ---- the line ---------------------------------------------------------------------------------------------------- */

/* "1:05 left"; nothing in the first seconds, and while there is too little to go by. */
static void tell_rest(char *text, size_t size, double share, uint64_t elapsed) {
  text[0] = '\0';
  if (elapsed < 2 * second || share < 0.01 || share >= 1) {
    return;
  }
  const double rest = (double)elapsed / (double)second * (1 - share) / share;
  if (rest < 100 * 3600) {
    const unsigned seconds = (unsigned)(rest + 0.5);
    if (seconds < 3600) {
      snprintf(text, size, "  %u:%02u left", seconds / 60, seconds % 60);
    } else {
      snprintf(text, size, "  %u:%02u:%02u left", seconds / 3600, seconds / 60 % 60, seconds % 60);
    }
  }
}

/* "  ━━━━━──────", or "  [=====     ]". */
static void draw_bar(char *text, size_t size, size_t cells, double share, bool unicode) {
  const size_t full = (size_t)(share * (double)cells + 0.5);
  size_t used = (size_t)snprintf(text, size, unicode ? "  " : "  [");
  for (size_t i = 0; i < cells; i++) {
    const char *cell = i < full ? (unicode ? "\xe2\x94\x81" : "=") : (unicode ? "\xe2\x94\x80" : " ");
    used += (size_t)snprintf(text + used, size - used, "%s", cell);
  }
  snprintf(text + used, size - used, unicode ? "" : "]");
}

char *progress_line(char text[PROGRESS_LINE_SIZE], const char *label, double share, uint64_t elapsed, size_t columns,
                    bool unicode) {
  char rest[32], bar[4 * BAR_MAX] = "";
  share = share < 0 ? 0 : share > 1 ? 1 : share;
  tell_rest(rest, sizeof rest, share, elapsed);
  const size_t frame = unicode ? 2 : 4, named = strlen("actscope: ") + strlen(label) + strlen(" 100%");
  const size_t room = columns > 1 ? columns - 1 : 0; /* in the last column some terminals wrap */
  if (named + strlen(rest) > room) {
    rest[0] = '\0';
  }
  if (named + strlen(rest) + frame + BAR_MIN <= room) {
    const size_t cells = room - named - strlen(rest) - frame;
    draw_bar(bar, sizeof bar, cells < BAR_MAX ? cells : BAR_MAX, share, unicode);
  }
  const int length = snprintf(text, PROGRESS_LINE_SIZE, "actscope: %s%s %3d%%%s", label, bar, (int)(100 * share), rest);
  if (named > room) { /* plain letters then, all of them */
    text[room < (size_t)length ? room : (size_t)length] = '\0';
  }
  return text;
}

/* ---- on the terminal --------------------------------------------------------------------------------------------- */

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * second + (uint64_t)now.tv_nsec;
}

static bool can_show(void) {
  const char *term = getenv("TERM");
  return !command_is_quiet() && isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

/* A job in the background would write into what its user types. */
static bool in_background(void) {
  const pid_t foreground = tcgetpgrp(STDERR_FILENO);
  return foreground > 0 && foreground != getpgrp();
}

/* Asked for each time: the window may be another size by now. */
static size_t columns_now(void) {
  struct winsize window;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0) {
    return COLUMNS_DEFAULT;
  }
  return window.ws_col < COLUMNS_MAX ? window.ws_col : COLUMNS_MAX;
}

void progress_begin(struct progress *progress, const char *label) {
  *progress = (struct progress){.label = label, .begin_ns = now_ns(), .shown = can_show()};
}

void progress_expect(struct progress *progress, const char *label) {
  progress_begin(progress, label);
  progress->waiting = true;
}

void progress_update(void *context, double share) {
  struct progress *progress = context;
  if (!progress->shown) {
    return;
  }
  const uint64_t now = now_ns();
  progress->begin_ns = progress->waiting ? now : progress->begin_ns;
  progress->waiting = false;
  if (now - progress->begin_ns < PATIENCE_MS * ms || now - progress->drawn_ns < REDRAW_MS * ms || in_background()) {
    return;
  }
  char line[PROGRESS_LINE_SIZE];
  const bool unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
  fprintf(stderr, "\r%s\033[K",
          progress_line(line, progress->label, share, now - progress->begin_ns, columns_now(), unicode));
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
