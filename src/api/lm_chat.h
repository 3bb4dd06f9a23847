/* Conversations with a model: the inside of the commands chat and infer. */
#ifndef TS_API_LM_CHAT_H
#define TS_API_LM_CHAT_H
#include "api/lm.h"
#include "data/instruct/writer.h"

typedef struct ts_lm_chat_options {
    ts_chat_style style;
    const char *system; /* NULL: none */
} ts_lm_chat_options;
extern const ts_option ts_lm_chat_option_rows[];
extern const size_t ts_lm_chat_option_count;

/* Zero-initialise; ts_lm_chat_close. */
typedef struct ts_lm_chat {
    ts_chat_encoder *encoder;
    void *work;
    const char *system; /* the options' */
} ts_lm_chat;

/* Whether the options say how conversations are written. */
bool ts_chat_style_given(const ts_chat_style *style);
/* As the style says; where it says nothing, by the chat template of the model's folder. The lm must have been begun; its
 * tokenizer is found. TS_ERR_USER: no tokenizer, no template. Options and lm outlive the chat. */
ts_status ts_lm_chat_open(ts_lm *lm, const ts_lm_chat_options *o, ts_lm_chat *out) TS_NODISCARD;
void ts_lm_chat_close(ts_lm_chat *c);
/* The prompt of the answer that is to follow a conversation in OpenAI's form ({"messages", "tools"?, ...}), which gets
 * the options' system where it begins without one; out is written anew. */
ts_status ts_lm_chat_prompt(const ts_lm *lm, const ts_lm_chat *c, const json_t *conversation, ts_ids *out) TS_NODISCARD;
/* The same of one message of a user. */
ts_status ts_lm_chat_ask(const ts_lm *lm, const ts_lm_chat *c, const char *text, size_t n, ts_ids *out) TS_NODISCARD;
/* Ends of answers that the template knows become ends of texts. */
ts_status ts_lm_chat_stop(const ts_lm_chat *c, ts_gen_config *config) TS_NODISCARD;
#endif
