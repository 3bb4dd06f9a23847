/* Beam search as transformers does it: K = (1 + number of end tokens, at least 2) x beams
 * continuations are looked at a step, so that as many go on as there are beams; complete ones
 * compete by score / length^penalty. */
#include "infer/generate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const float OUT = -1e9f; /* added to what must not be chosen */

/* A continuation: token `id` behind beam `beam`. */
typedef struct option {
    float score, key;   /* key: what the order goes by (drawn, when sampling) */
    int32_t id;
    int beam;
    bool ends;
} option;

typedef struct complete {
    float score;
    bool is_complete;
    int32_t *ids;       /* [max_new] */
    int64_t n;
} complete;

typedef struct beams {
    ts_engine *e;
    const ts_arch *arch;
    const ts_gen_config *c;
    const ts_gen_line *line;
    ts_sampling sampling;
    ts_sampler sampler;
    ts_seen seen;
    int64_t n, k, at;          /* beams, options a step, new tokens so far */
    float score[64];
    int32_t *ids[2];           /* [n][max_new]; which one is current changes */
    complete *best, *next;     /* [n], best first */
    option *list;              /* [k] heap, then best first */
    float *logprobs;           /* [vocab] of one beam */
    bool can_improve, all_end;
} beams;

static bool better(const option *x, const option *y)
{
    if (x->key != y->key)
        return x->key > y->key;
    return x->beam != y->beam ? x->beam < y->beam : x->id < y->id;
}

static int by_key(const void *a, const void *b) { return better(a, b) ? -1 : better(b, a); }

/* Keeps the k best in a heap whose top is the worst. */
static void offer(beams *s, int64_t *n, const option *o)
{
    option *h = s->list;
    if (*n < s->k) {
        int64_t i = (*n)++;
        for (; i > 0 && better(&h[(i - 1) / 2], o); i = (i - 1) / 2)
            h[i] = h[(i - 1) / 2];
        h[i] = *o;
        return;
    }
    if (!better(o, &h[0]))
        return;
    int64_t i = 0;
    for (int64_t child; (child = 2 * i + 1) < s->k; i = child) {
        child += child + 1 < s->k && better(&h[child], &h[child + 1]);
        if (!better(o, &h[child]))
            break;
        h[i] = h[child];
    }
    h[i] = *o;
}

static bool is_end(const beams *s, int32_t id)
{
    return ts_sampling_ends(&s->c->sampling, id) || s->at + 1 >= s->line->max_new;
}

/* Gumbel's trick: the order of log p + noise is that of drawing one after another without putting
 * back. */
static float noise(const beams *s, int64_t beam, int32_t id)
{
    const ts_rng rng = ts_rng_stream(s->sampling.seed, TS_RNG_SAMPLE, (uint64_t)s->line->number, 1);
    uint32_t u[4];
    ts_rng_block(&rng, (uint64_t)((s->at * s->n + beam) * s->arch->vocab + id), u);
    return (float)-log(-log(((double)u[0] + 0.5) * 0x1p-32));
}

static ts_status offer_beam(beams *s, int64_t beam, const float *logits, int64_t *n)
{
    const int64_t vocab = s->arch->vocab;
    const float lse = (float)ts_log_sum_exp(logits, vocab);
    const option first = { .beam = (int)beam };
    if (!isfinite(lse))
        return ts_error(TS_ERR_RUN, "line %lld: the model's output is not a number",
                        (long long)s->line->number + 1);
    for (int64_t i = 0; i < vocab; i++)
        s->logprobs[i] = logits[i] - lse;
    if (s->sampling.repetition_penalty != 1) {
        ts_seen_reset(&s->seen);
        TS_TRY(ts_seen_add(&s->seen, vocab, s->line->prompt.ids, s->line->prompt.n));
        TS_TRY(ts_seen_add(&s->seen, vocab, s->ids[0] + beam * s->line->max_new, s->at));
    }
    ts_sampler_process(&s->sampler, s->logprobs, &s->seen, s->at);
    if (s->sampling.do_sample) {
        TS_TRY(ts_sampler_filter(&s->sampler));
        for (int64_t i = 0; i < s->sampler.n; i++) {
            option o = first;
            o.id = s->sampler.list[i].id;
            o.score = s->sampler.list[i].z + s->score[beam];
            o.key = o.score + noise(s, beam, o.id);
            offer(s, n, &o);
        }
        return TS_OK;
    }
    for (int64_t i = 0; i < vocab; i++) {
        const float score = s->sampler.z[i] + s->score[beam];
        if (*n == s->k && !(score >= s->list[0].key))
            continue;
        option o = first;
        o.id = (int32_t)i;
        o.score = o.key = score;
        offer(s, n, &o);
    }
    return TS_OK;
}

static bool all_complete(const beams *s)
{
    for (int64_t i = 0; i < s->n; i++)
        if (!s->best[i].is_complete)
            return false;
    return true;
}

/* Options among the first n that end join the complete ones, the best n of which stay. */
static void keep_complete(beams *s, int64_t n_options)
{
    const bool closed = s->c->early_stopping == TS_EARLY_TRUE && all_complete(s);
    const float length = powf((float)(s->at + 1), (float)s->c->length_penalty);
    for (int64_t i = 0; i < n_options && i < s->n; i++) {
        const option *o = &s->list[i];
        const float score = o->score / length + (closed ? OUT : 0) + (s->can_improve ? 0 : OUT);
        complete *worst = &s->best[s->n - 1];
        if (!o->ends || !(score > worst->score))
            continue;
        worst->score = score;
        worst->is_complete = true;
        worst->n = s->at + 1;
        memcpy(worst->ids, s->ids[0] + o->beam * s->line->max_new,
               (size_t)s->at * sizeof *worst->ids);
        worst->ids[s->at] = o->id;
        for (complete *c = worst; c > s->best && c[0].score > c[-1].score; c--) {
            const complete t = c[0];
            c[0] = c[-1], c[-1] = t;
        }
    }
}

/* The best n options that do not end become the beams; from[] are the slots they continue. */
static void keep_running(beams *s, int64_t n_options, int64_t *from, int32_t *last)
{
    int64_t n = 0;
    float score[64];
    s->all_end = true;
    for (int round = 0; round < 2 && n < s->n; round++) {
        for (int64_t i = 0; i < n_options && n < s->n; i++) {
            const option *o = &s->list[i];
            if (o->ends != (round == 1))
                continue;
            int32_t *to = s->ids[1] + n * s->line->max_new;
            memcpy(to, s->ids[0] + o->beam * s->line->max_new, (size_t)s->at * sizeof *to);
            to[s->at] = last[n] = o->id;
            from[n] = o->beam;
            score[n++] = o->score + (o->ends ? OUT : 0);
        }
    }
    for (int64_t i = 0; i < n_options; i++)
        s->all_end = s->all_end && s->list[i].ends;
    for (; n < s->n; n++) { /* fewer options than beams: a tiny vocabulary */
        int32_t *to = s->ids[1] + n * s->line->max_new;
        memcpy(to, s->ids[1], (size_t)(s->at + 1) * sizeof *to);
        last[n] = last[0], from[n] = from[0], score[n] = 2 * OUT;
    }
    memcpy(s->score, score, (size_t)s->n * sizeof *score);
    int32_t *t = s->ids[0];
    s->ids[0] = s->ids[1], s->ids[1] = t;
}

/* Whether the best running beam could still beat the worst complete one. */
static bool may_improve(const beams *s)
{
    const double lp = s->c->length_penalty;
    const bool longest = s->c->early_stopping == TS_EARLY_NEVER && lp > 0;
    const float length = powf((float)(longest ? s->line->max_new : s->at), (float)lp);
    float worst = s->best[0].is_complete ? s->best[0].score : OUT;
    for (int64_t i = 1; i < s->n; i++) {
        const float score = s->best[i].is_complete ? s->best[i].score : OUT;
        worst = score < worst ? score : worst;
    }
    return s->can_improve && s->score[0] / length > worst;
}

static ts_status step(beams *s, const ts_logits *z, int64_t *from, int32_t *last)
{
    int64_t n = 0;
    for (int64_t b = 0; b < s->n; b++)
        TS_TRY(offer_beam(s, b, z->v + (s->at ? b : 0) * z->ld, &n));
    qsort(s->list, (size_t)n, sizeof *s->list, by_key);
    for (int64_t i = 0; i < n; i++)
        s->list[i].ends = is_end(s, s->list[i].id);
    keep_complete(s, n);
    if (s->sampling.do_sample) { /* drawn order was for the complete ones; beams go by score */
        for (int64_t i = 0; i < n; i++)
            s->list[i].key = s->list[i].score;
        qsort(s->list, (size_t)n, sizeof *s->list, by_key);
    }
    keep_running(s, n, from, last);
    s->at++;
    s->can_improve = may_improve(s);
    return TS_OK;
}

static bool goes_on(const beams *s)
{
    return s->can_improve && !(s->c->early_stopping == TS_EARLY_TRUE && all_complete(s)) &&
           !s->all_end;
}

/* All beams' texts again, where their angles change. */
static ts_status refill(beams *s, ts_logits *z)
{
    const int64_t n = s->line->prompt.n + s->at;
    int32_t *all;
    ts_prompt p[64];
    TS_TRY(ts_alloc(&all, (size_t)(n * s->n), sizeof *all));
    for (int64_t b = 0; b < s->n; b++) {
        memcpy(all + b * n, s->line->prompt.ids, (size_t)s->line->prompt.n * sizeof *all);
        memcpy(all + b * n + s->line->prompt.n, s->ids[0] + b * s->line->max_new,
               (size_t)s->at * sizeof *all);
        p[b] = (ts_prompt){ .ids = all + b * n, .n = n };
    }
    const ts_status st = ts_engine_prefill(s->e, 0, s->n, p, z);
    ts_free(&all);
    return st;
}

static ts_status search(beams *s)
{
    int64_t from[64];
    int32_t last[64];
    ts_logits z;
    TS_TRY(ts_engine_reserve(s->e, s->line->prompt.n +
                                       (s->line->max_new < 512 ? s->line->max_new : 512)));
    TS_TRY(ts_engine_prefill(s->e, 0, 1, &s->line->prompt, &z));
    for (int64_t b = 1; b < s->n; b++)
        ts_engine_copy(s->e, b, 0);
    for (;;) {
        TS_TRY(step(s, &z, from, last));
        if (!goes_on(s))
            return TS_OK;
        if (ts_engine_must_refill(s->e, ts_engine_length(s->e, 0) + 1)) {
            TS_TRY(refill(s, &z));
            continue;
        }
        TS_TRY(ts_engine_reorder(s->e, from, s->n));
        TS_TRY(ts_engine_decode(s->e, s->n, last, &z));
    }
}

static ts_status init(beams *s)
{
    const size_t max_new = (size_t)s->line->max_new, n = (size_t)s->n;
    const int n_eos = s->c->sampling.n_eos;
    s->sampling = s->c->sampling;
    s->sampling.keep = n_eos ? n_eos + 1 : 2;
    s->k = (n_eos > 0 ? 1 + n_eos : 2) * s->n;
    s->can_improve = true;
    for (int64_t i = 0; i < s->n; i++)
        s->score[i] = i ? OUT : 0;
    TS_TRY(ts_sampler_init(&s->sampler, &s->sampling, s->arch->vocab));
    TS_TRY(ts_alloc(&s->list, (size_t)s->k, sizeof *s->list));
    TS_TRY(ts_alloc(&s->logprobs, (size_t)s->arch->vocab, sizeof *s->logprobs));
    for (int i = 0; i < 2; i++)
        TS_TRY(ts_alloc(&s->ids[i], n * max_new, sizeof **s->ids));
    TS_TRY(ts_alloc(&s->best, n, sizeof *s->best));
    for (size_t i = 0; i < n; i++) {
        s->best[i].score = OUT;
        TS_TRY(ts_alloc(&s->best[i].ids, max_new, sizeof *s->best[i].ids));
    }
    return TS_OK;
}

static ts_status result(const beams *s, ts_gen_text *out)
{
    const complete *b = &s->best[0];
    const int32_t *ids = b->is_complete ? b->ids : s->ids[0];
    const int64_t n = b->is_complete ? b->n : s->at;
    TS_TRY(ts_grow(&out->ids, &out->cap_ids, (size_t)n, sizeof *out->ids));
    memcpy(out->ids, ids, (size_t)n * sizeof *ids);
    out->n = (size_t)n;
    for (int i = 0; i < s->c->sampling.n_eos; i++)
        out->is_stopped = out->is_stopped || out->ids[n - 1] == s->c->sampling.eos[i];
    return TS_OK;
}

ts_status ts_beam_search(ts_engine *e, const ts_arch *a, const ts_gen_config *c,
                         const ts_gen_line *line, ts_gen_text *out)
{
    beams s = { .e = e, .arch = a, .c = c, .line = line, .n = c->num_beams };
    TS_ASSERT(s.n <= 64 && s.n <= ts_engine_slots(e), "%lld beams", (long long)s.n);
    ts_status st = init(&s);
    if (st == TS_OK)
        st = search(&s);
    if (st == TS_OK)
        st = result(&s, out);
    for (int64_t i = 0; s.best && i < s.n; i++)
        ts_free(&s.best[i].ids);
    ts_free(&s.best);
    ts_free(&s.list);
    ts_free(&s.logprobs);
    ts_free(&s.ids[0]);
    ts_free(&s.ids[1]);
    ts_sampler_deinit(&s.sampler);
    ts_seen_deinit(&s.seen);
    return st;
}
