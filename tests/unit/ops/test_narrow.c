/* Products of operands in few bits: what they multiply is what the definition says, found here by trying
 * every code; the products are those of the fp32 kernel, bit by bit. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "device/isa.h"
#include "ops/ops.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 70, OUT = 66, IN = 136 };

typedef struct rig {
    ts_device *dev;
    ts_tape *tape;
    ts_param_set params;
    ts_param *w;
    ts_narrow *n;
    ts_tensor *x, *y, *dy;
} rig;

static float value(int64_t i)
{
    const uint32_t u = (uint32_t)i * 2654435761u;
    return ((float)(u >> 8 & 0xFFFF) / 32768 - 1) * ldexpf(1, (int)(u >> 24 & 15) - 8);
}

/* ---- the definition ---- */

/* The nearest finite number of the format, of two the even code; of four bits the larger one. */
static double nearest(ts_fp8 f, double v)
{
    double best = 0, off = INFINITY;
    int at = 0;
    for (int c = 0; c < 256; c++) {
        const double x = ts_fp8_to_f32(f, (uint8_t)c), d = fabs(x - v);
        if (!isfinite(x))
            continue;
        const bool tie = d == off && x != best,
                   wins = f == TS_FP4_E2M1 ? fabs(x) > fabs(best) : !(c & 1) && at & 1;
        if (d < off || (tie && wins))
            best = x, off = d, at = c;
    }
    return best;
}

typedef struct block {
    int64_t r, rows, c, cols;
} block;

static void round_block(const ts_narrow_rule *r, const float *x, int64_t width, const block *b, double scale,
                        float *y)
{
    double amax = 0;
    for (int64_t i = b->r; i < b->r + b->rows; i++)
        for (int64_t j = b->c; j < b->c + b->cols; j++)
            amax = fmax(amax, fabs((double)x[i * width + j]));
    double factor = amax / r->largest;
    if (r->kind == TS_SCALE_POWER_UP)
        factor = exp2(ceil(log2(factor)));
    else if (r->kind == TS_SCALE_POWER_DOWN)
        factor = exp2(floor(log2(amax)) - floor(log2(r->largest)));
    const float up = (float)(scale > 0 ? scale : r->kind == TS_SCALE_F32 ? r->largest / (float)amax : 1 / factor);
    for (int64_t i = b->r; i < b->r + b->rows; i++)
        for (int64_t j = b->c; j < b->c + b->cols; j++)
            y[i * width + j] = (float)nearest(r->format, (double)(x[i * width + j] * up)) * (1 / up);
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* y: x [rows, cols] rounded; the product sums along the rows where `down`. */
static void round_all(const ts_narrow_rule *r, const float *x, int64_t rows, int64_t cols, bool down,
                      double scale, float *y)
{
    const bool whole = r->scaling != TS_SCALING_BLOCKS;
    down = down && !r->one_way;
    if (r->scaling == TS_SCALING_NONE)
        memcpy(y, x, sizeof(float) * (size_t)(rows * cols));
    if (r->scaling == TS_SCALING_NONE)
        return;
    const int64_t high = whole ? rows : down ? r->block : r->across, wide = whole ? cols : down ? r->across : r->block;
    for (int64_t i = 0; i < rows; i += high)
        for (int64_t j = 0; j < cols; j += wide)
            round_block(r, x, cols, &(block){ i, least(high, rows - i), j, least(wide, cols - j) }, scale, y);
}

/* ---- the operator ---- */

static void fill(ts_tensor *t, int64_t seed)
{
    for (int64_t i = 0; i < ts_tensor_count(t); i++)
        ((float *)ts_tensor_data(t))[i] = value(i + seed);
}

static void open_rig(rig *r, int64_t length)
{
    float w[OUT * IN];
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 2, .isa = TS_ISA_ALL }, &r->dev));
    OK(ts_tape_create(r->dev, &(ts_tape_options){ 0 }, &r->tape));
    OK(ts_param_set_init(&r->params, r->dev));
    OK(ts_param_add(&r->params, "w", OUT, IN, true, &r->w));
    OK(ts_narrow_set_create(r->dev, 1, length, &r->params.narrow));
    r->w->narrow = r->n = r->params.narrow->of;
    r->n->weight_grad = true;
    OK(ts_param_set_allocate(&r->params, TS_DTYPE_F32));
    OK(ts_param_set_allocate_grads(&r->params));
    for (int64_t i = 0; i < OUT * IN; i++)
        w[i] = value(i + 77777);
    OK(ts_param_put(r->w, 0, OUT * IN, w));
    ts_param_set_changed(&r->params);
}

static void close_rig(rig *r)
{
    ts_tape_destroy(&r->tape);
    ts_param_set_deinit(&r->params);
    ts_device_close(&r->dev);
}

/* Forward and backward, with a gradient of one half more than the result's own values. */
static void run(rig *r)
{
    ts_tape_reset(r->tape);
    OK(ts_tape_new(r->tape, TS_DTYPE_F32, ROWS, IN, &r->x));
    fill(r->x, 1);
    r->x->wants_grad = true;
    ts_param_set_clear_grads(&r->params);
    OK(ts_op_linear(r->tape, r->x, r->w, NULL, &r->y));
    OK(ts_tape_new(r->tape, TS_DTYPE_F32, ROWS, OUT, &r->dy));
    fill(r->dy, 5555);
    OK(ts_tape_accumulate(r->tape, r->y, r->dy));
}

static void product(rig *r, ts_gemm_form form, int64_t m, int64_t n, int64_t k, const float *a, const float *b,
                    const float *got)
{
    float *c = malloc((size_t)(m * n) * sizeof *c);
    const ts_gemm_args g = { .form = form, .m = m, .n = n, .k = k, .a = a, .b = b, .c = c, .ldc = n,
                             .lda = form == TS_GEMM_TN ? m : k, .ldb = form == TS_GEMM_NT ? k : n };
    ts_launch_gemm(r->dev, &g, 0, (ts_cost){ 0 });
    assert_memory_equal(c, got, (size_t)(m * n) * sizeof *c);
    free(c);
}

/* Everything that run() makes, against the definition. scales: of x, W, dy; NULL: by their own values. */
static void check(rig *r, const double *scales)
{
    float *buf = malloc(sizeof(float) * 2 * (ROWS * IN + OUT * IN + ROWS * OUT)), *x = buf,
          *w = x + ROWS * IN, *dy = w + OUT * IN, *x_down = dy + ROWS * OUT, *w_down = x_down + ROWS * IN,
          *dy_down = w_down + OUT * IN;
    const ts_narrow_rule *rule = r->n->rule;
    const double s[3] = { scales ? scales[0] : 0, scales ? scales[1] : 0, scales ? scales[2] : 0 };
    run(r);
    for (int down = 0; down < 2; down++) {
        round_all(&rule[TS_OPERAND_X], ts_tensor_data(r->x), ROWS, IN, down, s[0], down ? x_down : x);
        round_all(&rule[TS_OPERAND_W], r->w->value, OUT, IN, down, s[1], down ? w_down : w);
        round_all(&rule[TS_OPERAND_DY], ts_tensor_data(r->dy), ROWS, OUT, down, s[2], down ? dy_down : dy);
    }
    product(r, TS_GEMM_NT, ROWS, OUT, IN, x, w, ts_tensor_data(r->y));
    float *keep = malloc(sizeof(float) * (2 * ROWS * IN + ROWS * OUT)), *plain_x = keep + ROWS * IN,
          *plain_dy = plain_x + ROWS * IN;
    memcpy(plain_x, ts_tensor_data(r->x), sizeof(float) * ROWS * IN);
    memcpy(plain_dy, ts_tensor_data(r->dy), sizeof(float) * ROWS * OUT);
    ts_tensor_pin(r->x);
    OK(ts_tape_backward(r->tape));
    memcpy(keep, ts_tensor_data(r->x->grad), sizeof(float) * ROWS * IN);
    ts_tensor_unpin(r->x);
    product(r, TS_GEMM_NN, ROWS, IN, OUT, dy, w_down, keep);
    if (r->n->weight_grad)
        product(r, TS_GEMM_TN, OUT, IN, ROWS, dy_down, x_down, r->w->grad);
    else
        product(r, TS_GEMM_TN, OUT, IN, ROWS, plain_dy, plain_x, r->w->grad);
    free(keep);
    free(buf);
}

static ts_narrow_rule rule(ts_scaling s, ts_fp8 f, int64_t blocks, int64_t across, ts_scale_kind kind)
{
    return (ts_narrow_rule){ .scaling = s, .format = f, .kind = kind, .block = blocks, .across = across,
                             .largest = f == TS_FP8_HIF8 ? 15 : ts_fp8_max(f) };
}

static void recipes(void **state)
{
    (void)state;
    const ts_narrow_rule mx = rule(TS_SCALING_BLOCKS, TS_FP8_E4M3, 32, 1, TS_SCALE_POWER_UP),
                         mx5 = rule(TS_SCALING_BLOCKS, TS_FP8_E5M2, 32, 1, TS_SCALE_POWER_UP),
                         square = rule(TS_SCALING_BLOCKS, TS_FP8_E4M3, 32, 32, TS_SCALE_POWER_UP),
                         down = rule(TS_SCALING_BLOCKS, TS_FP8_E4M3, 32, 1, TS_SCALE_POWER_DOWN),
                         wide = rule(TS_SCALING_BLOCKS, TS_FP8_E4M3, 128, 1, TS_SCALE_F32),
                         wide_square = rule(TS_SCALING_BLOCKS, TS_FP8_E4M3, 128, 128, TS_SCALE_F32),
                         now = rule(TS_SCALING_NOW, TS_FP8_E4M3, 0, 0, TS_SCALE_F32),
                         now5 = rule(TS_SCALING_NOW, TS_FP8_E5M2, 0, 0, TS_SCALE_F32),
                         hif8 = rule(TS_SCALING_NOW, TS_FP8_HIF8, 0, 0, TS_SCALE_F32);
    const ts_narrow_rule all[][TS_OPERANDS] = { { mx, mx, mx5 }, { mx, square, mx }, { down, down, down },
                                                { wide, wide_square, wide }, { now, now, now5 },
                                                { hif8, hif8, hif8 } };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        rig r;
        open_rig(&r, 0);
        memcpy(r.n->rule, all[i], sizeof r.n->rule);
        check(&r, NULL);
        close_rig(&r);
    }
}

/* Training for a later quantization: the same weights forward and backward, their gradient that of operands as
 * they are. */
static void straight_through(void **state)
{
    (void)state;
    ts_narrow_rule four = rule(TS_SCALING_BLOCKS, TS_FP4_E2M1, 32, 1, TS_SCALE_POWER_DOWN),
                   eight = rule(TS_SCALING_BLOCKS, TS_FP8_E4M3, 32, 1, TS_SCALE_POWER_UP);
    four.one_way = eight.one_way = true;
    const ts_narrow_rule none = { 0 }, all[][TS_OPERANDS] = { { none, four, none }, { none, eight, none },
                                                              { four, four, none } };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        rig r;
        open_rig(&r, 0);
        memcpy(r.n->rule, all[i], sizeof r.n->rule);
        r.n->weight_grad = false;
        check(&r, NULL);
        close_rig(&r);
    }
}

/* Scales are 1, then those of the largest values of steps before: all that are remembered, or the last. */
static void delayed(void **state)
{
    (void)state;
    rig r;
    open_rig(&r, 2);
    for (int o = 0; o < TS_OPERANDS; o++)
        r.n->rule[o] = rule(TS_SCALING_DELAYED, TS_FP8_E4M3, 0, 0, TS_SCALE_F32);
    check(&r, (const double[]){ 1, 1, 1 });
    double amax[3] = { 0 };
    const float *at[] = { ts_tensor_data(r.x), r.w->value, NULL };
    for (int64_t i = 0; i < OUT * IN; i++)
        amax[1] = fmax(amax[1], fabs((double)at[1][i]));
    assert_true(r.n->amax[TS_OPERAND_W] == (float)amax[1]);
    assert_true(r.n->amax[TS_OPERAND_X] > 0 && r.n->amax[TS_OPERAND_DY] > 0);
    const float first[] = { r.n->amax[0], r.n->amax[1], r.n->amax[2] };
    ts_narrow_set_advance(r.params.narrow, first);
    assert_true(r.n->amax[0] == 0 && r.n->scale[1] == 448 / first[1]);
    check(&r, (const double[]){ 448 / first[0], 448 / first[1], 448 / first[2] });
    /* half as large: what is remembered still counts; what is no number does not */
    ts_narrow_set_advance(r.params.narrow, (const float[]){ first[0] / 2, NAN, INFINITY });
    assert_true(r.n->scale[0] == 448 / first[0] && r.n->scale[1] == 448 / first[1]);
    ts_narrow_set_advance(r.params.narrow, (const float[]){ first[0] / 4, first[1], first[2] });
    assert_true(r.n->scale[0] == 448 / (first[0] / 2));
    r.params.narrow->most_recent = true, r.params.narrow->margin = 3;
    ts_narrow_set_advance(r.params.narrow, (const float[]){ first[0] / 8, 0, first[2] });
    assert_true(r.n->scale[0] == 56 / (first[0] / 8) && r.n->scale[1] == 448 / first[1]);
    close_rig(&r);
}

/* Codes of a weight are made once while it is the same; every use after the first is of those. */
static void kept(void **state)
{
    (void)state;
    rig r;
    open_rig(&r, 0);
    for (int o = 0; o < TS_OPERANDS; o++)
        r.n->rule[o] = rule(TS_SCALING_BLOCKS, TS_FP8_E4M3, 32, 1, TS_SCALE_POWER_UP);
    r.n->keeps = true;
    for (int i = 0; i < 3; i++)
        check(&r, NULL);
    assert_int_equal(r.n->used, 6); /* forward and backward */
    assert_int_equal(r.n->made, 2); /* along the columns, along the rows */
    assert_int_equal(r.n->copy[0].codes->bytes + r.n->copy[0].factors->bytes, OUT * IN + OUT * ((IN + 31) / 32));
    ((float *)r.w->value)[5] *= 3;
    ts_param_set_trained(&r.params);
    check(&r, NULL);
    assert_int_equal(r.n->made, 4);
    close_rig(&r);
}

/* What is not finite is not to look like a large number. */
static void not_finite(void **state)
{
    (void)state;
    const ts_narrow_rule all[] = { rule(TS_SCALING_BLOCKS, TS_FP8_E4M3, 32, 1, TS_SCALE_POWER_UP),
                                   rule(TS_SCALING_NOW, TS_FP8_E4M3, 0, 0, TS_SCALE_F32),
                                   rule(TS_SCALING_DELAYED, TS_FP8_E4M3, 0, 0, TS_SCALE_F32) };
    for (int i = 0; i < 3; i++) {
        rig r;
        open_rig(&r, i == 2);
        for (int o = 0; o < TS_OPERANDS; o++)
            r.n->rule[o] = all[i];
        ((float *)r.w->value)[3 * IN + 7] = INFINITY;
        run(&r);
        assert_true(isnan(((float *)ts_tensor_data(r.y))[3]));
        assert_int_equal(isnan(((float *)ts_tensor_data(r.y))[4]) != 0, i == 1);
        close_rig(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(recipes), cmocka_unit_test(straight_through),
                                        cmocka_unit_test(delayed),
                                        cmocka_unit_test(kept), cmocka_unit_test(not_finite) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
