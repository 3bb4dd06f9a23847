/* The arguments of calls, filters and tests. */
#include "text/jinja/parser.h"

#include <string.h>

static ts_status bad_call(ts_jparser *p, int line)
{
    return ts_jinja_syntax(p->t, line, "invalid syntax for function call expression");
}

static ts_status parse_named_arg(ts_jparser *p, ts_jargs *a, int line)
{
    const char *name;
    ts_jnode *value;
    if (a->star_star)
        return bad_call(p, line);
    TS_TRY(ts_jparser_text(p, p->at, &name));
    p->at += 2;
    TS_TRY(ts_jparse_expression(p, false, &value));
    const size_t n = a->named.n;
    for (size_t i = 0; i < n; i++)
        if (!strcmp(a->names[i], name))
            return ts_jinja_syntax(p->t, line, "keyword argument repeated: %s", name);
    TS_TRY(ts_jparser_push(p, &a->named, value));
    const char **names;
    TS_TRY(ts_arena_alloc(&p->t->arena, (n + 1) * sizeof *names, &names));
    if (n)
        memcpy(names, a->names, n * sizeof *names);
    names[n] = name;
    a->names = names;
    return TS_OK;
}

static ts_status parse_one_arg(ts_jparser *p, ts_jargs *a, int line)
{
    ts_jnode *value;
    if (ts_jparser_skip_op(p, "*")) {
        if (a->star || a->star_star)
            return bad_call(p, line);
        TS_TRY(ts_jparse_expression(p, false, &value));
        a->star = value;
    } else if (ts_jparser_skip_op(p, "**")) {
        if (a->star_star)
            return bad_call(p, line);
        TS_TRY(ts_jparse_expression(p, false, &value));
        a->star_star = value;
    } else if (p->at->kind == TS_JT_NAME && ts_jparser_is_op(p->at + 1, "=")) {
        TS_TRY(parse_named_arg(p, a, line));
    } else {
        if (a->star || a->star_star || a->named.n)
            return bad_call(p, line);
        TS_TRY(ts_jparse_expression(p, false, &value));
        TS_TRY(ts_jparser_push(p, &a->pos, value));
    }
    return TS_OK;
}

ts_status ts_jparse_args(ts_jparser *p, ts_jargs **out)
{
    const int line = p->at->line;
    TS_TRY(ts_arena_alloc(&p->t->arena, sizeof **out, out));
    TS_TRY(ts_jparser_expect_op(p, "("));
    for (bool more = false; !ts_jparser_is_op(p->at, ")"); more = true) {
        if (more) {
            TS_TRY(ts_jparser_expect_op(p, ","));
            if (ts_jparser_is_op(p->at, ")"))
                break;
        }
        TS_TRY(parse_one_arg(p, *out, line));
    }
    return ts_jparser_expect_op(p, ")");
}
