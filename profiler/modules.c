/* The loader's list of modules, followed without hooking dlopen's end: see the header.
 *
 * dlopen must not be wrapped with a call: it looks up its caller's RUNPATH by its return address. So the end of it is not
 * seen; instead each event looks whether the last module known has got a successor in the loader's list. */
#include "profiler/modules.h"

#include "profiler/tables.h"

#include <elf.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MODULES_MAX = 8192 };

struct known {
  uint64_t begin, bias;
  bool seen;
};

static struct {
  struct run_file *file;
  struct link_map *last;
  size_t count;
  struct known known[MODULES_MAX];
} modules;

void modules_init(struct run_file *file) {
  modules.file = file;
  modules.last = NULL;
  modules.count = 0;
}

bool modules_stale(void) {
  struct link_map *last = __atomic_load_n(&modules.last, __ATOMIC_RELAXED);
  return last && __atomic_load_n(&last->l_next, __ATOMIC_RELAXED) != NULL;
}

void modules_unloading(void) {
  __atomic_store_n(&modules.last, NULL, __ATOMIC_RELAXED);
}

static size_t find_build_id(const struct dl_phdr_info *info, const uint8_t **id) {
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
    if (segment->p_type != PT_NOTE) {
      continue;
    }
    const uint8_t *note = (const uint8_t *)(info->dlpi_addr + segment->p_vaddr); // NOLINT(performance-no-int-to-ptr)
    const uint8_t *end = note + segment->p_memsz;
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
  }
  return 0;
}

static uint32_t write_path(const struct dl_phdr_info *info) {
  char path[PATH_MAX];
  if (info->dlpi_name && info->dlpi_name[0] == '/') {
    return tables_add_string(info->dlpi_name, strlen(info->dlpi_name));
  }
  if (!info->dlpi_name || !info->dlpi_name[0]) {
    ssize_t size = readlink("/proc/self/exe", path, sizeof path);
    return size > 0 ? tables_add_string(path, (size_t)size) : 0;
  }
  return realpath(info->dlpi_name, path) ? tables_add_string(path, strlen(path)) : 0;
}

static void write_module(const struct dl_phdr_info *info, uint64_t begin, uint64_t end, uint64_t time_ns) {
  const uint8_t *id = NULL;
  size_t id_size = find_build_id(info, &id);
  struct trace_module_record record = {
      .time_ns = time_ns,
      .begin = begin,
      .size = end - begin,
      .bias = info->dlpi_addr,
      .path = write_path(info),
      .build_id = id_size ? tables_add_string(id, id_size) : 0,
  };
  tables_add_module(&record);
}

static bool extent(const struct dl_phdr_info *info, uint64_t *begin, uint64_t *end) {
  *begin = UINT64_MAX;
  *end = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
    if (segment->p_type == PT_LOAD && segment->p_memsz) {
      uint64_t from = info->dlpi_addr + (segment->p_vaddr & ~(ElfW(Addr))4095);
      uint64_t to = info->dlpi_addr + segment->p_vaddr + segment->p_memsz;
      *begin = from < *begin ? from : *begin;
      *end = to > *end ? to : *end;
    }
  }
  return *begin < *end;
}

struct walk {
  uint64_t time_ns;
  struct link_map *last;
};

static int visit(struct dl_phdr_info *info, size_t size, void *context) {
  (void)size;
  struct walk *walk = context;
  if (!walk->last) {
    /* Here the loader's lock is held, so that the list stands still. What is appended later makes the map stale again. */
    walk->last = _r_debug.r_map;
    while (walk->last && walk->last->l_next) {
      walk->last = walk->last->l_next;
    }
  }
  uint64_t begin, end;
  if (!extent(info, &begin, &end)) {
    return 0;
  }
  for (size_t i = 0; i < modules.count; i++) {
    if (modules.known[i].begin == begin && modules.known[i].bias == info->dlpi_addr) {
      modules.known[i].seen = true;
      return 0;
    }
  }
  if (modules.count < MODULES_MAX) {
    write_module(info, begin, end, walk->time_ns);
    modules.known[modules.count++] = (struct known){.begin = begin, .bias = info->dlpi_addr, .seen = true};
  }
  return 0;
}

static bool remove_gone(void) {
  size_t kept = 0;
  for (size_t i = 0; i < modules.count; i++) {
    if (modules.known[i].seen) {
      modules.known[kept++] = modules.known[i];
    } else {
      tables_remove_module(modules.known[i].begin);
    }
  }
  bool gone = kept < modules.count;
  modules.count = kept;
  return gone;
}

bool modules_refresh(void) {
  /* The first ones were there before time 0. */
  struct walk walk = {.time_ns = modules.count ? run_file_now(modules.file) : 0};
  for (size_t i = 0; i < modules.count; i++) {
    modules.known[i].seen = false;
  }
  dl_iterate_phdr(visit, &walk);
  __atomic_store_n(&modules.last, walk.last, __ATOMIC_RELAXED);
  return remove_gone();
}
