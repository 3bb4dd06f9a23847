#include "base/rng.h"

#include <math.h>

static void normal_block(const ts_rng *r, uint64_t block, double out[4])
{
    uint32_t u[4];
    ts_rng_block(r, block, u);
    for (int i = 0; i < 4; i += 2) {
        const double radius = sqrt(-2.0 * log(((double)u[i] + 0.5) * 0x1p-32));
        const double angle = 6.283185307179586476925 * ((double)u[i + 1] + 0.5) * 0x1p-32;
        out[i] = radius * cos(angle);
        out[i + 1] = radius * sin(angle);
    }
}

void ts_rng_normal(const ts_rng *r, uint64_t first, int64_t n, float std, float *out)
{
    double v[4];
    for (int64_t i = 0; i < n; i++) {
        const uint64_t e = first + (uint64_t)i;
        if (i == 0 || e % 4 == 0)
            normal_block(r, e / 4, v);
        out[i] = (float)(v[e % 4] * (double)std);
    }
}
