/* Megatron's checkpoints against tests/golden/megatron/cases.json (scripts/golden_megatron.py): names, shapes and bytes of what is
 * written, and that reading it gives the folder back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "../unit/temp.h"
#include "base/json.h"
#include "io/torch/torch_file.h"
#include "tessera/convert.h"

enum { WORDS = 24 };

static void check_tensors(ts_torch_file *f, const ts_pickle_node *dict, const json_t *want)
{
    const char *name;
    json_t *v;
    assert_int_equal(ts_pickle_count(dict), json_object_size(want));
    json_object_foreach((json_t *)(uintptr_t)want, name, v) {
        const json_t *shape = json_array_get(v, 0);
        ts_st_tensor t;
        const ts_pickle_node *node = ts_pickle_get(dict, name);
        if (!ts_torch_is_tensor(node))
            fail_msg("%s: no tensor %s", ts_torch_file_path(f), name);
        OK(ts_torch_tensor(f, name, node, &t));
        if (t.rank != (int)json_array_size(shape))
            fail_msg("%s: %s has %d dimensions", ts_torch_file_path(f), name, t.rank);
        for (int i = 0; i < t.rank; i++)
            if (t.shape[i] != json_integer_value(json_array_get(shape, (size_t)i)))
                fail_msg("%s: %s has another shape", ts_torch_file_path(f), name);
        if (crc32_z(0, t.data, t.size) != (uLong)json_integer_value(json_array_get(v, 1)))
            fail_msg("%s: %s has other bytes", ts_torch_file_path(f), name);
    }
}

static void check_rank(const char *folder, const char *rank, const json_t *want)
{
    char path[256];
    ts_torch_file *f;
    const char *key;
    json_t *v;
    int64_t iteration;
    snprintf(path, sizeof path, "%s/iter_0000001/%s/model_optim_rng.pt", folder, rank);
    OK(ts_torch_file_open(path, &f));
    const ts_pickle_node *root = ts_torch_file_root(f);
    assert_true(ts_pickle_int(ts_pickle_get(root, "iteration"), 1, 1, &iteration));
    assert_int_equal(ts_pickle_count(root), 3 + json_object_size(want));
    json_object_foreach((json_t *)(uintptr_t)want, key, v)
        check_tensors(f, ts_pickle_get(root, key), v);
    ts_torch_file_close(&f);
}

/* Every tensor of `got` stands in `want` with the same bytes, and but for `left_out` of them the other way round. */
static void check_back(const char *got, const char *want, int64_t left_out)
{
    ts_st_dir *a, *b;
    OK(ts_st_dir_open(got, NULL, &a));
    OK(ts_st_dir_open(want, NULL, &b));
    for (int64_t i = 0; i < ts_st_dir_count(a); i++) {
        const ts_st_tensor *x = ts_st_dir_at(a, i), *y = ts_st_dir_find(b, x->name);
        if (!y || x->dtype != y->dtype || x->size != y->size || memcmp(x->data, y->data, x->size) != 0)
            fail_msg("%s: tensor %s is not what it was", got, x->name);
    }
    assert_int_equal(ts_st_dir_count(b) - ts_st_dir_count(a), left_out);
    ts_st_dir_destroy(&a);
    ts_st_dir_destroy(&b);
}

/* Tensors of layers that predict further tokens, which are left behind unless they are asked for; and the copies that files of
 * DeepSeek-V3 have of the model's ends. */
static int64_t further_tensors(const char *folder, bool taken)
{
    ts_st_dir *d;
    int64_t n = 0;
    OK(ts_st_dir_open(folder, NULL, &d));
    for (int64_t i = 0; i < ts_st_dir_count(d); i++)
        n += !strncmp(ts_st_dir_at(d, i)->name, "model.layers.2.", 15) && strstr(folder, "deepseek");
    ts_st_dir_destroy(&d);
    return taken ? 0 : n;
}

static void check_case(const json_t *c, const char *dir)
{
    char from[128], mg[96], hf[96], cfg[128];
    const char *o[WORDS] = { "--save-model-type", "mg", "--save-dir", mg }, *rank;
    size_t n = 4, i;
    json_t *v;
    bool further = false;
    snprintf(from, sizeof from, "tests/golden/%s", json_string_value(json_object_get(c, "folder")));
    snprintf(mg, sizeof mg, "%s/mg", dir);
    snprintf(hf, sizeof hf, "%s/hf", dir);
    snprintf(cfg, sizeof cfg, "%s", from);
    json_array_foreach(json_object_get(c, "options"), i, v) {
        assert_true(n < WORDS);
        o[n++] = json_string_value(v);
        further |= !strcmp(o[n - 1], "--mtp-num-layers");
    }
    OK(ts_remove_tree(mg));
    OK(ts_remove_tree(hf));
    OK(ts_convert(from, o, n, NULL));
    json_object_foreach(json_object_get(c, "ranks"), rank, v)
        check_rank(mg, rank, v);
    const char *back[] = { "--save-dir", hf }, *named[] = { "--save-dir", hf, "--hf-cfg-dir", cfg };
    OK(ts_convert(mg, back, 2, NULL));
    check_back(hf, from, further_tensors(from, further));
    OK(ts_convert(mg, named, 4, NULL));
    check_back(hf, from, further_tensors(from, further));
}

static void writes_and_reads(void **state)
{
    (void)state;
    temp t;
    json_t *cases;
    size_t i;
    json_t *c;
    temp_make(&t);
    OK(ts_json_read("tests/golden/megatron/cases.json", &cases));
    assert_true(json_array_size(cases) > 10);
    json_array_foreach(cases, i, c)
        check_case(c, t.dir);
    json_decref(cases);
    temp_remove(&t);
}

/* What each rank's model had before Megatron core saved it distributed (scripts/golden_torch_dist.py). */
static void check_distributed(const json_t *c, const char *dir)
{
    char from[128], mg[96];
    const char *o[WORDS] = { "--save-model-type", "mg", "--save-dir", mg }, *rank;
    size_t n = 4, i;
    json_t *v;
    snprintf(from, sizeof from, "tests/golden/%s", json_string_value(json_object_get(c, "folder")));
    snprintf(mg, sizeof mg, "%s/mg", dir);
    json_array_foreach(json_object_get(c, "options"), i, v)
        o[n++] = json_string_value(v);
    OK(ts_remove_tree(mg));
    OK(ts_convert(from, o, n, NULL));
    json_object_foreach(json_object_get(c, "ranks"), rank, v)
        check_rank(mg, rank, v);
}

static void reads_distributed(void **state)
{
    (void)state;
    static const char *const files[] = { "tests/golden/megatron/dist-016.json", "tests/golden/megatron/dist-019.json" };
    temp t;
    temp_make(&t);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        json_t *cases;
        OK(ts_json_read(files[i], &cases));
        check_distributed(json_array_get(cases, 0), t.dir);
        json_decref(cases);
    }
    temp_remove(&t);
}

/* mg to mg with an adapter is the folder with it, cut. */
static void merges_adapters(void **state)
{
    (void)state;
    temp t;
    char mg[96], merged[96], hf[96], want[96];
    const char *lora = "tests/golden/adapters/dora", *from = "tests/golden/families/qwen2";
    temp_make(&t);
    snprintf(mg, sizeof mg, "%s/mg", t.dir);
    snprintf(merged, sizeof merged, "%s/merged", t.dir);
    snprintf(hf, sizeof hf, "%s/hf", t.dir);
    snprintf(want, sizeof want, "%s/want", t.dir);
    OK(ts_convert(from, (const char *[]){ "--save-model-type", "mg", "--save-dir", mg, "--target-pipeline-parallel-size", "2" }, 6, NULL));
    OK(ts_convert(mg, (const char *[]){ "--save-model-type", "mg", "--save-dir", merged, "--lora-load", lora }, 6, NULL));
    OK(ts_convert(merged, (const char *[]){ "--save-dir", hf }, 2, NULL));
    OK(ts_convert(from, (const char *[]){ "--save-dir", want, "--lora-load", lora }, 4, NULL));
    check_back(hf, want, 0);
    temp_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(writes_and_reads), cmocka_unit_test(reads_distributed),
                                        cmocka_unit_test(merges_adapters) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
