/* Meter, tensors, tape: what is counted and when it goes. */
#include "tests/layers/gradient_check.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ------------------------------------------------------------------------------------------------------ */

Test(memory, counts_by_kind) {
  struct memory memory;
  memory_init(&memory, false);
  float *a = memory_take(&memory, MEMORY_PARAMETER, 40), *b = memory_take(&memory, MEMORY_ACTIVATION, 100);
  cr_assert(a && b && (uintptr_t)a % 64 == 0 && (uintptr_t)b % 64 == 0);
  for (int i = 0; i < 10; i++) {
    cr_assert_eq(a[i], 0);
  }
  memory_free(&memory, MEMORY_PARAMETER, a, 40);
  float *c = memory_take_raw(&memory, MEMORY_TEMPORARY, 30);
  cr_assert_eq(memory.live, 130);
  cr_assert_eq(memory.peak, 140);
  cr_assert_eq(memory.at_peak[MEMORY_PARAMETER], 40);
  cr_assert_eq(memory.at_peak[MEMORY_TEMPORARY], 0);
  memory_restart_peaks(&memory);
  cr_assert_eq(memory.peak, 130);
  cr_assert_eq(memory.at_peak[MEMORY_TEMPORARY], 30);
  memory_free(&memory, MEMORY_TEMPORARY, c, 30);
  memory_free(&memory, MEMORY_ACTIVATION, b, 100);
  cr_assert_eq(memory.live, 0);
  cr_assert_null(memory_take(&memory, MEMORY_INPUT, 0));
  memory_free(&memory, MEMORY_INPUT, NULL, 0);
  for (int kind = 0; kind < MEMORY_KINDS; kind++) {
    cr_assert_eq(memory.live_of[kind], 0);
    cr_assert_gt(strlen(memory_kind_name(kind)), 0);
  }
}

Test(memory, dry_gives_nothing_and_counts_all) {
  struct memory memory;
  memory_init(&memory, true);
  cr_assert_null(memory_take(&memory, MEMORY_ACTIVATION, (size_t)1 << 50));
  cr_assert_eq(memory.peak, (size_t)1 << 50);
  memory_free(&memory, MEMORY_ACTIVATION, NULL, (size_t)1 << 50);
  cr_assert_eq(memory.live, 0);
}

Test(memory, a_failed_allocation_is_not_counted) {
  struct memory memory;
  memory_init(&memory, false);
  memory.limit = 1000;
  const size_t too_much = 1001;
  cr_assert_null(memory_take(&memory, MEMORY_ACTIVATION, too_much));
  cr_assert_null(tensor_new(&memory, MEMORY_ACTIVATION, too_much));
  cr_assert_eq(memory.live, 0);
  cr_assert_eq(memory.peak, 0);
  void *data = memory_take(&memory, MEMORY_ACTIVATION, 600);
  cr_assert_not_null(data);
  cr_assert_null(memory_take(&memory, MEMORY_TEMPORARY, 401));
  memory_free(&memory, MEMORY_ACTIVATION, data, 600);
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

Test(tensor, each_is_saved_once_whoever_holds_it) {
  struct memory memory;
  memory_init(&memory, false);
  struct tensor *x = tensor_new(&memory, MEMORY_ACTIVATION, 100), *w = tensor_new(&memory, MEMORY_PARAMETER, 10);
  tensor_hold(x);
  tensor_hold(x);
  tensor_hold(w);
  cr_assert_eq(memory.saved, 100);
  tensor_drop(x); /* holders keep it */
  cr_assert_eq(memory.live, 110);
  tensor_release(x);
  cr_assert_eq(memory.saved, 100);
  tensor_release(x);
  cr_assert_eq(memory.saved, 0);
  cr_assert_eq(memory.live, 10);
  cr_assert_eq(memory.saved_peak, 100);
  tensor_release(w);
  tensor_drop(w);
  tensor_release(NULL);
  tensor_drop(NULL);
  cr_assert_null(tensor_hold(NULL));
  cr_assert_eq(memory.live, 0);
}

/* ---- the tape ---------------------------------------------------------------------------------------------------- */

Test(tape, names_of_layers) {
  struct memory memory;
  struct tape tape;
  memory_init(&memory, true);
  tape_init(&tape, &memory);
  tape_enter(&tape, "blocks.%d", 3);
  tape_enter(&tape, "mlp.act");
  cr_assert_str_eq(tape.scope, "blocks.3.mlp.act");
  tape_leave(&tape);
  cr_assert_str_eq(tape.scope, "blocks.3");
  for (int i = 0; i < 2 * TAPE_DEPTH; i++) {
    tape_enter(&tape, "a-longer-name");
  }
  cr_assert_lt(strlen(tape.scope), sizeof tape.scope);
  for (int i = 0; i < 2 * TAPE_DEPTH; i++) {
    tape_leave(&tape);
  }
  cr_assert_str_eq(tape.scope, "blocks.3");
  tape_leave(&tape);
  tape_leave(&tape);
  cr_assert_str_eq(tape.scope, "");
  tape_fini(&tape);
}

enum { WIDTH = 8, BATCH = 4, X = BATCH * WIDTH * sizeof(float), W = WIDTH * WIDTH * sizeof(float) };

struct network {
  struct memory memory;
  struct tape tape;
  struct value w;
  struct tensor *batch;
};

static void network_init(struct network *n, bool dry) {
  memset(n, 0, sizeof *n);
  memory_init(&n->memory, dry);
  tape_init(&n->tape, &n->memory);
  n->w = (struct value){.shape = {WIDTH, WIDTH}, .dims = 2, .parameter = true, .needs_gradient = true};
  n->w.tensor = tensor_new(&n->memory, MEMORY_PARAMETER, W);
  n->batch = tensor_new(&n->memory, MEMORY_INPUT, X);
}

static void network_fini(struct network *n) {
  tape_fini(&n->tape);
  tensor_drop(n->w.tensor);
  tensor_drop(n->w.gradient);
  tensor_drop(n->batch);
  cr_assert_eq(n->memory.live, 0);
  cr_assert_eq(n->memory.saved, 0);
}

/* gelu(x w^T) w^T, `layers` times, forgetting what the model needs no more. */
static struct value *network(struct network *n, int layers) {
  struct value *x = tape_input(&n->tape, n->batch, (size_t[]){BATCH, WIDTH}, 2);
  for (int i = 0; i < layers; i++) {
    tape_enter(&n->tape, "layers.%d", i);
    struct value *h = op_linear(&n->tape, x, &n->w, NULL), *a = op_activation(&n->tape, h, "gelu");
    tape_forget(&n->tape, x);
    tape_forget(&n->tape, h);
    x = a;
    tape_leave(&n->tape);
  }
  return x;
}

/* By hand, with all arrays of X bytes. Forward leaves, for each of two layers, h (held by gelu) and a; the first linear
 * holds the batch, which does not count, the second the first a; the last a is the model's own, held by nobody. */
Test(tape, peak_and_saved_by_hand) {
  for (int dry = 0; dry < 2; dry++) {
    struct network n;
    network_init(&n, dry);
    struct value *y = network(&n, 2);
    cr_assert_eq(n.memory.saved, 3 * X);
    cr_assert_eq(n.memory.live_of[MEMORY_ACTIVATION], 4 * X);
    memory_restart_peaks(&n.memory);
    cr_assert_eq(tape_backward(&n.tape, gradient_check_loss(&n.tape, y)), 0);
    /* on the way: the loss's float and its gradient, dy, then dh beside it while gelu goes back; by then nothing else is
     * freed. Then h goes and dw comes, which stays. */
    const size_t first = 4 * X + sizeof(float) + 2 * X, second = 3 * X + sizeof(float) + 2 * X + W;
    cr_assert_eq(n.memory.peak, W + X + (first > second ? first : second));
    cr_assert_eq(n.memory.live_of[MEMORY_ACTIVATION], X + sizeof(float), "y and the loss stay with the tape");
    cr_assert_eq(n.memory.live_of[MEMORY_GRADIENT], W);
    cr_assert_eq(n.memory.saved, 0);
    network_fini(&n);
  }
}

Test(tape, inference_saves_nothing) {
  struct network n;
  network_init(&n, false);
  n.tape.inference = true;
  struct value *y = network(&n, 3);
  cr_assert_eq(n.memory.saved, 0);
  cr_assert_eq(n.memory.saved_peak, X, "an op may hold until its node turns out not to be wanted");
  cr_assert_eq(n.tape.nodes_count, 0);
  cr_assert_eq(n.memory.live_of[MEMORY_ACTIVATION], X);
  cr_assert_eq(n.memory.peak, W + X + 3 * X);
  cr_assert_not(y->needs_gradient);
  network_fini(&n);
}

Test(tape, saved_bytes_by_layer_and_op) {
  struct network n;
  struct tape_row *rows = NULL;
  size_t count = 0, sum = 0;
  network_init(&n, true);
  struct value *y = network(&n, 2);
  tape_enter(&n.tape, "layers.1");
  op_activation(&n.tape, y, "gelu");
  tape_leave(&n.tape);
  cr_assert_eq(tape_by_layer(&n.tape, &rows, &count, NULL), 0);
  static const struct tape_row expected[] = {
      {"layers.0", "mm", 0, 1}, {"layers.0", "gelu", X, 1}, {"layers.1", "mm", X, 1}, {"layers.1", "gelu", 2 * X, 2}};
  cr_assert_eq(count, sizeof expected / sizeof *expected);
  for (size_t i = 0; i < count; i++) {
    cr_assert_str_eq(rows[i].layer, expected[i].layer);
    cr_assert_str_eq(rows[i].op, expected[i].op);
    cr_assert_eq(rows[i].saved_bytes, expected[i].saved_bytes, "row %zu: %zu", i, rows[i].saved_bytes);
    cr_assert_eq(rows[i].nodes, expected[i].nodes);
    sum += rows[i].saved_bytes;
  }
  cr_assert_eq(sum, n.memory.saved);
  free(rows);
  network_fini(&n);
}

/* Enough nodes and values that the tape's arrays move. */
Test(tape, many_layers) {
  struct network n;
  network_init(&n, false);
  struct value *y = network(&n, 300);
  cr_assert_eq(n.tape.nodes_count, 600);
  cr_assert_eq(tape_backward(&n.tape, gradient_check_loss(&n.tape, y)), 0);
  network_fini(&n);
}

/* Whatever allocation of forward or backward fails, all is released. */
Test(tape, out_of_memory_anywhere) {
  struct network n;
  network_init(&n, false);
  tape_backward(&n.tape, gradient_check_loss(&n.tape, network(&n, 3)));
  const size_t start = W + X, peak = n.memory.peak;
  network_fini(&n);
  size_t failures = 0;
  for (size_t limit = start; limit < peak; limit += sizeof(float)) {
    network_init(&n, false);
    n.memory.limit = limit;
    failures += tape_backward(&n.tape, gradient_check_loss(&n.tape, network(&n, 3))) == ERROR_MEMORY;
    network_fini(&n);
  }
  cr_assert_eq(failures, (peak - start) / sizeof(float));
}

/* A branch that the loss does not depend on gets no gradient, and its saved tensors go all the same. */
Test(tape, a_branch_without_gradient) {
  struct network n;
  network_init(&n, false);
  struct value *y = network(&n, 1);
  cr_assert_not_null(op_activation(&n.tape, y, "silu"));
  cr_assert_eq(tape_backward(&n.tape, gradient_check_loss(&n.tape, y)), 0);
  cr_assert_eq(n.memory.saved, 0);
  network_fini(&n);
}

Test(tape, the_loss_must_be_a_number) {
  struct network n;
  network_init(&n, false);
  struct value *y = network(&n, 1);
  cr_assert_eq(tape_backward(&n.tape, y), ERROR_USAGE);
  cr_assert_eq(tape_backward(&n.tape, NULL), ERROR_USAGE, "the status sticks");
  network_fini(&n);
}

/* No memory: the op fails, those after it return NULL, backward says so, and nothing leaks. */
Test(tape, out_of_memory) {
  struct network n;
  network_init(&n, false);
  struct value *x = tape_input(&n.tape, n.batch, (size_t[]){BATCH, WIDTH}, 2);
  n.memory.limit = n.memory.live + X - 1;
  struct value *y = op_linear(&n.tape, x, &n.w, NULL);
  cr_assert_null(y);
  cr_assert_eq(n.tape.status, ERROR_MEMORY);
  cr_assert(strstr(n.tape.error.message, "smaller"), "%s", n.tape.error.message);
  y = op_activation(&n.tape, y, "gelu");
  cr_assert_null(y);
  cr_assert_eq(tape_backward(&n.tape, y), ERROR_MEMORY);
  network_fini(&n);
}

Test(tape, a_forgotten_input_is_refused) {
  struct network n;
  network_init(&n, false);
  struct value *x = tape_input(&n.tape, n.batch, (size_t[]){BATCH, WIDTH}, 2);
  tape_forget(&n.tape, x);
  cr_assert_null(op_linear(&n.tape, x, &n.w, NULL));
  cr_assert_eq(n.tape.status, ERROR_USAGE);
  network_fini(&n);
}
