/* Real data that is on a Debian machine without a download: characters of a licence text, and handwritten digits of 8 x 8
 * points from python3-sklearn. Split into a part to train on and a part to test on, always the same way. */
#ifndef ACTSCOPE_KERNELS_MODELS_DATA_H
#define ACTSCOPE_KERNELS_MODELS_DATA_H

#include "kernels/models/model.h"

enum data_kind { DATA_TEXT, DATA_DIGITS };
const char *data_kind_name(enum data_kind kind); /* "text", "digits" */
/* What the model can learn from: text for gpt, bert, llama; digits for mlp, vit, resnet. */
enum data_kind data_kind_of(const struct model_options *options);

struct data {
  enum data_kind kind;
  char source[256];              /* the file */
  size_t train, test;            /* bytes of text; images */
  size_t classes;                /* different characters; digits */
  unsigned char *text;           /* train + test of them, as numbers of characters; the test part is the last tenth */
  unsigned char characters[256]; /* by number */
  float *images;                 /* 64 each, from -1 to 1; the train part first */
  int32_t *labels;
};

/* Reads a text file, or a digits.csv or digits.csv.gz (rows of 64 points and a label). path NULL: the usual places are
 * looked at. ERROR_IO: missing (with what to install), or not to be read; ERROR_INPUT: not what was expected. */
int data_open(struct data **data, enum data_kind kind, const char *path, struct error *err);
void data_close(struct data *data); /* NULL is allowed */

/* Makes the options those of a model for this data: vocabulary (bert: one more, the mask), classes, image, inputs. The
 * text must be longer than the sequence: ERROR_USAGE. */
int data_fit(const struct data *data, struct model_options *options, struct error *err);

/* Batch number `step` of the stream that the seed names: drawn with replacement from the train part. */
int data_draw(struct batch *batch, const struct data *data, const struct model *model, uint64_t seed, uint64_t step,
              struct error *err);
/* Batch number `index` of the test part, in order, each example once; the last one is smaller; of size 0 when there is
 * no more. */
int data_test(struct batch *batch, const struct data *data, const struct model *model, size_t index, struct error *err);

#endif
