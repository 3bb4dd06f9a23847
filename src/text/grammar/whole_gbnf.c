/* Ranges of whole numbers as rules of a grammar. */
#include "text/grammar/rules.h"

#include <stdio.h>
#include <string.h>

enum { MOST_DIGITS = 16 };

static ts_status digits(int64_t n, ts_str *out) { return n ? ts_str_printf(out, " [0-9]{%lld}", (long long)n) : TS_OK; }

static bool all_are(const char *s, char c) { return s[strspn(s, (char[]){ c, 0 })] == 0; }

/* Numbers of as many digits as a and b have, from a to b; with zeros in front where they have such. */
static ts_status same_length(const char *a, const char *b, ts_str *out)
{
    const size_t n = strlen(a);
    char least[24], most[24];
    if (!n)
        return ts_str_puts(out, "\"\"");
    if (all_are(a, '0') && all_are(b, '9'))
        return digits((int64_t)n, out);
    if (*a == *b) {
        TS_TRY(ts_str_printf(out, " \"%c\" (", *a));
        TS_TRY(same_length(a + 1, b + 1, out));
        return ts_str_puts(out, ")");
    }
    const bool low_whole = all_are(a + 1, '0'), high_whole = all_are(b + 1, '9');
    memset(least, '0', n - 1);
    memset(most, '9', n - 1);
    least[n - 1] = most[n - 1] = 0;
    const char from = (char)(*a + !low_whole), to = (char)(*b - !high_whole);
    const char *between = "";
    if (!low_whole) {
        TS_TRY(ts_str_printf(out, " \"%c\" (", *a));
        TS_TRY(same_length(a + 1, most, out));
        TS_TRY(ts_str_puts(out, ")"));
        between = " |";
    }
    if (from <= to) {
        TS_TRY(ts_str_printf(out, "%s [%c-%c]", between, from, to));
        TS_TRY(digits((int64_t)n - 1, out));
        between = " |";
    }
    if (!high_whole) {
        TS_TRY(ts_str_printf(out, "%s \"%c\" (", between, *b));
        TS_TRY(same_length(least, b + 1, out));
        TS_TRY(ts_str_puts(out, ")"));
    }
    return TS_OK;
}

/* 0 <= lo <= hi. */
static ts_status natural(uint64_t lo, uint64_t hi, bool is_open, ts_str *out)
{
    char a[24], b[24], end[24];
    const int n = snprintf(a, sizeof a, "%llu", (unsigned long long)lo);
    const int m = is_open ? (n > MOST_DIGITS ? n : MOST_DIGITS) : snprintf(b, sizeof b, "%llu", (unsigned long long)hi);
    if (is_open)
        memset(b, '9', (size_t)m), b[m] = 0;
    for (int k = n; k <= m; k++) {
        memset(end, '9', (size_t)k);
        end[k] = 0;
        TS_TRY(ts_str_puts(out, k == n ? "(" : " | ("));
        TS_TRY(same_length(a, k == m ? b : end, out));
        TS_TRY(ts_str_puts(out, ")"));
        memset(a, '0', (size_t)k + 1);
        a[0] = '1';
        a[k + 1] = 0;
    }
    return TS_OK;
}

ts_status ts_gbnf_whole(int64_t lo, int64_t hi, ts_str *out)
{
    const bool no_low = lo == INT64_MIN, no_high = hi == INT64_MAX;
    if (lo > hi)
        return ts_error(TS_ERR_USER, "no whole number is from %lld to %lld", (long long)lo, (long long)hi);
    TS_TRY(ts_str_puts(out, "("));
    if (lo < 0) {
        TS_TRY(ts_str_puts(out, "\"-\" ("));
        TS_TRY(natural(hi < 0 ? -(uint64_t)hi : 1, no_low ? 0 : -(uint64_t)lo, no_low, out));
        TS_TRY(ts_str_puts(out, hi >= 0 ? ") | " : ")"));
    }
    if (hi >= 0)
        TS_TRY(natural(lo > 0 ? (uint64_t)lo : 0, no_high ? 0 : (uint64_t)hi, no_high, out));
    return ts_str_puts(out, ")");
}
