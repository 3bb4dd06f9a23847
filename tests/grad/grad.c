#include "grad.h"
#include "base/thread.h"
#include "device/isa.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DIRECTIONS = 6, MAX_TABLES = 4 };
static const double step = 1e-6, tilt = 1e-4;

/* What the oracle says of a case: values and bounds, by variable and output. */
typedef struct expected {
    int n;
    int64_t len[GRAD_VARS], n_out;
    double *x[GRAD_VARS], *x0[GRAD_VARS], *c, *y, *y_move;
    double *g[GRAD_VARS], *mass[GRAD_VARS], *move[GRAD_VARS], *fd[GRAD_VARS];
} expected;

static void die(const char *what)
{
    fprintf(stderr, "grad: %s: %s\n", what, ts_error_message());
    exit(1);
}

static double *doubles(int64_t n)
{
    double *p = calloc((size_t)n + 1, sizeof *p);
    if (!p)
        die("no memory");
    return p;
}

static double uniform(ts_rng *r, int64_t i)
{
    uint32_t u[4];
    ts_rng_block(r, (uint64_t)i, u);
    return 2 * (double)ts_rng_uniform(u[0]) - 1;
}

static double rounded(double v, ts_dtype t)
{
    const float f = (float)v;
    return t == TS_DTYPE_BF16 ? (double)ts_bf16_to_f32(ts_f32_to_bf16(f)) : (double)f;
}

/* ---- the oracle's gradient ---- */

/* Central differences over one variable; mass and fd may be NULL. x is left as it was. */
static void differences(const grad_case *g, double **x, const double *c, int v, int64_t n,
                        int64_t n_out, double *grad, double *mass, double *fd)
{
    double *hi = doubles(n_out), *lo = doubles(n_out);
    for (int64_t k = 0; k < n; k++) {
        const double was = x[v][k];
        x[v][k] = was + step;
        g->oracle(g, x, hi);
        x[v][k] = was - step;
        g->oracle(g, x, lo);
        x[v][k] = was;
        double sum = 0, size = 0, noise = 0;
        for (int64_t i = 0; i < n_out; i++) {
            const double d = c[i] * (hi[i] - lo[i]) / (2 * step);
            sum += d;
            size += fabs(d);
            if (hi[i] != lo[i])
                noise += fabs(c[i]) * (fabs(hi[i]) + 1);
        }
        grad[k] = sum;
        if (mass) {
            mass[k] = size;
            fd[k] = noise * 64 * DBL_EPSILON / step + size * 1e-9;
        }
    }
    free(hi);
    free(lo);
}

/* The gradient's and the outputs' largest movement for relative changes of everything, per unit. */
static void movements(const grad_case *g, expected *e)
{
    double *x[GRAD_VARS], *c = doubles(e->n_out), *y = doubles(e->n_out);
    for (int v = 0; v < e->n; v++)
        x[v] = doubles(e->len[v]);
    for (int d = 0; d < DIRECTIONS; d++) {
        ts_rng r = ts_rng_stream(99, TS_RNG_TEST, 7, (uint32_t)d);
        int64_t at = 0;
        for (int v = 0; v < e->n; v++)
            for (int64_t k = 0; k < e->len[v]; k++)
                x[v][k] = e->x[v][k] * (1 + (uniform(&r, at++) > 0 ? tilt : -tilt));
        for (int64_t i = 0; i < e->n_out; i++)
            c[i] = e->c[i] * (1 + (uniform(&r, at++) > 0 ? tilt : -tilt));
        g->oracle(g, x, y);
        for (int64_t i = 0; i < e->n_out; i++)
            e->y_move[i] = fmax(e->y_move[i], fabs(y[i] - e->y[i]) / tilt);
        for (int v = 0; v < e->n; v++) {
            if (g->var[v].is_frozen)
                continue;
            double *moved = doubles(e->len[v]);
            differences(g, x, c, v, e->len[v], e->n_out, moved, NULL, NULL);
            for (int64_t k = 0; k < e->len[v]; k++)
                e->move[v][k] = fmax(e->move[v][k], fabs(moved[k] - e->g[v][k]) / tilt);
            free(moved);
        }
    }
    for (int v = 0; v < e->n; v++)
        free(x[v]);
    free(c);
    free(y);
}

static expected expect(grad_case *g, ts_dtype t)
{
    expected e = { .n_out = g->n_out, .c = doubles(g->n_out), .y = doubles(g->n_out),
                   .y_move = doubles(g->n_out) };
    for (; e.n < GRAD_VARS && g->var[e.n].name; e.n++) {
        const grad_var *v = &g->var[e.n];
        ts_rng r = ts_rng_stream(4, TS_RNG_TEST, 0, (uint32_t)e.n);
        e.len[e.n] = v->d0 * (v->d1 ? v->d1 : 1);
        e.x[e.n] = doubles(e.len[e.n]);
        e.g[e.n] = doubles(e.len[e.n]);
        e.mass[e.n] = doubles(e.len[e.n]);
        e.move[e.n] = doubles(e.len[e.n]);
        e.fd[e.n] = doubles(e.len[e.n]);
        /* Vectors stay in fp32 whatever the activations are. */
        for (int64_t k = 0; k < e.len[e.n]; k++)
            e.x[e.n][k] =
                rounded(uniform(&r, k) * (v->scale > 0 ? v->scale : 1), v->d1 ? t : TS_DTYPE_F32);
        e.x0[e.n] = doubles(e.len[e.n]);
        memcpy(e.x0[e.n], e.x[e.n], (size_t)e.len[e.n] * sizeof(double));
    }
    ts_rng r = ts_rng_stream(4, TS_RNG_TEST, 1, 0);
    for (int64_t i = 0; i < g->n_out; i++)
        e.c[i] = rounded(uniform(&r, i), t);
    g->x0 = e.x0;
    g->oracle(g, e.x, e.y);
    for (int v = 0; v < e.n; v++)
        if (!g->var[v].is_frozen)
            differences(g, e.x, e.c, v, e.len[v], e.n_out, e.g[v], e.mass[v], e.fd[v]);
    if (g->cancels)
        g->cancels(g, e.x, e.c, e.mass);
    movements(g, &e);
    return e;
}

static void forget(expected *e)
{
    for (int v = 0; v < e->n; v++) {
        free(e->x[v]);
        free(e->x0[v]);
        free(e->g[v]);
        free(e->mass[v]);
        free(e->move[v]);
        free(e->fd[v]);
    }
    free(e->c);
    free(e->y);
    free(e->y_move);
}

/* ---- the operator's ---- */

typedef struct bench {
    grad_env env;
    ts_param_set params;
    ts_storage *tables[MAX_TABLES];
    int n_tables;
    bool anew; /* gradients were cleared: what is there does not count */
} bench;

static ts_status upload(grad_env *e, const void *v, size_t bytes, ts_dtype t, int64_t d0,
                        int64_t d1, ts_tensor **out)
{
    TS_TRY(ts_tape_new(e->tape, t, d0, d1, out));
    e->dev->to_device(e->dev, ts_tensor_data(*out), v, bytes);
    return TS_OK;
}

ts_status grad_ints(grad_env *e, const int32_t *v, int64_t n, ts_tensor **out)
{
    return upload(e, v, (size_t)n * sizeof *v, TS_DTYPE_I32, n, 0, out);
}

ts_status grad_floats(grad_env *e, const float *v, int64_t n, ts_tensor **out)
{
    return upload(e, v, (size_t)n * sizeof *v, TS_DTYPE_F32, n, 0, out);
}

ts_status grad_table(grad_env *e, const float *v, int64_t n, ts_storage **out)
{
    bench *b = (bench *)e; /* first member */
    TS_ASSERT(b->n_tables < MAX_TABLES, "too many tables");
    TS_TRY(ts_storage_create(e->dev, TS_MEM_OTHER, (size_t)n * sizeof *v, out));
    e->dev->to_device(e->dev, (*out)->data, v, (size_t)n * sizeof *v);
    b->tables[b->n_tables++] = *out;
    return TS_OK;
}

static ts_status tensor_of(grad_env *e, const double *v, ts_dtype t, int64_t d0, int64_t d1,
                           ts_tensor **out)
{
    const int64_t n = d0 * (d1 ? d1 : 1);
    void *buf;
    TS_TRY(ts_alloc(&buf, (size_t)n, ts_dtype_size(t)));
    for (int64_t i = 0; i < n; i++)
        ts_store_f32(buf, i, t, (float)v[i]);
    const ts_status st = upload(e, buf, (size_t)n * ts_dtype_size(t), t, d0, d1, out);
    ts_free(&buf);
    return st;
}

/* Gradients are added to what is there. */
static double before(int64_t k) { return (double)(k % 5) * 0.25 - 0.5; }

static ts_status set_params(const grad_case *g, const expected *x, bench *b)
{
    for (int v = 0; v < x->n; v++)
        if (g->var[v].is_param)
            TS_TRY(ts_param_add(&b->params, g->var[v].name, g->var[v].d0, g->var[v].d1, true,
                                &b->env.param[v]));
    if (!b->params.n)
        return TS_OK;
    TS_TRY(ts_param_set_allocate(&b->params, TS_DTYPE_F32));
    TS_TRY(ts_param_set_allocate_grads(&b->params));
    for (int v = 0; v < x->n; v++) {
        ts_param *p = b->env.param[v];
        for (int64_t k = 0; p && k < x->len[v]; k++) {
            ((float *)p->value)[k] = (float)x->x[v][k];
            p->grad[k] = b->anew ? NAN : (float)before(k);
        }
    }
    if (b->anew)
        ts_param_set_clear_grads(&b->params);
    for (int v = 0; v < x->n; v++)
        if (b->env.param[v] && g->var[v].is_frozen)
            b->env.param[v]->grad = NULL;
    return TS_OK;
}

static ts_status set_leaves(const grad_case *g, const expected *x, ts_dtype t, bench *b)
{
    for (int v = 0; v < x->n; v++) {
        if (g->var[v].is_param)
            continue;
        TS_TRY(tensor_of(&b->env, x->x[v], t, g->var[v].d0, g->var[v].d1, &b->env.leaf[v]));
        b->env.leaf[v]->wants_grad = !g->var[v].is_frozen;
    }
    return TS_OK;
}

/* New tensors are not zero by luck. */
static ts_status spoil_memory(ts_tape *tape)
{
    ts_tensor *t;
    TS_TRY(ts_tape_push(tape));
    const ts_status st = ts_tape_new(tape, TS_DTYPE_F32, 1 << 16, 0, &t);
    if (st == TS_OK && tape->dev->computes)
        memset(ts_tensor_data(t), 0xFF, ts_tensor_bytes(t));
    ts_tape_pop(tape, NULL);
    return st;
}

static void read_outputs(const bench *b, float *y)
{
    for (int o = 0; o < GRAD_OUTS; o++) {
        const ts_tensor *out = b->env.out[o];
        for (int64_t i = 0; out && i < ts_tensor_count(out); i++)
            *y++ = ts_load_f32(ts_tensor_data(out), i, out->dtype);
    }
}

static ts_status run_tape(const grad_case *g, const expected *x, ts_dtype t, bench *b, float *y)
{
    TS_TRY(spoil_memory(b->env.tape));
    TS_TRY(set_params(g, x, b));
    TS_TRY(set_leaves(g, x, t, b));
    TS_TRY(g->run(g, &b->env));
    int64_t at = 0;
    if (!g->is_late)
        read_outputs(b, y);
    for (int o = 0; o < GRAD_OUTS; o++) {
        ts_tensor *out = b->env.out[o], *c;
        if (!out)
            continue;
        TS_TRY(tensor_of(&b->env, x->c + at, out->dtype, out->dim[0],
                         out->rank > 1 ? out->dim[1] : 0, &c));
        TS_TRY(ts_tape_accumulate(b->env.tape, out, c));
        at += ts_tensor_count(out);
    }
    TS_ASSERT(at == g->n_out, "%s: %lld outputs, %lld said", g->name, (long long)at,
              (long long)g->n_out);
    TS_TRY(ts_tape_backward(b->env.tape));
    if (g->is_late)
        read_outputs(b, y);
    if (g->tape.defer_weights)
        TS_TRY(ts_tape_run_weights(b->env.tape));
    for (size_t i = 0; i < b->params.n; i++)
        if (b->params.p[i]->grad)
            ts_param_grad_settle(b->params.p[i]);
    return TS_OK;
}

/* ---- the comparison ---- */

typedef struct judge {
    const grad_case *g;
    const char *device;
    ts_dtype t;
    double growth, unit, worst;
    int bad;
} judge;

static void compare(judge *j, const char *what, int64_t k, double got, double want, double bound)
{
    const double off = fabs(got - want), share = off > 0 ? off / bound : 0;
    if (share > j->worst)
        j->worst = share;
    if (off <= bound)
        return;
    if (j->bad++ < 5)
        fprintf(stderr, "grad %s, %s, %s: %s[%lld] is %.9g, expected %.9g within %.3g\n",
                j->g->name, j->device, ts_dtype_name(j->t), what, (long long)k, got, want, bound);
}

static void compare_all(judge *j, const expected *x, const bench *b, const float *y)
{
    for (int64_t i = 0; i < x->n_out; i++)
        compare(j, "y", i, y[i], x->y[i],
                j->unit * j->growth * (x->y_move[i] + fabs(x->y[i])) + 1e-12);
    for (int v = 0; v < x->n; v++) {
        const grad_var *var = &j->g->var[v];
        const ts_tensor *leaf = b->env.leaf[v];
        if (var->is_frozen)
            continue;
        if (leaf && !leaf->grad) {
            fprintf(stderr, "grad %s: %s has no gradient\n", j->g->name, var->name);
            j->bad++;
            continue;
        }
        for (int64_t k = 0; k < x->len[v]; k++) {
            const double was = leaf || b->anew ? 0 : before(k);
            const double got = leaf ? ts_load_f32(ts_tensor_data(leaf->grad), k, leaf->grad->dtype)
                                    : b->env.param[v]->grad[k];
            compare(j, var->name, k, got, x->g[v][k] + was,
                    j->unit * j->growth * (x->mass[v][k] + x->move[v][k]) + x->fd[v][k] +
                        FLT_EPSILON * (fabs(was) + fabs(got)));
        }
    }
}

static void run_on(const grad_case *g, const expected *x, ts_dtype t, unsigned isa, int threads,
                   bool anew, judge *j)
{
    bench b = { .anew = anew };
    float *y = calloc((size_t)g->n_out + 1, sizeof *y),
          *c = calloc((size_t)g->n_out + 1, sizeof *c);
    const ts_device_options o = { .threads = threads, .isa = isa };
    if (!y || !c || ts_device_open("cpu", &o, &b.env.dev) != TS_OK)
        die("opening the device");
    const int64_t held = b.env.dev->mem.total;
    if (ts_param_set_init(&b.params, b.env.dev) != TS_OK)
        die("making the parameters");
    for (int64_t i = 0; i < g->n_out; i++)
        c[i] = (float)x->c[i];
    b.env.c = c;
    if (ts_tape_create(b.env.dev, &g->tape, &b.env.tape) != TS_OK ||
        run_tape(g, x, t, &b, y) != TS_OK)
        die(g->name);
    compare_all(j, x, &b, y);
    ts_tape_destroy(&b.env.tape);
    ts_param_set_deinit(&b.params);
    while (b.n_tables)
        ts_storage_release(&b.tables[--b.n_tables]);
    if (b.env.dev->mem.total != held) {
        fprintf(stderr, "grad %s: %lld bytes were not given back\n", g->name,
                (long long)(b.env.dev->mem.total - held));
        j->bad++;
    }
    ts_device_close(&b.env.dev);
    free(y);
    free(c);
}

bool grad_check(const grad_case *given)
{
    grad_case g = *given;
    judge j = { .g = &g, .growth = 6 + 2 * sqrt((double)(g.longest ? g.longest : 1)) };
    const unsigned has = ts_isa_detect();
    for (int i = 0; i < (g.with_bf16 ? 2 : 1); i++) {
        j.t = i ? TS_DTYPE_BF16 : TS_DTYPE_F32;
        j.unit = i ? 0x1p-9 : 0x1p-24;
        expected x = expect(&g, j.t);
        j.device = "reference";
        run_on(&g, &x, j.t, TS_ISA_REF, 1, false, &j);
        j.device = "best kernels";
        run_on(&g, &x, j.t, has, 2, false, &j);
        j.device = "best kernels, gradients anew";
        run_on(&g, &x, j.t, has, 2, true, &j);
        forget(&x);
    }
    printf("grad %-44s worst %.3f of the bound, %d bad\n", g.name, j.worst, j.bad);
    return j.bad == 0;
}
