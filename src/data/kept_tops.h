/* What a teacher finds likeliest of what is to be said, computed once and kept in a file beside the data: of each token
 * with a label the k likeliest and what all others have together (device/kernels/distill.h). Little-endian:
 *
 *   header    4096 bytes: "TSKEPT1\0", then ts_kept_facts as it stands
 *   samples   ts_kept_sample each
 *   done      a byte each, 1 once all of a sample's entries are there
 *   entries   from the next multiple of 4096: of each label int32 [k] tokens, rising, float [k + 1] log-probabilities, the
 *             last of all others
 *
 * A sample is told by its number among all that the run's data have, and its sum says whether it is still the same. */
#ifndef TS_DATA_KEPT_TOPS_H
#define TS_DATA_KEPT_TOPS_H
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { TS_KEPT_TEACHER = 1024 };
typedef struct ts_kept_facts {
    int64_t k, vocab, samples, seq_length;
    double temperature;
    char teacher[TS_KEPT_TEACHER]; /* its folder, the end of it where it is longer */
} ts_kept_facts;

typedef struct ts_kept_sample {
    int64_t first; /* entries before */
    uint32_t n;    /* labels */
    uint32_t sum;  /* CRC-32C of the row's tokens and labels */
} ts_kept_sample;

typedef struct ts_kept_file ts_kept_file;

/* Makes the file, without an entry; room on disk is taken at once. option: the name of what asks for it, with dashes. */
ts_status ts_kept_create(const char *option, const char *path, const ts_kept_facts *facts,
                         const ts_kept_sample *sample) TS_NODISCARD;
/* One that is damaged or no such file is TS_ERR_USER. Read-only until ts_kept_write. */
ts_status ts_kept_open(const char *option, const char *path, ts_kept_file **out) TS_NODISCARD;
void ts_kept_close(ts_kept_file **f);
const ts_kept_facts *ts_kept_facts_of(const ts_kept_file *f);
/* Whether all is there of a sample; of all of them. */
bool ts_kept_has(const ts_kept_file *f, int64_t sample);
bool ts_kept_is_whole(const ts_kept_file *f);
/* Of the row of a sample, [length] each: how many labels (that are none of -100), and the sum. */
void ts_kept_measure(const int32_t *tokens, const int32_t *labels, int64_t length, ts_kept_sample *out);
/* That sample i is the one that was measured. */
ts_status ts_kept_check(const ts_kept_file *f, int64_t i, const ts_kept_sample *s) TS_NODISCARD;

/* Entry of the label of this number of a sample. Any number of processes write, different ones. */
ts_status ts_kept_write(ts_kept_file *f, int64_t sample, int64_t label, const int32_t *id, const float *logq) TS_NODISCARD;
/* What was written is on disk. */
ts_status ts_kept_sync(ts_kept_file *f) TS_NODISCARD;
/* Behind a sync of all that wrote it: all of a sample is there. */
ts_status ts_kept_mark(ts_kept_file *f, int64_t sample) TS_NODISCARD;

/* As it stands there, of a sample that is whole: k tokens, and k + 1 log-probabilities. */
const int32_t *ts_kept_ids(const ts_kept_file *f, int64_t sample, int64_t label);
const float *ts_kept_logq(const ts_kept_file *f, int64_t sample, int64_t label);
#endif
