/* Instruction sets: their names, and the option that chooses them. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "device/cpu/kernel.h"
#include "device/runtime.h"

#include <string.h>

static void names(void **state)
{
    (void)state;
    char buf[64];
    assert_string_equal(ts_isa_names(0, buf), "portable");
    assert_string_equal(ts_isa_names(TS_ISA_AVX2 | TS_ISA_AVX512, buf), "avx2 avx512");
    assert_string_equal(ts_isa_names(TS_ISA_ALL, buf),
                        "avx2 avx512 avx512_bf16 avx512_vnni amx_bf16 amx_int8");
    assert_string_equal(ts_isa_names(TS_ISA_LAST, buf), "amx_int8");
}

/* Tiles only beside what their kernels use as well. */
static void detected(void **state)
{
    (void)state;
    const unsigned isa = ts_isa_detect();
    assert_int_equal(isa, ts_isa_detect());
    if (isa & TS_ISA_AMX)
        assert_true(isa & TS_ISA_BF16 && isa & TS_ISA_AVX512);
    if (isa & TS_ISA_AMX_I8)
        assert_true(isa & TS_ISA_AMX && isa & TS_ISA_VNNI);
}

static void chosen(void **state)
{
    (void)state;
    static const unsigned last[] = { [TS_RUNTIME_ISA_AVX2] = TS_ISA_AVX2,
                                     [TS_RUNTIME_ISA_AVX512] = TS_ISA_AVX512,
                                     [TS_RUNTIME_ISA_AVX512_BF16] = TS_ISA_BF16,
                                     [TS_RUNTIME_ISA_AMX] = TS_ISA_AMX };
    const unsigned has = ts_isa_detect();
    for (int i = 0; i < TS_RUNTIME_ISA_CHOICES; i++) {
        const ts_runtime_options o = { .threads = 1, .isa = i };
        ts_device *d = NULL;
        if ((has & last[i]) != last[i]) {
            REFUSED(ts_runtime_open(&o, 0, 1, &d), TS_ERR_USER, "--isa ");
            assert_null(d);
            continue;
        }
        OK(ts_runtime_open(&o, 0, 1, &d));
        const unsigned uses = ((ts_cpu *)d)->isa;
        assert_int_equal(uses & ~has, 0);
        if (i == TS_RUNTIME_ISA_AUTO)
            assert_int_equal(uses, has);
        else if (i != TS_RUNTIME_ISA_AMX)
            assert_int_equal(uses & ~(last[i] * 2 - 1) & ~(unsigned)TS_ISA_VNNI, 0);
        ts_device_close(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(names), cmocka_unit_test(detected),
                                        cmocka_unit_test(chosen) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
