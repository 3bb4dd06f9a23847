/* What the writers of both kinds of tokenizers (text/gguf/gguf_put.h) share. */
#ifndef TS_TEXT_GGUF_GGUF_TOKENS_H
#define TS_TEXT_GGUF_GGUF_TOKENS_H
#include "base/json.h"
#include "io/gguf/write.h"
#include "io/side_files.h"
#include "text/gguf/gguf_vocab.h"

typedef struct ts_gguf_put_options {
    const char *path;          /* of the folder, for messages */
    const ts_side_files *files;
    const json_t *config;      /* config.json: ids that the tokenizer's own files do not say */
    int64_t rows;              /* of the model: tokens are as many */
    bool no_prefix;            /* llama.cpp is to put no blank before a text, whatever the files say (Gemma) */
} ts_gguf_put_options;

typedef struct ts_gguf_token {
    const char *s; /* NULL: there is none of this number */
    size_t n;
    float score;
    int32_t type; /* TS_GGUF_NORMAL, ... */
} ts_gguf_token;

typedef struct ts_gguf_tok_put {
    const ts_gguf_put_options *o;
    json_t *json, *settings, *more; /* tokenizer.json, tokenizer_config.json, added_tokens.json; NULL: not there, or not read */
    ts_gguf_token *v;        /* [o->rows] */
    int64_t beyond;          /* tokens that have no row */
    ts_gguf_keys *out;
} ts_gguf_tok_put;

/* The token's place; NULL: it has no row in the model. */
ts_gguf_token *ts_gguf_tok_place(ts_gguf_tok_put *p, double id);
/* gguf_put_bpe.c, gguf_put_pieces.c: tokens, and the keys that one kind alone has. */
ts_status ts_gguf_tok_put_bpe(ts_gguf_tok_put *p) TS_NODISCARD;
/* model: a tokenizer.model; NULL: of tokenizer.json. */
ts_status ts_gguf_tok_put_pieces(ts_gguf_tok_put *p, const ts_str *model) TS_NODISCARD;
/* gguf_put_roles.c: ids, what is put around a text, the chat template. */
ts_status ts_gguf_tok_put_roles(const ts_gguf_tok_put *p) TS_NODISCARD;
/* Added tokens over those of the vocabulary, then all of them as keys. */
ts_status ts_gguf_tok_put_tokens(ts_gguf_tok_put *p, bool scored) TS_NODISCARD;
#endif
