/* The slow end of varints, and the borders of records: see the header. */
#include "trace/trace_decode.h"

#include "trace/trace_format.h"

uint64_t trace_take_long(struct trace_decoder *decoder) {
  uint64_t value = 0;
  for (unsigned i = 0; i < 10; i++) {
    uint8_t byte = decoder->at[i];
    if (i == 9 && byte > 1) { /* it would be longer than 64 bits, or than 10 bytes */
      break;
    }
    value |= (uint64_t)(byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      decoder->at += i + 1;
      return value;
    }
  }
  decoder->bad = true;
  return 0;
}

const uint8_t trace_compact_fields[0x80] = {
    [TRACE_TAG_ALLOC] = 4, [TRACE_TAG_FREE] = 3,  [TRACE_TAG_FREE_RELEASE] = 3, [TRACE_TAG_SMALL] = 5,
    [TRACE_TAG_MAP] = 4,   [TRACE_TAG_UNMAP] = 4, [TRACE_TAG_REALLOC_FREE] = 3, [TRACE_TAG_REALLOC_ALLOC] = 4,
};

const uint8_t *trace_records_end(const uint8_t *begin, const uint8_t *end) {
  struct trace_decoder in = {.at = begin};
  while (in.at < end) {
    const uint8_t *record = in.at;
    uint8_t tag = *in.at++;
    if (tag < 0x80) {
      for (int i = 0; i < trace_compact_fields[tag]; i++) {
        trace_take_uv(&in);
      }
      if (trace_compact_fields[tag] == 0) {
        return end;
      }
    } else {
      const uint8_t *behind = trace_take_end(&in, end);
      in.at = behind ? behind : end + 1;
    }
    if (in.at > end || in.bad) {
      return record;
    }
  }
  return end;
}
