/* Megatron's checkpoints: model_optim_rng.pt of every rank. */
#include "base/file.h"
#include "base/output.h"
#include "convert/merge.h"
#include "convert/through.h"
#include "io/torch/torch_write.h"
#include "model/megatron/args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct writer {
    const ts_convert_options *o;
    const ts_convert_model *m;
    ts_arch arch;            /* as the files have it, and so */
    json_t *config;
    ts_mg_split split;
    int64_t *stage_layers, *noop;
    ts_param_values values;  /* of a folder */
    const ts_param_values *from;
    ts_convert_merge merge;  /* of m->adapters */
    ts_param_list params;
    char *buffer;            /* the tensor on its way */
    size_t room;
    size_t done, all;        /* tensors */
    size_t bytes;            /* of them */
} writer;

/* ---- what is asked for ---- */

static int ascending(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static ts_status read_noop(const ts_convert_cut *o, writer *w)
{
    if (!o->noop_layers.n)
        return TS_OK;
    TS_TRY(ts_option_numbers("noop-layers", &o->noop_layers, &w->noop, &w->split.n_noop));
    qsort(w->noop, (size_t)w->split.n_noop, sizeof *w->noop, ascending);
    for (int64_t i = 1; i < w->split.n_noop; i++)
        if (w->noop[i] == w->noop[i - 1])
            return ts_error(TS_ERR_USER, "--noop-layers: layer %lld is given twice", (long long)w->noop[i]);
    w->split.noop = w->noop;
    return TS_OK;
}

static ts_status read_split(writer *w)
{
    const ts_convert_cut *o = &w->o->cut;
    ts_mg_split *s = &w->split;
    *s = (ts_mg_split){ .tp = o->tp, .pp = o->pp, .ep = o->ep, .chunk_layers = o->chunk_layers,
                        .tp_extends_ep = o->tp_extends_ep, .mla_split = o->mla_split, .experts_whole = o->expert_tp == 1 && o->tp > 1,
                        .folds = o->schedule == TS_CONVERT_DUALPIPEV,
                        .norms_inside = o->impl == TS_CONVERT_IMPL_TE };
    if (o->grouped)
        s->experts = s->norms_inside ? TS_MG_NUMBERED : TS_MG_GROUPED;
    if (o->expert_tp > 1 && o->expert_tp != o->tp)
        return ts_error(TS_ERR_USER, "--expert-tensor-parallel-size %lld: expected 1, or --target-tensor-parallel-size (%lld)",
                        (long long)o->expert_tp, (long long)o->tp);
    if (o->stage_layers.n) {
        int64_t n;
        TS_TRY(ts_option_numbers("num-layer-list", &o->stage_layers, &w->stage_layers, &n));
        if (n != s->pp)
            return ts_error(TS_ERR_USER, "--num-layer-list: %lld numbers for %lld stages (--target-pipeline-parallel-size)",
                            (long long)n, (long long)s->pp);
        s->stage_layers = w->stage_layers;
    }
    TS_TRY(read_noop(o, w));
    const int64_t by = o->vocab_by * s->tp;
    s->vocab = by ? (w->arch.vocab + by - 1) / by * by : 0;
    return ts_mg_split_check(&w->arch, s);
}

/* The description of what the files hold: as reading settles it, and of further layers those that are asked for. */
static ts_status settle(writer *w)
{
    const ts_convert_model *m = w->m;
    const ts_st_dir *dir = m->tensors;
    const ts_family *f = m->source.family;
    TS_TRY(ts_arch_copy(m->source.arch, &w->arch));
    if (m->source.config && !(w->config = json_deep_copy(m->source.config)))
        return ts_error(TS_ERR_NOMEM, "out of memory");
    if (!dir)
        return TS_OK;
    TS_TRY(ts_weights_settle_tie(f, dir, m->path, &w->arch, w->config));
    TS_TRY(ts_weights_settle_mtp(f, dir, &w->arch));
    TS_TRY(ts_weights_want_mtp(m->path, w->o->cut.mtp_layers, &w->arch, w->config));
    TS_TRY(ts_weights_settle_names(f, dir, &w->arch));
    ts_weights_settle_experts(dir, &w->arch);
    return TS_OK;
}

static ts_status open_writer(writer *w)
{
    const ts_convert_model *m = w->m;
    if (!m->source.arch)
        return ts_error(TS_ERR_USER, "%s is of a kind that is not known here, whose layers have no names in Megatron's checkpoints",
                        m->path);
    TS_TRY(settle(w));
    TS_TRY(read_split(w));
    TS_TRY(ts_param_list_make(&w->arch, &w->params));
    if (m->tensors) {
        TS_TRY(ts_param_values_of_folder(m->source.family, &w->arch, m->tensors, m->path, &w->values));
        w->from = &w->values;
    }
    if (!m->adapters)
        return TS_OK;
    const ts_weights_source own = { .read = ts_param_values_read, .ctx = (void *)(uintptr_t)w->from };
    return ts_convert_merge_init(&w->merge, w->o, w->from ? &own : &m->source, m->adapters);
}

static void close_writer(writer *w)
{
    ts_convert_merge_deinit(&w->merge);
    ts_param_values_deinit(&w->values);
    ts_param_list_deinit(&w->params);
    ts_arch_deinit(&w->arch);
    json_decref(w->config);
    ts_free(&w->stage_layers);
    ts_free(&w->noop);
    ts_free(&w->buffer);
}

/* ---- tensors ---- */

static ts_st_dtype dtype_of(const writer *w, const ts_mg_layout *l, const ts_mg_tensor *t)
{
    const ts_st_dtype own = w->from ? ts_param_values_dtype(w->from, l->piece[t->first_piece].param) : w->m->dtype;
    return ts_convert_dtype(w->o, own);
}

static int64_t elements(const ts_mg_tensor *t) { return t->rank > 1 ? t->shape[0] * t->shape[1] : t->shape[0]; }

/* A rectangle of what gives runs of fp32: some whole rows at a time. */
static ts_status put_read(writer *w, const ts_mg_piece *p, bool merged, const ts_param_target *to)
{
    enum { AT_ONCE = 1 << 18 }; /* elements */
    const char *name = ts_names_text(w->params.names, p->param);
    const ts_listed_param *param = &w->params.param[p->param];
    const int64_t wide = param->dim[1] ? param->dim[1] : 1, step = wide < AT_ONCE ? AT_ONCE / wide : 1;
    const size_t size = (size_t)ts_st_dtype_bits(to->dtype) / 8;
    const ts_weights_source *s = &w->m->source;
    float *rows;
    TS_TRY(ts_alloc(&rows, (size_t)(step * wide + 2 * p->cols), sizeof *rows));
    char *bytes = (char *)(rows + step * wide);
    ts_status st = TS_OK;
    for (int64_t r = 0; st == TS_OK && r < p->rows; r += step) {
        const int64_t n = p->rows - r < step ? p->rows - r : step, at = (p->row + r) * wide;
        st = merged ? ts_merger_read(&w->merge.merger, name, at, n * wide, rows) : s->read(s->ctx, name, at, n * wide, rows);
        for (int64_t i = 0; st == TS_OK && i < n; i++) {
            ts_st_from_f32(to->dtype, rows + i * wide + p->col, p->cols, bytes);
            for (int64_t j = 0; j < p->cols; j++)
                memcpy(to->to + (size_t)((r + i) * to->row_step + j * to->col_step) * size, bytes + (size_t)j * size, size);
        }
    }
    ts_free(&rows);
    return st;
}

static ts_status put_piece(writer *w, const ts_mg_piece *p, const ts_param_target *to)
{
    const bool merged = w->m->adapters && ts_convert_merge_changes(w->m->adapters, ts_names_text(w->params.names, p->param));
    if (w->from && !merged)
        return ts_param_values_put(w->from, p->param, p->row, p->rows, p->col, p->cols, to);
    return put_read(w, p, merged, to);
}

/* What was read of a mapping need not be this process's memory any more. */
static void give_back(const writer *w, const ts_mg_layout *l, const ts_mg_tensor *t)
{
    const ts_weights_source *s = &w->m->source;
    size_t last = SIZE_MAX;
    for (size_t i = t->first_piece; w->from && i < t->first_piece + t->n_pieces; i++) {
        const size_t param = l->piece[i].param;
        for (size_t k = w->from->first[param]; param != last && k < w->from->first[param + 1]; k++) {
            const ts_st_tensor *x = w->from->block[k].t;
            if (w->m->tensors)
                ts_st_dir_is_done(w->m->tensors, x);
            else if (s->is_done)
                s->is_done(s->done_ctx, x);
        }
        last = param;
    }
}

static ts_status need_room(writer *w, size_t bytes)
{
    if (bytes <= w->room)
        return TS_OK;
    ts_free(&w->buffer);
    TS_TRY(ts_alloc(&w->buffer, bytes, 1));
    w->room = bytes;
    return TS_OK;
}

/* Whether the tensor is whole rows of parameters, as files have them, one behind the other. */
static bool is_straight(const writer *w, const ts_mg_layout *l, const ts_mg_tensor *t)
{
    int64_t at = 0;
    for (size_t i = t->first_piece; i < t->first_piece + t->n_pieces; i++) {
        const ts_mg_piece *p = &l->piece[i];
        const ts_listed_param *param = &w->params.param[p->param];
        if (p->at != at || p->row_step != p->cols || p->col_step != 1 || p->cols != (param->dim[1] ? param->dim[1] : 1))
            return false;
        at += p->rows * p->cols;
    }
    return w->from && !w->m->adapters;
}

/* Such a tensor's bytes, from where they stand. */
static ts_status write_runs(writer *w, ts_torch_writer *file, const ts_mg_piece *p, ts_st_dtype dtype)
{
    const size_t row = (size_t)(p->cols * ts_st_dtype_bits(dtype) / 8);
    const int64_t some = (1 << 20) / (int64_t)row + 1;
    for (int64_t r = 0, n; r < p->rows; r += n) {
        const char *bytes = ts_param_values_run(w->from, p->param, p->row + r, p->rows - r, dtype, &n);
        if (!bytes) {
            n = p->rows - r < some ? p->rows - r : some;
            TS_TRY(need_room(w, (size_t)n * row));
            TS_TRY(ts_param_values_put(w->from, p->param, p->row + r, n, 0, p->cols, &(ts_param_target){ dtype, w->buffer, p->cols, 1 }));
            bytes = w->buffer;
        }
        TS_TRY(ts_torch_writer_put(file, bytes, (size_t)n * row));
    }
    return TS_OK;
}

static ts_status write_tensor(writer *w, ts_torch_writer *file, const ts_mg_layout *l, const ts_mg_tensor *t)
{
    const ts_st_dtype dtype = dtype_of(w, l, t);
    const size_t size = (size_t)ts_st_dtype_bits(dtype) / 8, bytes = (size_t)elements(t) * size;
    w->bytes += bytes;
    ts_convert_progress(++w->done, w->all);
    if (is_straight(w, l, t)) {
        for (size_t i = t->first_piece; i < t->first_piece + t->n_pieces; i++)
            TS_TRY(write_runs(w, file, &l->piece[i], dtype));
        give_back(w, l, t);
        return TS_OK;
    }
    TS_TRY(need_room(w, bytes));
    for (size_t i = t->first_piece; i < t->first_piece + t->n_pieces; i++) {
        const ts_mg_piece *p = &l->piece[i];
        const ts_param_target to = { dtype, w->buffer + (size_t)p->at * size, p->row_step, p->col_step };
        TS_TRY(put_piece(w, p, &to));
    }
    give_back(w, l, t);
    return ts_torch_writer_put(file, w->buffer, bytes);
}

/* ---- one file ---- */

static ts_status name_tensors(const writer *w, ts_torch_writer *file, const ts_mg_layout *l)
{
    ts_str *p = ts_torch_writer_pickle(file);
    const int64_t chunks = ts_mg_chunks(&w->arch, &w->split);
    for (int64_t c = 0; c < chunks; c++) {
        char key[24];
        snprintf(key, sizeof key, chunks > 1 ? "model%lld" : "model", (long long)c);
        TS_TRY(ts_pickle_put_text(p, key));
        TS_TRY(ts_pickle_begin_dict(p));
        for (size_t i = 0; i < l->n; i++) {
            const ts_mg_tensor *t = &l->tensor[i];
            if (t->chunk != c)
                continue;
            TS_TRY(ts_pickle_put_text(p, t->name));
            TS_TRY(ts_torch_writer_add(file, dtype_of(w, l, t), t->rank, t->shape));
        }
        TS_TRY(ts_pickle_end_dict(p));
    }
    return TS_OK;
}

static ts_status write_pickle(const writer *w, ts_torch_writer *file, const ts_mg_layout *l)
{
    ts_str *p = ts_torch_writer_pickle(file);
    TS_TRY(ts_pickle_begin_dict(p));
    TS_TRY(ts_pickle_put_text(p, "args"));
    TS_TRY(ts_mg_args_put(p, &w->arch, &w->split, w->config, ts_convert_dtype(w->o, w->m->dtype)));
    TS_TRY(ts_pickle_put_text(p, "checkpoint_version"));
    TS_TRY(ts_pickle_put_real(p, 3));
    TS_TRY(ts_pickle_put_text(p, "iteration"));
    TS_TRY(ts_pickle_put_int(p, 1));
    TS_TRY(name_tensors(w, file, l));
    return ts_pickle_end_dict(p);
}

static ts_status write_file(writer *w, const char *path, const ts_mg_layout *l)
{
    ts_torch_writer *file = NULL;
    const int64_t chunks = ts_mg_chunks(&w->arch, &w->split);
    ts_status st = ts_torch_writer_create(path, &file);
    if (st == TS_OK)
        st = write_pickle(w, file, l);
    if (st == TS_OK)
        st = ts_torch_writer_begin(file);
    for (int64_t c = 0; c < chunks; c++)
        for (size_t i = 0; st == TS_OK && i < l->n; i++)
            if (l->tensor[i].chunk == c)
                st = write_tensor(w, file, l, &l->tensor[i]);
    if (st == TS_OK)
        st = ts_torch_writer_finish(file);
    ts_torch_writer_destroy(&file);
    return st;
}

static ts_status write_rank(writer *w, const char *folder, const ts_mg_rank *rank)
{
    char name[TS_MG_RANK_NAME];
    ts_str path = { 0 };
    ts_mg_layout l = { 0 };
    ts_mg_rank_name(&w->split, rank, name);
    ts_status st = ts_str_printf(&path, "%s/iter_0000001/%s", folder, name);
    if (st == TS_OK)
        st = ts_mkdirs(path.s);
    if (st == TS_OK)
        st = ts_str_puts(&path, "/model_optim_rng.pt");
    if (st == TS_OK)
        st = ts_mg_layout_make(&w->arch, &w->params, &w->split, rank, &l);
    const size_t ranks = (size_t)(w->split.tp * w->split.pp * w->split.ep);
    w->all = w->all ? w->all : l.n * ranks;
    if (st == TS_OK)
        st = write_file(w, path.s, &l);
    ts_mg_layout_deinit(&l);
    ts_str_deinit(&path);
    return st;
}

static ts_status write_folder(void *ctx, const char *folder)
{
    static const char tracker[] = "latest_checkpointed_iteration.txt";
    writer *w = ctx;
    ts_str path = { 0 };
    for (int64_t p = 0; p < w->split.pp; p++)
        for (int64_t e = 0; e < w->split.ep; e++)
            for (int64_t t = 0; t < w->split.tp; t++) {
                const ts_mg_rank rank = { t, p, e };
                if (ts_mg_rank_is_written(&w->split, &rank))
                    TS_TRY(write_rank(w, folder, &rank));
            }
    ts_status st = ts_side_files_write(w->m->source.files, folder);
    if (st == TS_OK)
        st = ts_path_join(&path, folder, tracker);
    if (st == TS_OK)
        st = ts_file_write_atomic(path.s, "1\n", 2);
    ts_str_deinit(&path);
    return st;
}

/* Of weights of few bits: a folder of their values first. */
static ts_status write_values(const ts_convert_options *o, ts_convert_model *m, ts_convert_result *r)
{
    ts_convert_options to_folder = *o, from_folder = *o;
    from_folder.load_type = TS_CONVERT_LOAD_HF;
    from_folder.lora = (ts_lora_options){ 0 };
    from_folder.text = (ts_text_options){ 0 };
    from_folder.rows = (ts_new_rows_options){ 0 };
    from_folder.unpacked = from_folder.check = from_folder.json = false;
    return ts_convert_through(o->save_dir, &to_folder, &from_folder, m, r);
}

static ts_status write_mg(const ts_convert_options *o, ts_convert_model *m, ts_convert_result *r)
{
    if (ts_convert_is_packed(m))
        return write_values(o, m, r);
    writer w = { .o = o, .m = m, .from = m->source.values };
    ts_status st = open_writer(&w);
    if (st == TS_OK)
        st = ts_weights_publish(o->save_dir, "--save-dir", write_folder, &w);
    snprintf(r->architecture, sizeof r->architecture, "Megatron");
    r->tensors = (int64_t)w.done;
    r->bytes = (int64_t)w.bytes;
    close_writer(&w);
    return st;
}

const ts_convert_writer ts_convert_mg_writer = { "mg", ts_convert_check_folder, write_mg };
