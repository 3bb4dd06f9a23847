/* A tokenizer as files that travel with a model: in checkpoints as they were given, with a note of
 * how they make the tokenizer; in Hugging Face folders in a form that transformers reads.
 *
 * The note is JSON: {"options": {...}, "bos_token": ..., "eos_token": ..., "pad_token": ...,
 * "unk_token": ...}: the options of text_options.h with the names of the files for their paths ("."
 * is the folder that holds them), and the texts of tokens by role (null: none). */
#ifndef TS_TEXT_TOKENIZER_FILES_H
#define TS_TEXT_TOKENIZER_FILES_H
#include "base/json.h"
#include "io/side_files.h"
#include "text/text_options.h"

/* The files of the tokenizer that options name, added to `files`, and the note. `t` is that
 * tokenizer, opened. */
ts_status ts_tokenizer_files_take(const ts_text_options *o, const ts_text_tokenizer *t,
                                  ts_side_files *files, json_t **note) TS_NODISCARD;
/* The options that a note stands for, with the files in `folder`. Texts live as long as the set. */
ts_status ts_tokenizer_files_options(const json_t *note, const char *folder, ts_text_options *o,
                                     ts_option_set **set) TS_NODISCARD;
/* Adds what transformers needs of `files` to `out`; files that are no tokenizer's are added as they
 * are. note may be NULL: the files are those of a Hugging Face folder. */
ts_status ts_tokenizer_files_hf(const ts_side_files *files, const json_t *note,
                                ts_side_files *out) TS_NODISCARD;
#endif
