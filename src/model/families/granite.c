/* Granite 3, 4 (dense): Llama with factors for embeddings, scores, sublayers and logits. */
#include "model/families/granite.h"
#include "model/families/families.h"

#include <math.h>

/* Logits are divided by it. */
ts_status ts_granite_read_logits(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    double by = 0;
    TS_TRY(ts_config_real(o, file, r->key, r->def, r->def, &by));
    if (by <= 0)
        return ts_error(TS_ERR_USER, "%s: %s is %g, expected a number above 0", file, r->key, by);
    a->logit_scale = 1 / by;
    return TS_OK;
}

/* The number whose inverse it is. */
ts_status ts_granite_write_logits(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    double by = 1 / a->logit_scale;
    by = 1 / by == a->logit_scale ? by : 1 / nextafter(by, 0) == a->logit_scale ? nextafter(by, 0) : nextafter(by, INFINITY);
    return ts_config_put(o, r->key, json_real(by));
}

static const ts_config_row rows[] = {
    TS_COPY_BOTH("attention_bias", bias_qkv, bias_proj, false),
    TS_COPY_BOTH("mlp_bias", bias_fc1, bias_fc2, false),
    TS_GRANITE_FACTORS,
    { TS_CONFIG_END },
};

const ts_family ts_family_granite = { .model_type = "granite", .architecture = "GraniteForCausalLM",
                                 .base = &ts_family_base, .rows = rows };
