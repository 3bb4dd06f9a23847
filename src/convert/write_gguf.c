/* GGUF files. Pieces of some rows are read, put into their type and written by several threads side by side, so what is in
 * memory is a piece of each. */
#include "convert/gguf.h"
#include "convert/through.h"
#include "convert/scaled.h"

#include "base/file.h"
#include "base/log.h"
#include "base/output.h"
#include "base/thread.h"
#include "text/gguf/gguf_put.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 1 << 19 }; /* elements */

typedef struct piece {
    size_t out;
    int64_t r0, r1;
} piece;

typedef struct job {
    const ts_gguf_plan *plan;
    ts_gguf_writer *w;
    piece *v;
    size_t n, cap;
    int64_t widest;           /* elements of a piece */
    float **values;           /* [threads] */
    unsigned char **bytes;    /* [threads] */
    _Atomic int failed;       /* errno of the first write that failed */
    _Atomic int64_t not_finite; /* 1 + the output that has such a value */
} job;

static ts_status add_pieces(job *j, size_t i)
{
    const ts_gguf_out *out = &j->plan->v[i];
    int64_t step = PIECE / out->width;
    if (out->order.pair_rows && step > out->order.pair_rows) /* whole heads */
        step -= step % out->order.pair_rows;
    step = step < 1 ? 1 : step;
    for (int64_t r = 0; r < out->rows; r += step) {
        const int64_t end = out->rows - r < step ? out->rows : r + step;
        TS_TRY(ts_grow(&j->v, &j->cap, j->n + 1, sizeof *j->v));
        j->v[j->n++] = (piece){ i, r, end };
        j->widest = (end - r) * out->width > j->widest ? (end - r) * out->width : j->widest;
    }
    return TS_OK;
}

static void write_piece(job *j, const piece *x, int thread)
{
    const ts_gguf_out *out = &j->plan->v[x->out];
    const size_t row = (size_t)(out->width / out->type->values * out->type->bytes);
    const void *data = ts_gguf_rows_as_is(j->plan, out, x->r0, x->r1);
    if (!data) {
        if (!ts_gguf_rows_make(j->plan, out, x->r0, x->r1, j->values[thread], j->bytes[thread]))
            j->not_finite = 1 + (int64_t)x->out;
        data = j->bytes[thread];
    }
    if (!ts_gguf_writer_put(j->w, (int64_t)x->out, (size_t)x->r0 * row, data, (size_t)(x->r1 - x->r0) * row))
        j->failed = errno;
    ts_gguf_rows_done(j->plan, out, x->r0, x->r1);
}

static void write_pieces(void *ctx, int64_t begin, int64_t end, int thread)
{
    job *j = ctx;
    for (int64_t i = begin; i < end && !j->failed && !j->not_finite; i++) {
        write_piece(j, &j->v[i], thread);
        if (!thread)
            ts_convert_progress(j->v[i].out + 1, j->plan->n);
    }
}

static ts_status run(job *j, ts_pool *pool)
{
    const int threads = ts_pool_threads(pool);
    TS_TRY(ts_alloc(&j->values, (size_t)threads, sizeof *j->values));
    TS_TRY(ts_alloc(&j->bytes, (size_t)threads, sizeof *j->bytes));
    for (int t = 0; t < threads; t++) {
        TS_TRY(ts_alloc(&j->values[t], (size_t)j->widest, sizeof **j->values));
        TS_TRY(ts_alloc(&j->bytes[t], (size_t)j->widest, sizeof(double)));
    }
    ts_pool_run(pool, (int64_t)j->n, 1, write_pieces, j);
    if (j->not_finite)
        return ts_error(TS_ERR_USER, "%s: tensor %s has a value that is not a finite number, which %s does not hold", j->plan->m->path,
                        j->plan->v[j->not_finite - 1].name, j->plan->v[j->not_finite - 1].type->name);
    errno = j->failed;
    return j->failed ? ts_gguf_writer_error(j->w, "writing") : TS_OK;
}

static ts_status write_tensors(const ts_gguf_plan *p, int64_t threads, ts_gguf_writer *w)
{
    job j = { .plan = p, .w = w };
    ts_pool *pool = NULL;
    ts_status st = TS_OK;
    for (size_t i = 0; st == TS_OK && i < p->n; i++)
        st = add_pieces(&j, i);
    if (st == TS_OK)
        st = ts_pool_create(threads ? (int)threads : ts_cpu_count(), &pool);
    if (st == TS_OK)
        st = run(&j, pool);
    for (int t = 0; pool && t < ts_pool_threads(pool); t++) {
        if (j.values)
            ts_free(&j.values[t]);
        if (j.bytes)
            ts_free(&j.bytes[t]);
    }
    ts_pool_destroy(&pool);
    ts_free(&j.values);
    ts_free(&j.bytes);
    ts_free(&j.v);
    return st;
}

/* ---- what is written ---- */

static ts_status find_model(ts_gguf_plan *p)
{
    ts_str known = { 0 };
    const char *type = p->a->family;
    p->model = ts_gguf_model_for(type);
    if (p->model)
        return TS_OK;
    ts_status st = ts_gguf_models_written(&known);
    if (st == TS_OK)
        st = ts_error(TS_ERR_USER, "%s: models of the kind %s are not written to GGUF files; known are %s", p->m->path, type,
                      ts_str_text(&known));
    ts_str_deinit(&known);
    return st;
}

/* llama.cpp's models with experts have them in every layer. */
static ts_status check_layers(const ts_gguf_plan *p)
{
    for (int64_t i = 0; p->a->n_experts && i < p->a->n_layers; i++)
        if (!ts_has_experts(&p->a->layer[i]))
            return ts_error(TS_ERR_USER, "%s: layer %lld has no experts, others have: GGUF files of the architecture %s cannot say "
                            "so, expected experts in all layers", p->m->path, (long long)i, p->model->arch);
    return TS_OK;
}

static ts_status put_tokenizer(ts_gguf_plan *p)
{
    const ts_gguf_put_options o = { .path = p->m->path, .files = p->m->source.files, .config = p->m->config, .rows = p->a->vocab,
                                    .no_prefix = !strncmp(p->model->arch, "gemma", 5) };
    return ts_gguf_put_tokenizer(&o, &p->keys);
}

static ts_status make_plan(const ts_convert_options *o, ts_gguf_plan *p)
{
    TS_TRY(find_model(p));
    TS_TRY(check_layers(p));
    TS_TRY(ts_gguf_plan_tensors(p));
    TS_TRY(ts_gguf_plan_types(p, o->outtype));
    TS_TRY(ts_gguf_plan_keys(p));
    for (size_t i = 0; i < p->n; i++) /* those that the keys' part has added */
        if (!p->v[i].type)
            p->v[i].type = ts_block_type_named("F32");
    return put_tokenizer(p);
}

static ts_status write_file(const ts_convert_options *o, const ts_gguf_plan *p, ts_convert_result *r)
{
    ts_gguf_writer *w = NULL;
    ts_status st = ts_gguf_writer_create("--outfile", o->outfile, &w);
    for (size_t i = 0; st == TS_OK && i < p->n; i++)
        st = ts_gguf_writer_add(w, p->v[i].name, p->v[i].type, p->v[i].rank, p->v[i].shape);
    if (st == TS_OK)
        st = ts_gguf_writer_begin(w, &p->keys);
    if (st == TS_OK)
        st = write_tensors(p, o->threads, w);
    if (st == TS_OK)
        st = ts_gguf_writer_finish(w);
    if (st == TS_OK) {
        r->tensors = (int64_t)p->n;
        r->bytes = (int64_t)ts_gguf_writer_bytes(w);
    }
    ts_gguf_writer_destroy(&w);
    return st;
}

/* What the file says of the model, beside what the model is. */
static ts_status look_back(const ts_convert_options *o, const ts_arch *a)
{
    const ts_family *family;
    ts_arch back;
    json_t *config = NULL;
    ts_str what = { 0 };
    int n = 0;
    ts_arch_init(&back);
    ts_status st = ts_family_read_folder(o->outfile, &family, &back, &config);
    if (st == TS_OK)
        st = ts_arch_differences(a, &back, &what, &n);
    if (st == TS_OK && n)
        ts_log(TS_LOG_WARN, "%s: GGUF files cannot say all that the model is: %s", o->outfile, ts_str_text(&what));
    ts_str_deinit(&what);
    ts_arch_deinit(&back);
    json_decref(config);
    return st;
}

/* The description as the files have it. */
static ts_status settle(const ts_convert_model *m, ts_arch *a, json_t *config)
{
    const ts_family *f = m->source.family;
    TS_TRY(ts_weights_settle_tie(f, m->tensors, m->path, a, config));
    TS_TRY(ts_weights_settle_mtp(f, m->tensors, a));
    if (a->mtp_layers)
        ts_log(TS_LOG_WARN, "%s: layers that predict further tokens are left out", m->path);
    TS_TRY(ts_weights_want_mtp(m->path, 0, a, config));
    TS_TRY(ts_weights_settle_names(f, m->tensors, a));
    ts_weights_settle_experts(m->tensors, a);
    return TS_OK;
}

static ts_status write_tensors_of(const ts_convert_options *o, ts_convert_model *m, ts_convert_result *r)
{
    ts_arch a;
    json_t *config = NULL;
    ts_gguf_plan p = { .m = m, .a = &a };
    if (!m->source.arch)
        return ts_error(TS_ERR_USER, "%s: models of a kind that is not known here are not written to GGUF files", m->path);
    TS_TRY(ts_arch_copy(m->source.arch, &a));
    ts_status st = (config = json_deep_copy(m->config)) ? TS_OK : ts_error(TS_ERR_NOMEM, "out of memory for a configuration");
    if (st == TS_OK)
        st = settle(m, &a, config);
    if (st == TS_OK)
        st = make_plan(o, &p);
    if (st == TS_OK)
        st = write_file(o, &p, r);
    if (st == TS_OK)
        st = look_back(o, &a);
    if (st == TS_OK)
        snprintf(r->architecture, sizeof r->architecture, "%s", p.model->arch);
    ts_gguf_plan_deinit(&p);
    json_decref(config);
    ts_arch_deinit(&a);
    return st;
}

/* What has no tensors of Hugging Face's, or others than its own (an adapter's sum, values of few bits), becomes such a folder first. */
static ts_status write_through_folder(const ts_convert_options *o, ts_convert_model *m, ts_convert_result *r)
{
    ts_convert_options to_folder = *o, from_folder = { .outfile = o->outfile, .outtype = o->outtype, .threads = o->threads };
    to_folder.outfile = NULL;
    to_folder.outtype = TS_GGUF_TYPE_AUTO;
    if (o->outtype != TS_GGUF_TYPE_AUTO)
        to_folder.dtype = TS_SAVE_HF_F32; /* rounded once */
    return ts_convert_through(o->outfile, &to_folder, &from_folder, m, r);
}

static ts_status write_gguf(const ts_convert_options *o, ts_convert_model *m, ts_convert_result *r)
{
    return !m->tensors || m->adapters || ts_convert_is_packed(m) ? write_through_folder(o, m, r) : write_tensors_of(o, m, r);
}

/* Before anything is read. */
static ts_status check_place(const ts_convert_options *o)
{
    const ts_gguf_type *type = ts_gguf_type_at(o->outtype);
    if (!o->outfile)
        return ts_error(TS_ERR_USER, "--save-model-type gguf: --outfile FILE is missing: the name of the file to be made");
    if (o->save_dir)
        return ts_error(TS_ERR_USER, "--outfile %s and --save-dir %s: give one: a GGUF file, or a folder", o->outfile, o->save_dir);
    if (o->dtype != TS_SAVE_HF_AUTO)
        return ts_error(TS_ERR_USER, "--params-dtype is the type of a folder's weights; that of a GGUF file is --outtype");
    if (o->nf4 || o->adapter_alone || o->max_shard_size)
        return ts_error(TS_ERR_USER, "--%s is of folders: leave it out with --outfile",
                        o->nf4 ? "qlora-nf4" : o->adapter_alone ? "save-lora-to-hf" : "max-shard-size");
    if (o->check && type->matrices && (type->mixes || !ts_block_type_named(type->matrices)->is_plain))
        return ts_error(TS_ERR_USER, "--check: few bits change logits by more than rounding: leave it out, or take --outtype f32, f16 "
                        "or bf16");
    if (ts_output_is_same(o->outfile, o->load_dir))
        return ts_error(TS_ERR_USER, "--outfile %s: is what --load-dir names", o->outfile);
    return ts_output_check("--outfile", o->outfile);
}

ts_st_dtype ts_convert_gguf_dtype(const ts_convert_options *o, const ts_convert_model *m)
{
    const ts_gguf_type *type = ts_gguf_type_at(o->outtype);
    return type->matrices ? ts_block_type_named(type->matrices)->plain : m->dtype == TS_ST_BF16 ? TS_ST_BF16 : TS_ST_F16;
}

const ts_convert_writer ts_convert_gguf_writer = { "gguf", check_place, write_gguf };
