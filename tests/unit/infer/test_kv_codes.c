/* Keys and values in eight bits: what it costs in log-probabilities, next to bf16; what it spares in memory; who refuses. */
#include "../cmocka_all.h"
#include "../temp.h"

#include "base/json.h"
#include "device/isa.h"
#include "infer/engine.h"
#include "infer/kv_codes.h"
#include "model/open.h"

#include <math.h>
#include <unistd.h>

enum { TOKENS = 96, MOST = 512 };

typedef struct fixture {
    ts_device *dev;
    ts_model model;
} fixture;

static void open_model(fixture *f, const char *path, ts_dtype compute)
{
    const ts_device_options o = { .threads = 2, .isa = TS_ISA_ALL };
    *f = (fixture){ 0 };
    OK(ts_device_open("cpu", &o, &f->dev));
    OK(ts_model_load(path, &(ts_model_use){ .dev = f->dev, .compute = compute, .inference = true }, &f->model));
}

static void close_model(fixture *f)
{
    ts_model_deinit(&f->model);
    ts_device_close(&f->dev);
}

/* Log-probabilities of ids[1..n), each token put in by itself behind those that are kept; the cache's bytes. */
static int64_t ask(const char *path, ts_dtype compute, ts_kv_code code, const int32_t *ids, int64_t n, float *out)
{
    fixture f;
    ts_engine *e;
    open_model(&f, path, compute);
    OK(ts_engine_use_codes(f.model.decoder, code));
    const int64_t before = f.dev->mem.now[TS_MEM_OTHER];
    OK(ts_engine_create(f.model.decoder, 1, &e));
    OK(ts_engine_reserve(e, n));
    const int64_t bytes = f.dev->mem.now[TS_MEM_OTHER] - before;
    for (int64_t i = 0; i + 1 < n; i++) {
        const ts_prompt one = { .ids = ids + i, .n = 1 };
        const ts_ask next = { 0, 0, ids[i + 1] };
        OK(ts_engine_extend(e, 0, 1, &one, &next, 1, out + i));
    }
    ts_engine_destroy(&e);
    close_model(&f);
    return bytes;
}

static double rms(const float *a, const float *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sqrt(sum / (double)n);
}

/* bf16 rounds a number x by x / (512 sqrt 3) at the root of the mean square where it rounds worst, and half of that all over.
 * int8 does so by max / (254 sqrt 3), where numbers of a group of 64 are up to 3 times as large as usual ones: 6 to 12 times as
 * much. e4m3 has a fraction shorter by four bits: 16 times as much. That is of keys and values alone; a pass in bf16 rounds the
 * weights, the stream and all between too, at every layer, so that the factors hold with room to spare; 1e-4 is for models
 * whose values happen to be numbers of bf16. */
static void check_text(const char *path, const char *name, const int32_t *ids, int64_t n)
{
    static float want[MOST], half[MOST], int8[MOST], fp8[MOST];
    const int64_t plain = ask(path, TS_DTYPE_F32, TS_KV_PLAIN, ids, n, want);
    ask(path, TS_DTYPE_BF16, TS_KV_PLAIN, ids, n, half);
    const int64_t small = ask(path, TS_DTYPE_F32, TS_KV_INT8, ids, n, int8);
    ask(path, TS_DTYPE_F32, TS_KV_FP8, ids, n, fp8);
    const double b = rms(half, want, n - 1), i = rms(int8, want, n - 1), f = rms(fp8, want, n - 1);
    printf("%-14s rms of log-probabilities: bf16 %.5f, int8 %.5f, fp8 %.5f; bytes %lld of %lld\n", name, b, i, f, (long long)small,
           (long long)plain);
    assert_true(i > 0 && i <= 12 * b + 1e-4);
    assert_true(f > 0 && f <= 16 * b + 1e-4);
    assert_true(small < plain);
}

static void test_tiny(void **state)
{
    static const char *const names[] = { "llama", "gemma2", "gpt_oss", "ministral3-window", "deepseek_v2", "falcon_h1", "gemma3n" };
    int32_t ids[TOKENS];
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        const ts_rng rng = ts_rng_stream(5, TS_RNG_TEST, i, 0);
        for (int k = 0; k < TOKENS; k++) {
            uint32_t u[4];
            ts_rng_block(&rng, (uint64_t)k, u);
            ids[k] = (int32_t)(3 + u[0] % 60);
        }
        snprintf(path, sizeof path, "tests/golden/families/%s", names[i]);
        check_text(path, names[i], ids, TOKENS);
    }
}

/* Models that have learnt to write, on texts of their kind, where they are at hand. */
static void test_texts(void **state)
{
    static const char *const names[] = { "stories260K", "babyllama-tok105" };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128], file[128];
        static int32_t ids[MOST];
        json_t *texts;
        snprintf(path, sizeof path, "../shared/data/models/%s/hf", names[i]);
        snprintf(file, sizeof file, "../shared/data/models/%s/scores.json", names[i]);
        if (access(file, R_OK) != 0) {
            print_message("%s is not here: skipped\n", file);
            skip();
        }
        OK(ts_json_read(file, &texts));
        const json_t *list = json_object_get(json_array_get(texts, 0), "ids");
        const int64_t n = (int64_t)json_array_size(list) < MOST ? (int64_t)json_array_size(list) : MOST;
        for (int64_t k = 0; k < n; k++)
            ids[k] = (int32_t)json_integer_value(json_array_get(list, (size_t)k));
        check_text(path, names[i], ids, n);
        json_decref(texts);
    }
}

/* A vector of 64 in fp32 is 256 bytes, as codes 64 and a scale. */
static void test_bytes(void **state)
{
    (void)state;
    assert_int_equal(ts_kv_bytes(64), 68);
    assert_int_equal(ts_kv_bytes(576), 576 + 9 * 4);
    assert_int_equal(ts_kv_bytes(65), 68 + 8);
}

static void test_refused(void **state)
{
    static const char *const names[] = { "deepseek_v32", "deepseek_v4", "mamba2" };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        fixture f;
        snprintf(path, sizeof path, "tests/golden/families/%s", names[i]);
        open_model(&f, path, TS_DTYPE_F32);
        assert_int_equal(ts_engine_use_codes(f.model.decoder, TS_KV_INT8), TS_ERR_USER);
        OK(ts_engine_use_codes(f.model.decoder, TS_KV_PLAIN));
        close_model(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiny),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
