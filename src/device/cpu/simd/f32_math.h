/* Functions of one variable over any of the vocabularies in floats. u = 2^-24. Infinities and NaN
 * give what libm gives. */
#ifndef TS_DEVICE_CPU_SIMD_F32_MATH_H
#define TS_DEVICE_CPU_SIMD_F32_MATH_H

/* tanh: below 0.55 x + x^3 P(x^2) (fit 0.02 u, rounding 1.2 u); above 1 - 2 / (e^2x + 1), whose
 * second term, at most 0.5, is 5 u wrong relative to itself, and with the last rounding 6 u of the
 * result. */
INLINE vf v_tanh(vf x)
{
    const vf a = v_abs(x), s = v_mul(x, x);
    vf p = v_fma(s, v_set(-0.00628247243f), v_set(0.0210777577f));
    p = v_fma(p, s, v_set(-0.0538538578f));
    p = v_fma(p, s, v_set(0.133326017f));
    p = v_fma(p, s, v_set(-0.33333318f));
    const vf small = v_fma(v_mul(p, s), x, x);
    const vf e = v_exp(v_add(a, a));
    const vf large = v_sub(v_set(1), v_div(v_set(2), v_add(e, v_set(1))));
    return v_sel(v_ge(a, v_set(0.55f)), v_copysign(large, x), small);
}

/* 1 / (1 + e^-x): 3.2 u from the exponential (and nothing where it is small), 2 u from sum and
 * quotient. */
INLINE vf v_sigmoid(vf x)
{
    return v_div(v_set(1), v_add(v_set(1), v_exp(v_sub(v_set(0), x))));
}

/* The normal distribution function and its density. The tail is e^(-x^2/2) t P(t), t = 1 / (1 + 0.4
 * z), z = |x| / sqrt 2 (fit of erfc(z) e^(z^2) / t, error 0.14 u). The rounding of x^2/2 costs
 * x^2/2 u of the exponential, the polynomial and t 8 u: (12 + x^2) u of the tail in all, and 1 u
 * more of 1 - tail. */
INLINE vf v_phi(vf x, vf *density)
{
    const vf a = v_abs(x);
    const vf z = v_min(v_set(10.2f), v_mul(a, v_set(0.707106781f)));
    const vf t = v_div(v_set(1), v_fma(z, v_set(0.4f), v_set(1)));
    const vf e = v_exp(v_mul(v_mul(x, x), v_set(-0.5f)));
    vf p = v_fma(t, v_set(-0.0146029221f), v_set(0.0979515775f));
    p = v_fma(p, t, v_set(-0.246924747f));
    p = v_fma(p, t, v_set(0.27040922f));
    p = v_fma(p, t, v_set(-0.139431957f));
    p = v_fma(p, t, v_set(0.134556605f));
    p = v_fma(p, t, v_set(0.0653500415f));
    p = v_fma(p, t, v_set(0.107350271f));
    p = v_fma(p, t, v_set(0.112489152f));
    p = v_fma(p, t, v_set(0.112852779f));
    const vf tail = v_mul(v_mul(p, t), e);
    *density = v_mul(e, v_set(0.398942280f));
    return v_sel(v_ge(x, v_set(0)), v_sub(v_set(1), tail), tail);
}
#endif
