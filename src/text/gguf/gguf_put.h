/* A tokenizer as the keys tokenizer.* of a GGUF file, as llama.cpp's converter writes them. */
#ifndef TS_TEXT_GGUF_GGUF_PUT_H
#define TS_TEXT_GGUF_GGUF_PUT_H
#include "base/json.h"
#include "io/gguf/write.h"
#include "io/side_files.h"

typedef struct ts_gguf_put_options {
    const char *path;          /* of the folder, for messages */
    const ts_side_files *files;
    const json_t *config;      /* config.json: ids that the tokenizer's own files do not say */
    int64_t rows;              /* of the model: tokens are as many */
    bool no_prefix;            /* llama.cpp is to put no blank before a text, whatever the files say (Gemma) */
} ts_gguf_put_options;

/* Byte-level BPE is "gpt2"; SentencePiece's BPE, of tokenizer.model or a tokenizer.json with byte fallback, "llama". A
 * folder without a tokenizer is "none". TS_ERR_USER: another kind, or words cut in a way that has no name in such files. */
ts_status ts_gguf_put_tokenizer(const ts_gguf_put_options *o, ts_gguf_keys *out) TS_NODISCARD;
#endif
