/* Options of a call, as words. */
#ifndef TS_API_WORDS_H
#define TS_API_WORDS_H
#include "base/option.h"

/* Parses words that may hold --config FILE, which ranks below the other words. */
ts_status ts_words_take(ts_option_set *set, int argc, char *const *argv) TS_NODISCARD;

/* One line, from the first process alone, that names the options given that have no effect. */
void ts_words_log_notes(const ts_option_set *set);

/* Joins the tables, whose values are zero, and parses the options of a public function (their form
 * is in tessera/options.h). The values' texts live as long as the set. */
ts_status ts_words_parse(const ts_option_table *tables, size_t n_tables, const char *const *options,
                         size_t n, ts_option_set **set) TS_NODISCARD;

/* For arguments of public functions: TS_ERR_USER that names function and argument. */
ts_status ts_argument_missing(const char *function, const char *argument);
#define TS_NEED(argument)                                                                          \
    do {                                                                                           \
        if (!(argument))                                                                           \
            return ts_argument_missing(__func__, #argument);                                       \
    } while (0)

/* A text for the caller: malloc'ed; s is empty then. */
ts_status ts_give_text(ts_str *s, char **out, size_t *n) TS_NODISCARD;
#endif
