/* NumPy's .npy: one array of floating-point numbers, of any shape. */
#ifndef ACTSCOPE_KERNELS_REPLAY_NPY_H
#define ACTSCOPE_KERNELS_REPLAY_NPY_H

#include "common/error.h"
#include "kernels/run.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NPY_DIMS = 8 };

struct npy {
  void *data;         /* little-endian elements of `type`, as many as count */
  enum run_type type; /* f4 and f2 as they are; f8 is rounded to float32 */
  bool rounded;       /* it was f8 */
  bool fortran;       /* first index fastest */
  size_t shape[NPY_DIMS];
  unsigned dims; /* 0: a single number */
  size_t count;
};

/* ERROR_IO: missing, or not to be read; ERROR_INPUT: not .npy, damaged, of a type that is none of these, or with an
 * element that is not finite or beyond float32's range; ERROR_MEMORY. The caller ends *npy with npy_fini, whatever the
 * result. */
int npy_read(struct npy *npy, const char *path, struct error *err);
void npy_fini(struct npy *npy); /* zeroed is fine */

/* The same shape and order of elements? */
bool npy_same_shape(const struct npy *a, const struct npy *b);

#endif
