/* Products of few bits that are compared while they are made: a device that makes one element wrong, of codes, of
 * rounded values, of any of the three products, is found and the element named; one that makes none is not. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "device/isa.h"
#include "ops/judge.h"
#include "ops/ops.h"

#include <math.h>
#include <string.h>

enum { ROWS = 24, OUT = 20, IN = 64 };

/* ---- a device with a fault ---- */

static void (*true_launch)(ts_device *d, ts_kernel k, const void *args, int64_t n, ts_cost cost);
static struct fault {
    ts_kernel kernel;
    ts_gemm_form form; /* of gemm */
    bool is_on;
} fault;

/* The element [2, 3], by about a hundredth, or one code. */
static void launch(ts_device *d, ts_kernel k, const void *args, int64_t n, ts_cost cost)
{
    true_launch(d, k, args, n, cost);
    if (!fault.is_on || k != fault.kernel)
        return;
    if (k == TS_KERNEL_gemm) {
        const ts_gemm_args *a = args;
        float *c = (float *)a->c + 2 * a->ldc + 3;
        if (a->form == fault.form)
            *c += 0.01f * (1 + fabsf(*c));
    } else {
        const ts_narrow_args *a = args;
        if (k == TS_KERNEL_narrow)
            a->codes[2 * a->cols + 3] ^= 1;
        else
            ((float *)a->y)[2 * a->ld + 3] += 1e-3f;
    }
}

/* ---- a product ---- */

typedef struct rig {
    ts_device *dev;
    ts_tape *tape;
    ts_param_set params;
    ts_param *w;
    ts_judge *judge;
    float y[ROWS * OUT];
} rig;

static float value(int64_t i)
{
    const uint32_t u = (uint32_t)i * 2654435761u;
    return (float)(u >> 8 & 0xFFFF) / 32768 - 1;
}

static void open_rig(rig *r, bool portable, bool wide, float scale)
{
    float w[OUT * IN];
    *r = (rig){ 0 };
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1, .isa = TS_ISA_ALL }, &r->dev));
    true_launch = r->dev->launch;
    r->dev->launch = launch;
    OK(ts_tape_create(r->dev, &(ts_tape_options){ 0 }, &r->tape));
    OK(ts_param_set_init(&r->params, r->dev));
    OK(ts_param_add(&r->params, "layer.weight", OUT, IN, true, &r->w));
    OK(ts_narrow_set_create(r->dev, 1, 0, &r->params.narrow));
    ts_narrow *n = r->w->narrow = r->params.narrow->of;
    for (int i = 0; i < TS_OPERANDS; i++)
        n->rule[i] = (ts_narrow_rule){ .scaling = TS_SCALING_BLOCKS, .format = TS_FP8_E4M3, .kind = TS_SCALE_F32,
                                       .largest = 448 * scale, .block = 32, .across = 1 };
    n->dtype = TS_DTYPE_F32;
    n->weight_grad = true;
    OK(ts_param_set_allocate(&r->params, TS_DTYPE_F32));
    OK(ts_param_set_allocate_grads(&r->params));
    for (int64_t i = 0; i < OUT * IN; i++)
        w[i] = value(i + 7777);
    OK(ts_param_put(r->w, 0, OUT * IN, w));
    ts_param_set_changed(&r->params);
    if (portable || wide)
        OK(ts_judge_create(portable, wide, &r->judge));
    r->params.narrow->judge = r->judge;
}

static void close_rig(rig *r)
{
    ts_judge_destroy(&r->judge);
    ts_tape_destroy(&r->tape);
    ts_param_set_deinit(&r->params);
    ts_device_close(&r->dev);
}

static ts_status go(rig *r)
{
    ts_tensor *x, *y, *dy;
    ts_tape_reset(r->tape);
    r->tape->recording = true;
    TS_TRY(ts_tape_new(r->tape, TS_DTYPE_F32, ROWS, IN, &x));
    for (int64_t i = 0; i < ROWS * IN; i++)
        ((float *)ts_tensor_data(x))[i] = value(i);
    x->wants_grad = true;
    TS_TRY(ts_op_linear(r->tape, x, r->w, NULL, &y));
    memcpy(r->y, ts_tensor_data(y), sizeof r->y);
    TS_TRY(ts_tape_new(r->tape, TS_DTYPE_F32, ROWS, OUT, &dy));
    for (int64_t i = 0; i < ROWS * OUT; i++)
        ((float *)ts_tensor_data(dy))[i] = value(i + 333);
    TS_TRY(ts_tape_accumulate(r->tape, y, dy));
    TS_TRY(ts_tape_backward(r->tape));
    return ts_tape_run_weights(r->tape);
}

/* ---- tests ---- */

/* Nothing is wrong; what is computed is as if nobody looked, and of what was compared a line is told, once. */
static void right(void **state)
{
    (void)state;
    rig alone, watched;
    ts_str line = { 0 };
    fault.is_on = false;
    open_rig(&alone, false, false, 1);
    open_rig(&watched, true, true, 1);
    OK(go(&alone));
    OK(go(&watched));
    OK(go(&watched)); /* gradients add up */
    assert_memory_equal(alone.y, watched.y, sizeof alone.y);
    assert_int_equal(watched.judge->products, 6);
    assert_int_equal(watched.judge->casts, 12);
    /* of each of two operands with three bits at most a sixteenth */
    const double *worst = watched.judge->worst;
    if (!(worst[0] < 1e-5 && worst[1] > 0.01 && worst[1] < 0.125))
        fail_msg("beside portable kernels %g, beside bf16 %g", worst[0], worst[1]);
    OK(ts_judge_tell(watched.judge, &line));
    if (strncmp(line.s, "6 products of few bits, 12 casts the same; beside the portable kernels at most ", 79) ||
        !strstr(line.s, "(layer.weight, ") || !strstr(line.s, "; beside bf16 at most 0.0"))
        fail_msg("%s", line.s);
    ts_str_reset(&line);
    OK(ts_judge_tell(watched.judge, &line));
    assert_int_equal(line.len, 0);
    ts_str_deinit(&line);
    close_rig(&alone);
    close_rig(&watched);
}

static void found(struct fault f, const char *says)
{
    rig r;
    fault = f;
    fault.is_on = true;
    open_rig(&r, true, false, 1);
    REFUSED(go(&r), TS_ERR_RUN, "--te-comparison-with-cpu: layer.weight");
    if (!strstr(ts_error_message(), says))
        fail_msg("no \"%s\" in: %s", says, ts_error_message());
    fault.is_on = false;
    close_rig(&r);
}

static void faults(void **state)
{
    (void)state;
    found((struct fault){ .kernel = TS_KERNEL_gemm, .form = TS_GEMM_NT }, "forward: element [2, 3] is");
    found((struct fault){ .kernel = TS_KERNEL_gemm, .form = TS_GEMM_NN }, "input gradient: element [2, 3] is");
    found((struct fault){ .kernel = TS_KERNEL_gemm, .form = TS_GEMM_TN }, "weight gradient: element [2, 3] is");
    found((struct fault){ .kernel = TS_KERNEL_narrow }, "codes of operand x differ");
    found((struct fault){ .kernel = TS_KERNEL_narrow }, "first at [2, 3]");
    found((struct fault){ .kernel = TS_KERNEL_widen }, "rounded values of operand x differ");
}

/* A scale with which nearly all is rounded to zero: rounded as it should be, and of no use. */
static void of_no_use(void **state)
{
    (void)state;
    rig r;
    fault.is_on = false;
    open_rig(&r, true, false, 1e-6f);
    OK(go(&r));
    close_rig(&r);
    open_rig(&r, false, true, 1e-6f);
    REFUSED(go(&r), TS_ERR_RUN, "--te-comparison-with-bf16: layer.weight, forward: the product of few bits is as far");
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(right), cmocka_unit_test(faults), cmocka_unit_test(of_no_use) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
