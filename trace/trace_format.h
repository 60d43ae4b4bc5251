/* The layout of a trace file, version 1: the one place where its numbers stand. docs/trace-format.md explains it.
 *
 * A trace is a 4096-byte file header followed by chunks. Every number is little-endian; records are encoded byte by
 * byte (varints), no struct is ever dumped. A chunk is a 128-byte header and a payload of records. */
#ifndef ACTSCOPE_TRACE_FORMAT_H
#define ACTSCOPE_TRACE_FORMAT_H

#include <stdint.h>

#define TRACE_MAGIC "ACTSCOPE"
#define TRACE_MAGIC_SIZE 8
#define TRACE_VERSION_MAJOR 1 /* a reader refuses a trace of another major version */
#define TRACE_VERSION_MINOR 2 /* a larger minor version only adds long records and header fields */

#define TRACE_FRAMEWORK_SNAPSHOT "pytorch memory snapshot" /* meta "framework" of what was imported, not recorded */

/* ---- file header: byte offsets ------------------------------------------------------------------------------- */
enum trace_header_offset {
  TRACE_H_MAGIC = 0,         /* 8 bytes "ACTSCOPE" */
  TRACE_H_MAJOR = 8,         /* u16 */
  TRACE_H_MINOR = 10,        /* u16 */
  TRACE_H_SIZE = 12,         /* u32: bytes of this header, chunks begin there */
  TRACE_H_FLAGS = 16,        /* u32: enum trace_flag; changed while recording */
  TRACE_H_STOP_REASON = 20,  /* u32: enum trace_stop; why recording stopped early, 0 = it did not */
  TRACE_H_START_UNIX = 24,   /* u64: wall clock at time 0, ns since 1970 */
  TRACE_H_START_MONO = 32,   /* u64: CLOCK_MONOTONIC at time 0, ns; every time in the trace is relative to it */
  TRACE_H_END_TIME = 40,     /* u64: ns since time 0 at which the process was seen to end, 0 = not seen */
  TRACE_H_MIN_SIZE = 48,     /* u64: blocks with fewer usable bytes are summed, not recorded */
  TRACE_H_STACK_DEPTH = 56,  /* u32: most frames a stack may have */
  TRACE_H_PID = 60,          /* u32 */
  TRACE_H_PPID = 64,         /* u32 */
  TRACE_H_RANK = 68,         /* i32: of a distributed job, -1 = none */
  TRACE_H_EXIT_STATUS = 72,  /* i32: as a shell gives it (128+n after signal n), -1 = unknown; set by the launcher */
  TRACE_H_MACHINE = 76,      /* u16: ELF e_machine of the process */
  TRACE_H_POINTER_SIZE = 78, /* u16: 8 */
  TRACE_H_LOST_EVENTS = 80,  /* u64: events that could not be recorded (re-entry from a signal handler ...) */
  TRACE_H_COMMAND_SIZE = 88, /* u32: bytes of the command line, arguments separated by NUL */
  TRACE_H_CRC = 92,          /* u32: CRC-32 of the header with these 4 bytes zero; only if TRACE_FLAG_FINISHED */
  TRACE_H_CHUNKS = 96,       /* u64: number of chunks in the file; only if TRACE_FLAG_FINISHED */
  TRACE_H_FILE_SIZE = 104,   /* u64: bytes of the file; only if TRACE_FLAG_FINISHED */
  TRACE_H_WORLD_SIZE = 112,  /* u32: ranks of the distributed job, 0 = unknown (from version 1.2 on) */
  TRACE_H_COMMAND = 128,     /* the command line, cut to what fits; the bytes 116 to 127 are zero */
};
#define TRACE_HEADER_SIZE 4096

enum trace_flag {
  TRACE_FLAG_ENDED = 1,    /* the process ended by itself and said so (no SIGKILL, no power cut) */
  TRACE_FLAG_FINISHED = 2, /* the launcher has rewritten the file: chunks are packed, CRCs are valid */
  TRACE_FLAG_EXEC = 4,     /* the process image was replaced by exec; the rest is in another trace */
};

enum trace_stop {
  TRACE_STOP_NONE = 0,
  TRACE_STOP_DISK_FULL = 1, /* no room for the next chunk */
  TRACE_STOP_FILE = 2,      /* the trace file could not be opened or mapped any more */
  TRACE_STOP_MEMORY = 3,    /* no memory for the profiler's own tables */
};

/* ---- chunk header: byte offsets from the chunk's beginning ------------------------------------------------------ */
enum trace_chunk_offset {
  TRACE_C_MAGIC = 0,        /* u32 TRACE_CHUNK_MAGIC */
  TRACE_C_KIND = 4,         /* u16 enum trace_chunk_kind */
  TRACE_C_FLAGS = 6,        /* u16 TRACE_CHUNK_ZSTD */
  TRACE_C_STREAM = 8,       /* u32: the stream (of one thread at a time) that this chunk continues */
  TRACE_C_SEQUENCE = 12,    /* u32: 0, 1, 2 ... within the stream */
  TRACE_C_CAPACITY = 16,    /* u32: bytes from this chunk's beginning to the next one's */
  TRACE_C_USED = 20,        /* u32: payload bytes that are valid in the file (compressed size if ZSTD); grows while
                                recording, stored with release order after the records themselves */
  TRACE_C_RAW_SIZE = 24,    /* u32: payload bytes once decompressed; 0 in a chunk that is not compressed */
  TRACE_C_CRC = 28,         /* u32: CRC-32 of this header with these 4 bytes zero, in finished traces */
  TRACE_C_TIME = 32,        /* u64: time base, ns since the trace began; the first record's dt counts from it */
  TRACE_C_TID = 40,         /* u32: kernel thread id at the chunk's beginning */
  TRACE_C_PAYLOAD_CRC = 44, /* u32: CRC-32 of the `used` payload bytes as they lie in the file, in finished traces */
  TRACE_C_SMALL_ALLOC_BYTES = 48, /* u64 x4: small blocks since the last SMALL record of this chunk; they count after */
  TRACE_C_SMALL_ALLOC_COUNT = 56, /*   the chunk's last record (so that nothing is lost at SIGKILL) */
  TRACE_C_SMALL_FREE_BYTES = 64,
  TRACE_C_SMALL_FREE_COUNT = 72,
};
#define TRACE_CHUNK_MAGIC 0x4b484341u /* "ACHK" */
#define TRACE_CHUNK_HEADER_SIZE 128
// clang-format off
#define TRACE_CHUNK_ZSTD 1    /* flag: the payload is one zstd frame; only in finished traces */
#define TRACE_CHUNK_COLUMNS 2 /* flag: an events chunk's records stand in columns (see below); only in finished traces */
#define TRACE_CHUNK_FLAGS 3   /* all that this version knows; a reader refuses a chunk with others */
#define TRACE_CHUNK_MAX (16u << 20) /* no chunk, packed or not, is larger; a reader refuses one that is */
#define TRACE_CHUNK_STEP (64u << 10) /* capacities are multiples of this until the trace is finished */
// clang-format on

enum trace_chunk_kind {
  TRACE_CHUNK_EVENTS = 1, /* records of one stream, in time order */
  TRACE_CHUNK_TABLES = 2, /* stacks, modules, strings, metadata of the whole process */
};

/* ---- records ----------------------------------------------------------------------------------------------------- */
/* The first byte is the tag. Tag < 0x80: a compact record of the shapes below. Tag >= 0x80: a long record, the next
 * varint is the number of bytes that follow; a reader skips the kinds that it does not know and any bytes that a newer
 * writer has put after the fields known to it.
 *
 * uv = unsigned LEB128 varint, at most 10 bytes; sv = zigzag varint; dt = uv ns since the stream's previous record;
 * da = sv, address minus the address in this chunk's previous record that had one (0 at the chunk's beginning);
 * stack = uv, id of a STACK record in a tables chunk, 0 = none. Tags 0x80 to 0xbf belong into event chunks and begin with
 * dt, which counts even where the kind is unknown; tags from 0xc0 belong into tables chunks and have none. */
// clang-format off
enum trace_tag {
  TRACE_TAG_ALLOC = 0x01,    /* dt da uv:size stack                       a heap block of `size` bytes asked for */
  TRACE_TAG_FREE = 0x02,     /* dt da stack                               it is given back */
  TRACE_TAG_FREE_RELEASE = 0x03, /* the same, while a SavedVariable was being reset */
  TRACE_TAG_SMALL = 0x04,    /* dt uv:alloc_bytes uv:alloc_count uv:free_bytes uv:free_count   small blocks since */
  TRACE_TAG_MAP = 0x05,      /* dt da uv:size stack                       mmap by the program, not part of the heap */
  TRACE_TAG_UNMAP = 0x06,    /* dt da uv:size stack                       munmap of that range */
  TRACE_TAG_REALLOC_FREE = 0x07,  /* dt da stack                          the old block of a realloc */
  TRACE_TAG_REALLOC_ALLOC = 0x08, /* dt da uv:size stack                  its new block */

  TRACE_TAG_THREAD = 0x80,   /* dt uv:tid                                 the stream now belongs to this thread */
  TRACE_TAG_SAVE = 0x81,     /* dt uv:tensor uv:data uv:bytes uv:elements uv:dtype uv:source stack uv:layer uv:op
                                strings' ids, 0 = none; may be left out (before version 1.1) */
  TRACE_TAG_RELEASE = 0x82,  /* dt uv:tensor uv:node_type uv:source stack */
  TRACE_TAG_RESIDENT = 0x83, /* dt uv:data uv:bytes uv:role uv:name       the block that holds `data` is a parameter ... */
  TRACE_TAG_PHASE = 0x84,    /* dt uv:phase uv:edge                       a phase begins (edge 1) or ends (edge 0) */
  TRACE_TAG_LOST = 0x85,     /* dt uv:count                               so many events were not recorded here */
  TRACE_TAG_REGION = 0x86,   /* dt uv:data uv:bytes uv:layer uv:name uv:op stack   a piece of a heap block is a block of
                                its own from here on; strings' ids, 0 = none (these three from version 1.2 on) */
  TRACE_TAG_REGION_END = 0x87, /* dt uv:data                              it is part of its block again */
  TRACE_TAG_STEP = 0x88,     /* dt                                        the program says that a step begins */

  TRACE_TAG_STACK = 0xc0,    /* uv:id uv:shared uv:new [sv:address]*new   frames, innermost first; the last `shared`
                                (outermost) frames are those of the chunk's previous stack; each address is a difference
                                to the one before it, the first to that previous stack's innermost frame (0 if none) */
  TRACE_TAG_MODULE = 0xc1,   /* uv:time uv:begin uv:size uv:bias uv:path uv:build_id   mapped from time on; strings' ids */
  TRACE_TAG_MODULE_GONE = 0xc2, /* uv:time uv:begin */
  TRACE_TAG_STRING = 0xc3,   /* uv:id bytes to the record's end (no NUL); build-ids are raw bytes */
  TRACE_TAG_META = 0xc4,     /* uv:key uv:value                           ids of strings, e.g. framework -> pytorch 2.13.0 */
  TRACE_TAG_CODE = 0xc5,     /* uv:id uv:file uv:name                     a function that frames name themselves (below);
                                strings' ids, 0 = none (from version 1.2 on) */
};
// clang-format on

enum trace_role { TRACE_ROLE_PARAMETER = 1, TRACE_ROLE_BUFFER = 2 };
enum trace_source { TRACE_SOURCE_PROBE = 1, TRACE_SOURCE_HOOKS = 2, TRACE_SOURCE_MARK = 3 };
enum trace_phase { TRACE_PHASE_FORWARD = 1, TRACE_PHASE_BACKWARD = 2, TRACE_PHASE_UPDATE = 3 };

/* A frame of a stack is a return address; or, with its top bit set, which no address of a process has, a line of a CODE: a
 * function of an interpreter, or one that was named where it ran. */
#define TRACE_FRAME_CODE (UINT64_C(1) << 63)
#define TRACE_FRAME_LINE_BITS                                                                                          \
  24 /* the lowest: the line, 0 = unknown; the CODE's id is in the 32 above, the rest is 0 */
#define TRACE_FRAME_LINE_MAX ((UINT64_C(1) << TRACE_FRAME_LINE_BITS) - 1)

/* dtype: PyTorch's c10::ScalarType numbers (0 uint8, 1 int8, 2 int16, 3 int32, 4 int64, 5 float16, 6 float32,
 * 7 float64, 8 complex32, 9 complex64, 10 complex128, 11 bool, 15 bfloat16 ...); 255 = unknown. */
#define TRACE_DTYPE_UNKNOWN 255

/* ---- columns ----------------------------------------------------------------------------------------------------- */
/* An events chunk with TRACE_CHUNK_COLUMNS holds the same records, field by field, because zstd packs them to a third of
 * what it makes of rows. Its payload begins with a u32 for each column, its bytes; the columns follow without gaps. */
enum trace_column {
  TRACE_COLUMN_TAG,   /* u8: the tag of every record */
  TRACE_COLUMN_TIME,  /* uv: dt, of every record that has one (tag below 0xc0) */
  TRACE_COLUMN_ALLOC, /* uv: of ALLOC and REALLOC_ALLOC: its address is that of the n-th last FREE* record of the chunk,
                           0 = it stands in the address column */
  TRACE_COLUMN_FREE,  /* uv: of FREE, FREE_RELEASE, REALLOC_FREE: the same, of the n-th last *ALLOC record */
  TRACE_COLUMN_ADDRESS, /* sv: da, of MAP, UNMAP and where the columns above have 0 */
  TRACE_COLUMN_SIZE,    /* uv: size, of ALLOC, REALLOC_ALLOC, MAP, UNMAP */
  TRACE_COLUMN_STACK, /* sv: stack minus the largest stack so far in this chunk (0 at its beginning); of records with a
                           compact tag and a stack */
  TRACE_COLUMN_REST,  /* SMALL: its four sums; long records: uv:length and what follows their dt, as many bytes */
  TRACE_COLUMNS,
};
#define TRACE_REFERENCE_MAX (1u << 14) /* the largest n in the ALLOC and FREE columns */

/* Limits that a writer keeps and a reader may rely on: beyond them a trace is damaged. They keep sums within 64 bits. */
#define TRACE_SIZE_MAX (UINT64_C(1) << 56) /* sizes, sums of sizes, numbers of elements */
#define TRACE_TIME_MAX (UINT64_C(1) << 62) /* times, ns */
#define TRACE_STACK_DEPTH_MAX 4096         /* frames of one stack; their record fits into the smallest chunk */

/* Names of trace files while they are recorded: RUN.<pid>, and RUN.<pid>-<n> for the n-th image of one process. */

#endif
