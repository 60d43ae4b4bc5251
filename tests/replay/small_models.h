/* A tiny model of every family, for tests that train. Any failure aborts the test. */
#ifndef ACTSCOPE_TESTS_REPLAY_SMALL_MODELS_H
#define ACTSCOPE_TESTS_REPLAY_SMALL_MODELS_H

#include "kernels/models/model.h"

enum { SMALL_MODELS = 6 };

/* The model number `at` with the given activation function (NULL: the family's own). */
struct model_options small_model(size_t at, const char *activation);

#endif
