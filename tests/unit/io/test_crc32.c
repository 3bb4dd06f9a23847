#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include <cmocka.h>

#include "io/crc32.h"

static void equals_zlib(void **state)
{
    (void)state;
    unsigned char buf[400];
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof buf; i++)
        buf[i] = (unsigned char)((x = x * 1664525u + 1013904223u) >> 24);
    assert_int_equal(ts_crc32(0, "123456789", 9), 0xCBF43926);
    for (size_t at = 0; at < 17; at++)
        for (size_t n = 0; n + at <= sizeof buf; n++) {
            assert_int_equal(ts_crc32(0, buf + at, n), crc32_z(0, buf + at, n));
            assert_int_equal(ts_crc32(77, buf + at, n), crc32_z(77, buf + at, n));
        }
}

static void pieces(void **state)
{
    (void)state;
    unsigned char buf[300] = { 1, 2, 3 };
    for (size_t cut = 0; cut < sizeof buf; cut++)
        assert_int_equal(ts_crc32(ts_crc32(0, buf, cut), buf + cut, sizeof buf - cut), ts_crc32(0, buf, sizeof buf));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(equals_zlib), cmocka_unit_test(pieces) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
