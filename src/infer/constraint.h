/* Which tokens may come next where an answer must fit a grammar. */
#ifndef TS_INFER_CONSTRAINT_H
#define TS_INFER_CONSTRAINT_H
#include "text/grammar/grammar.h"
#include "text/tokenizer.h"

/* The bytes of all tokens, in their order. Only read once it is made: by any number of constraints and threads. */
typedef struct ts_token_list ts_token_list;
/* The tokenizer is only read, here. vocab: rows of the model. */
ts_status ts_token_list_create(const ts_tokenizer *tok, int64_t vocab, ts_token_list **out) TS_NODISCARD;
void ts_token_list_destroy(ts_token_list **l);

typedef struct ts_constraint ts_constraint;
/* Takes the grammar over when it succeeds; the list is lent. Used by one thread at a time; any number of texts may be in
 * the making, each with its state (text/grammar/grammar.h). */
ts_status ts_constraint_create(ts_grammar **g, const ts_token_list *l, ts_constraint **out) TS_NODISCARD;
void ts_constraint_destroy(ts_constraint **c);

static inline ts_grammar *ts_constraint_grammar(const ts_constraint *c) { return *(ts_grammar *const *)(const void *)c; }
/* A bit for each id, [vocab / 64 + 1]: set where the token's bytes may follow. Special tokens never do: whether the text
 * may end is the grammar's to say. Valid until the next call. */
ts_status ts_constraint_mask(ts_constraint *c, int32_t state, const uint64_t **bits) TS_NODISCARD;
/* The state behind a token; TS_GRAMMAR_DEAD where it does not fit. */
ts_status ts_constraint_take(ts_constraint *c, int32_t state, int32_t id, int32_t *to) TS_NODISCARD;
#endif
