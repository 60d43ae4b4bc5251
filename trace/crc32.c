/* Eight bytes a turn by eight tables ("slicing by 8", Kounavis and Berry 2005): fast enough that checking a chunk costs
 * a small part of decoding it. */
#include "trace/crc32.h"

#include <pthread.h>

static uint32_t tables[8][256];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static void tables_fill(void) {
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) {
      crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320u : 0);
    }
    tables[0][byte] = crc;
  }
  for (int level = 1; level < 8; level++) {
    for (uint32_t byte = 0; byte < 256; byte++) {
      uint32_t before = tables[level - 1][byte];
      tables[level][byte] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
}

static uint32_t load_u32(const uint8_t *at) {
  return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint32_t eight_bytes(uint32_t crc, const uint8_t *at) {
  uint32_t low = load_u32(at) ^ crc, high = load_u32(at + 4);
  return tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^ tables[5][low >> 16 & 0xff] ^ tables[4][low >> 24] ^
         tables[3][high & 0xff] ^ tables[2][high >> 8 & 0xff] ^ tables[1][high >> 16 & 0xff] ^ tables[0][high >> 24];
}

uint32_t crc32_update(uint32_t crc, const void *bytes, size_t size) {
  pthread_once(&tables_once, tables_fill);
  const uint8_t *at = bytes;
  crc = ~crc;
  for (; size >= 8; size -= 8, at += 8) {
    crc = eight_bytes(crc, at);
  }
  for (; size; size--, at++) {
    crc = (crc >> 8) ^ tables[0][(crc ^ *at) & 0xff];
  }
  return ~crc;
}
