/* Decoders of tokenizer.json: a list of token texts, changed step by step and joined at the end. */
#ifndef TS_TEXT_DECODE_H
#define TS_TEXT_DECODE_H
#include "base/json.h"
#include "text/regex/regex.h"

typedef enum ts_dec_kind {
    TS_DEC_BYTES,
    TS_DEC_META,
    TS_DEC_WORDPIECE,
    TS_DEC_BPE,
    TS_DEC_FALLBACK,
    TS_DEC_FUSE,
    TS_DEC_STRIP,
    TS_DEC_REPLACE,
    TS_DEC_REPLACE_REGEX,
    TS_DEC_CTC,
} ts_dec_kind;

typedef struct ts_dec_op {
    ts_dec_kind kind;
    char *a,
        *b; /* replacement, prefix, suffix, pattern, content, pad; b: content, word delimiter */
    size_t a_len, b_len;
    ts_regex *regex;
    bool cleanup, drop_first; /* Metaspace: the first token loses its marks */
    int64_t start, stop;
} ts_dec_op;

typedef struct ts_decoder {
    ts_dec_op *op;
    size_t n, cap;
    bool is_set; /* without a decoder tokens are joined by blanks */
} ts_decoder;

/* Token texts one after another. */
typedef struct ts_texts {
    ts_str text;
    size_t *end; /* [n] */
    size_t n, cap;
} ts_texts;

ts_status ts_texts_add(ts_texts *t, const char *s, size_t n) TS_NODISCARD;
void ts_texts_deinit(ts_texts *t);

ts_status ts_decoder_load(ts_decoder *d, const json_t *o, const char *file) TS_NODISCARD;
/* Appends the text of the tokens to out; `in` is used up. */
ts_status ts_decode(const ts_decoder *d, ts_texts *in, ts_str *out) TS_NODISCARD;
/* Appends the bytes of a token of the byte-level alphabet, or of one <0xHH>, where the decoder has such (d NULL: it has the
 * latter). *found false: it is another token. */
ts_status ts_decode_bytes(const ts_decoder *d, const char *s, size_t n, ts_str *out, bool *found) TS_NODISCARD;
void ts_decoder_deinit(ts_decoder *d);
#endif
