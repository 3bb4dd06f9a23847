/* Every family of tests/golden/families to another form of files and back: each tensor is bit for bit what it was, or the model
 * is refused for one of the reasons below. */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../unit/temp.h"
#include "base/json.h"
#include "io/safetensors.h"
#include "model/weights.h"
#include "tessera/convert.h"

static const char families[] = "tests/golden/families";

static bool is_one_of(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (!strcmp(*list, name))
            return true;
    return false;
}

/* ---- what may differ ---- */

/* Files of GPT-2 from before transformers 4 lack the prefix and hold buffers of masks, which are no weights. */
static const ts_st_tensor *find_in(const ts_st_dir *d, const char *name)
{
    char with[256];
    const ts_st_tensor *t = ts_st_dir_find(d, name);
    snprintf(with, sizeof with, "transformer.%s", name);
    return t ? t : ts_st_dir_find(d, with);
}

/* The output layer of a tied model, once more. */
static bool is_second(const ts_st_dir *d, const ts_st_tensor *t)
{
    for (int64_t i = 0; !strcmp(t->name, "lm_head.weight") && i < ts_st_dir_count(d); i++) {
        const ts_st_tensor *x = ts_st_dir_at(d, i);
        if (x != t && x->size == t->size && !memcmp(x->data, t->data, t->size))
            return true;
    }
    return false;
}

static bool is_buffer(const char *name)
{
    const size_t n = strlen(name);
    return !strncmp(name, "h.", 2) && n > 10 && (!strcmp(name + n - 10, ".attn.bias") || strstr(name, ".attn.masked_bias"));
}

/* Of norms that GGUF files hold with 1 added, in fp32: one rounding of that sum. */
static bool near_norm(const ts_st_tensor *a, const ts_st_tensor *b)
{
    if (a->dtype != TS_ST_F32 || b->dtype != TS_ST_F32 || a->rank != 1 || a->size != b->size)
        return false;
    for (int64_t i = 0; i < a->elements; i++) {
        float x, y;
        memcpy(&x, (const char *)a->data + 4 * i, 4);
        memcpy(&y, (const char *)b->data + 4 * i, 4);
        if (!(fabs((double)x - y) <= 0x1p-24 * (1 + fabs((double)x))))
            return false;
    }
    return true;
}

static void same_folder(const char *what, const char *from, const char *got, bool counts_from_one)
{
    ts_st_dir *a, *b;
    int64_t n = 0;
    OK(ts_st_dir_open(from, NULL, &a));
    OK(ts_st_dir_open(got, NULL, &b));
    for (int64_t i = 0; i < ts_st_dir_count(a); i++) {
        const ts_st_tensor *x = ts_st_dir_at(a, i), *y = find_in(b, x->name);
        if (!y && (is_buffer(x->name) || is_second(a, x)))
            continue;
        n++;
        if (!y)
            fail_msg("%s: %s: tensor %s is not there any more", what, from, x->name);
        else if ((x->dtype != y->dtype || x->rank != y->rank || memcmp(x->shape, y->shape, sizeof x->shape) != 0 ||
                  memcmp(x->data, y->data, x->size) != 0) &&
                 !(counts_from_one && near_norm(x, y)))
            fail_msg("%s: %s: tensor %s is not what it was", what, from, x->name);
    }
    if (n != ts_st_dir_count(b))
        fail_msg("%s: %s: %lld tensors more", what, from, (long long)(ts_st_dir_count(b) - n));
    ts_st_dir_destroy(&a);
    ts_st_dir_destroy(&b);
}

/* ---- trips ---- */

enum { WORDS = 6 };
typedef struct way {
    const char *name;
    const char *options[WORDS];
    const char *const *refusals; /* what its messages say where a model cannot be had so */
    const char *const *refused;  /* the families that are; NULL: any may be */
    bool is_gguf, of_experts; /* of_experts: for families that have some */
    int at_least; /* so many make the trip */
} way;

static const char *type_of(const char *folder)
{
    ts_st_dir *d;
    OK(ts_st_dir_open(folder, NULL, &d));
    const char *type = ts_weights_dtype(d) == TS_ST_BF16 ? "bf16" : ts_weights_dtype(d) == TS_ST_F16 ? "fp16" : "fp32";
    ts_st_dir_destroy(&d);
    return type;
}

static json_t *config_of(const char *folder)
{
    char path[600];
    json_t *o;
    snprintf(path, sizeof path, "%s/config.json", folder);
    OK(ts_json_read(path, &o));
    return o;
}

static bool is_packed(const char *folder)
{
    json_t *o = config_of(folder);
    const bool packed = json_is_object(json_object_get(o, "quantization_config"));
    json_decref(o);
    return packed;
}

static bool has_experts(const char *family)
{
    char folder[512];
    const char *key;
    json_t *v;
    bool has = false;
    snprintf(folder, sizeof folder, "%s/%s", families, family);
    json_t *o = config_of(folder);
    json_object_foreach(o, key, v)
        has |= strstr(key, "expert") != NULL;
    json_decref(o);
    return has;
}

/* Whether the family is refused as it may be. */
static bool may_refuse(const way *w, const char *family)
{
    if (w->refused && !is_one_of(family, w->refused))
        return false;
    for (const char *const *r = w->refusals; *r; r++)
        if (strstr(ts_error_message(), *r))
            return true;
    return false;
}

/* True: there and back. */
static bool trip(const way *w, const char *family, const char *dir)
{
    char from[512], there[128], back[128], values[128];
    const char *o[WORDS + 4], *type;
    size_t n = 0;
    snprintf(from, sizeof from, "%s/%s", families, family);
    snprintf(there, sizeof there, "%s/there", dir);
    snprintf(back, sizeof back, "%s/back", dir);
    if (is_packed(from)) { /* of weights of few bits: what they stand for */
        snprintf(values, sizeof values, "%s/values", dir);
        OK(ts_remove_tree(values));
        OK(ts_convert(from, (const char *[]){ "--save-dir", values, "--qlora-save-dequantize" }, 3, NULL));
    }
    const char *plain = is_packed(from) ? values : from;
    type = type_of(plain);
    for (; n < WORDS && w->options[n]; n++)
        o[n] = w->options[n];
    o[n++] = w->is_gguf ? "--outfile" : "--save-dir";
    o[n++] = there;
    if (w->is_gguf) {
        o[n++] = "--outtype";
        o[n++] = !strcmp(type, "fp32") ? "f32" : !strcmp(type, "fp16") ? "f16" : type;
    }
    OK(ts_remove_tree(there));
    OK(ts_remove_tree(back));
    const ts_status st = ts_convert(from, o, n, NULL);
    if (st == TS_ERR_USER && may_refuse(w, family))
        return false;
    if (st != TS_OK)
        fail_msg("%s: %s: %s", w->name, from, ts_error_message());
    if (w->refused && is_one_of(family, w->refused))
        fail_msg("%s: %s is not refused", w->name, from);
    OK(ts_convert(there, (const char *[]){ "--save-dir", back, "--params-dtype", type }, w->is_gguf ? 4 : 2, NULL));
    same_folder(w->name, plain, back, w->is_gguf && (!strncmp(family, "gemma", 5) || !strncmp(family, "nemotron", 8)));
    return true;
}

static void go(const way *w)
{
    temp t;
    int n = 0;
    temp_make(&t);
    DIR *d = opendir(families);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.' && (!w->of_experts || has_experts(e->d_name)))
            n += trip(w, e->d_name, t.dir);
    closedir(d);
    temp_remove(&t);
    if (n < w->at_least)
        fail_msg("%s: %d families make the trip, expected at least %d", w->name, n, w->at_least);
}

/* ---- Megatron ---- */

static const char no_place[] = "no place in Megatron's checkpoints", no_share[] = "cannot be shared out";
static const char *const for_all[] = { no_place, NULL }, *const for_some[] = { no_place, no_share, NULL };

#define TO_MG "--save-model-type", "mg"

static void megatron(void **state)
{
    (void)state;
    static const char *const no_names[] = {
        "bamba", "deepseek_v4-fp8", "deepseek_v4-modules", "deepseek_v4", "falcon_h1-norm", "falcon_h1",
        "falcon_mamba", "gemma3n-old", "gemma3n", "gemma4-experts", "gemma4-same", "gemma4", 
        "granitemoehybrid-dense", "granitemoehybrid", "hunyuan_large", "jamba-dense", "jamba", "kimi_linear-ranks",
        "kimi_linear", "lfm2-bias", "lfm2", "lfm2_moe", "longcat_flash_ngram", "mamba-bias", "mamba",
        "mamba2-bias", "mamba2", "mamba3-norm", "mamba3", "nemotron_h", "qwen3_5-full",
        "qwen3_5", "qwen3_5_moe", "qwen3_next-bias", "qwen3_next-experts", "qwen3_next", "step3p5-new", "step3p5",
        "zamba2-old", "zamba2",
        NULL,
    };
    go(&(way){ "mg", { TO_MG }, for_all, no_names, .at_least = 102 });
}

static void megatron_tensor(void **state)
{
    (void)state;
    go(&(way){ "tp 2", { TO_MG, "--target-tensor-parallel-size", "2", "--make-vocab-size-divisible-by", "1" }, for_some, .at_least = 23 });
}

static void megatron_stages(void **state)
{
    (void)state;
    go(&(way){ "pp 2, vpp", { TO_MG, "--target-pipeline-parallel-size", "2", "--num-layers-per-virtual-pipeline-stage", "1" }, for_some,
               .at_least = 93 });
}

static void megatron_experts(void **state)
{
    (void)state;
    go(&(way){ "ep 2", { TO_MG, "--target-expert-parallel-size", "2" }, for_some, .of_experts = true, .at_least = 27 });
    go(&(way){ "grouped", { TO_MG, "--moe-grouped-gemm" }, for_some, .of_experts = true, .at_least = 32 });
    go(&(way){ "transformer_engine", { TO_MG, "--transformer-impl", "transformer_engine", "--moe-grouped-gemm" }, for_some, .at_least = 102 });
}

/* ---- GGUF ---- */

static void gguf(void **state)
{
    (void)state;
    static const char *const refusals[] = { "are not written to GGUF files", "cannot say so", "has no place in GGUF files", NULL };
    go(&(way){ "gguf", { NULL }, refusals, .is_gguf = true, .at_least = 50 });
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(megatron), cmocka_unit_test(megatron_tensor), cmocka_unit_test(megatron_stages),
                                        cmocka_unit_test(megatron_experts), cmocka_unit_test(gguf) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
