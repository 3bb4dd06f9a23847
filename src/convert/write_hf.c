/* Hugging Face folders. */
#include "base/json.h"
#include "convert/convert.h"
#include "io/st_write.h"

#include <stdio.h>
#include <string.h>

enum { PIECE = 1 << 20 }; /* elements */

typedef struct copy {
    const ts_convert_options *o;
    const ts_convert_model *m;
    size_t shard_bytes;
    ts_st_dir_writer *w;
    float *values;
    char *bytes;
} copy;

static bool is_real(ts_st_dtype t)
{
    return t == TS_ST_F64 || t == TS_ST_F32 || t == TS_ST_F16 || t == TS_ST_BF16;
}

/* What is no number of that kind (codes of quantised weights, buffers) stays what it is. */
static ts_st_dtype type_of(const copy *c, const ts_st_tensor *t)
{
    return is_real(t->dtype) ? ts_convert_dtype(c->o, t->dtype) : t->dtype;
}

static ts_status copy_tensor(const copy *c, int64_t i)
{
    const ts_st_tensor *t = ts_st_dir_at(c->m->tensors, i);
    const ts_st_dtype type = type_of(c, t);
    if (type == t->dtype && !t->make)
        return ts_st_dir_writer_put(c->w, i, 0, t->data, t->size);
    const int64_t size = ts_st_dtype_bits(type) / 8;
    ts_st_will_need(t);
    for (int64_t at = 0; at < t->elements; at += PIECE) {
        const int64_t n = t->elements - at < PIECE ? t->elements - at : PIECE;
        TS_TRY(ts_st_read_f32(t, at, n, c->values));
        ts_st_from_f32(type, c->values, n, c->bytes);
        TS_TRY(ts_st_dir_writer_put(c->w, i, (size_t)(at * size), c->bytes, (size_t)(n * size)));
    }
    return TS_OK;
}

static ts_status copy_tensors(copy *c, const char *folder)
{
    const int64_t n = ts_st_dir_count(c->m->tensors);
    TS_TRY(ts_st_dir_writer_create(folder, NULL, c->shard_bytes ? c->shard_bytes : 5000000000u,
                                   &c->w));
    for (int64_t i = 0; i < n; i++) {
        const ts_st_tensor *t = ts_st_dir_at(c->m->tensors, i);
        TS_TRY(ts_st_dir_writer_add(c->w, t->name, type_of(c, t), t->rank, t->shape));
    }
    TS_TRY(ts_st_dir_writer_begin(c->w));
    TS_TRY(ts_alloc(&c->values, PIECE, sizeof *c->values));
    TS_TRY(ts_alloc(&c->bytes, PIECE, sizeof *c->values));
    for (int64_t i = 0; i < n; i++) {
        TS_TRY(copy_tensor(c, i));
        ts_convert_progress((size_t)i + 1, (size_t)n);
    }
    return ts_st_dir_writer_finish(c->w);
}

static ts_status copy_folder(void *ctx, const char *folder)
{
    copy *c = ctx;
    const ts_status st = copy_tensors(c, folder);
    ts_st_dir_writer_destroy(&c->w);
    ts_free(&c->values);
    ts_free(&c->bytes);
    TS_TRY(st);
    TS_TRY(ts_weights_save_config(c->m->config, folder, ts_convert_dtype(c->o, c->m->dtype)));
    return ts_side_files_write(c->m->source.files, folder);
}

static ts_status check_copy(const copy *c)
{
    const json_t *q = json_object_get(c->m->config, "quantization_config");
    if (q && !json_is_null(q) && c->o->dtype != TS_SAVE_HF_AUTO)
        return ts_error(TS_ERR_USER,
                        "%s: the weights are quantised (quantization_config in config.json), so "
                        "their type cannot be changed: leave out --params-dtype",
                        c->m->path);
    return TS_OK;
}

/* The sentence names the options that describe a model, which this command does not have. */
static void leave_out_options(char *s)
{
    for (char *from; (from = strstr(s, " (--"));) {
        const char *to = strchr(from, ')');
        memmove(from, to ? to + 1 : from + strlen(from), to ? strlen(to + 1) + 1 : 1);
    }
}

static ts_status check_source(const ts_convert_model *m)
{
    char why[512];
    const ts_status st = ts_weights_check(&m->source);
    if (st != TS_ERR_USER)
        return st;
    snprintf(why, sizeof why, "%s", ts_error_message());
    leave_out_options(why);
    return ts_error(st, "%s: %s; it can be scored and generated with as it is", m->path, why);
}

static ts_status write_hf(const ts_convert_options *o, ts_convert_model *m, ts_convert_result *r)
{
    copy c = { .o = o, .m = m };
    (void)r;
    TS_TRY(ts_convert_shard_bytes(o, &c.shard_bytes));
    if (m->tensors) {
        TS_TRY(check_copy(&c));
        return ts_weights_publish(o->save_dir, "--save-dir", copy_folder, &c);
    }
    TS_TRY(check_source(m));
    const ts_weights_save_options w = { .dtype = ts_convert_dtype(o, m->dtype),
                                        .max_shard_bytes = c.shard_bytes };
    return ts_weights_write(&m->source, o->save_dir, "--save-dir", &w);
}

const ts_convert_writer ts_convert_hf_writer = { "hf", write_hf };
