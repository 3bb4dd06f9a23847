#include "infer/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

ts_status ts_sampling_add_eos(ts_sampling *s, int32_t id)
{
    if (ts_sampling_ends(s, id))
        return TS_OK;
    if (s->n_eos == TS_ARCH_MAX_EOS)
        return ts_error(TS_ERR_USER, "more than %d tokens end a text", TS_ARCH_MAX_EOS);
    s->eos[s->n_eos++] = id;
    return TS_OK;
}

/* ---- tokens that a text has ---- */

ts_status ts_seen_add(ts_seen *s, int64_t vocab, const int32_t *ids, int64_t n)
{
    TS_TRY(ts_grow(&s->bits, &s->cap_bits, (size_t)vocab / 64 + 1, sizeof *s->bits));
    for (int64_t i = 0; i < n; i++) {
        const uint64_t bit = 1ull << (ids[i] & 63);
        if (s->bits[ids[i] >> 6] & bit)
            continue;
        TS_TRY(ts_grow(&s->ids, &s->cap_ids, s->n + 1, sizeof *s->ids));
        s->bits[ids[i] >> 6] |= bit;
        s->ids[s->n++] = ids[i];
    }
    return TS_OK;
}

void ts_seen_reset(ts_seen *s)
{
    for (size_t i = 0; i < s->n; i++)
        s->bits[s->ids[i] >> 6] = 0;
    s->n = 0;
}

void ts_seen_deinit(ts_seen *s)
{
    ts_free(&s->bits);
    ts_free(&s->ids);
    *s = (ts_seen){ 0 };
}

/* ---- over the vocabulary ---- */

enum { LANES = 16 };

/* The largest of all, -inf when there is none; not-a-number is passed over. Lanes, so that the
 * compiler can keep them in a vector. */
static float largest(const float *z, int64_t n)
{
    float lane[LANES], best = -INFINITY;
    for (int i = 0; i < LANES; i++)
        lane[i] = -INFINITY;
    int64_t k = 0;
    for (; k + LANES <= n; k += LANES)
        for (int i = 0; i < LANES; i++)
            lane[i] = z[k + i] > lane[i] ? z[k + i] : lane[i];
    for (; k < n; k++)
        best = z[k] > best ? z[k] : best;
    for (int i = 0; i < LANES; i++)
        best = lane[i] > best ? lane[i] : best;
    return best;
}

int32_t ts_argmax(const float *z, int64_t n)
{
    const float best = largest(z, n);
    if (!isfinite(best))
        return -1;
    for (int64_t i = 0; i < n; i++)
        if (z[i] == best)
            return (int32_t)i;
    return -1;
}

double ts_log_sum_exp(const float *z, int64_t n)
{
    const float best = largest(z, n);
    double sum = 0;
    if (!isfinite(best))
        return (double)best;
    for (int64_t i = 0; i < n; i++)
        sum += (double)expf(z[i] - best);
    return (double)best + log(sum);
}

/* ---- the sampler ---- */

ts_status ts_sampler_init(ts_sampler *s, const ts_sampling *o, int64_t vocab)
{
    *s = (ts_sampler){ .o = o, .vocab = vocab };
    return ts_grow(&s->z, &s->cap_z, (size_t)vocab, sizeof *s->z);
}

void ts_sampler_deinit(ts_sampler *s)
{
    ts_free(&s->z);
    ts_free(&s->list);
    *s = (ts_sampler){ 0 };
}

/* Leaves the ids that fit. */
static void keep_allowed(ts_sampler *s)
{
    const ts_sampling *o = s->o;
    float eos[TS_ARCH_MAX_EOS];
    for (int i = 0; i < o->n_eos; i++)
        eos[i] = s->may_end && o->eos[i] < s->vocab ? s->z[o->eos[i]] : -INFINITY;
    for (int64_t i = 0; i < s->vocab; i++)
        if (!(s->allowed[i >> 6] >> (i & 63) & 1))
            s->z[i] = -INFINITY;
    for (int i = 0; i < o->n_eos; i++)
        if (o->eos[i] < s->vocab)
            s->z[o->eos[i]] = eos[i];
}

void ts_sampler_process(ts_sampler *s, const float *logits, const ts_seen *seen, int64_t new_tokens)
{
    const ts_sampling *o = s->o;
    const float penalty = (float)o->repetition_penalty, temperature = (float)o->temperature;
    memcpy(s->z, logits, (size_t)s->vocab * sizeof *s->z);
    for (size_t i = 0; penalty != 1 && i < seen->n; i++) {
        float *z = &s->z[seen->ids[i]];
        *z = *z < 0 ? *z * penalty : *z / penalty;
    }
    for (int i = 0; new_tokens < o->min_new_tokens && i < o->n_eos; i++)
        if (o->eos[i] < s->vocab)
            s->z[o->eos[i]] = -INFINITY;
    if (s->allowed)
        keep_allowed(s);
    for (int64_t i = 0; o->do_sample && temperature != 1 && i < s->vocab; i++)
        s->z[i] /= temperature;
}

/* Best first; equals by id. */
static int by_rank(const void *a, const void *b)
{
    const ts_candidate *x = a, *y = b;
    if (x->z != y->z)
        return x->z > y->z ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static ts_status take_above(ts_sampler *s, float least)
{
    s->n = 0;
    for (int64_t i = 0; i < s->vocab; i++) {
        if (!(s->z[i] >= least) || s->z[i] == -INFINITY)
            continue;
        TS_TRY(ts_grow(&s->list, &s->cap_list, (size_t)s->n + 1, sizeof *s->list));
        s->list[s->n++] = (ts_candidate){ s->z[i], (int32_t)i };
    }
    return TS_OK;
}

/* The k-th largest value, by a heap of k whose top is the least. */
static void sift(ts_candidate *h, int64_t n, int64_t i)
{
    for (;;) {
        int64_t child = 2 * i + 1;
        if (child >= n)
            return;
        if (child + 1 < n && h[child + 1].z < h[child].z)
            child++;
        if (h[i].z <= h[child].z)
            return;
        const ts_candidate t = h[i];
        h[i] = h[child], h[child] = t;
        i = child;
    }
}

static ts_status kth_largest(ts_sampler *s, int64_t k, float *out)
{
    TS_TRY(ts_grow(&s->list, &s->cap_list, (size_t)k, sizeof *s->list));
    for (int64_t i = 0; i < k; i++)
        s->list[i] = (ts_candidate){ s->z[i], 0 };
    for (int64_t i = k / 2; i-- > 0;)
        sift(s->list, k, i);
    for (int64_t i = k; i < s->vocab; i++) {
        if (s->z[i] > s->list[0].z) {
            s->list[0].z = s->z[i];
            sift(s->list, k, 0);
        }
    }
    *out = s->list[0].z;
    return TS_OK;
}

/* Of candidates best first: the least likely ones whose probabilities sum to 1 - p at most are out.
 * `below`: the (unnormalised) mass of tokens that are no candidates any more. */
static void cut_top_p(ts_sampler *s, double below)
{
    const float best = s->list[0].z;
    double total = below, tail = below;
    for (int64_t i = 0; i < s->n; i++)
        total += (double)expf(s->list[i].z - best);
    const double most = (1 - s->o->top_p) * total;
    while (s->n > s->o->keep) {
        tail += (double)expf(s->list[s->n - 1].z - best);
        if (tail > most)
            break;
        s->n--;
    }
}

/* Candidates for top-p without top-k: a token of probability (1 - p) / vocab or less cannot stay,
 * so that only the others need an order. */
static ts_status take_likely(ts_sampler *s, double *below)
{
    const float best = largest(s->z, s->vocab);
    double total = 0;
    for (int64_t i = 0; i < s->vocab; i++)
        total += (double)expf(s->z[i] - best);
    const double cut = (1 - s->o->top_p) / (double)s->vocab * total;
    const float least = s->o->keep > 1 || cut <= 0 ? -INFINITY : best + (float)log(cut) - 0.01f;
    TS_TRY(take_above(s, least));
    *below = 0;
    for (int64_t i = 0; i < s->vocab; i++)
        if (s->z[i] < least)
            *below += (double)expf(s->z[i] - best);
    return TS_OK;
}

ts_status ts_sampler_filter(ts_sampler *s)
{
    const ts_sampling *o = s->o;
    const bool cut_p = o->top_p < 1;
    double below = 0;
    bool sorted = cut_p || o->keep > 1;
    if (o->top_k > 0 && o->top_k < s->vocab) {
        float least;
        TS_TRY(kth_largest(s, o->top_k > o->keep ? o->top_k : o->keep, &least));
        TS_TRY(take_above(s, least));
        sorted = true;
    } else if (cut_p) {
        TS_TRY(take_likely(s, &below));
    } else {
        TS_TRY(take_above(s, -INFINITY));
    }
    if (s->n == 0)
        return TS_OK;
    if (sorted)
        qsort(s->list, (size_t)s->n, sizeof *s->list, by_rank);
    if (cut_p)
        cut_top_p(s, below);
    if (o->min_p > 0) {
        float best = s->list[0].z;
        for (int64_t i = 1; !sorted && i < s->n; i++)
            best = s->list[i].z > best ? s->list[i].z : best;
        int64_t n = 0;
        for (int64_t i = 0; i < s->n; i++)
            if ((double)expf(s->list[i].z - best) >= o->min_p || (sorted && i < o->keep))
                s->list[n++] = s->list[i];
        s->n = n;
    }
    return TS_OK;
}

double ts_sample_uniform(uint64_t seed, ts_place_in_line place, int64_t draw)
{
    uint32_t u[4];
    const ts_rng rng = ts_rng_stream(seed, TS_RNG_SAMPLE, (uint64_t)place.line, (uint32_t)draw);
    ts_rng_block(&rng, (uint64_t)place.at, u);
    return (double)((uint64_t)u[0] << 21 | u[1] >> 11) * 0x1p-53;
}

static int32_t choose(const ts_sampler *s, double u)
{
    float best = s->list[0].z;
    double sum = 0;
    for (int64_t i = 1; i < s->n; i++)
        best = s->list[i].z > best ? s->list[i].z : best;
    for (int64_t i = 0; i < s->n; i++)
        sum += (double)expf(s->list[i].z - best);
    double left = u * sum;
    int32_t last = s->list[0].id;
    for (int64_t i = 0; i < s->n; i++) {
        const double p = (double)expf(s->list[i].z - best);
        if (p == 0)
            continue;
        last = s->list[i].id;
        if (left < p)
            return last;
        left -= p;
    }
    return last;
}

/* As people count. */
static long long line_of(ts_place_in_line place) { return (place.line & (((int64_t)1 << TS_LINE_BITS) - 1)) + 1; }

static ts_status no_numbers(ts_place_in_line place)
{
    return ts_error(TS_ERR_RUN,
                    "line %lld: the model's output is not a number after %lld new tokens (damaged "
                    "weights, or a range that --fp16 cannot hold)",
                    line_of(place), (long long)place.at);
}

static ts_status nothing_fits(ts_place_in_line place)
{
    return ts_error(TS_ERR_USER,
                    "line %lld: after %lld new tokens no token of the tokenizer fits the grammar, and the text may not end there",
                    line_of(place), (long long)place.at);
}

ts_status ts_sampler_next(ts_sampler *s, const float *logits, const ts_seen *seen,
                          ts_place_in_line place, int32_t *out)
{
    const bool plain = s->o->repetition_penalty == 1 && place.at >= s->o->min_new_tokens && !s->allowed;
    if (!s->o->do_sample && plain) {
        *out = ts_argmax(logits, s->vocab);
        return *out < 0 ? no_numbers(place) : TS_OK;
    }
    ts_sampler_process(s, logits, seen, place.at);
    if (ts_argmax(s->z, s->vocab) < 0)
        return s->allowed && ts_argmax(logits, s->vocab) >= 0 ? nothing_fits(place) : no_numbers(place);
    if (!s->o->do_sample) {
        *out = ts_argmax(s->z, s->vocab);
        return TS_OK;
    }
    TS_TRY(ts_sampler_filter(s));
    if (s->n == 0) /* one that is not a number leaves no sum of probabilities to cut from */
        return no_numbers(place);
    *out = choose(s, ts_sample_uniform(s->o->seed, place, 0));
    return TS_OK;
}
