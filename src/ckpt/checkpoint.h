/* Training checkpoints: tensors in safetensors shards, a state in JSON, checksums of every byte.
 *
 *   DIR/latest_checkpointed_iteration.txt            "100\n", written last
 *   DIR/iter_0000100/model-0000i-of-0000N.safetensors, model.safetensors.index.json
 *                    optimizer-0000i-of-0000N.safetensors, optimizer.safetensors.index.json
 *                    tokenizer.json, ...             the caller's small files, not looked into
 *                    state.json                      the caller's, not looked into
 *                    manifest.json                   sizes and CRC-32C of all of these, and its own
 *
 * A checkpoint is written to DIR/.tmp-iter_0000100, flushed to disk and renamed, so what bears an
 * iteration's name is whole: at every moment, also after a lost kernel, DIR holds the checkpoint
 * before or the new one. "Newest" goes by the order of saving (a number in the manifest), not by
 * the iteration.
 *
 * Functions that take a communicator are called by all its ranks alike and return the same status
 * on all; NULL is one process. */
#ifndef TS_CKPT_CHECKPOINT_H
#define TS_CKPT_CHECKPOINT_H
#include "base/json.h"
#include "dist/comm.h"
#include "io/safetensors.h"
#include "io/side_files.h"

/* ---- saving ---- */

typedef enum ts_ckpt_part { TS_CKPT_MODEL, TS_CKPT_OPTIMIZER, TS_CKPT_PARTS } ts_ckpt_part;

/* One tensor; names are unique over both parts. Every rank brings the same list; each tensor is held by all
 * ranks, or by those of a group (ts_ckpt_options.group_of), who share the writing of it. A rank that writes it
 * (ts_checkpointer_writes) brings it whole. */
typedef struct ts_ckpt_tensor {
    const char *name; /* borrowed during the call */
    ts_ckpt_part part;
    ts_st_dtype dtype;
    int rank;
    int64_t shape[TS_ST_MAX_RANK]; /* global */
    const void *data;              /* row-major; borrowed during the call; NULL where it is not held */
    bool on_host;                  /* it is host memory, whatever the others' is */
    int holder;                    /* the group that holds it */
    /* the rows held here: 0 and shape[0] (or 0 and 0), nothing else yet */
    int64_t row0, rows;
} ts_ckpt_tensor;

typedef struct ts_ckpt_options {
    const char *dir;
    int64_t keep;           /* newest checkpoints kept; 0: all */
    bool is_background;     /* write while training goes on */
    size_t max_shard_bytes; /* 0: 4 GiB */
    size_t
        staging_bytes; /* background: at most so much memory per rank for copies (0: no limit); what
                             * does not fit is written before save returns */
    const int *group_of; /* [ranks] each one's group; borrowed, as long as the checkpointer lives. NULL: all
                            ranks hold all tensors */
    const ts_side_files *files; /* saved with each iteration (rank 0); borrowed, may be NULL */
    /* Where the tensors' data are no host memory: copies n bytes of them to the host. Called during
     * ts_checkpointer_save, by its caller's thread. NULL: they are. */
    ts_status (*fetch)(void *ctx, void *to, const void *data, size_t n);
    void *fetch_ctx;
} ts_ckpt_options;

typedef struct ts_checkpointer ts_checkpointer;

/* Makes the folder and locks it until destroy: one that cannot be written to, or that another job
 * is saving to, is TS_ERR_USER. Options are copied; world is borrowed and outlives the
 * checkpointer. */
ts_status ts_checkpointer_create(const ts_ckpt_options *options, ts_comm *world,
                                 ts_checkpointer **out) TS_NODISCARD;

/* Saves an iteration; one that is there is replaced (and kept until the new one stands). state_json
 * is one JSON object, read on rank 0 only. Tensors may be changed when this returns. A disk that is
 * full or fails is TS_ERR_IO with a sentence: nothing that was on disk is lost, and the caller may
 * go on. In the background this returns after the copies are made; then poll or wait. An earlier
 * save is finished first; had it failed, that is logged as a warning. */
ts_status ts_checkpointer_save(ts_checkpointer *c, int64_t iteration, const ts_ckpt_tensor *tensors,
                               int64_t n, const char *state_json) TS_NODISCARD;

/* Which of the tensors this rank will write [n]: their data are read, the others' not looked at. */
ts_status ts_checkpointer_writes(const ts_checkpointer *c, const ts_ckpt_tensor *tensors, int64_t n,
                                 bool *writes) TS_NODISCARD;

/* For the end of each step: publishes a background save whose files are written on all ranks, and
 * returns its status then, else TS_OK at once. Costs nothing when no save is under way. */
ts_status ts_checkpointer_poll(ts_checkpointer *c) TS_NODISCARD;
/* Waits for the save under way, publishes it, returns its status; TS_OK when there is none. */
ts_status ts_checkpointer_wait(ts_checkpointer *c) TS_NODISCARD;
/* Memory that the copies of background saves take on this rank, kept from save to save. */
size_t ts_checkpointer_staging(const ts_checkpointer *c);
/* A save under way is given up: wait first. Not collective. */
void ts_checkpointer_destroy(ts_checkpointer **c);

/* ---- loading ---- */

typedef struct ts_checkpoint ts_checkpoint;

enum {
    TS_CKPT_MODEL_ONLY = 1u << 0, /* the optimizer's files are neither checked nor opened */
    TS_CKPT_UNCHECKED = 1u << 1,  /* bytes of tensors are not read: for its description alone */
};

/* Whether path is a folder of checkpoints, or one iteration's folder, written by this module.
 * Megatron's and Hugging Face's folders are not. */
bool ts_checkpoint_is(const char *path);

/* Opens a checkpoint whose every byte was checked (the ranks share the work). path: the folder of
 * all iterations or of one. step -1: the iteration that latest_checkpointed_iteration.txt names;
 * where that one is damaged, a warning names the file, tensor and place, and the newest good one is
 * taken. A given step, or an iteration's folder, is taken or refused. Nothing good there:
 * TS_ERR_USER with the reason. */
ts_status ts_checkpoint_open(const char *path, int64_t step, unsigned flags, ts_comm *comm,
                             ts_checkpoint **out) TS_NODISCARD;
void ts_checkpoint_close(ts_checkpoint **ck);

/* All borrowed from the checkpoint. */
int64_t ts_checkpoint_iteration(const ts_checkpoint *ck);
int ts_checkpoint_world_size(const ts_checkpoint *ck);         /* of the run that saved it */
const char *ts_checkpoint_path(const ts_checkpoint *ck);       /* the iteration's folder */
const char *ts_checkpoint_state_file(const ts_checkpoint *ck); /* state.json's path, for messages */
const json_t *ts_checkpoint_state(const ts_checkpoint *ck);    /* an object */
int64_t ts_checkpoint_count(const ts_checkpoint *ck, ts_ckpt_part part);
/* by name */
const ts_st_tensor *ts_checkpoint_at(const ts_checkpoint *ck, ts_ckpt_part part, int64_t i);
/* NULL: not there */
const ts_st_tensor *ts_checkpoint_tensor(const ts_checkpoint *ck, const char *name);
#endif
