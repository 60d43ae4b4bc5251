/* What of a process's memory went by the recorder, as the preload library found out when it started. */
#ifndef ACTSCOPE_ANALYZERS_UNSEEN_H
#define ACTSCOPE_ANALYZERS_UNSEEN_H

#include "analyzers/strings.h"
#include "trace/trace_reader.h"

#include <stdbool.h>
#include <stddef.h>

/* The index-th of these, from 0 on: "PATH has a malloc that comes before ...", without a full stop. False: there are no more. */
enum { UNSEEN_SIZE = 640 };
bool unseen_sentence(const struct trace_reader *reader, size_t index, char out[static UNSEEN_SIZE]);

/* All of them, "One. Another.", interned; "" none; NULL: no memory. */
char *unseen_describe(const struct trace_reader *reader, struct strings *strings);

#endif
