/* What a simulated step counts against a real one on the CPU, and against sums done by hand. */
#include "plan/report.h"
#include "plan/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

typedef struct setup {
    ts_job_options o;
    ts_plan_options p;
    ts_option_set *set;
    char text[1024], *words[80];
} setup;

static void begin(setup *s, const char *options)
{
    ts_option_table tables[TS_JOB_TABLES + 1];
    int n = 0;
    memset(s, 0, sizeof *s);
    ts_job_tables(&s->o, tables);
    tables[TS_JOB_TABLES] = (ts_option_table){ ts_plan_option_rows, ts_plan_option_count, &s->p };
    assert_int_equal(ts_option_set_create(tables, TS_JOB_TABLES + 1, &s->set), TS_OK);
    strcpy(s->text, options);
    for (char *w = strtok(s->text, " "); w; w = strtok(NULL, " "))
        s->words[n++] = w;
    ts_status st = ts_option_parse(s->set, n, s->words);
    if (st == TS_OK)
        st = ts_option_finish(s->set);
    if (st != TS_OK)
        fail_msg("%s", ts_error_message());
}

static void end(setup *s) { ts_option_set_destroy(&s->set); }

static void plan_of(const char *options, ts_plan *p)
{
    setup s;
    begin(&s, options);
    if (ts_plan_run(&s.o, s.set, &s.p, p) != TS_OK)
        fail_msg("%s", ts_error_message());
    end(&s);
}

#define SMALL                                                                                      \
    "--num-layers 3 --hidden-size 64 --ffn-hidden-size 160 --num-attention-heads 4 --swiglu "      \
    "--normalization RMSNorm --position-embedding-type rope --disable-bias-linear "                \
    "--max-position-embeddings 64 --tokenizer-type NullTokenizer --vocab-size 499 "                \
    "--make-vocab-size-divisible-by 1 --seq-length 64 --train-iters 4 --lr 1e-4 --threads 1 "        \
    "--mock-data "

/* Two real steps: the second's counts by kernel, and the ledger. */
static void real_step(const setup *s, ts_kernel_stat *stat, ts_mem_ledger *mem)
{
    ts_device *dev;
    ts_comm *comm;
    ts_job job;
    ts_step_result r;
    assert_int_equal(ts_runtime_open(&s->o.runtime, 0, 1, &dev), TS_OK);
    assert_int_equal(ts_comm_self_create(&comm), TS_OK);
    if (ts_job_open(&s->o, s->set, dev, comm, true, &job) != TS_OK)
        fail_msg("%s", ts_error_message());
    assert_int_equal(ts_trainer_step(job.trainer, false, &r), TS_OK);
    memcpy(stat, dev->stat, sizeof dev->stat);
    assert_int_equal(ts_trainer_step(job.trainer, false, &r), TS_OK);
    for (int k = 0; k < TS_KERNEL_COUNT; k++) {
        stat[k].calls = dev->stat[k].calls - stat[k].calls;
        stat[k].flops = dev->stat[k].flops - stat[k].flops;
        stat[k].bytes = dev->stat[k].bytes - stat[k].bytes;
    }
    *mem = dev->mem;
    ts_job_close(&job);
    ts_comm_destroy(&comm);
    ts_device_close(&dev);
}

static void same_as_real(const char *options)
{
    ts_plan p;
    ts_kernel_stat stat[TS_KERNEL_COUNT];
    ts_mem_ledger mem;
    setup s;
    begin(&s, options);
    real_step(&s, stat, &mem);
    assert_int_equal(ts_plan_run(&s.o, s.set, &s.p, &p), TS_OK);
    for (int k = 0; k < TS_KERNEL_COUNT; k++) {
        const ts_kernel_stat *q = &p.rank[0].kernel[k];
        if (q->calls != stat[k].calls || q->flops != stat[k].flops || q->bytes != stat[k].bytes)
            fail_msg("%s: planned %lld calls, %.0f FLOP, %.0f bytes; were %lld, %.0f, %.0f",
                     ts_kernel_name((ts_kernel)k), (long long)q->calls, q->flops, q->bytes,
                     (long long)stat[k].calls, stat[k].flops, stat[k].bytes);
    }
    assert_int_equal(p.rank[0].mem.peak, mem.peak);
    assert_memory_equal(p.rank[0].mem.at_peak, mem.at_peak, sizeof mem.at_peak);
    assert_string_equal(p.rank[0].mem.peak_phase, mem.peak_phase);
    end(&s);
    ts_plan_deinit(&p);
}

static void counts_are_those_of_a_real_step(void **state)
{
    (void)state;
    same_as_real(SMALL "--micro-batch-size 2");
    same_as_real(SMALL "--micro-batch-size 1 --global-batch-size 9"); /* many: most are not run */
    same_as_real(SMALL
                 "--micro-batch-size 1 --global-batch-size 4 --bf16 --recompute-granularity full "
                 "--recompute-method uniform --recompute-num-layers 2");
    same_as_real(
        SMALL
        "--micro-batch-size 1 --global-batch-size 7 --deterministic-mode --hidden-dropout 0.1");
    same_as_real(
        "--num-layers 2 --hidden-size 64 --num-attention-heads 4 --max-position-embeddings 32 "
        "--tokenizer-type NullTokenizer --vocab-size 99 --seq-length 32 --train-iters 4 --lr 1e-4 --threads 1 --mock-data");
}

static void products_are_what_the_formula_says(void **state)
{
    (void)state;
    ts_plan p;
    plan_of(SMALL "--micro-batch-size 2 --global-batch-size 8", &p);
    /* qkv, projection, gate and up, down; the output layer: forward, and two products backward. */
    const double layer = 64 * (3 * 64) + 64 * 64 + 64 * 2 * 160 + 160 * 64, tokens = 8 * 64;
    const double gemm = p.rank[0].kernel[TS_KERNEL_gemm].flops;
    assert_true(gemm == 6 * tokens * (3 * layer + 500 * 64));
    assert_int_equal(p.parameters,
                     3 * (64 * 192 + 64 * 64 + 3 * 64 * 160 + 2 * 64) + 500 * 64 + 64);
    assert_int_equal(p.rank[0].mem.at_peak[TS_MEM_OPTIM], 2 * p.rank[0].mem.at_peak[TS_MEM_GRAD]);
    ts_plan_deinit(&p);
}

/* An eighth of it, and at most the last block of each unit. */
static bool is_eighth(int64_t x, int64_t of) { return x >= of / 8 && x <= of / 8 + of / 100 + 4096; }

static void what_is_shared_out_falls(void **state)
{
    (void)state;
    ts_plan all, state_only, values, few;
    plan_of(SMALL "--micro-batch-size 2 --bf16 --world-size 8", &all);
    plan_of(SMALL "--micro-batch-size 2 --bf16 --world-size 8 --use-distributed-optimizer", &state_only);
    plan_of(SMALL "--micro-batch-size 2 --bf16 --world-size 8 --use-torch-fsdp2", &values);
    plan_of(SMALL "--micro-batch-size 2 --bf16 --world-size 8 --fsdp-size 4", &few);
    const int64_t grads = all.rank[0].mem.at_peak[TS_MEM_GRAD], moments = all.rank[0].mem.at_peak[TS_MEM_OPTIM];
    assert_true(is_eighth(state_only.rank[0].mem.at_peak[TS_MEM_OPTIM], moments));
    assert_int_equal(state_only.rank[0].mem.at_peak[TS_MEM_GRAD], grads);
    assert_true(is_eighth(values.rank[0].mem.at_peak[TS_MEM_OPTIM], moments));
    assert_true(values.rank[0].mem.at_peak[TS_MEM_GRAD] < grads * 3 / 4); /* an eighth and two units of five */
    assert_true(values.rank[0].mem.peak < state_only.rank[0].mem.peak);
    assert_true(state_only.rank[0].mem.peak < all.rank[0].mem.peak);
    /* gradients once in fp32, values once in bf16: three quarters of two rounds of gradients */
    const double ring = (double)grads * 7 / 8, sent = state_only.rank[0].traffic.group[0].sum.bytes;
    assert_true(sent > 1.5 * ring && sent < 1.51 * ring + 4096);
    assert_string_equal(few.rank[0].traffic.group[1].group, "shares");
    assert_string_equal(few.rank[0].traffic.group[2].group, "copies");
    assert_true(few.rank[0].traffic.group[2].sum.bytes * 2 < few.rank[0].traffic.group[1].sum.bytes);
    ts_plan_deinit(&all);
    ts_plan_deinit(&state_only);
    ts_plan_deinit(&values);
    ts_plan_deinit(&few);
}

static void traffic_is_a_ring_over_the_gradients(void **state)
{
    (void)state;
    ts_plan one, eight;
    plan_of(SMALL "--micro-batch-size 2", &one);
    plan_of(SMALL "--micro-batch-size 2 --world-size 8", &eight);
    assert_int_equal(one.rank[0].traffic.group[0].sum.messages, 0);
    assert_true(one.rank[0].network_seconds == 0);
    assert_string_equal(eight.rank[0].traffic.group[0].group, "dp");
    const double grads = (double)eight.rank[0].mem.at_peak[TS_MEM_GRAD] * 2 * 7 / 8;
    assert_true(eight.rank[0].traffic.group[0].sum.bytes >= grads);
    assert_true(eight.rank[0].traffic.group[0].sum.bytes < grads + 4096); /* losses, statuses */
    assert_true(eight.rank[0].network_seconds > 0 && eight.step_seconds > one.step_seconds);
    assert_int_equal(eight.rank[0].count, 8);
    assert_int_equal(eight.global, 16);
    assert_true(eight.rank[0].flops == one.rank[0].flops);
    ts_plan_deinit(&one);
    ts_plan_deinit(&eight);
}

#if defined(TESSERA_SANITIZED)
enum { MOST_MIB = 512 }; /* what was freed waits in the sanitizer's quarantine of 256 MiB */
#else
enum { MOST_MIB = 64 };
#endif

static void a_large_model_costs_nothing_to_plan(void **state)
{
    (void)state;
    ts_plan p;
    struct rusage u;
    plan_of(
        "--num-layers 80 --hidden-size 8192 --ffn-hidden-size 28672 --num-attention-heads 64 "
        "--group-query-attention --num-query-groups 8 --swiglu --normalization RMSNorm "
        "--position-embedding-type rope --disable-bias-linear --untie-embeddings-and-output-weights "
        "--max-position-embeddings 131072 --tokenizer-type NullTokenizer --vocab-size 128255 "
        "--make-vocab-size-divisible-by 1 --seq-length 131072 --micro-batch-size 4 --global-batch-size 4194304 "
        "--world-size 1024 --train-iters 10 --lr 1e-4 --bf16 --recompute-granularity full",
        &p);
    assert_int_equal(p.parameters, 70553706496); /* the published 70B */
    assert_int_equal(p.n_micro, 1024);
    assert_true(p.rank[0].mem.peak > (int64_t)1e12);
    getrusage(RUSAGE_SELF, &u);
    assert_true(u.ru_maxrss < MOST_MIB * 1024);
    ts_plan_deinit(&p);
}

/* Four processes of a host with so many cores; 0: nobody said. */
static void plan_on(int cores, const char *options, ts_plan *p)
{
    char path[] = "/tmp/tessera-cores-XXXXXX", text[900];
    const int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");
    assert_non_null(f);
    fprintf(f, "{\"flops_f32\": 1e11, \"flops_16\": 1e11, \"bytes_per_second\": 1e10, \"threads\": 1, \"cores\": %d}", cores);
    fclose(f);
    snprintf(text, sizeof text, SMALL "--global-batch-size 16 --micro-batch-size 1 --world-size 4 --nproc_per_node 4 "
                                "--hardware %s %s", path, options);
    plan_of(text, p);
    unlink(path);
}

/* Processes that share cores work in turn: one core has the work of all four to do, and none of it waits. */
static void cores_are_shared(void **state)
{
    (void)state;
    static const char *const layouts[] = { "", "--pipeline-model-parallel-size 2 --num-layer-list 1,2" };
    for (int i = 0; i < 2; i++) {
        ts_plan alone, enough, few;
        plan_on(0, layouts[i], &alone);
        plan_on(4, layouts[i], &enough);
        plan_on(1, layouts[i], &few);
        assert_true(enough.step_seconds == alone.step_seconds && (alone.bubble > 0.02) == (i == 1));
        const double work = 4 * (1 - alone.bubble) * alone.step_seconds;
        assert_true(fabs(few.step_seconds - work) < 1e-9 * work && fabs(few.bubble) < 1e-12);
        ts_plan_deinit(&alone);
        ts_plan_deinit(&enough);
        ts_plan_deinit(&few);
    }
}

static void a_missing_option_is_named(void **state)
{
    (void)state;
    setup s;
    ts_plan p;
    begin(&s, "--seq-length 64 --lr 1 --train-iters 1");
    assert_int_equal(ts_plan_run(&s.o, s.set, &s.p, &p), TS_ERR_USER);
    ts_plan_deinit(&p);
    end(&s);
    begin(&s, SMALL "--micro-batch-size 2 --global-batch-size 6 --world-size 2");
    assert_int_equal(ts_plan_run(&s.o, s.set, &s.p, &p), TS_ERR_USER);
    assert_non_null(strstr(ts_error_message(), "--global-batch-size 6"));
    ts_plan_deinit(&p);
    end(&s);
    begin(&s, SMALL "--world-size 4 --nnodes 3 --nproc_per_node 2");
    assert_int_equal(ts_plan_run(&s.o, s.set, &s.p, &p), TS_ERR_USER);
    ts_plan_deinit(&p);
    end(&s);
}

static void the_json_has_what_it_promises(void **state)
{
    (void)state;
    ts_plan p;
    ts_str text = { 0 };
    json_t *o;
    plan_of(SMALL "--micro-batch-size 2 --nnodes 2 --nproc_per_node 3", &p);
    assert_int_equal(ts_plan_json(&p, &text), TS_OK);
    assert_int_equal(ts_json_parse(text.s, text.len, "plan", &o), TS_OK);
    const json_t *r = json_array_get(json_object_get(o, "ranks"), 0),
                 *m = json_object_get(r, "memory");
    const json_t *t = json_object_get(json_object_get(r, "traffic"), "dp");
    const char *const of_rank[] = { "rank", "tp", "cp", "ep", "dp", "pp", "flops", "count" };
    const char *const of_plan[] = { "step_seconds", "tokens_per_second", "bubble" };
    const char *const of_memory[] = { "peak_bytes", "weights",     "gradients",
                                      "optimizer",  "activations", "buffers" };
    const char *const of_traffic[] = { "calls", "messages", "bytes" };
    for (size_t i = 0; i < 8; i++)
        assert_true(json_is_number(json_object_get(r, of_rank[i])));
    for (size_t i = 0; i < 3; i++)
        assert_true(json_is_number(json_object_get(o, of_plan[i])));
    for (size_t i = 0; i < 6; i++)
        assert_true(json_is_integer(json_object_get(m, of_memory[i])));
    for (size_t i = 0; i < 3; i++)
        assert_true(json_is_integer(json_object_get(t, of_traffic[i])));
    assert_true(json_is_string(json_object_get(m, "peak_at")));
    assert_true(json_is_object(json_object_get(o, "hardware")));
    assert_int_equal(json_integer_value(json_object_get(r, "count")), 6);
    ts_str_reset(&text);
    assert_int_equal(ts_plan_table(&p, &text), TS_OK);
    assert_non_null(strstr(text.s, p.rank[0].peak_at));
    assert_non_null(strstr(p.rank[0].peak_at, ", ")); /* a part of the model within a phase */
    json_decref(o);
    ts_str_deinit(&text);
    ts_plan_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_those_of_a_real_step),
        cmocka_unit_test(products_are_what_the_formula_says),
        cmocka_unit_test(traffic_is_a_ring_over_the_gradients),
        cmocka_unit_test(what_is_shared_out_falls),
        cmocka_unit_test(a_large_model_costs_nothing_to_plan),
        cmocka_unit_test(cores_are_shared),
        cmocka_unit_test(a_missing_option_is_named),
        cmocka_unit_test(the_json_has_what_it_promises),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
