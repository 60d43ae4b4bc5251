/* What a run comes to, in words: the sentence at the top of a page, and the notes that say what the figures do not. What the
 * pages for people have in common. */
#ifndef ACTSCOPE_REPORTS_SUMMARY_H
#define ACTSCOPE_REPORTS_SUMMARY_H

#include "analyzers/facts.h"

#include <stdbool.h>
#include <stddef.h>

/* Is anything known of what the peak consists of, but for how much of it are small blocks? */
bool summary_tells_categories(const struct facts *facts);

enum { SUMMARY_SIZE = 768, SUMMARY_NOTE_SIZE = 640, SUMMARY_WHEN_SIZE = 128 };

bool summary_has_evidence(const struct facts *facts); /* was any save seen */

/* "in the forward pass of step 7, 8.52 s into the run" */
const char *summary_when(const struct facts *facts, char out[static SUMMARY_WHEN_SIZE]);
/* The same of a peak alone; as_high: a step that reached it again, NULL: none. */
const char *summary_when_of(const struct facts_peak *peak, const struct facts_step *as_high,
                            char out[static SUMMARY_WHEN_SIZE]);
/* The projection at 3 bits, where the paper finds nothing lost, or the nearest one below or above; NULL: none. */
const struct facts_projection *summary_projection(const struct facts *facts);
/* "The heap peaked at ...; 66.9% of that is ... With 3-bit gradients it would have been ..." */
const char *summary_sentence(const struct facts *facts, char out[static SUMMARY_SIZE]);

/* "The projected saving is also of codes for relu, tanh, which actscope apply leaves exact unless named: actscope apply ...";
 * NULL: apply gives what the projection says, or there is no apply for the run. `functions`: those that the projection is of,
 * "" all. */
const char *summary_unapplied(const struct facts *facts, const char *functions, char out[static SUMMARY_NOTE_SIZE]);

/* Calls visit for each note; `warns`: figures are missing or may be off. */
void summary_notes(const struct facts *facts, void (*visit)(void *context, bool warns, const char *text),
                   void *context);

#endif
