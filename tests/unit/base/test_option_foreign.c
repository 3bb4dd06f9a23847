/* Names of other programs in files of options, and all options as YAML and back. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "base/option.h"
#include "base/option_foreign.h"

#include <string.h>

typedef struct settings {
    bool flag;
    int64_t count, size;
    double rate;
    const char *name;
    int kind;
    ts_option_list words;
} settings;

#define ROW(type, field, name, def, choices) TS_ROW(type, settings, field, name, def, 0, 0, choices, "g", "help")
static const ts_option rows[] = {
    ROW(FLAG, flag, "use-flag", NULL, NULL),    ROW(INT, count, "count", "7", NULL),
    ROW(INT, size, "size", NULL, NULL),         ROW(REAL, rate, "rate", "1e-5", NULL),
    ROW(TEXT, name, "name", NULL, NULL),        ROW(CHOICE, kind, "kind", "second", "first|second|third"),
    ROW(LIST, words, "words", NULL, NULL),      TS_LATER("later", 1, "0", "what comes later"),
    TS_HINT("elsewhere", 1, "--name"),
};

static ts_status twice(ts_option_file *f, const ts_option_key *k)
{
    const ts_option_key *other = ts_option_file_key(f, "base");
    char text[32];
    snprintf(text, sizeof text, "%lld", 2 * (long long)json_integer_value(other ? ts_option_key_value(other) : NULL));
    return ts_option_key_put(f, k, "count", text);
}

static ts_status fill_in(ts_option_file *f)
{
    return ts_option_file_key(f, "mark") ? ts_option_file_default(f, "size", "its default", "size", "3") : TS_OK;
}

static const ts_foreign names[] = {
    { .name = "how-many", .how = TS_FOREIGN_SAME, .here = "count", .none = "-1|none" },
    { .name = "elsewhere", .how = TS_FOREIGN_SAME, .here = "absent|name" },
    { .name = "sort", .how = TS_FOREIGN_SAME, .here = "kind", .words = "one,uno=first|two=second" },
    { .name = "parts", .how = TS_FOREIGN_LIST, .here = "words", .words = "all=every|*" },
    { .name = "both", .how = TS_FOREIGN_ON, .here = "--use-flag --kind third" },
    { .name = "gone", .how = TS_FOREIGN_REFUSED, .none = "false", .why = "it is gone" },
    { .name = "mark", .how = TS_FOREIGN_IDLE, .why = "a mark" },
    { .name = "base", .how = TS_FOREIGN_IDLE },
    { .name = "twice", .how = TS_FOREIGN_MADE, .make = twice },
    { .name = "soon", .how = TS_FOREIGN_SAME, .here = "later" },
    { .name = "never", .how = TS_FOREIGN_SAME, .here = "absent" },
};
static const ts_foreign_table table = { names, sizeof names / sizeof *names, fill_in };

typedef struct fixture {
    settings v;
    ts_option_set *set;
    temp t;
    const char *path;
} fixture;

static ts_status read_text(fixture *f, const char *file, const char *text)
{
    const ts_option_table t = { rows, sizeof rows / sizeof *rows, &f->v };
    temp_make(&f->t);
    OK(ts_option_set_create(&t, 1, &f->set));
    ts_option_speak(f->set, &table);
    temp_write(&f->t, file, text, strlen(text));
    f->path = temp_path(&f->t, file);
    OK(ts_option_read_file(f->set, f->path));
    return ts_option_finish(f->set);
}

static void end(fixture *f)
{
    ts_option_set_destroy(&f->set);
    temp_remove(&f->t);
}

static void understood(void **state)
{
    (void)state;
    fixture f;
    OK(read_text(&f, "a.yaml", "twice: yes\nmark: 1\nbase: 21\nin:\n  elsewhere: a b\n  parts: x, all\nsort: uno\nhow_many: -1.0\n"
                               "gone: false\nboth: false\nrate: null\n"));
    assert_true(f.v.count == 42 && f.v.kind == 0 && f.v.size == 3 && !f.v.flag && f.v.words.n == 2 && f.v.rate == 1e-5);
    assert_string_equal(f.v.name, "a b");
    assert_string_equal(f.v.words.v[1], "every");
    assert_false(ts_option_given(f.set, "rate"));
    assert_string_equal(ts_option_understood(f.set),
                        "  mark: 1 -> without effect here (a mark)\n  base: 21 -> without effect here\n"
                        "  elsewhere: a b -> --name a b\n  parts: x, all -> --words x,every\n  sort: uno -> --kind first\n"
                        "  twice: yes -> --count 42\n  size, left out: its default -> --size 3");
    end(&f);
    OK(read_text(&f, "b.json", "{\"both\": true, \"parts\": [\"p\", \"q\"], \"mark\": 0, \"size\": 5}"));
    assert_true(f.v.flag && f.v.kind == 2 && f.v.words.n == 2 && f.v.size == 5);
    end(&f);
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } m[] = {
        { "gone: true\n", "--gone: true in %s:1: it is gone" },
        { "sort: three\n", "--sort: three in %s:1: none of one, two, which are --kind here" },
        { "never: 3\n", "--never in %s:1: --absent 3, no option of this command" },
        { "soon: 3\n", "--later 3 in %s:1: what comes later" },
        { "count: 1\nhow_many: 2\n", "how_many in %s:2 is --count here, which %s:1 sets already" },
        { "how_many: 2\ncount: 1\n", "count in %s:2 sets --count, which how_many in %s:1 sets too" },
        { "how_man: 2\n", "--how_man in %s:1 (did you mean how_many" },
        { "both: 3\n", "--both: 3 in %s:1: neither true nor false" },
        { "elsewhere: [a]\n", "--elsewhere: [\"a\"] in %s:1: one word or number was expected" },
        { "how_many: x\n", "--count: \"x\" is not a whole number (such as 4096, 4_096 or 4e6)\n  in %s:1, key how_many" },
    };
    for (size_t i = 0; i < sizeof m / sizeof *m; i++) {
        fixture f;
        char want[1000];
        assert_int_equal(read_text(&f, "a.yaml", m[i].text), TS_ERR_USER);
        snprintf(want, sizeof want, m[i].message, f.path, f.path);
        if (!strstr(ts_error_message(), want))
            fail_msg("\"%s\" is not in \"%s\"", want, ts_error_message());
        end(&f);
    }
}

/* The values come back, and so does which of them were given; a changed one counts as given. */
static void there_and_back(void **state)
{
    (void)state;
    static const char *const words[] = { "--count", "7", "--words", "a: b", "#c", "--name", "true" };
    fixture f, g;
    ts_str a = { 0 }, b = { 0 };
    OK(read_text(&f, "a.yaml", "rate: 1e-6\n"));
    OK(ts_option_parse(f.set, 7, (char *const *)(uintptr_t)words));
    OK(ts_option_yaml(f.set, "all", &a));
    assert_non_null(strstr(a.s, "given: [count, rate, name, words]\n"));
    assert_non_null(strstr(a.s, "kind: \"second\""));
    assert_non_null(strstr(a.s, "rate: 1.0e-06 "));
    assert_non_null(strstr(a.s, "size: null "));
    OK(read_text(&g, "b.yaml", a.s));
    assert_true(g.v.count == 7 && g.v.rate == 1e-6 && g.v.words.n == 2 && g.v.kind == 1);
    assert_string_equal(g.v.name, "true");
    assert_string_equal(g.v.words.v[1], "#c");
    assert_true(ts_option_given(g.set, "count") && ts_option_given(g.set, "rate"));
    assert_false(ts_option_given(g.set, "kind") || ts_option_given(g.set, "size") || ts_option_given(g.set, "use-flag"));
    end(&g);
    memcpy(strstr(a.s, "kind: \"second\""), "kind: \"third\" ", 14);
    OK(read_text(&g, "b.yaml", a.s));
    assert_true(ts_option_given(g.set, "kind") && g.v.kind == 2);
    end(&g);
    end(&f);
    ts_str_deinit(&a);
    ts_str_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(understood), cmocka_unit_test(refused),
                                        cmocka_unit_test(there_and_back) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
