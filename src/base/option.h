/* Options are rows of a table. Each module owns a plain struct of settings and an array of rows
 * that describe its fields; a command joins the tables it needs. Parsing, configuration files,
 * --help, the reference page and the messages all come from the rows. Names are Megatron-LM's. */
#ifndef TS_BASE_OPTION_H
#define TS_BASE_OPTION_H
#include "base/choice.h"
#include "base/json.h"
#include "base/str.h"

typedef enum ts_option_type {
    TS_OPTION_FLAG,   /* bool; present: true ("store_true") */
    TS_OPTION_NOFLAG, /* bool; present: false (--no-..., --disable-...) */
    TS_OPTION_INT,    /* int64_t in [lo, hi] */
    TS_OPTION_REAL,   /* double in [lo, hi] */
    TS_OPTION_TEXT,   /* const char *; NULL when not given and no default */
    TS_OPTION_CHOICE, /* int: an enum's value, of which TS_CHOICES makes `choices` */
    /* ts_option_list: all words up to the next option; a repeated option replaces (lo TS_LIST_ADDS:
     * adds) */
    TS_OPTION_LIST,
    TS_OPTION_EACH, /* ts_option_list: one word each time; repeated options add */
    /* The following have no field. `lo`: how many words they take; TS_OPTION_MANY: one or more, up
     * to the next option; TS_OPTION_ANY: or none. */
    TS_OPTION_NOTE,  /* accepted and without effect here; `choices`: the words that it may have */
    TS_OPTION_LATER, /* of a subject that there is not yet, `help`: refused, all of them in one
                        message, unless given one of the neutral values "a|b" in `def` */
    TS_OPTION_HINT,  /* a name from elsewhere, refused; `help`: what it is called here */
} ts_option_type;
enum { TS_OPTION_MANY = -1, TS_OPTION_ANY = -2 };

enum { TS_LIST_ADDS = 1 };

typedef struct ts_option_list {
    const char **v;
    int64_t n;
} ts_option_list;

typedef struct ts_option {
    const char *name; /* without the dashes; "section.": all that a section of that name holds (LATER
                         and NOTE) */
    ts_option_type type;
    size_t offset;       /* of the field in the module's struct */
    const char *def;     /* default as it would be typed; NULL: zero, false, not given */
    double lo, hi;       /* range of numbers; both 0: any */
    bool below;          /* numbers: hi itself is out of range */
    bool told;           /* NOTE: where it is given, its help is told too */
    bool decides;        /* what is computed (data, their order, arithmetic), so that a run that goes on
                            with another value is another run; not where, how fast, what is shown or
                            kept, nor what a checkpoint itself holds. Of all names of a field alike */
    bool inherits;       /* where all such are left out, a run that goes on has what it had */
    const char *with;    /* LATER: matters where this option, of that type too, is refused; else it is
                            accepted without effect */
    const char *choices; /* CHOICE, NOTE: "a|b|c" */
    const char *idle, *why; /* FLAG ("true"), CHOICE: the word that is accepted without effect here, and
                               why */
    const char *group, *help;
} ts_option;

/* One module's part of a joined table. Several rows may share an offset (aliases). */
typedef struct ts_option_table {
    const ts_option *rows;
    size_t n;
    void *values; /* the module's struct */
} ts_option_table;

typedef struct ts_option_set ts_option_set;

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
/* Takes name: value pairs from a JSON or YAML file; origin is remembered for messages. Values given
 * on the command line win whatever the order of calls. */
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
/* Appends "--seed 6 (was 5), ...": options that decide the run and have another value than in `was`,
 * an object that ts_option_json made. Several names of one field count once; what one side does not
 * know is of another version. */
ts_status ts_option_changes(const ts_option_set *set, const json_t *was, ts_str *out) TS_NODISCARD;

#define TS_ROW(type_, struct_, field_, name_, def_, lo_, hi_, choices_, group_, help_)             \
    { .name = name_, .type = TS_OPTION_##type_, .offset = offsetof(struct_, field_), .def = def_,  \
      .lo = lo_, .hi = hi_, .choices = choices_, .group = group_, .help = help_ }
/* The same of an option that decides what is computed. */
#define TS_RUN_ROW(type_, struct_, field_, name_, def_, lo_, hi_, choices_, group_, help_)         \
    { .name = name_, .type = TS_OPTION_##type_, .offset = offsetof(struct_, field_), .def = def_,  \
      .lo = lo_, .hi = hi_, .decides = true, .choices = choices_, .group = group_, .help = help_ }
/* The same of one that a run which goes on inherits. */
#define TS_KEPT_ROW(type_, struct_, field_, name_, def_, lo_, hi_, choices_, group_, help_)        \
    { .name = name_, .type = TS_OPTION_##type_, .offset = offsetof(struct_, field_), .def = def_,  \
      .lo = lo_, .hi = hi_, .decides = true, .inherits = true, .choices = choices_,                \
      .group = group_, .help = help_ }
#define TS_NOTE(name_, words_, group_, help_)                                                      \
    { .name = name_, .type = TS_OPTION_NOTE, .lo = words_, .group = group_, .help = help_ }
#define TS_TOLD(name_, words_, group_, help_)                                                      \
    { .name = name_, .type = TS_OPTION_NOTE, .lo = words_, .told = true, .group = group_,          \
      .help = help_ }
#define TS_LATER(name_, words_, neutral_, subject_)                                                \
    { .name = name_, .type = TS_OPTION_LATER, .lo = words_, .def = neutral_, .help = subject_ }
#define TS_HINT(name_, words_, here_)                                                              \
    { .name = name_, .type = TS_OPTION_HINT, .lo = words_, .help = here_ }
#endif
