/* Rows of new tokens: the values that each way of making them says, those that files have to the bit. */
#include "model/new_rows.h"

#include "../cmocka_all.h"

#include <math.h>
#include <string.h>

#define OK(call) assert_int_equal(call, TS_OK)
#define FOLDER "tests/golden/families/llama"

enum { MORE = 400 };

/* The folder's embedding, as it is and with rows for MORE ids made so. */
typedef struct table {
    int64_t rows, cols;
    float *was, *is; /* [rows, cols], [rows + MORE, cols] */
} table;

static void read_all(const ts_st_tensor *t, float **out)
{
    OK(ts_alloc(out, (size_t)t->elements, sizeof **out));
    OK(ts_st_read_f32(t, 0, t->elements, *out));
}

static table grown(const char *name, ts_new_rows_want *w)
{
    const ts_family *f;
    ts_arch a;
    json_t *config;
    ts_st_dir *dir;
    ts_new_rows *rows = NULL;
    table t;
    ts_arch_init(&a);
    OK(ts_family_read_folder(FOLDER, &f, &a, &config));
    OK(ts_st_dir_open(FOLDER, NULL, &dir));
    t.rows = a.vocab, t.cols = a.hidden;
    read_all(ts_st_dir_find(dir, name), &t.was);
    w->ids = a.vocab + MORE;
    OK(ts_new_rows_put(w, f, FOLDER, true, &a, config, dir, &rows));
    assert_int_equal(a.vocab, t.rows + MORE);
    assert_int_equal(json_integer_value(json_object_get(config, "vocab_size")), a.vocab);
    assert_int_equal(ts_st_dir_find(dir, name)->shape[0], a.vocab);
    read_all(ts_st_dir_find(dir, name), &t.is);
    ts_st_dir_destroy(&dir);
    ts_new_rows_destroy(&rows);
    json_decref(config);
    ts_arch_deinit(&a);
    return t;
}

static void end(table *t)
{
    ts_free(&t->was);
    ts_free(&t->is);
}

/* Mean and variance of a column of rows [from, to). */
static void moments(const float *x, int64_t cols, int64_t c, int64_t from, int64_t to, double *mean, double *variance)
{
    double sum = 0, square = 0;
    for (int64_t r = from; r < to; r++)
        sum += (double)x[r * cols + c];
    *mean = sum / (double)(to - from);
    for (int64_t r = from; r < to; r++)
        square += pow((double)x[r * cols + c] - *mean, 2);
    *variance = square / (double)(to - from);
}

/* New rows are spread around the mean: their mean within five of its own deviations, their variance within five of its
 * (2 / MORE of it, squared), and what fp32 rounds: 2^-24 of the value. */
static void assert_spread(const table *t, double variance_of(const table *t, double variance))
{
    assert_memory_equal(t->is, t->was, (size_t)(t->rows * t->cols) * sizeof *t->is);
    for (int64_t c = 0; c < t->cols; c++) {
        double mean, variance, new_mean, new_variance;
        moments(t->was, t->cols, c, 0, t->rows, &mean, &variance);
        moments(t->is, t->cols, c, t->rows, t->rows + MORE, &new_mean, &new_variance);
        const double want = variance_of(t, variance), rounding = pow(fabs(mean) * 0x1p-23, 2);
        assert_true(fabs(new_mean - mean) <= 5 * sqrt(want / MORE) + fabs(mean) * 0x1p-23);
        assert_true(fabs(new_variance - want) <= 5 * sqrt(2.0 / MORE) * want + rounding);
    }
}

static double of_rows(const table *t, double variance) { return (void)t, 1e-9 * variance; }
static double of_noise(const table *t, double variance) { return (void)variance, 1.0 / (double)t->cols; }
static double none(const table *t, double variance) { return (void)t, 0 * variance; }

static void test_ways(void **state)
{
    static const struct {
        ts_new_rows_init init;
        double (*variance)(const table *t, double variance);
    } ways[] = { { TS_NEW_ROWS_NORMAL, of_rows }, { TS_NEW_ROWS_MEAN, none }, { TS_NEW_ROWS_NOISE, of_noise } };
    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        ts_new_rows_want w = { .multiple = 1, .from = -1, .init = ways[i].init, .seed = 3 };
        table t = grown("model.embed_tokens.weight", &w), again = grown("model.embed_tokens.weight", &w);
        assert_spread(&t, ways[i].variance);
        assert_memory_equal(t.is, again.is, (size_t)((t.rows + MORE) * t.cols) * sizeof *t.is);
        end(&t);
        end(&again);
    }
}

/* The covariance is that of the rows, not only its diagonal. */
static void test_covariance(void **state)
{
    ts_new_rows_want w = { .multiple = 1, .from = -1, .init = TS_NEW_ROWS_NORMAL, .seed = 4 };
    (void)state;
    table t = grown("model.embed_tokens.weight", &w);
    double sum = 0, square = 0;
    for (int64_t a = 0; a < t.cols; a++)
        for (int64_t b = 0; b < a; b++) {
            double cov = 0, new_cov = 0, m[4], v[4];
            moments(t.was, t.cols, a, 0, t.rows, &m[0], &v[0]), moments(t.was, t.cols, b, 0, t.rows, &m[1], &v[1]);
            moments(t.is, t.cols, a, t.rows, t.rows + MORE, &m[2], &v[2]);
            moments(t.is, t.cols, b, t.rows, t.rows + MORE, &m[3], &v[3]);
            for (int64_t r = 0; r < t.rows; r++)
                cov += ((double)t.was[r * t.cols + a] - m[0]) * ((double)t.was[r * t.cols + b] - m[1]) / (double)t.rows;
            for (int64_t r = t.rows; r < t.rows + MORE; r++)
                new_cov += ((double)t.is[r * t.cols + a] - m[2]) * ((double)t.is[r * t.cols + b] - m[3]) / MORE;
            /* the regression of the new ones on the old */
            sum += cov * new_cov * 1e9;
            square += cov * cov;
        }
    assert_true(fabs(sum / square - 1) < 0.25);
    end(&t);
}

static void test_description(void **state)
{
    int32_t words[] = { 5, 9, 70, 9 };
    ts_new_rows_want w = { .multiple = 1, .from = -1, .init = TS_NEW_ROWS_DESCRIPTION };
    ts_ids *of_id;
    (void)state;
    OK(ts_alloc(&of_id, 4096, sizeof *of_id));
    table plain = grown("model.embed_tokens.weight", &(ts_new_rows_want){ .multiple = 1, .from = -1, .init = TS_NEW_ROWS_MEAN });
    of_id[plain.rows + 1] = (ts_ids){ words, 4, 4 };
    w.words = of_id;
    table t = grown("model.embed_tokens.weight", &w);
    for (int64_t c = 0; c < t.cols; c++) {
        double mean = 0, size = 0;
        for (int i = 0; i < 4; i++) {
            mean += (double)t.was[words[i] * t.cols + c] / 4;
            size += fabs((double)t.was[words[i] * t.cols + c]) / 4;
        }
        /* four quotients and sums, each rounded */
        assert_true(fabs((double)t.is[(t.rows + 1) * t.cols + c] - mean) <= 8 * 0x1p-24 * size);
        assert_true(t.is[(t.rows + 2) * t.cols + c] == plain.is[(t.rows + 2) * t.cols + c]);
    }
    end(&plain);
    end(&t);
    ts_free(&of_id);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_ways), cmocka_unit_test(test_covariance),
                                        cmocka_unit_test(test_description) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
