/* A teacher that was kept: its likeliest tokens, and the loss against them. */
#include "device/cpu/rowwise/distill_row.h"
#include "device/cpu/rowwise/rowwise.h"

/* The first of the kept tokens, which rise, that is not before the columns here. */
static int64_t first_here(const int32_t *id, int64_t k, int64_t first)
{
    int64_t i = 0;
    while (i < k && id[i] < first)
        i++;
    return i;
}

static void kept_sums(const void *args, int64_t begin, int64_t end)
{
    const ts_distill_args *a = args;
    for (int64_t r = begin; r < end; r++) {
        const float *s = a->student + r * a->cols, most = a->most[r], up = 1 / a->temperature;
        const int32_t *id = a->id + r * a->k;
        const int64_t label = (int64_t)a->labels[r] - a->first;
        double sum[TS_DISTILL_SUMS] = { 0 };
        int64_t next = first_here(id, a->k, a->first);
        for (int64_t i = 0; i < a->k; i++)
            a->got[r * a->k + i] = 0;
        for (int64_t c = 0; c < a->cols; c++) {
            const double e = (double)expf((s[c] - most) * up);
            const bool kept = next < a->k && id[next] == a->first + c;
            sum[TS_DISTILL_S] += e;
            sum[TS_DISTILL_REST] += kept ? 0 : e;
            if (kept)
                a->got[r * a->k + next++] = s[c];
            if (a->ce != 0 || a->hard)
                sum[TS_DISTILL_CE] += (double)expf(s[c] - most);
        }
        if (label >= 0 && label < a->cols)
            sum[TS_DISTILL_LABEL] = (double)(s[label] - most);
        for (int i = 0; i < TS_DISTILL_SUMS; i++)
            a->sums[i * a->rows + r] = sum[i];
    }
}

/* Outcomes of a row: the kept tokens, then any other. slope: all of them together. */
typedef struct outcomes {
    double loss, slope;
    double rest; /* of its g, to each of the other tokens as a multiple of p */
} outcomes;

/* Not below the least that the sum's floats hold. */
static double log_rest(const ts_distill_args *a, int64_t r, const ts_distill_row *row)
{
    return fmax(log(a->sums[TS_DISTILL_REST * a->rows + r]) - row->log_s, -103);
}

static outcomes outcomes_of(const ts_distill_args *a, int64_t r, const ts_distill_row *row)
{
    const float *got = a->got + r * a->k, *logq = a->logq + r * (a->k + 1);
    const double logp = log_rest(a, r, row), others = exp(logp);
    outcomes o = { 0 };
    o.loss = ts_distill_term(a->beta, logp, (double)logq[a->k], &o.slope);
    o.rest = others > 0 ? o.slope / others : 0;
    for (int64_t i = 0; i < a->k; i++)
        o.loss += ts_distill_term(a->beta, ts_distill_logp(row, got[i]), (double)logq[i], &o.slope);
    return o;
}

static void kept_gradient(const ts_distill_args *a, int64_t r, const ts_distill_row *row, const outcomes *o)
{
    const float *s = a->student + r * a->cols, *logq = a->logq + r * (a->k + 1), up = 1 / a->temperature,
                of_p = (float)(1 / row->sum_s), others = (float)(o->rest - o->slope);
    const int32_t *id = a->id + r * a->k;
    const ts_distill_slope k = ts_distill_slope_of(a, r);
    int64_t next = first_here(id, a->k, a->first);
    for (int64_t c = 0; c < a->cols; c++) { /* d's element is not behind the logit that is read */
        const float x = s[c];
        float g = expf((x - row->most_s) * up) * of_p * others;
        if (next < a->k && id[next] == a->first + c) {
            const double logp = ts_distill_logp(row, x);
            double own = 0;
            ts_distill_term(a->beta, logp, (double)logq[next++], &own);
            g = (float)(own - exp(logp) * o->slope);
        }
        ts_distill_put(a, &k, r, c, x, g);
    }
}

static void kept_finish(const void *args, int64_t begin, int64_t end)
{
    const ts_distill_args *a = args;
    for (int64_t r = begin; r < end; r++) {
        const ts_distill_row row = ts_distill_row_of(a, r);
        const outcomes o = outcomes_of(a, r, &row);
        ts_distill_tell(a, r, o.loss);
        if (a->d)
            kept_gradient(a, r, &row, &o);
    }
}

/* ---- what is kept of a teacher ---- */

/* Puts x into a falling list that is full; of equal ones the first stays ahead. */
static void insert(float *best, int32_t *id, int64_t k, float x, int32_t token)
{
    int64_t i = k - 1;
    if (token < 0 || (id[i] >= 0 && !(x > best[i])))
        return;
    for (; i > 0 && (id[i - 1] < 0 || x > best[i - 1]); i--)
        best[i] = best[i - 1], id[i] = id[i - 1];
    best[i] = x, id[i] = token;
}

static void clear(float *best, int32_t *id, int64_t k)
{
    for (int64_t i = 0; i < k; i++)
        best[i] = -INFINITY, id[i] = -1;
}

static void tops_find(const void *args, int64_t begin, int64_t end)
{
    const ts_tops_args *a = args;
    for (int64_t r = begin; r < end; r++) {
        const float *t = a->teacher + r * a->cols;
        float *best = a->best + r * a->k;
        int32_t *id = a->id + r * a->k;
        clear(best, id, a->k);
        for (int64_t c = 0; c < a->cols; c++)
            insert(best, id, a->k, t[c], (int32_t)(a->first + c));
    }
}

static void sort_by_id(float *best, int32_t *id, int64_t k)
{
    for (int64_t i = 1; i < k; i++) {
        const float x = best[i];
        const int32_t token = id[i];
        int64_t at = i;
        for (; at > 0 && id[at - 1] > token; at--)
            best[at] = best[at - 1], id[at] = id[at - 1];
        best[at] = x, id[at] = token;
    }
}

static void tops_merge(const void *args, int64_t begin, int64_t end)
{
    const ts_tops_args *a = args;
    for (int64_t r = begin; r < end; r++) {
        float *best = a->best + r * a->k;
        int32_t *id = a->id + r * a->k;
        clear(best, id, a->k);
        for (int64_t p = 0; p < a->parts; p++)
            for (int64_t i = 0; i < a->k; i++)
                insert(best, id, a->k, a->parts_best[(p * a->rows + r) * a->k + i],
                       a->parts_id[(p * a->rows + r) * a->k + i]);
        a->most[r] = best[0];
        sort_by_id(best, id, a->k);
    }
}

static void tops_sums(const void *args, int64_t begin, int64_t end)
{
    const ts_tops_args *a = args;
    for (int64_t r = begin; r < end; r++) {
        const float *t = a->teacher + r * a->cols, up = 1 / a->temperature;
        const int32_t *id = a->id + r * a->k;
        int64_t next = first_here(id, a->k, a->first);
        double all = 0, rest = 0;
        for (int64_t c = 0; c < a->cols; c++) {
            const double e = (double)expf((t[c] - a->most[r]) * up);
            const bool kept = next < a->k && id[next] == a->first + c;
            all += e;
            rest += kept ? 0 : e;
            next += kept;
        }
        a->sums[r] = all, a->sums[a->rows + r] = rest;
    }
}

static void tops_finish(const void *args, int64_t begin, int64_t end)
{
    const ts_tops_args *a = args;
    for (int64_t r = begin; r < end; r++) {
        float *logq = a->logq + r * (a->k + 1);
        for (int64_t i = 0; i < a->k; i++)
            logq[i] = (float)((double)(a->best[r * a->k + i] - a->most[r]) / (double)a->temperature - log(a->sums[r]));
        logq[a->k] = (float)log(a->sums[a->rows + r] / a->sums[r]);
    }
}

#define TS_ISA ref
void ts_cpu_init_distill_kept(ts_cpu *c)
{
    c->kernel[TS_KERNEL_kept_sums] = TS_ROWWISE_ROW(kept_sums, 0);
    c->kernel[TS_KERNEL_kept_finish] = TS_ROWWISE_ROW(kept_finish, 0);
    c->kernel[TS_KERNEL_tops_find] = TS_ROWWISE_ROW(tops_find, 0);
    c->kernel[TS_KERNEL_tops_merge] = TS_ROWWISE_ROW(tops_merge, 0);
    c->kernel[TS_KERNEL_tops_sums] = TS_ROWWISE_ROW(tops_sums, 0);
    c->kernel[TS_KERNEL_tops_finish] = TS_ROWWISE_ROW(tops_finish, 0);
}
