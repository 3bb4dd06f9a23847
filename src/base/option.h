/* Options are rows of a table. Each module owns a plain struct of settings and an array of rows
 * that describe its fields; a command joins the tables it needs. Parsing, configuration files,
 * --help, the reference page and the messages all come from the rows. Names are Megatron-LM's. */
#ifndef TS_BASE_OPTION_H
#define TS_BASE_OPTION_H
#include "base/str.h"

typedef enum ts_option_type {
    TS_OPTION_FLAG,   /* bool; present: true ("store_true") */
    TS_OPTION_NOFLAG, /* bool; present: false (--no-..., --disable-...) */
    TS_OPTION_INT,    /* int64_t in [lo, hi] */
    TS_OPTION_REAL,   /* double in [lo, hi] */
    TS_OPTION_TEXT,   /* const char *; NULL when not given and no default */
    TS_OPTION_CHOICE, /* int: index into the list "a|b|c" in `choices` */
    /* ts_option_list: all words up to the next option; a repeated option replaces (lo TS_LIST_ADDS:
     * adds) */
    TS_OPTION_LIST,
    TS_OPTION_EACH, /* ts_option_list: one word each time; repeated options add */
    TS_OPTION_NOTE, /* no field: accepted and without effect here (kernel or launcher of another
                       platform); `lo`: how many words it takes (-1: up to the next option) */
} ts_option_type;

enum { TS_LIST_ADDS = 1 };

typedef struct ts_option_list {
    const char **v;
    int64_t n;
} ts_option_list;

typedef struct ts_option {
    const char *name; /* without the dashes */
    ts_option_type type;
    size_t offset;       /* of the field in the module's struct */
    const char *def;     /* default as it would be typed; NULL: zero, false, not given */
    double lo, hi;       /* range of numbers; both 0: any */
    const char *choices; /* CHOICE */
    const char *group, *help;
} ts_option;

/* One module's part of a joined table. Several rows may share an offset (aliases). */
typedef struct ts_option_table {
    const ts_option *rows;
    size_t n;
    void *values; /* the module's struct */
} ts_option_table;

typedef struct ts_option_set ts_option_set;

/* Joins tables (borrowed; values are filled with the defaults now, fields without one stay as they
 * are: zero the structs before). Two rows of one name are a
 * programmer's mistake. */
ts_status ts_option_set_create(const ts_option_table *tables, size_t n,
                               ts_option_set **out) TS_NODISCARD;
void ts_option_set_destroy(ts_option_set **set); /* texts and lists in the values die with it */

/* Parses words (argv without program and command). Unknown: TS_ERR_USER with the nearest names. */
ts_status ts_option_parse(ts_option_set *set, int argc, char *const *argv) TS_NODISCARD;
/* Takes name: value pairs from a JSON or YAML file; origin is remembered for messages. Values given
 * on the command line win whatever the order of calls. Keys may have _ for -. */
ts_status ts_option_read_file(ts_option_set *set, const char *path) TS_NODISCARD;
/* TESSERA_NUM_LAYERS=3 sets num-layers; only names of the table are looked at. */
ts_status ts_option_read_env(ts_option_set *set, char *const *environ_) TS_NODISCARD;

/* Whether the user gave the option (in any way). Unknown names are a programmer's mistake. */
bool ts_option_given(const ts_option_set *set, const char *name);

/* Visits the rows in the order of the help text: by group, as each group first appears, and at the
 * end those without effect (TS_OPTION_NOTE), which have no group. Stops at the first failure. */
typedef ts_status ts_option_visit(void *ctx, const ts_option *row, bool begins_group);
ts_status ts_option_walk(const ts_option_set *set, ts_option_visit *visit, void *ctx) TS_NODISCARD;
/* The word for a value of the row's type ("N", "TEXT", ...), its choices, or "" for a flag. */
const char *ts_option_value_word(const ts_option *row);
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

#define TS_ROW(type_, struct_, field_, name_, def_, lo_, hi_, choices_, group_, help_)             \
    { .name = name_, .type = TS_OPTION_##type_, .offset = offsetof(struct_, field_), .def = def_,  \
      .lo = lo_, .hi = hi_, .choices = choices_, .group = group_, .help = help_ }
#endif
