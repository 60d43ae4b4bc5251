/* Arrays in files, for the programs that are compared with PyTorch: plain little-endian elements, nothing else. */
#ifndef ACTSCOPE_TESTS_PROGRAMS_LAYERS_FILE_H
#define ACTSCOPE_TESTS_PROGRAMS_LAYERS_FILE_H

#include <stddef.h>

/* All end the program with a message if something is wrong: nobody could go on. */
_Noreturn void layers_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* FOLDER/NAME.raw, which must have exactly so many bytes. */
void layers_read(const char *folder, const char *name, void *data, size_t bytes);
void layers_write(const char *folder, const char *name, const void *data, size_t bytes);

#endif
