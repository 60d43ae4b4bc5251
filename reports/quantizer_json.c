/* Quantizers as JSON: kernels/quantizer_file.h writes it, a comparison is added here. */
#include "reports/quantizer_view.h"

#include "kernels/quantizer_file.h"

#include <jansson.h>
#include <stdlib.h>

static json_t *compared(const struct quantizer *quantizer, const struct quantizer_rival *rival) {
  const struct function_traits *traits = function_traits(quantizer->function);
  json_t *object = json_object();
  json_object_set_new(object, "file", json_string(rival->name)); /* left out if it is not UTF-8 */
  json_object_set_new(object, "error", json_real(rival->error));
  json_object_set_new(object, "cosine", json_real(rival->cosine));
  json_object_set_new(object, "own_error", json_real(rival->own_error));
  json_object_set_new(object, "own_cosine", json_real(rival->own_cosine));
  if (rival->other_params) {
    json_t *params = json_object();
    for (unsigned i = 0; i < traits->params; i++) {
      json_object_set_new(params, traits->param_names[i], json_real(rival->params[i]));
    }
    json_object_set_new(object, "other_parameters", params);
  }
  return object;
}

static int emit_compared(struct sink *sink, const char *bytes, size_t size, const struct quantizer *quantizer,
                         const struct quantizer_rival *rival, struct error *err) {
  json_t *root = json_loadb(bytes, size, 0, NULL);
  char *text = NULL;
  if (root && json_object_set_new(root, "compared", compared(quantizer, rival)) == 0) {
    text = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
  }
  if (text) {
    sink_print(sink, "%s\n", text);
  }
  json_decref(root);
  free(text);
  return text ? 0 : error_set(err, ERROR_MEMORY, "out of memory");
}

int quantizer_json_emit(struct sink *sink, const struct quantizer *quantizers, size_t count,
                        const struct quantizer_rival *rival, struct error *err) {
  char *bytes = NULL;
  size_t size = 0;
  int code = quantizer_encode_json(quantizers, count, &bytes, &size, err);
  if (code == 0 && rival) {
    code = emit_compared(sink, bytes, size, quantizers, rival, err);
  } else if (code == 0) {
    sink_write(sink, bytes, size);
  }
  free(bytes);
  return code;
}
