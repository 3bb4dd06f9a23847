/* Options are rows of a table. Each module owns a plain struct of settings and an array of rows
 * that describe its fields; a command joins the tables it needs. Parsing, configuration files,
 * --help, the reference page and the messages all come from the rows. Names are Megatron-LM's. */
#ifndef TS_BASE_OPTION_H
#define TS_BASE_OPTION_H
#include "base/json.h"
#include "base/option_row.h"
#include "base/str.h"

/* Joins tables (borrowed). Every field that a row describes gets its default now (without one: zero,
 * false, NULL), whatever was in it; the rest of the structs is left alone. Two rows of one name are
 * a programmer's mistake. */
ts_status ts_option_set_create(const ts_option_table *tables, size_t n,
                               ts_option_set **out) TS_NODISCARD;
void ts_option_set_destroy(ts_option_set **set); /* texts and lists in the values die with it */

/* The following three take what is given and collect what is wrong with it for ts_option_finish;
 * they return only what cannot be gone on from (a file that cannot be read, memory).
 * Words: argv without program and command. Names may have _ for -. */
ts_status ts_option_parse(ts_option_set *set, int argc, char *const *argv) TS_NODISCARD;
/* Takes name: value pairs from a JSON or YAML file, in sections of any name; null: not given. Names of other programs
 * too, where the set was told of them (base/option_foreign.h). Values given on the command line win whatever the order
 * of calls. */
ts_status ts_option_read_file(ts_option_set *set, const char *path) TS_NODISCARD;
/* TESSERA_NUM_LAYERS=3 sets num-layers; only names of the table are looked at. */
ts_status ts_option_read_env(ts_option_set *set, char *const *environ_) TS_NODISCARD;
/* Refuses (TS_ERR_USER) all that was wrong in one message: values, names that are no options of the
 * command with the nearest ones, and options of subjects that are not there yet. */
ts_status ts_option_finish(const ts_option_set *set) TS_NODISCARD;

/* Whether the user gave the option (in any way). Unknown names are a programmer's mistake. */
bool ts_option_given(const ts_option_set *set, const char *name);
/* One line that names the options given that are accepted and have no effect; empty where there are
 * none. */
ts_status ts_option_notes(const ts_option_set *set, ts_str *out) TS_NODISCARD;
/* Number of the word in a list of choices, or -1. */
int ts_option_choice(const char *choices, const char *word);
/* Whether a text is one of "a|b|c" (NULL: no); numbers may be written in any way. */
bool ts_option_is_one_of(const char *words, const char *text);

/* Whole numbers from 0 on in the words of a list, parted by commas or words: "1,3 3" is 1, 3, 3. Others
 * are TS_ERR_USER. *out [n] is the caller's (ts_free). */
ts_status ts_option_numbers(const char *name, const ts_option_list *words, int64_t **out,
                            int64_t *n) TS_NODISCARD;

/* Visits the rows in the order of the help text: by group, as each group first appears, and at the
 * end those without effect (TS_OPTION_NOTE), whose groups do not matter; not LATER and HINT. Stops
 * at the first failure. */
typedef ts_status ts_option_visit(void *ctx, const ts_option *row, bool begins_group);
ts_status ts_option_walk(const ts_option_set *set, ts_option_visit *visit, void *ctx) TS_NODISCARD;
/* Appends the word for a value of the row's type ("N", "TEXT", ...), its choices ("a|b", each in its
 * first spelling), or nothing for a flag. */
ts_status ts_option_value_word(const ts_option *row, ts_str *out) TS_NODISCARD;
/* Whether the user gave the option, a flag not as false; false too where the command has none of
 * that name. */
bool ts_option_is_on(const ts_option_set *set, const char *name);
/* Two that contradict each other, both on: TS_ERR_USER that names them. */
ts_status ts_option_exclude(const ts_option_set *set, const char *a, const char *b) TS_NODISCARD;
/* Warns where the option is on and what it works on is not there; `partner` as the reader would
 * type it. */
void ts_option_warn_alone(const ts_option_set *set, const char *name, bool has_partner,
                          const char *partner);

/* The help text of a command by group, with types and defaults. */
ts_status ts_option_help(const ts_option_set *set, ts_str *out) TS_NODISCARD;
/* Resolved values as a JSON object (given and default), for records and checkpoints. */
ts_status ts_option_json(const ts_option_set *set, ts_str *out) TS_NODISCARD;
/* The same as YAML for --config: value and origin of each, by group, and `given`, the names that were given, so that
 * a set that reads it back has the same values given and left out. title: what they are of. */
ts_status ts_option_yaml(const ts_option_set *set, const char *title, ts_str *out) TS_NODISCARD;
/* An option that has another value in an object that ts_option_json made, here or elsewhere. */
typedef struct ts_option_difference {
    const ts_option *row;
    const json_t *here, *there;
    const char *here_text, *there_text; /* the same in JSON */
} ts_option_difference;
typedef ts_status ts_option_differs_fn(void *ctx, const ts_option_difference *d);
/* Tells fn of each, in the order of the rows, until it fails. Several names of one field count once;
 * what one side does not know is of another version. */
ts_status ts_option_compare(const ts_option_set *set, const json_t *there, ts_option_differs_fn *fn,
                            void *ctx) TS_NODISCARD;
/* Appends "--seed 6 (was 5), ...": options that decide the run and differ from `was`. */
ts_status ts_option_changes(const ts_option_set *set, const json_t *was, ts_str *out) TS_NODISCARD;
#endif
