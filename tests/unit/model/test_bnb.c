/* NF4 against what bitsandbytes made of the same matrices (scripts/golden_nf4.py), and its other forms. */
#include "../cmocka_all.h"
#include "model/weights_bnb.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OK(call) do { if ((call) != TS_OK) fail_msg("%s", ts_error_message()); } while (0)

static const char folder[] = "tests/golden/nf4/";

static ts_st_dir *open_file(const char *name)
{
    char path[256];
    ts_st_dir *d = NULL;
    snprintf(path, sizeof path, "%s%s", folder, name);
    OK(ts_st_dir_open(path, NULL, &d));
    return d;
}

static const ts_st_tensor *part(const ts_st_dir *d, const char *name, const char *end)
{
    char full[256];
    snprintf(full, sizeof full, "%s%s", name, end);
    const ts_st_tensor *t = ts_st_dir_find(d, full);
    if (!t)
        fail_msg("%s is missing", full);
    return t;
}

static double offset_of(const ts_st_dir *d, const ts_st_tensor *t)
{
    ts_bnb b;
    OK(ts_bnb_find(d, part(d, t->name, ""), t->shape[0], t->shape[1], &b));
    return (double)b.offset;
}

/* Codes are equal; the offset may miss its last bit, since sums have their order, and then a code that lies between two. */
static void check_made(const ts_st_dir *want, const ts_st_tensor *t)
{
    const ts_st_tensor *codes = part(want, t->name, ""), *most = part(want, t->name, ".absmax"),
                       *nested = part(want, t->name, ".nested_absmax");
    ts_nf4_scales s;
    float *values = malloc((size_t)t->elements * sizeof *values), v;
    uint8_t *code = malloc((size_t)t->elements);
    int64_t off = 0;
    OK(ts_nf4_scales_make(t, &s));
    OK(ts_nf4_codes(t, &s, 0, t->elements, values, code));
    for (int64_t i = 0; i < t->elements; i++) {
        const uint8_t two = ((const uint8_t *)codes->data)[i / 2];
        if (code[i] != (i % 2 ? two & 15 : two >> 4))
            fail_msg("%s: code %d of value %lld", t->name, code[i], (long long)i);
    }
    const double d = offset_of(want, t);
    assert_true(fabs((double)s.offset - d) <= 1.2e-7 * fabs(d));
    assert_int_equal(most->elements, s.blocks);
    for (int64_t i = 0; i < s.blocks; i++) {
        const int miss = abs(s.code[i] - ((const uint8_t *)most->data)[i]);
        assert_true(miss <= ((double)s.offset != d));
        off += miss;
    }
    assert_true(off <= 1 + s.blocks / 100);
    for (int64_t i = 0; i < nested->elements; i++) {
        OK(ts_st_read_f32(nested, i, 1, &v));
        assert_true(fabsf(v - s.nested[i]) <= 2.4e-7f * fabsf(s.offset));
    }
    ts_nf4_scales_deinit(&s);
    free(values);
    free(code);
}

static void makes_what_it_makes(void **state)
{
    ts_st_dir *values = open_file("values.safetensors"), *want = open_file("quantised.safetensors");
    (void)state;
    assert_true(ts_st_dir_count(values) >= 8);
    for (int64_t i = 0; i < ts_st_dir_count(values); i++)
        check_made(want, ts_st_dir_at(values, i));
    ts_st_dir_destroy(&values);
    ts_st_dir_destroy(&want);
}

static void reads_what_it_reads(void **state)
{
    ts_st_dir *d = open_file("quantised.safetensors");
    int n = 0;
    (void)state;
    for (int64_t i = 0; i < ts_st_dir_count(d); i++) {
        const ts_st_tensor *want = ts_st_dir_at(d, i);
        float row[256], v[256];
        ts_bnb b;
        if (strncmp(want->name, "values.", 7))
            continue;
        const ts_st_tensor *t = part(d, want->name + 7, "");
        assert_true(ts_bnb_is(d, t));
        OK(ts_bnb_find(d, t, want->shape[0], want->shape[1], &b));
        assert_int_equal(b.is_nf4, strncmp(t->name, "fp4", 3) && strncmp(t->name, "plain", 5) && strncmp(t->name, "wide", 4));
        for (int64_t r = 0; r < b.rows; r++) {
            ts_bnb_row(&b, r, row);
            OK(ts_st_read_rows_f32(want, r, r + 1, v));
            for (int64_t c = 0; c < b.cols; c++)
                if (row[c] != v[c])
                    fail_msg("%s: %a in row %lld, column %lld, expected %a", t->name, (double)row[c], (long long)r, (long long)c,
                             (double)v[c]);
        }
        n++;
    }
    assert_int_equal(n, 11);
    ts_st_dir_destroy(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(makes_what_it_makes), cmocka_unit_test(reads_what_it_reads) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
