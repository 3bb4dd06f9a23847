/* The values of a checkpoint's model: each rank's tensors where the layout says that they stand. */
#include "model/megatron/read.h"
#include "model/megatron/read_parts.h"

#include <string.h>

/* Rows of the whole embedding, filled up: those of the first process's part times their number. */
static ts_status find_vocab(ts_mg_checkpoint *ck, const ts_arch *a)
{
    static const char name[] = "embedding.word_embeddings.weight";
    ts_mg_rank_file *f = &ck->file[0];
    ts_st_tensor t;
    const ts_pickle_node *node = ts_pickle_get(ts_mg_dict(ck, f, 0), name);
    if (!ts_torch_is_tensor(node))
        return ts_error(TS_ERR_USER, "%s: tensor %s is missing", ts_torch_file_path(f->file), name);
    TS_TRY(ts_torch_tensor(f->file, name, node, &t));
    const int64_t rows = t.rank == 2 ? t.shape[0] : 0, most = INT64_MAX / ck->split.tp;
    if (rows > most || rows * ck->split.tp < a->vocab)
        return ts_error(TS_ERR_USER, "%s: tensor %s has %lld rows (of %lld processes), expected %lld tokens", t.path, name,
                        (long long)rows, (long long)ck->split.tp, (long long)a->vocab);
    ck->split.vocab = rows * ck->split.tp;
    return TS_OK;
}

static bool fits(const ts_st_tensor *t, const ts_mg_tensor *want)
{
    const int64_t n = want->rank > 1 ? want->shape[0] * want->shape[1] : want->shape[0];
    return t->elements == n && t->rank >= 1 && t->shape[t->rank - 1] == want->shape[want->rank - 1];
}

static ts_status take_tensor(const ts_mg_checkpoint *ck, ts_mg_rank_file *f, const ts_mg_layout *l, const ts_mg_tensor *want,
                             ts_param_values *v)
{
    const ts_pickle_node *node = ts_pickle_get(ts_mg_dict(ck, f, want->chunk), want->name);
    if (!ts_torch_is_tensor(node))
        return ts_error(TS_ERR_USER, "%s: tensor %s is missing", ts_torch_file_path(f->file), want->name);
    ts_st_tensor *t = &f->kept[f->n++];
    char *name;
    TS_TRY(ts_arena_alloc(&f->names, strlen(want->name) + 1, &name));
    strcpy(name, want->name);
    TS_TRY(ts_torch_tensor(f->file, name, node, t));
    ts_torch_file_is_done(f->file, t);
    if (!fits(t, want))
        return ts_error(TS_ERR_USER, "%s: tensor %s has %lld elements in rows of %lld, expected %lld%s%.0lld", t->path, name,
                        (long long)t->elements, (long long)(t->rank ? t->shape[t->rank - 1] : 1), (long long)want->shape[0],
                        want->rank > 1 ? " x " : "", (long long)want->shape[1]);
    for (size_t i = want->first_piece; i < want->first_piece + want->n_pieces; i++) {
        const ts_mg_piece *p = &l->piece[i];
        if (!p->again)
            TS_TRY(ts_param_values_add(v, &(ts_param_block){ p->param, p->row, p->rows, p->col, p->cols, t, p->at, p->row_step,
                                                             p->col_step }));
    }
    return TS_OK;
}

static ts_status take_rank(ts_mg_checkpoint *ck, const ts_arch *a, const ts_mg_rank *r, ts_param_values *v)
{
    ts_mg_layout l = { 0 };
    ts_mg_rank_file *f = ts_mg_rank_file_of(ck, r);
    TS_TRY(ts_mg_layout_make(a, &v->params, &ck->split, r, &l));
    ts_free(&f->kept);
    f->n = 0;
    ts_status st = ts_alloc(&f->kept, l.n, sizeof *f->kept);
    for (size_t i = 0; st == TS_OK && i < l.n; i++)
        if (!l.tensor[i].is_copy)
            st = take_tensor(ck, f, &l, &l.tensor[i], v);
    ts_mg_layout_deinit(&l);
    return st;
}

ts_status ts_mg_checkpoint_values(ts_mg_checkpoint *ck, const ts_arch *a, ts_param_values *out)
{
    const ts_mg_split *s = &ck->split;
    ts_param_values v = { 0 };
    if (ck->dist)
        return ts_mg_dist_values(ck->dist, a, out);
    TS_TRY(find_vocab(ck, a));
    ts_status st = ts_mg_split_check(a, s);
    if (st != TS_OK)
        return ts_error_context(st, "while reading %s", ck->folder);
    st = ts_param_values_init(a, &v);
    for (int64_t p = 0; st == TS_OK && p < s->pp; p++)
        for (int64_t e = 0; st == TS_OK && e < s->ep; e++)
            for (int64_t t = 0; st == TS_OK && t < s->tp; t++) {
                const ts_mg_rank r = { t, p, e };
                if (ts_mg_rank_is_written(s, &r))
                    st = take_rank(ck, a, &r, &v);
            }
    if (st == TS_OK)
        st = ts_param_values_finish(&v, ck->folder);
    if (st == TS_OK)
        *out = v;
    else
        ts_param_values_deinit(&v);
    return st;
}

ts_st_dtype ts_mg_checkpoint_dtype(const ts_param_values *v)
{
    const int64_t n = ts_names_find(v->params.names, "embedding.word_embeddings.weight");
    return n < 0 ? TS_ST_F32 : ts_param_values_dtype(v, (size_t)n);
}
