/* The options that choose a tokenizer, in Megatron's and MindSpeed LLM's words, shared by all
 * commands that read or write text; and the tokenizer that they describe. */
#ifndef TS_TEXT_TEXT_OPTIONS_H
#define TS_TEXT_TEXT_OPTIONS_H
#include "base/option.h"
#include "text/new_tokens.h"

typedef struct ts_text_options {
    const char *type, *name_or_path, *model, *vocab_file, *merge_file, *tiktoken_pattern;
    ts_option_list tiktoken_special, kwargs, add_tokens, add_special_tokens;
    const char *new_tokens_config;
    int64_t vocab_size;
} ts_text_options;
extern const ts_option ts_text_option_rows[];
extern const size_t ts_text_option_count;

/* A tokenizer as a Megatron tokenizer class uses it. */
typedef struct ts_text_tokenizer {
    ts_tokenizer *tok;   /* NULL: NullTokenizer (texts are numbers) */
    int64_t vocab_size;  /* ids are below it; end-of-document included */
    int32_t eod, pad, bos; /* -1: none */
    bool with_special;   /* encoding adds what the tokenizer's own file says (HF) */
    bool with_bos;       /* encoding puts bos in front (Llama2Tokenizer) */
} ts_text_tokenizer;

/* Whether the options name a tokenizer at all. */
bool ts_text_options_given(const ts_text_options *o);
/* Whether they name tokens that it gets beside its own (text/new_tokens.h). */
bool ts_text_options_grow(const ts_text_options *o);
/* What a tokenizer's file alone does not say. */
ts_tokenizer_options ts_text_file_options(const ts_text_options *o);
/* Missing files and unknown types are TS_ERR_USER with the options' names. */
ts_status ts_text_tokenizer_open(const ts_text_options *o, ts_text_tokenizer *out) TS_NODISCARD;
void ts_text_tokenizer_close(ts_text_tokenizer *t);

/* Appends a document's ids as that class gives them (without end-of-document). scratch: one per
 * thread, NULL with NullTokenizer. Text that is not UTF-8 (NullTokenizer: not numbers below
 * vocab_size) is TS_ERR_USER. */
ts_status ts_text_encode(const ts_text_tokenizer *t, ts_tokenizer_scratch *scratch,
                         const char *text, size_t n, ts_ids *out) TS_NODISCARD;
/* The same of a text that was cut in two, and how many of the ids are the first part's, *n_first.
 * They are those of the whole text where it begins with the first part's; else, by the rule of
 * lm-evaluation-harness, where it begins with the first part's without the blanks at its end; and
 * where a token spans the cut even then, those of the first part and, behind them, of the second
 * encoded alone, with nothing put in front of it or behind it. */
ts_status ts_text_encode_pair(const ts_text_tokenizer *t, ts_tokenizer_scratch *scratch,
                              const char *first, size_t n_text, const char *second, size_t n_second,
                              ts_ids *out, size_t *n_first) TS_NODISCARD;
#endif
