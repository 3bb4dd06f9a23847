/* A dump of a run (io/dump.h) put together: whole tensors of what its processes wrote. */
#ifndef TS_REPORT_DUMP_SET_H
#define TS_REPORT_DUMP_SET_H
#include "base/names.h"
#include "io/dump.h"
#include "io/safetensors.h"

/* A piece, and the file with its values. */
typedef struct ts_dumped_piece {
    ts_dump_piece piece;
    size_t file; /* of the set's */
} ts_dumped_piece;

typedef struct ts_dumped {
    const char *name; /* of the first piece, like kind, order and whole */
    ts_dump_kind kind;
    int64_t step, order, whole[2];
    size_t line; /* in its file: the order within a layer */
    ts_dump_stats
        stats; /* of all pieces; its count is that of the whole where nothing is missing */
    ts_dumped_piece *piece; /* [n] */
    size_t n, cap;
    bool has_values,
        adds; /* adds: the pieces are parts of a sum, so that only values tell of the whole */
} ts_dumped;

typedef struct ts_dump_set {
    ts_dumped *v; /* [n] in the order of computation */
    size_t n, cap;
    ts_names *names;   /* of keys: while it is read */
    int64_t *at;       /* [n] where the tensor of a key's number is */
    ts_st_file **file; /* [n_files] NULL: of lines alone */
    size_t n_files, cap_files;
} ts_dump_set;

/* dir: what --dump-path named, or a step's folder in it. TS_ERR_USER: there is no dump, or a line or a file is
 * broken, named. */
ts_status ts_dump_set_open(const char *dir, ts_dump_set *out) TS_NODISCARD;
void ts_dump_set_close(ts_dump_set *s);
/* The tensor of the same step, kind and name; NULL: there is none. */
const ts_dumped *ts_dump_set_find(const ts_dump_set *s, const ts_dumped *like);
/* All its values [whole[0] * whole[1]], zeros and has[i] 0 where none is there; both are the caller's (ts_free). */
ts_status ts_dump_set_values(const ts_dump_set *s, const ts_dumped *d, float **values,
                             unsigned char **has) TS_NODISCARD;
#endif
