/* Reading safetensors files and the weights of a Hugging Face folder.
 *
 * A file is mapped and never trusted: it is refused as the format's own reader refuses it, and also
 * for duplicate names, more than a million tensors or more than TS_ST_MAX_RANK dimensions. Every
 * refusal is TS_ERR_USER and names the file, the tensor, what was found and what was expected. */
#ifndef TS_IO_SAFETENSORS_H
#define TS_IO_SAFETENSORS_H
#include "base/mem.h"

/* The format's data types in its own order (by alignment); files are laid out by it. */
typedef enum ts_st_dtype {
    TS_ST_BOOL, TS_ST_F4, TS_ST_F6_E2M3, TS_ST_F6_E3M2, TS_ST_U8, TS_ST_I8, TS_ST_F8_E5M2,
    TS_ST_F8_E4M3, TS_ST_F8_E8M0, TS_ST_F8_E4M3FNUZ, TS_ST_F8_E5M2FNUZ, TS_ST_I16, TS_ST_U16,
    TS_ST_F16, TS_ST_BF16, TS_ST_I32, TS_ST_U32, TS_ST_F32, TS_ST_C64, TS_ST_F64, TS_ST_I64,
    TS_ST_U64, TS_ST_DTYPES,
} ts_st_dtype;

const char *ts_st_dtype_name(ts_st_dtype t); /* "BF16" */
int ts_st_dtype_bits(ts_st_dtype t);
bool ts_st_dtype_from_name(const char *name, ts_st_dtype *out);

enum { TS_ST_MAX_RANK = 8, TS_ST_MAX_NAME = 4096 };

typedef struct ts_st_tensor {
    const char *name;
    const char *path; /* of the file that holds it, for messages */
    ts_st_dtype dtype;
    int rank;                      /* 0: one element */
    int64_t shape[TS_ST_MAX_RANK]; /* row-major */
    int64_t elements;
    const void *data; /* mapped, may be unaligned */
    size_t size;      /* bytes */
    /* NULL: data holds the elements. Else this makes them of it as they are read, of what made_of says (another form
     * of file, io/gguf/); dtype is the type that holds every value. */
    void (*make)(const struct ts_st_tensor *t, int64_t first, int64_t n, float *out);
    const void *made_of;
} ts_st_tensor;

/* One file. Tensors are borrowed from it and die with it. */
typedef struct ts_st_file ts_st_file;
ts_status ts_st_file_open(const char *path, ts_st_file **out) TS_NODISCARD;
void ts_st_file_destroy(ts_st_file **file);
int64_t ts_st_file_count(const ts_st_file *file);
const ts_st_tensor *ts_st_file_at(const ts_st_file *file, int64_t i); /* in the order of the data */
const ts_st_tensor *ts_st_file_find(const ts_st_file *file, const char *name); /* NULL: not there */
const char *ts_st_file_metadata(const ts_st_file *file, const char *key);      /* NULL: not there */

/* The weights of a folder: STEM.safetensors or, where there is no such file, the shards that
 * STEM.safetensors.index.json names (plain file names only; every tensor that it maps must be in
 * its shard). Files STEM-*.safetensors that are left out, and an index beside a single file, are
 * warned of. Without either, STEM.bin of torch (of "model" pytorch_model.bin) and its index are looked for
 * (io/torch/torch_file.h). stem NULL is "model". A path to one .safetensors, .bin, .pt or .pth file works too, and one to
 * a GGUF file, whose tensors have Hugging Face's names and order then (io/gguf/tensors.h). */
typedef struct ts_st_dir ts_st_dir;
ts_status ts_st_dir_open(const char *path, const char *stem, ts_st_dir **out) TS_NODISCARD;
/* The same of tensors that something else has: v [n] and all that they are made of belong to `own`, which is closed with
 * the dir (not on failure). */
ts_status ts_st_dir_of(const ts_st_tensor *v, size_t n, void *own, void (*close)(void *own), ts_st_dir **out) TS_NODISCARD;
void ts_st_dir_destroy(ts_st_dir **dir);
int64_t ts_st_dir_count(const ts_st_dir *dir);
const ts_st_tensor *ts_st_dir_at(const ts_st_dir *dir, int64_t i); /* by name, ascending */
const ts_st_tensor *ts_st_dir_find(const ts_st_dir *dir, const char *name);
/* Puts t, which lives as long as the folder is open, in the place of the tensor of its name, which must be there. */
void ts_st_dir_replace(ts_st_dir *dir, const ts_st_tensor *t);
size_t ts_st_dir_bytes(const ts_st_dir *dir); /* of all tensors */
void ts_st_dir_is_done(const ts_st_dir *dir, const ts_st_tensor *t); /* see ts_st_file_is_done */
bool ts_st_dir_has_index(const ts_st_dir *dir); /* its shards are those that an index names */

/* Copies elements [first, first + n) converted to float32. Only from F64, F32, F16 and BF16:
 * another type is TS_ERR_USER with file and tensor. The range must lie inside (asserted). */
ts_status ts_st_read_f32(const ts_st_tensor *t, int64_t first, int64_t n, float *out) TS_NODISCARD;
/* The same of numbers that may be I64 or I32 too: those that a float holds come out as they are. */
ts_status ts_st_read_whole(const ts_st_tensor *t, int64_t first, int64_t n, float *out) TS_NODISCARD;
/* The same for rows [r0, r1) of the first dimension: out is [r1 - r0, the rest]. */
ts_status ts_st_read_rows_f32(const ts_st_tensor *t, int64_t r0, int64_t r1,
                              float *out) TS_NODISCARD;

/* Tells the system that the tensor will be read soon, front to back. */
void ts_st_will_need(const ts_st_tensor *t);
/* It has been read: its pages of the file's mapping need not be this process's any more, and come again where it is read
 * again. Of a tensor of another file nothing happens. */
void ts_st_file_is_done(const ts_st_file *file, const ts_st_tensor *t);

/* n values (src may be unaligned) from F64, F32, F16 or BF16; false: another type, nothing done. */
bool ts_st_to_f32(ts_st_dtype from, const void *src, int64_t n, float *out);
/* n values to F64, F32, F16 or BF16 (rounded to nearest even), or whole numbers to I64; false: another type, nothing
 * done. */
bool ts_st_from_f32(ts_st_dtype to, const float *src, int64_t n, void *out);
#endif
