/* Adapters made one against PEFT's add_weighted_adapter: scripts/golden_adapters.py made tests/golden/adapters_merge. */
#include "../unit/cmocka_all.h"
#include "../unit/temp.h"
#include "convert/convert.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char within[] = "tests/golden/adapters_merge";

static float *values_of(const ts_st_tensor *t)
{
    float *x = malloc((size_t)t->elements * sizeof *x);
    assert_true(x && ts_st_read_f32(t, 0, t->elements, x) == TS_OK);
    return x;
}

/* Every element of B A is a sum of `rank` products; that of an embedding stands the other way round in PEFT. */
static void check_delta(const ts_st_tensor *want, const ts_st_dir *dir, double slack)
{
    char name[2][256];
    const bool is_table = strstr(want->name, "embed_tokens");
    for (int side = 0; side < 2; side++)
        snprintf(name[side], sizeof name[side], is_table ? "base_model.model.%s.lora_embedding_%c" : "base_model.model.%s.lora_%c.weight",
                 want->name, "AB"[side]);
    const ts_st_tensor *a = ts_st_dir_find(dir, name[0]), *b = ts_st_dir_find(dir, name[1]);
    assert_true(a && b && a->shape[0] == b->shape[1]);
    const int64_t rank = a->shape[0], in = a->shape[1], out = b->shape[0];
    float *x = values_of(a), *y = values_of(b), *z = values_of(want);
    double largest = 0;
    assert_true(want->shape[0] == (is_table ? in : out) && want->shape[1] == (is_table ? out : in));
    for (int64_t i = 0; i < in * out; i++)
        largest = fmax(largest, fabs((double)z[i]));
    for (int64_t i = 0; i < out; i++)
        for (int64_t c = 0; c < in; c++) {
            double sum = 0, size = 0;
            for (int64_t k = 0; k < rank; k++) {
                sum += (double)y[i * rank + k] * (double)x[k * in + c];
                size += fabs((double)y[i * rank + k] * (double)x[k * in + c]);
            }
            const double expected = (double)z[is_table ? c * out + i : i * in + c];
            /* two roundings of each factor, and the sum's; factors that are sums themselves (linear) have roundings of what
             * they are of, and vectors (svd) those of a float's */
            if (!(fabs(sum - expected) <= (double)(rank + 6) * FLT_EPSILON * size + slack * largest))
                fail_msg("%s [%lld, %lld] is %.9g, expected %.9g", want->name, (long long)i, (long long)c, sum, expected);
        }
    free(x), free(y), free(z);
}

static void blends(const char *second, const char *kind, int combination, double slack)
{
    char first[128], other[128], path[160];
    const char *folders[2] = { first, other }, *weights[2] = { "0.7", "-1.5" };
    temp t;
    ts_st_dir *dir = NULL;
    ts_st_file *want = NULL;
    ts_convert_result r = { 0 };
    temp_make(&t);
    snprintf(first, sizeof first, "%s/a", within);
    snprintf(other, sizeof other, "%s/%s", within, second);
    const ts_convert_options o = { .lora_merge = { folders, 2 }, .lora_weights = { weights, 2 }, .lora_combination = combination,
                                   .save_dir = temp_path(&t, "c") };
    if (ts_convert_run(&o, &r) != TS_OK)
        fail_msg("%s", ts_error_message());
    snprintf(path, sizeof path, "%s/%s/delta.safetensors", within, kind);
    assert_int_equal(ts_st_file_open(path, &want), TS_OK);
    assert_int_equal(ts_st_dir_open(temp_path(&t, "c"), "adapter_model", &dir), TS_OK);
    assert_true(2 * ts_st_file_count(want) == ts_st_dir_count(dir) && r.tensors == ts_st_dir_count(dir));
    for (int64_t i = 0; i < ts_st_file_count(want); i++)
        check_delta(ts_st_file_at(want, i), dir, slack);
    ts_st_file_destroy(&want);
    ts_st_dir_destroy(&dir);
    temp_remove(&t);
}

static void as_peft(void **state)
{
    (void)state;
    blends("b", "cat", TS_LORA_CAT, 0);
    blends("b1", "linear", TS_LORA_LINEAR, 1e-6);
    blends("b", "svd", TS_LORA_SVD, 1e-5);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(as_peft) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
