/* 2^x and tanh for tiles. After tile_<isa>.h.
 *
 * x = n + f, |f| <= 1/2; 2^f by its minimax polynomial of degree 6 (relative error 1.9e-9), six
 * fused operations: the last rounding decides, so 2^x is within 1 ulp of what x (as given) has. */
static inline vf v_exp2(vf x)
{
    vf n, f;
    v_split(x, &n, &f);
    vf p = v_fma(v_set(0x1.41d334p-13f), f, v_set(0x1.5f456ap-10f));
    p = v_fma(p, f, v_set(0x1.3b2dbcp-7f));
    p = v_fma(p, f, v_set(0x1.c6aed4p-5f));
    p = v_fma(p, f, v_set(0x1.ebfbdap-3f));
    p = v_fma(p, f, v_set(0x1.62e430p-1f));
    p = v_fma(p, f, v_set(1));
    return v_times_2n(p, n);
}

/* (1 - t) / (1 + t), t = e^(-2|x|): an absolute error of 3 rounding units at most. */
static inline vf v_tanh(vf x)
{
    const vf t = v_exp2(v_mul(v_abs(x), v_set(-0x1.715476p+1f)));
    return v_sign_of(v_div(v_sub(v_set(1), t), v_add(v_set(1), t)), x);
}
