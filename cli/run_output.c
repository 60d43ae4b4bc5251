/* Runs a program for its answer. */
#include "cli/run_output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DISCARD_SIZE = 4096 };

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* In a process group of its own, so that all of it can be ended. 0, or an errno. */
static int start(char *const *argv, int output, pid_t *pid) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  const int result = posix_spawnp(pid, argv[0], &files, &attributes, argv, environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  return result;
}

/* Reads to the end. False: it was late. */
static bool collect(int fd, int64_t deadline, char *text, size_t size) {
  char discard[DISCARD_SIZE];
  size_t used = 0;
  ssize_t got = 1;
  while (got > 0) {
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    const int64_t rest = deadline - now_ms();
    const int polled = rest > 0 ? poll(&ready, 1, (int)rest) : 0;
    if (polled == 0) {
      text[used] = '\0';
      return false;
    }
    if (polled < 0) {
      got = errno == EINTR ? 1 : -1;
    } else if (used + 1 < size) {
      got = read(fd, text + used, size - 1 - used);
      used += got > 0 ? (size_t)got : 0;
    } else {
      got = read(fd, discard, sizeof discard);
    }
  }
  text[used] = '\0';
  return true;
}

/* It may have closed its output and go on. */
static bool wait_until(pid_t pid, int64_t deadline, int *status) {
  const struct timespec pause = {.tv_nsec = 2000000};
  pid_t ended;
  while ((ended = waitpid(pid, status, WNOHANG)) == 0 && now_ms() < deadline) {
    nanosleep(&pause, NULL);
  }
  return ended != 0;
}

int run_output(char *const *argv, int limit_ms, char *text, size_t size) {
  const int64_t deadline = now_ms() + limit_ms;
  int pipes[2], status = 0;
  pid_t pid;
  text[0] = '\0';
  if (pipe2(pipes, O_CLOEXEC) != 0) {
    return RUN_OUTPUT_NOT_RUN;
  }
  const int failed = start(argv, pipes[1], &pid);
  close(pipes[1]);
  const bool in_time = !failed && collect(pipes[0], deadline, text, size) && wait_until(pid, deadline, &status);
  close(pipes[0]);
  if (failed) {
    return RUN_OUTPUT_NOT_RUN;
  }
  if (!in_time) {
    kill(-pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return RUN_OUTPUT_LATE;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
