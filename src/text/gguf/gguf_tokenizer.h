/* The tokenizer that a GGUF file holds in its keys tokenizer.*, as the files that Hugging Face has for it. */
#ifndef TS_TEXT_GGUF_GGUF_TOKENIZER_H
#define TS_TEXT_GGUF_GGUF_TOKENIZER_H
#include "base/json.h"
#include "io/gguf/gguf.h"
#include "io/side_files.h"
#include "text/tokenizer.h"

/* Whether the file has one of a kind that is read: byte-level BPE ("gpt2") or SentencePiece's BPE ("llama"). */
bool ts_gguf_has_tokenizer(const ts_gguf *g);
/* Adds tokenizer.json, tokenizer_config.json and, where there is one, chat_template.jinja; nothing of a file without a
 * tokenizer. TS_ERR_USER: a damaged one, or of a kind or with words cut in a way that is not known. */
ts_status ts_gguf_tokenizer_files(const ts_gguf *g, ts_side_files *out) TS_NODISCARD;
/* The tokenizer_config.json with the chat template in it, as older folders have it (json_decref); NULL: no tokenizer. */
ts_status ts_gguf_tokenizer_config(const char *path, json_t **out) TS_NODISCARD;
/* Opens it. */
ts_status ts_tokenizer_open_gguf(const char *path, ts_tokenizer **out) TS_NODISCARD;
#endif
