/* Linear layers and the output layer with cross-entropy. */
#include "grad.h"
#include "ops/lora.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- linear ---- */

static void linear_oracle(const grad_case *g, double *const *x, double *y)
{
    const int64_t rows = g->var[0].d0, in = g->var[0].d1, out = g->var[1].d0;
    for (int64_t t = 0; t < rows; t++)
        for (int64_t o = 0; o < out; o++) {
            double sum = g->var[2].name ? x[2][o] : 0;
            for (int64_t i = 0; i < in; i++)
                sum += x[0][t * in + i] * x[1][o * in + i];
            y[t * out + o] = sum;
        }
}

static ts_status linear_run(const grad_case *g, grad_env *e)
{
    (void)g;
    return ts_op_linear(e->tape, e->leaf[0], e->param[1], e->param[2], &e->out[0]);
}

#define LINEAR(rows, out, sum)                                                                     \
    .n_out = (rows) * (out), .longest = sum, .oracle = linear_oracle, .run = linear_run,           \
    .with_bf16 = true
static const grad_case linears[] = {
    { "linear", { IN("x", 5, 7), PARAM("w", 9, 7) }, LINEAR(5, 9, 9) },
    { "linear, bias", { IN("x", 5, 7), PARAM("w", 9, 7), PARAM("b", 9, 0) }, LINEAR(5, 9, 9) },
    { "linear, one row",
      { IN("x", 1, 17), PARAM("w", 5, 17), PARAM("b", 5, 0) },
      LINEAR(1, 5, 17) },
    { "linear, frozen weight",
      { IN("x", 5, 7), PARAM("w", 9, 7, .is_frozen = true), PARAM("b", 9, 0) },
      LINEAR(5, 9, 9) },
    { "linear, frozen input",
      { IN("x", 5, 7, .is_frozen = true), PARAM("w", 9, 7), PARAM("b", 9, 0) },
      LINEAR(5, 9, 9) },
    { "linear, frozen bias",
      { IN("x", 5, 7), PARAM("w", 9, 7), PARAM("b", 9, 0, .is_frozen = true) },
      LINEAR(5, 9, 9) },
    { "linear, wider than a tile",
      { IN("x", 3, 40), PARAM("w", 35, 40), PARAM("b", 35, 0) },
      LINEAR(3, 35, 40) },
};

/* ---- adapters ---- */

/* Two parts: rows 0, 1, 4, 5 of seven, and 2, 3; variables x, w, then A and B of each, and lengths of rows. */
enum { LORA_OUT = 7, LORA_IN = 6 };
static const ts_lora_run lora_runs[] = { { 0, 0, 2 }, { 2, 4, 2 }, { 0, 2, 2 } };
static const float lora_scale[] = { 1.5f, 0.75f };

/* The part of row o, and which row of its B; -1: none. */
static int lora_part(int64_t o, int64_t *row)
{
    const int part = o == 6 ? -1 : o == 2 || o == 3;
    *row = part == 1 ? o - 2 : o < 2 ? o : o - 2;
    return part;
}

/* Row o of the weight with what is added. */
static void lora_row(const grad_case *g, double *const *x, int64_t o, double row[LORA_IN])
{
    int64_t r;
    const int part = lora_part(o, &r);
    for (int64_t i = 0; i < LORA_IN; i++) {
        row[i] = x[1][o * LORA_IN + i];
        const int64_t rank = part < 0 ? 0 : g->var[2 + 2 * part].d0;
        for (int64_t k = 0; k < rank; k++)
            row[i] += (double)lora_scale[part] * x[3 + 2 * part][r * rank + k] * x[2 + 2 * part][k * LORA_IN + i];
    }
}

static void lora_oracle(const grad_case *g, double *const *x, double *y)
{
    for (int64_t t = 0; t < g->var[0].d0; t++)
        for (int64_t o = 0; o < LORA_OUT; o++) {
            double row[LORA_IN], sum = 0, square = 0;
            int64_t r;
            const int part = lora_part(o, &r);
            lora_row(g, x, o, row);
            for (int64_t i = 0; i < LORA_IN; i++)
                sum += x[0][t * LORA_IN + i] * row[i];
            if (g->var[6].name && part >= 0) { /* lengths below have no gradient */
                lora_row(g, g->x0, o, row);
                for (int64_t i = 0; i < LORA_IN; i++)
                    square += row[i] * row[i];
                sum *= x[6 + part][r] / sqrt(square);
            }
            y[t * LORA_OUT + o] = sum;
        }
}

static ts_status lora_run(const grad_case *g, grad_env *e)
{
    const ts_lora_op o = { .part = { { e->param[2], e->param[3], e->param[6], lora_scale[0], lora_runs, 2 },
                                     { e->param[4], e->param[5], e->param[7], lora_scale[1], lora_runs + 2, 1 } },
                           .n = 2 };
    ts_tensor *y, *h;
    TS_TRY(ts_op_linear(e->tape, e->leaf[0], e->param[1], NULL, &y));
    TS_TRY(ts_op_lora_down(e->tape, &o, e->leaf[0], &h));
    TS_TRY(ts_op_lora_up(e->tape, &o, h, y, &e->out[0]));
    return g->var[6].name ? ts_op_lora_lengthen(e->tape, &o, e->param[1], NULL, NULL, e->out[0], &e->out[0]) : TS_OK;
}

#define LORA(...)                                                                                  \
    { IN("x", 5, LORA_IN, __VA_ARGS__), PARAM("w", LORA_OUT, LORA_IN, .is_frozen = true), PARAM("a", 2, LORA_IN), \
      PARAM("b", 4, 2), PARAM("a'", 1, LORA_IN), PARAM("b'", 2, 1)
#define LORA_REST .n_out = 5 * LORA_OUT, .longest = 12, .oracle = lora_oracle, .run = lora_run
static const grad_case loras[] = {
    { "lora", LORA(.scale = 1) }, LORA_REST, .with_bf16 = true },
    { "lora, frozen input", LORA(.is_frozen = true) }, LORA_REST },
    { "lora, lengths", LORA(.scale = 1), PARAM("m", 4, 0), PARAM("m'", 2, 0) }, LORA_REST },
};

/* ---- cross-entropy ---- */

/* Output t is the row's loss; c is the row's weight, so the tape's gradient is the objective's. */
typedef struct xent_case {
    int32_t labels[8];
    float softcap, logit_scale;
    bool alone; /* without argmax: rows that do not count are left out */
    bool unit;  /* rows of w count as of length one */
} xent_case;

static double cap(double z, double softcap)
{
    return softcap > 0 ? softcap * tanh(z / softcap) : z;
}

static void xent_oracle(const grad_case *g, double *const *x, double *y)
{
    const xent_case *n = g->ctx;
    const int64_t rows = g->var[0].d0, hidden = g->var[0].d1, vocab = g->var[1].d0;
    double z[64];
    for (int64_t t = 0; t < rows; t++) {
        double sum = 0, top = -INFINITY;
        for (int64_t v = 0; v < vocab; v++) {
            double length = 0;
            z[v] = g->var[2].name ? x[2][v] : 0;
            for (int64_t i = 0; i < hidden; i++) {
                z[v] += x[0][t * hidden + i] * x[1][v * hidden + i];
                length += x[1][v * hidden + i] * x[1][v * hidden + i];
            }
            z[v] /= n->unit ? sqrt(length) : 1;
            z[v] = cap(n->logit_scale * z[v], n->softcap);
            top = fmax(top, z[v]);
        }
        for (int64_t v = 0; v < vocab; v++)
            sum += exp(z[v] - top);
        y[t] = n->labels[t] < 0 ? 0 : top + log(sum) - z[n->labels[t]];
    }
}

static ts_status choose(grad_env *e, const int32_t *labels, int64_t T, ts_chosen_rows *out)
{
    int32_t *host = calloc((size_t)T * 3, sizeof *host);
    ts_tensor *at = NULL, *back = NULL, *few = NULL;
    TS_ASSERT(host, "no memory");
    out->n = ts_choose_rows(labels, T, host, host + T, host + 2 * T);
    ts_status st = grad_ints(e, host, T, &at);
    if (st == TS_OK)
        st = grad_ints(e, host + T, T, &back);
    if (st == TS_OK)
        st = grad_ints(e, host + 2 * T, T, &few);
    out->at = at, out->back = back, out->labels = few;
    free(host);
    return st;
}

static ts_status xent_run(const grad_case *g, grad_env *e)
{
    const xent_case *n = g->ctx;
    const int64_t rows = g->var[0].d0;
    ts_tensor *labels;
    TS_TRY(grad_ints(e, n->labels, rows, &labels));
    ts_chosen_rows chosen;
    TS_TRY(choose(e, n->labels, rows, &chosen));
    const ts_xent_op o = { .w = e->param[1], .b = e->param[2], .softcap = n->softcap,
                           .logit_scale = n->logit_scale, .unit_rows = n->unit, .labels = labels,
                           .chosen = n->alone ? &chosen : NULL, .late = g->is_late };
    ts_tensor *argmax;
    return ts_op_linear_xent(e->tape, &o, e->leaf[0], &e->out[0],
                             n->alone || g->is_late ? NULL : &argmax);
}

#define XENT                                                                                       \
    .n_out = 6, .longest = 19, .oracle = xent_oracle, .run = xent_run, .with_bf16 = true
#define XENT_CTX(...) .ctx = &(const xent_case){ __VA_ARGS__ }
#define SOME_LABELS { 3, 0, -1, 18, -1, 7 }
static const grad_case xents[] = {
    { "cross-entropy",
      { IN("x", 6, 10), PARAM("w", 19, 10) },
      XENT,
      XENT_CTX(.labels = { 3, 0, 2, 18, 2, 7 }, .logit_scale = 1) },
    { "cross-entropy, bias, ignored labels",
      { IN("x", 6, 10), PARAM("w", 19, 10), PARAM("b", 19, 0) },
      XENT,
      XENT_CTX(.labels = SOME_LABELS, .logit_scale = 1) },
    { "cross-entropy, softcap",
      { IN("x", 6, 10), PARAM("w", 19, 10) },
      XENT,
      XENT_CTX(.labels = SOME_LABELS, .logit_scale = 1, .softcap = 1.5f) },
    { "cross-entropy, softcap, scale, bias",
      { IN("x", 6, 10), PARAM("w", 19, 10), PARAM("b", 19, 0) },
      XENT,
      XENT_CTX(.labels = SOME_LABELS, .logit_scale = 0.25f, .softcap = 0.8f) },
    { "cross-entropy, rows of length one",
      { IN("x", 6, 10), PARAM("w", 19, 10) },
      XENT,
      XENT_CTX(.labels = SOME_LABELS, .logit_scale = 2, .unit = true) },
    { "cross-entropy, rows of length one, softcap, alone",
      { IN("x", 6, 10), PARAM("w", 19, 10) },
      XENT,
      XENT_CTX(.labels = SOME_LABELS, .logit_scale = 1, .softcap = 0.8f, .alone = true, .unit = true) },
    { "cross-entropy, frozen head",
      { IN("x", 6, 10), PARAM("w", 19, 10, .is_frozen = true) },
      XENT,
      XENT_CTX(.labels = SOME_LABELS, .logit_scale = 2) },
    { "cross-entropy, frozen input",
      { IN("x", 6, 10, .is_frozen = true), PARAM("w", 19, 10) },
      XENT,
      XENT_CTX(.labels = SOME_LABELS, .logit_scale = 2) },
    { "cross-entropy, alone",
      { IN("x", 6, 10), PARAM("w", 19, 10), PARAM("b", 19, 0) },
      XENT,
      XENT_CTX(.labels = SOME_LABELS, .logit_scale = 0.25f, .softcap = 0.8f, .alone = true) },
    { "cross-entropy, alone, first and last left out",
      { IN("x", 6, 10), PARAM("w", 19, 10) },
      XENT,
      XENT_CTX(.labels = { -1, 3, 0, 18, 7, -1 }, .logit_scale = 1, .alone = true) },
    { "cross-entropy, alone, one row",
      { IN("x", 6, 10), PARAM("w", 19, 10), PARAM("b", 19, 0) },
      XENT,
      XENT_CTX(.labels = { -1, -1, -1, 4, -1, -1 }, .logit_scale = 1, .alone = true) },
    { "cross-entropy, alone, no row",
      { IN("x", 6, 10), PARAM("w", 19, 10), PARAM("b", 19, 0) },
      XENT,
      XENT_CTX(.labels = { -1, -1, -1, -1, -1, -1 }, .logit_scale = 1, .alone = true) },
    { "cross-entropy, alone, all rows",
      { IN("x", 6, 10), PARAM("w", 19, 10) },
      XENT,
      XENT_CTX(.labels = { 3, 0, 2, 18, 2, 7 }, .logit_scale = 1, .alone = true) },
    { "cross-entropy, alone, frozen head",
      { IN("x", 6, 10), PARAM("w", 19, 10, .is_frozen = true) },
      XENT,
      XENT_CTX(.labels = SOME_LABELS, .logit_scale = 2, .alone = true) },
    { "cross-entropy, alone, frozen input",
      { IN("x", 6, 10, .is_frozen = true), PARAM("w", 19, 10) },
      XENT,
      XENT_CTX(.labels = SOME_LABELS, .logit_scale = 2, .alone = true) },
    { "cross-entropy, late, alone",
      { IN("x", 6, 10), PARAM("w", 19, 10), PARAM("b", 19, 0) },
      XENT,
      .is_late = true,
      XENT_CTX(.labels = SOME_LABELS, .logit_scale = 0.25f, .softcap = 0.8f, .alone = true) },
    { "cross-entropy, late, alone, first and last left out",
      { IN("x", 6, 10), PARAM("w", 19, 10) },
      XENT,
      .is_late = true,
      XENT_CTX(.labels = { -1, 3, 0, 18, 7, -1 }, .logit_scale = 1, .alone = true) },
    { "cross-entropy, late, alone, one row",
      { IN("x", 6, 10), PARAM("w", 19, 10), PARAM("b", 19, 0) },
      XENT,
      .is_late = true,
      XENT_CTX(.labels = { -1, -1, -1, 4, -1, -1 }, .logit_scale = 1, .alone = true) },
    { "cross-entropy, late, alone, no row",
      { IN("x", 6, 10), PARAM("w", 19, 10), PARAM("b", 19, 0) },
      XENT,
      .is_late = true,
      XENT_CTX(.labels = { -1, -1, -1, -1, -1, -1 }, .logit_scale = 1, .alone = true) },
    { "cross-entropy, late, alone, all rows",
      { IN("x", 6, 10), PARAM("w", 19, 10) },
      XENT,
      .is_late = true,
      XENT_CTX(.labels = { 3, 0, 2, 18, 2, 7 }, .logit_scale = 1, .alone = true) },
    { "cross-entropy, late, alone, frozen head",
      { IN("x", 6, 10), PARAM("w", 19, 10, .is_frozen = true) },
      XENT,
      .is_late = true,
      XENT_CTX(.labels = SOME_LABELS, .logit_scale = 2, .alone = true) },
    { "cross-entropy, late, alone, frozen input",
      { IN("x", 6, 10, .is_frozen = true), PARAM("w", 19, 10) },
      XENT,
      .is_late = true,
      XENT_CTX(.labels = SOME_LABELS, .logit_scale = 2, .alone = true) },
    { "cross-entropy, late, all rows",
      { IN("x", 6, 10), PARAM("w", 19, 10), PARAM("b", 19, 0) },
      XENT,
      .is_late = true,
      XENT_CTX(.labels = { 3, 0, 2, 18, 2, 7 }, .logit_scale = 1) },
    { "cross-entropy, late, ignored labels among all rows",
      { IN("x", 6, 10), PARAM("w", 19, 10), PARAM("b", 19, 0) },
      XENT,
      .is_late = true,
      XENT_CTX(.labels = SOME_LABELS, .logit_scale = 0.25f, .softcap = 0.8f) },
};

/* ---- cross-entropy in several chunks ---- */

/* So large a vocabulary that the logits of a chunk are 64 rows: the gradient by formula, in double
 * (the small cases above hold the formula to finite differences). */
enum { ROWS = 600, HIDDEN = 3, VOCAB = 140000 };

typedef struct big {
    double *x, *w, *b, *dx, *dw, *db, *loss;
    double *mx, *mw, *mb; /* sizes of what is summed */
    float *weight;
    int32_t *label;
} big;

static double *filled(int64_t n, uint32_t stream)
{
    const ts_rng r = ts_rng_stream(8, TS_RNG_TEST, 3, stream);
    double *p = calloc((size_t)n, sizeof *p);
    uint32_t u[4];
    for (int64_t i = 0; stream && i < n; i++) {
        ts_rng_block(&r, (uint64_t)i, u);
        p[i] = (double)(2 * ts_rng_uniform(u[0]) - 1);
    }
    return p;
}

static void big_row(big *o, int64_t t, double *p)
{
    double sum = 0;
    for (int64_t v = 0; v < VOCAB; v++) {
        double z = o->b[v];
        for (int64_t i = 0; i < HIDDEN; i++)
            z += o->x[t * HIDDEN + i] * o->w[v * HIDDEN + i];
        p[v] = z;
        sum += exp(z);
    }
    const bool counts = o->label[t] >= 0;
    o->loss[t] = counts ? log(sum) - p[o->label[t]] : 0;
    for (int64_t v = 0; counts && v < VOCAB; v++) {
        const double d = (double)o->weight[t] * (exp(p[v]) / sum - (v == o->label[t]));
        o->db[v] += d;
        o->mb[v] += fabs(d);
        for (int64_t i = 0; i < HIDDEN; i++) {
            o->dx[t * HIDDEN + i] += d * o->w[v * HIDDEN + i];
            o->mx[t * HIDDEN + i] += fabs(d * o->w[v * HIDDEN + i]);
            o->dw[v * HIDDEN + i] += d * o->x[t * HIDDEN + i];
            o->mw[v * HIDDEN + i] += fabs(d * o->x[t * HIDDEN + i]);
        }
    }
}

static big big_make(void)
{
    big o = {
        filled(ROWS * HIDDEN, 1), filled(VOCAB * HIDDEN, 2),   filled(VOCAB, 3),
        filled(ROWS * HIDDEN, 0), filled(VOCAB * HIDDEN, 0),   filled(VOCAB, 0),
        filled(ROWS, 0),          filled(ROWS * HIDDEN, 0),    filled(VOCAB * HIDDEN, 0),
        filled(VOCAB, 0),         calloc(ROWS, sizeof(float)), calloc(ROWS, sizeof(int32_t))
    };
    double *p = filled(VOCAB, 0);
    for (int64_t t = 0; t < ROWS; t++) {
        o.weight[t] = (float)(0.5 + 0.01 * (double)t);
        o.label[t] = t % 9 == 4 || t == 33 ? -1 : (int32_t)(t * 1731 % VOCAB);
        big_row(&o, t, p);
    }
    free(p);
    return o;
}

static void big_free(big *o)
{
    double *all[] = { o->x, o->w, o->b, o->dx, o->dw, o->db, o->loss, o->mx, o->mw, o->mb };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    free(o->weight);
    free(o->label);
}

static bool near(const char *what, const float *got, const double *want, const double *mass,
                 int64_t n, double growth)
{
    double worst = 0;
    for (int64_t i = 0; i < n; i++) {
        const double share = fabs(got[i] - want[i]) / (0x1p-24 * growth * mass[i] + 1e-30);
        if (!(share <= worst))
            worst = share;
    }
    printf("grad cross-entropy in chunks, %-15s worst %.3f of the bound\n", what, worst);
    return worst <= 1;
}

/* With argmax all rows take part in the products, without it those that count. */
static ts_status big_once(const big *o, grad_env *e, ts_param *w, ts_param *b, bool alone,
                          float *loss, float *dx)
{
    ts_tensor *x, *l, *labels, *weight, *argmax;
    ts_chosen_rows chosen;
    TS_TRY(ts_tape_new(e->tape, TS_DTYPE_F32, ROWS, HIDDEN, &x));
    x->wants_grad = true;
    for (int64_t i = 0; i < ROWS * HIDDEN; i++)
        ((float *)ts_tensor_data(x))[i] = (float)o->x[i];
    TS_TRY(grad_ints(e, o->label, ROWS, &labels));
    TS_TRY(grad_floats(e, o->weight, ROWS, &weight));
    memset(w->grad, 0, VOCAB * HIDDEN * sizeof(float));
    memset(b->grad, 0, VOCAB * sizeof(float));
    TS_TRY(choose(e, o->label, ROWS, &chosen));
    const ts_xent_op op = { .w = w, .b = b, .logit_scale = 1, .labels = labels,
                            .chosen = alone ? &chosen : NULL, .late = alone };
    TS_TRY(ts_op_linear_xent(e->tape, &op, x, &l, alone ? NULL : &argmax));
    TS_TRY(ts_tape_accumulate(e->tape, l, weight));
    TS_TRY(ts_tape_backward(e->tape));
    memcpy(loss, ts_tensor_data(l), ROWS * sizeof *loss);
    memcpy(dx, ts_tensor_data(x->grad), ROWS * HIDDEN * sizeof *dx);
    return TS_OK;
}

static ts_status big_run(const big *o, ts_device *dev, bool *good)
{
    static float loss[2][ROWS], dx[2][ROWS * HIDDEN];
    ts_param_set params;
    ts_param *w, *b;
    grad_env e = { .dev = dev };
    TS_TRY(ts_param_set_init(&params, dev));
    TS_TRY(ts_param_add(&params, "w", VOCAB, HIDDEN, true, &w));
    TS_TRY(ts_param_add(&params, "b", VOCAB, 0, true, &b));
    TS_TRY(ts_param_set_allocate(&params, TS_DTYPE_F32));
    TS_TRY(ts_param_set_allocate_grads(&params));
    for (int64_t i = 0; i < VOCAB * HIDDEN; i++)
        ((float *)w->value)[i] = (float)o->w[i];
    for (int64_t i = 0; i < VOCAB; i++)
        ((float *)b->value)[i] = (float)o->b[i];
    TS_TRY(ts_tape_create(dev, &(ts_tape_options){ 0 }, &e.tape));
    *good = true;
    for (int k = 0; k < 2; k++) {
        TS_TRY(big_once(o, &e, w, b, k, loss[k], dx[k]));
        /* A softmax's value is off by what its logits (three products) and its long sum are off: a
         * few units. */
        *good = near("dx", dx[k], o->dx, o->mx, ROWS * HIDDEN, 30 + sqrt(VOCAB)) && *good;
        *good = near("dw", w->grad, o->dw, o->mw, VOCAB * HIDDEN, 30 + 2 * sqrt(ROWS)) && *good;
        *good = near("db", b->grad, o->db, o->mb, VOCAB, 30 + 2 * sqrt(ROWS)) && *good;
        *good = near("loss", loss[k], o->loss, o->loss, ROWS, 30) && *good;
    }
    if (memcmp(loss[0], loss[1], sizeof loss[0]) || memcmp(dx[0], dx[1], sizeof dx[0])) {
        fprintf(stderr, "grad: rows left out change the bits of others\n");
        *good = false;
    }
    ts_tape_destroy(&e.tape);
    ts_param_set_deinit(&params);
    return TS_OK;
}

static bool chunks(void)
{
    const ts_device_options options = { .threads = 2, .isa = 0xFFFF };
    ts_device *dev;
    bool good = false;
    big o = big_make();
    if (ts_xent_chunk(ROWS, VOCAB) >= ROWS) {
        fprintf(stderr, "grad: %d rows are one chunk: nothing is tested\n", ROWS);
        return false;
    }
    if (ts_device_open("cpu", &options, &dev) != TS_OK || big_run(&o, dev, &good) != TS_OK)
        fprintf(stderr, "grad: %s\n", ts_error_message());
    else
        ts_device_close(&dev);
    big_free(&o);
    return good;
}

int main(void)
{
    bool all_ = true;
    GRAD_RUN(linears);
    GRAD_RUN(loras);
    GRAD_RUN(xents);
    all_ = chunks() && all_;
    return all_ ? 0 : 1;
}
