/* Jamba: selective scans, attention without positions in every so many-th layer, each with an MLP behind it or
 * experts. */
#include "model/families/families.h"
#include "model/families/mamba.h"

static const ts_name_row names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "model.embed_tokens" },
    TS_SELECTIVE_NAMES("model.layers.*.mamba"),
    TS_NAMES_QKV("model.layers.*.self_attn."),
    { .name = "self_attention.linear_proj", .hf_name = "model.layers.*.self_attn.o_proj" },
    TS_NAMES_GATED_MLP("mlp", "model.layers.*.feed_forward."),
    { .name = "mlp.router", .hf_name = "model.layers.*.feed_forward.router" },
    TS_NAMES_GATED_MLP("mlp.experts", "model.layers.*.feed_forward.experts.*."),
    { .name = "input_layernorm", .hf_name = "model.layers.*.input_layernorm" },
    { .name = "pre_mlp_layernorm", .hf_name = "model.layers.*.pre_ff_layernorm" },
    { .name = "decoder.final_layernorm", .hf_name = "model.final_layernorm" },
    { .name = "output_layer", .hf_name = "lm_head" },
    { 0 },
};

/* Layers i of which i mod period is offset. */
typedef struct every {
    const char *period, *offset;
    int64_t n, at;
} every;
static const every attending = { "attn_layer_period", "attn_layer_offset", 8, 4 },
                   mixing = { "expert_layer_period", "expert_layer_offset", 2, 1 };

static ts_status read_every(const json_t *o, const char *file, every *e)
{
    TS_TRY(ts_config_int(o, file, e->period, e->n, e->n, 1, INT32_MAX, &e->n));
    TS_TRY(ts_config_int(o, file, e->offset, e->at, e->at, 0, INT32_MAX, &e->at));
    return e->at < e->n ? TS_OK
                        : ts_error(TS_ERR_USER, "%s: %s is %lld, expected a number below %s, which is %lld", file,
                                   e->offset, (long long)e->at, e->period, (long long)e->n);
}

/* One expert is an MLP. */
static ts_status read_layers(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    every attends = attending, mixes = mixing;
    (void)r;
    TS_TRY(read_every(o, file, &attends));
    TS_TRY(read_every(o, file, &mixes));
    bool any = false;
    for (int64_t i = 0; i < a->n_layers; i++) {
        const bool experts = a->n_experts > 1 && i % mixes.n == mixes.at;
        a->layer[i].attention = i % attends.n == attends.at ? TS_ATTENTION_SOFTMAX : TS_ATTENTION_SELECTIVE;
        a->layer[i].mlp = experts ? TS_MLP_EXPERTS : a->layer[i].mlp;
        any = any || experts;
    }
    if (!any)
        a->n_experts = a->expert_ffn = a->experts_per_token = 0;
    return TS_OK;
}

static bool attends_in(const ts_arch *a, int64_t i) { return a->layer[i].attention == TS_ATTENTION_SOFTMAX; }
static bool mixes_in(const ts_arch *a, int64_t i) { return a->layer[i].mlp == TS_MLP_EXPERTS; }

/* The distance of the first two such layers; of one layer, or none, so far that there is no other. What does not fit
 * is found by reading it. */
static ts_status write_every(const every *e, bool (*is)(const ts_arch *, int64_t), const ts_arch *a, json_t *o)
{
    int64_t first = 0, second;
    while (first < a->n_layers && !is(a, first))
        first++;
    for (second = first + 1; second < a->n_layers && !is(a, second);)
        second++;
    TS_TRY(ts_config_put(o, e->period, json_integer(second < a->n_layers ? second - first : a->n_layers + 1)));
    return ts_config_put(o, e->offset, json_integer(first));
}

static ts_status write_layers(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    (void)r;
    TS_TRY(write_every(&attending, attends_in, a, o));
    return write_every(&mixing, mixes_in, a, o);
}

/* An MLP of a layer without experts is as wide as an expert. */
static ts_status read_experts(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    TS_TRY(ts_config_copy_in(r, o, file, a));
    a->expert_ffn = a->ffn;
    return TS_OK;
}

static ts_status write_experts(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put(o, r->key, json_integer(a->n_experts > 0 ? a->n_experts : 1));
}

static ts_status write_of_token(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put(o, r->key, json_integer(a->n_experts > 0 ? a->experts_per_token : 1));
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 65536),
    TS_COPY("intermediate_size", ffn, 14336),
    TS_KV_HEADS(8),
    TS_COPY("max_position_embeddings", max_positions, 262144),
    TS_COPY_BOTH("rms_norm_eps", norm_eps, selective.eps, 1e-6),
    TS_ALWAYS("hidden_act", "silu swish"),
    TS_ID("pad_token_id", pad, 0),
    TS_FIXED(position, TS_POSITION_NONE),
    { .kind = TS_CONFIG_OWN, .key = "rope_theta" },
    TS_CONFIG_ROW(COPY, "num_experts", n_experts, 16, .before = "num_local_experts", .read = read_experts,
                  .write = write_experts),
    TS_CONFIG_ROW(COPY, "num_experts_per_tok", experts_per_token, 2, .write = write_of_token),
    TS_FIXED(router_score, TS_ROUTE_SOFTMAX),
    TS_FIXED(selective.norm, TS_SELECTIVE_NORM_OWN),
    TS_COPY("mamba_d_state", selective.state, 16),
    TS_COPY("mamba_d_conv", selective.conv, 4),
    TS_SELECTIVE_EXPAND("mamba_expand"),
    TS_SELECTIVE_RANK("mamba_dt_rank"),
    TS_COPY("mamba_conv_bias", selective.conv_bias, true),
    TS_COPY("mamba_proj_bias", selective.bias, false),
    TS_OWN("attn_layer_period", layer, read_layers, write_layers, 0),
    { TS_CONFIG_END },
};

const ts_family ts_family_jamba = { .model_type = "jamba", .architecture = "JambaForCausalLM", .base = &ts_family_base,
                                    .names = names, .rows = rows };
