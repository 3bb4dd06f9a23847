/* What a tokenizer is made of; the loaders fill it. */
#ifndef TS_TEXT_TOK_H
#define TS_TEXT_TOK_H
#include "text/added.h"
#include "text/cache.h"
#include "text/decode.h"
#include "text/marks.h"
#include "text/model/model.h"
#include "text/normalize/normalize.h"
#include "text/postproc.h"
#include "text/pretoken/pretoken.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

/* SentencePiece's normalizer, which is its own. */
typedef struct ts_sp_norm {
    ts_charsmap map;
    bool dummy_prefix, squeeze_blanks, escape_blanks, suffix_blanks;
    char *unk_surface;
} ts_sp_norm;

struct ts_tokenizer {
    const ts_unicode *unicode;
    ts_unicode *own_unicode; /* NULL: lent */
    ts_token_model model;
    ts_normalizer norm;
    ts_pretoken pre;
    ts_added added;
    ts_postproc post;
    ts_decoder dec;
    bool is_sp;  /* a SentencePiece model: norm to dec stand idle */
    ts_sp_norm sp;
    bool is_raw; /* a rank file: token texts are bytes */
    int32_t bos, eos, pad, unk;
};

struct ts_tokenizer_scratch {
    ts_cache cache;
    ts_token_model_work model;
    ts_pre_work pre;
    ts_str raw[2];
    ts_ids word;
    ts_marks marks;
};

/* unicode: lent for the life of the tokenizer; NULL: it makes its own. */
ts_status ts_tokenizer_new(const ts_unicode *unicode, ts_tokenizer **out) TS_NODISCARD;

/* The loaders: `tok` is new; data is only read. On failure tok is to be destroyed. */
/* A folder, or a file that is told by name and content; of any kind but GGUF. */
ts_status ts_load_path(ts_tokenizer *tok, const char *path, const ts_tokenizer_options *options) TS_NODISCARD;
ts_status ts_load_json(ts_tokenizer *tok, const char *text, size_t n,
                       const char *file) TS_NODISCARD;
ts_status ts_load_sentencepiece(ts_tokenizer *tok, const char *data, size_t n,
                                const char *file) TS_NODISCARD;
ts_status ts_load_tiktoken(ts_tokenizer *tok, const char *text, size_t n, const char *file,
                           const ts_tokenizer_options *options) TS_NODISCARD;
ts_status ts_load_gpt2(ts_tokenizer *tok, const ts_str *vocab, const char *vocab_file,
                       const ts_str *merges, const char *merge_file) TS_NODISCARD;
/* tokenizer_config.json and special_tokens_map.json beside the tokenizer; missing ones are fine. */
ts_status ts_load_roles(ts_tokenizer *tok, const char *folder) TS_NODISCARD;

/* Opens from memory: SentencePiece or tokenizer.json, told apart by the first byte. `name` for
 * messages; unicode as for ts_tokenizer_new. */
ts_status ts_tokenizer_open_bytes(const char *data, size_t n, const char *name,
                                  const ts_unicode *unicode, ts_tokenizer **out) TS_NODISCARD;

/* sp_text.c; goes_on: as for ts_pretokenize */
ts_status ts_sp_normalize(const ts_tokenizer *tok, const char *s, size_t n, bool goes_on,
                          ts_str *out) TS_NODISCARD;
ts_status ts_sp_decode(const ts_tokenizer *tok, const int32_t *ids, size_t n,
                       ts_str *out) TS_NODISCARD;
#endif
