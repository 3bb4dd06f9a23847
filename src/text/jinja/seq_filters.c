/* Filters of sequences: sorting, choosing, joining. What Jinja2 gives as a generator can be read
 * once here too. */
#include "text/jinja/filters.h"

#include <string.h>

#define SEQ_FILTER(name)                                                                           \
    ts_status ts_jfilter_##name(ts_jx *x, ts_jv v, const ts_jv *a, const ts_jcall *c, ts_jv *out)

/* v.a.0.b for the path "a.0.b", or v[number]. def: instead of what is undefined, ABSENT: none. */
static ts_status walk(ts_jx *x, ts_jv v, ts_jv path, ts_jv def, ts_jv *out)
{
    *out = v;
    if (path.type == TS_JV_ABSENT || path.type == TS_JV_NONE)
        return TS_OK;
    if (path.type != TS_JV_STR) {
        TS_TRY(ts_jx_item(x, v, path, out));
    } else {
        for (size_t at = 0; at <= path.n;) {
            const char *dot = memchr(path.s + at, '.', path.n - at);
            const size_t end = dot ? (size_t)(dot - path.s) : path.n;
            ts_jv part = ts_jv_str(path.s + at, end - at);
            int64_t number = 0;
            bool is_number = part.n > 0 && part.n < 10;
            for (size_t i = 0; i < part.n && is_number; i++) {
                is_number = part.s[i] >= '0' && part.s[i] <= '9';
                number = number * 10 + (part.s[i] - '0');
            }
            TS_TRY(ts_jx_item(x, *out, is_number ? ts_jv_int(number) : part, out));
            if (out->type == TS_JV_UNDEFINED && def.type != TS_JV_ABSENT)
                *out = def;
            at = end + 1;
        }
    }
    if (out->type == TS_JV_UNDEFINED && def.type != TS_JV_ABSENT)
        *out = def;
    return TS_OK;
}

/* Strings in lower case, unless case matters. */
static ts_status fold(ts_jx *x, ts_jv v, bool case_sensitive, ts_jv *out)
{
    bool is_unsafe = false;
    *out = v;
    if (case_sensitive || v.type != TS_JV_STR)
        return TS_OK;
    const ts_jmethod m = { .self = v, .id = ts_jx_method_id(v, ts_jv_text("lower"), &is_unsafe) };
    return ts_jx_call_method(x, &m, &(ts_jcall){ 0 }, out);
}

/* What an item is sorted by: its attribute; of "a,b" a list of both. */
static ts_status sort_key(ts_jx *x, ts_jv v, ts_jv attribute, bool case_sensitive, ts_jv *out)
{
    if (attribute.type != TS_JV_STR || !memchr(attribute.s, ',', attribute.n)) {
        TS_TRY(walk(x, v, attribute, (ts_jv){ 0 }, out));
        return fold(x, *out, case_sensitive, out);
    }
    ts_jv list;
    size_t cap = 0;
    TS_TRY(ts_jv_seq(x, TS_JV_LIST, 0, &list));
    for (size_t at = 0; at <= attribute.n;) {
        const char *comma = memchr(attribute.s + at, ',', attribute.n - at);
        const size_t end = comma ? (size_t)(comma - attribute.s) : attribute.n;
        ts_jv part;
        TS_TRY(walk(x, v, ts_jv_str(attribute.s + at, end - at), (ts_jv){ 0 }, &part));
        TS_TRY(fold(x, part, case_sensitive, &part));
        TS_TRY(ts_jseq_add(x, list.seq, &cap, part));
        at = end + 1;
    }
    *out = list;
    return TS_OK;
}

typedef struct keyed {
    ts_jv key, value;
} keyed;

/* Merge sort, stable; backwards: the greatest first, equal ones in their order still. */
static ts_status merge_sort(ts_jx *x, keyed *v, keyed *room, size_t n, bool backwards)
{
    if (n < 2)
        return TS_OK;
    const size_t half = n / 2;
    TS_TRY(merge_sort(x, v, room, half, backwards));
    TS_TRY(merge_sort(x, v + half, room, n - half, backwards));
    size_t i = 0, j = half, k = 0;
    while (i < half && j < n) {
        int order;
        TS_TRY(backwards ? ts_jv_order(x, v[i].key, v[j].key, "<", &order)
                         : ts_jv_order(x, v[j].key, v[i].key, "<", &order));
        room[k++] = order == -1 ? v[j++] : v[i++];
    }
    while (i < half)
        room[k++] = v[i++];
    memcpy(v, room, k * sizeof *v);
    return TS_OK;
}

/* items as a list, sorted by their keys. */
static ts_status sorted(ts_jx *x, const ts_jseq *items, ts_jv attribute, bool case_sensitive,
                        bool backwards, ts_jv *out)
{
    keyed *v, *room;
    TS_TRY(ts_jx_alloc(x, items->n, sizeof *v, &v));
    TS_TRY(ts_jx_alloc(x, items->n, sizeof *room, &room));
    for (size_t i = 0; i < items->n; i++) {
        v[i].value = ts_jseq_at(items, i);
        TS_TRY(sort_key(x, v[i].value, attribute, case_sensitive, &v[i].key));
    }
    TS_TRY(merge_sort(x, v, room, items->n, backwards));
    TS_TRY(ts_jv_seq(x, TS_JV_LIST, items->n, out));
    for (size_t i = 0; i < items->n; i++)
        out->seq->v[i] = v[i].value;
    return TS_OK;
}

SEQ_FILTER(sort)
{
    ts_jseq *items;
    (void)c;
    TS_TRY(ts_jv_items(x, v, &items));
    return sorted(x, items, a[2], ts_jv_true(a[1]), ts_jv_true(a[0]), out);
}

SEQ_FILTER(dictsort)
{
    ts_jv pairs, by;
    (void)c;
    TS_TRY(ts_jarg_str(x, a[1], "key", &by));
    const bool is_value = ts_jv_is(by, "value");
    if (!is_value && !ts_jv_is(by, "key"))
        return ts_jx_fail(x, "FilterArgumentError", "You can only sort by either \"key\" or \"value\"");
    if (v.type == TS_JV_UNDEFINED)
        return ts_jx_fail_undefined(x, v);
    if (v.type != TS_JV_DICT)
        return ts_jx_fail(x, "AttributeError", "'%s' object has no attribute 'items'", ts_jv_type_name(v));
    TS_TRY(ts_jfilter_items(x, v, a, c, &pairs));
    return sorted(x, pairs.seq, ts_jv_int(is_value), ts_jv_true(a[0]), ts_jv_true(a[2]), out);
}

SEQ_FILTER(items)
{
    (void)a, (void)c;
    if (v.type == TS_JV_UNDEFINED)
        return ts_jv_seq(x, TS_JV_GENERATOR, 0, out);
    if (v.type != TS_JV_DICT)
        return ts_jx_fail(x, "TypeError", "Can only get item pairs from a mapping.");
    TS_TRY(ts_jv_seq(x, TS_JV_GENERATOR, v.dict->n, out));
    for (size_t i = 0; i < v.dict->n; i++)
        TS_TRY(ts_jv_pair(x, v.dict->v[i].key, v.dict->v[i].value, &out->seq->v[i]));
    return TS_OK;
}

SEQ_FILTER(groupby)
{
    ts_jseq *items;
    ts_jv list, group = { 0 }, last = { 0 };
    size_t cap = 0, group_cap = 0;
    (void)c;
    const bool case_sensitive = ts_jv_true(a[2]);
    TS_TRY(ts_jv_items(x, v, &items));
    TS_TRY(sorted(x, items, a[0], case_sensitive, false, &list));
    items = list.seq;
    TS_TRY(ts_jv_seq(x, TS_JV_LIST, 0, out));
    for (size_t i = 0; i < items->n; i++) {
        ts_jv key, folded, pair;
        bool is_same = false;
        TS_TRY(walk(x, items->v[i], a[0], ts_jarg(a[1], (ts_jv){ 0 }), &key));
        TS_TRY(fold(x, key, case_sensitive, &folded));
        if (i)
            TS_TRY(ts_jv_equal(x, folded, last, &is_same));
        if (!is_same) {
            TS_TRY(ts_jv_seq(x, TS_JV_LIST, 0, &group));
            group_cap = 0;
            TS_TRY(ts_jv_pair(x, key, group, &pair));
            TS_TRY(ts_jseq_add(x, out->seq, &cap, pair));
        }
        last = folded;
        TS_TRY(ts_jseq_add(x, group.seq, &group_cap, items->v[i]));
    }
    return TS_OK;
}

SEQ_FILTER(unique)
{
    ts_jseq *items;
    ts_jdict *seen;
    size_t cap = 0;
    (void)c;
    TS_TRY(ts_jv_items(x, v, &items));
    TS_TRY(ts_jdict_create(x, &seen));
    TS_TRY(ts_jv_seq(x, TS_JV_GENERATOR, 0, out));
    for (size_t i = 0; i < items->n; i++) {
        ts_jv key, found;
        TS_TRY(sort_key(x, ts_jseq_at(items, i), a[1], ts_jv_true(a[0]), &key));
        TS_TRY(ts_jdict_get(x, seen, key, &found));
        if (found.type != TS_JV_ABSENT)
            continue;
        TS_TRY(ts_jdict_set(x, seen, key, ts_jv_none()));
        TS_TRY(ts_jseq_add(x, out->seq, &cap, ts_jseq_at(items, i)));
    }
    return TS_OK;
}

static ts_status extreme(ts_jx *x, ts_jv v, const ts_jv *a, bool is_max, ts_jv *out)
{
    ts_jseq *items;
    ts_jv best = { 0 }, key;
    TS_TRY(ts_jv_items(x, v, &items));
    if (!items->n)
        return ts_jv_undefined_text(x, "No aggregated item, sequence was empty.", out);
    for (size_t i = 0; i < items->n; i++) {
        int order = 0;
        TS_TRY(sort_key(x, ts_jseq_at(items, i), a[1], ts_jv_true(a[0]), &key));
        if (i)
            TS_TRY(ts_jv_order(x, key, best, is_max ? ">" : "<", &order));
        if (i && order != (is_max ? 1 : -1))
            continue;
        best = key;
        *out = ts_jseq_at(items, i);
    }
    return TS_OK;
}

SEQ_FILTER(max)
{
    (void)c;
    return extreme(x, v, a, true, out);
}

SEQ_FILTER(min)
{
    (void)c;
    return extreme(x, v, a, false, out);
}

SEQ_FILTER(sum)
{
    ts_jseq *items;
    (void)c;
    ts_jv total = ts_jarg(a[1], ts_jv_int(0));
    TS_TRY(ts_jv_items(x, v, &items));
    if (total.type == TS_JV_STR)
        return ts_jx_fail(x, "TypeError", "sum() can't sum strings [use ''.join(seq) instead]");
    for (size_t i = 0; i < items->n; i++) {
        ts_jv item;
        TS_TRY(walk(x, ts_jseq_at(items, i), a[0], (ts_jv){ 0 }, &item));
        TS_TRY(ts_jx_arith(x, TS_JO_ADD, total, item, &total));
    }
    *out = total;
    return TS_OK;
}

SEQ_FILTER(length)
{
    size_t n;
    (void)a, (void)c;
    TS_TRY(ts_jv_length(x, v, &n));
    *out = ts_jv_int((int64_t)n);
    return TS_OK;
}

SEQ_FILTER(list)
{
    ts_jseq *items;
    (void)a, (void)c;
    TS_TRY(ts_jv_items(x, v, &items));
    TS_TRY(ts_jv_seq(x, TS_JV_LIST, items->n, out));
    for (size_t i = 0; i < items->n; i++)
        out->seq->v[i] = ts_jseq_at(items, i);
    return TS_OK;
}

SEQ_FILTER(first)
{
    ts_jseq *items;
    (void)a, (void)c;
    if (v.type == TS_JV_GENERATOR && v.seq->at < v.seq->n) {
        *out = v.seq->v[v.seq->at++];
        return TS_OK;
    }
    TS_TRY(ts_jv_items(x, v, &items));
    if (!items->n)
        return ts_jv_undefined_text(x, "No first item, sequence was empty.", out);
    *out = ts_jseq_at(items, 0);
    return TS_OK;
}

SEQ_FILTER(last)
{
    ts_jseq *items;
    (void)a, (void)c;
    if (v.type == TS_JV_GENERATOR)
        return ts_jx_fail(x, "TypeError", "'generator' object is not reversible");
    TS_TRY(ts_jv_items(x, v, &items));
    if (!items->n)
        return ts_jv_undefined_text(x, "No last item, sequence was empty.", out);
    *out = ts_jseq_at(items, items->n - 1);
    return TS_OK;
}

SEQ_FILTER(reverse)
{
    ts_jseq *items;
    ts_str s = { 0 };
    ts_status st = TS_OK;
    (void)a, (void)c;
    TS_TRY(ts_jv_items(x, v, &items));
    if (v.type == TS_JV_STR) {
        for (size_t i = items->n; i-- && st == TS_OK;)
            st = ts_str_add(&s, items->v[i].s, items->v[i].n);
        return ts_jx_finish(x, &s, st, out);
    }
    TS_TRY(ts_jv_seq(x, TS_JV_GENERATOR, items->n, out));
    for (size_t i = 0; i < items->n; i++)
        out->seq->v[i] = ts_jseq_at(items, items->n - 1 - i);
    return TS_OK;
}

SEQ_FILTER(join)
{
    ts_jseq *items;
    ts_jv between, item;
    ts_str s = { 0 };
    ts_status st = TS_OK;
    (void)c;
    TS_TRY(ts_jv_items(x, v, &items));
    TS_TRY(ts_jv_to_str(x, ts_jarg(a[0], ts_jv_str("", 0)), &between));
    for (size_t i = 0; i < items->n && st == TS_OK; i++) {
        if (i)
            st = ts_str_add(&s, between.s, between.n);
        if (st == TS_OK)
            st = walk(x, ts_jseq_at(items, i), a[1], (ts_jv){ 0 }, &item);
        if (st == TS_OK)
            st = ts_jv_put(x, item, &s);
    }
    return ts_jx_finish(x, &s, st, out);
}

SEQ_FILTER(batch)
{
    ts_jseq *items;
    ts_jv row = { 0 };
    int64_t n;
    size_t cap = 0, row_cap = 0;
    (void)c;
    TS_TRY(ts_jarg_int(x, a[0], 1, &n));
    TS_TRY(ts_jv_items(x, v, &items));
    TS_TRY(ts_jv_seq(x, TS_JV_GENERATOR, 0, out));
    for (size_t i = 0; i < items->n; i++) {
        if (!i || (int64_t)row.seq->n == n) {
            TS_TRY(ts_jv_seq(x, TS_JV_LIST, 0, &row));
            row_cap = 0;
            TS_TRY(ts_jseq_add(x, out->seq, &cap, row));
        }
        TS_TRY(ts_jseq_add(x, row.seq, &row_cap, ts_jseq_at(items, i)));
    }
    const ts_jv filler = ts_jarg(a[1], ts_jv_none());
    while (items->n && filler.type != TS_JV_NONE && (int64_t)row.seq->n < n)
        TS_TRY(ts_jseq_add(x, row.seq, &row_cap, filler));
    return TS_OK;
}

SEQ_FILTER(slice)
{
    ts_jseq *items;
    int64_t n;
    (void)c;
    TS_TRY(ts_jarg_int(x, a[0], 1, &n));
    TS_TRY(ts_jv_items(x, v, &items));
    if (n <= 0 || n > 100000)
        return ts_jx_fail(x, "ZeroDivisionError", "a number of slices of %lld", (long long)n);
    const ts_jv filler = ts_jarg(a[1], ts_jv_none());
    const size_t each = items->n / (size_t)n, more = items->n % (size_t)n;
    size_t at = 0;
    TS_TRY(ts_jv_seq(x, TS_JV_GENERATOR, (size_t)n, out));
    for (size_t i = 0; i < (size_t)n; i++) {
        const bool is_filled = filler.type != TS_JV_NONE && i >= more;
        const size_t k = each + (i < more);
        ts_jv *row = &out->seq->v[i];
        TS_TRY(ts_jv_seq(x, TS_JV_LIST, k + is_filled, row));
        for (size_t m = 0; m < k; m++)
            row->seq->v[m] = ts_jseq_at(items, at++);
        if (is_filled)
            row->seq->v[k] = filler;
    }
    return TS_OK;
}

/* The rest of a call's arguments, from number `from` on. */
static ts_jcall rest_of(const ts_jcall *c, size_t from)
{
    ts_jcall r = *c;
    r.v += from;
    r.n -= from;
    return r;
}

static ts_status map_attribute(ts_jx *x, const ts_jseq *items, const ts_jcall *c, ts_jv *out)
{
    ts_jv attribute = { 0 }, def = { 0 };
    for (size_t i = 0; i < c->n_named; i++) {
        if (!strcmp(c->names[i], "attribute"))
            attribute = c->named[i];
        else if (!strcmp(c->names[i], "default"))
            def = c->named[i];
        else
            return ts_jx_fail(x, "FilterArgumentError", "Unexpected keyword argument '%s'", c->names[i]);
    }
    if (attribute.type == TS_JV_ABSENT)
        return ts_jx_fail(x, "FilterArgumentError", "map requires a filter argument");
    for (size_t i = 0; i < items->n; i++)
        TS_TRY(walk(x, ts_jseq_at(items, i), attribute, def, &out->seq->v[i]));
    return TS_OK;
}

SEQ_FILTER(map)
{
    ts_jseq *items;
    (void)a;
    TS_TRY(ts_jv_items(x, v, &items));
    TS_TRY(ts_jv_seq(x, TS_JV_GENERATOR, items->n, out));
    if (!c->n)
        return map_attribute(x, items, c, out);
    const ts_jv name = c->v[0];
    const int id = name.type == TS_JV_STR ? ts_jinja_filter_id(name.s, name.n) : -1;
    if (id < 0)
        return ts_jx_fail(x, "TemplateRuntimeError", "No filter named '%.*s'.",
                          name.type == TS_JV_STR ? (int)name.n : 0, name.type == TS_JV_STR ? name.s : "");
    const ts_jcall rest = rest_of(c, 1);
    for (size_t i = 0; i < items->n; i++)
        TS_TRY(ts_jx_filter(x, id, ts_jseq_at(items, i), &rest, &out->seq->v[i]));
    return TS_OK;
}

/* The items whose attribute (or who themselves) pass a test, or do not. */
static ts_status choose(ts_jx *x, ts_jv v, const ts_jcall *c, bool by_attribute, bool wanted, ts_jv *out)
{
    ts_jseq *items;
    size_t cap = 0;
    const size_t at = by_attribute ? 1 : 0;
    if (c->n < at)
        return ts_jx_fail(x, "FilterArgumentError", "Missing parameter for attribute name");
    TS_TRY(ts_jv_items(x, v, &items));
    TS_TRY(ts_jv_seq(x, TS_JV_GENERATOR, 0, out));
    int id = -1;
    if (c->n > at) {
        const ts_jv name = c->v[at];
        id = name.type == TS_JV_STR ? ts_jinja_test_id(name.s, name.n) : -1;
        if (id < 0)
            return ts_jx_fail(x, "TemplateRuntimeError", "No test named '%.*s'.",
                              name.type == TS_JV_STR ? (int)name.n : 0,
                              name.type == TS_JV_STR ? name.s : "");
    }
    const ts_jcall rest = rest_of(c, c->n > at ? at + 1 : c->n);
    for (size_t i = 0; i < items->n; i++) {
        ts_jv value = ts_jseq_at(items, i);
        bool is;
        if (by_attribute)
            TS_TRY(walk(x, value, c->v[0], (ts_jv){ 0 }, &value));
        is = ts_jv_true(value);
        if (id >= 0)
            TS_TRY(ts_jx_test(x, id, value, &rest, &is));
        if (is == wanted)
            TS_TRY(ts_jseq_add(x, out->seq, &cap, ts_jseq_at(items, i)));
    }
    return TS_OK;
}

SEQ_FILTER(select)
{
    (void)a;
    return choose(x, v, c, false, true, out);
}

SEQ_FILTER(reject)
{
    (void)a;
    return choose(x, v, c, false, false, out);
}

SEQ_FILTER(selectattr)
{
    (void)a;
    return choose(x, v, c, true, true, out);
}

SEQ_FILTER(rejectattr)
{
    (void)a;
    return choose(x, v, c, true, false, out);
}
