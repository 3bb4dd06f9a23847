/* Statements, and the parser's own tools. */
#include "base/file.h"
#include "text/jinja/parser.h"
#include "text/unicode.h"

#include <string.h>

ts_status ts_jparser_enter(ts_jparser *p)
{
    if (p->depth >= TS_JINJA_NESTING)
        return ts_jinja_syntax(p->t, p->at->line, "nested deeper than %d", TS_JINJA_NESTING);
    p->depth++;
    return TS_OK;
}

ts_status ts_jparser_node(ts_jparser *p, ts_jkind kind, int line, ts_jnode **out)
{
    ts_jnode *n;
    TS_TRY(ts_arena_alloc(&p->t->arena, sizeof *n, &n));
    n->kind = kind;
    n->line = line;
    *out = n;
    return TS_OK;
}

ts_status ts_jparser_push(ts_jparser *p, ts_jlist *list, ts_jnode *node)
{
    if (list->n == list->cap) {
        ts_jnode **v;
        const size_t cap = list->cap ? list->cap * 2 : 4;
        TS_TRY(ts_arena_alloc(&p->t->arena, cap * sizeof *v, &v));
        if (list->n)
            memcpy(v, list->v, list->n * sizeof *v);
        list->v = v;
        list->cap = cap;
    }
    list->v[list->n++] = node;
    return TS_OK;
}

ts_status ts_jparser_text(ts_jparser *p, const ts_jtok *tok, const char **out)
{
    char *s;
    TS_TRY(ts_arena_alloc(&p->t->arena, tok->n + 1, &s));
    memcpy(s, tok->s, tok->n);
    *out = s;
    return TS_OK;
}

ts_status ts_jparser_name_node(ts_jparser *p, const ts_jtok *name, ts_jnode **out)
{
    ts_jinja *t = p->t;
    TS_TRY(ts_jparser_node(p, TS_JN_NAME, name->line, out));
    (*out)->value = *name;
    for (size_t i = 0; i < t->n_names; i++) {
        if (strlen(t->names[i]) == name->n && !memcmp(t->names[i], name->s, name->n)) {
            (*out)->id = (int)i;
            return TS_OK;
        }
    }
    TS_TRY(ts_grow(&t->names, &t->cap_names, t->n_names + 1, sizeof *t->names));
    TS_TRY(ts_jparser_text(p, name, &t->names[t->n_names]));
    (*out)->id = (int)t->n_names++;
    return TS_OK;
}

bool ts_jparser_is_op(const ts_jtok *tok, const char *op)
{
    return tok->kind == TS_JT_OP && tok->n == strlen(op) && !memcmp(tok->s, op, tok->n);
}

bool ts_jparser_is_name(const ts_jtok *tok, const char *name)
{
    return tok->kind == TS_JT_NAME && tok->n == strlen(name) && !memcmp(tok->s, name, tok->n);
}

bool ts_jparser_skip_op(ts_jparser *p, const char *op)
{
    const bool is = ts_jparser_is_op(p->at, op);
    p->at += is;
    return is;
}

bool ts_jparser_skip_name(ts_jparser *p, const char *name)
{
    const bool is = ts_jparser_is_name(p->at, name);
    p->at += is;
    return is;
}

ts_status ts_jparser_unexpected(ts_jparser *p, const char *wanted)
{
    static const char *const kinds[] = {
        [TS_JT_EOF] = "the end of the template", [TS_JT_DATA] = "text",
        [TS_JT_BLOCK_BEGIN] = "'{%'",            [TS_JT_BLOCK_END] = "the end of the tag",
        [TS_JT_VAR_BEGIN] = "'{{'",              [TS_JT_VAR_END] = "'}}'",
        [TS_JT_STRING] = "a string",             [TS_JT_INT] = "a number",
        [TS_JT_FLOAT] = "a number",
    };
    const ts_jtok *t = p->at;
    if (t->kind == TS_JT_NAME || t->kind == TS_JT_OP)
        return ts_jinja_syntax(p->t, t->line, "expected %s, got '%.*s'", wanted,
                               (int)(t->n < 60 ? t->n : 60), t->s);
    return ts_jinja_syntax(p->t, t->line, "expected %s, got %s", wanted, kinds[t->kind]);
}

ts_status ts_jparser_expect_op(ts_jparser *p, const char *op)
{
    char wanted[8] = "''";
    if (ts_jparser_skip_op(p, op))
        return TS_OK;
    memcpy(wanted + 1, op, strlen(op));
    wanted[1 + strlen(op)] = '\'';
    return ts_jparser_unexpected(p, wanted);
}

ts_status ts_jparser_expect_name(ts_jparser *p, const ts_jtok **out)
{
    if (p->at->kind != TS_JT_NAME)
        return ts_jparser_unexpected(p, "a name");
    *out = p->at++;
    return TS_OK;
}

static ts_status expect(ts_jparser *p, ts_jtok_kind kind, const char *what)
{
    if (p->at->kind != kind)
        return ts_jparser_unexpected(p, what);
    p->at++;
    return TS_OK;
}

/* Words that end a body, ended by NULL. */
typedef const char *const *ends;

static ts_status parse_body(ts_jparser *p, ends end, ts_jlist *out);

/* The rest of the tag, the body, and "{% word" of what ends it; *which is its number. */
static ts_status parse_statements(ts_jparser *p, ends end, ts_jlist *out, int *which)
{
    const int line = p->at->line;
    (void)ts_jparser_skip_op(p, ":");
    TS_TRY(expect(p, TS_JT_BLOCK_END, "the end of the tag"));
    TS_TRY(ts_jparser_enter(p));
    TS_TRY(parse_body(p, end, out));
    ts_jparser_leave(p);
    if (p->at->kind == TS_JT_EOF)
        return ts_jinja_syntax(p->t, line, "Unexpected end of template: a tag is not closed by '%s'",
                               end[0]);
    for (*which = 0; !ts_jparser_skip_name(p, end[*which]); ++*which)
        ;
    return TS_OK;
}

/* A body that one word ends, with a scope of its own as far as unknown filters go. */
static ts_status parse_block_body(ts_jparser *p, const char *word, ts_jlist *out)
{
    const char *const end[] = { word, NULL };
    const bool was_soft = p->soft;
    int which;
    p->soft = false;
    TS_TRY(parse_statements(p, end, out, &which));
    p->soft = was_soft;
    return TS_OK;
}

static ts_status parse_if(ts_jparser *p, ts_jnode **out)
{
    static const char *const end[] = { "endif", "else", "elif", NULL }, *const last[] = { "endif", NULL };
    const bool was_soft = p->soft;
    int which;
    p->soft = true;
    TS_TRY(ts_jparser_node(p, TS_JN_IF, p->at->line, out));
    ts_jnode *n = *out, *cond;
    for (;;) {
        TS_TRY(ts_jparse_tuple(p, true, false, NULL, &cond));
        n->a = cond;
        TS_TRY(parse_statements(p, end, &n->body, &which));
        if (which != 2)
            break;
        ts_jnode *elif;
        TS_TRY(ts_jparser_node(p, TS_JN_IF, p->at->line, &elif));
        TS_TRY(ts_jparser_push(p, &n->other, elif));
        n = elif;
    }
    if (which == 1)
        TS_TRY(parse_statements(p, last, &n->other, &which));
    p->soft = was_soft;
    return TS_OK;
}

static ts_status parse_for(ts_jparser *p, ts_jnode **out)
{
    static const char *const end[] = { "endfor", "else", NULL };
    const bool was_soft = p->soft;
    int which;
    ts_jnode *target, *items, *test = NULL;
    TS_TRY(ts_jparser_node(p, TS_JN_FOR, p->at->line, out));
    ts_jnode *n = *out;
    p->fors++;
    TS_TRY(ts_jparse_target(p, true, false, "in", &target));
    if (!ts_jparser_skip_name(p, "in"))
        return ts_jparser_unexpected(p, "'in'");
    TS_TRY(ts_jparse_tuple(p, true, false, "recursive", &items));
    p->soft = false;
    if (ts_jparser_skip_name(p, "if"))
        TS_TRY(ts_jparse_expression(p, false, &test));
    n->target = target;
    n->a = items;
    n->b = test;
    n->flag = ts_jparser_skip_name(p, "recursive");
    p->loops++;
    TS_TRY(parse_statements(p, end, &n->body, &which));
    p->loops--;
    if (which == 1)
        TS_TRY(parse_block_body(p, "endfor", &n->other));
    p->fors--;
    p->soft = was_soft;
    return TS_OK;
}

static ts_status parse_set(ts_jparser *p, ts_jnode **out)
{
    ts_jnode *target, *value;
    TS_TRY(ts_jparser_node(p, TS_JN_SET, p->at->line, out));
    TS_TRY(ts_jparse_target(p, true, true, NULL, &target));
    (*out)->target = target;
    if (ts_jparser_skip_op(p, "=")) {
        TS_TRY(ts_jparse_tuple(p, false, false, NULL, &value));
        (*out)->a = value;
        return TS_OK;
    }
    (*out)->kind = TS_JN_SET_BLOCK;
    TS_TRY(ts_jparse_filters(p, NULL, false, &value));
    (*out)->a = value;
    return parse_block_body(p, "endset", &(*out)->body);
}

static ts_status parse_with(ts_jparser *p, ts_jnode **out)
{
    TS_TRY(ts_jparser_node(p, TS_JN_WITH, p->at->line, out));
    while (p->at->kind != TS_JT_BLOCK_END) {
        ts_jnode *target, *value;
        if ((*out)->list.n)
            TS_TRY(ts_jparser_expect_op(p, ","));
        TS_TRY(ts_jparse_target(p, true, false, NULL, &target));
        TS_TRY(ts_jparser_expect_op(p, "="));
        TS_TRY(ts_jparse_expression(p, false, &value));
        TS_TRY(ts_jparser_push(p, &(*out)->list, target));
        TS_TRY(ts_jparser_push(p, &(*out)->list, value));
    }
    return parse_block_body(p, "endwith", &(*out)->body);
}

static ts_status parse_signature(ts_jparser *p, ts_jmacro *m)
{
    TS_TRY(ts_jparser_expect_op(p, "("));
    while (!ts_jparser_is_op(p->at, ")")) {
        const ts_jtok *name = NULL;
        ts_jnode *param, *value;
        if (m->params.n)
            TS_TRY(ts_jparser_expect_op(p, ","));
        TS_TRY(ts_jparser_expect_name(p, &name));
        TS_TRY(ts_jparser_name_node(p, name, &param));
        for (size_t i = 0; i < m->params.n; i++)
            if (m->params.v[i]->id == param->id)
                return ts_jinja_syntax(p->t, name->line, "duplicate argument '%s'",
                                       p->t->names[param->id]);
        m->has_caller |= ts_jparser_is_name(name, "caller");
        if (ts_jparser_skip_op(p, "=")) {
            TS_TRY(ts_jparse_expression(p, false, &value));
            TS_TRY(ts_jparser_push(p, &m->defaults, value));
        } else if (m->defaults.n) {
            return ts_jinja_syntax(p->t, name->line, "non-default argument follows default argument");
        }
        TS_TRY(ts_jparser_push(p, &m->params, param));
    }
    p->at++;
    return TS_OK;
}

/* The body of a macro, to the word that ends it. */
static ts_status parse_macro_body(ts_jparser *p, ts_jmacro *m, const char *end)
{
    const unsigned uses = p->uses;
    const int loops = p->loops;
    p->uses = 0;
    p->loops = 0;
    TS_TRY(parse_block_body(p, end, &m->body));
    m->uses = p->uses;
    p->uses |= uses;
    p->loops = loops;
    return TS_OK;
}

static ts_status parse_macro(ts_jparser *p, ts_jnode **out)
{
    const ts_jtok *name = NULL;
    ts_jnode *n;
    const int line = p->at->line;
    TS_TRY(ts_jparser_expect_name(p, &name));
    TS_TRY(ts_jparser_name_node(p, name, &n));
    n->kind = TS_JN_MACRO;
    n->line = line;
    *out = n;
    TS_TRY(ts_arena_alloc(&p->t->arena, sizeof *n->macro, &n->macro));
    n->macro->name = p->t->names[n->id];
    TS_TRY(parse_signature(p, n->macro));
    TS_TRY(parse_macro_body(p, n->macro, "endmacro"));
    if (n->macro->has_caller) { /* Jinja2 wants a default for it */
        const size_t from = n->macro->params.n - n->macro->defaults.n;
        for (size_t i = 0; i < from && n->macro->uses & TS_JUSE_CALLER; i++)
            if (!strcmp(p->t->names[n->macro->params.v[i]->id], "caller"))
                return ts_jinja_syntax(p->t, line, "when defining macros or call blocks the special "
                                                   "\"caller\" argument must be omitted or be given "
                                                   "a default");
    }
    return TS_OK;
}

static ts_status parse_call_block(ts_jparser *p, ts_jnode **out)
{
    ts_jnode *call;
    TS_TRY(ts_jparser_node(p, TS_JN_CALL_BLOCK, p->at->line, out));
    ts_jnode *n = *out;
    TS_TRY(ts_arena_alloc(&p->t->arena, sizeof *n->macro, &n->macro));
    n->macro->name = "caller";
    if (ts_jparser_is_op(p->at, "("))
        TS_TRY(parse_signature(p, n->macro));
    TS_TRY(ts_jparse_expression(p, false, &call));
    if (call->kind != TS_JN_CALL)
        return ts_jinja_syntax(p->t, n->line, "expected call");
    n->a = call;
    return parse_macro_body(p, n->macro, "endcall");
}

static ts_status parse_generation(ts_jparser *p, ts_jnode **out)
{
    TS_TRY(ts_jparser_node(p, TS_JN_GENERATION, p->at->line, out));
    TS_TRY(ts_arena_alloc(&p->t->arena, sizeof *(*out)->macro, &(*out)->macro));
    p->t->has_generation = true;
    return parse_macro_body(p, (*out)->macro, "endgeneration");
}

static ts_status parse_filter_block(ts_jparser *p, ts_jnode **out)
{
    ts_jnode *filters;
    TS_TRY(ts_jparser_node(p, TS_JN_FILTER_BLOCK, p->at->line, out));
    TS_TRY(ts_jparse_filters(p, NULL, true, &filters));
    (*out)->a = filters;
    return parse_block_body(p, "endfilter", &(*out)->body);
}

static ts_status parse_block(ts_jparser *p, ts_jnode **out)
{
    const ts_jtok *name = NULL;
    const int loops = p->loops, line = p->at->line;
    TS_TRY(ts_jparser_node(p, TS_JN_BLOCK, line, out));
    TS_TRY(ts_jparser_expect_name(p, &name));
    TS_TRY(ts_grow(&p->blocks, &p->cap_blocks, p->n_blocks + 1, sizeof *p->blocks));
    TS_TRY(ts_jparser_text(p, name, &p->blocks[p->n_blocks]));
    for (size_t i = 0; i < p->n_blocks; i++)
        if (!strcmp(p->blocks[i], p->blocks[p->n_blocks]))
            return ts_error(TS_ERR_USER, "%s:%d: TemplateAssertionError: block '%.100s' defined twice",
                            p->t->name, line, p->blocks[i]);
    p->n_blocks++;
    (*out)->flag = ts_jparser_skip_name(p, "scoped");
    p->loops = 0;
    TS_TRY(parse_block_body(p, "endblock", &(*out)->body));
    p->loops = loops;
    if (p->at->kind == TS_JT_NAME && p->at->n == name->n && !memcmp(p->at->s, name->s, name->n))
        p->at++; /* the name once more */
    return TS_OK;
}

static ts_status parse_jump(ts_jparser *p, ts_jnode **out)
{
    const bool is_break = ts_jparser_is_name(p->at - 1, "break");
    if (!p->loops)
        return ts_jinja_syntax(p->t, p->at[-1].line, "'%s' outside loop",
                               is_break ? "break" : "continue");
    return ts_jparser_node(p, is_break ? TS_JN_BREAK : TS_JN_CONTINUE, p->at->line, out);
}

static ts_status parse_print(ts_jparser *p, ts_jnode **out)
{
    TS_TRY(ts_jparser_node(p, TS_JN_PRINT, p->at->line, out));
    while (p->at->kind != TS_JT_BLOCK_END) {
        ts_jnode *value;
        if ((*out)->list.n)
            TS_TRY(ts_jparser_expect_op(p, ","));
        TS_TRY(ts_jparse_expression(p, false, &value));
        TS_TRY(ts_jparser_push(p, &(*out)->list, value));
    }
    return TS_OK;
}

typedef ts_status (*statement)(ts_jparser *p, ts_jnode **out);
static const struct {
    const char *word;
    statement parse;
} statements[] = {
    { "if", parse_if },
    { "for", parse_for },
    { "set", parse_set },
    { "with", parse_with },
    { "macro", parse_macro },
    { "call", parse_call_block },
    { "generation", parse_generation },
    { "filter", parse_filter_block },
    { "block", parse_block },
    { "break", parse_jump },
    { "continue", parse_jump },
    { "print", parse_print },
};

static ts_status parse_statement(ts_jparser *p, ts_jnode **out)
{
    static const char *const left_out[] = { "include", "import", "from", "extends", "autoescape" };
    const ts_jtok *tok = p->at;
    if (tok->kind != TS_JT_NAME)
        return ts_jparser_unexpected(p, "the name of a tag");
    p->at++;
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
        if (ts_jparser_is_name(tok, statements[i].word))
            return statements[i].parse(p, out);
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        if (ts_jparser_is_name(tok, left_out[i]))
            return ts_jinja_syntax(p->t, tok->line, "the tag '%s' is not supported in a chat template",
                                   left_out[i]);
    return ts_jinja_syntax(p->t, tok->line, "Encountered unknown tag '%.*s'.",
                           (int)(tok->n < 60 ? tok->n : 60), tok->s);
}

static bool is_end(const ts_jparser *p, ends end)
{
    for (; end && *end; end++)
        if (ts_jparser_is_name(p->at, *end))
            return true;
    return false;
}

/* Up to the end of the template, or to a tag that begins with one of the words. */
static ts_status parse_body(ts_jparser *p, ends end, ts_jlist *out)
{
    while (p->at->kind != TS_JT_EOF) {
        const ts_jtok *tok = p->at++;
        ts_jnode *n, *value;
        if (tok->kind == TS_JT_DATA) {
            TS_TRY(ts_jparser_node(p, TS_JN_DATA, tok->line, &n));
            n->value = *tok;
        } else if (tok->kind == TS_JT_VAR_BEGIN) {
            TS_TRY(ts_jparser_node(p, TS_JN_PRINT, tok->line, &n));
            TS_TRY(ts_jparse_tuple(p, false, false, NULL, &value));
            TS_TRY(ts_jparser_push(p, &n->list, value));
            TS_TRY(expect(p, TS_JT_VAR_END, "'}}'"));
        } else {
            if (is_end(p, end))
                return TS_OK;
            TS_TRY(ts_jparser_enter(p));
            TS_TRY(parse_statement(p, &n));
            ts_jparser_leave(p);
            TS_TRY(expect(p, TS_JT_BLOCK_END, "the end of the tag"));
        }
        TS_TRY(ts_jparser_push(p, out, n));
    }
    return TS_OK;
}

static ts_status parse_template(ts_jinja *t, const char *text, size_t n)
{
    ts_jtok *tokens = NULL;
    TS_TRY(ts_jinja_lex(t, text, n, &tokens));
    ts_jparser p = { .t = t, .at = tokens };
    ts_status st = parse_body(&p, NULL, &t->body);
    if (st == TS_OK && p.unknown_line)
        st = ts_error(TS_ERR_USER, "%s:%d: TemplateAssertionError: %s", t->name, p.unknown_line,
                      p.unknown);
    ts_free(&p.blocks);
    ts_free(&tokens);
    return st;
}

ts_status ts_jinja_parse(const char *name, const char *text, size_t n, ts_jinja **out)
{
    const size_t bad = ts_utf8_check(text, n);
    if (bad < n)
        return ts_error(TS_ERR_USER, "%s: byte %zu is not UTF-8", name, bad);
    ts_jinja *t;
    TS_TRY(ts_alloc(&t, 1, sizeof *t));
    ts_status st = ts_strdup(name, &t->name);
    if (st == TS_OK)
        st = parse_template(t, text, n);
    if (st == TS_OK)
        *out = t;
    else
        ts_jinja_destroy(&t);
    return st;
}

ts_status ts_jinja_read(const char *path, ts_jinja **out)
{
    ts_str text = { 0 };
    ts_status st = ts_file_read(path, &text);
    if (st == TS_OK)
        st = ts_jinja_parse(path, ts_str_text(&text), text.len, out);
    ts_str_deinit(&text);
    return st;
}

void ts_jinja_destroy(ts_jinja **t)
{
    if (!*t)
        return;
    ts_free(&(*t)->name);
    ts_free(&(*t)->names);
    ts_arena_deinit(&(*t)->arena);
    ts_free(t);
}

bool ts_jinja_has_generation(const ts_jinja *t) { return t->has_generation; }
