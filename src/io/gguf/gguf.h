/* Reading GGUF files, version 2 and 3: keys with values, and tensors.
 *
 * A file is mapped and never trusted: counts, lengths and places are checked against the bytes that are there before
 * anything is kept of them; a key or a tensor that stands twice, tensors that overlap, shapes that overflow and types
 * that are not known are refused. Every refusal is TS_ERR_USER and names the file and what in it. */
#ifndef TS_IO_GGUF_GGUF_H
#define TS_IO_GGUF_GGUF_H
#include "io/gguf/blocks.h"

typedef struct ts_gguf ts_gguf;

/* Whether there is a file whose first bytes are GGUF's. */
bool ts_gguf_is(const char *path);
ts_status ts_gguf_open(const char *path, ts_gguf **out) TS_NODISCARD;
/* Gives the memory of n bytes of a tensor up until they are read again. */
void ts_gguf_is_done(const ts_gguf *g, const void *data, size_t n);
void ts_gguf_close(ts_gguf **g);
const char *ts_gguf_path(const ts_gguf *g);

/* ---- keys ---- */

typedef enum ts_gguf_kind {
    TS_GGUF_U8, TS_GGUF_I8, TS_GGUF_U16, TS_GGUF_I16, TS_GGUF_U32, TS_GGUF_I32, TS_GGUF_F32, TS_GGUF_BOOL,
    TS_GGUF_TEXT, TS_GGUF_LIST, TS_GGUF_U64, TS_GGUF_I64, TS_GGUF_F64, TS_GGUF_KINDS,
} ts_gguf_kind;

/* Borrowed from the file. */
typedef struct ts_gguf_value {
    ts_gguf_kind kind, of;     /* of: what a list holds */
    int64_t n;                 /* elements of a list, bytes of a text */
    const unsigned char *data; /* of a list its elements one behind the other, of a text its bytes (any) */
} ts_gguf_value;

const ts_gguf_value *ts_gguf_find(const ts_gguf *g, const char *key); /* NULL: not there */
/* Typed look-ups. A missing key gives the default; another kind of value, or one outside [lo, hi], is TS_ERR_USER. A
 * whole number may be of any width. */
ts_status ts_gguf_int(const ts_gguf *g, const char *key, int64_t def, int64_t lo, int64_t hi,
                      int64_t *out) TS_NODISCARD;
ts_status ts_gguf_real(const ts_gguf *g, const char *key, double def, double *out) TS_NODISCARD;
ts_status ts_gguf_bool(const ts_gguf *g, const char *key, bool def, bool *out) TS_NODISCARD;
/* *s: the bytes, not terminated; NULL where the key is missing. TS_ERR_USER also where they are not UTF-8. */
ts_status ts_gguf_text(const ts_gguf *g, const char *key, const char **s, size_t *n) TS_NODISCARD;
/* A list of texts, or of numbers of any kind; NULL: missing. */
ts_status ts_gguf_texts(const ts_gguf *g, const char *key, const ts_gguf_value **out) TS_NODISCARD;
ts_status ts_gguf_numbers(const ts_gguf *g, const char *key, const ts_gguf_value **out) TS_NODISCARD;
/* Element i of a list of numbers, or a number itself (i 0). */
double ts_gguf_number(const ts_gguf_value *v, int64_t i);
/* Walks a list of texts: begin with *at = v->data; gives the next text and moves *at behind it. */
const char *ts_gguf_next_text(const unsigned char **at, size_t *n);

/* ---- tensors ---- */

enum { TS_GGUF_MAX_RANK = 4, TS_GGUF_MAX_NAME = 63 };

typedef struct ts_gguf_tensor {
    const char *name;
    const ts_block_type *type;
    int rank;                       /* 0: one element */
    int64_t shape[TS_GGUF_MAX_RANK]; /* row-major: the last is the fastest, which files write first */
    int64_t elements;
    const unsigned char *data; /* mapped */
    size_t size;               /* bytes */
} ts_gguf_tensor;

int64_t ts_gguf_count(const ts_gguf *g);
const ts_gguf_tensor *ts_gguf_at(const ts_gguf *g, int64_t i); /* in the order of the file */
const ts_gguf_tensor *ts_gguf_tensor_find(const ts_gguf *g, const char *name); /* NULL: not there */
/* Elements [first, first + n) as fp32. TS_ERR_USER where the type is no kind of real number. */
ts_status ts_gguf_read_f32(const ts_gguf *g, const ts_gguf_tensor *t, int64_t first, int64_t n, float *out) TS_NODISCARD;
#endif
