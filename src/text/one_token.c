#include "text/one_token.h"

#include <stdlib.h>
#include <string.h>

static ts_status read_number(const char *option, const char *word, int64_t vocab, int32_t *id)
{
    char *end;
    const long v = strtol(word, &end, 10);
    if (!*word || *end || v < 0 || v >= vocab)
        return ts_error(TS_ERR_USER, "--%s %s: without a tokenizer a token is given by its id, 0 to %lld", option, word,
                        (long long)vocab - 1);
    *id = (int32_t)v;
    return TS_OK;
}

ts_status ts_one_token(const ts_tokenizer *tok, const char *option, const char *word, int64_t vocab, int32_t *id)
{
    ts_tokenizer_scratch *scratch;
    ts_ids ids = { 0 };
    if (!tok)
        return read_number(option, word, vocab, id);
    TS_TRY(ts_tokenizer_scratch_create(tok, &scratch));
    ts_status st = ts_tokenizer_encode(tok, scratch, word, strlen(word), false, &ids);
    const int32_t found = ids.n == 1 ? ids.v[0] : ts_tokenizer_token_id(tok, word);
    const size_t n = ids.n;
    ts_tokenizer_scratch_destroy(&scratch);
    ts_ids_deinit(&ids);
    TS_TRY(st);
    if (found < 0)
        return ts_error(TS_ERR_USER, "--%s %s is %zu tokens: expected one", option, word, n);
    *id = found;
    return TS_OK;
}
