#include "device/holders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An address and its row; the table is open, a chain of neighbours for each first place. */
typedef struct slot {
    const void *p; /* NULL: free */
    size_t row;
} slot;

struct ts_holders {
    ts_holder_list rows; /* never fewer: slots name them by number */
    slot *slot;
    size_t n_slots, used; /* a power of two */
    ts_holder_list peak;
    int64_t highest; /* the ledger's peak so far */
    bool is_higher;  /* peak is still to be taken down: it is what is held now */
    size_t lost;
};

static bool is_same(const char *a, const char *b) { return a == b || (a && b && !strcmp(a, b)); }

static bool is_place(const ts_holder *a, const ts_holder *b)
{
    return a->kind == b->kind && a->layer == b->layer && is_same(a->phase, b->phase) && is_same(a->part, b->part);
}

/* The row of such allocations, a new one where there is none; n where there is no room. */
static size_t row_of(ts_holder_list *l, const ts_holder *like)
{
    for (size_t i = l->n; i-- > 0;)
        if (l->v[i].size == like->size && is_place(&l->v[i], like))
            return i;
    if (ts_grow(&l->v, &l->cap, l->n + 1, sizeof *l->v) != TS_OK)
        return l->n;
    l->v[l->n] = *like;
    l->v[l->n].count = l->v[l->n].bytes = 0;
    return l->n++;
}

/* ---- addresses ---- */

static size_t first_of(const ts_holders *h, const void *p)
{
    return (size_t)(((uintptr_t)p >> 6) * 0x9E3779B97F4A7C15u >> 20) & (h->n_slots - 1);
}

static size_t find(const ts_holders *h, const void *p)
{
    size_t i = first_of(h, p);
    while (h->slot[i].p && h->slot[i].p != p)
        i = (i + 1) & (h->n_slots - 1);
    return i;
}

static ts_status make_room(ts_holders *h)
{
    ts_holders old = *h;
    if (2 * (h->used + 1) <= h->n_slots)
        return TS_OK;
    const size_t n = h->n_slots ? 2 * h->n_slots : 1024;
    TS_TRY(ts_alloc(&h->slot, n, sizeof *h->slot));
    h->n_slots = n;
    for (size_t i = 0; i < old.n_slots; i++)
        if (old.slot[i].p)
            h->slot[find(h, old.slot[i].p)] = old.slot[i];
    ts_free(&old.slot);
    return TS_OK;
}

/* What stands behind the gap and would not be found any more moves into it. */
static void close_gap(ts_holders *h, size_t gap)
{
    const size_t mask = h->n_slots - 1;
    for (size_t i = (gap + 1) & mask; h->slot[i].p; i = (i + 1) & mask) {
        const size_t first = first_of(h, h->slot[i].p);
        if (((i - first) & mask) >= ((i - gap) & mask)) {
            h->slot[gap] = h->slot[i];
            gap = i;
        }
    }
    h->slot[gap] = (slot){ NULL, 0 };
    h->used--;
}

/* ---- the account ---- */

ts_status ts_holders_create(const int64_t *now, ts_holders **out)
{
    ts_holders *h;
    TS_TRY(ts_alloc(&h, 1, sizeof *h));
    for (int k = 0; k < TS_MEM_KINDS; k++) {
        const ts_holder before = { .kind = (ts_mem_kind)k, .layer = -1 };
        const size_t i = now[k] ? row_of(&h->rows, &before) : h->rows.n;
        if (i < h->rows.n)
            h->rows.v[i].bytes = now[k];
    }
    *out = h;
    return TS_OK;
}

void ts_holders_destroy(ts_holders **h)
{
    if (!*h)
        return;
    ts_holder_list_deinit(&(*h)->rows);
    ts_holder_list_deinit(&(*h)->peak);
    ts_free(&(*h)->slot);
    ts_free(h);
}

static ts_status copy_list(const ts_holder_list *l, ts_holder_list *out)
{
    out->n = 0;
    TS_TRY(ts_grow(&out->v, &out->cap, l->n + 1, sizeof *out->v));
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].bytes)
            out->v[out->n++] = l->v[i];
    return TS_OK;
}

static void look_at_peak(ts_holders *h, const ts_mem_ledger *m)
{
    if (m->peak > h->highest) {
        h->highest = m->peak;
        h->is_higher = true;
    }
}

/* Something is about to go: what is held now was the most, if it was. */
static void keep_peak(ts_holders *h)
{
    if (h->is_higher && copy_list(&h->rows, &h->peak) != TS_OK)
        h->lost++;
    h->is_higher = false;
}

void ts_holders_take(ts_holders *h, const ts_mem_ledger *m, ts_mem_kind kind, const void *p, int64_t bytes)
{
    const ts_holder like = { .kind = kind, .phase = m->phase, .part = m->part, .layer = m->part ? m->layer : -1,
                             .size = bytes };
    const bool has_room = make_room(h) == TS_OK;
    const size_t row = has_room ? row_of(&h->rows, &like) : h->rows.n;
    if (row == h->rows.n) {
        h->lost++;
        return;
    }
    h->slot[find(h, p)] = (slot){ p, row };
    h->used++;
    h->rows.v[row].count++;
    h->rows.v[row].bytes += bytes;
    look_at_peak(h, m);
}

void ts_holders_give(ts_holders *h, const void *p)
{
    const size_t i = h->n_slots ? find(h, p) : 0;
    if (!h->n_slots || !h->slot[i].p)
        return;
    keep_peak(h);
    ts_holder *row = &h->rows.v[h->slot[i].row];
    row->count--;
    row->bytes -= row->size;
    close_gap(h, i);
}

void ts_holders_book(ts_holders *h, const ts_mem_ledger *m, ts_mem_kind kind, int64_t bytes)
{
    const ts_holder like = { .kind = kind, .layer = -1 };
    if (bytes < 0)
        keep_peak(h);
    const size_t row = row_of(&h->rows, &like);
    if (row == h->rows.n) {
        h->lost++;
        return;
    }
    h->rows.v[row].bytes += bytes;
    look_at_peak(h, m);
}

ts_status ts_holders_now(const ts_holders *h, ts_holder_list *out)
{
    *out = (ts_holder_list){ 0 };
    return copy_list(&h->rows, out);
}

ts_status ts_holders_peak(const ts_holders *h, ts_holder_list *out)
{
    *out = (ts_holder_list){ 0 };
    return copy_list(h->is_higher ? &h->rows : &h->peak, out);
}

void ts_holder_list_deinit(ts_holder_list *l)
{
    ts_free(&l->v);
    *l = (ts_holder_list){ 0 };
}

size_t ts_holders_lost(const ts_holders *h) { return h->lost; }

/* ---- told ---- */

static int by_bytes(const void *x, const void *y)
{
    const ts_holder *a = x, *b = y;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? 1 : -1;
    return a->kind != b->kind ? (a->kind > b->kind) - (a->kind < b->kind)
                              : (a->layer > b->layer) - (a->layer < b->layer);
}

static ts_status add_row(ts_holder_list *out, const ts_holder *like, int64_t count, int64_t bytes)
{
    const size_t i = row_of(out, like);
    if (i == out->n)
        return ts_error(TS_ERR_NOMEM, "out of memory: a table of who holds what");
    out->v[i].count += count;
    out->v[i].bytes += bytes;
    return TS_OK;
}

static void sort(ts_holder_list *l)
{
    if (l->n)
        qsort(l->v, l->n, sizeof *l->v, by_bytes);
}

ts_status ts_holder_list_by_part(const ts_holder_list *l, ts_holder_list *out)
{
    *out = (ts_holder_list){ 0 };
    for (size_t i = 0; i < l->n; i++) {
        const ts_holder *h = &l->v[i];
        const ts_holder like = { .kind = h->kind, .phase = h->phase, .part = h->part, .layer = -1 };
        TS_TRY(add_row(out, &like, h->count, h->bytes));
    }
    sort(out);
    return TS_OK;
}

ts_status ts_holder_list_growth(const ts_holder_list *a, const ts_holder_list *b, ts_holder_list *out)
{
    size_t n = 0;
    *out = (ts_holder_list){ 0 };
    for (size_t i = 0; i < b->n; i++)
        TS_TRY(add_row(out, &b->v[i], b->v[i].count, b->v[i].bytes));
    for (size_t i = 0; i < a->n; i++)
        TS_TRY(add_row(out, &a->v[i], -a->v[i].count, -a->v[i].bytes));
    for (size_t i = 0; i < out->n; i++)
        if (out->v[i].bytes)
            out->v[n++] = out->v[i];
    out->n = n;
    sort(out);
    return TS_OK;
}

static const char *human(int64_t bytes, char buf[40])
{
    char positive[32];
    snprintf(buf, 40, "%s%s", bytes < 0 ? "-" : "", ts_human_bytes(bytes < 0 ? -(double)bytes : (double)bytes, positive));
    return buf;
}

static void where_of(const ts_holder *h, char buf[64])
{
    if (!h->part)
        snprintf(buf, 64, "%s", h->phase ? "" : "outside of steps");
    else if (h->layer < 0)
        snprintf(buf, 64, "%.60s", h->part);
    else
        snprintf(buf, 64, "%.40s %lld", h->part, (long long)h->layer);
}

static int64_t bytes_in(const ts_holder_list *l, const ts_holder *like)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].size == like->size && is_place(&l->v[i], like))
            return l->v[i].bytes;
    return 0;
}

static ts_status put_row(const ts_holder *h, const ts_holder_list *plan, ts_str *out)
{
    char where[64], bytes[40], size[40], planned[40];
    where_of(h, where);
    TS_TRY(ts_str_printf(out, "%-14s %-24s %-14s %7lld %12s %12s", ts_mem_kind_name(h->kind), where,
                         h->phase ? h->phase : "", (long long)h->count, h->size ? human(h->size, size) : "",
                         human(h->bytes, bytes)));
    if (plan)
        TS_TRY(ts_str_printf(out, " %12s", human(bytes_in(plan, h), planned)));
    return ts_str_puts(out, "\n");
}

ts_status ts_holder_list_table(const ts_holder_list *l, const ts_holder_list *plan, size_t most, ts_str *out)
{
    char sum[40], planned[40];
    int64_t all = 0, rest = 0, all_planned = 0;
    TS_TRY(ts_str_printf(out, "%-14s %-24s %-14s %7s %12s %12s%s\n", "kind", "module", "made in", "number", "each",
                         "bytes", plan ? "      planned" : ""));
    for (size_t i = 0; i < l->n; i++) {
        all += l->v[i].bytes;
        if (i < most)
            TS_TRY(put_row(&l->v[i], plan, out));
        else
            rest += l->v[i].bytes;
    }
    if (l->n > most)
        TS_TRY(ts_str_printf(out, "%zu smaller rows %73s\n", l->n - most, human(rest, sum)));
    for (size_t i = 0; plan && i < plan->n; i++)
        all_planned += plan->v[i].bytes;
    TS_TRY(ts_str_printf(out, "%-14s %73s", "all", human(all, sum)));
    return plan ? ts_str_printf(out, " %12s", human(all_planned, planned)) : TS_OK;
}
