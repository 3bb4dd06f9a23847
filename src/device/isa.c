#include "device/isa.h"

#include <stdio.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Whether the system saves tiles when it switches threads, and lets this process have them: they
 * are 8 KiB of a thread's state, which Linux gives only who asks. A process that asks twice is
 * told yes twice; threads and children have what their process has. */
static unsigned may_use_tiles(void)
{
    enum { OSXSAVE = 1 << 27, TILE_STATES = 3 << 17 };   /* CPUID 1 ECX; XCR0: TILECFG, TILEDATA */
    enum { REQUEST_PERMISSION = 0x1023, TILEDATA = 18 }; /* arch_prctl: ARCH_REQ_XCOMP_PERM */
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & OSXSAVE))
        return 0;
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & TILE_STATES) == TILE_STATES &&
           syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILEDATA) == 0;
}

/* By EDX of CPUID 7; `isa`: what else there is. */
static unsigned amx_of(unsigned edx, unsigned isa)
{
    enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24, AMX_INT8 = 1 << 25 };
    const unsigned both = AMX_TILE | AMX_BF16;
    if ((edx & both) != both || !(isa & TS_ISA_BF16))
        return 0;
    return TS_ISA_AMX | (edx & AMX_INT8 && isa & TS_ISA_VNNI ? TS_ISA_AMX_I8 : 0u);
}

unsigned ts_isa_detect(void)
{
    unsigned isa = 0, a, b, c, d;
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        isa |= TS_ISA_AVX2; /* every CPU with AVX2 has F16C */
#if defined(TESSERA_SANITIZED)
    return isa; /* wider kernels are not watched (cmake/isa.cmake), so that those run that are */
#endif
    if (!isa || !__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return isa;
    isa |= TS_ISA_AVX512;
    if (__builtin_cpu_supports("avx512bf16"))
        isa |= TS_ISA_BF16;
    if (__builtin_cpu_supports("avx512vnni"))
        isa |= TS_ISA_VNNI;
    const unsigned amx = __get_cpuid_count(7, 0, &a, &b, &c, &d) ? amx_of(d, isa) : 0;
    return amx && may_use_tiles() ? isa | amx : isa;
}
#else
unsigned ts_isa_detect(void) { return 0; }
#endif

const char *ts_isa_names(unsigned isa, char *buf)
{
    const int n =
        snprintf(buf, 64, "%s%s%s%s%s%s", isa & TS_ISA_AVX2 ? "avx2 " : "",
                 isa & TS_ISA_AVX512 ? "avx512 " : "", isa & TS_ISA_BF16 ? "avx512_bf16 " : "",
                 isa & TS_ISA_VNNI ? "avx512_vnni " : "", isa & TS_ISA_AMX ? "amx_bf16 " : "",
                 isa & TS_ISA_AMX_I8 ? "amx_int8 " : "");
    if (n > 0)
        buf[n - 1] = 0; /* the last blank */
    else
        snprintf(buf, 64, "portable");
    return buf;
}
