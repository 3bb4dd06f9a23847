#include "eval/pyregex.h"

#include "text/unicode.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

struct ts_pyregex {
    pcre2_code *code;
    pcre2_match_context *limits;
    uint32_t groups;
};

enum { MATCH_LIMIT = 10000000, HEAP_LIMIT_KIB = 65536 };

ts_status ts_pyregex_create(const char *pattern, const char *where, ts_pyregex **out)
{
    ts_pyregex *re;
    int code = 0;
    PCRE2_SIZE at = 0;
    TS_TRY(ts_alloc(&re, 1, sizeof *re));
    pcre2_compile_context *how = pcre2_compile_context_create(NULL);
    if (how)
        pcre2_set_newline(how, PCRE2_NEWLINE_LF);
    re->code = pcre2_compile((PCRE2_SPTR)pattern, strlen(pattern),
                             PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code, &at, how);
    pcre2_compile_context_free(how);
    re->limits = pcre2_match_context_create(NULL);
    if (re->code && re->limits) {
        pcre2_set_match_limit(re->limits, MATCH_LIMIT);
        pcre2_set_heap_limit(re->limits, HEAP_LIMIT_KIB);
        pcre2_pattern_info(re->code, PCRE2_INFO_CAPTURECOUNT, &re->groups);
        *out = re;
        return TS_OK;
    }
    char why[160] = "out of memory";
    if (!re->code)
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
    ts_pyregex_destroy(&re);
    return ts_error(TS_ERR_USER, "%s: cannot use the regular expression '%s': %s", where, pattern, why);
}

void ts_pyregex_destroy(ts_pyregex **re)
{
    if (*re) {
        pcre2_match_context_free((*re)->limits);
        pcre2_code_free((*re)->code);
    }
    ts_free(re);
}

/* A walk over all matches, as findall and sub have it: an empty one may follow another match. */
typedef struct walk {
    pcre2_match_data *m;
    const PCRE2_SIZE *at; /* pairs of the match and its groups */
    size_t next;
    bool was_empty;
} walk;

static ts_status walk_next(const ts_pyregex *re, walk *w, const char *s, size_t n, bool *found)
{
    int count;
    for (;;) {
        const uint32_t how = w->was_empty ? PCRE2_NOTEMPTY_ATSTART | PCRE2_ANCHORED : 0;
        count = w->next > n ? PCRE2_ERROR_NOMATCH
                            : pcre2_match(re->code, (PCRE2_SPTR)s, n, w->next, how | PCRE2_NO_UTF_CHECK, w->m,
                                          re->limits);
        if (count != PCRE2_ERROR_NOMATCH || !w->was_empty)
            break;
        w->was_empty = false; /* nothing more begins where the empty match was: one character on */
        const int len = w->next < n ? ts_utf8_len(s + w->next, n - w->next) : 1;
        w->next += len > 0 ? (size_t)len : 1;
    }
    *found = count > 0;
    if (count == PCRE2_ERROR_NOMATCH)
        return TS_OK;
    if (count < 0)
        return ts_error(TS_ERR_USER, "a regular expression needs too many steps on an answer");
    w->at = pcre2_get_ovector_pointer(w->m);
    w->next = w->at[1];
    w->was_empty = w->at[0] == w->at[1];
    return TS_OK;
}

static ts_status walk_begin(const ts_pyregex *re, walk *w)
{
    *w = (walk){ .m = pcre2_match_data_create_from_pattern(re->code, NULL) };
    return w->m ? TS_OK : ts_error(TS_ERR_NOMEM, "out of memory for a match");
}

/* What findall gives of a match. */
static void of_match(const ts_pyregex *re, const walk *w, size_t *from, size_t *upto)
{
    *from = w->at[0], *upto = w->at[1];
    for (uint32_t g = 1; g <= re->groups; g++) {
        const bool there = w->at[2 * g] != PCRE2_UNSET;
        *from = there ? w->at[2 * g] : 0;
        *upto = there ? w->at[2 * g + 1] : 0;
        if (*from < *upto)
            return;
    }
}

ts_status ts_pyregex_find(const ts_pyregex *re, const char *s, size_t n, int64_t select, size_t *begin, size_t *end,
                          bool *found)
{
    walk w;
    int64_t count = 0;
    bool any = true;
    size_t from = 0, upto = 0;
    *found = false;
    TS_TRY(walk_begin(re, &w));
    ts_status st = walk_next(re, &w, s, n, &any);
    for (; st == TS_OK && any; count++) {
        if (count == select || select == -1)
            of_match(re, &w, &from, &upto);
        if (count == select)
            break;
        st = walk_next(re, &w, s, n, &any);
    }
    pcre2_match_data_free(w.m);
    TS_TRY(st);
    if (select < -1 && count >= -select) /* counted: now from the front */
        return ts_pyregex_find(re, s, n, count + select, begin, end, found);
    *found = select == -1 ? count > 0 : any;
    *found = *found && (re->groups < 2 || from < upto); /* of several groups none has anything */
    const char *t = s + from;
    n = upto - from;
    ts_py_strip(&t, &n);
    *begin = (size_t)(t - s), *end = *begin + n;
    return TS_OK;
}

ts_status ts_pyregex_pick(const ts_pyregex *re, const char *s, size_t n, int64_t select, ts_str *out, bool *found)
{
    size_t from, upto;
    ts_str_reset(out);
    TS_TRY(ts_pyregex_find(re, s, n, select, &from, &upto, found));
    return *found ? ts_str_add(out, s + from, upto - from) : TS_OK;
}

ts_status ts_pyregex_sub(const ts_pyregex *re, const char *by, const char *s, size_t n, ts_str *out)
{
    walk w;
    size_t done = 0;
    bool any = true;
    ts_str_reset(out);
    TS_TRY(walk_begin(re, &w));
    ts_status st = walk_next(re, &w, s, n, &any);
    while (st == TS_OK && any) {
        st = ts_str_add(out, s + done, w.at[0] - done);
        if (st == TS_OK)
            st = ts_str_puts(out, by);
        done = w.at[1];
        if (st == TS_OK)
            st = walk_next(re, &w, s, n, &any);
    }
    if (st == TS_OK)
        st = ts_str_add(out, s + done, n - done);
    pcre2_match_data_free(w.m);
    return st;
}

void ts_py_strip(const char **s, size_t *n)
{
    for (int len; *n > 0; *s += len, *n -= (size_t)len) {
        len = ts_utf8_len(*s, *n);
        if (!len || !ts_char_is_space(ts_utf8_decode(*s, len)))
            break;
    }
    while (*n > 0) {
        size_t at = *n - 1;
        while (at > 0 && ((unsigned char)(*s)[at] & 0xC0) == 0x80)
            at--;
        const int len = ts_utf8_len(*s + at, *n - at);
        if (!len || !ts_char_is_space(ts_utf8_decode(*s + at, len)))
            break;
        *n = at;
    }
}

ts_status ts_py_lower(const char *s, size_t n, ts_str *out)
{
    for (size_t i = 0; i < n;) {
        const int len = ts_utf8_len(s + i, n - i);
        uint32_t lower[3];
        char bytes[4];
        if (!len) {
            TS_TRY(ts_str_add(out, s + i++, 1));
            continue;
        }
        const size_t k = ts_char_lower(ts_utf8_decode(s + i, len), lower);
        for (size_t j = 0; j < k; j++)
            TS_TRY(ts_str_add(out, bytes, (size_t)ts_utf8_encode(lower[j], bytes)));
        i += (size_t)len;
    }
    return TS_OK;
}
