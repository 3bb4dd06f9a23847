/* Samples that the tokenizer's own chat template writes, of which the tokens between two marks are labels: those of
 * Hunyuan-Large. */
#include "data/handlers/inside.h"

#include "text/chat/template.h"

#include <string.h>

static const char begins_with[] = "<|extra_0|>", ends_with[] = "<|eos|>";

struct ts_rendering {
    ts_chat_template template;
    int32_t begins, ends;
};

ts_status ts_rendering_open(const char *folder, const ts_text_tokenizer *tok, ts_rendering **out)
{
    ts_rendering *r = NULL;
    if (!folder || !ts_chat_template_is_in(folder))
        return ts_error(TS_ERR_USER, "--handler-name HunyuanInstructionHandler: --tokenizer-name-or-path has no chat template, which "
                                     "writes the samples");
    TS_TRY(ts_alloc(&r, 1, sizeof *r));
    ts_status st = ts_handler_one_token(tok, "HunyuanInstructionHandler", begins_with, &r->begins);
    if (st == TS_OK)
        st = ts_handler_one_token(tok, "HunyuanInstructionHandler", ends_with, &r->ends);
    if (st == TS_OK)
        st = ts_chat_template_open(folder, NULL, NULL, &r->template);
    if (st != TS_OK)
        ts_free(&r);
    else
        *out = r;
    return st;
}

void ts_rendering_close(ts_rendering **r)
{
    if (*r)
        ts_chat_template_close(&(*r)->template);
    ts_free(r);
}

/* The turns as messages; what a system said is not among them, nor are tools. */
static ts_status conversation_of(const ts_prompt_talk *t, json_t **out)
{
    static const char *const role[] = { [TS_PROMPT_USER] = "user", [TS_PROMPT_ASSISTANT] = "assistant",
                                        [TS_PROMPT_OBSERVATION] = "observation", [TS_PROMPT_FUNCTION] = "function" };
    json_t *messages = json_array(), *o = json_pack("{s:o}", "messages", messages);
    bool good = o;
    for (size_t i = 0; good && i < t->n; i++)
        good = json_array_append_new(messages, json_pack("{s:s, s:s%}", "role", role[t->v[i].role], "content",
                                                         t->v[i].content.s ? t->v[i].content.s : "", t->v[i].content.n)) == 0;
    if (!good) {
        json_decref(o);
        return ts_error(TS_ERR_NOMEM, "no memory for a conversation");
    }
    *out = o;
    return TS_OK;
}

static ts_status render(const ts_handler *h, ts_handler_work *w, ts_ids *out)
{
    ts_chat_view v = { 0 };
    ts_jinja_text text = { 0 };
    json_t *conversation = NULL;
    TS_TRY(conversation_of(&w->talk, &conversation));
    ts_status st = ts_chat_view_open(&h->rendering->template, conversation, &v);
    if (st == TS_OK)
        st = ts_chat_view_render(&h->rendering->template, &v, w->talk.n, false, &text);
    if (st == TS_OK)
        st = ts_tokenizer_encode(h->tok->tok, w->scratch, ts_str_text(&text.text), text.text.len, false, out);
    ts_jinja_text_deinit(&text);
    ts_chat_view_close(&v);
    json_decref(conversation);
    return st;
}

/* The first beginning goes with the first end, the second with the second; both are trained themselves. */
static void label(const ts_rendering *r, const int32_t *ids, size_t n, int32_t *labels)
{
    size_t begin = 0, end = 0;
    for (;; begin++, end++) {
        while (begin < n && ids[begin] != r->begins)
            begin++;
        while (end < n && ids[end] != r->ends)
            end++;
        if (begin == n || end == n)
            return;
        for (size_t i = begin; i <= end; i++)
            labels[i] = ids[i];
    }
}

ts_status ts_handler_render(const ts_handler *h, ts_handler_work *w, ts_token_run *runs)
{
    ts_ids *all = &w->ids[0];
    ts_token_run *ids = &runs[0], *mask = &runs[1], *labels = &runs[2];
    const size_t most = h->o->seq_length ? (size_t)h->o->seq_length : SIZE_MAX, at = ids->ids.n;
    all->n = 0;
    TS_TRY(render(h, w, all));
    TS_TRY(ts_grow(&w->ids[1].v, &w->ids[1].cap, all->n + 1, sizeof *w->ids[1].v));
    for (size_t i = 0; i < all->n; i++)
        w->ids[1].v[i] = -100;
    label(h->rendering, all->v, all->n, w->ids[1].v);
    for (size_t i = 0; i < all->n && i < most; i++) {
        TS_TRY(ts_ids_add(&ids->ids, all->v[i]));
        TS_TRY(ts_ids_add(&mask->ids, all->v[i] != h->tok->pad));
        TS_TRY(ts_ids_add(&labels->ids, w->ids[1].v[i]));
    }
    if (h->append_eod && ids->ids.n > at) {
        TS_TRY(ts_ids_add(&ids->ids, h->tok->eod));
        TS_TRY(ts_ids_add(&mask->ids, 1));
        TS_TRY(ts_ids_add(&labels->ids, h->tok->eod));
    }
    return TS_OK;
}
