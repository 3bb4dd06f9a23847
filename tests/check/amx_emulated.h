/* AMX in plain C, after the operations in Intel's manual (volume 2: LDTILECFG, TILELOADD,
 * TDPBF16PS, TDPBUSD ...). What the processor refuses with #UD ends the program. */
#ifndef TS_TESTS_AMX_EMULATED_H
#define TS_TESTS_AMX_EMULATED_H
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct amx_state {
    amx_config config; /* palette 0: none */
    uint8_t tile[8][AMX_ROWS][AMX_BYTES];
} amx_state;
static _Thread_local amx_state amx_now;

static inline void amx_must(int right, const char *what)
{
    if (!right) {
        fprintf(stderr, "emulated AMX: #UD: %s\n", what);
        abort();
    }
}

static inline void amx_configure(const amx_config *c)
{
    int reserved = c->start_row;
    for (size_t i = 0; i < sizeof c->reserved; i++)
        reserved |= c->reserved[i];
    amx_must(c->palette == 1 && !reserved, "configuration");
    for (int t = 0; t < 16; t++) {
        const int used = c->bytes[t] || c->rows[t];
        amx_must(c->bytes[t] <= AMX_BYTES && c->rows[t] <= AMX_ROWS, "size of a tile");
        amx_must(!used || (t < 8 && c->bytes[t] && c->rows[t]), "a tile with half a size");
    }
    memset(&amx_now, 0, sizeof amx_now);
    amx_now.config = *c;
}

static inline void amx_begin(void)
{
    const amx_config c = amx_whole_tiles();
    amx_configure(&c);
}

static inline void amx_end(void) { memset(&amx_now, 0, sizeof amx_now); }

static inline void amx_used(int t)
{
    amx_must(amx_now.config.palette && amx_now.config.rows[t], "a tile without configuration");
}

static inline void amx_zero(int t)
{
    amx_used(t);
    memset(amx_now.tile[t], 0, sizeof amx_now.tile[t]);
}

static inline void amx_load(int t, const void *p, int64_t stride)
{
    amx_zero(t);
    for (int r = 0; r < amx_now.config.rows[t]; r++)
        memcpy(amx_now.tile[t][r], (const char *)p + r * stride, amx_now.config.bytes[t]);
}

static inline void amx_store(int t, void *p, int64_t stride)
{
    amx_used(t);
    for (int r = 0; r < amx_now.config.rows[t]; r++)
        memcpy((char *)p + r * stride, amx_now.tile[t][r], amx_now.config.bytes[t]);
}

static inline void amx_fit(int c, int a, int b)
{
    const amx_config *f = &amx_now.config;
    amx_used(c), amx_used(a), amx_used(b);
    amx_must(c != a && c != b && a != b, "the same tile twice");
    amx_must(f->rows[c] == f->rows[a] && f->bytes[c] == f->bytes[b] &&
                 f->bytes[a] == 4 * f->rows[b] && f->bytes[a] % 4 == 0 && f->bytes[b] % 4 == 0,
             "tiles that do not fit together");
}

/* Denormals are zero, going in and coming out. */
static inline float amx_flush(float x)
{
    uint32_t u;
    memcpy(&u, &x, 4);
    u &= u & 0x7F800000 ? 0xFFFFFFFFu : 0x80000000u;
    memcpy(&x, &u, 4);
    return x;
}

static inline float amx_bf16(const uint8_t *p)
{
    const uint32_t u = (uint32_t)(p[0] | p[1] << 8) << 16;
    float f;
    memcpy(&f, &u, 4);
    return amx_flush(f);
}

/* Even and odd elements are summed by themselves, each by fused multiply-add front to back; then
 * the two sums, then they and what was there before. */
static inline void amx_dot_bf16(int c, int a, int b)
{
    enum { N = AMX_BYTES / 4 };
    const int rows = amx_now.config.rows[c], cols = amx_now.config.bytes[c] / 4;
    float sum[AMX_ROWS][2][N] = { 0 }, y[N] = { 0 }, was[N];
    amx_fit(c, a, b);
    for (int k = 0; k < amx_now.config.bytes[a] / 2; k++) { /* elements of a row of A */
        for (int n = 0; n < cols; n++)
            y[n] = amx_bf16(&amx_now.tile[b][k / 2][4 * n + 2 * (k % 2)]);
        for (int m = 0; m < rows; m++) {
            const float x = amx_bf16(&amx_now.tile[a][m][2 * k]);
            for (int n = 0; n < N; n++)
                sum[m][k % 2][n] = amx_flush(fmaf(x, y[n], sum[m][k % 2][n]));
        }
    }
    for (int m = 0; m < rows; m++) {
        memcpy(was, amx_now.tile[c][m], sizeof was);
        for (int n = 0; n < cols; n++)
            was[n] = amx_flush(amx_flush(was[n]) + amx_flush(sum[m][0][n] + sum[m][1][n]));
        memcpy(amx_now.tile[c][m], was, sizeof was);
    }
}

static inline void amx_dot_u8i8(int c, int a, int b)
{
    const amx_config *f = &amx_now.config;
    amx_fit(c, a, b);
    for (int m = 0; m < f->rows[c]; m++) {
        uint32_t was[AMX_BYTES / 4]; /* sums wrap */
        memcpy(was, amx_now.tile[c][m], sizeof was);
        for (int k = 0; k < f->bytes[a]; k++)
            for (int n = 0; n < f->bytes[c] / 4; n++)
                was[n] += (uint32_t)(amx_now.tile[a][m][k] *
                                     (int8_t)amx_now.tile[b][k / 4][4 * n + k % 4]);
        memcpy(amx_now.tile[c][m], was, sizeof was);
    }
}
#endif
