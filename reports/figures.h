/* Figures that the views of replay, verify and plan share. */
#ifndef ACTSCOPE_REPORTS_FIGURES_H
#define ACTSCOPE_REPORTS_FIGURES_H

#include "kernels/models/model.h"
#include "kernels/models/optimizer.h"
#include "reports/format.h"
#include "reports/table.h"

#include <jansson.h>

/* "exact" for 0 bits, else the number. */
const char *format_width_bits(char out[static FORMAT_SIZE], unsigned bits);
/* "0.99871", with more digits where it takes them to tell it from 1: "0.99999942"; "-" for NaN. */
const char *format_cosine(char out[static FORMAT_SIZE], double cosine);
const char *format_relative(char out[static FORMAT_SIZE], double error); /* "0.05123", "1.2e-08", "-" for NaN */

void table_width_bits(struct table *table, unsigned bits);
void table_cosine(struct table *table, double cosine);
void table_relative(struct table *table, double error);
void table_fixed(struct table *table, int digits, double value);

/* What a model is, in a line: "gpt: 4 layers, width 128, ...". */
#define FIGURES_LINE_SIZE 512
const char *format_model(char out[static FIGURES_LINE_SIZE], const struct model_options *options);
const char *optimizer_name(enum optimizer_kind kind); /* "sgd", "adamw" */

/* Every key of a model file. */
json_t *figures_model_json(const struct model_options *options);

/* Bytes by enum memory_kind. */
json_t *figures_kinds_json(const size_t *bytes);

#endif
