/* What the files of this folder share; private to it. The contract is in checkpoint.h. */
#ifndef TS_CKPT_CKPT_H
#define TS_CKPT_CKPT_H
#include "ckpt/checkpoint.h"

#define CKPT_TRACKER "latest_checkpointed_iteration.txt"
#define CKPT_MANIFEST "manifest.json"
#define CKPT_STATE "state.json"
#define CKPT_LOCK ".lock"

enum {
    CKPT_VERSION = 1,
    CKPT_CHUNK = 1 << 20,   /* bytes of a file under one checksum */
    CKPT_MAX_CHUNK = 1 << 26, /* of files by others */
    CKPT_NAME = 96,         /* room for the name of any file or folder made here */
};

/* "model", "optimizer". */
const char *ckpt_part_stem(ts_ckpt_part part);
/* DIR/iter_0000100 and its relatives: .tmp-iter_0000100 (being written or removed),
 * .old-iter_0000100 (moved aside while its successor takes the name). */
void ckpt_folder_name(char *out, const char *prefix, int64_t iteration);
/* The iteration of "iter_0000100" behind the prefix ("" or ".old-"); false for every other name. */
bool ckpt_folder_parse(const char *name, const char *prefix, int64_t *iteration);
bool ckpt_is_plain_name(const char *name);

/* ---- checksums of a file's chunks ---- */

typedef struct ckpt_sums {
    size_t size;  /* bytes taken so far */
    uint32_t crc; /* of the chunk under way */
    ts_str hex;   /* eight digits for each whole chunk; after _finish for all */
} ckpt_sums;

ts_status ckpt_sums_add(ckpt_sums *s, const void *data, size_t n) TS_NODISCARD;
ts_status ckpt_sums_finish(ckpt_sums *s) TS_NODISCARD;

/* Which one byte changed in n bytes whose checksum now differs by `syndrome`, and which one bit of
 * it (else -1). False: more changed, or it cannot be told. (Wrong for one in a thousand larger
 * damages.) */
bool ckpt_sums_locate(uint32_t syndrome, size_t n, size_t *byte, int *bit);

/* ---- the manifest ---- */

typedef struct ckpt_file {
    const char *name; /* plain */
    int64_t size;
    const char *hex; /* eight digits a chunk, their number checked against size */
} ckpt_file;

typedef struct ckpt_manifest {
    int64_t iteration, sequence, world_size, chunk;
    const char *saved_at; /* "2026-01-31T12:00:00Z" */
    ckpt_file *files;     /* by name */
    size_t n;
    json_t *root;  /* owns the texts */
    bool is_newer; /* written by a later version of this program: nothing else is filled */
} ckpt_manifest;

/* Appends one file's entry; entries are joined by commas. */
ts_status ckpt_manifest_entry(ts_str *entries, const char *name, const ckpt_sums *s) TS_NODISCARD;
/* The manifest's text from the head's numbers (files are in `entries`). */
ts_status ckpt_manifest_text(const ckpt_manifest *m, const char *entries, ts_str *out) TS_NODISCARD;
/* Trusts nothing. `name` stands in messages. */
ts_status ckpt_manifest_parse(const char *text, size_t n, const char *name,
                              ckpt_manifest *out) TS_NODISCARD;
ts_status ckpt_manifest_read(const char *folder, ckpt_manifest *out) TS_NODISCARD;
/* What a damaged manifest's checksum differs by from that of its text; false: it is not there to be
 * read. */
bool ckpt_manifest_syndrome(const char *text, size_t n, uint32_t *out);
void ckpt_manifest_deinit(ckpt_manifest *m);
const ckpt_file *ckpt_manifest_find(const ckpt_manifest *m, const char *name);

/* The number in the tracker's text; false: not one. */
bool ckpt_tracker_parse(const char *text, size_t n, int64_t *iteration);

/* ---- who writes what ---- */

typedef struct ckpt_shard {
    ts_ckpt_part part;
    char name[CKPT_NAME];
    int64_t first, n; /* range of the plan's tensors, in the order of the file */
    size_t bytes;
    int writer;     /* rank */
    bool is_staged; /* its tensors' data lie in the staging buffer */
} ckpt_shard;

typedef struct ckpt_plan {
    ts_ckpt_tensor *tensors; /* own copies of the names */
    size_t *sizes;           /* bytes of each */
    int64_t n;
    ckpt_shard *shards;
    size_t n_shards, cap_shards;
    double disk_bytes; /* what all files will take, a little more rather than less */
    int64_t digest;    /* of names, types and shapes; equal on all ranks */
} ckpt_plan;

/* The same on every rank. A name given twice or a tensor held in part is a programmer's mistake. */
ts_status ckpt_plan_make(const ts_ckpt_tensor *tensors, int64_t n, size_t max_shard_bytes,
                         int world_size, ckpt_plan *out) TS_NODISCARD;
void ckpt_plan_deinit(ckpt_plan *p);

/* Writes one shard into the folder, flushes it, and appends its manifest entry. */
ts_status ckpt_write_shard(const ckpt_plan *p, const ckpt_shard *s, const char *folder,
                           ts_str *entries) TS_NODISCARD;
/* The same for the index of a part (nothing when the part has no tensors). */
ts_status ckpt_write_index(const ckpt_plan *p, ts_ckpt_part part, const char *folder,
                           ts_str *entries) TS_NODISCARD;
/* Writes and flushes a small file; entries may be NULL. */
ts_status ckpt_write_file(const char *folder, const char *name, const char *text, size_t n,
                          ts_str *entries) TS_NODISCARD;

/* ---- the folder of all iterations; one process (rank 0) ---- */

/* Makes DIR and takes its lock. */
ts_status ckpt_root_lock(const char *dir, int *fd) TS_NODISCARD;
/* Ends what a killed run left: .tmp- folders go, an .old- folder without successor gets its name
 * back. Only under the lock. */
ts_status ckpt_root_recover(const char *dir) TS_NODISCARD;
/* Highest sequence number of any manifest there, 0 for none. */
ts_status ckpt_root_sequence(const char *dir, int64_t *out) TS_NODISCARD;
/* Space for `bytes` more, or TS_ERR_IO with both figures. */
ts_status ckpt_root_room(const char *dir, int64_t iteration, double bytes) TS_NODISCARD;
/* .tmp-iter_X becomes iter_X, then the tracker is written. */
ts_status ckpt_root_publish(const char *dir, int64_t iteration) TS_NODISCARD;
/* Removes the oldest but `keep`. */
ts_status ckpt_root_prune(const char *dir, int64_t keep) TS_NODISCARD;
#endif
