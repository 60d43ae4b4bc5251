/* Traces that a recording left when it could not finish them. Private to trace/. */
#ifndef ACTSCOPE_TRACE_UNFINISHED_H
#define ACTSCOPE_TRACE_UNFINISHED_H

/* The newest trace RUN.<pid> or RUN.<pid>-<image> beside a RUN that is missing, as a path to be freed; NULL if there is
 * none, or no memory. */
char *trace_unfinished_beside(const char *run);

#endif
