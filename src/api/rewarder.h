/* A second model that tells how good an answer is: one with a head of one number, or of two labels of which the second is
 * the good one; one with a head of rewards (rm_head); or a language model that judges, by how likely it takes one word. */
#ifndef TS_API_REWARDER_H
#define TS_API_REWARDER_H
#include "api/lm.h"

typedef struct ts_rewarder_options {
    const char *model; /* a folder; NULL: there is none */
    ts_option_list tokens;
    const char *suffix;
    bool no_final_norm;
} ts_rewarder_options;
extern const ts_option ts_rewarder_rows[];
extern const size_t ts_rewarder_count;

/* Zero-initialise; close. */
typedef struct ts_rewarder {
    const ts_lm *lm; /* whose answers are judged */
    ts_model model;
    ts_tape *tape;
    bool reads_text; /* its tokenizer is another: texts go over, not ids */
    bool has_tok;
    ts_text_tokenizer tok;
    ts_option_set *tok_set;
    ts_tokenizer_scratch *scratch;
    int32_t *words; /* [n_words] of a judge */
    int64_t n_words;
    ts_ids suffix, ids;
    ts_str text;
} ts_rewarder;

/* The lm must have been begun and its tokenizer looked for; both are lent. TS_ERR_USER: a model that tells no rewards. */
ts_status ts_rewarder_open(const ts_lm *lm, const ts_rewarder_options *o, ts_rewarder *out) TS_NODISCARD;
void ts_rewarder_close(ts_rewarder *r);
/* Of an answer's ids behind a prompt's, at the last token. Where the models' tokenizers differ (their tokenizer.json), it reads
 * the text of both, without special tokens, as its own tokenizer has it. */
ts_status ts_rewarder_tell(ts_rewarder *r, const ts_prompt *prompt, const int32_t *ids, int64_t n, double *out) TS_NODISCARD;
#endif
