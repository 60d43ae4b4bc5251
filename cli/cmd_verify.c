/* actscope verify: is the few-bit gradient near enough to the exact one? */
#include "cli/choice.h"
#include "cli/command.h"
#include "cli/load.h"
#include "cli/model_arguments.h"
#include "cli/output.h"
#include "cli/plot.h"
#include "cli/progress.h"
#include "cli/replay_list.h"
#include "cli/subject.h"
#include "cli/tensors.h"
#include "cli/training.h"
#include "cli/verify_torch.h"
#include "cli/widths.h"

#include "reports/verify_view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_TENSORS = 0x100, KEY_FUNCTION, KEY_MIN_COSINE, KEY_MAX_ERROR, KEY_PLOT, KEY_TRAIN, KEY_SEEDS, KEY_ALL };
enum { ROWS_MAX = 12, SEEDS_DEFAULT = 3, TRAIN_STEPS_DEFAULT = 300 };

struct arguments {
  struct subject subject; /* RUN or MODEL */
  const char *x, *dy, *function;
  struct verify_torch torch;
  const char *plot;
  struct verify_limits limits;
  bool train, all, limited; /* limited: limits were given */
  size_t seeds;             /* 0: not given */
  struct model_arguments settings;
  struct training_arguments training;
  struct widths widths;
  struct output output;
};

/* ---- options ----------------------------------------------------------------------------------------------------- */

static void parse_tensors(struct arguments *arguments, char *text, struct argp_state *state) {
  if (!tensors_split(text, &arguments->x, &arguments->dy)) {
    argp_error(state, "--tensors: '%s' is not X.npy,DY.npy (write \\, for a comma that is part of a name)", text);
  }
}

static double parse_number(const char *name, const char *text, double least, double most, struct argp_state *state) {
  char *end;
  const double value = strtod(text, &end);
  if (end == text || *end || !(value >= least && value <= most)) {
    argp_error(state, "--%s: '%s' is not a number from %g to %g", name, text, least, most);
  }
  return value;
}

static void parse_seeds(struct arguments *arguments, const char *text, struct argp_state *state) {
  const double seeds = parse_number("seeds", text, 1, VERIFY_SEEDS_MAX, state);
  if (seeds != floor(seeds)) {
    argp_error(state, "--seeds: '%s' is no whole number", text);
  }
  arguments->seeds = (size_t)seeds;
}

static void check(const struct arguments *arguments, struct argp_state *state) {
  const char *subject = arguments->subject.name, *torch = arguments->torch.target;
  if (!!arguments->x + !!torch + !!subject > 1) {
    argp_error(state, "too many arguments: one of --tensors, --torch, RUN and MODEL names what is checked");
  } else if (!arguments->x && !torch && !subject) {
    argp_error(state, "no RUN, MODEL, --tensors or --torch given; `actscope models' lists the models");
  } else if (!arguments->x != !arguments->function) {
    argp_error(state, "--tensors and --function go together, e.g. --tensors x.npy,dy.npy --function gelu");
  } else if (arguments->train && (!subject || !model_arguments_is_model(subject))) {
    argp_error(state, "--train is for a MODEL; `actscope models' lists them");
  } else if (arguments->seeds && !arguments->train) {
    argp_error(state, "--seeds goes with --train");
  } else if (arguments->train && (arguments->limited || arguments->all)) {
    argp_error(state, "--min-cosine, --max-relative-error and --all are of gradients: leave them out, or --train");
  } else if (arguments->train && arguments->plot) {
    argp_error(state, "--plot draws gradients: leave out --train");
  }
  plot_check_name(arguments->plot, state);
}

static error_t parse(int key, char *text, struct argp_state *state) {
  struct arguments *arguments = state->input;
  switch (key) {
  case ARGP_KEY_INIT:
    state->child_inputs[0] = &arguments->widths;
    state->child_inputs[1] = &arguments->settings;
    state->child_inputs[2] = &arguments->training;
    state->child_inputs[3] = &arguments->output;
    state->child_inputs[4] = &arguments->subject;
    state->child_inputs[5] = &arguments->torch;
    return 0;
  case KEY_TENSORS:
    parse_tensors(arguments, text, state);
    return 0;
  case KEY_FUNCTION:
    arguments->function = text;
    return 0;
  case KEY_MIN_COSINE:
    arguments->limited = true;
    arguments->limits.min_cosine = parse_number("min-cosine", text, -1, 1, state);
    return 0;
  case KEY_MAX_ERROR:
    arguments->limited = true;
    arguments->limits.max_relative_error = parse_number("max-relative-error", text, 0, HUGE_VAL, state);
    return 0;
  case KEY_PLOT:
    arguments->plot = text;
    return 0;
  case KEY_TRAIN:
    arguments->train = true;
    return 0;
  case KEY_SEEDS:
    parse_seeds(arguments, text, state);
    return 0;
  case KEY_ALL:
    arguments->all = true;
    return 0;
  case ARGP_KEY_END:
    check(arguments, state);
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static const struct argp_option options[] = {
    {"tensors", KEY_TENSORS, "X.npy,DY.npy", 0, "Check two arrays: inputs of a function, and gradients of its results",
     0},
    {"function", KEY_FUNCTION, "NAME", 0, "The function for --tensors, e.g. gelu", 0},
    {"min-cosine", KEY_MIN_COSINE, "X", 0, "Least cosine that passes (default 0.99)", 0},
    {"max-relative-error", KEY_MAX_ERROR, "X", 0, "Largest relative error that passes (default: any)", 0},
    {"all", KEY_ALL, NULL, 0, "Show every parameter or layer, in their order", 0},
    {"plot", KEY_PLOT, "FILE.svg", 0, "Draw them by width (.svg, .png; needs gnuplot)", 0},
    {"train", KEY_TRAIN, NULL, 0, "Compare how training ends, on real data and over several seeds, not gradients", 0},
    {"seeds", KEY_SEEDS, "N", 0, "Seeds for --train, from --seed on (default 3)", 0},
    {0}};
static const struct argp_child children[] = {{&widths_argp, 0, NULL, 0},
                                             {&model_argp, 0, NULL, 0},
                                             {&training_argp, 0, NULL, 0},
                                             {&output_argp, 0, NULL, 0},
                                             {&subject_argp, 0, NULL, 0},
                                             {&verify_torch_argp, 0, NULL, 0},
                                             {0}};
static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "RUN\nMODEL\n--tensors X.npy,DY.npy --function NAME\n--torch SCRIPT.py:FUNCTION",
    .children = children,
    .doc = "Compares few-bit gradients with exact ones, of every eligible activation of a recorded RUN, of every "
           "parameter of a built-in MODEL or of a PyTorch model, or of arrays, by default at 3 bits.\vA MODEL is "
           "looked at with its weights as "
           "drawn and, with --steps N, after N steps of exact training too. With --train it is trained exact and "
           "few-bit (by default at 1,2,3,4 bits, 300 steps) from the same seeds, and must not end worse than the exact "
           "runs' own spread.\n\nExit status: 0 passed, 1 fell short, 2 wrong usage, 3 bad input."};

/* ---- output ------------------------------------------------------------------------------------------------------ */

static int plot(const char *path, const struct verify_view *view, const struct verify_result *result,
                struct error *err) {
  struct sink sink;
  const int code = sink_open_memory(&sink, err);
  if (code < 0) {
    return code;
  }
  verify_plot_emit(&sink, view, result);
  return plot_draw(path, &sink, err);
}

static int emit(const struct arguments *arguments, const struct verify_view *view, const struct verify_result *result,
                struct error *err) {
  struct sink sink;
  int code = output_open(&sink, &arguments->output, view->subject == VERIFY_RUN ? view->name : NULL, err);
  if (code == 0) {
    (arguments->output.json ? verify_json_emit : verify_text_emit)(&sink, view, result);
    code = sink_close(&sink, err);
  }
  if (code == 0 && arguments->plot && result->widths_count == 0) {
    command_hint("nothing to draw: no %s", arguments->plot);
    return 0;
  }
  return code < 0 || !arguments->plot ? code : plot(arguments->plot, view, result, err);
}

/* The exit status, or an error code. */
static int finish(const struct arguments *arguments, const struct verify_view *view, struct verify_result *result,
                  int code, struct error *err) {
  const bool passed = result->passed;
  if (code == 0) {
    code = emit(arguments, view, result, err);
  }
  verify_result_fini(result);
  return code < 0 ? code : passed ? EXIT_DONE : EXIT_SHORT;
}

static struct verify_view view_of(const struct arguments *arguments, enum verify_subject subject, const char *name,
                                  const char *data) {
  return (struct verify_view){.subject = subject,
                              .name = name,
                              .data = data,
                              .method = arguments->widths.method,
                              .seed = arguments->training.seed,
                              .rows_max = arguments->all ? 0 : ROWS_MAX,
                              .limits = arguments->limits};
}

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

static int check_arrays(const struct arguments *arguments, struct error *err) {
  const struct verify_view view = view_of(arguments, VERIFY_ARRAYS, arguments->function, arguments->x);
  struct verify_result result = {0};
  struct npy x = {0}, dy = {0};
  const char *const inputs[] = {arguments->x, arguments->dy};
  struct function function;
  int code = model_arguments_refuse(&arguments->settings, &arguments->training, "--tensors", NULL, err);
  if (code == 0) {
    code = choice_function_find(&function, arguments->function, err);
  }
  if (code == 0) {
    code = output_prepare(&arguments->output, arguments->plot, inputs, 2, err);
  }
  if (code == 0) {
    code = npy_read(&x, arguments->x, err);
  }
  if (code == 0) {
    code = npy_read(&dy, arguments->dy, err);
  }
  if (code == 0) {
    const struct verify_arrays arrays = {.x = &x,
                                         .dy = &dy,
                                         .function = arguments->function,
                                         .bits = arguments->widths.bits,
                                         .bits_count = arguments->widths.count,
                                         .method = arguments->widths.method,
                                         .limits = arguments->limits};
    code = verify_arrays(&result, &arrays, err);
  }
  npy_fini(&x);
  npy_fini(&dy);
  return finish(arguments, &view, &result, code, err);
}

/* ---- a PyTorch model --------------------------------------------------------------------------------------------- */

/* The document as it came. */
static int emit_document(const struct arguments *arguments, const char *document, struct error *err) {
  struct sink sink;
  int code = output_open(&sink, &arguments->output, NULL, err);
  if (code == 0) {
    sink_write(&sink, document, strlen(document));
    code = sink_close(&sink, err);
  }
  return code;
}

static int show_torch(const struct arguments *arguments, const char *document, struct error *err) {
  const struct verify_view view = view_of(arguments, VERIFY_TORCH, arguments->torch.target, NULL);
  struct verify_result result;
  int code = verify_json_read(document, &result, err);
  if (code == 0 && arguments->output.json) {
    const bool passed = result.passed;
    code = emit_document(arguments, document, err);
    code = code == 0 && arguments->plot ? plot(arguments->plot, &view, &result, err) : code;
    verify_result_fini(&result);
    return code < 0 ? code : passed ? EXIT_DONE : EXIT_SHORT;
  }
  return finish(arguments, &view, &result, code, err);
}

static int check_torch(const struct arguments *arguments, struct error *err) {
  char *document = NULL, *script = verify_torch_script(arguments->torch.target, err);
  const char *const inputs[] = {script};
  int code = script ? 0 : ERROR_USAGE;
  if (code == 0) {
    code = verify_torch_refuse(&arguments->settings, &arguments->training, err);
  }
  if (code == 0) {
    code = output_prepare(&arguments->output, arguments->plot, inputs, 1, err);
  }
  if (code == 0) {
    code = verify_torch_run(&arguments->torch, &arguments->widths, &arguments->training, &arguments->limits, &document,
                            err);
  }
  if (code == 0) {
    code = show_torch(arguments, document, err);
  }
  free(document);
  free(script);
  return code;
}

/* ---- a run ------------------------------------------------------------------------------------------------------- */

static int check_facts(const struct arguments *arguments, const struct facts *facts, struct error *err) {
  const struct verify_view view = view_of(arguments, VERIFY_RUN, arguments->subject.name, "normal:0:1");
  struct replay_activation *list = NULL;
  struct verify_result result = {0};
  struct progress progress;
  struct replay_options replay = {.method = arguments->widths.method,
                                  .bits_count = arguments->widths.count,
                                  .seed = arguments->training.seed,
                                  .progress = progress_update,
                                  .context = &progress};
  size_t count = 0;
  memcpy(replay.bits, arguments->widths.bits, sizeof replay.bits);
  int code = replay_list(facts, &list, &count, err);
  result.passed = true;
  if (code == 0 && count) {
    progress_begin(&progress, "replaying");
    code = verify_run(&result, list, count, &replay, &arguments->limits, err);
    progress_end(&progress);
  }
  free(list);
  return finish(arguments, &view, &result, code, err);
}

static int check_recorded(const struct arguments *arguments, struct error *err) {
  const char *const run = arguments->subject.name;
  struct facts facts = {0};
  int code = model_arguments_refuse(&arguments->settings, &arguments->training, run, run, err);
  if (code == 0) {
    code = output_prepare(&arguments->output, arguments->plot, &run, 1, err);
  }
  if (code == 0) {
    code = load_facts(run, &facts, err);
  }
  if (code == 0) {
    code = check_facts(arguments, &facts, err);
  }
  facts_fini(&facts);
  return code;
}

/* ---- a model ----------------------------------------------------------------------------------------------------- */

static int check_gradients(const struct arguments *arguments, struct training *training, struct error *err) {
  const struct model_run_options *run = &training->options;
  struct verify_view view =
      view_of(arguments, VERIFY_MODEL, run->model.name, run->data ? data_kind_name(run->data->kind) : "random");
  const struct verify_model model = {
      .run = *run, .bits = arguments->widths.bits, .bits_count = arguments->widths.count, .limits = arguments->limits};
  struct verify_result result = {0};
  view.source = run->data ? run->data->source : NULL;
  training_begin(training, (run->steps ? run->steps : 1) * (1 + arguments->widths.count));
  const int code = verify_model(&result, &model, err);
  training_end(training);
  return finish(arguments, &view, &result, code, err);
}

static int emit_training(const struct arguments *arguments, const struct verify_train_options *train,
                         const struct verify_training *result, struct error *err) {
  struct sink sink;
  int code = output_open(&sink, &arguments->output, NULL, err);
  if (code == 0) {
    (arguments->output.json ? verify_training_json_emit : verify_training_text_emit)(&sink, train, result);
    code = sink_close(&sink, err);
  }
  return code;
}

static int check_training(const struct arguments *arguments, struct training *training, struct error *err) {
  struct verify_train_options train = {
      .run = training->options, .bits_count = arguments->widths.count, .seeds = arguments->seeds, .test_batches = 0};
  struct verify_training result;
  memcpy(train.bits, arguments->widths.bits, sizeof train.bits);
  training_begin(training, train.run.steps * arguments->seeds * (1 + arguments->widths.count));
  int code = verify_train(&result, &train, err);
  training_end(training);
  if (code == 0) {
    code = emit_training(arguments, &train, &result, err);
  }
  return code < 0 ? code : result.passed ? EXIT_DONE : EXIT_SHORT;
}

/* Gradients of real data, where there is some: those of random answers all but cancel, and what is left of them says
 * little of training. */
static int open_data(const struct arguments *arguments, struct model_options *model, struct data **data,
                     struct error *err) {
  const bool asked = arguments->train || arguments->training.data || arguments->training.data_file;
  int code = training_arguments_data(&arguments->training, "real", model, data, err);
  if (code == ERROR_IO && !asked) {
    command_hint("%s; random batches instead", err->message);
    return 0;
  }
  return code;
}

static int check_model(const struct arguments *arguments, struct error *err) {
  struct training training;
  struct model_options *model = &training.options.model;
  training_init(&training, &arguments->settings, &arguments->training, arguments->widths.method);
  int code = model_arguments_find(&arguments->settings, arguments->subject.name, model, err);
  if (code == 0) {
    code = open_data(arguments, model, &training.data, err);
    training.options.data = training.data;
  }
  if (code == 0) {
    code = training_prepare_output(&training, arguments->subject.name, &arguments->output, arguments->plot, err);
  }
  if (code == 0 && arguments->train && !training.data) {
    code =
        error_set(err, ERROR_USAGE, "--train: nothing can be learnt from random batches; give --data text or digits");
  }
  if (code == 0) {
    code = (arguments->train ? check_training : check_gradients)(arguments, &training, err);
  }
  training_fini(&training);
  return code;
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static const size_t unset = SIZE_MAX;

static void set_defaults(struct arguments *arguments) {
  arguments->seeds = arguments->seeds ? arguments->seeds : SEEDS_DEFAULT;
  if (arguments->widths.count == 0) {
    static const unsigned every[] = {1, 2, 3, 4};
    arguments->widths.count = arguments->train ? 4 : 1;
    memcpy(arguments->widths.bits, arguments->train ? every : &every[2], arguments->widths.count * sizeof *every);
  }
  if (arguments->training.steps == unset) {
    arguments->training.steps = arguments->train ? TRAIN_STEPS_DEFAULT : 0;
  }
}

static int run(int argc, char **argv) {
  struct arguments arguments = {.subject = {.one = "one RUN or MODEL is checked"},
                                .limits = {.min_cosine = 0.99, .max_relative_error = HUGE_VAL},
                                .training = {.steps = unset, .seed = 1},
                                .settings.optimizer = optimizer_defaults(OPTIMIZER_ADAMW)};
  struct error err;
  argp_parse(&argp, argc, argv, 0, NULL, &arguments);
  set_defaults(&arguments);
  const int code = arguments.x                                        ? check_arrays(&arguments, &err)
                   : arguments.torch.target                           ? check_torch(&arguments, &err)
                   : model_arguments_is_model(arguments.subject.name) ? check_model(&arguments, &err)
                                                                      : check_recorded(&arguments, &err);
  model_arguments_fini(&arguments.settings);
  return code < 0 ? command_fail(code, &err) : code;
}

const struct command command_verify = {"verify", "gradient error against thresholds; exit 1 below them", run, &argp};
