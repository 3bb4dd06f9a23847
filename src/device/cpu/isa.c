#include "device/cpu/isa.h"

#include <stdio.h>

#if defined(__x86_64__)
unsigned ts_isa_detect(void)
{
    unsigned isa = 0;
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        isa |= TS_ISA_AVX2; /* every CPU with AVX2 has F16C */
    if (!isa || !__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return isa;
    isa |= TS_ISA_AVX512;
    if (__builtin_cpu_supports("avx512bf16"))
        isa |= TS_ISA_BF16;
    if (__builtin_cpu_supports("avx512vnni"))
        isa |= TS_ISA_VNNI;
    return isa;
}
#else
unsigned ts_isa_detect(void) { return 0; }
#endif

const char *ts_isa_names(unsigned isa, char *buf)
{
    const int n = snprintf(
        buf, 64, "%s%s%s%s", isa & TS_ISA_AVX2 ? "avx2 " : "", isa & TS_ISA_AVX512 ? "avx512 " : "",
        isa & TS_ISA_BF16 ? "avx512_bf16 " : "", isa & TS_ISA_VNNI ? "avx512_vnni " : "");
    if (n > 0)
        buf[n - 1] = 0; /* the last blank */
    else
        snprintf(buf, 64, "portable");
    return buf;
}
