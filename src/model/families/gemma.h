/* What Gemma 3, 3n and 4 have in common. */
#ifndef TS_MODEL_FAMILIES_GEMMA_H
#define TS_MODEL_FAMILIES_GEMMA_H
#include "model/families/families.h"

#include <stdio.h>
#include <string.h>

enum { TS_GEMMA_FULL, TS_GEMMA_SLIDING }; /* of a->rope: of layers that see everything, and with a window */
/* Rotary embeddings of both, in any of transformers' forms (Gemma 3, 3n). */
ts_config_read_fn ts_gemma_read_ropes;
ts_config_write_fn ts_gemma_write_ropes;

/* The last num_kv_shared_layers attend to the keys and values of the last layer of their type before them. */
#define TS_GEMMA_SHARED(def_)                                                                      \
    { .kind = TS_CONFIG_OWN, .key = "num_kv_shared_layers", .late = true, .def = def_,             \
      .read = ts_gemma_read_shared, .write = ts_gemma_write_shared }
ts_config_read_fn ts_gemma_read_shared;
ts_config_write_fn ts_gemma_write_shared;
#endif
