/* Zip (PKWARE's APPNOTE) and .npy (NumPy's format 1.0 and 2.0), as far as arrays of numbers need them. Figures in both
 * are little-endian. */
#include "kernels/npz.h"
#include "kernels/out_of_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
  LOCAL_SIGNATURE = 0x04034b50,
  CENTRAL_SIGNATURE = 0x02014b50,
  END_SIGNATURE = 0x06054b50,
  LOCAL_SIZE = 30,
  CENTRAL_SIZE = 46,
  END_SIZE = 22,
  COMMENT_MAX = 65535,
  NAME_MAX_LENGTH = 96,
  STORED = 0,
  DEFLATED = 8,
  ARRAY_BYTES_MAX = 1 << 26
};

static uint32_t get16(const char *at) {
  const unsigned char *p = (const unsigned char *)at;
  return (uint32_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const char *at) {
  return get16(at) | get16(at + 2) << 16;
}

static void put16(char *at, unsigned value) {
  at[0] = (char)(value & 255);
  at[1] = (char)(value >> 8 & 255);
}

static void put32(char *at, uint32_t value) {
  put16(at, value & 65535);
  put16(at + 2, value >> 16);
}

static void put64(char *at, uint64_t value) {
  put32(at, (uint32_t)value);
  put32(at + 4, (uint32_t)(value >> 32));
}

bool npz_recognise(const char *bytes, size_t size) {
  return size >= 4 && (get32(bytes) == LOCAL_SIGNATURE || get32(bytes) == END_SIGNATURE);
}

/* ---- reading the zip ------------------------------------------------------------------------------------------- */

struct member {
  unsigned method;
  uint32_t crc;
  size_t packed, size, offset; /* offset: of the local header */
};

static const char *find_end(const char *bytes, size_t size) {
  size_t least = size > END_SIZE + COMMENT_MAX ? size - END_SIZE - COMMENT_MAX : 0;
  for (size_t at = size >= END_SIZE ? size - END_SIZE + 1 : 0; at > least; at--) {
    if (get32(bytes + at - 1) == END_SIGNATURE) {
      return bytes + at - 1;
    }
  }
  return NULL;
}

/* 0, ERROR_INPUT: damaged, ERROR_USAGE: not there */
static int find_member(const char *bytes, size_t size, const char *wanted, struct member *member) {
  const char *end = find_end(bytes, size);
  size_t entries = end ? get16(end + 10) : 0, at = end ? get32(end + 16) : 0;
  if (!end) {
    return ERROR_INPUT;
  }
  for (size_t i = 0; i < entries; i++) {
    const char *entry = bytes + at;
    size_t name;
    if (at + CENTRAL_SIZE > size || get32(entry) != CENTRAL_SIGNATURE ||
        at + CENTRAL_SIZE + (name = get16(entry + 28)) > size) {
      return ERROR_INPUT;
    }
    if (name == strlen(wanted) && memcmp(entry + CENTRAL_SIZE, wanted, name) == 0) {
      *member = (struct member){get16(entry + 10), get32(entry + 16), get32(entry + 20), get32(entry + 24),
                                get32(entry + 42)};
      return 0;
    }
    at += CENTRAL_SIZE + name + get16(entry + 30) + get16(entry + 32);
  }
  return ERROR_USAGE;
}

static int inflate_member(const char *packed, const struct member *member, char *out) {
  z_stream stream = {.next_in = (Bytef *)(uintptr_t)packed,
                     .avail_in = (uInt)member->packed,
                     .next_out = (Bytef *)out,
                     .avail_out = (uInt)member->size};
  int result;
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) {
    return ERROR_MEMORY;
  }
  result = inflate(&stream, Z_FINISH);
  inflateEnd(&stream);
  return result == Z_STREAM_END && stream.avail_out == 0 ? 0 : ERROR_INPUT;
}

/* The member's bytes, which the caller frees. */
static int unpack(const char *bytes, size_t size, const struct member *member, char **out) {
  const char *local = bytes + member->offset, *packed;
  size_t begin;
  int code;
  if (member->offset + LOCAL_SIZE > size || get32(local) != LOCAL_SIGNATURE || member->size > ARRAY_BYTES_MAX ||
      (member->method == STORED && member->packed != member->size)) {
    return ERROR_INPUT;
  }
  begin = member->offset + LOCAL_SIZE + get16(local + 26) + get16(local + 28);
  if (begin > size || member->packed > size - begin || (member->method != STORED && member->method != DEFLATED)) {
    return ERROR_INPUT;
  }
  packed = bytes + begin;
  *out = malloc(member->size + 1);
  if (!*out) {
    return ERROR_MEMORY;
  }
  if (member->method == DEFLATED) {
    code = inflate_member(packed, member, *out);
  } else {
    memcpy(*out, packed, member->size);
    code = 0;
  }
  if (code == 0 && crc32(0, (const Bytef *)*out, (uInt)member->size) != member->crc) {
    code = ERROR_INPUT;
  }
  (*out)[member->size] = 0;
  return code;
}

/* ---- reading the array ----------------------------------------------------------------------------------------- */

static double element(const char *at, char kind, unsigned width) {
  uint64_t bits = 0;
  float narrow;
  double wide;
  uint32_t low;
  for (unsigned i = width; i-- > 0;) {
    bits = bits << 8 | (unsigned char)at[i];
  }
  if (kind == 'f' && width == 4) {
    low = (uint32_t)bits;
    memcpy(&narrow, &low, sizeof narrow);
    return (double)narrow;
  }
  if (kind == 'f') {
    memcpy(&wide, &bits, sizeof wide);
    return wide;
  }
  if (kind == 'i' && width < 8 && bits >> (8 * width - 1)) {
    bits |= ~(uint64_t)0 << 8 * width;
  }
  return kind == 'i' ? (double)(int64_t)bits : (double)bits;
}

/* The header is a Python dictionary; what is needed of it: 'descr': '<f8', 'shape': (17,) */
static int parse_header(const char *header, char *kind, unsigned *width, size_t *count) {
  const char *descr = strstr(header, "'descr'"), *shape = strstr(header, "'shape'");
  char *end;
  descr = descr ? strchr(descr + 7, '\'') : NULL;
  shape = shape ? strchr(shape, '(') : NULL;
  if (!descr || !shape || !descr[1] || descr[1] == '>' || !descr[2]) { /* the byte order, the kind, the width */
    return ERROR_INPUT;
  }
  *kind = descr[2];
  *width = (unsigned)strtoul(descr + 3, &end, 10);
  *count = strtoull(shape + 1, &end, 10);
  if (end == shape + 1 || strncmp(end, ",)", 2) != 0) {
    return ERROR_INPUT;
  }
  return (*kind == 'f' && (*width == 4 || *width == 8)) ||
                 (strchr("iub", *kind) && (*width == 1 || *width == 2 || *width == 4 || *width == 8))
             ? 0
             : ERROR_INPUT;
}

static int parse_array(const char *npy, size_t size, double **values, size_t *count) {
  size_t prefix, length;
  char *header, kind;
  unsigned width;
  int code;
  if (size < 12 || memcmp(npy, "\x93NUMPY", 6) != 0 || npy[6] < 1 || npy[6] > 3) {
    return ERROR_INPUT;
  }
  prefix = npy[6] == 1 ? 10 : 12;
  length = npy[6] == 1 ? get16(npy + 8) : get32(npy + 8);
  if (length > size - prefix) {
    return ERROR_INPUT;
  }
  header = strndup(npy + prefix, length);
  if (!header) {
    return ERROR_MEMORY;
  }
  code = parse_header(header, &kind, &width, count);
  free(header);
  if (code < 0 || *count > (size - prefix - length) / width) {
    return ERROR_INPUT;
  }
  *values = malloc((*count + 1) * sizeof **values);
  if (!*values) {
    return ERROR_MEMORY;
  }
  for (size_t i = 0; i < *count; i++) {
    (*values)[i] = element(npy + prefix + length + i * width, kind, width);
  }
  return 0;
}

int npz_read(const char *bytes, size_t size, const char *array, double **values, size_t *count, const char *name,
             struct error *err) {
  char wanted[NAME_MAX_LENGTH + 8], *npy = NULL;
  struct member member;
  int code;
  *values = NULL;
  snprintf(wanted, sizeof wanted, "%.*s.npy", NAME_MAX_LENGTH, array);
  code = find_member(bytes, size, wanted, &member);
  if (code == ERROR_USAGE) {
    return error_set(err, ERROR_INPUT, "%s: holds no array '%s'", name, array);
  }
  if (code == 0) {
    code = unpack(bytes, size, &member, &npy);
  }
  if (code == 0) {
    code = parse_array(npy, member.size, values, count);
  }
  free(npy);
  if (code == ERROR_MEMORY) {
    return error_set(err, code, "%s: out of memory", name);
  }
  return code == 0 ? 0
                   : error_set(err, code, "%s: '%s' is damaged, or no one-dimensional array of numbers", name, array);
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

struct npz_member {
  char name[NAME_MAX_LENGTH + 8];
  uint32_t crc, size, offset;
};

static char *append(struct npz_writer *writer, size_t size) {
  size_t at = writer->size;
  if (!writer->failed && writer->size + size > writer->capacity) {
    size_t wanted = 2 * (writer->size + size) + 4096;
    char *bytes = realloc(writer->bytes, wanted);
    if (bytes) {
      writer->bytes = bytes;
      writer->capacity = wanted;
    } else {
      writer->failed = true;
    }
  }
  if (writer->failed) {
    return NULL;
  }
  writer->size += size;
  memset(writer->bytes + at, 0, size);
  return writer->bytes + at;
}

/* What a local header and a central entry have in common, from "version needed" to the length of the extra field. */
static void put_common(char *at, const struct npz_member *member) {
  put16(at, 20);
  put16(at + 6, 0);
  put16(at + 8, 0x21); /* 1 January 1980: the same file from the same figures */
  put32(at + 10, member->crc);
  put32(at + 14, member->size);
  put32(at + 18, member->size);
  put16(at + 22, (unsigned)strlen(member->name));
}

/* Magic, version 1.0, and a dictionary padded so that the figures begin at a multiple of 64. */
static size_t npy_header(char *header, size_t count) {
  size_t length;
  memset(header, ' ', 128);
  memcpy(header, "\x93NUMPY\x01\x00\x76\x00", 10);
  length = (size_t)snprintf(header + 10, 110, "{'descr': '<f8', 'fortran_order': False, 'shape': (%zu,), }", count);
  header[10 + length] = ' ';
  header[127] = '\n';
  return 128;
}

void npz_writer_add(struct npz_writer *writer, const char *array, const double *values, size_t count) {
  char header[128], *at;
  size_t length = npy_header(header, count), name;
  struct npz_member *members = realloc(writer->members, (writer->count + 1) * sizeof *members), *member;
  if (!members) {
    writer->failed = true;
    return;
  }
  writer->members = members;
  member = &members[writer->count++];
  *member = (struct npz_member){.offset = (uint32_t)writer->size, .size = (uint32_t)(length + count * sizeof *values)};
  snprintf(member->name, sizeof member->name, "%.*s.npy", NAME_MAX_LENGTH, array);
  name = strlen(member->name);
  at = append(writer, LOCAL_SIZE + name + member->size);
  if (!at) {
    return;
  }
  memcpy(at + LOCAL_SIZE, member->name, name);
  memcpy(at + LOCAL_SIZE + name, header, length);
  for (size_t i = 0; i < count; i++) {
    uint64_t bits;
    memcpy(&bits, &values[i], sizeof bits);
    put64(at + LOCAL_SIZE + name + length + 8 * i, bits);
  }
  member->crc = (uint32_t)crc32(0, (const Bytef *)(at + LOCAL_SIZE + name), member->size);
  put32(at, LOCAL_SIGNATURE);
  put_common(at + 4, member);
}

int npz_writer_finish(struct npz_writer *writer, struct error *err) {
  size_t begin = writer->size;
  char *at;
  for (size_t i = 0; i < writer->count && !writer->failed; i++) {
    const struct npz_member *member = &writer->members[i];
    size_t name = strlen(member->name);
    at = append(writer, CENTRAL_SIZE + name);
    if (at) {
      put32(at, CENTRAL_SIGNATURE);
      put16(at + 4, 20);
      put_common(at + 6, member);
      put32(at + 42, member->offset);
      memcpy(at + CENTRAL_SIZE, member->name, name);
    }
  }
  at = append(writer, END_SIZE);
  if (at) {
    put32(at, END_SIGNATURE);
    put16(at + 8, (unsigned)writer->count);
    put16(at + 10, (unsigned)writer->count);
    put32(at + 12, (uint32_t)(writer->size - END_SIZE - begin));
    put32(at + 16, (uint32_t)begin);
  }
  free(writer->members);
  writer->members = NULL;
  if (writer->failed) {
    free(writer->bytes);
    *writer = (struct npz_writer){0};
    return out_of_memory(err, "npz");
  }
  return 0;
}
