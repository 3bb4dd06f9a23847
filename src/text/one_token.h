/* Words that are one token each, as options name them. */
#ifndef TS_TEXT_ONE_TOKEN_H
#define TS_TEXT_ONE_TOKEN_H
#include "text/text_options.h"

/* The id of a word: what it is encoded as alone, where that is one token, else the token of that very text. Without a
 * tokenizer (tok NULL) it is the id itself, below vocab. TS_ERR_USER names the option. */
ts_status ts_one_token(const ts_tokenizer *tok, const char *option, const char *word, int64_t vocab, int32_t *id) TS_NODISCARD;
#endif
