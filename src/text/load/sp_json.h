/* A SentencePiece model as the tokenizer.json that gives the same ids, for transformers. */
#ifndef TS_TEXT_LOAD_SP_JSON_H
#define TS_TEXT_LOAD_SP_JSON_H
#include "base/str.h"

/* Appends. with_bos, with_eos: encoding puts the beginning token in front, the ending one behind. *can: false, and
 * nothing appended, where tokenizers has no model of that kind (words, characters, blanks as suffixes). */
ts_status ts_sp_json(const char *model, size_t n, const char *file, bool with_bos, bool with_eos, ts_str *out,
                     bool *can) TS_NODISCARD;
#endif
