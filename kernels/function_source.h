/* Functions of a user's own: from a table of their derivative, or from a shared library. */
#ifndef ACTSCOPE_KERNELS_FUNCTION_SOURCE_H
#define ACTSCOPE_KERNELS_FUNCTION_SOURCE_H

#include "kernels/function.h"

struct function_source;

/* FUNCTION_USER from a file of rows x,f'(x), x ascending: straight lines between the rows, constant beyond them, f(0) = 0.
 * With steps, FUNCTION_STEPWISE: each f' holds from its x up to the next, the first one also below its x.
 * name NULL: the file's. */
int function_source_table(struct function_source **source, const char *path, bool steps, const char *name,
                          struct error *err);

/* FUNCTION_USER from "./f.so:name": `double name(double x)` is f, `double name_derivative(double x)` is f'. Both must be
 * pure. This runs the library's code. */
int function_source_library(struct function_source **source, const char *spec, struct error *err);

/* Lives as long as the source. */
const struct function *function_source_function(const struct function_source *source);
void function_source_close(struct function_source *source); /* NULL is fine */

#endif
