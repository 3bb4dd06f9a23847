/* JSON schemas as grammars: type, enum, const, properties, required, additionalProperties, items, prefixItems, minItems,
 * maxItems, minLength, maxLength, pattern, format, minimum, maximum (and exclusive ones), anyOf, oneOf, allOf, $ref within
 * the schema, nullable. Between values there may be white space, at the end there is none. */
#include "base/log.h"
#include "text/grammar/rules.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct writer {
    const json_t *root;
    const char *name;
    ts_str *out;   /* whole rules */
    json_t *known; /* rules by reference: {"#/...": number} */
    int n_rules, depth;
} writer;

#define COMMON                                                                                                        \
    "space ::= (\" \" | \"\\n\" [ \\t]{0,20})?\n"                                                                     \
    "char ::= [^\"\\\\\\x00-\\x1F] | \"\\\\\" ([\"\\\\/bfnrt] | \"u\" unit)\n"                                        \
    "hex ::= [0-9a-fA-F]\n"                                                                                           \
    "unit ::= [0-9a-cA-Ce-fE-F] hex{3} | [dD] [0-7] hex{2} | [dD] [89abAB] hex{2} \"\\\\u\" [dD] [c-fC-F] hex{2}\n"   \
    "string ::= \"\\\"\" char* \"\\\"\"\n"                                                                            \
    "natural ::= \"0\" | [1-9] [0-9]{0,15}\n"                                                                         \
    "fraction ::= (\".\" [0-9]{1,16})? ([eE] [-+]? [0-9]{1,2})?\n"                                                    \
    "number ::= \"-\"? natural fraction\n"                                                                            \
    "value ::= object | array | string | number | \"true\" | \"false\" | \"null\"\n"                                  \
    "pair ::= string \":\" space value\n"                                                                             \
    "object ::= \"{\" space (pair (\",\" space pair)* space)? \"}\"\n"                                                \
    "array ::= \"[\" space (value (\",\" space value)* space)? \"]\"\n"
const char ts_grammar_json_object[] = "root ::= object\n" COMMON;

static ts_status wrong(const writer *w, const char *word, const char *what)
{
    return ts_error(TS_ERR_USER, "%s: \"%s\": %s", w->name, word, what);
}

/* Appends what reads values of the schema, in parentheses where it is several ways. */
static ts_status visit(writer *w, const json_t *schema, ts_str *out);

/* ---- words ---- */

static bool is_one_of(const char *s, const char *const *words)
{
    while (*words && strcmp(s, *words) != 0)
        words++;
    return *words;
}

/* That no word says more than is done about it. */
static ts_status check_words(const writer *w, const json_t *schema)
{
    static const char *const done[] = {
        "type", "enum", "const", "properties", "required", "additionalProperties", "items", "prefixItems", "minItems", "maxItems",
        "minLength", "maxLength", "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "anyOf",
        "oneOf", "allOf", "$ref", "nullable", "$defs", "definitions", "strict", NULL
    };
    static const char *const notes[] = { "title", "description", "default", "examples", "example", "$schema", "$id", "$comment",
                                         "$anchor", "deprecated", "readOnly", "writeOnly", "contentEncoding",
                                         "contentMediaType", "discriminator", NULL };
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)schema, key, v)
        if (!is_one_of(key, done) && !is_one_of(key, notes) && strncmp(key, "x-", 2) != 0)
            return wrong(w, key, "this word of JSON schemas is not supported");
    return TS_OK;
}

static ts_status bound(const writer *w, const json_t *schema, const char *key, int64_t def, int64_t *out)
{
    return ts_json_int(schema, w->name, key, def, 0, 100000, out);
}

/* ---- texts ---- */

static const char *format_rule(const char *format)
{
    static const char *const rules[][2] = {
        { "date", "[0-9]{4} \"-\" (\"0\" [1-9] | \"1\" [0-2]) \"-\" (\"0\" [1-9] | [12] [0-9] | \"3\" [01])" },
        { "time", "([01] [0-9] | \"2\" [0-3]) \":\" [0-5] [0-9] \":\" [0-5] [0-9] (\".\" [0-9]{1,6})? "
                  "(\"Z\" | [-+] ([01] [0-9] | \"2\" [0-3]) \":\" [0-5] [0-9])" },
        { "uuid", "[0-9a-fA-F]{8} \"-\" [0-9a-fA-F]{4} \"-\" [0-9a-fA-F]{4} \"-\" [0-9a-fA-F]{4} \"-\" [0-9a-fA-F]{12}" },
        { "ipv4", "((\"25\" [0-5] | \"2\" [0-4] [0-9] | \"1\" [0-9]{2} | [1-9]? [0-9]) \".\"){3} "
                  "(\"25\" [0-5] | \"2\" [0-4] [0-9] | \"1\" [0-9]{2} | [1-9]? [0-9])" },
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (!strcmp(rules[i][0], format))
            return rules[i][1];
    return NULL;
}

static ts_status text_rule(writer *w, const json_t *schema, ts_str *out)
{
    const char *pattern, *format;
    int64_t least, most;
    TS_TRY(ts_json_text(schema, w->name, "pattern", NULL, &pattern));
    TS_TRY(ts_json_text(schema, w->name, "format", NULL, &format));
    TS_TRY(bound(w, schema, "minLength", 0, &least));
    TS_TRY(bound(w, schema, "maxLength", -1, &most));
    if (pattern) {
        if (least > 0 || most >= 0)
            return wrong(w, "pattern", "does not go with minLength and maxLength: put the length into it");
        TS_TRY(ts_str_puts(out, "\"\\\"\" "));
        TS_TRY(ts_gbnf_regex(pattern, true, out));
        return ts_str_puts(out, " \"\\\"\"");
    }
    if (format && !strcmp(format, "date-time"))
        return ts_str_printf(out, "\"\\\"\" %s \"T\" %s \"\\\"\"", format_rule("date"), format_rule("time"));
    if (format && format_rule(format))
        return ts_str_printf(out, "\"\\\"\" %s \"\\\"\"", format_rule(format));
    if (format)
        ts_log(TS_LOG_WARN, "%s: the format %s is not enforced", w->name, format);
    if (most < 0 && least == 0)
        return ts_str_puts(out, "string");
    TS_TRY(ts_str_printf(out, "\"\\\"\" char{%lld,", (long long)least));
    if (most >= 0)
        TS_TRY(ts_str_printf(out, "%lld", (long long)most));
    return ts_str_puts(out, "} \"\\\"\"");
}

/* ---- numbers ---- */

static ts_status whole_bound(const writer *w, const json_t *schema, const char *key, double by, int64_t *at)
{
    const json_t *v = json_object_get(schema, key);
    const double x = json_number_value(v);
    if (!v)
        return TS_OK;
    if (!json_is_number(v) || !(fabs(x) < 1e15))
        return wrong(w, key, "expected a number between -1e15 and 1e15");
    const double at_least = by > 0 ? floor(x) + 1 : by < 0 ? ceil(x) - 1 : strstr(key, "min") ? ceil(x) : floor(x);
    *at = (int64_t)at_least;
    return TS_OK;
}

static ts_status whole_rule(writer *w, const json_t *schema, ts_str *out)
{
    int64_t lo = INT64_MIN, hi = INT64_MAX, lo_out = INT64_MIN, hi_out = INT64_MAX;
    TS_TRY(whole_bound(w, schema, "minimum", 0, &lo));
    TS_TRY(whole_bound(w, schema, "exclusiveMinimum", 1, &lo_out));
    TS_TRY(whole_bound(w, schema, "maximum", 0, &hi));
    TS_TRY(whole_bound(w, schema, "exclusiveMaximum", -1, &hi_out));
    lo = lo_out > lo ? lo_out : lo;
    hi = hi_out < hi ? hi_out : hi;
    if (lo == INT64_MIN && hi == INT64_MAX)
        return ts_str_puts(out, "(\"-\"? natural)");
    return ts_gbnf_whole(lo, hi, out);
}

static ts_status number_rule(writer *w, const json_t *schema, ts_str *out)
{
    static const char *const words[] = { "maximum", "exclusiveMinimum", "exclusiveMaximum" };
    const json_t *least = json_object_get(schema, "minimum");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (json_object_get(schema, words[i]))
            return wrong(w, words[i], "is supported for \"type\": \"integer\" alone");
    if (least && (!json_is_number(least) || json_number_value(least) != 0))
        return wrong(w, "minimum", "is supported for \"type\": \"integer\", and as 0");
    return ts_str_puts(out, least ? "(natural fraction)" : "number");
}

/* ---- lists ---- */

static ts_status list_rule(writer *w, const json_t *schema, ts_str *out)
{
    const json_t *items = json_object_get(schema, "items"), *first = json_object_get(schema, "prefixItems");
    const int64_t n = (int64_t)json_array_size(first);
    int64_t least, most;
    TS_TRY(bound(w, schema, "minItems", n, &least));
    TS_TRY(bound(w, schema, "maxItems", -1, &most));
    const bool no_more = json_is_false(items) || (n && !items);
    if (no_more && most < 0)
        most = n;
    if (least < n || (most >= 0 && (most < least || most < n)) || (no_more && most > n))
        return wrong(w, "minItems", "with maxItems and prefixItems no list fits, or the first items could be missing");
    TS_TRY(ts_str_puts(out, "\"[\" space "));
    for (int64_t i = 0; i < n; i++) {
        TS_TRY(ts_str_puts(out, i ? " \",\" space " : ""));
        TS_TRY(visit(w, json_array_get(first, (size_t)i), out));
    }
    if (most != n) {
        ts_str item = { 0 };
        ts_status st = items ? visit(w, items, &item) : ts_str_puts(&item, "value");
        const int64_t had = n ? n : 1;
        if (st == TS_OK && !n)
            st = ts_str_printf(out, "(%s", item.s);
        if (st == TS_OK)
            st = ts_str_printf(out, " (\",\" space %s){%lld,", item.s, (long long)(least > had ? least - had : 0));
        if (st == TS_OK && most >= 0)
            st = ts_str_printf(out, "%lld", (long long)(most - had));
        if (st == TS_OK)
            st = ts_str_puts(out, n ? "}" : least > 0 ? "})" : "})?");
        ts_str_deinit(&item);
        TS_TRY(st);
    }
    return ts_str_puts(out, " space \"]\"");
}

/* ---- objects ---- */

/* Keys that none of the properties has: letters that leave the tree of their names, at depth `at` of those that begin alike
 * (is_in). */
static ts_status other_keys(const json_t *properties, const char *begin, size_t at, ts_str *out)
{
    ts_str seen = { 0 };
    bool is_whole = false;
    const char *key;
    json_t *v;
    ts_status st = ts_str_puts(out, "(");
    json_object_foreach((json_t *)(uintptr_t)properties, key, v) {
        if (strncmp(key, begin, at) != 0 || st != TS_OK)
            continue;
        is_whole |= !key[at];
        if (!key[at] || (seen.len && memchr(seen.s, key[at], seen.len)))
            continue;
        st = ts_str_add(&seen, key + at, 1);
        if (st == TS_OK)
            st = ts_str_printf(out, "\"%c\" ", key[at]);
        if (st == TS_OK)
            st = other_keys(properties, key, at + 1, out);
        if (st == TS_OK)
            st = ts_str_puts(out, " | ");
    }
    if (st == TS_OK)
        st = ts_str_puts(out, "[^\"\\\\\\x00-\\x1F");
    for (size_t i = 0; i < seen.len && st == TS_OK; i++)
        st = ts_str_printf(out, "\\x%02X", (unsigned char)seen.s[i]);
    if (st == TS_OK)
        st = ts_str_puts(out, is_whole ? "] char*)" : "] char*)?");
    ts_str_deinit(&seen);
    return st;
}

/* The rule of one more property, `"key": value`. *has: there may be such. */
static ts_status more_rule(writer *w, const json_t *schema, ts_str *out, bool *has)
{
    const json_t *more = json_object_get(schema, "additionalProperties"), *named = json_object_get(schema, "properties");
    const char *key;
    json_t *v;
    *has = more ? !json_is_false(more) : !json_object_size(named);
    if (!*has)
        return TS_OK;
    json_object_foreach((json_t *)(uintptr_t)named, key, v)
        for (const char *c = key; *c; c++)
            if (*c < 0x20 || *c > 0x7E || *c == '"' || *c == '\\')
                return wrong(w, key, "further properties go with names of plain ASCII letters alone");
    TS_TRY(ts_str_puts(out, "(\"\\\"\" "));
    TS_TRY(json_object_size(named) ? other_keys(named, "", 0, out) : ts_str_puts(out, "char*"));
    TS_TRY(ts_str_puts(out, " \"\\\"\" \":\" space "));
    TS_TRY(json_is_object(more) ? visit(w, more, out) : ts_str_puts(out, "value"));
    return ts_str_puts(out, ")");
}

typedef struct property {
    ts_str rule; /* "key": value */
    bool required;
} property;

static bool is_required(const json_t *schema, const char *key)
{
    const json_t *list = json_object_get(schema, "required");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (name && !strcmp(name, key))
            return true;
    }
    return false;
}

static ts_status property_rule(writer *w, const char *key, const json_t *schema, ts_str *out)
{
    ts_str text = { 0 };
    ts_status st = ts_str_json(&text, key, strlen(key));
    if (st == TS_OK)
        st = ts_gbnf_text(text.s, text.len, out);
    ts_str_deinit(&text);
    TS_TRY(st);
    TS_TRY(ts_str_puts(out, " \":\" space "));
    return visit(w, schema, out);
}

/* What may follow property i, each behind a comma, as rule R of their own: one for every first property that there can be. */
static ts_status tail_rule(writer *w, const property *p, size_t n, size_t i, const char *more, int rule)
{
    ts_str body = { 0 };
    ts_status st = ts_str_printf(&body, "r%d ::= \"\"", rule);
    for (; i < n && st == TS_OK; i++)
        st = ts_str_printf(&body, " (\",\" space %s)%s", p[i].rule.s, p[i].required ? "" : "?");
    if (st == TS_OK && more)
        st = ts_str_printf(&body, " (\",\" space %s)*", more);
    if (st == TS_OK)
        st = ts_str_printf(w->out, "%s\n", body.s);
    ts_str_deinit(&body);
    return st;
}

/* Properties in their order, those that are not required or not there; the first of them has no comma in front. */
static ts_status members(writer *w, const property *p, size_t n, const char *more, ts_str *out)
{
    const char *between = "";
    bool ends = false; /* one that must be there */
    for (size_t i = 0; i < n && !ends; i++) {
        const int rule = w->n_rules++;
        TS_TRY(tail_rule(w, p, n, i + 1, more, rule));
        TS_TRY(ts_str_printf(out, "%s%s r%d", between, p[i].rule.s, rule));
        between = " | ";
        ends = p[i].required;
    }
    if (!ends && more)
        TS_TRY(ts_str_printf(out, "%s%s (\",\" space %s)*", between, more, more));
    return TS_OK;
}

static ts_status properties_of(writer *w, const json_t *schema, property *p)
{
    const char *key;
    json_t *v;
    size_t i = 0;
    json_object_foreach((json_t *)(uintptr_t)json_object_get(schema, "properties"), key, v) {
        const int rule = w->n_rules++;
        ts_str body = { 0 };
        p[i].required = is_required(schema, key);
        ts_status st = property_rule(w, key, v, &body);
        if (st == TS_OK)
            st = ts_str_printf(w->out, "r%d ::= %s\n", rule, body.s);
        ts_str_deinit(&body);
        TS_TRY(st);
        TS_TRY(ts_str_printf(&p[i++].rule, "r%d", rule));
    }
    return TS_OK;
}

static ts_status object_rule(writer *w, const json_t *schema, ts_str *out)
{
    const json_t *named = json_object_get(schema, "properties"), *required = json_object_get(schema, "required");
    const size_t n = json_object_size(named);
    property *p = NULL;
    ts_str more = { 0 };
    bool has_more = false, must = false;
    for (size_t i = 0; i < json_array_size(required); i++) {
        const char *key = json_string_value(json_array_get(required, i));
        if (!key || !json_object_get(named, key))
            return wrong(w, key ? key : "required", "is required, but no property of the object");
        must = true;
    }
    if (!n && !json_object_get(schema, "additionalProperties"))
        return ts_str_puts(out, "object");
    TS_TRY(ts_alloc(&p, n + 1, sizeof *p));
    ts_status st = properties_of(w, schema, p);
    if (st == TS_OK)
        st = more_rule(w, schema, &more, &has_more);
    if (st == TS_OK)
        st = ts_str_puts(out, n || has_more ? "\"{\" space ((" : "\"{\" space \"}\"");
    if (st == TS_OK && (n || has_more))
        st = members(w, p, n, has_more ? more.s : NULL, out);
    if (st == TS_OK && (n || has_more))
        st = ts_str_puts(out, must ? ") space) \"}\"" : ") space)? \"}\"");
    for (size_t i = 0; i < n; i++)
        ts_str_deinit(&p[i].rule);
    ts_free(&p);
    ts_str_deinit(&more);
    return st;
}

/* ---- combinations ---- */

static ts_status any_of(writer *w, const json_t *list, ts_str *out)
{
    if (!json_array_size(list))
        return wrong(w, "anyOf", "expected a list of schemas");
    TS_TRY(ts_str_puts(out, "("));
    for (size_t i = 0; i < json_array_size(list); i++) {
        TS_TRY(ts_str_puts(out, i ? " | " : ""));
        TS_TRY(visit(w, json_array_get(list, i), out));
    }
    return ts_str_puts(out, ")");
}

static ts_status literal(const json_t *v, ts_str *out)
{
    ts_str text = { 0 };
    ts_status st = ts_json_write(v, JSON_COMPACT | JSON_ENCODE_ANY, "a constant", &text);
    if (st == TS_OK)
        st = ts_gbnf_text(text.s, text.len, out);
    ts_str_deinit(&text);
    return st;
}

static ts_status literals(writer *w, const json_t *list, ts_str *out)
{
    if (!json_array_size(list))
        return wrong(w, "enum", "expected a list with values");
    for (size_t i = 0; i < json_array_size(list); i++) {
        TS_TRY(ts_str_puts(out, i ? " | " : "("));
        TS_TRY(literal(json_array_get(list, i), out));
    }
    return ts_str_puts(out, ")");
}

/* The schema that a reference "#/a/b" names; NULL: there is none. */
static const json_t *pointed(const writer *w, const char *ref)
{
    const json_t *v = w->root;
    char key[256];
    if (*ref++ != '#')
        return NULL;
    while (v && *ref == '/') {
        size_t n = 0;
        for (ref++; *ref && *ref != '/' && n + 1 < sizeof key; ref++)
            if (*ref == '~' && (ref[1] == '0' || ref[1] == '1'))
                key[n++] = *++ref == '0' ? '~' : '/';
            else
                key[n++] = *ref;
        key[n] = 0;
        v = json_is_array(v) ? json_array_get(v, (size_t)strtoul(key, NULL, 10)) : json_object_get(v, key);
    }
    return *ref ? NULL : v;
}

/* A rule for each reference, so that a schema may hold itself. */
static ts_status reference(writer *w, const char *ref, ts_str *out)
{
    const json_t *known = json_object_get(w->known, ref), *schema = pointed(w, ref);
    if (known)
        return ts_str_printf(out, "r%d", (int)json_integer_value(known));
    if (!schema)
        return wrong(w, ref, "is not in the schema");
    const int rule = w->n_rules++;
    ts_str body = { 0 };
    ts_status st = json_object_set_new(w->known, ref, json_integer(rule)) ? ts_error(TS_ERR_NOMEM, "no memory for a grammar")
                                                                         : visit(w, schema, &body);
    if (st == TS_OK)
        st = ts_str_printf(w->out, "r%d ::= %s\n", rule, body.s);
    ts_str_deinit(&body);
    return st == TS_OK ? ts_str_printf(out, "r%d", rule) : st;
}

/* Several object schemas that all hold, as one. */
static ts_status merge(const writer *w, const json_t *list, json_t *into)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        const char *ref = json_string_value(json_object_get(one, "$ref")), *key;
        json_t *v;
        one = ref ? pointed(w, ref) : one;
        json_object_foreach((json_t *)(uintptr_t)one, key, v) {
            json_t *had = json_object_get(into, key);
            const bool joins = json_is_object(had) && json_is_object(v) && !strcmp(key, "properties");
            if (joins ? json_object_update_missing(had, v)
                : !had ? json_object_set_new(into, key, json_deep_copy(v))
                : !strcmp(key, "required") && json_is_array(had) && json_is_array(v) ? json_array_extend(had, v)
                                                                                     : !json_equal(had, v))
                return wrong(w, "allOf", "joins schemas that differ in other words than properties and required");
        }
    }
    return TS_OK;
}

static ts_status all_of(writer *w, const json_t *schema, ts_str *out)
{
    json_t *whole = json_deep_copy(schema);
    ts_status st = whole ? TS_OK : ts_error(TS_ERR_NOMEM, "no memory for a schema");
    if (st == TS_OK) {
        json_object_del(whole, "allOf");
        st = merge(w, json_object_get(schema, "allOf"), whole);
    }
    if (st == TS_OK)
        st = visit(w, whole, out);
    json_decref(whole);
    return st;
}

/* ---- a schema ---- */

static ts_status of_type(writer *w, const json_t *schema, const char *type, ts_str *out)
{
    static const struct {
        const char *type;
        ts_status (*rule)(writer *w, const json_t *schema, ts_str *out);
    } rules[] = { { "object", object_rule }, { "array", list_rule },     { "string", text_rule },
                  { "integer", whole_rule }, { "number", number_rule } };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (!strcmp(type, rules[i].type))
            return rules[i].rule(w, schema, out);
    if (!strcmp(type, "boolean"))
        return ts_str_puts(out, "(\"true\" | \"false\")");
    if (!strcmp(type, "null"))
        return ts_str_puts(out, "\"null\"");
    return wrong(w, type, "expected the type object, array, string, integer, number, boolean or null");
}

static ts_status of_types(writer *w, const json_t *schema, ts_str *out)
{
    const json_t *type = json_object_get(schema, "type");
    if (!type && (json_object_get(schema, "properties") || json_object_get(schema, "required")))
        return object_rule(w, schema, out);
    if (!type && (json_object_get(schema, "items") || json_object_get(schema, "prefixItems")))
        return list_rule(w, schema, out);
    if (!type && (json_object_get(schema, "pattern") || json_object_get(schema, "format")))
        return text_rule(w, schema, out);
    if (!type)
        return ts_str_puts(out, "value");
    if (json_is_string(type))
        return of_type(w, schema, json_string_value(type), out);
    if (!json_array_size(type))
        return wrong(w, "type", "expected a text or a list of texts");
    for (size_t i = 0; i < json_array_size(type); i++) {
        const char *one = json_string_value(json_array_get(type, i));
        TS_TRY(ts_str_puts(out, i ? " | (" : "(("));
        TS_TRY(one ? of_type(w, schema, one, out) : wrong(w, "type", "expected a text or a list of texts"));
        TS_TRY(ts_str_puts(out, ")"));
    }
    return ts_str_puts(out, ")");
}

static ts_status inside(writer *w, const json_t *schema, ts_str *out)
{
    const json_t *list = json_object_get(schema, "anyOf"), *v;
    list = list ? list : json_object_get(schema, "oneOf");
    if (json_object_get(schema, "allOf"))
        return all_of(w, schema, out);
    if ((v = json_object_get(schema, "$ref")))
        return json_is_string(v) ? reference(w, json_string_value(v), out) : wrong(w, "$ref", "expected a text");
    if ((v = json_object_get(schema, "const")))
        return literal(v, out);
    if ((v = json_object_get(schema, "enum")))
        return literals(w, v, out);
    if (list && (json_object_get(schema, "properties") || json_object_get(schema, "items")))
        return wrong(w, "anyOf", "beside properties or items is not supported: put them into each of its schemas");
    return list ? any_of(w, list, out) : of_types(w, schema, out);
}

static ts_status visit(writer *w, const json_t *schema, ts_str *out)
{
    if (json_is_true(schema))
        return ts_str_puts(out, "value");
    if (!json_is_object(schema))
        return wrong(w, "schema", "expected an object, or true");
    if (++w->depth > TS_GBNF_MOST_DEPTH)
        return wrong(w, "schema", "schemas within schemas, too deep");
    TS_TRY(check_words(w, schema));
    const bool may_be_null = json_is_true(json_object_get(schema, "nullable"));
    TS_TRY(ts_str_puts(out, may_be_null ? "(\"null\" | (" : "("));
    TS_TRY(inside(w, schema, out));
    w->depth--;
    return ts_str_puts(out, may_be_null ? "))" : ")");
}

ts_status ts_grammar_of_schema(const json_t *schema, const char *name, ts_str *out)
{
    writer w = { .root = schema, .name = name, .out = out, .known = json_object() };
    ts_str root = { 0 };
    ts_status st = w.known ? visit(&w, schema, &root) : ts_error(TS_ERR_NOMEM, "no memory for a grammar");
    if (st == TS_OK)
        st = ts_str_printf(out, "root ::= %s\n%s", root.s, COMMON);
    ts_str_deinit(&root);
    json_decref(w.known);
    return st;
}
