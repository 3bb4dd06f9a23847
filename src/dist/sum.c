#include "dist/sum.h"

void ts_sum_f32(float *a, const float *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        a[i] += b[i];
}

/* A NaN in either operand survives MAX and MIN: x != x lets the one in a stay, b's is taken. */
#define COMBINE(T)                                                                                 \
    do {                                                                                           \
        T *o = out;                                                                                \
        const T *x = a, *y = b;                                                                    \
        if (op == TS_COMM_SUM)                                                                     \
            for (int64_t i = 0; i < n; i++)                                                        \
                o[i] = (T)(x[i] + y[i]);                                                           \
        else if (op == TS_COMM_MAX)                                                                \
            for (int64_t i = 0; i < n; i++)                                                        \
                o[i] = x[i] >= y[i] || x[i] != x[i] ? x[i] : y[i];                                 \
        else                                                                                       \
            for (int64_t i = 0; i < n; i++)                                                        \
                o[i] = x[i] <= y[i] || x[i] != x[i] ? x[i] : y[i];                                 \
    } while (0)

void ts_combine(void *out, const void *a, const void *b, int64_t n, ts_comm_type t, ts_comm_op op)
{
    switch (t) {
    case TS_COMM_F32:
        COMBINE(float);
        break;
    case TS_COMM_F64:
        COMBINE(double);
        break;
    case TS_COMM_I64:
        COMBINE(int64_t);
        break;
    default:
        COMBINE(unsigned char);
    }
}
