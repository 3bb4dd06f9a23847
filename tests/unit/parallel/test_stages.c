#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/status.h"
#include "parallel/stages.h"

#include <stdio.h>
#include <string.h>

static ts_parallel_options of_stages(int64_t n) { return (ts_parallel_options){ .pipeline = n }; }

/* Layers of each part as text: "0-2 2-2 2-4". */
static void has(const ts_parallel_options *o, int64_t layers, const int64_t *empty, int64_t n_empty,
                ts_schedule_kind schedule, const char *want)
{
    ts_stages s;
    char text[256] = "", *at = text;
    if (ts_stages_make(o, layers, empty, n_empty, &s) != TS_OK)
        fail_msg("refused: %s", ts_error_message());
    for (int64_t k = 0; k < s.n_stages * s.n_chunks; k++)
        at += snprintf(at, (size_t)(text + sizeof text - at), "%s%lld-%lld", k ? " " : "",
                       (long long)s.part[k].first, (long long)s.part[k].last);
    assert_string_equal(text, want);
    assert_int_equal(s.schedule, schedule);
    ts_stages_deinit(&s);
}

static void refused(const ts_parallel_options *o, int64_t layers, const char *part)
{
    ts_stages s;
    assert_int_equal(ts_stages_make(o, layers, NULL, 0, &s), TS_ERR_USER);
    if (!strstr(ts_error_message(), part))
        fail_msg("no \"%s\" in: %s", part, ts_error_message());
    ts_stages_deinit(&s);
}

static void the_same_everywhere(void **state)
{
    (void)state;
    ts_parallel_options o = of_stages(4);
    has(&o, 8, NULL, 0, TS_SCHEDULE_1F1B, "0-2 2-4 4-6 6-8");
    refused(&o, 6, "cannot be shared out evenly over 4 stages");
    o.chunk_layers = 1;
    has(&o, 8, NULL, 0, TS_SCHEDULE_INTERLEAVED, "0-1 1-2 2-3 3-4 4-5 5-6 6-7 7-8");
    refused(&o, 6, "--num-layers-per-virtual-pipeline-stage 1 times --pipeline-model-parallel-size 4");
    o = of_stages(2), o.chunks = 2, o.nanopipe = true;
    has(&o, 8, NULL, 0, TS_SCHEDULE_NANOPIPE, "0-2 2-4 4-6 6-8");
    o = of_stages(2), o.method = TS_METHOD_DUALPIPEV;
    has(&o, 8, NULL, 0, TS_SCHEDULE_DUALPIPEV, "0-2 2-4 4-6 6-8");
    o = of_stages(1), o.chunk_layers = 3, o.layout = "nonsense"; /* without effect on one stage */
    has(&o, 5, NULL, 0, TS_SCHEDULE_1F1B, "0-5");
}

static void empty_layers(void **state)
{
    (void)state;
    const int64_t ends[] = { 0, 9 }, all_of_one[] = { 2, 3, 4 };
    ts_parallel_options o = of_stages(2);
    has(&o, 8, ends, 2, TS_SCHEDULE_1F1B, "0-4 4-8");
    o = of_stages(3), o.chunks = 1;
    has(&o, 6, all_of_one, 3, TS_SCHEDULE_1F1B, "0-2 2-3 3-6");
}

static void uneven(void **state)
{
    (void)state;
    static const char *list[] = { "1,3", "3,1" };
    ts_parallel_options o = of_stages(4);
    o.layer_list = (ts_option_list){ list, 2 };
    has(&o, 8, NULL, 0, TS_SCHEDULE_1F1B, "0-1 1-4 4-7 7-8");
    refused(&o, 9, "--num-layer-list has 8 layers, and there are 9");
    o.pipeline = 2;
    refused(&o, 8, "expected one for each of the 2 stages");
    o = of_stages(4), o.first_layers = 1, o.last_layers = 3;
    has(&o, 8, NULL, 0, TS_SCHEDULE_1F1B, "0-1 1-3 3-5 5-8");
    o = of_stages(2), o.first_layers = 3;
    has(&o, 8, NULL, 0, TS_SCHEDULE_1F1B, "0-3 3-8");
    o = of_stages(2), o.first_layers = 9;
    refused(&o, 8, "cannot be shared out");
    o = of_stages(4), o.embedding_counts = o.loss_counts = true;
    has(&o, 6, NULL, 0, TS_SCHEDULE_1F1B, "0-1 1-3 3-5 5-6");
    o = of_stages(3), o.matrix = "[[0,1],[2,1]*1, [1,0]]";
    has(&o, 5, NULL, 0, TS_SCHEDULE_INTERLEAVED, "0-0 0-2 2-3 3-4 4-5 5-5");
    o.matrix = "[[0,1]*2]";
    refused(&o, 2, "has 2 rows");
    o.matrix = "[[0,1],[2],[1,0]]";
    refused(&o, 5, "(character 11)");
}

static void layouts(void **state)
{
    (void)state;
    ts_parallel_options o = of_stages(2);
    o.layout = "E|t*3|t*3|t*2L";
    has(&o, 8, NULL, 0, TS_SCHEDULE_INTERLEAVED, "0-0 0-3 3-6 6-8");
    o.layout = "Ett, t|(tt)*2 tL";
    has(&o, 8, NULL, 0, TS_SCHEDULE_1F1B, "0-3 3-8");
    o.layout = "Et*3|t*5m*2L";
    has(&o, 8, NULL, 0, TS_SCHEDULE_1F1B, "0-3 3-8");
    o.layout = "E(t|t)*3L";
    has(&o, 6, NULL, 0, TS_SCHEDULE_INTERLEAVED, "0-1 1-3 3-5 5-6");
    static const struct {
        const char *layout, *says;
    } bad[] = {
        { "Ett|tx", "an unknown letter at \"x\" (character 6)" },
        { "Ett|tt", "one L behind" },
        { "ttE|tL", "one E before" },
        { "EtL|tL", "one L behind" },
        { "E|tL*2", "one L behind" },
        { "t|EtL", "one E before" },
        { "Et|tL|", "L in the last" },
        { "|EtL", "E in the first stage" },
        { "Et*0|tL", "no number of times" },
        { "E(t|tL", "no closing parenthesis" },
        { "Et|tL)", "nothing opens" },
        { "Etm|tL", "further tokens (m) stand behind all t, in the last stage" },
        { "Et|mtL", "further tokens (m) stand behind all t, in the last stage" },
        { "Et|t|tL", "has 3 stages: expected a multiple of --pipeline-model-parallel-size 2" },
        { "Et|tL", "--pipeline-model-parallel-layout has 2 layers, and there are 8" },
        { "E(t*1000000)*1000000|L", "no number of times" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        o.layout = bad[i].layout;
        refused(&o, 8, bad[i].says);
    }
}

/* A stage's chunks are the parts that its schedule means. */
static void parts_of_stages(void **state)
{
    (void)state;
    for (int v = 0; v < 2; v++) {
        ts_parallel_options o = of_stages(3);
        ts_stages s;
        ts_schedule *schedule;
        o.chunks = 2;
        o.method = v ? TS_METHOD_DUALPIPEV : TS_METHOD_NONE;
        assert_int_equal(ts_stages_make(&o, 6, NULL, 0, &s), TS_OK);
        const ts_schedule_shape shape = { .n_stages = 3, .n_chunks = 2, .n_micro = 6 };
        assert_int_equal(ts_schedule_create(s.schedule, &shape, &schedule), TS_OK);
        for (int64_t stage = 0; stage < 3; stage++)
            for (int64_t chunk = 0; chunk < 2; chunk++)
                assert_int_equal(ts_stages_part(&s, stage, chunk),
                                 ts_schedule_part(schedule, (ts_spot){ stage, chunk }));
        ts_schedule_destroy(&schedule);
        ts_stages_deinit(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_everywhere), cmocka_unit_test(empty_layers),
        cmocka_unit_test(uneven),              cmocka_unit_test(layouts),
        cmocka_unit_test(parts_of_stages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
