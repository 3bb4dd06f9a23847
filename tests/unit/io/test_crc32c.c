#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/crc32c.h"

static void known_values(void **state)
{
    (void)state;
    unsigned char buf[32] = { 0 };
    assert_int_equal(ts_crc32c(0, "123456789", 9), 0xE3069283);
    assert_int_equal(ts_crc32c_ref(0, "123456789", 9), 0xE3069283);
    assert_int_equal(ts_crc32c(0, buf, 32), 0x8A9136AA); /* RFC 3720, B.4 */
    for (int i = 0; i < 32; i++)
        buf[i] = 0xFF;
    assert_int_equal(ts_crc32c(0, buf, 32), 0x62A8AB43);
    for (int i = 0; i < 32; i++)
        buf[i] = (unsigned char)i;
    assert_int_equal(ts_crc32c(0, buf, 32), 0x46DD794E);
    assert_int_equal(ts_crc32c(0, buf, 0), 0);
    assert_int_equal(ts_crc32c_mask(0), 0xA282EAD8);
}

static void instruction_equals_table(void **state)
{
    (void)state;
    unsigned char buf[300];
    uint32_t x = 1;
    if (!ts_crc32c_is_hardware())
        skip();
    for (size_t i = 0; i < sizeof buf; i++)
        buf[i] = (unsigned char)((x = x * 1664525u + 1013904223u) >> 24);
    for (size_t at = 0; at < 9; at++)
        for (size_t n = 0; n + at <= sizeof buf; n++)
            assert_int_equal(ts_crc32c(7, buf + at, n), ts_crc32c_ref(7, buf + at, n));
}

static void pieces(void **state)
{
    (void)state;
    const char text[] = "a record file is written piece by piece";
    for (size_t cut = 0; cut < sizeof text; cut++)
        assert_int_equal(ts_crc32c(ts_crc32c(0, text, cut), text + cut, sizeof text - cut),
                         ts_crc32c(0, text, sizeof text));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(known_values),
                                        cmocka_unit_test(instruction_equals_table),
                                        cmocka_unit_test(pieces) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
