/* Ways for a program to end, and what it says on its way: `order` of destructors, `status N`, `signal N`, `wait` for one,
 * `count N`: how often signal N comes within half a second of the first. */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void say(const char *what) {
  free(malloc(60000));
  print("%s\n", what);
}

static void at_exit_first(void) {
  say("registered first");
}

static void at_exit_last(void) {
  say("registered last");
}

__attribute__((constructor)) static void construct(void) {
  say("constructor");
}

__attribute__((destructor)) static void destroy(void) {
  say("destructor");
}

static void order(void) {
  atexit(at_exit_first);
  atexit(at_exit_last);
  say("main");
}

static void wait_for_signal(void) {
  say("ready");
  for (;;) {
    pause();
  }
}

static volatile sig_atomic_t counted;

static void count(int number) {
  (void)number;
  counted = counted + 1;
}

static int count_signals(int number) {
  struct timespec rest = {.tv_nsec = 500000000};
  signal(number, count);
  say("ready");
  while (counted == 0) {
    pause();
  }
  while (nanosleep(&rest, &rest) != 0) {
  }
  return counted;
}

int main(int argc, char **argv) {
  int number = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 0;
  if (argc < 2) {
    return 2;
  }
  if (strcmp(argv[1], "order") == 0) {
    order();
  } else if (strcmp(argv[1], "status") == 0) {
    return number;
  } else if (strcmp(argv[1], "_exit") == 0) {
    _exit(number);
  } else if (strcmp(argv[1], "quick_exit") == 0) {
    quick_exit(number);
  } else if (strcmp(argv[1], "abort") == 0) {
    abort();
  } else if (strcmp(argv[1], "segv") == 0) {
    *(volatile int *)(size_t)(unsigned)number = 1;
  } else if (strcmp(argv[1], "signal") == 0) {
    raise(number);
  } else if (strcmp(argv[1], "wait") == 0) {
    wait_for_signal();
  } else if (strcmp(argv[1], "count") == 0) {
    return count_signals(number);
  }
  return 0;
}
