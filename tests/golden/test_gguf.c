/* GGUF files as llama.cpp's converter writes them: tests/golden/gguf/models/NAME.gguf is its own, of the folder
 * tests/golden/families/NAME. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../unit/temp.h"
#include "base/output.h"
#include "convert/convert.h"
#include "io/gguf/gguf.h"
#include "io/st_write.h"

static void make(const char *from, const char *file, int outtype)
{
    const ts_convert_options o = { .load_dir = from, .outfile = file, .outtype = outtype, .step = -1, .threads = 2 };
    ts_convert_result r = { 0 };
    OK(ts_convert_run(&o, &r));
}

/* Every tensor of the one, and nothing else. */
static void same_tensors(const ts_gguf *got, const ts_gguf *want)
{
    assert_int_equal(ts_gguf_count(got), ts_gguf_count(want));
    for (int64_t i = 0; i < ts_gguf_count(want); i++) {
        const ts_gguf_tensor *a = ts_gguf_at(want, i), *b = ts_gguf_tensor_find(got, a->name);
        if (!b || b->type != a->type || b->rank != a->rank || memcmp(b->shape, a->shape, sizeof a->shape))
            fail_msg("%s: tensor %s is missing, or of another type or shape", ts_gguf_path(got), a->name);
        else if (memcmp(b->data, a->data, a->size))
            fail_msg("%s: tensor %s has other values", ts_gguf_path(got), a->name);
    }
}

static bool same_value(const ts_gguf_value *a, const ts_gguf_value *b)
{
    return a && b && a->kind == b->kind && a->n == b->n && !memcmp(a->data, b->data, a->kind == TS_GGUF_TEXT ? (size_t)a->n : 4);
}

/* These keys of the one are in the other, too. */
static void same_keys(const ts_gguf *got, const ts_gguf *want, const char *const *keys)
{
    for (; *keys; keys++)
        if (ts_gguf_find(want, *keys) && !same_value(ts_gguf_find(got, *keys), ts_gguf_find(want, *keys)))
            fail_msg("%s: the key %s is missing or another", ts_gguf_path(got), *keys);
}

/* ---- models ---- */

static void same_model_keys(const ts_gguf *got, const ts_gguf *want)
{
    static const char *const words[] = {
        "block_count", "context_length", "embedding_length", "feed_forward_length", "vocab_size", "attention.head_count",
        "attention.head_count_kv", "attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon", "attention.key_length",
        "attention.value_length", "attention.sliding_window", "attn_logit_softcapping", "final_logit_softcapping",
        "rope.dimension_count", "rope.freq_base", "rope.freq_base_swa", "rope.scaling.type", "rope.scaling.factor",
        "rope.scaling.attn_factor", "rope.scaling.original_context_length", "attention.scale", "embedding_scale", "residual_scale",
        "logit_scale", "expert_count", "expert_used_count",
        "expert_feed_forward_length", "expert_shared_feed_forward_length",
    };
    static const char *const general[] = { "general.architecture", "general.type", "general.file_type", "general.quantization_version", NULL };
    char key[128];
    const ts_gguf_value *arch = ts_gguf_find(want, "general.architecture");
    same_keys(got, want, general);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *const one[] = { key, NULL };
        snprintf(key, sizeof key, "%.*s.%s", (int)arch->n, (const char *)arch->data, words[i]);
        same_keys(got, want, one);
    }
}

static void writes_what_the_converter_does(void **state)
{
    static const char *const names[] = { "gemma", "gemma2", "gemma3", "llama-bias-llama3", "mixtral", "phi3-longrope", "phi4-mini", "qwen2",
                                         "qwen3_moe", "olmo2", "olmoe", "granite", "arcee", "seed_oss", "ernie4_5", "glm4", "cohere",
                                         "starcoder2", "cohere2", "gpt2", "exaone4-full", "olmo", "smollm3", "stablelm", "gpt_neox",
                                         "falcon", "nemotron", "bloom" };
    /* The converter takes these models' published sizes for granted (4 hidden_size values in an MLP, 2048 positions, heads that share
     * the width, an even part of them rotated), which the small ones have not: their keys are not compared. */
    const size_t like_published = sizeof names / sizeof *names - 4;
    temp t;
    (void)state;
    temp_make(&t);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char from[128], file[128];
        ts_gguf *got, *want;
        snprintf(from, sizeof from, "tests/golden/families/%s", names[i]);
        make(from, temp_path(&t, "got.gguf"), TS_GGUF_TYPE_F32);
        snprintf(file, sizeof file, "tests/golden/gguf/models/%s.gguf", names[i]);
        OK(ts_gguf_open(t.path.s, &got));
        OK(ts_gguf_open(file, &want));
        same_tensors(got, want);
        if (i < like_published)
            same_model_keys(got, want);
        ts_gguf_close(&got);
        ts_gguf_close(&want);
    }
    temp_remove(&t);
}

/* ---- all experts of a layer in one tensor ---- */

enum { EXPERTS = 6, FFN = 12, HIDDEN = 24 };

/* The name of expert e's matrix becomes that of all; false: it is of another tensor. */
static bool stacked_name(const char *name, char to[128], int *expert, char *which)
{
    const char *at = strstr(name, ".experts.");
    if (!at || sscanf(at, ".experts.%d.%c", expert, which) != 2)
        return false;
    snprintf(to, 128, "%.*s.experts.%s", (int)(at - name), name, *which == 'd' ? "down_proj" : "gate_up_proj");
    return true;
}

/* The folder qwen3_moe with its experts so. */
static void stack(const char *dir)
{
    const int64_t down[] = { EXPERTS, HIDDEN, FFN }, both[] = { EXPERTS, 2 * FFN, HIDDEN };
    const size_t one = sizeof(float) * FFN * HIDDEN;
    ts_st_dir *from;
    ts_st_dir_writer *w;
    ts_str path = { 0 }, config = { 0 };
    char name[128], which;
    int expert;
    OK(ts_st_dir_open("tests/golden/families/qwen3_moe", NULL, &from));
    OK(ts_st_dir_writer_create(dir, NULL, 0, &w));
    int64_t at[400], n = 0;
    for (int64_t i = 0; i < ts_st_dir_count(from); i++) {
        const ts_st_tensor *t = ts_st_dir_at(from, i);
        at[i] = n;
        if (!stacked_name(t->name, name, &expert, &which))
            OK(ts_st_dir_writer_add(w, t->name, t->dtype, t->rank, t->shape));
        else if (!expert && which != 'u') /* down before gate before up, expert by expert */
            OK(ts_st_dir_writer_add(w, name, t->dtype, 3, which == 'd' ? down : both));
        else
            at[i] = --n - (which == 'd');
        n++;
    }
    OK(ts_st_dir_writer_begin(w));
    for (int64_t i = 0; i < ts_st_dir_count(from); i++) {
        const ts_st_tensor *t = ts_st_dir_at(from, i);
        const bool is_expert = stacked_name(t->name, name, &expert, &which);
        const size_t place = !is_expert ? 0 : which == 'd' ? (size_t)expert * one : (size_t)(2 * expert + (which == 'u')) * one;
        OK(ts_st_dir_writer_put(w, at[i], place, t->data, t->size));
    }
    OK(ts_st_dir_writer_finish(w));
    OK(ts_file_read("tests/golden/families/qwen3_moe/config.json", &config));
    OK(ts_path_join(&path, dir, "config.json"));
    OK(ts_file_write_atomic(path.s, config.s, config.len));
    ts_st_dir_writer_destroy(&w);
    ts_st_dir_destroy(&from);
    ts_str_deinit(&path);
    ts_str_deinit(&config);
}

static void takes_stacked_experts(void **state)
{
    temp t;
    ts_gguf *got, *want;
    (void)state;
    temp_make(&t);
    stack(t.dir);
    make(t.dir, temp_path(&t, "got.gguf"), TS_GGUF_TYPE_F32);
    OK(ts_gguf_open(t.path.s, &got));
    OK(ts_gguf_open("tests/golden/gguf/models/qwen3_moe.gguf", &want));
    same_tensors(got, want);
    ts_gguf_close(&got);
    ts_gguf_close(&want);
    temp_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(writes_what_the_converter_does), cmocka_unit_test(takes_stacked_experts) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
