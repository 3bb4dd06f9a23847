/* Inside of the data source: what opens it, what describes it, and its samples. */
#ifndef TS_DATA_SOURCE_PARTS_H
#define TS_DATA_SOURCE_PARTS_H
#include "data/blend.h"
#include "data/gpt_dataset.h"
#include "data/source.h"

/* Samples of one part. */
typedef struct ts_text_part {
    ts_dataset base;
    const ts_data_source *source;
    ts_gpt_dataset **members;
    int64_t n_members;
    double *weights;  /* members' shares of the samples; NULL with the next: one member */
    ts_blend *blend;  /* NULL: the one member as it is */
    bool is_made_up;  /* no files */
} ts_text_part;

typedef struct ts_source_file {
    char *prefix;
    ts_indexed *data;
} ts_source_file;

struct ts_data_source {
    ts_data_need need;
    bool eod_mask_loss, reset_positions, reset_attention;
    const char *cache_folder;
    ts_source_file *files; /* each file is opened once, whatever reads it */
    size_t n_files, cap_files;
    ts_field field[TS_DATA_FIELDS]; /* of all parts */
    int n_fields;
    ts_text_part *parts[TS_DATA_PARTS];
};

ts_status ts_text_part_get(const ts_dataset *base, int64_t i, const ts_batch *b,
                           int64_t row) TS_NODISCARD;
#endif
