/* The option lines of published training scripts: each is understood, what is refused is refused in
 * one message that names it all, and nothing is a name that is not known. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "base/file.h"
#include "train/job.h"

#include <string.h>

enum { MOST_WORDS = 512 };

typedef struct line {
    const char *title;
    char *words[MOST_WORDS], *refused[MOST_WORDS];
    int n, n_refused;
} line;

/* Parts a text at blanks, in place; 'a text between quotes' is one word. */
static int part(char *text, char **words)
{
    int n = 0;
    for (char *c = text; *c;) {
        c += strspn(c, " \n");
        if (!*c)
            break;
        const char *end = *c == '\'' ? "'" : " \n";
        c += *c == '\'';
        assert_true(n < MOST_WORDS);
        words[n++] = c;
        c += strcspn(c, end);
        if (*c)
            *c++ = 0;
    }
    return n;
}

static ts_status parse(const line *l, const char *const *left_out, int n_left_out, ts_str *notes)
{
    ts_job_options *o;
    ts_option_table tables[TS_JOB_TABLES];
    ts_option_set *set;
    char *words[MOST_WORDS];
    int n = 0;
    bool out = false;
    OK(ts_alloc(&o, 1, sizeof *o));
    ts_job_tables(o, tables);
    OK(ts_option_set_create(tables, TS_JOB_TABLES, &set));
    for (int i = 0; i < l->n; i++) {
        if (!strncmp(l->words[i], "--", 2)) {
            out = false;
            for (int k = 0; k < n_left_out; k++)
                out = out || !strcmp(l->words[i], left_out[k]);
        }
        if (!out)
            words[n++] = l->words[i];
    }
    OK(ts_option_parse(set, n, words));
    const ts_status st = ts_option_finish(set);
    if (notes)
        OK(ts_option_notes(set, notes));
    ts_option_set_destroy(&set);
    ts_free(&o);
    return st;
}

static void check(const line *l)
{
    const ts_status st = parse(l, NULL, 0, NULL);
    if (!l->n_refused && st != TS_OK)
        fail_msg("%s: %s", l->title, ts_error_message());
    if (l->n_refused && st != TS_ERR_USER)
        fail_msg("%s: nothing is refused", l->title);
    if (strstr(ts_error_message(), "no option of this command") && l->n_refused)
        fail_msg("%s: %s", l->title, ts_error_message());
    for (int i = 0; i < l->n_refused; i++)
        if (!strstr(ts_error_message(), l->refused[i]))
            fail_msg("%s: %s is not named: %s", l->title, l->refused[i], ts_error_message());
    ts_str notes = { 0 };
    if (parse(l, (const char *const *)l->refused, l->n_refused, &notes) != TS_OK)
        fail_msg("%s: refused beside what the list names: %s", l->title, ts_error_message());
    assert_true(strchr(ts_str_text(&notes), '\n') == NULL);
    ts_str_deinit(&notes);
}

static void published_scripts(void **state)
{
    (void)state;
    ts_str text = { 0 };
    int n = 0;
    OK(ts_file_read("tests/unit/train/scripts.txt", &text));
    for (char *at = strstr(text.s, "\n== "); at; n++) {
        char *next = strstr(at + 1, "\n== ");
        line l = { .title = at + 4 };
        if (next)
            *next = 0;
        char *words = strchr(at + 1, '\n'), *refused = strstr(at + 1, "\nrefused:");
        assert_non_null(words);
        assert_non_null(refused);
        *words = *refused = 0;
        l.n = part(words + 1, l.words);
        l.n_refused = part(refused + strlen("\nrefused:"), l.refused);
        assert_true(l.n > 20);
        check(&l);
        at = next;
    }
    assert_true(n >= 20);
    ts_str_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(published_scripts) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
