/* The tensors of a GGUF file: those of the model under llama.cpp's names. */
#include "convert/gguf.h"

#include "base/log.h"
#include "model/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ts_gguf_plan_deinit(ts_gguf_plan *p)
{
    ts_free(&p->v);
    ts_free(&p->part);
    for (int i = 0; i < p->n_made; i++)
        ts_free(&p->values[i]);
    ts_gguf_keys_deinit(&p->keys);
}

/* ---- outputs and their parts ---- */

static ts_status add_out(ts_gguf_plan *p, const char *name, int rank, const int64_t *shape, size_t n_parts, ts_gguf_out **out)
{
    TS_TRY(ts_grow(&p->v, &p->cap, p->n + 1, sizeof *p->v));
    TS_TRY(ts_grow(&p->part, &p->cap_parts, p->n_parts + n_parts, sizeof *p->part));
    ts_gguf_out x = { .rank = rank, .part = p->n_parts, .n_parts = n_parts, .width = shape[rank - 1], .rows = 1 };
    if (strlen(name) > TS_GGUF_MAX_NAME)
        return ts_error(TS_ERR_USER, "%s: tensor %s: GGUF files hold names of at most %d bytes", p->m->path, name,
                        TS_GGUF_MAX_NAME);
    strcpy(x.name, name);
    for (int i = 0; i < rank; i++) {
        x.shape[i] = shape[i];
        x.rows *= i < rank - 1 ? shape[i] : 1;
    }
    p->n_parts += n_parts;
    p->v[p->n] = x;
    *out = &p->v[p->n++];
    return TS_OK;
}

/* Part i of those that an output has, in order. */
static void set_part(const ts_gguf_plan *p, const ts_gguf_out *out, size_t i, const ts_st_tensor *t, int64_t first, int64_t rows)
{
    p->part[out->part + i] = (ts_gguf_rows){ .t = t, .first = first, .rows = rows, .at = (int64_t)i * rows };
}

ts_status ts_gguf_plan_add(ts_gguf_plan *p, const char *name, float **values, int64_t n)
{
    const int i = p->n_made;
    ts_gguf_out *out;
    TS_ASSERT(i < (int)(sizeof p->made / sizeof *p->made), "%s: too many tensors of that kind", name);
    TS_TRY(add_out(p, name, 1, &n, 1, &out));
    p->values[i] = *values;
    *values = NULL;
    p->n_made++;
    p->made[i] = (ts_st_tensor){ .name = name, .path = p->m->path, .dtype = TS_ST_F32, .rank = 1, .shape = { n }, .elements = n,
                                 .data = p->values[i], .size = (size_t)n * sizeof(float) };
    set_part(p, out, 0, &p->made[i], 0, 1);
    return TS_OK;
}

/* ---- names ---- */

enum { NAME = 128 };

static void name_of(const ts_gguf_name *row, int64_t layer, const char *end, char to[NAME])
{
    if (layer >= 0)
        snprintf(to, NAME, "blk.%lld.%s%s", (long long)layer, row->gguf, *end ? end : ".weight");
    else
        snprintf(to, NAME, "%s%s", row->gguf, end);
}

static ts_gguf_out *find_out(const ts_gguf_plan *p, const char *name)
{
    for (size_t i = p->n; i-- > 0;)
        if (!strcmp(p->v[i].name, name))
            return &p->v[i];
    return NULL;
}

static const ts_gguf_name *row_of(const ts_gguf_plan *p, const char *gguf)
{
    for (const ts_gguf_name *row = p->model->names; row && row->gguf; row++)
        if (!strcmp(row->gguf, gguf))
            return row;
    return NULL;
}

/* ---- experts ---- */

/* One expert's matrix into its place among all. */
static ts_status add_expert(ts_gguf_plan *p, const char *name, const ts_st_tensor *t, int64_t expert)
{
    ts_gguf_out *out = find_out(p, name);
    const int64_t shape[] = { p->a->n_experts, t->shape[0], t->shape[1] };
    if (!out)
        TS_TRY(add_out(p, name, 3, shape, (size_t)p->a->n_experts, &out));
    set_part(p, out, (size_t)expert, t, 0, t->shape[0]);
    return TS_OK;
}

/* One of two that stand in the file one behind the other, of each expert. */
static ts_status add_half(ts_gguf_plan *p, const char *gguf, int64_t layer, const ts_st_tensor *t, int64_t which)
{
    const ts_gguf_name *row = row_of(p, gguf);
    const int64_t rows = t->shape[1] / 2, shape[] = { t->shape[0], rows, t->shape[2] };
    char name[NAME];
    ts_gguf_out *out;
    TS_ASSERT(row, "%s has no %s", p->model->arch, gguf);
    name_of(row, layer, "", name);
    TS_TRY(add_out(p, name, 3, shape, (size_t)t->shape[0], &out));
    for (int64_t e = 0; e < t->shape[0]; e++)
        set_part(p, out, (size_t)e, t, (2 * e + which) * rows, rows);
    return TS_OK;
}

/* All experts of a layer in one tensor. *is: whether it is such a one. */
static ts_status add_stacked(ts_gguf_plan *p, const char *hf, const ts_st_tensor *t, bool *is)
{
    const char *at = strstr(hf, ".layers."), *end = strstr(hf, ".experts.");
    char name[NAME];
    ts_gguf_out *out;
    *is = at && end && t->rank == 3 && row_of(p, "ffn_down_exps");
    if (!*is)
        return TS_OK;
    const int64_t layer = strtoll(at + strlen(".layers."), NULL, 10);
    if (!strcmp(end, ".experts.gate_up_proj")) {
        TS_TRY(add_half(p, "ffn_gate_exps", layer, t, 0));
        return add_half(p, "ffn_up_exps", layer, t, 1);
    }
    name_of(row_of(p, "ffn_down_exps"), layer, "", name);
    TS_TRY(add_out(p, name, 3, t->shape, 1, &out));
    set_part(p, out, 0, t, 0, out->rows);
    return TS_OK;
}

/* ---- one tensor of the model ---- */

static ts_status add_plain(ts_gguf_plan *p, const ts_gguf_name *row, int64_t layer, const char *end, const ts_st_tensor *t)
{
    const bool turned = row->part == TS_GGUF_PART_TURNED && t->rank == 2;
    const int64_t back[] = { t->shape[t->rank - 1], t->shape[0] };
    char name[NAME];
    ts_gguf_out *out;
    name_of(row, layer, end, name);
    if (!strcmp(end, ".bias") && !layer && !ts_gguf_has_bias(p->model, row))
        ts_log(TS_LOG_WARN, "%s: llama.cpp does not load files of the architecture %s with tensors like %s", p->m->path,
               p->model->arch, name);
    TS_TRY(add_out(p, name, t->rank, turned ? back : t->shape, 1, &out));
    out->turned = turned;
    TS_ASSERT(ts_gguf_order_of(p->model, row->part, p->a->n_heads, p->a->n_kv_heads, out->shape[0], &out->order),
              "%s: its rows are none of heads", name);
    if (ts_gguf_is_ordered(&out->order) && t->rank == 1) { /* a bias: its rows are numbers */
        out->rows = out->width;
        out->width = 1;
    }
    out->added = row->part == TS_GGUF_PART_NORM && !strcmp(end, ".weight") ? p->model->norm_offset : 0;
    set_part(p, out, 0, t, 0, out->rows);
    return TS_OK;
}

static bool is_real(const ts_st_tensor *t)
{
    return t->dtype == TS_ST_F32 || t->dtype == TS_ST_F16 || t->dtype == TS_ST_BF16 || t->dtype == TS_ST_F64;
}

static ts_status add_tensor(ts_gguf_plan *p, const ts_name_tensor *want)
{
    const ts_st_tensor *t = ts_weights_find(p->m->source.family, p->a, p->m->tensors, want->hf_name);
    const char *end;
    int64_t layer, expert;
    bool is_stacked = false;
    if (!t)
        return ts_error(TS_ERR_USER, "%s: tensor %s is in none of the files", p->m->path, want->hf_name);
    if (!is_real(t))
        return ts_error(TS_ERR_USER, "%s: tensor %s is %s, expected F64, F32, F16 or BF16: convert it to a Hugging Face folder "
                        "with such weights first", t->path, t->name, ts_st_dtype_name(t->dtype));
    TS_TRY(ts_weights_check_shape(t, want, "config.json says"));
    const ts_gguf_name *row = ts_gguf_name_for(p->model, want->hf_name, &layer, &expert, &end);
    if (row && row->part == TS_GGUF_PART_EXPERTS) {
        char name[NAME];
        name_of(row, layer, end, name);
        return add_expert(p, name, t, expert);
    }
    if (row)
        return add_plain(p, row, layer, end, t);
    TS_TRY(add_stacked(p, want->hf_name, t, &is_stacked));
    return is_stacked ? TS_OK
                      : ts_error(TS_ERR_USER, "%s: tensor %s has no place in GGUF files of the architecture %s", p->m->path,
                                 want->hf_name, p->model->arch);
}

ts_status ts_gguf_plan_tensors(ts_gguf_plan *p)
{
    ts_name_map map = { 0 };
    ts_status st = ts_family_names(p->m->source.family, p->a, &map);
    for (size_t i = 0; st == TS_OK && i < map.n_tensors; i++)
        if (!map.tensor[i].is_copy)
            st = add_tensor(p, &map.tensor[i]);
    ts_name_map_deinit(&map);
    return st;
}
