/* `actscope verify --torch`: the gradients of one's own PyTorch model, computed by the Python package in one's own
 * interpreter. */
#ifndef ACTSCOPE_CLI_VERIFY_TORCH_H
#define ACTSCOPE_CLI_VERIFY_TORCH_H

#include "cli/model_arguments.h"
#include "cli/widths.h"
#include "common/error.h"
#include "kernels/replay/verify.h"

#include <argp.h>

/* --torch, and what only goes with it. */
struct verify_torch {
  const char *target;             /* SCRIPT.py:FUNCTION; NULL: not given */
  const char *python;             /* a path, or a name to look for on PATH; NULL: python3 */
  const char *functions, *weight; /* NULL: the package's own choice */
};
/* The options as an argp child parser; a usage error if others of them are given than --torch alone. */
extern const struct argp verify_torch_argp;

/* SCRIPT.py of the target; NULL, with the reason, if it is not SCRIPT.py:FUNCTION. The caller frees it. */
char *verify_torch_script(const char *target, struct error *err);

/* ERROR_USAGE if there are options of built-in models, of which a PyTorch model has --steps and --seed only. */
int verify_torch_refuse(const struct model_arguments *settings, const struct training_arguments *training,
                        struct error *err);

/* Of the training's options only steps and seed count. 0: *document is "actscope.verify/1", NUL at its end, for free().
 * Positive: an exit status, and why has been told on standard error already. Negative: an error. */
int verify_torch_run(const struct verify_torch *torch, const struct widths *widths,
                     const struct training_arguments *training, const struct verify_limits *limits, char **document,
                     struct error *err);

#endif
