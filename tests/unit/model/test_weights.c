/* Files that contradict config.json: which of them counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../temp.h"
#include "device/isa.h"
#include "io/st_write.h"
#include "model/open.h"
#include "tessera/log.h"

#include <math.h>
#include <string.h>

static const char tied[] = "tests/golden/families/qwen2"; /* [79, 24], tied */
static const char embed[] = "model.embed_tokens.weight", head[] = "lm_head.weight";
enum { VOCAB = 79, HIDDEN = 24 };

typedef struct spot {
    temp t;
    ts_device *dev;
    char warned[1024];
} spot;

static void on_log(void *ctx, ts_log_level level, const char *line)
{
    spot *s = ctx;
    if (level == TS_LOG_WARN)
        snprintf(s->warned, sizeof s->warned, "%s", line);
}

static void spot_make(spot *s)
{
    const ts_device_options o = { .threads = 1, .isa = TS_ISA_ALL };
    *s = (spot){ 0 };
    temp_make(&s->t);
    OK(ts_device_open("cpu", &o, &s->dev));
    ts_log_to(TS_LOG_INFO, on_log, s);
}

static void spot_remove(spot *s)
{
    ts_log_to(TS_LOG_INFO, NULL, NULL);
    ts_device_close(&s->dev);
    temp_remove(&s->t);
}

static ts_status load(spot *s, ts_model *m)
{
    const ts_model_use use = { .dev = s->dev, .compute = TS_DTYPE_F32, .training = true };
    s->warned[0] = 0;
    return ts_model_load(s->t.dir, &use, m);
}

/* The tied model's tensors but for its embedding, and then these two where they are given. */
static void write_weights(spot *s, const float *embedding, const float *output, int64_t rows)
{
    ts_st_dir *d = NULL;
    ts_st_writer *w = NULL;
    const int64_t shape[2] = { VOCAB, HIDDEN }, out[2] = { rows, HIDDEN };
    int64_t n = 0;
    OK(ts_st_dir_open(tied, NULL, &d));
    OK(ts_st_writer_create(temp_path(&s->t, "model.safetensors"), &w));
    for (int64_t i = 0; i < ts_st_dir_count(d); i++) {
        const ts_st_tensor *x = ts_st_dir_at(d, i);
        if (strcmp(x->name, embed))
            OK(ts_st_writer_add(w, x->name, x->dtype, x->rank, x->shape));
    }
    if (embedding)
        OK(ts_st_writer_add(w, embed, TS_ST_F32, 2, shape));
    if (output)
        OK(ts_st_writer_add(w, head, TS_ST_F32, 2, out));
    OK(ts_st_writer_begin(w));
    for (int64_t i = 0; i < ts_st_dir_count(d); i++) {
        const ts_st_tensor *x = ts_st_dir_at(d, i);
        if (strcmp(x->name, embed))
            OK(ts_st_writer_put(w, n++, 0, x->data, x->size));
    }
    if (embedding)
        OK(ts_st_writer_put(w, n++, 0, embedding, VOCAB * HIDDEN * sizeof *embedding));
    if (output)
        OK(ts_st_writer_put(w, n, 0, output, (size_t)(rows * HIDDEN) * sizeof *output));
    OK(ts_st_writer_finish(w));
    ts_st_writer_destroy(&w);
    ts_st_dir_destroy(&d);
}

static void write_config(spot *s, bool ties)
{
    json_t *c = NULL;
    char file[128];
    snprintf(file, sizeof file, "%s/config.json", tied);
    OK(ts_json_read(file, &c));
    json_object_set_new(c, "tie_word_embeddings", json_boolean(ties));
    char *text = json_dumps(c, 0);
    temp_write(&s->t, "config.json", text, strlen(text));
    free(text);
    json_decref(c);
}

static void fill(float *v, float first)
{
    for (int i = 0; i < VOCAB * HIDDEN; i++)
        v[i] = first + (float)i;
}

static const float *values(const ts_model *m, const char *name)
{
    const ts_param *p = ts_param_find(&m->decoder->params, name);
    return p ? p->value : NULL;
}

static void test_equal_head(void **state)
{
    (void)state;
    float a[VOCAB * HIDDEN];
    spot s;
    ts_model m = { 0 };
    spot_make(&s);
    fill(a, 1);
    write_config(&s, true);
    write_weights(&s, a, a, VOCAB);
    OK(load(&s, &m));
    assert_true(m.decoder->arch.tied);
    assert_null(values(&m, "output_layer.weight"));
    assert_string_equal(s.warned, "");
    ts_model_deinit(&m);
    spot_remove(&s);
}

/* One value in the last place decides, as in transformers; what is written then says so. */
static void test_other_head(void **state)
{
    (void)state;
    float a[VOCAB * HIDDEN], b[VOCAB * HIDDEN];
    const ts_weights_save_options o = { .dtype = TS_ST_F32 };
    ts_st_dir *saved = NULL;
    spot s;
    ts_model m = { 0 };
    spot_make(&s);
    fill(a, 1);
    fill(b, 1);
    b[VOCAB * HIDDEN - 1] += 0.125f;
    write_config(&s, true);
    write_weights(&s, a, b, VOCAB);
    OK(load(&s, &m));
    assert_false(m.decoder->arch.tied);
    assert_memory_equal(values(&m, "embedding.word_embeddings.weight"), a, sizeof a);
    assert_memory_equal(values(&m, "output_layer.weight"), b, sizeof b);
    assert_non_null(strstr(s.warned, "tie_word_embeddings"));
    assert_non_null(strstr(s.warned, head));
    OK(ts_weights_save(&m, temp_path(&s.t, "saved"), &o));
    ts_model_deinit(&m);
    OK(ts_st_dir_open(temp_path(&s.t, "saved"), NULL, &saved));
    assert_memory_equal(ts_st_dir_find(saved, head)->data, b, sizeof b);
    ts_st_dir_destroy(&saved);
    const ts_model_use use = { .dev = s.dev, .compute = TS_DTYPE_F32, .training = true };
    s.warned[0] = 0;
    OK(ts_model_load(temp_path(&s.t, "saved"), &use, &m));
    assert_false(m.decoder->arch.tied);
    assert_string_equal(s.warned, "");
    ts_model_deinit(&m);
    spot_remove(&s);
}

/* A tied model may be stored by its output layer alone. */
static void test_head_alone(void **state)
{
    (void)state;
    float a[VOCAB * HIDDEN];
    spot s;
    ts_model m = { 0 };
    spot_make(&s);
    fill(a, 3);
    write_config(&s, true);
    write_weights(&s, NULL, a, VOCAB);
    OK(load(&s, &m));
    assert_true(m.decoder->arch.tied);
    assert_memory_equal(values(&m, "embedding.word_embeddings.weight"), a, sizeof a);
    assert_string_equal(s.warned, "");
    ts_model_deinit(&m);
    spot_remove(&s);
}

static void test_refused(void **state)
{
    (void)state;
    float a[(VOCAB + 1) * HIDDEN];
    spot s;
    ts_model m = { 0 };
    spot_make(&s);
    memset(a, 0, sizeof a);
    write_config(&s, true);
    write_weights(&s, a, a, VOCAB + 1);
    REFUSED(load(&s, &m), TS_ERR_USER, "lm_head.weight has shape [80, 24]");
    write_config(&s, false);
    write_weights(&s, a, NULL, VOCAB);
    REFUSED(load(&s, &m), TS_ERR_USER, "lm_head.weight is in none");
    assert_non_null(strstr(ts_error_message(), "tie_word_embeddings"));
    spot_remove(&s);
}

/* ---- folders of experts that are damaged ---- */

/* A tensor of a golden folder as it shall be: left out, with one of its dimensions smaller, or of other bytes. */
enum { MISSING = -1, OTHER_BYTES = -2 };
typedef struct damage {
    const char *family, *tensor;
    int smaller; /* dimension, or MISSING, or OTHER_BYTES: all 0xFF */
    const char *says;
} damage;

static void put(ts_st_writer *w, int64_t tensor, const void *data, size_t size, bool other)
{
    char *bytes = malloc(size);
    assert_non_null(bytes);
    memset(bytes, 0xFF, size);
    OK(ts_st_writer_put(w, tensor, 0, other ? bytes : data, size));
    free(bytes);
}

static void copy_damaged(spot *s, const damage *x)
{
    char folder[128];
    ts_str config = { 0 };
    ts_st_dir *d = NULL;
    ts_st_writer *w = NULL;
    snprintf(folder, sizeof folder, "tests/golden/families/%s/config.json", x->family);
    OK(ts_file_read(folder, &config));
    temp_write(&s->t, "config.json", config.s, config.len);
    *strrchr(folder, '/') = 0;
    OK(ts_st_dir_open(folder, NULL, &d));
    OK(ts_st_writer_create(temp_path(&s->t, "model.safetensors"), &w));
    for (int pass = 0; pass < 2; pass++) {
        int64_t n = 0;
        for (int64_t i = 0; i < ts_st_dir_count(d); i++) {
            const ts_st_tensor *t = ts_st_dir_at(d, i);
            const bool hit = !strcmp(t->name, x->tensor);
            int64_t shape[TS_ST_MAX_RANK], size = (int64_t)t->size;
            memcpy(shape, t->shape, sizeof shape);
            if (hit && x->smaller >= 0)
                size = size / shape[x->smaller] * (shape[x->smaller] - 1), shape[x->smaller]--;
            if (hit && x->smaller == MISSING)
                continue;
            if (pass == 0)
                OK(ts_st_writer_add(w, t->name, t->dtype, t->rank, shape));
            else
                put(w, n, t->data, (size_t)size, hit && x->smaller == OTHER_BYTES);
            n++;
        }
        if (pass == 0)
            OK(ts_st_writer_begin(w));
    }
    OK(ts_st_writer_finish(w));
    ts_st_writer_destroy(&w);
    ts_st_dir_destroy(&d);
    ts_str_deinit(&config);
}

static void refuse_all(const damage *trials, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        spot s;
        ts_model m = { 0 };
        spot_make(&s);
        copy_damaged(&s, &trials[i]);
        REFUSED(load(&s, &m), TS_ERR_USER, trials[i].says);
        assert_non_null(strstr(ts_error_message(), s.t.dir));
        spot_remove(&s);
    }
}

static void test_damaged_experts(void **state)
{
    (void)state;
    static const damage trials[] = {
        { "gpt_oss", "model.layers.1.mlp.router.weight", 0, "router.weight has shape [3, 24], but config.json says [4, 24]" },
        { "gpt_oss", "model.layers.0.mlp.router.bias", -1, "model.layers.0.mlp.router.bias is in none" },
        { "gpt_oss", "model.layers.0.mlp.experts.gate_up_proj", 0, "has shape [3, 24, 40], but config.json says [4, 24, 40]" },
        { "gpt_oss", "model.layers.0.mlp.experts.gate_up_proj_bias", 1, "has shape [4, 39], but config.json says [4, 40]" },
        { "gpt_oss", "model.layers.1.mlp.experts.down_proj", -1, "model.layers.1.mlp.experts.down_proj is in none" },
        { "gpt_oss-mxfp4", "model.layers.0.mlp.experts.gate_up_proj_scales", -1,
          "gate_up_proj_scales is in none of the .safetensors files, but model.layers.0.mlp.experts.gate_up_proj_blocks" },
        { "gpt_oss-mxfp4", "model.layers.0.mlp.experts.gate_up_proj_blocks", 1,
          "gate_up_proj_blocks has shape [3, 127, 1, 16], but config.json says [3, 128, 1, 16]" },
        { "gpt_oss-mxfp4", "model.layers.1.mlp.experts.down_proj_scales", 2,
          "down_proj_scales has shape [3, 32, 1], but config.json says [3, 32, 2]" },
        { "llama4", "model.layers.2.feed_forward.experts.down_proj", 0, "has shape [3, 12, 24], but config.json says [4, 12, 24]" },
        { "llama4", "model.layers.0.feed_forward.router.weight", -1, "model.layers.0.feed_forward.router.weight is in none" },
        { "hunyuan_moe", "model.layers.1.mlp.experts.3.up_proj.weight", -1, "model.layers.1.mlp.experts.3.up_proj.weight is in none" },
        { "hunyuan_moe", "model.layers.0.mlp.gate.wg.weight", 0, "wg.weight has shape [4, 24], but config.json says [5, 24]" },
        { "grok1", "model.layers.0.moe_block.experts.2.linear.weight", 1, "has shape [20, 23], but config.json says [20, 24]" },
        { "deepseek_v3-experts", "model.layers.1.mlp.gate.e_score_correction_bias", -1, "mlp.gate.e_score_correction_bias is in none" },
        { "deepseek_v3-experts", "model.layers.0.self_attn.kv_a_proj_with_mqa.weight", 0,
          "kv_a_proj_with_mqa.weight has shape [15, 24], but config.json says [16, 24]" },
        { "deepseek_v3-experts", "model.layers.1.self_attn.kv_b_proj.weight", 1,
          "kv_b_proj.weight has shape [42, 11], but config.json says [42, 12]" },
        { "deepseek_v3-experts", "model.layers.1.self_attn.q_a_layernorm.weight", 0,
          "q_a_layernorm.weight has shape [9], but config.json says [10]" },
        { "mamba2", "backbone.layers.1.mixer.A_log", -1, "backbone.layers.1.mixer.A_log is in none" },
        { "mamba2", "backbone.layers.0.mixer.conv1d.weight", 2, "conv1d.weight has shape [88, 1, 3], but config.json says [88, 1, 4]" },
        { "mamba2", "backbone.layers.0.mixer.in_proj.weight", 0, "in_proj.weight has shape [141, 24], but config.json says [142, 24]" },
        { "qwen3_next", "model.layers.0.linear_attn.A_log", -1, "model.layers.0.linear_attn.A_log is in none" },
        { "qwen3_next", "model.layers.1.linear_attn.in_proj_qkvz.weight", 0,
          "in_proj_qkvz.weight has shape [79, 24], but config.json says [80, 24]" },
        { "deepseek_v4", "model.layers.0.ffn.gate.tid2eid", MISSING, "model.layers.0.ffn.gate.tid2eid is in none" },
        { "deepseek_v4", "model.layers.0.ffn.gate.tid2eid", OTHER_BYTES,
          "model.layers.0.ffn.gate.tid2eid sends token 0 to expert -1, expected whole numbers from 0 to 5" },
        { "deepseek_v4", "model.layers.1.attn.compressor.ape", 0, "compressor.ape has shape [1, 24], but config.json says [2, 24]" },
        { "deepseek_v4", "model.layers.2.attn.wo_a.weight", 0, "wo_a.weight has shape [9, 24], but config.json says [10, 24]" },
        { "deepseek_v4-fp8", "layers.0.attn.wq_a.scale", MISSING,
          "layers.0.attn.wq_a.weight is F8_E4M3, but nothing in the .safetensors files is called as its scales would be, with .scale" },
        { "deepseek_v4-fp8", "layers.0.attn.wq_b.scale", 1, "wq_b.scale has shape [1, 1], but config.json says [1, 2]" },
        { "deepseek_v4-fp8", "layers.1.attn.wkv.weight", 1, "wkv.weight has shape [12, 159], but config.json says [12, 160]" },
        { "deepseek_v4-fp8", "layers.1.ffn.experts.2.w2.scale", 1, "w2.scale has shape [160, 1], but config.json says [160, 2]" },
        { "deepseek_v4-fp8", "layers.0.ffn.experts.0.w1.weight", 1, "w1.weight has shape [64, 79], but config.json says [64, 80]" },
        { "deepseek_v4-fp8", "layers.0.ffn.experts.1.w3.weight", MISSING, "layers.0.ffn.experts.1.w3.weight is in none" },
        { "deepseek_v4-modules", "model.layers.1.attn_hc.fn", MISSING, "model.layers.1.attn_hc.fn is in none" },
        { "kimi_linear", "model.layers.1.block_sparse_moe.experts.4.w2.weight", -1, "block_sparse_moe.experts.4.w2.weight is in none" },
    };
    refuse_all(trials, sizeof trials / sizeof *trials);
}

/* Parts of what bitsandbytes quantised. */
static void test_damaged_bnb(void **state)
{
    static const damage trials[] = {
        { "llama-nf4", "model.layers.0.mlp.down_proj.weight.absmax", MISSING, "down_proj.weight.absmax is in none of the .safetensors" },
        { "llama-nf4", "model.layers.1.self_attn.q_proj.weight.nested_absmax", MISSING, "q_proj.weight.nested_absmax is in none" },
        { "llama-nf4", "model.layers.0.self_attn.v_proj.weight.nested_quant_map", 0, "has 255 values of type F32, expected 256 of" },
        { "llama-nf4", "model.layers.0.self_attn.o_proj.weight.quant_state.bitsandbytes__nf4", MISSING, "bitsandbytes__nf4 is in none" },
        { "mistral-int8", "model.layers.1.mlp.up_proj.SCB", 0, "up_proj.SCB has 31 values of type F32, expected 32 of type F32" },
        { "mistral-int8", "model.layers.1.mlp.up_proj.SCB", MISSING, "up_proj.weight is I8, but nothing" },
    };
    (void)state;
    refuse_all(trials, sizeof trials / sizeof *trials);
}

/* ---- codes with scales ---- */

/* A tensor of the published form in the other: scales of FP8 in fp32 under transformers' name, experts' numbers in
 * I32. Writes into `name` and `bytes`. */
static ts_st_dtype in_other_form(const ts_st_dir *d, const ts_st_tensor *t, char *name, char *bytes)
{
    enum { AT_MOST = 256, ROOM = 4 * 1024 };
    const char *end = strstr(t->name, ".scale");
    char codes[AT_MOST];
    snprintf(name, AT_MOST, "%s", t->name);
    if (t->dtype == TS_ST_I64) {
        assert_true(t->elements * 4 <= ROOM);
        for (int64_t i = 0; i < t->elements; i++) {
            int64_t v;
            memcpy(&v, (const char *)t->data + 8 * i, 8);
            memcpy(bytes + 4 * i, &(int32_t){ (int32_t)v }, 4);
        }
        return TS_ST_I32;
    }
    if (!end)
        return t->dtype;
    snprintf(codes, sizeof codes, "%.*s.weight", (int)(end - t->name), t->name);
    if (ts_st_dir_find(d, codes)->dtype != TS_ST_F8_E4M3)
        return t->dtype;
    snprintf(name, AT_MOST, "%.*s.weight_scale_inv", (int)(end - t->name), t->name);
    for (int64_t i = 0; i < t->elements; i++)
        memcpy(bytes + 4 * i, &(float){ ldexpf(1, ((const unsigned char *)t->data)[i] - 127) }, 4);
    return TS_ST_F32;
}

/* Both forms are one model. */
static void test_scales(void **state)
{
    (void)state;
    static const char from[] = "tests/golden/families/deepseek_v4-fp8";
    static char bytes[4 * 1024], name[256];
    spot s;
    ts_str config = { 0 };
    ts_st_dir *d = NULL;
    ts_st_writer *w = NULL;
    ts_model m = { 0 }, other = { 0 };
    spot_make(&s);
    OK(ts_file_read("tests/golden/families/deepseek_v4-fp8/config.json", &config));
    temp_write(&s.t, "config.json", config.s, config.len);
    OK(ts_st_dir_open(from, NULL, &d));
    OK(ts_st_writer_create(temp_path(&s.t, "model.safetensors"), &w));
    for (int64_t k = 0; k < 2 * ts_st_dir_count(d); k++) {
        const int64_t n = ts_st_dir_count(d), i = k % n;
        const ts_st_tensor *t = ts_st_dir_at(d, i);
        const ts_st_dtype type = in_other_form(d, t, name, bytes);
        const void *data = type == t->dtype ? t->data : bytes;
        if (k == n)
            OK(ts_st_writer_begin(w));
        OK(k < n ? ts_st_writer_add(w, name, type, t->rank, t->shape)
                 : ts_st_writer_put(w, i, 0, data, (size_t)(t->elements * ts_st_dtype_bits(type) / 8)));
    }
    OK(ts_st_writer_finish(w));
    OK(load(&s, &m));
    assert_string_equal(s.warned, "");
    OK(ts_model_load(from, &(ts_model_use){ .dev = s.dev, .compute = TS_DTYPE_F32, .training = true }, &other));
    for (size_t i = 0; i < m.decoder->params.n; i++) {
        const ts_param *x = m.decoder->params.p[i], *y = other.decoder->params.p[i];
        assert_memory_equal(x->value, y->value, (size_t)ts_param_count(x) * sizeof(float));
    }
    ts_model_deinit(&m);
    ts_model_deinit(&other);
    ts_st_writer_destroy(&w);
    ts_st_dir_destroy(&d);
    ts_str_deinit(&config);
    spot_remove(&s);
}

/* Weights in the folder that are not read are said. */
static void test_left_out(void **state)
{
    (void)state;
    float a[VOCAB * HIDDEN];
    spot s;
    ts_model m = { 0 };
    spot_make(&s);
    fill(a, 1);
    write_config(&s, true);
    write_weights(&s, a, NULL, VOCAB);
    temp_write(&s.t, "model-00001-of-00002.safetensors", "", 0);
    OK(load(&s, &m));
    assert_non_null(strstr(s.warned, "model-00001-of-00002.safetensors is left out"));
    ts_model_deinit(&m);
    temp_write(&s.t, "model.safetensors.index.json", "{}", 2);
    OK(load(&s, &m));
    assert_non_null(strstr(s.warned, "model.safetensors.index.json names"));
    ts_model_deinit(&m);
    spot_remove(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scales), cmocka_unit_test(test_equal_head), cmocka_unit_test(test_other_head),
        cmocka_unit_test(test_head_alone), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_left_out),   cmocka_unit_test(test_damaged_experts), cmocka_unit_test(test_damaged_bnb),
    };
    return cmocka_run_group_tests_name("weights of a folder", tests, NULL, NULL);
}
