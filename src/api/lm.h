/* A model opened for use, with its tokenizer: the inside of tessera/model.h, shared with the
 * commands score and infer. */
#ifndef TS_API_LM_H
#define TS_API_LM_H
#include "device/runtime.h"
#include "infer/model_group.h"
#include "infer/generate.h"
#include "model/sentence.h"
#include "model/weights.h"
#include "tessera/model.h"
#include "text/text_options.h"

/* Options of ts_lm_open beside the runtime's and the tokenizer's, and of ts_lm_generate beside
 * ts_gen_options. */
typedef struct ts_lm_options {
    int64_t ckpt_step;
    bool load_in_8bit, load_in_4bit;
    bool classes; /* it is to have a head of classes, else words */
    bool reward, no_final_norm;
    const char *lora_load; /* an adapter's folder; NULL: none */
    int kv_cache_dtype; /* ts_kv_code */
} ts_lm_options;
extern const ts_option ts_lm_option_rows[];
extern const size_t ts_lm_option_count;
/* Of those who generate. */
extern const ts_option ts_lm_cache_rows[];
extern const size_t ts_lm_cache_count;
/* Of those who score and do not generate. */
extern const ts_option ts_lm_reward_rows[];
extern const size_t ts_lm_reward_count;
typedef struct ts_lm_batch_options {
    int64_t batch_size;
} ts_lm_batch_options;
extern const ts_option ts_lm_batch_rows[];
extern const size_t ts_lm_batch_count;

struct ts_lm {
    ts_comm *world;       /* processes of the job, borrowed; NULL: this one alone */
    ts_model_group_options cut;  /* how they share out the model */
    ts_model_group *model_group;        /* with whom it is; NULL: it is all here */
    ts_runtime_options rt;
    ts_text_options to;
    ts_lm_options o;
    ts_option_set *set; /* whose texts the options are; NULL in the commands */
    ts_option_set *folder_set; /* likewise, of the tokenizer in the model's folder */
    ts_device *dev;
    ts_model model;
    ts_tape *tape; /* made when something is scored */
    ts_text_tokenizer tok;
    ts_tokenizer_scratch *scratch;
    bool has_tok;
    ts_token_list *tokens;     /* made when a grammar needs it; NULL: not yet */
    ts_constraint *constraint; /* of the last ts_lm_gen_config; NULL: none */
    ts_model draft;            /* of --draft-model; no decoder: none */
    const ts_pictures *pictures; /* of the sequence that is scored next; NULL: none */
    ts_routes *routes; /* of experts, in what is scored; NULL: layers choose, and nobody writes it down */
};

/* With the options in place: device and model, and not yet the tokenizer. Whatever it returns,
 * ts_lm_end. */
ts_status ts_lm_begin(ts_lm *lm) TS_NODISCARD;
void ts_lm_end(ts_lm *lm);
/* Whether another process leads this one (infer/model_group.h). */
static inline bool ts_lm_follows(const ts_lm *lm) { return ts_model_group_follows(lm->model_group); }
/* Of such a one, after ts_lm_begin: does what it is told until the end, and returns how it came. */
ts_status ts_lm_follow(ts_lm *lm) TS_NODISCARD;
/* Of one that leads: the end, for all; st: how it came, which it returns. Nothing where nobody follows. */
ts_status ts_lm_dismiss(ts_lm *lm, ts_status st) TS_NODISCARD;
/* Those who lead, among whom lines are dealt; NULL: this process alone. */
static inline ts_comm *ts_lm_leaders(const ts_lm *lm) { return lm->model_group && lm->model_group->models > 1 ? lm->model_group->leaders : NULL; }
/* TS_ERR_USER where there are more models than one, for who needs one: `who`, a command. */
ts_status ts_lm_need_one(const ts_lm *lm, const char *who) TS_NODISCARD;
/* The tokenizer that the options name, else the model folder's, where there is one. */
ts_status ts_lm_find_tokenizer(ts_lm *lm) TS_NODISCARD;
/* The same, once; none is TS_ERR_USER. */
ts_status ts_lm_need_tokenizer(ts_lm *lm) TS_NODISCARD;
/* Whether the model tells words (else rewards), as is needed; TS_ERR_USER that names the function. */
ts_status ts_lm_need_words(const ts_lm *lm, const char *function, bool words) TS_NODISCARD;
static inline bool ts_lm_has_text(const ts_lm *lm) { return lm->has_tok && lm->tok.tok; }
/* Of a model of labels: what it tells of a sequence, [labels]. */
ts_status ts_lm_labels(ts_lm *lm, const int32_t *ids, size_t n, float *logits) TS_NODISCARD;
/* A sequence's vector, [hidden]. */
ts_status ts_lm_vector(ts_lm *lm, const int32_t *ids, size_t n, const ts_sentence *how, float *out) TS_NODISCARD;
/* Of a result that is not a number (st is TS_ERR_RUN and its message is set): adds which weights are
 * not, if any. Returns st, whatever it is. */
ts_status ts_lm_explain(const ts_lm *lm, ts_status st) TS_NODISCARD;
/* Appends; ids outside the model's vocabulary are TS_ERR_USER. */
ts_status ts_lm_add_text(ts_lm *lm, const char *text, size_t n, ts_ids *out) TS_NODISCARD;
ts_status ts_lm_check_ids(const ts_lm *lm, const int32_t *ids, size_t n) TS_NODISCARD;
/* The same for what a tokenizer made. */
ts_status ts_lm_check_text(const ts_lm *lm, const ts_ids *ids) TS_NODISCARD;

/* lm->tokens, for grammars; no tokenizer of texts is TS_ERR_USER. */
ts_status ts_lm_list_tokens(ts_lm *lm) TS_NODISCARD;
/* Resolved settings for the lm's model; a grammar among them is the lm's, until the next call. */
ts_status ts_lm_gen_config(ts_lm *lm, const ts_gen_options *o, const ts_option_set *set,
                           ts_gen_config *out) TS_NODISCARD;
/* Refuses --stop where there is no tokenizer. */
ts_status ts_lm_check_stop(const ts_lm *lm, const ts_gen_config *c) TS_NODISCARD;
/* Lines in ascending order of their numbers, each once. */
ts_status ts_lm_run(ts_lm *lm, const ts_gen_config *c, int64_t batch, const ts_gen_line *lines,
                    size_t n, const ts_lm_hooks *hooks) TS_NODISCARD;
#endif
