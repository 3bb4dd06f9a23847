/* A conversation to ids and labels: the table that every way of writing one fills (a model's own chat template, a
 * named template of slots).
 *
 * A conversation is OpenAI's form as JSON: {"messages": [{"role", "content", ...}, ...], "tools"?,
 * "chat_template_kwargs"?}. A message may have "weight": how much an answer's labels count (1; 0: it is not trained). */
#ifndef TS_TEXT_CHAT_ENCODER_H
#define TS_TEXT_CHAT_ENCODER_H
#include "base/json.h"
#include "text/chat/weight.h"

/* Which answers are trained. */
typedef enum ts_chat_train {
    TS_CHAT_ANSWERS,     /* each */
    TS_CHAT_LAST_ANSWER, /* the last one of the conversation (--mask-history) */
    TS_CHAT_PREFERENCE,  /* the last message, as an answer to all before it, which is its prompt */
} ts_chat_train;

enum { TS_CHAT_NO_LABEL = -100 };

typedef struct ts_chat_tokens {
    /* Of one length. A label is the id at its own place, or TS_CHAT_NO_LABEL; where answers have no end of their own,
     * the first place behind one has the end token as its label. */
    ts_ids ids, labels;
    ts_chat_weights weights; /* of the labels */
} ts_chat_tokens;

typedef struct ts_chat_encoder ts_chat_encoder;
struct ts_chat_encoder {
    /* What one thread works with; *work is its to hand to end. */
    ts_status (*begin)(const ts_chat_encoder *e, void **work);
    void (*end)(const ts_chat_encoder *e, void **work);
    /* out is written anew. TS_ERR_USER: the conversation cannot be written so; the sentence names the template, not
     * the record. */
    ts_status (*encode)(const ts_chat_encoder *e, void *work, const json_t *conversation, ts_chat_train train,
                        ts_chat_tokens *out);
    /* The ids of a conversation that an answer is to follow, and how an answer begins: what a model goes on from.
     * Errors as of encode. */
    ts_status (*prompt)(const ts_chat_encoder *e, void *work, const json_t *conversation, ts_ids *out);
    /* The ids that end an answer, beside the model's own ends; [*n], borrowed. */
    const int32_t *(*stops)(const ts_chat_encoder *e, size_t *n);
    void (*destroy)(ts_chat_encoder *e);
};

/* e NULL, or pointing to NULL: nothing. */
static inline void ts_chat_encoder_destroy(ts_chat_encoder **e)
{
    if (e && *e)
        (*e)->destroy(*e);
    if (e)
        *e = NULL;
}
static inline void ts_chat_tokens_deinit(ts_chat_tokens *t)
{
    ts_ids_deinit(&t->ids);
    ts_ids_deinit(&t->labels);
    ts_chat_weights_deinit(&t->weights);
}
#endif
