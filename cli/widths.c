/* Lists of bits. */
#include "cli/widths.h"

#include "cli/choice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_METHOD = 0x300 };

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

static const char *const methods[] = {[QUANTIZER_VALUE] = "value", [QUANTIZER_INTERVAL] = "interval"};
CHOICE_NAMES(method_at, methods)
const struct choice choice_method = {"method", method_at};

static error_t parse(int key, char *text, struct argp_state *state) {
  struct widths *widths = state->input;
  switch (key) {
  case 'b':
    parse_bits(widths, text, state);
    return 0;
  case KEY_METHOD:
    widths->method = (enum quantizer_method)choice_parse(&choice_method, "--method", text, state);
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

#define BITS_OPTION                                                                                                    \
  { "bits", 'b', "LIST", 0, "Bits for each element, 1 to 8, separated by commas", 0 }

/* Behind the help of --bits, what the command takes without it. */
static char *help(int key, const char *text, void *input) {
  const struct widths *widths = input;
  char list[2 * (1 + QUANTIZER_BITS_MAX)] = "", *made = NULL;
  if (key != 'b' || !widths || !widths->count) {
    return (char *)text;
  }
  for (size_t i = 0; i < widths->count; i++) {
    snprintf(list + strlen(list), sizeof list - strlen(list), "%s%u", i ? "," : "", widths->bits[i]);
  }
  return asprintf(&made, "%s (default %s)", text, list) < 0 ? (char *)text : made;
}

static const struct argp_option bits_options[] = {BITS_OPTION, {0}};
static const struct argp_option options[] = {
    BITS_OPTION,
    {"method", KEY_METHOD, "METHOD", 0,
     "Quantizers: value, any map from x to 2^B levels (default), or interval, as in the paper", 0},
    {0}};

const struct argp widths_argp = {.options = options, .parser = parse, .help_filter = help};
const struct argp widths_bits_argp = {.options = bits_options, .parser = parse, .help_filter = help};
