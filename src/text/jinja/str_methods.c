/* The methods of str. */
#include "text/jinja/letters.h"
#include "text/unicode.h"

#include <string.h>
#include <utf8proc.h>

static ts_status like(ts_jv self, ts_status st, ts_jv *out)
{
    out->is_safe = self.is_safe; /* a method of Markup gives Markup */
    return st;
}

/* ---------------------------------------------------------------- ends */

static bool has_char(ts_jv chars, const char *s, size_t len)
{
    return ts_jv_find(chars, ts_jv_str(s, len), 0) <= chars.n;
}

static ts_status strip(ts_jx *x, ts_jv self, ts_jv chars, bool left, bool right, ts_jv *out)
{
    size_t a = 0, b = self.n;
    if (chars.type == TS_JV_ABSENT || chars.type == TS_JV_NONE) {
        a = left ? ts_jinja_skip_space(self.s, 0, b) : 0;
        b = right ? ts_jinja_back_space(self.s, a, b) : b;
    } else {
        TS_TRY(ts_jarg_str(x, chars, NULL, &chars));
        while (left && a < b && has_char(chars, self.s + a, ts_utf8_width((unsigned char)self.s[a])))
            a += ts_utf8_width((unsigned char)self.s[a]);
        while (right && b > a) {
            size_t c = b - 1;
            while (((unsigned char)self.s[c] & 0xC0) == 0x80)
                c--;
            if (!has_char(chars, self.s + c, b - c))
                break;
            b = c;
        }
    }
    *out = ts_jv_str(self.s + a, b - a);
    return like(self, TS_OK, out);
}

static ts_status m_strip(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)c;
    return strip(x, self, a[0], true, true, out);
}

static ts_status m_lstrip(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)c;
    return strip(x, self, a[0], true, false, out);
}

static ts_status m_rstrip(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)c;
    return strip(x, self, a[0], false, true, out);
}

static bool begins(ts_jv v, ts_jv with)
{
    return with.n <= v.n && !memcmp(v.s, with.s, with.n);
}

static bool finishes(ts_jv v, ts_jv with)
{
    return with.n <= v.n && !memcmp(v.s + v.n - with.n, with.s, with.n);
}

/* self[start:end], with Python's bounds. */
static ts_status part(ts_jx *x, ts_jv self, ts_jv start, ts_jv end, ts_jv *out, size_t *from)
{
    ts_jv v[3] = { ts_jarg(start, ts_jv_none()), ts_jarg(end, ts_jv_none()), ts_jv_none() };
    const ts_jseq slice = { .v = v, .n = 3 };
    ts_jrange r;
    TS_TRY(ts_jx_slice_range(x, &slice, ts_jv_chars(self), &r));
    const size_t begin = ts_jv_char_offset(self, (size_t)r.start);
    const ts_jv rest = ts_jv_str(self.s + begin, self.n - begin);
    *out = ts_jv_str(rest.s, ts_jv_char_offset(rest, r.n));
    *from = (size_t)r.start;
    return TS_OK;
}

static ts_status ends(ts_jx *x, ts_jv self, const ts_jv *a, bool at_end, ts_jv *out)
{
    size_t from;
    bool is = false;
    TS_TRY(part(x, self, a[1], a[2], &self, &from));
    const bool is_tuple = a[0].type == TS_JV_TUPLE;
    for (size_t i = 0; i < (is_tuple ? a[0].seq->n : 1); i++) {
        const ts_jv with = is_tuple ? a[0].seq->v[i] : a[0];
        if (with.type != TS_JV_STR)
            return ts_jx_fail(x, "TypeError",
                              "%swith first arg must be str or a tuple of str, not %s",
                              at_end ? "ends" : "starts", ts_jv_type_name(with));
        is |= at_end ? finishes(self, with) : begins(self, with);
    }
    *out = ts_jv_bool(is);
    return TS_OK;
}

static ts_status m_startswith(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)c;
    return ends(x, self, a, false, out);
}

static ts_status m_endswith(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)c;
    return ends(x, self, a, true, out);
}

static ts_status m_removeprefix(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    ts_jv with;
    (void)c;
    TS_TRY(ts_jarg_str(x, a[0], NULL, &with));
    const size_t n = begins(self, with) ? with.n : 0;
    *out = ts_jv_str(self.s + n, self.n - n);
    return like(self, TS_OK, out);
}

static ts_status m_removesuffix(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    ts_jv with;
    (void)c;
    TS_TRY(ts_jarg_str(x, a[0], NULL, &with));
    *out = ts_jv_str(self.s, self.n - (finishes(self, with) ? with.n : 0));
    return like(self, TS_OK, out);
}

/* ---------------------------------------------------------------- cutting */

typedef struct pieces {
    ts_jv list;
    size_t cap;
} pieces;

static ts_status add_piece(ts_jx *x, pieces *p, ts_jv self, size_t a, size_t b)
{
    ts_jv v = ts_jv_str(self.s + a, b - a);
    v.is_safe = self.is_safe;
    return ts_jseq_add(x, p->list.seq, &p->cap, v);
}

static ts_status split_blank(ts_jx *x, ts_jv self, size_t most, pieces *p)
{
    size_t at = ts_jinja_skip_space(self.s, 0, self.n);
    for (size_t k = 0; at < self.n; k++) {
        size_t end = at, len;
        if (k == most)
            return add_piece(x, p, self, at, self.n);
        while (end < self.n &&
               !ts_jinja_is_space(ts_utf8_next((const unsigned char *)self.s + end, &len)))
            end += len;
        TS_TRY(add_piece(x, p, self, at, end));
        at = ts_jinja_skip_space(self.s, end, self.n);
    }
    return TS_OK;
}

static ts_status split_at(ts_jx *x, ts_jv self, ts_jv sep, size_t most, pieces *p)
{
    size_t at = 0;
    for (size_t k = 0; k < most; k++) {
        const size_t found = ts_jv_find(self, sep, at);
        if (found > self.n)
            break;
        TS_TRY(add_piece(x, p, self, at, found));
        at = found + sep.n;
    }
    return add_piece(x, p, self, at, self.n);
}

static void turn_round(ts_jseq *s)
{
    for (size_t i = 0; i < s->n / 2; i++) {
        const ts_jv v = s->v[i];
        s->v[i] = s->v[s->n - 1 - i];
        s->v[s->n - 1 - i] = v;
    }
}

/* Byte where needle stands last before `end`, or v.n + 1. */
static size_t find_last(ts_jv v, ts_jv needle, size_t end)
{
    if (needle.n > end)
        return (size_t)v.n + 1;
    for (size_t at = end - needle.n + 1; at-- > 0;)
        if (!memcmp(v.s + at, needle.s, needle.n))
            return at;
    return (size_t)v.n + 1;
}

static ts_status rsplit_at(ts_jx *x, ts_jv self, ts_jv sep, size_t most, pieces *p)
{
    size_t end = self.n;
    for (size_t k = 0; k < most; k++) {
        const size_t found = find_last(self, sep, end);
        if (found > self.n)
            break;
        TS_TRY(add_piece(x, p, self, found + sep.n, end));
        end = found;
    }
    TS_TRY(add_piece(x, p, self, 0, end));
    turn_round(p->list.seq);
    return TS_OK;
}

static ts_status rsplit_blank(ts_jx *x, ts_jv self, size_t most, pieces *p)
{
    size_t end = ts_jinja_back_space(self.s, 0, self.n);
    for (size_t k = 0; end; k++) {
        size_t at = end, len;
        if (k == most) {
            TS_TRY(add_piece(x, p, self, 0, end));
            break;
        }
        while (at) {
            size_t c = at - 1;
            while (c && ((unsigned char)self.s[c] & 0xC0) == 0x80)
                c--;
            if (ts_jinja_is_space(ts_utf8_next((const unsigned char *)self.s + c, &len)))
                break;
            at = c;
        }
        TS_TRY(add_piece(x, p, self, at, end));
        end = ts_jinja_back_space(self.s, 0, at);
    }
    turn_round(p->list.seq);
    return TS_OK;
}

static ts_status cut(ts_jx *x, ts_jv self, const ts_jv *a, bool from_right, ts_jv *out)
{
    pieces p = { 0 };
    int64_t most;
    TS_TRY(ts_jv_seq(x, TS_JV_LIST, 0, &p.list));
    TS_TRY(ts_jarg_int(x, a[1], -1, &most));
    const size_t k = most < 0 ? SIZE_MAX : (size_t)most;
    *out = p.list;
    if (a[0].type == TS_JV_ABSENT || a[0].type == TS_JV_NONE)
        return from_right ? rsplit_blank(x, self, k, &p) : split_blank(x, self, k, &p);
    ts_jv sep;
    TS_TRY(ts_jarg_str(x, a[0], NULL, &sep));
    if (!sep.n)
        return ts_jx_fail(x, "ValueError", "empty separator");
    return from_right ? rsplit_at(x, self, sep, k, &p) : split_at(x, self, sep, k, &p);
}

static ts_status m_split(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)c;
    return cut(x, self, a, false, out);
}

static ts_status m_rsplit(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)c;
    return cut(x, self, a, true, out);
}

static bool is_line_end(uint32_t c)
{
    return (c >= 10 && c <= 13) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

static ts_status m_splitlines(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    pieces p = { 0 };
    (void)c;
    const bool keep = ts_jv_true(a[0]);
    TS_TRY(ts_jv_seq(x, TS_JV_LIST, 0, &p.list));
    size_t from = 0, len;
    for (size_t i = 0; i < self.n; i += len) {
        if (!is_line_end(ts_utf8_next((const unsigned char *)self.s + i, &len)))
            continue;
        const size_t end = i;
        len += self.s[i] == '\r' && i + 1 < self.n && self.s[i + 1] == '\n';
        TS_TRY(add_piece(x, &p, self, from, keep ? i + len : end));
        from = i + len;
    }
    if (from < self.n)
        TS_TRY(add_piece(x, &p, self, from, self.n));
    *out = p.list;
    return TS_OK;
}

static ts_status partition(ts_jx *x, ts_jv self, ts_jv sep, bool from_right, ts_jv *out)
{
    TS_TRY(ts_jarg_str(x, sep, NULL, &sep));
    if (!sep.n)
        return ts_jx_fail(x, "ValueError", "empty separator");
    const size_t at = from_right ? find_last(self, sep, self.n) : ts_jv_find(self, sep, 0);
    const ts_jv none = ts_jv_str("", 0);
    TS_TRY(ts_jv_seq(x, TS_JV_TUPLE, 3, out));
    ts_jv *v = out->seq->v;
    const bool found = at <= self.n;
    v[0] = found ? ts_jv_str(self.s, at) : from_right ? none : self;
    v[1] = found ? sep : none;
    v[2] = found ? ts_jv_str(self.s + at + sep.n, self.n - at - sep.n) : from_right ? self : none;
    return TS_OK;
}

static ts_status m_partition(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)c;
    return partition(x, self, a[0], false, out);
}

static ts_status m_rpartition(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)c;
    return partition(x, self, a[0], true, out);
}

/* ---------------------------------------------------------------- looking */

static ts_status look(ts_jx *x, ts_jv self, const ts_jv *a, bool from_right, bool must, ts_jv *out)
{
    ts_jv needle, in;
    size_t from;
    TS_TRY(ts_jarg_str(x, a[0], NULL, &needle));
    TS_TRY(part(x, self, a[1], a[2], &in, &from));
    TS_TRY(ts_jx_step(x, self.n / 16));
    const size_t at = from_right ? find_last(in, needle, in.n) : ts_jv_find(in, needle, 0);
    if (at > in.n && must)
        return ts_jx_fail(x, "ValueError", "substring not found");
    *out = ts_jv_int(at > in.n ? -1 : (int64_t)(from + ts_jv_chars(ts_jv_str(in.s, at))));
    return TS_OK;
}

#define LOOK(name, from_right, must)                                                               \
    static ts_status m_##name(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out) \
    {                                                                                              \
        (void)c;                                                                                   \
        return look(x, self, a, from_right, must, out);                                            \
    }
LOOK(find, false, false)
LOOK(rfind, true, false)
LOOK(index, false, true)
LOOK(rindex, true, true)

static ts_status m_count(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    ts_jv needle;
    size_t from;
    int64_t n = 0;
    (void)c;
    TS_TRY(ts_jarg_str(x, a[0], NULL, &needle));
    TS_TRY(part(x, self, a[1], a[2], &self, &from));
    if (!needle.n)
        n = (int64_t)ts_jv_chars(self) + 1;
    else
        for (size_t at = 0; (at = ts_jv_find(self, needle, at)) <= self.n; at += needle.n)
            n++;
    *out = ts_jv_int(n);
    return TS_OK;
}

static ts_status m_replace(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    ts_jv from, to;
    int64_t most;
    size_t at = 0;
    ts_str s = { 0 };
    ts_status st = TS_OK;
    (void)c;
    TS_TRY(ts_jarg_str(x, a[0], NULL, &from));
    TS_TRY(ts_jarg_str(x, a[1], NULL, &to));
    TS_TRY(ts_jarg_int(x, a[2], -1, &most));
    if (self.is_safe && !to.is_safe)
        TS_TRY(ts_jx_escape(x, to, &to));
    for (int64_t k = 0; st == TS_OK && (most < 0 || k < most); k++) {
        const size_t found = ts_jv_find(self, from, at);
        if (found > self.n)
            break;
        st = ts_str_add(&s, self.s + at, found - at);
        if (st == TS_OK)
            st = ts_str_add(&s, to.s, to.n);
        if (s.len > TS_JINJA_BYTES && st == TS_OK)
            st = ts_jx_fail(x, "MemoryError", "the result of replace is too large");
        at = found + from.n;
        if (!from.n && at < self.n) { /* between all characters */
            const size_t len = ts_utf8_width((unsigned char)self.s[at]);
            if (st == TS_OK)
                st = ts_str_add(&s, self.s + at, len);
            at += len;
        } else if (!from.n) {
            break;
        }
    }
    if (st == TS_OK)
        st = ts_str_add(&s, self.s + at, self.n - at);
    return like(self, ts_jx_finish(x, &s, st, out), out);
}

/* ---------------------------------------------------------------- letters */

#define CASE(name, how)                                                                            \
    static ts_status m_##name(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out) \
    {                                                                                              \
        (void)a, (void)c;                                                                          \
        return ts_jstr_change_case(x, self, how, out);                                                     \
    }
CASE(upper, TS_JCASE_UPPER)
CASE(lower, TS_JCASE_LOWER)
CASE(title, TS_JCASE_TITLE)
CASE(capitalize, TS_JCASE_CAPITAL)
CASE(swapcase, TS_JCASE_SWAP)
CASE(casefold, TS_JCASE_FOLD)

#define ALL(name, test)                                                                            \
    static ts_status m_##name(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out) \
    {                                                                                              \
        (void)x, (void)a, (void)c;                                                                 \
        return ts_jstr_all_are(self, test, out);                                                           \
    }
ALL(isalpha, ts_jchar_is_alpha)
ALL(isdecimal, ts_jchar_is_decimal)
ALL(isdigit, ts_jchar_is_digit)
ALL(isnumeric, ts_jchar_is_numeric)
ALL(isalnum, ts_jchar_is_alnum)
ALL(isspace, ts_jinja_is_space)

static ts_status m_isupper(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)x, (void)a, (void)c;
    return ts_jstr_one_case(self, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LL, out);
}

static ts_status m_islower(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)x, (void)a, (void)c;
    return ts_jstr_one_case(self, UTF8PROC_CATEGORY_LL, UTF8PROC_CATEGORY_LU, out);
}

/* ---------------------------------------------------------------- room */

static ts_status fill(ts_str *s, ts_jv with, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        TS_TRY(ts_str_add(s, with.s, with.n));
    return TS_OK;
}

static ts_status pad(ts_jx *x, ts_jv self, const ts_jv *a, int where, ts_jv *out)
{
    int64_t width;
    ts_jv with;
    ts_str s = { 0 };
    TS_TRY(ts_jarg_int(x, a[0], 0, &width));
    TS_TRY(ts_jarg_str(x, a[1], " ", &with));
    if (ts_jv_chars(with) != 1)
        return ts_jx_fail(x, "TypeError", "The fill character must be exactly one character long");
    if (width > TS_JINJA_BYTES / 4)
        return ts_jx_fail(x, "MemoryError", "a width of %lld is too large", (long long)width);
    const int64_t n = (int64_t)ts_jv_chars(self), more = width > n ? width - n : 0;
    const int64_t left = where < 0 ? 0 : where > 0 ? more : more / 2 + (more & width & 1);
    ts_status st = fill(&s, with, left);
    if (st == TS_OK)
        st = ts_str_add(&s, self.s, self.n);
    if (st == TS_OK)
        st = fill(&s, with, more - left);
    return like(self, ts_jx_finish(x, &s, st, out), out);
}

static ts_status m_ljust(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)c;
    return pad(x, self, a, -1, out);
}

static ts_status m_rjust(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)c;
    return pad(x, self, a, 1, out);
}

static ts_status m_center(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)c;
    return pad(x, self, a, 0, out);
}

static ts_status m_zfill(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    const bool is_signed = self.n && (self.s[0] == '-' || self.s[0] == '+');
    ts_jv width;
    int64_t n;
    (void)c;
    TS_TRY(ts_jarg_int(x, a[0], 0, &n));
    width = ts_jv_int(is_signed ? n - 1 : n);
    const ts_jv arg[] = { width, ts_jv_str("0", 1) };
    TS_TRY(pad(x, ts_jv_str(self.s + is_signed, self.n - is_signed), arg, 1, out));
    if (!is_signed)
        return TS_OK;
    return ts_jx_arith(x, TS_JO_ADD, ts_jv_str(self.s, 1), *out, out);
}

static ts_status m_join(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    ts_jseq *items;
    ts_str s = { 0 };
    ts_status st = TS_OK;
    (void)c;
    TS_TRY(ts_jv_items(x, a[0], &items));
    for (size_t i = 0; i < items->n && st == TS_OK; i++) {
        ts_jv v = ts_jseq_at(items, i);
        if (v.type != TS_JV_STR)
            st = ts_jx_fail(x, "TypeError", "sequence item %zu: expected str instance, %s found", i,
                            ts_jv_type_name(v));
        else if (self.is_safe && !v.is_safe)
            st = ts_jx_escape(x, v, &v);
        if (st == TS_OK && i)
            st = ts_str_add(&s, self.s, self.n);
        if (st == TS_OK)
            st = ts_str_add(&s, v.s, v.n);
        if (st == TS_OK && s.len > TS_JINJA_BYTES)
            st = ts_jx_fail(x, "MemoryError", "the result of join is too large");
    }
    return like(self, ts_jx_finish(x, &s, st, out), out);
}

static ts_status m_format(ts_jx *x, ts_jv self, const ts_jv *a, const ts_jcall *c, ts_jv *out)
{
    (void)a;
    return ts_jx_str_format(x, self, c, out);
}

const ts_jrow ts_jinja_str_methods[] = {
    { "strip", "chars", 0, m_strip },
    { "lstrip", "chars", 0, m_lstrip },
    { "rstrip", "chars", 0, m_rstrip },
    { "startswith", "prefix start end", 1, m_startswith },
    { "endswith", "suffix start end", 1, m_endswith },
    { "removeprefix", "prefix", 1, m_removeprefix },
    { "removesuffix", "suffix", 1, m_removesuffix },
    { "split", "sep maxsplit", 0, m_split },
    { "rsplit", "sep maxsplit", 0, m_rsplit },
    { "splitlines", "keepends", 0, m_splitlines },
    { "partition", "sep", 1, m_partition },
    { "rpartition", "sep", 1, m_rpartition },
    { "find", "sub start end", 1, m_find },
    { "rfind", "sub start end", 1, m_rfind },
    { "index", "sub start end", 1, m_index },
    { "rindex", "sub start end", 1, m_rindex },
    { "count", "sub start end", 1, m_count },
    { "replace", "old new count", 2, m_replace },
    { "upper", "", 0, m_upper },
    { "lower", "", 0, m_lower },
    { "title", "", 0, m_title },
    { "capitalize", "", 0, m_capitalize },
    { "swapcase", "", 0, m_swapcase },
    { "casefold", "", 0, m_casefold },
    { "isalpha", "", 0, m_isalpha },
    { "isdecimal", "", 0, m_isdecimal },
    { "isdigit", "", 0, m_isdigit },
    { "isnumeric", "", 0, m_isnumeric },
    { "isalnum", "", 0, m_isalnum },
    { "isspace", "", 0, m_isspace },
    { "isupper", "", 0, m_isupper },
    { "islower", "", 0, m_islower },
    { "ljust", "width fillchar", 1, m_ljust },
    { "rjust", "width fillchar", 1, m_rjust },
    { "center", "width fillchar", 1, m_center },
    { "zfill", "width", 1, m_zfill },
    { "join", "iterable", 1, m_join },
    { "format", NULL, 0, m_format },
};
const size_t ts_jinja_n_str_methods = sizeof ts_jinja_str_methods / sizeof *ts_jinja_str_methods;
