/* The manifest of a checkpoint: which files it has, how long they are, and the checksums of their
 * chunks and of its own text. Private to this folder. */
#ifndef TS_CKPT_MANIFEST_H
#define TS_CKPT_MANIFEST_H
#include "base/json.h"
#include "ckpt/sums.h"

enum {
    CKPT_VERSION = 1,
    CKPT_MAX_CHUNK = 1 << 26, /* of files by others */
};

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
#endif
