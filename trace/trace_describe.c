/* Header fields and the state of the file, for people. */
#include "trace/trace_describe.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the command line -------------------------------------------------------------------------------------------- */

/* Every argument ends with a NUL, the last one perhaps with the space that there was. */
static size_t count_arguments(const char *command, size_t size) {
  size_t count = size && command[size - 1];
  for (size_t i = 0; i < size; i++) {
    count += command[i] == 0;
  }
  return count;
}

static int describe_command(struct trace_description *d, const struct trace_file *file, struct error *err) {
  const char *text = (const char *)file->map + TRACE_H_COMMAND;
  size_t size = trace_load_u32(file->map + TRACE_H_COMMAND_SIZE);
  size_t count = count_arguments(text, size);
  d->command = malloc(size + 1);
  d->argv = calloc(count + 1, sizeof *d->argv);
  if (!d->command || !d->argv) {
    return error_set(err, ERROR_MEMORY, "%s: out of memory", file->path);
  }
  memcpy(d->command, text, size);
  d->command[size] = 0;
  const char *argument = d->command;
  for (size_t i = 0; i < count; i++, argument += strlen(argument) + 1) {
    d->argv[i] = argument;
  }
  d->info.argc = (int)count;
  d->info.argv = d->argv;
  return 0;
}

/* ---- what is missing --------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void add_damage(struct trace_description *d, const char *format, ...) {
  size_t length = strlen(d->damage);
  if (length) {
    length += (size_t)snprintf(d->damage + length, sizeof d->damage - length, "; ");
  }
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(d->damage + length, sizeof d->damage - length, format, arguments);
  va_end(arguments);
}

static void describe_stop(struct trace_description *d) {
  static const char *const reasons[] = {
      [TRACE_STOP_DISK_FULL] = "the disk was full",
      [TRACE_STOP_FILE] = "the trace file could not be opened or mapped any more",
      [TRACE_STOP_MEMORY] = "there was no memory for the profiler's tables",
  };
  uint32_t stop = d->info.stop_reason;
  if (stop != TRACE_STOP_NONE) {
    const char *why = stop < sizeof reasons / sizeof *reasons ? reasons[stop] : "for a reason unknown to this version";
    add_damage(d, "recording stopped before the process ended: %s", why);
  }
}

static void describe_end(struct trace_description *d) {
  if (d->info.flags & (TRACE_FLAG_ENDED | TRACE_FLAG_EXEC)) {
    return;
  }
  const char *rest = d->damage[0] ? "" : "; everything it recorded until then is here";
  int status = d->info.exit_status;
  if (status > 128) { /* as a shell gives it: a signal's number + 128 */
    const char *signal = sigabbrev_np(status - 128);
    add_damage(d, "the process was killed by signal %d%s%s%s before it could end the trace%s", status - 128,
               signal ? " (SIG" : "", signal ? signal : "", signal ? ")" : "", rest);
  } else if (d->info.stop_reason == TRACE_STOP_NONE) { /* a recording that stopped could not have noted the end */
    add_damage(d,
               "the process %s or went on as a program that is not recorded (exec with a cleared environment, a "
               "static program) before it could end the trace%s",
               status < 0 ? "was killed" : "ended", rest);
  }
}

static void describe_damage(struct trace_description *d, const struct trace_file *file) {
  if (file->truncated) {
    add_damage(d, "the file is cut short: what followed byte %zu is missing", file->size);
  }
  if (file->gaps) {
    add_damage(d, "pieces are missing in its midst, in %zu place%s", file->gaps, file->gaps == 1 ? "" : "s");
  }
  describe_stop(d);
  if (d->info.lost_events) {
    add_damage(d, "%" PRIu64 " event%s could not be recorded", d->info.lost_events,
               d->info.lost_events == 1 ? "" : "s");
  }
  describe_end(d);
  d->info.damage = d->damage;
  d->info.complete = !d->damage[0];
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

static void describe_header(struct trace_info *info, const uint8_t *header) {
  info->version_major = trace_load_u16(header + TRACE_H_MAJOR);
  info->version_minor = trace_load_u16(header + TRACE_H_MINOR);
  info->flags = trace_load_u32(header + TRACE_H_FLAGS);
  info->stop_reason = trace_load_u32(header + TRACE_H_STOP_REASON);
  info->start_unix_ns = trace_load_u64(header + TRACE_H_START_UNIX);
  info->end_ns = trace_load_u64(header + TRACE_H_END_TIME);
  info->min_size = trace_load_u64(header + TRACE_H_MIN_SIZE);
  info->stack_depth = trace_load_u32(header + TRACE_H_STACK_DEPTH);
  info->pid = (int)trace_load_u32(header + TRACE_H_PID);
  info->ppid = (int)trace_load_u32(header + TRACE_H_PPID);
  info->rank = (int)trace_load_u32(header + TRACE_H_RANK);
  info->world_size = trace_load_u32(header + TRACE_H_WORLD_SIZE);
  info->exit_status = (int)trace_load_u32(header + TRACE_H_EXIT_STATUS);
  info->lost_events = trace_load_u64(header + TRACE_H_LOST_EVENTS);
}

int trace_describe(struct trace_description *d, const struct trace_file *file, const struct trace_tables *tables,
                   size_t streams, uint64_t end_ns, struct error *err) {
  describe_header(&d->info, file->map);
  if (d->info.end_ns == 0) {
    d->info.end_ns = end_ns;
  }
  d->info.framework = trace_tables_meta(tables, "framework");
  d->info.host = trace_tables_meta(tables, "host");
  d->info.chunks = file->chunks_count;
  d->info.streams = streams;
  d->info.file_bytes = file->size;
  describe_damage(d, file);
  return describe_command(d, file, err);
}

void trace_description_fini(struct trace_description *d) {
  free(d->command);
  free(d->argv);
  *d = (struct trace_description){0};
}
