/* The checks as a page and as JSON. */
#include "reports/doctor.h"

#include "reports/json.h"
#include "reports/table.h"

#include <stdio.h>
#include <string.h>

/* ---- a page ------------------------------------------------------------------------------------------------------ */

enum { NAME_COLUMN = 9, TEXT_COLUMN = 26 };

static enum style style_of(enum doctor_state state) {
  static const enum style styles[] = {[DOCTOR_OK] = STYLE_GOOD,
                                      [DOCTOR_NOTE] = STYLE_ACCENT,
                                      [DOCTOR_ABSENT] = STYLE_DIM,
                                      [DOCTOR_FAILED] = STYLE_WARN};
  return styles[state];
}

static void print_check(struct sink *sink, const struct doctor_check *check) {
  char state[NAME_COLUMN + 1], name[2 * TEXT_COLUMN];
  snprintf(state, sizeof state, "%-*s", NAME_COLUMN - 2, doctor_state_name(check->state));
  snprintf(name, sizeof name, "%-*s", TEXT_COLUMN - NAME_COLUMN, check->name);
  sink_print(sink, "  ");
  style_print(sink, style_of(check->state), state);
  style_print(sink, STYLE_PLAIN, name);
  paragraph_continue(sink, STYLE_PLAIN, TEXT_COLUMN, check->found);
  if (check->effect) {
    paragraph_print(sink, STYLE_DIM, TEXT_COLUMN, "", check->effect);
  }
}

static void print_sum(struct sink *sink, const struct doctor *doctor) {
  size_t counts[DOCTOR_FAILED + 1] = {0};
  for (size_t i = 0; i < doctor->count; i++) {
    counts[doctor->checks[i].state]++;
  }
  sink_print(sink, "\n");
  if (doctor->failed) {
    sink_print(sink, "%zu of %zu checks failed; the lines marked so say what does not work here.\n",
               counts[DOCTOR_FAILED], doctor->count);
  } else {
    sink_print(sink, "All that actscope needs is here");
    sink_print(sink, counts[DOCTOR_ABSENT] ? "; %zu that it can do without %s not.\n" : ".\n", counts[DOCTOR_ABSENT],
               counts[DOCTOR_ABSENT] == 1 ? "is" : "are");
  }
}

void doctor_text_emit(struct sink *sink, const struct doctor *doctor) {
  const char *group = "";
  for (size_t i = 0; i < doctor->count; i++) {
    if (strcmp(group, doctor->checks[i].group) != 0) {
      group = doctor->checks[i].group;
      if (i) {
        section_print(sink, group);
      } else {
        style_print(sink, STYLE_BOLD, group);
        sink_print(sink, "\n");
      }
    }
    print_check(sink, &doctor->checks[i]);
  }
  print_sum(sink, doctor);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static json_t *check_json(const struct doctor_check *check) {
  json_t *object = json_object();
  json_put_text(object, "group", check->group);
  json_put_text(object, "name", check->name);
  json_put_text(object, "state", doctor_state_name(check->state));
  json_put_text(object, "found", check->found);
  json_put_text(object, "effect", check->effect);
  return object;
}

static json_t *python_json(const struct doctor_python *python) {
  json_t *object = json_object();
  json_put_text(object, "path", python->path);
  json_put_text(object, "from", python->from);
  json_put_text(object, "version", python->version);
  json_put_text(object, "torch", python->torch);
  json_put_text(object, "libfewbit", python->fewbit);
  return object;
}

void doctor_json_emit(struct sink *sink, const struct doctor *doctor, const struct doctor_machine *machine,
                      const char *version) {
  json_t *document = json_begin("actscope.doctor/1"), *checks = json_array(), *pythons = json_array();
  json_put_text(document, "version", version);
  json_put_bool(document, "ready", !doctor->failed);
  for (size_t i = 0; i < doctor->count; i++) {
    json_array_append_new(checks, check_json(&doctor->checks[i]));
  }
  json_object_set_new(document, "checks", checks);
  json_put_text(document, "instruction_set", machine->isa);
  for (size_t i = 0; i < machine->pythons_count; i++) {
    json_array_append_new(pythons, python_json(&machine->pythons[i]));
  }
  json_object_set_new(document, "pythons", pythons);
  json_emit(sink, document);
}
