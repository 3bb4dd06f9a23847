/* Attention with a cache: rows of padding. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "device/isa.h"
#include "ops/ops.h"

#include <string.h>

enum { B = 3, S = 4, HEADS = 2, DIM = 8, WIDTH = HEADS * DIM };
static const int32_t start[B] = { 0, 3, 2 }, len[B] = { 4, 1, 2 };

/* Whatever was in the memory before: what follows reads all rows. */
static void padding_is_zero(ts_dtype t)
{
    ts_device *dev;
    ts_tape *tape;
    ts_tensor *qkv, *y;
    ts_kv_cache cache = { .capacity = 8 };
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 2, .isa = TS_ISA_ALL }, &dev));
    OK(ts_tape_create(dev, &(ts_tape_options){ 0 }, &tape));
    OK(ts_storage_create(dev, TS_MEM_OTHER, B * 8 * 2 * WIDTH * sizeof(float), &cache.kv));
    memset(cache.kv->data, 0, B * 8 * 2 * WIDTH * sizeof(float));
    OK(ts_tape_new(tape, t, B * S, 3 * WIDTH, &qkv));
    memset(ts_tensor_data(qkv), 0x3c, ts_tensor_bytes(qkv));
    OK(ts_tape_push(tape));
    OK(ts_tape_new(tape, t, B * S, WIDTH, &y)); /* its place is the next one's */
    memset(ts_tensor_data(y), 0xff, ts_tensor_bytes(y));
    ts_tape_pop(tape, NULL);
    const ts_attention_op o = { .B = B, .S = S, .n_q = HEADS, .n_kv = HEADS, .head_dim = DIM,
                                .scale = 1, .cache = &cache, .q_start = start, .q_len = len };
    OK(ts_op_attention(tape, &o, qkv, &y));
    const size_t row = WIDTH * ts_dtype_size(t);
    static const char zero[WIDTH * sizeof(float)];
    for (int b = 0; b < B; b++)
        for (int i = 0; i < S; i++) {
            const char *at = (const char *)ts_tensor_data(y) + (size_t)(b * S + i) * row;
            assert_int_equal(memcmp(at, zero, row) == 0, i >= len[b]);
        }
    ts_storage_release(&cache.kv);
    ts_tape_destroy(&tape);
    ts_device_close(&dev);
}

static void padding(void **state)
{
    (void)state;
    padding_is_zero(TS_DTYPE_F32);
    padding_is_zero(TS_DTYPE_BF16);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(padding) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
