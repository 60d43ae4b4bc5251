/* Trains a network of libfann, a library that nobody wrote with actscope in mind, on a two-class problem.
 *
 *   fann_xor [EPOCHS] */
#include <fann.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 400, INPUTS = 20 };

static void fill(unsigned row, unsigned inputs, unsigned outputs, fann_type *input, fann_type *output) {
  for (unsigned i = 0; i < inputs; i++) {
    input[i] = (row * 2654435761u >> (i % 24) & 1) ? 1 : -1;
  }
  for (unsigned i = 0; i < outputs; i++) {
    output[i] = input[0] * input[1];
  }
}

int main(int argc, char **argv) {
  const long epochs = argc > 1 ? strtol(argv[1], NULL, 10) : 30;
  struct fann *net = fann_create_standard(4, INPUTS, 200, 100, 1);
  struct fann_train_data *data = fann_create_train_from_callback(ROWS, INPUTS, 1, fill);
  if (!net || !data) {
    return 1;
  }
  fann_set_activation_function_hidden(net, FANN_SIGMOID_SYMMETRIC);
  fann_set_activation_function_output(net, FANN_SIGMOID_SYMMETRIC);
  fann_randomize_weights(net, -0.1f, 0.1f);
  float first = 0, last = 0;
  for (long epoch = 0; epoch < epochs; epoch++) {
    last = fann_train_epoch(net, data);
    first = epoch ? first : last;
  }
  printf("error %.4f to %.4f\n", (double)first, (double)last);
  fann_destroy_train(data);
  fann_destroy(net);
  return last < first ? 0 : 1;
}
