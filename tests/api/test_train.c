/* Training, plans and checkpoints through the public interface, beside the program. */
#include "api.h"

#include <math.h>

enum { STEPS = 6, ROOM = 40 };

/* A small data set, and the job that all tests here run. */
typedef struct rig {
    place p;
    char data[128], save[128], hf[128];
    const char *options[ROOM];
    size_t n;
} rig;

static void add(rig *r, const char *option)
{
    assert_true(r->n < ROOM);
    r->options[r->n++] = option;
}

static void rig_make(rig *r)
{
    static const char *const common[] = {
        "--num-layers",
        "2",
        "--hidden-size",
        "32",
        "--num-attention-heads",
        "4",
        "--swiglu",
        "--ffn-hidden-size",
        "64",
        "--normalization",
        "RMSNorm",
        "--position-embedding-type",
        "rope",
        "--disable-bias-linear",
        "--max-position-embeddings",
        "32",
        "--tokenizer-type",
        "NullTokenizer",
        "--vocab-size",
        "95",
        "--seq-length",
        "16",
        "--lr",
        "1e-3",
        "--global-batch-size",
        "4",
        "--micro-batch-size",
        "2",
        "--train-iters",
        "6",
    };
    ts_token_writer *w;
    *r = (rig){ 0 };
    place_make(&r->p);
    snprintf(r->data, sizeof r->data, "%s/data", r->p.dir);
    snprintf(r->save, sizeof r->save, "%s/save", r->p.dir);
    snprintf(r->hf, sizeof r->hf, "%s/hf", r->p.dir);
    OK(ts_token_writer_open(r->data, 4, &w));
    for (int d = 0; d < 40; d++) {
        int32_t ids[60];
        for (int i = 0; i < 60; i++)
            ids[i] = (d * 7 + i * (1 + d % 5)) % 95;
        OK(ts_token_writer_add(w, ids, 10 + d));
    }
    OK(ts_token_writer_finish(w));
    ts_token_writer_close(&w);
    for (size_t i = 0; i < N(common); i++)
        add(r, common[i]);
    add(r, "--data-path");
    add(r, r->data);
    add(r, "--split=100,0,0");
    add(r, "--eval-iters=0");
    add(r, "--threads=1");
    ts_log_to(TS_LOG_ERROR, NULL, NULL);
}

static void rig_free(rig *r)
{
    ts_log_to(TS_LOG_INFO, NULL, NULL);
    place_remove(&r->p);
}

typedef struct curve {
    double loss[STEPS + 1], norm[STEPS + 1], lr[STEPS + 1];
    int64_t last, samples, tokens;
    int64_t stop_at, save_at;
    int calls;
} curve;

static unsigned on_step(void *ctx, const ts_train_step *s)
{
    curve *c = ctx;
    c->calls++;
    c->last = s->iteration;
    c->samples = s->consumed_samples;
    c->tokens += s->tokens;
    if (s->iteration <= STEPS) {
        c->loss[s->iteration] = s->loss;
        c->norm[s->iteration] = s->grad_norm;
        c->lr[s->iteration] = s->lr;
    }
    if (s->train_iters != STEPS || !isnan(s->valid_loss) || s->skipped || !(s->seconds > 0) ||
        !(s->tokens_per_second > 0) || s->memory_peak_bytes <= 0)
        c->calls += 1000;
    return (s->iteration == c->stop_at ? TS_TRAIN_STOP : 0u) |
           (s->iteration == c->save_at ? TS_TRAIN_SAVE : 0u);
}

static void test_like_program(void **state)
{
    rig r;
    curve c = { 0 };
    ts_training *t = NULL;
    char line[4096], record[256], file[160], path[160];
    size_t n;
    (void)state;
    rig_make(&r);
    OK(ts_training_open(r.options, r.n, &t));
    assert_int_equal(ts_training_iterations(t), STEPS);
    assert_int_equal(ts_training_iteration(t), 0);
    assert_int_equal(ts_training_global_batch(t), 4);
    assert_int_equal(ts_training_processes(t), 1);
    assert_int_equal(ts_training_rank(t), 0);
    assert_true(ts_training_parameters(t) > 10000);
    OK(ts_training_run(t, on_step, &c));
    assert_int_equal(c.calls, STEPS);
    assert_int_equal(c.samples, STEPS * 4);
    assert_int_equal(c.tokens, STEPS * 4 * 16);
    assert_int_equal(ts_training_iteration(t), STEPS);
    OK(ts_training_save_hf(t, r.hf, "float32"));
    ts_training_close(&t);
    assert_null(t);
    snprintf(file, sizeof file, "%s/metrics", r.p.dir);
    snprintf(path, sizeof path, "%s/hf2", r.p.dir);
    free(program("pretrain %s --metrics-jsonl %s --save-hf %s --save-hf-dtype fp32",
                 words(r.options, r.n, line, sizeof line), file, path));
    char *metrics = slurp(file, &n);
    for (int i = 1; i <= STEPS; i++) {
        snprintf(record, sizeof record,
                 "{\"iteration\": %d, \"consumed_samples\": %d, \"lm_loss\": %.17g, "
                 "\"grad_norm\": %.17g, \"learning_rate\": %.17g,",
                 i, 4 * i, c.loss[i], c.norm[i], c.lr[i]);
        if (!strstr(metrics, record))
            fail_msg("no %s in %s", record, metrics);
    }
    free(metrics);
    strcat(r.hf, "/model.safetensors");
    strcat(path, "/model.safetensors");
    same_files(r.hf, path);
    rig_free(&r);
}

/* Stopped, saved and gone on with: the same curve. */
static void test_stop_and_go_on(void **state)
{
    rig r;
    curve whole = { 0 }, first = { .stop_at = 3, .save_at = 2 }, rest = { 0 };
    ts_training *t, *u;
    int64_t latest = 0;
    char *json;
    (void)state;
    rig_make(&r);
    OK(ts_training_open(r.options, r.n, &t));
    add(&r, "--save");
    add(&r, r.save);
    OK(ts_training_open(r.options, r.n, &u)); /* two at once */
    OK(ts_training_run(t, on_step, &whole));
    ts_training_close(&t);
    OK(ts_training_run(u, on_step, &first));
    assert_int_equal(first.last, 3);
    OK(ts_checkpoint_latest(r.save, &latest));
    assert_int_equal(latest, 3);
    OK(ts_checkpoint_list(r.save, (const char *[]){ "--quick" }, 1, &json));
    assert_non_null(strstr(json, "\"iteration\": 2, "));
    ts_memory_free(json);
    OK(ts_training_run(u, on_step, &rest)); /* the same job */
    ts_training_close(&u);
    for (int i = 1; i <= STEPS; i++)
        assert_true(whole.loss[i] == (i <= 3 ? first : rest).loss[i]);
    add(&r, "--load");
    add(&r, r.save);
    add(&r, "--ckpt-step=3");
    rest = (curve){ 0 };
    OK(ts_training_open(r.options, r.n, &t)); /* the saved one */
    assert_int_equal(ts_training_iteration(t), 3);
    OK(ts_training_run(t, on_step, &rest));
    ts_training_close(&t);
    assert_int_equal(rest.calls, STEPS - 3);
    assert_true(rest.loss[STEPS] == whole.loss[STEPS]);
    rig_free(&r);
}

static void test_training_refusals(void **state)
{
    rig r;
    ts_training *t = NULL;
    (void)state;
    rig_make(&r);
    REFUSED(ts_training_open(NULL, 0, &t), "--");
    REFUSED(ts_training_open(r.options, r.n, NULL), "out");
    REFUSED(ts_training_run(NULL, NULL, NULL), "t must");
    REFUSED(ts_training_save_hf(NULL, "x", NULL), "t must");
    const size_t n = r.n;
    add(&r, "--lrr=3");
    REFUSED(ts_training_open(r.options, r.n, &t), "--lrr");
    r.options[n] = "--micro-batch-size=3";
    REFUSED(ts_training_open(r.options, r.n, &t), "micro-batch-size");
    r.options[n] = "--data-path=/no/such/data";
    REFUSED(ts_training_open(r.options, r.n, &t), "/no/such/data");
    r.options[n] = "--load=/no/such/folder";
    REFUSED(ts_training_open(r.options, r.n, &t), "/no/such/folder");
    assert_null(t);
    OK(ts_training_open(r.options, n, &t));
    REFUSED(ts_training_save_hf(t, NULL, NULL), "folder");
    REFUSED(ts_training_save_hf(t, r.hf, "fp8"), "fp8");
    REFUSED(ts_training_save_hf(t, r.p.dir, NULL), "data.bin"); /* holds other things */
    assert_int_not_equal(access(r.hf, F_OK), 0);
    OK(ts_training_run(t, NULL, NULL)); /* usable still */
    ts_training_close(&t);
    ts_training_close(&t);
    ts_training_close(NULL);
    assert_int_equal(ts_training_iteration(NULL) + ts_training_iterations(NULL), 0);
    assert_int_equal(ts_training_parameters(NULL) + ts_training_global_batch(NULL), 0);
    assert_int_equal(ts_training_rank(NULL) + ts_training_processes(NULL), 0);
    rig_free(&r);
}

/* ---- plans ---- */

static void test_plan(void **state)
{
    rig r;
    ts_forecast *f = NULL;
    char line[4096];
    (void)state;
    rig_make(&r);
    add(&r, "--hardware=laptop");
    add(&r, "--world-size=2");
    OK(ts_forecast_make(r.options, r.n, &f));
    const ts_forecast_figures *g = ts_forecast_get(f);
    assert_int_equal(g->world_size, 2);
    assert_int_equal(g->layers, 2);
    assert_int_equal(g->global_batch, 4);
    assert_int_equal(g->micro_batch, 2);
    assert_int_equal(g->seq_length, 16);
    assert_int_equal(g->peak_bytes, g->weight_bytes + g->gradient_bytes + g->optimizer_bytes +
                                        g->activation_bytes + g->buffer_bytes);
    assert_true(g->fits && g->flops > 0 && g->traffic_bytes > 0 && g->tokens_per_second > 0);
    char *json = program("plan --json %s", words(r.options, r.n, line, sizeof line));
    assert_string_equal(json, ts_forecast_json(f));
    free(json);
    char *table = program("plan %s", line);
    assert_string_equal(table, ts_forecast_table(f));
    free(table);
    ts_forecast_free(&f);
    add(&r, "--memory-limit-gb=0.0001");
    OK(ts_forecast_make(r.options, r.n, &f));
    assert_false(ts_forecast_get(f)->fits);
    ts_forecast_free(&f);
    ts_forecast_free(&f);
    ts_forecast_free(NULL);
    assert_null(ts_forecast_get(NULL));
    assert_null(ts_forecast_json(NULL));
    assert_null(ts_forecast_table(NULL));
    REFUSED(ts_forecast_make(r.options, r.n, NULL), "out");
    add(&r, "--hardware=abacus");
    REFUSED(ts_forecast_make(r.options, r.n, &f), "abacus");
    REFUSED(ts_forecast_make(NULL, 0, &f), "--");
    rig_free(&r);
}

/* ---- checkpoints ---- */

static void count_damage(void *ctx, const ts_ckpt_damage *d)
{
    if (strstr(d->path, "model-") && d->byte == 2000 && strstr(d->text, d->path))
        ++*(int *)ctx;
}

static void flip(const char *path, long place_in_file)
{
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    fseek(f, place_in_file, SEEK_SET);
    const int was = fgetc(f);
    fseek(f, place_in_file, SEEK_SET);
    fputc(was ^ 16, f);
    assert_int_equal(fclose(f), 0);
}

static void like_program(const char *verb, const char *dir, const char *json)
{
    char *said = program("checkpoint %s %s --json", verb, dir);
    said[strlen(said) - 1] = 0; /* its line feed */
    assert_string_equal(said, json);
    free(said);
}

static void test_checkpoints(void **state)
{
    rig r;
    ts_training *t;
    char *json = NULL;
    int damages = 0;
    (void)state;
    rig_make(&r);
    add(&r, "--save");
    add(&r, r.save);
    add(&r, "--save-interval=3");
    OK(ts_training_open(r.options, r.n, &t));
    OK(ts_training_run(t, NULL, NULL));
    OK(ts_training_save_hf(t, r.hf, NULL));
    ts_training_close(&t);
    OK(ts_checkpoint_verify(r.save, (const char *[]){ "--all" }, 1, NULL, NULL, NULL));
    OK(ts_checkpoint_verify(r.hf, NULL, 0, count_damage, &damages, &json));
    assert_non_null(strstr(json, "\"kind\": \"huggingface\", \"good\": true"));
    ts_memory_free(json);
    OK(ts_checkpoint_list(r.save, NULL, 0, &json));
    like_program("list", r.save, json);
    ts_memory_free(json);
    OK(ts_checkpoint_show(r.save, (const char *[]){ "--ckpt-step 3" }, 1, &json));
    assert_non_null(strstr(json, "\"iteration\": 3"));
    ts_memory_free(json);
    OK(ts_checkpoint_show(r.hf, NULL, 0, &json));
    like_program("show", r.hf, json);
    ts_memory_free(json);
    json = NULL;
    assert_int_equal(damages, 0);
    snprintf(r.p.text, sizeof r.p.text, "%s/iter_0000006/model-00001-of-00001.safetensors", r.save);
    flip(r.p.text, 2000);
    REFUSED(ts_checkpoint_verify(r.save, NULL, 0, count_damage, &damages, &json), "iter_0000006");
    assert_int_equal(damages, 1);
    assert_non_null(strstr(json, "\"good\": false"));
    ts_memory_free(json);
    rig_free(&r);
}

static void test_checkpoint_refusals(void **state)
{
    place p;
    char *json = NULL;
    int64_t latest = 7;
    (void)state;
    place_make(&p);
    ts_log_to(TS_LOG_ERROR, NULL, NULL);
    REFUSED(ts_checkpoint_verify(NULL, NULL, 0, NULL, NULL, &json), "dir");
    REFUSED(ts_checkpoint_verify("/no/such", NULL, 0, NULL, NULL, &json), "/no/such");
    REFUSED(ts_checkpoint_verify(p.dir, NULL, 0, NULL, NULL, &json), "no folder of checkpoints");
    REFUSED(ts_checkpoint_verify(p.dir, (const char *[]){ "--wat" }, 1, NULL, NULL, &json), "wat");
    REFUSED(ts_checkpoint_list(p.dir, NULL, 0, &json), "no checkpoint");
    REFUSED(ts_checkpoint_list(p.dir, NULL, 0, NULL), "json");
    REFUSED(ts_checkpoint_list(NULL, NULL, 0, &json), "dir");
    REFUSED(ts_checkpoint_show("/no/such", NULL, 0, &json), "/no/such");
    REFUSED(ts_checkpoint_show(p.dir, NULL, 0, NULL), "json");
    REFUSED(ts_checkpoint_latest(p.dir, &latest), p.dir);
    REFUSED(ts_checkpoint_latest(NULL, &latest), "dir");
    REFUSED(ts_checkpoint_latest(p.dir, NULL), "iteration");
    assert_null(json);
    assert_int_equal(latest, 7);
    ts_log_to(TS_LOG_INFO, NULL, NULL);
    place_remove(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_like_program),      cmocka_unit_test(test_stop_and_go_on),
        cmocka_unit_test(test_training_refusals), cmocka_unit_test(test_plan),
        cmocka_unit_test(test_checkpoints),       cmocka_unit_test(test_checkpoint_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
