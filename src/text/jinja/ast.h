/* A template in pieces: tokens, and the tree that the parser makes of them. */
#ifndef TS_TEXT_JINJA_AST_H
#define TS_TEXT_JINJA_AST_H
#include "base/arena.h"
#include "text/jinja/jinja.h"

typedef enum ts_jtok_kind {
    TS_JT_EOF,
    TS_JT_DATA,
    TS_JT_BLOCK_BEGIN,
    TS_JT_BLOCK_END,
    TS_JT_VAR_BEGIN,
    TS_JT_VAR_END,
    TS_JT_NAME,
    TS_JT_STRING,
    TS_JT_INT,
    TS_JT_FLOAT,
    TS_JT_OP, /* s: one or two characters */
} ts_jtok_kind;

typedef struct ts_jtok {
    ts_jtok_kind kind;
    int line;
    const char *s; /* [n] in the template's arena */
    size_t n;
    int64_t i;
    double f;
} ts_jtok;

typedef enum ts_jkind {
    /* expressions */
    TS_JN_CONST,
    TS_JN_NAME,
    TS_JN_LIST,
    TS_JN_TUPLE,
    TS_JN_DICT, /* list: key, value, key, ... */
    TS_JN_ATTR, /* a.name */
    TS_JN_ITEM, /* a[b] */
    TS_JN_SLICE, /* a : b : c, each may be NULL */
    TS_JN_CALL, /* a(args) */
    TS_JN_FILTER, /* a | name(args); a NULL in a filter block */
    TS_JN_TEST, /* a is name(args) */
    TS_JN_NOT,
    TS_JN_AND,
    TS_JN_OR,
    TS_JN_COND, /* b if a else c */
    TS_JN_COMPARE, /* a op list[0] op list[1] ... */
    TS_JN_ARITH, /* a op b */
    TS_JN_NEG,
    TS_JN_POS,
    TS_JN_CONCAT,
    TS_JN_NSREF, /* target name.attribute */
    /* statements */
    TS_JN_DATA,
    TS_JN_PRINT,
    TS_JN_IF,  /* a, body, other */
    TS_JN_FOR, /* target in a if b: body, other */
    TS_JN_BREAK,
    TS_JN_CONTINUE,
    TS_JN_SET, /* target = a */
    TS_JN_SET_BLOCK, /* target, a: the filters, body */
    TS_JN_WITH, /* list: target, value, ...; body */
    TS_JN_MACRO, /* name, macro */
    TS_JN_CALL_BLOCK, /* a: the call; macro: the caller */
    TS_JN_GENERATION, /* body */
    TS_JN_FILTER_BLOCK, /* a, body */
    TS_JN_BLOCK, /* body; flag: scoped */
    TS_JN_DO_NOTHING,
} ts_jkind;

typedef struct ts_jnode ts_jnode;

typedef struct ts_jlist {
    ts_jnode **v;
    size_t n, cap;
} ts_jlist;

typedef struct ts_jargs {
    ts_jlist pos;
    ts_jlist named; /* values; their names stand in `names` */
    const ts_jnode *star, *star_star;
    const char **names;
} ts_jargs;

typedef enum ts_jop {
    TS_JO_ADD, TS_JO_SUB, TS_JO_MUL, TS_JO_DIV, TS_JO_FLOORDIV, TS_JO_MOD, TS_JO_POW,
    TS_JO_EQ, TS_JO_NE, TS_JO_LT, TS_JO_LE, TS_JO_GT, TS_JO_GE, TS_JO_IN, TS_JO_NOT_IN,
} ts_jop;

enum { TS_JUSE_CALLER = 1, TS_JUSE_KWARGS = 2, TS_JUSE_VARARGS = 4 };

/* The parameters and the body of a macro. */
typedef struct ts_jmacro {
    const char *name;
    ts_jlist params;   /* names; the last `defaults.n` have a default */
    ts_jlist defaults;
    ts_jlist body;
    unsigned uses;     /* TS_JUSE_*: names that the body reads */
    bool has_caller;   /* a parameter is called caller */
} ts_jmacro;

struct ts_jnode {
    ts_jkind kind;
    int line;
    int id;           /* of a name; of a filter or test, -1: there is none */
    ts_jop op;
    bool flag;        /* FOR: recursive; BLOCK: scoped; CONST: a boolean */
    const ts_jnode *a, *b, *c;
    const ts_jnode *target;
    ts_jtok value;    /* CONST, DATA, and the text of a name */
    ts_jlist list;
    ts_jop *ops;      /* COMPARE [list.n] */
    ts_jargs *args;
    ts_jmacro *macro;
    ts_jlist body, other;
};

struct ts_jinja {
    ts_arena arena;
    char *name;
    const char **names; /* [n_names] what variables are called, by their id */
    size_t n_names, cap_names;
    ts_jlist body;
    bool has_generation;
};

/* Whether a character is white space to Python's str. */
bool ts_jinja_is_space(uint32_t c);
/* text [n]: begin and end of what is left when white space at both ends is dropped. */
size_t ts_jinja_skip_space(const char *s, size_t at, size_t n);
size_t ts_jinja_back_space(const char *s, size_t at, size_t n);

/* "NAME:LINE: TemplateSyntaxError: what". */
ts_status ts_jinja_syntax(const ts_jinja *t, int line, const char *fmt, ...) TS_PRINTF(3, 4);

/* Cuts a text into tokens, the last of which is TS_JT_EOF; free them; what they
 * point to lives in the template's arena. */
ts_status ts_jinja_lex(ts_jinja *t, const char *text, size_t n, ts_jtok **out) TS_NODISCARD;

/* Number of a filter or test, -1: there is none. */
int ts_jinja_filter_id(const char *name, size_t n);
int ts_jinja_test_id(const char *name, size_t n);
#endif
