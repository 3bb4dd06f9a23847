/* Documents packed into one row: in layers that carry something from token to token, each is what it is alone. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "device/isa.h"
#include "model/open.h"

#include <math.h>

enum { FIRST = 7, SECOND = 9, ALL = FIRST + SECOND, WIDEST = 64 };

static ts_tensor *upload(ts_tape *tape, const int32_t *v, int64_t n)
{
    ts_tensor *t = NULL;
    OK(ts_tape_new_kind(tape, TS_MEM_DATA, TS_DTYPE_I32, n, 0, &t));
    tape->dev->to_device(tape->dev, ts_tensor_data(t), v, (size_t)n * sizeof *v);
    return t;
}

/* What the layers make of tokens [from, from + n) of the pack; apart: two documents that do not see each other. */
static void hidden(ts_decoder *d, int64_t from, int64_t n, bool apart, float *out)
{
    int32_t ids[ALL], pos[ALL], first[ALL];
    ts_tape *tape;
    ts_tensor *y;
    for (int64_t i = 0; i < n; i++) {
        const int64_t begin = apart && i >= FIRST ? FIRST : 0;
        ids[i] = (int32_t)(3 + (from + i) * 11 % 70);
        pos[i] = (int32_t)(i - begin), first[i] = (int32_t)begin;
    }
    OK(ts_tape_create(d->dev, &(ts_tape_options){ 0 }, &tape));
    const ts_run run = { .B = 1, .S = n, .pos = upload(tape, pos, n), .first_key = apart ? upload(tape, first, n) : NULL };
    OK(ts_decoder_prepare(d, ALL, ALL));
    OK(ts_decoder_forward(d, tape, &run, NULL, upload(tape, ids, n), &y));
    assert_true(d->arch.hidden <= WIDEST);
    d->dev->to_host(d->dev, out, ts_tensor_data(y), (size_t)(n * d->arch.hidden) * sizeof *out);
    ts_tape_destroy(&tape);
}

/* The largest difference of the second document's rows. */
static float distance(const float *pack, const float *alone, int64_t width)
{
    float most = 0;
    for (int64_t i = 0; i < SECOND * width; i++)
        most = fmaxf(most, fabsf(pack[FIRST * width + i] - alone[i]));
    return most;
}

static void test_packed(void **state)
{
    static const char *const folders[] = { "lfm2", "lfm2-bias", "lfm2_moe", "falcon_h1", "falcon_h1-norm",
                                           "granitemoehybrid", "bamba" };
    (void)state;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        static float apart[ALL * WIDEST], together[ALL * WIDEST], alone[ALL * WIDEST];
        char path[64];
        ts_device *dev;
        ts_model m;
        snprintf(path, sizeof path, "tests/golden/families/%s", folders[i]);
        OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1, .isa = TS_ISA_ALL }, &dev));
        const ts_model_use use = { .dev = dev, .compute = TS_DTYPE_F32 };
        OK(ts_model_load(path, &use, &m));
        hidden(m.decoder, 0, ALL, true, apart);
        hidden(m.decoder, 0, ALL, false, together);
        hidden(m.decoder, FIRST, SECOND, false, alone);
        /* values are about 1; sums over keys may be in another order */
        assert_true(distance(apart, alone, m.decoder->arch.hidden) < 1e-5f);
        assert_true(distance(together, alone, m.decoder->arch.hidden) > 1e-2f);
        ts_model_deinit(&m);
        ts_device_close(&dev);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_packed) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
