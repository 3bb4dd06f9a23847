/* Tokens that a tokenizer gets beside its own, as `add_tokens` of transformers gives them: in memory, and in the files
 * that transformers reads. */
#ifndef TS_TEXT_NEW_TOKENS_H
#define TS_TEXT_NEW_TOKENS_H
#include "base/option.h"
#include "io/side_files.h"
#include "text/tokenizer.h"

typedef struct ts_new_token {
    const char *text;        /* borrowed from the options, or of the list */
    const char *description; /* what its meaning is said to be; NULL: nothing is */
    bool special;
} ts_new_token;

typedef struct ts_new_tokens {
    ts_new_token *v;
    size_t n, cap;
    json_t *config, *words; /* which hold texts */
} ts_new_tokens;

/* What options name (commas part several in one word): plain tokens, special ones, and a file (YAML or JSON, or NULL) of special tokens with the words that
 * describe each. TS_ERR_USER: an empty token, a file that is no such map. */
ts_status ts_new_tokens_read(const ts_option_list *plain, const ts_option_list *special, const char *config,
                             ts_new_tokens *out) TS_NODISCARD;
void ts_new_tokens_deinit(ts_new_tokens *t);

/* Nobody may be encoding. A text that is a token already keeps its id. SentencePiece models take none (TS_ERR_USER). */
ts_status ts_new_tokens_add(const ts_new_tokens *t, ts_tokenizer *tok) TS_NODISCARD;
/* The same in the files of a folder: tokenizer.json, and tokenizer_config.json and added_tokens.json where they list added
 * tokens. Without a tokenizer.json TS_ERR_USER. */
ts_status ts_new_tokens_put(const ts_new_tokens *t, ts_side_files *files) TS_NODISCARD;

/* How many ids the tokenizer among a folder's files has; 0: there is none, or none whose ids are told by one file. */
ts_status ts_tokenizer_files_ids(const ts_side_files *files, int64_t *out) TS_NODISCARD;
#endif
