/* APOLLO step by step beside the paper's formulas in double, with the projection that the random numbers of the
 * header give; what it keeps. */
#include "../cmocka_all.h"
#include "device/isa.h"
#include "train/optimizer.h"
#include "words.h"

#include <math.h>

enum { MOST = 9, STEPS = 5, RANK = 3 };

static double made_up(int i, int t) { return (double)((i * 37 + t * 101 + (i * i) % 13) % 199) / 199 - 0.5; }

typedef struct bench {
    words w;
    ts_device *dev;
    ts_param_set set;
    ts_param *p, *table;
    ts_optimizer z;
    int rows, cols;
    double value[MOST * MOST], m[RANK * MOST], v[RANK * MOST], last;
} bench;

static void bench_make(bench *b, const char *text, int rows, int cols)
{
    *b = (bench){ .rows = rows, .cols = cols };
    words_parse(&b->w, text);
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 2, .isa = TS_ISA_ALL }, &b->dev));
    OK(ts_param_set_init(&b->set, b->dev));
    OK(ts_param_add(&b->set, "table", 7, cols, true, &b->table));
    b->table->is_table = true;
    OK(ts_param_add(&b->set, "mlp.weight", rows, cols, true, &b->p));
    const ts_option_list l = ts_train_whole_words(&b->w.o);
    ts_param_set_step_whole(&b->set, l.v, l.n);
    OK(ts_param_set_allocate(&b->set, TS_DTYPE_F32));
    OK(ts_param_set_allocate_grads(&b->set));
    for (int i = 0; i < rows * cols; i++)
        b->value[i] = (double)(((float *)b->p->value)[i] = (float)made_up(i, 0));
    OK(ts_optimizer_init(&b->z, &b->w.o, &b->set, NULL));
}

static void bench_free(bench *b)
{
    ts_optimizer_deinit(&b->z);
    ts_param_set_deinit(&b->set);
    ts_device_close(&b->dev);
    words_free(&b->w);
}

static double size_of(const double *x, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}

/* r [RANK, channels], whichever side the kernels keep: channel c's numbers are r[k][c]. */
static void expect(bench *b, const double *g, int t, double lr)
{
    const ts_train_options *o = &b->w.o;
    const bool right = o->matrix.apollo_side == TS_APOLLO_STD ? b->rows >= b->cols : o->matrix.apollo_side == TS_APOLLO_RIGHT;
    const int channels = right ? b->rows : b->cols, others = right ? b->cols : b->rows, n = b->rows * b->cols;
    float proj[RANK * MOST];
    double r[RANK * MOST], x[RANK * MOST], scaled[MOST * MOST], above = 0, below = 0;
    const ts_rng rng = ts_rng_stream((uint64_t)o->seed, TS_RNG_PROJECTION,
                                     (uint64_t)((t - 1) / o->matrix.apollo_interval), (uint32_t)b->p->id);
    ts_rng_normal(&rng, 0, RANK * others, (float)(1 / sqrt(RANK)), proj);
    for (int k = 0; k < RANK; k++)
        for (int c = 0; c < channels; c++) {
            const int i = k * channels + c;
            r[i] = 0;
            for (int j = 0; j < others; j++)
                r[i] += (double)proj[k * others + j] * g[right ? c * b->cols + j : j * b->cols + c];
            b->m[i] = o->adam_beta1 * b->m[i] + (1 - o->adam_beta1) * r[i];
            b->v[i] = o->adam_beta2 * b->v[i] + (1 - o->adam_beta2) * r[i] * r[i];
            x[i] = b->m[i] / (sqrt(b->v[i]) + o->adam_eps);
            above += x[i] * x[i], below += r[i] * r[i];
        }
    for (int i = 0; i < n; i++) {
        const int c = right ? i / b->cols : i % b->cols;
        double xx = 0, rr = 0;
        for (int k = 0; k < RANK; k++)
            xx += x[k * channels + c] * x[k * channels + c], rr += r[k * channels + c] * r[k * channels + c];
        const double by = o->matrix.apollo_scale_type == TS_APOLLO_CHANNEL ? sqrt(xx) / (sqrt(rr) + 1e-8)
                                                                            : sqrt(above) / (sqrt(below) + 1e-8);
        scaled[i] = g[i] * by * sqrt(o->matrix.apollo_scale);
    }
    const double size = size_of(scaled, n), by = b->last > 0 && size > 1.01 * b->last ? 1.01 * b->last / size : 1;
    b->last = size * by;
    const double step = lr * sqrt(1 - pow(o->adam_beta2, t)) / (1 - pow(o->adam_beta1, t)) * by;
    for (int i = 0; i < n; i++)
        b->value[i] = b->value[i] * (1 - lr * o->weight_decay) - step * scaled[i];
}

/* Factors are ratios of sums of RANK products, each wrong by some 2^-22 of their terms; a projection that nearly
 * loses a channel makes that larger, 2^-16 is far above it. */
static void run(const char *text, int rows, int cols)
{
    bench b;
    bench_make(&b, text, rows, cols);
    for (int t = 1; t <= STEPS; t++) {
        double g[MOST * MOST];
        for (int i = 0; i < rows * cols; i++) {
            b.p->grad[i] = (float)made_up(i, t) * 4 * (float)t;
            g[i] = (double)b.p->grad[i] * 0.25;
        }
        expect(&b, g, t, 0.01);
        OK(ts_optimizer_step(&b.z, b.set.grads->data, 0.01, 0.25));
        for (int i = 0; i < rows * cols; i++) {
            const double got = (double)((float *)b.p->value)[i];
            if (!(fabs(got - b.value[i]) <= t * 0x1p-16))
                fail_msg("%s: step %d, [%d]: %.9g, expected %.9g", text, t, i, got, b.value[i]);
        }
    }
    bench_free(&b);
}

static void follows_double(void **state)
{
    (void)state;
    run("--use-apollo --apollo-rank 3 --weight-decay 0.1", 5, 9);
    run("--use-apollo --apollo-rank 3 --apollo-update-interval 2 --apollo-scale 4", 9, 5);
    run("--use-apollo --apollo-rank 3 --apollo-scale-type tensor --apollo-proj-type right", 5, 8);
    run("--use-apollo --apollo-rank 3 --apollo-proj-type left --adam-beta2 0.9", 7, 7);
}

/* The moments of RANK numbers for each of the longer side; those of what no word names are AdamW's. */
static void keeps_little(void **state)
{
    (void)state;
    bench b;
    bench_make(&b, "--use-apollo --apollo-rank 3", 5, 9);
    assert_int_equal(b.z.lowrank.state->bytes, (2 * 3 * 9 + 1 + 9) * sizeof(float)); /* in whole 16 */
    assert_int_equal(b.z.m->bytes, 64 * sizeof(float)); /* the table's 63 */
    bench_free(&b);
    bench_make(&b, "--use-apollo --apollo-rank 3 --apollo-target proj", 5, 9);
    assert_false(b.p->steps_whole);
    assert_int_equal(b.z.m->bytes, 128 * sizeof(float));
    bench_free(&b);
    bench_make(&b, "--use-apollo --apollo-target all", 5, 9);
    assert_true(b.p->steps_whole);
    bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(follows_double), cmocka_unit_test(keeps_little) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
