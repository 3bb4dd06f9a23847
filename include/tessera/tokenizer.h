/* Text to token ids and back, exactly as the tokenizer's own library does it; and learning a
 * tokenizer from text.
 *
 * An open codec is read-only: any number of threads may use it at once. Texts are UTF-8 with a
 * length in bytes and may hold NUL bytes. Ids are int32_t from 0 on. */
#ifndef TESSERA_TOKENIZER_H
#define TESSERA_TOKENIZER_H
#include "tessera/options.h"

TS_API_BEGIN

typedef struct ts_codec ts_codec;

/* path: a Hugging Face folder, a tokenizer.json, a SentencePiece .model, a .tiktoken file (told
 * apart by name and content); options may be --tiktoken-pattern and --tiktoken-special. path NULL:
 * the tokenizer that the options describe as training's do (--tokenizer-type, ...). */
TS_API ts_status ts_codec_open(const char *path, const char *const *options, size_t n,
                               ts_codec **out) TS_NODISCARD;
/* Frees it and clears *codec; fine with NULL. No other thread may be using it. */
TS_API void ts_codec_close(ts_codec **codec);

enum {
    /* encode: also what the tokenizer's own file adds (BOS, EOS, ...). A codec opened by options
     * adds what its type adds, whatever the flag. */
    TS_CODEC_ADD_SPECIAL = 1,
    TS_CODEC_SKIP_SPECIAL = 2, /* decode: leave special tokens out */
};

/* *ids [*n_ids] is the caller's (ts_memory_free); never NULL on success. Text that is not UTF-8 is
 * TS_ERR_USER with the offset. */
TS_API ts_status ts_codec_encode(const ts_codec *codec, const char *text, size_t n_text,
                                 unsigned flags, int32_t **ids, size_t *n_ids) TS_NODISCARD;
/* *text is the caller's (ts_memory_free), with a NUL behind its *n_text bytes; n_text may be NULL.
 * An id outside the vocabulary is TS_ERR_USER. */
TS_API ts_status ts_codec_decode(const ts_codec *codec, const int32_t *ids, size_t n_ids,
                                 unsigned flags, char **text, size_t *n_text) TS_NODISCARD;

/* Ids are below it. 0 with NULL. */
TS_API int64_t ts_codec_vocab_size(const ts_codec *codec);
/* The id of a token's exact text, -1: none. */
TS_API int32_t ts_codec_token_id(const ts_codec *codec, const char *token);
/* The token's text as it stands in the vocabulary, NULL: none. Borrowed from the codec. */
TS_API const char *ts_codec_token(const ts_codec *codec, int32_t id);
TS_API bool ts_codec_is_special(const ts_codec *codec, int32_t id);

typedef enum ts_codec_role { TS_CODEC_BOS, TS_CODEC_EOS, TS_CODEC_PAD, TS_CODEC_UNK } ts_codec_role;
/* The id of a role, -1: none. EOS ends a document. */
TS_API int32_t ts_codec_role_id(const ts_codec *codec, ts_codec_role role);

/* Learns a byte-level BPE vocabulary and writes it as a Hugging Face tokenizer folder: what
 * `tessera train-tokenizer` does with these options (--input FILE..., --json-keys,
 * --output DIR, --vocab-size). Files without text are TS_ERR_USER. */
TS_API ts_status ts_tokenizer_train(const char *const *options, size_t n) TS_NODISCARD;

TS_API_END
#endif
