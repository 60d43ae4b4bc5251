/* Models made of their forward passes: a dry run lists the parameters, the list is filled in. */
#include "kernels/models/model.h"

#include "kernels/models/net.h"
#include "kernels/out_of_memory.h"
#include "kernels/philox.h"

#include <stdlib.h>
#include <string.h>

/* ---- the list -------------------------------------------------------------------------------------------------- */

static void list_fini(struct net_list *list) {
  free(list->parameters);
  free(list->buffers);
  *list = (struct net_list){0};
}

/* Runs the forward pass without computing, or anything to compute with. */
static int list_fill(struct net_list *list, const struct model_options *options, struct error *err) {
  struct memory dry;
  struct tape tape;
  struct batch batch;
  memory_init(&dry, true);
  int code = batch_new(&batch, options, 1, &dry, err);
  if (code < 0) {
    return code;
  }
  tape_init(&tape, &dry);
  tape.inference = true;
  struct net net = {.options = options, .tape = &tape, .list = list, .batch = &batch};
  const struct value *loss = family_find(options->family)->loss(&net, NULL);
  if (!loss) {
    code = error_set(err, tape.status, "%s: %s", options->name, tape.error.message);
  }
  tape_fini(&tape);
  batch_fini(&batch);
  return code;
}

/* ---- the model ------------------------------------------------------------------------------------------------- */

static int parameter_make(struct model_parameter *parameter, const struct net_parameter_spec *spec,
                          struct memory *memory, uint64_t seed, struct error *err) {
  memcpy(parameter->name, spec->name, sizeof spec->name);
  parameter->decay = spec->dims > 1;
  struct value *value = &parameter->value;
  *value = (struct value){.dims = spec->dims, .needs_gradient = true, .parameter = true};
  memcpy(value->shape, spec->shape, sizeof spec->shape);
  const size_t count = value_count(value);
  value->tensor = tensor_new(memory, MEMORY_PARAMETER, count * sizeof(float));
  if (!value->tensor) {
    return out_of_memory(err, spec->name);
  }
  if (value->tensor->data) {
    init_fill(value->tensor->data, count, spec->init, spec->name, seed);
  }
  return 0;
}

static int buffer_make(struct tensor **buffer, const struct net_buffer_spec *spec, struct memory *memory,
                       struct error *err) {
  *buffer = tensor_new(memory, MEMORY_PARAMETER, net_buffer_bytes(spec->kind, spec->count));
  if (!*buffer) {
    return out_of_memory(err, "model");
  }
  for (size_t i = 0; (*buffer)->data && i < spec->count; i++) {
    if (spec->kind == BUFFER_RUNNING) {
      tensor_floats(*buffer)[spec->count + i] = 1;
    } else if (spec->kind == BUFFER_COUNTING) {
      ((int32_t *)(*buffer)->data)[i] = (int32_t)i;
    }
  }
  return 0;
}

static int model_fill(struct model *model, const struct net_list *list, uint64_t seed, struct error *err) {
  int code = 0;
  model->parameters = calloc(list->parameters_count + 1, sizeof *model->parameters);
  model->buffers = calloc(list->buffers_count + 1, sizeof(struct tensor *));
  if (!model->parameters || !model->buffers) {
    return out_of_memory(err, "model");
  }
  for (size_t i = 0; code == 0 && i < list->parameters_count; i++) {
    model->parameters_count = i + 1;
    code = parameter_make(&model->parameters[i], &list->parameters[i], model->memory, seed, err);
  }
  for (size_t i = 0; code == 0 && i < list->buffers_count; i++) {
    model->buffers_count = i + 1;
    code = buffer_make(&model->buffers[i], &list->buffers[i], model->memory, err);
  }
  return code;
}

int model_new(struct model **model, const struct model_options *options, struct memory *memory, uint64_t seed,
              struct error *err) {
  struct net_list list = {0};
  struct model *made = calloc(1, sizeof *made);
  *model = NULL;
  if (!made) {
    return out_of_memory(err, "model");
  }
  *made = (struct model){.options = *options, .memory = memory};
  int code = model_options_resolve(&made->options, err);
  if (code == 0) {
    code = list_fill(&list, &made->options, err);
  }
  if (code == 0) {
    code = model_fill(made, &list, seed, err);
  }
  list_fini(&list);
  if (code < 0) {
    model_free(made);
    return code;
  }
  *model = made;
  return 0;
}

void model_free(struct model *model) {
  if (!model) {
    return;
  }
  model_drop_gradients(model);
  for (size_t i = 0; i < model->parameters_count; i++) {
    tensor_drop(model->parameters[i].value.tensor);
  }
  for (size_t i = 0; i < model->buffers_count; i++) {
    tensor_drop(model->buffers[i]);
  }
  free(model->parameters);
  free(model->buffers);
  free(model);
}

void model_drop_gradients(struct model *model) {
  for (size_t i = 0; i < model->parameters_count; i++) {
    tensor_drop(model->parameters[i].value.gradient);
    model->parameters[i].value.gradient = NULL;
  }
}

struct value *model_loss(struct model *model, struct tape *tape, const struct batch *batch, struct value **logits) {
  struct net net = {.options = &model->options, .tape = tape, .model = model, .batch = batch};
  return family_find(model->options.family)->loss(&net, logits);
}

/* ---- batches --------------------------------------------------------------------------------------------------- */

size_t batch_targets(const struct model_options *o) {
  const struct family *family = family_find(o->family);
  return family->input == FAMILY_TEXT && !(family->classifies && o->classes) ? o->sequence : 1;
}

size_t batch_inputs(const struct model_options *o) {
  switch (family_find(o->family)->input) {
  case FAMILY_TEXT:
    return o->sequence;
  case FAMILY_IMAGES:
    return o->channels * o->image * o->image;
  default:
    return o->inputs;
  }
}

bool batch_masked(const struct model_options *o) {
  return family_find(o->family)->classifies && !o->classes;
}

int batch_new(struct batch *batch, const struct model_options *options, size_t size, struct memory *memory,
              struct error *err) {
  *batch = (struct batch){.size = size};
  batch->x = tensor_new(memory, MEMORY_INPUT, size * batch_inputs(options) * sizeof(float)); /* int32 is as wide */
  batch->target = tensor_new(memory, MEMORY_INPUT, size * batch_targets(options) * sizeof(int32_t));
  if (!batch->x || !batch->target) {
    batch_fini(batch);
    return out_of_memory(err, "batch");
  }
  return 0;
}

void batch_fini(struct batch *batch) {
  tensor_drop(batch->x);
  tensor_drop(batch->target);
  *batch = (struct batch){0};
}

/* Streams of one seed: inputs, targets, and which words are asked for. */
enum { STREAM_INPUT = 1, STREAM_TARGET, STREAM_MASK };

static void fill_integers(int32_t *data, size_t count, size_t below, uint64_t stream, uint64_t seed) {
  for (size_t i = 0; i < count; i++) {
    data[i] = (int32_t)((uint64_t)philox_at(i, stream, seed).word[0] * below >> 32);
  }
}

/* The masked-word task asks for 15 of 100 (Devlin et al. 2019). */
static void fill_mask(int32_t *target, size_t count, uint64_t seed) {
  for (size_t i = 0; i < count; i++) {
    if (philox_at(i, STREAM_MASK, seed).word[0] >= (uint32_t)(0.15 * 0x1p32)) {
      target[i] = -1;
    }
  }
}

static void batch_fill(struct batch *batch, const struct model_options *o, uint64_t seed) {
  const size_t inputs = batch->size * batch_inputs(o), targets = batch->size * batch_targets(o);
  const bool text = family_find(o->family)->input == FAMILY_TEXT;
  if (text) {
    fill_integers(batch->x->data, inputs, o->vocabulary, STREAM_INPUT, seed);
  } else {
    init_fill(batch->x->data, inputs, init_normal(1), "batch", seed);
  }
  fill_integers(batch->target->data, targets, text && batch_targets(o) > 1 ? o->vocabulary : o->classes, STREAM_TARGET,
                seed);
  if (batch_masked(o)) {
    fill_mask(batch->target->data, targets, seed);
  }
}

int batch_random(struct batch *batch, const struct model *model, uint64_t seed, struct error *err) {
  int code = batch_new(batch, &model->options, model->options.batch, model->memory, err);
  if (code == 0 && batch->x->data) {
    batch_fill(batch, &model->options, seed);
  }
  return code;
}
