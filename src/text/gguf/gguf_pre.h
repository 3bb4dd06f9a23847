/* How a byte-level tokenizer cuts text into words before it merges: GGUF files give it a name, tokenizer.ggml.pre. */
#ifndef TS_TEXT_GGUF_GGUF_PRE_H
#define TS_TEXT_GGUF_GGUF_PRE_H
#include "base/str.h"

enum { TS_GGUF_PRE_SPLITS = 6 };

typedef struct ts_gguf_pre {
    const char *names;                     /* separated by blanks */
    const char *split[TS_GGUF_PRE_SPLITS]; /* regular expressions, each cuts what the one before has left */
    bool digits;                           /* each digit for itself, first of all */
    bool gpt2;                             /* GPT-2's expression, last */
    bool nfc;                              /* text is composed before */
    bool ignore_merges;                    /* a word that is a token is not cut */
    bool add_bos;                          /* unless the file says otherwise */
} ts_gguf_pre;

/* By name; NULL: unknown. */
const ts_gguf_pre *ts_gguf_pre_named(const char *name, size_t n);
/* The names of a row that cuts as this one does (names and add_bos aside), the likest where composing text or whole tokens
 * differ, which llama.cpp does not tell apart by more than these; NULL: none cuts so. */
const char *ts_gguf_pre_like(const ts_gguf_pre *p);
ts_status ts_gguf_pre_known(ts_str *out) TS_NODISCARD;
#endif
