/* CRC-32 as zlib, gzip and PNG have it (polynomial 0xedb88320, reflected, inverted at both ends). */
#ifndef ACTSCOPE_TRACE_CRC32_H
#define ACTSCOPE_TRACE_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Continues a sum over more bytes; begin with crc = 0. crc32_update(0, "123456789", 9) is 0xcbf43926. */
uint32_t crc32_update(uint32_t crc, const void *bytes, size_t size);

#endif
