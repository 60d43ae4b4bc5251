/* The modules that the trace knows, sorted by address: see the header. */
#include "profiler/modules.h"

#include "profiler/stack_key.h"
#include "profiler/tables.h"

#include <dlfcn.h>
#include <elf.h>
#include <limits.h>
#include <link.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MODULES_MAX = 8192 };

struct known {
  uint64_t begin, end;
  uint64_t identity; /* tells whether another module has taken the place */
};

static struct {
  size_t count;
  struct known known[MODULES_MAX];
} modules;

struct code_gone code_gone;

/* ---- what a module is -------------------------------------------------------------------------------------------------- */

static bool find_object(uint64_t address, struct dl_find_object *object) {
  return _dl_find_object((void *)address, object) == 0; // NOLINT(performance-no-int-to-ptr)
}

static const char *name_of(const struct dl_find_object *object) {
  return object->dlfo_link_map->l_name ? object->dlfo_link_map->l_name : "";
}

/* Nothing of the link map is read: another thread may be closing it. */
static uint64_t identity_of(const struct dl_find_object *object) {
  return stack_key_mix((uintptr_t)object->dlfo_link_map, 0x9e3779b97f4a7c15u) + (uintptr_t)object->dlfo_map_end;
}

static size_t search_note(const uint8_t *note, size_t size, const uint8_t **id) {
  const uint8_t *end = note + size;
  while (note + sizeof(ElfW(Nhdr)) <= end) {
    const ElfW(Nhdr) *head = (const ElfW(Nhdr) *)(const void *)note;
    const uint8_t *name = note + sizeof *head;
    const uint8_t *body = name + ((head->n_namesz + 3u) & ~3u);
    if (body + head->n_descsz > end) {
      break;
    }
    if (head->n_type == NT_GNU_BUILD_ID && head->n_namesz == 4 && memcmp(name, "GNU", 4) == 0) {
      *id = body;
      return head->n_descsz;
    }
    note = body + ((head->n_descsz + 3u) & ~3u);
  }
  return 0;
}

/* The first page of a module is its ELF header and program headers, unless a linker script wanted it otherwise. */
static size_t find_build_id(const struct dl_find_object *object, const uint8_t **id) {
  const uint8_t *base = object->dlfo_map_start;
  const ElfW(Ehdr) *head = (const ElfW(Ehdr) *)(const void *)base;
  if (memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 || head->e_phoff + head->e_phnum * sizeof(ElfW(Phdr)) > 4096) {
    return 0;
  }
  const ElfW(Phdr) *segments = (const ElfW(Phdr) *)(const void *)(base + head->e_phoff);
  for (int i = 0; i < head->e_phnum; i++) {
    uint64_t at = object->dlfo_link_map->l_addr + segments[i].p_vaddr;
    if (segments[i].p_type != PT_NOTE || at < (uintptr_t)base ||
        at + segments[i].p_memsz > (uintptr_t)object->dlfo_map_end) {
      continue;
    }
    size_t size = search_note((const uint8_t *)at, segments[i].p_memsz, id); // NOLINT(performance-no-int-to-ptr)
    if (size) {
      return size;
    }
  }
  return 0;
}

static uint32_t write_path(const char *name) {
  static char path[PATH_MAX]; /* not on the stack, which may be a small one */
  if (name[0] == '/') {
    return tables_add_string(name, strlen(name));
  }
  if (!name[0]) {
    ssize_t size = readlink("/proc/self/exe", path, sizeof path);
    return size > 0 ? tables_add_string(path, (size_t)size) : 0;
  }
  return realpath(name, path) ? tables_add_string(path, strlen(path)) : 0;
}

static void write_module(const struct dl_find_object *object, uint64_t time_ns) {
  const uint8_t *id = NULL;
  size_t id_size = find_build_id(object, &id);
  uint64_t begin = (uintptr_t)object->dlfo_map_start;
  struct trace_module_record record = {
      .time_ns = time_ns,
      .begin = begin,
      .size = (uintptr_t)object->dlfo_map_end - begin,
      .bias = object->dlfo_link_map->l_addr,
      .path = write_path(name_of(object)),
      .build_id = id_size ? tables_add_string(id, id_size) : 0,
  };
  tables_add_module(&record);
}

/* ---- the known ones ------------------------------------------------------------------------------------------------------ */

/* The index of the first module that begins behind address. */
static size_t upper_bound(uint64_t address) {
  size_t low = 0;
  for (size_t high = modules.count; low < high;) {
    size_t middle = low + (high - low) / 2;
    if (modules.known[middle].begin <= address) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

static bool is_known(uint64_t address) {
  size_t at = upper_bound(address);
  return at > 0 && address < modules.known[at - 1].end;
}

static void begin_epoch(uint64_t begin, uint64_t end) {
  uint64_t low = code_gone.size && code_gone.begin < begin ? code_gone.begin : begin;
  uint64_t high = code_gone.size && code_gone.begin + code_gone.size > end ? code_gone.begin + code_gone.size : end;
  __atomic_store_n(&code_gone.begin, low, __ATOMIC_RELAXED);
  __atomic_store_n(&code_gone.size, high - low, __ATOMIC_RELAXED);
  __atomic_store_n(&code_gone.epoch, code_gone.epoch + 1, __ATOMIC_RELEASE);
}

static void drop(size_t index) {
  struct known gone = modules.known[index];
  memmove(modules.known + index, modules.known + index + 1, (modules.count - index - 1) * sizeof modules.known[0]);
  modules.count--;
  tables_remove_module(gone.begin);
  begin_epoch(gone.begin, gone.end);
}

static void insert(const struct dl_find_object *object) {
  struct known module = {.begin = (uintptr_t)object->dlfo_map_start,
                         .end = (uintptr_t)object->dlfo_map_end,
                         .identity = identity_of(object)};
  size_t at = upper_bound(module.begin);
  memmove(modules.known + at + 1, modules.known + at, (modules.count - at) * sizeof modules.known[0]);
  modules.known[at] = module;
  modules.count++;
}

/* Modules that lay where this one lies now were unmapped behind our back (libc does so with its own plug-ins). */
static void drop_overlapping(const struct dl_find_object *object) {
  for (size_t i = modules.count; i-- > 0;) {
    if (modules.known[i].begin < (uintptr_t)object->dlfo_map_end &&
        modules.known[i].end > (uintptr_t)object->dlfo_map_start) {
      drop(i);
    }
  }
}

static void note(uint64_t address, uint64_t time_ns) {
  struct dl_find_object object;
  if (!is_known(address) && modules.count < MODULES_MAX && find_object(address, &object)) {
    drop_overlapping(&object);
    write_module(&object, time_ns);
    insert(&object);
  }
}

void modules_note(const uint64_t *frames, size_t count, uint64_t time_ns) {
  for (size_t i = 0; i < count; i++) {
    note(frames[i], time_ns);
  }
}

void modules_sweep(void) {
  for (size_t i = modules.count; i-- > 0;) {
    struct dl_find_object object;
    if (!find_object(modules.known[i].begin, &object) || identity_of(&object) != modules.known[i].identity) {
      drop(i);
    }
  }
}

static int visit(struct dl_phdr_info *info, size_t size, void *context) {
  (void)size;
  (void)context;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    if (info->dlpi_phdr[i].p_type == PT_LOAD) {
      note(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr, 0); /* they were there before time 0 */
      break;
    }
  }
  return 0;
}

void modules_start(void) {
  modules.count = 0;
  dl_iterate_phdr(visit, NULL);
}

void modules_restart(void) {
  size_t kept = 0;
  for (size_t i = 0; i < modules.count; i++) {
    struct dl_find_object object;
    if (find_object(modules.known[i].begin, &object)) {
      write_module(&object, 0);
      modules.known[kept++] = modules.known[i];
    }
  }
  modules.count = kept;
}
