/* The global batches of a run, as far as a rank reads them: which samples, and their fields on the
 * host. */
#ifndef TS_TRAIN_FEED_H
#define TS_TRAIN_FEED_H
#include "data/picker.h"
#include "train/objective/objective.h"
#include "train/ramp.h"

typedef struct ts_feed {
    const ts_dataset *part[TS_DATA_PARTS]; /* borrowed; NULL: not there, or planning */
    ts_picker picker[TS_DATA_PARTS];
    ts_batch_ramp ramp;
    int rank, size; /* data-parallel */
    int64_t each;   /* rows of a sample */
    /* Samples of a micro-batch and of the global batch; micro-batches of a step on this rank. */
    int64_t micro, global, n_micro;
    int64_t multiple; /* micro-batches are as long as their longest row, in multiples of this; 0: as long as all */
    int64_t *length;  /* [n_micro] positions that are gone through, with `multiple` */
    int64_t *begin;  /* [n_micro + 1] samples before each, where their sizes differ (micro is then the largest); NULL: they do not */
    ts_batch batch;  /* this rank's samples of the largest global batch */
    int64_t *picked; /* [micro] */
} ts_feed;

/* What samples have, where they come from, and how they are gone through. */
typedef struct ts_feed_args {
    const ts_field *field;
    int n_fields;
    const ts_dataset *part[TS_DATA_PARTS];
    const ts_data_options *data;
    bool with_values; /* false: planning */
    int64_t each;     /* rows of a sample; 0: one */
    int64_t multiple; /* as the feed's; the samples have a field "length" then */
} ts_feed_args;

/* Room for the largest batch. Zero is a valid empty feed. */
ts_status ts_feed_init(ts_feed *f, const ts_train_options *o, const ts_feed_args *a, int rank,
                       int size) TS_NODISCARD;
void ts_feed_deinit(ts_feed *f);

/* Samples before micro-batch m; rows of it, and those before it. */
static inline int64_t ts_feed_sample(const ts_feed *f, int64_t m) { return f->begin ? f->begin[m] : m * f->micro; }
static inline int64_t ts_feed_row(const ts_feed *f, int64_t m) { return ts_feed_sample(f, m) * f->each; }
static inline int64_t ts_feed_rows(const ts_feed *f, int64_t m) { return ts_feed_row(f, m + 1) - ts_feed_row(f, m); }

/* Gives the next batch this many samples. */
void ts_feed_size(ts_feed *f, int64_t global);
/* Reads this rank's samples of the global batch that begins at sample `first` of a part. */
ts_status ts_feed_read(ts_feed *f, ts_data_part part, int64_t first) TS_NODISCARD;
/* Micro-batch m of what was read; its step is the caller's to say. */
ts_micro_batch ts_feed_micro(const ts_feed *f, int64_t m);
#endif
