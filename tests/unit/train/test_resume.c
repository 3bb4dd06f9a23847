/* What a run reads to go on: each value of the checkpoint once. (The linker puts the counting between.
 * That every byte's sum is checked before is another matter.) */
#include "../cmocka_all.h"
#include "../temp.h"
#include "io/safetensors.h"

#include <string.h>
#include <tessera/tessera.h>

enum { MOST = 200 };

typedef struct tally {
    char name[128];
    int64_t elements, read;
} tally;

static tally seen[MOST];
static size_t n_seen;

ts_status __real_ts_st_read_f32(const ts_st_tensor *t, int64_t first, int64_t n, float *out);
ts_status __wrap_ts_st_read_f32(const ts_st_tensor *t, int64_t first, int64_t n, float *out);

ts_status __wrap_ts_st_read_f32(const ts_st_tensor *t, int64_t first, int64_t n, float *out)
{
    size_t i = 0;
    while (i < n_seen && strcmp(seen[i].name, t->name) != 0)
        i++;
    assert_true(i < MOST);
    if (i == n_seen) {
        snprintf(seen[i].name, sizeof seen[i].name, "%s", t->name);
        seen[n_seen++].elements = t->elements;
    }
    seen[i].read += n;
    return __real_ts_st_read_f32(t, first, n, out);
}

static const char *const shape[] = {
    "--num-layers=2",
    "--hidden-size=32",
    "--num-attention-heads=4",
    "--ffn-hidden-size=64",
    "--swiglu",
    "--normalization=RMSNorm",
    "--position-embedding-type=rope",
    "--disable-bias-linear",
    "--max-position-embeddings=32",
    "--tokenizer-type=NullTokenizer",
    "--vocab-size=95",
    "--seq-length=16",
    "--lr=1e-3",
    "--global-batch-size=4",
    "--micro-batch-size=2",
    "--split=100,0,0",
    "--eval-iters=0",
    "--threads=1",
};
enum { SHAPE = sizeof shape / sizeof *shape };

static void make_data(const char *prefix)
{
    ts_token_writer *w;
    int32_t ids[60];
    OK(ts_token_writer_open(prefix, 4, &w));
    for (int d = 0; d < 40; d++) {
        for (int i = 0; i < 60; i++)
            ids[i] = (d * 7 + i * (1 + d % 5)) % 95;
        OK(ts_token_writer_add(w, ids, 60));
    }
    OK(ts_token_writer_finish(w));
    ts_token_writer_close(&w);
}

/* Opens the job with these options beside the common ones; runs it if told to. */
static void job(temp *t, bool runs, const char *const *more, size_t n)
{
    const char *options[SHAPE + 8];
    char data[128];
    ts_training *j;
    snprintf(data, sizeof data, "--data-path=%s", temp_path(t, "data"));
    memcpy(options, shape, sizeof shape);
    options[SHAPE] = data;
    for (size_t i = 0; i < n; i++)
        options[SHAPE + 1 + i] = more[i];
    n_seen = 0;
    memset(seen, 0, sizeof seen);
    OK(ts_training_open(options, SHAPE + 1 + n, &j));
    if (runs)
        OK(ts_training_run(j, NULL, NULL));
    ts_training_close(&j);
}

/* Tensors that were read, each of them once. */
static size_t read_once(const char *what)
{
    for (size_t i = 0; i < n_seen; i++)
        if (seen[i].read != seen[i].elements)
            fail_msg("%s: %lld values of %s were read, it has %lld", what, (long long)seen[i].read,
                     seen[i].name, (long long)seen[i].elements);
    return n_seen;
}

static void each_value_once(void **state)
{
    static const char *const types[] = { "--seed=1", "--bf16" };
    (void)state;
    ts_log_to(TS_LOG_ERROR, NULL, NULL);
    for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
        char save[128], load[128];
        temp t;
        temp_make(&t);
        make_data(temp_path(&t, "data"));
        snprintf(save, sizeof save, "--save=%s", temp_path(&t, "ck"));
        snprintf(load, sizeof load, "--load=%s", temp_path(&t, "ck"));
        job(&t, true, (const char *[]){ "--train-iters=2", types[k], save }, 3);
        assert_int_equal(read_once("from the beginning"), 0);
        job(&t, false, (const char *[]){ "--train-iters=4", types[k], load }, 3);
        const size_t all = read_once("resumed");
        job(&t, false, (const char *[]){ "--train-iters=4", types[k], load, "--finetune" }, 4);
        const size_t weights = read_once("finetuned");
        assert_true(weights > 10);
        assert_int_equal(all, 3 * weights); /* and two moments of each */
        temp_remove(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(each_value_once) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
