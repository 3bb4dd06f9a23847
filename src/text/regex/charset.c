#include "text/regex/charset.h"

#include "text/unicode.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

void ts_charset_deinit(ts_charset *s)
{
    ts_free(&s->r);
    *s = (ts_charset){ 0 };
}

void ts_charset_reset(ts_charset *s)
{
    s->n = 0;
    s->is_mixed = false;
}

ts_status ts_charset_add(ts_charset *s, uint32_t lo, uint32_t hi)
{
    if (s->n && !s->is_mixed && lo <= s->r[s->n - 1].hi + 1) {
        if (lo >= s->r[s->n - 1].lo) {
            s->r[s->n - 1].hi = hi > s->r[s->n - 1].hi ? hi : s->r[s->n - 1].hi;
            return TS_OK;
        }
        s->is_mixed = true;
    }
    if (s->n == s->cap)
        TS_TRY(ts_grow(&s->r, &s->cap, s->n + 1, sizeof *s->r));
    s->r[s->n++] = (ts_char_range){ lo, hi };
    return TS_OK;
}

static int by_begin(const void *a, const void *b)
{
    const ts_char_range *x = a, *y = b;
    return (x->lo > y->lo) - (x->lo < y->lo);
}

void ts_charset_settle(ts_charset *s)
{
    if (!s->is_mixed)
        return;
    qsort(s->r, s->n, sizeof *s->r, by_begin);
    size_t n = 0;
    for (size_t i = 1; i < s->n; i++) {
        if (s->r[i].lo > s->r[n].hi + 1)
            s->r[++n] = s->r[i];
        else if (s->r[i].hi > s->r[n].hi)
            s->r[n].hi = s->r[i].hi;
    }
    s->n = s->n ? n + 1 : 0;
    s->is_mixed = false;
}

ts_status ts_charset_unite(ts_charset *s, ts_charset *with)
{
    for (size_t i = 0; i < with->n; i++)
        TS_TRY(ts_charset_add(s, with->r[i].lo, with->r[i].hi));
    ts_charset_settle(s);
    return TS_OK;
}

ts_status ts_charset_copy(ts_charset *s, ts_charset *from)
{
    ts_charset_reset(s);
    return ts_charset_unite(s, from);
}

ts_status ts_charset_intersect(ts_charset *s, ts_charset *with)
{
    ts_charset out = { 0 };
    ts_status st = TS_OK;
    ts_charset_settle(s);
    ts_charset_settle(with);
    for (size_t i = 0, k = 0; i < s->n && k < with->n;) {
        const ts_char_range a = s->r[i], b = with->r[k];
        const uint32_t lo = a.lo > b.lo ? a.lo : b.lo, hi = a.hi < b.hi ? a.hi : b.hi;
        if (lo <= hi)
            TS_TRY_TO(done, st, ts_charset_add(&out, lo, hi));
        if (a.hi < b.hi)
            i++;
        else
            k++;
    }
done:
    if (st != TS_OK) {
        ts_charset_deinit(&out);
        return st;
    }
    ts_charset_deinit(s);
    *s = out;
    return TS_OK;
}

ts_status ts_charset_invert(ts_charset *s)
{
    ts_charset out = { 0 };
    ts_status st = TS_OK;
    uint32_t from = 0;
    ts_charset_settle(s);
    for (size_t i = 0; i < s->n; i++) {
        if (s->r[i].lo > from)
            TS_TRY_TO(done, st, ts_charset_add(&out, from, s->r[i].lo - 1));
        from = s->r[i].hi + 1;
    }
    if (from <= TS_CHAR_MAX)
        st = ts_charset_add(&out, from, TS_CHAR_MAX);
done:
    if (st != TS_OK) {
        ts_charset_deinit(&out);
        return st;
    }
    ts_charset_deinit(s);
    *s = out;
    return TS_OK;
}

/* The range that ends at c or behind it: its index. */
static size_t range_at(ts_charset *s, uint32_t c)
{
    size_t lo = 0, hi = s->n;
    ts_charset_settle(s);
    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        if (c > s->r[mid].hi)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

bool ts_charset_has(ts_charset *s, uint32_t c)
{
    const size_t i = range_at(s, c);
    return i < s->n && c >= s->r[i].lo;
}

bool ts_charset_holds(ts_charset *s, ts_charset *part)
{
    ts_charset_settle(part);
    for (size_t i = 0; i < part->n; i++) {
        const size_t k = range_at(s, part->r[i].lo);
        if (k == s->n || s->r[k].lo > part->r[i].lo || s->r[k].hi < part->r[i].hi)
            return false;
    }
    return true;
}

/* Where the general category changes, from U+0000 on: looked up once. */
enum { MAX_RUNS = 6000 };
static struct category_run {
    uint32_t from;
    int category;
} runs[MAX_RUNS];
static size_t n_runs;

static void find_runs(void)
{
    for (uint32_t c = 0; c <= TS_CHAR_MAX; c++) {
        const int category = ts_char_category(c);
        if (n_runs == 0 || category != runs[n_runs - 1].category) {
            TS_ASSERT(n_runs < MAX_RUNS, "more runs of categories than there is room for");
            runs[n_runs++] = (struct category_run){ c, category };
        }
        if ((c & 255) == 0 && ts_char_block_is_uniform(c >> 8))
            c |= 255;
    }
}

ts_status ts_charset_add_categories(ts_charset *s, uint32_t bits)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_runs);
    for (size_t i = 0; i < n_runs; i++)
        if (bits >> runs[i].category & 1)
            TS_TRY(ts_charset_add(s, runs[i].from,
                                  i + 1 < n_runs ? runs[i + 1].from - 1 : TS_CHAR_MAX));
    return TS_OK;
}

/* ---- case ---- */

static int by_key(const void *a, const void *b)
{
    const ts_fold *x = a, *y = b;
    for (int i = 0; i < 3; i++)
        if (x->key[i] != y->key[i])
            return x->key[i] < y->key[i] ? -1 : 1;
    return (x->c > y->c) - (x->c < y->c);
}

void ts_folds_deinit(ts_folds *f) { ts_free(&f->v); }

static ts_status add_fold(ts_folds *f, const uint32_t key[3], uint32_t c)
{
    if (f->n == f->cap)
        TS_TRY(ts_grow(&f->v, &f->cap, f->n + 1, sizeof *f->v));
    ts_fold *v = &f->v[f->n++];
    memcpy(v->key, key, sizeof v->key);
    v->c = c;
    return TS_OK;
}

ts_status ts_folds_init(ts_folds *f)
{
    uint32_t key[3];
    for (uint32_t c = 'A'; c <= TS_CHAR_MAX >> 3; c++) {
        if ((c & 255) == 0 && ts_char_block_is_uniform(c >> 8)) {
            c |= 255;
            continue;
        }
        if (ts_char_fold(c, key) > 1 || key[0] != c)
            TS_TRY(add_fold(f, key, c));
    }
    const size_t n = f->n; /* and what others fold to */
    qsort(f->v, n, sizeof *f->v, by_key);
    for (size_t i = 0; i < n; i++)
        if (!f->v[i].key[1] && (i == 0 || f->v[i].key[0] != f->v[i - 1].key[0])) {
            memcpy(key, f->v[i].key, sizeof key);
            TS_TRY(add_fold(f, key, key[0]));
        }
    qsort(f->v, f->n, sizeof *f->v, by_key);
    return TS_OK;
}

/* The first entry with this key, or where it would stand. */
static size_t find_key(const ts_folds *f, const uint32_t key[3])
{
    const ts_fold what = { { key[0], key[1], key[2] }, 0 };
    size_t lo = 0, hi = f->n;
    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        if (by_key(&f->v[mid], &what) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

ts_status ts_folds_add(const ts_folds *f, const uint32_t key[3], ts_charset *s, bool *found)
{
    size_t i = find_key(f, key);
    *found = i < f->n && !memcmp(f->v[i].key, key, sizeof f->v[i].key);
    for (; i < f->n && !memcmp(f->v[i].key, key, sizeof f->v[i].key); i++)
        TS_TRY(ts_charset_add(s, f->v[i].c, f->v[i].c));
    ts_charset_settle(s);
    return TS_OK;
}

ts_status ts_folds_close(const ts_folds *f, ts_charset *s)
{
    ts_charset more = { 0 };
    ts_status st = TS_OK;
    for (size_t i = 0, next; i < f->n && st == TS_OK; i = next) {
        bool any = false;
        for (next = i; next < f->n && !memcmp(f->v[next].key, f->v[i].key, sizeof f->v[i].key);)
            any |= ts_charset_has(s, f->v[next++].c);
        for (size_t k = i; any && k < next && st == TS_OK; k++)
            st = ts_charset_add(&more, f->v[k].c, f->v[k].c);
    }
    if (st == TS_OK)
        st = ts_charset_unite(s, &more);
    ts_charset_deinit(&more);
    return st;
}
