#include "common/temporary.h"

#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

enum { TEMPORARIES = 8 };
static _Atomic(const char *) paths[TEMPORARIES];

void temporary_add(const char *path) {
  for (size_t i = 0; path && i < TEMPORARIES; i++) {
    const char *none = NULL;
    if (atomic_compare_exchange_strong(&paths[i], &none, path)) {
      return;
    }
  }
}

void temporary_drop(const char *path) {
  for (size_t i = 0; path && i < TEMPORARIES; i++) {
    const char *same = path;
    if (atomic_compare_exchange_strong(&paths[i], &same, NULL)) {
      return;
    }
  }
}

void temporary_remove_all(void) {
  for (size_t i = 0; i < TEMPORARIES; i++) {
    const char *path = atomic_exchange(&paths[i], NULL);
    if (path) {
      unlink(path);
    }
  }
}
