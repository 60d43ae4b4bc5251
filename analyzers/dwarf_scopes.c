#include "analyzers/dwarf_scopes.h"

#include <dwarf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CHAIN_MAX 64    /* inlined calls within one another */
#define NESTING_MAX 256 /* of blocks: damaged files must not exhaust the stack */

struct range {
  Dwarf_Addr begin, end;
  Dwarf_Off unit; /* offset of the compilation unit's DIE */
};

struct dwarf_scopes {
  Dwarf *dwarf;
  struct range *ranges; /* by begin */
  size_t count, capacity;
  bool indexed;
};

struct dwarf_scopes *dwarf_scopes_open(Dwarf *dwarf) {
  struct dwarf_scopes *scopes = calloc(1, sizeof *scopes);
  if (scopes) {
    scopes->dwarf = dwarf;
  }
  return scopes;
}

void dwarf_scopes_close(struct dwarf_scopes *scopes) {
  if (scopes) {
    free(scopes->ranges);
    free(scopes);
  }
}

static bool add_range(struct dwarf_scopes *scopes, struct range range) {
  if (scopes->count == scopes->capacity) {
    size_t capacity = scopes->capacity ? 2 * scopes->capacity : 64;
    struct range *grown = realloc(scopes->ranges, capacity * sizeof *grown);
    if (!grown) {
      return false;
    }
    scopes->ranges = grown;
    scopes->capacity = capacity;
  }
  scopes->ranges[scopes->count++] = range;
  return true;
}

static int by_begin(const void *a, const void *b) {
  const struct range *x = a, *y = b;
  return (x->begin > y->begin) - (x->begin < y->begin);
}

/* The index of units by address, for what .debug_aranges does not cover: clang writes none. */
static void index_units(struct dwarf_scopes *scopes) {
  scopes->indexed = true;
  Dwarf_Off offset = 0, next;
  size_t header;
  bool ok = true;
  while (ok && dwarf_nextcu(scopes->dwarf, offset, &next, &header, NULL, NULL, NULL) == 0) {
    Dwarf_Die unit;
    Dwarf_Addr base, begin, end;
    ptrdiff_t range = 0;
    bool found = dwarf_offdie(scopes->dwarf, offset + header, &unit) != NULL;
    while (ok && found && (range = dwarf_ranges(&unit, range, &base, &begin, &end)) > 0) {
      ok = begin >= end || add_range(scopes, (struct range){begin, end, dwarf_dieoffset(&unit)});
    }
    offset = next;
  }
  if (scopes->count > 0) {
    qsort(scopes->ranges, scopes->count, sizeof *scopes->ranges, by_begin);
  }
}

static bool find_unit(struct dwarf_scopes *scopes, uint64_t address, Dwarf_Die *unit) {
  if (dwarf_addrdie(scopes->dwarf, address, unit)) {
    return true;
  }
  if (!scopes->indexed) {
    index_units(scopes);
  }
  size_t low = 0, high = scopes->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (scopes->ranges[middle].begin <= address) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low > 0 && address < scopes->ranges[low - 1].end &&
         dwarf_offdie(scopes->dwarf, scopes->ranges[low - 1].unit, unit);
}

/* With -gsplit-dwarf the scopes are in another unit, of the .dwo file; the lines stay in this one. */
static Dwarf_Die scopes_unit(const Dwarf_Die *unit) {
  Dwarf_Die split;
  uint8_t type;
  if (dwarf_cu_info(unit->cu, NULL, &type, NULL, &split, NULL, NULL, NULL) == 0 && type == DW_UT_skeleton &&
      split.addr) {
    return split;
  }
  return *unit;
}

static const char *symbol_of(Dwarf_Die *die) {
  static const unsigned names[] = {DW_AT_linkage_name, DW_AT_MIPS_linkage_name};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    Dwarf_Attribute attribute;
    if (dwarf_attr_integrate(die, names[i], &attribute)) {
      return dwarf_formstring(&attribute);
    }
  }
  return dwarf_diename(die);
}

static unsigned attribute_number(Dwarf_Die *die, unsigned name) {
  Dwarf_Attribute attribute;
  Dwarf_Word value;
  return dwarf_attr(die, name, &attribute) && dwarf_formudata(&attribute, &value) == 0 ? (unsigned)value : 0;
}

static void line_of_address(Dwarf_Die *unit, uint64_t address, struct dwarf_frame *frame) {
  Dwarf_Line *line = dwarf_getsrc_die(unit, address);
  int number;
  if (line && dwarf_lineno(line, &number) == 0) {
    const char *file = dwarf_linesrc(line, NULL, NULL);
    frame->file = file ? file : "";
    frame->line = number > 0 ? (unsigned)number : 0;
  }
}

/* Where the caller called what was inlined here. */
static void line_of_call(Dwarf_Die *unit, Dwarf_Die *inlined, struct dwarf_frame *frame) {
  Dwarf_Files *files;
  size_t count;
  unsigned index = attribute_number(inlined, DW_AT_call_file);
  if (dwarf_getsrcfiles(unit, &files, &count) == 0 && index < count) {
    const char *file = dwarf_filesrc(files, index, NULL, NULL);
    frame->file = file ? file : "";
  }
  frame->line = attribute_number(inlined, DW_AT_call_line);
}

/* The chain of functions around an address, outermost first: a subprogram, then what was inlined into it, and so on.
 * (dwarf_getscopes does as much, but stops at the origin of an inlined body, and leaks where DWARF is damaged.) */
struct chain {
  Dwarf_Die functions[CHAIN_MAX];
  size_t count;
};

/* The next DIE of the same level. Damaged sibling references must not lead back: that would be for ever. */
static bool next_sibling(Dwarf_Die *die) {
  Dwarf_Off offset = dwarf_dieoffset(die);
  Dwarf_Die next;
  if (dwarf_siblingof(die, &next) != 0 || dwarf_dieoffset(&next) <= offset) {
    return false;
  }
  *die = next;
  return true;
}

/* Goes down from `die` to the innermost function that covers address; true if there was any. */
static bool descend(Dwarf_Die *die, uint64_t address, struct chain *chain, int depth) {
  Dwarf_Die child;
  if (depth == NESTING_MAX || dwarf_child(die, &child) != 0) {
    return false;
  }
  do {
    int tag = dwarf_tag(&child);
    bool function = tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine;
    if (tag == DW_TAG_namespace || tag == DW_TAG_module) {
      if (descend(&child, address, chain, depth + 1)) {
        return true;
      }
    } else if ((function || tag == DW_TAG_lexical_block) && dwarf_haspc(&child, address) > 0) {
      if (function && chain->count < CHAIN_MAX) {
        chain->functions[chain->count++] = child;
      }
      return descend(&child, address, chain, depth + 1) || function;
    }
  } while (next_sibling(&child));
  return false;
}

/* frames[0] has the line of the address already; every other's line is where it called the one before. */
static size_t name_frames(Dwarf_Die *unit, struct chain *chain, struct dwarf_frame *frames, size_t max) {
  size_t used = 0;
  for (size_t i = chain->count; i > 0 && used < max; i--) {
    Dwarf_Die *function = &chain->functions[i - 1];
    frames[used++].symbol = symbol_of(function);
    if (dwarf_tag(function) == DW_TAG_subprogram) {
      break;
    }
    if (used < max) {
      frames[used] = (struct dwarf_frame){.file = ""};
      line_of_call(unit, function, &frames[used]);
    }
  }
  return used;
}

size_t dwarf_scopes_frames(struct dwarf_scopes *scopes, uint64_t address, struct dwarf_frame *frames, size_t max) {
  Dwarf_Die unit;
  if (max == 0 || !find_unit(scopes, address, &unit)) {
    return 0;
  }
  frames[0] = (struct dwarf_frame){.file = ""};
  line_of_address(&unit, address, &frames[0]);
  struct chain chain = {.count = 0};
  Dwarf_Die inner = scopes_unit(&unit);
  descend(&inner, address, &chain, 0);
  size_t used = name_frames(&inner, &chain, frames, max);
  return used > 0 ? used : frames[0].line > 0;
}
