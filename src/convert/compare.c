/* Whether what was written computes what was read. */
#include "convert/convert.h"

#include "base/rng.h"
#include "infer/score.h"
#include "model/open.h"

#include <math.h>

enum { TOKENS = 32 };

typedef struct trial {
    ts_device *dev;
    int32_t ids[TOKENS];
    int64_t n, vocab;
    float *logits; /* [n, vocab] */
} trial;

/* Ids that any vocabulary has, the same in both. */
static void pick_ids(trial *t, const ts_arch *a)
{
    const ts_rng rng = ts_rng_stream(1, TS_RNG_INIT, 0, 0);
    uint32_t x[4];
    t->vocab = a->vocab;
    t->n = a->max_positions < TOKENS ? a->max_positions : TOKENS;
    for (int64_t i = 0; i < t->n; i++) {
        ts_rng_block(&rng, (uint64_t)i, x);
        t->ids[i] = (int32_t)(x[0] % (uint64_t)a->vocab);
    }
}

static ts_status run(trial *t, const char *folder, int64_t step)
{
    const ts_model_use use = { .dev = t->dev, .compute = TS_DTYPE_F32, .inference = true };
    const ts_tape_options to = { 0 };
    ts_model m = { 0 };
    ts_tape *tape = NULL;
    ts_status st = ts_model_open(folder, step, &use, &m);
    if (st == TS_OK && !t->n)
        pick_ids(t, &m.decoder->arch);
    if (st == TS_OK && m.decoder->arch.vocab != t->vocab)
        st = ts_error(TS_ERR_RUN, "%s: another vocabulary than what was read", folder);
    if (st == TS_OK)
        st = ts_alloc(&t->logits, (size_t)t->n * (size_t)t->vocab, sizeof *t->logits);
    if (st == TS_OK)
        st = ts_tape_create(t->dev, &to, &tape);
    if (st == TS_OK)
        st = ts_score_logits(m.decoder, tape, t->ids, t->n, NULL, t->logits);
    ts_tape_destroy(&tape);
    ts_model_deinit(&m);
    return st;
}

/* What rounding to the type may do to logits; the same type keeps every bit, and another order of
 * sums is all that may differ. */
static double bound(const ts_convert_options *o, const ts_convert_model *m)
{
    const ts_st_dtype type = o->outfile ? ts_convert_gguf_dtype(o, m) : ts_convert_dtype(o, m->dtype);
    const bool narrower = type != TS_ST_F32 && (type != m->dtype || m->iteration >= 0);
    return !narrower ? 1e-5 : type == TS_ST_BF16 ? 0.1 : 0.02;
}

static ts_status measure(const ts_convert_options *o, const ts_convert_model *m, const float *a,
                         const float *b, size_t n, ts_convert_result *r)
{
    bool finite = true;
    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)a[i] - (double)b[i]), x = fabs((double)a[i]);
        finite = finite && isfinite(a[i]) && isfinite(b[i]);
        r->difference = d > r->difference ? d : r->difference;
        r->largest_logit = x > r->largest_logit ? x : r->largest_logit;
    }
    r->checked = 1;
    if (!finite)
        return ts_error(TS_ERR_RUN, "--check: %s has logits that are not finite numbers", m->path);
    if (r->difference > bound(o, m) * r->largest_logit)
        return ts_error(TS_ERR_RUN,
                        "--check: logits of %s and %s differ by up to %g, of %g: more than by "
                        "rounding",
                        m->path, ts_convert_to(o), r->difference, r->largest_logit);
    return TS_OK;
}

ts_status ts_convert_compare(const ts_convert_options *o, const ts_convert_model *m,
                             ts_convert_result *r)
{
    const ts_device_options d = { .threads = (int)o->threads, .isa = ~0u };
    trial t = { 0 };
    float *first;
    ts_status st = ts_device_open("cpu", &d, &t.dev);
    if (st == TS_OK)
        st = run(&t, m->path, -1);
    first = t.logits;
    t.logits = NULL;
    if (st == TS_OK)
        st = run(&t, ts_convert_to(o), -1);
    if (st == TS_OK)
        st = measure(o, m, first, t.logits, (size_t)t.n * (size_t)t.vocab, r);
    ts_free(&first);
    ts_free(&t.logits);
    ts_device_close(&t.dev);
    return st;
}
