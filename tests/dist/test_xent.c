/* The output layer and the embedding with a vocabulary cut over the processes, against one process:
 * every rank runs the whole by itself too and compares its share. */
#include "ops/ops.h"

#include "device/device.h"
#include "device/isa.h"
#include "dist_test.h"

#include <float.h>
#include <math.h>

#define U ((double)FLT_EPSILON / 2)

typedef struct xent_case {
    const char *name;
    int64_t T, H, V, vocab; /* vocab: real rows; 0: V */
    int cut;                /* how rows are shared out, see begin_of */
    float softcap, logit_scale;
    bool bias, argmax, late, chosen, integers, minus_inf, half;
} xent_case;

enum { EVEN, FIRST_HAS_ALL, LAST_HAS_ALL };

/* What is known of a case: inputs, and sizes of what is summed. */
typedef struct facts {
    const xent_case *c;
    double *z;           /* [T, V] after the cap */
    double *d, *err;     /* [T, V] of logits; how far two ways to make d may be apart */
    double *loss_err;    /* [T] */
    double *most, *near; /* [T] the largest z; how far a z may be off */
} facts;

typedef struct outcome {
    float *loss, *dx, *dw, *db; /* [T], [T, H], [rows, H], [rows] */
    int32_t *argmax;
} outcome;

static ts_comm *comm;
static ts_device *dev;
static float *x, *w, *b, *weight; /* [T, H], [V, H], [V], [T]; as they are rounded */
static int32_t *labels;           /* [T] */

static void *zeros(int64_t n, size_t size)
{
    void *p = calloc((size_t)n + 1, size);
    EXPECT(p, "no memory");
    return p;
}

static int64_t begin_of(const xent_case *c, int rank)
{
    const int64_t size = comm->size, rest = size - 1;
    if (rank == 0 || rank == size)
        return rank == 0 ? 0 : c->V;
    if (c->cut == FIRST_HAS_ALL)
        return c->V - rest + (rank - 1);
    return c->cut == LAST_HAS_ALL ? rank : c->V * rank / size;
}

/* ---- a case's values ---- */

static float made(int64_t i, int stream, bool integer, bool half)
{
    const int64_t n = made_up(stream, i * 13 + i / 17);
    const float f = integer ? (float)(n % 5 - 2) : (float)n / 2050 - 1;
    return half ? ts_bf16_to_f32(ts_f32_to_bf16(f)) : f;
}

static void make_values(const xent_case *c)
{
    const int64_t real = c->vocab ? c->vocab : c->V;
    x = zeros(c->T * c->H, sizeof *x), w = zeros(c->V * c->H, sizeof *w);
    b = zeros(c->V, sizeof *b), weight = zeros(c->T, sizeof *weight);
    labels = zeros(c->T, sizeof *labels);
    for (int64_t i = 0; i < c->T * c->H; i++)
        x[i] = made(i, 1, c->integers, c->half);
    for (int64_t i = 0; i < real * c->H; i++)
        w[i] = made(i, 2, c->integers, c->half);
    for (int64_t v = 0; v < c->V; v++)
        b[v] = c->minus_inf && v >= begin_of(c, comm->size - 1) ? -INFINITY
                                                                : made(v, 3, c->integers, false);
    for (int64_t t = 0; t < c->T; t++) {
        const int64_t below = c->minus_inf ? begin_of(c, comm->size - 1) : real;
        labels[t] = t % 5 == 3 || t == 0 ? -1 : (int32_t)((t * 7919 + real - 1) % below);
        weight[t] = t % 7 == 5 ? 0 : 0.5f + 0.25f * (float)(t % 4);
    }
}

static void free_values(void) { free(x), free(w), free(b), free(weight), free(labels); }

/* Logits are dot products of H and a bias, scaled and capped, on both sides of a comparison:
 * 2 (H + 3) u of the sizes summed. From there on as in tests/check/check_loss.c. A gradient of a
 * logit is rounded to the type up to twice a side. */
static void row_facts(facts *f, int64_t t)
{
    const xent_case *c = f->c;
    double *z = f->z + t * c->V, size = 0, sum = 0, far = 0;
    f->most[t] = -INFINITY;
    for (int64_t v = 0; v < c->V; v++) {
        double mass = 0;
        z[v] = 0;
        for (int64_t i = 0; i < c->H; i++) {
            const double p = (double)x[t * c->H + i] * (double)w[v * c->H + i];
            z[v] += p, mass += fabs(p);
        }
        const double bias = c->bias ? (double)b[v] : 0, s = (double)c->logit_scale;
        z[v] = s * (z[v] + bias);
        size = fmax(size, isfinite(bias) ? s * (mass + fabs(bias)) : 0);
        if (c->softcap > 0)
            z[v] = (double)c->softcap * tanh(z[v] / (double)c->softcap);
        f->most[t] = fmax(f->most[t], z[v]);
    }
    for (int64_t v = 0; v < c->V; v++) {
        sum += exp(z[v] - f->most[t]);
        far = fmax(far, isfinite(z[v]) ? f->most[t] - z[v] : 0);
    }
    const double lse = f->most[t] + log(sum), near = U * 2 * (double)(c->H + 3 + 10) * size;
    const double root = sqrt((double)(c->V < 4096 ? c->V : 4096));
    const double rel = 2 * near + 2 * U * (14 + root + far + fabs(lse));
    f->near[t] = near;
    f->loss_err[t] = rel;
    for (int64_t v = 0; v < c->V; v++) {
        const double unit = c->half ? 0x1p-9 : U;
        const double q = c->softcap > 0 ? z[v] / (double)c->softcap : 0, slope = 1 - q * q;
        const double p = exp(z[v] - lse), part = p - (v == labels[t]);
        const double g = labels[t] < 0 ? 0 : (double)(weight[t] * c->logit_scale);
        const double slope_err = c->softcap > 0 ? 44 * U + 2 * near / (double)c->softcap : 0;
        f->d[t * c->V + v] = g * part * slope;
        f->err[t * c->V + v] = g * (p * rel * slope + fabs(part) * (slope_err + 8 * U)) +
                               4 * unit * fabs(g * part * slope);
    }
}

static facts make_facts(const xent_case *c)
{
    facts f = { c,
                zeros(c->T * c->V, sizeof *f.z),
                zeros(c->T * c->V, sizeof *f.d),
                zeros(c->T * c->V, sizeof *f.err),
                zeros(c->T, sizeof *f.loss_err),
                zeros(c->T, sizeof *f.most),
                zeros(c->T, sizeof *f.near) };
    for (int64_t t = 0; t < c->T; t++)
        row_facts(&f, t);
    return f;
}

static void free_facts(facts *f)
{
    free(f->z), free(f->d), free(f->err), free(f->loss_err), free(f->most), free(f->near);
}

/* ---- a run ---- */

static ts_tensor *upload(ts_tape *tape, ts_dtype t, const void *host, int64_t d0, int64_t d1)
{
    ts_tensor *out;
    EXPECT_OK(ts_tape_new(tape, t, d0, d1, &out));
    dev->to_device(dev, ts_tensor_data(out), host, ts_tensor_bytes(out));
    return out;
}

static ts_tensor *upload_floats(ts_tape *tape, ts_dtype t, const float *host, int64_t d0,
                                int64_t d1)
{
    const int64_t n = d0 * (d1 ? d1 : 1);
    void *rounded = zeros(n, ts_dtype_size(t));
    for (int64_t i = 0; i < n; i++)
        ts_store_f32(rounded, i, t, host[i]);
    ts_tensor *out = upload(tape, t, rounded, d0, d1);
    free(rounded);
    return out;
}

static void download(void *host, const void *from, int64_t n, size_t size)
{
    EXPECT_OK(ts_device_read(dev, host, from, (size_t)n * size));
}

static void download_floats(float *host, const ts_tensor *t)
{
    const int64_t n = ts_tensor_count(t);
    void *rounded = zeros(n, ts_dtype_size(t->dtype));
    download(rounded, ts_tensor_data(t), n, ts_dtype_size(t->dtype));
    for (int64_t i = 0; i < n; i++)
        host[i] = ts_load_f32(rounded, i, t->dtype);
    free(rounded);
}

static void choose(ts_tape *tape, int64_t T, ts_chosen_rows *out)
{
    int32_t *host = zeros(3 * T, sizeof *host);
    out->n = ts_choose_rows(labels, T, host, host + T, host + 2 * T);
    out->at = upload(tape, TS_DTYPE_I32, host, T, 0);
    out->back = upload(tape, TS_DTYPE_I32, host + T, T, 0);
    out->labels = upload(tape, TS_DTYPE_I32, host + 2 * T, T, 0);
    free(host);
}

static void take(const xent_case *c, const ts_tensor *loss, const ts_tensor *argmax,
                 const ts_tensor *in, outcome *o)
{
    download_floats(o->loss, loss);
    if (argmax)
        download(o->argmax, ts_tensor_data(argmax), c->T, sizeof *o->argmax);
    if (in)
        download_floats(o->dx, in->grad);
}

static void pass(const xent_case *c, ts_comm *group, int64_t first, ts_param *pw, ts_param *pb,
                 outcome *o)
{
    ts_tape *tape;
    ts_tensor *loss, *argmax = NULL;
    ts_chosen_rows chosen;
    EXPECT_OK(ts_tape_create(dev, &(ts_tape_options){ 0 }, &tape));
    tape->recording = true;
    ts_tensor *in = upload_floats(tape, c->half ? TS_DTYPE_BF16 : TS_DTYPE_F32, x, c->T, c->H);
    in->wants_grad = true;
    choose(tape, c->T, &chosen);
    const ts_xent_op op = { .w = pw,
                            .b = pb,
                            .vocab = c->vocab ? c->vocab : c->V,
                            .group = group,
                            .first = first,
                            .softcap = c->softcap,
                            .logit_scale = c->logit_scale,
                            .labels = upload(tape, TS_DTYPE_I32, labels, c->T, 0),
                            .chosen = c->chosen ? &chosen : NULL,
                            .late = c->late };
    EXPECT_OK(ts_op_linear_xent(tape, &op, in, &loss, c->argmax ? &argmax : NULL));
    ts_tensor_pin(loss);
    if (argmax)
        ts_tensor_pin(argmax);
    if (!c->late)
        take(c, loss, argmax, NULL, o);
    EXPECT_OK(ts_tape_accumulate(tape, loss, upload_floats(tape, TS_DTYPE_F32, weight, c->T, 0)));
    EXPECT_OK(ts_tape_backward(tape));
    take(c, loss, argmax, in, o);
    ts_tape_destroy(&tape);
}

/* Rows [first, first + n) of the head, over `group`. */
static outcome run(const xent_case *c, ts_comm *group, int64_t first, int64_t n)
{
    ts_param_set params;
    ts_param *pw, *pb = NULL;
    outcome o = { zeros(c->T, sizeof *o.loss), zeros(c->T * c->H, sizeof *o.dx),
                  zeros(n * c->H, sizeof *o.dw), zeros(n, sizeof *o.db),
                  zeros(c->T, sizeof *o.argmax) };
    EXPECT_OK(ts_param_set_init(&params, dev));
    EXPECT_OK(ts_param_add(&params, "w", n, c->H, true, &pw));
    if (c->bias)
        EXPECT_OK(ts_param_add(&params, "b", n, 0, true, &pb));
    EXPECT_OK(ts_param_set_allocate(&params, TS_DTYPE_F32));
    EXPECT_OK(ts_param_set_allocate_grads(&params));
    dev->to_device(dev, pw->value, w + first * c->H, (size_t)(n * c->H) * sizeof *w);
    if (pb)
        dev->to_device(dev, pb->value, b + first, (size_t)n * sizeof *b);
    pass(c, group, first, pw, pb, &o);
    download(o.dw, pw->grad, n * c->H, sizeof *o.dw);
    if (pb)
        download(o.db, pb->grad, n, sizeof *o.db);
    ts_param_set_deinit(&params);
    return o;
}

static void free_outcome(outcome *o)
{
    free(o->loss), free(o->dx), free(o->dw), free(o->db), free(o->argmax);
}

/* ---- comparisons ---- */

static double worst; /* share of the bound */

static void near(const facts *f, const char *what, int64_t i, float got, float want, double bound)
{
    const double share = fabs((double)got - (double)want) / (bound + 1e-30);
    EXPECT(isfinite(bound) && share <= 1, "%s, %s %lld: %.9g, alone %.9g, bound %g", f->c->name,
           what, (long long)i, (double)got, (double)want, bound);
    worst = fmax(worst, share);
}

static void compare_rows(const facts *f, const outcome *one, const outcome *cut)
{
    const xent_case *c = f->c;
    for (int64_t t = 0; t < c->T; t++) {
        near(f, "loss", t, cut->loss[t], one->loss[t],
             labels[t] < 0 ? 0 : f->loss_err[t] + 4 * U * fabs((double)one->loss[t]));
        if (c->argmax && c->integers)
            EXPECT(cut->argmax[t] == one->argmax[t], "%s, row %lld: argmax %d, alone %d", c->name,
                   (long long)t, cut->argmax[t], one->argmax[t]);
        else if (c->argmax)
            EXPECT(cut->argmax[t] >= 0 && cut->argmax[t] < c->V &&
                       f->z[t * c->V + cut->argmax[t]] >= f->most[t] - 2 * f->near[t],
                   "%s, row %lld: argmax %d", c->name, (long long)t, cut->argmax[t]);
    }
}

/* dx: V terms a side, and in the type each process's part and the results. */
static void compare_dx(const facts *f, const outcome *one, const outcome *cut)
{
    const xent_case *c = f->c;
    const double unit = c->half ? 0x1p-9 : U;
    for (int64_t t = 0; t < c->T; t++)
        for (int64_t i = 0; i < c->H; i++) {
            double bound = 0, mass = 0;
            for (int64_t v = 0; v < c->V; v++) {
                const double a = fabs((double)w[v * c->H + i]);
                bound += f->err[t * c->V + v] * a;
                mass += fabs(f->d[t * c->V + v]) * a;
            }
            bound += mass * (3 * unit + U * (double)(2 * c->V + comm->size));
            near(f, "dx", t * c->H + i, cut->dx[t * c->H + i], one->dx[t * c->H + i], bound);
        }
}

static void compare_share(const facts *f, const outcome *one, const outcome *cut, int64_t first,
                          int64_t n)
{
    const xent_case *c = f->c;
    for (int64_t v = first; v < first + n; v++)
        for (int64_t i = 0; i <= c->H; i++) { /* the last is the bias */
            double bound = 0, mass = 0;
            for (int64_t t = 0; t < c->T; t++) {
                const double a = i < c->H ? fabs((double)x[t * c->H + i]) : 1;
                bound += f->err[t * c->V + v] * a;
                mass += fabs(f->d[t * c->V + v]) * a;
            }
            bound += mass * U * (double)(2 * c->T);
            if (i < c->H)
                near(f, "dw", v * c->H + i, cut->dw[(v - first) * c->H + i], one->dw[v * c->H + i],
                     bound);
            else if (c->bias)
                near(f, "db", v, cut->db[v - first], one->db[v], bound);
        }
}

/* The same bits on all processes. */
static void expect_common(const char *name, const void *p, size_t bytes)
{
    char *first = zeros((int64_t)bytes, 1);
    memcpy(first, p, bytes);
    EXPECT_OK(ts_comm_run(comm, ts_broadcast(first, (int64_t)bytes, TS_COMM_U8, 0)));
    EXPECT(memcmp(first, p, bytes) == 0, "%s: not what rank 0 has", name);
    free(first);
}

static void try_case(const xent_case *c)
{
    const int64_t first = begin_of(c, comm->rank), n = begin_of(c, comm->rank + 1) - first;
    make_values(c);
    facts f = make_facts(c);
    outcome one = run(c, NULL, 0, c->V), cut = run(c, comm, first, n);
    worst = 0;
    compare_rows(&f, &one, &cut);
    compare_dx(&f, &one, &cut);
    compare_share(&f, &one, &cut, first, n);
    expect_common(c->name, cut.loss, (size_t)c->T * sizeof *cut.loss);
    expect_common(c->name, cut.dx, (size_t)(c->T * c->H) * sizeof *cut.dx);
    expect_common(c->name, cut.argmax, (size_t)c->T * sizeof *cut.argmax);
    if (comm->size == 1) /* the very same way */
        EXPECT(memcmp(cut.dx, one.dx, (size_t)(c->T * c->H) * sizeof *cut.dx) == 0 &&
                   memcmp(cut.loss, one.loss, (size_t)c->T * sizeof *cut.loss) == 0,
               "%s: a group of one", c->name);
    if (comm->rank == 0)
        printf("%-36s worst %.3f of the bound\n", c->name, worst);
    free_outcome(&one), free_outcome(&cut);
    free_facts(&f);
    free_values();
}

static const xent_case cases[] = {
    { "plain", 12, 10, 41, .logit_scale = 1 },
    { "seven rows", 9, 5, 7, .logit_scale = 1, .argmax = true },
    { "bias, late", 12, 10, 41, .logit_scale = 1, .bias = true, .late = true },
    { "softcap, scale, bias", 12, 10, 41, .logit_scale = 0.5f, .softcap = 1.5f, .bias = true },
    { "softcap, late, chosen", 12, 10, 41, .logit_scale = 2, .softcap = 3, .late = true,
      .chosen = true },
    { "chosen, bias", 13, 17, 70, .logit_scale = 1, .bias = true, .chosen = true },
    { "argmax, chosen", 13, 17, 70, .logit_scale = 1, .chosen = true, .argmax = true },
    { "argmax, late, softcap", 13, 17, 70, .logit_scale = 1, .softcap = 2, .late = true,
      .argmax = true },
    { "equals", 40, 4, 64, .logit_scale = 1, .argmax = true, .integers = true },
    { "equals, softcap", 40, 4, 64, .logit_scale = 1, .softcap = 4, .argmax = true,
      .integers = true },
    { "only padding in most", 12, 10, 32, 5, .logit_scale = 1, .argmax = true },
    { "one row in all but one", 12, 10, 50, .cut = FIRST_HAS_ALL, .logit_scale = 1, .bias = true },
    { "one row in all but the last", 12, 10, 50, .cut = LAST_HAS_ALL, .logit_scale = 1 },
    { "a share of -inf", 12, 10, 41, .logit_scale = 1, .bias = true, .minus_inf = true },
    { "far apart", 12, 30, 41, .logit_scale = 30, .argmax = true },
    { "bf16", 12, 32, 80, .logit_scale = 1, .bias = true, .half = true },
    { "bf16, scale, softcap, late, chosen", 12, 32, 83, .logit_scale = 0.25f, .softcap = 2,
      .late = true, .chosen = true, .half = true },
    { "bf16, argmax", 40, 16, 64, .logit_scale = 1, .argmax = true, .integers = true,
      .half = true },
};

/* Several chunks of rows, of as many on all processes though one has nearly all columns. */
static const xent_case large = { "chunks", 300, 2, 99000, .cut = FIRST_HAS_ALL, .logit_scale = 1 };

/* ---- the embedding ---- */

enum { E_T = 23, E_V = 19, E_H = 21, E_POS = 6 };

typedef struct embed_outcome {
    float y[E_T * E_H], table[E_V * E_H], positions[E_POS * E_H];
} embed_outcome;

typedef struct embed_case {
    ts_dtype t;
    float scale;
    bool freezes;
    ts_quant quant; /* not NONE: the table is held in this alone, and has no gradient */
} embed_case;

static void embed_params(const embed_case *c, int64_t first, int64_t n, ts_param_set *set)
{
    float values[E_V * E_H];
    ts_param *table, *positions;
    EXPECT_OK(ts_param_set_init(set, dev));
    EXPECT_OK(ts_param_add(set, "table", n, E_H, true, &table));
    EXPECT_OK(ts_param_add(set, "positions", E_POS, E_H, true, &positions));
    if (c->quant)
        ts_param_hold(table, TS_HELD_ONE, TS_DTYPE_F32, c->quant);
    EXPECT_OK(ts_param_set_allocate(set, TS_DTYPE_F32));
    EXPECT_OK(ts_param_set_allocate_grads(set));
    for (int64_t i = 0; i < n * E_H; i++)
        values[i] = made(first * E_H + i, 5, false, false);
    EXPECT_OK(ts_param_put(table, 0, n * E_H, values));
    for (int64_t i = 0; i < E_POS * E_H; i++)
        values[i] = made(i, 6, false, false);
    EXPECT_OK(ts_param_put(positions, 0, E_POS * E_H, values));
}

/* Rows [first, first + n) of the table, over `group`. */
static void embed(const embed_case *c, ts_comm *group, int64_t first, int64_t n, embed_outcome *o)
{
    ts_param_set set;
    ts_tape *tape;
    ts_tensor *y;
    int32_t ids[E_T], pos[E_T];
    embed_params(c, first, n, &set);
    for (int64_t i = 0; i < E_T; i++)
        ids[i] = (int32_t)(i * i % E_V), pos[i] = (int32_t)(i % E_POS);
    EXPECT_OK(ts_tape_create(dev, &(ts_tape_options){ 0 }, &tape));
    tape->recording = true;
    const ts_embed_op op = { .table = set.p[0],
                             .positions = set.p[1],
                             .group = group,
                             .first = first,
                             .ids = upload(tape, TS_DTYPE_I32, ids, E_T, 0),
                             .pos = upload(tape, TS_DTYPE_I32, pos, E_T, 0),
                             .scale = c->scale,
                             .dtype = c->t,
                             .freezes = c->freezes,
                             .frozen = 4 };
    EXPECT_OK(ts_op_embed(tape, &op, &y));
    download_floats(o->y, y);
    if (!c->quant) {
        EXPECT_OK(ts_tape_accumulate(tape, y, upload_floats(tape, c->t, o->y, E_T, E_H)));
        EXPECT_OK(ts_tape_backward(tape));
        download(o->table, set.p[0]->grad, n * E_H, sizeof *o->table);
        download(o->positions, set.p[1]->grad, E_POS * E_H, sizeof *o->positions);
    }
    ts_tape_destroy(&tape);
    ts_param_set_deinit(&set);
}

/* Whatever is added are zeros: equal values, and gradients of the same bits. */
static void try_embed(const embed_case *c)
{
    static embed_outcome one, cut;
    const int64_t first = E_V * comm->rank / comm->size;
    const int64_t n = E_V * (comm->rank + 1) / comm->size - first;
    embed(c, NULL, 0, E_V, &one);
    embed(c, comm, first, n, &cut);
    for (int64_t i = 0; i < E_T * E_H; i++)
        EXPECT(cut.y[i] == one.y[i], "embedding, %s, in %d, element %lld: %g, alone %g",
               ts_dtype_name(c->t), (int)c->quant, (long long)i, (double)cut.y[i],
               (double)one.y[i]);
    if (c->quant)
        return;
    EXPECT(memcmp(cut.positions, one.positions, sizeof one.positions) == 0, "of positions");
    EXPECT(memcmp(cut.table, one.table + first * E_H, (size_t)(n * E_H) * sizeof(float)) == 0,
           "of the table, %s", ts_dtype_name(c->t));
}

/* ---- a simulated group ---- */

/* One of four simulated processes: as many calls and bytes as a rank of a real group has. */
static void simulated(void)
{
    const xent_case c = { "sim", 12, 10, 40, .logit_scale = 1, .argmax = true };
    ts_device *real = dev;
    ts_comm *group;
    ts_param_set params;
    ts_param *pw;
    ts_tape *tape;
    ts_tensor *in, *l, *loss, *argmax, *g, *y;
    EXPECT_OK(ts_device_open("sim", &(ts_device_options){ .threads = 1 }, &dev));
    EXPECT_OK(ts_comm_sim_create(1, 4, "tp", NULL, &group));
    EXPECT_OK(ts_param_set_init(&params, dev));
    EXPECT_OK(ts_param_add(&params, "w", c.V / 4, c.H, true, &pw));
    EXPECT_OK(ts_param_set_allocate(&params, TS_DTYPE_F32));
    EXPECT_OK(ts_param_set_allocate_grads(&params));
    EXPECT_OK(ts_tape_create(dev, &(ts_tape_options){ 0 }, &tape));
    tape->recording = true;
    EXPECT_OK(ts_tape_new(tape, TS_DTYPE_BF16, c.T, c.H, &in));
    EXPECT_OK(ts_tape_new(tape, TS_DTYPE_I32, c.T, 0, &l));
    EXPECT_OK(ts_tape_new(tape, TS_DTYPE_F32, c.T, 0, &g));
    in->wants_grad = true;
    const ts_xent_op op = {
        .w = pw, .vocab = c.V, .group = group, .first = c.V / 4, .logit_scale = 1, .labels = l
    };
    EXPECT_OK(ts_op_linear_xent(tape, &op, in, &loss, &argmax));
    const ts_embed_op e = {
        .table = pw, .group = group, .first = c.V / 4, .ids = l, .scale = 1, .dtype = TS_DTYPE_BF16
    };
    EXPECT_OK(ts_op_embed(tape, &e, &y));
    EXPECT(group->traffic.calls == 4, "%lld calls forward", (long long)group->traffic.calls);
    EXPECT_OK(ts_tape_accumulate(tape, loss, g));
    EXPECT_OK(ts_tape_backward(tape));
    /* of all reduced bytes a rank sends 2 (4 - 1) / 4: row numbers forward and backward, the argmax,
     * y and dx */
    const double bytes = (double)c.T * (2 * 3 * 4 + 8 + 2 * 2 * (double)c.H) * 2 * 3 / 4;
    EXPECT(group->traffic.calls == 7, "%lld calls", (long long)group->traffic.calls);
    EXPECT(group->traffic.bytes == bytes, "%g bytes, not %g", group->traffic.bytes, bytes);
    ts_tape_destroy(&tape);
    ts_param_set_deinit(&params);
    ts_comm_destroy(&group);
    ts_device_close(&dev);
    dev = real;
}

int main(int argc, char **argv)
{
    comm = open_world(argc > 1 ? argv[1] : "shm");
    EXPECT_OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1, .isa = TS_ISA_ALL }, &dev));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (comm->size > 1 || !cases[i].minus_inf)
            try_case(&cases[i]);
    if (comm->size == 2)
        try_case(&large);
    for (int i = 0; i < 9; i++)
        try_embed(&(embed_case){ .t = (ts_dtype)(i % 3),
                                 .scale = i % 2 ? 1 : 7.75f,
                                 .freezes = i > 2,
                                 .quant = i > 5 ? TS_QUANT_INT8 : TS_QUANT_NONE });
    simulated();
    ts_device_close(&dev);
    ts_comm_finish(&comm, false);
    return 0;
}
