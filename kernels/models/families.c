/* The list of families. */
#include "kernels/models/net.h"

#include <string.h>

static const struct family *const families[] = {&family_mlp, &family_gpt,    &family_bert,
                                                &family_vit, &family_resnet, &family_llama};

const struct family *family_at(size_t index) {
  return index < sizeof families / sizeof *families ? families[index] : NULL;
}

const struct family *family_find(const char *name) {
  for (size_t i = 0; family_at(i); i++) {
    if (strcmp(family_at(i)->name, name) == 0) {
      return family_at(i);
    }
  }
  return NULL;
}
