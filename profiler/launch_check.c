/* Can this command be recorded? Finds it and looks into its ELF header, so that a static or setuid program gets a clear
 * answer instead of an empty trace. */
#include "profiler/launch.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { SCRIPTS_NESTED_MAX = 4, HEAD_MAX = 4096 };

static bool is_executable_file(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

static char *find_in_path(const char *command) {
  const char *search = getenv("PATH");
  char *copy = strdup(search ? search : "/usr/local/bin:/usr/bin:/bin");
  char *found = NULL;
  char *rest = copy;
  for (char *folder; !found && rest && (folder = strsep(&rest, ":"));) {
    char *candidate;
    if (asprintf(&candidate, "%s/%s", *folder ? folder : ".", command) < 0) {
      break;
    }
    if (is_executable_file(candidate)) {
      found = candidate;
    } else {
      free(candidate);
    }
  }
  free(copy);
  return found;
}

char *launch_find_program(const char *word) {
  if (!strchr(word, '/')) {
    return find_in_path(word);
  }
  return is_executable_file(word) ? strdup(word) : NULL;
}

static bool is_shell_builtin(const char *command) {
  static const char *const names[] = {"cd",      "source", ".",       "export",  "alias", "exit",   "set",
                                      "unset",   "eval",   "exec",    "read",    "shift", "trap",   "ulimit",
                                      "umask",   "wait",   "jobs",    "bg",      "fg",    "return", "local",
                                      "declare", "type",   "command", "builtin", "let"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strcmp(command, names[i]) == 0) {
      return true;
    }
  }
  return false;
}

static int missing(const char *command, struct error *err) {
  if (is_shell_builtin(command)) {
    return error_set(err, ERROR_INPUT,
                     "%s: is a shell built-in, not a program; give a shell that runs it: sh -c '%s ...'", command,
                     command);
  }
  struct stat status;
  if (strchr(command, '/') && stat(command, &status) == 0) {
    return error_set(err, ERROR_INPUT, "%s: %s", command,
                     S_ISDIR(status.st_mode) ? "is a directory, not a program"
                                             : "is not executable; make it so with chmod +x, or name its interpreter "
                                               "(python3 FILE)");
  }
  return error_set(err, ERROR_INPUT, "%s: command not found; give a path, or check PATH", command);
}

static int check_privileges(const char *path, struct error *err) {
  struct stat status;
  struct statvfs mount;
  char capability[64];
  if (stat(path, &status) != 0 || (statvfs(path, &mount) == 0 && mount.f_flag & ST_NOSUID)) {
    return 0;
  }
  bool setuid = (status.st_mode & S_ISUID) && status.st_uid != getuid();
  bool setgid = (status.st_mode & S_ISGID) && (status.st_mode & S_IXGRP) && status.st_gid != getgid();
  bool gains = getuid() != 0 && getxattr(path, "security.capability", capability, sizeof capability) > 0;
  if (setuid || setgid || gains) {
    return error_set(
        err, ERROR_INPUT,
        "%s: runs with other rights than yours (%s), and such a program takes no preload library; record a "
        "copy without them",
        path,
        setuid   ? "setuid"
        : setgid ? "setgid"
                 : "file capabilities");
  }
  return 0;
}

static int check_elf(const char *path, const uint8_t *head, size_t size, int fd, struct error *err) {
  static const int own_machine =
#if defined(__x86_64__)
      EM_X86_64;
#else
      EM_AARCH64;
#endif
  Elf64_Ehdr elf;
  if (size < sizeof elf) {
    return error_set(err, ERROR_INPUT, "%s: is cut short, not a program", path);
  }
  memcpy(&elf, head, sizeof elf);
  if (elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_machine != own_machine) {
    return error_set(
        err, ERROR_INPUT,
        "%s: is built for another machine (%d-bit, machine %d) than actscope; use an actscope built for it", path,
        elf.e_ident[EI_CLASS] == ELFCLASS32 ? 32 : 64, elf.e_machine);
  }
  for (int i = 0; i < elf.e_phnum; i++) {
    Elf64_Phdr segment;
    if (pread(fd, &segment, sizeof segment, (off_t)(elf.e_phoff + (uint64_t)i * elf.e_phentsize)) !=
        (ssize_t)sizeof segment) {
      return error_set(err, ERROR_INPUT, "%s: is cut short, not a program", path);
    }
    if (segment.p_type == PT_INTERP) {
      return 0;
    }
  }
  return error_set(err, ERROR_INPUT,
                   "%s: is statically linked, so that no preload library can see its memory; link it dynamically "
                   "(without -static) and record that",
                   path);
}

static int check_file(const char *path, int depth, struct error *err);

static int check_script(const char *path, char *line, int depth, struct error *err) {
  line[strcspn(line, "\n")] = '\0';
  char *interpreter = line + 2 + strspn(line + 2, " \t");
  interpreter[strcspn(interpreter, " \t\r")] = '\0';
  if (depth >= SCRIPTS_NESTED_MAX || !is_executable_file(interpreter)) {
    return error_set(err, ERROR_INPUT, "%s: its interpreter %s is not there; mend its first line", path, interpreter);
  }
  return check_file(interpreter, depth + 1, err);
}

static int check_file(const char *path, int depth, struct error *err) {
  char head[HEAD_MAX + 1];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    /* Executable but not readable: it may run, and nothing can be said of it. */
    return errno == EACCES ? check_privileges(path, err) : error_set(err, ERROR_INPUT, "%s: %s", path, strerror(errno));
  }
  ssize_t size = read(fd, head, HEAD_MAX);
  head[size > 0 ? size : 0] = '\0';
  int result;
  if (size >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0) {
    result = check_elf(path, (const uint8_t *)head, (size_t)size, fd, err);
    result = result ? result : check_privileges(path, err);
  } else if (size >= 2 && head[0] == '#' && head[1] == '!') {
    result = check_script(path, head, depth, err);
  } else {
    result = error_set(err, ERROR_INPUT,
                       "%s: is neither a program nor a script with an interpreter in its first line; name the "
                       "interpreter (actscope record -- sh %s)",
                       path, path);
  }
  close(fd);
  return result;
}

int launch_find_command(const char *command, char **path, struct error *err) {
  *path = launch_find_program(command);
  return *path ? 0 : missing(command, err);
}

int launch_check_command(const char *command, char **path, struct error *err) {
  int result = launch_find_command(command, path, err);
  result = *path ? check_file(*path, 0, err) : result;
  if (result) {
    free(*path);
    *path = NULL;
  }
  return result;
}
