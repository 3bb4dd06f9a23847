#include "text/chat/hf_encoder.h"

#include "text/chat/template.h"

#include <string.h>

typedef struct hf_encoder {
    ts_chat_encoder table;
    ts_chat_template template;
    const ts_tokenizer *tok;
    bool is_clock; /* nobody said what strftime_now shows: prompts have the time at which they are made */
} hf_encoder;

/* Bytes of the rendering that are trained. */
typedef struct stretch {
    size_t begin, end;
    float weight;
} stretch;

typedef struct hf_work {
    ts_tokenizer_scratch *scratch;
    ts_jinja_text whole, part, next;
    stretch *trained; /* [n_trained], in order */
    size_t n_trained, cap_trained;
    ts_text_mark *mark; /* two a stretch */
    size_t cap_mark;
} hf_work;

static const hf_encoder *inside(const ts_chat_encoder *e) { return (const hf_encoder *)(const void *)e; }

static void end(const ts_chat_encoder *e, void **work)
{
    hf_work *w = *work;
    (void)e;
    if (!w)
        return;
    ts_tokenizer_scratch_destroy(&w->scratch);
    ts_jinja_text_deinit(&w->whole);
    ts_jinja_text_deinit(&w->part);
    ts_jinja_text_deinit(&w->next);
    ts_free(&w->trained);
    ts_free(&w->mark);
    ts_free(work);
}

static ts_status begin(const ts_chat_encoder *e, void **work)
{
    hf_work *w = NULL;
    TS_TRY(ts_alloc(&w, 1, sizeof *w));
    void *made = w;
    const ts_status st = ts_tokenizer_scratch_create(inside(e)->tok, &w->scratch);
    if (st != TS_OK)
        end(e, &made);
    else
        *work = made;
    return st;
}

static bool is_answer(const json_t *message)
{
    const char *role = json_string_value(json_object_get(message, "role"));
    return role && !strcmp(role, "assistant");
}

/* The number of the last answer; where it must be the last message, it is. */
static ts_status find_last(const json_t *messages, ts_chat_train train, size_t *last)
{
    size_t n = json_array_size(messages);
    while (n > 0 && !is_answer(json_array_get(messages, n - 1)))
        n--;
    if (n == 0)
        return ts_error(TS_ERR_USER, "\"messages\": there is no assistant's message, so nothing to train");
    if (train == TS_CHAT_PREFERENCE && n < json_array_size(messages))
        return ts_error(TS_ERR_USER, "\"messages\": the last one must be the assistant's");
    *last = n - 1;
    return TS_OK;
}

static ts_status add_stretch(hf_work *w, size_t begin_, size_t end_, float weight)
{
    TS_TRY(ts_grow(&w->trained, &w->cap_trained, w->n_trained + 1, sizeof *w->trained));
    w->trained[w->n_trained++] = (stretch){ begin_, end_, weight };
    return TS_OK;
}

/* ---- by blocks ---- */

/* Blocks that touch are one answer's. */
static ts_status take_blocks(hf_work *w)
{
    for (size_t i = 0; i < w->whole.n_spans; i++) {
        const ts_jinja_span s = w->whole.spans[i];
        stretch *before = w->n_trained ? &w->trained[w->n_trained - 1] : NULL;
        if (before && s.begin <= before->end)
            before->end = s.end > before->end ? s.end : before->end;
        else if (s.end > s.begin)
            TS_TRY(add_stretch(w, s.begin, s.end, 1));
    }
    return TS_OK;
}

/* Weighs the blocks of answers, and leaves out those that are not trained, where blocks are told apart by messages. */
static ts_status weigh_blocks(const hf_encoder *e, hf_work *w, const json_t *messages)
{
    size_t n_answers = 0, n_weighed = 0, kept = 0;
    for (size_t k = 0; k < json_array_size(messages); k++) {
        float weight;
        const json_t *m = json_array_get(messages, k);
        TS_TRY(ts_chat_weight_read(m, k, is_answer(m), &weight));
        if (!is_answer(m))
            continue;
        if (n_answers < w->n_trained)
            w->trained[n_answers].weight = weight;
        n_answers++;
        n_weighed += weight != 1;
    }
    if (n_weighed && n_answers != w->n_trained)
        return ts_error(
            TS_ERR_USER,
            "\"weight\": the template %s writes %zu generation blocks for %zu answers, so it is not known "
            "which is whose",
            e->template.name.s, w->n_trained, n_answers);
    for (size_t i = 0; i < w->n_trained; i++)
        if (w->trained[i].weight > 0)
            w->trained[kept++] = w->trained[i];
    w->n_trained = kept;
    return TS_OK;
}

/* The last answer is trained whatever it weighs. */
static ts_status last_weight(const json_t *messages, ts_chat_train train, size_t last, float *out)
{
    const json_t *m = json_array_get(messages, last);
    *out = 1;
    if (train == TS_CHAT_PREFERENCE)
        return TS_OK;
    TS_TRY(ts_chat_weight_read(m, last, is_answer(m), out));
    *out = *out > 0 ? *out : 1;
    return TS_OK;
}

static ts_status by_blocks(const hf_encoder *e, hf_work *w, const ts_chat_view *v, ts_chat_train train, size_t last)
{
    TS_TRY(take_blocks(w));
    if (train == TS_CHAT_ANSWERS)
        return weigh_blocks(e, w, v->messages);
    if (!w->n_trained)
        return TS_OK;
    w->trained[0] = w->trained[w->n_trained - 1];
    w->n_trained = 1;
    return last_weight(v->messages, train, last, &w->trained[0].weight);
}

/* ---- by growing renderings ---- */

static bool begins(const ts_str *all, const ts_str *part)
{
    return part->len <= all->len && (!part->len || !memcmp(all->s, part->s, part->len));
}

static ts_status not_growing(const hf_encoder *e, size_t k, const char *what)
{
    return ts_error(
        TS_ERR_USER,
        "messages[%zu]: the template %s writes %s, so it is not known which tokens are the answer's; a "
        "template with {%% generation %%} blocks says it (or train the last answer alone: --mask-history)",
        k, e->template.name.s, what);
}

static ts_status take_answer(const hf_encoder *e, hf_work *w, ts_chat_view *v, size_t k, float weight)
{
    const ts_str *with = &w->whole.text;
    TS_TRY(ts_chat_view_render(&e->template, v, k, true, &w->part));
    if (k + 1 < json_array_size(v->messages)) {
        TS_TRY(ts_chat_view_render(&e->template, v, k + 1, false, &w->next));
        with = &w->next.text;
    }
    if (!begins(with, &w->part.text))
        return not_growing(e, k, "the messages before an answer in another way once the answer is there");
    if (!begins(&w->whole.text, with))
        return not_growing(e, k, "an answer in another way once more messages follow");
    return add_stretch(w, w->part.text.len, with->len, weight);
}

static ts_status by_growth(const hf_encoder *e, hf_work *w, ts_chat_view *v, ts_chat_train train, size_t last)
{
    for (size_t k = train == TS_CHAT_ANSWERS ? 0 : last; k <= last; k++) {
        float weight;
        const json_t *m = json_array_get(v->messages, k);
        if (train == TS_CHAT_ANSWERS)
            TS_TRY(ts_chat_weight_read(m, k, is_answer(m), &weight));
        else
            TS_TRY(last_weight(v->messages, train, last, &weight));
        if (is_answer(m) && weight > 0)
            TS_TRY(take_answer(e, w, v, k, weight));
    }
    return TS_OK;
}

/* ---- tokens ---- */

static ts_status tokenize(const hf_encoder *e, hf_work *w, bool in_part, ts_chat_tokens *out)
{
    const size_t n = w->n_trained;
    TS_TRY(ts_grow(&w->mark, &w->cap_mark, 2 * n + 1, sizeof *w->mark));
    for (size_t i = 0; i < n; i++) {
        w->mark[2 * i] = (ts_text_mark){ .at = w->trained[i].begin };
        w->mark[2 * i + 1] = (ts_text_mark){ .at = w->trained[i].end };
    }
    out->ids.n = out->labels.n = out->weights.n = 0;
    TS_TRY(ts_tokenizer_encode_marked(e->tok, w->scratch, ts_str_text(&w->whole.text), w->whole.text.len, w->mark,
                                      2 * n, &out->ids));
    TS_TRY(ts_grow(&out->labels.v, &out->labels.cap, out->ids.n + 1, sizeof *out->labels.v));
    for (size_t i = 0; i < out->ids.n; i++)
        out->labels.v[i] = TS_CHAT_NO_LABEL;
    out->labels.n = out->ids.n;
    for (size_t i = 0; i < n; i++) {
        const ts_text_mark *a = &w->mark[2 * i], *b = a + 1;
        const size_t from = in_part ? a->over : a->from;
        for (size_t t = from; t < b->from; t++)
            out->labels.v[t] = out->ids.v[t];
        if (w->trained[i].weight != 1 && from < b->from)
            TS_TRY(ts_chat_weights_set(&out->weights, from, b->from, w->trained[i].weight));
    }
    return out->weights.n ? ts_chat_weights_set(&out->weights, out->ids.n, out->ids.n, 1) : TS_OK;
}

static ts_status encode(const ts_chat_encoder *table, void *work, const json_t *conversation, ts_chat_train train,
                        ts_chat_tokens *out)
{
    const hf_encoder *e = inside(table);
    hf_work *w = work;
    ts_chat_view v = { 0 };
    size_t last = 0;
    TS_TRY(ts_chat_view_open(&e->template, conversation, &v));
    const bool blocks = ts_jinja_has_generation(v.jinja);
    w->n_trained = 0;
    ts_status st = find_last(v.messages, train, &last);
    if (st == TS_OK)
        st = ts_chat_view_render(&e->template, &v, json_array_size(v.messages), false, &w->whole);
    if (st == TS_OK)
        st = blocks ? by_blocks(e, w, &v, train, last) : by_growth(e, w, &v, train, last);
    if (st == TS_OK)
        st = tokenize(e, w, blocks, out);
    ts_chat_view_close(&v);
    return st;
}

static ts_status prompt(const ts_chat_encoder *table, void *work, const json_t *conversation, ts_ids *out)
{
    const hf_encoder *e = inside(table);
    hf_work *w = work;
    ts_chat_view v = { 0 };
    ts_chat_template t = e->template;
    out->n = 0;
    if (e->is_clock)
        TS_TRY(ts_chat_now("", NULL, &t.now));
    TS_TRY(ts_chat_view_open(&t, conversation, &v));
    ts_status st = ts_chat_view_render(&t, &v, json_array_size(v.messages), true, &w->whole);
    if (st == TS_OK)
        st = ts_tokenizer_encode(e->tok, w->scratch, ts_str_text(&w->whole.text), w->whole.text.len, false, out);
    ts_chat_view_close(&v);
    return st;
}

/* generation_config.json says them. */
static const int32_t *stops(const ts_chat_encoder *table, size_t *n)
{
    (void)table;
    *n = 0;
    return NULL;
}

static void destroy(ts_chat_encoder *table)
{
    hf_encoder *e = (hf_encoder *)(void *)table;
    ts_chat_template_close(&e->template);
    ts_free(&e);
}

ts_status ts_chat_hf_encoder_create(const char *folder, const char *file, const char *now, const ts_tokenizer *tok,
                                    ts_chat_encoder **out)
{
    hf_encoder *e = NULL;
    TS_TRY(ts_alloc(&e, 1, sizeof *e));
    e->table = (ts_chat_encoder){ begin, end, encode, prompt, stops, destroy };
    e->tok = tok;
    e->is_clock = !now;
    const ts_status st = ts_chat_template_open(folder, file, now, &e->template);
    if (st != TS_OK)
        destroy(&e->table);
    else
        *out = &e->table;
    return st;
}
