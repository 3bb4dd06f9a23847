/* A tokenizer as the keys tokenizer.* of a GGUF file, as llama.cpp's converter writes them. */
#ifndef TS_TEXT_GGUF_GGUF_PUT_H
#define TS_TEXT_GGUF_GGUF_PUT_H
#include "text/gguf/gguf_tokens.h"

/* Byte-level BPE is "gpt2"; SentencePiece's BPE, of tokenizer.model or a tokenizer.json with byte fallback, "llama". A
 * folder without a tokenizer is "none". TS_ERR_USER: another kind, or words cut in a way that has no name in such files. */
ts_status ts_gguf_put_tokenizer(const ts_gguf_put_options *o, ts_gguf_keys *out) TS_NODISCARD;
#endif
