/* Routing: some numbers a row, in plain C. */
#include "device/cpu/rowwise/rowwise.h"
#include "device/cpu/rowwise/sort_rows.h"

#include <math.h>
#include <string.h>

static float largest(const float *x, int64_t n)
{
    float most = -INFINITY;
    for (int64_t i = 0; i < n; i++)
        most = x[i] > most ? x[i] : most;
    return most;
}

/* s = softmax(z); returns log(sum(e^z)). */
static float softmax(const float *z, int64_t n, float *s)
{
    const float most = largest(z, n);
    float sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += s[i] = expf(z[i] - most);
    for (int64_t i = 0; i < n; i++)
        s[i] /= sum;
    return most + logf(sum);
}

static float sigmoid(float z) { return 1 / (1 + expf(-z)); }
static float softplus(float z) { return z > 20 ? z : log1pf(expf(z)); }

/* Scores of a row by which experts are chosen. */
static void scores_of(const ts_route_args *a, const float *z, float *s)
{
    if (a->score == TS_ROUTE_SOFTMAX)
        softmax(z, a->experts, s);
    else
        for (int64_t e = 0; e < a->experts; e++)
            s[e] = a->score == TS_ROUTE_SIGMOID         ? sigmoid(z[e])
                   : a->score == TS_ROUTE_SQRT_SOFTPLUS ? sqrtf(softplus(z[e]))
                                                        : z[e];
}

/* ---- choosing ---- */

/* The k largest of x [n], best first; they become -inf there. */
static void take_best(float *x, int64_t n, int64_t k, int32_t *ids)
{
    for (int64_t j = 0; j < k; j++) {
        int64_t best = 0;
        for (int64_t i = 1; i < n; i++)
            best = x[i] > x[best] ? i : best;
        ids[j] = (int32_t)best;
        x[best] = -INFINITY;
    }
}

static float group_score(const ts_route_args *a, const float *s, int64_t size)
{
    float x[TS_ROUTE_MAX], sum = 0;
    int32_t best[TS_ROUTE_MAX];
    memcpy(x, s, (size_t)size * sizeof *x);
    take_best(x, size, a->group_best, best);
    for (int64_t i = 0; i < a->group_best; i++)
        sum += s[best[i]];
    return sum;
}

/* Experts of groups that are not among the best become -inf. */
static void leave_groups(const ts_route_args *a, float *s)
{
    const int64_t size = a->experts / a->groups;
    float of_group[TS_ROUTE_MAX];
    bool stays[TS_ROUTE_MAX] = { false };
    int32_t best[TS_ROUTE_MAX];
    for (int64_t g = 0; g < a->groups; g++)
        of_group[g] = group_score(a, s + g * size, size);
    take_best(of_group, a->groups, a->group_topk, best);
    for (int64_t g = 0; g < a->group_topk; g++)
        stays[best[g]] = true;
    for (int64_t e = 0; e < a->experts; e++)
        s[e] = stays[e / size] ? s[e] : -INFINITY;
}

/* SPARSEMIXER: those that count beside the best of z, of which `out` is no candidate; others -inf. */
static void near_best(const float *z, int64_t n, int64_t out, float *kept)
{
    float most = -INFINITY;
    for (int64_t e = 0; e < n; e++)
        most = e != out && z[e] > most ? z[e] : most;
    for (int64_t e = 0; e < n; e++) {
        const float size = fabsf(z[e]) > most ? fabsf(z[e]) : most;
        kept[e] = e == out || (most - z[e]) / size > TS_ROUTE_SPARSE ? -INFINITY : z[e];
    }
}

static void choose_sparse(const ts_route_args *a, const float *z, int32_t *ids, float *w)
{
    float kept[TS_ROUTE_MAX], p[TS_ROUTE_MAX];
    for (int64_t j = 0; j < a->k; j++) {
        near_best(z, a->experts, j ? ids[0] : -1, kept);
        softmax(kept, a->experts, p);
        take_best(kept, a->experts, 1, ids + j);
        w[j] = p[ids[j]];
    }
}

static void choose(const ts_route_args *a, int64_t t, const float *s, int32_t *ids)
{
    float x[TS_ROUTE_MAX];
    if (a->given)
        return;
    if (a->fixed) {
        for (int64_t j = 0; j < a->k; j++)
            ids[j] = (int32_t)((a->first + t * a->k + j) % a->experts);
        return;
    }
    for (int64_t e = 0; e < a->experts; e++)
        x[e] = s[e] + (a->bias ? a->bias[e] : 0);
    if (a->groups > 1)
        leave_groups(a, x);
    take_best(x, a->experts, a->k, ids);
}

/* ---- weights ---- */

/* The scores of the chosen, before they are normed and scaled; returns their sum. */
static float chosen_scores(const ts_route_args *a, const float *s, const int32_t *ids, float *w)
{
    const bool by_logit = a->score == TS_ROUTE_CHOSEN;
    float sum = 0;
    bool any = false;
    for (int64_t j = 0; j < a->k; j++) {
        w[j] = ids[j] >= 0 ? s[ids[j]] : by_logit ? -INFINITY : 0;
        any = any || ids[j] >= 0;
    }
    if (by_logit && any)
        softmax(w, a->k, w);
    for (int64_t j = 0; j < a->k && !any; j++)
        w[j] = 0;
    for (int64_t j = 0; j < a->k; j++)
        sum += w[j];
    return sum + 1e-20f;
}

static void route_fwd(const void *args, int64_t begin, int64_t end)
{
    const ts_route_args *a = args;
    float s[TS_ROUTE_MAX];
    for (int64_t t = begin; t < end; t++) {
        int32_t *ids = a->ids + t * a->k;
        float *w = a->weights + t * a->k;
        scores_of(a, a->logits + t * a->experts, s);
        if (a->score == TS_ROUTE_SPARSEMIXER) {
            choose_sparse(a, s, ids, w);
            continue;
        }
        choose(a, t, s, ids);
        const float sum = chosen_scores(a, s, ids, w), factor = a->norms ? a->scale / sum : a->scale;
        for (int64_t j = 0; j < a->k; j++)
            w[j] *= factor;
    }
}

/* ---- backward ---- */

/* dw: gradients of a row's weights as they are before norm and scale. Shares w / sum come first, so that a single weight,
 * which is 1 whatever its score, has none. */
static void undo_norm(const ts_route_args *a, const float *s, const int32_t *ids, const float *dweights,
                      float *w, float *dw)
{
    const float sum = chosen_scores(a, s, ids, w), factor = a->norms ? a->scale / sum : a->scale;
    float mean = 0;
    for (int64_t j = 0; j < a->k; j++)
        mean += a->norms ? dweights[j] * (w[j] / sum) : 0;
    for (int64_t j = 0; j < a->k; j++)
        dw[j] = factor * (dweights[j] - mean);
}

/* Derivative of a score that depends on its own logit alone. */
static float slope(const ts_route_args *a, float z, float s)
{
    return a->score == TS_ROUTE_SIGMOID ? s * (1 - s) : s > 0 ? sigmoid(z) / (2 * s) : 0;
}

/* dz += of y = softmax(x), the gradient through entries dy [n] at places ids (NULL: all). */
static void through_softmax(const float *y, const float *dy, const int32_t *ids, int64_t n, float *dz)
{
    float mean = 0;
    for (int64_t i = 0; i < n; i++)
        mean += y[i] * dy[i];
    for (int64_t i = 0; i < n; i++)
        if (!ids || ids[i] >= 0)
            dz[ids ? ids[i] : i] += y[i] * (dy[i] - mean);
}

/* Gradient of the weights; dz begins as zeros. */
static void through_weights(const ts_route_args *a, const float *z, const float *s, const int32_t *ids,
                            const float *dweights, float *dz)
{
    float w[TS_ROUTE_MAX], dw[TS_ROUTE_MAX], all[TS_ROUTE_MAX];
    undo_norm(a, s, ids, dweights, w, dw);
    if (a->score == TS_ROUTE_CHOSEN) {
        through_softmax(w, dw, ids, a->k, dz);
        return;
    }
    if (a->score == TS_ROUTE_SOFTMAX) {
        memset(all, 0, (size_t)a->experts * sizeof *all);
        for (int64_t j = 0; j < a->k; j++)
            if (ids[j] >= 0)
                all[ids[j]] = dw[j];
        through_softmax(s, all, NULL, a->experts, dz);
        return;
    }
    for (int64_t j = 0; j < a->k; j++)
        if (ids[j] >= 0)
            dz[ids[j]] += dw[j] * slope(a, z[ids[j]], s[ids[j]]);
}

static void through_sparse(const ts_route_args *a, const float *z, const int32_t *ids, const float *dweights,
                           float *dz)
{
    float kept[TS_ROUTE_MAX], p[TS_ROUTE_MAX], one[TS_ROUTE_MAX];
    for (int64_t j = 0; j < a->k; j++) {
        near_best(z, a->experts, j ? ids[0] : -1, kept);
        softmax(kept, a->experts, p);
        memset(one, 0, (size_t)a->experts * sizeof *one);
        one[ids[j]] = dweights[j];
        through_softmax(p, one, NULL, a->experts, dz);
    }
}

/* Shares of the scores, softmax where scores are none themselves, for auxiliary losses. Returns the sum
 * that they are divided by (0: a softmax). */
static float shares_of(ts_route_score score, int64_t experts, const float *z, float *p)
{
    float sum = 1e-20f;
    const ts_route_args a = { .score = score, .experts = experts };
    if (score != TS_ROUTE_SIGMOID && score != TS_ROUTE_SQRT_SOFTPLUS) {
        softmax(z, experts, p);
        return 0;
    }
    scores_of(&a, z, p);
    for (int64_t e = 0; e < experts; e++)
        sum += p[e];
    for (int64_t e = 0; e < experts; e++)
        p[e] /= sum;
    return sum;
}

static void through_shares(const ts_route_args *a, const float *z, const float *pull, float *dz)
{
    float p[TS_ROUTE_MAX], mean = 0;
    const float sum = shares_of(a->score, a->experts, z, p);
    if (sum == 0) {
        through_softmax(p, pull, NULL, a->experts, dz);
        return;
    }
    for (int64_t e = 0; e < a->experts; e++)
        mean += p[e] * pull[e];
    for (int64_t e = 0; e < a->experts; e++)
        dz[e] += (pull[e] - mean) / sum * slope(a, z[e], p[e] * sum);
}

static void route_bwd(const void *args, int64_t begin, int64_t end)
{
    const ts_route_args *a = args;
    const int64_t E = a->experts;
    float s[TS_ROUTE_MAX];
    for (int64_t t = begin; t < end; t++) {
        const float *z = a->logits + t * E, *dw = a->dweights + t * a->k;
        const int32_t *ids = a->ids + t * a->k;
        float *dz = a->dlogits + t * E;
        memset(dz, 0, (size_t)E * sizeof *dz);
        scores_of(a, z, s);
        if (a->score == TS_ROUTE_SPARSEMIXER)
            through_sparse(a, z, ids, dw, dz);
        else
            through_weights(a, z, s, ids, dw, dz);
        if (a->pull)
            through_shares(a, z, a->pull + t / a->pull_rows * E, dz);
        if (a->z != 0) {
            const float lse = softmax(z, E, s);
            for (int64_t e = 0; e < E; e++)
                dz[e] += 2 * a->z * lse * s[e];
        }
    }
}

/* ---- balance ---- */

/* Of one block and the experts [begin, end): counts, of those the ones of the first slot, and sums of shares. */
static void count_block(const ts_balance_args *a, int64_t block, int64_t begin, int64_t end, double *c, double *first,
                        double *P)
{
    float p[TS_ROUTE_MAX];
    memset(c, 0, (size_t)a->experts * sizeof *c);
    memset(first, 0, (size_t)a->experts * sizeof *first);
    memset(P, 0, (size_t)a->experts * sizeof *P);
    for (int64_t t = block * a->block_rows; t < (block + 1) * a->block_rows; t++) {
        first[a->ids[t * a->k]]++;
        for (int64_t j = 0; j < a->k; j++)
            c[a->ids[t * a->k + j]]++;
        if (!a->losses)
            continue;
        shares_of(a->score, a->experts, a->logits + t * a->experts, p);
        for (int64_t e = begin; e < end; e++)
            P[e] += (double)p[e];
    }
}

static void z_loss(const ts_balance_args *a)
{
    float p[TS_ROUTE_MAX];
    double sum = 0;
    for (int64_t t = 0; t < a->rows; t++) {
        const double lse = (double)softmax(a->logits + t * a->experts, a->experts, p);
        sum += lse * lse;
    }
    *a->z_loss += a->z * (float)sum;
}

static void balance(const void *args, int64_t begin, int64_t end)
{
    const ts_balance_args *a = args;
    double c[TS_ROUTE_MAX], first[TS_ROUTE_MAX], P[TS_ROUTE_MAX];
    for (int64_t b = 0; b < a->rows / a->block_rows; b++) {
        count_block(a, b, begin, end, c, first, P);
        for (int64_t e = begin; e < end; e++) {
            const int64_t at = b * a->experts + e;
            const double here = a->of_first ? first[e] : c[e];
            const double all = (a->counted ? (double)a->counted[at] : here) + (a->before ? (double)a->before[e] : 0);
            if (a->counts)
                a->counts[at] = (float)here;
            if (a->load)
                a->load[e] += (float)c[e];
            if (a->pull)
                a->pull[at] = (float)((double)a->factor * all);
            if (a->losses)
                a->losses[e] += (float)((double)a->factor * all * P[e]);
        }
    }
    if (a->z_loss && begin == 0)
        z_loss(a);
}

/* ---- Sinkhorn ---- */

/* Megatron-LM's iteration: rows and columns of e^z are scaled in turn until the columns' factors stay. */
static void sinkhorn(ts_cpu *cpu, const void *args, int64_t n)
{
    enum { MOST = 1000 };
    const ts_route_args *a = args;
    const int64_t T = a->rows, E = a->experts;
    float *cost = a->work, error = 1;
    double col[TS_ROUTE_MAX], sum[TS_ROUTE_MAX];
    (void)cpu, (void)n;
    for (int64_t i = 0; i < T * E; i++)
        cost[i] = expf(a->logits[i]);
    for (int64_t e = 0; e < E; e++)
        col[e] = 1;
    for (int i = 0; i < MOST && error > 1e-4f; i++) {
        double moved = 0;
        memset(sum, 0, sizeof sum);
        for (int64_t t = 0; t < T; t++) {
            double row = 0;
            for (int64_t e = 0; e < E; e++)
                row += col[e] * (double)cost[t * E + e];
            row = 1 / (double)T / (row + 1e-8);
            for (int64_t e = 0; e < E; e++)
                sum[e] += row * (double)cost[t * E + e];
        }
        for (int64_t e = 0; e < E; e++) {
            const double next = 1 / (double)E / (sum[e] + 1e-8);
            moved += fabs(next - col[e]) / (double)E;
            col[e] = next;
        }
        error = (float)moved;
    }
    for (int64_t t = 0; t < T; t++) {
        float x[TS_ROUTE_MAX]; /* a row's factor changes no order in it */
        for (int64_t e = 0; e < E; e++)
            x[e] = (float)col[e] * cost[t * E + e];
        take_best(x, E, a->k, a->ids + t * a->k);
    }
}

/* ---- jitter ---- */

static void jitter(const void *args, int64_t begin, int64_t end)
{
    const ts_jitter_args *a = args;
    uint32_t u[4];
    for (int64_t i = begin; i < end; i++) {
        const uint64_t e = (uint64_t)(a->first + i);
        if (i == begin || e % 4 == 0)
            ts_rng_block(&a->rng, e / 4, u);
        const float v = ts_rng_uniform(u[e % 4]);
        a->y[i] = a->gumbel ? a->x[i] - (float)log(-log((double)v + 0x1p-25)) : (a->x ? a->x[i] : 1) * (1 + a->eps * (2 * v - 1));
    }
}

static void look_up_ids(const void *args, int64_t begin, int64_t end)
{
    const ts_look_up_ids_args *a = args;
    for (int64_t i = begin * a->k; i < end * a->k; i++)
        a->ids[i] = (int32_t)a->table[a->tokens[i / a->k] * a->k + i % a->k];
}

void ts_cpu_init_route(ts_cpu *c)
{
    c->kernel[TS_KERNEL_route_fwd] = (ts_cpu_kernel){ .rows = route_fwd, .variant = "ref" };
    c->kernel[TS_KERNEL_look_up_ids] = (ts_cpu_kernel){ .rows = look_up_ids, .variant = "ref" };
    c->kernel[TS_KERNEL_route_bwd] = (ts_cpu_kernel){ .rows = route_bwd, .variant = "ref" };
    c->kernel[TS_KERNEL_balance] = (ts_cpu_kernel){ .rows = balance, .variant = "ref" };
    c->kernel[TS_KERNEL_jitter] = (ts_cpu_kernel){ .rows = jitter, .variant = "ref" };
    c->kernel[TS_KERNEL_sinkhorn] = (ts_cpu_kernel){ .whole = sinkhorn, .variant = "ref" };
    c->kernel[TS_KERNEL_sort_rows] = (ts_cpu_kernel){ .whole = ts_cpu_sort_rows, .variant = "ref" };
}
