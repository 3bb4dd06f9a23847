/* No include guard: once per instruction set, with TS_ISA and a vocabulary brought by the
 * includer. */
#include "check_math.h"
#include "device/cpu/simd/row.h"

INLINE vf phi_only(vf x)
{
    vf density;
    return v_phi(x, &density);
}

INLINE vf density_only(vf x)
{
    vf density;
    (void)v_phi(x, &density);
    return density;
}

#define OVER_ARRAY(name, f)                                     \
    static void name(const float *x, float *y, int64_t n)       \
    {                                                           \
        for (int64_t i = 0; i < n; i += V)                      \
            v_store(y + i, n - i, f(v_load(x + i, n - i)));     \
    }
OVER_ARRAY(all_exp, v_exp)
OVER_ARRAY(all_tanh, v_tanh)
OVER_ARRAY(all_sigmoid, v_sigmoid)
OVER_ARRAY(all_phi, phi_only)
OVER_ARRAY(all_density, density_only)

void TS_ISA_NAME(check_math_init)(check_math_table *t)
{
    *t = (check_math_table){ all_exp, all_tanh, all_sigmoid, all_phi, all_density };
}
