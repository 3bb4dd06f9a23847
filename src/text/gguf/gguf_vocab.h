/* What both kinds of tokenizers in GGUF files have: tokens, their types, ids by role. */
#ifndef TS_TEXT_GGUF_GGUF_VOCAB_H
#define TS_TEXT_GGUF_GGUF_VOCAB_H
#include "io/gguf/gguf.h"
#include "text/gguf/gguf_pre.h"

/* As SentencePiece numbers them. */
enum { TS_GGUF_NORMAL = 1, TS_GGUF_UNKNOWN, TS_GGUF_CONTROL, TS_GGUF_USER, TS_GGUF_UNUSED, TS_GGUF_BYTE };

typedef struct ts_gguf_vocab {
    const ts_gguf *g;
    bool is_pieces;        /* SentencePiece's; else byte-level BPE */
    const ts_gguf_pre *pre; /* NULL: is_pieces */
    int64_t n;
    const char **text;      /* not terminated, UTF-8 */
    size_t *len;
    unsigned char *type;    /* TS_GGUF_NORMAL where files say none */
    int32_t bos, eos, unk, pad; /* -1: none */
    bool add_bos, add_eos;  /* around a text, where there are such tokens */
} ts_gguf_vocab;

ts_status ts_gguf_vocab_init(ts_gguf_vocab *v, const ts_gguf *g) TS_NODISCARD;
void ts_gguf_vocab_deinit(ts_gguf_vocab *v);

/* Appends the tokenizer.json. */
ts_status ts_gguf_bpe_json(const ts_gguf_vocab *v, ts_str *out) TS_NODISCARD;
ts_status ts_gguf_pieces_json(const ts_gguf_vocab *v, ts_str *out) TS_NODISCARD;
#endif
