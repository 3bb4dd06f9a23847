/* A layer of a description as the modules that run it, with all their settings; declaring them makes their
 * parameters. */
#ifndef TS_MODEL_DECODER_BLOCKS_H
#define TS_MODEL_DECODER_BLOCKS_H
#include "model/arch.h"
#include "nn/block.h"

/* A norm of the residual stream; not present: what comes in goes out. */
ts_norm_layer ts_decoder_norm(const ts_arch *a, bool present);
/* What reads a layer's streams, and mixes them behind it if it `mixes`; streams 0: there is one. */
ts_hyper_layer ts_decoder_hyper(const ts_arch *a, bool mixes);
ts_block ts_decoder_block(const ts_arch *a, int64_t layer);

/* NEFTune's noise on the embedding of a pass (nn/run.h); stream: of its random numbers. */
ts_status ts_decoder_add_noise(ts_tape *tape, const ts_run *run, int64_t stream, ts_tensor **x) TS_NODISCARD;
#endif
