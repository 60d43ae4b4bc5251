/* Files, mappings and the header of a trace that is being recorded: see the header. */
#include "profiler/run_file.h"

#include "profiler/rank.h"
#include "trace/trace_writer.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OWN_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OWN_MACHINE EM_AARCH64
#else
#error "not ported to this machine"
#endif

static uint64_t clock_ns(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t run_file_now(const struct run_file *file) {
  return clock_ns(CLOCK_MONOTONIC) - file->start_mono_ns;
}

/* Raw system calls throughout: libc's open, read and close are points where a thread may be cancelled, and a program that
 * interposes them must not see ours. */
static int open_raw(const char *path, int flags, mode_t mode) {
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, mode);
}

static void close_raw(int fd) {
  syscall(SYS_close, fd);
}

static void *map_shared(int fd, size_t size, off_t offset) {
  long at = syscall(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
  return at == -1 ? NULL : (void *)at; // NOLINT(performance-no-int-to-ptr)
}

static size_t read_command(char *bytes, size_t room) {
  int fd = open_raw("/proc/self/cmdline", O_RDONLY, 0);
  if (fd < 0) {
    return 0;
  }
  size_t size = 0;
  ssize_t got;
  while (size < room && (got = syscall(SYS_read, fd, bytes + size, room - size)) > 0) {
    size += (size_t)got;
  }
  close_raw(fd);
  return size;
}

/* An earlier image of this process (before exec) wrote this file: say so in it. */
static void mark_replaced(const char *path) {
  int fd = open_raw(path, O_RDWR, 0);
  if (fd < 0) {
    return;
  }
  uint8_t head[TRACE_H_START_UNIX];
  if (syscall(SYS_pread64, fd, head, sizeof head, 0) == (long)sizeof head &&
      memcmp(head, TRACE_MAGIC, TRACE_MAGIC_SIZE) == 0) {
    uint32_t flags;
    memcpy(&flags, head + TRACE_H_FLAGS, sizeof flags);
    flags |= TRACE_FLAG_EXEC | TRACE_FLAG_ENDED;
    syscall(SYS_pwrite64, fd, &flags, sizeof flags, TRACE_H_FLAGS);
  }
  close_raw(fd);
}

static int create_unique(struct run_file *file, const char *stem) {
  const int most = CONFIG_PATH_MAX - 32;
  static char previous[CONFIG_PATH_MAX]; /* not on the stack, which may be a small one */
  previous[0] = '\0';
  for (int n = 0; n < 10000; n++) {
    if (n == 0) {
      snprintf(file->path, sizeof file->path, "%.*s.%d", most, stem, (int)getpid());
    } else {
      snprintf(file->path, sizeof file->path, "%.*s.%d-%d", most, stem, (int)getpid(), n);
    }
    int fd = open_raw(file->path, O_RDWR | O_CREAT | O_EXCL, 0644);
    if (fd >= 0 || errno != EEXIST) {
      if (fd >= 0 && *previous) {
        mark_replaced(previous);
      }
      return fd;
    }
    memcpy(previous, file->path, sizeof previous);
  }
  return -1;
}

static void fill_header(struct run_file *file, const struct config *config) {
  static char command[TRACE_HEADER_SIZE - TRACE_H_COMMAND];
  const struct rank rank = rank_find();
  struct trace_file_header header = {
      .start_unix_ns = clock_ns(CLOCK_REALTIME),
      .start_mono_ns = file->start_mono_ns,
      .min_size = config->min_size,
      .stack_depth = config->stack_depth,
      .pid = (uint32_t)getpid(),
      .ppid = (uint32_t)getppid(),
      .rank = rank.rank,
      .world_size = rank.world_size,
      .exit_status = -1,
      .machine = OWN_MACHINE,
      .command = command,
      .command_size = read_command(command, sizeof command),
  };
  trace_write_file_header(file->header, &header);
}

/* Growing a file beyond this limit would be a signal that kills the program. */
static bool within_limit(uint64_t size) {
  struct rlimit limit;
  return getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || size <= limit.rlim_cur;
}

static bool write_zeros(int fd, off_t offset, size_t size) {
  static const char zeros[4096];
  for (size_t done = 0; done < size; done += sizeof zeros) {
    if (syscall(SYS_pwrite64, fd, zeros, sizeof zeros, offset + (off_t)done) != (long)sizeof zeros) {
      return false;
    }
  }
  return true;
}

/* Some file systems have no fallocate: writing zeros reserves as well, if slower. False with errno set. */
static bool reserve(int fd, off_t offset, size_t size) {
  if (!within_limit((uint64_t)offset + size)) {
    errno = EFBIG;
    return false;
  }
  while (syscall(SYS_fallocate, fd, 0, offset, size) != 0) {
    if (errno != EINTR) {
      return errno == EOPNOTSUPP && write_zeros(fd, offset, size);
    }
  }
  return true;
}

static enum trace_stop reserve_failure(void) {
  return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? TRACE_STOP_DISK_FULL : TRACE_STOP_FILE;
}

static bool identify(int fd, uint64_t *device, uint64_t *inode) {
  struct stat status;
  if (fstat(fd, &status) != 0) {
    return false;
  }
  *device = status.st_dev;
  *inode = status.st_ino;
  return true;
}

/* The trace again; -1 if it has been removed or something else stands in its place. */
static int reopen(const struct run_file *file) {
  uint64_t device;
  uint64_t inode;
  int fd = open_raw(file->path, O_RDWR | O_NOFOLLOW, 0);
  if (fd >= 0 && (!identify(fd, &device, &inode) || device != file->device || inode != file->inode)) {
    close_raw(fd);
    return -1;
  }
  return fd;
}

bool run_file_create(struct run_file *file, const struct config *config) {
  *file = (struct run_file){.stop = TRACE_STOP_FILE};
  int fd = create_unique(file, config->trace_path);
  if (fd < 0) {
    return false;
  }
  if (identify(fd, &file->device, &file->inode) && reserve(fd, 0, TRACE_HEADER_SIZE)) {
    file->header = map_shared(fd, TRACE_HEADER_SIZE, 0);
  } else {
    file->stop = reserve_failure();
  }
  close_raw(fd);
  if (!file->header) {
    syscall(SYS_unlinkat, AT_FDCWD, file->path, 0); /* without a header it is no trace */
    return false;
  }
  file->size = TRACE_HEADER_SIZE;
  file->stop = TRACE_STOP_NONE;
  file->start_mono_ns = clock_ns(CLOCK_MONOTONIC);
  fill_header(file, config);
  return true;
}

static uint8_t *stop(struct run_file *file, enum trace_stop reason) {
  file->stop = reason;
  trace_store_u32(file->header + TRACE_H_STOP_REASON, reason);
  return NULL;
}

uint8_t *run_file_map_chunk(struct run_file *file, size_t capacity) {
  if (file->stop != TRACE_STOP_NONE) {
    return NULL;
  }
  int fd = reopen(file);
  if (fd < 0) {
    return stop(file, TRACE_STOP_FILE);
  }
  uint8_t *base = NULL;
  if (!reserve(fd, (off_t)file->size, capacity)) {
    stop(file, reserve_failure());
  } else {
    base = map_shared(fd, capacity, (off_t)file->size);
    if (!base) {
      stop(file, TRACE_STOP_MEMORY);
    }
  }
  close_raw(fd);
  file->size += base ? capacity : 0;
  return base;
}

void run_file_unmap_chunk(uint8_t *base, size_t capacity) {
  if (base) {
    syscall(SYS_munmap, base, capacity);
  }
}

void run_file_note_end(struct run_file *file, uint64_t time_ns) {
  trace_store_u64(file->header + TRACE_H_END_TIME, time_ns);
  uint32_t flags = __atomic_load_n((uint32_t *)(void *)(file->header + TRACE_H_FLAGS), __ATOMIC_RELAXED);
  trace_store_u32(file->header + TRACE_H_FLAGS, flags | TRACE_FLAG_ENDED);
}

void run_file_note_rank(struct run_file *file, int32_t rank, uint32_t world_size) {
  trace_store_u32(file->header + TRACE_H_RANK, (uint32_t)rank);
  trace_store_u32(file->header + TRACE_H_WORLD_SIZE, world_size);
}

void run_file_note_lost(struct run_file *file) {
  __atomic_fetch_add((uint64_t *)(void *)(file->header + TRACE_H_LOST_EVENTS), 1, __ATOMIC_RELAXED);
}
