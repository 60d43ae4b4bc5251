/* Lists of bits. */
#include "cli/widths.h"

#include <string.h>

enum { KEY_BITS = 0x300, KEY_METHOD };

static void add(struct widths *widths, unsigned bits) {
  for (size_t i = 0; i < widths->count; i++) {
    if (widths->bits[i] == bits) {
      return;
    }
  }
  widths->bits[widths->count++] = bits;
}

static void parse_bits(struct widths *widths, const char *text, struct argp_state *state) {
  const char least = widths->exact_too ? '0' : '1';
  const char *at = text;
  widths->count = 0;
  do {
    if (at[0] < least || at[0] > '0' + QUANTIZER_BITS_MAX || (at[1] && at[1] != ',')) {
      argp_error(state, "--bits: '%s' is not a list of numbers from %c to %d such as 1,2,3,4", text, least,
                 QUANTIZER_BITS_MAX);
      return;
    }
    add(widths, (unsigned)(at[0] - '0'));
    at += at[1] ? 2 : 1;
  } while (*at || at[-1] == ',');
}

static void parse_method(struct widths *widths, const char *text, struct argp_state *state) {
  if (strcmp(text, "value") == 0) {
    widths->method = QUANTIZER_VALUE;
  } else if (strcmp(text, "interval") == 0) {
    widths->method = QUANTIZER_INTERVAL;
  } else {
    argp_error(state, "unknown method '%s'; the methods are: value, interval", text);
  }
}

static error_t parse(int key, char *text, struct argp_state *state) {
  switch (key) {
  case KEY_BITS:
    parse_bits(state->input, text, state);
    return 0;
  case KEY_METHOD:
    parse_method(state->input, text, state);
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_option options[] = {
    {"bits", KEY_BITS, "LIST", 0, "Bits for each element, 1 to 8, separated by commas", 0},
    {"method", KEY_METHOD, "METHOD", 0,
     "Quantizers: value, any map from x to 2^B levels (default), or interval, as in the paper", 0},
    {0}};

const struct argp widths_argp = {.options = options, .parser = parse};
