/* A student's output layer against a teacher's logits: losses and gradients as torch has them
 * (scripts/golden_distill.py) and as finite differences say; nothing where both are the same. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "device/isa.h"
#include "ops/distill.h"

#include <math.h>
#include <string.h>

enum { ROWS = 5, WIDTH = 3, VOCAB = 7, AT = 2 };
static const int32_t labels[ROWS] = { 2, -1, 6, 0, 3 };

typedef struct rig {
    ts_device *dev;
    ts_tape *tape;
    ts_param_set student, teacher;
    ts_param *w, *of_teacher;
    ts_tensor *x, *loss, *hard;
} rig;

static float value(int64_t i, int seed) { return (float)((i * 7919 + seed) % 201 - 100) / 50; }

static void make_head(ts_device *dev, int seed, ts_param_set *s, ts_param **w)
{
    float v[VOCAB * WIDTH];
    OK(ts_param_set_init(s, dev));
    OK(ts_param_add(s, "w", VOCAB, WIDTH, true, w));
    OK(ts_param_set_allocate(s, TS_DTYPE_F32));
    for (int64_t i = 0; i < VOCAB * WIDTH; i++)
        v[i] = value(i, seed);
    OK(ts_param_put(*w, 0, VOCAB * WIDTH, v));
    ts_param_set_changed(s);
}

static void open_rig(rig *r, int of_teacher)
{
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 2, .isa = TS_ISA_ALL }, &r->dev));
    OK(ts_tape_create(r->dev, &(ts_tape_options){ 0 }, &r->tape));
    make_head(r->dev, 2, &r->student, &r->w);
    OK(ts_param_set_allocate_grads(&r->student));
    make_head(r->dev, of_teacher, &r->teacher, &r->of_teacher);
}

static void close_rig(rig *r)
{
    ts_tape_destroy(&r->tape);
    ts_param_set_deinit(&r->student);
    ts_param_set_deinit(&r->teacher);
    ts_device_close(&r->dev);
}

static ts_tensor *rows(ts_tape *tape, int seed)
{
    ts_tensor *t;
    OK(ts_tape_new(tape, TS_DTYPE_F32, ROWS, WIDTH, &t));
    for (int64_t i = 0; i < ROWS * WIDTH; i++)
        ((float *)ts_tensor_data(t))[i] = value(i, seed);
    return t;
}

/* Forward, and with `dx` backward: row r counts r + 1. `more` is added to the first element of row AT of x. */
static void run(rig *r, float temperature, float kl, float ce, int taught, float softcap, float more, float *dx)
{
    ts_tensor *label, *weight;
    ts_tape_reset(r->tape);
    r->x = rows(r->tape, 1);
    ((float *)ts_tensor_data(r->x))[AT * WIDTH] += more;
    r->x->wants_grad = true;
    r->tape->recording = dx != NULL;
    OK(ts_tape_upload(r->tape, TS_DTYPE_I32, labels, ROWS, &label));
    const ts_xent_op head = { .w = r->w, .vocab = VOCAB, .logit_scale = 1, .softcap = softcap, .labels = label };
    ts_distill_op o = { .student = head, .teacher = head, .temperature = temperature, .kl = kl, .ce = ce };
    o.teacher.w = r->of_teacher;
    ts_param_set_clear_grads(&r->student);
    OK(ts_op_linear_distill(r->tape, &o, r->x, rows(r->tape, taught), &r->loss, &r->hard));
    if (!dx)
        return;
    OK(ts_tape_new(r->tape, TS_DTYPE_F32, ROWS, 0, &weight));
    for (int i = 0; i < ROWS; i++)
        ((float *)ts_tensor_data(weight))[i] = (float)(i + 1);
    OK(ts_tape_accumulate(r->tape, r->loss, weight));
    OK(ts_tape_backward(r->tape));
    memcpy(dx, ts_tensor_data(r->x->grad), ROWS * WIDTH * sizeof *dx);
}

/* Of some tens of operations on numbers of this size. */
static void near(FILE *in, const float *got, int n)
{
    for (int i = 0; i < n; i++) {
        double want;
        assert_int_equal(fscanf(in, "%lf", &want), 1);
        if (fabs((double)got[i] - want) > 4e-6 * (4 + fabs(want)))
            fail_msg("number %d of %d is %.9g, expected %.9g", i, n, (double)got[i], want);
    }
}

static void golden(void **state)
{
    (void)state;
    FILE *in = fopen("tests/golden/distill.txt", "r");
    float temperature, kl, ce, dx[ROWS * WIDTH];
    int cases = 0;
    rig r;
    assert_non_null(in);
    open_rig(&r, 4);
    while (fscanf(in, "%f %f %f", &temperature, &kl, &ce) == 3) {
        run(&r, temperature, kl, ce, 3, 0, 0, dx);
        near(in, ts_tensor_data(r.loss), ROWS);
        near(in, dx, ROWS * WIDTH);
        near(in, r.w->grad, VOCAB * WIDTH);
        float hard[ROWS];
        memcpy(hard, ts_tensor_data(r.hard), sizeof hard);
        run(&r, temperature, 0, 1, 3, 0, 0, dx); /* the tokens alone */
        assert_memory_equal(hard, ts_tensor_data(r.loss), sizeof hard);
        cases++;
    }
    assert_int_equal(cases, 4);
    fclose(in);
    close_rig(&r);
}

static void same(void **state)
{
    (void)state;
    float dx[ROWS * WIDTH];
    rig r;
    open_rig(&r, 2);
    run(&r, 2, 1, 0, 1, 0, 0, dx);
    for (int i = 0; i < ROWS; i++)
        assert_true(((float *)ts_tensor_data(r.loss))[i] == 0);
    for (int i = 0; i < ROWS * WIDTH; i++)
        assert_true(dx[i] == 0);
    for (int i = 0; i < VOCAB * WIDTH; i++)
        assert_true(r.w->grad[i] == 0);
    close_rig(&r);
}

/* Through the cap of logits as well. Without a gradient the losses are there at once. */
static void differences(void **state)
{
    (void)state;
    enum { CAPS = 2 };
    const float cap[CAPS] = { 0, 3 }, step = 1.0f / 64;
    float dx[ROWS * WIDTH];
    rig r;
    open_rig(&r, 4);
    for (int i = 0; i < CAPS; i++) {
        run(&r, 2, 1, 0.5f, 3, cap[i], step, NULL);
        const double up = (double)((float *)ts_tensor_data(r.loss))[AT];
        run(&r, 2, 1, 0.5f, 3, cap[i], -step, NULL);
        const double down = (double)((float *)ts_tensor_data(r.loss))[AT];
        run(&r, 2, 1, 0.5f, 3, cap[i], 0, dx);
        /* the third derivative is of the order of one; values have some 1e-7 */
        const double got = (double)dx[AT * WIDTH] / (AT + 1);
        assert_true(fabs((up - down) / 2 * 64 - got) < 2e-3);
        assert_true(fabs(got) > 0.05);
    }
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(golden), cmocka_unit_test(same),
                                        cmocka_unit_test(differences) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
