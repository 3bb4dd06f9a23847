/* What travels in parts beside which product: by options, and product by product from a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "parallel/overlap.h"

#include <string.h>

#include "../temp.h"

static ts_parallel_parts parts_of(ts_parallel_options o)
{
    ts_parallel_parts p;
    assert_int_equal(ts_parallel_overlap(&o, &p), TS_OK);
    return p;
}

static void expect_parts(ts_parallel_options o, int gather, int sum)
{
    const ts_parallel_parts p = parts_of(o);
    assert_int_equal(p.gather, gather);
    assert_int_equal(p.sum, sum);
}

static void of_all(void **state)
{
    (void)state;
    const ts_parallel_parts p = parts_of((ts_parallel_options){
        .two = true, .x = 2, .y = 2, .overlap_scatter = true, .overlap_back = true });
    assert_true(p.gather == 1 && p.sum == 4 && p.back == 4);
    expect_parts((ts_parallel_options){ .sequence = true, .coc_parts = 8, .coc_mode = -1 }, 1, 1);
    expect_parts((ts_parallel_options){ .coc = true, .coc_parts = 8, .coc_mode = -1 }, 8, 8);
    expect_parts((ts_parallel_options){ .coc = true, .coc_parts = 8, .coc_mode = 2 }, 8, 8);
    expect_parts((ts_parallel_options){ .coc = true, .coc_parts = 8, .coc_mode = 1 }, 1, 1);
    expect_parts((ts_parallel_options){ .coc = true, .coc_parts = 1, .coc_mode = -1, .coc_fused = true },
                 4, 4);
    expect_parts((ts_parallel_options){ .mc2 = true }, 1, 1);
    expect_parts((ts_parallel_options){ .mc2 = true, .sequence = true }, 4, 4);
    expect_parts((ts_parallel_options){ .tp_overlap = true, .sequence = true }, 4, 4);
    expect_parts((ts_parallel_options){ .tp_overlap = true, .sequence = true, .no_overlap_gather = true },
                 1, 4);
    expect_parts((ts_parallel_options){ .tp_overlap = true, .sequence = true, .no_overlap_scatter = true },
                 4, 1);
}

static void write_file(temp *t, const char *text) { temp_write(t, "ub.yaml", text, strlen(text)); }

static ts_parallel_options with_file(temp *t)
{
    return (ts_parallel_options){ .tp_overlap = true, .sequence = true,
                                  .tp_overlap_file = temp_path(t, "ub.yaml") };
}

static void expect_product(const ts_parallel_parts *p, const char *name, int gather, int sum)
{
    for (int i = 0; i < p->n_products; i++)
        if (!strcmp(p->product[i].name, name)) {
            assert_int_equal(p->product[i].gather, gather);
            assert_int_equal(p->product[i].sum, sum);
            return;
        }
    fail_msg("no %s", name);
}

static void of_each(void **state)
{
    temp t;
    (void)state;
    temp_make(&t);
    write_file(&t, "qkv_fprop: {method: ring_exchange, aggregate: 0, num_splits: 2}\n"
                   "qkv_dgrad:\n  method: bulk\n  num_sm: 16\nqkv_wgrad: {method: bulk}\n"
                   "proj_dgrad: {method: ring_exchange, num_splits: 8}\n"
                   "fc2_fprop: {method: pipeline, num_splits: 3, set_sm_margin: 1}\n"
                   "fc1_dgrad: {num_splits: 5}\n");
    ts_parallel_options o = with_file(&t);
    ts_parallel_parts p = parts_of(o);
    assert_true(p.gather == 4 && p.sum == 4); /* of products that it does not know */
    expect_product(&p, "linear_qkv", 2, 1);
    expect_product(&p, "linear_proj", 8, 4);
    expect_product(&p, "linear_fc1", 4, 5);
    expect_product(&p, "linear_fc2", 4, 3);
    o.no_overlap_gather = true;
    p = parts_of(o);
    expect_product(&p, "linear_qkv", 1, 1);
    expect_product(&p, "linear_proj", 1, 4);
    o = with_file(&t), o.tp_overlap = false; /* nobody asks for it */
    assert_int_equal(parts_of(o).n_products, 0);
    temp_remove(&t);
}

static void refused(temp *t, const char *text, const char *says)
{
    ts_parallel_parts p;
    write_file(t, text);
    const ts_parallel_options o = with_file(t);
    REFUSED(ts_parallel_overlap(&o, &p), TS_ERR_USER, says);
}

static void wrong_files(void **state)
{
    temp t;
    (void)state;
    temp_make(&t);
    refused(&t, "qkv: {method: bulk}\n", "ub.yaml: qkv is no product: there are qkv, proj, fc1 and fc2, each with _fprop");
    refused(&t, "fc1_fprops: {method: bulk}\n", "fc1_fprops is no product");
    refused(&t, "fc1_fprop: bulk\n", "fc1_fprop: give keys with values, such as method: ring_exchange");
    refused(&t, "fc1_fprop: {method: ring}\n", "fc1_fprop: method: give ring_exchange, pipeline or bulk");
    refused(&t, "fc1_fprop: {num_splits: 9}\n", "fc1_fprop: num_splits: give a number of parts from 1 to 8");
    refused(&t, "fc1_fprop: {num_splits: two}\n", "num_splits: give a number of parts");
    refused(&t, "fc1_fprop: {num_split: 2}\n", "fc1_fprop: num_split is not known here; there are method, num_splits");
    refused(&t, "- a\n", "expected keys with values");
    temp_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(of_all), cmocka_unit_test(of_each),
                                        cmocka_unit_test(wrong_files) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
