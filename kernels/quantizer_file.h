/* Quantizers in files: actscope's JSON (schema "actscope.quantizer/1") and NumPy's .npz with the keys of the paper's
 * library: NAMEbb-borders (2^bb + 1 doubles, of which the outer two only say how far the fit went) and NAMEbb-levels.
 * docs/quantizers.md describes both. */
#ifndef ACTSCOPE_KERNELS_QUANTIZER_FILE_H
#define ACTSCOPE_KERNELS_QUANTIZER_FILE_H

#include "kernels/quantizer.h"

#include <stddef.h>

/* Encoders into memory that the caller frees; JSON ends with a newline. Several make a JSON array. An .npz holds
 * `interval` quantizers alone: ERROR_USAGE for others. There an x that equals a border belongs to the stretch below it;
 * borders are written and read so that every float32 x gets the same level on both sides. */
int quantizer_encode_json(const struct quantizer *quantizers, size_t count, char **bytes, size_t *size,
                          struct error *err);
int quantizer_encode_npz(const struct quantizer *quantizers, size_t count, char **bytes, size_t *size,
                         struct error *err);

/* Reads what the bytes hold; name is for messages. For .npz, function and bits choose the table. From JSON, function
 * NULL is the one that it names, built in or not, bits 0 whatever it has; ERROR_INPUT if function and JSON name different
 * ones that are built in, or function is a mere name (function_init_named) and not the JSON's. A built-in function's
 * parameters are the JSON's. error and the like are as the JSON says, NaN if it does not; an .npz says nothing of them
 * (quantizer_measure does). */
int quantizer_decode_json(struct quantizer *quantizer, const struct function *function, unsigned bits,
                          const char *bytes, size_t size, const char *name, struct error *err);
int quantizer_decode_npz(struct quantizer *quantizer, const struct function *function, unsigned bits, const char *bytes,
                         size_t size, const char *name, struct error *err);

/* By the file's content: a zip or JSON. */
int quantizer_load(struct quantizer *quantizer, const struct function *function, unsigned bits, const char *path,
                   struct error *err);

#endif
