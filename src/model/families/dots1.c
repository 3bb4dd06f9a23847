/* dots.llm1: Qwen 3's attention, DeepSeek-V3's experts. */
#include "model/families/families.h"

/* A window in the layers from max_window_layers on, unless layer_types says it layer by layer. */
static ts_status read_layers(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool given = false;
    int64_t window = 0, first = 0;
    TS_TRY(ts_config_int(o, file, r->key, (int64_t)r->def, 0, 1, INT32_MAX, &window));
    TS_TRY(ts_config_int(o, file, "max_window_layers", 62, 62, 0, INT32_MAX, &first));
    TS_TRY(ts_config_layer_types(o, file, window, a, &given));
    for (int64_t i = first; i < a->n_layers && !given; i++)
        a->layer[i].window = window;
    return TS_OK;
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 152064),
    TS_COPY("hidden_size", hidden, 4608),
    TS_COPY("intermediate_size", ffn, 10944),
    TS_COPY("num_hidden_layers", n_layers, 62),
    TS_KV_HEADS(32),
    TS_COPY_BOTH("attention_bias", bias_qkv, bias_proj, false),
    TS_ID("bos_token_id", bos, -1),
    TS_ENDS(-1),
    TS_FIXED(qk_norm, TS_QK_NORM_HEAD),
    TS_EXPERT_ROWS(0, 0, 1408, 0, 1, 1),
    TS_COPY("routed_scaling_factor", router_scale, 1),
    TS_TOPK_NORM(false),
    TS_FIRST_DENSE(0),
    TS_OWN("sliding_window", layer, read_layers, ts_config_write_layers, 4096),
    { TS_CONFIG_END },
};

const ts_family ts_family_dots1 = { .model_type = "dots1", .architecture = "Dots1ForCausalLM",
                                    .base = &ts_family_base, .names = ts_experts_names, .rows = rows };
