#include "media/mel.h"

#include <math.h>
#include <string.h>

/* A band is a triangle over some of the frequencies. */
typedef struct band {
    int64_t first, n;
    float *weight; /* [n] */
} band;

enum { MAX_FACTORS = 16 };

struct ts_mel {
    ts_sound_settings o;
    int64_t bins;
    float *hann;          /* [window] */
    float *cosine, *sine; /* [window] of 2 pi k / window */
    int factor[MAX_FACTORS], n_factors; /* of the window's length, for the transform */
    band *band;           /* [bands] */
    float *weights;
};

/* ---- bands ---- */

static double to_mel(double hertz) { return hertz < 1000 ? 3 * hertz / 200 : 15 + log(hertz / 1000) * (27 / log(6.4)); }
static double to_hertz(double mel) { return mel < 15 ? 200 * mel / 3 : 1000 * exp(log(6.4) / 27 * (mel - 15)); }

static ts_status make_bands(ts_mel *m)
{
    const int64_t bands = m->o.bands;
    const double step = to_mel(8000) / (double)(bands + 1), bin = 8000.0 / (double)(m->bins - 1);
    size_t at = 0;
    TS_TRY(ts_alloc(&m->band, (size_t)bands, sizeof *m->band));
    TS_TRY(ts_alloc(&m->weights, (size_t)(bands * m->bins), sizeof *m->weights));
    for (int64_t b = 0; b < bands; b++) {
        const double low = to_hertz(step * (double)b), middle = to_hertz(step * (double)(b + 1)),
                     high = to_hertz(step * (double)(b + 2));
        band *t = &m->band[b];
        t->weight = m->weights + at;
        for (int64_t k = 0; k < m->bins; k++) {
            const double f = bin * (double)k, up = (f - low) / (middle - low), down = (high - f) / (high - middle);
            const double w = fmin(up, down) * 2 / (high - low);
            if (w <= 0)
                continue;
            if (!t->n)
                t->first = k;
            t->weight[k - t->first] = (float)w;
            t->n = k - t->first + 1;
        }
        at += (size_t)t->n;
    }
    return TS_OK;
}

/* ---- the transform ---- */

/* Frames that are transformed at once: the same steps on all, which compilers make vectors of. */
enum { LANES = 8 };
typedef float lanes[LANES];

/* Real and imaginary parts apart. */
typedef struct spectrum {
    lanes *re, *im;
} spectrum;

/* Adds term j of the factor's sums to each of out [n]; the first one begins them. */
static void add_term(const ts_mel *m, spectrum work, int64_t j, int64_t part, int64_t n, spectrum out)
{
    const int64_t whole = m->o.window, turn = j * (whole / n) % whole;
    for (int64_t k = 0, i = 0, angle = 0; k < n; k++) {
        const float *re = work.re[j * part + i], *im = work.im[j * part + i], c = m->cosine[angle], s = m->sine[angle];
        float *to_re = out.re[k], *to_im = out.im[k];
        for (int l = 0; l < LANES; l++) {
            to_re[l] = (j ? to_re[l] : 0) + (re[l] * c + im[l] * s);
            to_im[l] = (j ? to_im[l] : 0) + (im[l] * c - re[l] * s);
        }
        i = i + 1 < part ? i + 1 : 0;
        angle = angle + turn < whole ? angle + turn : angle + turn - whole;
    }
}

/* out [n] of in at 0, stride, 2 * stride, ...: first of each remainder by the first factor, then together. Sums of a
 * factor's few terms go from the first to the last. */
static void transform(const ts_mel *m, lanes *in, int64_t stride, int64_t n, int level, spectrum out, spectrum work)
{
    if (n == 1) {
        memcpy(out.re[0], in[0], sizeof(lanes));
        memset(out.im[0], 0, sizeof(lanes));
        return;
    }
    const int64_t r = m->factor[level], part = n / r;
    for (int64_t j = 0; j < r; j++)
        transform(m, in + j * stride, stride * r, part, level + 1, (spectrum){ work.re + j * part, work.im + j * part },
                  (spectrum){ out.re + j * part, out.im + j * part });
    for (int64_t j = 0; j < r; j++)
        add_term(m, work, j, part, n, out);
}

/* Small primes first; what is left is one factor, a plain sum. */
static void factorise(ts_mel *m)
{
    int64_t n = m->o.window;
    for (int p = 2; n > 1; p = p == 2 ? 3 : p + 2) {
        if ((int64_t)p * p > n || m->n_factors == MAX_FACTORS - 1)
            p = (int)n;
        for (; n % p == 0 && n > 1 && m->n_factors < MAX_FACTORS; n /= p)
            m->factor[m->n_factors++] = p;
    }
}

static ts_status make_tables(ts_mel *m)
{
    const int64_t n = m->o.window;
    TS_TRY(ts_alloc(&m->hann, (size_t)n, sizeof *m->hann));
    TS_TRY(ts_alloc(&m->cosine, (size_t)n, sizeof *m->cosine));
    TS_TRY(ts_alloc(&m->sine, (size_t)n, sizeof *m->sine));
    for (int64_t i = 0; i < n; i++) {
        const double angle = 2 * M_PI * (double)i / (double)n;
        m->hann[i] = (float)(0.5 - 0.5 * cos(angle));
        m->cosine[i] = (float)cos(angle);
        m->sine[i] = (float)sin(angle);
    }
    return TS_OK;
}

ts_status ts_mel_create(const ts_sound_settings *o, ts_mel **out)
{
    ts_mel *m = NULL;
    TS_TRY(ts_alloc(&m, 1, sizeof *m));
    m->o = *o;
    m->bins = o->window / 2 + 1;
    factorise(m);
    ts_status st = make_tables(m);
    if (st == TS_OK)
        st = make_bands(m);
    if (st == TS_OK)
        *out = m;
    else
        ts_mel_destroy(&m);
    return st;
}

void ts_mel_destroy(ts_mel **m)
{
    if (!*m)
        return;
    ts_free(&(*m)->hann);
    ts_free(&(*m)->cosine);
    ts_free(&(*m)->sine);
    ts_free(&(*m)->band);
    ts_free(&(*m)->weights);
    ts_free(m);
}

int64_t ts_mel_frames(const ts_mel *m, int64_t samples) { return samples / m->o.hop; }

/* Sample i of the sound between its two mirrors. */
static float sample(const float *samples, int64_t n, int64_t padded, int64_t i)
{
    i = i < 0 ? -i : i >= padded ? 2 * (padded - 1) - i : i;
    return i < n ? samples[i] : 0;
}

/* Columns [t, t + LANES) of out, as far as there are any. */
static void run_lanes(const ts_mel *m, lanes *in, int64_t t, int64_t frames, spectrum s, spectrum work, float *out)
{
    transform(m, in, 1, m->o.window, 0, s, work);
    for (int64_t k = 0; k < m->bins; k++)
        for (int l = 0; l < LANES; l++)
            s.re[k][l] = s.re[k][l] * s.re[k][l] + s.im[k][l] * s.im[k][l];
    for (int64_t b = 0; b < m->o.bands; b++) {
        const band *w = &m->band[b];
        lanes sum = { 0 };
        for (int64_t k = 0; k < w->n; k++)
            for (int l = 0; l < LANES; l++)
                sum[l] += w->weight[k] * s.re[w->first + k][l];
        for (int l = 0; l < LANES && t + l < frames; l++)
            out[b * frames + t + l] = log10f(sum[l] > 1e-10f ? sum[l] : 1e-10f);
    }
}

static void run_frames(const ts_mel *m, const float *samples, int64_t n, int64_t padded, lanes *buffer, float *out)
{
    const int64_t window = m->o.window, frames = ts_mel_frames(m, padded);
    const spectrum s = { buffer + window, buffer + 2 * window }, work = { buffer + 3 * window, buffer + 4 * window };
    float most = -INFINITY;
    for (int64_t t = 0; t < frames; t += LANES) {
        for (int64_t i = 0; i < window; i++)
            for (int l = 0; l < LANES; l++) {
                const int64_t at = (t + l) * m->o.hop - window / 2 + i;
                buffer[i][l] = t + l < frames ? m->hann[i] * sample(samples, n, padded, at) : 0;
            }
        run_lanes(m, buffer, t, frames, s, work, out);
    }
    for (int64_t i = 0; i < m->o.bands * frames; i++)
        most = out[i] > most ? out[i] : most;
    for (int64_t i = 0; i < m->o.bands * frames; i++)
        out[i] = ((out[i] > most - 8 ? out[i] : most - 8) + 4) / 4;
}

ts_status ts_mel_run(const ts_mel *m, const float *samples, int64_t n, int64_t padded, float *out)
{
    lanes *buffer = NULL;
    TS_ASSERT(padded > m->o.window / 2 && n <= padded, "%lld samples, padded to %lld", (long long)n, (long long)padded);
    TS_TRY(ts_alloc(&buffer, (size_t)(5 * m->o.window), sizeof *buffer));
    run_frames(m, samples, n, padded, buffer, out);
    ts_free(&buffer);
    return TS_OK;
}
