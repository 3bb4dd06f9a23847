/* The small files beside a model's weights (tokenizer, chat template, generation_config.json), held
 * in memory: what is saved at a run's end then does not depend on where they came from still being
 * there. */
#ifndef TS_IO_SIDE_FILES_H
#define TS_IO_SIDE_FILES_H
#include "base/str.h"

typedef struct ts_side_file {
    char *name; /* plain, or in a folder of its own */
    ts_str text;
} ts_side_file;

typedef struct ts_side_files {
    ts_side_file *v;
    size_t n, cap;
} ts_side_files;

void ts_side_files_deinit(ts_side_files *f);
const ts_side_file *ts_side_files_find(const ts_side_files *f, const char *name); /* or NULL */
/* Adds a copy, or replaces the file of this name. */
ts_status ts_side_files_put(ts_side_files *f, const char *name, const char *text,
                            size_t n) TS_NODISCARD;
void ts_side_files_remove(ts_side_files *f, const char *name);
/* The same for all files of a tokenizer. */
void ts_side_files_remove_tokenizer(ts_side_files *f);
ts_status ts_side_files_copy(const ts_side_files *f, ts_side_files *out) TS_NODISCARD;

/* Whether a name is one that is kept beside weights; of these, one of a tokenizer's. */
bool ts_side_file_known(const char *name);
bool ts_side_file_of_tokenizer(const char *name);

/* Adds one file of a folder (under `as`, NULL: its own name); not there: nothing, *found tells. */
ts_status ts_side_files_take(ts_side_files *f, const char *folder, const char *name, const char *as,
                             bool *found) TS_NODISCARD;
/* Adds all known files of a folder. */
ts_status ts_side_files_read(ts_side_files *f, const char *folder) TS_NODISCARD;
ts_status ts_side_files_write(const ts_side_files *f, const char *folder) TS_NODISCARD;
size_t ts_side_files_bytes(const ts_side_files *f);
#endif
