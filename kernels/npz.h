/* NumPy's .npz: a zip of one-dimensional .npy arrays. Reads stored and deflated members, writes stored ones. */
#ifndef ACTSCOPE_KERNELS_NPZ_H
#define ACTSCOPE_KERNELS_NPZ_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Does it begin as a zip does? */
bool npz_recognise(const char *bytes, size_t size);

/* The array of that name (without ".npy") as doubles, which the caller frees; f4, f8, and integers up to 64 bits are
 * converted. ERROR_INPUT if there is none, or the file is damaged; name is for messages. */
int npz_read(const char *bytes, size_t size, const char *array, double **values, size_t *count, const char *name,
             struct error *err);

struct npz_member;
struct npz_writer {
  char *bytes; /* the caller's once npz_writer_finish has returned 0 */
  size_t size, capacity;
  struct npz_member *members;
  size_t count;
  bool failed;
};

/* Zeroed to begin with. npz_writer_add copies; npz_writer_finish ends the file, or frees all and says why not. */
void npz_writer_add(struct npz_writer *writer, const char *array, const double *values, size_t count);
int npz_writer_finish(struct npz_writer *writer, struct error *err);

#endif
