/* Expressions: Jinja2's grammar, level by level. */
#include "text/jinja/parser.h"

#include <stdio.h>
#include <string.h>

static ts_status parse_or(ts_jparser *p, ts_jnode **out);
static ts_status parse_unary(ts_jparser *p, bool with_filter, ts_jnode **out);

static ts_status binary(ts_jparser *p, ts_jkind kind, int line, ts_jnode *left, ts_jnode *right,
                        ts_jnode **out)
{
    TS_TRY(ts_jparser_node(p, kind, line, out));
    (*out)->a = left;
    (*out)->b = right;
    return TS_OK;
}

static bool is_tuple_end(const ts_jparser *p, const char *end)
{
    const ts_jtok *t = p->at;
    return t->kind == TS_JT_VAR_END || t->kind == TS_JT_BLOCK_END || ts_jparser_is_op(t, ")") ||
           (end && ts_jparser_is_name(t, end));
}

static ts_status parse_constant(ts_jparser *p, ts_jnode **out)
{
    const ts_jtok *tok = p->at++;
    TS_TRY(ts_jparser_node(p, TS_JN_CONST, tok->line, out));
    (*out)->value = *tok;
    if (tok->kind != TS_JT_STRING || p->at->kind != TS_JT_STRING)
        return TS_OK;
    size_t n = 0, k = 0;
    char *s;
    for (const ts_jtok *t = tok; t->kind == TS_JT_STRING; t++)
        n += t->n;
    TS_TRY(ts_arena_alloc(&p->t->arena, n + 1, &s));
    for (const ts_jtok *t = tok; t->kind == TS_JT_STRING; p->at = ++t) {
        memcpy(s + k, t->s, t->n);
        k += t->n;
    }
    (*out)->value.s = s;
    (*out)->value.n = n;
    return TS_OK;
}

/* true, none and the like are constants; so is the kind of the token then: a name. */
static ts_status parse_name(ts_jparser *p, bool with_namespace, ts_jnode **out)
{
    static const char *const constant[] = { "true", "True", "false", "False", "none", "None" };
    const ts_jtok *tok = p->at++;
    for (int i = 0; i < 6; i++) {
        if (!ts_jparser_is_name(tok, constant[i]))
            continue;
        TS_TRY(ts_jparser_node(p, TS_JN_CONST, tok->line, out));
        (*out)->value = *tok;
        (*out)->id = i < 4; /* a boolean */
        (*out)->flag = i < 2;
        return TS_OK;
    }
    TS_TRY(ts_jparser_name_node(p, tok, out));
    if (with_namespace && ts_jparser_skip_op(p, ".")) {
        const ts_jtok *attribute;
        TS_TRY(ts_jparser_expect_name(p, &attribute));
        (*out)->kind = TS_JN_NSREF;
        (*out)->value = *attribute;
        return TS_OK;
    }
    p->uses |= ts_jparser_is_name(tok, "caller")    ? TS_JUSE_CALLER
               : ts_jparser_is_name(tok, "kwargs")  ? TS_JUSE_KWARGS
               : ts_jparser_is_name(tok, "varargs") ? TS_JUSE_VARARGS
                                                    : 0u;
    return TS_OK;
}

static ts_status parse_list(ts_jparser *p, ts_jnode **out)
{
    TS_TRY(ts_jparser_node(p, TS_JN_LIST, p->at->line, out));
    p->at++;
    while (!ts_jparser_is_op(p->at, "]")) {
        ts_jnode *item;
        if ((*out)->list.n)
            TS_TRY(ts_jparser_expect_op(p, ","));
        if (ts_jparser_is_op(p->at, "]"))
            break;
        TS_TRY(ts_jparse_expression(p, false, &item));
        TS_TRY(ts_jparser_push(p, &(*out)->list, item));
    }
    return ts_jparser_expect_op(p, "]");
}

static ts_status parse_dict(ts_jparser *p, ts_jnode **out)
{
    TS_TRY(ts_jparser_node(p, TS_JN_DICT, p->at->line, out));
    p->at++;
    while (!ts_jparser_is_op(p->at, "}")) {
        ts_jnode *item;
        if ((*out)->list.n)
            TS_TRY(ts_jparser_expect_op(p, ","));
        if (ts_jparser_is_op(p->at, "}"))
            break;
        TS_TRY(ts_jparse_expression(p, false, &item));
        TS_TRY(ts_jparser_push(p, &(*out)->list, item));
        TS_TRY(ts_jparser_expect_op(p, ":"));
        TS_TRY(ts_jparse_expression(p, false, &item));
        TS_TRY(ts_jparser_push(p, &(*out)->list, item));
    }
    return ts_jparser_expect_op(p, "}");
}

static ts_status parse_primary(ts_jparser *p, bool with_namespace, ts_jnode **out)
{
    const ts_jtok *tok = p->at;
    if (tok->kind == TS_JT_NAME)
        return parse_name(p, with_namespace, out);
    if (tok->kind == TS_JT_STRING || tok->kind == TS_JT_INT || tok->kind == TS_JT_FLOAT)
        return parse_constant(p, out);
    if (ts_jparser_is_op(tok, "(")) {
        p->at++;
        TS_TRY(ts_jparse_tuple(p, false, true, NULL, out));
        return ts_jparser_expect_op(p, ")");
    }
    if (ts_jparser_is_op(tok, "["))
        return parse_list(p, out);
    if (ts_jparser_is_op(tok, "{"))
        return parse_dict(p, out);
    return ts_jparser_unexpected(p, "an expression");
}

static bool is_subscript_end(const ts_jparser *p)
{
    return ts_jparser_is_op(p->at, "]") || ts_jparser_is_op(p->at, ",");
}

/* a, or a:b:c with each of them left out or not */
static ts_status parse_subscribed(ts_jparser *p, ts_jnode **out)
{
    ts_jnode *part[3] = { 0 };
    const int line = p->at->line;
    if (!ts_jparser_is_op(p->at, ":")) {
        TS_TRY(ts_jparse_expression(p, false, &part[0]));
        if (!ts_jparser_is_op(p->at, ":")) {
            *out = part[0];
            return TS_OK;
        }
    }
    p->at++;
    if (!ts_jparser_is_op(p->at, ":") && !is_subscript_end(p))
        TS_TRY(ts_jparse_expression(p, false, &part[1]));
    if (ts_jparser_skip_op(p, ":") && !is_subscript_end(p))
        TS_TRY(ts_jparse_expression(p, false, &part[2]));
    TS_TRY(binary(p, TS_JN_SLICE, line, part[0], part[1], out));
    (*out)->c = part[2];
    return TS_OK;
}

static ts_status parse_brackets(ts_jparser *p, ts_jnode *value, ts_jnode **out)
{
    const int line = p->at++->line;
    ts_jnode *arg = NULL, *tuple;
    TS_TRY(ts_jparser_node(p, TS_JN_TUPLE, line, &tuple));
    while (!ts_jparser_is_op(p->at, "]")) {
        if (tuple->list.n)
            TS_TRY(ts_jparser_expect_op(p, ","));
        TS_TRY(parse_subscribed(p, &arg));
        TS_TRY(ts_jparser_push(p, &tuple->list, arg));
    }
    p->at++;
    return binary(p, TS_JN_ITEM, line, value, tuple->list.n == 1 ? arg : tuple, out);
}

static ts_status parse_dot(ts_jparser *p, ts_jnode *value, ts_jnode **out)
{
    const int line = p->at++->line;
    const ts_jtok *tok = p->at;
    if (tok->kind == TS_JT_INT) {
        ts_jnode *index;
        TS_TRY(parse_constant(p, &index));
        return binary(p, TS_JN_ITEM, line, value, index, out);
    }
    if (tok->kind != TS_JT_NAME)
        return ts_jparser_unexpected(p, "a name or number");
    p->at++;
    TS_TRY(binary(p, TS_JN_ATTR, line, value, NULL, out));
    (*out)->value = *tok;
    return TS_OK;
}

static ts_status parse_call(ts_jparser *p, ts_jnode *value, ts_jnode **out)
{
    ts_jargs *args;
    const int line = p->at->line;
    TS_TRY(ts_jparse_args(p, &args));
    TS_TRY(binary(p, TS_JN_CALL, line, value, NULL, out));
    (*out)->args = args;
    return TS_OK;
}

static ts_status parse_postfix(ts_jparser *p, ts_jnode **io)
{
    for (;;) {
        if (ts_jparser_is_op(p->at, "."))
            TS_TRY(parse_dot(p, *io, io));
        else if (ts_jparser_is_op(p->at, "["))
            TS_TRY(parse_brackets(p, *io, io));
        else if (ts_jparser_is_op(p->at, "("))
            TS_TRY(parse_call(p, *io, io));
        else
            return TS_OK;
    }
}

/* A filter or test that there is not: refused at once, or, in a branch, when it is reached. */
static void note_unknown(ts_jparser *p, const char *what, const ts_jnode *n)
{
    if (n->id >= 0 || p->soft || p->unknown_line)
        return;
    p->unknown_line = n->line;
    snprintf(p->unknown, sizeof p->unknown, "No %s named '%.*s'.", what,
             (int)(n->value.n < 100 ? n->value.n : 100), n->value.s);
}

static ts_status parse_dotted(ts_jparser *p, ts_jtok *out)
{
    const ts_jtok *tok;
    TS_TRY(ts_jparser_expect_name(p, &tok));
    *out = *tok;
    while (ts_jparser_skip_op(p, ".")) {
        TS_TRY(ts_jparser_expect_name(p, &tok));
        char *s;
        const size_t n = out->n + 1 + tok->n;
        TS_TRY(ts_arena_alloc(&p->t->arena, n + 1, &s));
        memcpy(s, out->s, out->n);
        s[out->n] = '.';
        memcpy(s + out->n + 1, tok->s, tok->n);
        out->s = s;
        out->n = n;
    }
    return TS_OK;
}

ts_status ts_jparse_filters(ts_jparser *p, ts_jnode *value, bool is_begun, ts_jnode **out)
{
    *out = value;
    while (is_begun || ts_jparser_is_op(p->at, "|")) {
        ts_jnode *n;
        p->at += !is_begun;
        is_begun = false;
        TS_TRY(binary(p, TS_JN_FILTER, p->at->line, *out, NULL, &n));
        TS_TRY(parse_dotted(p, &n->value));
        n->id = ts_jinja_filter_id(n->value.s, n->value.n);
        note_unknown(p, "filter", n);
        if (ts_jparser_is_op(p->at, "("))
            TS_TRY(ts_jparse_args(p, &n->args));
        *out = n;
    }
    return TS_OK;
}

/* A test may have one argument without brackets. */
static bool begins_test_arg(const ts_jtok *t)
{
    return (t->kind == TS_JT_NAME || t->kind == TS_JT_STRING || t->kind == TS_JT_INT ||
            t->kind == TS_JT_FLOAT || ts_jparser_is_op(t, "[") || ts_jparser_is_op(t, "{")) &&
           !ts_jparser_is_name(t, "else") && !ts_jparser_is_name(t, "or") &&
           !ts_jparser_is_name(t, "and");
}

static ts_status parse_test(ts_jparser *p, ts_jnode *value, ts_jnode **out)
{
    const int line = p->at++->line;
    const bool is_negated = ts_jparser_skip_name(p, "not");
    ts_jnode *n;
    TS_TRY(binary(p, TS_JN_TEST, line, value, NULL, &n));
    TS_TRY(parse_dotted(p, &n->value));
    n->id = ts_jinja_test_id(n->value.s, n->value.n);
    note_unknown(p, "test", n);
    if (ts_jparser_is_op(p->at, "(")) {
        TS_TRY(ts_jparse_args(p, &n->args));
    } else if (begins_test_arg(p->at)) {
        ts_jnode *arg;
        if (ts_jparser_is_name(p->at, "is"))
            return ts_jinja_syntax(p->t, p->at->line, "You cannot chain multiple tests with is");
        TS_TRY(parse_primary(p, false, &arg));
        TS_TRY(parse_postfix(p, &arg));
        TS_TRY(ts_arena_alloc(&p->t->arena, sizeof *n->args, &n->args));
        TS_TRY(ts_jparser_push(p, &n->args->pos, arg));
    }
    *out = n;
    return is_negated ? binary(p, TS_JN_NOT, line, n, NULL, out) : TS_OK;
}

static ts_status parse_filter_expr(ts_jparser *p, ts_jnode **io)
{
    for (;;) {
        if (ts_jparser_is_op(p->at, "|"))
            TS_TRY(ts_jparse_filters(p, *io, false, io));
        else if (ts_jparser_is_name(p->at, "is"))
            TS_TRY(parse_test(p, *io, io));
        else if (ts_jparser_is_op(p->at, "("))
            TS_TRY(parse_call(p, *io, io));
        else
            return TS_OK;
    }
}

static ts_status parse_unary(ts_jparser *p, bool with_filter, ts_jnode **out)
{
    const int line = p->at->line;
    const bool is_negative = ts_jparser_is_op(p->at, "-");
    TS_TRY(ts_jparser_enter(p));
    if (is_negative || ts_jparser_is_op(p->at, "+")) {
        ts_jnode *value;
        p->at++;
        TS_TRY(parse_unary(p, false, &value));
        TS_TRY(binary(p, is_negative ? TS_JN_NEG : TS_JN_POS, line, value, NULL, out));
    } else {
        TS_TRY(parse_primary(p, false, out));
    }
    TS_TRY(parse_postfix(p, out));
    if (with_filter)
        TS_TRY(parse_filter_expr(p, out));
    ts_jparser_leave(p);
    return TS_OK;
}

typedef struct operator_row {
    const char *text;
    ts_jop op;
} operator_row;

static const operator_row products[] = {
    { "*", TS_JO_MUL }, { "/", TS_JO_DIV }, { "//", TS_JO_FLOORDIV }, { "%", TS_JO_MOD }, { NULL, 0 },
};
static const operator_row sums[] = { { "+", TS_JO_ADD }, { "-", TS_JO_SUB }, { NULL, 0 } };
static const operator_row powers[] = { { "**", TS_JO_POW }, { NULL, 0 } };
static const operator_row comparisons[] = {
    { "==", TS_JO_EQ }, { "!=", TS_JO_NE }, { "<", TS_JO_LT }, { "<=", TS_JO_LE },
    { ">", TS_JO_GT },  { ">=", TS_JO_GE }, { NULL, 0 },
};

static bool skip_operator(ts_jparser *p, const operator_row *rows, ts_jop *op)
{
    for (; rows->text; rows++) {
        if (ts_jparser_skip_op(p, rows->text)) {
            *op = rows->op;
            return true;
        }
    }
    return false;
}

static ts_status arith(ts_jparser *p, ts_jop op, int line, ts_jnode *right, ts_jnode **io)
{
    TS_TRY(binary(p, TS_JN_ARITH, line, *io, right, io));
    (*io)->op = op;
    return TS_OK;
}

static ts_status parse_pow(ts_jparser *p, ts_jnode **out)
{
    ts_jop op;
    ts_jnode *right;
    int line = p->at->line;
    TS_TRY(parse_unary(p, true, out));
    while (skip_operator(p, powers, &op)) {
        TS_TRY(parse_unary(p, true, &right));
        TS_TRY(arith(p, op, line, right, out));
        line = p->at->line;
    }
    return TS_OK;
}

static ts_status parse_math2(ts_jparser *p, ts_jnode **out)
{
    ts_jop op;
    ts_jnode *right;
    int line = p->at->line;
    TS_TRY(parse_pow(p, out));
    while (skip_operator(p, products, &op)) {
        TS_TRY(parse_pow(p, &right));
        TS_TRY(arith(p, op, line, right, out));
        line = p->at->line;
    }
    return TS_OK;
}

static ts_status parse_concat(ts_jparser *p, ts_jnode **out)
{
    ts_jnode *first, *next;
    const int line = p->at->line;
    TS_TRY(parse_math2(p, &first));
    *out = first;
    if (!ts_jparser_is_op(p->at, "~"))
        return TS_OK;
    TS_TRY(ts_jparser_node(p, TS_JN_CONCAT, line, out));
    TS_TRY(ts_jparser_push(p, &(*out)->list, first));
    while (ts_jparser_skip_op(p, "~")) {
        TS_TRY(parse_math2(p, &next));
        TS_TRY(ts_jparser_push(p, &(*out)->list, next));
    }
    return TS_OK;
}

static ts_status parse_math1(ts_jparser *p, ts_jnode **out)
{
    ts_jop op;
    ts_jnode *right;
    int line = p->at->line;
    TS_TRY(parse_concat(p, out));
    while (skip_operator(p, sums, &op)) {
        TS_TRY(parse_concat(p, &right));
        TS_TRY(arith(p, op, line, right, out));
        line = p->at->line;
    }
    return TS_OK;
}

static bool skip_comparison(ts_jparser *p, ts_jop *op)
{
    if (skip_operator(p, comparisons, op))
        return true;
    const bool is_not = ts_jparser_is_name(p->at, "not") && ts_jparser_is_name(p->at + 1, "in");
    if (!is_not && !ts_jparser_is_name(p->at, "in"))
        return false;
    p->at += is_not ? 2 : 1;
    *op = is_not ? TS_JO_NOT_IN : TS_JO_IN;
    return true;
}

static ts_status parse_compare(ts_jparser *p, ts_jnode **out)
{
    ts_jop op;
    ts_jnode *value, *right;
    const int line = p->at->line;
    TS_TRY(parse_math1(p, &value));
    *out = value;
    while (skip_comparison(p, &op)) {
        if (*out == value)
            TS_TRY(binary(p, TS_JN_COMPARE, line, value, NULL, out));
        TS_TRY(parse_math1(p, &right));
        ts_jnode *n = *out;
        ts_jop *ops;
        TS_TRY(ts_arena_alloc(&p->t->arena, (n->list.n + 1) * sizeof *ops, &ops));
        if (n->list.n)
            memcpy(ops, n->ops, n->list.n * sizeof *ops);
        ops[n->list.n] = op;
        n->ops = ops;
        TS_TRY(ts_jparser_push(p, &n->list, right));
    }
    return TS_OK;
}

static ts_status parse_not(ts_jparser *p, ts_jnode **out)
{
    const int line = p->at->line;
    if (!ts_jparser_skip_name(p, "not"))
        return parse_compare(p, out);
    ts_jnode *value;
    TS_TRY(ts_jparser_enter(p));
    TS_TRY(parse_not(p, &value));
    ts_jparser_leave(p);
    return binary(p, TS_JN_NOT, line, value, NULL, out);
}

static ts_status parse_and(ts_jparser *p, ts_jnode **out)
{
    ts_jnode *right;
    TS_TRY(parse_not(p, out));
    for (int line = p->at->line; ts_jparser_skip_name(p, "and"); line = p->at->line) {
        TS_TRY(parse_not(p, &right));
        TS_TRY(binary(p, TS_JN_AND, line, *out, right, out));
    }
    return TS_OK;
}

static ts_status parse_or(ts_jparser *p, ts_jnode **out)
{
    ts_jnode *right;
    TS_TRY(parse_and(p, out));
    for (int line = p->at->line; ts_jparser_skip_name(p, "or"); line = p->at->line) {
        TS_TRY(parse_and(p, &right));
        TS_TRY(binary(p, TS_JN_OR, line, *out, right, out));
    }
    return TS_OK;
}

static ts_status parse_condition(ts_jparser *p, ts_jnode **out)
{
    const bool was_soft = p->soft;
    const int unknown_before = p->unknown_line;
    int line = p->at->line;
    TS_TRY(parse_or(p, out));
    while (ts_jparser_skip_name(p, "if")) {
        ts_jnode *test, *other = NULL;
        p->unknown_line = unknown_before; /* what was read is a branch */
        p->soft = true;
        TS_TRY(parse_or(p, &test));
        if (ts_jparser_skip_name(p, "else"))
            TS_TRY(parse_condition(p, &other));
        TS_TRY(binary(p, TS_JN_COND, line, test, *out, out));
        (*out)->c = other;
        line = p->at->line;
    }
    p->soft = was_soft;
    return TS_OK;
}

ts_status ts_jparse_expression(ts_jparser *p, bool no_cond, ts_jnode **out)
{
    TS_TRY(ts_jparser_enter(p));
    if (no_cond)
        TS_TRY(parse_or(p, out));
    else
        TS_TRY(parse_condition(p, out));
    ts_jparser_leave(p);
    return TS_OK;
}

/* with_namespace: only names and attributes of namespaces are read, as in targets. */
static ts_status parse_items(ts_jparser *p, bool is_target, bool with_namespace, bool no_cond,
                             bool in_brackets, const char *end, ts_jnode **out)
{
    ts_jnode *tuple, *item = NULL;
    bool is_tuple = false;
    TS_TRY(ts_jparser_node(p, TS_JN_TUPLE, p->at->line, &tuple));
    for (;;) {
        if (tuple->list.n)
            TS_TRY(ts_jparser_expect_op(p, ","));
        if (is_tuple_end(p, end))
            break;
        if (is_target)
            TS_TRY(parse_primary(p, with_namespace, &item));
        else
            TS_TRY(ts_jparse_expression(p, no_cond, &item));
        TS_TRY(ts_jparser_push(p, &tuple->list, item));
        if (!ts_jparser_is_op(p->at, ","))
            break;
        is_tuple = true;
    }
    if (!is_tuple && !tuple->list.n && !in_brackets)
        return ts_jparser_unexpected(p, "an expression");
    *out = is_tuple || !item ? tuple : item;
    return TS_OK;
}

ts_status ts_jparse_tuple(ts_jparser *p, bool no_cond, bool in_brackets, const char *end, ts_jnode **out)
{
    return parse_items(p, false, false, no_cond, in_brackets, end, out);
}

static bool can_assign(const ts_jnode *n, bool *has_loop)
{
    *has_loop |= n->kind == TS_JN_NAME && ts_jparser_is_name(&n->value, "loop");
    if (n->kind != TS_JN_TUPLE)
        return n->kind == TS_JN_NAME || n->kind == TS_JN_NSREF;
    for (size_t i = 0; i < n->list.n; i++)
        if (!can_assign(n->list.v[i], has_loop))
            return false;
    return true;
}

ts_status ts_jparse_target(ts_jparser *p, bool with_tuple, bool with_namespace, const char *end,
                           ts_jnode **out)
{
    const unsigned uses = p->uses;
    if (with_tuple)
        TS_TRY(parse_items(p, true, with_namespace, false, false, end, out));
    else
        TS_TRY(parse_primary(p, with_namespace, out));
    p->uses = uses; /* names that are written are not read */
    bool has_loop = false;
    if (!can_assign(*out, &has_loop))
        return ts_jinja_syntax(p->t, (*out)->line, "can't assign to what stands there");
    if (has_loop && p->fors)
        return ts_error(TS_ERR_USER, "%s:%d: TemplateAssertionError: Can't assign to special loop variable",
                        p->t->name, (*out)->line);
    return TS_OK;
}
