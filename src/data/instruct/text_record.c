#include "data/instruct/text_record.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- one text ---- */

static ts_status take_ids(const json_t *list, const char *field, ts_ids *out)
{
    size_t i;
    json_t *v;
    json_array_foreach(list, i, v) {
        if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > INT32_MAX)
            return ts_error(TS_ERR_USER, "field %s: element %zu is no id of a token", field, i);
        TS_TRY(ts_ids_add(out, (int32_t)json_integer_value(v)));
    }
    return TS_OK;
}

static ts_status take_text(const ts_text_reader *r, const json_t *text, const char *field, ts_ids *out)
{
    ts_tokenizer_scratch *scratch = NULL;
    if (!r->has_tok)
        return ts_error(TS_ERR_USER, "field %s: texts need a tokenizer: --tokenizer-name-or-path FOLDER", field);
    if (r->tok.tok)
        TS_TRY(ts_tokenizer_scratch_create(r->tok.tok, &scratch));
    const ts_status st = ts_text_encode(&r->tok, scratch, json_string_value(text), json_string_length(text), out);
    ts_tokenizer_scratch_destroy(&scratch);
    return st;
}

/* A text's ids, behind those that are there. */
static ts_status take(const ts_text_reader *r, const json_t *v, const char *field, ts_ids *out)
{
    const size_t first = out->n;
    if (!json_is_string(v) && !json_is_array(v))
        return ts_error(TS_ERR_USER, "field %s: a text was expected (or its ids, a list of whole numbers)", field);
    TS_TRY(json_is_string(v) ? take_text(r, v, field, out) : take_ids(v, field, out));
    if (out->n == first)
        return ts_error(TS_ERR_USER, "field %s: the text has no token, from which anything could be told", field);
    for (size_t i = first; i < out->n; i++)
        if (out->v[i] >= r->vocab_size)
            return ts_error(TS_ERR_USER, "field %s: id %d is outside the model's vocabulary (0 to %lld)", field, (int)out->v[i],
                            (long long)r->vocab_size - 1);
    return TS_OK;
}

/* Row k, as much as fits of its two parts, the first of which is n_first long; the longer one loses first. */
static ts_status put(const ts_text_reader *r, const ts_ids *ids, int64_t n_first, int k, ts_row *out)
{
    int64_t a = n_first, b = (int64_t)ids->n - n_first;
    const int64_t over = a + b - r->seq_length, apart = a > b ? a - b : b - a;
    if (over > 0) { /* the longer one down to the other, then both in turn */
        const int64_t alone = over < apart ? over : apart, both = over - alone;
        const int64_t of_a = (a > b ? alone : 0) + both / 2, of_b = (a > b ? 0 : alone) + both - both / 2;
        a -= of_a, b -= of_b;
    }
    TS_TRY(ts_row_room(out, k, a + b));
    memcpy(out->v[k], ids->v, (size_t)a * sizeof *ids->v);
    memcpy(out->v[k] + a, ids->v + n_first, (size_t)b * sizeof *ids->v);
    return TS_OK;
}

/* A text in a row of its own, or behind another (NULL: none). */
static ts_status put_text(const ts_text_reader *r, const json_t *before, const char *before_field, const json_t *v,
                          const char *field, int k, ts_row *out)
{
    ts_ids ids = { 0 };
    ts_status st = before ? take(r, before, before_field, &ids) : TS_OK;
    int64_t n_first = (int64_t)ids.n;
    if (st == TS_OK)
        st = take(r, v, field, &ids);
    if (st == TS_OK)
        st = put(r, &ids, before ? n_first : (int64_t)ids.n, k, out);
    ts_ids_deinit(&ids);
    return st;
}

/* ---- what is told ---- */

static ts_status put_number(const json_t *v, const char *field, bool is_share, float *out)
{
    const double x = json_number_value(v);
    if (!json_is_number(v) || !isfinite((float)x))
        return ts_error(TS_ERR_USER, "field %s: a number was expected", field);
    if (is_share && !(x >= 0 && x <= 1))
        return ts_error(TS_ERR_USER, "field %s: %g is outside 0 to 1", field, x);
    *out = (float)x;
    return TS_OK;
}

static ts_status put_class(const ts_text_reader *r, const json_t *label, ts_row *out)
{
    const json_int_t class = json_integer_value(label);
    if (!json_is_integer(label))
        return ts_error(TS_ERR_USER, "field label: a whole number was expected, the number of the text's class");
    if (class < 0 || class >= r->texts.labels)
        return ts_error(TS_ERR_USER, "field label: %lld is none of 0 to %lld (--num-labels %lld)", (long long)class,
                        (long long)r->texts.labels - 1, (long long)r->texts.labels);
    out->number[0] = (float)class;
    return TS_OK;
}

static ts_status put_numbers(const ts_text_reader *r, const json_t *v, const char *field, ts_row *out)
{
    const int64_t n = r->texts.labels;
    if (json_is_number(v) && n == 1)
        return put_number(v, field, r->texts.shares, out->number);
    if (!json_is_array(v) || (int64_t)json_array_size(v) != n)
        return ts_error(TS_ERR_USER, "field %s: %s%lld number%s %s expected (--num-labels %lld)", field, n > 1 ? "a list of " : "",
                        (long long)n, n > 1 ? "s" : "", n > 1 ? "were" : "was", (long long)n);
    for (int64_t i = 0; i < n; i++)
        TS_TRY(put_number(json_array_get(v, (size_t)i), field, r->texts.shares, &out->number[i]));
    return TS_OK;
}

static ts_status read_labelled(const ts_text_reader *r, const json_t *o, ts_row *out)
{
    const json_t *text = json_object_get(o, "text"), *label = json_object_get(o, "label");
    const bool has_text = json_is_string(text);
    const char *field = label ? "label" : "labels";
    TS_TRY(r->texts.kind == TS_TEXTS_CLASS ? put_class(r, label, out)
                                           : put_numbers(r, label ? label : json_object_get(o, "labels"), field, out));
    if (!has_text && !json_object_get(o, "ids"))
        return ts_error(TS_ERR_USER, "field text: a text was expected (or ids, a list of whole numbers)");
    return put_text(r, NULL, NULL, has_text ? text : json_object_get(o, "ids"), has_text ? "text" : "ids", 0, out);
}

/* ---- texts that belong together ---- */

static const char *const query_words[] = { "query", "anchor", "question", NULL };
static const char *const positive_words[] = { "positive", "pos", "response", "answer", "document", "passage", NULL };
static const char *const negative_words[] = { "negative", "negatives", "neg", "rejected", NULL };

/* The field that has one of these names; NULL: none has. */
static const json_t *named(const json_t *o, const char *const *words, const char **field)
{
    for (; *words; words++)
        if (json_object_get(o, *words)) {
            *field = *words;
            return json_object_get(o, *words);
        }
    return NULL;
}

/* A list of texts, not of a text's ids. */
static bool is_list(const json_t *v)
{
    const json_t *first = json_array_get(v, 0);
    return json_is_array(v) && (json_is_string(first) || json_is_array(first));
}

/* Negative i of a record: of a list, or of fields negative_1, negative_2, ... */
static const json_t *negative_at(const json_t *o, int64_t i, const char **field)
{
    const json_t *v = named(o, negative_words, field);
    char name[32];
    if (v && (is_list(v) || json_array_size(v) == 0) && !json_is_string(v))
        return json_array_get(v, (size_t)i);
    if (v && i == 0)
        return v;
    snprintf(name, sizeof name, "negative_%lld", (long long)(v ? i : i + 1));
    *field = "negative_N";
    return json_object_get(o, name);
}

static ts_status read_together(const ts_text_reader *r, const json_t *o, ts_row *out)
{
    const bool ranks = r->texts.kind == TS_TEXTS_RANK;
    const char *of_query = "", *of_positive = "", *field = "negatives";
    const json_t *query = named(o, query_words, &of_query), *positive = named(o, positive_words, &of_positive);
    int k = 0;
    if (!query || !positive)
        return ts_error(TS_ERR_USER, "fields query (or anchor, question) and positive (or pos, response, answer, document, passage) "
                                     "were expected: %s is missing", query ? "the latter" : "the former");
    if (!ranks)
        TS_TRY(put_text(r, NULL, NULL, query, of_query, k++, out));
    TS_TRY(put_text(r, ranks ? query : NULL, of_query, is_list(positive) ? json_array_get(positive, 0) : positive, of_positive, k++,
                    out));
    for (int64_t i = 0; k < r->texts.each; i++, k++) {
        const json_t *v = negative_at(o, i, &field);
        if (!v)
            return ts_error(TS_ERR_USER, "field %s: %lld texts that do not belong to the query are fewer than --num-negatives %lld",
                            field, (long long)i, (long long)(r->texts.each - (ranks ? 1 : 2)));
        TS_TRY(put_text(r, ranks ? query : NULL, of_query, v, field, k, out));
    }
    return TS_OK;
}

/* One text behind the query, and how well it belongs there. */
static ts_status read_judged(const ts_text_reader *r, const json_t *o, ts_row *out)
{
    const json_t *label = json_object_get(o, "label");
    const char *field = label ? "label" : "score";
    label = label ? label : json_object_get(o, "score");
    if (!label)
        return ts_error(TS_ERR_USER, "field label (or score) was expected, from 0 to 1: how well the text belongs to the query; "
                                     "texts that do not are taken with --num-negatives");
    TS_TRY(put_number(label, field, true, out->number));
    return read_together(r, o, out);
}

ts_status ts_text_record_read(const ts_text_reader *r, const json_t *record, ts_row *out)
{
    const ts_texts *t = &r->texts;
    TS_TRY(ts_row_room_numbers(out, ts_texts_numbers(t)));
    if (t->kind == TS_TEXTS_CLASS || t->kind == TS_TEXTS_NUMBERS)
        return read_labelled(r, record, out);
    return ts_texts_numbers(t) ? read_judged(r, record, out) : read_together(r, record, out);
}
