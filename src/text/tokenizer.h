/* Text to token ids and back, exactly as the tokenizer's own library does it.
 *
 * A tokenizer is opened from a Hugging Face folder or a tokenizer.json, from GPT-2's vocab.json and
 * merges.txt, from a SentencePiece .model, from a .tiktoken rank file, or from a GGUF file. It is read-only
 * after opening: any number of threads may encode with it, each with its own scratch. */
#ifndef TS_TEXT_TOKENIZER_H
#define TS_TEXT_TOKENIZER_H
#include "base/str.h"
#include "text/ids.h"

typedef struct ts_tokenizer ts_tokenizer;
/* work space and word cache of one thread */
typedef struct ts_tokenizer_scratch ts_tokenizer_scratch;

typedef struct ts_tokenizer_options {
    /* of a .tiktoken file: v1 or v2 (Megatron's), or a regular expression; NULL: GPT-2's */
    const char *tiktoken_pattern;
    const char *const *tiktoken_special; /* texts of special tokens, ids follow the last rank */
    size_t n_tiktoken_special;
} ts_tokenizer_options;

/* path: a folder (tokenizer.json, else tokenizer.model, else vocab.json + merges.txt) or a file,
 * told apart by name and content. options may be NULL. Damaged or unsupported files are
 * TS_ERR_USER. */
ts_status ts_tokenizer_open(const char *path, const ts_tokenizer_options *options,
                            ts_tokenizer **out) TS_NODISCARD;
/* GPT-2's own pair of files (Megatron's GPT2BPETokenizer). */
ts_status ts_tokenizer_open_gpt2(const char *vocab_file, const char *merge_file,
                                 ts_tokenizer **out) TS_NODISCARD;
void ts_tokenizer_destroy(ts_tokenizer **tok);

ts_status ts_tokenizer_scratch_create(const ts_tokenizer *tok,
                                      ts_tokenizer_scratch **out) TS_NODISCARD;
void ts_tokenizer_scratch_destroy(ts_tokenizer_scratch **scratch);

/* Appends the ids of text[0..n) to out. `special`: also what the post-processor adds (BOS, EOS,
 * ...). Special-token literals in the text are recognised as the tokenizer's file says. Text that
 * is not UTF-8 is TS_ERR_USER with the offset. */
ts_status ts_tokenizer_encode(const ts_tokenizer *tok, ts_tokenizer_scratch *scratch,
                              const char *text, size_t n, bool special, ts_ids *out) TS_NODISCARD;
/* A place in a text, and the tokens there, as the fast tokenizers' offsets of transformers have them. */
typedef struct ts_text_mark {
    size_t at;   /* byte, where a character begins or the text ends */
    size_t over; /* the first id whose text ends behind it */
    size_t from; /* the first id whose text begins there or behind it */
} ts_text_mark;
/* The same without special ids, and where among the ids (of `out`, from its beginning) the marks stand, which are
 * in order of their places. What is between the places a and b is the tokens [a.over, b.from), those that are
 * there in part included. */
ts_status ts_tokenizer_encode_marked(const ts_tokenizer *tok, ts_tokenizer_scratch *scratch, const char *text,
                                     size_t n, ts_text_mark *marks, size_t n_marks, ts_ids *out) TS_NODISCARD;
/* Appends the ids of a text that goes on where another ended: nothing is put in front of it or
 * behind it. A word whose beginning is the other text's is not known as such; where tokens inside a
 * word have a mark of their own (WordPiece), the first ones bear it. */
ts_status ts_tokenizer_encode_rest(const ts_tokenizer *tok, ts_tokenizer_scratch *scratch,
                                   const char *text, size_t n, ts_ids *out) TS_NODISCARD;
/* How many ids the post-processor puts behind a text. */
size_t ts_tokenizer_ends(const ts_tokenizer *tok);
/* Appends the text of ids to out. An id outside the vocabulary is TS_ERR_USER. */
ts_status ts_tokenizer_decode(const ts_tokenizer *tok, const int32_t *ids, size_t n,
                              bool skip_special, ts_str *out) TS_NODISCARD;
/* Of ids that a model wrote, without special tokens: one outside the vocabulary (a model may have
 * more rows than its tokenizer has tokens) has no text. */
ts_status ts_tokenizer_decode_written(const ts_tokenizer *tok, const int32_t *ids, size_t n,
                                      ts_str *out) TS_NODISCARD;

/* Appends the bytes that a token adds in the middle of a text (of a part of a character those that are its own); none of
 * special tokens and of ids without a token. */
ts_status ts_tokenizer_bytes(const ts_tokenizer *tok, int32_t id, ts_str *out) TS_NODISCARD;

/* Largest id + 1, added tokens included. */
int64_t ts_tokenizer_vocab_size(const ts_tokenizer *tok);
/* Id of a token's exact text, or -1. */
int32_t ts_tokenizer_token_id(const ts_tokenizer *tok, const char *token);
/* The token's text as it stands in the vocabulary, or NULL. Borrowed. */
const char *ts_tokenizer_id_token(const ts_tokenizer *tok, int32_t id);
/* Makes a text a token, behind all others where it is none yet, with the id that tokenizers gives it; nobody may be
 * encoding. One that is not special is found in normalized text. The model's rows are its owner's care. SentencePiece
 * models take none (TS_ERR_USER). */
ts_status ts_tokenizer_add(ts_tokenizer *tok, const char *token, bool special, int32_t *id) TS_NODISCARD;
/* Whether ts_tokenizer_add is refused. */
bool ts_tokenizer_is_closed(const ts_tokenizer *tok);
bool ts_tokenizer_is_special(const ts_tokenizer *tok, int32_t id);
/* Ids by role (tokenizer_config.json, special_tokens_map.json, or the model file), -1 when there is
 * none. */
int32_t ts_tokenizer_bos(const ts_tokenizer *tok);
int32_t ts_tokenizer_eos(const ts_tokenizer *tok);
int32_t ts_tokenizer_pad(const ts_tokenizer *tok);
int32_t ts_tokenizer_unk(const ts_tokenizer *tok);
#endif
