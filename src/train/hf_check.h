/* Whether a Hugging Face folder is whole: its files among themselves and against its config. */
#ifndef TS_TRAIN_HF_CHECK_H
#define TS_TRAIN_HF_CHECK_H
#include "base/str.h"

typedef struct ts_hf_check {
    void (*found)(void *ctx, const char *text); /* one sentence a finding; may be NULL */
    void *ctx;
    /* results */
    int64_t tensors, damages;
    double bytes;
    const char
        *model_type; /* of a family that is known here, else NULL: then names and shapes of tensors
                             * were not compared with the config */
} ts_hf_check;

/* Headers and sizes of all files, the index, and names and shapes as config.json describes them.
 * (The format has no checksums: a damaged value cannot be found.) TS_OK: good. TS_ERR_USER: the
 * first finding. */
ts_status ts_hf_check_folder(const char *folder, ts_hf_check *check) TS_NODISCARD;
#endif
