/* Ways to make a process: see the table at the end. `self` is this program; argument `child` only allocates. */
#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const char *self;

static void wait_for(pid_t pid, int expected) {
  int status;
  CHECK(pid > 0);
  while (waitpid(pid, &status, 0) < 0) {
    CHECK(errno == EINTR);
  }
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == expected);
}

static void child_only(void) {
  free(malloc(123456));
}

/* Threads allocate all the while; 200 forks, each child allocates too and leaves by _exit. */
static volatile int stop;

static void *allocate(void *unused) {
  (void)unused;
  while (!stop) {
    void *block = malloc(50000);
    free(malloc(30));
    free(block);
  }
  return NULL;
}

static void fork_storm(void) {
  pthread_t threads[3];
  for (int i = 0; i < 3; i++) {
    CHECK(pthread_create(&threads[i], NULL, allocate, NULL) == 0);
  }
  for (int i = 0; i < 200; i++) {
    pid_t pid = fork();
    if (pid == 0) {
      child_only();
      _exit(7);
    }
    wait_for(pid, 7);
  }
  stop = 1;
  for (int i = 0; i < 3; i++) {
    pthread_join(threads[i], NULL);
  }
}

static void become_child(void) {
  execl(self, self, "child", (char *)NULL);
  _exit(1);
}

static void fork_exec(void) {
  pid_t pid = fork();
  if (pid == 0) {
    become_child();
  }
  wait_for(pid, 0);
}

static void vfork_exec(void) {
  pid_t pid = vfork();
  if (pid == 0) {
    become_child();
  }
  wait_for(pid, 0);
}

/* The child that cannot exec ends in our memory: this is not our end. */
static void vfork_fails(void) {
  pid_t pid = vfork();
  if (pid == 0) {
    execl("/nowhere", "nowhere", (char *)NULL);
    _exit(126);
  }
  wait_for(pid, 126);
  kill(getpid(), SIGKILL);
}

static void spawn(void) {
  char *argv[] = {(char *)self, "child", NULL};
  pid_t pid;
  CHECK(posix_spawn(&pid, self, NULL, NULL, argv, environ) == 0);
  wait_for(pid, 0);
}

static void by_system(void) {
  char command[4200];
  snprintf(command, sizeof command, "'%s' child", self);
  CHECK(system(command) == 0);
}

static void exec_in_place(void) {
  free(malloc(654321));
  become_child();
}

static void work_and_exec(void) {
  for (int i = 0; i < 100000; i++) {
    free(malloc(654321));
  }
  become_child();
}

static void bare_fork(void) {
  pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) {
    child_only();
    _exit(9);
  }
  wait_for(pid, 9);
}

static void fork_plain(void) {
  free(malloc(111111));
  pid_t pid = fork();
  if (pid == 0) {
    child_only();
    exit(0);
  }
  wait_for(pid, 0);
  free(malloc(222222));
}

static void *fork_in_thread(void *unused) {
  (void)unused;
  fork_plain();
  return NULL;
}

static void from_thread(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, fork_in_thread, NULL);
  pthread_join(thread, NULL);
}

/* A daemon: away from the folder and the terminal, all descriptors closed; goes on allocating past its first chunk. */
static void as_daemon(void) {
  CHECK(daemon(0, 0) == 0);
  closefrom(0);
  for (int i = 0; i < 20000; i++) {
    free(malloc(70000));
  }
}

static const struct {
  const char *name;
  void (*run)(void);
} modes[] = {
    {"child", child_only},        {"storm", fork_storm},      {"fork", fork_plain},         {"thread", from_thread},
    {"fork_exec", fork_exec},     {"vfork_exec", vfork_exec}, {"vfork_fails", vfork_fails}, {"spawn", spawn},
    {"system", by_system},        {"exec", exec_in_place},    {"bare", bare_fork},          {"daemon", as_daemon},
    {"work_exec", work_and_exec},
};

int main(int argc, char **argv) {
  self = argv[0];
  for (size_t i = 0; argc > 1 && i < sizeof modes / sizeof modes[0]; i++) {
    if (strcmp(argv[1], modes[i].name) == 0) {
      modes[i].run();
      return 0;
    }
  }
  return 2;
}
