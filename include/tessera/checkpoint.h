/* Looking into saved training: what is there, what is in it, and which byte of it is damaged. Any
 * thread. */
#ifndef TESSERA_CHECKPOINT_H
#define TESSERA_CHECKPOINT_H
#include "tessera/options.h"

TS_API_BEGIN

/* One finding. Texts live during the call back. Fields may be added at the end. */
typedef struct ts_ckpt_damage {
    const char *path;
    int64_t begin, end; /* the bytes among which it lies; -1: the whole file */
    int64_t byte;       /* the one byte that differs, where the checksum gives it away; else -1 */
    int bit;            /* its one bit, else -1 */
    /* the only or first tensor in there, "header" before the tensors, or NULL */
    const char *tensor;
    const char *text; /* the whole sentence, path included */
} ts_ckpt_damage;

typedef void ts_ckpt_found(void *ctx, const ts_ckpt_damage *damage);

/* `tessera checkpoint verify`: dir is a folder of checkpoints (the newest; with --all, all), one
 * iteration's folder, or a Hugging Face folder. options: subject "checkpoint". TS_OK: good.
 * TS_ERR_USER: damaged (the first finding is the message, each goes to found), or no such folder.
 * json: NULL, or receives the report where dir could be looked into, also when it is damaged; else
 * NULL (ts_memory_free). */
TS_API ts_status ts_checkpoint_verify(const char *dir, const char *const *options, size_t n,
                                      ts_ckpt_found *found, void *ctx, char **json) TS_NODISCARD;

/* `tessera checkpoint list --json` and `show --json`; *json is the caller's (ts_memory_free). list
 * reads every byte to see whether it is good, but with --quick. */
TS_API ts_status ts_checkpoint_list(const char *dir, const char *const *options, size_t n,
                                    char **json) TS_NODISCARD;
TS_API ts_status ts_checkpoint_show(const char *dir, const char *const *options, size_t n,
                                    char **json) TS_NODISCARD;

/* The iteration that latest_checkpointed_iteration.txt names. */
TS_API ts_status ts_checkpoint_latest(const char *dir, int64_t *iteration) TS_NODISCARD;

TS_API_END
#endif
