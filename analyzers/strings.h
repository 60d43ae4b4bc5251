/* Interned strings: equal texts are one pointer, and all go at once. Facts hold hundreds of thousands of frames that
 * repeat a few thousand names. One thread at a time. */
#ifndef ACTSCOPE_ANALYZERS_STRINGS_H
#define ACTSCOPE_ANALYZERS_STRINGS_H

#include <stddef.h>

struct strings; /* opaque */

struct strings *strings_open(void);          /* NULL: no memory */
void strings_close(struct strings *strings); /* NULL allowed */

/* The text's one copy, which nobody may change or free; NULL: no memory. NULL text counts as "". */
char *strings_intern(struct strings *strings, const char *text);
char *strings_intern_bytes(struct strings *strings, const char *bytes, size_t size);

#endif
