/* Looking into folders of checkpoints: what is there, and which byte of it is damaged. */
#ifndef TS_CKPT_CHECK_H
#define TS_CKPT_CHECK_H
#include "base/str.h"
#include "tessera/checkpoint.h" /* ts_ckpt_damage: one finding */

typedef struct ts_ckpt_check {
    ts_ckpt_found *found; /* may be NULL */
    void *ctx;
    int share, shares; /* every shares-th file from share on; 0 and 0: all */
    bool model_only;
    /* results */
    int64_t files, damages;
    double bytes; /* read and checked */
} ts_ckpt_check;

/* Checks every byte of one iteration's folder against its manifest, and the manifest against itself
 * and the folder's name. TS_OK: good. TS_ERR_USER: damaged, the first finding is the message. */
ts_status ts_ckpt_check_folder(const char *folder, ts_ckpt_check *check) TS_NODISCARD;

typedef struct ts_ckpt_entry {
    char *folder;  /* path */
    int64_t iteration;
    int64_t sequence;   /* grows from save to save; -1: the manifest is damaged */
    int64_t world_size; /* of the run; 0 as above */
    double bytes;       /* of its files as they are */
    char *saved_at;     /* "2026-01-31T12:00:00Z", "" as above */
    char *trouble;      /* what is wrong with the manifest, NULL: nothing */
} ts_ckpt_entry;

/* The checkpoints in a folder, the last saved first and those without a good manifest at the
 * end. */
ts_status ts_ckpt_list(const char *dir, ts_ckpt_entry **out, size_t *n) TS_NODISCARD;
void ts_ckpt_list_free(ts_ckpt_entry **list, size_t n);

/* The iteration that latest_checkpointed_iteration.txt names. TS_ERR_USER: missing or not a
 * number. */
ts_status ts_ckpt_latest(const char *dir, int64_t *iteration) TS_NODISCARD;
/* Which entry `step` means: that iteration, or with -1 the one that is opened when all is well: the
 * tracker's, or where there is no tracker the last saved. TS_ERR_USER: there is no such; the
 * message says why. */
ts_status ts_ckpt_pick(const char *dir, int64_t step, const ts_ckpt_entry *list, size_t n,
                       size_t *at) TS_NODISCARD;
/* How many iterations beyond this one a folder holds, by whatever program, and the last of them: what
 * a run that stands at `iteration` (-1: before any) may write over. A folder that is not there holds
 * none, and neither does one whose first save was killed before it was done: one iteration, and
 * nothing that says it is the latest. */
ts_status ts_ckpt_beyond(const char *dir, int64_t iteration, int64_t *n,
                         int64_t *last) TS_NODISCARD;
/* Whether `path`, the folder of all iterations or of one, belongs to the folder `dir`. */
ts_status ts_ckpt_is_in(const char *path, const char *dir, bool *yes) TS_NODISCARD;
/* Whether path is one iteration's folder (true) and not the folder of all. */
bool ts_ckpt_is_iteration(const char *path);
#endif
