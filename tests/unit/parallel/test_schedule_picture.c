#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"
#include "parallel/schedule_picture.h"
#include "pipes.h"

#include <string.h>

static int words(const char *text, const char *word)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, word)); at += strlen(word))
        n++;
    return n;
}

static int64_t units_of(const ts_schedule *s)
{
    int64_t n = 0;
    for (int64_t r = 0; r < s->shape.n_stages; r++)
        n += s->stage[r].n;
    return n;
}

/* A box a unit, a row a stage, the ground, and a legend of the kinds that are there. */
static void svg(void **state)
{
    (void)state;
    ts_schedule *s = make_pipe(TS_SCHEDULE_ZERO_BUBBLE,
                               (ts_schedule_shape){ .n_stages = 3, .n_chunks = 1, .n_micro = 12 });
    ts_replay r = replay_of(s, &one_each);
    ts_str text = { 0 };
    assert_int_equal(ts_schedule_svg(s, &r, "a title", &text), TS_OK);
    assert_int_equal(words(text.s, "<title>"), units_of(s));
    assert_int_equal(words(text.s, "<rect"), units_of(s) + 3 + 1 + 3);
    assert_int_equal(words(text.s, "class=\"n\""), units_of(s)); /* all have room for a number */
    assert_int_equal(words(text.s, "<title>input gradient of micro-batch 11, chunk 0: "), 3);
    assert_non_null(strstr(text.s, "a title"));
    assert_non_null(strstr(text.s, "<title>forward of micro-batch 0, chunk 0: 2 to 3</title>"));
    assert_null(strstr(text.s, "recompute"));
    assert_string_equal(text.s + text.len - 7, "</svg>\n");
    ts_str_deinit(&text);
    ts_replay_deinit(&r);
    ts_schedule_destroy(&s);
}

/* Every unit with its times, in the thread of its stage. */
static void trace(void **state)
{
    (void)state;
    ts_schedule *s = make_pipe(TS_SCHEDULE_DUALPIPEV,
                               (ts_schedule_shape){ .n_stages = 3, .n_chunks = 2, .n_micro = 6 });
    ts_replay r = replay_of(s, &one_each);
    ts_str text = { 0 };
    json_t *j;
    assert_int_equal(ts_schedule_trace(s, &r, "a \"title\"", &text), TS_OK);
    assert_int_equal(ts_json_parse(text.s, text.len, "trace", &j), TS_OK);
    const json_t *events = json_object_get(j, "traceEvents");
    assert_int_equal(json_array_size(events), (size_t)units_of(s) + 1 + 3);
    int64_t next[3] = { 0 };
    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *e = json_array_get(events, i), *args = json_object_get(e, "args");
        if (strcmp(json_string_value(json_object_get(e, "ph")), "X"))
            continue;
        const json_int_t stage = json_integer_value(json_object_get(e, "tid"));
        const ts_unit u = s->stage[stage].v[next[stage]];
        const ts_span t = r.stage[stage].unit[next[stage]++];
        assert_string_equal(json_string_value(json_object_get(e, "cat")),
                            ts_unit_kind_name(u.kind));
        assert_int_equal(json_integer_value(json_object_get(args, "micro-batch")), u.micro);
        assert_int_equal(json_integer_value(json_object_get(args, "chunk")), u.chunk);
        assert_true(json_number_value(json_object_get(e, "ts")) == 1000 * t.begin);
        assert_true(json_number_value(json_object_get(e, "dur")) == 1000 * (t.end - t.begin));
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(next[i], s->stage[i].n);
    json_decref(j);
    ts_str_deinit(&text);
    ts_replay_deinit(&r);
    ts_schedule_destroy(&s);
}

static void too_much_to_draw(void **state)
{
    (void)state;
    ts_schedule *s =
        make_pipe(TS_SCHEDULE_GPIPE,
                  (ts_schedule_shape){
                      .n_stages = 1, .n_chunks = 1, .n_micro = TS_SCHEDULE_MOST_DRAWN / 2 + 1 });
    ts_replay r = replay_of(s, &one_each);
    ts_str text = { 0 };
    assert_int_equal(ts_schedule_svg(s, &r, "", &text), TS_ERR_USER);
    assert_int_equal(ts_schedule_trace(s, &r, "", &text), TS_ERR_USER);
    assert_non_null(strstr(ts_error_message(), "200002 units are too many"));
    ts_str_deinit(&text);
    ts_replay_deinit(&r);
    ts_schedule_destroy(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(svg),
        cmocka_unit_test(trace),
        cmocka_unit_test(too_much_to_draw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
