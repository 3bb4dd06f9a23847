#include "serve/embed.h"

#include "infer/score.h"

#include <math.h>
#include <string.h>

/* Texts of a request and their vectors. */
typedef struct embedding {
    const ts_server *s;
    ts_ids *ids; /* [n] */
    size_t n;
    int64_t hidden, dims;
    float *v; /* [n, hidden] */
    bool is_base64;
} embedding;

static ts_status read_ids(const embedding *e, const json_t *list, ts_ids *out, ts_refusal *r)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        const json_int_t id = json_integer_value(v);
        if (!json_is_integer(v) || id < 0 || id >= e->s->rules.defaults.vocab)
            return ts_refuse_field(r, "input", "input: token %zu is no id below %lld", i,
                                   (long long)e->s->rules.defaults.vocab);
        TS_TRY(ts_ids_add(out, (int32_t)id));
    }
    return TS_OK;
}

static ts_status read_one(const embedding *e, const json_t *v, ts_ids *out, ts_refusal *r)
{
    if (json_is_array(v))
        TS_TRY(read_ids(e, v, out, r));
    else if (json_is_string(v))
        TS_TRY(ts_wording_encode(e->s->rules.wording, json_string_value(v), json_string_length(v), true, out,
                                 r));
    else
        return ts_refuse(r, 400, "input", "invalid_type",
                         "input: a text, a list of token ids, or a list of such was expected");
    if (!out->n || (int64_t)out->n > e->s->rules.max_length)
        return ts_refuse(r, 400, "input", "context_length_exceeded",
                         "input: a text has %zu tokens; expected 1 to %lld", out->n,
                         (long long)e->s->rules.max_length);
    return TS_OK;
}

static ts_status read(embedding *e, const json_t *body, ts_refusal *r)
{
    enum { MOST = 2048 };
    const json_t *input = json_object_get(body, "input");
    const char *format;
    TS_TRY(ts_field_text(body, "encoding_format", &format, r));
    if (format && strcmp(format, "float") != 0 && strcmp(format, "base64") != 0)
        return ts_refuse_field(r, "encoding_format", "encoding_format: \"float\" or \"base64\" was expected");
    e->is_base64 = format && !strcmp(format, "base64");
    e->dims = e->hidden;
    TS_TRY(ts_field_int(body, "dimensions", 1, e->hidden, &e->dims, NULL, r));
    const bool is_list = json_is_array(input) && !json_is_integer(json_array_get(input, 0));
    e->n = is_list ? json_array_size(input) : 1;
    if (!e->n || e->n > MOST)
        return ts_refuse_field(r, "input", "input: expected 1 to %d texts, found %zu", MOST, e->n);
    TS_TRY(ts_alloc(&e->ids, e->n, sizeof *e->ids));
    for (size_t i = 0; i < e->n; i++)
        TS_TRY(read_one(e, is_list ? json_array_get(input, i) : input, &e->ids[i], r));
    return ts_alloc(&e->v, e->n * (size_t)e->hidden, sizeof *e->v);
}

/* On the worker's thread. */
static ts_status run(void *ctx, ts_lm *lm)
{
    embedding *e = ctx;
    const ts_tape_options o = { 0 };
    if (!lm->tape)
        TS_TRY(ts_tape_create(lm->dev, &o, &lm->tape));
    const ts_sentence how = { .pooling = (ts_pooling)e->s->o.pooling };
    for (size_t i = 0; i < e->n; i++)
        TS_TRY(ts_score_vector(lm->model.decoder, lm->tape, e->ids[i].v, (int64_t)e->ids[i].n, &how,
                               e->v + i * (size_t)e->hidden));
    return TS_OK;
}

/* The first dims numbers, as a vector of length one. */
static void make_unit(const embedding *e, float *v)
{
    double sum = 0;
    for (int64_t c = 0; c < e->dims; c++)
        sum += (double)v[c] * (double)v[c];
    const double by = sum > 0 ? 1 / sqrt(sum) : 0;
    for (int64_t c = 0; c < e->dims; c++)
        v[c] = (float)(v[c] * by);
}

static ts_status add_base64(const unsigned char *s, size_t n, ts_str *out)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        const unsigned x =
            (unsigned)s[i] << 16 | (i + 1 < n ? (unsigned)s[i + 1] << 8 : 0) | (i + 2 < n ? s[i + 2] : 0u);
        const char four[] = { letters[x >> 18], letters[x >> 12 & 63], i + 1 < n ? letters[x >> 6 & 63] : '=',
                              i + 2 < n ? letters[x & 63] : '=' };
        TS_TRY(ts_str_add(out, four, sizeof four));
    }
    return TS_OK;
}

static ts_status write_vector(const embedding *e, const float *v, ts_str *out)
{
    if (e->is_base64) { /* of fp32, little end first, as this machine has it */
        TS_TRY(ts_str_puts(out, "\""));
        TS_TRY(add_base64((const unsigned char *)v, (size_t)e->dims * sizeof *v, out));
        return ts_str_puts(out, "\"");
    }
    for (int64_t c = 0; c < e->dims; c++) {
        TS_TRY(ts_str_puts(out, c ? ", " : "["));
        TS_TRY(ts_str_json_real(out, (double)v[c], 9));
    }
    return ts_str_puts(out, "]");
}

static ts_status write(const embedding *e, ts_str *out)
{
    size_t tokens = 0;
    TS_TRY(ts_str_puts(out, "{\"object\": \"list\", \"data\": ["));
    for (size_t i = 0; i < e->n; i++) {
        float *v = e->v + i * (size_t)e->hidden;
        make_unit(e, v);
        TS_TRY(ts_str_printf(
            out, "%s{\"object\": \"embedding\", \"index\": %zu, \"embedding\": ", i ? ", " : "", i));
        TS_TRY(write_vector(e, v, out));
        TS_TRY(ts_str_puts(out, "}"));
        tokens += e->ids[i].n;
    }
    TS_TRY(ts_str_puts(out, "], \"model\": "));
    TS_TRY(ts_str_json(out, e->s->rules.model, strlen(e->s->rules.model)));
    return ts_str_printf(out, ", \"usage\": {\"prompt_tokens\": %zu, \"total_tokens\": %zu}}", tokens,
                         tokens);
}

ts_status ts_embed_answer(ts_server *s, const char *rest, json_t *body, ts_str *out, ts_refusal *r)
{
    embedding e = { .s = s, .hidden = s->hidden };
    (void)rest;
    if (!s->o.embeddings)
        return ts_refuse(r, 400, "model", "unsupported_value",
                         "this server makes no embeddings (it was started without --embeddings)");
    ts_status st = read(&e, body, r);
    if (st == TS_OK)
        st = ts_worker_call(s->rules.worker, run, &e);
    if (st == TS_OK)
        st = write(&e, out);
    for (size_t i = 0; e.ids && i < e.n; i++)
        ts_ids_deinit(&e.ids[i]);
    ts_free(&e.ids);
    ts_free(&e.v);
    return st;
}
