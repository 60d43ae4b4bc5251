/* actscope quantize: the best few-bit levels for a function's derivative. */
#include "cli/command.h"
#include "cli/output.h"

#include "kernels/function_source.h"
#include "kernels/quantizer_file.h"
#include "reports/gnuplot.h"
#include "reports/quantizer_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { KEY_METHOD = 0x100, KEY_WEIGHT, KEY_TABLE, KEY_LIBRARY, KEY_COMPARE, KEY_PLOT, KEY_PARAM, BITS_DEFAULT = 3 };

struct param {
  const char *name;
  double value;
};

struct arguments {
  const char *function, *weight, *table, *library, *compare, *plot;
  unsigned bits[QUANTIZER_BITS_MAX];
  size_t bits_count;
  enum quantizer_method method;
  struct param params[FUNCTION_PARAMS + 2];
  size_t params_count;
  struct output output;
};

/* ---- options --------------------------------------------------------------------------------------------------- */

/* The options that are parameters of functions, from KEY_PARAM on. */
static const char *const param_names[] = {"alpha",          "beta",   "threshold", "value",
                                          "negative-slope", "lambda", "min",       "max"};

static void parse_bits(struct arguments *arguments, const char *text, struct argp_state *state) {
  const char *at = text;
  arguments->bits_count = 0;
  do {
    bool again = false;
    if (at[0] < '1' || at[0] > '0' + QUANTIZER_BITS_MAX || (at[1] && at[1] != ',')) {
      argp_error(state, "--bits: '%s' is no number from 1 to %d, nor a list of them such as 2,3,4", text,
                 QUANTIZER_BITS_MAX);
      return;
    }
    for (size_t i = 0; i < arguments->bits_count; i++) {
      again = again || arguments->bits[i] == (unsigned)(at[0] - '0');
    }
    if (!again) {
      arguments->bits[arguments->bits_count++] = (unsigned)(at[0] - '0');
    }
    at += at[1] ? 2 : 1;
  } while (*at || at[-1] == ',');
}

static void parse_method(struct arguments *arguments, const char *text, struct argp_state *state) {
  if (strcmp(text, "value") == 0) {
    arguments->method = QUANTIZER_VALUE;
  } else if (strcmp(text, "interval") == 0) {
    arguments->method = QUANTIZER_INTERVAL;
  } else {
    argp_error(state, "unknown method '%s'; the methods are: value, interval", text);
  }
}

static void parse_param(struct arguments *arguments, const char *name, const char *text, struct argp_state *state) {
  char *end;
  double value = strtod(text, &end);
  if (end == text || *end) {
    argp_error(state, "--%s: '%s' is not a number", name, text);
  } else if (arguments->params_count == sizeof arguments->params / sizeof *arguments->params) {
    argp_error(state, "no function has so many parameters");
  } else {
    arguments->params[arguments->params_count++] =
        (struct param){strcmp(name, "negative-slope") == 0 ? "negative_slope" : name, value};
  }
}

/* In capitals or not. */
static bool ends_with(const char *path, const char *ending) {
  size_t length = path ? strlen(path) : 0, size = strlen(ending);
  return length > size && strcasecmp(path + length - size, ending) == 0;
}

static bool is_picture(const char *path) {
  static const char *const endings[] = {".svg", ".png", ".pdf", ".jpg", ".jpeg", ".eps", ".ps", ".gif"};
  bool picture = false;
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    picture = picture || ends_with(path, endings[i]);
  }
  return picture;
}

/* Does the option's FILE name one that will be written? It would be lost, or half read. */
static void check_kept(const struct arguments *arguments, const char *option, const char *file,
                       struct argp_state *state) {
  const char *const outputs[] = {arguments->output.path, arguments->plot};
  for (size_t i = 0; file && i < 2; i++) {
    if (outputs[i] && output_is_same(outputs[i], file)) {
      argp_error(state, "%s is what %s reads, and would be lost; give another name", outputs[i], option);
    }
  }
}

/* As check_kept, for the FILE of a --library FILE:NAME. */
static void check_library_kept(const struct arguments *arguments, struct argp_state *state) {
  const char *colon = arguments->library ? strrchr(arguments->library, ':') : NULL;
  char *file = colon ? strndup(arguments->library, (size_t)(colon - arguments->library)) : NULL;
  check_kept(arguments, "--library", file, state);
  free(file);
}

static void check_files(const struct arguments *arguments, struct argp_state *state) {
  static const char histogram[] = "histogram:";
  const size_t prefix = sizeof histogram - 1;
  const char *weight = arguments->weight;
  check_kept(arguments, "--table", arguments->table, state);
  check_library_kept(arguments, state);
  check_kept(arguments, "--compare", arguments->compare, state);
  check_kept(arguments, "--weight", weight && strncmp(weight, histogram, prefix) == 0 ? weight + prefix : NULL, state);
  if (arguments->plot && !ends_with(arguments->plot, ".svg") && !ends_with(arguments->plot, ".png")) {
    argp_error(state, "--plot: '%s' is no name ending in .svg or .png", arguments->plot);
  }
  if (arguments->plot && arguments->output.path && strcmp(arguments->plot, arguments->output.path) == 0) {
    argp_error(state, "-o and --plot name the same file");
  }
  if (is_picture(arguments->output.path)) {
    argp_error(state, "-o writes text, .json or .npz, no pictures such as '%s'; use --plot for those",
               arguments->output.path);
  }
  if (!ends_with(arguments->output.path, ".npz")) {
    return;
  }
  if (arguments->output.json || arguments->compare) {
    argp_error(state, "%s does not go into an .npz; leave out -o, or give it a .json",
               arguments->compare ? "--compare" : "--json");
  } else if (arguments->method != QUANTIZER_INTERVAL) {
    argp_error(state, "an .npz holds one level an interval: add --method interval, or save as .json");
  }
}

static void check(const struct arguments *arguments, struct argp_state *state) {
  if (arguments->table && arguments->library) {
    argp_error(state, "--table and --library both give the function; use one");
  } else if (!arguments->function && !arguments->table && !arguments->library) {
    argp_error(state, "no FUNCTION given, e.g. gelu");
  } else if (arguments->library && arguments->function) {
    argp_error(state, "too many arguments: '%s'; --library names the function", arguments->function);
  } else if ((arguments->plot || arguments->compare) && arguments->bits_count > 1) {
    argp_error(state, "--plot and --compare take one number of --bits");
  }
  check_files(arguments, state);
}

static error_t parse(int key, char *text, struct argp_state *state) {
  struct arguments *arguments = state->input;
  switch (key) {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = &arguments->output;
    return 0;
  case 'b':
    parse_bits(arguments, text, state);
    return 0;
  case KEY_METHOD:
    parse_method(arguments, text, state);
    return 0;
  case KEY_WEIGHT:
    arguments->weight = text;
    return 0;
  case KEY_TABLE:
    arguments->table = text;
    return 0;
  case KEY_LIBRARY:
    arguments->library = text;
    return 0;
  case KEY_COMPARE:
    arguments->compare = text;
    return 0;
  case KEY_PLOT:
    arguments->plot = text;
    return 0;
  case ARGP_KEY_ARG:
    if (arguments->function) {
      argp_error(state, "too many arguments: '%s'; one FUNCTION is quantized", text);
    }
    arguments->function = text;
    return 0;
  case ARGP_KEY_END:
    check(arguments, state);
    return 0;
  default:
    if (key >= KEY_PARAM && key < KEY_PARAM + (int)(sizeof param_names / sizeof *param_names)) {
      parse_param(arguments, param_names[key - KEY_PARAM], text, state);
      return 0;
    }
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_option options[] = {
    {"bits", 'b', "B", 0, "Bits for each element, 1 to 8 (default 3); a list such as 2,3,4 fits each", 0},
    {"method", KEY_METHOD, "METHOD", 0,
     "value: any map from x to 2^B levels (default); interval: 2^B intervals on x, as in the paper", 0},
    {"weight", KEY_WEIGHT, "W", 0,
     "How much each x counts: normal:MEAN:STD (default normal:0:1.5), uniform:A:B, "
     "histogram:FILE",
     0},
    {"table", KEY_TABLE, "FILE", 0,
     "A function of your own, from rows x,f'(x); FUNCTION is its name, if given. "
     "With FUNCTION stepwise each f' holds up to the next x",
     0},
    {"library", KEY_LIBRARY, "FILE:NAME", 0,
     "A function of your own, from a shared library with "
     "double NAME(double) and double NAME_derivative(double)",
     0},
    {"compare", KEY_COMPARE, "FILE", 0,
     "Show the error of the table in FILE (.npz, .json; FUNCTION's, of B bits) beside this one's", 0},
    {"plot", KEY_PLOT, "FILE.svg", 0, "Draw f', its approximation and the difference (.svg, .png; needs gnuplot)", 0},
    {NULL, 0, NULL, 0, "Parameters of functions, as PyTorch has them:", 3},
    {"alpha", KEY_PARAM, "X", 0, "elu, celu", 3},
    {"beta", KEY_PARAM + 1, "X", 0, "softplus", 3},
    {"threshold", KEY_PARAM + 2, "X", 0, "softplus, threshold", 3},
    {"value", KEY_PARAM + 3, "X", 0, "threshold", 3},
    {"negative-slope", KEY_PARAM + 4, "X", 0, "leaky_relu", 3},
    {"lambda", KEY_PARAM + 5, "X", 0, "hardshrink, softshrink", 3},
    {"min", KEY_PARAM + 6, "X", 0, "hardtanh", 3},
    {"max", KEY_PARAM + 7, "X", 0, "hardtanh", 3},
    {0}};
static const struct argp_child children[] = {{&output_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "FUNCTION\n--table FILE [NAME]\n--library FILE:NAME",
    .children = children,
    .doc =
        "Finds the levels that stand best for the derivative of FUNCTION (gelu, silu, ...) with B bits an element, and "
        "proves how near to the optimum they are.\vWith -o FILE.json or FILE.npz the quantizer is saved for programs; "
        "an .npz has the keys of the paper's library and holds `interval' tables.\n\n"
        "Exit status: 0 done, 2 wrong usage, 3 bad input, or output that cannot be written."};

/* ---- work ------------------------------------------------------------------------------------------------------ */

static int open_function(const struct arguments *arguments, struct function *function, struct function_source **source,
                         struct error *err) {
  bool steps = arguments->function && strcmp(arguments->function, "stepwise") == 0;
  int code = 0;
  *source = NULL;
  if (arguments->table) {
    code = function_source_table(source, arguments->table, steps, arguments->function, err);
  } else if (arguments->library) {
    code = function_source_library(source, arguments->library, err);
  } else if (steps) {
    code = error_set(err, ERROR_USAGE, "stepwise: its steps are not known; give them with --table FILE");
  } else {
    code = function_find(function, arguments->function, err);
  }
  if (code == 0 && *source) {
    *function = *function_source_function(*source);
  }
  for (size_t i = 0; code == 0 && i < arguments->params_count; i++) {
    code = function_set(function, arguments->params[i].name, arguments->params[i].value, err);
  }
  return code;
}

static int compare(const struct arguments *arguments, const struct quantizer *quantizer,
                   const struct function *function, const struct weight *weight, struct quantizer_rival *rival,
                   struct error *err) {
  struct quantizer *other = malloc(sizeof *other);
  int code;
  rival->name = arguments->compare;
  if (!other) {
    return error_set(err, ERROR_MEMORY, "out of memory");
  }
  code = quantizer_load(other, function, quantizer->bits, arguments->compare, err);
  if (code == 0) {
    rival->other_params = false;
    for (size_t i = 0; i < FUNCTION_PARAMS; i++) {
      rival->other_params |= other->params[i] != function->params[i];
    }
    memcpy(rival->params, other->params, sizeof rival->params);
    code = quantizer_measure(other, function, weight, &rival->error, &rival->cosine, err);
  }
  if (code == 0) {
    code = quantizer_measure(quantizer, function, weight, &rival->own_error, &rival->own_cosine, err);
  }
  free(other);
  return code;
}

static int emit_npz(struct sink *sink, const struct arguments *arguments, const struct quantizer *quantizers,
                    struct error *err) {
  char *bytes = NULL;
  size_t size = 0;
  int code = quantizer_encode_npz(quantizers, arguments->bits_count, &bytes, &size, err);
  if (code == 0) {
    sink_write(sink, bytes, size);
  }
  free(bytes);
  return code;
}

static int emit(const struct arguments *arguments, const struct quantizer *quantizers,
                const struct quantizer_rival *rival, struct error *err) {
  bool npz = ends_with(arguments->output.path, ".npz");
  bool json = arguments->output.json || ends_with(arguments->output.path, ".json");
  struct sink sink;
  int code;
  code = sink_open(&sink, arguments->output.path, arguments->output.color, err);
  if (code < 0) {
    return code;
  }
  if (npz) {
    code = emit_npz(&sink, arguments, quantizers, err);
  } else if (json) {
    code = quantizer_json_emit(&sink, quantizers, arguments->bits_count, rival, err);
  }
  for (size_t i = 0; !npz && !json && i < arguments->bits_count; i++) {
    quantizer_text_emit(&sink, &quantizers[i], rival);
  }
  if (code < 0) {
    sink_discard(&sink);
    return code;
  }
  return sink_close(&sink, err);
}

/* Without gnuplot there is a notice and no plot. */
static int plot(const char *path, const struct quantizer *quantizer, const struct function *function,
                const struct weight *weight, struct error *err) {
  struct sink sink;
  int missing = 0, code = sink_open_memory(&sink, err);
  if (code < 0) {
    return code;
  }
  quantizer_plot_emit(&sink, quantizer, function, weight);
  code = sink_close(&sink, err);
  if (code == 0) {
    code = gnuplot_draw(path, sink.memory, sink.memory_size, &missing, err);
  }
  free(sink.memory);
  if (missing) {
    command_fail(code, err);
    return 0;
  }
  return code;
}

static int quantize(const struct arguments *arguments, const struct function *function, const struct weight *weight,
                    struct error *err) {
  struct quantizer *quantizers = calloc(arguments->bits_count, sizeof *quantizers);
  struct quantizer_rival rival;
  int code = 0;
  if (!quantizers) {
    return error_set(err, ERROR_MEMORY, "out of memory");
  }
  for (size_t i = 0; code == 0 && i < arguments->bits_count; i++) {
    code = quantizer_get(&quantizers[i], function, arguments->bits[i], arguments->method, weight, err);
  }
  if (code == 0 && arguments->compare) {
    code = compare(arguments, quantizers, function, weight, &rival, err);
  }
  if (code == 0) {
    code = emit(arguments, quantizers, arguments->compare ? &rival : NULL, err);
  }
  if (code == 0 && arguments->plot) {
    code = plot(arguments->plot, quantizers, function, weight, err);
  }
  free(quantizers);
  return code;
}

static int run(int argc, char **argv) {
  struct arguments arguments = {.bits = {BITS_DEFAULT}, .bits_count = 1};
  struct function_source *source = NULL;
  struct function function;
  struct weight weight = weight_default;
  struct error err;
  int code;
  argp_parse(&argp, argc, argv, 0, NULL, &arguments);
  code = open_function(&arguments, &function, &source, &err);
  if (code == 0 && arguments.weight) {
    code = weight_parse(&weight, arguments.weight, &err);
  }
  if (code == 0) {
    code = quantize(&arguments, &function, &weight, &err);
  }
  weight_fini(&weight);
  function_source_close(source);
  return code < 0 ? command_fail(code, &err) : EXIT_DONE;
}

const struct command command_quantize = {"quantize", "the best few-bit levels for a function's derivative", run};
