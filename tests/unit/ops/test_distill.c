/* A student's output layer against a teacher's logits, or against what is kept of them: losses and gradients as torch has
 * them (scripts/golden_distill.py) and as finite differences say; nothing where both are the same; the same bits with the
 * rows that count alone. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "device/isa.h"
#include "ops/distill.h"

#include <math.h>
#include <string.h>

enum { ROWS = 5, WIDTH = 3, VOCAB = 7, AT = 2 };
static const int32_t labels[ROWS] = { 2, -1, 6, 0, 3 };

typedef struct how {
    float temperature, kl, ce, beta, softcap;
    int k;        /* of the teacher so many tokens are kept; 0: it is there */
    int taught;   /* what it gives */
    bool chooses; /* rows without a label are left out */
} how;

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

static ts_tensor *ints(ts_tape *tape, const int32_t *v, int64_t n)
{
    ts_tensor *t;
    OK(ts_tape_upload(tape, TS_DTYPE_I32, v, n, &t));
    return t;
}

static void choose(ts_tape *tape, ts_chosen_rows *c)
{
    int32_t at[ROWS], back[ROWS], few[ROWS];
    c->n = ts_choose_rows(labels, ROWS, at, back, few);
    c->at = ints(tape, at, c->n);
    c->back = ints(tape, back, ROWS);
    c->labels = ints(tape, few, c->n);
}

/* Forward, and with `dx` backward: row r counts r + 1. `more` is added to the first element of row AT of x. */
static void run(rig *r, const how *h, float more, float *dx)
{
    ts_tensor *weight, *taught;
    ts_chosen_rows chosen;
    ts_tape_reset(r->tape);
    r->x = rows(r->tape, 1);
    taught = rows(r->tape, h->taught);
    ((float *)ts_tensor_data(r->x))[AT * WIDTH] += more;
    r->x->wants_grad = true;
    ts_xent_op head = { .w = r->w, .vocab = VOCAB, .logit_scale = 1, .softcap = h->softcap,
                        .labels = ints(r->tape, labels, ROWS) };
    choose(r->tape, &chosen);
    if (h->chooses)
        head.chosen = &chosen;
    ts_distill_op o = { .student = head, .teacher = head, .temperature = h->temperature, .kl = h->kl, .ce = h->ce,
                        .beta = h->beta };
    o.teacher.w = r->of_teacher;
    r->tape->recording = false;
    if (h->k)
        OK(ts_op_tops(r->tape, &o.teacher, h->temperature, h->k, taught, &o.kept));
    r->tape->recording = dx != NULL;
    ts_param_set_clear_grads(&r->student);
    OK(ts_op_linear_distill(r->tape, &o, r->x, h->k ? NULL : taught, &r->loss, &r->hard));
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

static void check_case(rig *r, FILE *in, const how *h)
{
    float dx[ROWS * WIDTH], hard[ROWS], loss[ROWS], w[VOCAB * WIDTH];
    how other = *h;
    run(r, h, 0, dx);
    near(in, ts_tensor_data(r->loss), ROWS);
    near(in, dx, ROWS * WIDTH);
    near(in, r->w->grad, VOCAB * WIDTH);
    memcpy(hard, ts_tensor_data(r->hard), sizeof hard);
    memcpy(loss, ts_tensor_data(r->loss), sizeof loss);
    memcpy(w, r->w->grad, sizeof w);
    other.chooses = true;
    float few[ROWS * WIDTH];
    run(r, &other, 0, few);
    assert_memory_equal(loss, ts_tensor_data(r->loss), sizeof loss);
    assert_memory_equal(hard, ts_tensor_data(r->hard), sizeof hard);
    for (int i = 0; i < ROWS * WIDTH; i++) /* a row that is left out has the other zero */
        assert_true(dx[i] == few[i]);
    for (int i = 0; i < VOCAB * WIDTH; i++)
        assert_float_equal(w[i], r->w->grad[i], 1e-5);
    other.kl = 0, other.ce = 1; /* the tokens alone */
    run(r, &other, 0, dx);
    assert_memory_equal(hard, ts_tensor_data(r->loss), sizeof hard);
}

static void golden(void **state)
{
    (void)state;
    FILE *in = fopen("tests/golden/distill.txt", "r");
    how h = { .taught = 3 };
    int cases = 0;
    rig r;
    assert_non_null(in);
    open_rig(&r, 4);
    for (; fscanf(in, "%f %f %f %f %d", &h.temperature, &h.kl, &h.ce, &h.beta, &h.k) == 5; cases++)
        check_case(&r, in, &h);
    assert_int_equal(cases, 10);
    fclose(in);
    close_rig(&r);
}

/* Exactly without a beta; between, what is summed has a term of each sign for each token. */
static void same(void **state)
{
    (void)state;
    static const how ways[] = { { .temperature = 2, .kl = 1, .taught = 1 },
                                { .temperature = 2, .kl = 1, .taught = 1, .beta = 1 },
                                { .temperature = 1, .kl = 1, .taught = 1, .beta = 0.5f },
                                { .temperature = 2, .kl = 1, .taught = 1, .k = 2 } };
    float dx[ROWS * WIDTH];
    rig r;
    open_rig(&r, 2);
    for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
        const float most = k ? 1e-6f : 0;
        run(&r, &ways[k], 0, dx);
        for (int i = 0; i < ROWS; i++)
            assert_true(fabsf(((float *)ts_tensor_data(r.loss))[i]) <= most);
        for (int i = 0; i < ROWS * WIDTH; i++)
            assert_true(fabsf(dx[i]) <= 10 * most);
        for (int i = 0; i < VOCAB * WIDTH; i++)
            assert_true(fabsf(r.w->grad[i]) <= 10 * most);
    }
    close_rig(&r);
}

/* Kept are all tokens: it is as if none were left out. And one teacher's list does not depend on how it is found. */
static void all_kept(void **state)
{
    (void)state;
    how h = { .temperature = 2, .kl = 1, .ce = 0.5f, .taught = 3 };
    float dx[ROWS * WIDTH], kept[ROWS * WIDTH], loss[ROWS];
    rig r;
    open_rig(&r, 4);
    for (int i = 0; i < 3; i++) {
        h.beta = 0.5f * (float)i, h.k = 0;
        run(&r, &h, 0, dx);
        memcpy(loss, ts_tensor_data(r.loss), sizeof loss);
        h.k = VOCAB;
        run(&r, &h, 0, kept);
        for (int k = 0; k < ROWS; k++)
            assert_float_equal(loss[k], ((float *)ts_tensor_data(r.loss))[k], 1e-5);
        for (int k = 0; k < ROWS * WIDTH; k++)
            assert_float_equal(dx[k], kept[k], 2e-5);
    }
    close_rig(&r);
}

/* Through the cap of logits as well. Without a gradient the losses are there at once. */
static void differences(void **state)
{
    (void)state;
    const float step = 1.0f / 64;
    float dx[ROWS * WIDTH];
    rig r;
    open_rig(&r, 4);
    for (int i = 0; i < 8; i++) {
        const how h = { .temperature = 2, .kl = 1, .ce = 0.5f, .taught = 3, .softcap = i % 2 ? 3 : 0,
                        .beta = i & 2 ? 0.5f : 0, .k = i & 4 ? 3 : 0 };
        run(&r, &h, step, NULL);
        const double up = (double)((float *)ts_tensor_data(r.loss))[AT];
        run(&r, &h, -step, NULL);
        const double down = (double)((float *)ts_tensor_data(r.loss))[AT];
        run(&r, &h, 0, dx);
        /* the third derivative is of the order of one; values have some 1e-7 */
        const double got = (double)dx[AT * WIDTH] / (AT + 1);
        assert_true(fabs((up - down) / 2 * 64 - got) < 2e-3);
        assert_true(fabs(got) > 0.05);
    }
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(golden), cmocka_unit_test(same), cmocka_unit_test(all_kept),
                                        cmocka_unit_test(differences) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
