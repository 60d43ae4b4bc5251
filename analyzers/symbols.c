#include "analyzers/symbols.h"

#include "analyzers/demangle.h"
#include "analyzers/dwarf_scopes.h"
#include "analyzers/elf_image.h"
#include "analyzers/strings.h"
#include "common/error.h"

#include <inttypes.h>
#include <search.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INLINE_DEPTH 64
#define RECENT_SLOTS 8192 /* a power of two */

struct file {                        /* shared by all mappings of one path and build-id */
  const struct trace_module *module; /* the first one: path and build-id */
  const char *base;
  struct elf_image *image; /* NULL: no such file, or another one by now */
  const char *problem;     /* why its functions have no names, "" if they do; static */
  struct dwarf_scopes *scopes;
  bool sought_scopes;
};

struct mapping {
  const struct trace_module *module;
  uint64_t reach;    /* the largest end of this and all mappings before it */
  struct file *file; /* NULL until first asked for */
};

struct resolved { /* a node of the tree of answers */
  const struct file *file;
  uint64_t address;
  size_t count;
  struct symbol_frame frames[];
};

struct recent { /* direct-mapped by address */
  uint64_t address;
  const struct trace_module *module;
  const char *name;
};

struct symbols {
  struct mapping *mappings; /* by begin, then from_ns */
  size_t count;
  const struct trace_code *codes; /* by id */
  size_t codes_count;
  void *files, *answers; /* search trees */
  struct strings *strings;
  struct recent recent[RECENT_SLOTS];
};

static int by_begin(const void *a, const void *b) {
  const struct trace_module *x = ((const struct mapping *)a)->module, *y = ((const struct mapping *)b)->module;
  if (x->begin != y->begin) {
    return x->begin < y->begin ? -1 : 1;
  }
  return (x->from_ns > y->from_ns) - (x->from_ns < y->from_ns);
}

int symbols_open(struct symbols **out, const struct trace_module *modules, size_t count) {
  struct symbols *symbols = calloc(1, sizeof *symbols);
  struct mapping *mappings = calloc(count + 1, sizeof *mappings);
  struct strings *strings = strings_open();
  if (!symbols || !mappings || !strings) {
    free(symbols);
    free(mappings);
    strings_close(strings);
    return ERROR_MEMORY;
  }
  for (size_t i = 0; i < count; i++) {
    mappings[i].module = &modules[i];
  }
  qsort(mappings, count, sizeof *mappings, by_begin);
  uint64_t reach = 0;
  for (size_t i = 0; i < count; i++) {
    reach = mappings[i].module->end > reach ? mappings[i].module->end : reach;
    mappings[i].reach = reach;
  }
  symbols->strings = strings;
  symbols->mappings = mappings;
  symbols->count = count;
  *out = symbols;
  return 0;
}

static void free_file(void *node) {
  struct file *file = node;
  dwarf_scopes_close(file->scopes);
  elf_image_close(file->image);
  free(file);
}

void symbols_close(struct symbols *symbols) {
  if (!symbols) {
    return;
  }
  tdestroy(symbols->files, free_file);
  tdestroy(symbols->answers, free);
  strings_close(symbols->strings);
  free(symbols->mappings);
  free(symbols);
}

void symbols_set_codes(struct symbols *symbols, const struct trace_code *codes, size_t count) {
  symbols->codes = codes;
  symbols->codes_count = count;
}

const char *symbols_intern(struct symbols *symbols, const char *text) {
  const char *interned = strings_intern(symbols->strings, text);
  return interned ? interned : "";
}

char *symbols_short_name(const char *demangled, char *out, size_t n) {
  demangle_name(demangled, DEMANGLE_SHORT, out, n);
  return out;
}

/* 0 inside the time it was mapped, else how far outside. A module is recorded a little after its constructors began to
 * allocate, and a thread may still return into one that is about to go: the nearest one is meant. */
static uint64_t time_distance(const struct trace_module *module, uint64_t time_ns) {
  if (time_ns < module->from_ns) {
    return module->from_ns - time_ns;
  }
  return time_ns < module->to_ns ? 0 : time_ns - module->to_ns + 1;
}

static struct mapping *find_mapping(struct symbols *symbols, uint64_t address, uint64_t time_ns) {
  size_t low = 0, high = symbols->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (symbols->mappings[middle].module->begin <= address) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  struct mapping *best = NULL;
  for (size_t i = low; i > 0 && symbols->mappings[i - 1].reach > address; i--) {
    struct mapping *mapping = &symbols->mappings[i - 1];
    if (address < mapping->module->end &&
        (!best || time_distance(mapping->module, time_ns) < time_distance(best->module, time_ns))) {
      best = mapping;
    }
  }
  return best;
}

static int compare_files(const void *a, const void *b) {
  const struct trace_module *x = ((const struct file *)a)->module, *y = ((const struct file *)b)->module;
  int order = strcmp(x->path, y->path);
  if (order == 0) {
    order = (x->build_id_size > y->build_id_size) - (x->build_id_size < y->build_id_size);
  }
  if (order == 0 && x->build_id && y->build_id) {
    order = memcmp(x->build_id, y->build_id, x->build_id_size);
  }
  return order;
}

static void open_image(struct file *file) {
  static const char *const problems[] = {
      [ELF_IMAGE_OK] = "",
      [ELF_IMAGE_MISSING] = "is not there any more",
      [ELF_IMAGE_FOREIGN] = "is no ELF file any more",
      [ELF_IMAGE_CHANGED] = "has changed since the run was recorded",
      [ELF_IMAGE_NO_MEMORY] = "could not be read for want of memory",
  };
  const struct trace_module *module = file->module;
  file->problem = "";
  if (strchr(module->path, '/')) { /* not the vdso and the like */
    file->problem = problems[elf_image_open(&file->image, module->path, module->build_id, module->build_id_size)];
  }
}

static struct file *file_of(struct symbols *symbols, struct mapping *mapping) {
  if (mapping->file) {
    return mapping->file;
  }
  struct file key = {.module = mapping->module};
  void *found = tfind(&key, &symbols->files, compare_files);
  struct file *file = found ? *(struct file **)found : calloc(1, sizeof *file);
  if (file && !found) {
    const char *slash = strrchr(mapping->module->path, '/');
    file->module = mapping->module;
    file->base = slash ? slash + 1 : mapping->module->path;
    if (!tsearch(file, &symbols->files, compare_files)) {
      free(file);
      return NULL;
    }
    open_image(file);
  }
  mapping->file = file;
  return file;
}

/* The demangled name, interned: of a function without its signature. */
static const char *readable(struct symbols *symbols, const char *raw, bool function) {
  char *full = demangle(raw);
  char *name = full ? malloc(strlen(full) + 1) : NULL;
  const char *result = "";
  if (name) {
    if (function) {
      demangle_name(full, DEMANGLE_NAME, name, strlen(full) + 1);
    }
    result = symbols_intern(symbols, function ? name : full);
  }
  free(name);
  free(full);
  return result;
}

static const char *name_in_file(struct symbols *symbols, struct file *file, uint64_t address, bool function) {
  if (!file || !file->image) {
    return "";
  }
  struct elf_symbol *symbol =
      function ? elf_image_function(file->image, address) : elf_image_object(file->image, address);
  if (symbol && !symbol->name) {
    symbol->name = readable(symbols, symbol->raw, function);
  }
  return symbol ? symbol->name : "";
}

/* "" and "" where the trace does not tell. */
static struct trace_code code_of(const struct symbols *symbols, uint64_t frame) {
  uint64_t id = (frame & ~TRACE_FRAME_CODE) >> TRACE_FRAME_LINE_BITS;
  return id < symbols->codes_count ? symbols->codes[id] : (struct trace_code){"", ""};
}

/* Of C++ functions that were named with their signature, without it: as those of modules are. */
static const char *code_name(struct symbols *symbols, const char *name) {
  char *shorter = strstr(name, "::") && strchr(name, '(') ? malloc(strlen(name) + 1) : NULL;
  const char *result = symbols_intern(
      symbols, shorter ? (demangle_name(name, DEMANGLE_NAME, shorter, strlen(name) + 1), shorter) : name);
  free(shorter);
  return result;
}

static struct symbol_frame code_frame(struct symbols *symbols, uint64_t frame) {
  struct trace_code code = code_of(symbols, frame);
  return (struct symbol_frame){
      .function = *code.name ? code_name(symbols, code.name) : "?",
      .file = symbols_intern(symbols, code.file),
      .module = "",
      .line = (unsigned)(frame & TRACE_FRAME_LINE_MAX),
  };
}

const char *symbols_name(struct symbols *symbols, uint64_t return_address, uint64_t time_ns) {
  if (return_address & TRACE_FRAME_CODE) {
    return code_name(symbols, code_of(symbols, return_address).name);
  }
  uint64_t address = return_address - 1;
  struct recent *recent = &symbols->recent[(address ^ (address >> 13)) & (RECENT_SLOTS - 1)];
  if (recent->module && recent->address == address && time_distance(recent->module, time_ns) == 0) {
    return recent->name;
  }
  struct mapping *mapping = find_mapping(symbols, address, time_ns);
  if (!mapping) {
    return "";
  }
  const char *name = name_in_file(symbols, file_of(symbols, mapping), address - mapping->module->bias, true);
  *recent = (struct recent){address, mapping->module, name};
  return name;
}

const char *symbols_object_name(struct symbols *symbols, uint64_t address, uint64_t time_ns) {
  struct mapping *mapping = find_mapping(symbols, address, time_ns);
  if (!mapping) {
    return "";
  }
  return name_in_file(symbols, file_of(symbols, mapping), address - mapping->module->bias, false);
}

static int compare_answers(const void *a, const void *b) {
  const struct resolved *x = a, *y = b;
  if (x->file != y->file) {
    return (uintptr_t)x->file < (uintptr_t)y->file ? -1 : 1;
  }
  return (x->address > y->address) - (x->address < y->address);
}

static const char *fallback_name(struct symbols *symbols, const char *base, uint64_t address) {
  char text[320];
  snprintf(text, sizeof text, *base ? "%.280s+0x%" PRIx64 : "%s0x%" PRIx64, base, address);
  return symbols_intern(symbols, text);
}

static size_t dwarf_frames(struct file *file, uint64_t address, struct dwarf_frame *frames) {
  if (!file->sought_scopes) {
    file->sought_scopes = true;
    Dwarf *dwarf = file->image ? elf_image_dwarf(file->image) : NULL;
    file->scopes = dwarf ? dwarf_scopes_open(dwarf) : NULL;
  }
  return file->scopes ? dwarf_scopes_frames(file->scopes, address, frames, INLINE_DEPTH) : 0;
}

/* `address` is the one returned to, in the file. */
static struct resolved *resolve(struct symbols *symbols, struct file *file, uint64_t address) {
  struct dwarf_frame lines[INLINE_DEPTH];
  size_t count = dwarf_frames(file, address - 1, lines);
  if (count == 0) {
    lines[count++] = (struct dwarf_frame){.file = ""};
  }
  struct resolved *answer = calloc(1, sizeof *answer + count * sizeof *answer->frames);
  if (!answer) {
    return NULL;
  }
  *answer = (struct resolved){.file = file, .address = address, .count = count};
  for (size_t i = 0; i < count; i++) {
    const char *name = lines[i].symbol ? readable(symbols, lines[i].symbol, true) : "";
    if (!*name && i + 1 == count) {
      name = name_in_file(symbols, file, address - 1, true);
    }
    answer->frames[i].function = *name ? name : fallback_name(symbols, file->base, address);
    answer->frames[i].file = symbols_intern(symbols, lines[i].file);
    answer->frames[i].module = symbols_intern(symbols, file->base);
    answer->frames[i].line = lines[i].line;
  }
  return answer;
}

static const struct resolved *cached_resolve(struct symbols *symbols, struct file *file, uint64_t address) {
  struct resolved key = {.file = file, .address = address};
  void *found = tfind(&key, &symbols->answers, compare_answers);
  if (found) {
    return *(struct resolved **)found;
  }
  struct resolved *answer = resolve(symbols, file, address);
  if (answer && !tsearch(answer, &symbols->answers, compare_answers)) {
    free(answer);
    return NULL;
  }
  return answer;
}

size_t symbols_resolve(struct symbols *symbols, uint64_t return_address, uint64_t time_ns, struct symbol_frame *frames,
                       size_t max) {
  if (max == 0) {
    return 0;
  }
  if (return_address & TRACE_FRAME_CODE) {
    frames[0] = code_frame(symbols, return_address);
    return 1;
  }
  struct mapping *mapping = find_mapping(symbols, return_address - 1, time_ns);
  struct file *file = mapping ? file_of(symbols, mapping) : NULL;
  const struct resolved *answer =
      file && *file->base ? cached_resolve(symbols, file, return_address - mapping->module->bias) : NULL;
  if (!answer) {
    frames[0] = (struct symbol_frame){fallback_name(symbols, "", return_address), "", "", 0};
    return 1;
  }
  size_t count = answer->count < max ? answer->count : max;
  memcpy(frames, answer->frames, count * sizeof *frames);
  return count;
}

const char *symbols_problem(const struct symbols *symbols, const struct trace_module *module) {
  struct file key = {.module = module};
  void *found = tfind(&key, &symbols->files, compare_files);
  return found ? (*(struct file **)found)->problem : "";
}
