/* A tokenizer by its path. */
#include "io/gguf/gguf.h"
#include "text/gguf/gguf_tokenizer.h"
#include "text/tok.h"

ts_status ts_tokenizer_open(const char *path, const ts_tokenizer_options *options, ts_tokenizer **out)
{
    ts_tokenizer *tok = NULL;
    if (ts_gguf_is(path))
        return ts_tokenizer_open_gguf(path, out);
    TS_TRY(ts_tokenizer_new(NULL, &tok));
    const ts_status st = ts_load_path(tok, path, options);
    if (st != TS_OK)
        ts_tokenizer_destroy(&tok);
    else
        *out = tok;
    return st;
}
