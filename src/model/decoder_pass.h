/* What a decoder's pass has beside the stream: per-layer embeddings, and what layers lend to later ones. */
#ifndef TS_MODEL_DECODER_PASS_H
#define TS_MODEL_DECODER_PASS_H
#include "model/decoder.h"

/* For declare: of the model that d->arch describes. */
ts_per_layer_inputs ts_decoder_per_layer(const ts_decoder *d);
/* The run that layers read: *run, or where the model needs something beside the stream one made of it, with room
 * for what layers lend and the per-layer embeddings of tokens (int32 [T]; NULL: x is a stream from elsewhere) and
 * their embedding x. */
ts_status ts_decoder_pass(ts_decoder *d, ts_tape *tape, const ts_tensor *ids, ts_tensor *x, const ts_run **run) TS_NODISCARD;
/* The scalars of layers as they are now. */
ts_status ts_decoder_read_scalars(ts_decoder *d) TS_NODISCARD;
/* The first layer from `begin` on, before `end`, that lends keys and values: it never runs again; or end. */
int64_t ts_decoder_first_lender(const ts_decoder *d, int64_t begin, int64_t end);
/* embed_scale and its like as the models' own code rounds them: tensors of the activations' type. */
float ts_decoder_rounded(const ts_decoder *d, double scale);
#endif
