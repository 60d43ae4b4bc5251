/* Files for tests: whole files in one call, and a folder of the test's own. Any failure aborts the test. */
#ifndef ACTSCOPE_TESTS_FILES_H
#define ACTSCOPE_TESTS_FILES_H

#include <stddef.h>
#include <stdint.h>

void file_write(const char *path, const void *bytes, size_t size);
/* The caller frees the bytes; a NUL that is not counted follows them. */
uint8_t *file_read(const char *path, size_t *size);

/* A new, empty folder below TMPDIR; folder_remove deletes it with the files in it (no folders) and frees the name. */
char *folder_make(void);
void folder_remove(char *folder);

/* folder/name in a buffer of the caller's. */
struct path {
  char text[4096];
};
struct path path_join(const char *folder, const char *name);

#endif
