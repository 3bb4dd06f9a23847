/* DeepSeek-V4 (DeepSeek-AI, 2026): attention to one key a token in a window and to compressed keys, hyper-connections, and
 * experts, of which the first layers choose by the token's number. transformers' own names are those of its modules; what it
 * writes are the published ones, but for some: each kind of file has a table here. */
#include "model/families/families.h"

#include <math.h>
#include <string.h>

/* A layer's rows, and those of one that predicts a further token, which has no compressors and no table of experts. */
#define ROW(in_, name_, hf_name_) { .name = name_, .hf_name = in_ hf_name_ }
#define BLOCK(in_, kv_norm_)                                                                              \
    ROW(in_, "self_attention.core_attention.softmax_offset", "attn.attn_sink"),                    \
        ROW(in_, "self_attention.linear_q_down_proj", "attn.wq_a"), ROW(in_, "self_attention.q_layernorm", "attn.q_norm"), \
        ROW(in_, "self_attention.linear_q_up_proj", "attn.wq_b"), ROW(in_, "self_attention.linear_kv_proj", "attn.wkv"), \
        ROW(in_, "self_attention.kv_layernorm", kv_norm_),                                         \
        { .name = "self_attention.linear_groups_proj", .hf_name = in_ "attn.wo_a", .part = TS_PART_STACK }, \
        ROW(in_, "self_attention.linear_proj", "attn.wo_b"), ROW(in_, "mlp.router", "ffn.gate"),   \
        ROW(in_, "mlp.router.expert_bias", "ffn.gate.bias"),                                       \
        { "mlp.experts.linear_fc1", in_ "ffn.experts.*.w1", TS_PART_GATE, false },                 \
        { "mlp.experts.linear_fc1", in_ "ffn.experts.*.w3", TS_PART_UP, false },                   \
        ROW(in_, "mlp.experts.linear_fc2", "ffn.experts.*.w2"),                                    \
        { "mlp.shared_experts.linear_fc1", in_ "ffn.shared_experts.w1", TS_PART_GATE, false },     \
        { "mlp.shared_experts.linear_fc1", in_ "ffn.shared_experts.w3", TS_PART_UP, false },       \
        ROW(in_, "mlp.shared_experts.linear_fc2", "ffn.shared_experts.w2"),                        \
        ROW(in_, "input_layernorm", "attn_norm"), ROW(in_, "pre_mlp_layernorm", "ffn_norm"),       \
        ROW(in_, "attention_hyper.weight", "hc_attn_fn"), ROW(in_, "attention_hyper.base", "hc_attn_base"), \
        ROW(in_, "attention_hyper.scale", "hc_attn_scale"), ROW(in_, "mlp_hyper.weight", "hc_ffn_fn"), \
        ROW(in_, "mlp_hyper.base", "hc_ffn_base"), ROW(in_, "mlp_hyper.scale", "hc_ffn_scale")
#define FURTHER                                                                                    \
    BLOCK("mtp.*.", "attn.kv_norm"), ROW("mtp.*.", "enorm", "enorm"), ROW("mtp.*.", "hnorm", "hnorm"), \
        ROW("mtp.*.", "e_proj", "e_proj"), ROW("mtp.*.", "h_proj", "h_proj"),                      \
        ROW("mtp.*.", "hyper_head.weight", "hc_head_fn"),       \
        ROW("mtp.*.", "hyper_head.base", "hc_head_base"), ROW("mtp.*.", "hyper_head.scale", "hc_head_scale"), \
        ROW("mtp.*.", "final_layernorm", "norm")
#define LAYER(name_, hf_name_) ROW("model.layers.*.", name_, hf_name_)
#define ENTRIES(ours_, theirs_, bias_, kv_, gate_, norm_)                                          \
    LAYER(ours_ ".position_bias", theirs_ bias_), LAYER(ours_ ".linear_kv", theirs_ kv_),          \
        LAYER(ours_ ".linear_gate", theirs_ gate_), LAYER(ours_ ".norm", theirs_ norm_)
#define INDEXER "self_attention.core_attention.indexer"
#define ENDS(head_)                                                                                \
    { .name = "decoder.final_layernorm", .hf_name = "model.norm" },                                \
    { .name = "decoder.hyper_head.weight", .hf_name = "model.hc_head.hc_fn" },                     \
    { .name = "decoder.hyper_head.base", .hf_name = "model.hc_head.hc_base" },                     \
    { .name = "decoder.hyper_head.scale", .hf_name = "model.hc_head.hc_scale" },                   \
    { .name = "output_layer", .hf_name = head_ }, FURTHER, { 0 }

static const ts_name_row file_names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "model.embed_tokens" },
    BLOCK("model.layers.*.", "attn.norm"),
    ENTRIES("self_attention.compressor", "attn.compressor", ".ape", ".wkv", ".wgate", ".norm"),
    ENTRIES(INDEXER ".compressor", "attn.indexer.compressor", ".ape", ".wkv", ".wgate", ".norm"),
    LAYER(INDEXER ".linear_wq_b", "attn.indexer.wq_b"),
    LAYER(INDEXER ".linear_weights_proj", "attn.indexer.weights_proj"),
    { .name = "mlp.router.token_experts", .hf_name = "model.layers.*.ffn.gate.tid2eid", .part = TS_PART_CHOICES },
    ENDS("head"),
};

/* Of files that hold all experts of a layer in one tensor. */
static const ts_name_row module_names[] = {
    { .name = "embedding.word_embeddings", .hf_name = "model.embed_tokens" },
    LAYER("self_attention.core_attention.softmax_offset", "self_attn.sinks"),
    LAYER("self_attention.linear_q_down_proj", "self_attn.q_a_proj"),
    LAYER("self_attention.q_layernorm", "self_attn.q_a_norm"),
    LAYER("self_attention.linear_q_up_proj", "self_attn.q_b_proj"),
    LAYER("self_attention.linear_kv_proj", "self_attn.kv_proj"),
    LAYER("self_attention.kv_layernorm", "self_attn.kv_norm"),
    { .name = "self_attention.linear_groups_proj", .hf_name = "model.layers.*.self_attn.o_a_proj", .part = TS_PART_STACK },
    LAYER("self_attention.linear_proj", "self_attn.o_b_proj"),
    ENTRIES("self_attention.compressor", "self_attn.compressor", ".position_bias", ".kv_proj", ".gate_proj", ".kv_norm"),
    ENTRIES(INDEXER ".compressor", "self_attn.compressor.indexer", ".position_bias", ".kv_proj", ".gate_proj", ".kv_norm"),
    LAYER(INDEXER ".linear_wq_b", "self_attn.compressor.indexer.q_b_proj"),
    LAYER(INDEXER ".linear_weights_proj", "self_attn.compressor.indexer.scorer.weights_proj"),
    LAYER("mlp.router", "mlp.gate"),
    { .name = "mlp.router.token_experts", .hf_name = "model.layers.*.mlp.gate.tid2eid", .part = TS_PART_CHOICES },
    LAYER("mlp.router.expert_bias", "mlp.gate.e_score_correction_bias"),
    TS_NAMES_GATED_MLP("mlp.experts", "model.layers.*.mlp.experts.*."),
    TS_NAMES_GATED_MLP("mlp.shared_experts", "model.layers.*.mlp.shared_experts."),
    LAYER("input_layernorm", "input_layernorm"),
    LAYER("pre_mlp_layernorm", "post_attention_layernorm"),
    LAYER("attention_hyper.weight", "attn_hc.fn"),
    LAYER("attention_hyper.base", "attn_hc.base"),
    LAYER("attention_hyper.scale", "attn_hc.scale"),
    LAYER("mlp_hyper.weight", "ffn_hc.fn"),
    LAYER("mlp_hyper.base", "ffn_hc.base"),
    LAYER("mlp_hyper.scale", "ffn_hc.scale"),
    ENDS("lm_head"),
};

static const ts_name_row *names_of(const ts_arch *a) { return a->experts_stacked ? module_names : file_names; }

/* What published files call otherwise than transformers does when it writes. */
static const ts_name_other others[] = {
    { "model.embed_tokens", "embed", false },
    { ".attn.norm.", ".attn.kv_norm.", false },
    { "model.hc_head.hc_", "hc_head_", false },
    { 0 },
};

/* ---- rotary embeddings: of windows, and of what is compressed with all of its layer ---- */

static ts_status read_part(const json_t *o, const char *file, const ts_arch *a, double *part)
{
    int64_t width = 0;
    TS_TRY(ts_config_int(o, file, "qk_rope_head_dim", 0, 0, 0, TS_ARCH_MAX_HEAD_DIM, &width));
    const double usual = width ? (double)width / (double)a->head_dim : 64.0 / 512;
    return ts_config_real(o, file, "partial_rotary_factor", usual, usual, part);
}

/* yarn does not change magnitudes unless it is said. */
static void settle(ts_rope_config *r)
{
    r->interleaved = true;
    if (r->scaling == TS_ROPE_YARN && r->attention_factor == 0)
        r->attention_factor = 1;
}

static ts_status read_ropes(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *given, *main, *compress;
    double theta, wide, part;
    TS_TRY(ts_config_real(o, file, r->key, r->def, r->def, &theta));
    TS_TRY(ts_config_real(o, file, "compress_rope_theta", 160000, 160000, &wide));
    TS_TRY(read_part(o, file, a, &part));
    TS_TRY(ts_config_rope_find(o, file, &given));
    main = json_object_get(given, "main"), compress = json_object_get(given, "compress");
    a->position = TS_POSITION_ROPE, a->n_ropes = 2;
    if (json_is_object(main) && json_is_object(compress)) {
        TS_TRY(ts_config_rope_object(o, main, file, theta, part, a, &a->rope[0]));
        TS_TRY(ts_config_rope_object(o, compress, file, wide, part, a, &a->rope[1]));
        settle(&a->rope[1]);
    } else {
        json_t *of = given ? json_copy((json_t *)(uintptr_t)given) : json_object(); /* whose base and part count for nothing */
        json_object_del(of, "rope_theta");
        json_object_del(of, "partial_rotary_factor");
        ts_status st = of ? ts_config_rope_object(o, of, file, wide, part, a, &a->rope[1])
                          : ts_error(TS_ERR_NOMEM, "no memory for a configuration");
        json_decref(of);
        TS_TRY(st);
        settle(&a->rope[1]);
        TS_TRY(ts_config_rope_object(o, NULL, file, theta, part, a, &a->rope[0]));
    }
    settle(&a->rope[0]);
    return TS_OK;
}

static ts_status write_ropes(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    static const char key[] = "rope_parameters", part[] = "partial_rotary_factor";
    static const char *const names[] = { "main", "compress" };
    TS_TRY(ts_config_put(o, r->key, json_real(a->rope[0].theta)));
    TS_TRY(ts_config_put(o, "compress_rope_theta", json_real(a->rope[1].theta)));
    TS_TRY(ts_config_put(o, part, json_real(ts_config_rotary_part(a, &a->rope[0]))));
    TS_TRY(ts_config_put(o, key, json_object()));
    for (int i = 0; i < 2; i++) {
        json_t *ropes = json_object_get(o, key);
        TS_TRY(ts_config_write_rope_object(&a->rope[i], ropes, names[i]));
        TS_TRY(ts_config_put(json_object_get(ropes, names[i]), part, json_real(ts_config_rotary_part(a, &a->rope[i]))));
    }
    return TS_OK;
}

/* ---- layers ---- */

static const char *const types[] = { "sliding_attention", "compressed_sparse_attention", "heavily_compressed_attention", NULL };
enum { SLIDING, SPARSE, HEAVY };

/* Tokens of an entry, by kind. */
static ts_status read_rates(const json_t *o, const char *file, int64_t rate[3])
{
    const json_t *rates = json_object_get(o, "compress_rates");
    if (rates && !json_is_null(rates) && !json_is_object(rates))
        return ts_error(TS_ERR_USER, "%s: compress_rates must be an object", file);
    rate[SLIDING] = 0;
    for (int i = SPARSE; i <= HEAVY; i++) {
        TS_TRY(ts_config_int(rates, file, types[i], i == SPARSE ? 4 : 128, i == SPARSE ? 4 : 128, 1, TS_ARCH_MAX_POSITIONS,
                             &rate[i]));
        TS_TRY(ts_config_int(o, file, i == SPARSE ? "compress_rate_csa" : "compress_rate_hca", rate[i], rate[i], 1,
                             TS_ARCH_MAX_POSITIONS, &rate[i]));
    }
    return TS_OK;
}

/* A number a layer, and perhaps of layers that predict further tokens: 0, 4 or 128. */
static ts_status kind_by_ratio(const json_t *list, const char *file, int64_t i, int *kind)
{
    const json_t *v = json_array_get(list, (size_t)i);
    const json_int_t ratio = json_integer_value(v);
    if (!json_is_integer(v) || (ratio != 0 && ratio != 4 && ratio != 128))
        return ts_error(TS_ERR_USER, "%s: compress_ratios must be a list of 0, 4 or 128 for each of num_hidden_layers: entry "
                                     "%lld is none of them", file, (long long)i);
    *kind = ratio == 0 ? SLIDING : ratio == 4 ? SPARSE : HEAVY;
    return TS_OK;
}

static void make_layer(ts_layer_arch *l, int kind, const int64_t rate[3], int64_t window)
{
    l->attention = TS_ATTENTION_COMPRESSED;
    l->window = window, l->compress = rate[kind], l->sparse = kind == SPARSE;
    l->rope = kind != SLIDING;
}

static ts_status read_types(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *list, *ratios = json_object_get(o, "compress_ratios");
    int64_t rate[3], window;
    TS_TRY(ts_config_layer_list(o, file, r->key, a, &list));
    TS_TRY(read_rates(o, file, rate));
    TS_TRY(ts_config_int(o, file, "sliding_window", 128, 128, 1, INT32_MAX, &window));
    for (int64_t i = 0; i < a->n_layers; i++) {
        int kind = i >= 2 && i % 2 ? SPARSE : HEAVY;
        if (list)
            TS_TRY(ts_config_layer_word(list, file, r->key, i, types, &kind));
        else if (ratios && !json_is_null(ratios))
            TS_TRY(kind_by_ratio(ratios, file, i, &kind));
        make_layer(&a->layer[i], kind, rate, window);
    }
    for (size_t i = (size_t)a->n_layers; i < json_array_size(ratios); i++)
        if (json_integer_value(json_array_get(ratios, i))) /* of one that predicts a further token: those have windows alone */
            a->mtp_layers = 0;
    return TS_OK;
}

static int kind_of(const ts_layer_arch *l) { return !l->compress ? SLIDING : l->sparse ? SPARSE : HEAVY; }
static const char *type_of(const ts_layer_arch *l) { return types[kind_of(l)]; }

static ts_status write_types(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    int64_t rate[3] = { 0, 4, 128 };
    TS_TRY(ts_config_put_words(o, r->key, a, type_of));
    for (int64_t i = 0; i < a->n_layers; i++)
        rate[kind_of(&a->layer[i])] = a->layer[i].compress;
    TS_TRY(ts_config_put(o, "sliding_window", json_integer(a->layer[0].window)));
    return ts_config_put(o, "compress_rates", json_pack("{s:I, s:I}", types[SPARSE], (json_int_t)rate[SPARSE], types[HEAVY],
                                                        (json_int_t)rate[HEAVY]));
}

static const char *const feeds[] = { "moe", "hash_moe", NULL };

static ts_status read_feeds(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *list;
    int64_t first;
    TS_TRY(ts_config_layer_list(o, file, r->key, a, &list));
    TS_TRY(ts_config_int(o, file, "num_hash_layers", 3, 3, 0, TS_ARCH_MAX_LAYERS, &first));
    for (int64_t i = 0; i < a->n_layers; i++) {
        int hashed = i < first;
        if (list)
            TS_TRY(ts_config_layer_word(list, file, r->key, i, feeds, &hashed));
        a->layer[i].mlp = TS_MLP_EXPERTS, a->layer[i].hashed = hashed;
    }
    return TS_OK;
}

static const char *feed_of(const ts_layer_arch *l) { return feeds[l->hashed]; }

static ts_status write_feeds(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put_words(o, r->key, a, feed_of);
}

/* ---- experts ---- */

static const struct {
    const char *word;
    ts_route_score score;
} scores[] = { { "sqrtsoftplus", TS_ROUTE_SQRT_SOFTPLUS }, { "sigmoid", TS_ROUTE_SIGMOID }, { "softmax", TS_ROUTE_SOFTMAX } };

static ts_status read_score(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const char *word = scores[0].word;
    TS_TRY(ts_json_text(o, file, r->key, word, &word));
    for (size_t i = 0; i < sizeof scores / sizeof *scores; i++)
        if (!strcmp(word, scores[i].word)) {
            a->router_score = scores[i].score;
            return TS_OK;
        }
    return ts_error(TS_ERR_USER, "%s: %s is \"%.60s\", expected sqrtsoftplus, sigmoid or softmax", file, r->key, word);
}

static ts_status write_score(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    const char *word = scores[0].word;
    for (size_t i = 0; i < sizeof scores / sizeof *scores; i++)
        word = scores[i].score == a->router_score ? scores[i].word : word;
    return ts_config_put(o, r->key, json_string(word));
}

/* transformers' class has one, as wide as an expert, whatever the key says. */
static ts_status read_shared(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    int64_t n;
    TS_TRY(ts_config_int(o, file, r->key, 1, 1, 0, 1 << 16, &n));
    a->shared_ffn = a->expert_ffn;
    return n == 1 ? TS_OK : ts_error(TS_ERR_USER, "%s: %s is %lld, expected 1: models of this type have one shared expert", file,
                                     r->key, (long long)n);
}

static const ts_config_row rows[] = {
    TS_COPY("vocab_size", vocab, 129280),
    TS_COPY("hidden_size", hidden, 4096),
    TS_COPY_BOTH("moe_intermediate_size", expert_ffn, ffn, 2048),
    TS_COPY("num_hidden_layers", n_layers, 43),
    TS_COPY("num_attention_heads", n_heads, 64),
    TS_KV_HEADS(1),
    TS_HEAD_DIM(512),
    TS_COPY("max_position_embeddings", max_positions, 1048576),
    TS_ID("bos_token_id", bos, 0),
    TS_ENDS(1),
    TS_OWN("rope_theta", rope, read_ropes, write_ropes, 10000),
    TS_COPY("q_lora_rank", q_lora_rank, 1024),
    TS_COPY("o_groups", out_groups, 8),
    TS_COPY("o_lora_rank", out_rank, 1024),
    TS_COPY("index_n_heads", index_heads, 64),
    TS_COPY("index_head_dim", index_dim, 128),
    TS_COPY("index_topk", index_topk, 512),
    TS_CONFIG_ROW(COPY, "n_routed_experts", n_experts, 256, .before = "num_local_experts"),
    TS_COPY("num_experts_per_tok", experts_per_token, 6),
    TS_OWN("n_shared_experts", shared_ffn, read_shared, ts_config_write_shared_experts, 1),
    TS_OWN("scoring_func", router_score, read_score, write_score, 0),
    TS_COPY("routed_scaling_factor", router_scale, 1.5),
    TS_FIXED(router_norm, true),
    TS_FIXED(router_bias, true),
    TS_COPY("swiglu_limit", act_clamp, 10),
    TS_COPY("hc_mult", hyper_streams, 4),
    TS_COPY("hc_sinkhorn_iters", hyper_turns, 20),
    TS_COPY("hc_eps", hyper_eps, 1e-6),
    TS_FIXED(hyper_start, 1),
    TS_MTP_LAYERS,
    TS_REFUSE("attention_bias", "attention of this class has no bias"),
    TS_REFUSE("mlp_bias", "MLPs of this class have no bias here"),
    { .kind = TS_CONFIG_OWN, .key = "layer_types", .late = true, .read = read_types, .write = write_types },
    { .kind = TS_CONFIG_OWN, .key = "mlp_layer_types", .late = true, .read = read_feeds, .write = write_feeds },
    { TS_CONFIG_END },
};

const ts_family ts_family_deepseek_v4 = { .model_type = "deepseek_v4", .architecture = "DeepseekV4ForCausalLM",
                                          .base = &ts_family_base, .names = file_names, .names_of = names_of,
                                          .others = others, .rows = rows };
