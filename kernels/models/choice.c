/* A fewbit_set whose quantizers are all made at once, so that nothing can fail later. */
#include "kernels/models/choice.h"

#include "kernels/function.h"
#include "kernels/layers/fewbit_set.h"

#include <stdio.h>

enum { LIST_SIZE = FUNCTION_COUNT * FUNCTION_NAME_SIZE };

static int join(char *list, const char *const *functions, struct error *err) {
  size_t length = 0;
  *list = '\0';
  for (; *functions; functions++) {
    length += (size_t)snprintf(list + length, LIST_SIZE - length, "%s%s", length ? "," : "", *functions);
    if (length >= LIST_SIZE) {
      return error_set(err, ERROR_USAGE, "%.40s: too many functions are named", *functions);
    }
  }
  return 0;
}

static int make_all(struct fewbit_set *set, const char *const *functions, struct error *err) {
  for (; *functions; functions++) {
    fewbit_set_find(set, *functions);
  }
  return fewbit_set_status(set, err);
}

int choice_open(struct fewbit_choice *choice, unsigned bits, int method, const char *const *functions,
                struct error *err) {
  char list[LIST_SIZE];
  struct fewbit_set *set = NULL;
  *choice = (struct fewbit_choice){0};
  int code = bits ? join(list, functions, err) : 0;
  if (!bits || code < 0) {
    return code;
  }
  code = fewbit_set_new(&set, bits, (enum fewbit_method)method, list, err);
  if (code == 0) {
    code = make_all(set, functions, err);
  }
  if (code < 0) {
    fewbit_set_free(set);
    return code;
  }
  *choice = fewbit_set_choice(set);
  return 0;
}

int choice_open_model(struct fewbit_choice *choice, unsigned bits, int method, const struct model_options *options,
                      struct error *err) {
  const char *names[MODEL_FUNCTIONS + 1];
  model_functions(options, names);
  return choice_open(choice, bits, method, names, err);
}

void choice_close(struct fewbit_choice *choice) {
  fewbit_set_free(choice->context);
  *choice = (struct fewbit_choice){0};
}
