/* Rotary embeddings: kinds of scaling that keys name, and those that files hold as factors of each angle alone. */
#include "io/gguf/models.h"

#include <math.h>
#include <string.h>

enum { MAX_FACTORS = 512 };

static ts_status read_factors(const ts_gguf *g, const char *name, float v[MAX_FACTORS], int64_t *n)
{
    const ts_gguf_tensor *t = ts_gguf_tensor_find(g, name);
    *n = t ? t->elements : 0;
    if (*n > MAX_FACTORS)
        return ts_error(TS_ERR_USER, "%s: tensor %s has %lld elements, at most %d are read", ts_gguf_path(g), name,
                        (long long)*n, MAX_FACTORS);
    return t ? ts_gguf_read_f32(g, t, 0, *n, v) : TS_OK;
}

/* ---- Llama 3: https://arxiv.org/abs/2407.21783 and transformers' "llama3" ----
 *
 * An angle of wavelength w is slowed down by `factor` where w > length / low, is as it was where w < length / high, and
 * by 1 / ((1 - s) / factor + s), s = (length / w - low) / (high - low), between. Files hold what comes out. Multiples of
 * (length, low, high) give the same, so low is 1, as every such model has it. */
typedef struct llama3 {
    double factor, low, high, length;
} llama3;

static double wavelength(double theta, int64_t i, int64_t n) { return 2 * M_PI * pow(theta, (double)i / (double)n); }

static double slowed(const llama3 *p, double w)
{
    if (w < p->length / p->high)
        return 1;
    if (w > p->length / p->low)
        return p->factor;
    const double s = (p->length / w - p->low) / (p->high - p->low);
    return 1 / ((1 - s) / p->factor + s);
}

static bool gives(const llama3 *p, const float *v, int64_t n, double theta)
{
    for (int64_t i = 0; i < n; i++)
        if (!(fabs(slowed(p, wavelength(theta, i, n)) - (double)v[i]) <= 1e-4 * (double)v[i]))
            return false;
    return p->length >= 1;
}

/* s of an angle that is between. */
static double share(float v, double factor) { return (1 / (double)v - 1 / factor) / (1 - 1 / factor); }

static bool is_between(float v, double factor) { return v > 1 && (double)v < factor; }

/* With high as every model has it: the length from one angle between, or, where there is none, one that parts the
 * angles as the file does. */
static bool solve_usual(const float *v, int64_t n, double theta, llama3 *p)
{
    double least = 1, most = INFINITY;
    p->low = 1;
    p->high = 4;
    for (int64_t i = 0; i < n; i++) {
        const double w = wavelength(theta, i, n);
        if (is_between(v[i], p->factor)) {
            p->length = round(w * (p->low + share(v[i], p->factor) * (p->high - p->low)));
            return gives(p, v, n, theta);
        }
        if (v[i] <= 1)
            least = fmax(least, w * p->high);
        else
            most = fmin(most, w * p->low);
    }
    p->length = 8192; /* as every such model has it, else a power of two, else anything between */
    if (p->length < least || p->length > most)
        p->length = exp2(ceil(log2(least)));
    if (p->length > most)
        p->length = round(sqrt(least * most));
    return gives(p, v, n, theta);
}

/* From two angles between: s is a straight line in 1 / w. */
static bool solve_line(const float *v, int64_t n, double theta, llama3 *p)
{
    int64_t a = 0, b;
    while (a < n && !is_between(v[a], p->factor))
        a++;
    for (b = n - 1; b > a && !is_between(v[b], p->factor); b--)
        ;
    if (a >= b)
        return false;
    const double x = 1 / wavelength(theta, a, n), y = 1 / wavelength(theta, b, n);
    const double slope = (share(v[a], p->factor) - share(v[b], p->factor)) / (x - y), at0 = share(v[a], p->factor) - slope * x;
    p->low = 1;
    p->high = 1 - 1 / at0;
    p->length = slope * (p->high - p->low);
    const double high = round(p->high), length = round(p->length);
    const llama3 plain = { p->factor, 1, high, length };
    if (gives(&plain, v, n, theta))
        *p = plain;
    return gives(p, v, n, theta);
}

static ts_status put_llama3(const ts_gguf *g, double theta, const float *v, int64_t n, json_t *o)
{
    llama3 p = { .factor = 1 };
    for (int64_t i = 0; i < n; i++)
        p.factor = fmax(p.factor, (double)v[i]);
    p.factor = fabs(p.factor - round(p.factor)) < 1e-4 ? round(p.factor) : p.factor;
    if (p.factor == 1)
        return TS_OK;
    if (!solve_usual(v, n, theta, &p) && !solve_line(v, n, theta, &p))
        return ts_error(TS_ERR_USER, "%s: the factors of rope_freqs.weight are not those of Llama 3's scaling, the only ones "
                        "that are read", ts_gguf_path(g));
    return ts_gguf_put(o, "rope_scaling",
                       json_pack("{s:s, s:f, s:f, s:f, s:I}", "rope_type", "llama3", "factor", p.factor, "low_freq_factor",
                                 p.low, "high_freq_factor", p.high, "original_max_position_embeddings",
                                 (json_int_t)llround(p.length)));
}

/* ---- longrope ---- */

static ts_status put_factors(const ts_gguf *g, const char *tensor, const char *key, json_t *scaling)
{
    float v[MAX_FACTORS];
    int64_t n;
    TS_TRY(read_factors(g, tensor, v, &n));
    TS_TRY(ts_gguf_put(scaling, key, json_array()));
    for (int64_t i = 0; i < n; i++) {
        const ts_gguf_value one = { .kind = TS_GGUF_F32, .data = (const unsigned char *)&v[i] };
        if (json_array_append_new(json_object_get(scaling, key), ts_gguf_json_real(&one, 0)))
            return ts_error(TS_ERR_NOMEM, "no memory for a configuration");
    }
    return TS_OK;
}

static ts_status put_longrope(const ts_gguf *g, const ts_gguf_model *m, json_t *o)
{
    char key[TS_GGUF_KEY_TEXT];
    int64_t length;
    const int64_t most = json_integer_value(json_object_get(o, "max_position_embeddings"));
    TS_TRY(ts_gguf_int(g, ts_gguf_arch_key(m, "rope.scaling.original_context_length", key), most, 1, INT32_MAX, &length));
    TS_TRY(ts_gguf_put(o, "original_max_position_embeddings", json_integer(length)));
    TS_TRY(ts_gguf_put(o, "rope_scaling", json_pack("{s:s}", "type", "longrope")));
    json_t *scaling = json_object_get(o, "rope_scaling");
    TS_TRY(put_factors(g, "rope_factors_long.weight", "long_factor", scaling));
    return put_factors(g, "rope_factors_short.weight", "short_factor", scaling);
}

/* ---- what keys name ---- */

static ts_status put_named(const ts_gguf *g, const ts_gguf_model *m, const char *type, json_t *o)
{
    char key[TS_GGUF_KEY_TEXT];
    double factor;
    int64_t length;
    TS_TRY(ts_gguf_real(g, ts_gguf_arch_key(m, "rope.scaling.factor", key), 1, &factor));
    TS_TRY(ts_gguf_put(o, "rope_scaling", json_pack("{s:s, s:f}", "rope_type", type, "factor", factor)));
    if (strcmp(type, "yarn"))
        return TS_OK;
    TS_TRY(ts_gguf_int(g, ts_gguf_arch_key(m, "rope.scaling.original_context_length", key), 0, 1, INT32_MAX, &length));
    return length ? ts_gguf_put(json_object_get(o, "rope_scaling"), "original_max_position_embeddings", json_integer(length))
                  : TS_OK;
}

static bool is(const char *s, size_t n, const char *word) { return s && n == strlen(word) && !memcmp(s, word, n); }

ts_status ts_gguf_rope(const ts_gguf *g, const ts_gguf_model *m, json_t *o)
{
    char key[TS_GGUF_KEY_TEXT];
    const char *type;
    float v[MAX_FACTORS];
    int64_t freqs;
    double theta;
    size_t n;
    TS_TRY(ts_gguf_real(g, ts_gguf_arch_key(m, "rope.freq_base", key), 10000, &theta));
    const ts_gguf_value *base = ts_gguf_find(g, key);
    TS_TRY(ts_gguf_put(o, "rope_theta", base ? ts_gguf_json_real(base, 0) : json_real(theta)));
    TS_TRY(ts_gguf_text(g, ts_gguf_arch_key(m, "rope.scaling.type", key), &type, &n));
    TS_TRY(read_factors(g, "rope_freqs.weight", v, &freqs));
    if (ts_gguf_tensor_find(g, "rope_factors_long.weight"))
        return put_longrope(g, m, o);
    if (freqs)
        return put_llama3(g, theta, v, freqs, o);
    if (!type || is(type, n, "none"))
        return TS_OK;
    if (is(type, n, "linear") || is(type, n, "yarn"))
        return put_named(g, m, *type == 'y' ? "yarn" : "linear", o);
    return ts_error(TS_ERR_USER, "%s: the key %s is %.*s, expected none, linear or yarn", ts_gguf_path(g), key,
                    n > 60 ? 60 : (int)n, type);
}
