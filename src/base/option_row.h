/* Rows and tables of options: what a module needs to describe its own (see option.h). */
#ifndef TS_BASE_OPTION_ROW_H
#define TS_BASE_OPTION_ROW_H
#include "base/choice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* What the value of an option is, to whom. */
enum {
    /* of what is computed (data, their order, arithmetic), so that a run that goes on with another
     * value is another run; not of where, how fast, what is shown or kept, nor of what a checkpoint
     * itself holds */
    TS_OPTION_DECIDES = 1,
    /* where all such are left out, a run that goes on has what it had */
    TS_OPTION_INHERITS = 2,
    /* a place of files, which may be another on each host of a job; whether it is given may not */
    TS_OPTION_PLACE = 4,
    /* each process's own: what it computes with, what it says */
    TS_OPTION_OWN = 8,
};

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
    unsigned is;         /* TS_OPTION_DECIDES, ...; of all names of a field alike */
    const char *with;    /* LATER: matters where this option, of that type too, is refused; else it is
                            accepted without effect */
    const char *choices; /* CHOICE, NOTE: "a|b|c" */
    const char *idle, *why; /* FLAG ("true"), CHOICE: the word that is accepted without effect here, and
                               why */
    const char *unless; /* the option that, on, gives the idle word its effect; NULL: none */
    const char *group, *help;
} ts_option;

/* One module's part of a joined table. Several rows may share an offset (aliases). */
typedef struct ts_option_table {
    const ts_option *rows;
    size_t n;
    void *values; /* the module's struct */
} ts_option_table;

/* Tables joined. */
typedef struct ts_option_set ts_option_set;

/* With what it is, one of the above or several. */
#define TS_ROW_IS(is_, type_, struct_, field_, name_, def_, lo_, hi_, choices_, group_, help_)     \
    { .name = name_, .type = TS_OPTION_##type_, .offset = offsetof(struct_, field_), .def = def_,  \
      .lo = lo_, .hi = hi_, .is = is_, .choices = choices_, .group = group_, .help = help_ }
#define TS_ROW(type_, struct_, field_, name_, def_, lo_, hi_, choices_, group_, help_)             \
    TS_ROW_IS(0, type_, struct_, field_, name_, def_, lo_, hi_, choices_, group_, help_)
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
