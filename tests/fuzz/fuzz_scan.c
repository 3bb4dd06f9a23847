#include "fuzz_text.h"
#include "text/pretoken/scan.h"
#include "text/regex/regex.h"

#define CONTRACTIONS "'s|'t|'re|'ve|'m|'ll|'d"
#define TAIL "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/* Patterns that have a scanner of their own; NULL: GPT-2's. */
static const char *const patterns[] = {
    NULL,
    "(?i:" CONTRACTIONS ")|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}" TAIL,
    "(?i:" CONTRACTIONS ")|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}" TAIL,
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
    "(?i:" CONTRACTIONS ")?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+"
    "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:" CONTRACTIONS ")?|\\p{N}{1,3}"
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
};
enum { N = sizeof patterns / sizeof *patterns };

/* The piece at `at` by the expression: a match there, or what lies before the next one. */
static size_t by_regex(const ts_regex *re, const char *s, size_t at, size_t n)
{
    bool found;
    size_t start, end;
    if (ts_regex_find(re, s, at, n, &found, &start, &end) != TS_OK)
        abort();
    return !found ? n - at : start > at ? start - at : end - at;
}

/* The block's ends are among the scanner's, and none before the last of them is left out. */
static void check_block(ts_block_fn *block, ts_scan_fn *scan, const unsigned char *p,
                        const unsigned char *end)
{
    const uint64_t ends = block(p);
    size_t at = 0;
    for (uint64_t left = ends; left; left &= left - 1) {
        at += scan(fuzz_unicode(), p + at, end);
        if (at != (size_t)__builtin_ctzll(left))
            abort();
    }
}

/* First byte: the pattern; the rest, as far as it is UTF-8, is cut by scanner and expression. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ts_regex *regex[N];
    if (size < 2)
        return 0;
    const size_t k = data[0] % N, n = ts_utf8_check((const char *)data + 1, size - 1);
    const char *pattern = patterns[k] ? patterns[k] : ts_scan_gpt2_pattern;
    ts_scan_fn *scan = ts_scan_find(pattern);
    if (!scan || (!regex[k] && ts_regex_create(pattern, strlen(pattern), TS_DIALECT_ONIGURUMA,
                                               "pattern", &regex[k]) != TS_OK))
        abort();
    char *copy = malloc(n + 1); /* so that bytes behind it are not there to be read */
    if (!copy)
        abort();
    memcpy(copy, data + 1, n);
    const unsigned char *s = (unsigned char *)copy, *end = s + n;
    for (size_t at = 0, len; at < n; at += len) {
        len = scan(fuzz_unicode(), s + at, end);
        if (!len || len > n - at || len != by_regex(regex[k], copy, at, n))
            abort();
        if (ts_scan_block(scan) && n - at >= TS_BLOCK_ROOM)
            check_block(ts_scan_block(scan), scan, s + at, end);
    }
    free(copy);
    return 0;
}
