#include "text/regex/regex.h"

#include "text/unicode.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

struct ts_regex {
    pcre2_code *code;
    pcre2_match_context *limits;
};

enum { MAX_PATTERN = 1 << 16, MATCH_LIMIT = 10000000, HEAP_LIMIT_KIB = 65536 };

/* Compiles; a newline is \n alone, whatever PCRE2 was built for. Where an expression begins with an
 * atomic group with alternatives, the compiled code of PCRE2 10.42 takes the second alternative
 * though the first matched, unless it does without what it knows of the beginnings of matches. */
static pcre2_code *compile(const ts_str *text, int *code, PCRE2_SIZE *at)
{
    pcre2_compile_context *how = pcre2_compile_context_create(NULL);
    if (how)
        pcre2_set_newline(how, PCRE2_NEWLINE_LF);
    const uint32_t plain = PCRE2_UTF | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
    const bool atomic = strstr(ts_str_text(text), "(?>") != NULL;
    pcre2_code *re =
        pcre2_compile((PCRE2_SPTR)ts_str_text(text), text->len,
                      plain | (atomic ? PCRE2_NO_START_OPTIMIZE : 0), code, at, how);
    pcre2_compile_context_free(how);
    return re;
}

ts_status ts_regex_create(const char *pattern, size_t n, ts_dialect dialect, const char *where,
                          ts_regex **out)
{
    ts_str text = { 0 };
    ts_regex *re = NULL;
    ts_status st = TS_OK;
    int code = 0;
    PCRE2_SIZE at = 0;
    if (n > MAX_PATTERN)
        return ts_error(TS_ERR_USER, "%s: a regular expression of %zu bytes, expected at most %d",
                        where, n, MAX_PATTERN);
    TS_TRY_TO(done, st, ts_regex_translate(pattern, n, dialect, where, &text));
    TS_TRY_TO(done, st, ts_alloc(&re, 1, sizeof *re));
    re->code = compile(&text, &code, &at);
    if (!re->code) {
        char why[160] = "";
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
        st = ts_error(TS_ERR_USER, "%s: cannot use the regular expression '%.*s': %s", where, (int)n,
                      pattern, why);
        goto done;
    }
    pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE); /* without it the interpreter does the same */
    re->limits = pcre2_match_context_create(NULL);
    if (!re->limits) {
        st = ts_error(TS_ERR_NOMEM, "out of memory for a regular expression");
        goto done;
    }
    pcre2_set_match_limit(re->limits, MATCH_LIMIT);
    pcre2_set_heap_limit(re->limits, HEAP_LIMIT_KIB);
    *out = re;
    re = NULL;
done:
    ts_regex_destroy(&re);
    ts_str_deinit(&text);
    return st;
}

void ts_regex_destroy(ts_regex **re)
{
    if (*re) {
        pcre2_match_context_free((*re)->limits);
        pcre2_code_free((*re)->code);
    }
    ts_free(re);
}

ts_status ts_regex_find(const ts_regex *re, const char *s, size_t from, size_t n, bool *found,
                        size_t *start, size_t *end)
{
    pcre2_match_data *m = pcre2_match_data_create(1, NULL);
    if (!m)
        return ts_error(TS_ERR_NOMEM, "out of memory for a regular expression");
    uint32_t options = PCRE2_NO_UTF_CHECK;
    int rc = pcre2_match(re->code, (PCRE2_SPTR)s, n, from, options, m, re->limits);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(re->code, (PCRE2_SPTR)s, n, from, options | PCRE2_NO_JIT, m, re->limits);
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(m);
    const size_t a = rc >= 0 ? at[0] : 0, b = rc >= 0 ? at[1] : 0;
    pcre2_match_data_free(m);
    if (rc < 0 && rc != PCRE2_ERROR_NOMATCH) {
        char why[160] = "";
        pcre2_get_error_message(rc, (PCRE2_UCHAR *)why, sizeof why);
        return ts_error(TS_ERR_USER, "the tokenizer's regular expression failed at byte %zu: %s",
                        from, why);
    }
    *found = rc >= 0 && b >= a;
    *start = a < from ? from : a; /* \K in a look-behind sets it back, even before `from` */
    *end = b;
    return TS_OK;
}

ts_status ts_regex_next(const ts_regex *re, ts_regex_walk *walk, const char *s, size_t n,
                        bool *found, size_t *start, size_t *end)
{
    *found = false;
    while (walk->at <= n) {
        TS_TRY(ts_regex_find(re, s, walk->at, n, found, start, end));
        if (!*found)
            return TS_OK;
        const bool again = *end == *start && walk->any && *end == walk->last_end;
        walk->at = *end;
        if (!again) {
            walk->any = true;
            walk->last_end = *end;
            return TS_OK;
        }
        *found = false;
        walk->at += *end < n ? ts_utf8_width((unsigned char)s[*end]) : 1;
    }
    return TS_OK;
}
