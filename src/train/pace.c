#include "train/trainer.h"

#include <stdlib.h>
#include <string.h>

void ts_pace_add(ts_pace *p, double seconds) { p->seconds[p->n++ % TS_PACE_STEPS] = seconds; }

static int by_value(const void *x, const void *y)
{
    const double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

double ts_pace_limit(const ts_pace *p, double least)
{
    double s[TS_PACE_STEPS];
    const int64_t n = p->n < TS_PACE_STEPS ? p->n : TS_PACE_STEPS;
    if (n == 0)
        return 0;
    memcpy(s, p->seconds, sizeof s);
    qsort(s, (size_t)n, sizeof *s, by_value);
    return 10 * s[n / 2] > least ? 10 * s[n / 2] : least;
}
