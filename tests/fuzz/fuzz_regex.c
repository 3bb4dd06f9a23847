#include "fuzz.h"
#include "text/pretoken/pretoken.h"
#include "text/regex/regex.h"

/* Every match lies in the text, behind the one before; all matches are few. */
static void search(const ts_regex *re, const char *text, size_t n)
{
    size_t at = 0, start, end;
    bool found;
    while (at <= n) {
        if (ts_regex_find(re, text, at, n, &found, &start, &end) != TS_OK || !found)
            return;
        if (start < at || end < start || end > n)
            abort();
        at = end > start ? end : end + (end < n ? ts_utf8_width((unsigned char)text[end]) : 1);
    }
}

/* As a pre-tokenizer's Split: pieces in order that together are the text, where none is removed. */
static void split(const char *pattern, ts_split_behavior behavior, const char *text, size_t n)
{
    ts_pretoken p = { 0 };
    ts_pre_work w = { .pieces = { { 0 } } };
    const ts_pieces *pieces;
    const char *to;
    size_t sum = 0, end = 0;
    if (n && ts_pretoken_add_pattern(&p, pattern, "pattern") == TS_OK) {
        ts_pre_step *st = &p.step[0];
        if (!st->scan)
            st->behavior = behavior;
        if (ts_pretokenize(&p, NULL, &w, text, n, true, false, &to, &pieces) == TS_OK &&
            !st->scan) {
            for (size_t i = 0; i < pieces->n; i++) {
                if (pieces->v[i].off < end || pieces->v[i].len > n - pieces->v[i].off)
                    abort();
                end = pieces->v[i].off + pieces->v[i].len;
                sum += pieces->v[i].len;
            }
            if (behavior != TS_SPLIT_REMOVED && sum != n)
                abort();
        }
    }
    ts_pre_work_deinit(&w);
    ts_pretoken_deinit(&p);
}

/* First byte: the behavior, and whose dialect; then a pattern, a NUL, and the text to search. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size > 1 ? memchr(data + 1, 0, size - 1) : NULL;
    const char *own = nul ? (const char *)nul + 1 : "It's 12 \xC3\xA9\xE6\x97\xA5  \na";
    size_t n = nul ? size - (size_t)(nul + 1 - data) : strlen(own);
    ts_str out = { 0 };
    ts_regex *re = NULL;
    if (size < 1)
        return 0;
    char *pattern = fuzz_text(data + 1, nul ? (size_t)(nul - data) - 1 : size - 1),
         *text = fuzz_text(own, n < 200 ? n : 200);
    n = ts_utf8_check(text, n < 200 ? n : 200);
    if (ts_utf8_check(pattern, strlen(pattern)) == strlen(pattern)) { /* as JSON gives it */
        const ts_dialect dialect = data[0] & 64 ? TS_DIALECT_RUST : TS_DIALECT_ONIGURUMA;
        (void)!ts_regex_translate(pattern, strlen(pattern), dialect, "pattern", &out);
        if (ts_regex_create(pattern, strlen(pattern), dialect, "pattern", &re) == TS_OK) {
            search(re, text, n);
            if (!ts_scan_find(pattern))
                split(pattern, data[0] % 5, text, n);
        }
        ts_regex_destroy(&re);
    }
    ts_str_deinit(&out);
    free(pattern);
    free(text);
    return 0;
}
