/* Losses of preferences, what is told of them and their gradients: as torch has them in double
 * (scripts/golden_prefer.py). */
#include "../cmocka_all.h"
#include "../temp.h"
#include "device/isa.h"
#include "ops/prefer.h"

#include <math.h>

enum { ROWS = 6, WIDTH = 4 };
static const double count[ROWS] = { 4, 3, 2, 4, 1, 3 }, reference[ROWS] = { -4.5, -3.25, -2.75, -5, -1.5, -2.5 };
static const float tag[ROWS] = { 1, 0, 1, 1, 0, 0 };

/* Of some tens of operations in double, rounded to fp32 once or, of a gradient, three times. */
static void near(FILE *in, const float *got, int64_t n, const char *what)
{
    for (int64_t i = 0; i < n; i++) {
        double want;
        assert_int_equal(fscanf(in, "%lf", &want), 1);
        if (fabs((double)got[i] - want) > 3e-7 * fabs(want) + 1e-9)
            fail_msg("%s %d of %d is %.9g, expected %.9g", what, (int)i, (int)n, (double)got[i], want);
    }
}

static bool read_case(FILE *in, ts_prefer_op *o, int *refers)
{
    int form, averages;
    if (fscanf(in, "%d %d %lf %lf %lf %lf %lf %lf %lf %d", &form, &averages, &o->beta, &o->smoothing, &o->margin, &o->ftx,
               &o->kl, &o->weight[0], &o->weight[1], refers) != 10)
        return false;
    o->form = (ts_prefer_form)form;
    o->averages = averages;
    return true;
}

static ts_tensor *losses_of_tokens(ts_tape *tape)
{
    ts_tensor *x;
    OK(ts_tape_new(tape, TS_DTYPE_F32, ROWS * WIDTH, 0, &x));
    for (int i = 0; i < ROWS * WIDTH; i++)
        ((float *)ts_tensor_data(x))[i] = i % WIDTH < count[i / WIDTH] ? (float)(i * 7919 % 101 + 20) / 64 : 0;
    x->wants_grad = true;
    return x;
}

static void judge_case(FILE *in, ts_tape *tape, ts_prefer_op *o, bool refers)
{
    ts_tensor *x = losses_of_tokens(tape), *counts, *sums, *tags, *loss, *told[TS_PREFER_TOLD], *up;
    OK(ts_tape_upload(tape, TS_DTYPE_F64, count, ROWS, &counts));
    OK(ts_tape_upload(tape, TS_DTYPE_F64, reference, ROWS, &sums));
    OK(ts_tape_upload(tape, TS_DTYPE_F32, tag, ROWS, &tags));
    o->rows = ROWS, o->sign = -1, o->count = counts, o->reference = refers ? sums : NULL, o->tag = tags;
    OK(ts_op_prefer(tape, o, x, &loss, told));
    const int64_t n = loss->dim[0];
    near(in, ts_tensor_data(loss), n, "loss");
    for (int i = 0; i < TS_PREFER_TOLD; i++) {
        float *v = ts_tensor_data(told[i]);
        const bool is_told = o->form == TS_PREFER_KTO ? i == TS_PREFER_CHOSEN : i != TS_PREFER_ODDS_LOSS || o->form == TS_PREFER_ODDS;
        for (int64_t k = 0; !is_told && k < n; k++)
            v[k] = 0;
        near(in, v, n, "what is told,");
    }
    OK(ts_tape_new(tape, TS_DTYPE_F32, n, 0, &up));
    for (int64_t i = 0; i < n; i++)
        ((float *)ts_tensor_data(up))[i] = (float)(i + 1);
    OK(ts_tape_accumulate(tape, loss, up));
    OK(ts_tape_backward(tape));
    const float *dx = ts_tensor_data(x->grad);
    /* every token of a row has the same; the tape's earlier operator leaves out those without a label */
    for (int i = 0; i < ROWS * WIDTH; i++)
        near(in, &dx[i], 1, "gradient");
}

static void golden(void **state)
{
    (void)state;
    FILE *in = fopen("tests/golden/prefer.txt", "r");
    ts_prefer_op o = { 0 };
    ts_device *dev;
    ts_tape *tape;
    int cases = 0, refers;
    assert_non_null(in);
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 2, .isa = TS_ISA_ALL }, &dev));
    OK(ts_tape_create(dev, &(ts_tape_options){ 0 }, &tape));
    for (; read_case(in, &o, &refers); cases++) {
        tape->recording = true;
        judge_case(in, tape, &o, refers);
        ts_tape_reset(tape);
    }
    assert_int_equal(cases, 13);
    fclose(in);
    ts_tape_destroy(&tape);
    ts_device_close(&dev);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(golden) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
