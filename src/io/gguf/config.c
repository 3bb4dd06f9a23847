/* config.json and generation_config.json from a GGUF file's keys. */
#include "io/gguf/models.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ts_status ts_gguf_put(json_t *config, const char *key, json_t *value)
{
    if (!value || json_object_set_new(config, key, value))
        return ts_error(TS_ERR_NOMEM, "no memory for a configuration");
    return TS_OK;
}

json_t *ts_gguf_json_real(const ts_gguf_value *v, int64_t i)
{
    const double x = ts_gguf_number(v, i);
    char text[40];
    if ((v->kind == TS_GGUF_LIST ? v->of : v->kind) != TS_GGUF_F32)
        return json_real(x);
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if ((double)strtof(text, NULL) == x)
            break;
    }
    return json_real(strtod(text, NULL));
}

static const ts_gguf_key common[] = {
    { "context_length", "max_position_embeddings", false, false },
    { "embedding_length", "hidden_size", false, false },
    { "block_count", "num_hidden_layers", false, false },
    { "feed_forward_length", "intermediate_size", false, false },
    { "attention.head_count", "num_attention_heads", false, false },
    { 0 },
};

static ts_status missing(const ts_gguf *g, const char *key)
{
    return ts_error(TS_ERR_USER, "%s: the key %s is missing", ts_gguf_path(g), key);
}

static ts_status put_key(const ts_gguf *g, const ts_gguf_model *m, const ts_gguf_key *row, json_t *o)
{
    char key[TS_GGUF_KEY_TEXT];
    const ts_gguf_value *v = ts_gguf_find(g, ts_gguf_arch_key(m, row->gguf, key));
    int64_t n;
    double x;
    if (!v)
        return row->may_miss ? TS_OK : missing(g, key);
    if (row->is_real) {
        TS_TRY(ts_gguf_real(g, key, 0, &x));
        return ts_gguf_put(o, row->hf, ts_gguf_json_real(v, 0));
    }
    TS_TRY(ts_gguf_int(g, key, 0, !row->may_miss, INT32_MAX, &n));
    return n ? ts_gguf_put(o, row->hf, json_integer(n)) : TS_OK;
}

static ts_status put_keys(const ts_gguf *g, const ts_gguf_model *m, const ts_gguf_key *row, json_t *o)
{
    for (; row && row->gguf; row++)
        TS_TRY(put_key(g, m, row, o));
    return TS_OK;
}

static ts_status put_epsilon(const ts_gguf *g, const ts_gguf_model *m, json_t *o)
{
    static const ts_gguf_key rms = { "attention.layer_norm_rms_epsilon", "rms_norm_eps", true, false };
    const ts_gguf_key layer = { "attention.layer_norm_epsilon", m->layer_norm, true, false };
    return put_key(g, m, m->layer_norm ? &layer : &rms, o);
}

/* Keys and values of one size; without a key of their own, heads share the width. */
static ts_status put_heads(const ts_gguf *g, const ts_gguf_model *m, json_t *o)
{
    char key[TS_GGUF_KEY_TEXT];
    const int64_t heads = json_integer_value(json_object_get(o, "num_attention_heads")),
                  hidden = json_integer_value(json_object_get(o, "hidden_size"));
    int64_t kv, rotary, k, v;
    TS_TRY(ts_gguf_int(g, ts_gguf_arch_key(m, "attention.head_count_kv", key), heads, 1, INT32_MAX, &kv));
    TS_TRY(ts_gguf_put(o, "num_key_value_heads", json_integer(kv)));
    TS_TRY(ts_gguf_int(g, ts_gguf_arch_key(m, "rope.dimension_count", key), hidden / heads, 1, INT32_MAX, &rotary));
    TS_TRY(ts_gguf_int(g, ts_gguf_arch_key(m, "attention.value_length", key), 0, 1, INT32_MAX, &v));
    TS_TRY(ts_gguf_int(g, ts_gguf_arch_key(m, "attention.key_length", key), m->pairs && !v ? rotary : hidden / heads, 1,
                       INT32_MAX, &k));
    if (v && v != k)
        return ts_error(TS_ERR_USER, "%s: keys of %lld elements and values of %lld (%s.attention.key_length, value_length): "
                        "models of this kind have them of one size", ts_gguf_path(g), (long long)k, (long long)v, m->arch);
    if (m->says_head_dim || k * heads != hidden)
        TS_TRY(ts_gguf_put(o, "head_dim", json_integer(k)));
    return rotary == k ? TS_OK
                       : ts_gguf_put(o, "partial_rotary_factor", json_real((double)rotary / (double)k));
}

/* The rows that there are; files' own count may be another. */
static ts_status put_vocabulary(const ts_gguf *g, json_t *o)
{
    const ts_gguf_tensor *embed = ts_gguf_tensor_find(g, "token_embd.weight");
    if (!embed || embed->rank != 2)
        return ts_error(TS_ERR_USER, "%s: there is no tensor token_embd.weight of two dimensions", ts_gguf_path(g));
    TS_TRY(ts_gguf_put(o, "vocab_size", json_integer(embed->shape[0])));
    return ts_gguf_put(o, "tie_word_embeddings", json_boolean(!ts_gguf_tensor_find(g, "output.weight")));
}

static ts_status put_id(const ts_gguf *g, const char *key, const char *hf, json_t *o)
{
    int64_t id;
    TS_TRY(ts_gguf_int(g, key, -1, 0, INT32_MAX, &id));
    return ts_gguf_put(o, hf, id < 0 ? json_null() : json_integer(id));
}

/* A turn's end beside the text's ends what is generated. */
static ts_status put_ends(const ts_gguf *g, json_t *o)
{
    int64_t eos, eot;
    TS_TRY(ts_gguf_int(g, "tokenizer.ggml.eos_token_id", -1, 0, INT32_MAX, &eos));
    TS_TRY(ts_gguf_int(g, "tokenizer.ggml.eot_token_id", -1, 0, INT32_MAX, &eot));
    if (eos < 0 || eot < 0 || eos == eot)
        return ts_gguf_put(o, "eos_token_id", eos >= 0 ? json_integer(eos) : eot >= 0 ? json_integer(eot) : json_null());
    return ts_gguf_put(o, "eos_token_id", json_pack("[I, I]", (json_int_t)eos, (json_int_t)eot));
}

static ts_status put_ids(const ts_gguf *g, json_t *o)
{
    TS_TRY(put_id(g, "tokenizer.ggml.bos_token_id", "bos_token_id", o));
    TS_TRY(put_id(g, "tokenizer.ggml.padding_token_id", "pad_token_id", o));
    return put_ends(g, o);
}

static ts_status put_fixed(const ts_gguf *g, const ts_gguf_model *m, json_t *o)
{
    json_t *fixed = NULL;
    if (!m->fixed)
        return TS_OK;
    TS_TRY(ts_json_parse(m->fixed, strlen(m->fixed), ts_gguf_path(g), &fixed));
    const int bad = json_object_update(o, fixed);
    json_decref(fixed);
    return bad ? ts_error(TS_ERR_NOMEM, "no memory for a configuration") : TS_OK;
}

static ts_status put_all(const ts_gguf *g, json_t *o)
{
    const ts_gguf_model *m;
    TS_TRY(ts_gguf_model_of(g, &m));
    TS_TRY(ts_gguf_put(o, "model_type", json_string(m->model_type)));
    TS_TRY(ts_gguf_put(o, "architectures", json_pack("[s]", m->architecture)));
    TS_TRY(put_fixed(g, m, o));
    TS_TRY(put_keys(g, m, common, o));
    TS_TRY(put_keys(g, m, m->keys, o));
    TS_TRY(put_epsilon(g, m, o));
    TS_TRY(put_heads(g, m, o));
    TS_TRY(put_vocabulary(g, o));
    TS_TRY(put_ids(g, o));
    TS_TRY(ts_gguf_rope(g, m, o));
    return m->more ? m->more(g, m, o) : TS_OK;
}

static ts_status make(const ts_gguf *g, ts_status (*put)(const ts_gguf *g, json_t *o), json_t **out)
{
    json_t *o = json_object();
    const ts_status st = o ? put(g, o) : ts_error(TS_ERR_NOMEM, "no memory for a configuration");
    if (st == TS_OK)
        *out = o;
    else
        json_decref(o);
    return st;
}

ts_status ts_gguf_config(const ts_gguf *g, json_t **out) { return make(g, put_all, out); }
ts_status ts_gguf_generation_config(const ts_gguf *g, json_t **out) { return make(g, put_ids, out); }
