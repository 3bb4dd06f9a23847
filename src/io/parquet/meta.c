#include "io/parquet/meta.h"

#include "io/parquet/thrift.h"

#include <string.h>

enum { MAX_LEVEL = 255 };

/* ---- the schema ---- */

static ts_status read_node(ts_thrift *t, ts_parquet_node *n)
{
    ts_thrift_field f = { 0 };
    *n = (ts_parquet_node){ .type = TS_PARQUET_GROUP };
    while (ts_thrift_next(t, &f)) {
        size_t len;
        switch (f.id) {
        case 1: n->type = (ts_parquet_type)ts_thrift_int(t); break;
        case 2: n->length = ts_thrift_int(t); break;
        case 3: n->repetition = (int)ts_thrift_int(t); break;
        case 4: {
            const char *s = ts_thrift_bytes(t, &len);
            ts_free(&n->name);
            TS_TRY(ts_strndup(s, len, &n->name));
            break;
        }
        case 5: n->n_children = ts_thrift_int(t); break;
        case 6: {
            const int64_t kind = ts_thrift_int(t); /* UTF8, LIST, ENUM, JSON of the older words */
            n->is_text |= kind == 0 || kind == 4 || kind == 19;
            n->is_list |= kind == 3;
            break;
        }
        case 10: {
            ts_thrift_field kind = { 0 }; /* a union: STRING, LIST, ENUM, JSON */
            while (ts_thrift_next(t, &kind)) {
                n->is_text |= kind.id == 1 || kind.id == 4 || kind.id == 12;
                n->is_list |= kind.id == 3;
                ts_thrift_skip(t, kind.type);
            }
            break;
        }
        default: ts_thrift_skip(t, f.type);
        }
    }
    t->bad |= n->n_children < 0 || !n->name || n->type < 0 || n->type > TS_PARQUET_GROUP;
    return TS_OK;
}

static ts_status read_schema(ts_thrift *t, ts_parquet_meta *m)
{
    int type;
    const int64_t n = ts_thrift_list(t, &type);
    if (m->node || type != TS_THRIFT_STRUCT) {
        t->bad = true;
        return TS_OK;
    }
    TS_TRY(ts_alloc(&m->node, (size_t)n, sizeof *m->node));
    for (; m->n_nodes < n && !t->bad; m->n_nodes++)
        TS_TRY(read_node(t, &m->node[m->n_nodes]));
    return TS_OK;
}

/* Levels and ends of node i and those below it; returns the node behind them, or -1. */
static int64_t settle(ts_parquet_meta *m, int64_t i, int def, int rep, int depth)
{
    if (i >= m->n_nodes || depth > MAX_LEVEL)
        return -1;
    ts_parquet_node *n = &m->node[i];
    n->def = def + (i && n->repetition != TS_PARQUET_REQUIRED);
    n->rep = rep + (i && n->repetition == TS_PARQUET_REPEATED);
    n->first_leaf = m->n_leaves;
    if (n->type != TS_PARQUET_GROUP) {
        n->leaf = m->n_leaves;
        m->leaf[m->n_leaves++] = i;
    }
    int64_t next = i + 1;
    for (int64_t k = 0; k < n->n_children && next >= 0; k++)
        next = settle(m, next, n->def, n->rep, depth + 1);
    n->end = next;
    n->is_list &= n->n_children == 1 && i + 1 < m->n_nodes && m->node[i + 1].repetition == TS_PARQUET_REPEATED;
    return n->type == TS_PARQUET_GROUP && n->first_leaf == m->n_leaves ? -1 : next;
}

/* ---- row groups ---- */

static void read_column(ts_thrift *t, ts_parquet_chunk *c)
{
    ts_thrift_field f = { 0 };
    int64_t data = -1, dictionary = -1;
    while (ts_thrift_next(t, &f))
        switch (f.id) {
        case 4: c->codec = ts_thrift_int(t); break;
        case 5: c->n_values = ts_thrift_int(t); break;
        case 7: c->size = ts_thrift_int(t); break;
        case 9: data = ts_thrift_int(t); break;
        case 11: dictionary = ts_thrift_int(t); break;
        default: ts_thrift_skip(t, f.type);
        }
    c->offset = dictionary > 0 && dictionary < data ? dictionary : data;
}

static void read_chunk(ts_thrift *t, ts_parquet_chunk *c)
{
    ts_thrift_field f = { 0 };
    *c = (ts_parquet_chunk){ .offset = -1 };
    while (ts_thrift_next(t, &f))
        if (f.id == 3)
            read_column(t, c);
        else
            ts_thrift_skip(t, f.type);
}

static void read_group(ts_thrift *t, ts_parquet_meta *m, int64_t g)
{
    ts_thrift_field f = { 0 };
    int64_t n = 0;
    int type;
    while (ts_thrift_next(t, &f))
        if (f.id == 1) {
            n = ts_thrift_list(t, &type);
            t->bad |= n != m->n_leaves;
            for (int64_t k = 0; k < n && !t->bad; k++)
                read_chunk(t, &m->chunk[g * m->n_leaves + k]);
        } else if (f.id == 3) {
            m->rows[g] = ts_thrift_int(t);
        } else {
            ts_thrift_skip(t, f.type);
        }
    t->bad |= n != m->n_leaves || m->rows[g] < 0;
}

static ts_status read_groups(ts_thrift *t, ts_parquet_meta *m)
{
    int type;
    const int64_t n = ts_thrift_list(t, &type);
    if (!m->node || m->rows) { /* the schema stands before them, once */
        t->bad = true;
        return TS_OK;
    }
    TS_TRY(ts_alloc(&m->leaf, (size_t)m->n_nodes, sizeof *m->leaf));
    t->bad |= settle(m, 0, 0, 0, 0) != m->n_nodes;
    size_t all;
    if (t->bad || !ts_mul_size((size_t)n, (size_t)m->n_leaves, &all))
        return TS_OK;
    TS_TRY(ts_alloc(&m->rows, (size_t)n, sizeof *m->rows));
    TS_TRY(ts_alloc(&m->chunk, all, sizeof *m->chunk));
    for (; m->n_groups < n && !t->bad; m->n_groups++)
        read_group(t, m, m->n_groups);
    return TS_OK;
}

static ts_status read_file(ts_thrift *t, ts_parquet_meta *m)
{
    ts_thrift_field f = { 0 };
    while (ts_thrift_next(t, &f))
        if (f.id == 2)
            TS_TRY(read_schema(t, m));
        else if (f.id == 4)
            TS_TRY(read_groups(t, m));
        else
            ts_thrift_skip(t, f.type);
    t->bad |= !m->rows;
    return TS_OK;
}

static bool chunks_lie_within(const ts_parquet_meta *m, size_t size)
{
    for (int64_t i = 0; i < m->n_groups * m->n_leaves; i++) {
        const ts_parquet_chunk *c = &m->chunk[i];
        if (c->offset < 4 || c->size < 0 || (uint64_t)c->offset > size ||
            (uint64_t)c->size > size - (uint64_t)c->offset)
            return false;
    }
    return true;
}

ts_status ts_parquet_meta_read(const unsigned char *data, size_t size, const char *name, ts_parquet_meta *out)
{
    ts_parquet_meta m = { 0 };
    uint32_t footer = 0;
    if (size >= 12 && !memcmp(data + size - 4, "PARE", 4))
        return ts_error(TS_ERR_USER, "%s: an encrypted Parquet file", name);
    if (size >= 12)
        memcpy(&footer, data + size - 8, 4);
    if (size < 12 || memcmp(data, "PAR1", 4) != 0 || memcmp(data + size - 4, "PAR1", 4) != 0 || footer > size - 12)
        return ts_error(TS_ERR_USER, "%s: no whole Parquet file: it is to begin and end with PAR1", name);
    ts_thrift t = { .p = data + size - 8 - footer, .end = data + size - 8 };
    ts_status st = read_file(&t, &m);
    if (st == TS_OK && (t.bad || !chunks_lie_within(&m, size)))
        st = ts_error(TS_ERR_USER, "%s: the footer of the Parquet file is damaged", name);
    if (st != TS_OK)
        ts_parquet_meta_deinit(&m);
    else
        *out = m;
    return st;
}

void ts_parquet_meta_deinit(ts_parquet_meta *m)
{
    for (int64_t i = 0; m->node && i < m->n_nodes; i++)
        ts_free(&m->node[i].name);
    ts_free(&m->node);
    ts_free(&m->leaf);
    ts_free(&m->rows);
    ts_free(&m->chunk);
}
