/* Wire format: a key (field << 3 | type) and a value, both as varints of seven bits a byte, the lowest first. */
#include "reports/protobuf.h"

#include <stdlib.h>
#include <string.h>

enum { TYPE_VARINT = 0, TYPE_LENGTH = 2, VARINT_MAX = 10 };

void protobuf_fini(struct protobuf *message) {
  free(message->bytes);
  *message = (struct protobuf){0};
}

void protobuf_clear(struct protobuf *message) {
  message->size = 0;
}

/* Room for so many bytes at the end; NULL: none. */
static unsigned char *reserve(struct protobuf *message, size_t size) {
  if (message->capacity - message->size < size) {
    size_t capacity = 2 * message->capacity + size + 64;
    unsigned char *bytes = message->failed ? NULL : realloc(message->bytes, capacity);
    if (!bytes) {
      message->failed = true;
      return NULL;
    }
    message->bytes = bytes;
    message->capacity = capacity;
  }
  return message->bytes + message->size;
}

static size_t encode_varint(unsigned char *out, uint64_t value) {
  size_t size = 0;
  for (; value > 0x7f; value >>= 7) {
    out[size++] = (unsigned char)(value | 0x80);
  }
  out[size++] = (unsigned char)value;
  return size;
}

static void append_varint(struct protobuf *message, uint64_t value) {
  unsigned char *out = reserve(message, VARINT_MAX);
  if (out) {
    message->size += encode_varint(out, value);
  }
}

static void append_key(struct protobuf *message, unsigned field, unsigned type) {
  append_varint(message, (uint64_t)field << 3 | type);
}

void protobuf_integer(struct protobuf *message, unsigned field, uint64_t value) {
  if (value) {
    append_key(message, field, TYPE_VARINT);
    append_varint(message, value);
  }
}

void protobuf_bytes(struct protobuf *message, unsigned field, const void *bytes, size_t size) {
  unsigned char *out;
  append_key(message, field, TYPE_LENGTH);
  append_varint(message, size);
  out = reserve(message, size);
  if (out && size) {
    memcpy(out, bytes, size);
    message->size += size;
  }
}

void protobuf_text(struct protobuf *message, unsigned field, const char *text) {
  protobuf_bytes(message, field, text, strlen(text));
}

void protobuf_message(struct protobuf *message, unsigned field, const struct protobuf *inner) {
  message->failed |= inner->failed;
  protobuf_bytes(message, field, inner->bytes, inner->size);
}

void protobuf_integers(struct protobuf *message, unsigned field, const uint64_t *values, size_t count) {
  unsigned char scratch[VARINT_MAX];
  size_t size = 0;
  for (size_t i = 0; i < count; i++) {
    size += encode_varint(scratch, values[i]);
  }
  if (count) {
    append_key(message, field, TYPE_LENGTH);
    append_varint(message, size);
  }
  for (size_t i = 0; i < count; i++) {
    append_varint(message, values[i]);
  }
}
