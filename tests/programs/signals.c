/* Signal handlers that allocate, on the thread's own stack and on another, and that leave by siglongjmp. */
#include "check.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>

enum { ROUNDS = 60000 };

static volatile sig_atomic_t in_malloc, handled;
static sigjmp_buf landing;

/* malloc must not be entered twice; where the main program is not inside it, a handler may allocate. mmap it may always. */
static void allocate(int number) {
  int before = errno;
  (void)number;
  void *mapped = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(mapped, 65536);
  if (!in_malloc) {
    free(malloc(20000));
    free(malloc(20));
  }
  handled++;
  errno = before;
}

static void jump(int number) {
  (void)number;
  handled++;
  siglongjmp(landing, 1);
}

static void start(void (*handler)(int), int flags, int microseconds) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = flags | SA_RESTART};
  sigaction(SIGALRM, &action, NULL);
  struct itimerval interval = {{0, microseconds}, {0, microseconds}};
  setitimer(ITIMER_REAL, &interval, NULL);
}

static void stop(void) {
  struct itimerval never = {0};
  setitimer(ITIMER_REAL, &never, NULL);
}

static void main_work(void) {
  for (int i = 0; i < ROUNDS; i++) {
    in_malloc = 1;
    void *block = malloc(40000 + (size_t)i % 100);
    in_malloc = 0;
    for (volatile int spin = 0; spin < 200; spin++) {
    }
    in_malloc = 1;
    free(block);
    in_malloc = 0;
  }
}

static void timer(void) {
  start(allocate, 0, 100);
  main_work();
  stop();
  CHECK(handled > 10);
}

static void alternate(void) {
  static char memory[1 << 16];
  stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
  sigaltstack(&stack, NULL);
  start(allocate, SA_ONSTACK, 100);
  main_work();
  stop();
  CHECK(handled > 10);
}

/* The handler leaves the program wherever it is. The mutex of the real malloc may not be left behind: mmap has none. */
static void longjmp_out(void) {
  volatile int done = 0;
  start(jump, SA_NODEFER, 150);
  sigsetjmp(landing, 1);
  while (done < ROUNDS && handled < 2000) {
    void *mapped = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(mapped, 65536);
    done++;
  }
  stop();
  CHECK(handled > 10);
  print("%d %d\n", done, (int)handled);
  for (int i = 0; i < 100; i++) { /* these must all be there */
    free(malloc(98765));
  }
}

int main(int argc, char **argv) {
  const char *mode = argc > 1 ? argv[1] : "";
  strcmp(mode, "timer") == 0       ? timer()
  : strcmp(mode, "alternate") == 0 ? alternate()
  : strcmp(mode, "longjmp") == 0   ? longjmp_out()
                                   : exit(2);
  return 0;
}
