/* Names for addresses of a recorded process: functions, source lines with inlined calls expanded, data objects.
 *
 * Modules are opened on first use and only as far as needed, so libraries of half a gigabyte cost what is looked up.
 * Debug information comes from the file itself, or from a separate file as gdb finds it; nothing is downloaded. Where
 * the file on disk is not the one that was recorded, addresses are named "libx.so+0x12ab" and symbols_problem says why.
 *
 * Every string handed out is interned: equal strings are equal pointers within one `struct symbols`, and live until
 * symbols_close. Not for several threads at once. */
#ifndef ACTSCOPE_ANALYZERS_SYMBOLS_H
#define ACTSCOPE_ANALYZERS_SYMBOLS_H

#include "trace/trace_reader.h"

#include <stddef.h>
#include <stdint.h>

struct symbols;

struct symbol_frame {
  const char
      *function;    /* demangled; "0x7f..." outside any module, "libx.so+0x12ab" where the module has no name for it */
  const char *file; /* "" unknown */
  const char *module; /* base name of the ELF file, or "": of a code, too */
  unsigned line;      /* 0 unknown */
};

/* `modules`, as trace_reader_modules gives them, are borrowed and must outlive *out. Opens no file yet. 0, or
 * ERROR_MEMORY. The caller ends *out with symbols_close. */
int symbols_open(struct symbols **out, const struct trace_module *modules, size_t count);
void symbols_close(struct symbols *symbols); /* NULL allowed */

/* Frames that are lines of codes (TRACE_FRAME_CODE) go by these from now on, as trace_reader_codes gives them; borrowed, as
 * the modules are. */
void symbols_set_codes(struct symbols *symbols, const struct trace_code *codes, size_t count);

/* The frames that one frame of a stack, a return address as a rule, stands for at that time: the inlined calls first, innermost first, then the
 * function itself. Writes at most max frames (the innermost ones) and returns how many: at least 1, unless max is 0. */
size_t symbols_resolve(struct symbols *symbols, uint64_t return_address, uint64_t time_ns, struct symbol_frame *frames,
                       size_t max);

/* The function whose call returns to `return_address` (that covers the byte before it), from the symbol table alone:
 * demangled, without its parameter list; "" if none covers it. Cached; reads no debug information. */
const char *symbols_name(struct symbols *symbols, uint64_t return_address, uint64_t time_ns);

/* The data object that covers `address` itself: "vtable for torch::autograd::generated::GeluBackward0", or "". */
const char *symbols_object_name(struct symbols *symbols, uint64_t address, uint64_t time_ns);

/* Why functions of this module, one of those that were looked up so far, have no names: "has changed since the run was
 * recorded", to be said of the file. "" if nothing is wrong, or nothing in it was looked up yet. Static. */
const char *symbols_problem(const struct symbols *symbols, const struct trace_module *module);

/* The text, interned: for modules that keep names beside these. "" if memory is short. */
const char *symbols_intern(struct symbols *symbols, const char *text);

/* For people: drops parameter lists, "(anonymous namespace)::" and template arguments longer than a few words ("<...>"),
 * at most n - 1 bytes, always terminated. The result is out. */
char *symbols_short_name(const char *demangled, char *out, size_t n);

#endif
