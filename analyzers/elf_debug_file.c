#include "analyzers/elf_debug_file.h"

#include "trace/crc32.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <gelf.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEBUG_ROOT "/usr/lib/debug"

Elf *elf_debug_file_map(const char *path, int *fd) {
  elf_version(EV_CURRENT);
  *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* not to hang on a FIFO of that name */
  if (*fd < 0) {
    return NULL;
  }
  Elf *elf = elf_begin(*fd, ELF_C_READ_MMAP, NULL);
  if (elf && elf_kind(elf) == ELF_K_ELF) {
    return elf;
  }
  elf_end(elf);
  close(*fd);
  *fd = -1;
  return NULL;
}

bool elf_debug_file_has_section(Elf *elf, const char *name) {
  size_t names;
  if (elf_getshdrstrndx(elf, &names) != 0) {
    return false;
  }
  for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) && header.sh_type != SHT_NOBITS) {
      const char *found = elf_strptr(elf, names, header.sh_name);
      if (found && strcmp(found, name) == 0) {
        return true;
      }
    }
  }
  return false;
}

/* A file of the right name may be of another version: its build-id decides, and without one the link's checksum. */
static bool belongs(Elf *elf, Elf *debug, uint32_t crc) {
  const void *mine, *other;
  ssize_t mine_size = dwelf_elf_gnu_build_id(elf, &mine);
  ssize_t other_size = dwelf_elf_gnu_build_id(debug, &other);
  if (mine_size > 0 && other_size > 0) {
    return mine_size == other_size && memcmp(mine, other, (size_t)mine_size) == 0;
  }
  size_t size;
  const char *bytes = elf_rawfile(debug, &size);
  return bytes && crc32_update(0, bytes, size) == crc;
}

static Elf *try_path(Elf *elf, const char *path, uint32_t crc, int *fd) {
  Elf *debug = elf_debug_file_map(path, fd);
  if (debug && !belongs(elf, debug, crc)) {
    elf_end(debug);
    close(*fd);
    *fd = -1;
    return NULL;
  }
  return debug;
}

static Elf *by_build_id(Elf *elf, int *fd) {
  const void *id;
  ssize_t size = dwelf_elf_gnu_build_id(elf, &id);
  if (size < 2 || size > 64) {
    return NULL;
  }
  char path[sizeof DEBUG_ROOT "/.build-id/" + 2 * 64 + sizeof "/.debug"];
  int used = snprintf(path, sizeof path, DEBUG_ROOT "/.build-id/");
  for (ssize_t i = 0; i < size; i++) {
    used += snprintf(path + used, sizeof path - (size_t)used, i == 0 ? "%02x/" : "%02x", ((const uint8_t *)id)[i]);
  }
  snprintf(path + used, sizeof path - (size_t)used, ".debug");
  return try_path(elf, path, 0, fd);
}

static Elf *by_debuglink(Elf *elf, const char *path, int *fd) {
  static const char *const patterns[] = {"%.*s/%s", "%.*s/.debug/%s", DEBUG_ROOT "%.*s/%s"};
  GElf_Word crc;
  const char *link = dwelf_elf_gnu_debuglink(elf, &crc);
  char *real = realpath(path, NULL);
  const char *slash = real ? strrchr(real, '/') : NULL;
  Elf *debug = NULL;
  for (size_t i = 0; link && slash && !debug && i < sizeof patterns / sizeof *patterns; i++) {
    char candidate[2 * PATH_MAX];
    snprintf(candidate, sizeof candidate, patterns[i], (int)(slash - real), real, link);
    if (strcmp(candidate, real) != 0) { /* a link may name the file itself */
      debug = try_path(elf, candidate, crc, fd);
    }
  }
  free(real);
  return debug;
}

Elf *elf_debug_file_open(Elf *elf, const char *path, int *fd) {
  Elf *debug = by_build_id(elf, fd);
  return debug ? debug : by_debuglink(elf, path, fd);
}
