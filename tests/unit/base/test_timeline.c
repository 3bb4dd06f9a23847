/* Timelines: what is recorded, added up and told; the trace's form. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "base/json.h"
#include "base/timeline_sum.h"
#include "base/timeline_trace.h"

#include <string.h>

/* A clock that is set by hand. */
static double moment;
static double clock_of(void *ctx)
{
    (void)ctx;
    return moment;
}

static ts_timeline begun(ts_timeline_detail detail)
{
    ts_timeline t = { .clock = clock_of };
    moment = 10;
    ts_timeline_start(&t, &detail, 10);
    t.step = 7;
    return t;
}

static void kernel(ts_timeline *t, const char *part, int64_t layer, double begin, double end)
{
    moment = end;
    ts_timeline_kernel(t, &(ts_mark){ .track = TS_TRACK_KERNEL, .name = "gemm", .phase = "forward", .part = part,
                                      .layer = layer, .begin = begin, .end = end, .flops = 100, .bytes = 8,
                                      .dims = "m,n,k", .dim = { 2, 3, 4 } });
}

static ts_mark call(const char *name, const char *group, double begin, double bytes)
{
    return (ts_mark){ .name = name, .group = group, .layer = -1, .begin = begin, .bytes = bytes, .calls = 1,
                      .messages = 2 };
}

/* Kernels of one part that follow each other are one module. */
static void modules(void **state)
{
    (void)state;
    ts_timeline t = begun((ts_timeline_detail){ 0 });
    kernel(&t, "mlp", 0, 10, 11);
    kernel(&t, "mlp", 0, 12, 14);
    kernel(&t, "mlp", 1, 14, 15);
    t.micro = 3;
    kernel(&t, "mlp", 1, 15, 16);
    assert_int_equal(t.n, 3);
    assert_true(t.mark[0].begin == 10 && t.mark[0].end == 14 && t.mark[0].busy == 3 && t.mark[0].calls == 2);
    assert_int_equal(t.mark[2].micro, 3);
    ts_timeline_deinit(&t);
}

/* A call that was waited for, one that was seen done, one that was never: what of them was hidden. */
static void calls(void **state)
{
    (void)state;
    ts_timeline t = begun((ts_timeline_detail){ 0 });
    ts_timeline_sum s;
    int a, b, c, d;
    ts_mark m = call("all-reduce", "dp", 10, 100);
    moment = 11;
    ts_timeline_call(&t, &m, &a);
    m = call("all-reduce", "dp", 11, 50);
    ts_timeline_call(&t, &m, &b);
    m = call("send", "pp", 11, 5);
    ts_timeline_call(&t, &m, &c);
    moment = 20;
    ts_timeline_waited(&t, &a, "dp", 17);
    moment = 21;
    ts_timeline_done(&t, &b);
    ts_timeline_done(&t, &d); /* begun before the recording */
    ts_timeline_waited(&t, &d, "tp", 20.5);
    moment = 30;
    ts_timeline_stop(&t);
    OK(ts_timeline_add_up(&t, &s));
    assert_int_equal(s.n_calls, 2);
    assert_int_equal(s.call[0].calls, 2);
    assert_true(s.call[0].bytes == 150 && s.call[0].seconds == 20 && s.call[0].blocked == 4);
    assert_true(s.call[1].seconds == 19 && s.call[1].blocked == 0);
    assert_true(s.blocked == 4.5); /* the unknown call's too */
    ts_timeline_sum_deinit(&s);
    /* between steps nothing counts; a new recording begins empty */
    ts_timeline_start(&t, &(ts_timeline_detail){ 0 }, 30);
    t.step = 0;
    ts_timeline_call(&t, &m, NULL);
    OK(ts_timeline_add_up(&t, &s));
    assert_int_equal(s.n_calls, 0);
    ts_timeline_sum_deinit(&s);
    ts_timeline_deinit(&t);
}

static const json_t *event(const json_t *all, const char *name)
{
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *e = json_array_get(all, i);
        if (!strcmp(json_string_value(json_object_get(e, "name")), name))
            return e;
    }
    fail_msg("no event %s", name);
    return NULL;
}

static double number(const json_t *e, const char *key) { return json_number_value(json_object_get(e, key)); }

/* The trace is JSON; calls that overlap have threads of their own. */
static void trace(void **state)
{
    (void)state;
    ts_timeline t = begun((ts_timeline_detail){ .kernels = true, .shapes = true, .memory = true });
    ts_str text = { 0 };
    ts_trace to;
    json_t *j;
    int a, b;
    const int64_t now[TS_MEM_KINDS] = { [TS_MEM_ACT] = 64 };
    kernel(&t, "attention", 5, 10, 10.5);
    ts_timeline_memory(&t, now);
    ts_mark m = call("all-reduce", "dp", 10, 100);
    ts_timeline_call(&t, &m, &a);
    m = call("reduce-scatter", "dp", 10.25, 100);
    ts_timeline_call(&t, &m, &b);
    ts_timeline_span(&t, TS_TRACK_STEP, "optimizer", 10.5);
    ts_timeline_span(&t, TS_TRACK_STEP, "saving", 0); /* began before */
    moment = 12;
    ts_timeline_stop(&t);
    ts_trace_begin(&to, &text);
    OK(ts_timeline_trace(&t, 4, "rank \"4\"", &to));
    OK(ts_trace_end(&to, "{\"rank\": 4}"));
    OK(ts_json_parse(text.s, text.len, "trace", &j));
    const json_t *all = json_object_get(j, "traceEvents"), *k = event(all, "gemm"), *args = json_object_get(k, "args");
    assert_true(number(k, "ts") == 0 && number(k, "dur") == 500000 && number(k, "pid") == 4);
    assert_true(number(args, "m") == 2 && number(args, "k") == 4 && number(args, "step") == 7 && number(args, "layer") == 5);
    assert_string_equal(json_string_value(json_object_get(k, "cat")), "forward");
    assert_true(number(event(all, "attention 5"), "dur") == 500000);
    assert_true(number(event(all, "all-reduce dp"), "tid") != number(event(all, "reduce-scatter dp"), "tid"));
    assert_true(number(json_object_get(event(all, "memory"), "args"), "activations") == 64);
    assert_true(number(event(all, "optimizer"), "ts") == 500000);
    assert_null(strstr(text.s, "saving"));
    assert_true(number(json_object_get(j, "otherData"), "rank") == 4);
    json_decref(j);
    ts_str_deinit(&text);
    ts_timeline_deinit(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(modules), cmocka_unit_test(calls), cmocka_unit_test(trace) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
