/* Windows, and options that choose layers: a number, or a 0 or 1 for each. */
#include "model/options.h"

#include <stdlib.h>
#include <string.h>

ts_status ts_model_window(const ts_option_list *words, int64_t *keys)
{
    long long v[2] = { 0, 0 };
    int n = 0;
    bool bad = words->n > 2;
    for (int64_t i = 0; i < words->n && !bad; i++)
        for (const char *s = words->v[i]; !bad && *s;) {
            char *end = NULL;
            s += strspn(s, "([, ");
            bad = n == 2;
            if (!bad)
                v[n++] = strtoll(s, &end, 10);
            bad = bad || end == s || !strchr(",]) ", *end) || v[n - 1] > 1 << 30;
            s = bad ? s : end + strspn(end, ",]) ");
        }
    const char *last = words->n > 0 ? words->v[words->n - 1] : "";
    const bool megatron = n == 2, cut_off = *last && last[strlen(last) - 1] == ',';
    bad = bad || cut_off || (megatron ? v[0] < -1 : words->n > 0 && (n != 1 || v[0] < 1));
    if (bad)
        return ts_error(TS_ERR_USER,
                        "--window-size %s%s%s: a number of keys from 1 on, or L,0 (keys before a "
                        "query's own; -1: all) were expected",
                        words->v[0], words->n > 1 ? " " : "", words->n > 1 ? words->v[1] : "");
    if (megatron && v[1] != 0 && !(v[0] == -1 && v[1] == -1))
        return ts_error(TS_ERR_USER,
                        "--window-size %lld,%lld: a query sees no keys behind its own (attention is "
                        "causal): give %lld,0",
                        v[0], v[1], v[0]);
    *keys = megatron ? v[0] + 1 : v[0];
    return TS_OK;
}

bool ts_model_read_pattern(const char *s, bool *has, int64_t n)
{
    int64_t at = 0;
    while (*s) {
        int64_t from = at, times = 1;
        s += strspn(s, " (+");
        if (*s++ != '[')
            return false;
        for (; *s && *s != ']'; s++) {
            if (*s != '0' && *s != '1' && !strchr(", ", *s))
                return false;
            if (strchr(", ", *s))
                continue;
            if (at == n)
                return false;
            has[at++] = *s == '1';
        }
        if (*s++ != ']')
            return false;
        s += strspn(s, " ");
        if (*s == '*') {
            char *end;
            times = strtoll(s + 1, &end, 10);
            s = end;
        }
        const int64_t length = at - from;
        if (times < 1 || times > n || from + length * times > n)
            return false;
        for (; times > 1; times--, at += length)
            memcpy(has + at, has + from, (size_t)length);
        s += strspn(s, " )");
    }
    return at == n;
}

/* has [n]: of a number N > 0 every N-th layer counted from 1 (0: none), or those with a 1. */
static ts_status read_layers(const char *option, const ts_option_list *words, bool *has, int64_t n)
{
    const char *text = words->n ? words->v[0] : "";
    char *end;
    const long long every = strtoll(text, &end, 10);
    bool good = words->n == 1;
    if (good && !*end && end != text)
        for (int64_t i = 0; i < n; i++)
            has[i] = every > 0 && (i + 1) % every == 0;
    else
        good = good && ts_model_read_pattern(text, has, n);
    if (good && (*end || every >= 0))
        return TS_OK;
    return ts_error(TS_ERR_USER, "--%s %s: expected a number N (every N-th layer) or a 0 or 1 for each of the %lld "
                    "layers, as [0,1,1] or ([0]*1+[1]*2)", option, text, (long long)n);
}

/* A number names the layers that see all, a list those with the window. */
static bool slides(const ts_option_list *words, bool has) { return has == (strchr(words->v[0], '[') != NULL); }

static ts_status skip_windows(const ts_model_options *o, bool *has, ts_arch *a)
{
    TS_TRY(read_layers("window-attn-skip-freq", &o->window_skip, has, a->n_layers));
    for (int64_t i = 0; i < a->n_layers; i++) {
        if (!a->layer[i].window)
            return ts_error(TS_ERR_USER, "--window-attn-skip-freq says which layers have no window: give --window-size, "
                            "which says what the others see");
        a->layer[i].window = slides(&o->window_skip, has[i]) ? a->layer[i].window : 0;
    }
    return TS_OK;
}

static ts_status skip_ropes(const ts_model_options *o, bool *has, ts_arch *a)
{
    TS_TRY(read_layers("no-rope-freq", &o->no_rope, has, a->n_layers));
    for (int64_t i = 0; i < a->n_layers; i++) {
        if (has[i] && a->layer[i].position != TS_POSITION_ROPE)
            return ts_error(TS_ERR_USER, "--no-rope-freq says which layers have no rotary embedding: give "
                            "--position-embedding-type rope");
        a->layer[i].position = has[i] ? TS_POSITION_NONE : a->layer[i].position;
    }
    return TS_OK;
}

ts_status ts_model_describe_skips(const ts_model_options *o, ts_arch *a)
{
    bool *has;
    TS_TRY(ts_alloc(&has, (size_t)a->n_layers, sizeof *has));
    ts_status st = o->window_skip.n ? skip_windows(o, has, a) : TS_OK;
    if (st == TS_OK && o->no_rope.n)
        st = skip_ropes(o, has, a);
    ts_free(&has);
    return st;
}

ts_status ts_model_compare_skips(const ts_model_options *o, const ts_option_set *set, const ts_arch *a,
                                 const char *folder)
{
    const bool windows = set && ts_option_given(set, "window-attn-skip-freq"), ropes = set && ts_option_given(set, "no-rope-freq");
    bool *has;
    TS_TRY(ts_alloc(&has, (size_t)a->n_layers, sizeof *has));
    ts_status st = windows ? read_layers("window-attn-skip-freq", &o->window_skip, has, a->n_layers) : TS_OK;
    for (int64_t i = 0; windows && st == TS_OK && i < a->n_layers; i++)
        if (slides(&o->window_skip, has[i]) != (a->layer[i].window > 0))
            st = ts_error(TS_ERR_USER, "--window-attn-skip-freq %s contradicts %s, whose layer %lld has %s window",
                          o->window_skip.v[0], folder, (long long)i, a->layer[i].window ? "a" : "no");
    if (st == TS_OK && ropes)
        st = read_layers("no-rope-freq", &o->no_rope, has, a->n_layers);
    for (int64_t i = 0; ropes && st == TS_OK && i < a->n_layers; i++)
        if (has[i] == (a->layer[i].position == TS_POSITION_ROPE))
            st = ts_error(TS_ERR_USER, "--no-rope-freq %s contradicts %s, whose layer %lld has %s rotary embedding",
                          o->no_rope.v[0], folder, (long long)i, has[i] ? "a" : "no");
    ts_free(&has);
    return st;
}

static int ascending(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

ts_status ts_model_noop_layers(const ts_model_options *o, int64_t **out, int64_t *n)
{
    if (o->noop_layers.n && !o->num_layers)
        return ts_error(TS_ERR_USER, "--noop-layers goes with --num-layers, which counts them too");
    TS_TRY(ts_option_numbers("noop-layers", &o->noop_layers, out, n));
    qsort(*out, (size_t)*n, sizeof **out, ascending);
    for (int64_t i = 0; i < *n; i++) {
        const int64_t layer = (*out)[i];
        if (layer < o->num_layers && (i == 0 || (*out)[i - 1] < layer))
            continue;
        ts_free(out);
        return ts_error(TS_ERR_USER,
                        "--noop-layers: layer %lld is given twice, or is none of the %lld of --num-layers "
                        "(0 to %lld)",
                        (long long)layer, (long long)o->num_layers, (long long)o->num_layers - 1);
    }
    return TS_OK;
}
