/* Keys and values in eight bits (device/kernels/kv_code.h), in all engines of a model. */
#ifndef TS_INFER_KV_CODES_H
#define TS_INFER_KV_CODES_H
#include "model/decoder.h"

/* Engines of this decoder hold keys and values in eight bits from now on. TS_ERR_USER: a layer that cannot, or none that keeps
 * any. */
ts_status ts_engine_use_codes(ts_decoder *d, ts_kv_code code) TS_NODISCARD;
#endif
