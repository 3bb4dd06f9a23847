/* Every family's configurations, in both forms, against what transformers makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../temp.h"
#include "golden.h"
#include "model/param_list.h"

#include <math.h>

static const char goldens[] = "tests/golden/model/configs.json";

static void expect_int(const char *name, const json_t *want, const char *key, int64_t got)
{
    if (golden_int(want, key) != got)
        fail_msg("%s: %s is %lld, expected %lld", name, key, (long long)got,
                 (long long)golden_int(want, key));
}

/* The golden has nine digits. */
static void expect_real(const char *name, const json_t *want, const char *key, double got)
{
    const double v = json_number_value(json_object_get(want, key));
    if (!(fabs(v - got) <= 1e-8 * fabs(v)))
        fail_msg("%s: %s is %.10g, expected %.10g", name, key, got, v);
}

static void check_sizes(const char *name, const json_t *want, const ts_arch *a)
{
    expect_int(name, want, "hidden", a->hidden);
    expect_int(name, want, "n_layers", a->n_layers);
    expect_int(name, want, "n_heads", a->n_heads);
    expect_int(name, want, "n_kv_heads", a->n_kv_heads);
    expect_int(name, want, "head_dim", a->head_dim);
    expect_int(name, want, "ffn", a->ffn);
    expect_int(name, want, "vocab", a->vocab);
    expect_int(name, want, "max_positions", a->max_positions);
    assert_int_equal(json_is_true(json_object_get(want, "tied")), a->tied);
    const json_t *frozen = json_object_get(want, "pad_frozen");
    if (frozen && json_is_true(frozen) != (a->pad_frozen && a->pad >= 0))
        fail_msg("%s: the row of the padding token %s", name, a->pad_frozen ? "stays as it is" : "is trained");
    expect_int(name, want, "rotary", a->position == TS_POSITION_ROPE ? a->rope[0].dim : 0);
    expect_real(name, want, "eps", a->norm_eps);
    expect_real(name, want, "attn_scale", a->attn_scale);
    expect_real(name, want, "embed_scale", a->embed_scale);
    const json_t *windows = json_object_get(want, "windows");
    for (int64_t i = 0; i < a->n_layers; i++)
        if (json_integer_value(json_array_get(windows, (size_t)i)) != a->layer[i].window)
            fail_msg("%s: layer %lld has window %lld", name, (long long)i,
                     (long long)a->layer[i].window);
}

static void check_parameters(const char *name, const json_t *want, const ts_arch *a)
{
    ts_param_list l;
    int64_t total = 0;
    OK(ts_param_list_make(a, &l));
    for (size_t i = 0; i < ts_names_count(l.names); i++)
        total += l.param[i].dim[0] * (l.param[i].dim[1] ? l.param[i].dim[1] : 1);
    ts_param_list_deinit(&l);
    expect_int(name, want, "parameters", total);
}

static const ts_name_tensor *find_tensor(const ts_name_map *m, const char *hf_name)
{
    for (size_t i = 0; i < m->n_tensors; i++)
        if (!strcmp(m->tensor[i].hf_name, hf_name))
            return &m->tensor[i];
    return NULL;
}

/* Names and shapes as in the file; in the same order where the golden has them all. */
static void check_tensors(const char *name, const json_t *want, const ts_name_map *m, bool all)
{
    const char *hf_name;
    json_t *shape;
    size_t i = 0;
    json_object_foreach((json_t *)want, hf_name, shape)
    {
        const ts_name_tensor *t = find_tensor(m, hf_name);
        if (!t)
            fail_msg("%s: no %s in the map", name, hf_name);
        if (all && strcmp(m->tensor[i].hf_name, hf_name))
            fail_msg("%s: tensor %zu is %s, expected %s", name, i, m->tensor[i].hf_name, hf_name);
        assert_int_equal(t->rank, json_array_size(shape));
        for (int d = 0; d < t->rank; d++)
            assert_int_equal(t->dim[d], json_integer_value(json_array_get(shape, (size_t)d)));
        i++;
    }
    if (all)
        assert_int_equal(m->n_tensors, i);
}

/* Counts how often the rows of one of our parameters, or of a tensor (name NULL), are covered. */
static void check_covered(const ts_name_map *m, const char *name, const ts_name_tensor *t,
                          int64_t rows)
{
    int *seen = NULL;
    OK(ts_alloc(&seen, (size_t)rows, sizeof *seen));
    for (size_t i = 0; i < m->n_pieces; i++) {
        const ts_name_piece *p = &m->piece[i];
        if (name ? strcmp(p->name, name) : p->hf_name != t->hf_name)
            continue;
        const int64_t from = name ? p->row : p->hf_row;
        assert_true(p->rows > 0 && from >= 0 && from + p->rows <= rows);
        for (int64_t r = from; r < from + p->rows; r++)
            seen[r]++;
    }
    for (int64_t r = 0; r < rows; r++)
        if (seen[r] != 1)
            fail_msg("row %lld of %s is covered %d times", (long long)r, name ? name : t->hf_name,
                     seen[r]);
    ts_free(&seen);
}

static void check_pieces(const ts_arch *a, const ts_name_map *m)
{
    ts_param_list l;
    OK(ts_param_list_make(a, &l));
    for (size_t i = 0; i < ts_names_count(l.names); i++)
        check_covered(m, ts_names_text(l.names, i), NULL, l.param[i].dim[0]);
    ts_param_list_deinit(&l);
    size_t next = 0;
    for (size_t i = 0; i < m->n_tensors; i++) {
        const ts_name_tensor *t = &m->tensor[i];
        assert_int_equal(t->first_piece, next);
        assert_true(t->n_pieces > 0);
        next += t->n_pieces;
        check_covered(m, NULL, t, t->is_line ? t->dim[0] * t->dim[1] * (t->rank > 2 ? t->dim[2] : 1) : t->dim[m->piece[t->first_piece].transposed ? 1 : 0]);
    }
    assert_int_equal(next, m->n_pieces);
}

static void test_configs(void **state)
{
    (void)state;
    json_t *all = golden_read(goldens), *g;
    size_t i;
    json_array_foreach(all, i, g)
    {
        const char *name = golden_text(g, "name");
        const bool whole = strncmp(name, "defaults", 8) != 0;
        const json_t *config = json_object_get(g, "config"), *want = json_object_get(g, "expect");
        const ts_family *family = NULL;
        ts_arch a;
        ts_name_map m = { 0 };
        OK(golden_arch(config, &family, &a));
        a.mtp_layers = 0; /* which transformers has no modules of */
        check_sizes(name, want, &a);
        check_parameters(name, want, &a);
        snprintf(a.family, sizeof a.family, "%s", family->model_type);
        OK(ts_family_names(family, &a, &m));
        check_tensors(name, json_object_get(g, "tensors"), &m, whole);
        if (whole)
            check_pieces(&a, &m);
        ts_name_map_deinit(&m);
        ts_arch_deinit(&a);
    }
    json_decref(all);
}

/* A group's queries, keys and values, wherever the file has them. */
static void test_qkv_rows(void **state)
{
    (void)state;
    const struct {
        const char *type, *tensor;
        int64_t place[6][3]; /* hf_row, row, rows */
    } trials[] = {
        { "llama", "model.layers.1.self_attn.q_proj.weight", { { 0, 0, 16 }, { 16, 32, 16 } } },
        { "llama", "model.layers.1.self_attn.k_proj.weight", { { 0, 16, 8 }, { 8, 48, 8 } } },
        { "llama", "model.layers.1.self_attn.v_proj.weight", { { 0, 24, 8 }, { 8, 56, 8 } } },
        { "phi3",
          "model.layers.1.self_attn.qkv_proj.weight",
          { { 0, 0, 16 },
            { 16, 32, 16 },
            { 32, 16, 8 },
            { 40, 48, 8 },
            { 48, 24, 8 },
            { 56, 56, 8 } } },
        { "internlm2", "model.layers.1.attention.wqkv.weight", { { 0, 0, 64 } } },
        { "phi3", "model.layers.1.mlp.gate_up_proj.weight", { { 0, 0, 40 } } },
        { "llama", "model.layers.0.mlp.up_proj.weight", { { 0, 20, 20 } } },
    };
    for (size_t i = 0; i < sizeof trials / sizeof *trials; i++) {
        json_t *config = json_pack("{s:s,s:i,s:i,s:i,s:i,s:i}", "model_type", trials[i].type,
                                   "hidden_size", 32, "num_hidden_layers", 2, "num_attention_heads",
                                   4, "num_key_value_heads", 2, "intermediate_size", 20);
        const ts_family *family = NULL;
        ts_arch a;
        ts_name_map m = { 0 };
        OK(golden_arch(config, &family, &a));
        OK(ts_family_names(family, &a, &m));
        const ts_name_tensor *t = find_tensor(&m, trials[i].tensor);
        assert_non_null(t);
        for (size_t j = 0; j < t->n_pieces; j++) {
            const ts_name_piece *p = &m.piece[t->first_piece + j];
            assert_int_equal(p->hf_row, trials[i].place[j][0]);
            assert_int_equal(p->row, trials[i].place[j][1]);
            assert_int_equal(p->rows, trials[i].place[j][2]);
        }
        assert_true(t->n_pieces == 6 || trials[i].place[t->n_pieces][2] == 0);
        ts_name_map_deinit(&m);
        ts_arch_deinit(&a);
        json_decref(config);
    }
}

/* transformers 5.24: GPT2Config(hidden_size=24, ...) is n_embd 24, and goes before an n_embd. */
static void test_general_names(void **state)
{
    (void)state;
    json_t *config = json_pack("{s:s,s:i,s:i,s:i,s:i,s:i}", "model_type", "gpt2", "n_head", 3,
                               "num_attention_heads", 4, "hidden_size", 24, "num_hidden_layers", 2,
                               "max_position_embeddings", 40);
    const ts_family *family = NULL;
    ts_arch a;
    OK(golden_arch(config, &family, &a));
    assert_int_equal(a.n_heads, 4);
    assert_int_equal(a.hidden, 24);
    assert_int_equal(a.n_layers, 2);
    assert_int_equal(a.max_positions, 40);
    ts_arch_deinit(&a);
    json_decref(config);
}

/* What configurations that say next to nothing of themselves are. */
static const struct {
    const char *type;
    double offset;
    bool interleaved, gated, pre, post;
    ts_norm_kind norm;
    ts_qk_norm_kind qk;
    ts_act act;
} features[] = {
    { "llama", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "mistral", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "qwen2", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "qwen3", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_HEAD, TS_ACT_SILU },
    { "phi3", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "gemma", 1, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_GELU_TANH },
    { "gemma2", 1, false, true, true, true, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_GELU_TANH },
    { "gemma3_text", 1, false, true, true, true, TS_NORM_RMS, TS_QK_NORM_HEAD,
      TS_ACT_GELU_TANH },
    { "glm", 0, true, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "glm4", 0, true, true, true, true, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "internlm2", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "olmo2", 0, false, true, false, true, TS_NORM_RMS, TS_QK_NORM_FULL, TS_ACT_SILU },
    { "starcoder2", 0, false, false, true, false, TS_NORM_LAYER, TS_QK_NORM_NONE,
      TS_ACT_GELU_TANH },
    { "gpt2", 0, false, false, true, false, TS_NORM_LAYER, TS_QK_NORM_NONE, TS_ACT_GELU_TANH },
    { "gpt_neox", 0, false, false, true, false, TS_NORM_LAYER, TS_QK_NORM_NONE, TS_ACT_GELU },
    { "arcee", 0, false, false, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_RELU2 },
    { "nemotron", 1, false, false, true, false, TS_NORM_LAYER, TS_QK_NORM_NONE, TS_ACT_RELU2 },
    { "stablelm", 0, false, true, true, false, TS_NORM_LAYER, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "deepseek_v2", 0, true, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "deepseek_v3", 0, true, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "deepseek_v32", 0, true, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "minicpm", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "minicpm3", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "plm", 0, true, false, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_RELU2 },
    { "smollm3", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "granite", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "internlm3", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "internlm", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "baichuan", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "qwen", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "chatglm", 0, true, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "olmo3", 0, false, true, false, true, TS_NORM_RMS, TS_QK_NORM_FULL, TS_ACT_SILU },
    { "olmo", 0, false, true, true, false, TS_NORM_LAYER, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "cohere", 0, true, true, true, false, TS_NORM_LAYER, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "cohere2", 0, true, true, true, false, TS_NORM_LAYER, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "falcon", 0, false, false, true, false, TS_NORM_LAYER, TS_QK_NORM_NONE, TS_ACT_GELU },
    { "bloom", 0, false, false, true, false, TS_NORM_LAYER, TS_QK_NORM_NONE, TS_ACT_GELU_TANH },
    { "mpt", 0, false, false, true, false, TS_NORM_LAYER, TS_QK_NORM_NONE, TS_ACT_GELU },
    { "mixtral", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "qwen2_moe", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "qwen3_moe", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_HEAD, TS_ACT_SILU },
    { "glm4_moe", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "olmoe", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_FULL, TS_ACT_SILU },
    { "phimoe", 0, false, true, true, false, TS_NORM_LAYER, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "granitemoe", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "ernie4_5_moe", 0, true, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "minimax_m2", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_FULL, TS_ACT_SILU },
    { "bailing_moe_v2", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_HEAD, TS_ACT_SILU },
    { "mamba2", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "mamba", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "falcon_mamba", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "jamba", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "zamba2", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_GELU },
    { "bamba", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "granitemoehybrid", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "falcon_h1", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "lfm2", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_HEAD, TS_ACT_SILU },
    { "lfm2_moe", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_HEAD, TS_ACT_SILU },
    { "nemotron_h", 0, false, false, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_RELU2 },
    { "qwen3_next", 1, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_HEAD, TS_ACT_SILU },
    { "qwen3_5_text", 1, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_HEAD, TS_ACT_SILU },
    { "gpt_oss", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_GELU_QUICK },
    { "llama4_text", 0, true, true, true, false, TS_NORM_RMS, TS_QK_NORM_UNIT, TS_ACT_SILU },
    { "hunyuan_v1_dense", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_HEAD, TS_ACT_SILU },
    { "hunyuan_v1_moe", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_HEAD, TS_ACT_SILU },
    { "grok-1", 0, false, true, true, true, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_GELU_TANH },
    { "ministral3", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "glm4_moe_lite", 0, true, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "gemma4_text", 0, false, true, true, true, TS_NORM_RMS, TS_QK_NORM_HEAD, TS_ACT_GELU_TANH },
    { "seed_oss", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "ernie4_5", 0, true, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "exaone4", 0, false, true, false, true, TS_NORM_RMS, TS_QK_NORM_HEAD, TS_ACT_SILU },
    { "dots1", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_HEAD, TS_ACT_SILU },
    { "youtu", 0, true, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "gemma3n_text", 0, false, true, true, true, TS_NORM_RMS, TS_QK_NORM_HEAD, TS_ACT_GELU_TANH },
    { "qwen3_5_moe_text", 1, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_HEAD, TS_ACT_SILU },
    { "kimi_linear", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "deepseek_v4", 0, true, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "glm_moe_dsa", 0, true, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "hunyuan", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "longcat_flash", 0, true, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "longcat_flash_ngram", 0, true, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "mamba3", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_NONE, TS_ACT_SILU },
    { "hy_v3", 0, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_HEAD, TS_ACT_SILU },
    { "step3p5", 1, false, true, true, false, TS_NORM_RMS, TS_QK_NORM_HEAD, TS_ACT_SILU },
};

/* Features that no shape shows, of an empty config.json. */
static void test_features(void **state)
{
    (void)state;
    size_t n = 0;
    for (size_t i = 0; ts_families[i]; i++)
        n += !ts_families[i]->vision; /* the others' words are of one of these */
    assert_int_equal(n, sizeof features / sizeof *features);
    for (size_t i = 0; i < n; i++) {
        /* some need to be told of layers that are not refused; others do not read it */
        const char *type = features[i].type;
        json_t *config = json_pack("{s:s, s:i, s:i, s:i, s:[s], s:[s]}", "model_type", type, "first_k_dense_replace", 99,
                                   "num_hidden_layers", 1, "num_kv_shared_layers", 0, "layers_block_type", "mlp", "layer_types",
                                   strcmp(type, "deepseek_v4") ? "full_attention" : "sliding_attention");
        if (!strcmp(type, "zamba2"))
            json_object_update_new(config, json_pack("{s:[s], s:i}", "layers_block_type", "hybrid", "n_mamba_heads", 80));
        const ts_family *family = NULL;
        ts_arch a;
        const bool bare = !strncmp(type, "cohere", 6) || !strcmp(type, "mpt") ||
                          !strcmp(type, "olmo"), /* layer norms without a bias */
                   beside = !strcmp(type, "gpt_neox") || !strncmp(type, "cohere", 6) || !strcmp(type, "falcon"),
                   endless = (!strncmp(type, "qwen", 4) && type[4]) || !strcmp(type, "mpt") ||
                            !strcmp(type, "glm4_moe") || !strcmp(type, "gpt_oss") || !strcmp(type, "dots1") || !strcmp(type, "hy_v3") ||
                            !strcmp(type, "step3p5");
        OK(golden_arch(config, &family, &a));
        assert_true(a.norm_offset == features[i].offset);
        assert_int_equal(a.rope[0].interleaved, features[i].interleaved);
        assert_int_equal(a.gated, features[i].gated);
        assert_int_equal(a.pre_norm, features[i].pre);
        assert_int_equal(a.post_norm, features[i].post);
        assert_int_equal(a.norm, features[i].norm);
        assert_int_equal(a.norm_bias, features[i].norm == TS_NORM_LAYER && !bare);
        assert_int_equal(a.qk_norm, features[i].qk);
        assert_int_equal(a.act, features[i].act);
        assert_int_equal(a.parallel_residual, beside);
        assert_int_equal(a.n_eos, endless ? 0 : !strncmp(type, "glm", 3) && strcmp(type, "glm4_moe_lite") && strcmp(type, "glm_moe_dsa") ? 3 : 1);
        ts_arch_deinit(&a);
        json_decref(config);
    }
}

/* Gemma's first files say "gelu" for the approximation; the other names say what they mean. */
static void test_gemma_act(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        ts_act act;
    } trials[] = { { "gelu", TS_ACT_GELU_TANH },
                   { "gelu_pytorch_tanh", TS_ACT_GELU_TANH },
                   { "gelu_python", TS_ACT_GELU } };
    for (size_t i = 0; i < sizeof trials / sizeof *trials; i++) {
        json_t *config = json_pack("{s:s, s:s}", "model_type", "gemma", "hidden_act", trials[i].name);
        const ts_family *family = NULL;
        ts_arch a;
        OK(golden_arch(config, &family, &a));
        assert_int_equal(a.act, trials[i].act);
        ts_arch_deinit(&a);
        json_decref(config);
    }
}

/* A description that came from a family is found to fit it, or one before it that says the same. */
static void test_describe(void **state)
{
    (void)state;
    json_t *all = golden_read(goldens), *g;
    size_t i;
    json_array_foreach(all, i, g)
    {
        const ts_family *from = NULL, *to = NULL;
        ts_arch a, b, copy;
        json_t *config = NULL;
        OK(golden_arch(json_object_get(g, "config"), &from, &a));
        if (a.unit_head || !strcmp(from->model_type, "plm")) { /* which no class of transformers can say */
            assert_int_equal(ts_family_describe(&a, &to, &config), TS_ERR_USER);
            ts_arch_deinit(&a);
            continue;
        }
        OK(ts_family_describe(&a, &to, &config));
        const char *want = from->read_only ? "llama" : from->model_type;
        if (!strcmp(from->model_type, "mistral") && !a.layer[0].window)
            want = "llama";
        if (strcmp(to->model_type, want) && a.rope[0].scaling != TS_ROPE_DEFAULT)
            want = "llama"; /* Phi-3's longrope on whole heads is something Llama can say */
        if (!strcmp(from->model_type, "phi3"))
            want = a.rope[0].dim < a.head_dim ? "phi3" : a.layer[0].window ? "mistral" : "llama";
        if (!strncmp(from->model_type, "internlm", 8))
            want = "llama";
        if (!strcmp(from->model_type, "qwen"))
            want = "qwen2";
        if (!strcmp(from->model_type, "chatglm"))
            want = "glm";
        if (!strcmp(from->model_type, "minicpm"))
            want = "granite"; /* whose factors it has */
        if (!strcmp(from->model_type, "seed_oss") && a.bias_qkv && a.bias_proj == a.bias_fc1)
            want = a.bias_proj ? "llama" : "qwen2";
        if (!strcmp(from->model_type, "youtu"))
            want = "deepseek_v2"; /* whose layers may all have MLPs */
        if (strcmp(to->model_type, want))
            fail_msg("%s was described as %s, expected %s", golden_text(g, "name"), to->model_type,
                     want);
        OK(golden_arch(config, &to, &b));
        assert_true(ts_arch_equal(&a, &b));
        OK(ts_arch_copy(&b, &copy));
        assert_true(ts_arch_equal(&copy, &b));
        copy.layer[copy.n_layers - 1].window++;
        assert_false(ts_arch_equal(&copy, &b));
        ts_arch_deinit(&a);
        ts_arch_deinit(&b);
        ts_arch_deinit(&copy);
        json_decref(config);
    }
    json_decref(all);
}

static void test_nobody_fits(void **state)
{
    (void)state;
    ts_arch a;
    const ts_family *f = NULL;
    json_t *config = NULL;
    json_t *llama = json_pack("{s:s}", "model_type", "llama");
    OK(golden_arch(llama, &f, &a));
    a.attn_softcap = 5;
    REFUSED(ts_family_describe(&a, &f, &config), TS_ERR_USER, "no Hugging Face class that is known here can say this model; the nearest, LlamaForCausalLM, has another soft cap of attention scores");
    assert_null(config);
    ts_arch_deinit(&a);
    json_decref(llama);
}

static void test_other_names(void **state)
{
    (void)state;
    ts_arch a;
    ts_arch_init(&a);
    const ts_family *gpt2 = ts_family_named("gpt2"), *llama = ts_family_named("llama");
    assert_non_null(gpt2);
    assert_null(ts_family_named("frobnicator"));
    char name[TS_FAMILY_NAME];
    assert_true(ts_family_alias(gpt2, "transformer.h.0.ln_1.weight", 0, name));
    assert_string_equal(name, "h.0.ln_1.weight");
    assert_false(ts_family_alias(gpt2, "transformer.h.0.ln_1.weight", 1, name));
    assert_false(ts_family_alias(gpt2, "lm_head.weight", 0, name));
    const ts_family *next = ts_family_named("qwen3_5_moe_text");
    assert_true(ts_family_alias(next, "model.norm.weight", 1, name));
    assert_string_equal(name, "model.language_model.norm.weight");
    assert_false(ts_family_alias(next, "model.norm.weight", 2, name));
    assert_true(ts_family_alias(ts_family_named("kimi_linear"), "model.layers.0.mlp.up_proj.weight", 1, name));
    assert_string_equal(name, "model.layers.0.block_sparse_moe.up_proj.weight");
    assert_true(ts_family_ignores(gpt2, &a, "h.11.attn.bias"));
    assert_true(ts_family_ignores(gpt2, &a, "transformer.h.11.attn.masked_bias"));
    assert_false(ts_family_ignores(gpt2, &a, "transformer.h.11.attn.c_attn.bias"));
    assert_true(ts_family_ignores(llama, &a, "model.layers.3.self_attn.rotary_emb.inv_freq"));
    assert_false(ts_family_ignores(llama, &a, "lm_head.weight"));
    a.tied = true;
    assert_true(ts_family_ignores(llama, &a, "lm_head.weight"));
    assert_false(ts_family_ignores(llama, &a, "model.norm.weight"));
}

/* Layers that predict further tokens: what files of which family may have of them without being damaged. */
static void test_further(void **state)
{
    (void)state;
    static const struct {
        const char *family, *name;
        bool is;
    } trials[] = {
        { "qwen3_next", "mtp.layers.0.self_attn.q_proj.weight", true },
        { "qwen3_5_text", "mtp.fc.weight", true },
        { "qwen3_5_moe_text", "mtp.norm.weight", true },
        { "nemotron_h", "mtp.layers.0.eh_proj.weight", true },
        { "ernie4_5_moe", "model.mtp_block.0.mlp.up_proj.weight", true },
        { "bailing_moe_v2", "model.layers.2.eh_proj.weight", true },
        { "bailing_moe_v2", "model.layers.1.eh_proj.weight", false },
        { "qwen3_next", "model.norm.bias", false },
        { "llama", "model.layers.2.mlp.up_proj.weight", false },
        { "llama", "mtp.fc.weight", false },
    };
    ts_arch a;
    ts_arch_init(&a);
    a.n_layers = 2;
    for (size_t i = 0; i < sizeof trials / sizeof *trials; i++)
        if (ts_family_further(ts_family_named(trials[i].family), &a, trials[i].name) != trials[i].is)
            fail_msg("%s: %s", trials[i].family, trials[i].name);
}

static void test_read_folder(void **state)
{
    (void)state;
    static const char text[] =
        "{\"architectures\":[\"Qwen3ForCausalLM\"],\"hidden_size\":64,"
        "\"num_attention_heads\":4,\"num_key_value_heads\":2,\"eos_token_id\":[5,6],"
        "\"num_hidden_layers\":3,\"head_dim\":null,\"something_else\":[1]}";
    temp t;
    temp_make(&t);
    temp_write(&t, "config.json", text, strlen(text));
    const ts_family *f = NULL;
    ts_arch a;
    json_t *config = NULL;
    OK(ts_family_read_folder(t.dir, &f, &a, &config));
    assert_string_equal(f->model_type, "qwen3");
    assert_string_equal(a.family, "qwen3");
    assert_int_equal(a.head_dim, 16);
    assert_int_equal(a.n_eos, 2);
    assert_int_equal(a.eos[1], 6);
    assert_int_equal(a.bos, -1);
    assert_non_null(json_object_get(config, "something_else"));
    ts_arch_deinit(&a);
    json_decref(config);
    temp_write(&t, "config.json", "{ nope", 6);
    REFUSED(ts_family_read_folder(t.dir, &f, &a, &config), TS_ERR_USER, "config.json");
    temp_remove(&t);
    REFUSED(ts_family_read_folder(t.dir, &f, &a, &config), TS_ERR_USER, "config.json");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configs),     cmocka_unit_test(test_qkv_rows),
        cmocka_unit_test(test_describe),    cmocka_unit_test(test_nobody_fits),
        cmocka_unit_test(test_other_names), cmocka_unit_test(test_read_folder),
        cmocka_unit_test(test_general_names), cmocka_unit_test(test_further),
        cmocka_unit_test(test_features), cmocka_unit_test(test_gemma_act),
    };
    return cmocka_run_group_tests_name("model families", tests, NULL, NULL);
}
