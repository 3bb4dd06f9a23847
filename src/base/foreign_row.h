/* Rows of a table of names of other programs (see option_foreign.h). */
#ifndef TS_BASE_FOREIGN_ROW_H
#define TS_BASE_FOREIGN_ROW_H
#include "base/json.h"

/* A key of a file that is being read, and the file. */
typedef struct ts_option_key ts_option_key;
typedef struct ts_option_file ts_option_file;

typedef enum ts_foreign_how {
    TS_FOREIGN_SAME,    /* the option `here`, with the value or the word for it */
    TS_FOREIGN_LIST,    /* likewise, of each word of a list or of a text with commas */
    TS_FOREIGN_ON,      /* true: `here` is what is given; false: nothing */
    TS_FOREIGN_IDLE,    /* accepted, without effect here: `why` */
    TS_FOREIGN_REFUSED, /* nothing here means the same: `why` */
    TS_FOREIGN_MADE,    /* of this and other keys of the file, by `make`, when all others were taken */
} ts_foreign_how;

typedef struct ts_foreign {
    const char *name; /* with - for _ */
    ts_foreign_how how;
    const char *here;  /* an option, without dashes ("a|b": the one that the command has); ON: "--a x --b" */
    const char *none;  /* "false|-1": values that ask for nothing, as null does */
    const char *words; /* "cosine=cosine|constant,flat=constant": words there and here; others are refused, or stay
                          where it ends with "|*". NULL: all stay */
    const char *why;
    ts_status (*make)(ts_option_file *f, const ts_option_key *k);
} ts_foreign;

typedef struct ts_foreign_table {
    const ts_foreign *row;
    size_t n;
    /* When all keys of a file were taken: what is left to its writer's program to fill in. May be NULL. */
    ts_status (*end)(ts_option_file *f);
} ts_foreign_table;
#endif
