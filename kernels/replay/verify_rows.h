/* The rows of a check: added one by one, then judged. Private to verify. */
#ifndef ACTSCOPE_KERNELS_REPLAY_VERIFY_ROWS_H
#define ACTSCOPE_KERNELS_REPLAY_VERIFY_ROWS_H

#include "kernels/replay/verify.h"

/* Room for so many; ERROR_MEMORY. */
int verify_rows_init(struct verify_rows *rows, size_t capacity, struct error *err);
void verify_rows_add(struct verify_rows *rows, const char *name, const struct gradient_figures *gradient);
/* Once all are there. */
void verify_rows_finish(struct verify_rows *rows, const struct gradient_figures *whole);

/* Sets passed of every width, and of the whole. */
void verify_judge(struct verify_result *result, const struct verify_limits *limits);

#endif
