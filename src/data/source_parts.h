/* Inside of the data source: what opens it and what describes it. */
#ifndef TS_DATA_SOURCE_PARTS_H
#define TS_DATA_SOURCE_PARTS_H
#include "data/blend.h"
#include "data/gpt_dataset.h"
#include "data/source.h"

struct ts_dataset {
    const ts_data_source *source;
    ts_gpt_dataset **members;
    int64_t n_members;
    double *weights;  /* members' shares of the samples; NULL with the next: one member */
    ts_blend *blend;  /* NULL: the one member as it is */
    int64_t n_mock;   /* made-up samples; -1: files */
    int64_t n;
};

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
    ts_dataset *parts[TS_DATA_PARTS];
};
#endif
