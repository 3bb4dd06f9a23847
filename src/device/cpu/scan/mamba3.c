/* Projections of Mamba 3 made ready for the scan: plain C. */
#include "device/cpu/scan/scan.h"

#include <string.h>

static const float pi = 3.14159265358979f;

/* One head of one sequence. */
typedef struct place {
    const ts_mamba3_args *a;
    int64_t b, head;
} place;

static int64_t row_of(const place *p, int64_t t) { return p->b * p->a->S + t; }

/* Whether a document begins with row t; what was kept of a sequence goes on. */
static bool begins(const place *p, int64_t t)
{
    const ts_mamba3_args *a = p->a;
    return t == 0 ? !a->state : a->first_key && a->first_key[row_of(p, t)] >= t;
}

/* What the three numbers of a row and head become, and they themselves. */
typedef struct scalars {
    float raw_dt, raw_a, trap, dt, rate, lambda;
} scalars;

static scalars scalars_of(const place *p, int64_t t)
{
    const ts_mamba3_args *a = p->a;
    const int64_t at = row_of(p, t) * (3 * a->heads + a->angles) + p->head;
    scalars s = { .raw_dt = ts_load_f32(a->raw, at, a->dtype) + a->dt_bias[p->head],
                  .raw_a = ts_load_f32(a->raw, at + a->heads, a->dtype),
                  .trap = ts_load_f32(a->raw, at + 2 * a->heads, a->dtype) };
    s.dt = ts_softplus(s.raw_dt), s.rate = -fmaxf(ts_softplus(s.raw_a), a->floor), s.lambda = ts_sigmoid(s.trap);
    return s;
}

/* Angles behind row t, held to one turn. */
static void turn_on(const place *p, int64_t t, float dt, float *angle)
{
    const ts_mamba3_args *a = p->a;
    const float *turns = a->turns + row_of(p, t) * a->angles;
    if (begins(p, t))
        memset(angle, 0, (size_t)a->angles * sizeof *angle);
    for (int64_t k = 0; k < a->angles; k++) {
        const float next = angle[k] + turns[k] * dt;
        angle[k] = next - 2 * pi * floorf(next / (2 * pi));
    }
}

/* Of row t B (which 0) or C (1), with the head's bias. */
static void take_shared(const place *p, int64_t t, int which, float *u)
{
    const ts_mamba3_args *a = p->a;
    const int64_t group = p->head / (a->heads / a->groups);
    const int64_t at = row_of(p, t) * 2 * a->groups * a->N + (which * a->groups + group) * a->N;
    const float *bias = (which ? a->c_bias : a->b_bias) + p->head * a->N;
    for (int64_t n = 0; n < a->N; n++)
        u[n] = ts_load_f32(a->bc, at + n, a->dtype) + bias[n];
}

/* By cosines and, behind them, sines. */
static void turn(const ts_mamba3_args *a, const float *waves, float *u)
{
    const float *cosine = waves, *sine = waves + a->angles;
    for (int64_t k = 0; k < a->angles; k++) {
        const float u0 = u[2 * k], u1 = u[2 * k + 1];
        u[2 * k] = u0 * cosine[k] - u1 * sine[k];
        u[2 * k + 1] = u0 * sine[k] + u1 * cosine[k];
    }
}

/* Where those of row t are kept. */
static float *waves_at(const place *p, int64_t t)
{
    return p->a->waves + (p->head * p->a->B * p->a->S + row_of(p, t)) * 2 * p->a->angles;
}

/* x, B and C of row t into xbc. */
static void put_row(const place *p, int64_t t, const float *angle)
{
    const ts_mamba3_args *a = p->a;
    const size_t size = ts_dtype_size(a->dtype);
    const int64_t width = a->heads * (a->P + 2 * a->N), row = row_of(p, t), inner = a->heads * a->P;
    float own[2 * TS_MAMBA3_MOST_ANGLES], u[TS_SSD_MOST_STATE], *waves = a->waves ? waves_at(p, t) : own;
    for (int64_t k = 0; k < a->angles; k++)
        waves[k] = cosf(angle[k]), waves[a->angles + k] = sinf(angle[k]);
    memcpy((char *)a->xbc + (size_t)(row * width + p->head * a->P) * size,
           (const char *)a->x + (size_t)(row * inner + p->head * a->P) * size, (size_t)a->P * size);
    for (int which = 0; which < 2; which++) {
        const int64_t at = row * width + inner + (which * a->heads + p->head) * a->N;
        take_shared(p, t, which, u);
        turn(a, waves, u);
        for (int64_t n = 0; n < a->N; n++)
            ts_store_f32(a->xbc, at + n, a->dtype, u[n]);
    }
}

/* The row before the first one, whose weight in later rows the first one makes whole. */
static void add_before(const place *p, float weight)
{
    const ts_mamba3_args *a = p->a;
    const int64_t head = p->b * a->heads + p->head, at = head * (a->N + a->P);
    float *h = a->state + head * a->N * a->P;
    for (int64_t n = 0; n < a->N; n++)
        for (int64_t i = 0; i < a->P; i++)
            h[n * a->P + i] += weight * ts_load_f32(a->before, at + n, a->dtype) *
                               ts_load_f32(a->before, at + a->N + i, a->dtype);
}

static void keep_row(const place *p, int64_t t)
{
    const ts_mamba3_args *a = p->a;
    const size_t size = ts_dtype_size(a->dtype);
    const int64_t row = row_of(p, t) * a->heads * (a->P + 2 * a->N);
    char *to = (char *)a->before + (size_t)((p->b * a->heads + p->head) * (a->N + a->P)) * size;
    memcpy(to, (const char *)a->xbc + (size_t)(row + a->heads * a->P + p->head * a->N) * size, (size_t)a->N * size);
    memcpy(to + (size_t)a->N * size, (const char *)a->xbc + (size_t)(row + p->head * a->P) * size, (size_t)a->P * size);
}

static void forward(const place *p)
{
    const ts_mamba3_args *a = p->a;
    const int64_t length = a->length ? a->length[p->b] : a->S;
    float own[TS_MAMBA3_MOST_ANGLES], *angle = a->angle ? a->angle + (p->b * a->heads + p->head) * a->angles : own;
    for (int64_t t = 0; t < length; t++) {
        const scalars s = scalars_of(p, t);
        float *step = a->steps + (row_of(p, t) * a->heads + p->head) * 3;
        const float late = s.dt * (1 - s.lambda);
        turn_on(p, t, s.dt, angle);
        put_row(p, t, angle);
        step[0] = s.rate * s.dt, step[1] = step[2] = s.lambda * s.dt;
        if (!begins(p, t) && t > 0)
            step[1 - 3 * a->heads] += late;
        if (!begins(p, t) && t == 0)
            add_before(p, late);
    }
    if (a->state && length > 0)
        keep_row(p, length - 1);
}

/* ---- backward ---- */

/* Of row t: from the gradients of turned B and C those of what was not turned, and of the angles (added to). */
static void turn_back(const place *p, int64_t t, float *dangle)
{
    const ts_mamba3_args *a = p->a;
    const float *waves = waves_at(p, t), *cosine = waves, *sine = waves + a->angles;
    float u[TS_SSD_MOST_STATE], *sums = a->sums + p->b * a->heads * (2 * a->N + 1);
    for (int which = 0; which < 2; which++) {
        float *d = a->parts + ((p->head * a->B * a->S + row_of(p, t)) * 2 + which) * a->N;
        float *bias = sums + (which * a->heads + p->head) * a->N;
        take_shared(p, t, which, u);
        turn(a, waves, u);
        for (int64_t k = 0; k < a->angles; k++) {
            const float d0 = d[2 * k], d1 = d[2 * k + 1];
            dangle[k] += d1 * u[2 * k] - d0 * u[2 * k + 1];
            d[2 * k] = d0 * cosine[k] + d1 * sine[k];
            d[2 * k + 1] = d1 * cosine[k] - d0 * sine[k];
        }
        for (int64_t n = 0; n < a->N; n++)
            bias[n] += d[n];
    }
}

/* What comes to dt, A and trap of row t, where they are s; by_angles: what angles give dt. */
static void give_scalars(const place *p, int64_t t, scalars s, float by_angles)
{
    const ts_mamba3_args *a = p->a;
    const float *d = a->dsteps + (row_of(p, t) * a->heads + p->head) * 3;
    const float own = d[1] + d[2], late = begins(p, t) ? 0 : d[1 - 3 * a->heads];
    const float ddt = s.rate * d[0] + s.lambda * own + (1 - s.lambda) * late + by_angles;
    const float inside = ts_softplus(s.raw_a) >= a->floor ? 1.0f : 0.0f, draw_dt = ddt * ts_sigmoid(s.raw_dt);
    const int64_t at = row_of(p, t) * (3 * a->heads + a->angles) + p->head;
    ts_store_f32(a->draw, at, a->dtype, draw_dt);
    ts_store_f32(a->draw, at + a->heads, a->dtype, -inside * d[0] * s.dt * ts_sigmoid(s.raw_a));
    ts_store_f32(a->draw, at + 2 * a->heads, a->dtype, s.dt * (own - late) * s.lambda * (1 - s.lambda));
    a->sums[p->b * a->heads * (2 * a->N + 1) + 2 * a->heads * a->N + p->head] += draw_dt;
}

static void backward(const place *p)
{
    const ts_mamba3_args *a = p->a;
    float dangle[TS_MAMBA3_MOST_ANGLES] = { 0 };
    float *sums = a->sums + p->b * a->heads * (2 * a->N + 1);
    memset(sums + p->head * a->N, 0, (size_t)a->N * sizeof *sums);
    memset(sums + (a->heads + p->head) * a->N, 0, (size_t)a->N * sizeof *sums);
    sums[2 * a->heads * a->N + p->head] = 0;
    float *at = a->dturns + (p->head * a->B * a->S + row_of(p, 0)) * a->angles;
    for (int64_t t = a->S; t-- > 0;) {
        const scalars s = scalars_of(p, t);
        const float *turns = a->turns + row_of(p, t) * a->angles;
        float *d = at + t * a->angles, by_angles = 0;
        turn_back(p, t, dangle);
        for (int64_t k = 0; k < a->angles; k++) {
            by_angles += dangle[k] * turns[k];
            d[k] = dangle[k] * s.dt;
        }
        give_scalars(p, t, s, by_angles);
        if (begins(p, t))
            memset(dangle, 0, sizeof dangle);
    }
}

/* ---- tasks ---- */

typedef struct job {
    const ts_mamba3_args *a;
    void (*run)(const place *p);
} job;

static void run_tasks(void *ctx, int64_t begin, int64_t end, int thread)
{
    const job *j = ctx;
    (void)thread;
    for (int64_t i = begin; i < end; i++)
        j->run(&(place){ j->a, i / j->a->heads, i % j->a->heads });
}

static void mamba3_fwd(ts_cpu *cpu, const void *args, int64_t n)
{
    job j = { args, forward };
    (void)n;
    ts_pool_run(cpu->pool, j.a->B * j.a->heads, 1, run_tasks, &j);
}

static void mamba3_bwd(ts_cpu *cpu, const void *args, int64_t n)
{
    job j = { args, backward };
    (void)n;
    ts_pool_run(cpu->pool, j.a->B * j.a->heads, 1, run_tasks, &j);
}

static void mamba3_turns(const void *args, int64_t begin, int64_t end)
{
    const ts_mamba3_args *a = args;
    for (int64_t row = begin; row < end; row++)
        for (int64_t k = 0; k < a->angles; k++)
            a->turns[row * a->angles + k] =
                pi * tanhf(ts_load_f32(a->raw, (row + 1) * (3 * a->heads + a->angles) - a->angles + k, a->dtype));
}

/* Gradients of B, C and angles of rows: sums over heads. */
static void mamba3_join(const void *args, int64_t begin, int64_t end)
{
    const ts_mamba3_args *a = args;
    const int64_t rows = a->B * a->S, of_group = a->heads / a->groups;
    float sum[TS_SSD_MOST_STATE];
    for (int64_t row = begin; row < end; row++) {
        for (int64_t i = 0; i < 2 * a->groups; i++) {
            memset(sum, 0, (size_t)a->N * sizeof *sum);
            for (int64_t h = i % a->groups * of_group, n = of_group; n > 0; h++, n--) {
                const float *part = a->parts + ((h * rows + row) * 2 + i / a->groups) * a->N;
                for (int64_t c = 0; c < a->N; c++)
                    sum[c] += part[c];
            }
            for (int64_t c = 0; c < a->N; c++)
                ts_store_f32(a->dbc, (row * 2 * a->groups + i) * a->N + c, a->dtype, sum[c]);
        }
        memset(sum, 0, (size_t)a->angles * sizeof *sum);
        for (int64_t h = 0; h < a->heads; h++)
            for (int64_t k = 0; k < a->angles; k++)
                sum[k] += a->dturns[(h * rows + row) * a->angles + k];
        for (int64_t k = 0; k < a->angles; k++) {
            const float turned = a->turns[row * a->angles + k];
            ts_store_f32(a->draw, (row + 1) * (3 * a->heads + a->angles) - a->angles + k, a->dtype,
                         sum[k] * (pi - turned * turned / pi));
        }
    }
}

void ts_cpu_init_mamba3(ts_cpu *c)
{
    c->kernel[TS_KERNEL_mamba3_turns] = (ts_cpu_kernel){ .rows = mamba3_turns, .variant = "ref" };
    c->kernel[TS_KERNEL_mamba3_fwd] = (ts_cpu_kernel){ .whole = mamba3_fwd, .variant = "ref" };
    c->kernel[TS_KERNEL_mamba3_bwd] = (ts_cpu_kernel){ .whole = mamba3_bwd, .variant = "ref" };
    c->kernel[TS_KERNEL_mamba3_join] = (ts_cpu_kernel){ .rows = mamba3_join, .variant = "ref" };
}
