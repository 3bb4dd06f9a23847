#include "serve/settings.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* ---- fields ---- */

static const json_t *find(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_null(v) ? NULL : v;
}

ts_status ts_field_real(const json_t *o, const char *key, double lo, double hi, double *out, bool *is_there, ts_refusal *r)
{
    const json_t *v = find(o, key);
    if (is_there)
        *is_there = v != NULL;
    if (!v)
        return TS_OK;
    if (!json_is_number(v))
        return ts_refuse(r, 400, key, "invalid_type", "%s: a number was expected", key);
    const double x = json_number_value(v);
    if (!(x >= lo && x <= hi))
        return ts_refuse_field(r, key, "%s is %g; expected a number from %g to %g", key, x, lo, hi);
    *out = x;
    return TS_OK;
}

ts_status ts_field_int(const json_t *o, const char *key, int64_t lo, int64_t hi, int64_t *out, bool *is_there, ts_refusal *r)
{
    const json_t *v = find(o, key);
    if (is_there)
        *is_there = v != NULL;
    if (!v)
        return TS_OK;
    if (!json_is_integer(v))
        return ts_refuse(r, 400, key, "invalid_type", "%s: a whole number was expected", key);
    const int64_t x = json_integer_value(v);
    if (x < lo || x > hi)
        return ts_refuse_field(r, key, "%s is %lld; expected a whole number from %lld to %lld", key, (long long)x,
                               (long long)lo, (long long)hi);
    *out = x;
    return TS_OK;
}

ts_status ts_field_bool(const json_t *o, const char *key, bool *out, ts_refusal *r)
{
    const json_t *v = find(o, key);
    if (v && !json_is_boolean(v))
        return ts_refuse(r, 400, key, "invalid_type", "%s: true or false was expected", key);
    *out = v ? json_is_true(v) : *out;
    return TS_OK;
}

ts_status ts_field_text(const json_t *o, const char *key, const char **out, ts_refusal *r)
{
    const json_t *v = find(o, key);
    if (v && (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v)))
        return ts_refuse(r, 400, key, "invalid_type", "%s: a string (without NUL) was expected", key);
    *out = v ? json_string_value(v) : NULL;
    return TS_OK;
}

/* ---- sampling ---- */

static ts_status read_sampling(const json_t *b, const ts_settings_defaults *d, ts_settings *s, ts_refusal *r)
{
    ts_sampling *x = &s->choice.sampling;
    bool given;
    *x = d->gen.sampling;
    if (!x->do_sample && !d->is_greedy)
        x->do_sample = true, x->temperature = 1, x->top_k = 0, x->top_p = 1, x->min_p = 0;
    TS_TRY(ts_field_real(b, "temperature", 0, 100, &x->temperature, &given, r));
    if (given)
        x->do_sample = x->temperature > 0;
    if (x->do_sample && x->temperature < 1e-6) /* below, logits might leave fp32 */
        return ts_refuse_field(r, "temperature", "temperature is %g; expected 0, or 1e-6 or more", x->temperature);
    int64_t top_k = x->top_k, min_new = x->min_new_tokens, seed = 0;
    TS_TRY(ts_field_int(b, "top_k", -1, 1 << 30, &top_k, NULL, r));
    TS_TRY(ts_field_real(b, "top_p", 0, 1, &x->top_p, NULL, r));
    TS_TRY(ts_field_real(b, "min_p", 0, 1, &x->min_p, NULL, r));
    TS_TRY(ts_field_real(b, "repetition_penalty", 1e-2, 100, &x->repetition_penalty, NULL, r));
    TS_TRY(ts_field_real(b, "presence_penalty", -2, 2, &s->choice.presence, NULL, r));
    TS_TRY(ts_field_real(b, "frequency_penalty", -2, 2, &s->choice.frequency, NULL, r));
    TS_TRY(ts_field_int(b, "min_tokens", 0, 1 << 30, &min_new, NULL, r));
    TS_TRY(ts_field_int(b, "seed", INT64_MIN, INT64_MAX, &seed, &s->has_seed, r));
    bool ignore_eos = false;
    TS_TRY(ts_field_bool(b, "ignore_eos", &ignore_eos, r));
    x->n_eos = ignore_eos ? 0 : x->n_eos;
    x->top_k = top_k < 0 ? 0 : top_k;
    x->min_new_tokens = min_new;
    x->seed = (uint64_t)seed;
    if (!s->has_seed && getrandom(&x->seed, sizeof x->seed, 0) != sizeof x->seed)
        return ts_error(TS_ERR_RUN, "the system has no random numbers for a seed");
    return TS_OK;
}

/* ---- stop, logit_bias, logprobs ---- */

static ts_status add_stop(const json_t *v, ts_settings *s, ts_refusal *r)
{
    if (!json_is_string(v) || !json_string_length(v) || strlen(json_string_value(v)) != json_string_length(v))
        return ts_refuse(r, 400, "stop", "invalid_type", "stop: a string that is not empty, or a list of such, was expected");
    if (s->n_stop == TS_SETTINGS_MOST_STOPS)
        return ts_refuse_field(r, "stop", "stop: there are more than %d texts", TS_SETTINGS_MOST_STOPS);
    s->stop[s->n_stop++] = json_string_value(v);
    return TS_OK;
}

static ts_status read_stop(const json_t *b, ts_settings *s, ts_refusal *r)
{
    const json_t *v = find(b, "stop");
    if (!v)
        return TS_OK;
    if (!json_is_array(v))
        return add_stop(v, s, r);
    for (size_t i = 0; i < json_array_size(v); i++)
        TS_TRY(add_stop(json_array_get(v, i), s, r));
    return TS_OK;
}

static ts_status read_bias(const json_t *b, int64_t vocab, ts_settings *s, ts_refusal *r)
{
    json_t *all = (json_t *)(uintptr_t)find(b, "logit_bias"), *v;
    const char *key;
    ts_logit_bias *bias;
    if (!all)
        return TS_OK;
    if (!json_is_object(all))
        return ts_refuse(r, 400, "logit_bias", "invalid_type", "logit_bias: an object of token ids and numbers was expected");
    TS_TRY(ts_alloc(&bias, json_object_size(all), sizeof *bias));
    s->choice.bias = bias;
    json_object_foreach(all, key, v) {
        char *end;
        errno = 0;
        const long long id = strtoll(key, &end, 10);
        const double add = json_number_value(v);
        if (*end || !*key || errno || id < 0 || id >= vocab)
            return ts_refuse_field(r, "logit_bias", "logit_bias: \"%.40s\" is no token id below %lld", key, (long long)vocab);
        if (!json_is_number(v) || !(fabs(add) <= 100))
            return ts_refuse_field(r, "logit_bias", "logit_bias: a bias is a number from -100 to 100");
        bias[s->choice.n_bias++] = (ts_logit_bias){ (int32_t)id, (float)add };
    }
    return TS_OK;
}

/* Completions say how many, chat says whether and how many. */
static ts_status read_logprobs(const json_t *b, ts_settings *s, ts_refusal *r)
{
    int64_t top = 0;
    bool has_top;
    if (json_is_integer(json_object_get(b, "logprobs"))) {
        TS_TRY(ts_field_int(b, "logprobs", 0, TS_CHOICE_MOST_TOP, &top, NULL, r));
        s->choice.logprobs = true;
    } else {
        TS_TRY(ts_field_bool(b, "logprobs", &s->choice.logprobs, r));
        TS_TRY(ts_field_int(b, "top_logprobs", 0, TS_CHOICE_MOST_TOP, &top, &has_top, r));
        if (has_top && top && !s->choice.logprobs)
            return ts_refuse_field(r, "top_logprobs", "top_logprobs needs logprobs to be true");
    }
    s->choice.top = (int)top;
    return TS_OK;
}

static ts_status read_form(const json_t *b, ts_settings *s, ts_refusal *r)
{
    const json_t *options = find(b, "stream_options");
    TS_TRY(ts_field_bool(b, "stream", &s->streams, r));
    if (options && !s->streams)
        return ts_refuse_field(r, "stream_options", "stream_options needs stream to be true");
    if (options && !json_is_object(options))
        return ts_refuse(r, 400, "stream_options", "invalid_type", "stream_options: an object was expected");
    if (options)
        TS_TRY(ts_field_bool(options, "include_usage", &s->wants_usage, r));
    return TS_OK;
}

static ts_status read_all(const json_t *b, const ts_settings_defaults *d, ts_settings *s, ts_refusal *r)
{
    s->n = 1;
    s->max_new = d->max_new;
    TS_TRY(read_sampling(b, d, s, r));
    TS_TRY(ts_field_int(b, "max_tokens", 0, 1 << 30, &s->max_new, NULL, r));
    TS_TRY(ts_field_int(b, "max_completion_tokens", 1, 1 << 30, &s->max_new, NULL, r));
    TS_TRY(ts_field_int(b, "max_output_tokens", 1, 1 << 30, &s->max_new, NULL, r));
    TS_TRY(ts_field_int(b, "n", 1, TS_SETTINGS_MOST_TEXTS, &s->n, NULL, r));
    TS_TRY(read_stop(b, s, r));
    TS_TRY(read_bias(b, d->vocab, s, r));
    TS_TRY(read_logprobs(b, s, r));
    TS_TRY(read_form(b, s, r));
    return ts_settings_read_format(b, d->tokens, &s->choice.constraint, r);
}

ts_status ts_settings_read(const json_t *body, const ts_settings_defaults *d, ts_settings *out, ts_refusal *r)
{
    ts_settings s = { 0 };
    const ts_status st = read_all(body, d, &s, r);
    if (st != TS_OK)
        ts_settings_deinit(&s);
    else
        *out = s;
    return st;
}

void ts_settings_deinit(ts_settings *s)
{
    ts_logit_bias *bias = (ts_logit_bias *)(uintptr_t)s->choice.bias;
    ts_free(&bias);
    ts_constraint_destroy(&s->choice.constraint);
    s->choice.bias = NULL;
    s->choice.n_bias = 0;
}
