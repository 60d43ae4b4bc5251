#include "kernels/layers/fewbit_set.h"

#include "kernels/dispatch.h"
#include "kernels/function.h"
#include "kernels/quantizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
  bool wanted;
  fewbit_quantizer *quantizer; /* NULL until asked for */
};

struct fewbit_set {
  unsigned bits;
  enum fewbit_method method;
  struct entry entries[FUNCTION_COUNT];
  int status;
  struct error error;
};

_Static_assert(sizeof(fewbit_error) == sizeof(struct error), "one error serves as the other");

/* Marks the functions of a list; NULL: all. */
static int want(struct fewbit_set *set, const char *functions, struct error *err) {
  if (!functions) {
    for (unsigned id = 0; id < FUNCTION_STEPWISE; id++) {
      set->entries[id].wanted = true;
    }
    return 0;
  }
  for (const char *at = functions; *at;) {
    const size_t length = strcspn(at, ",");
    char name[FUNCTION_NAME_SIZE];
    snprintf(name, sizeof name, "%.*s", (int)length, at);
    struct function function;
    const int code = function_find(&function, name, err);
    if (code < 0) {
      return code;
    }
    set->entries[function.id].wanted = true;
    at += length + (at[length] == ',');
  }
  return 0;
}

static int check(unsigned bits, enum fewbit_method method, struct error *err) {
  const struct kernels *kernels = NULL;
  if (bits > QUANTIZER_BITS_MAX) {
    return error_set(err, ERROR_USAGE, "bits %u: there are 1 to %d, and 0 for exact gradients", bits,
                     QUANTIZER_BITS_MAX);
  }
  if (method != FEWBIT_VALUE && method != FEWBIT_INTERVAL) {
    return error_set(err, ERROR_USAGE, "method %d: there are FEWBIT_VALUE and FEWBIT_INTERVAL", (int)method);
  }
  return dispatch_choose(&kernels, err);
}

int fewbit_set_new(struct fewbit_set **set, unsigned bits, enum fewbit_method method, const char *functions,
                   struct error *err) {
  *set = NULL;
  int code = check(bits, method, err);
  if (code < 0) {
    return code;
  }
  struct fewbit_set *made = calloc(1, sizeof *made);
  if (!made) {
    return error_set(err, ERROR_MEMORY, "quantizers: out of memory");
  }
  made->bits = bits;
  made->method = method;
  code = want(made, functions, err);
  if (code < 0) {
    free(made);
    return code;
  }
  *set = made;
  return 0;
}

void fewbit_set_free(struct fewbit_set *set) {
  if (!set) {
    return;
  }
  for (unsigned id = 0; id < FUNCTION_COUNT; id++) {
    fewbit_quantizer_free(set->entries[id].quantizer);
  }
  free(set);
}

static void make(struct fewbit_set *set, struct entry *entry, const char *function) {
  const fewbit_options options = {.function = function, .bits = set->bits, .method = set->method};
  fewbit_error error;
  const int code = fewbit_quantizer_fit(&options, &entry->quantizer, &error);
  if (code < 0 && set->status == 0) {
    set->status = code;
    memcpy(set->error.message, error.message, sizeof set->error.message);
  }
}

const struct fewbit_quantizer *fewbit_set_find(struct fewbit_set *set, const char *name) {
  struct function function;
  if (set->bits == 0 || function_find(&function, name, NULL) < 0 || !set->entries[function.id].wanted) {
    return NULL;
  }
  struct entry *entry = &set->entries[function.id];
  if (!entry->quantizer) {
    make(set, entry, name);
  }
  return entry->quantizer;
}

static const struct fewbit_quantizer *find(void *context, const char *function) {
  return fewbit_set_find(context, function);
}

struct fewbit_choice fewbit_set_choice(struct fewbit_set *set) {
  return (struct fewbit_choice){.bits = set->bits, .method = (int)set->method, .quantizer = find, .context = set};
}

int fewbit_set_status(const struct fewbit_set *set, struct error *err) {
  return set->status < 0 ? error_set(err, set->status, "%s", set->error.message) : 0;
}
