/* The quantizers that a model's activations need, by function: one number of bits and one method for all. Each is made
 * when first asked for (a stored table, or a fit of some milliseconds) and lives as long as the set.
 *
 *     struct fewbit_set *set;
 *     if (fewbit_set_new(&set, 3, FEWBIT_VALUE, NULL, &err) == 0) {
 *       tape.fewbit = fewbit_set_choice(set);
 *
 * One set, one thread. It must live longer than the tapes that were given it. */
#ifndef ACTSCOPE_KERNELS_LAYERS_FEWBIT_SET_H
#define ACTSCOPE_KERNELS_LAYERS_FEWBIT_SET_H

#include "kernels/layers/tape.h"

struct fewbit_set;

/* functions: "gelu,silu"; NULL: all there are. bits 0: no codes at all, for the exact side of a comparison. ERROR_USAGE
 * for bits, a method or a function that there is none of. */
int fewbit_set_new(struct fewbit_set **set, unsigned bits, enum fewbit_method method, const char *functions,
                   struct error *err);
void fewbit_set_free(struct fewbit_set *set); /* NULL is allowed */

/* For tape.fewbit. */
struct fewbit_choice fewbit_set_choice(struct fewbit_set *set);

/* NULL: exact, because the list lacks it, or because its quantizer cannot be made; then fewbit_set_status says why. */
const struct fewbit_quantizer *fewbit_set_find(struct fewbit_set *set, const char *function);
/* 0, or what went wrong first. */
int fewbit_set_status(const struct fewbit_set *set, struct error *err);

#endif
