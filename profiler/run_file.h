/* The trace file of this process: reserves and maps chunks, keeps the header's changing fields.
 *
 * Each chunk is reserved on the disk before it is touched, since a write to a shared mapping without room behind it is
 * SIGBUS. The file is opened anew for each chunk: a program may close every descriptor it did not open, and must never
 * find one of ours. It must be the same file still. Functions are called with the recorder's lock held, but for run_file_note_lost. */
#ifndef ACTSCOPE_PROFILER_RUN_FILE_H
#define ACTSCOPE_PROFILER_RUN_FILE_H

#include "profiler/config.h"
#include "trace/trace_format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct run_file {
  char path[CONFIG_PATH_MAX];
  uint8_t *header; /* mapping of the file header */
  uint64_t size;   /* bytes reserved so far */
  uint64_t device, inode;
  uint64_t start_mono_ns;
  enum trace_stop stop;
};

/* Creates <config->trace_path>.<pid> and its header; false (with file->stop set) when that is not possible. If this
 * process already has a trace of that name, made before it called exec, that one is marked and -<n> is appended. */
bool run_file_create(struct run_file *file, const struct config *config);

/* A new zeroed chunk of `capacity` bytes (a multiple of 64 KiB), or NULL with file->stop and the header saying why. */
uint8_t *run_file_map_chunk(struct run_file *file, size_t capacity);
void run_file_unmap_chunk(uint8_t *base, size_t capacity);

void run_file_note_end(struct run_file *file, uint64_t time_ns);
void run_file_note_lost(struct run_file *file);
/* The rank that the program found out for itself. */
void run_file_note_rank(struct run_file *file, int32_t rank, uint32_t world_size);

/* ns since this trace began. */
uint64_t run_file_now(const struct run_file *file);

#define RUN_FILE_CHUNK_MIN (64u << 10)
#define RUN_FILE_CHUNK_MAX (1u << 20)

#endif
