/* One ELF file on disk, as symbols need it: which symbol covers an address, and its debug information.
 *
 * Everything is lazy: opening maps the file and checks its build-id; the symbol tables are sorted on the first question
 * about them. Addresses are those of the file (run-time address minus bias). The file is not trusted: libelf and libdw
 * check it, and what does not make sense is not there. */
#ifndef ACTSCOPE_ANALYZERS_ELF_IMAGE_H
#define ACTSCOPE_ANALYZERS_ELF_IMAGE_H

#include <elfutils/libdw.h>
#include <stddef.h>
#include <stdint.h>

struct elf_image;

enum elf_image_state {
  ELF_IMAGE_OK,
  ELF_IMAGE_MISSING, /* or not readable */
  ELF_IMAGE_FOREIGN, /* not an ELF file */
  ELF_IMAGE_CHANGED, /* has another build-id than was recorded */
  ELF_IMAGE_NO_MEMORY,
};

struct elf_symbol {
  uint64_t begin;
  const char *raw;  /* mangled, in the mapped file: valid till elf_image_close */
  const char *name; /* NULL at first; the caller's to fill in */
  uint32_t size;    /* bytes from begin that it covers */
  uint32_t rank;    /* which of several at one address is the best */
};

/* *out is set only for ELF_IMAGE_OK; end it with elf_image_close. build_id NULL: none was recorded, any file will do. */
enum elf_image_state elf_image_open(struct elf_image **out, const char *path, const uint8_t *build_id, size_t size);
void elf_image_close(struct elf_image *image); /* NULL allowed */

/* The innermost function or data object that covers address, or NULL. */
struct elf_symbol *elf_image_function(struct elf_image *image, uint64_t address);
struct elf_symbol *elf_image_object(struct elf_image *image, uint64_t address);

/* Debug information of the file or of its separate debug file, borrowed; NULL if there is none. */
Dwarf *elf_image_dwarf(struct elf_image *image);

#endif
