/* Options: every type, from the command line, files and the environment; messages word for word. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "base/json.h"
#include "base/option.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct settings {
    bool flag, keeps;
    int64_t count, layers, many;
    double rate, share;
    const char *name, *other;
    int kind, type;
    ts_option_list list, added, each;
} settings;

#define ROW(type, field, name, def, lo, hi, choices, help)                                         \
    TS_ROW(type, settings, field, name, def, lo, hi, choices, "g", help)
static const ts_option rows[] = {
    ROW(FLAG, flag, "use-flag", NULL, 0, 0, NULL, "a flag"),
    ROW(NOFLAG, keeps, "no-keep", NULL, 0, 0, NULL, "the other way"),
    ROW(INT, count, "count", "7", 1, 100, NULL, "how many"),
    ROW(INT, layers, "num-layers", NULL, 0, 0, NULL, "layers"),
    ROW(INT, layers, "n-layer", NULL, 0, 0, NULL, "another name"),
    ROW(REAL, rate, "rate", "0.5", 0, 1, NULL, "a rate"),
    ROW(TEXT, name, "name", NULL, 0, 0, NULL, "a name"),
    ROW(CHOICE, kind, "kind", "second", 0, 0, "first|second|third", "which"),
    ROW(LIST, list, "words", NULL, 0, 0, NULL, "words"),
    ROW(LIST, added, "more", NULL, TS_LIST_ADDS, 0, NULL, "words that add up"),
    ROW(EACH, each, "each", NULL, 0, 0, NULL, "one each time"),
    ROW(INT, many, "many", NULL, 0, 1e15, NULL, "with a bound for safety"),
    ROW(CHOICE, type, "type", "fp32", 0, 0, TS_WORDS_FP32 "|" TS_WORDS_BF16 "|fp8", "which type"),
    { .name = "share", .type = TS_OPTION_REAL, .offset = offsetof(settings, share), .hi = 1,
      .below = true, .group = "g", .help = "below 1" },
    TS_NOTE("quiet-note", 0, "g", "why"),
    TS_NOTE("note-with-value", 1, "g", NULL),
    TS_NOTE("note-with-any", TS_OPTION_ANY, "g", NULL),
    { .name = "note-of-two", .type = TS_OPTION_NOTE, .lo = 1, .told = true, .choices = "a|b",
      .group = "g", .help = "because" },
    TS_NOTE("surroundings.", TS_OPTION_ANY, "g", "of other programs"),
    TS_LATER("size-a", 1, "1", "sizes; give 1"),
    TS_LATER("size-b", 1, "1|none", "sizes; give 1"),
    TS_LATER("new-block", 0, NULL, "blocks"),
    TS_LATER("spec", TS_OPTION_MANY, "plain layer", "blocks"),
    { .name = "block-part", .type = TS_OPTION_LATER, .lo = 1, .help = "blocks",
      .with = "new-block" },
    TS_LATER("game.", TS_OPTION_ANY, NULL, "games"),
    TS_HINT("learning-rate", 1, "--rate"),
};
static const ts_option more[] = { TS_ROW(TEXT, settings, other, "other", "std", 0, 0, NULL, "h",
                                         "of a second table") };

typedef struct fixture {
    settings v;
    ts_option_set *set;
} fixture;

static void begin(fixture *f)
{
    memset(f, 0xa5, sizeof *f); /* nothing of what was there before shows */
    const ts_option_table tables[] = { { rows, sizeof rows / sizeof *rows, &f->v },
                                       { more, 1, &f->v } };
    OK(ts_option_set_create(tables, 2, &f->set));
}

static ts_status parse_words(fixture *f, const char *const *words)
{
    int n = 0;
    while (words[n])
        n++;
    const ts_status st = ts_option_parse(f->set, n, (char *const *)(uintptr_t)words);
    return st == TS_OK ? ts_option_finish(f->set) : st;
}
#define PARSE(f, ...) parse_words(f, (const char *const[]){ __VA_ARGS__, NULL })

static void defaults(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    assert_true(!f.v.flag && f.v.keeps && f.v.count == 7 && f.v.layers == 0 && f.v.rate == 0.5 &&
                !f.v.name && f.v.kind == 1 && f.v.list.n == 0 && f.v.each.n == 0);
    assert_string_equal(f.v.other, "std");
    assert_false(ts_option_given(f.set, "count"));
    ts_option_set_destroy(&f.set);
    ts_option_set_destroy(&f.set);
}

static void all_types(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    OK(PARSE(&f, "--use-flag", "--no-keep", "--count", "1e1", "--rate=0.25", "--name", "-x",
             "--kind", "third", "--words", "a", "-1", "b", "--each", "p", "--quiet-note",
             "--each=q", "--note-with-value", "3", "--num-layers", "-4", "--other", ""));
    assert_true(f.v.flag && !f.v.keeps && f.v.count == 10 && f.v.rate == 0.25 && f.v.kind == 2 &&
                f.v.layers == -4);
    assert_string_equal(f.v.name, "-x");
    assert_string_equal(f.v.other, "");
    assert_int_equal(f.v.list.n, 3);
    assert_string_equal(f.v.list.v[1], "-1");
    assert_int_equal(f.v.each.n, 2);
    assert_string_equal(f.v.each.v[0], "p");
    assert_string_equal(f.v.each.v[1], "q");
    assert_true(ts_option_given(f.set, "count") && ts_option_given(f.set, "other"));
    ts_option_set_destroy(&f.set);
}

static void replaced(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    OK(PARSE(&f, "--words", "a", "b", "--words", "c", "--each", "p", "--each", "q", "--use-flag",
             "--more", "x", "y", "--more=z", "--more", "-", "--use-flag=false", "--no-keep=false", "--count", "4", "--count", "50.0", "--n-layer",
             "9"));
    assert_int_equal(f.v.list.n, 1);
    assert_string_equal(f.v.list.v[0], "c");
    assert_int_equal(f.v.each.n, 2);
    assert_int_equal(f.v.added.n, 4);
    assert_string_equal(f.v.added.v[3], "-");
    assert_true(!f.v.flag && f.v.keeps && f.v.count == 50 && f.v.layers == 9);
    ts_option_set_destroy(&f.set);
}

static const struct {
    const char *words[4], *message;
} wrong[] = {
    { { "--count", "x" }, "--count: \"x\" is not a whole number (such as 4096, 4_096 or 4e6)" },
    { { "--count", "1.5" }, "--count: \"1.5\" is not a whole number (such as 4096, 4_096 or 4e6)" },
    { { "--count", "" }, "--count: \"\" is not a whole number (such as 4096, 4_096 or 4e6)" },
    { { "--count", "99999999999999999999" },
      "--count: 99999999999999999999 is out of range, expected 1 to 100" },
    { { "--count", "4k" }, "--count: \"4k\" is not a whole number (such as 4096, 4_096 or 4e6)" },
    { { "--count", "0x10" },
      "--count: \"0x10\" is not a whole number (such as 4096, 4_096 or 4e6)" },
    { { "--count", "4__0" },
      "--count: \"4__0\" is not a whole number (such as 4096, 4_096 or 4e6)" },
    { { "--many", "-1" }, "--many: -1 is out of range, expected at least 0" },
    { { "--many", "1e16" }, "--many: 1e16 is out of range, expected 0 to 1e+15" },
    { { "--num-layers", "99999999999999999999" },
      "--num-layers: 99999999999999999999 is too large" },
    { { "--share", "1" }, "--share: 1 is out of range, expected at least 0 and below 1" },
    { { "--rate", "inf" }, "--rate: \"inf\" is not a number" },
    { { "--type", "nonsense" },
      "--type: \"nonsense\" is none of fp32|bf16|fp8 (also spelled float32, float, torch.float32, bfloat16, torch.bfloat16)" },
    { { "--note-of-two", "c" }, "--note-of-two: \"c\" is none of a|b" },
    { { "--count", "inf" }, "--count: \"inf\" is not a whole number (such as 4096, 4_096 or 4e6)" },
    { { "--count", "101" }, "--count: 101 is out of range, expected 1 to 100" },
    { { "--count", "0" }, "--count: 0 is out of range, expected 1 to 100" },
    { { "--rate", "nan" }, "--rate: \"nan\" is not a number" },
    { { "--rate", "0.5x" }, "--rate: \"0.5x\" is not a number" },
    { { "--rate", "1.01" }, "--rate: 1.01 is out of range, expected 0 to 1" },
    { { "--kind", "fourth" }, "--kind: \"fourth\" is none of first|second|third" },
    { { "--kind", "first|second" }, "--kind: \"first|second\" is none of first|second|third" },
    { { "--kind", "" }, "--kind: \"\" is none of first|second|third" },
    { { "--name" }, "--name: its value is missing" },
    { { "--name", "--count" },
      "--name: its value is missing\n--count: its value is missing" },
    { { "--words" }, "--words: at least one value is missing" },
    { { "--words", "--count" },
      "--words: at least one value is missing\n--count: its value is missing" },
    { { "stray" }, "command line: \"stray\" stands where an option was expected" },
    { { "--use-flag", "yes" }, "command line: \"yes\" stands where an option was expected" },
    { { "train.py" },
      "command line: \"train.py\" stands where an option was expected (the name of a script is left out)" },
    { { "run.yaml" },
      "command line: \"run.yaml\" stands where an option was expected (a file of options is given with --config)" },
    { { "--use-flag=maybe" }, "use-flag: \"maybe\" is neither true nor false" },
    { { "--" }, "command line: \"--\" stands where an option was expected" },
    { { "--cuont", "1" },
      "no option of this command: --cuont (did you mean --count?). --help lists all" },
    { { "--layers", "1" },
      "no option of this command: --layers (did you mean --n-layer, --num-layers, --rate?). --help lists all" },
    { { "--learning-rate=1" },
      "what is called otherwise here:\n  --learning-rate: --rate" },
    { { "--size-a", "2" }, "not in this version:\n  --size-a 2: sizes; give 1" },
    { { "--new_block" }, "not in this version:\n  --new_block: blocks" },
    { { "--spec", "other", "layer" }, "not in this version:\n  --spec other layer: blocks" },
    { { "--game.rate", "2" }, "not in this version:\n  --game.rate 2: games" },
    { { "--note-with-value" }, "--note-with-value: at least one value is missing" },
};

static void messages(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        fixture f;
        begin(&f);
        assert_int_equal(parse_words(&f, wrong[i].words), TS_ERR_USER);
        assert_string_equal(ts_error_message(), wrong[i].message);
        ts_option_set_destroy(&f.set);
    }
}

/* All that is wrong is told at once, by kind. */
static void together(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    assert_int_equal(PARSE(&f, "--zzzzzz", "1", "--count", "x", "--size-a", "2", "--num-layers",
                           "3", "--new-block", "--block-part", "2", "--qqqqqq", "--size-b", "4", "stray", "--kind",
                           "fourth", "--learning-rate", "1e-3"),
                     TS_ERR_USER);
    assert_string_equal(
        ts_error_message(),
        "--count: \"x\" is not a whole number (such as 4096, 4_096 or 4e6)\n"
        "command line: \"stray\" stands where an option was expected\n"
        "--kind: \"fourth\" is none of first|second|third\n"
        "no option of this command: --zzzzzz, --qqqqqq. --help lists all\n"
        "what is called otherwise here:\n  --learning-rate: --rate\n"
        "not in this version:\n  --size-a 2, --size-b 4: sizes; give 1\n  --new-block, --block-part 2: blocks");
    assert_int_equal(f.v.layers, 3);
    ts_option_set_destroy(&f.set);
}

/* Values that leave a subject off; what is given last counts; flags with a truth value behind; names
 * with _; a section in front of a name. */
static void taken(void **state)
{
    (void)state;
    fixture f;
    ts_str s = { 0 };
    begin(&f);
    OK(PARSE(&f, "--size-a", "2", "--size_a", "1.0", "--size-b", "none", "--new-block", "False",
             "--spec", "plain", "layer", "--use-flag", "True", "--no_keep", "true", "--many",
             "3_000", "--type", "bfloat16", "--share", "0.999", "--training.rate", "0.25",
             "--num_layers", "1e6", "--note-with-any", "--note-of-two", "b", "--surroundings.x",
             "1", "--block-part", "2"));
    assert_true(f.v.flag && !f.v.keeps && f.v.many == 3000 && f.v.type == 1 &&
                f.v.rate == 0.25 && f.v.layers == 1000000);
    OK(ts_option_notes(f.set, &s));
    assert_string_equal(s.s, "accepted, without effect here: --note-with-any, --note-of-two "
                             "(because), --surroundings., --block-part (it goes with --new-block)");
    ts_str_deinit(&s);
    ts_option_set_destroy(&f.set);
    begin(&f);
    OK(PARSE(&f, "--count", "4", "--use-flag", "false"));
    OK(ts_option_notes(f.set, &s));
    assert_true(s.len == 0 && !f.v.flag);
    ts_str_deinit(&s);
    ts_option_set_destroy(&f.set);
}

static void read_text(fixture *f, temp *t, const char *file, const char *text)
{
    temp_write(t, file, text, strlen(text));
    OK(ts_option_read_file(f->set, temp_path(t, file)));
}

static void files(void **state)
{
    (void)state;
    fixture f;
    temp t;
    temp_make(&t);
    begin(&f);
    read_text(
        &f, &t, "a.json",
        "{\"use_flag\": true, \"count\": 12, \"model\": {\"num-layers\": 3, \"rate\": 0.125}, "
        "\"words\": [\"a\", 2, true], \"each\": [\"x\", \"y\"], \"name\": null, \"kind\": \"first\"}");
    assert_true(f.v.flag && f.v.count == 12 && f.v.layers == 3 && f.v.rate == 0.125 &&
                f.v.kind == 0 && !f.v.name);
    assert_int_equal(f.v.list.n, 3);
    assert_string_equal(f.v.list.v[1], "2");
    assert_string_equal(f.v.list.v[2], "true");
    assert_int_equal(f.v.each.n, 2);
    assert_false(ts_option_given(f.set, "name") && f.v.name);
    /* A later file wins over an earlier one, the command line over both, before or after. */
    read_text(&f, &t, "b.yaml", "count: 13\nno_keep: true\nsection:\n  words: [only]\n");
    assert_true(f.v.count == 13 && !f.v.keeps && f.v.list.n == 1);
    OK(PARSE(&f, "--count", "14", "--each", "z"));
    read_text(&f, &t, "c.yml", "count: 15\neach: w\n");
    assert_true(f.v.count == 14 && f.v.each.n == 1);
    assert_string_equal(f.v.each.v[0], "z");
    ts_option_set_destroy(&f.set);
    temp_remove(&t);
}

/* A blend may name thousands of data sets; memory grows with their number, not with its square. */
static void long_lists(void **state)
{
    (void)state;
    enum { N = 60000 };
    temp t;
    fixture f;
    char *text = malloc(N * 8 + 32), *p = text;
    temp_make(&t);
    begin(&f);
    assert_non_null(text);
    p += sprintf(p, "{\"words\": [");
    for (int i = 0; i < N; i++)
        p += sprintf(p, "%s\"%d\"", i ? "," : "", i % 1000);
    strcpy(p, "]}");
    read_text(&f, &t, "long.json", text);
    assert_int_equal(f.v.list.n, N);
    assert_string_equal(f.v.list.v[N - 1], "999");
    free(text);
    ts_option_set_destroy(&f.set);
    temp_remove(&t);
}

static void file_messages(void **state)
{
    (void)state;
    static const struct {
        const char *file, *text, *message;
    } m[] = {
        { "a.json", "{\"count\": \"x\"}",
          "--count: \"x\" is not a whole number (such as 4096, 4_096 or 4e6)\n  in %s, key count" },
        { "a.json", "{\"count\": 1000}",
          "--count: 1000 is out of range, expected 1 to 100\n  in %s, key count" },
        { "a.json", "{\"rate\": [1]}",
          "is neither text, number, true nor false\n  in %s, key rate" },
        { "a.json", "{\"use_flag\": 2}",
          "use-flag: \"2\" is neither true nor false\n  in %s, key use_flag" },
        { "a.json", "{\"cuont\": 1}",
          "no option of this command: --cuont in %s (did you mean --count?). --help lists all" },
        { "a.yaml", "flag:\n  x: 1\ncount: 1000\n",
          "--count: 1000 is out of range, expected 1 to 100\n  in %s:3, key count\n"
          "no option of this command: --flag.x in %s:2. --help lists all" },
        { "a.yaml", "game:\n  rate: 2\nsize_a: 4\nsurroundings: {path: x}\n",
          "not in this version:\n  --size_a 4 in %s:3: sizes; give 1\n  --game in %s:1: games" },
        { "a.json", "{\"words\": [[1]]}",
          "is neither text, number, true nor false\n  in %s, key words" },
        { "a.json", "{\"name\": \"a\\u0000b\"}",
          "has a NUL character in it\n  in %s, key name" },
        { "a.yaml", "[1, 2]", "%s: name: value pairs were expected" },
        { "a.json", "{\"a\": 1,}", NULL },
        { "a.yml", "a: [", NULL },
    };
    temp t;
    temp_make(&t);
    for (size_t i = 0; i < sizeof m / sizeof *m; i++) {
        fixture f;
        char want[800] = "";
        begin(&f);
        temp_write(&t, m[i].file, m[i].text, strlen(m[i].text));
        const char *path = temp_path(&t, m[i].file);
        ts_status st = ts_option_read_file(f.set, path);
        if (st == TS_OK)
            st = ts_option_finish(f.set);
        assert_int_equal(st, TS_ERR_USER);
        for (const char *c = m[i].message; c && *c; c += strncmp(c, "%s", 2) ? 1 : 2)
            snprintf(want + strlen(want), sizeof want - strlen(want), "%.*s",
                     strncmp(c, "%s", 2) ? 1 : 600, strncmp(c, "%s", 2) ? c : path);
        if (m[i].message)
            assert_string_equal(ts_error_message(), want);
        else
            assert_non_null(strstr(ts_error_message(), path));
        ts_option_set_destroy(&f.set);
    }
    fixture f;
    begin(&f);
    REFUSED(ts_option_read_file(f.set, "/no/such.yaml"), TS_ERR_USER,
            "/no/such.yaml: cannot be opened");
    ts_option_set_destroy(&f.set);
    temp_remove(&t);
}

static void environment(void **state)
{
    (void)state;
    static char *const good[] = { "PATH=/bin",
                                  "TESSERA_COUNT=21",
                                  "TESSERA_USE_FLAG=1",
                                  "TESSERA_WORDS=one word",
                                  "TESSERA_NOT_OURS=5",
                                  "TESSERA_",
                                  "TESSERA_NAME=",
                                  "COUNT=3",
                                  NULL };
    static char *const bad[] = { "TESSERA_COUNT=many", NULL };
    fixture f;
    temp t;
    temp_make(&t);
    begin(&f);
    OK(ts_option_read_env(f.set, good));
    assert_true(f.v.count == 21 && f.v.flag && f.v.list.n == 1 && ts_option_given(f.set, "count"));
    assert_string_equal(f.v.list.v[0], "one word");
    assert_string_equal(f.v.name, "");
    read_text(&f, &t, "a.json", "{\"count\": 5}"); /* a file is weaker */
    assert_int_equal(f.v.count, 21);
    OK(PARSE(&f, "--count", "22"));
    OK(ts_option_read_env(f.set, good));
    assert_int_equal(f.v.count, 22);
    ts_option_set_destroy(&f.set);
    begin(&f);
    OK(ts_option_read_env(f.set, bad));
    assert_int_equal(ts_option_finish(f.set), TS_ERR_USER);
    assert_string_equal(
        ts_error_message(),
        "--count: \"many\" is not a whole number (such as 4096, 4_096 or 4e6)\n  in the environment variable TESSERA_COUNT");
    ts_option_set_destroy(&f.set);
    temp_remove(&t);
}

static void help_and_json(void **state)
{
    (void)state;
    fixture f;
    ts_str s = { 0 };
    begin(&f);
    OK(ts_option_help(f.set, &s));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_true(rows[i].type >= TS_OPTION_LATER || strstr(s.s, rows[i].name));
    assert_non_null(strstr(
        s.s, "\nh:\n  --other TEXT                        of a second table (default std)\n"));
    assert_non_null(strstr(s.s, "--kind first|second|third"));
    assert_non_null(strstr(s.s, "  --count N                           how many (default 7)\n"));
    assert_non_null(
        strstr(s.s, "\nAccepted, without effect here:\n  --quiet-note --note-with-value "
                    "--note-with-any --note-of-two --surroundings.\n"));
    assert_non_null(strstr(s.s, "\nNot in this version, and refused with its reason:\n"
                                "  sizes; give 1 (--size-a and 1 more)\n"
                                "  blocks (--new-block and 2 more)\n  games (--game.)\n"));
    assert_non_null(strstr(s.s, "--type fp32|bf16|fp8 "));
    assert_null(strstr(s.s, "learning-rate"));
    ts_str_reset(&s);
    OK(PARSE(&f, "--name", "a \"b\"\n", "--words", "x", "y", "--kind", "third", "--rate", "0.1"));
    OK(ts_option_json(f.set, &s));
    json_t *o = NULL;
    OK(ts_json_parse(s.s, s.len, "options", &o));
    assert_string_equal(json_string_value(json_object_get(o, "name")), "a \"b\"\n");
    assert_string_equal(json_string_value(json_object_get(o, "kind")), "third");
    assert_int_equal(json_integer_value(json_object_get(o, "count")), 7);
    assert_true(json_number_value(json_object_get(o, "rate")) == 0.1);
    assert_int_equal(json_array_size(json_object_get(o, "words")), 2);
    assert_true(json_is_false(json_object_get(o, "no-keep")));
    assert_null(json_object_get(o, "quiet-note"));
    json_decref(o);
    /* What was written can be read again. */
    fixture g;
    temp t;
    temp_make(&t);
    begin(&g);
    temp_write(&t, "o.json", s.s, s.len);
    OK(ts_option_read_file(g.set, temp_path(&t, "o.json")));
    assert_true(g.v.rate == 0.1 && g.v.kind == 2 && g.v.list.n == 2 && g.v.keeps == f.v.keeps &&
                g.v.flag == f.v.flag);
    ts_option_set_destroy(&g.set);
    temp_remove(&t);
    ts_option_set_destroy(&f.set);
    ts_str_deinit(&s);
}

/* Names are told apart in full, whatever their length; - and _ are alike. */
static void names_found(void **state)
{
    (void)state;
    fixture f;
    char word[400];
    begin(&f);
    char *argv[] = { "--num_layers", "3", "--use_flag" };
    OK(ts_option_parse(f.set, 3, argv));
    OK(ts_option_finish(f.set));
    assert_true(f.v.layers == 3 && f.v.flag);
    assert_true(ts_option_given(f.set, "num_layers") && ts_option_given(f.set, "num-layers"));
    assert_false(ts_option_is_on(f.set, "num-layer"));
    assert_false(ts_option_is_on(f.set, "num-layerss"));
    ts_option_set_destroy(&f.set);
    begin(&f);
    for (size_t n = 120; n < sizeof word; n++) {
        memset(word, 'x', n);
        memcpy(word, "--", 2);
        word[n] = 0;
        assert_false(ts_option_is_on(f.set, word + 2));
        char *one[] = { word };
        OK(ts_option_parse(f.set, 1, one));
    }
    assert_int_equal(ts_option_finish(f.set), TS_ERR_USER);
    ts_option_set_destroy(&f.set);
}

/* Two rows of one name, of one table or two, are a programmer's mistake: the process ends. */
static void doubled_names(void **state)
{
    (void)state;
    static const ts_option again[] = { TS_NOTE("num_layers", 1, "g", NULL) };
    static const ts_option other_name[] = { TS_NOTE("num-layerss", 1, "g", NULL) };
    for (int i = 0; i < 2; i++) {
        const pid_t child = fork();
        if (!child) {
            settings v;
            ts_option_set *set = NULL;
            const ts_option_table tables[] = { { rows, sizeof rows / sizeof *rows, &v },
                                               { i ? again : other_name, 1, NULL } };
            close(STDERR_FILENO);
            _exit(ts_option_set_create(tables, 2, &set) != TS_OK);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(WIFSIGNALED(status), i);
        assert_true(i || WEXITSTATUS(status) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults), cmocka_unit_test(all_types), cmocka_unit_test(replaced),
        cmocka_unit_test(messages), cmocka_unit_test(together), cmocka_unit_test(taken),
        cmocka_unit_test(files), cmocka_unit_test(long_lists), cmocka_unit_test(file_messages),
        cmocka_unit_test(environment), cmocka_unit_test(help_and_json),
        cmocka_unit_test(names_found), cmocka_unit_test(doubled_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
