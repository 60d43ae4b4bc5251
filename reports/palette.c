/* The colours: see the header. */
#include "reports/palette.h"

const struct palette_color palette[PALETTE_COUNT] = {
    [CATEGORY_PARAMETER] = {"parameter", "#0072b2", "#3d9bdc"},
    [CATEGORY_GRADIENT] = {"gradient", "#cc79a7", "#d991b8"},
    [CATEGORY_OPTIMIZER_STATE] = {"optimizer_state", "#56b4e9", "#8fcdf2"},
    [CATEGORY_INPUT] = {"input", "#f0e442", "#e8dc4a"},
    [CATEGORY_SAVED_ACTIVATION] = {"saved_activation", "#e69f00", "#eba92b"},
    [CATEGORY_TEMPORARY] = {"temporary", "#d55e00", "#e8793a"},
    [CATEGORY_SMALL] = {"small", "#c4c4c4", "#8a8f98"},
    [CATEGORY_OTHER] = {"other", "#8c8c8c", "#5d636d"},
    [PALETTE_FEW_BIT] = {"few_bit", "#009e73", "#2cc296"},
    [PALETTE_FORWARD] = {"forward", "#d8dce2", "#3a4049"},
    [PALETTE_BACKWARD] = {"backward", "#a3abb7", "#666f7c"},
    [PALETTE_UPDATE] = {"update", "#5f6875", "#a0a9b6"},
    [PALETTE_INK] = {"ink", "#1b1f24", "#e6e8eb"},
    [PALETTE_GRID] = {"grid", "#e1e4e8", "#343a43"},
    [PALETTE_PAPER] = {"paper", "#ffffff", "#15181d"},
};

const enum category palette_stack[CATEGORY_COUNT] = {
    CATEGORY_PARAMETER, CATEGORY_OPTIMIZER_STATE, CATEGORY_GRADIENT,  CATEGORY_INPUT,
    CATEGORY_OTHER,     CATEGORY_SMALL,           CATEGORY_TEMPORARY, CATEGORY_SAVED_ACTIVATION,
};

const char *palette_curve(size_t index) {
  static const char *const curves[] = {"#d55e00", "#e69f00", "#0072b2", "#009e73",
                                       "#cc79a7", "#56b4e9", "#8c8c8c", "#1b1f24"};
  return curves[index % (sizeof curves / sizeof *curves)];
}
