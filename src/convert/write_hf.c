/* Hugging Face folders. */
#include "base/file.h"
#include "base/json.h"
#include "convert/merge.h"
#include "convert/nf4.h"
#include "convert/scaled.h"
#include "model/weights_bnb.h"
#include "train/model_files.h"

#include <stdio.h>
#include <string.h>

enum { PIECE = 1 << 20 }; /* elements */

typedef struct copy {
    const ts_convert_options *o;
    const ts_convert_model *m;
    size_t shard_bytes;
    const ts_names *nf4; /* tensors that become NF4; NULL: none */
    ts_st_dir_writer *w;
    int64_t next;        /* the number that the writer has for the next tensor */
    float *values;
    char *bytes;
    bool scaled; /* FP8 and MXFP4 become values */
    ts_name_map map;
    const ts_st_tensor **adapted; /* [map.n_tensors] those to which the adapter adds; NULL: nothing is merged */
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

/* ---- how a tensor is taken over: as it is, in NF4, as the values that it stands for, not at all ---- */

typedef struct way {
    ts_status (*add)(const copy *c, const ts_st_tensor *t);
    ts_status (*put)(const copy *c, const ts_st_tensor *t);
    int parts; /* tensors that come of it */
} way;

static ts_status add_same(const copy *c, const ts_st_tensor *t)
{
    return ts_st_dir_writer_add(c->w, t->name, type_of(c, t), t->rank, t->shape);
}

static ts_status put_same(const copy *c, const ts_st_tensor *t)
{
    const ts_st_dtype type = type_of(c, t);
    if (type == t->dtype && !t->make)
        return ts_st_dir_writer_put(c->w, c->next, 0, t->data, t->size);
    const int64_t size = ts_st_dtype_bits(type) / 8;
    ts_st_will_need(t);
    for (int64_t at = 0; at < t->elements; at += PIECE) {
        const int64_t n = t->elements - at < PIECE ? t->elements - at : PIECE;
        TS_TRY(ts_st_read_f32(t, at, n, c->values));
        ts_st_from_f32(type, c->values, n, c->bytes);
        TS_TRY(ts_st_dir_writer_put(c->w, c->next, (size_t)(at * size), c->bytes, (size_t)(n * size)));
    }
    return TS_OK;
}

static ts_status add_nf4(const copy *c, const ts_st_tensor *t) { return ts_convert_nf4_add(c->w, t); }
static ts_status put_nf4(const copy *c, const ts_st_tensor *t) { return ts_convert_nf4_put(c->w, c->next, t); }

/* ---- with an adapter ---- */

static ts_status find_adapted(copy *c)
{
    const ts_adapters *a = c->m->adapters;
    if (!a)
        return TS_OK;
    TS_TRY(ts_family_names(c->m->source.family, c->m->source.arch, &c->map));
    TS_TRY(ts_alloc(&c->adapted, c->map.n_tensors, sizeof *c->adapted));
    for (size_t k = 0; k < c->map.n_tensors; k++) {
        const char *name = c->map.tensor[k].hf_name;
        if (!ts_adapters_change(a, &c->map, &c->map.tensor[k]))
            continue;
        const ts_st_tensor *t = ts_weights_find(c->m->source.family, c->m->source.arch, c->m->tensors, name);
        if (!t || !is_real(t->dtype))
            return ts_error(TS_ERR_USER, "%s: tensor %s, to which --lora-load adds, %s", c->m->path, name,
                            t ? "is quantised: convert the model with --qlora-save-dequantize first, and what comes of it "
                                "with the adapter"
                              : "is in none of the files");
        c->adapted[k] = t;
    }
    return TS_OK;
}

static const ts_name_tensor *adapted_of(const copy *c, const ts_st_tensor *t)
{
    for (size_t k = 0; c->adapted && k < c->map.n_tensors; k++)
        if (c->adapted[k] == t)
            return &c->map.tensor[k];
    return NULL;
}

static ts_status put_merged(const copy *c, const ts_st_tensor *t)
{
    const ts_st_dtype type = type_of(c, t);
    const int64_t size = ts_st_dtype_bits(type) / 8;
    float *w;
    TS_TRY(ts_alloc(&w, (size_t)t->elements, sizeof *w));
    ts_status st = ts_st_read_f32(t, 0, t->elements, w);
    if (st == TS_OK)
        st = ts_adapters_merge(c->m->adapters, &c->map, adapted_of(c, t), w);
    for (int64_t at = 0; st == TS_OK && at < t->elements; at += PIECE) {
        const int64_t n = t->elements - at < PIECE ? t->elements - at : PIECE;
        ts_st_from_f32(type, w + at, n, c->bytes);
        st = ts_st_dir_writer_put(c->w, c->next, (size_t)(at * size), c->bytes, (size_t)(n * size));
    }
    ts_free(&w);
    return st;
}

/* What takes the place of a tensor that was trained whole; NULL: it was not. */
static const ts_st_tensor *saved_of(const copy *c, const ts_st_tensor *t)
{
    const ts_adapters *a = c->m->adapters;
    char name[TS_ADAPTER_FILE_NAME];
    for (size_t k = 0; a && k < ts_names_count(a->saved_files); k++) {
        const char *saved = ts_names_text(a->saved_files, k);
        if (ts_weights_find(c->m->source.family, c->m->source.arch, c->m->tensors, saved) != t)
            continue;
        snprintf(name, sizeof name, "base_model.model.%s", saved);
        return ts_st_dir_find(a->dir, name);
    }
    return NULL;
}

static ts_status put_saved(const copy *c, const ts_st_tensor *t)
{
    const ts_st_tensor *s = saved_of(c, t);
    const ts_st_dtype type = type_of(c, t);
    const int64_t size = ts_st_dtype_bits(type) / 8;
    if (s->elements != t->elements)
        return ts_error(TS_ERR_USER, "%s: tensor %s has another size than %s of %s", s->path, s->name, t->name, c->m->path);
    for (int64_t at = 0; at < t->elements; at += PIECE) {
        const int64_t n = t->elements - at < PIECE ? t->elements - at : PIECE;
        TS_TRY(ts_st_read_f32(s, at, n, c->values));
        ts_st_from_f32(type, c->values, n, c->bytes);
        TS_TRY(ts_st_dir_writer_put(c->w, c->next, (size_t)(at * size), c->bytes, (size_t)(n * size)));
    }
    return TS_OK;
}

/* The type that the values had: of 8 bits, which do not say it, the folder's. */
static ts_st_dtype type_of_values(const copy *c, const ts_bnb *b)
{
    static const ts_st_dtype types[] = { [TS_DTYPE_F32] = TS_ST_F32, [TS_DTYPE_BF16] = TS_ST_BF16, [TS_DTYPE_F16] = TS_ST_F16 };
    return ts_convert_dtype(c->o, b->block ? types[b->type] : c->m->dtype);
}

static ts_status find_values(const copy *c, const ts_st_tensor *t, ts_bnb *b)
{
    int64_t rows, cols;
    TS_TRY(ts_bnb_shape(c->m->tensors, t, &rows, &cols));
    return ts_bnb_find(c->m->tensors, t, rows, cols, b);
}

static ts_status add_values(const copy *c, const ts_st_tensor *t)
{
    ts_bnb b;
    TS_TRY(find_values(c, t, &b));
    return ts_st_dir_writer_add(c->w, t->name, type_of_values(c, &b), 2, (const int64_t[]){ b.rows, b.cols });
}

static ts_status put_values(const copy *c, const ts_st_tensor *t)
{
    ts_bnb b;
    float *row;
    TS_TRY(find_values(c, t, &b));
    const ts_st_dtype type = type_of_values(c, &b);
    const int64_t bytes = b.cols * ts_st_dtype_bits(type) / 8;
    TS_TRY(ts_alloc(&row, (size_t)(2 * b.cols), sizeof *row));
    ts_status st = TS_OK;
    for (int64_t r = 0; st == TS_OK && r < b.rows; r++) {
        ts_bnb_row(&b, r, row);
        ts_st_from_f32(type, row, b.cols, row + b.cols);
        st = ts_st_dir_writer_put(c->w, c->next, (size_t)(r * bytes), row + b.cols, (size_t)bytes);
    }
    ts_free(&row);
    return st;
}

/* Of FP8 and MXFP4: the type that is asked for, else bf16, which such models had. */
static ts_st_dtype type_of_scaled(const copy *c) { return ts_convert_dtype(c->o, TS_ST_BF16); }

static ts_status add_scaled(const copy *c, const ts_st_tensor *t)
{
    return ts_convert_scaled_add(c->m, t, type_of_scaled(c), c->w);
}

static ts_status put_scaled(const copy *c, const ts_st_tensor *t)
{
    return ts_convert_scaled_put(c->m, t, type_of_scaled(c), c->w, c->next);
}

/* The output layer of a tied model that files hold as what it is, the embedding's own bytes (files of torch): it is not
 * written twice. */
static bool is_second(const copy *c, const ts_st_tensor *t)
{
    const ts_weights_source *s = &c->m->source;
    if (!s->arch || !t->size || !t->data || !ts_family_ignores(s->family, s->arch, t->name))
        return false;
    for (int64_t i = 0; i < ts_st_dir_count(c->m->tensors); i++) {
        const ts_st_tensor *other = ts_st_dir_at(c->m->tensors, i);
        if (other != t && other->data == t->data && other->size == t->size)
            return true;
    }
    return false;
}

static const way *way_of(const copy *c, const ts_st_tensor *t)
{
    static const way same = { add_same, put_same, 1 }, nf4 = { add_nf4, put_nf4, TS_NF4_PARTS },
                     values = { add_values, put_values, 1 }, merged = { add_same, put_merged, 1 },
                     saved = { add_same, put_saved, 1 }, scaled = { add_scaled, put_scaled, 1 }, none = { 0 };
    const ts_scaled_way form = c->scaled ? ts_convert_scaled_way(c->m, t) : TS_SCALED_SAME;
    char stem[TS_FAMILY_NAME];
    if (is_second(c, t))
        return &none;
    if (form != TS_SCALED_SAME)
        return form == TS_SCALED_SIDE_OF ? &none : &scaled;
    if (adapted_of(c, t))
        return &merged;
    if (saved_of(c, t))
        return &saved;
    if (c->nf4 && ts_names_find(c->nf4, t->name) >= 0)
        return &nf4;
    if (!c->o->unpacked)
        return &same;
    if (ts_bnb_is(c->m->tensors, t))
        return &values;
    return ts_bnb_stem(t->name, stem) ? &none : &same;
}

static ts_status copy_tensors(copy *c, const char *folder)
{
    const int64_t n = ts_st_dir_count(c->m->tensors);
    TS_TRY(ts_st_dir_writer_create(folder, NULL, c->shard_bytes ? c->shard_bytes : 5000000000u,
                                   &c->w));
    for (int64_t i = 0; i < n; i++) {
        const ts_st_tensor *t = ts_st_dir_at(c->m->tensors, i);
        const way *as = way_of(c, t);
        if (as->parts)
            TS_TRY(as->add(c, t));
    }
    TS_TRY(ts_st_dir_writer_begin(c->w));
    TS_TRY(ts_alloc(&c->values, PIECE, sizeof *c->values));
    TS_TRY(ts_alloc(&c->bytes, PIECE, sizeof *c->values));
    for (int64_t i = 0; i < n; i++) {
        const ts_st_tensor *t = ts_st_dir_at(c->m->tensors, i);
        const way *as = way_of(c, t);
        if (as->parts)
            TS_TRY(as->put(c, t));
        ts_st_dir_is_done(c->m->tensors, t);
        c->next += as->parts;
        ts_convert_progress((size_t)i + 1, (size_t)n);
    }
    return ts_st_dir_writer_finish(c->w);
}

static ts_status write_config(const copy *c, const char *folder)
{
    json_t *config = NULL;
    ts_status st = TS_OK;
    if (c->nf4)
        st = ts_convert_nf4_config(c->m, c->nf4, &config);
    else if (!(config = json_deep_copy(c->m->config)))
        st = ts_error(TS_ERR_NOMEM, "out of memory while writing config.json");
    if (st == TS_OK && (c->o->unpacked || c->scaled))
        json_object_del(config, "quantization_config");
    if (st == TS_OK && c->scaled)
        json_object_del(config, "expert_dtype");
    if (st == TS_OK)
        st = ts_weights_save_config(config, folder, c->scaled ? type_of_scaled(c) : ts_convert_dtype(c->o, c->m->dtype));
    json_decref(config);
    return st;
}

static ts_status copy_folder(void *ctx, const char *folder)
{
    copy *c = ctx;
    ts_status st = find_adapted(c);
    if (st == TS_OK)
        st = copy_tensors(c, folder);
    ts_free(&c->adapted);
    ts_name_map_deinit(&c->map);
    ts_st_dir_writer_destroy(&c->w);
    ts_free(&c->values);
    ts_free(&c->bytes);
    TS_TRY(st);
    TS_TRY(write_config(c, folder));
    return ts_side_files_write(c->m->source.files, folder);
}

static ts_status check_copy(const copy *c)
{
    const ts_convert_options *o = c->o;
    const json_t *q = json_object_get(c->m->config, "quantization_config");
    const char *method = json_string_value(json_object_get(q, "quant_method"));
    const bool quantised = q && !json_is_null(q), by_bnb = method && !strcmp(method, "bitsandbytes");
    if (o->unpacked && !by_bnb && !ts_convert_is_scaled(c->m))
        return ts_error(TS_ERR_USER, "--qlora-save-dequantize: %s has no weights that bitsandbytes quantised, nor ones in FP8 or MXFP4 "
                        "(quantization_config in config.json)", c->m->path);
    if (o->nf4 && (quantised || o->unpacked))
        return ts_error(TS_ERR_USER, "--qlora-nf4: the weights of %s are quantised (quantization_config in config.json): %s",
                        c->m->path, by_bnb ? "convert them with --qlora-save-dequantize first" : "expected F32, BF16 or F16");
    if (o->nf4 && o->check)
        return ts_error(TS_ERR_USER, "--qlora-nf4: 4 bits change logits by more than --check allows: leave out --check");
    if (o->nf4 && o->dtype != TS_SAVE_HF_AUTO)
        return ts_error(TS_ERR_USER, "--qlora-nf4 quantises weights of the type that they have: leave out --params-dtype, or "
                        "convert in two steps");
    if (quantised && !o->unpacked && !c->scaled && o->dtype != TS_SAVE_HF_AUTO)
        return ts_error(TS_ERR_USER,
                        "%s: the weights are quantised (quantization_config in config.json), so "
                        "their type cannot be changed: leave out --params-dtype%s",
                        c->m->path, by_bnb ? ", or give --qlora-save-dequantize" : "");
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

static ts_status write_copy(copy *c)
{
    ts_names *nf4 = NULL;
    c->scaled = ts_convert_is_scaled(c->m) && (c->o->unpacked || c->o->dtype != TS_SAVE_HF_AUTO);
    TS_TRY(check_copy(c));
    ts_status st = c->o->nf4 ? ts_convert_nf4_names(c->m, &nf4) : TS_OK;
    c->nf4 = nf4;
    if (st == TS_OK)
        st = ts_weights_publish(c->o->save_dir, "--save-dir", copy_folder, c);
    ts_names_destroy(&nf4);
    return st;
}

/* Of what has values by our own names. */
static ts_status write_source(const ts_convert_options *o, const ts_convert_model *m, const ts_weights_save_options *w)
{
    ts_weights_source source = m->source;
    ts_convert_merge merge;
    if (!m->adapters)
        return ts_weights_write(&source, o->save_dir, "--save-dir", w);
    TS_TRY(ts_convert_merge_init(&merge, o, &m->source, m->adapters));
    source.read = ts_merger_read;
    source.ctx = &merge.merger;
    source.values = NULL;
    const ts_status st = ts_weights_write(&source, o->save_dir, "--save-dir", w);
    ts_convert_merge_deinit(&merge);
    return st;
}

static ts_status write_folder(const ts_convert_options *o, ts_convert_model *m)
{
    copy c = { .o = o, .m = m };
    TS_TRY(ts_convert_shard_bytes(o, &c.shard_bytes));
    if (m->tensors)
        return write_copy(&c);
    if (o->nf4 || o->unpacked)
        return ts_error(TS_ERR_USER, "--%s takes a Hugging Face folder, which %s is not: convert it first",
                        o->nf4 ? "qlora-nf4" : "qlora-save-dequantize", m->path);
    TS_TRY(check_source(m));
    const ts_weights_save_options w = { .dtype = ts_convert_dtype(o, m->dtype),
                                        .max_shard_bytes = c.shard_bytes, .keeps_types = o->dtype == TS_SAVE_HF_AUTO };
    return write_source(o, m, &w);
}

/* What stands in the folder now. */
static ts_status describe(const ts_convert_options *o, ts_convert_result *r)
{
    ts_str path = { 0 };
    json_t *config = NULL;
    ts_st_dir *dir = NULL;
    ts_status st = ts_path_join(&path, o->save_dir, "config.json");
    if (st == TS_OK)
        st = ts_json_read(path.s, &config);
    if (st == TS_OK)
        st = ts_st_dir_open(o->save_dir, NULL, &dir);
    if (st == TS_OK) {
        const char *name = json_string_value(json_array_get(json_object_get(config, "architectures"), 0));
        snprintf(r->architecture, sizeof r->architecture, "%s", name ? name : "");
        r->tensors = ts_st_dir_count(dir);
        r->bytes = (int64_t)ts_st_dir_bytes(dir);
    }
    ts_st_dir_destroy(&dir);
    json_decref(config);
    ts_str_deinit(&path);
    return st;
}

ts_status ts_convert_check_folder(const ts_convert_options *o)
{
    if (!o->save_dir)
        return ts_error(TS_ERR_USER, "--save-dir is missing");
    if (o->outtype != TS_GGUF_TYPE_AUTO)
        return ts_error(TS_ERR_USER, "--outtype is the type of GGUF files (--outfile); that of a folder is --params-dtype");
    TS_TRY(ts_weights_may_save(o->save_dir, "--save-dir"));
    return ts_model_folder_apart(o->save_dir, "--save-dir", o->load_dir, "--load-dir");
}

static ts_status write_hf(const ts_convert_options *o, ts_convert_model *m, ts_convert_result *r)
{
    TS_TRY(write_folder(o, m));
    return describe(o, r);
}

const ts_convert_writer ts_convert_hf_writer = { "hf", ts_convert_check_folder, write_hf };
