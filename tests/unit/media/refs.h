/* Tensors of tests/golden/media (scripts/golden_media.py). Include after cmocka_all.h and temp.h. */
#ifndef TS_TESTS_MEDIA_REFS_H
#define TS_TESTS_MEDIA_REFS_H
#include "io/safetensors.h"

#include <math.h>
#include <string.h>

#define MEDIA "tests/golden/media/"

static inline const ts_st_tensor *ref_at(const ts_st_file *f, const char *name)
{
    const ts_st_tensor *t = ts_st_file_find(f, name);
    if (!t)
        fail_msg("no reference %s", name);
    return t;
}

/* The largest difference of two lists of bytes, and their mean difference. */
static inline int bytes_differ(const uint8_t *a, const uint8_t *b, size_t n, double *mean)
{
    int most = 0;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        const int d = abs(a[i] - b[i]);
        most = d > most ? d : most;
        sum += d;
    }
    *mean = n ? sum / (double)n : 0;
    return most;
}

/* The same of floats; the reference may be unaligned. */
static inline double floats_differ(const float *a, const void *b, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        float v;
        memcpy(&v, (const char *)b + i * sizeof v, sizeof v);
        const double d = fabs((double)a[i] - (double)v);
        most = d > most || isnan(d) ? d : most;
    }
    return most;
}
#endif
