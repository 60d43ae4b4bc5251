/* The options --bits and --method, for commands that run quantizers: an argp child parser. */
#ifndef ACTSCOPE_CLI_WIDTHS_H
#define ACTSCOPE_CLI_WIDTHS_H

#include "kernels/quantizer.h"

#include <argp.h>
#include <stdbool.h>

struct widths {
  unsigned bits[1 + QUANTIZER_BITS_MAX]; /* in the order given, each once */
  size_t count;
  bool exact_too; /* 0, for exact, may be given */
  enum quantizer_method method;
};

/* Hand a struct widths with its defaults over as the child's input. widths_bits_argp: --bits alone. */
extern const struct argp widths_argp, widths_bits_argp;

#endif
