/* The directory of a packed events chunk: see the header. */
#include "trace/trace_columns.h"

const char *trace_columns_begin(struct trace_columns *columns, const struct trace_payload *payload) {
  const uint8_t *at = payload->begin + 4 * TRACE_COLUMNS;
  if (payload->end - payload->begin < 4 * TRACE_COLUMNS) {
    return "columns are cut off";
  }
  for (int i = 0; i < TRACE_COLUMNS; i++) {
    uint32_t size = trace_load_u32(payload->begin + 4 * i);
    if (size > (size_t)(payload->end - at)) {
      return "columns are cut off";
    }
    columns->column[i].at = at;
    columns->column[i].end = at += size;
  }
  columns->top = 0;
  columns->bad = false;
  columns->allocs.count = columns->frees.count = 0;
  return at == payload->end ? NULL : "there are bytes behind the columns";
}
