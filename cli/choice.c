/* Names that options take. */
#include "cli/choice.h"

#include "analyzers/op_name.h"
#include "kernels/models/model.h"
#include "reports/ranks_view.h"
#include "reports/report.h"
#include "reports/report_rows.h"

#include <stdio.h>
#include <string.h>

/* ---- of other rooms ---------------------------------------------------------------------------------------------- */

static const char *report_format_at(size_t index) {
  size_t count;
  const struct report_backend *backends = report_backends(&count);
  return index < count ? backends[index].name : NULL;
}

/* Those of one run, and those of several. */
static const char *report_table_at(size_t index) {
  size_t count, ranks_count;
  const struct report_table *tables = report_tables(&count), *ranks = ranks_tables(&ranks_count);
  for (size_t i = 0; i < count + ranks_count; i++) {
    const struct report_table *table = i < count ? &tables[i] : &ranks[i - count];
    bool again = i >= count && report_table_find(table->name);
    if (!table->for_pages && !again && index-- == 0) {
      return table->name;
    }
  }
  return NULL;
}

static const char *function_at(size_t index) {
  return index < FUNCTION_STEPWISE ? function_traits((enum function_id)index)->name : NULL;
}

static const char *model_at(size_t index) {
  const struct preset *presets = model_presets();
  for (size_t i = 0; i < index && presets->name; i++) {
    presets++;
  }
  return presets->name;
}

const struct choice choice_report_format = {"format", report_format_at};
const struct choice choice_report_table = {"table", report_table_at};
const struct choice choice_function = {"function", function_at};
const struct choice choice_pointwise = {"function", op_pointwise_name};
const struct choice choice_model = {"model", model_at};

int choice_function_find(struct function *function, const char *name, struct error *err) {
  const int code = function_find(function, name, err);
  return code < 0 ? nearest_suggest(err, code, name, choice_function.names) : code;
}

/* ---- parsing ----------------------------------------------------------------------------------------------------- */

void choice_refuse(const struct choice *choice, const char *option, const char *text, struct argp_state *state) {
  const char *name, *near = nearest_find(text, choice->names);
  char known[512] = "";
  size_t used = 0;
  for (size_t i = 0; used < sizeof known && (name = choice->names(i)); i++) {
    used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", name);
  }
  argp_error(state, "%s: unknown %s '%s'; the %ss are: %s%s%s%s", option, choice->noun, text, choice->noun, known,
             near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

size_t choice_parse(const struct choice *choice, const char *option, const char *text, struct argp_state *state) {
  const char *name;
  for (size_t i = 0; (name = choice->names(i)); i++) {
    if (strcmp(name, text) == 0) {
      return i;
    }
  }
  choice_refuse(choice, option, text, state);
  return 0;
}
