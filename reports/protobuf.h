/* The writing half of protocol buffers' wire format: fields of one message, appended to a buffer. The first failure
 * (memory) sticks, so callers check once, at the end. One thread. */
#ifndef ACTSCOPE_REPORTS_PROTOBUF_H
#define ACTSCOPE_REPORTS_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct protobuf { /* zeroed: an empty message */
  unsigned char *bytes;
  size_t size, capacity;
  bool failed;
};

void protobuf_fini(struct protobuf *message);  /* zeroed is fine; leaves it zeroed */
void protobuf_clear(struct protobuf *message); /* empty again; keeps its memory, and its failure */

/* int64, uint64, bool; a negative number as its two's complement. 0 is the default and is not written. */
void protobuf_integer(struct protobuf *message, unsigned field, uint64_t value);
/* string, bytes; written even if empty. */
void protobuf_bytes(struct protobuf *message, unsigned field, const void *bytes, size_t size);
void protobuf_text(struct protobuf *message, unsigned field, const char *text);
void protobuf_message(struct protobuf *message, unsigned field, const struct protobuf *inner);
/* repeated integers, packed. */
void protobuf_integers(struct protobuf *message, unsigned field, const uint64_t *values, size_t count);

#endif
