#include "model/megatron/layout.h"

#include "base/file.h"
#include "model/megatron/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 192 };

/* ---- which rank has a layer ---- */

/* Places of layers, those that are none among them. */
static int64_t places(const ts_arch *a, const ts_mg_split *s) { return a->n_layers + s->n_noop; }

int64_t ts_mg_chunks(const ts_arch *a, const ts_mg_split *s)
{
    return s->folds ? 2 : s->chunk_layers ? places(a, s) / (s->pp * s->chunk_layers) : 1;
}

/* The place of layer number i: those that are none are passed over. */
static int64_t place_of(const ts_mg_split *s, int64_t i)
{
    for (int64_t k = 0; k < s->n_noop && s->noop[k] <= i; k++)
        i++;
    return i;
}

typedef struct home {
    int64_t stage, chunk, layer; /* the layer's number in its chunk */
} home;

static home home_of_layer(const ts_arch *a, const ts_mg_split *s, int64_t i)
{
    const int64_t at = place_of(s, i), all = places(a, s);
    if (s->stage_layers) {
        home h = { 0, 0, at };
        while (h.layer >= s->stage_layers[h.stage])
            h.layer -= s->stage_layers[h.stage++];
        return h;
    }
    const int64_t run = s->folds ? all / (2 * s->pp) : s->chunk_layers ? s->chunk_layers : all / s->pp, block = at / run;
    if (s->folds)
        return (home){ block < s->pp ? block : 2 * s->pp - 1 - block, block >= s->pp, at % run };
    return (home){ block % s->pp, block / s->pp, at % run };
}

static home end_of(const ts_arch *a, const ts_mg_split *s)
{
    return (home){ s->folds ? 0 : s->pp - 1, ts_mg_chunks(a, s) - 1, 0 };
}

/* ---- making ---- */

typedef struct maker {
    const ts_arch *a;
    const ts_param_list *params;
    const ts_mg_split *s;
    const ts_mg_rank *rank;
    ts_mg_layout *out;
} maker;

/* One parameter on its way: as a matrix of rows; a vector's have one element. */
typedef struct item {
    size_t param;
    const ts_listed_param *p;
    const char *name; /* the tensor's */
    int64_t rows, cols, chunk;
    bool flat, is_copy;
} item;

static ts_status add_tensor(const maker *m, const item *i, int rank, int64_t rows, int64_t cols, bool is_copy)
{
    ts_mg_layout *l = m->out;
    TS_TRY(ts_grow(&l->tensor, &l->cap, l->n + 1, sizeof *l->tensor));
    ts_mg_tensor *t = &l->tensor[l->n];
    *t = (ts_mg_tensor){ .rank = rank, .shape = { rows, cols }, .chunk = i->chunk, .is_copy = i->is_copy || is_copy,
                         .first_piece = l->n_pieces };
    TS_TRY(ts_strdup(i->name, &t->name));
    l->n++;
    return TS_OK;
}

static ts_status add_piece(const maker *m, const item *i, ts_mg_piece piece)
{
    ts_mg_layout *l = m->out;
    TS_TRY(ts_grow(&l->piece, &l->cap_pieces, l->n_pieces + 1, sizeof *l->piece));
    piece.param = i->param;
    l->piece[l->n_pieces++] = piece;
    l->tensor[l->n - 1].n_pieces++;
    return TS_OK;
}

/* Rows that stand in the tensor as they do in the parameter, from row `to` on. */
static ts_status add_rows(const maker *m, const item *i, int64_t row, int64_t rows, int64_t to)
{
    return add_piece(m, i, (ts_mg_piece){ .row = row, .rows = rows, .cols = i->cols, .at = to * i->cols, .row_step = i->cols,
                                          .col_step = 1 });
}

static ts_status add_block(const maker *m, const item *i, int64_t row, int64_t rows, bool is_copy)
{
    TS_TRY(add_tensor(m, i, i->flat ? 1 : 2, rows, i->flat ? 0 : i->cols, is_copy));
    return add_rows(m, i, row, rows, 0);
}

static ts_status add_columns(const maker *m, const item *i)
{
    const int64_t n = i->cols / m->s->tp;
    TS_TRY(add_tensor(m, i, 2, i->rows, n, false));
    return add_piece(m, i, (ts_mg_piece){ .rows = i->rows, .col = m->rank->t * n, .cols = n, .row_step = n, .col_step = 1 });
}

static ts_status add_gated(const maker *m, const item *i)
{
    const int64_t t = m->rank->t, half = i->rows / 2, n = half / m->s->tp;
    if (!m->a->gated)
        return add_block(m, i, t * i->rows / m->s->tp, i->rows / m->s->tp, false);
    TS_TRY(add_tensor(m, i, i->flat ? 1 : 2, 2 * n, i->flat ? 0 : i->cols, false));
    TS_TRY(add_rows(m, i, t * n, n, 0));
    return add_rows(m, i, half + t * n, n, n);
}

/* Rows beyond the tokens are the last token's again, as the original's converter has it. */
static ts_status add_vocab(const maker *m, const item *i)
{
    const int64_t all = m->s->vocab ? m->s->vocab : i->rows, n = all / m->s->tp, row = m->rank->t * n;
    const int64_t here = row >= i->rows ? 0 : i->rows - row < n ? i->rows - row : n;
    TS_TRY(add_tensor(m, i, i->flat ? 1 : 2, n, i->flat ? 0 : i->cols, false));
    if (here)
        TS_TRY(add_rows(m, i, row, here, 0));
    for (int64_t r = here; r < n; r++) {
        TS_TRY(add_rows(m, i, i->rows - 1, 1, r));
        m->out->piece[m->out->n_pieces - 1].again = true;
    }
    return TS_OK;
}

static ts_status add_joined(const maker *m, const item *i)
{
    ts_mg_layout *l = m->out;
    for (size_t k = l->n; k-- > 0;) {
        ts_mg_tensor *t = &l->tensor[k];
        if (t->chunk != i->chunk || strcmp(t->name, i->name) != 0)
            continue;
        /* between the two stand norms and up projections: the piece goes behind its tensor's own */
        TS_TRY(ts_grow(&l->piece, &l->cap_pieces, l->n_pieces + 1, sizeof *l->piece));
        const size_t at = t->first_piece + t->n_pieces;
        memmove(l->piece + at + 1, l->piece + at, (l->n_pieces - at) * sizeof *l->piece);
        l->piece[at] = (ts_mg_piece){ .param = i->param, .rows = i->rows, .cols = i->cols, .at = t->shape[0] * i->cols,
                                      .row_step = i->cols, .col_step = 1 };
        l->n_pieces++;
        t->n_pieces++;
        t->shape[0] += i->rows;
        for (size_t later = k + 1; later < l->n; later++)
            l->tensor[later].first_piece++;
        return TS_OK;
    }
    return add_block(m, i, 0, i->rows, m->rank->t > 0);
}

/* Of each head on this rank `n` rows from number `first` of its `each` on. */
static ts_status add_part(const maker *m, const item *i, const char *name, int64_t each, int64_t first, int64_t n)
{
    const int64_t heads = i->rows / each / m->s->tp;
    item part = *i;
    part.name = name;
    TS_TRY(add_tensor(m, &part, 2, heads * n, i->cols, false));
    for (int64_t h = 0; h < heads; h++)
        TS_TRY(add_rows(m, i, (m->rank->t * heads + h) * each + first, n, h * n));
    return TS_OK;
}

/* ---- experts ---- */

/* Those of this rank: from number *first on so many. */
static int64_t experts_here(const maker *m, int64_t *first)
{
    const ts_mg_split *s = m->s;
    const int64_t ranks = s->tp_extends_ep ? s->ep * s->tp : s->ep, n = m->a->n_experts / ranks;
    *first = n * (s->tp_extends_ep ? m->rank->e * s->tp + m->rank->t : m->rank->e);
    return n;
}

/* Rank and number of those that share out an expert's matrices. */
static int64_t expert_tp(const maker *m) { return m->s->experts_whole || m->s->tp_extends_ep ? 1 : m->s->tp; }

/* [experts, hidden, 2 ffn / T] and [experts, ffn / T, hidden], as matrices [hidden, ...] and [..., hidden]: each expert's
 * is turned, and only the shape of the whole is another. */
static ts_status add_grouped(const maker *m, const item *i, bool is_first)
{
    const int64_t parts = expert_tp(m), t = parts > 1 ? m->rank->t : 0, each = i->rows / m->a->n_experts, h = m->a->hidden;
    int64_t first;
    const int64_t n = experts_here(m, &first), wide = is_first ? each / parts : i->cols / parts;
    const int64_t halves = is_first && m->a->gated ? 2 : 1, rows = is_first ? each / halves : each, some = rows / parts;
    const bool is_copy = parts == 1 && !m->s->tp_extends_ep && m->rank->t > 0;
    TS_TRY(is_first ? add_tensor(m, i, 2, h, n * wide, is_copy) : add_tensor(m, i, 2, n * wide, h, is_copy));
    for (int64_t e = 0; e < n; e++) {
        ts_mg_piece p = { .row = (first + e) * each, .at = e * h * wide };
        if (!is_first) {
            p.rows = each, p.col = t * wide, p.cols = wide, p.row_step = 1, p.col_step = h;
            TS_TRY(add_piece(m, i, p));
        }
        for (int64_t half = 0; is_first && half < halves; half++) {
            p.row = (first + e) * each + half * rows + t * some;
            p.rows = some, p.cols = h, p.row_step = 1, p.col_step = wide, p.at = e * h * wide + half * some;
            TS_TRY(add_piece(m, i, p));
        }
    }
    return TS_OK;
}

/* One expert's own tensor, number e of this rank and `global` of all. */
static ts_status add_expert(const maker *m, const item *i, bool is_first, int64_t global)
{
    const int64_t parts = expert_tp(m), t = parts > 1 ? m->rank->t : 0, each = i->rows / m->a->n_experts, row = global * each;
    const bool is_copy = parts == 1 && !m->s->tp_extends_ep && m->rank->t > 0;
    if (!is_first) {
        const int64_t n = i->cols / parts;
        TS_TRY(add_tensor(m, i, 2, each, n, is_copy));
        return add_piece(m, i, (ts_mg_piece){ .row = row, .rows = each, .col = t * n, .cols = n, .row_step = n, .col_step = 1 });
    }
    const int64_t halves = m->a->gated ? 2 : 1, rows = each / halves, some = rows / parts;
    TS_TRY(add_tensor(m, i, 2, each / parts, i->cols, is_copy));
    for (int64_t half = 0; half < halves; half++)
        TS_TRY(add_rows(m, i, row + half * rows + t * some, some, half * some));
    return TS_OK;
}

/* One expert's own bias. That of the second matrix is added once, so all ranks that share the matrix out have it whole. */
static ts_status add_expert_bias(const maker *m, const item *i, bool is_first, int64_t global)
{
    const int64_t parts = is_first ? expert_tp(m) : 1, t = parts > 1 ? m->rank->t : 0, each = i->rows / m->a->n_experts;
    const int64_t halves = is_first && m->a->gated ? 2 : 1, rows = each / halves, some = rows / parts;
    TS_TRY(add_tensor(m, i, 1, each / parts, 0, parts == 1 && !m->s->tp_extends_ep && m->rank->t > 0));
    for (int64_t half = 0; half < halves; half++)
        TS_TRY(add_rows(m, i, global * each + half * rows + t * some, some, half * some));
    return TS_OK;
}

static ts_status add_experts(const maker *m, const item *i, const char *prefix, ts_mg_cut cut)
{
    char name[NAME];
    int64_t first;
    const bool is_bias = cut == TS_MG_EXPERT_BIASES_1 || cut == TS_MG_EXPERT_BIASES_2;
    const bool is_first = cut == TS_MG_EXPERTS_1 || cut == TS_MG_EXPERT_BIASES_1;
    const char *kind = is_bias ? "bias" : "weight";
    const int which = is_first ? 1 : 2;
    if (m->s->experts == TS_MG_GROUPED)
        return add_grouped(m, i, is_first);
    const int64_t n = experts_here(m, &first);
    for (int64_t e = 0; e < n; e++) {
        item one = *i;
        if (m->s->experts == TS_MG_NUMBERED)
            snprintf(name, sizeof name, "%smlp.experts.linear_fc%d.%s%lld", prefix, which, kind, (long long)e);
        else
            snprintf(name, sizeof name, "%smlp.experts.local_experts.%lld.linear_fc%d.%s", prefix, (long long)e, which, kind);
        one.name = name;
        TS_TRY(is_bias ? add_expert_bias(m, &one, is_first, first + e) : add_expert(m, &one, is_first, first + e));
    }
    return TS_OK;
}

/* ---- one parameter ---- */

/* Rows of a head, and of its first part: of latent attention's up projections. */
static void parts_of(const ts_arch *a, const ts_mg_rule *r, int64_t *each, int64_t *first)
{
    const bool is_query = strstr(r->ours, "q_up");
    *first = a->head_dim - a->qk_rope_dim;
    *each = is_query ? a->head_dim : *first + a->v_head_dim;
}

static ts_status add(const maker *m, const item *i, const ts_mg_rule *r, const char *prefix)
{
    char other[NAME];
    int64_t each, first;
    const int64_t t = m->rank->t, n = i->rows / m->s->tp;
    switch (r->cut) {
    case TS_MG_WHOLE: return add_block(m, i, 0, i->rows, t > 0);
    case TS_MG_ROWS: return add_block(m, i, t * n, n, false);
    case TS_MG_COLUMNS: return add_columns(m, i);
    case TS_MG_GATED: return add_gated(m, i);
    case TS_MG_VOCAB: return add_vocab(m, i);
    case TS_MG_JOINED: return add_joined(m, i);
    case TS_MG_LINE:
        TS_TRY(add_tensor(m, i, 2, 1, i->rows * i->cols, t > 0));
        return add_rows(m, i, 0, i->rows, 0);
    case TS_MG_EXPERTS_1:
    case TS_MG_EXPERTS_2:
    case TS_MG_EXPERT_BIASES_1:
    case TS_MG_EXPERT_BIASES_2: return add_experts(m, i, prefix, r->cut);
    case TS_MG_TWO_PARTS:
        if (!m->s->mla_split)
            return add_block(m, i, t * n, n, false);
        parts_of(m->a, r, &each, &first);
        snprintf(other, sizeof other, "%s%s", prefix, r->other);
        TS_TRY(add_part(m, i, i->name, each, 0, first));
        return add_part(m, i, other, each, first, each - first);
    }
    return TS_OK;
}

/* Where norms stand that are their linear layers' own: of latent attention those of its vectors, and input_layernorm stands alone. */
static const char *norm_inside(const ts_arch *a, const ts_mg_split *s, const char *ours, int64_t layer)
{
    const bool is_latent = s->core_names && ts_arch_block(a, layer)->attention == TS_ATTENTION_LATENT;
    bool of_latent;
    const char *inside = ts_mg_norm_inside(ours, &of_latent);
    if (!inside || (of_latent && !is_latent) || (is_latent && !strncmp(ours, "input", 5)) ||
        (!strncmp(ours, "pre_mlp", 7) && ts_has_experts(ts_arch_block(a, layer))))
        return NULL;
    return inside;
}

/* Their name of a parameter behind the layer's. */
static const char *their_name(const ts_arch *a, const ts_mg_split *s, const ts_mg_rule *r, int64_t layer)
{
    const char *inside = s->norms_inside && layer >= 0 ? norm_inside(a, s, r->ours, layer) : NULL;
    if (inside)
        return inside;
    if ((r->cut == TS_MG_TWO_PARTS && !s->mla_split) || (s->core_names && r->cut == TS_MG_JOINED))
        return r->ours;
    return r->theirs ? r->theirs : r->ours;
}

static ts_status add_param(const maker *m, size_t number, const char *name, home at, bool is_copy)
{
    const ts_mg_name p = ts_mg_name_parse(ts_names_text(m->params->names, number));
    const ts_mg_rule *r = ts_mg_rule_of(&p);
    char prefix[64] = "", full[NAME];
    item i = { .param = number, .p = &m->params->param[number], .chunk = at.chunk, .is_copy = is_copy || (m->rank->e > 0 && !ts_mg_is_of_experts(r)) };
    i.flat = !i.p->dim[1];
    i.rows = i.p->dim[0];
    i.cols = i.flat ? 1 : i.p->dim[1];
    if (p.is_further)
        snprintf(prefix, sizeof prefix, "mtp.layers.%lld.%s", (long long)p.layer, p.is_inside ? "transformer_layer." : "");
    else if (p.layer >= 0)
        snprintf(prefix, sizeof prefix, "decoder.layers.%lld.", (long long)at.layer);
    if (!name)
        name = their_name(m->a, m->s, r, p.is_further ? m->a->n_layers + p.layer : p.layer);
    snprintf(full, sizeof full, "%s%s", prefix, name);
    i.name = full;
    return add(m, &i, r, prefix);
}

/* The norm behind layers that predict further tokens, and the model's own beside it, are called otherwise in MindSpeed. */
static const char *final_norm_name(const maker *m, const ts_mg_name *p, char to[NAME])
{
    if (m->s->core_names || !m->a->mtp_layers)
        return NULL;
    if (!strncmp(p->rest, "decoder.final_layernorm.", 24))
        return p->rest + 8;
    if (!p->is_further || strcmp(p->rest, "final_layernorm.weight") != 0)
        return NULL;
    snprintf(to, NAME, "mtp.final_layernorms.%lld.weight", (long long)p->layer);
    return to;
}

/* mtp.layers.K.final_layernorm, whose name has no layer's in front. */
static ts_status add_further_norm(const maker *m, size_t number, const char *name, home at)
{
    item i = { .param = number, .p = &m->params->param[number], .chunk = at.chunk, .name = name, .flat = true, .cols = 1,
               .is_copy = m->rank->e > 0 };
    i.rows = i.p->dim[0];
    return add_block(m, &i, 0, i.rows, m->rank->t > 0);
}

static ts_status add_one(const maker *m, size_t number)
{
    const char *name = ts_names_text(m->params->names, number);
    const ts_mg_name p = ts_mg_name_parse(name);
    char text[NAME];
    const bool is_first = !strncmp(name, "embedding.", 10);
    const home at = is_first ? (home){ 0 } : p.layer >= 0 && !p.is_further ? home_of_layer(m->a, m->s, p.layer) : end_of(m->a, m->s);
    if (at.stage != m->rank->p)
        return TS_OK;
    const char *other = final_norm_name(m, &p, text);
    if (other == text)
        return add_further_norm(m, number, text, at);
    return add_param(m, number, other, at, false);
}

/* The embedding where the last stage needs it: as the output layer of a tied model, and for layers that predict further
 * tokens. */
static ts_status add_copies(const maker *m)
{
    const int64_t number = ts_names_find(m->params->names, "embedding.word_embeddings.weight");
    const home end = end_of(m->a, m->s);
    if (number < 0 || m->s->pp == 1 || end.stage != m->rank->p)
        return TS_OK;
    if (m->a->mtp_layers)
        TS_TRY(add_param(m, (size_t)number, NULL, end, true));
    return m->a->tied ? add_param(m, (size_t)number, "output_layer.weight", end, true) : TS_OK;
}

ts_status ts_mg_layout_make(const ts_arch *a, const ts_param_list *params, const ts_mg_split *s, const ts_mg_rank *rank,
                            ts_mg_layout *out)
{
    ts_mg_layout l = { 0 };
    const maker m = { a, params, s, rank, &l };
    ts_status st = TS_OK;
    for (size_t i = 0; st == TS_OK && i < ts_names_count(params->names); i++)
        st = add_one(&m, i);
    if (st == TS_OK)
        st = add_copies(&m);
    if (st == TS_OK)
        *out = l;
    else
        ts_mg_layout_deinit(&l);
    return st;
}

void ts_mg_layout_deinit(ts_mg_layout *l)
{
    for (size_t i = 0; i < l->n; i++)
        ts_free(&l->tensor[i].name);
    ts_free(&l->tensor);
    ts_free(&l->piece);
    *l = (ts_mg_layout){ 0 };
}
