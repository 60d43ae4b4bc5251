#ifndef ACTSCOPE_TESTS_PROFILER_BARE_CODE_H
#define ACTSCOPE_TESTS_PROFILER_BARE_CODE_H

/* Calls the function with the address that this call returns to. */
void bare_call(void (*function)(const void *), const void **return_address);

#endif
