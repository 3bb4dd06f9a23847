/* How one launch of attention is cut, for forward and backward alike.
 *
 * A part is a sequence, or, where rows have first keys, a document of one: queries that follow each other and the
 * keys that they and nobody else see. Blocks of rows, tiles of keys and chunks of sums all begin with a part and
 * follow from its own size. So a document comes to the same bits alone and in any pack:
 *
 *        keys  0 ...... 5 ..... 9           keys  0 ..... 4
 *     rows 0   [part 0 ]                 rows 0   [same   ]
 *          .   [      ]                       .   [bits   ]
 *          5            [part 1 ]             4
 *
 * There may be more parts than there is room to list, or sums of more keys than there is room for: then a launch is
 * done in waves of some parts each. */
#ifndef TS_DEVICE_CPU_ATTN_ATTN_JOB_H
#define TS_DEVICE_CPU_ATTN_ATTN_JOB_H
#include "device/cpu/attn/attn.h"
#include "device/cpu/kernel.h"

enum {
    TS_ATTN_MIN_ITEMS = 16,  /* tasks to cut for, if the shape allows: some for every thread */
    TS_ATTN_MOST_PARTS = 256 /* of a wave */
};

/* What the tasks of a run are, each counted through all parts of a wave. */
typedef enum ts_attn_way {
    TS_ATTN_BLOCKS, /* of rows, of one group */
    TS_ATTN_CHUNKS, /* backward: some blocks of a part and a set of sums of its keys */
    TS_ATTN_PIECES, /* backward: keys whose sums of several chunks are put together */
    TS_ATTN_WAYS
} ts_attn_way;

typedef struct ts_attn_span {
    int64_t begin, end;
} ts_attn_span;

typedef struct ts_attn_part {
    int64_t b, q0, q1, key0, key1; /* queries [q0, q1) of sequence b; keys [key0, key1) */
    int64_t first[TS_ATTN_WAYS], count[TS_ATTN_WAYS]; /* tasks of the wave's parts before it; its own; of one group */
    int64_t sum_floats, sums0; /* backward: of one set of sums; where its sets begin in the shared scratch */
    bool shared_sums;          /* else in the thread's scratch */
} ts_attn_part;

typedef struct ts_attn_job {
    ts_cpu *cpu;
    const ts_attn_args *a;
    ts_attn_shape s;
    ts_attn_body body;
    bool documents;              /* parts are documents */
    ts_attn_part part[TS_ATTN_MOST_PARTS];
    int parts;                   /* in the wave */
    int64_t total[TS_ATTN_WAYS]; /* tasks of all of them, of one group */
    int64_t group0, groups;      /* KV heads at hand */
    int64_t splits;              /* forward: parts that the keys are split in */
    bool in_rows;                /* backward: a chunk's blocks follow each other; else they take turns */
    ts_attn_span *summed;        /* backward: by chunk of several, keys that its sums are valid for */
    int64_t segment;             /* backward in two passes: keys that are summed at a time */
} ts_attn_job;

/* Where the next part begins. All zeros: at the first. */
typedef struct ts_attn_cursor {
    int64_t b, q, key;
} ts_attn_cursor;

/* All but the wave and what forward and backward choose. False: only the reference can do it. */
bool ts_attn_job_init(ts_attn_job *j, ts_cpu *cpu, const ts_attn_args *a);

/* The part at `at`, with its blocks counted; moves on. False: there are no more. */
bool ts_attn_next_part(const ts_attn_job *j, ts_attn_cursor *at, ts_attn_part *p);

/* Empties the wave; adds a part to it. */
void ts_attn_clear_wave(ts_attn_job *j);
void ts_attn_add_part(ts_attn_job *j, const ts_attn_part *p);

/* The part that task *n of the wave is of; *n becomes its number there. */
const ts_attn_part *ts_attn_part_of(const ts_attn_job *j, ts_attn_way way, int64_t *n);

/* Block i of a part and group, against all keys of the part. */
ts_attn_block ts_attn_block_of(const ts_attn_job *j, const ts_attn_part *p, int64_t group, int64_t i);

/* Few rows, as in decoding. */
bool ts_attn_is_few(const ts_attn_job *j);
int64_t ts_attn_longest_kv(const ts_attn_args *a);

/* Shares n tasks out; a thread takes `grain` of them at a time. */
void ts_attn_run(const ts_attn_job *j, int64_t n, int64_t grain, ts_share_fn *fn);
#endif
