/* How vectors are made of texts, as folders of sentence-transformers say it: modules.json names the parts, 1_Pooling says
 * which tokens count, 2_Normalize that vectors are of length one. */
#ifndef TS_MODEL_SENTENCE_H
#define TS_MODEL_SENTENCE_H
#include "io/side_files.h"
#include "ops/heads.h"

typedef struct ts_sentence {
    ts_pooling pooling;
    bool unit;
    int64_t width, length; /* of vectors; tokens of a text at most */
} ts_sentence;

/* Adds those files, under names with their folders. */
ts_status ts_sentence_files(const ts_sentence *s, ts_side_files *out) TS_NODISCARD;
/* Pooling and unit of a folder; without modules.json nothing, and *found is false. TS_ERR_USER: parts or a pooling that
 * there are not here. */
ts_status ts_sentence_read(const char *folder, ts_sentence *out, bool *found) TS_NODISCARD;
#endif
