/* Varints and record borders, decoded without a bounds check a byte: the caller's bytes have TRACE_PADDING readable bytes
 * behind them, and whether a record was whole is asked once, behind its last field. Private to trace/. */
#ifndef ACTSCOPE_TRACE_DECODE_H
#define ACTSCOPE_TRACE_DECODE_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Where decoding stands. A varint that is none sets bad and counts as 0; nothing after it means anything. */
struct trace_decoder {
  const uint8_t *at;
  bool bad;
};

/* The 9th and 10th byte: rare, so kept out of line. */
uint64_t trace_take_long(struct trace_decoder *decoder);

/* Takes an unsigned varint; reads at most 10 bytes. Up to 8 bytes are taken in one load, and their 7-bit groups are
 * closed up pairwise, because a loop over the bytes costs a mispredicted branch for nearly every field. */
static inline uint64_t trace_take_uv(struct trace_decoder *decoder) {
  uint8_t first = *decoder->at;
  if (first < 0x80) {
    decoder->at++;
    return first;
  }
  uint64_t word;
  memcpy(&word, decoder->at, sizeof word);
  word = le64toh(word);
  uint64_t stops = ~word & UINT64_C(0x8080808080808080);
  if (__builtin_expect(stops == 0, 0)) {
    return trace_take_long(decoder);
  }
  decoder->at += (__builtin_ctzll(stops) >> 3) + 1;
  word &= stops ^ (stops - 1);
  word = (word & UINT64_C(0x007f007f007f007f)) | (word & UINT64_C(0x7f007f007f007f00)) >> 1;
  word = (word & UINT64_C(0x00003fff00003fff)) | (word & UINT64_C(0x3fff00003fff0000)) >> 2;
  return (word & UINT64_C(0x000000000fffffff)) | (word & UINT64_C(0x0fffffff00000000)) >> 4;
}

/* A zigzag number as the two's complement that can be added to an unsigned one. */
static inline uint64_t trace_zigzag(uint64_t value) {
  return (value >> 1) ^ (~(value & 1) + 1);
}

static inline uint64_t trace_take_sv(struct trace_decoder *decoder) {
  return trace_zigzag(trace_take_uv(decoder));
}

/* Takes the length of a long record and returns its end; NULL if that is not within `end`. */
static inline const uint8_t *trace_take_end(struct trace_decoder *decoder, const uint8_t *end) {
  uint64_t length = trace_take_uv(decoder);
  if (decoder->bad || decoder->at > end || length > (uint64_t)(end - decoder->at)) {
    return NULL;
  }
  return decoder->at + length;
}

/* Number of varints behind each compact tag, 0 for tags that do not exist. */
extern const uint8_t trace_compact_fields[0x80];

/* The end of the last whole record in [begin, end); end itself if something else than its end is wrong. */
const uint8_t *trace_records_end(const uint8_t *begin, const uint8_t *end);

#endif
