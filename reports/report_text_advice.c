/* The text report's advice: a figure and a sentence each. */
#include "reports/advice_words.h"
#include "reports/format.h"
#include "reports/report_text.h"
#include "reports/table.h"

#include <stdio.h>

static void advice_line(struct sink *sink, const struct facts *facts, const struct facts_advice *advice) {
  char first[160], text[ADVICE_WORDS_SIZE], line[ADVICE_WORDS_SIZE + 96];
  char saving[FORMAT_SIZE], share[FORMAT_SIZE], bytes[FORMAT_SIZE];
  snprintf(first, sizeof first, "  %10s  %6s  ", format_signed_bytes(saving, advice->saving_bytes),
           format_percent(share, (double)advice->saving_bytes, (double)facts->peak.bytes));
  snprintf(line, sizeof line, "%s (%s at the peak)", advice_words(&facts->run, advice, text),
           format_bytes(bytes, advice->bytes));
  paragraph_print(sink, STYLE_PLAIN, format_width(first), first, line);
}

void report_text_advice(struct sink *sink, const struct facts *facts) {
  if (!facts->advice_count) {
    return;
  }
  section_print(sink, "What would help most: less at the peak");
  for (size_t i = 0; i < facts->advice_count; i++) {
    advice_line(sink, facts, &facts->advice[i]);
  }
  paragraph_print(sink, STYLE_DIM, 2, "  ", "each by itself, the run simulated again: the savings do not add up");
}
