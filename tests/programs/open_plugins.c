/* dlopen and dlclose: `again` (1000 times two plug-ins in turn), `deepbind`, `fails` (a library that is not there, while a
 * thread allocates). */
#include "check.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void open_run_close(const char *name, int flags, size_t size) {
  void *handle = dlopen(name, RTLD_NOW | flags);
  if (!handle) {
    print("%s\n", dlerror());
    _exit(99);
  }
  void (*run)(size_t);
  *(void **)&run = dlsym(handle, "plugin_run");
  CHECK(run);
  run(size);
  CHECK(dlclose(handle) == 0);
}

static void again(void) {
  for (int i = 0; i < 500; i++) {
    open_run_close("plugin_allocate.so", 0, 33333);
    open_run_close("plugin_other.so", 0, 44444);
  }
}

static volatile int stop;

static void *allocate(void *unused) {
  (void)unused;
  while (!stop) {
    free(malloc(30000));
  }
  return NULL;
}

static void fails(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, allocate, NULL);
  for (int i = 0; i < 500; i++) {
    void *handle = dlopen("not-there.so", RTLD_NOW);
    CHECK(!handle);
    open_run_close("plugin_allocate.so", 0, 33333);
  }
  stop = 1;
  pthread_join(thread, NULL);
}

int main(int argc, char **argv) {
  const char *mode = argc > 1 ? argv[1] : "";
  strcmp(mode, "again") == 0      ? again()
  : strcmp(mode, "deepbind") == 0 ? open_run_close("plugin_allocate.so", RTLD_DEEPBIND, 33333)
  : strcmp(mode, "fails") == 0    ? fails()
                                  : exit(2);
  return 0;
}
