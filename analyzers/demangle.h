/* Readable names from mangled ones: the demangler is the C++ library's; the shortening is ours. */
#ifndef ACTSCOPE_ANALYZERS_DEMANGLE_H
#define ACTSCOPE_ANALYZERS_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>

/* The symbol for people: demangled where it is C++, else the same text. malloc'ed, the caller's; NULL = no memory. */
char *demangle(const char *symbol);

/* The name of a function from its demangled signature: no return type, no parameter lists, no qualifiers, no
 * "[clone .cold]" or ".part.0". Where that cannot be told for sure the whole signature stays. Short drops, besides,
 * "(anonymous namespace)::" and template arguments of more than a few words. Writes at most n - 1 bytes and ends them. */
enum demangle_form { DEMANGLE_NAME, DEMANGLE_SHORT };
void demangle_name(const char *signature, enum demangle_form form, char *out, size_t n);

#endif
