/* Templates as a way of writing conversations (text/chat/encoder.h). */
#include "text/prompt/prompt.h"

typedef struct prompt_encoder {
    ts_chat_encoder table; /* first */
    ts_prompt_template *prompt;
} prompt_encoder;

typedef struct encoder_work {
    ts_prompt_work *prompt;
    ts_prompt_talk talk;
    ts_str memory; /* of tools */
} encoder_work;

static const ts_prompt_template *inside(const ts_chat_encoder *e)
{
    return ((const prompt_encoder *)(const void *)e)->prompt;
}

static void end(const ts_chat_encoder *e, void **work)
{
    encoder_work *w = *work;
    (void)e;
    if (!w)
        return;
    ts_prompt_work_destroy(&w->prompt);
    ts_prompt_talk_deinit(&w->talk);
    ts_str_deinit(&w->memory);
    ts_free(work);
}

static ts_status begin(const ts_chat_encoder *e, void **work)
{
    encoder_work *w;
    TS_TRY(ts_alloc(&w, 1, sizeof *w));
    const ts_status st = ts_prompt_work_create(inside(e), &w->prompt);
    *work = w;
    if (st != TS_OK)
        end(e, work);
    return st;
}

/* The last answer to a prompt that is never trained. */
static ts_status encode_preference(const ts_prompt_template *p, encoder_work *w, ts_chat_tokens *out)
{
    ts_prompt_pair v;
    TS_TRY(ts_prompt_encode_last(p, w->prompt, &w->talk, &v));
    for (size_t i = 0; i < v.n_source + v.n_target; i++) {
        const bool is_answer = i >= v.n_source;
        const int32_t id = is_answer ? v.target[i - v.n_source] : v.source[i];
        TS_TRY(ts_ids_add(&out->ids, id));
        TS_TRY(ts_ids_add(&out->labels, is_answer ? id : TS_CHAT_NO_LABEL));
    }
    if (!ts_prompt_is_efficient(p))
        return TS_OK;
    TS_TRY(ts_ids_add(&out->ids, ts_prompt_eos(p)));
    return ts_ids_add(&out->labels, ts_prompt_eos(p));
}

static ts_status encode(const ts_chat_encoder *e, void *work, const json_t *conversation, ts_chat_train train,
                        ts_chat_tokens *out)
{
    const ts_prompt_template *p = inside(e);
    encoder_work *w = work;
    out->ids.n = out->labels.n = out->weights.n = 0;
    TS_TRY(ts_prompt_talk_read(conversation, &w->memory, &w->talk));
    if (train == TS_CHAT_PREFERENCE)
        return encode_preference(p, w, out);
    return ts_prompt_sample(p, w->prompt, &w->talk, 0, 0, train == TS_CHAT_LAST_ANSWER, &out->ids,
                            &out->labels, &out->weights);
}

/* The source of an answer that is still to be written. */
static ts_status prompt(const ts_chat_encoder *e, void *work, const json_t *conversation, ts_ids *out)
{
    encoder_work *w = work;
    ts_prompt_pair v;
    out->n = 0;
    TS_TRY(ts_prompt_talk_read(conversation, &w->memory, &w->talk));
    TS_TRY(ts_prompt_talk_add(&w->talk, TS_PROMPT_ASSISTANT, "", 0));
    TS_TRY(ts_prompt_encode_last(inside(e), w->prompt, &w->talk, &v));
    for (size_t i = 0; i < v.n_source; i++)
        TS_TRY(ts_ids_add(out, v.source[i]));
    return TS_OK;
}

static const int32_t *stops(const ts_chat_encoder *e, size_t *n) { return ts_prompt_stops(inside(e), n); }

static void destroy(ts_chat_encoder *e)
{
    prompt_encoder *p = (prompt_encoder *)(void *)e;
    ts_prompt_close(&p->prompt);
    ts_free(&p);
}

ts_status ts_prompt_encoder_create(const ts_prompt_options *o, ts_text_tokenizer *tok, ts_chat_encoder **out)
{
    prompt_encoder *e = NULL;
    TS_TRY(ts_alloc(&e, 1, sizeof *e));
    e->table = (ts_chat_encoder){ begin, end, encode, prompt, stops, destroy };
    const ts_status st = ts_prompt_open(o, tok, &e->prompt);
    if (st != TS_OK)
        ts_free(&e);
    else
        *out = &e->table;
    return st;
}
