/* Options that decide the run, and words that change nothing: what is told of them. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "base/json.h"
#include "base/option.h"

#include <string.h>

typedef struct settings {
    bool flag, keeps;
    int64_t count, layers;
    const char *words;
    int kind;
    ts_option_list list;
} settings;

#define RUN(type, field, name, def, choices)                                                       \
    TS_ROW_IS(TS_OPTION_DECIDES, type, settings, field, name, def, 0, 0, choices, "run", "decides")
static const ts_option deciding[] = {
    RUN(INT, layers, "seed", "5", NULL),
    RUN(INT, layers, "random-seed", "5", NULL),
    RUN(CHOICE, kind, "order", "second", "first|second|third"),
    RUN(NOFLAG, keeps, "no-part", NULL, NULL),
    RUN(LIST, list, "paths", NULL, NULL),
    TS_ROW_IS(TS_OPTION_DECIDES | TS_OPTION_INHERITS, TEXT, settings, words, "words", NULL, 0, 0, NULL, "run", "decides, and is inherited"),
    TS_ROW(INT, settings, count, "threads", "7", 0, 0, NULL, "g", "decides nothing"),
    TS_NOTE("once", 1, "run", "decides nothing either"),
};

/* A word of an option that changes nothing is told of with its reason, other words are not. */
static void idle_words(void **state)
{
    (void)state;
    static const ts_option idle[] = {
        { .name = "kind", .type = TS_OPTION_CHOICE, .offset = offsetof(settings, kind),
          .choices = "none|most|some", .def = "some", .idle = "some", .why = "always so",
          .group = "g" },
        { .name = "part", .type = TS_OPTION_FLAG, .offset = offsetof(settings, flag),
          .idle = "true", .why = "never kept", .group = "g" },
        { .name = "half", .type = TS_OPTION_FLAG, .offset = offsetof(settings, flag),
          .idle = "true", .unless = "kind", .why = "of a kind", .group = "g" },
    };
    static const struct {
        const char *words[2], *notes;
    } given[] = {
        { { NULL, NULL }, "" },
        { { "--kind=most", "--part=false" }, "" },
        { { "--kind=none", "--part" },
          "accepted, without effect here: --part (never kept)" },
        { { "--kind=some", "--part" },
          "accepted, without effect here: --kind some (always so), --part (never kept)" },
        { { "--half", "--part=true" },
          "accepted, without effect here: --part (never kept), --half (of a kind)" },
        { { "--half", "--kind=none" }, "" },
    };
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        settings v;
        ts_option_set *set;
        ts_str text = { 0 };
        const ts_option_table table = { idle, sizeof idle / sizeof *idle, &v };
        char *argv[] = { (char *)(uintptr_t)given[i].words[0], (char *)(uintptr_t)given[i].words[1] };
        OK(ts_option_set_create(&table, 1, &set));
        OK(ts_option_parse(set, argv[0] ? 2 : 0, argv));
        OK(ts_option_finish(set));
        OK(ts_option_notes(set, &text));
        assert_string_equal(ts_str_text(&text), given[i].notes);
        ts_str_deinit(&text);
        ts_option_set_destroy(&set);
    }
}

static void changes_from(const ts_option_set *set, const char *was, const char *expected)
{
    json_t *o;
    ts_str text = { 0 };
    OK(ts_json_parse(was, strlen(was), "was", &o));
    OK(ts_option_changes(set, o, &text));
    if (strcmp(ts_str_text(&text), expected))
        fail_msg("%s: \"%s\", expected \"%s\"", was, ts_str_text(&text), expected);
    ts_str_deinit(&text);
    json_decref(o);
}

/* What decides the run is told of once, whatever its names; what either side does not know is not. */
static void changes(void **state)
{
    (void)state;
    settings v;
    ts_option_set *set;
    ts_str text = { 0 };
    const ts_option_table table = { deciding, sizeof deciding / sizeof *deciding, &v };
    OK(ts_option_set_create(&table, 1, &set));
    OK(ts_option_json(set, &text));
    changes_from(set, text.s, "");
    changes_from(set, "{}", "");
    changes_from(set, "{\"threads\": 8, \"once\": 1, \"of-another-version\": true}", "");
    changes_from(set, "{\"seed\": 6, \"random-seed\": 6}", "--seed 5 (was 6)");
    changes_from(set, "{\"random-seed\": 6}", "--random-seed 5 (was 6)");
    changes_from(set, "{\"seed\": 5, \"random-seed\": 6}", "");
    changes_from(set,
                 "{\"threads\": 8, \"paths\": [\"a\"], \"no-part\": true, \"order\": \"first\", "
                 "\"seed\": null}",
                 "--seed 5 (was null), --order \"second\" (was \"first\"), --no-part false (was true), "
                 "--paths [] (was [\"a\"])");
    ts_str_deinit(&text);
    changes_from(set, "{\"words\": \"old\"}", "");
    char *argv[] = { "--words", "new" };
    OK(ts_option_parse(set, 2, argv));
    changes_from(set, "{\"words\": \"old\"}", "--words \"new\" (was \"old\")");
    ts_option_set_destroy(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(idle_words), cmocka_unit_test(changes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
