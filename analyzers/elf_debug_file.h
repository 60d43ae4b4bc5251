/* Finds the separate file with a stripped file's debug information, where gdb looks: under /usr/lib/debug by build-id, then
 * by .gnu_debuglink beside the file, in .debug/ and under /usr/lib/debug. Never over the network. */
#ifndef ACTSCOPE_ANALYZERS_ELF_DEBUG_FILE_H
#define ACTSCOPE_ANALYZERS_ELF_DEBUG_FILE_H

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>

/* Maps path read-only; NULL, and *fd = -1, if it is not a readable ELF file. Else elf_end and close are the caller's. */
Elf *elf_debug_file_map(const char *path, int *fd);

/* The debug file that belongs to `elf`, which was read from `path`, mapped as above; NULL if none is there. */
Elf *elf_debug_file_open(Elf *elf, const char *path, int *fd);

/* Is there a section of this name that has contents in the file? */
bool elf_debug_file_has_section(Elf *elf, const char *name);

#endif
