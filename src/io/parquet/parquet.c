#include "io/parquet/parquet.h"

#include "base/file.h"
#include "io/parquet/column.h"

#include <stdio.h>
#include <string.h>

struct ts_parquet {
    char *name;
    ts_map map;
    ts_parquet_meta meta;
    ts_parquet_column *column; /* [n_leaves] of the group */
    int64_t group, row;        /* the next ones */
};

bool ts_parquet_is(const char *path) { return ts_file_begins_with(path, "PAR1", 4); }

ts_status ts_parquet_open(const char *path, ts_parquet **out)
{
    ts_parquet *p = NULL;
    TS_TRY(ts_alloc(&p, 1, sizeof *p));
    ts_status st = ts_strdup(path, &p->name);
    if (st == TS_OK)
        st = ts_map_open(path, &p->map);
    if (st == TS_OK)
        st = ts_parquet_meta_read(p->map.data, p->map.size, path, &p->meta);
    if (st == TS_OK)
        st = ts_alloc(&p->column, (size_t)p->meta.n_leaves, sizeof *p->column);
    if (st != TS_OK)
        ts_parquet_close(&p);
    else
        *out = p;
    return st;
}

void ts_parquet_close(ts_parquet **parquet)
{
    ts_parquet *p = *parquet;
    if (!p)
        return;
    for (int64_t i = 0; p->column && i < p->meta.n_leaves; i++)
        ts_parquet_column_deinit(&p->column[i]);
    ts_free(&p->column);
    ts_parquet_meta_deinit(&p->meta);
    ts_map_close(&p->map);
    ts_free(&p->name);
    ts_free(parquet);
}

static ts_status uneven(void) { return ts_error(TS_ERR_USER, "columns of the Parquet file do not fit each other"); }

/* ---- a record ---- */

/* A number that stays one with a point. */
static ts_status put_real(double v, int digits, ts_str *out)
{
    const size_t from = out->len;
    TS_TRY(ts_str_json_real(out, v, digits));
    return strpbrk(out->s + from, ".en") ? TS_OK : ts_str_puts(out, ".0");
}

static ts_status put_value(const ts_parquet_column *c, ts_str *out)
{
    const ts_parquet_values *v = &c->values;
    size_t n;
    if (c->value >= v->n)
        return uneven();
    switch (v->type) {
    case TS_PARQUET_BOOLEAN: return ts_str_puts(out, v->i[c->value] ? "true" : "false");
    case TS_PARQUET_INT32:
    case TS_PARQUET_INT64: return ts_str_printf(out, "%lld", (long long)v->i[c->value]);
    case TS_PARQUET_FLOAT: return put_real(v->d[c->value], 9, out);
    case TS_PARQUET_DOUBLE: return put_real(v->d[c->value], 17, out);
    case TS_PARQUET_BYTES: {
        const char *s = ts_parquet_text(v, c->value, &n);
        return c->node->is_text || ts_utf8_check(s, n) == n ? ts_str_json(out, s, n) : ts_str_puts(out, "null");
    }
    default: return ts_str_puts(out, "null");
    }
}

/* Steps over a slot in all columns below the node. */
static ts_status step(ts_parquet *p, const ts_parquet_node *n)
{
    for (int64_t i = n->first_leaf; i < p->meta.n_leaves && p->meta.leaf[i] < n->end; i++) {
        ts_parquet_column *c = &p->column[i];
        if (c->at >= c->n)
            return uneven();
        c->value += ts_parquet_def(c) == c->node->def;
        c->at++;
    }
    return TS_OK;
}

static ts_status put_node(ts_parquet *p, int64_t i, ts_str *out);

/* What is in a group, or the value. */
static ts_status put_inside(ts_parquet *p, int64_t i, ts_str *out)
{
    const ts_parquet_node *n = &p->meta.node[i];
    if (n->type != TS_PARQUET_GROUP) {
        TS_TRY(put_value(&p->column[n->leaf], out));
        return step(p, n);
    }
    if (n->is_list)
        return put_node(p, i + 1, out);
    const char *between = "{";
    for (int64_t k = i + 1; k < n->end; k = p->meta.node[k].end) {
        const ts_parquet_node *child = &p->meta.node[k];
        TS_TRY(ts_str_puts(out, between));
        TS_TRY(ts_str_json(out, child->name, strlen(child->name)));
        TS_TRY(ts_str_puts(out, ":"));
        TS_TRY(put_node(p, k, out));
        between = ",";
    }
    return ts_str_puts(out, "}");
}

/* An element of the repeated node i: where it is the group that a list has around each, what is in that. */
static ts_status put_element(ts_parquet *p, int64_t i, ts_str *out)
{
    const ts_parquet_node *n = &p->meta.node[i], *list = i ? &p->meta.node[i - 1] : NULL;
    const bool around =
        list && list->is_list && list->end == n->end && n->n_children == 1 && strcmp(n->name, "array") != 0;
    return around ? put_node(p, i + 1, out) : put_inside(p, i, out);
}

static ts_status put_node(ts_parquet *p, int64_t i, ts_str *out)
{
    const ts_parquet_node *n = &p->meta.node[i];
    const ts_parquet_column *first = &p->column[n->first_leaf];
    if (ts_parquet_def(first) < 0)
        return uneven();
    const bool is_list = n->repetition == TS_PARQUET_REPEATED;
    if (ts_parquet_def(first) < n->def) {
        TS_TRY(ts_str_puts(out, is_list ? "[]" : "null"));
        return step(p, n);
    }
    if (!is_list)
        return put_inside(p, i, out);
    const char *between = "[";
    do {
        TS_TRY(ts_str_puts(out, between));
        TS_TRY(put_element(p, i, out));
        between = ",";
    } while (ts_parquet_rep(first) == n->rep);
    return ts_str_puts(out, "]");
}

/* ---- groups of rows ---- */

static ts_status read_group(ts_parquet *p)
{
    const ts_parquet_meta *m = &p->meta;
    for (int64_t i = 0; i < m->n_leaves; i++)
        TS_TRY(ts_parquet_column_read(&p->column[i], &m->node[m->leaf[i]], &m->chunk[p->group * m->n_leaves + i],
                                      p->map.data));
    return TS_OK;
}

ts_status ts_parquet_next(ts_parquet *p, ts_str *out, bool *found)
{
    const ts_parquet_meta *m = &p->meta;
    while (p->group < m->n_groups && p->row >= m->rows[p->group]) {
        p->group++;
        p->row = 0;
    }
    *found = p->group < m->n_groups;
    if (!*found)
        return TS_OK;
    ts_status st = p->row == 0 ? read_group(p) : TS_OK;
    if (st == TS_OK)
        st = put_inside(p, 0, out);
    p->row++;
    return st == TS_OK ? st
                       : ts_error(st, "%s: row %lld of row group %lld: %s", p->name, (long long)p->row,
                                  (long long)p->group + 1, ts_error_message());
}
