/* Files for tests: see the header. */
#include "tests/support/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void must(int condition, const char *path) {
  if (!condition) {
    perror(path);
    abort();
  }
}

void file_write(const char *path, const void *bytes, size_t size) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  must(fd >= 0, path);
  for (size_t done = 0; done < size;) {
    ssize_t count = write(fd, (const char *)bytes + done, size - done);
    must(count > 0, path);
    done += (size_t)count;
  }
  must(close(fd) == 0, path);
}

uint8_t *file_read(const char *path, size_t *size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  must(fd >= 0, path);
  struct stat status;
  must(fstat(fd, &status) == 0, path);
  *size = (size_t)status.st_size;
  uint8_t *bytes = calloc(1, *size + 1);
  must(bytes != NULL, path);
  for (size_t done = 0; done < *size;) {
    ssize_t count = read(fd, bytes + done, *size - done);
    must(count > 0, path);
    done += (size_t)count;
  }
  close(fd);
  return bytes;
}

char *folder_make(void) {
  const char *base = getenv("TMPDIR");
  struct path path = path_join(base && *base ? base : "/tmp", "actscope-test-XXXXXX");
  must(mkdtemp(path.text) != NULL, path.text);
  char *folder = strdup(path.text);
  must(folder != NULL, path.text);
  return folder;
}

void folder_remove(char *folder) {
  DIR *dir = opendir(folder);
  must(dir != NULL, folder);
  for (struct dirent *entry; (entry = readdir(dir));) {
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
      unlink(path_join(folder, entry->d_name).text);
    }
  }
  closedir(dir);
  rmdir(folder);
  free(folder);
}

struct path path_join(const char *folder, const char *name) {
  struct path path;
  must(snprintf(path.text, sizeof path.text, "%s/%s", folder, name) < (int)sizeof path.text, name);
  return path;
}
