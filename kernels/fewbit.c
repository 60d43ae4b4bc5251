/* The public face of the kernels: checks what callers give, and remembers what a quantizer needs to run. */
#include "actscope/fewbit.h"

#include "kernels/code.h"
#include "kernels/dispatch.h"
#include "kernels/function_steps.h"
#include "kernels/quantizer_file.h"
#include "kernels/run.h"
#include "kernels/stochastic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#ifndef FEWBIT_VERSION
#define FEWBIT_VERSION "0"
#endif

struct fewbit_quantizer {
  struct codec codec;
  struct quantizer quantizer;
  struct stochastic stochastic;
  struct run_function function;
  struct function_user user;    /* what function.function.user points to, if to anything */
  struct function_steps *steps; /* user's context, if f is a table's integral; else NULL */
  const struct kernels *kernels;
  bool is_stochastic;
};

_Static_assert(sizeof(fewbit_error) == sizeof(struct error), "one error serves as the other");
_Static_assert((int)FEWBIT_ERROR_USAGE == ERROR_USAGE && (int)FEWBIT_ERROR_INPUT == ERROR_INPUT &&
                   (int)FEWBIT_ERROR_IO == ERROR_IO && (int)FEWBIT_ERROR_MEMORY == ERROR_MEMORY,
               "statuses are the errors' codes");
_Static_assert((int)FEWBIT_VALUE == QUANTIZER_VALUE && (int)FEWBIT_INTERVAL == QUANTIZER_INTERVAL, "methods");
_Static_assert((int)FEWBIT_FLOAT32 == RUN_FLOAT32 && (int)FEWBIT_BFLOAT16 == RUN_BFLOAT16 &&
                   (int)FEWBIT_FLOAT16 == RUN_FLOAT16,
               "types");

const char *fewbit_version(void) {
  return FEWBIT_VERSION;
}

const char *fewbit_status_message(int status) {
  static const char *const messages[] = {
      [FEWBIT_OK] = "done",
      [-FEWBIT_ERROR_ARGUMENT] =
          "an array or a quantizer is NULL, there is no such type, or an array of that length is too large",
      [-FEWBIT_ERROR_USAGE] = "no such function, parameter, weight or number of bits",
      [-FEWBIT_ERROR_INPUT] = "the file or the table is damaged or foreign, or the derivative is not finite",
      [-FEWBIT_ERROR_IO] = "the file cannot be read",
      [-FEWBIT_ERROR_MEMORY] = "out of memory",
      [-FEWBIT_ERROR_ALIGNMENT] = "an array is not aligned to its elements",
      [-FEWBIT_ERROR_OVERLAP] = "arrays overlap: y may be x and dx may be dy, all else must lie apart",
      [-FEWBIT_ERROR_UNSUPPORTED] = "this quantizer cannot do that: it has no f, or it rounds the other way",
      [-FEWBIT_ERROR_ISA] = "ACTSCOPE_FEWBIT_ISA names an instruction set that this CPU or this library lacks",
  };
  const size_t count = sizeof messages / sizeof *messages;
  return status <= 0 && (size_t) - (long)status < count ? messages[-status] : "no such status";
}

/* ---- quantizers -------------------------------------------------------------------------------------------------- */

static struct error *as_error(fewbit_error *error) {
  return (struct error *)(void *)error;
}

/* What every way to make a quantizer begins with: false if it ends there, with FEWBIT_ERROR_ARGUMENT. */
static bool begin(fewbit_quantizer **quantizer, bool complete, fewbit_error *error) {
  if (quantizer) {
    *quantizer = NULL;
  }
  if (!quantizer || !complete) {
    error_set(as_error(error), FEWBIT_ERROR_ARGUMENT, "quantizer: an argument is NULL that must not be");
    return false;
  }
  return true;
}

/* One with its kernels chosen, the rest empty; NULL with a status. */
static fewbit_quantizer *allocate(int *status, struct error *err) {
  const struct kernels *kernels = NULL;
  if (dispatch_choose(&kernels, err) < 0) {
    *status = FEWBIT_ERROR_ISA;
    return NULL;
  }
  void *memory = NULL;
  if (posix_memalign(&memory, _Alignof(struct fewbit_quantizer), sizeof(struct fewbit_quantizer)) != 0) {
    *status = error_set(err, ERROR_MEMORY, "quantizer: out of memory");
    return NULL;
  }
  fewbit_quantizer *made = memory;
  memset(made, 0, sizeof *made);
  made->kernels = kernels;
  return made;
}

static void set_function(fewbit_quantizer *q, const struct function *function) {
  q->function.function = *function;
  vmath_params(function->id, function->params, q->function.params);
  if (function->user) {
    q->user = *function->user;
    q->user.knots = NULL; /* of use to the fit only */
    q->user.knots_count = 0;
    q->function.function.user = &q->user;
  }
}

/* Whether f', and with `value` f, can be computed. */
static bool computes(const fewbit_quantizer *q, bool value) {
  const struct function *function = &q->function.function;
  if (function->user) {
    return value ? function->user->value : function->user->derivative;
  }
  return function->id != FUNCTION_STEPWISE && function->id != FUNCTION_USER;
}

/* f becomes the integral of the quantizer's levels: they are f' itself. */
static int set_steps(fewbit_quantizer *q, struct error *err) {
  q->steps = malloc(sizeof *q->steps);
  if (!q->steps) {
    return error_set(err, ERROR_MEMORY, "quantizer: out of memory");
  }
  function_steps_init(q->steps, &q->quantizer);
  const struct function_user user = function_steps_user(q->steps);
  set_function(q, &(struct function){.id = FUNCTION_STEPWISE, .user = &user});
  return 0;
}

/* Gives the quantizer to the caller if status is FEWBIT_OK, else frees it. */
static int finish(fewbit_quantizer *q, int status, fewbit_quantizer **quantizer) {
  if (status < 0) {
    fewbit_quantizer_free(q);
    return status;
  }
  codec_init(&q->codec, &q->quantizer);
  *quantizer = q;
  return FEWBIT_OK;
}

static int make_builtin(fewbit_quantizer *q, const char *name, unsigned bits, struct error *err) {
  struct function function;
  int code = function_find(&function, name, err);
  if (code == 0) {
    code = quantizer_get(&q->quantizer, &function, bits, QUANTIZER_VALUE, &weight_default, err);
  }
  if (code == 0) {
    set_function(q, &function);
  }
  return code;
}

int fewbit_quantizer_builtin(const char *function, unsigned bits, fewbit_quantizer **quantizer, fewbit_error *error) {
  int status = FEWBIT_ERROR_ARGUMENT;
  fewbit_quantizer *q = begin(quantizer, function != NULL, error) ? allocate(&status, as_error(error)) : NULL;
  return q ? finish(q, make_builtin(q, function, bits, as_error(error)), quantizer) : status;
}

/* The function that the options name, user for its storage. */
static int function_of(struct function *function, struct function_user *user, const fewbit_options *options,
                       struct error *err) {
  if (options->derivative) {
    *user =
        (struct function_user){.value = options->value, .derivative = options->derivative, .context = options->context};
    strncpy(user->name, options->function, sizeof user->name - 1);
    *function = (struct function){.id = FUNCTION_USER, .user = user};
    return 0;
  }
  int code = function_find(function, options->function, err);
  for (unsigned i = 0; code == 0 && i < FUNCTION_PARAMS && options->params[i].name; i++) {
    code = function_set(function, options->params[i].name, options->params[i].value, err);
  }
  return code;
}

static int make_fit(fewbit_quantizer *q, const fewbit_options *options, struct error *err) {
  struct function function;
  struct function_user user;
  struct weight weight = weight_default;
  if (options->method != FEWBIT_VALUE && options->method != FEWBIT_INTERVAL) {
    return error_set(err, ERROR_USAGE, "method %d: there are FEWBIT_VALUE and FEWBIT_INTERVAL", (int)options->method);
  }
  int code = function_of(&function, &user, options, err);
  if (code == 0 && options->weight) {
    code = weight_parse(&weight, options->weight, err);
  }
  if (code < 0) {
    return code;
  }
  code = quantizer_get(&q->quantizer, &function, options->bits, (enum quantizer_method)options->method, &weight, err);
  if (code == 0) {
    set_function(q, &function);
  }
  if (options->weight) {
    weight_fini(&weight);
  }
  return code;
}

int fewbit_quantizer_fit(const fewbit_options *options, fewbit_quantizer **quantizer, fewbit_error *error) {
  int status = FEWBIT_ERROR_ARGUMENT;
  const bool complete = options && options->function;
  fewbit_quantizer *q = begin(quantizer, complete, error) ? allocate(&status, as_error(error)) : NULL;
  return q ? finish(q, make_fit(q, options, as_error(error)), quantizer) : status;
}

/* The function of a table, with the parameters that the quantizer came with: a built-in one, steps, or no more than a
 * name. An error that the table does not tell is measured where f' is known. */
static int set_function_of_table(fewbit_quantizer *q, struct error *err) {
  struct function function = {.id = q->quantizer.function};
  if (function.id == FUNCTION_STEPWISE && q->quantizer.error == 0) {
    return set_steps(q, err);
  }
  memcpy(function.params, q->quantizer.params, sizeof function.params);
  set_function(q, &function);
  return isnan(q->quantizer.error) && computes(q, false)
             ? quantizer_measure(&q->quantizer, &function, &weight_default, &q->quantizer.error, NULL, err)
             : 0;
}

static int make_loaded(fewbit_quantizer *q, const char *path, const char *name, unsigned bits, struct error *err) {
  struct function function;
  struct function_user user;
  if (name && function_find(&function, name, NULL) < 0) {
    function_init_named(&function, &user, name); /* a user's own; or misspelt: the file has none of that name then */
  }
  const int code = quantizer_load(&q->quantizer, name ? &function : NULL, bits, path, err);
  return code < 0 ? code : set_function_of_table(q, err);
}

int fewbit_quantizer_load(const char *path, const char *function, unsigned bits, fewbit_quantizer **quantizer,
                          fewbit_error *error) {
  int status = FEWBIT_ERROR_ARGUMENT;
  fewbit_quantizer *q = begin(quantizer, path != NULL, error) ? allocate(&status, as_error(error)) : NULL;
  return q ? finish(q, make_loaded(q, path, function, bits, as_error(error)), quantizer) : status;
}

int fewbit_quantizer_from_table(const char *function, const double *breakpoints, const uint8_t *codes,
                                unsigned intervals, const double *levels, unsigned levels_count,
                                fewbit_quantizer **quantizer, fewbit_error *error) {
  int status = FEWBIT_ERROR_ARGUMENT;
  const bool complete = function && levels && (breakpoints || intervals <= 1);
  fewbit_quantizer *q = begin(quantizer, complete, error) ? allocate(&status, as_error(error)) : NULL;
  if (!q) {
    return status;
  }
  struct function found;
  struct function_user user;
  const bool steps = strcmp(function, function_traits(FUNCTION_STEPWISE)->name) == 0;
  if (steps) {
    function_init_named(&found, &user, function);
  }
  int code = steps ? 0 : function_find(&found, function, as_error(error));
  if (code == 0) {
    code = quantizer_from_table(&q->quantizer, &found, breakpoints, codes, intervals, levels, levels_count,
                                as_error(error));
  }
  if (code == 0) {
    q->quantizer.error = steps ? 0 : q->quantizer.error;
    code = set_function_of_table(q, as_error(error));
  }
  return finish(q, code, quantizer);
}

static int make_stochastic(fewbit_quantizer *q, const fewbit_quantizer *from, struct error *err) {
  if (!computes(from, false)) {
    return error_set(err, FEWBIT_ERROR_UNSUPPORTED,
                     "stochastic rounding: the derivative of %s is not known; fit it with a function of your own",
                     from->quantizer.name);
  }
  int code = 0;
  q->quantizer = from->quantizer;
  q->is_stochastic = true;
  if (from->steps) {
    code = set_steps(q, err);
  } else {
    set_function(q, &from->function.function);
    code = stochastic_span(&q->quantizer, &q->function.function, err);
  }
  if (code == 0) {
    q->quantizer.intervals = 1; /* chance chooses; of steps, each of which is a level, it has none to choose between */
    q->quantizer.codes[0] = 0;
    stochastic_init(&q->stochastic, &q->quantizer);
  }
  return code;
}

int fewbit_quantizer_stochastic(const fewbit_quantizer *from, fewbit_quantizer **quantizer, fewbit_error *error) {
  int status = FEWBIT_ERROR_ARGUMENT;
  fewbit_quantizer *q = begin(quantizer, from != NULL, error) ? allocate(&status, as_error(error)) : NULL;
  return q ? finish(q, make_stochastic(q, from, as_error(error)), quantizer) : status;
}

void fewbit_quantizer_free(fewbit_quantizer *quantizer) {
  if (quantizer) {
    free(quantizer->steps);
  }
  free(quantizer);
}

/* ---- what it is made of ------------------------------------------------------------------------------------------ */

static void set_count(unsigned *count, unsigned value) {
  if (count) {
    *count = value;
  }
}

const char *fewbit_quantizer_function(const fewbit_quantizer *quantizer) {
  return quantizer ? quantizer->quantizer.name : "";
}

unsigned fewbit_quantizer_bits(const fewbit_quantizer *quantizer) {
  return quantizer ? quantizer->quantizer.bits : 0;
}

const float *fewbit_quantizer_levels(const fewbit_quantizer *quantizer, unsigned *count) {
  set_count(count, quantizer ? quantizer->quantizer.levels_count : 0);
  return quantizer ? quantizer->quantizer.levels : NULL;
}

const float *fewbit_quantizer_breakpoints(const fewbit_quantizer *quantizer, unsigned *count) {
  set_count(count, quantizer ? quantizer->quantizer.intervals - 1 : 0);
  return quantizer ? quantizer->quantizer.breakpoints : NULL;
}

const uint8_t *fewbit_quantizer_codes(const fewbit_quantizer *quantizer, unsigned *count) {
  set_count(count, quantizer ? quantizer->quantizer.intervals : 0);
  return quantizer ? quantizer->quantizer.codes : NULL;
}

double fewbit_quantizer_error(const fewbit_quantizer *quantizer) {
  return quantizer ? quantizer->quantizer.error : 0;
}

const char *fewbit_quantizer_isa(const fewbit_quantizer *quantizer) {
  return quantizer ? quantizer->kernels->name : "";
}

size_t fewbit_code_size(const fewbit_quantizer *quantizer, size_t n) {
  return quantizer ? (size_t)code_size(n, quantizer->quantizer.bits) : 0;
}

/* ---- forward and backward ---------------------------------------------------------------------------------------- */

struct array {
  const void *address;
  size_t size;
};

static bool overlap(struct array a, struct array b) {
  const uintptr_t p = (uintptr_t)a.address, q = (uintptr_t)b.address;
  return p < q ? q - p < a.size : p - q < b.size;
}

/* Of an input, its output and the codes; an output or codes that there are none of are NULL. */
static int check(const fewbit_quantizer *q, enum fewbit_type type, const void *in, const void *out, const void *codes,
                 size_t n) {
  if (!in || (!out && !codes)) {
    return FEWBIT_ERROR_ARGUMENT;
  }
  const size_t element = run_type_size((enum run_type)type);
  if (n > SIZE_MAX / element) {
    return FEWBIT_ERROR_ARGUMENT;
  }
  if ((uintptr_t)in % element || (uintptr_t)out % element) {
    return FEWBIT_ERROR_ALIGNMENT;
  }
  const struct array from = {in, n * element}, to = {out, n * element}, code = {codes, fewbit_code_size(q, n)};
  if ((out && out != in && overlap(from, to)) || (codes && overlap(from, code)) ||
      (out && codes && overlap(to, code))) {
    return FEWBIT_ERROR_OVERLAP;
  }
  return FEWBIT_OK;
}

static bool is_type(enum fewbit_type type) {
  return type == FEWBIT_FLOAT32 || type == FEWBIT_BFLOAT16 || type == FEWBIT_FLOAT16;
}

static int forward(const fewbit_quantizer *q, enum fewbit_type type, const void *x, void *y, void *codes, size_t n,
                   struct run_stochastic random) {
  const int code = check(q, type, x, y, codes, n);
  if (code < 0) {
    return code;
  }
  if (y && !computes(q, true)) {
    return FEWBIT_ERROR_UNSUPPORTED;
  }
  run_forward(&(struct run_forward){.kernels = q->kernels,
                                    .codec = &q->codec,
                                    .function = &q->function,
                                    .stochastic = q->is_stochastic ? &q->stochastic : NULL,
                                    .random = random,
                                    .type = (enum run_type)type,
                                    .x = x,
                                    .y = y,
                                    .codes = codes,
                                    .n = n});
  return FEWBIT_OK;
}

int fewbit_forward(const fewbit_quantizer *quantizer, enum fewbit_type type, const void *x, void *y, void *codes,
                   size_t n) {
  if (!quantizer || !is_type(type) || (n > 0 && (!y || !codes))) {
    return FEWBIT_ERROR_ARGUMENT;
  }
  if (quantizer->is_stochastic) {
    return FEWBIT_ERROR_UNSUPPORTED;
  }
  return n == 0 ? FEWBIT_OK : forward(quantizer, type, x, y, codes, n, (struct run_stochastic){0});
}

int fewbit_encode(const fewbit_quantizer *quantizer, enum fewbit_type type, const void *x, void *codes, size_t n) {
  if (!quantizer || !is_type(type) || (n > 0 && !codes)) {
    return FEWBIT_ERROR_ARGUMENT;
  }
  if (quantizer->is_stochastic) {
    return FEWBIT_ERROR_UNSUPPORTED;
  }
  return n == 0 ? FEWBIT_OK : forward(quantizer, type, x, NULL, codes, n, (struct run_stochastic){0});
}

int fewbit_activate(const fewbit_quantizer *quantizer, enum fewbit_type type, const void *x, void *y, size_t n) {
  if (!quantizer || !is_type(type) || (n > 0 && !y)) {
    return FEWBIT_ERROR_ARGUMENT;
  }
  return n == 0 ? FEWBIT_OK : forward(quantizer, type, x, y, NULL, n, (struct run_stochastic){0});
}

int fewbit_forward_stochastic(const fewbit_quantizer *quantizer, enum fewbit_type type, const void *x, void *y,
                              void *codes, size_t n, uint64_t seed, uint64_t first) {
  if (!quantizer || !is_type(type) || (n > 0 && !codes)) {
    return FEWBIT_ERROR_ARGUMENT;
  }
  if (!quantizer->is_stochastic) {
    return FEWBIT_ERROR_UNSUPPORTED;
  }
  return n == 0 ? FEWBIT_OK : forward(quantizer, type, x, y, codes, n, (struct run_stochastic){seed, first});
}

int fewbit_backward(const fewbit_quantizer *quantizer, enum fewbit_type type, const void *codes, const void *dy,
                    void *dx, size_t n) {
  if (!quantizer || !is_type(type) || (n > 0 && (!codes || !dx))) {
    return FEWBIT_ERROR_ARGUMENT;
  }
  const int code = n == 0 ? FEWBIT_OK : check(quantizer, type, dy, dx, codes, n);
  if (code < 0 || n == 0) {
    return code;
  }
  run_backward(&(struct run_backward){.kernels = quantizer->kernels,
                                      .codec = &quantizer->codec,
                                      .type = (enum run_type)type,
                                      .codes = codes,
                                      .dy = dy,
                                      .dx = dx,
                                      .n = n});
  return FEWBIT_OK;
}
