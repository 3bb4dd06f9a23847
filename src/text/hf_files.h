/* The small files of a model as a Hugging Face folder has them (io/side_files.h): those of a folder, or what the keys of
 * a GGUF file say. */
#ifndef TS_TEXT_HF_FILES_H
#define TS_TEXT_HF_FILES_H
#include "io/side_files.h"

/* Adds all: tokenizer, chat template, generation_config.json. */
ts_status ts_hf_files_read(const char *path, ts_side_files *out) TS_NODISCARD;
/* Whether there is a tokenizer among them. */
bool ts_hf_files_have_tokenizer(const char *path);
#endif
