#include "model/family.h"
#include "model/param_list.h"
#include "model/vision.h"

#include <stdio.h>
#include <string.h>

void ts_name_map_deinit(ts_name_map *m)
{
    for (size_t i = 0; i < m->n_pieces; i++)
        ts_free(&m->piece[i].name);
    for (size_t i = 0; i < m->n_tensors; i++)
        ts_free(&m->tensor[i].hf_name);
    ts_free(&m->piece);
    ts_free(&m->tensor);
    *m = (ts_name_map){ 0 };
}

/* The parameter of one row, and of which layer. */
typedef struct target {
    const ts_arch *a;            /* whose blocks the names are of: the decoder's or the tower's */
    const ts_vision_arch *vision; /* of the latter */
    const ts_name_row *row;
    const char *suffix; /* ".weight", ".bias" or nothing */
    const char *name;
    ts_listed_param param;
    int64_t layer, expert; /* expert -1: of all */
} target;

/* The second star of a name, which stands for an expert's number; NULL: there is none. */
static const char *expert_star(const ts_name_row *row)
{
    const char *layer = strchr(row->hf_name, '*');
    return layer ? strchr(layer + 1, '*') : NULL;
}

static bool is_further(const ts_name_row *row) { return !strncmp(row->hf_name, "mtp.", 4) && strchr(row->hf_name, '*'); }

/* The number that a sign of a row's name stands for: see ts_name_row. */
static long long number_of(const target *t, const char *sign)
{
    if (sign == expert_star(t->row))
        return t->expert;
    if (*sign == '#')
        return ts_arch_use_number(t->a, t->layer);
    if (*sign == '+')
        return t->layer % 2;
    if (is_further(t->row))
        return t->layer - t->a->n_layers;
    return sign[1] == '%' ? t->layer / 2 : sign[1] == '@' ? ts_arch_first_use(t->a, t->layer) : t->layer;
}

static void hf_name_of(const target *t, char *out, size_t size)
{
    const char *second = expert_star(t->row), *end = t->suffix;
    enum { DIGITS = 24 };
    size_t n = 0;
    for (const char *c = t->row->hf_name; *c && n + DIGITS < size; c++) {
        if (c == second && t->expert < 0) {
            end = t->row->part == TS_PART_ALL ? "down_proj" : "gate_up_proj";
            break;
        }
        if (*c != '*' && *c != '#' && *c != '+')
            out[n++] = *c;
        else
            n += (size_t)snprintf(out + n, size - n, "%lld", number_of(t, c));
        c += *c == '*' && c != second && (c[1] == '%' || c[1] == '@');
    }
    snprintf(out + n, size - n, "%s", end);
}

static bool is_rule(ts_name_part p) { return p == TS_PART_RULE_Q || p == TS_PART_RULE_K || p == TS_PART_RULE_V; }

static bool is_filter(const target *t)
{
    return t->row->part == TS_PART_FILTER || (is_rule(t->row->part) && strstr(t->row->name, "conv1d"));
}

/* Shapes that only towers have. */
static void shape_of_tower(const target *t, int64_t rows, ts_name_tensor *x)
{
    const ts_vision_arch *v = t->vision;
    if (t->row->part == TS_PART_PATCH && x->rank > 1) {
        x->cols = x->dim[1];
        x->dim[x->rank - 1] = v->channels;
        if (v->frames > 1)
            x->dim[x->rank++] = v->frames;
        x->dim[x->rank++] = v->patch, x->dim[x->rank++] = v->patch;
    } else if (t->row->part == TS_PART_MERGE && x->rank > 1) {
        x->cols = x->dim[1], x->groups = v->merge * v->merge;
        x->dim[1] /= x->groups;
        x->dim[2] = x->dim[3] = v->merge, x->rank = 4;
    } else if (t->row->part == TS_PART_ONE) {
        x->is_line = x->rank == 1;
        x->dim[2] = x->rank == 1 ? rows : x->dim[1], x->dim[1] = x->rank == 1 ? 1 : x->dim[0], x->dim[0] = 1;
        x->rank = 3;
    }
}

static ts_status add_tensor(ts_name_map *m, const target *t, int64_t rows)
{
    TS_TRY(ts_grow(&m->tensor, &m->cap_tensors, m->n_tensors + 1, sizeof *m->tensor));
    char name[256];
    hf_name_of(t, name, sizeof name);
    const bool flat = t->param.dim[1] == 0, turned = t->row->transposed && !flat;
    const int64_t stack = t->expert < 0 && t->row->part != TS_PART_STACK ? t->param.matrices : 1, each = rows / stack;
    ts_name_tensor *x = &m->tensor[m->n_tensors];
    *x = (ts_name_tensor){ .rank = flat ? 1 : 2, .first_piece = m->n_pieces };
    x->dim[0] = turned ? t->param.dim[1] : rows;
    x->dim[1] = turned ? rows : t->param.dim[1];
    if (t->row->part == TS_PART_LINE) {
        x->rank = 2, x->is_line = true;
        x->dim[0] = 1, x->dim[1] = rows;
    }
    if (t->param.vectors && t->row->part != TS_PART_FLAT) {
        x->rank = 2, x->is_line = true;
        x->dim[0] = t->param.vectors, x->dim[1] = rows / t->param.vectors;
    }
    if (t->param.vectors && t->row->part == TS_PART_FILTER)
        x->rank = 3, x->dim[2] = x->dim[1], x->dim[1] = 1;
    if (t->row->part == TS_PART_HEADS) {
        x->rank = 2, x->is_line = true;
        x->dim[0] = rows / t->a->head_dim, x->dim[1] = t->a->head_dim;
    }
    if (stack > 1) {
        x->rank = 3;
        x->dim[0] = stack, x->dim[1] = turned ? t->param.dim[1] : each, x->dim[2] = turned ? each : t->param.dim[1];
    }
    if (is_filter(t) && !flat)
        x->rank = 3, x->dim[2] = x->dim[1], x->dim[1] = 1;
    shape_of_tower(t, rows, x);
    x->is_copy = t->row->part == TS_PART_COPY;
    x->is_choice = t->row->part == TS_PART_CHOICES;
    if (t->row->part == TS_PART_RATE) {
        x->rank = 4;
        x->dim[0] = x->dim[1] = x->dim[3] = 1, x->dim[2] = rows;
    }
    name[strcspn(name, "%")] = 0; /* with this sign behind it a name ends so */
    TS_TRY(ts_strdup(name, &x->hf_name));
    m->n_tensors++;
    return TS_OK;
}

/* Adds a piece to the last tensor. */
static ts_status add_piece(ts_name_map *m, const target *t, int64_t hf_row, int64_t row,
                           int64_t rows)
{
    TS_TRY(ts_grow(&m->piece, &m->cap_pieces, m->n_pieces + 1, sizeof *m->piece));
    ts_name_tensor *x = &m->tensor[m->n_tensors - 1];
    ts_name_piece *p = &m->piece[m->n_pieces];
    *p = (ts_name_piece){ .hf_name = x->hf_name,
                          .hf_row = hf_row,
                          .row = row,
                          .rows = rows,
                          .step = 1,
                          .transposed = t->row->transposed && x->rank > 1 && !x->is_line };
    TS_TRY(ts_strdup(t->name, &p->name));
    m->n_pieces++;
    x->n_pieces++;
    return TS_OK;
}

/* The whole parameter; of a stack that stands transposed each matrix is a piece. */
static ts_status add_whole(ts_name_map *m, const target *t)
{
    const int64_t all = t->param.dim[0], n = t->row->transposed ? t->param.matrices : 1;
    TS_TRY(add_tensor(m, t, all));
    for (int64_t i = 0; i < n; i++) {
        TS_TRY(add_piece(m, t, 0, i * (all / n), all / n));
        m->piece[m->n_pieces - 1].matrix = i;
    }
    return TS_OK;
}

/* Of each expert gate and up, whose rows stand in turn; the file's vectors follow one another. */
static ts_status add_pairs(ts_name_map *m, const target *t)
{
    const int64_t n = t->param.vectors ? t->param.vectors : t->param.matrices, each = t->param.dim[0] / n;
    TS_TRY(add_tensor(m, t, t->param.dim[0]));
    for (int64_t i = 0; i < 2 * n; i++) {
        const int64_t expert = i / 2, up = i % 2;
        TS_TRY(add_piece(m, t, t->param.vectors ? expert * each + up : up, expert * each + up * (each / 2), each / 2));
        m->piece[m->n_pieces - 1].matrix = t->param.vectors ? 0 : expert;
        m->piece[m->n_pieces - 1].step = 2;
    }
    return TS_OK;
}

/* One group's share of queries, keys or values stands at `at` in the group's rows and is `rows`
 * long. */
static ts_status add_groups(ts_name_map *m, const target *t, int64_t hf_row, int64_t at,
                            int64_t rows)
{
    const int64_t groups = ts_layer_kv_heads(t->a, t->layer), r = (t->a->attn_gate ? 2 : 1) * ts_layer_heads(t->a, t->layer) / groups;
    const int64_t stride = r * ts_layer_head_dim(t->a, t->layer) + ts_layer_pair(t->a, t->layer);
    for (int64_t g = 0; g < groups; g++)
        TS_TRY(add_piece(m, t, hf_row + g * rows, g * stride + at, rows));
    return TS_OK;
}

/* Queries as they stand in files: all heads, one after another, each with its gate behind it where there are some. */
static ts_status add_queries(ts_name_map *m, const target *t)
{
    const ts_arch *a = t->a;
    const int64_t D = ts_layer_head_dim(a, t->layer), groups = ts_layer_kv_heads(a, t->layer), heads = ts_layer_heads(a, t->layer),
                  r = heads / groups, stride = (a->attn_gate ? 2 : 1) * r * D + ts_layer_pair(a, t->layer);
    TS_TRY(add_tensor(m, t, (a->attn_gate ? 2 : 1) * heads * D));
    if (!a->attn_gate)
        return add_groups(m, t, 0, 0, r * D);
    for (int64_t h = 0; h < heads; h++) {
        const int64_t query = h / r * stride + h % r * D;
        TS_TRY(add_piece(m, t, 2 * h * D, query, D));
        TS_TRY(add_piece(m, t, (2 * h + 1) * D, query + r * D, D));
    }
    return TS_OK;
}

/* Of one head of keys its rows in the tensor of all projections, q, k, v and z. */
static ts_status add_delta_qkv(ts_name_map *m, const target *t)
{
    const ts_delta_arch *d = &t->a->delta;
    const int64_t K = d->key_dim, V = d->heads / d->key_heads * d->value_dim, stride = 2 * K + 2 * V;
    TS_TRY(add_tensor(m, t, d->key_heads * stride));
    for (int64_t g = 0; g < d->key_heads; g++) {
        TS_TRY(add_piece(m, t, g * stride, g * K, K));
        TS_TRY(add_piece(m, t, g * stride + K, (d->key_heads + g) * K, K));
        TS_TRY(add_piece(m, t, g * stride + 2 * K, 2 * d->key_heads * K + g * V, V));
    }
    return TS_OK;
}

/* What has `rows` rows of each head of keys, which stand behind `at` others of it in its `stride`. */
static ts_status add_delta(ts_name_map *m, const target *t, int64_t rows, int64_t at, int64_t stride)
{
    for (int64_t g = 0; g < t->a->delta.key_heads; g++)
        TS_TRY(add_piece(m, t, g * stride + at, g * rows, rows));
    return TS_OK;
}

static ts_status add_delta_part(ts_name_map *m, const target *t)
{
    const ts_delta_arch *d = &t->a->delta;
    const int64_t shared = d->heads / d->key_heads, V = shared * d->value_dim;
    switch (t->row->part) {
    case TS_PART_DELTA_QKV:
        return add_delta_qkv(m, t);
    case TS_PART_DELTA_Z:
        return add_delta(m, t, V, 2 * d->key_dim + V, 2 * (d->key_dim + V));
    case TS_PART_DELTA_B:
        TS_TRY(add_tensor(m, t, 2 * d->heads));
        return add_delta(m, t, shared, 0, 2 * shared);
    default:
        return add_delta(m, t, shared, shared, 2 * shared);
    }
}

static ts_status add_rule(ts_name_map *m, const target *t)
{
    const ts_delta_arch *d = &t->a->delta;
    const int64_t keys = d->key_heads * d->key_dim, values = d->heads * d->value_dim;
    const bool is_value = t->row->part == TS_PART_RULE_V;
    TS_TRY(add_tensor(m, t, is_value ? values : keys));
    return add_piece(m, t, 0, is_value ? 2 * keys : t->row->part == TS_PART_RULE_K ? keys : 0, is_value ? values : keys);
}

static ts_status add_half(ts_name_map *m, const target *t)
{
    const bool experts = strstr(t->row->name, "experts."), up = t->row->part == TS_PART_UP;
    const bool gated = experts ? t->a->gated : ts_arch_block(t->a, t->layer)->mlp == TS_MLP_GATED;
    const int64_t n = t->param.matrices, rows = gated ? t->param.dim[0] / 2 : t->param.dim[0], each = rows / n;
    if (!gated && !up)
        return TS_OK;
    TS_TRY(add_tensor(m, t, rows));
    for (int64_t i = 0; i < n; i++)
        TS_TRY(add_piece(m, t, i * each, (gated ? 2 : 1) * i * each + (gated && up ? each : 0), each));
    return TS_OK;
}

/* Tensors of each expert, or one of all: of a gated fc1 the row of its first half stands for both. */
static ts_status add_experts(ts_name_map *m, const target *t)
{
    const int64_t experts = t->param.matrices, all = t->param.dim[0], each = all / experts;
    const bool half = t->row->part != TS_PART_ALL, up = t->row->part == TS_PART_UP;
    const int64_t rows = half && t->a->gated ? each / 2 : each, from = up && t->a->gated ? rows : 0;
    target one = *t;
    if (half && !t->a->gated && !up)
        return TS_OK;
    if (t->a->experts_stacked) {
        if (up && t->a->gated)
            return TS_OK;
        TS_TRY(add_tensor(m, t, all));
        return add_piece(m, t, 0, 0, all);
    }
    for (one.expert = 0; one.expert < experts; one.expert++) {
        TS_TRY(add_tensor(m, &one, rows));
        TS_TRY(add_piece(m, &one, 0, one.expert * each + from, rows));
    }
    return TS_OK;
}

static ts_status add_heads(ts_name_map *m, const target *t)
{
    const int64_t D = t->a->head_dim;
    target one = *t;
    for (one.expert = 0; one.expert * D < t->param.dim[0]; one.expert++) {
        TS_TRY(add_tensor(m, &one, D));
        TS_TRY(add_piece(m, &one, 0, one.expert * D, D));
    }
    return TS_OK;
}

static ts_status add_row(ts_name_map *m, const target *t)
{
    if (t->row->part == TS_PART_EACH || t->row->part == TS_PART_EACH_HEAD)
        return t->row->part == TS_PART_EACH ? add_whole(m, t) : add_heads(m, t);
    if (expert_star(t->row))
        return add_experts(m, t);
    const ts_arch *a = t->a;
    const int64_t D = ts_layer_head_dim(a, t->layer), groups = ts_layer_kv_heads(a, t->layer);
    const int64_t heads = ts_layer_heads(a, t->layer), r = heads / groups, all = t->param.dim[0], n_q = heads * D,
                  n_k = groups * D, key = (a->attn_gate ? 2 : 1) * r * D;
    switch (t->row->part) {
    default: /* whole, whatever the file's shape */
        return add_whole(m, t);
    case TS_PART_PAIRS:
        return add_pairs(m, t);
    case TS_PART_Q:
        return add_queries(m, t);
    case TS_PART_K:
        TS_TRY(add_tensor(m, t, n_k));
        return add_groups(m, t, 0, key, D);
    case TS_PART_V:
        if (ts_arch_block(a, t->layer)->one_for_both)
            return TS_OK;
        TS_TRY(add_tensor(m, t, n_k));
        return add_groups(m, t, 0, key + D, D);
    case TS_PART_QKV:
        TS_ASSERT(!a->attn_gate, "%s: queries with gates have tensors of their own", t->name);
        TS_TRY(add_tensor(m, t, all));
        TS_TRY(add_groups(m, t, 0, 0, r * D));
        TS_TRY(add_groups(m, t, n_q, r * D, D));
        return add_groups(m, t, n_q + n_k, (r + 1) * D, D);
    case TS_PART_GATE:
    case TS_PART_UP:
        return add_half(m, t);
    case TS_PART_UPPER:
    case TS_PART_LOWER:
        TS_TRY(add_tensor(m, t, all / 2));
        return add_piece(m, t, 0, t->row->part == TS_PART_LOWER ? all / 2 : 0, all / 2);
    case TS_PART_DELTA_QKV:
    case TS_PART_DELTA_Z:
    case TS_PART_DELTA_B:
    case TS_PART_DELTA_A:
        return add_delta_part(m, t);
    case TS_PART_RULE_Q:
    case TS_PART_RULE_K:
    case TS_PART_RULE_V:
        return add_rule(m, t);
    case TS_PART_MORE:
        m->tensor[m->n_tensors - 1].dim[0] += all;
        return add_piece(m, t, m->tensor[m->n_tensors - 1].dim[0] - all, 0, all);
    }
    return TS_OK;
}

static const char *const suffixes[] = { ".weight", ".bias", "" };
enum { SUFFIXES = sizeof suffixes / sizeof *suffixes };

/* A description's parameters, and which of them the rows have named. */
typedef struct naming {
    ts_name_map *map;
    const ts_arch *a;
    const ts_vision_arch *vision; /* whose tower a is; NULL: it is the decoder */
    const char *prefix;           /* of the names of its layers */
    ts_param_list list;
    bool *named;
} naming;

static bool of_layer(const ts_name_row *row)
{
    return row->name && strchr(row->hf_name, '*') && row->part != TS_PART_EACH;
}

/* The parameter's number, and its name; -1: the description has none. Of a layer that predicts further tokens it is
 * the layer's, or stands beside it. */
static int64_t find(const naming *n, const ts_name_row *row, int64_t layer, const char *suffix, char name[256])
{
    const int64_t further = layer - n->a->n_layers;
    const bool is_copy = row->part == TS_PART_COPY;
    const char *star = strchr(row->name, '*');
    if (star)
        snprintf(name, 256, "%.*s%lld%s%s", (int)(star - row->name), row->name, (long long)layer, star + 1, suffix);
    else if (!of_layer(row) || (is_copy && further >= 0))
        snprintf(name, 256, "%s%s", row->name, suffix);
    else if (is_copy)
        return -1;
    else if (further < 0)
        snprintf(name, 256, "%sdecoder.layers.%lld.%s%s", n->prefix, (long long)layer, row->name, suffix);
    else
        snprintf(name, 256, "mtp.layers.%lld.transformer_layer.%s%s", (long long)further, row->name, suffix);
    const int64_t i = ts_names_find(n->list.names, name);
    if (i >= 0 || !of_layer(row) || is_copy || further < 0)
        return i;
    snprintf(name, 256, "mtp.layers.%lld.%s%s", (long long)further, row->name, suffix);
    return ts_names_find(n->list.names, name);
}

static ts_status add_one(naming *n, const ts_name_row *row, int64_t layer, const char *suffix)
{
    char name[256];
    const int64_t i = find(n, row, layer, suffix, name);
    if (i < 0)
        return TS_OK;
    n->named[i] = true;
    ts_name_row own = *row;
    if (n->a->labels && !strcmp(row->name, "output_layer"))
        own.hf_name = "score"; /* in every family */
    return add_row(n->map, &(target){ n->a, n->vision, &own, suffix, name, n->list.param[i], layer, -1 });
}

/* Whether it stands in the tensor of the row before it. */
static bool joins(const ts_name_row *row)
{
    return row->part == TS_PART_MORE || row->part == TS_PART_DELTA_Z || row->part == TS_PART_DELTA_A;
}

/* The weight and the bias of a row, or what has neither ending, those of them that the description has, each
 * with what stands in the same tensor. */
static ts_status add_both(naming *n, const ts_name_row *row, const ts_name_row *end, int64_t layer)
{
    for (int s = 0; s < SUFFIXES; s++) {
        TS_TRY(add_one(n, row, layer, suffixes[s]));
        for (const ts_name_row *more = row + 1; more < end && joins(more); more++)
            TS_TRY(add_one(n, more, layer, suffixes[s]));
    }
    return TS_OK;
}

/* How often a row of these is gone through: for each of its layers, one behind the last; for each of several tables;
 * once. */
static int64_t times(const naming *n, const ts_name_row *rows, const ts_name_row *row)
{
    bool apart = false;
    for (const ts_name_row *x = rows; x->name; x++)
        apart = apart || is_further(x);
    if (!of_layer(row))
        return row->part != TS_PART_EACH ? 1 : n->vision ? ts_vision_taps(n->vision) : ts_arch_ngram_tables(n->a);
    return apart && !is_further(row) ? n->a->n_layers : ts_arch_blocks(n->a);
}

/* Rows of layers that stand together are gone through layer by layer. */
static ts_status add_rows(naming *n, const ts_name_row *rows)
{
    for (const ts_name_row *row = rows; row->name;) {
        const ts_name_row *end = row + 1;
        while (of_layer(row) && of_layer(end))
            end++;
        for (int64_t layer = is_further(row) ? n->a->n_layers : 0; layer < times(n, rows, row); layer++)
            for (const ts_name_row *x = row; x < end; x++)
                if (!joins(x))
                    TS_TRY(add_both(n, x, end, layer));
        row = end;
    }
    return TS_OK;
}

/* MindSpeed LLM's name, in every family. */
static const ts_name_row reward_rows[] = { { .name = "rm_head", .hf_name = "rm_head" }, { 0 } };

ts_status ts_name_table(ts_name_map *m, const ts_arch *a, const ts_name_row *rows)
{
    return ts_name_table_of(m, a, TS_NAMES_WORDS, rows);
}

ts_status ts_name_table_of(ts_name_map *m, const ts_arch *a, ts_names_of of, const ts_name_row *rows)
{
    const bool tower = of == TS_NAMES_TOWER;
    naming n = { .map = m, .a = tower ? &a->vision->tower : a, .vision = tower ? a->vision : NULL,
                 .prefix = tower ? TS_TOWER_NAMES : "" };
    TS_TRY(ts_param_list_make(a, &n.list));
    const size_t count = ts_names_count(n.list.names);
    ts_status st = ts_alloc(&n.named, count, sizeof *n.named);
    if (st == TS_OK)
        st = add_rows(&n, rows);
    if (st == TS_OK && a->reward && !tower)
        st = add_rows(&n, reward_rows);
    for (size_t i = 0; st == TS_OK && i < count; i++)
        TS_ASSERT(n.named[i] || ts_tower_has(ts_names_text(n.list.names, i)) != tower, "the family %s has no name for %s", a->family,
                  ts_names_text(n.list.names, i));
    ts_free(&n.named);
    ts_param_list_deinit(&n.list);
    return st;
}
