#include "data/blend.h"

/* For each sample the data set (2 bytes); the sample's own number is a count of its data set's
 * earlier entries, kept at every `stride` samples and counted on from there. */
struct ts_blend {
    int64_t n, count, stride;
    uint16_t *dataset; /* [n] */
    int64_t *marks;    /* [n / stride + 1, count] */
};

static ts_status allocate(int64_t count, int64_t n, ts_blend **out)
{
    ts_blend *b = NULL;
    TS_ASSERT(count > 0 && count <= TS_BLEND_MAX && n >= 0, "%lld data sets", (long long)count);
    TS_TRY(ts_alloc(&b, 1, sizeof *b));
    *b = (ts_blend){ .n = n, .count = count, .stride = count < 16 ? 256 : count * 16 };
    ts_status st = ts_alloc(&b->dataset, (size_t)n, sizeof *b->dataset);
    if (st == TS_OK)
        st = ts_alloc(&b->marks, (size_t)((n / b->stride + 1) * count), sizeof *b->marks);
    if (st != TS_OK) {
        ts_blend_destroy(&b);
        return st;
    }
    *out = b;
    return TS_OK;
}

/* sizes NULL: data sets never run out. */
static ts_status fill(ts_blend *b, const double *weights, const int64_t *sizes)
{
    const int64_t D = b->count;
    int64_t *taken = NULL;
    TS_TRY(ts_alloc(&taken, (size_t)D, sizeof *taken));
    for (int64_t i = 0; i < b->n; i++) {
        if (i % b->stride == 0)
            for (int64_t d = 0; d < D; d++)
                b->marks[i / b->stride * D + d] = taken[d];
        const double seen = i > 1 ? (double)i : 1.0;
        int64_t best = -1;
        double most = 0;
        for (int64_t d = 0; d < D; d++) {
            if (sizes && taken[d] >= sizes[d])
                continue;
            const double behind = weights[d] * seen - (double)taken[d];
            if (best < 0 || behind > most)
                best = d, most = behind;
        }
        b->dataset[i] = (uint16_t)best;
        taken[best]++;
    }
    ts_free(&taken);
    return TS_OK;
}

ts_status ts_blend_create(const double *weights, int64_t count, int64_t n, ts_blend **out)
{
    ts_blend *b = NULL;
    TS_TRY(allocate(count, n, &b));
    const ts_status st = fill(b, weights, NULL);
    if (st != TS_OK)
        ts_blend_destroy(&b);
    else
        *out = b;
    return st;
}

ts_status ts_blend_create_exhaustive(const int64_t *sizes, int64_t count, ts_blend **out)
{
    ts_blend *b = NULL;
    double *weights = NULL;
    int64_t total = 0;
    for (int64_t d = 0; d < count; d++)
        total += sizes[d];
    TS_TRY(allocate(count, total, &b));
    ts_status st = ts_alloc(&weights, (size_t)count, sizeof *weights);
    if (st == TS_OK) {
        for (int64_t d = 0; d < count; d++)
            weights[d] = total ? (double)sizes[d] / (double)total : 0;
        st = fill(b, weights, sizes);
    }
    ts_free(&weights);
    if (st != TS_OK)
        ts_blend_destroy(&b);
    else
        *out = b;
    return st;
}

void ts_blend_destroy(ts_blend **blend)
{
    ts_blend *b = *blend;
    if (!b)
        return;
    ts_free(&b->dataset);
    ts_free(&b->marks);
    ts_free(blend);
}

int64_t ts_blend_count(const ts_blend *b) { return b->n; }

void ts_blend_at(const ts_blend *b, int64_t i, int64_t *dataset, int64_t *sample)
{
    TS_ASSERT(i >= 0 && i < b->n, "sample %lld of %lld", (long long)i, (long long)b->n);
    const uint16_t d = b->dataset[i];
    const int64_t mark = i / b->stride;
    int64_t k = b->marks[mark * b->count + d];
    for (int64_t j = mark * b->stride; j < i; j++)
        k += b->dataset[j] == d;
    *dataset = d;
    *sample = k;
}

/* NumPy adds up to seven in turn, up to 128 in eight lanes, more by halves. */
static double pairwise_sum(const double *v, int64_t n)
{
    if (n < 8) {
        double s = n ? v[0] : 0;
        for (int64_t i = 1; i < n; i++)
            s += v[i];
        return s;
    }
    if (n > 128) {
        const int64_t half = n / 2 - n / 2 % 8;
        return pairwise_sum(v, half) + pairwise_sum(v + half, n - half);
    }
    double r[8], s;
    int64_t i = 8;
    for (int k = 0; k < 8; k++)
        r[k] = v[k];
    for (; i < n - n % 8; i += 8)
        for (int k = 0; k < 8; k++)
            r[k] += v[i + k];
    s = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
    for (; i < n; i++)
        s += v[i];
    return s;
}

void ts_blend_normalize(double *weights, int64_t n)
{
    const double sum = pairwise_sum(weights, n);
    for (int64_t i = 0; i < n; i++)
        weights[i] /= sum;
}
