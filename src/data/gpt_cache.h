/* An order on disk, as three .npy files and a text that says what they are for: made once, mapped
 * by every process and by later runs. */
#ifndef TS_DATA_GPT_CACHE_H
#define TS_DATA_GPT_CACHE_H
#include "base/file.h"
#include <stdint.h>

enum { TS_GPT_CACHE_ARRAYS = 3 };

/* One array as NumPy describes it: rows, or rows x columns, of 4-byte items. */
typedef struct ts_gpt_cache_array {
    const char *name;      /* "document_index" */
    const char *descr;     /* "<i4" */
    int64_t rows, columns; /* columns 0: one dimension */
    const void *data;
} ts_gpt_cache_array;

typedef struct ts_gpt_cache {
    ts_map map[TS_GPT_CACHE_ARRAYS];
} ts_gpt_cache;

/* A sum of bytes that any change changes (not against malice). */
uint64_t ts_gpt_cache_sum(const void *data, size_t bytes);

/* Files are FOLDER/{MD5 of the description}-GPTDataset-{part}-... . Looks for them: with *found,
 * `data` of the arrays (of which all else is given) point into the maps. Files that are missing, of
 * another shape or type, cut short or changed are not found; what is wrong with them is logged. */
ts_status ts_gpt_cache_open(const char *folder, const char *part, const char *description,
                            ts_gpt_cache_array arrays[TS_GPT_CACHE_ARRAYS], ts_gpt_cache *out,
                            bool *found) TS_NODISCARD;
void ts_gpt_cache_close(ts_gpt_cache *c);
/* Writes them, each under a name of its own first; the description, without which nothing is found,
 * comes last. Several processes may do it at once. */
ts_status ts_gpt_cache_write(const char *folder, const char *part, const char *description,
                             const ts_gpt_cache_array arrays[TS_GPT_CACHE_ARRAYS]) TS_NODISCARD;
#endif
