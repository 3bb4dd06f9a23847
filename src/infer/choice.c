#include "infer/choice.h"

#include <string.h>

void ts_chooser_deinit(ts_chooser *c)
{
    ts_sampler_deinit(&c->sampler);
    ts_seen_deinit(&c->seen);
    ts_free(&c->z);
    *c = (ts_chooser){ 0 };
}

int ts_top_logprobs(const float *logits, int64_t vocab, double log_sum, int k, ts_token_logprob *out)
{
    int n = 0;
    float least = 0;
    for (int64_t i = 0; i < vocab; i++) {
        if (n == k && !(logits[i] > least))
            continue;
        int at = n < k ? n++ : k - 1;
        for (; at > 0 && (double)logits[i] > out[at - 1].logprob; at--)
            out[at] = out[at - 1];
        out[at] = (ts_token_logprob){ (int32_t)i, (double)logits[i] };
        least = (float)out[n - 1].logprob;
    }
    for (int i = 0; i < n; i++)
        out[i].logprob -= log_sum;
    return n;
}

/* Logits as OpenAI's penalties and biases leave them; the same ones where there are none. */
static ts_status adjust(ts_chooser *c, const ts_choice_options *o, const float **logits, int64_t vocab, const int32_t *answer,
                        int64_t n)
{
    if (o->presence == 0 && o->frequency == 0 && !o->n_bias)
        return TS_OK;
    TS_TRY(ts_grow(&c->z, &c->cap_z, (size_t)vocab, sizeof *c->z));
    memcpy(c->z, *logits, (size_t)vocab * sizeof *c->z);
    ts_seen_reset(&c->seen);
    TS_TRY(ts_seen_add(&c->seen, vocab, answer, n));
    for (size_t i = 0; i < c->seen.n; i++)
        c->z[c->seen.ids[i]] -= (float)o->presence;
    for (int64_t i = 0; i < n; i++)
        c->z[answer[i]] -= (float)o->frequency;
    for (size_t i = 0; i < o->n_bias; i++)
        c->z[o->bias[i].id] += o->bias[i].add;
    *logits = c->z;
    return TS_OK;
}

/* What may come, to the sampler. */
static ts_status constrain(ts_sampler *s, ts_constraint *c, int32_t state)
{
    s->allowed = NULL;
    if (!c)
        return TS_OK;
    s->may_end = ts_grammar_may_end(ts_constraint_grammar(c), state);
    return ts_constraint_mask(c, state, &s->allowed);
}

static bool is_eos(const ts_sampling *s, int32_t id)
{
    for (int i = 0; i < s->n_eos; i++)
        if (s->eos[i] == id)
            return true;
    return false;
}

ts_status ts_choose(ts_chooser *c, const ts_choice_options *o, const float *logits, int64_t vocab, const int32_t *ids,
                    int64_t n, int64_t n_prompt, int32_t *state, ts_choice *out)
{
    const ts_place_in_line place = { o->line, n - n_prompt };
    const float *z = logits;
    if (!c->sampler.z)
        TS_TRY(ts_sampler_init(&c->sampler, &o->sampling, vocab));
    c->sampler.o = &o->sampling;
    TS_TRY(adjust(c, o, &z, vocab, ids + n_prompt, n - n_prompt));
    ts_seen_reset(&c->seen);
    if (o->sampling.repetition_penalty != 1)
        TS_TRY(ts_seen_add(&c->seen, vocab, ids, n));
    TS_TRY(constrain(&c->sampler, o->constraint, *state));
    TS_TRY(ts_sampler_next(&c->sampler, z, &c->seen, place, &out->id));
    out->is_whole = false;
    if (o->constraint && !is_eos(&o->sampling, out->id)) {
        TS_TRY(ts_constraint_take(o->constraint, *state, out->id, state));
        out->is_whole = ts_grammar_must_end(ts_constraint_grammar(o->constraint), *state);
    }
    if (!o->logprobs)
        return TS_OK;
    const double log_sum = ts_log_sum_exp(logits, vocab);
    out->logprob = (double)logits[out->id] - log_sum;
    out->n_top = o->top ? ts_top_logprobs(logits, vocab, log_sum, o->top, out->top) : 0;
    return TS_OK;
}
