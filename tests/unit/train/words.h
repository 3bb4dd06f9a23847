/* Training options as a user types them. Include after cmocka.h. */
#ifndef TS_TESTS_WORDS_H
#define TS_TESTS_WORDS_H
#include "../temp.h"
#include "train/options.h"

#include <string.h>

typedef struct words {
    ts_train_options o;
    ts_option_set *set;
} words;

/* The defaults and then what the text says; texts in the options live until words_free. */
static inline void words_parse(words *w, const char *text)
{
    char copy[512], *argv[48];
    int n = 0;
    *w = (words){ 0 };
    const ts_option_table table[] = {
        { ts_train_option_rows, ts_train_option_count, &w->o },
        { ts_matrix_option_rows, ts_matrix_option_count, &w->o.matrix },
    };
    OK(ts_option_set_create(table, 2, &w->set));
    assert_true(strlen(text) < sizeof copy);
    snprintf(copy, sizeof copy, "%s", text);
    for (char *p = strtok(copy, " "); p; p = strtok(NULL, " ")) {
        assert_true(n < 48);
        argv[n++] = p;
    }
    OK(ts_option_parse(w->set, n, argv));
    OK(ts_option_finish(w->set));
}

static inline void words_free(words *w) { ts_option_set_destroy(&w->set); }
#endif
