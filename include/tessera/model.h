/* A language model to use: log-probabilities of texts, and generation.
 *
 * A ts_lm is used by one thread at a time; several may be open. It computes with as many threads as
 * --threads says. */
#ifndef TESSERA_MODEL_H
#define TESSERA_MODEL_H
#include "tessera/options.h"

TS_API_BEGIN

typedef struct ts_lm ts_lm;

/* folder: a Hugging Face folder or a folder of training checkpoints. options: subject "model"
 * (--threads, --bf16, --ckpt-step, a tokenizer that is not the folder's, ...). Without a tokenizer
 * the model takes and gives ids only. */
TS_API ts_status ts_lm_open(const char *folder, const char *const *options, size_t n,
                            ts_lm **out) TS_NODISCARD;
TS_API void ts_lm_close(ts_lm **lm); /* clears *lm; fine with NULL */

/* 0 and NULL with NULL. Borrowed from lm. */
TS_API int64_t ts_lm_vocab_size(const ts_lm *lm);
TS_API int64_t ts_lm_parameters(const ts_lm *lm);
TS_API const char *ts_lm_family(const ts_lm *lm); /* config.json's model_type */
TS_API bool ts_lm_has_tokenizer(const ts_lm *lm);

/* As the model's tokenizer does for a text that a user gives. *ids is the caller's
 * (ts_memory_free). */
TS_API ts_status ts_lm_encode(ts_lm *lm, const char *text, size_t n_text, int32_t **ids,
                              size_t *n_ids) TS_NODISCARD;
/* Without special tokens. *text is the caller's (ts_memory_free). */
TS_API ts_status ts_lm_decode(ts_lm *lm, const int32_t *ids, size_t n_ids, char **text,
                              size_t *n_text) TS_NODISCARD;

/* logprobs [n]: the natural logarithm of ids[i]'s probability after ids[0..i); logprobs[0] is 0 and
 * means nothing. greedy [n], may be NULL: whether it was the most probable one. n >= 1; ids below
 * the vocabulary's size. */
TS_API ts_status ts_lm_score(ts_lm *lm, const int32_t *ids, size_t n, double *logprobs,
                             bool *greedy) TS_NODISCARD;
/* Of a model of rewards (option "reward" of ts_lm_open): the reward of a sequence, at its last token. TS_ERR_USER: of
 * another model; and ts_lm_score, ts_lm_logits and ts_lm_generate of one of rewards. */
TS_API ts_status ts_lm_reward(ts_lm *lm, const int32_t *ids, size_t n, double *reward) TS_NODISCARD;
/* From now on the experts that tokens of each ts_lm_score go to are recorded in a file, or are those of such a file,
 * sequence by sequence: weights are still the routers'. One of the two names; both NULL ends it, and what was recorded
 * gets its name then alone. Not of ts_lm_logits and ts_lm_generate. TS_ERR_USER: a model without experts, another's file. */
TS_API ts_status ts_lm_routing(ts_lm *lm, const char *record, const char *replay) TS_NODISCARD;
/* The logits after each token, [n, vocab] row-major. */
TS_API ts_status ts_lm_logits(ts_lm *lm, const int32_t *ids, size_t n, float *logits) TS_NODISCARD;

/* ---- generation ---- */

/* What to go on from: ids [n_ids] where ids is not NULL, else text [n_text]. */
typedef struct ts_lm_prompt {
    const char *text;
    size_t n_text;
    const int32_t *ids;
    size_t n_ids;
} ts_lm_prompt;

/* What came of a prompt since the last piece. Valid during the call back. */
typedef struct ts_lm_piece {
    size_t prompt;    /* its number, from 0 */
    const char *text; /* whole characters, maybe none yet; NULL without a tokenizer */
    size_t n_text;
    const int32_t *ids; /* all new ones so far */
    size_t n_ids;
    bool is_last;
} ts_lm_piece;

/* The whole of what came. Valid during the call back. */
typedef struct ts_lm_answer {
    size_t prompt;
    const char *text; /* NULL without a tokenizer; NUL-terminated */
    size_t n_text;
    const int32_t *ids;
    size_t n_ids;
    const double *logprobs; /* [n_ids] with --logprobs, else NULL */
    bool is_stopped;        /* by an end-of-text token, a stop text or a hook; else by the length */
} ts_lm_answer;

/* Called on the calling thread; they must not use the lm. A negative ts_status ends the whole call,
 * which returns it; its message is the hook's business. Any may be NULL. */
typedef struct ts_lm_hooks {
    size_t size; /* sizeof(ts_lm_hooks) */
    void *ctx;
    /* After each new token (with --num-beams once, at the end); 1 ends this prompt's answer. */
    int (*piece)(void *ctx, const ts_lm_piece *piece);
    /* A prompt is done; in any order. */
    int (*done)(void *ctx, const ts_lm_answer *answer);
    /* Now and then: tokens since the beginning. */
    void (*progress)(void *ctx, int64_t n_tokens);
} ts_lm_hooks;

/* Generates for all prompts, --batch-size of them side by side (which changes speed, never a
 * result). options: subject "generate" (--max-new-tokens, --greedy, --stop, ...); what is not given
 * is as the folder's generation_config.json says. */
TS_API ts_status ts_lm_generate(ts_lm *lm, const ts_lm_prompt *prompts, size_t n_prompts,
                                const char *const *options, size_t n,
                                const ts_lm_hooks *hooks) TS_NODISCARD;

TS_API_END
#endif
