// Trains an MLP on two interleaved spirals with libtorch, PyTorch's C++ library: no Python in the process.
//
//   train_mlp_libtorch [STEPS [WIDTH [BATCH]]]
#include <torch/torch.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <utility>

struct Net : torch::nn::Module {
  explicit Net(int64_t width) {
    for (int i = 0; i < 3; i++)
      layers->push_back(torch::nn::Linear(i ? width : 2, width));
    register_module("layers", layers);
    norm = register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({width})));
    head = register_module("head", torch::nn::Linear(width, 2));
  }

  torch::Tensor forward(torch::Tensor x) {
    for (const auto &layer : *layers)
      x = torch::gelu(layer->as<torch::nn::Linear>()->forward(x));
    return head->forward(norm->forward(x));
  }

  torch::nn::ModuleList layers;
  torch::nn::LayerNorm norm{nullptr};
  torch::nn::Linear head{nullptr};
};

// Points of the plane, and on which of the two spirals each lies.
static std::pair<torch::Tensor, torch::Tensor> sample_spirals(int64_t count) {
  torch::Tensor label = torch::randint(2, {count}, torch::kLong);
  torch::Tensor radius = torch::rand({count}).sqrt();
  torch::Tensor angle = radius * 3 * M_PI + label * M_PI;
  return {torch::stack({radius * angle.cos(), radius * angle.sin()}, 1), label};
}

int main(int argc, char **argv) {
  int64_t steps = argc > 1 ? std::atol(argv[1]) : 20;
  int64_t width = argc > 2 ? std::atol(argv[2]) : 256;
  int64_t batch = argc > 3 ? std::atol(argv[3]) : 8192;
  if (steps < 1 || width < 1 || batch < 1) {
    std::fprintf(stderr, "Usage: train_mlp_libtorch [STEPS [WIDTH [BATCH]]]\n");
    return 2;
  }
  torch::manual_seed(1);
  Net net(width);
  torch::optim::Adam optimizer(net.parameters(), torch::optim::AdamOptions(3e-3));
  for (int64_t step = 0; step < steps; step++) {
    auto [points, labels] = sample_spirals(batch);
    torch::Tensor loss = torch::nn::functional::cross_entropy(net.forward(points), labels);
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    std::printf("step %3d  loss %.4f\n", static_cast<int>(step), loss.item<double>());
  }
  return 0;
}
