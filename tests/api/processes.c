/* Several processes that train through the public interface: one asks to stop, all stop after the
 * step behind. Started by tests/dist/run.sh; each process has its own copy of the data. */
#include "api.h"

typedef struct rank {
    const ts_training *t;
    int64_t last;
} rank;

static unsigned on_step(void *ctx, const ts_train_step *s)
{
    rank *r = ctx;
    r->last = s->iteration;
    return ts_training_rank(r->t) == 1 && s->iteration == 2 ? TS_TRAIN_STOP : TS_TRAIN_GO_ON;
}

static void write_data(const char *prefix)
{
    ts_token_writer *w;
    int32_t ids[200];
    for (int i = 0; i < 200; i++)
        ids[i] = i * 7 % 50;
    OK(ts_token_writer_open(prefix, 2, &w));
    OK(ts_token_writer_add(w, ids, 200));
    OK(ts_token_writer_finish(w));
    ts_token_writer_close(&w);
}

static void test_one_stops_all(void **state)
{
    place p;
    char data[128];
    rank r = { 0 };
    ts_training *t;
    (void)state;
    place_make(&p);
    snprintf(data, sizeof data, "%s/data", p.dir);
    write_data(data);
    const char *options[] = {
        "--num-layers=1",
        "--hidden-size=16",
        "--num-attention-heads=2",
        "--seq-length=8",
        "--max-position-embeddings=8",
        "--tokenizer-type=NullTokenizer",
        "--vocab-size=50",
        "--micro-batch-size=1",
        "--train-iters=9",
        "--lr=1e-3",
        "--split=100,0,0",
        "--eval-iters=0",
        "--threads=1",
        "--data-path",
        data,
    };
    ts_log_to(TS_LOG_ERROR, NULL, NULL);
    OK(ts_training_open(options, N(options), &t));
    assert_int_equal(ts_training_global_batch(t), ts_training_processes(t));
    r.t = t;
    OK(ts_training_run(t, on_step, &r));
    assert_int_equal(r.last, ts_training_processes(t) > 1 ? 3 : 9);
    ts_training_close(&t);
    place_remove(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_one_stops_all) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
