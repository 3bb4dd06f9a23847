/* What most classes of transformers have in common: Llama's sizes, names and rotary embedding. */
#include "model/families/families.h"

#include <math.h>
#include <string.h>

/* Rows of the names of Mistral, Qwen 2 and 3, Gemma, Arcee, ... too; a row counts where the description
 * has its parameter. */
static const ts_name_row names[] = {
    TS_NAMES_FIRST,
    TS_NAMES_HEAD_NORMS,
    TS_NAMES_GATED_MLP("mlp", "model.layers.*.mlp."),
    TS_NAMES_LAST,
    { 0 },
};

/* The tensors say themselves what each is; this is what they mean. */
ts_status ts_config_quantised(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *q = json_object_get(o, r->key), *block = json_object_get(q, "weight_block_size");
    const char *method = json_string_value(json_object_get(q, "quant_method")),
               *code = json_string_value(json_object_get(q, "fmt"));
    (void)a;
    if (!q || json_is_null(q) || json_is_false(q) || (method && !strcmp(method, "bitsandbytes")))
        return TS_OK;
    if (!method || strcmp(method, "fp8") || (code && strcmp(code, "e4m3")))
        return ts_error(TS_ERR_USER, "%s: %s: quant_method is \"%.60s\"%s%.60s, expected fp8 of e4m3 or bitsandbytes: no other "
                        "quantised weights are read", file, r->key, method ? method : "not given", code ? " of " : "", code ? code : "");
    for (size_t i = 0; i < 2 && json_object_get(q, "weight_block_size"); i++)
        if (json_array_size(block) != 2 || json_integer_value(json_array_get(block, i)) != 128)
            return ts_error(TS_ERR_USER, "%s: %s: weight_block_size must be [128, 128]", file, r->key);
    return TS_OK;
}

/* All of transformers' classes know the key. */
ts_status ts_config_causal(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool is_causal = true;
    (void)a;
    TS_TRY(ts_json_bool(o, file, r->key, true, &is_causal));
    return is_causal
               ? TS_OK
               : ts_error(TS_ERR_USER, "%s: is_causal is false: attention must be causal", file);
}

static const ts_config_row rows[] = {
    TS_MAY_BE_QUANTISED,
    TS_CAUSAL,
    TS_COPY("vocab_size", vocab, 32000),
    TS_COPY("hidden_size", hidden, 4096),
    TS_COPY("intermediate_size", ffn, 11008),
    TS_COPY("num_hidden_layers", n_layers, 32),
    TS_COPY("num_attention_heads", n_heads, 32),
    TS_KV_HEADS(0),
    TS_HEAD_DIM(0),
    TS_COPY("max_position_embeddings", max_positions, 2048),
    TS_OWN(NULL, attn_scale, ts_config_attn_scale, NULL, 0),
    TS_COPY("rms_norm_eps", norm_eps, 1e-6),
    TS_COPY("initializer_range", init_std, 0.02),
    TS_COPY("hidden_act", act, TS_ACT_SILU),
    TS_COPY("tie_word_embeddings", tied, false),
    TS_ID("bos_token_id", bos, 1),
    TS_ID("pad_token_id", pad, -1),
    TS_ENDS(2),
    TS_ROPE(10000, 0),
    { TS_CONFIG_END },
};

const ts_family ts_family_base = { .prefix = "model.", .names = names, .rows = rows };

/* ---- heads ---- */

/* Without a number of its own (def 0) as many as query heads. */
ts_status ts_config_read_kv_heads(const ts_config_row *r, const json_t *o, const char *file,
                                  ts_arch *a)
{
    return ts_config_int(o, file, r->key, r->def > 0 ? (int64_t)r->def : a->n_heads, a->n_heads, 1,
                         TS_ARCH_MAX_HEADS, &a->n_kv_heads);
}

ts_status ts_config_write_kv_heads(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put(o, r->key, json_integer(a->n_kv_heads));
}

ts_status ts_config_wide_mlp(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    (void)r, (void)o, (void)file;
    a->ffn = 4 * a->hidden;
    return TS_OK;
}

ts_status ts_config_kv_as_heads(const ts_config_row *r, const json_t *o, const char *file,
                                ts_arch *a)
{
    (void)r, (void)o, (void)file;
    a->n_kv_heads = a->n_heads;
    return TS_OK;
}

ts_status ts_config_whole_heads(const ts_config_row *r, const json_t *o, const char *file,
                                ts_arch *a)
{
    (void)r, (void)o;
    if (a->hidden % a->n_heads)
        return ts_error(
            TS_ERR_USER,
            "%s: hidden_size is %lld, expected a multiple of num_attention_heads, which is "
            "%lld",
            file, (long long)a->hidden, (long long)a->n_heads);
    return TS_OK;
}

/* 0 and null: hidden / heads. */
ts_status ts_config_read_head_dim(const ts_config_row *r, const json_t *o, const char *file,
                                  ts_arch *a)
{
    TS_TRY(ts_config_int(o, file, r->key, (int64_t)r->def, 0, 1, TS_ARCH_MAX_HEAD_DIM,
                         &a->head_dim));
    if (a->head_dim)
        return TS_OK;
    TS_TRY(ts_config_whole_heads(r, o, file, a));
    a->head_dim = a->hidden / a->n_heads;
    return TS_OK;
}

ts_status ts_config_write_head_dim(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put(o, r->key, json_integer(a->head_dim));
}

/* Where a class has no head_dim, its rotary embedding takes one all the same, and attention does
 * not. */
ts_status ts_config_no_head_dim(const ts_config_row *r, const json_t *o, const char *file,
                                ts_arch *a)
{
    int64_t head_dim = 0;
    TS_TRY(ts_config_whole_heads(r, o, file, a));
    a->head_dim = a->hidden / a->n_heads;
    TS_TRY(ts_config_int(o, file, r->key, a->head_dim, a->head_dim, 1, TS_ARCH_MAX_HEAD_DIM,
                         &head_dim));
    if (head_dim != a->head_dim)
        return ts_error(TS_ERR_USER,
                        "%s: head_dim is %lld, but heads of models of this type are hidden_size / "
                        "num_attention_heads = %lld wide",
                        file, (long long)head_dim, (long long)a->head_dim);
    return TS_OK;
}

ts_status ts_config_attn_scale(const ts_config_row *r, const json_t *o, const char *file,
                               ts_arch *a)
{
    (void)r, (void)o, (void)file;
    a->attn_scale = 1 / sqrt((double)a->head_dim);
    return TS_OK;
}

ts_status ts_config_read_own_norms(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    bool norms = false;
    TS_TRY(ts_json_bool(o, file, r->key, false, &norms));
    a->qk_norm = norms ? TS_QK_NORM_OWN : TS_QK_NORM_NONE;
    return TS_OK;
}

ts_status ts_config_write_own_norms(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    return ts_config_put(o, r->key, json_boolean(a->qk_norm == TS_QK_NORM_OWN));
}

/* ---- ids: they may lie beyond the vocabulary, tiny test models keep those of their big sisters ---- */

static ts_status read_list(const json_t *list, const char *file, ts_arch *a)
{
    const size_t n = json_array_size(list);
    if (n > TS_ARCH_MAX_EOS)
        return ts_error(TS_ERR_USER, "%s: eos_token_id lists %zu ids, expected at most %d", file, n,
                        TS_ARCH_MAX_EOS);
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(list, i);
        const json_int_t id = json_integer_value(v);
        if (!json_is_integer(v) || id < 0 || id > INT32_MAX)
            return ts_error(TS_ERR_USER, "%s: entry %zu of eos_token_id is not a token id", file,
                            i);
        a->eos[i] = id;
    }
    a->n_eos = (int)n;
    return TS_OK;
}

/* A number or a list. */
ts_status ts_config_read_ends(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    const json_t *eos = json_object_get(o, r->key);
    if (json_is_array(eos))
        return read_list(eos, file, a);
    TS_TRY(ts_config_int(o, file, r->key, (int64_t)r->def, -1, -1, INT32_MAX, &a->eos[0]));
    a->n_eos = a->eos[0] >= 0;
    return TS_OK;
}

static ts_status put_id(json_t *o, const char *key, int64_t id)
{
    return ts_config_put(o, key, id < 0 ? json_null() : json_integer(id));
}

static ts_status put_ends(const ts_arch *a, json_t *o)
{
    static const char key[] = "eos_token_id";
    if (a->n_eos < 2)
        return put_id(o, key, a->n_eos ? a->eos[0] : -1);
    TS_TRY(ts_config_put(o, key, json_array()));
    for (int i = 0; i < a->n_eos; i++)
        if (json_array_append_new(json_object_get(o, key), json_integer(a->eos[i])))
            return ts_error(TS_ERR_NOMEM, "no memory for a configuration");
    return TS_OK;
}

ts_status ts_config_write_ends(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    (void)r;
    return put_ends(a, o);
}

ts_status ts_config_write_ids(const ts_arch *a, json_t *o)
{
    TS_TRY(put_id(o, "bos_token_id", a->bos));
    TS_TRY(put_id(o, "pad_token_id", a->pad));
    return put_ends(a, o);
}

/* ---- positions ---- */

ts_status ts_config_read_rope(const ts_config_row *r, const json_t *o, const char *file, ts_arch *a)
{
    a->position = TS_POSITION_ROPE;
    a->n_ropes = 1;
    return ts_config_rope(o, file, r->def, r->part, a, &a->rope[0]);
}

double ts_config_rotary_part(const ts_arch *a, const ts_rope_config *r)
{
    const double width = (double)(r->odd_dim ? r->odd_dim : r->dim), head = (double)a->head_dim;
    const double part = width / head;
    return part * head < width ? nextafter(part, 1) : part;
}

ts_status ts_config_write_ropes(const ts_config_row *r, const ts_arch *a, json_t *o)
{
    TS_TRY(ts_config_put(o, "rope_theta", json_real(a->rope[0].theta)));
    if (r->part > 0)
        TS_TRY(ts_config_put(o, "partial_rotary_factor", json_real(ts_config_rotary_part(a, &a->rope[0]))));
    return ts_config_write_rope(&a->rope[0], o);
}
