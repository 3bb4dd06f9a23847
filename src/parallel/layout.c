#include "base/mem.h"
#include "base/str.h"
#include "parallel/stages.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Megatron-LM's words for a pipeline: E the embedding, t a layer, L the output layer and the loss, m a
 * layer that predicts further tokens; `|` between stages; x*N and (...)*N repeat; commas and blanks are
 * nothing. */

enum { LONGEST = 1 << 20 };

typedef struct reader {
    const char *text, *at;
} reader;

static ts_status wrong(const reader *r, const char *what)
{
    return ts_error(TS_ERR_USER,
                    "--pipeline-model-parallel-layout %s: %s at \"%s\" (character %lld); it is written "
                    "like \"Et*3|t*4|t*3L\": E embedding, t layer, L loss, | between stages",
                    r->text, what, r->at, (long long)(r->at - r->text) + 1);
}

static void skip(reader *r)
{
    while (*r->at == ',' || isspace((unsigned char)*r->at))
        r->at++;
}

/* What stands at [from, out->len) comes as often as a number behind it says. */
static ts_status repeat(reader *r, ts_str *out, size_t from)
{
    skip(r);
    if (*r->at != '*')
        return TS_OK;
    r->at++;
    skip(r);
    char *end;
    const long n = isdigit((unsigned char)*r->at) ? strtol(r->at, &end, 10) : 0;
    const size_t unit = out->len - from;
    if (n < 1 || (size_t)n > LONGEST / (unit ? unit : 1))
        return wrong(r, "no number of times, from 1,");
    r->at = end;
    char *copy;
    TS_TRY(ts_strndup(ts_str_text(out) + from, unit, &copy));
    ts_status st = TS_OK;
    for (long i = 1; st == TS_OK && i < n; i++)
        st = out->len + unit > LONGEST ? wrong(r, "more than a million") : ts_str_add(out, copy, unit);
    ts_free(&copy);
    return st;
}

/* To the end, or to the parenthesis that closes the first one. */
static ts_status expand(reader *r, int depth, ts_str *out)
{
    for (skip(r); *r->at && *r->at != ')'; skip(r)) {
        const size_t from = out->len;
        if (!strchr("EtmL|(", *r->at))
            return wrong(r, "an unknown letter");
        if (*r->at == '(') {
            if (depth > 8)
                return wrong(r, "too many parentheses");
            r->at++;
            TS_TRY(expand(r, depth + 1, out));
            if (*r->at != ')')
                return wrong(r, "no closing parenthesis");
        } else {
            TS_TRY(ts_str_add(out, r->at, 1));
        }
        r->at++;
        TS_TRY(repeat(r, out, from));
    }
    return *r->at && !depth ? wrong(r, "a parenthesis that nothing opens") : TS_OK;
}

/* Once each: the embedding before all layers, the loss behind them. */
static ts_status check(reader *r, const char *all)
{
    const char *e = strchr(all, 'E'), *l = strchr(all, 'L');
    const char *first = strpbrk(all, "tmL"), *last = l ? strpbrk(l, "tmE") : NULL, *m = strchr(all, 'm');
    r->at = r->text;
    if (m && strpbrk(m, "t|"))
        return wrong(r, "layers that predict further tokens (m) stand behind all t, in the last stage;");
    if (!e || strchr(e + 1, 'E') || !l || strchr(l + 1, 'L') || (first && first < e) || last)
        return wrong(r, "expected one E before all t, and one L behind them;");
    if (memchr(all, '|', (size_t)(e - all)) || strchr(l, '|'))
        return wrong(r, "expected E in the first stage, and L in the last;");
    return TS_OK;
}

static ts_status count(const char *all, int64_t **counts, int64_t *n)
{
    *n = 1;
    for (const char *c = all; *c; c++)
        *n += *c == '|';
    TS_TRY(ts_alloc(counts, (size_t)*n, sizeof **counts));
    int64_t at = 0;
    for (const char *c = all; *c; c++) {
        (*counts)[at] += *c == 't';
        at += *c == '|';
    }
    return TS_OK;
}

ts_status ts_stages_layout(const char *text, int64_t **counts, int64_t *n, int64_t *further)
{
    reader r = { text, text };
    ts_str all = { 0 };
    ts_status st = expand(&r, 0, &all);
    *further = 0;
    if (st == TS_OK)
        st = check(&r, ts_str_text(&all));
    for (const char *c = ts_str_text(&all); st == TS_OK && *c; c++)
        *further += *c == 'm';
    if (st == TS_OK)
        st = count(ts_str_text(&all), counts, n);
    ts_str_deinit(&all);
    return st;
}

/* ---- a matrix ---- */

static ts_status wrong_matrix(const reader *r)
{
    return ts_error(TS_ERR_USER,
                    "--pipeline-num-transformer-layers %s: a row of numbers for each stage was expected, of "
                    "as many in each, such as [[0,1],[1,1]*2,[1,0]]; see \"%s\" (character %lld)",
                    r->text, r->at, (long long)(r->at - r->text) + 1);
}

static bool take(reader *r, char c)
{
    skip(r);
    const bool is_it = *r->at == c;
    r->at += is_it;
    return is_it;
}

static bool number(reader *r, int64_t *n)
{
    char *end;
    skip(r);
    if (!isdigit((unsigned char)*r->at))
        return false;
    *n = strtol(r->at, &end, 10);
    r->at = end;
    return *n < LONGEST;
}

/* "[1,2]*3" into rows of `columns` numbers, which the first row says (0). */
static ts_status read_row(reader *r, int64_t **v, size_t *cap, int64_t *rows, int64_t *columns)
{
    int64_t n = 0, times = 1;
    const int64_t begin = *rows * *columns;
    if (!take(r, '['))
        return wrong_matrix(r);
    for (int64_t x; number(r, &x); n++) {
        TS_TRY(ts_grow(v, cap, (size_t)(begin + n) + 1, sizeof **v));
        (*v)[begin + n] = x;
    }
    const bool closed = take(r, ']');
    if (!closed || n == 0 || (*rows && n != *columns))
        return wrong_matrix(r);
    if (take(r, '*') && (!number(r, &times) || times < 1 || *rows + times > LONGEST / n))
        return wrong_matrix(r);
    *columns = n;
    TS_TRY(ts_grow(v, cap, (size_t)(begin + n * times), sizeof **v));
    for (int64_t i = n; i < n * times; i++)
        (*v)[begin + i] = (*v)[begin + i - n];
    *rows += times;
    return TS_OK;
}

static ts_status read_matrix(reader *r, int64_t **v, int64_t *rows, int64_t *columns)
{
    size_t cap = 0;
    *rows = *columns = 0;
    bool open = take(r, '[');
    while (open && !take(r, ']'))
        TS_TRY(read_row(r, v, &cap, rows, columns));
    skip(r);
    return open && !*r->at ? TS_OK : wrong_matrix(r);
}

ts_status ts_stages_matrix(const char *text, int64_t stages, int64_t **counts, int64_t *n)
{
    reader r = { text, text };
    int64_t *v = NULL, rows, columns;
    ts_status st = read_matrix(&r, &v, &rows, &columns);
    if (st == TS_OK && rows != stages)
        st = ts_error(TS_ERR_USER,
                      "--pipeline-num-transformer-layers %s has %lld rows: expected one for each of the "
                      "%lld stages (--pipeline-model-parallel-size)",
                      text, (long long)rows, (long long)stages);
    if (st == TS_OK)
        st = ts_alloc(counts, (size_t)(rows * columns), sizeof **counts);
    for (int64_t i = 0; st == TS_OK && i < rows * columns; i++)
        (*counts)[i % columns * rows + i / columns] = v[i];
    *n = rows * columns;
    ts_free(&v);
    return st;
}
