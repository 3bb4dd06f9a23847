/* GGUF files that llama.cpp's converter made of the folders of tests/golden/families: what is read of them is what
 * stands in the folders, description and values. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../temp.h"
#include "model/family.h"
#include "model/weights.h"

/* The description in a folder, or in a config.json under another name. */
static void read_config(const char *path, ts_arch *a)
{
    const ts_family *family;
    json_t *config;
    if (ts_path_is_dir(path)) {
        OK(ts_family_read_folder(path, &family, a, &config));
    } else {
        OK(ts_json_read(path, &config));
        OK(ts_family_of(config, path, &family));
        ts_arch_init(a);
        OK(ts_family_read(family, config, path, a));
    }
    json_decref(config);
}

static void same_description(const char *file, const char *folder)
{
    const ts_family *family;
    ts_arch a, b;
    json_t *config;
    ts_str differences = { 0 };
    int n;
    OK(ts_family_read_folder(file, &family, &a, &config));
    read_config(folder, &b);
    /* files of this kind say no ids without a tokenizer, and nothing of how weights began */
    a.bos = b.bos, a.pad = b.pad, a.n_eos = b.n_eos, a.init_std = b.init_std;
    memcpy(a.eos, b.eos, sizeof a.eos);
    OK(ts_arch_differences(&b, &a, &differences, &n));
    if (n)
        fail_msg("%s: %s", file, ts_str_text(&differences));
    ts_str_deinit(&differences);
    ts_arch_deinit(&a);
    ts_arch_deinit(&b);
    json_decref(config);
}

/* added: norms were stored with 1 added, which costs their last bits. */
static void same_values(const ts_st_tensor *t, const ts_st_tensor *want, bool added)
{
    float *x, *y;
    if (t->rank != want->rank || memcmp(t->shape, want->shape, (size_t)t->rank * sizeof *t->shape))
        fail_msg("%s has another shape", t->name);
    OK(ts_alloc(&x, (size_t)t->elements, sizeof *x));
    OK(ts_alloc(&y, (size_t)t->elements, sizeof *y));
    OK(ts_st_read_f32(t, 0, t->elements, x));
    OK(ts_st_read_f32(want, 0, t->elements, y));
    const float bound = added && t->rank == 1 ? 0x1p-23f : 0; /* half a unit in the last place of numbers below 4 */
    for (int64_t i = 0; i < t->elements; i++)
        if (!(fabsf(x[i] - y[i]) <= bound))
            fail_msg("%s: element %lld is %a, expected %a", t->name, (long long)i, (double)x[i], (double)y[i]);
    for (int64_t i = 1; i < t->elements; i += 7) { /* from within rows */
        OK(ts_st_read_f32(t, i, 1, &y[0]));
        assert_true(y[0] == x[i]);
    }
    ts_free(&x);
    ts_free(&y);
}

static void same_tensors(const char *file, const char *folder)
{
    ts_st_dir *got, *want;
    int64_t n = 0;
    OK(ts_st_dir_open(file, NULL, &got));
    OK(ts_st_dir_open(folder, NULL, &want));
    for (int64_t i = 0; i < ts_st_dir_count(want); i++) {
        const ts_st_tensor *w = ts_st_dir_at(want, i), *t = ts_st_dir_find(got, w->name);
        if (!t)
            fail_msg("%s: no %s", file, w->name);
        same_values(t, w, strstr(file, "gemma"));
        n++;
    }
    assert_int_equal(n, ts_st_dir_count(got));
    ts_st_dir_destroy(&got);
    ts_st_dir_destroy(&want);
}

static void reads_what_the_converter_wrote(void **state)
{
    static const char *const names[] = { "llama-bias-llama3", "mixtral", "qwen2", "qwen3_moe", "gemma", "phi3-longrope",
                                         "phi4-mini", "gemma2", "gemma3", "olmo2", "olmoe", "granite", "arcee", "seed_oss", "ernie4_5", "glm4",
                                         "cohere", "starcoder2" };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char file[128], folder[128], config[128];
        snprintf(file, sizeof file, "tests/golden/gguf/models/%s.gguf", names[i]);
        snprintf(folder, sizeof folder, "tests/golden/families/%s", names[i]);
        /* where the folder's model has what files of this kind cannot say, that it had not */
        snprintf(config, sizeof config, "tests/golden/gguf/models/%s.json", names[i]);
        same_description(file, ts_path_exists(config) ? config : folder);
        same_tensors(file, folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(reads_what_the_converter_wrote) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
