#include "base/file.h"
#include "device/isa.h"
#include "plan/hardware.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static ts_status read_text(const char *text, ts_sim_hardware *hw)
{
    char path[] = "/tmp/tessera-hardware-XXXXXX";
    const int fd = mkstemp(path);
    int local = 0;
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    const ts_status st = ts_plan_hardware(path, 0, 4, &local, hw);
    unlink(path);
    return st;
}

static void refused(const char *text, const char *word)
{
    ts_sim_hardware hw;
    assert_int_equal(read_text(text, &hw), TS_ERR_USER);
    if (!strstr(ts_error_message(), word))
        fail_msg("%s: does not name %s", ts_error_message(), word);
}

/* What is written of a description is that description. */
static void goes_round(const ts_sim_hardware *a)
{
    ts_sim_hardware b;
    json_t *o;
    assert_int_equal(ts_plan_hardware_json(a, &o), TS_OK);
    char *text = json_dumps(o, JSON_REAL_PRECISION(17));
    if (read_text(text, &b) != TS_OK)
        fail_msg("%s", ts_error_message());
    assert_string_equal(a->name, b.name);
    assert_int_equal(a->isa, b.isa);
    assert_int_equal(a->threads, b.threads);
    assert_true(a->flops_f32 == b.flops_f32 && a->flops_16 == b.flops_16 &&
                a->flops_8 == b.flops_8 && a->bytes_per_second == b.bytes_per_second &&
                a->network_latency == b.network_latency && a->memory_bytes == b.memory_bytes &&
                a->cores == b.cores);
    free(text);
    json_decref(o);
}

/* A name that is too long ends before the character that does not fit. */
static void names_are_cut_between_characters(void **state)
{
    (void)state;
    for (int ahead = 0; ahead < 4; ahead++) {
        ts_sim_hardware hw;
        char text[1024];
        int n = snprintf(text, sizeof text, "{\"name\": \"%.*s", ahead, "abc");
        for (int i = 0; i < 60; i++)
            n += snprintf(text + n, sizeof text - (size_t)n, "\xE2\x82\xAC"); /* the euro's sign */
        snprintf(text + n, sizeof text - (size_t)n,
                 "\", \"flops_f32\": 1e12, \"flops_16\": 1e12, \"bytes_per_second\": 1e11}");
        assert_int_equal(read_text(text, &hw), TS_OK);
        assert_int_equal((strlen(hw.name) - (size_t)ahead) % 3, 0);
        assert_true(strlen(hw.name) + 3 >= sizeof hw.name);
        goes_round(&hw);
    }
}

static void a_description_goes_round(void **state)
{
    (void)state;
    ts_sim_hardware hw;
    int local = 0;
    assert_int_equal(ts_plan_hardware("epyc-9654", 0, 4, &local, &hw), TS_OK);
    assert_int_equal(local, 4);
    assert_int_equal(hw.threads, 24);
    goes_round(&hw);
    /* rates that are not given */
    assert_int_equal(read_text("{\"flops_f32\": 1e12, \"flops_16\": 1e12, "
                               "\"bytes_per_second\": 1e11}", &hw), TS_OK);
    goes_round(&hw);
}

static void the_line_names_every_instruction_set(void **state)
{
    (void)state;
    ts_sim_hardware hw;
    ts_sim_hardware_here(&hw, TS_ISA_ALL, 128);
    assert_string_equal(hw.name, "this CPU, 128 threads, avx2 avx512 avx512_bf16 avx512_vnni amx_bf16 "
                                 "amx_int8");
}

static void bad_descriptions_are_refused(void **state)
{
    (void)state;
    ts_sim_hardware hw;
    int local = 0;
    refused("[]", "object");
    refused("{\"flops_f32\": 1e12", "JSON");
    refused("{\"flops_f32\": 1e12, \"flops_16\": 1e12}", "bytes_per_second");
    refused("{\"flops_f32\": 0, \"flops_16\": 1e12, \"bytes_per_second\": 1e9}", "flops_f32");
    refused("{\"flops_f32\": 1e9, \"flops_16\": -1, \"bytes_per_second\": 1e9}", "flops_16");
    refused("{\"flops_f32\": 1e9, \"flops_16\": 1e9, \"bytes_per_second\": \"fast\"}",
            "bytes_per_second");
    refused("{\"flops_f32\": 1e9, \"flops_16\": 1e9, \"bytes_per_second\": 1e9, \"speed\": 3}",
            "speed");
    refused("{\"flops_f32\": 1e9, \"flops_16\": 1e9, \"bytes_per_second\": 1e9, \"kind\": \"tpu\"}",
            "tpu");
    refused("{\"flops_f32\": 1e9, \"flops_16\": 1e9, \"bytes_per_second\": 1e9, \"isa\": \"avx9\"}",
            "avx9");
    refused("{\"flops_f32\": 1e9, \"flops_16\": 1e9, \"bytes_per_second\": 1e9, \"threads\": 0}",
            "threads");
    assert_int_equal(ts_plan_hardware("cray-1", 0, 1, &local, &hw), TS_ERR_USER);
    assert_non_null(strstr(ts_error_message(), "epyc-9654"));
    assert_int_equal(ts_plan_hardware("./there-is-no-such.json", 0, 1, &local, &hw), TS_ERR_USER);
}

static void ranks_share_a_machine(void **state)
{
    (void)state;
    ts_sim_hardware one, two;
    int local = 0;
    assert_int_equal(ts_plan_hardware(NULL, 1, 1, &local, &one), TS_OK);
    local = 2;
    assert_int_equal(ts_plan_hardware("here", 1, 2, &local, &two), TS_OK);
    assert_true(one.flops_f32 == two.flops_f32); /* a core each */
    assert_true(two.bytes_per_second <= one.bytes_per_second);
    assert_true(one.bytes_per_second > 0 && one.memory_bytes > 0);
}

static void a_gpu_packs_nothing(void **state)
{
    (void)state;
    ts_sim_hardware hw;
    ts_device *d;
    static const char text[] = "{\"kind\": \"gpu\", \"flops_f32\": 6e13, \"flops_16\": 8e14, "
                               "\"bytes_per_second\": 3e12}";
    assert_int_equal(read_text(text, &hw), TS_OK);
    assert_int_equal(ts_sim_open_hardware(&hw, &d), TS_OK);
    assert_int_equal(d->mem.total, 0);
    assert_int_equal(d->gemm_packed_bytes(d, TS_GEMM_NT, TS_DTYPE_BF16, 64, 64), 0);
    ts_device_close(&d);
}

/* Also on a processor that has none of these instructions: nothing of the other one's kernels runs. */
static void any_processor_is_planned_for(void **state)
{
    (void)state;
    static const struct {
        const char *isa;
        size_t pairs, i8; /* columns of a panel */
    } rows[] = { { "", 0, 16 },
                 { "avx2", 0, 16 },
                 { "avx2 avx512", 0, 16 },
                 { "avx2 avx512 avx512_vnni", 0, 48 },
                 { "avx2 avx512 avx512_bf16", 48, 16 },
                 { "avx2 avx512 avx512_bf16 avx512_vnni", 48, 48 },
                 { "avx2 avx512 avx512_bf16 avx512_vnni amx_bf16 amx_int8", 48, 48 } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const size_t pairs = rows[i].pairs, i8 = rows[i].i8;
        ts_sim_hardware hw;
        ts_device *d;
        char text[256];
        snprintf(text, sizeof text, "{\"isa\": \"%s\", \"flops_f32\": 1e12, \"flops_16\": 1e12, "
                                    "\"bytes_per_second\": 1e11}", rows[i].isa);
        assert_int_equal(read_text(text, &hw), TS_OK);
        assert_int_equal(ts_sim_open_hardware(&hw, &d), TS_OK);
        /* 100 columns in panels; 33 rows in pairs, and in fours with two rows more a block of 192 */
        assert_int_equal(d->gemm_packed_bytes(d, TS_GEMM_NN, TS_DTYPE_BF16, 100, 33),
                         pairs ? (100 + pairs - 1) / pairs * pairs * 17 * 4 : 0);
        assert_int_equal(d->gemm_packed_bytes(d, TS_GEMM_NT, TS_DTYPE_I8, 100, 33),
                         (100 + i8 - 1) / i8 * i8 * (2 + 9) * 4);
        assert_int_equal(d->gemm_packed_bytes(d, TS_GEMM_TN, TS_DTYPE_BF16, 100, 33), 0);
        assert_int_equal(d->gemm_packed_bytes(d, TS_GEMM_NT, TS_DTYPE_F32, 100, 33), 0);
        ts_device_close(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_description_goes_round),
        cmocka_unit_test(names_are_cut_between_characters),
        cmocka_unit_test(the_line_names_every_instruction_set),
        cmocka_unit_test(bad_descriptions_are_refused),
        cmocka_unit_test(ranks_share_a_machine),
        cmocka_unit_test(a_gpu_packs_nothing),
        cmocka_unit_test(any_processor_is_planned_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
