/* Pictures for a page: drawn, or told why not. */
#include "reports/plot_pictures.h"
#include "tests/reports/sample_facts.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct facts facts;
static struct plot_view view;
static struct plot_pictures pictures;
static struct error err;

static void set_up(void) {
  sample_facts_gpt(&facts);
  cr_assert_eq(plot_view_init(&view, &facts, NULL), 0);
}

static void tear_down(void) {
  plot_pictures_fini(&pictures);
  plot_view_fini(&view);
  facts_fini(&facts);
}

TestSuite(plot_pictures, .init = set_up, .fini = tear_down);

Test(plot_pictures, every_plot_wide_and_narrow) {
  if (system("gnuplot --version >/dev/null 2>&1") != 0) {
    cr_skip_test("no gnuplot");
  }
  cr_assert_eq(plot_pictures_draw(&pictures, &view, &err), 0, "%s", err.message);
  cr_expect_str_eq(pictures.notice, "");
  cr_assert_eq(pictures.count, 4); /* all but the gradients */
  for (size_t i = 0; i < pictures.count; i++) {
    const struct plot_picture *picture = &pictures.items[i];
    cr_expect_not_null(strstr(picture->wide, "viewBox=\"0 0 920 "), "%s", picture->plot->name);
    cr_expect_not_null(strstr(picture->narrow, "viewBox=\"0 0 380 "), "%s", picture->plot->name);
    cr_expect_gt(strlen(picture->description), 20);
    cr_expect_eq(plot_pictures_find(&pictures, picture->plot), picture);
  }
  cr_expect_null(plot_pictures_find(&pictures, &plot_gradients));
}

Test(plot_pictures, without_gnuplot_a_notice) {
  setenv("PATH", "/nonexistent", 1);
  cr_assert_eq(plot_pictures_draw(&pictures, &view, &err), 0);
  cr_expect_eq(pictures.count, 0);
  cr_expect_not_null(strstr(pictures.notice, "install gnuplot-nox"));
}

Test(plot_pictures, of_nothing) {
  struct facts nothing = {.saved_step = -1};
  struct plot_view none;
  cr_assert_eq(plot_view_init(&none, &nothing, NULL), 0);
  cr_assert_eq(plot_pictures_draw(&pictures, &none, &err), 0);
  cr_expect_eq(pictures.count, 0);
  cr_expect_str_eq(pictures.notice, "");
  plot_view_fini(&none);
}
