/* The built-in models: mlp, gpt, bert, vit, resnet, llama, at any size. Parameters are named as PyTorch's modules of the
 * same structure would name them. Deterministic from the seed. */
#ifndef ACTSCOPE_KERNELS_MODELS_MODEL_H
#define ACTSCOPE_KERNELS_MODELS_MODEL_H

#include "kernels/layers/tape.h"

#include <stdbool.h>
#include <stdint.h>

enum { MODEL_NAME_SIZE = 48 };

/* What a model is; every field is a key of a model file ("width = 768") and an option --set width=768. hidden, key_heads
 * and positions may be 0: they follow from width, heads and sequence, and a model's own options say what came of it. */
struct model_options {
  char family[MODEL_NAME_SIZE];                   /* "mlp", "gpt", "bert", "vit", "resnet", "llama" */
  char name[MODEL_NAME_SIZE];                     /* of the preset or file: "gpt2-xl" */
  char activation[MODEL_NAME_SIZE];               /* "gelu", "silu", "relu", ... */
  size_t layers, width, heads, key_heads, hidden; /* hidden: of the mlp in a block */
  size_t vocabulary, sequence;                    /* gpt, bert, llama */
  size_t positions;              /* gpt, bert: rows of the learned position table, no less than sequence */
  size_t types;                  /* bert: token types */
  size_t image, channels, patch; /* vit, resnet */
  size_t classes;                /* mlp, vit, resnet; bert: of the head, 0 for the masked-word head */
  size_t blocks[4];              /* resnet: blocks a stage; */
  bool bottleneck;               /* resnet: 1-3-1 blocks (50, 101), else 3-3 (18, 34) */
  size_t inputs;                 /* mlp: features */
  float dropout;
  size_t batch;
};

/* A preset by name: the families' small defaults ("gpt": 4 layers, width 128, sequence 128, batch 8) and published
 * configurations ("gpt2", "gpt2-xl", "roberta-base", "bert-base", "llama-7b", "vit-b", "vit-l", "resnet-18", "resnet-50",
 * "resnet-101"). A path with a '/' or ending in ".model" is a file instead: `key = value` lines, # comments, `base = NAME`
 * first. ERROR_USAGE, with a suggestion, if there is none; ERROR_INPUT for a bad file, with its line,
 * ERROR_IO for a missing one. */
int model_options_find(struct model_options *options, const char *name, struct error *err);
/* One key. ERROR_USAGE for an unknown key, one that the options' family does not look at, or a bad value, with what would
 * do. */
int model_options_set(struct model_options *options, const char *key, const char *value, struct error *err);
const char *model_options_key(size_t index); /* NULL past the last */
/* Do the sizes fit together? */
int model_options_check(const struct model_options *options, struct error *err);

/* The functions that the model hands to op_activation, NULL after the last; they live as long as the options. */
enum { MODEL_FUNCTIONS = 2 };
void model_functions(const struct model_options *options, const char *names[MODEL_FUNCTIONS + 1]);

struct preset {
  const char *name, *summary;
  const char *base;     /* the preset that it starts from, or the family */
  const char *settings; /* what differs: "layers=12 width=768" */
};
const struct preset *model_presets(void); /* name NULL after the last */

struct model_parameter {
  char name[TAPE_NAME_SIZE]; /* "blocks.0.attn.qkv.weight" */
  struct value value;        /* parameter = true */
  bool decay;                /* weight decay applies: matrices, not biases and norms */
};

struct model {
  struct model_options options;
  struct memory *memory; /* borrowed */
  struct model_parameter *parameters;
  size_t parameters_count;
  struct tensor **buffers; /* running statistics */
  size_t buffers_count;
};

/* Weights are drawn from the seed, in float32, the same for a given name and shape whatever else the model has. */
int model_new(struct model **model, const struct model_options *options, struct memory *memory, uint64_t seed,
              struct error *err);
void model_free(struct model *model); /* NULL is allowed */

/* A batch of the model's kind, in the meter as MEMORY_INPUT. Tokens and targets: int32; targets negative where nothing is
 * asked. Images: floats (B, channels, image, image); features: (B, inputs). */
struct batch {
  struct tensor *x;
  struct tensor *target;
  size_t size; /* examples: options.batch but for a last, smaller one */
};
/* Random, from the seed: for replay, verify and plan without data. */
int batch_random(struct batch *batch, const struct model *model, uint64_t seed, struct error *err);
void batch_fini(struct batch *batch);

/* The forward pass: the mean loss, or NULL with the tape's status. logits (may be NULL) stays valid as long as the tape:
 * for accuracy. Without it the model lets go of them, as a program does that calls cross_entropy(model(x), y). */
struct value *model_loss(struct model *model, struct tape *tape, const struct batch *batch, struct value **logits);

/* Zeroes, or drops (as set_to_none does), the parameters' gradients. */
void model_drop_gradients(struct model *model);

#endif
