/* Source lines of an address from DWARF, with the calls that the compiler inlined there. */
#ifndef ACTSCOPE_ANALYZERS_DWARF_SCOPES_H
#define ACTSCOPE_ANALYZERS_DWARF_SCOPES_H

#include <elfutils/libdw.h>
#include <stddef.h>
#include <stdint.h>

struct dwarf_scopes;

struct dwarf_frame {
  const char *symbol; /* mangled, or the plain name where there is no other; NULL unknown. Lives as long as the Dwarf */
  const char *file;   /* "" unknown; as above */
  unsigned line;      /* 0 unknown */
};

/* `dwarf` is borrowed. NULL: no memory. */
struct dwarf_scopes *dwarf_scopes_open(Dwarf *dwarf);
void dwarf_scopes_close(struct dwarf_scopes *scopes); /* NULL allowed */

/* Frames at address (of the file), innermost first; at most max. 0 if no compilation unit with lines covers it. */
size_t dwarf_scopes_frames(struct dwarf_scopes *scopes, uint64_t address, struct dwarf_frame *frames, size_t max);

#endif
