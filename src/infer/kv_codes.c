#include "infer/kv_codes.h"

ts_status ts_engine_use_codes(ts_decoder *d, ts_kv_code code)
{
    int64_t takes = 0;
    for (int64_t l = 0; code != TS_KV_PLAIN && l < d->arch.n_layers; l++) {
        const ts_sublayer *mixer = &d->block[l].mixer;
        if (mixer->codes == TS_KV_CODES_REFUSED)
            return ts_error(TS_ERR_USER,
                            "--kv-cache-dtype: layer %lld chooses among its keys (sparse or compressed attention), which are held as "
                            "they are computed: leave the option out",
                            (long long)l + 1);
        takes += mixer->codes == TS_KV_CODES_TAKEN;
    }
    if (code != TS_KV_PLAIN && !takes)
        return ts_error(TS_ERR_USER, "--kv-cache-dtype: no layer of this model keeps keys and values: leave the option out");
    d->kv_code = code;
    return TS_OK;
}
