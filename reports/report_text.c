/* The report as a page to read: headline, sections, notes. */
#include "reports/report_text.h"
#include "reports/format.h"
#include "reports/report.h"
#include "reports/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool report_text_has_evidence(const struct facts *facts) {
  return facts->saved_bytes > 0 || facts->saved_count > 0;
}

void report_text_rest(struct sink *sink, const char *what, size_t count, uint64_t bytes) {
  char line[128], size[FORMAT_SIZE], number[FORMAT_SIZE];
  snprintf(line, sizeof line, "and %s more %s%s, %s; --top 0 shows all", format_count(number, count), what,
           count == 1 ? "" : "s", format_bytes(size, bytes));
  paragraph_print(sink, STYLE_DIM, 2, "  ", line);
}

void report_text_category(char out[static REPORT_TEXT_CATEGORY_SIZE], enum category category) {
  snprintf(out, REPORT_TEXT_CATEGORY_SIZE, "%s", category_names[category]);
  for (char *c = out; *c; c++) {
    *c = *c == '_' ? ' ' : *c;
  }
}

/* What --op and --layer leave of the step; --step and the times show in the titles. */
void report_text_selection(struct sink *sink, const struct facts *facts, const struct report_options *options) {
  char text[640], bytes[FORMAT_SIZE], all[FORMAT_SIZE], blocks[FORMAT_SIZE];
  const struct facts_selection *selection = options->selection;
  if (!selection || !facts_selection_filters(selection)) {
    return;
  }
  snprintf(
      text, sizeof text,
      "%s%.200s%s%s%.200s: %s in %s block%s, of %s that step %d saved. The peak, the projection and the sites below "
      "are the whole run's.",
      selection->ops ? "held by " : "", selection->ops ? selection->ops : "",
      selection->ops && selection->layers ? ", " : "", selection->layers ? "in layers " : "",
      selection->layers ? selection->layers : "", format_bytes(bytes, report_selected_bytes(facts)),
      format_count(blocks, facts->saved_count), facts->saved_count == 1 ? "" : "s",
      format_bytes(all, facts->saved_bytes), facts->saved_step);
  section_print(sink, "Selected blocks");
  paragraph_print(sink, STYLE_PLAIN, 2, "  ", text);
}

/* ---- the headline -------------------------------------------------------------------------------------------- */

static void headline_when(const struct facts *facts, char *out, size_t size) {
  static const char *const where[PHASE_COUNT] = {"in", "in the forward pass of", "in the backward pass of",
                                                 "in the update of"};
  char time[FORMAT_SIZE];
  format_duration(time, facts->peak.time_ns);
  if (facts->peak.step < 0) {
    snprintf(out, size, "%s into the run, outside any step", time);
  } else {
    snprintf(out, size, "%s step %d, %s into the run", where[facts->peak.phase], facts->peak.step, time);
  }
}

/* The projection at 3 bits, where the paper finds nothing lost, or the nearest one below or above. */
static const struct facts_projection *headline_projection(const struct facts *facts) {
  const struct facts_projection *best = NULL;
  for (size_t i = 0; i < facts->projections_count; i++) {
    const struct facts_projection *p = &facts->projections[i];
    if (!best || p->bits == 3 || (best->bits != 3 && p->bits < 3)) {
      best = p;
    }
  }
  return best;
}

static void headline_saving(const struct facts *facts, char *out, size_t size) {
  const struct facts_projection *p = headline_projection(facts);
  char peak[FORMAT_SIZE], saving[FORMAT_SIZE], percent[FORMAT_SIZE];
  out[0] = '\0';
  if (!p || !report_text_has_evidence(facts)) {
    return;
  }
  format_bytes(peak, p->peak_bytes);
  format_bytes(saving, (uint64_t)(p->saving_bytes < 0 ? -p->saving_bytes : p->saving_bytes));
  format_percent(percent, (double)(p->saving_bytes < 0 ? -p->saving_bytes : p->saving_bytes),
                 (double)facts->peak.bytes);
  if (p->saving_bytes == 0) {
    snprintf(out, size, " Few-bit gradients would not lower it.");
  } else {
    snprintf(out, size, " With %u-bit gradients it would have been %s: %s (%s) %s.", p->bits, peak, saving, percent,
             p->saving_bytes > 0 ? "less" : "more");
  }
}

static void headline(struct sink *sink, const struct facts *facts) {
  char bytes[FORMAT_SIZE], share[FORMAT_SIZE], when[128], saving[256], text[768];
  uint64_t saved = facts->categories[CATEGORY_SAVED_ACTIVATION];
  headline_when(facts, when, sizeof when);
  headline_saving(facts, saving, sizeof saving);
  format_percent(share, (double)saved, (double)facts->peak.bytes);
  format_bytes(bytes, facts->peak.bytes);
  if (saved) {
    snprintf(text, sizeof text, "The heap peaked at %s, %s; %s of that is activations saved for backward.%s", bytes,
             when, share, saving);
  } else {
    snprintf(text, sizeof text, "The heap peaked at %s, %s.%s", bytes, when, saving);
  }
  paragraph_print(sink, STYLE_BOLD, 0, "", text);
}

/* ---- notes --------------------------------------------------------------------------------------------------- */

struct notes {
  struct sink *sink;
  bool any;
};

static void note(struct notes *notes, enum style style, const char *text) {
  if (!notes->any) {
    section_print(notes->sink, "Notes");
    notes->any = true;
  }
  paragraph_print(notes->sink, style, 4, notes->sink->unicode ? "  \xe2\x80\xa2 " : "  * ", text);
}

static void note_completeness(struct notes *notes, const struct facts_run *run) {
  char text[640], count[FORMAT_SIZE];
  if (!run->complete) {
    snprintf(text, sizeof text, "The trace is incomplete: %s. Figures hold for what was recorded.",
             run->damage && run->damage[0] ? run->damage : "its end was not seen");
    note(notes, STYLE_WARN, text);
  }
  if (run->lost_events) {
    snprintf(text, sizeof text, "%s event%s could not be recorded; bytes may be off by as many blocks.",
             format_count(count, run->lost_events), run->lost_events == 1 ? "" : "s");
    note(notes, STYLE_WARN, text);
  }
  if (run->exit_status > 0) {
    snprintf(text, sizeof text, "The program did not end well: exit status %d%s.", run->exit_status,
             run->exit_status > 128 ? " (ended by a signal)" : "");
    note(notes, STYLE_WARN, text);
  }
}

static bool saw_backward(const struct facts *facts) {
  for (size_t i = 0; i < facts->steps_count; i++) {
    if (facts->steps[i].complete || facts->steps[i].backward_ns < facts->steps[i].end_ns) {
      return true;
    }
  }
  return facts->peak.phase == PHASE_BACKWARD;
}

static void note_evidence(struct notes *notes, const struct facts *facts) {
  if (report_text_has_evidence(facts)) {
    return;
  }
  if (facts->run.evidence && strcmp(facts->run.evidence, "mark") == 0) {
    note(notes, STYLE_WARN,
         "The program marks what it keeps, but no backward pass, so that there are no steps and no projections: call "
         "actscope_mark_backward(1) before backward and actscope_mark_backward(0) after it (actscope/mark.h).");
  } else if (saw_backward(facts)) {
    note(notes, STYLE_WARN,
         "Backward passes were seen, but no op saving anything, so what is kept for backward and the projections are "
         "not known. What the program keeps is packed by hooks of its own (torch.utils.checkpoint, "
         "saved_tensors_hooks), or lies in small blocks (record with --min-size 0).");
  } else if (facts->run.framework && facts->run.framework[0]) {
    note(notes, STYLE_WARN,
         "No op saved anything that was seen, so what is kept for backward and the projections are "
         "not known. Was the program trained (backward called), on the CPU, and recorded without --no-probe?");
  } else {
    note(notes, STYLE_WARN,
         "No op saved anything that was seen, so what is kept for backward and the projections are "
         "not known. Only PyTorch's autograd is seen, and programs that mark what they keep (actscope/mark.h). If this "
         "is a launcher (a shell, torchrun), report the trace of "
         "the process that trains: RUN.<pid>.");
  }
}

static void note_figures(struct notes *notes, const struct facts *facts) {
  uint64_t sum = 0;
  char text[256], size[FORMAT_SIZE];
  for (size_t i = 0; i < facts->by_op_count; i++) {
    sum += facts->by_op[i].bytes;
  }
  if (sum > facts->saved_bytes && facts->saved_bytes) {
    note(notes, STYLE_PLAIN,
         "A block that several ops hold counts under each of them, so the ops' bytes add up to more "
         "than what is saved; it cannot be replaced by codes.");
  }
  if (facts->run.min_size > 1) {
    snprintf(text, sizeof text,
             "Blocks below %s are counted exactly but have no sites of their own; record with "
             "--min-size 0 to see them.",
             format_round_bytes(size, facts->run.min_size));
    note(notes, STYLE_PLAIN, text);
  }
}

static void notes_print(struct sink *sink, const struct facts *facts) {
  struct notes notes = {.sink = sink};
  note_completeness(&notes, &facts->run);
  note_evidence(&notes, facts);
  note_figures(&notes, facts);
}

void report_text_emit(struct sink *sink, const struct facts *facts, const struct report_options *given) {
  struct report_options options = *given;
  options.top = options.top ? options.top : SIZE_MAX;
  headline(sink, facts);
  report_text_run(sink, facts);
  report_text_categories(sink, facts);
  report_text_selection(sink, facts, &options);
  report_text_by_op(sink, facts, &options);
  report_text_by_layer(sink, facts, &options);
  report_text_projection(sink, facts);
  report_text_reasons(sink, facts);
  report_text_blocks(sink, facts, &options);
  report_text_sites(sink, facts, &options);
  report_text_steps(sink, facts);
  notes_print(sink, facts);
}
