#include "kernels/layers/activation.h"

#include "kernels/dispatch.h"
#include "kernels/layers/activation_derivative.h"
#include "kernels/layers/arithmetic.h"
#include "kernels/layers/op.h"
#include "kernels/run.h"

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

bool activation_keeps_result(enum function_id id) {
  return id == FUNCTION_RELU || id == FUNCTION_TANH || id == FUNCTION_SIGMOID;
}

int activation_forward(const struct function *function, const float *x, float *y, size_t n, struct error *err) {
  const struct kernels *kernels = NULL;
  const int code = dispatch_choose(&kernels, err);
  if (code < 0) {
    return code;
  }
  struct run_function run = {.function = *function};
  vmath_params(function->id, function->params, run.params);
  run_forward(&(struct run_forward){.kernels = kernels, .function = &run, .type = RUN_FLOAT32, .x = x, .y = y, .n = n});
  return 0;
}

/* What a thread takes at once; whole bytes of codes at any bits. */
enum { ACTIVATION_BLOCK = 8192 };

static size_t block_size(size_t first, size_t n) {
  return n - first < ACTIVATION_BLOCK ? n - first : ACTIVATION_BLOCK;
}

static void in_double(const struct function *function, const float *x, const float *dy, float *dx, float beta,
                      size_t n) {
  for (size_t i = 0; i < n; i++) {
    const float d = (float)function_derivative(function, (double)x[i]) * dy[i];
    dx[i] = beta == 0 ? d : dx[i] + d;
  }
}

void activation_backward(const struct function *function, const float *kept, const float *dy, float *dx, float beta,
                         size_t n) {
  activation_derivative *derivative = activation_derivative_of(function->id);
  const float params[FUNCTION_PARAMS] = {(float)function->params[0], (float)function->params[1]};
#pragma omp parallel for schedule(static) if (n > PARALLEL_ELEMENTS)
  for (size_t i = 0; i < n; i += ACTIVATION_BLOCK) {
    if (derivative) {
      derivative(params, kept + i, dy + i, dx + i, beta, block_size(i, n));
    } else {
      in_double(function, kept + i, dy + i, dx + i, beta, block_size(i, n));
    }
  }
}

/* dx += level dy: libfewbit writes only. */
static void add_fewbit(const struct fewbit_quantizer *quantizer, const uint8_t *codes, const float *dy, float *dx,
                       size_t n) {
#pragma omp parallel for schedule(static) if (n > PARALLEL_ELEMENTS)
  for (size_t i = 0; i < n; i += ACTIVATION_BLOCK) {
    float block[ACTIVATION_BLOCK];
    const size_t size = block_size(i, n);
    fewbit_backward(quantizer, FEWBIT_FLOAT32, codes + fewbit_code_size(quantizer, i), dy + i, block, size);
    add_into(dx + i, block, size);
  }
}

/* ---- on a tape --------------------------------------------------------------------------------------------------- */

struct activation_saved {
  struct tensor *kept;                      /* x or y, or the codes */
  const struct fewbit_quantizer *quantizer; /* NULL: exact */
  struct function function;
};

static void release(void *saved) {
  tensor_release(((struct activation_saved *)saved)->kept);
}

static void backward(struct tape *tape, struct node *node) {
  const struct activation_saved *s = (const void *)node->saved;
  float beta;
  float *dx = tape_gradient_beta(tape, node->inputs[0], &beta);
  if (!dx) {
    return;
  }
  const float *dy = tensor_floats(node->output->gradient);
  const size_t n = value_count(node->output);
  if (!s->quantizer) {
    activation_backward(&s->function, tensor_floats(s->kept), dy, dx, beta, n);
  } else if (beta == 0) {
    fewbit_backward(s->quantizer, FEWBIT_FLOAT32, s->kept->data, dy, dx, n);
  } else {
    add_fewbit(s->quantizer, s->kept->data, dy, dx, n);
  }
}

/* As autograd names them: by the function's name, but for these. */
static const struct node_ops activation_ops[FUNCTION_COUNT] = {
#define ENTRY(ID, name) [ID] = {#name, backward, release},
    VMATH_FUNCTIONS(ENTRY)
#undef ENTRY
};
static const struct node_ops gelu_ops = {"gelu", backward, release},
                             log_sigmoid_ops = {"log_sigmoid", backward, release};

static const struct node_ops *ops_of(enum function_id id) {
  return id == FUNCTION_GELU_TANH ? &gelu_ops : id == FUNCTION_LOGSIGMOID ? &log_sigmoid_ops : &activation_ops[id];
}

static const struct fewbit_quantizer *choose(const struct tape *tape, const char *function) {
  const struct fewbit_choice *choice = &tape->fewbit;
  return choice->bits > 0 && choice->quantizer ? choice->quantizer(choice->context, function) : NULL;
}

/* Computes y and, with codes, these; or does nothing, in a dry run. */
static void compute(struct tape *tape, const struct activation_saved *s, const struct value *x, struct value *y) {
  const size_t n = value_count(x);
  float *to = tensor_floats(y->tensor);
  if (!to) {
    return;
  }
  if (s->quantizer) {
    const int code = fewbit_forward(s->quantizer, FEWBIT_FLOAT32, tensor_floats(x->tensor), to, s->kept->data, n);
    if (code < 0) {
      tape_fail(tape, ERROR_USAGE, "%s: %s: %s", tape->scope, function_name(&s->function), fewbit_status_message(code));
    }
  } else if (activation_forward(&s->function, tensor_floats(x->tensor), to, n, &tape->error) < 0) {
    tape->status = ERROR_USAGE;
  }
}

static struct tensor *keep(struct tape *tape, const struct activation_saved *s, struct value *x, struct value *y) {
  if (s->quantizer) {
    return op_hold_new(tape, ACTSCOPE_UINT8, fewbit_code_size(s->quantizer, value_count(x)));
  }
  return tensor_hold(activation_keeps_result(s->function.id) ? y->tensor : x->tensor);
}

struct value *op_activation(struct tape *tape, struct value *x, const char *function) {
  struct activation_saved saved = {.kept = NULL};
  if (!op_has(tape, function, x)) {
    return NULL;
  }
  if (function_find(&saved.function, function, &tape->error) < 0) {
    tape->status = ERROR_USAGE;
    return NULL;
  }
  const struct node_ops *ops = ops_of(saved.function.id);
  const bool wanted = x->needs_gradient && !tape->inference;
  saved.quantizer = wanted ? choose(tape, function) : NULL;
  struct value *y = tape_result(tape, x->shape, x->dims);
  if (y) {
    saved.kept = keep(tape, &saved, x, y);
  }
  if (y && tape->status == 0) {
    compute(tape, &saved, x, y);
  }
  return tape_node(tape, ops, y, &x, 1, &saved, sizeof saved);
}
