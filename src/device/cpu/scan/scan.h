/* How the scans are put together: <scan>_body.h is compiled once per instruction set and gives what does
 * one task of a launch in a thread's scratch; <scan>.c chooses one and shares out the tasks. */
#ifndef TS_DEVICE_CPU_SCAN_SCAN_H
#define TS_DEVICE_CPU_SCAN_SCAN_H
#include "device/cpu/helpers.h"
#include "device/cpu/kernel.h"

#include <math.h>

/* Heads [head, head + n) of sequence b, of one group; block: number of the block of the group. */
typedef struct ts_ssd_task {
    int64_t b, head, n, block;
} ts_ssd_task;

typedef struct ts_ssd_body {
    void (*fwd)(const ts_ssd_args *a, const ts_ssd_task *task, char *scratch);
    void (*bwd)(const ts_ssd_args *a, const ts_ssd_task *task, char *scratch);
    ts_cpu_rows_fn *join;
    const char *name;
} ts_ssd_body;
void ts_ssd_body_init_ref(ts_ssd_body *body);
void ts_ssd_body_init_avx2(ts_ssd_body *body);
void ts_ssd_body_init_avx512(ts_ssd_body *body);

/* One head of one sequence. */
typedef void ts_delta_fn(const ts_delta_args *a, int64_t b, int64_t head, char *scratch);
typedef struct ts_delta_body {
    ts_delta_fn *fwd, *bwd, *kda_fwd, *kda_bwd;
    ts_cpu_rows_fn *join;
    const char *name;
} ts_delta_body;
void ts_delta_body_init_ref(ts_delta_body *body);
void ts_delta_body_init_avx2(ts_delta_body *body);
void ts_delta_body_init_avx512(ts_delta_body *body);

/* Channels [channel, channel + n) of sequence b. */
typedef struct ts_selective_task {
    int64_t b, channel, n;
} ts_selective_task;

typedef void ts_selective_fn(const ts_selective_args *a, const ts_selective_task *task, char *scratch);
typedef struct ts_selective_body {
    ts_selective_fn *fwd, *bwd;
    ts_cpu_rows_fn *join;
    const char *name;
} ts_selective_body;
void ts_selective_body_init_ref(ts_selective_body *body);
void ts_selective_body_init_avx2(ts_selective_body *body);
void ts_selective_body_init_avx512(ts_selective_body *body);

/* choose_body: the best of a scan's bodies for the device's instruction sets. */
#if defined(__x86_64__)
#define TS_SCAN_CHOOSE(scan)                                                                       \
    static void choose_body(const ts_cpu *c, ts_##scan##_body *body)                               \
    {                                                                                              \
        ts_##scan##_body_init_ref(body);                                                           \
        if (c->isa & TS_ISA_AVX2)                                                                  \
            ts_##scan##_body_init_avx2(body);                                                      \
        if (c->isa & TS_ISA_AVX512)                                                                \
            ts_##scan##_body_init_avx512(body);                                                    \
    }
#else
#define TS_SCAN_CHOOSE(scan)                                                                       \
    static void choose_body(const ts_cpu *c, ts_##scan##_body *body)                               \
    {                                                                                              \
        (void)c;                                                                                   \
        ts_##scan##_body_init_ref(body);                                                           \
    }
#endif

void ts_cpu_init_ssd(ts_cpu *c);
void ts_cpu_init_mamba3(ts_cpu *c);
void ts_cpu_init_delta(ts_cpu *c);
void ts_cpu_init_selective(ts_cpu *c);

/* log(1 + e^x), as PyTorch has it: x itself above 20. */
static inline float ts_softplus(float x) { return x > 20 ? x : log1pf(expf(x)); }
static inline float ts_sigmoid(float x) { return 1 / (1 + expf(-x)); }

/* Where the document that begins with row t of sequence b ends, in a sequence of `length` rows. */
static inline int64_t ts_document_end(const int32_t *first_key, int64_t S, int64_t b, int64_t t, int64_t length)
{
    int64_t end = t + 1;
    while (end < length && (!first_key || first_key[b * S + end] <= t))
        end = first_key ? end + 1 : length;
    return end;
}
#endif
