/* SGD: I. Sutskever, J. Martens, G. Dahl, G. Hinton, ICML 2013, in PyTorch's form (velocity = momentum velocity + g,
 * w -= rate velocity). AdamW: I. Loshchilov, F. Hutter, Decoupled weight decay regularization, ICLR 2019. */
#include "kernels/models/optimizer.h"

#include "kernels/out_of_memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PARALLEL_FROM = 1 << 15 };

static const char *const kind_names[] = {[OPTIMIZER_SGD] = "sgd", [OPTIMIZER_ADAMW] = "adamw"};

struct optimizer_options optimizer_defaults(enum optimizer_kind kind) {
  if (kind == OPTIMIZER_SGD) {
    return (struct optimizer_options){.kind = kind, .rate = 0.01F, .momentum = 0.9F};
  }
  return (struct optimizer_options){
      .kind = kind, .rate = 1e-3F, .decay = 0.01F, .beta1 = 0.9F, .beta2 = 0.999F, .epsilon = 1e-8F};
}

int optimizer_find(enum optimizer_kind *kind, const char *name, struct error *err) {
  for (size_t i = 0; i < sizeof kind_names / sizeof *kind_names; i++) {
    if (strcmp(kind_names[i], name) == 0) {
      *kind = (enum optimizer_kind)i;
      return 0;
    }
  }
  return error_set(err, ERROR_USAGE, "no optimizer is named '%.40s': there are sgd, adamw", name);
}

/* ---- state ----------------------------------------------------------------------------------------------------- */

static int moments_make(struct tensor ***moments, const struct model *model, struct error *err) {
  *moments = calloc(model->parameters_count + 1, sizeof(struct tensor *));
  if (!*moments) {
    return out_of_memory(err, "optimizer");
  }
  for (size_t i = 0; i < model->parameters_count; i++) {
    const size_t bytes = value_count(&model->parameters[i].value) * sizeof(float);
    (*moments)[i] = tensor_new(model->memory, MEMORY_OPTIMIZER, bytes);
    if (!(*moments)[i]) {
      return out_of_memory(err, "optimizer");
    }
  }
  return 0;
}

static void moments_free(struct tensor **moments, const struct model *model) {
  for (size_t i = 0; moments && i < model->parameters_count; i++) {
    tensor_drop(moments[i]);
  }
  free(moments);
}

int optimizer_init(struct optimizer *optimizer, const struct optimizer_options *options, struct model *model,
                   struct error *err) {
  int code = 0;
  *optimizer = (struct optimizer){.options = *options, .model = model};
  if (options->kind == OPTIMIZER_ADAMW || options->momentum > 0) {
    code = moments_make(&optimizer->moments1, model, err);
  }
  if (code == 0 && options->kind == OPTIMIZER_ADAMW) {
    code = moments_make(&optimizer->moments2, model, err);
  }
  if (code < 0) {
    optimizer_fini(optimizer);
  }
  return code;
}

void optimizer_fini(struct optimizer *optimizer) {
  moments_free(optimizer->moments1, optimizer->model);
  moments_free(optimizer->moments2, optimizer->model);
  *optimizer = (struct optimizer){0};
}

/* ---- steps ----------------------------------------------------------------------------------------------------- */

struct update {
  float *weight, *moment1, *moment2;
  const float *gradient;
  size_t count;
  float rate, decay;
};

static void sgd(const struct update *u, float momentum) {
#pragma omp parallel for schedule(static) if (u->count >= PARALLEL_FROM)
  for (size_t i = 0; i < u->count; i++) {
    float step = u->gradient[i] + u->decay * u->weight[i];
    if (u->moment1) {
      step = u->moment1[i] = momentum * u->moment1[i] + step;
    }
    u->weight[i] -= u->rate * step;
  }
}

static void adamw(const struct update *u, const struct optimizer_options *o, size_t step) {
  const float correction1 = (float)(1 - pow((double)o->beta1, (double)step));
  const float correction2 = (float)sqrt(1 - pow((double)o->beta2, (double)step));
  const float size = u->rate / correction1, keep = 1 - u->rate * u->decay;
#pragma omp parallel for schedule(static) if (u->count >= PARALLEL_FROM)
  for (size_t i = 0; i < u->count; i++) {
    const float g = u->gradient[i];
    u->moment1[i] = o->beta1 * u->moment1[i] + (1 - o->beta1) * g;
    u->moment2[i] = o->beta2 * u->moment2[i] + (1 - o->beta2) * g * g;
    u->weight[i] = keep * u->weight[i] - size * u->moment1[i] / (sqrtf(u->moment2[i]) / correction2 + o->epsilon);
  }
}

static float *moment(struct tensor **moments, size_t i) {
  return moments ? tensor_floats(moments[i]) : NULL;
}

void optimizer_step(struct optimizer *optimizer, float rate_factor) {
  const struct optimizer_options *o = &optimizer->options;
  struct model *model = optimizer->model;
  optimizer->steps++;
  for (size_t i = 0; i < model->parameters_count; i++) {
    const struct model_parameter *parameter = &model->parameters[i];
    const struct tensor *gradient = parameter->value.gradient;
    if (!gradient || !gradient->data) {
      continue;
    }
    const struct update update = {.weight = tensor_floats(parameter->value.tensor),
                                  .moment1 = moment(optimizer->moments1, i),
                                  .moment2 = moment(optimizer->moments2, i),
                                  .gradient = tensor_floats(gradient),
                                  .count = value_count(&parameter->value),
                                  .rate = o->rate * rate_factor,
                                  .decay = parameter->decay ? o->decay : 0};
    if (update.moment1 && update.moment2) {
      adamw(&update, o, optimizer->steps);
    } else {
      sgd(&update, o->momentum);
    }
  }
}
