/* From the file to the trace: which device, and what is known of the run. */
#include "importers/snapshot.h"

#include "importers/run_writer.h"
#include "importers/snapshot_events.h"
#include "importers/snapshot_layout.h"
#include "trace/trace_format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the file ---------------------------------------------------------------------------------------------------- */

struct file {
  const uint8_t *bytes;
  size_t size;
};

static int file_map(struct file *file, const char *path, struct error *err) {
  struct stat status;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &status) != 0) {
    int code = error_set(err, ERROR_IO, "%s: cannot be read: %s", path, strerror(errno));
    if (fd >= 0) {
      close(fd);
    }
    return code;
  }
  int code = 0;
  if (!S_ISREG(status.st_mode)) {
    code = error_set(err, ERROR_INPUT, "%s: is no regular file; give a snapshot that was saved", path);
  } else if (status.st_size == 0) {
    code = error_set(err, ERROR_INPUT, "%s: is empty; save the snapshot again", path);
  } else {
    file->size = (size_t)status.st_size;
    file->bytes = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE, fd, 0);
    file->bytes = file->bytes == MAP_FAILED ? NULL : file->bytes;
    code = file->bytes ? 0 : error_set(err, ERROR_IO, "%s: cannot be read: %s", path, strerror(errno));
  }
  close(fd);
  return code;
}

static void file_unmap(struct file *file) {
  if (file->bytes) {
    munmap((void *)(uintptr_t)file->bytes, file->size);
  }
}

/* ---- progress ---------------------------------------------------------------------------------------------------- */

struct stage { /* what one stage's callback is given */
  const struct snapshot_options *options;
  const char *what;
};

static void stage_progress(void *context, double share) {
  const struct stage *stage = context;
  if (stage->options->progress) {
    stage->options->progress(stage->options->context, stage->what, share);
  }
}

static int read_pickle(struct pickle **pickle, const char *path, const struct snapshot_options *options,
                       struct error *err) {
  struct file file = {0};
  struct error why;
  struct stage stage = {options, "reading the snapshot"};
  const struct pickle_options reading = {.progress = stage_progress, .context = &stage};
  int code = file_map(&file, path, err);
  if (code == 0) {
    code = pickle_parse(pickle, file.bytes, file.size, &reading, &why);
    if (code != 0) {
      error_set(err, code, "%s: %s", path, why.message);
    }
  }
  file_unmap(&file);
  return code;
}

/* ---- the device -------------------------------------------------------------------------------------------------- */

static uint64_t weigh(const struct snapshot_layout *layout, size_t device) {
  struct snapshot_walk walk = {0};
  struct snapshot_block block;
  uint64_t live = 0;
  while (snapshot_block_next(layout, device, &walk, &block)) {
    live += block.live;
  }
  return snapshot_events_count(layout, device) + live;
}

static int choose_device(const struct snapshot_layout *layout, const char *path, int wanted,
                         struct snapshot_summary *summary, struct error *err) {
  size_t count = snapshot_devices(layout), used = 0;
  uint64_t most = 0;
  for (size_t device = 0; device < count; device++) {
    uint64_t weight = weigh(layout, device);
    used += weight > 0;
    if (weight > most) {
      most = weight;
      summary->device = (unsigned)device;
    }
  }
  if (!used) {
    return error_set(
        err, ERROR_INPUT,
        "%s: no block and no event is in it; begin with torch.cuda.memory._record_memory_history(), and save "
        "the snapshot while tensors are there",
        path);
  }
  if (wanted != SNAPSHOT_DEVICE_ANY && ((size_t)wanted >= count || !weigh(layout, (size_t)wanted))) {
    return error_set(err, ERROR_USAGE, "%s: nothing of device %d is in it; device %u has most", path, wanted,
                     summary->device);
  }
  summary->device = wanted == SNAPSHOT_DEVICE_ANY ? summary->device : (unsigned)wanted;
  summary->others = (unsigned)(used - 1);
  return 0;
}

/* ---- the trace --------------------------------------------------------------------------------------------------- */

/* Arguments one behind the other, each with its NUL; the caller frees them. */
static char *join_command(const struct snapshot_options *options, size_t *size) {
  *size = 0;
  for (size_t i = 0; i < options->command_count; i++) {
    *size += strlen(options->command[i]) + 1;
  }
  char *joined = malloc(*size + 1), *at = joined;
  for (size_t i = 0; joined && i < options->command_count; i++) {
    at = stpcpy(at, options->command[i]) + 1;
  }
  return joined;
}

static int write_run(struct run_writer *writer, const struct snapshot_layout *layout, const char *source,
                     const struct snapshot_options *options, struct snapshot_summary *summary, struct error *err) {
  struct stage stage = {options, "compressing the trace"};
  writer->header.start_unix_ns = snapshot_start_ns(layout, summary->device);
  run_writer_meta(writer, "framework", TRACE_FRAMEWORK_SNAPSHOT);
  snapshot_events_write(layout, summary->device, writer, options, summary);
  if (summary->damaged && !summary->events && !summary->earlier) {
    return error_set(err, ERROR_INPUT, "%s: all that is in it is damaged; save the snapshot again", source);
  }
  return run_writer_end(writer, stage_progress, &stage, err);
}

static int convert(struct run_writer *writer, const char *source, const struct snapshot_options *options,
                   struct snapshot_summary *summary, struct error *err) {
  struct pickle *pickle = NULL;
  struct snapshot_layout layout;
  struct error why;
  int code = read_pickle(&pickle, source, options, err);
  if (code == 0) {
    code = snapshot_layout_find(&layout, pickle_root(pickle), &why);
    if (code != 0) {
      error_set(err, code, "%s: %s", source, why.message);
    }
  }
  code = code == 0 ? choose_device(&layout, source, options->device, summary, err) : code;
  code = code == 0 ? write_run(writer, &layout, source, options, summary, err) : code;
  pickle_close(pickle);
  return code;
}

/* The trace is begun first: where it cannot be written, a large snapshot is not read in vain. */
int snapshot_import(const char *source, const char *target, const struct snapshot_options *options,
                    struct snapshot_summary *summary, struct error *err) {
  size_t command_size;
  char *command = join_command(options, &command_size);
  const struct trace_file_header header = {
      .rank = -1, .exit_status = -1, .command = command, .command_size = command_size};
  struct run_writer writer = {0};
  *summary = (struct snapshot_summary){0};
  int code = command ? run_writer_open(&writer, target, &header, err) : error_set(err, ERROR_MEMORY, "out of memory");
  code = code == 0 ? convert(&writer, source, options, summary, err) : code;
  run_writer_fini(&writer);
  free(command);
  return code;
}
