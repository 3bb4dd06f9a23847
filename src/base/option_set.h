/* The inside of an option set, shared by option.h's sources: what is known of each row. */
#ifndef TS_BASE_OPTION_SET_H
#define TS_BASE_OPTION_SET_H
#include "base/foreign_row.h"
#include "base/names.h"
#include "base/option_row.h"
#include "base/str.h"

/* Where a value came from; a later source of lower rank does not replace it. */
typedef enum ts_option_origin {
    TS_FROM_DEFAULT,
    TS_FROM_FILE,
    TS_FROM_ENV,
    TS_FROM_COMMAND
} ts_option_origin;

typedef struct ts_option_entry {
    const ts_option *row;
    void *values;
    ts_option_origin from;
    const char *where; /* FILE, ENV: "run.yaml:3", the variable's name; NULL where that is not known */
    const char *as;   /* FILE: by which name of another program; NULL: by its own */
    const char *said; /* LATER: how it was given, where that is not the neutral value */
} ts_option_entry;

struct ts_option_set {
    ts_option_entry *e;
    size_t n;
    ts_names *names; /* number i is entry i's, with - for _ */
    void **owned; /* texts and arrays that values point to */
    size_t n_owned, cap_owned;
    ts_str wrong;   /* values that could not be taken, a line each */
    ts_str strange; /* names that are no options of this command */
    ts_str renamed; /* names from elsewhere that are others here, a line each */
    const ts_foreign_table *foreign; /* NULL: such names are not taken */
    ts_str understood;               /* what of them was taken as what, a line each */
};

struct ts_option_key {
    char name[128]; /* with the names of its sections, each with a dot behind it */
    const json_t *value;
    int line; /* 0: not known */
};

struct ts_option_file {
    ts_option_set *set;
    const char *path;
    const json_t *given; /* names that were given where this was printed; others are where they are not the
                            default. NULL: all are */
    ts_option_key *key;
    size_t n, cap;
};

/* Whether the option was set by another key of this file already. */
bool ts_option_is_set_here(const ts_option_file *f, const ts_option_entry *e);
/* "run.yaml:3", in memory of the set. */
ts_status ts_option_key_where(ts_option_file *f, const ts_option_key *k, const char **out) TS_NODISCARD;
/* A scalar as it would be typed; others are TS_ERR_USER. */
ts_status ts_option_scalar_text(const json_t *v, ts_str *out) TS_NODISCARD;
/* The foreign row for a key that is `own` in the set (NULL: nothing); NULL: there is none, or own counts. */
const ts_foreign *ts_option_foreign_find(const ts_option_file *f, const ts_option_key *k,
                                         const ts_option_entry *own);
/* What is asked for by a key of another program. */
ts_status ts_option_foreign_take(ts_option_file *f, const ts_option_key *k, const ts_foreign *row) TS_NODISCARD;

static inline void *ts_option_field(const ts_option_entry *e)
{
    return (char *)e->values + e->row->offset;
}

/* Enters the next entry's name; one that another has is a programmer's mistake. */
ts_status ts_option_add_name(ts_option_set *set, const char *name) TS_NODISCARD;
/* The row of a name; - and _ are alike. "section.name" is the section's row "section." where there
 * is one, else the name's. NULL: none. */
ts_option_entry *ts_option_find(const ts_option_set *set, const char *name);
/* How false and true are written. */
#define TS_TRUTHS(W) W(TS_TRUTH_FALSE, "false,False") W(TS_TRUTH_TRUE, "true,True")
typedef enum ts_truth { TS_TRUTHS(TS_CHOICE_VALUE) } ts_truth;

/* Whether the row has no value of its own. */
static inline bool ts_option_is_mute(const ts_option *r)
{
    return r->type == TS_OPTION_NOTE || r->type == TS_OPTION_LATER || r->type == TS_OPTION_HINT;
}

/* Whether one more of it on the command line adds to what is there. */
static inline bool ts_option_adds(const ts_option_entry *e)
{
    const ts_option *r = e->row;
    return e->from == TS_FROM_COMMAND && (r->type == TS_OPTION_EACH ||
                                          (r->type == TS_OPTION_LIST && r->lo == TS_LIST_ADDS));
}

/* A user's mistake is kept for the end, so that all of them are told at once. place: where it was
 * made, for a line of its own, or "". */
ts_status ts_option_collect(ts_option_set *set, ts_status st, const char *place) TS_NODISCARD;
/* A row without a value was given by this name with n words. place: behind its name, or "". */
ts_status ts_option_tell(ts_option_set *set, ts_option_entry *e, const char *given, const char *place,
                         int n, char *const *words) TS_NODISCARD;
/* Appends a row's value as JSON, as it would be given. */
ts_status ts_option_value_json(const ts_option_entry *e, ts_str *out) TS_NODISCARD;

/* Remembers a name that is no option of this command, with what may have been meant. place: behind
 * the name, such as " in FILE:3". */
ts_status ts_option_strange(ts_option_set *set, const char *name, const char *place) TS_NODISCARD;
/* Likewise one whose name here is known. */
ts_status ts_option_renamed(ts_option_set *set, const char *name, const char *place,
                            const char *here) TS_NODISCARD;

/* Memory that lives as long as the set, which takes it over even on failure; a copy of a text. */
ts_status ts_option_keep(ts_option_set *set, void *p) TS_NODISCARD;
ts_status ts_option_own(ts_option_set *set, const char *text, const char **out) TS_NODISCARD;

/* One word for all types but lists, of which it is one word. Flags take "true" and "false". */
ts_status ts_option_set_word(ts_option_set *set, const ts_option_entry *e,
                             const char *text) TS_NODISCARD;
ts_status ts_option_set_list(ts_option_set *set, const ts_option_entry *e, int n,
                             char *const *words, bool add) TS_NODISCARD;

/* Appends "a|b", the first spelling of each choice, or (other) all further spellings: "c, d". */
ts_status ts_option_choices(const char *choices, bool other, ts_str *out) TS_NODISCARD;
/* The message of a word that is none of a row's choices; returns TS_ERR_USER. */
ts_status ts_option_none_of(const ts_option *r, const char *text) TS_NODISCARD;
#endif
