/* In which type each tensor is written: plain types and Q8_0 as llama.cpp's converter has it, the others as its quantiser
 * has it, whose rules these are (llama-quant.cpp, b11549), for files without an importance matrix. */
#include "convert/gguf.h"

#include <stdlib.h>
#include <string.h>

enum {
    F32 = 0, F16 = 1, Q4_0 = 2, Q4_1 = 3, Q8_0 = 7, Q5_0 = 8, Q5_1 = 9, Q2_K = 10, Q3_K_S = 11, Q3_K_M = 12, Q3_K_L = 13,
    Q4_K_S = 14, Q4_K_M = 15, Q5_K_S = 16, Q5_K_M = 17, Q6_K = 18, Q2_K_S = 21, BF16 = 32,
};

static const ts_gguf_type types[] = {
    [TS_GGUF_TYPE_AUTO] = { NULL, 0, false },
    [TS_GGUF_TYPE_F32] = { "F32", F32, false },
    [TS_GGUF_TYPE_F16] = { "F16", F16, false },
    [TS_GGUF_TYPE_BF16] = { "BF16", BF16, false },
    [TS_GGUF_TYPE_Q8_0] = { "Q8_0", Q8_0, false },
    [TS_GGUF_TYPE_Q4_0] = { "Q4_0", Q4_0, true },
    [TS_GGUF_TYPE_Q4_1] = { "Q4_1", Q4_1, true },
    [TS_GGUF_TYPE_Q5_0] = { "Q5_0", Q5_0, true },
    [TS_GGUF_TYPE_Q5_1] = { "Q5_1", Q5_1, true },
    [TS_GGUF_TYPE_Q2_K] = { "Q2_K", Q2_K, true },
    [TS_GGUF_TYPE_Q2_K_S] = { "Q2_K", Q2_K_S, true },
    [TS_GGUF_TYPE_Q3_K_S] = { "Q3_K", Q3_K_S, true },
    [TS_GGUF_TYPE_Q3_K_M] = { "Q3_K", Q3_K_M, true },
    [TS_GGUF_TYPE_Q3_K_L] = { "Q3_K", Q3_K_L, true },
    [TS_GGUF_TYPE_Q4_K_S] = { "Q4_K", Q4_K_S, true },
    [TS_GGUF_TYPE_Q4_K_M] = { "Q4_K", Q4_K_M, true },
    [TS_GGUF_TYPE_Q5_K_S] = { "Q5_K", Q5_K_S, true },
    [TS_GGUF_TYPE_Q5_K_M] = { "Q5_K", Q5_K_M, true },
    [TS_GGUF_TYPE_Q6_K] = { "Q6_K", Q6_K, true },
};

const ts_gguf_type *ts_gguf_type_at(int outtype) { return &types[outtype]; }

/* As the first matrix of the source is; of fp32, f16. */
static const ts_gguf_type *type_of_source(const ts_gguf_plan *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->v[i].rank > 1)
            return &types[p->part[p->v[i].part].t->dtype == TS_ST_BF16 ? TS_GGUF_TYPE_BF16 : TS_GGUF_TYPE_F16];
    return &types[TS_GGUF_TYPE_F16];
}

static bool ends_in(const char *s, const char *end)
{
    return strlen(s) >= strlen(end) && !strcmp(s + strlen(s) - strlen(end), end);
}

/* What llama.cpp computes with in fp32. */
static bool stays_f32(const ts_gguf_out *out)
{
    static const char *const words[] = { "ffn_gate_inp.weight", "ffn_gate_inp_shexp.weight", "position_embd.weight", "ssm_conv1d.weight",
                                         "shortconv.conv.weight", "indexer.proj.weight" };
    if (out->rank < 2 || ends_in(out->name, "_norm.weight") || !ends_in(out->name, ".weight"))
        return true;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (ends_in(out->name, words[i]))
            return true;
    return false;
}

/* ---- mixtures ---- */

typedef struct mix {
    const ts_gguf_plan *p;
    bool is_tied, is_70b;
    int64_t layers, heads_per_key, experts;
    int64_t values, n_values, downs; /* tensors of attention's values so far, and of all; of down projections so far */
} mix;

static bool more_bits(int64_t i, int64_t n) { return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2; }

static bool is_values(const char *name)
{
    return strstr(name, "attn_qkv.weight") || strstr(name, "attn_kv_b.weight") || strstr(name, "attn_v.weight");
}

/* Of a mixture of experts by the name, else as they come. */
static int64_t layer_of(const mix *m, const ts_gguf_out *out)
{
    return m->experts > 1 ? strtoll(out->name + strlen("blk."), NULL, 10) : m->downs;
}

static const char *type_of_values(mix *m, const char *type)
{
    const int64_t i = m->values++;
    switch (m->p->type->number) {
    case Q2_K: type = m->heads_per_key >= 4 ? "Q4_K" : "Q3_K"; break;
    case Q2_K_S: type = m->heads_per_key >= 4 ? "Q4_K" : type; break;
    case Q3_K_M: type = i < 2 ? "Q5_K" : "Q4_K"; break;
    case Q3_K_L: type = "Q5_K"; break;
    case Q4_K_M:
    case Q5_K_M: type = more_bits(i, m->n_values) ? "Q6_K" : type; break;
    case Q4_K_S: type = i < 4 ? "Q5_K" : type; break;
    default: break;
    }
    if (m->is_70b && (!strcmp(type, "Q3_K") || !strcmp(type, "Q4_K")))
        type = "Q5_K";
    return m->experts == 8 ? "Q8_0" : type;
}

static const char *type_of_down(mix *m, const ts_gguf_out *out, const char *type)
{
    const int64_t i = layer_of(m, out), n = m->layers;
    m->downs++;
    switch (m->p->type->number) {
    case Q2_K: return "Q3_K";
    case Q2_K_S: return i < n / 8 ? "Q4_K" : type;
    case Q3_K_M: return i < n / 16 ? "Q5_K" : "Q4_K";
    case Q3_K_L: return "Q5_K";
    case Q4_K_M:
    case Q5_K_M: return more_bits(i, n) ? "Q6_K" : type;
    case Q4_K_S: return i < n / 8 ? "Q5_K" : type;
    default: return type;
    }
}

static const char *type_of_projection(const mix *m, const char *type)
{
    const uint32_t file = m->p->type->number;
    if (m->experts == 8)
        return file == Q2_K || file == Q3_K_S || file == Q3_K_M || file == Q4_K_S || file == Q4_K_M ? "Q5_K" : type;
    return file == Q2_K ? "Q3_K" : file == Q3_K_M ? "Q4_K" : file == Q3_K_L ? "Q5_K" : type;
}

static const char *type_in_mix(mix *m, const ts_gguf_out *out)
{
    const char *type = m->p->type->matrices, *name = out->name;
    if (!strcmp(name, "output.weight") || (m->is_tied && !strcmp(name, "token_embd.weight")))
        return out->width % ts_block_type_named(type)->values ? "Q8_0" : "Q6_K";
    if (!strcmp(name, "token_embd.weight"))
        return type;
    if (is_values(name))
        return type_of_values(m, type);
    if (strstr(name, "attn_k.weight"))
        return m->experts == 8 ? "Q8_0" : type;
    if (strstr(name, "ffn_down"))
        return type_of_down(m, out, type);
    return strstr(name, "attn_output.weight") ? type_of_projection(m, type) : type;
}

/* Where rows are no whole blocks: smaller ones. */
static const ts_block_type *that_fits(const char *type, int64_t width)
{
    static const char *const smaller[][2] = { { "Q2_K", "Q4_0" }, { "Q3_K", "Q4_0" }, { "Q4_K", "Q5_0" },
                                              { "Q5_K", "Q5_1" }, { "Q6_K", "Q8_0" } };
    for (size_t i = 0; i < sizeof smaller / sizeof *smaller; i++)
        if (!strcmp(type, smaller[i][0]) && width % ts_block_type_named(type)->values)
            type = smaller[i][1];
    return ts_block_type_named(width % ts_block_type_named(type)->values ? "F16" : type);
}

/* The quantiser's order: layer by layer, in each by name, what no layer has first. */
static int by_layer(const void *a, const void *b)
{
    const ts_gguf_out *x = *(ts_gguf_out *const *)a, *y = *(ts_gguf_out *const *)b;
    const int64_t i = strncmp(x->name, "blk.", 4) ? -1 : strtoll(x->name + 4, NULL, 10),
                  k = strncmp(y->name, "blk.", 4) ? -1 : strtoll(y->name + 4, NULL, 10);
    return i != k ? (i < k ? -1 : 1) : strcmp(x->name, y->name);
}

static void choose(ts_gguf_plan *p, ts_gguf_out **order)
{
    const ts_arch *a = p->a;
    mix m = { .p = p, .is_tied = true, .layers = a->n_layers, .experts = a->n_experts,
              .heads_per_key = a->n_kv_heads ? a->n_heads / a->n_kv_heads : 1 };
    m.is_70b = a->n_layers == 80 && !a->n_experts &&
               ((!strcmp(p->model->arch, "llama") && a->n_heads != a->n_kv_heads) || !strcmp(p->model->arch, "qwen2"));
    for (size_t i = 0; i < p->n; i++) {
        order[i] = &p->v[i];
        m.is_tied = m.is_tied && strcmp(p->v[i].name, "output.weight");
        m.n_values += is_values(p->v[i].name);
    }
    qsort(order, p->n, sizeof *order, by_layer);
    for (size_t i = 0; i < p->n; i++) {
        ts_gguf_out *out = order[i];
        if (stays_f32(out))
            out->type = ts_block_type_named("F32");
        else
            out->type = that_fits(p->type->mixes ? type_in_mix(&m, out) : p->type->matrices, out->width);
    }
}

ts_status ts_gguf_plan_types(ts_gguf_plan *p, int outtype)
{
    ts_gguf_out **order = NULL;
    p->type = types[outtype].matrices ? &types[outtype] : type_of_source(p);
    TS_TRY(ts_alloc(&order, p->n, sizeof *order));
    choose(p, order);
    ts_free(&order);
    return TS_OK;
}
