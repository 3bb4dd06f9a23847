#include "data/mix.h"

#include "data/pcg64.h"

typedef struct mixing {
    const ts_mix_sets *s;
    int64_t *taken; /* [count] of each */
    int64_t *first; /* [count] its first sample's number */
    double *up_to;  /* [count] sums of probabilities */
    int64_t open;   /* data sets that are not gone through, of those that are ever drawn */
    ts_pcg64 random;
    int64_t turn;
    uint32_t *order;
    size_t n, cap;
} mixing;

static bool is_drawn(const ts_mix_sets *s, int64_t k) { return !s->p || s->p[k] > 0; }

/* As Generator.choice draws: the first whose sum is above a number. */
static int64_t draw(mixing *m)
{
    const double x = ts_pcg64_double(&m->random);
    int64_t k = 0;
    while (k + 1 < m->s->count && m->up_to[k] <= x)
        k++;
    return k;
}

static int64_t next_set(mixing *m)
{
    return m->s->p ? draw(m) : m->turn++ % m->s->count;
}

static ts_status take(mixing *m, int64_t k)
{
    const int64_t n = m->s->n[k], at = m->taken[k]++;
    if (m->taken[k] == n)
        m->open--;
    if (at >= n && m->s->mix == TS_MIX_ONCE)
        return TS_OK;
    if (m->n >= UINT32_MAX)
        return ts_error(TS_ERR_USER, "--mix-strategy makes more samples than can be ordered: give --interleave-probs that are closer "
                                     "to the data sets' sizes, or another strategy");
    TS_TRY(ts_grow(&m->order, &m->cap, m->n + 1, sizeof *m->order));
    m->order[m->n++] = (uint32_t)(m->first[k] + at % n);
    return TS_OK;
}

static bool ends(const mixing *m, int64_t drawn)
{
    return m->s->mix == TS_MIX_UNDER ? m->open < drawn : m->open == 0;
}

/* In turns every data set gives as many samples. */
static ts_status run(mixing *m, int64_t drawn)
{
    while (!ends(m, drawn) || (!m->s->p && m->turn % m->s->count))
        TS_TRY(take(m, next_set(m)));
    return TS_OK;
}

static ts_status prepare(mixing *m, int64_t *drawn)
{
    const ts_mix_sets *s = m->s;
    int64_t all = 0;
    double sum = 0;
    TS_TRY(ts_alloc(&m->taken, (size_t)s->count, sizeof *m->taken));
    TS_TRY(ts_alloc(&m->first, (size_t)s->count, sizeof *m->first));
    TS_TRY(ts_alloc(&m->up_to, (size_t)s->count, sizeof *m->up_to));
    for (int64_t k = 0; k < s->count; k++) {
        m->first[k] = all, all += s->n[k];
        m->up_to[k] = sum += s->p ? s->p[k] : 0;
        m->open += is_drawn(s, k);
    }
    for (int64_t k = 0; s->p && k < s->count; k++)
        m->up_to[k] /= sum;
    *drawn = m->open;
    if (s->mix != TS_MIX_UNDER && m->open < s->count)
        return ts_error(TS_ERR_USER, "--interleave-probs: a data set of probability 0 is never gone through, which this "
                                     "--mix-strategy waits for");
    return all <= UINT32_MAX ? TS_OK : ts_error(TS_ERR_USER, "%lld samples are more than can be ordered", (long long)all);
}

ts_status ts_mix_make(const ts_mix_sets *s, uint32_t **order, int64_t *length)
{
    mixing m = { .s = s };
    int64_t drawn;
    ts_pcg64_init(&m.random, s->seed);
    ts_status st = prepare(&m, &drawn);
    if (st == TS_OK)
        st = run(&m, drawn);
    ts_free(&m.taken);
    ts_free(&m.first);
    ts_free(&m.up_to);
    if (st != TS_OK) {
        ts_free(&m.order);
        return st;
    }
    *order = m.order;
    *length = (int64_t)m.n;
    return TS_OK;
}
