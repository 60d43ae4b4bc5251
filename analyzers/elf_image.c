#include "analyzers/elf_image.h"

#include "analyzers/elf_debug_file.h"

#include <elfutils/libdwelf.h>
#include <gelf.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct table {
  struct elf_symbol *symbols; /* by begin; of several at one address only the best is left */
  size_t count, capacity;
};

struct elf_image {
  Elf *elf, *debug; /* debug: the separate file, NULL if there is none or nobody asked yet */
  int fd, debug_fd;
  char *path;
  Dwarf *dwarf;
  bool sought_debug, sought_dwarf, loaded;
  struct table functions, objects;
};

static bool same_build_id(Elf *elf, const uint8_t *build_id, size_t size) {
  const void *found;
  ssize_t found_size = dwelf_elf_gnu_build_id(elf, &found);
  return found_size >= 0 && (size_t)found_size == size && memcmp(found, build_id, size) == 0;
}

enum elf_image_state elf_image_open(struct elf_image **out, const char *path, const uint8_t *build_id, size_t size) {
  if (access(path, R_OK) != 0) {
    return ELF_IMAGE_MISSING;
  }
  int fd;
  Elf *elf = elf_debug_file_map(path, &fd);
  if (!elf) {
    return ELF_IMAGE_FOREIGN;
  }
  struct elf_image *image = calloc(1, sizeof *image);
  if (!image) {
    elf_end(elf);
    close(fd);
    return ELF_IMAGE_NO_MEMORY;
  }
  *image = (struct elf_image){.elf = elf, .fd = fd, .debug_fd = -1, .path = strdup(path)};
  if (!image->path || (build_id && !same_build_id(elf, build_id, size))) {
    enum elf_image_state state = image->path ? ELF_IMAGE_CHANGED : ELF_IMAGE_NO_MEMORY;
    elf_image_close(image);
    return state;
  }
  *out = image;
  return ELF_IMAGE_OK;
}

void elf_image_close(struct elf_image *image) {
  if (!image) {
    return;
  }
  dwarf_end(image->dwarf);
  elf_end(image->debug);
  elf_end(image->elf);
  if (image->debug_fd >= 0) {
    close(image->debug_fd);
  }
  close(image->fd);
  free(image->functions.symbols);
  free(image->objects.symbols);
  free(image->path);
  free(image);
}

static Elf *debug_file(struct elf_image *image) {
  if (!image->sought_debug) {
    image->sought_debug = true;
    image->debug = elf_debug_file_open(image->elf, image->path, &image->debug_fd);
  }
  return image->debug;
}

Dwarf *elf_image_dwarf(struct elf_image *image) {
  if (!image->sought_dwarf) {
    image->sought_dwarf = true;
    bool here =
        elf_debug_file_has_section(image->elf, ".debug_info") || elf_debug_file_has_section(image->elf, ".zdebug_info");
    Elf *elf = here ? image->elf : debug_file(image);
    image->dwarf = elf ? dwarf_begin_elf(elf, DWARF_C_READ, NULL) : NULL;
  }
  return image->dwarf;
}

static bool table_add(struct table *table, struct elf_symbol symbol) {
  if (table->count == table->capacity) {
    size_t capacity = table->capacity ? 2 * table->capacity : 256;
    struct elf_symbol *grown = realloc(table->symbols, capacity * sizeof *grown);
    if (!grown) {
      return false;
    }
    table->symbols = grown;
    table->capacity = capacity;
  }
  table->symbols[table->count++] = symbol;
  return true;
}

/* A sized symbol tells more than a label, a typed one more than an untyped, a global name is the better known. */
static uint32_t rank_of(const GElf_Sym *symbol) {
  int binding = GELF_ST_BIND(symbol->st_info);
  uint32_t rank = binding == STB_LOCAL ? 0 : binding == STB_WEAK ? 1 : 2;
  rank += symbol->st_size > 0 ? 8 : 0;
  return rank + (GELF_ST_TYPE(symbol->st_info) == STT_NOTYPE ? 0 : 4);
}

static bool is_code(Elf *elf, size_t section) {
  GElf_Shdr header;
  Elf_Scn *found = elf_getscn(elf, section);
  return found && gelf_getshdr(found, &header) && (header.sh_flags & SHF_EXECINSTR);
}

static struct table *table_for(struct elf_image *image, const bool *code, size_t sections, const GElf_Sym *symbol) {
  if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx >= SHN_LORESERVE || symbol->st_shndx >= sections) {
    return NULL;
  }
  bool in_code = code[symbol->st_shndx];
  switch (GELF_ST_TYPE(symbol->st_info)) {
  case STT_FUNC:
  case STT_GNU_IFUNC: /* its resolver: the code at this address all the same */
    return &image->functions;
  case STT_NOTYPE: /* hand-written assembly */
    return in_code ? &image->functions : &image->objects;
  case STT_OBJECT:
  case STT_COMMON:
    return &image->objects;
  default: /* sections, files; offsets in thread-local storage are no addresses */
    return NULL;
  }
}

static bool add_symbols(struct elf_image *image, Elf *elf, Elf_Data *data, const GElf_Shdr *header, const bool *code,
                        size_t sections) {
  size_t count = header->sh_entsize ? data->d_size / header->sh_entsize : 0;
  for (size_t i = 1; i < count && i <= INT_MAX; i++) {
    GElf_Sym symbol;
    struct table *table = gelf_getsym(data, (int)i, &symbol) ? table_for(image, code, sections, &symbol) : NULL;
    const char *name = table ? elf_strptr(elf, header->sh_link, symbol.st_name) : NULL;
    if (!name || !*name || name[0] == '$' || strncmp(name, ".L", 2) == 0) {
      continue; /* labels of compilers and mapping symbols are no functions */
    }
    struct elf_symbol entry = {.begin = symbol.st_value, .raw = name, .rank = rank_of(&symbol)};
    entry.size = symbol.st_size < UINT32_MAX ? (uint32_t)symbol.st_size : UINT32_MAX;
    if (!table_add(table, entry)) {
      return false;
    }
  }
  return true;
}

static int by_address(const void *a, const void *b) {
  const struct elf_symbol *x = a, *y = b;
  if (x->begin != y->begin) {
    return x->begin < y->begin ? -1 : 1;
  }
  return x->rank != y->rank ? (x->rank > y->rank ? -1 : 1) : strcmp(x->raw, y->raw);
}

static uint64_t section_end(Elf *elf, uint64_t address) {
  for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) && (header.sh_flags & SHF_ALLOC) && !(header.sh_flags & SHF_TLS) &&
        address >= header.sh_addr && address - header.sh_addr < header.sh_size) {
      return header.sh_addr + header.sh_size;
    }
  }
  return address;
}

/* How far a symbol without size reaches: to the next one (symbols[i + 1] has another address), or the section's end. */
static uint32_t label_size(const struct table *table, size_t i, Elf *elf) {
  uint64_t begin = table->symbols[i].begin, end = section_end(elf, begin);
  if (i + 1 < table->count && table->symbols[i + 1].begin < end) {
    end = table->symbols[i + 1].begin;
  }
  return end - begin < UINT32_MAX ? (uint32_t)(end - begin) : UINT32_MAX;
}

/* Leaves the best symbol of every address. Labels that a sized symbol covers are inside it and go, too. */
static void table_unify(struct table *table) {
  size_t kept = 0;
  uint64_t covered = 0;
  for (size_t i = 0; i < table->count; i++) {
    struct elf_symbol *symbol = &table->symbols[i];
    bool again = kept > 0 && table->symbols[kept - 1].begin == symbol->begin;
    if (again || (symbol->size == 0 && symbol->begin < covered)) {
      continue;
    }
    uint64_t end = symbol->begin + symbol->size;
    covered = end > covered ? end : covered;
    table->symbols[kept++] = *symbol;
  }
  table->count = kept;
}

static void table_finish(struct table *table, Elf *elf) {
  if (table->count == 0) {
    return;
  }
  qsort(table->symbols, table->count, sizeof *table->symbols, by_address);
  table_unify(table);
  for (size_t i = 0; i < table->count; i++) {
    if (table->symbols[i].size == 0) {
      table->symbols[i].size = label_size(table, i, elf);
    }
  }
}

static Elf_Scn *find_table(Elf *elf, GElf_Word type, GElf_Shdr *header) {
  for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));) {
    if (gelf_getshdr(section, header) && header->sh_type == type) {
      return section;
    }
  }
  return NULL;
}

/* The full table: of the file, else of its debug file, else the exported symbols alone. */
static Elf_Scn *choose_table(struct elf_image *image, Elf **elf, GElf_Shdr *header) {
  *elf = image->elf;
  Elf_Scn *section = find_table(image->elf, SHT_SYMTAB, header);
  if (!section && debug_file(image)) {
    *elf = image->debug;
    section = find_table(image->debug, SHT_SYMTAB, header);
  }
  if (!section) {
    *elf = image->elf;
    section = find_table(image->elf, SHT_DYNSYM, header);
  }
  return section;
}

static void load_symbols(struct elf_image *image) {
  if (image->loaded) {
    return;
  }
  image->loaded = true;
  Elf *elf;
  GElf_Shdr header;
  Elf_Scn *section = choose_table(image, &elf, &header);
  Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;
  size_t sections;
  if (!data || elf_getshdrnum(elf, &sections) != 0) {
    return;
  }
  bool *code = calloc(sections + 1, sizeof *code);
  for (size_t i = 1; code && i < sections; i++) {
    code[i] = is_code(elf, i);
  }
  if (code && add_symbols(image, elf, data, &header, code, sections)) {
    table_finish(&image->functions, elf);
    table_finish(&image->objects, elf);
  } else {
    image->functions.count = image->objects.count = 0;
  }
  free(code);
}

static struct elf_symbol *table_find(struct table *table, uint64_t address) {
  size_t low = 0, high = table->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (table->symbols[middle].begin <= address) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  /* A symbol inside a larger one ends before it does: look a few back for the one around. */
  for (size_t i = low, tries = 0; i > 0 && tries < 32; i--, tries++) {
    if (address - table->symbols[i - 1].begin < table->symbols[i - 1].size) {
      return &table->symbols[i - 1];
    }
  }
  return NULL;
}

struct elf_symbol *elf_image_function(struct elf_image *image, uint64_t address) {
  load_symbols(image);
  return table_find(&image->functions, address);
}

struct elf_symbol *elf_image_object(struct elf_image *image, uint64_t address) {
  load_symbols(image);
  return table_find(&image->objects, address);
}
