#include "api/words.h"

#include "api/foreign.h"
#include "base/log.h"
#include "dist/world.h"

#include <string.h>

ts_status ts_argument_missing(const char *function, const char *argument)
{
    return ts_error(TS_ERR_USER, "%s: %s must not be NULL", function, argument);
}

ts_status ts_give_text(ts_str *s, char **out, size_t *n)
{
    TS_TRY(ts_str_add(s, "", 0)); /* memory also for an empty text */
    *out = s->s;
    if (n)
        *n = s->len;
    *s = (ts_str){ 0 };
    return TS_OK;
}

/* --config is taken out of the words first, so that the file ranks below the others. */
static ts_status read_config(ts_option_set *set, int *argc, char **argv)
{
    for (int i = 0; i < *argc; i++) {
        const bool joined = !strncmp(argv[i], "--config=", 9);
        if (!joined && strcmp(argv[i], "--config"))
            continue;
        if (!joined && i + 1 >= *argc)
            return ts_error(TS_ERR_USER, "--config: the name of a YAML or JSON file is missing");
        const int n = joined ? 1 : 2;
        TS_TRY(ts_option_read_file(set, joined ? argv[i] + 9 : argv[i + 1]));
        memmove(argv + i, argv + i + n, (size_t)(*argc - i - n) * sizeof *argv);
        *argc -= n;
        i--;
    }
    return TS_OK;
}

ts_status ts_words_take(ts_option_set *set, int argc, char *const *argv)
{
    char **words;
    TS_TRY(ts_alloc(&words, (size_t)argc + 1, sizeof *words));
    if (argc)
        memcpy(words, argv, (size_t)argc * sizeof *words);
    ts_option_speak(set, &ts_foreign_names);
    ts_status st = read_config(set, &argc, words);
    if (st == TS_OK)
        st = ts_option_parse(set, argc, words);
    if (st == TS_OK)
        st = ts_option_finish(set);
    ts_free(&words);
    return st;
}

void ts_words_log_notes(const ts_option_set *set)
{
    ts_str text = { 0 };
    int64_t rank;
    ts_comm_launched(&rank);
    if (rank == 0 && *ts_option_understood(set))
        ts_log(TS_LOG_INFO, "names of other programs, and what they are here:\n%s", ts_option_understood(set));
    if (rank == 0 && ts_option_notes(set, &text) == TS_OK && text.len)
        ts_log(TS_LOG_INFO, "%s", text.s);
    ts_str_deinit(&text);
}

/* One word, or the two of "--name value". */
static ts_status split(const char *option, char **words, int *n)
{
    const size_t name = strcspn(option, " =");
    if (option[0] == '-' && option[1] == '-' && option[name] == ' ') {
        TS_TRY(ts_strndup(option, name, &words[(*n)++]));
        option += name + strspn(option + name, " ");
    }
    TS_TRY(ts_strdup(option, &words[*n]));
    (*n)++;
    return TS_OK;
}

ts_status ts_words_parse(const ts_option_table *tables, size_t n_tables, const char *const *options,
                         size_t n, ts_option_set **set)
{
    ts_option_set *s = NULL;
    char **words = NULL;
    int argc = 0;
    if (n && !options)
        return ts_error(TS_ERR_USER, "options is NULL and their number %zu", n);
    if (n > 100000)
        return ts_error(TS_ERR_USER, "%zu options: that is no number of options", n);
    ts_status st = ts_alloc(&words, 2 * n + 1, sizeof *words);
    for (size_t i = 0; i < n && st == TS_OK; i++)
        st = options[i] ? split(options[i], words, &argc)
                        : ts_error(TS_ERR_USER, "options[%zu] is NULL", i);
    if (st == TS_OK)
        st = ts_option_set_create(tables, n_tables, &s);
    if (st == TS_OK)
        st = ts_words_take(s, argc, words);
    for (size_t i = 0; words && i < 2 * n; i++)
        ts_free(&words[i]);
    ts_free(&words);
    if (st == TS_OK) {
        ts_words_log_notes(s);
        *set = s;
    } else
        ts_option_set_destroy(&s);
    return st;
}
