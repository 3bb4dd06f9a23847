/* The parser's state; statements are read in parse.c, expressions in parse_expr.c. */
#ifndef TS_TEXT_JINJA_PARSER_H
#define TS_TEXT_JINJA_PARSER_H
#include "text/jinja/ast.h"

typedef struct ts_jparser {
    ts_jinja *t;
    const ts_jtok *at;
    int depth;
    int loops;       /* loops around, within the innermost macro */
    unsigned uses;   /* TS_JUSE_* of what was read so far */
    int fors;        /* loops around, macros or not */
    bool soft;       /* within a branch: an unknown filter is an error only when it is reached */
    int unknown_line; /* of an unknown filter or test outside of branches; 0: none */
    char unknown[160];
    const char **blocks; /* [n_blocks] names of {% block %} */
    size_t n_blocks, cap_blocks;
} ts_jparser;

/* Goes one level down, or fails; ts_jparser_leave comes back. */
ts_status ts_jparser_enter(ts_jparser *p) TS_NODISCARD;
static inline void ts_jparser_leave(ts_jparser *p) { p->depth--; }

ts_status ts_jparser_node(ts_jparser *p, ts_jkind kind, int line, ts_jnode **out) TS_NODISCARD;
/* Appends to a list in the template's arena. */
ts_status ts_jparser_push(ts_jparser *p, ts_jlist *list, ts_jnode *node) TS_NODISCARD;
ts_status ts_jparser_name_node(ts_jparser *p, const ts_jtok *name, ts_jnode **out) TS_NODISCARD;
ts_status ts_jparser_text(ts_jparser *p, const ts_jtok *tok, const char **out) TS_NODISCARD;

bool ts_jparser_is_op(const ts_jtok *tok, const char *op);
bool ts_jparser_is_name(const ts_jtok *tok, const char *name);
/* Passes over the token if it is that one. */
bool ts_jparser_skip_op(ts_jparser *p, const char *op);
bool ts_jparser_skip_name(ts_jparser *p, const char *name);
ts_status ts_jparser_expect_op(ts_jparser *p, const char *op) TS_NODISCARD;
ts_status ts_jparser_expect_name(ts_jparser *p, const ts_jtok **out) TS_NODISCARD;
ts_status ts_jparser_unexpected(ts_jparser *p, const char *wanted) TS_NODISCARD;

/* Expressions. no_cond: without "a if b else c". */
ts_status ts_jparse_expression(ts_jparser *p, bool no_cond, ts_jnode **out) TS_NODISCARD;
/* Expressions with commas between them are a tuple. end: a name that ends it, or NULL. */
ts_status ts_jparse_tuple(ts_jparser *p, bool no_cond, bool in_brackets, const char *end,
                          ts_jnode **out) TS_NODISCARD;
/* What can be assigned to. end as above. */
ts_status ts_jparse_target(ts_jparser *p, bool with_tuple, bool with_namespace, const char *end,
                           ts_jnode **out) TS_NODISCARD;
/* (a, b, name=c, *d, **e) */
ts_status ts_jparse_args(ts_jparser *p, ts_jargs **out) TS_NODISCARD;
/* name(args) | name(args) ... behind "|"; the first one without a bar where is_begun. */
ts_status ts_jparse_filters(ts_jparser *p, ts_jnode *value, bool is_begun, ts_jnode **out) TS_NODISCARD;
#endif
