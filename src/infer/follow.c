#include "infer/follow.h"

#include "infer/engine.h"
#include "infer/score.h"
#include "infer/tell.h"

#include <string.h>

typedef struct follower {
    ts_decoder *d;
    ts_tape *tape;
    ts_engine **engine; /* [n] by number; NULL: gone */
    int64_t n;
    size_t cap;
    ts_told t;
    char *behind; /* [t.bytes] */
    size_t cap_behind;
} follower;

/* Of what stands behind, the next n values; copied, since they may stand anywhere. */
static ts_status take(const char **at, int64_t n, size_t size, void *out)
{
    void **v = out;
    TS_TRY(ts_alloc(v, (size_t)n, size));
    memcpy(*v, *at, (size_t)n * size);
    *at += (size_t)n * size;
    return TS_OK;
}

static ts_status create(follower *f)
{
    ts_engine *e = NULL;
    TS_TRY(ts_grow(&f->engine, &f->cap, (size_t)f->n + 1, sizeof(ts_engine *)));
    const ts_status st = (f->t.b ? ts_engine_create_paged : ts_engine_create)(f->d, f->t.a, &e);
    f->engine[f->n++] = e;
    return e ? TS_OK : st;
}

static ts_status with_prompts(follower *f, ts_engine *e)
{
    const ts_told *t = &f->t;
    const char *at = f->behind;
    int64_t *n = NULL, all = 0;
    int32_t *ids = NULL;
    ts_prompt *p = NULL;
    ts_ask *asks = NULL;
    float *logprobs = NULL;
    ts_logits z;
    ts_status st;
    TS_TRY_TO(done, st, take(&at, t->b, sizeof *n, &n));
    for (int64_t i = 0; i < t->b; i++)
        all += n[i];
    TS_TRY_TO(done, st, take(&at, all, sizeof *ids, &ids));
    TS_TRY_TO(done, st, ts_alloc(&p, (size_t)t->b, sizeof *p));
    for (int64_t i = 0, from = 0; i < t->b; from += n[i++])
        p[i] = (ts_prompt){ .ids = ids + from, .n = n[i] };
    if (t->what == TS_TOLD_PREFILL) {
        st = ts_engine_prefill(e, t->a, t->b, p, &z);
        goto done;
    }
    TS_TRY_TO(done, st, take(&at, t->c, sizeof *asks, &asks));
    TS_TRY_TO(done, st, ts_alloc(&logprobs, (size_t)t->c, sizeof *logprobs));
    st = ts_engine_extend(e, t->a, t->b, p, asks, t->c, logprobs);
done:
    ts_free(&n);
    ts_free(&ids);
    ts_free(&p);
    ts_free(&asks);
    ts_free(&logprobs);
    return st;
}

/* Each stretch's three numbers, and all ids and pages, into v [b] and w. */
static ts_status read_stretches(follower *f, ts_engine_stretch *s, int32_t **w)
{
    const char *at = f->behind;
    int64_t *v = NULL, all = 0, from = 0;
    const int64_t n = f->t.b;
    ts_status st = take(&at, 3 * n, sizeof *v, &v);
    for (int64_t i = 0; st == TS_OK && i < n; i++)
        all += v[3 * i + 1] + v[3 * i + 2];
    if (st == TS_OK)
        st = take(&at, all, sizeof **w, w);
    for (int64_t i = 0; st == TS_OK && i < n; i++) {
        s[i] = (ts_engine_stretch){ *w + from, v[3 * i], v[3 * i + 1], *w + from + v[3 * i + 1], v[3 * i + 2] };
        from += v[3 * i + 1] + v[3 * i + 2];
    }
    ts_free(&v);
    return st;
}

static ts_status run(follower *f, ts_engine *e)
{
    ts_engine_stretch *s;
    int32_t *w = NULL;
    ts_logits z;
    TS_TRY(ts_alloc(&s, (size_t)f->t.b, sizeof *s));
    ts_status st = read_stretches(f, s, &w);
    if (st == TS_OK)
        st = ts_engine_run(e, s, f->t.b, f->t.a, f->t.c ? &z : NULL);
    ts_free(&w);
    ts_free(&s);
    return st;
}

static ts_status reorder(follower *f, ts_engine *e)
{
    const char *at = f->behind;
    int64_t *from;
    TS_TRY(take(&at, f->t.b, sizeof *from, &from));
    const ts_status st = ts_engine_reorder(e, from, f->t.b);
    ts_free(&from);
    return st;
}

static ts_status decode(follower *f, ts_engine *e)
{
    const char *at = f->behind;
    int32_t *ids;
    ts_logits z;
    TS_TRY(take(&at, f->t.b, sizeof *ids, &ids));
    const ts_status st = ts_engine_decode(e, f->t.b, ids, &z);
    ts_free(&ids);
    return st;
}

/* What comes of it is the leader's alone. */
static ts_status score(follower *f)
{
    const ts_told *t = &f->t;
    const ts_sentence how = { .pooling = (ts_pooling)t->a, .unit = t->c };
    const char *at = f->behind;
    int32_t *ids;
    TS_TRY(take(&at, t->b, sizeof *ids, &ids));
    ts_status st = TS_OK;
    if (t->what == TS_TOLD_SCORE)
        st = ts_score_ids(f->d, f->tape, ids, t->b, NULL, NULL, NULL, NULL);
    else if (t->what == TS_TOLD_CHOICES)
        st = ts_score_choices(f->d, f->tape, ids, t->b, (int)t->a, NULL);
    else if (t->what == TS_TOLD_LOGITS)
        st = ts_score_logits(f->d, f->tape, ids, t->b, NULL, NULL);
    else if (t->what == TS_TOLD_NUMBERS)
        st = ts_score_numbers(f->d, f->tape, ids, t->b, NULL, NULL);
    else if (t->what == TS_TOLD_NEXT)
        st = ts_score_next(f->d, f->tape, ids, t->b, NULL);
    else
        st = ts_score_vector(f->d, f->tape, ids, t->b, &how, NULL);
    ts_free(&ids);
    return st;
}

/* A reservation that failed here has failed on all, which the leader makes do with. */
static ts_status make_do(ts_status st) { return st == TS_ERR_NOMEM ? TS_OK : st; }

static ts_status do_it(follower *f)
{
    const ts_told *t = &f->t;
    ts_engine *const e = t->engine < f->n ? f->engine[t->engine] : NULL;
    switch ((ts_told_what)t->what) {
    case TS_TOLD_END: break;
    case TS_TOLD_CREATE: return make_do(create(f));
    case TS_TOLD_DESTROY: ts_engine_destroy(&f->engine[t->engine]); return TS_OK;
    case TS_TOLD_RESERVE: return make_do(ts_engine_reserve(e, t->a));
    case TS_TOLD_RESERVE_PAGES: return make_do(ts_engine_reserve_pages(e, t->a));
    case TS_TOLD_CLEAR: ts_engine_clear(e, t->a); return TS_OK;
    case TS_TOLD_COPY: ts_engine_copy(e, t->a, t->b); return TS_OK;
    case TS_TOLD_REORDER: return reorder(f, e);
    case TS_TOLD_PREFILL:
    case TS_TOLD_EXTEND: return with_prompts(f, e);
    case TS_TOLD_DECODE: return decode(f, e);
    case TS_TOLD_RUN: return run(f, e);
    case TS_TOLD_SCORE:
    case TS_TOLD_CHOICES:
    case TS_TOLD_LOGITS:
    case TS_TOLD_NUMBERS:
    case TS_TOLD_NEXT:
    case TS_TOLD_VECTOR: return score(f);
    }
    return TS_OK;
}

ts_status ts_follow(ts_decoder *d, ts_tape *tape)
{
    follower f = { .d = d, .tape = tape };
    ts_status st;
    do {
        st = ts_tell_hear(d->model_group, &f.t, &f.behind, &f.cap_behind);
        if (st == TS_OK)
            st = do_it(&f);
    } while (st == TS_OK && f.t.what != TS_TOLD_END);
    if (st == TS_OK && f.t.a != TS_OK)
        st = ts_error((ts_status)f.t.a, "%s", f.behind);
    for (int64_t i = 0; i < f.n; i++)
        ts_engine_destroy(&f.engine[i]);
    ts_free(&f.engine);
    ts_free(&f.behind);
    return st;
}
