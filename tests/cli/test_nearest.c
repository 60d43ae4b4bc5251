/* What a mistyped name was probably meant to be. */
#include "cli/nearest.h"

#include "cli/choice.h"
#include "cli/commands.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static void expect(const char *text, nearest_names *names, const char *name) {
  const char *found = nearest_find(text, names);
  cr_expect(name ? found && strcmp(found, name) == 0 : !found, "%s: %s, not %s", text, found ? found : "none",
            name ? name : "none");
}

Test(nearest, a_slip_or_two) {
  expect("reprot", command_name_at, "report");
  expect("eport", command_name_at, "report");
  expect("repport", command_name_at, "report");
  expect("Report", command_name_at, "report");
  expect("verfy", command_name_at, "verify");
  expect("quantise", command_name_at, "quantize");
  expect("inf", command_name_at, "info");
  expect("analy", command_name_at, "analyze");
  expect("dif", command_name_at, "diff");
}

Test(nearest, not_anything) {
  expect("xyzzy", command_name_at, NULL);
  expect("size", choice_sort.names, NULL); /* half of "time" */
  expect("", command_name_at, NULL);
  expect("r", command_name_at, NULL);
  expect("a name so long that no command comes near it, whatever it is", command_name_at, NULL);
}

Test(nearest, names_of_functions_and_models) {
  expect("gelo", choice_function.names, "gelu");
  expect("sliu", choice_function.names, "silu");
  expect("leaky-relu", choice_function.names, "leaky_relu");
  expect("bert-bsae", choice_model.names, "bert-base");
  expect("resnet50", choice_model.names, "resnet-50");
}

Test(nearest, is_put_behind_a_message) {
  struct error err = {"no function is named 'gelo'"};
  cr_expect_eq(nearest_suggest(&err, ERROR_USAGE, "gelo", choice_function.names), ERROR_USAGE);
  cr_expect_str_eq(err.message, "no function is named 'gelo'; did you mean 'gelu'?");
  struct error other = {"gelu: something else"};
  nearest_suggest(&other, ERROR_USAGE, "gelu", choice_function.names);
  cr_expect_str_eq(other.message, "gelu: something else");
  struct error full;
  memset(full.message, 'x', sizeof full.message - 1);
  full.message[sizeof full.message - 1] = '\0';
  nearest_suggest(&full, ERROR_USAGE, "gelo", choice_function.names);
  cr_expect_eq(strlen(full.message), sizeof full.message - 1);
}
