/* Data: what files are read as, how they are split, what batches hold. */
#include "kernels/models/data.h"
#include "tests/models/digits_file.h"
#include "tests/models/small.h"
#include "tests/support/files.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A text of 1000 characters in which the next one follows from the one before: "abc...tabc...". */
static struct data *open_text(void) {
  char *folder = folder_make(), text[1000];
  struct path path = path_join(folder, "text");
  struct data *data;
  struct error err = {""};
  for (size_t i = 0; i < sizeof text; i++) {
    text[i] = (char)('a' + i % 20);
  }
  file_write(path.text, text, sizeof text);
  cr_assert_eq(data_open(&data, DATA_TEXT, path.text, &err), 0, "%s", err.message);
  folder_remove(folder);
  return data;
}

Test(data, text_is_numbered_and_split) {
  struct data *data = open_text();
  cr_expect(data->classes == 20 && data->train == 900 && data->test == 100);
  cr_expect_eq(memcmp(data->characters, "abcdefghijklmnopqrst", 20), 0);
  for (size_t i = 0; i < 1000; i++) {
    cr_assert_eq(data->text[i], i % 20);
  }
  data_close(data);
}

static struct model *fitted(const struct data *data, const char *preset, const char *settings, struct memory *memory) {
  struct model_options options = small_options(preset, settings);
  struct error err = {""};
  cr_assert_eq(data_fit(data, &options, &err), 0, "%s", err.message);
  memory_init(memory, false);
  return small_model(&options, memory, 1);
}

Test(data, text_batches_ask_for_the_next_character) {
  struct data *data = open_text();
  struct memory memory;
  struct model *model = fitted(data, "gpt", "layers=1 width=8 heads=1 sequence=12 batch=7", &memory);
  struct batch batch, again;
  struct error err;
  cr_expect_eq(model->options.vocabulary, 20);
  for (uint64_t step = 0; step < 40; step++) {
    cr_assert_eq(data_draw(&batch, data, model, 3, step, &err), 0);
    cr_assert_eq(data_draw(&again, data, model, 3, step, &err), 0);
    const int32_t *x = batch.x->data, *target = batch.target->data;
    for (size_t i = 0; i < 7 * 12; i++) {
      cr_assert_eq(target[i], (x[i] + 1) % 20);
      cr_assert(i % 12 == 0 || x[i] == target[i - 1]);
    }
    cr_assert_eq(memcmp(x, again.x->data, batch.x->bytes), 0);
    batch_fini(&batch);
    batch_fini(&again);
  }
  model_free(model);
  data_close(data);
}

/* 99 characters have one after them: 8 stretches of 12, in batches of 3. */
Test(data, test_part_comes_once) {
  struct data *data = open_text();
  struct memory memory;
  struct model *model = fitted(data, "llama", "layers=1 width=8 heads=1 sequence=12 batch=3", &memory);
  static const size_t sizes[] = {3, 3, 2, 0, 0};
  size_t at = 900;
  for (size_t index = 0; index < 5; index++) {
    struct batch batch;
    struct error err;
    cr_assert_eq(data_test(&batch, data, model, index, &err), 0);
    cr_expect_eq(batch.size, sizes[index]);
    for (size_t i = 0; i < 12 * sizes[index]; i++, at++) {
      cr_expect_eq(((int32_t *)batch.x->data)[i], at % 20);
    }
    batch_fini(&batch);
  }
  model_free(model);
  data_close(data);
}

Test(data, masked_words) {
  struct data *data = open_text();
  struct memory memory;
  struct model *model = fitted(data, "bert", "layers=1 width=8 heads=1 sequence=50 batch=40 classes=2", &memory);
  struct batch batch;
  struct error err;
  size_t asked = 0;
  cr_expect_eq(model->options.vocabulary, 21);
  cr_assert_eq(data_draw(&batch, data, model, 3, 1, &err), 0);
  const int32_t *x = batch.x->data, *target = batch.target->data;
  for (size_t i = 0; i < 2000; i++) {
    asked += target[i] >= 0;
    cr_assert_eq(x[i] == 20, target[i] >= 0);
  }
  cr_expect(asked > 220 && asked < 380, "%zu of 2000; 300 with a deviation of 16 were expected", asked);
  batch_fini(&batch);
  model_free(model);
  data_close(data);
}

/* ---- digits ---------------------------------------------------------------------------------------------------- */

static struct data *open_digits(size_t rows, bool packed) {
  char *folder = folder_make();
  struct path path = path_join(folder, "digits.csv");
  struct data *data;
  struct error err = {""};
  digits_file_write(path.text, rows, packed);
  cr_assert_eq(data_open(&data, DATA_DIGITS, path.text, &err), 0, "%s", err.message);
  folder_remove(folder);
  return data;
}

Test(data, digits_packed_or_not_are_the_same) {
  struct data *plain = open_digits(100, false), *packed = open_digits(100, true);
  cr_expect(plain->train == 80 && plain->test == 20 && plain->classes == 10);
  const void *images = plain->images, *images_packed = packed->images;
  cr_expect_eq(memcmp(images, images_packed, 100 * 64 * sizeof(float)), 0);
  cr_expect_eq(memcmp(plain->labels, packed->labels, 100 * sizeof(int32_t)), 0);
  size_t moved = 0, count[10] = {0};
  for (size_t i = 0; i < 100; i++) {
    moved += plain->labels[i] != (int32_t)(i % 10);
    count[plain->labels[i]]++;
    cr_expect_eq(digits_file_label(plain->images + 64 * i), plain->labels[i], "image and label stay together");
  }
  cr_expect_gt(moved, 50, "rows are put in another order");
  for (size_t k = 0; k < 10; k++) {
    cr_expect_eq(count[k], 10);
  }
  data_close(plain);
  data_close(packed);
}

Test(data, digits_batches) {
  struct data *data = open_digits(100, false);
  static const char *const presets[] = {"mlp", "vit", "resnet"};
  static const char *const settings[] = {"width=8 layers=1 batch=16", "width=8 heads=1 layers=1 batch=16",
                                         "width=4 blocks=1 batch=16"};
  for (size_t k = 0; k < 3; k++) {
    struct memory memory;
    struct model *model = fitted(data, presets[k], settings[k], &memory);
    struct batch batch;
    struct error err;
    size_t tested = 0;
    cr_assert_eq(data_draw(&batch, data, model, 1, 1, &err), 0);
    for (size_t i = 0; i < 16; i++) {
      cr_expect_eq(digits_file_label(tensor_floats(batch.x) + 64 * i), ((int32_t *)batch.target->data)[i]);
    }
    batch_fini(&batch);
    for (size_t index = 0; data_test(&batch, data, model, index, &err) == 0 && batch.size; index++) {
      cr_expect_eq(memcmp(batch.x->data, data->images + 64 * (80 + tested), batch.x->bytes), 0);
      tested += batch.size;
      batch_fini(&batch);
    }
    cr_expect_eq(tested, 20);
    model_free(model);
    cr_expect_eq(memory.live, 0);
  }
  data_close(data);
}

/* ---- refusals -------------------------------------------------------------------------------------------------- */

static void expect_refused(enum data_kind kind, const char *text, size_t size, const char *reason) {
  char *folder = folder_make();
  struct path path = path_join(folder, "file");
  struct data *data;
  struct error err = {""};
  file_write(path.text, text, size);
  cr_expect_eq(data_open(&data, kind, path.text, &err), ERROR_INPUT, "%.20s", text);
  cr_expect(strstr(err.message, reason) && strstr(err.message, path.text), "%s", err.message);
  cr_expect_null(data);
  folder_remove(folder);
}

Test(data, damaged_files) {
  char row[200] = "", bad[600];
  for (size_t i = 0; i < 64; i++) {
    memcpy(row + 2 * i, "7,", 2);
  }
  memcpy(row + 128, "3\n", 3);
  expect_refused(DATA_TEXT, "", 0, "too few");
  expect_refused(DATA_DIGITS, "", 0, "too few");
  expect_refused(DATA_DIGITS, row, strlen(row), "too few");
  snprintf(bad, sizeof bad, "%s8,%s", row, row); /* a column more */
  expect_refused(DATA_DIGITS, bad, strlen(bad), "line 2");
  expect_refused(DATA_DIGITS, row + 2, strlen(row + 2), "line 1");
  snprintf(bad, sizeof bad, "17%s", row + 1);
  expect_refused(DATA_DIGITS, bad, strlen(bad), "line 1");
  expect_refused(DATA_DIGITS, "a,b\n", 4, "line 1");
}

Test(data, missing_and_cut_files) {
  struct data *data;
  struct error err = {""};
  cr_expect_eq(data_open(&data, DATA_TEXT, "/nowhere/text", &err), ERROR_IO);
  cr_expect(strstr(err.message, "/nowhere/text"));
  char *folder = folder_make();
  struct path path = path_join(folder, "digits.csv.gz"), cut = path_join(folder, "cut.csv.gz");
  size_t size;
  digits_file_write(path.text, 100, true);
  uint8_t *bytes = file_read(path.text, &size);
  file_write(cut.text, bytes, size / 2);
  cr_expect_eq(data_open(&data, DATA_DIGITS, cut.text, &err), ERROR_INPUT, "half a packed file was taken");
  bytes[size - 8] ^= 1; /* of the checksum at the end: every row reads well */
  file_write(cut.text, bytes, size);
  cr_expect_eq(data_open(&data, DATA_DIGITS, cut.text, &err), ERROR_INPUT, "a wrong checksum was taken");
  free(bytes);
  folder_remove(folder);
}

Test(data, models_for_other_data) {
  struct data *data = open_text();
  struct error err = {""};
  struct model_options options = small_options("vit", "");
  cr_expect_eq(data_fit(data, &options, &err), ERROR_USAGE);
  cr_expect(strstr(err.message, "digits"), "%s", err.message);
  options = small_options("gpt", "sequence=100");
  cr_expect_eq(data_fit(data, &options, &err), ERROR_USAGE);
  cr_expect(strstr(err.message, "too short"), "%s", err.message);
  struct memory memory;
  struct batch batch;
  options = small_options("mlp", "");
  memory_init(&memory, false);
  struct model *model = small_model(&options, &memory, 1);
  cr_expect_eq(data_draw(&batch, data, model, 1, 1, &err), ERROR_USAGE);
  model_free(model);
  data_close(data);
}

/* ---- what Debian has ------------------------------------------------------------------------------------------- */

Test(data, the_licence_of_this_machine) {
  struct data *data;
  struct error err = {""};
  cr_assert_eq(data_open(&data, DATA_TEXT, NULL, &err), 0, "%s", err.message);
  cr_expect(data->train > 8000 && data->classes > 40 && data->classes < 128);
  data_close(data);
}

Test(data, the_digits_of_this_machine) {
  struct data *data;
  struct error err = {""};
  if (data_open(&data, DATA_DIGITS, NULL, &err) < 0) {
    cr_expect(strstr(err.message, "python3-sklearn"), "%s", err.message);
    cr_skip_test("python3-sklearn is not installed");
  }
  cr_expect_eq(data->train + data->test, 1797);
  cr_expect_eq(data->test, 359);
  data_close(data);
}
