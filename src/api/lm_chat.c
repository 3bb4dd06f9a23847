#include "api/lm_chat.h"

#include <string.h>

#define GROUP "conversations"
const ts_option ts_lm_chat_option_rows[] = {
    TS_CHAT_STYLE_ROWS(0, ts_lm_chat_options, style, GROUP),
    TS_ROW(TEXT, ts_lm_chat_options, system, "system", NULL, 0, 0, NULL, GROUP,
           "the system's message, before all others"),
};
const size_t ts_lm_chat_option_count = sizeof ts_lm_chat_option_rows / sizeof *ts_lm_chat_option_rows;

bool ts_chat_style_given(const ts_chat_style *style)
{
    return style->hf_chat_template || style->chat_template || style->prompt.type;
}

ts_status ts_lm_chat_open(ts_lm *lm, const ts_lm_chat_options *o, ts_lm_chat *out)
{
    ts_chat_style s = o->style;
    s.hf_chat_template = s.hf_chat_template || !s.prompt.type;
    *out = (ts_lm_chat){ .system = o->system };
    TS_TRY(ts_lm_need_tokenizer(lm));
    TS_TRY(ts_chat_encoder_open(&s, lm->model.folder, &lm->to, &lm->tok, &out->encoder));
    return out->encoder->begin(out->encoder, &out->work);
}

void ts_lm_chat_close(ts_lm_chat *c)
{
    if (c->work)
        c->encoder->end(c->encoder, &c->work);
    ts_chat_encoder_destroy(&c->encoder);
}

static ts_status no_message(void) { return ts_error(TS_ERR_USER, "a message is to be UTF-8"); }

/* The conversation with the system's message in front (json_decref). */
static ts_status put_system(const json_t *conversation, const char *system, json_t **out)
{
    json_t *all = json_copy((json_t *)(uintptr_t)conversation);
    json_t *messages = json_copy(json_object_get(conversation, "messages"));
    if (all && messages && !json_object_set_new(all, "messages", messages) &&
        !json_array_insert_new(messages, 0, json_pack("{ssss}", "role", "system", "content", system))) {
        *out = all;
        return TS_OK;
    }
    json_decref(all);
    return no_message();
}

ts_status ts_lm_chat_prompt(const ts_lm *lm, const ts_lm_chat *c, const json_t *conversation, ts_ids *out)
{
    const json_t *messages = json_object_get(conversation, "messages");
    const char *role = json_string_value(json_object_get(json_array_get(messages, 0), "role"));
    json_t *whole = NULL;
    if (c->system && json_is_array(messages) && (!role || strcmp(role, "system") != 0))
        TS_TRY(put_system(conversation, c->system, &whole));
    ts_status st = c->encoder->prompt(c->encoder, c->work, whole ? whole : conversation, out);
    json_decref(whole);
    return st == TS_OK ? ts_lm_check_text(lm, out) : st;
}

ts_status ts_lm_chat_ask(const ts_lm *lm, const ts_lm_chat *c, const char *text, size_t n, ts_ids *out)
{
    json_t *talk = json_pack("{s[{ssss%}]}", "messages", "role", "user", "content", text, n);
    const ts_status st = talk ? ts_lm_chat_prompt(lm, c, talk, out) : no_message();
    json_decref(talk);
    return st;
}

ts_status ts_lm_chat_stop(const ts_lm_chat *c, ts_gen_config *config)
{
    size_t n;
    const int32_t *ids = c->encoder->stops(c->encoder, &n);
    for (size_t i = 0; i < n && !config->ignore_eos; i++)
        TS_TRY(ts_sampling_add_eos(&config->sampling, ids[i]));
    return TS_OK;
}
