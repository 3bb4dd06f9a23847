/* Angles of rotary position embeddings. Every step is in float32 in the order in which published
 * models were trained (inverse frequency, then position times frequency), because at position
 * 100000 the rounding of an inverse frequency turns an angle by 1e-3. */
#include "model/arch.h"

#include <math.h>

/* What the exponents of frequencies are divided by. */
static int64_t divisor(const ts_rope_config *r)
{
    return r->odd_dim ? r->odd_dim : r->dim;
}

/* base^(-i / dim) for even i. */
static float plain_inv_freq(float base, int64_t i, int64_t dim)
{
    return 1.0f / powf(base, (float)i / (float)dim);
}

/* Peng et al. 2023, "NTK-aware", with the length of the moment. */
static double dynamic_base(const ts_rope_config *r, int64_t seq_len)
{
    const double max = (double)r->max_positions, dim = (double)divisor(r);
    const double s = seq_len > r->max_positions ? (double)seq_len : max;
    return r->theta * pow(r->factor * s / max - (r->factor - 1), dim / (dim - 2));
}

/* Llama 3.1: low frequencies are divided, high ones stay, between them a blend. */
static float llama3_inv_freq(const ts_rope_config *r, float f)
{
    const double length = (double)r->original_max_positions;
    const float wave = (float)(2 * M_PI) / f;
    if ((double)wave < length / r->high_freq_factor)
        return f;
    if ((double)wave > length / r->low_freq_factor)
        return f / (float)r->factor;
    const float t = ((float)length / wave - (float)r->low_freq_factor) /
                    (float)(r->high_freq_factor - r->low_freq_factor);
    return (1 - t) * f / (float)r->factor + t * f;
}

/* The dimension whose wave turns `rotations` times over the original length. */
static double yarn_dim(const ts_rope_config *r, double rotations)
{
    return (double)r->dim * log((double)r->original_max_positions / (rotations * 2 * M_PI)) /
           (2 * log(r->theta));
}

/* Peng et al., arXiv 2309.00071. */
static float yarn_inv_freq(const ts_rope_config *r, int64_t i)
{
    double low = yarn_dim(r, r->beta_fast), high = yarn_dim(r, r->beta_slow);
    if (!r->no_truncate) {
        low = floor(low);
        high = ceil(high);
    }
    low = fmax(low, 0);
    high = fmin(high, (double)(r->dim - 1));
    if (low == high)
        high += 0.001;
    const float ramp = ((float)(i / 2) - (float)low) / (float)(high - low);
    const float keep = 1 - fminf(fmaxf(ramp, 0), 1);
    const float wave = powf((float)r->theta, (float)i / (float)divisor(r));
    return 1.0f / ((float)r->factor * wave) * (1 - keep) + 1.0f / wave * keep;
}

static float inv_freq(const ts_rope_config *r, int64_t i, int64_t seq_len)
{
    const float base = (float)(r->scaling == TS_ROPE_DYNAMIC ? dynamic_base(r, seq_len) : r->theta);
    const float plain = plain_inv_freq(base, i, divisor(r));
    switch (r->scaling) {
    case TS_ROPE_LINEAR:
        return plain / (float)r->factor;
    case TS_ROPE_PROPORTIONAL:
        return i < 2 * r->angles ? plain / (float)r->factor : 0;
    case TS_ROPE_LLAMA3:
        return llama3_inv_freq(r, plain);
    case TS_ROPE_YARN:
        return yarn_inv_freq(r, i);
    case TS_ROPE_LONGROPE: {
        const float *stretch =
            seq_len > r->original_max_positions ? r->long_factor : r->short_factor;
        return 1.0f / (stretch[i / 2] * powf(base, (float)i / (float)divisor(r)));
    }
    case TS_ROPE_DEFAULT:
    case TS_ROPE_DYNAMIC:
        break;
    }
    return plain;
}

static double yarn_magnitude(double factor, double mscale)
{
    return factor <= 1 ? 1 : 0.1 * mscale * log(factor) + 1;
}

static double attention_factor(const ts_rope_config *r)
{
    if (r->scaling != TS_ROPE_YARN && r->scaling != TS_ROPE_LONGROPE)
        return 1;
    if (r->attention_factor != 0)
        return r->attention_factor;
    if (r->scaling == TS_ROPE_LONGROPE)
        return r->factor <= 1 ? 1
                              : sqrt(1 + log(r->factor) / log((double)r->original_max_positions));
    if (r->mscale != 0 && r->mscale_all_dim != 0)
        return yarn_magnitude(r->factor, r->mscale) / yarn_magnitude(r->factor, r->mscale_all_dim);
    return yarn_magnitude(r->factor, 1);
}

double ts_rope_score_factor(const ts_rope_config *r)
{
    if (r->scaling != TS_ROPE_YARN || r->mscale_all_dim == 0)
        return 1;
    const double m = yarn_magnitude(r->factor, r->mscale_all_dim);
    return m * m;
}

void ts_rope_table(const ts_rope_config *r, int64_t positions, int64_t seq_len, float *cosines,
                   float *sines)
{
    const int64_t half = r->dim / 2;
    const float magnitude = (float)attention_factor(r);
    for (int64_t i = 0; i < half; i++) {
        const float f = inv_freq(r, 2 * i, seq_len);
        for (int64_t p = 0; p < positions; p++) {
            cosines[p * half + i] = cosf((float)p * f) * magnitude;
            sines[p * half + i] = sinf((float)p * f) * magnitude;
        }
    }
}

void ts_rope_scale_queries(const ts_rope_config *r, int64_t positions, float *cosines, float *sines)
{
    const int64_t half = r->dim / 2;
    for (int64_t p = 0; p < positions; p++) {
        const float far = floorf((float)p / (float)r->original_max_positions);
        const float scale = 1 + (float)r->query_beta * logf(1 + far);
        for (int64_t i = 0; i < half; i++)
            cosines[p * half + i] *= scale, sines[p * half + i] *= scale;
    }
}

bool ts_rope_varies(const ts_rope_config *r)
{
    return r->scaling == TS_ROPE_DYNAMIC || r->scaling == TS_ROPE_LONGROPE;
}

/* A number above 0 and neither too small nor too large to be meant. */
static bool sane(double v)
{
    return v > 1e-9 && v < 1e15;
}

static ts_status check_scaling(const ts_rope_config *r, const char *file)
{
    const bool far = r->scaling == TS_ROPE_LLAMA3 || r->scaling == TS_ROPE_YARN ||
                     r->scaling == TS_ROPE_LONGROPE;
    if (r->scaling != TS_ROPE_DEFAULT && !sane(r->factor))
        return ts_error(TS_ERR_USER, "%s: rope scaling: factor is %g, expected a number above 0",
                        file, r->factor);
    if (far && (r->original_max_positions < 2 || r->original_max_positions > TS_ARCH_MAX_POSITIONS))
        return ts_error(TS_ERR_USER,
                        "%s: original_max_position_embeddings is %lld, expected 2 to %lld", file,
                        (long long)r->original_max_positions, (long long)TS_ARCH_MAX_POSITIONS);
    if (r->scaling == TS_ROPE_DYNAMIC && (divisor(r) < 3 || r->factor < 1))
        return ts_error(
            TS_ERR_USER,
            "%s: dynamic rope scaling needs a factor of 1 or more (found %g) and at least "
            "4 rotated values in a head (found %lld)",
            file, r->factor, (long long)r->dim);
    if (r->scaling == TS_ROPE_LLAMA3 && (!sane(r->low_freq_factor) || !sane(r->high_freq_factor) ||
                                         r->high_freq_factor <= r->low_freq_factor))
        return ts_error(
            TS_ERR_USER,
            "%s: rope scaling: low_freq_factor is %g and high_freq_factor is %g, expected "
            "0 < low_freq_factor < high_freq_factor",
            file, r->low_freq_factor, r->high_freq_factor);
    if (r->scaling == TS_ROPE_YARN &&
        (!sane(r->beta_fast) || !sane(r->beta_slow) || r->theta <= 1 ||
         !(r->mscale >= 0 && r->mscale < 1e6) ||
         !(r->mscale_all_dim >= 0 && r->mscale_all_dim < 1e6)))
        return ts_error(
            TS_ERR_USER,
            "%s: yarn rope scaling: beta_fast and beta_slow must be above 0, rope_theta "
            "above 1, mscale and mscale_all_dim from 0 to 1e6",
            file);
    if (r->scaling == TS_ROPE_PROPORTIONAL && (r->angles < 1 || r->angles > r->dim / 2))
        return ts_error(TS_ERR_USER, "%s: proportional rope turns %lld pairs of a head, expected 1 to %lld "
                        "(see partial_rotary_factor)", file, (long long)r->angles, (long long)(r->dim / 2));
    if (!(r->query_beta >= 0 && r->query_beta < 1e6) || (r->query_beta > 0 && !far))
        return ts_error(TS_ERR_USER,
                        "%s: llama_4_scaling_beta is %g, expected 0 to 1e6, and above 0 only beside a rope_type that "
                        "has original_max_position_embeddings (yarn, llama3, longrope)",
                        file, r->query_beta);
    if (far && !(r->attention_factor >= 0 && r->attention_factor < 1e6))
        return ts_error(TS_ERR_USER, "%s: rope scaling: attention_factor is %g, expected 0 to 1e6",
                        file, r->attention_factor);
    return TS_OK;
}

ts_status ts_rope_check(const ts_rope_config *r, int64_t head_dim, const char *file)
{
    if (!sane(r->theta))
        return ts_error(TS_ERR_USER, "%s: rope_theta is %g, expected a number above 0", file,
                        r->theta);
    if (r->dim < 2 || r->dim > head_dim || r->dim % 2)
        return ts_error(
            TS_ERR_USER,
            "%s: rotary embedding of %lld values in a head of %lld: expected an even number "
            "from 2 to head_dim (see head_dim, hidden_size, partial_rotary_factor)",
            file, (long long)r->dim, (long long)head_dim);
    if (r->odd_dim &&
        (r->odd_dim != r->dim - 1 || r->scaling == TS_ROPE_YARN || r->scaling == TS_ROPE_LONGROPE))
        return ts_error(
            TS_ERR_USER,
            "%s: partial_rotary_factor gives %lld rotated values in a head, expected an "
            "even number with yarn and longrope",
            file, (long long)r->odd_dim);
    if (r->query_beta > 0 && r->dim != head_dim)
        return ts_error(TS_ERR_USER, "%s: llama_4_scaling_beta scales queries whose heads are rotated whole", file);
    TS_TRY(check_scaling(r, file));
    if (r->scaling != TS_ROPE_LONGROPE)
        return TS_OK;
    if (r->dim / 2 > TS_ROPE_MAX_FACTORS)
        return ts_error(TS_ERR_USER, "%s: longrope over %lld values in a head, expected at most %d",
                        file, (long long)r->dim, 2 * TS_ROPE_MAX_FACTORS);
    for (int64_t i = 0; i < r->dim / 2; i++)
        if (!sane((double)r->short_factor[i]) || !sane((double)r->long_factor[i]))
            return ts_error(
                TS_ERR_USER,
                "%s: rope scaling: entry %lld of short_factor is %g and of long_factor %g, "
                "expected numbers above 0",
                file, (long long)i, (double)r->short_factor[i], (double)r->long_factor[i]);
    return TS_OK;
}
