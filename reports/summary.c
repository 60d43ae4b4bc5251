/* See the header. */
#include "reports/summary.h"

#include "analyzers/growth.h"
#include "analyzers/op_name.h"
#include "reports/format.h"
#include "trace/trace_format.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

bool summary_has_evidence(const struct facts *facts) {
  return facts->saved_bytes > 0 || facts->saved_count > 0;
}

bool summary_tells_categories(const struct facts *facts) {
  for (int i = 0; i < CATEGORY_COUNT; i++) {
    if (facts->categories[i] && i != CATEGORY_SMALL && i != CATEGORY_OTHER) {
      return true;
    }
  }
  return facts->steps_count > 0;
}

/* The first step that reached the peak again, as those of programs do that allocate everything beforehand; NULL: none. */
static const struct facts_step *step_as_high(const struct facts *facts) {
  for (size_t i = 0; i < facts->steps_count; i++) {
    if (facts->steps[i].peak_bytes == facts->peak.bytes) {
      return &facts->steps[i];
    }
  }
  return NULL;
}

const char *summary_when_of(const struct facts_peak *peak, const struct facts_step *as_high,
                            char out[static SUMMARY_WHEN_SIZE]) {
  static const char *const where[PHASE_COUNT] = {"in", "in the forward pass of", "in the backward pass of",
                                                 "in the update of"};
  char time[FORMAT_SIZE];
  format_duration(time, peak->time_ns);
  if (as_high) {
    snprintf(out, SUMMARY_WHEN_SIZE, "%s into the run, outside any step (step %u is as high)", time, as_high->index);
  } else if (peak->step < 0) {
    snprintf(out, SUMMARY_WHEN_SIZE, "%s into the run, outside any step", time);
  } else {
    snprintf(out, SUMMARY_WHEN_SIZE, "%s step %d, %s into the run", where[peak->phase], peak->step, time);
  }
  return out;
}

const char *summary_when(const struct facts *facts, char out[static SUMMARY_WHEN_SIZE]) {
  char time[FORMAT_SIZE];
  if (facts->steps_count == 0) {
    snprintf(out, SUMMARY_WHEN_SIZE, "%s into the run", format_duration(time, facts->peak.time_ns));
    return out;
  }
  return summary_when_of(&facts->peak, facts->peak.step < 0 ? step_as_high(facts) : NULL, out);
}

const struct facts_projection *summary_projection(const struct facts *facts) {
  const struct facts_projection *best = NULL;
  for (size_t i = 0; i < facts->projections_count; i++) {
    const struct facts_projection *p = &facts->projections[i];
    if (!best || p->bits == 3 || (best->bits != 3 && p->bits < 3)) {
      best = p;
    }
  }
  return best;
}

static void describe_saving(const struct facts *facts, char *out, size_t size) {
  const struct facts_projection *p = summary_projection(facts);
  char peak[FORMAT_SIZE], saving[FORMAT_SIZE], percent[FORMAT_SIZE];
  out[0] = '\0';
  if (!p || !summary_has_evidence(facts)) {
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

const char *summary_sentence(const struct facts *facts, char out[static SUMMARY_SIZE]) {
  char bytes[FORMAT_SIZE], share[FORMAT_SIZE], when[SUMMARY_WHEN_SIZE], saving[256];
  uint64_t saved = facts->categories[CATEGORY_SAVED_ACTIVATION];
  summary_when(facts, when);
  describe_saving(facts, saving, sizeof saving);
  format_percent(share, (double)saved, (double)facts->peak.bytes);
  format_bytes(bytes, facts->peak.bytes);
  if (!summary_tells_categories(facts) && facts->categories[CATEGORY_SMALL]) {
    const uint64_t small = facts->categories[CATEGORY_SMALL];
    char size[FORMAT_SIZE], least[FORMAT_SIZE];
    snprintf(out, SUMMARY_SIZE, "The heap peaked at %s, %s; %s (%s) of that is in blocks below %s.%s", bytes, when,
             format_bytes(size, small), format_percent(share, (double)small, (double)facts->peak.bytes),
             format_round_bytes(least, facts->run.min_size), saving);
  } else if (saved) {
    snprintf(out, SUMMARY_SIZE, "The heap peaked at %s, %s; %s of that is activations saved for backward.%s", bytes,
             when, share, saving);
  } else {
    snprintf(out, SUMMARY_SIZE, "The heap peaked at %s, %s.%s", bytes, when, saving);
  }
  return out;
}

/* ---- what apply leaves exact ------------------------------------------------------------------------------------- */

static bool is_of_python(const struct facts_run *run) {
  return run->framework && strncmp(run->framework, "pytorch ", 8) == 0 &&
         strcmp(run->framework, TRACE_FRAMEWORK_SNAPSHOT) != 0;
}

/* Is it in the list "gelu,SiLU"? "" lists all. */
static bool lists(const char *functions, const char *op) {
  const size_t length = strlen(op);
  while (*functions) {
    const size_t here = strcspn(functions, ",");
    if (here == length && strncasecmp(functions, op, length) == 0) {
      return true;
    }
    functions += here + (functions[here] == ',');
    if (!*functions) {
      return false;
    }
  }
  return true;
}

/* Puts the text behind what is there, where it fits. */
static void append(char *out, size_t size, const char *before, const char *text) {
  const size_t length = strlen(out);
  if (length + strlen(before) + strlen(text) < size) {
    stpcpy(stpcpy(out + length, before), text);
  }
}

const char *summary_unapplied(const struct facts *facts, const char *functions, char out[static SUMMARY_NOTE_SIZE]) {
  const struct facts_projection *projection = summary_projection(facts);
  char all[256] = "", exact[64] = "";
  if (!projection || projection->saving_bytes <= 0 || !is_of_python(&facts->run)) {
    return NULL;
  }
  for (size_t i = 0; i < facts->by_op_count; i++) {
    const char *op = facts->by_op[i].op;
    bool keeps_result = false;
    if (!facts->by_op[i].eligible_bytes || !op_is_pointwise(op, &keeps_result) || !lists(functions, op)) {
      continue;
    }
    append(all, sizeof all, *all ? "," : "", op);
    if (keeps_result) {
      append(exact, sizeof exact, *exact ? ", " : "", op);
    }
  }
  snprintf(
      out, SUMMARY_NOTE_SIZE,
      "The projected saving is also of codes for %s, which actscope apply leaves exact unless named: actscope apply "
      "--bits %u --functions %s",
      exact, projection->bits, all);
  return *exact ? out : NULL;
}

/* ---- notes --------------------------------------------------------------------------------------------------- */

struct notes {
  void (*visit)(void *context, bool warns, const char *text);
  void *context;
};

static void note_completeness(const struct notes *notes, const struct facts_run *run) {
  char text[640], count[FORMAT_SIZE];
  if (!run->complete) {
    snprintf(text, sizeof text, "The trace is incomplete: %s. Figures hold for what was recorded.",
             run->damage && run->damage[0] ? run->damage : "its end was not seen");
    notes->visit(notes->context, true, text);
  }
  if (run->unseen && *run->unseen) {
    notes->visit(notes->context, true, run->unseen);
  }
  if (run->lost_events) {
    snprintf(text, sizeof text, "%s event%s could not be recorded; bytes may be off by as many blocks.",
             format_count(count, run->lost_events), run->lost_events == 1 ? "" : "s");
    notes->visit(notes->context, true, text);
  }
  if (run->exit_status > 0) {
    snprintf(text, sizeof text, "The program did not end well: exit status %d%s.", run->exit_status,
             run->exit_status > 128 ? " (ended by a signal)" : "");
    notes->visit(notes->context, true, text);
  }
}

static void note_nameless(const struct notes *notes, const struct facts *facts) {
  const struct facts_module *first = NULL;
  size_t count = 0;
  char text[640], others[64] = "";
  for (size_t i = 0; i < facts->modules_count; i++) {
    if (*facts->modules[i].problem) {
      first = first ? first : &facts->modules[i];
      count++;
    }
  }
  if (count > 1) {
    snprintf(others, sizeof others, ", and %zu other file%s cannot be used either", count - 1, count == 2 ? "" : "s");
  }
  if (first) {
    snprintf(text, sizeof text,
             "The functions of %.300s have no names: the file %s%s. Ops and sites that go by them are missing. Analyze "
             "a run "
             "on the machine that recorded it, before its programs and libraries change.",
             first->path, first->problem, others);
    notes->visit(notes->context, true, text);
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

/* Neither a probe nor marks nor the order of allocations told of training. */
static void note_no_steps(const struct notes *notes, const struct facts *facts) {
  const struct facts_peak *peak = &facts->peak;
  char text[640], size[FORMAT_SIZE], share[FORMAT_SIZE];
  notes->visit(
      notes->context, true,
      "Nothing in the order of allocations recurs as the forward and backward passes of a training loop do, and no "
      "op saved anything that was seen: this is a plain heap report, without steps and projections. If this is a "
      "launcher (a shell, torchrun), report the trace of the process that trains: "
      "RUN.<pid>.");
  if (peak->lasting_bytes * 2 > peak->bytes) {
    snprintf(text, sizeof text,
             "%s of the peak (%s) lies in blocks that live for half of the run or longer. If the program trains, it "
             "allocates its activations once and uses them in every step: they are among the sites above, and marks "
             "(actscope/mark.h, a dozen lines) tell them from the rest.",
             format_bytes(size, peak->lasting_bytes),
             format_percent(share, (double)peak->lasting_bytes, (double)peak->bytes));
    notes->visit(notes->context, false, text);
  }
}

static void note_evidence(const struct notes *notes, const struct facts *facts) {
  if (summary_has_evidence(facts)) {
    return;
  }
  if (facts->run.evidence && strcmp(facts->run.evidence, "mark") == 0) {
    notes->visit(
        notes->context, true,
        "The program marks what it keeps, but no backward pass, so that there are no steps and no projections: call "
        "actscope_mark_backward(1) before backward and actscope_mark_backward(0) after it (actscope/mark.h).");
  } else if (saw_backward(facts) && !(facts->run.framework && facts->run.framework[0])) {
    notes->visit(
        notes->context, true,
        "Backward passes were marked, but no save of anything in a recorded block, so what is kept for backward "
        "and the projections are not known. Mark what the program keeps (actscope_mark_save, actscope/mark.h); "
        "blocks below --min-size are seen with --min-size 0.");
  } else if (saw_backward(facts)) {
    notes->visit(
        notes->context, true,
        "Backward passes were seen, but no op saving anything, so what is kept for backward and the projections are "
        "not known. What the program keeps is packed by hooks of its own (torch.utils.checkpoint, "
        "saved_tensors_hooks), or lies in small blocks (record with --min-size 0).");
  } else if (facts->run.framework && strcmp(facts->run.framework, TRACE_FRAMEWORK_SNAPSHOT) == 0) {
    notes->visit(
        notes->context, false,
        "A memory snapshot does not tell what autograd saved, so there are no steps and no projections: record a "
        "run on the CPU for these (actscope record).");
  } else if (facts->run.framework && facts->run.framework[0]) {
    notes->visit(notes->context, true,
                 "No op saved anything that was seen, so what is kept for backward and the projections are "
                 "not known. Was the program trained (backward called), on the CPU, and recorded without --no-probe?");
  } else {
    note_no_steps(notes, facts);
  }
}

static void note_inference(const struct notes *notes, const struct facts_run *run) {
  if (run->confidence > 0) {
    notes->visit(
        notes->context, run->confidence < 0.8,
        "Steps and saved activations are inferred from the order in which the program allocates and frees; what "
        "else holds a block, and of which type it is, cannot be seen (elements are taken for 4 bytes). PyTorch's "
        "probe and marks (actscope/mark.h) know.");
  }
}

static void note_stray_marks(const struct notes *notes, const struct facts_run *run) {
  char text[320], count[FORMAT_SIZE];
  if (run->stray_marks) {
    snprintf(text, sizeof text,
             "%s mark%s of saves or regions name%s memory that is in no recorded block, and say nothing: marks are for "
             "what malloc and its kin have given, not for mmap, static or stack memory, nor for blocks below the "
             "recording's --min-size.",
             format_count(count, run->stray_marks), run->stray_marks == 1 ? "" : "s", run->stray_marks == 1 ? "s" : "");
    notes->visit(notes->context, true, text);
  }
}

static void note_oversized_marks(const struct notes *notes, const struct facts_run *run) {
  char text[320], count[FORMAT_SIZE];
  if (run->oversized_marks) {
    snprintf(
        text, sizeof text,
        "%s marked save%s more elements than the block or region holds from that address on; such a save is cut off "
        "there. Does a mark give bytes for elements, or another type?",
        format_count(count, run->oversized_marks), run->oversized_marks == 1 ? " names" : "s name");
    notes->visit(notes->context, true, text);
  }
}

/* A piece of an arena is not freed by who lets go of it: say what that means for the figures. */
static void note_arenas(const struct notes *notes, const struct facts *facts) {
  uint64_t bytes = 0;
  char text[512], size[FORMAT_SIZE];
  for (size_t i = 0; i < facts->saved_count; i++) {
    bytes += facts->saved[i].in_arena ? facts->saved[i].bytes : 0;
  }
  if (bytes) {
    snprintf(
        text, sizeof text,
        "%s of what is saved lies in arenas, which hold their place whether it is needed or not: at the peak "
        "they count as saved activations throughout, and with codes an arena is taken as carved smaller, with room "
        "left for the largest of the replaced pieces, in which one op at a time computes.",
        format_bytes(size, bytes));
    notes->visit(notes->context, false, text);
  }
}

static void note_unapplied(const struct notes *notes, const struct facts *facts) {
  char text[SUMMARY_NOTE_SIZE];
  if (summary_unapplied(facts, "", text)) {
    notes->visit(notes->context, false, text);
  }
}

static void note_growth(const struct notes *notes, const struct facts *facts) {
  const bool framework = facts->run.framework && facts->run.framework[0];
  char text[SUMMARY_NOTE_SIZE], first[FORMAT_SIZE], last[FORMAT_SIZE];
  struct growth growth;
  if (growth_find(facts, &growth)) {
    snprintf(
        text, sizeof text,
        "What is still kept of what earlier steps saved grows step by step, from %s at the end of step %u to %s at "
        "the end of step %u: something keeps %s.",
        format_bytes(first, growth.first_bytes), growth.first, format_bytes(last, growth.last_bytes), growth.last,
        framework ? "their graphs (a loss summed up without .item() or .detach(), retain_graph=True)"
                  : "what earlier steps saved");
    notes->visit(notes->context, true, text);
  }
}

static void note_figures(const struct notes *notes, const struct facts *facts) {
  uint64_t sum = 0;
  char text[256], size[FORMAT_SIZE];
  for (size_t i = 0; i < facts->by_op_count; i++) {
    sum += facts->by_op[i].bytes;
  }
  if (sum > facts->saved_bytes && facts->saved_bytes) {
    notes->visit(notes->context, false,
                 "A block that several ops hold counts under each of them, so the ops' bytes add up to more "
                 "than what is saved; it cannot be replaced by codes.");
  }
  if (facts->run.min_size > 1) {
    snprintf(text, sizeof text,
             "Blocks below %s are counted exactly but have no sites of their own; record with "
             "--min-size 0 to see them.",
             format_round_bytes(size, facts->run.min_size));
    notes->visit(notes->context, false, text);
  }
}

void summary_notes(const struct facts *facts, void (*visit)(void *context, bool warns, const char *text),
                   void *context) {
  const struct notes notes = {visit, context};
  note_completeness(&notes, &facts->run);
  note_nameless(&notes, facts);
  note_evidence(&notes, facts);
  note_inference(&notes, &facts->run);
  note_stray_marks(&notes, &facts->run);
  note_oversized_marks(&notes, &facts->run);
  note_growth(&notes, facts);
  note_unapplied(&notes, facts);
  note_arenas(&notes, facts);
  note_figures(&notes, facts);
}
