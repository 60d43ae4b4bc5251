/* Text by characters, digits by rows of a table; what of it is a batch is drawn by counter, so that batch number `step` is
 * the same whoever asks for it. */
#include "kernels/models/data.h"

#include "kernels/models/net.h"
#include "kernels/out_of_memory.h"
#include "kernels/philox.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { POINTS = 64, SIDE = 8, DIGITS = 10, IMAGES_MAX = 1 << 20, TEXT_MAX = 1 << 28, LINE_SIZE = 4096 };

static const float point_most = 16;             /* a point counts from 0 to 16 black ones */
static const uint64_t split_seed = 20220100441; /* of the order of the images, before they are split: never another */

static const char *const text_places[] = {"/usr/share/common-licenses/GPL-3", "/usr/share/common-licenses/GPL-2",
                                          "/usr/share/common-licenses/Apache-2.0", NULL};
/* Debian's package; pip's, on Debian and elsewhere. */
static const char *const digits_places[] = {"/usr/lib/python3/dist-packages/sklearn/datasets/data/digits.csv.gz",
                                            "/usr/local/lib/python3*/dist-packages/sklearn/datasets/data/digits.csv.gz",
                                            "/usr/lib/python3*/site-packages/sklearn/datasets/data/digits.csv.gz",
                                            "/usr/local/lib/python3*/site-packages/sklearn/datasets/data/digits.csv.gz",
                                            NULL};

const char *data_kind_name(enum data_kind kind) {
  return kind == DATA_TEXT ? "text" : "digits";
}

enum data_kind data_kind_of(const struct model_options *options) {
  return family_find(options->family)->input == FAMILY_TEXT ? DATA_TEXT : DATA_DIGITS;
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

/* The first place that there is; false if there is none. */
static bool place_find(char *path, size_t size, const char *const *places) {
  bool found = false;
  for (; *places && !found; places++) {
    glob_t matches;
    if (glob(*places, 0, NULL, &matches) == 0) {
      found = access(matches.gl_pathv[0], R_OK) == 0 && strlen(matches.gl_pathv[0]) < size;
      if (found) {
        memcpy(path, matches.gl_pathv[0], strlen(matches.gl_pathv[0]) + 1);
      }
      globfree(&matches);
    }
  }
  return found;
}

static int source_find(struct data *data, const char *path, struct error *err) {
  if (path && strlen(path) >= sizeof data->source) {
    return error_set(err, ERROR_USAGE, "%.60s...: the path is too long", path);
  }
  if (path) {
    memcpy(data->source, path, strlen(path) + 1);
    return 0;
  }
  if (place_find(data->source, sizeof data->source, data->kind == DATA_TEXT ? text_places : digits_places)) {
    return 0;
  }
  if (data->kind == DATA_TEXT) {
    return error_set(err, ERROR_IO, "no text to learn: %s is not there; install base-files, or name a text file",
                     text_places[0]);
  }
  return error_set(err, ERROR_IO,
                   "no digits to learn: %s is not there; install python3-sklearn, or name a digits.csv.gz",
                   digits_places[0]);
}

static int file_open(gzFile *file, const char *path, struct error *err) {
  errno = 0;
  *file = gzopen(path, "rbe");
  if (*file) {
    return 0;
  }
  return error_set(err, errno ? ERROR_IO : ERROR_MEMORY, "%.300s: cannot open: %s", path,
                   errno ? strerror(errno) : "out of memory");
}

static int file_close(gzFile file, const char *path, int code, struct error *err) {
  int number = 0;
  const char *message = gzerror(file, &number);
  if (code == 0 && number < 0) {
    code = error_set(err, number == Z_ERRNO ? ERROR_IO : ERROR_INPUT, "%.300s: cannot read: %s", path,
                     number == Z_ERRNO ? strerror(errno) : message);
  }
  (void)gzclose_r(file);
  return code;
}

/* ---- text ------------------------------------------------------------------------------------------------------ */

static int text_read(struct data *data, gzFile file, size_t *size, struct error *err) {
  size_t capacity = 0;
  int got = 1;
  *size = 0;
  while (got > 0) {
    if (*size == capacity) {
      capacity = capacity ? 2 * capacity : 1 << 16;
      unsigned char *more = realloc(data->text, capacity);
      if (!more) {
        return out_of_memory(err, data->source);
      }
      data->text = more;
    }
    got = gzread(file, data->text + *size, (unsigned)(capacity - *size));
    *size += got > 0 ? (size_t)got : 0;
    if (*size > TEXT_MAX) {
      return error_set(err, ERROR_INPUT, "%s: more than %d bytes", data->source, TEXT_MAX);
    }
  }
  return 0;
}

/* Characters become numbers, in their order. */
static void text_number(struct data *data, size_t size) {
  bool there[256] = {false};
  unsigned char number[256] = {0};
  for (size_t i = 0; i < size; i++) {
    there[data->text[i]] = true;
  }
  for (unsigned c = 0; c < 256; c++) {
    if (there[c]) {
      number[c] = (unsigned char)data->classes;
      data->characters[data->classes++] = (unsigned char)c;
    }
  }
  for (size_t i = 0; i < size; i++) {
    data->text[i] = number[data->text[i]];
  }
}

static int text_open(struct data *data, struct error *err) {
  gzFile file;
  size_t size = 0;
  int code = file_open(&file, data->source, err);
  if (code == 0) {
    code = file_close(file, data->source, text_read(data, file, &size, err), err);
  }
  if (code == 0 && size < 100) {
    code = error_set(err, ERROR_INPUT, "%s: %zu characters are too few to learn from", data->source, size);
  }
  if (code == 0) {
    text_number(data, size);
    data->test = size / 10;
    data->train = size - data->test;
  }
  return code;
}

/* ---- digits ---------------------------------------------------------------------------------------------------- */

/* 64 points and a label, between commas. */
static bool row_parse(const char *line, float *points, int32_t *label) {
  for (size_t i = 0; i <= POINTS; i++) {
    char *end;
    const double number = strtod(line, &end);
    const bool last = i == POINTS;
    if (end == line || !(number >= 0 && number <= (last ? DIGITS - 1 : (double)point_most)) ||
        (last ? strspn(end, "\r\n") != strlen(end) : *end != ',')) {
      return false;
    }
    if (last) {
      *label = (int32_t)number;
    } else {
      points[i] = (float)number / (point_most / 2) - 1;
    }
    line = end + 1;
  }
  return true;
}

static int digits_grow(struct data *data, size_t *capacity, struct error *err) {
  const size_t wanted = *capacity ? 2 * *capacity : 2048;
  float *images = realloc(data->images, wanted * POINTS * sizeof *images);
  if (!images) {
    return out_of_memory(err, data->source);
  }
  data->images = images;
  int32_t *labels = realloc(data->labels, wanted * sizeof *labels);
  if (!labels) {
    return out_of_memory(err, data->source);
  }
  data->labels = labels;
  *capacity = wanted;
  return 0;
}

static int digits_read(struct data *data, gzFile file, size_t *rows, struct error *err) {
  char line[LINE_SIZE];
  size_t capacity = 0;
  for (*rows = 0; gzgets(file, line, sizeof line); (*rows)++) {
    if (*rows == IMAGES_MAX) {
      return error_set(err, ERROR_INPUT, "%s: more than %d rows", data->source, IMAGES_MAX);
    }
    if (*rows == capacity && digits_grow(data, &capacity, err) < 0) {
      return ERROR_MEMORY;
    }
    if (!row_parse(line, data->images + *rows * POINTS, &data->labels[*rows])) {
      return error_set(err, ERROR_INPUT, "%s: line %zu: 64 points from 0 to 16 and a label from 0 to 9 were expected",
                       data->source, *rows + 1);
    }
  }
  return 0;
}

/* Fisher and Yates. Rows lie by writer: the order of the file would test on other hands than it trains on. */
static void digits_shuffle(struct data *data, size_t rows) {
  for (size_t i = rows; i > 1; i--) {
    const size_t k = (size_t)((uint64_t)philox_at(i, 0, split_seed).word[0] * i >> 32);
    float image[POINTS];
    memcpy(image, data->images + (i - 1) * POINTS, sizeof image);
    memmove(data->images + (i - 1) * POINTS, data->images + k * POINTS, sizeof image);
    memcpy(data->images + k * POINTS, image, sizeof image);
    const int32_t label = data->labels[i - 1];
    data->labels[i - 1] = data->labels[k];
    data->labels[k] = label;
  }
}

static int digits_open(struct data *data, struct error *err) {
  gzFile file;
  size_t rows = 0;
  int code = file_open(&file, data->source, err);
  if (code == 0) {
    code = file_close(file, data->source, digits_read(data, file, &rows, err), err);
  }
  if (code == 0 && rows < DIGITS) {
    code = error_set(err, ERROR_INPUT, "%s: %zu rows are too few to learn from", data->source, rows);
  }
  if (code == 0) {
    digits_shuffle(data, rows);
    data->classes = DIGITS;
    data->test = rows / 5;
    data->train = rows - data->test;
  }
  return code;
}

/* ---- both ------------------------------------------------------------------------------------------------------ */

int data_open(struct data **data, enum data_kind kind, const char *path, struct error *err) {
  struct data *made = calloc(1, sizeof *made);
  *data = NULL;
  if (!made) {
    return out_of_memory(err, "data");
  }
  made->kind = kind;
  int code = source_find(made, path, err);
  if (code == 0) {
    code = kind == DATA_TEXT ? text_open(made, err) : digits_open(made, err);
  }
  if (code < 0) {
    data_close(made);
    return code;
  }
  *data = made;
  return 0;
}

void data_close(struct data *data) {
  if (data) {
    free(data->text);
    free(data->images);
    free(data->labels);
    free(data);
  }
}

static int fit_text(const struct data *data, struct model_options *o, struct error *err) {
  if (data->test <= o->sequence) {
    return error_set(err, ERROR_USAGE, "%s: a test part of %zu characters is too short for a sequence of %zu",
                     data->source, data->test, o->sequence);
  }
  o->classes = 0;
  o->vocabulary = data->classes + (batch_masked(o) ? 1 : 0);
  return 0;
}

int data_fit(const struct data *data, struct model_options *o, struct error *err) {
  if (data_kind_of(o) != data->kind) {
    return error_set(err, ERROR_USAGE, "%s: %s learns from %s, not from %s", o->name, o->family,
                     data_kind_name(data_kind_of(o)), data_kind_name(data->kind));
  }
  if (data->kind == DATA_TEXT) {
    return fit_text(data, o, err);
  }
  o->classes = data->classes;
  o->inputs = POINTS;
  o->image = SIDE;
  o->channels = 1;
  if (o->patch > 2) { /* 16 patches at least: of 4 points each */
    o->patch = 2;
  }
  return 0;
}

/* ---- batches --------------------------------------------------------------------------------------------------- */

enum { STREAM_EXAMPLE = 0, STREAM_MASK = 1, STREAMS = 2 };

struct draw {
  uint64_t seed, number;
};

static uint32_t draw_word(struct draw draw, unsigned stream, size_t i) {
  return philox_at(i, draw.number * STREAMS + stream, draw.seed).word[0];
}

/* Example number i of the batch from `at`: characters, and the ones that follow them. */
static void text_put(const struct batch *batch, const struct data *data, size_t sequence, size_t i, size_t at) {
  int32_t *x = (int32_t *)batch->x->data + i * sequence, *target = (int32_t *)batch->target->data + i * sequence;
  for (size_t t = 0; t < sequence; t++) {
    x[t] = data->text[at + t];
    target[t] = data->text[at + t + 1];
  }
}

/* 15 of 100 characters are hidden behind the mask and asked for (Devlin et al. 2019; their 80-10-10 of what to put there
 * matters for other tasks only). */
static void text_mask(const struct batch *batch, const struct data *data, size_t sequence, struct draw draw) {
  int32_t *x = batch->x->data, *target = batch->target->data;
  for (size_t i = 0; i < batch->size * sequence; i++) {
    const bool asked = draw_word(draw, STREAM_MASK, i) < (uint32_t)(0.15 * 0x1p32);
    target[i] = asked ? x[i] : -1;
    x[i] = asked ? (int32_t)data->classes : x[i];
  }
}

static void image_put(const struct batch *batch, const struct data *data, size_t i, size_t row) {
  memcpy((float *)batch->x->data + i * POINTS, data->images + row * POINTS, POINTS * sizeof(float));
  ((int32_t *)batch->target->data)[i] = data->labels[row];
}

static int start(struct batch *batch, const struct data *data, const struct model *model, size_t size,
                 struct error *err) {
  *batch = (struct batch){0};
  const struct model_options *o = &model->options;
  if (data_kind_of(o) != data->kind || o->sequence >= (data->kind == DATA_TEXT ? data->test : SIZE_MAX) ||
      (data->kind == DATA_DIGITS && batch_inputs(o) != POINTS)) {
    return error_set(err, ERROR_USAGE, "%s was not made for %s: see data_fit", o->name, data->source);
  }
  return size ? batch_new(batch, o, size, model->memory, err) : 0;
}

int data_draw(struct batch *batch, const struct data *data, const struct model *model, uint64_t seed, uint64_t step,
              struct error *err) {
  const struct model_options *o = &model->options;
  const struct draw draw = {seed, step};
  int code = start(batch, data, model, o->batch, err);
  if (code < 0 || model->memory->dry) {
    return code;
  }
  const size_t among = data->kind == DATA_TEXT ? data->train - o->sequence : data->train;
  for (size_t i = 0; i < batch->size; i++) {
    const size_t at = (size_t)((uint64_t)draw_word(draw, STREAM_EXAMPLE, i) * among >> 32);
    if (data->kind == DATA_TEXT) {
      text_put(batch, data, o->sequence, i, at);
    } else {
      image_put(batch, data, i, at);
    }
  }
  if (batch_masked(o)) {
    text_mask(batch, data, o->sequence, draw);
  }
  return 0;
}

int data_test(struct batch *batch, const struct data *data, const struct model *model, size_t index,
              struct error *err) {
  const struct model_options *o = &model->options;
  const size_t examples = data->kind == DATA_TEXT ? (data->test - 1) / o->sequence : data->test;
  const size_t first = index * o->batch, left = first < examples ? examples - first : 0;
  int code = start(batch, data, model, left < o->batch ? left : o->batch, err);
  if (code < 0 || model->memory->dry) {
    return code;
  }
  for (size_t i = 0; i < batch->size; i++) {
    if (data->kind == DATA_TEXT) {
      text_put(batch, data, o->sequence, i, data->train + (first + i) * o->sequence);
    } else {
      image_put(batch, data, i, data->train + first + i);
    }
  }
  if (batch->size && batch_masked(o)) {
    text_mask(batch, data, o->sequence, (struct draw){split_seed, index});
  }
  return 0;
}
