/* actscope quantize: the best few-bit levels for a function's derivative. */
#include "cli/choice.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/plot.h"
#include "cli/progress.h"
#include "cli/subject.h"
#include "cli/widths.h"

#include "kernels/function_source.h"
#include "kernels/quantizer_file.h"
#include "reports/quantizer_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { KEY_WEIGHT = 0x100, KEY_TABLE, KEY_LIBRARY, KEY_COMPARE, KEY_PLOT, KEY_PARAM };

struct param {
  const char *name;
  double value;
};

struct arguments {
  struct subject function;
  const char *weight, *table, *library, *compare, *plot;
  struct widths widths;
  struct param params[FUNCTION_PARAMS + 2];
  size_t params_count;
  struct output output;
};

/* ---- options --------------------------------------------------------------------------------------------------- */

/* The options that are parameters of functions, from KEY_PARAM on. */
static const char *const param_names[] = {"alpha",          "beta",   "threshold", "value",
                                          "negative-slope", "lambda", "min",       "max"};

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

static void check_outputs(const struct arguments *arguments, struct argp_state *state) {
  plot_check_name(arguments->plot, state);
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
  } else if (arguments->widths.method != QUANTIZER_INTERVAL) {
    argp_error(state, "an .npz holds one level an interval: add --method interval, or save as .json");
  }
}

static void check(const struct arguments *arguments, struct argp_state *state) {
  const char *function = arguments->function.name;
  if (arguments->table && arguments->library) {
    argp_error(state, "--table and --library both give the function; use one");
  } else if (!function && !arguments->table && !arguments->library) {
    argp_error(state, "no FUNCTION given, e.g. gelu");
  } else if (arguments->library && function) {
    argp_error(state, "too many arguments: '%s'; --library names the function", function);
  } else if ((arguments->plot || arguments->compare) && arguments->widths.count > 1) {
    argp_error(state, "--plot and --compare take one number of --bits");
  }
  check_outputs(arguments, state);
}

static error_t parse(int key, char *text, struct argp_state *state) {
  struct arguments *arguments = state->input;
  switch (key) {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = &arguments->widths;
    state->child_inputs[1] = &arguments->output;
    state->child_inputs[2] = &arguments->function;
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
static const struct argp_child children[] = {
    {&widths_argp, 0, NULL, 0}, {&output_argp, 0, NULL, 0}, {&subject_argp, 0, NULL, 0}, {0}};
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
  const char *name = arguments->function.name;
  bool steps = name && strcmp(name, "stepwise") == 0;
  int code = 0;
  *source = NULL;
  if (arguments->table) {
    code = function_source_table(source, arguments->table, steps, name, err);
  } else if (arguments->library) {
    code = function_source_library(source, arguments->library, err);
  } else if (steps) {
    code = error_set(err, ERROR_USAGE, "stepwise: its steps are not known; give them with --table FILE");
  } else {
    code = choice_function_find(function, name, err);
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
  int code = quantizer_encode_npz(quantizers, arguments->widths.count, &bytes, &size, err);
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
  code = output_open(&sink, &arguments->output, NULL, err);
  if (code < 0) {
    return code;
  }
  if (npz) {
    code = emit_npz(&sink, arguments, quantizers, err);
  } else if (json) {
    code = quantizer_json_emit(&sink, quantizers, arguments->widths.count, rival, err);
  }
  for (size_t i = 0; !npz && !json && i < arguments->widths.count; i++) {
    quantizer_text_emit(&sink, &quantizers[i], rival);
  }
  if (code < 0) {
    sink_discard(&sink);
    return code;
  }
  return sink_close(&sink, err);
}

static int plot(const char *path, const struct quantizer *quantizer, const struct function *function,
                const struct weight *weight, struct error *err) {
  struct sink sink;
  const int code = sink_open_memory(&sink, err);
  if (code < 0) {
    return code;
  }
  quantizer_plot_emit(&sink, quantizer, function, weight);
  return plot_draw(path, &sink, err);
}

static int quantize(const struct arguments *arguments, const struct function *function, const struct weight *weight,
                    struct error *err) {
  const struct widths *widths = &arguments->widths;
  struct quantizer *quantizers = calloc(widths->count, sizeof *quantizers);
  struct quantizer_rival rival;
  int code = 0;
  if (!quantizers) {
    return error_set(err, ERROR_MEMORY, "out of memory");
  }
  struct progress progress;
  progress_begin(&progress, "fitting");
  for (size_t i = 0; code == 0 && i < widths->count; i++) {
    progress_update(&progress, (double)i / (double)widths->count);
    code = quantizer_get(&quantizers[i], function, widths->bits[i], widths->method, weight, err);
  }
  progress_end(&progress);
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

/* None of the files that are read is written over, and all that is to be written can be, before the work begins. */
static int prepare_output(const struct arguments *arguments, struct error *err) {
  static const char histogram[] = "histogram:";
  const size_t prefix = sizeof histogram - 1;
  const char *weight = arguments->weight;
  const char *colon = arguments->library ? strrchr(arguments->library, ':') : NULL;
  char *library = colon ? strndup(arguments->library, (size_t)(colon - arguments->library)) : NULL;
  const char *const inputs[] = {arguments->table, library, arguments->compare,
                                weight && strncmp(weight, histogram, prefix) == 0 ? weight + prefix : NULL};
  const int code = output_prepare(&arguments->output, arguments->plot, inputs, sizeof inputs / sizeof *inputs, err);
  free(library);
  return code;
}

static int run(int argc, char **argv) {
  struct arguments arguments = {.function = {.one = "one FUNCTION is quantized"}, .widths = {.bits = {3}, .count = 1}};
  struct function_source *source = NULL;
  struct function function;
  struct weight weight = weight_default;
  struct error err;
  int code;
  argp_parse(&argp, argc, argv, 0, NULL, &arguments);
  code = prepare_output(&arguments, &err);
  if (code == 0) {
    code = open_function(&arguments, &function, &source, &err);
  }
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

const struct command command_quantize = {"quantize", "the best few-bit levels for a function's derivative", run, &argp};
