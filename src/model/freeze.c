/* Which parameters are trained, and what a step then takes. */
#include "model/decoder.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

/* A part of a name: up to the next dot or the end. */
static size_t part_length(const char *s) { return strcspn(s, "."); }

/* The number `n` characters long at s is one of "{*}", "{3}", "{0-3,7}". */
static bool in_braces(const char *braces, const char *s, size_t n)
{
    if (!n || strspn(s, "0123456789") < n)
        return false;
    if (!strncmp(braces, "{*}", 3))
        return true;
    const long v = strtol(s, NULL, 10);
    while (*braces == '{' || *braces == ',') {
        char *end;
        const long first = strtol(braces + 1, &end, 10);
        const long last = *end == '-' ? strtol(end + 1, &end, 10) : first;
        if (first <= v && v <= last)
            return true;
        braces = end;
    }
    return false;
}

/* "{*}" or numbers and ranges. */
static bool is_braces(const char *s, size_t n)
{
    if (n < 3 || s[0] != '{' || s[n - 1] != '}')
        return false;
    if (n == 3 && s[1] == '*')
        return true;
    for (size_t i = 1; i < n;) {
        size_t digits = strspn(s + i, "0123456789");
        if (digits && s[i + digits] == '-') {
            i += digits + 1;
            digits = strspn(s + i, "0123456789");
        }
        if (!digits || digits > 9 || !strchr(",}", s[i + digits]))
            return false;
        i += digits + 1;
    }
    return true;
}

/* The pattern's parts are those that the name begins with. */
static bool begins_with(const char *name, const char *pattern)
{
    for (;;) {
        const size_t n = part_length(name), k = part_length(pattern);
        const bool fits = is_braces(pattern, k) ? in_braces(pattern, name, n)
                                                : n == k && !strncmp(name, pattern, n);
        if (!fits || !pattern[k])
            return fits;
        if (!name[n])
            return false;
        name += n + 1, pattern += k + 1;
    }
}

static bool has(const char *name, const char *pattern)
{
    for (;;) {
        if (begins_with(name, pattern))
            return true;
        const size_t n = part_length(name);
        if (!name[n])
            return false;
        name += n + 1;
    }
}

/* ---- freezing ---- */

/* The layer that a parameter is of, or -1. */
static int64_t layer_of(const ts_param *p)
{
    static const char layers[] = "decoder.layers.";
    return strncmp(p->name, layers, sizeof layers - 1) ? -1
                                                       : strtol(p->name + sizeof layers - 1, NULL, 10);
}

/* The modules of a layer and those outside, for a message. */
static ts_status list_modules(const ts_decoder *d, ts_str *out)
{
    for (size_t i = 0; i < d->params.n; i++) {
        const char *name = d->params.p[i]->name;
        if (layer_of(d->params.p[i]) > 0)
            continue;
        const char *dot = strrchr(name, '.');
        TS_TRY(ts_str_printf(out, "%s%.*s", out->len ? ", " : "", (int)(dot - name), name));
    }
    return TS_OK;
}

static ts_status fits_nothing(const ts_decoder *d, const char *pattern)
{
    ts_str modules = { 0 };
    ts_status st = list_modules(d, &modules);
    if (st == TS_OK)
        st = ts_error(TS_ERR_USER, "--freeze %s: no parameter has that in its name; modules are %s",
                      pattern, modules.s);
    ts_str_deinit(&modules);
    return st;
}

ts_status ts_decoder_freeze(ts_decoder *d, const char *const *patterns, int64_t n)
{
    ts_param_set *s = &d->params;
    for (int64_t k = 0; k < n; k++) {
        bool found = false;
        for (size_t i = 0; i < s->n; i++) {
            const bool fits = has(s->p[i]->name, patterns[k]);
            if (fits)
                ts_param_freeze(s->p[i]);
            found = found || fits;
        }
        if (!found)
            return fits_nothing(d, patterns[k]);
    }
    if (ts_decoder_trained(d) == 0)
        return ts_error(TS_ERR_USER, "--freeze leaves nothing to train");
    d->first_trained = d->arch.n_layers;
    for (size_t i = s->n; i-- > 0;)
        if (ts_param_is_trained(s->p[i]) && layer_of(s->p[i]) >= 0)
            d->first_trained = layer_of(s->p[i]);
    return TS_OK;
}

/* ---- counting ---- */

/* A matrix that is multiplied with, not only looked up. */
static bool multiplies(const ts_decoder *d, const ts_param *p)
{
    return p->rank > 1 && p != d->positions && (p != d->embedding || d->head.tied);
}

double ts_decoder_flops_per_token(const ts_decoder *d)
{
    double n = 0;
    for (size_t i = 0; i < d->params.n; i++)
        if (multiplies(d, d->params.p[i]))
            n += (double)ts_place_whole_count(&d->params.p[i]->place);
    return 2 * n;
}

/* Parameters stand in the order in which they are used, but for an embedding that is the output layer
 * too. */
double ts_decoder_training_flops(const ts_decoder *d, double seq_length)
{
    const ts_arch *a = &d->arch;
    /* of a layer: the causal half */
    const double attention = 2 * (double)(a->n_heads * a->head_dim) * seq_length;
    double backward = 0;
    bool below = false; /* something is trained there */
    for (size_t i = 0; i < d->params.n; i++) {
        const ts_param *p = d->params.p[i];
        const double n = multiplies(d, p) ? 2 * (double)ts_place_whole_count(&p->place) : 0;
        const bool is_head = d->head.tied && p == d->head.w;
        backward += ts_param_is_trained(p) ? n : 0;
        backward += below && !is_head ? n : 0;
        below = below || ts_param_is_trained(p);
        if (layer_of(p) >= 0 && p == d->block[layer_of(p)].attention.qkv.w && below)
            backward += 2 * attention;
    }
    if (below && d->head.tied)
        backward += 2 * (double)ts_place_whole_count(&d->head.w->place);
    return ts_decoder_flops_per_token(d) + (double)a->n_layers * attention + backward;
}

int64_t ts_decoder_trained(const ts_decoder *d)
{
    int64_t n = 0;
    for (size_t i = 0; i < d->params.n; i++)
        n += ts_param_is_trained(d->params.p[i]) ? ts_place_whole_count(&d->params.p[i]->place) : 0;
    return n;
}

int64_t ts_decoder_parameters(const ts_decoder *d)
{
    int64_t n = 0;
    for (size_t i = 0; i < d->params.n; i++)
        n += ts_place_whole_count(&d->params.p[i]->place);
    return n;
}
