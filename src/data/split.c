#include "data/split.h"

#include "data/blend.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool take_number(const char *s, double *out)
{
    char *end;
    *out = strtod(s, &end);
    return end != s && !*end;
}

static ts_status take_weights(const char *option, const ts_option_list *words, ts_blend_words *b)
{
    double sum = 0;
    TS_TRY(ts_alloc(&b->weights, (size_t)b->n, sizeof *b->weights));
    for (int64_t i = 0; i < b->n; i++) {
        if (!take_number(words->v[2 * i], &b->weights[i]))
            return ts_error(
                TS_ERR_USER,
                "--%s: \"%s\" is no weight; give a number before every prefix or before none",
                option, words->v[2 * i]);
        if (!(b->weights[i] >= 0) || isinf(b->weights[i]))
            return ts_error(TS_ERR_USER, "--%s: the weight %s is not a number from 0", option,
                            words->v[2 * i]);
        sum += b->weights[i];
        b->prefixes[i] = words->v[2 * i + 1];
    }
    if (!(sum > 0) || isinf(sum))
        return ts_error(TS_ERR_USER, "--%s: the weights sum to %g, expected more than 0", option,
                        sum);
    ts_blend_normalize(b->weights, b->n);
    return TS_OK;
}

ts_status ts_blend_words_parse(const char *option, const ts_option_list *words, ts_blend_words *out)
{
    ts_blend_words b = { 0 };
    double ignored;
    int64_t numbers = 0;
    TS_TRY(ts_alloc(&b.prefixes, (size_t)words->n, sizeof *b.prefixes));
    for (int64_t i = 0; i < words->n; i += 2)
        numbers += take_number(words->v[i], &ignored);
    ts_status st = TS_OK;
    if (words->n % 2 || numbers == 0) {
        b.n = words->n;
        if (b.n)
            memcpy(b.prefixes, words->v, (size_t)b.n * sizeof *b.prefixes);
    } else {
        b.n = words->n / 2;
        st = take_weights(option, words, &b);
    }
    if (st == TS_OK && b.n > TS_BLEND_MAX)
        st = ts_error(TS_ERR_USER, "--%s: %lld data sets, at most %d can be blended", option,
                      (long long)b.n, TS_BLEND_MAX);
    if (st != TS_OK)
        ts_blend_words_deinit(&b);
    else
        *out = b;
    return st;
}

void ts_blend_words_deinit(ts_blend_words *b)
{
    ts_free(&b->prefixes);
    ts_free(&b->weights);
    b->n = 0;
}

/* Megatron picks digits and points out of whatever stands there, so that -1,2,3 is 1,2,3 and
 * nan,1,1 is 1,1; here what is neither number nor separator is refused. */
ts_status ts_split_shares(const char *text, double out[3])
{
    static const char separators[] = " ,/:;[]()";
    double v[3] = { 0 };
    int n = 0;
    for (const char *s = text + strspn(text, separators); *s; s += strspn(s, separators)) {
        const size_t len = strcspn(s, separators);
        char word[64] = { 0 };
        if (len >= sizeof word || n == 3)
            return ts_error(TS_ERR_USER, "--split %s: expected up to three numbers", text);
        memcpy(word, s, len);
        if (strspn(word, ".0123456789") != len || !take_number(word, &v[n++]))
            return ts_error(TS_ERR_USER, "--split %s: \"%s\" is not a number from 0", text, word);
        s += len;
    }
    const double sum = v[0] + v[1] + v[2];
    if (!(sum > 0) || isinf(sum))
        return ts_error(TS_ERR_USER, "--split %s: expected up to three numbers that are not all 0",
                        text);
    for (int i = 0; i < 3; i++)
        out[i] = v[i] / sum;
    return TS_OK;
}

ts_status ts_split_parse(const char *text, double out[4])
{
    double share[3];
    TS_TRY(ts_split_shares(text, share));
    out[0] = 0;
    for (int i = 0; i < 3; i++)
        out[i + 1] = out[i] + share[i];
    return TS_OK;
}

void ts_split_samples(const double share[3], int part, int64_t n, int64_t *first, int64_t *count)
{
    int64_t bound[4] = { 0 };
    for (int i = 0; i < 3; i++)
        bound[i + 1] = bound[i] + (int64_t)nearbyint(share[i] * (double)n);
    const int64_t over = bound[3] - n;
    for (int i = 1; i < 4; i++)
        bound[i] = bound[i] - over > bound[i - 1] ? bound[i] - over : bound[i - 1];
    *first = bound[part];
    *count = bound[part + 1] - bound[part];
}

void ts_split_range(const double split[4], int part, int64_t n, int64_t *first, int64_t *count)
{
    double lo = nearbyint(split[part] * (double)n), hi = nearbyint(split[part + 1] * (double)n);
    hi = hi > (double)n ? (double)n : hi;
    *first = (int64_t)lo;
    *count = hi > lo ? (int64_t)(hi - lo) : 0;
}
