#include "base/file.h"
#include "base/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { MAX_DEPTH = 32 };

/* A plain scalar of YAML's core schema; quoted ones are always text. */
static json_t *scalar(const yaml_event_t *e)
{
    const char *s = (const char *)e->data.scalar.value;
    const size_t n = e->data.scalar.length;
    if (e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return json_stringn(s, n);
    if (!n || !strcmp(s, "~") || !strcmp(s, "null"))
        return json_null();
    if (!strcmp(s, "true") || !strcmp(s, "True"))
        return json_true();
    if (!strcmp(s, "false") || !strcmp(s, "False"))
        return json_false();
    char *end;
    errno = 0;
    const long long i = strtoll(s, &end, 10);
    if (!*end && !errno) /* beyond: a real number */
        return json_integer(i);
    const double v = strtod(s, &end);
    if (!*end && strpbrk(s, "0123456789") && v - v == 0)
        return json_real(v);
    return json_stringn(s, n);
}

/* lines: NULL, or an object that a mapping fills (json.h). */
static json_t *node(yaml_parser_t *p, const yaml_event_t *first, int depth, json_t *lines);

static json_t *next_node(yaml_parser_t *p, int depth, yaml_event_type_t end, bool *ended,
                         json_t *lines, int *line)
{
    yaml_event_t e;
    *ended = false;
    if (!yaml_parser_parse(p, &e))
        return NULL;
    json_t *v = NULL;
    if (line)
        *line = (int)e.start_mark.line + 1;
    if (e.type == end)
        *ended = true;
    else
        v = node(p, &e, depth, lines);
    yaml_event_delete(&e);
    return v;
}

static json_t *mapping(yaml_parser_t *p, int depth, json_t *lines)
{
    json_t *o = json_object();
    for (bool ended;;) {
        int line = 0;
        json_t *key =
            next_node(p, depth + 1, YAML_MAPPING_END_EVENT, &ended, NULL, &line);
        if (ended)
            return o;
        json_t *in = lines ? json_object() : NULL;
        json_t *value = key ? next_node(p, depth + 1, YAML_NO_EVENT, &ended, in, NULL) : NULL;
        if (lines && value && json_is_string(key))
            json_object_set_new(lines, json_string_value(key),
                                json_pack("{s:i, s:O}", "line", line, "in", in));
        json_decref(in);
        /* A key that stands twice is refused, as in JSON. */
        const bool fine = value && json_is_string(key),
                   again = fine && json_object_get(o, json_string_value(key));
        if (again) {
            p->problem = "this key has been there before";
            p->mark.line = (size_t)line - 1;
        }
        if (!fine || again || json_object_set(o, json_string_value(key), value)) {
            json_decref(value);
            json_decref(key);
            json_decref(o);
            return NULL;
        }
        json_decref(value);
        json_decref(key);
    }
}

static json_t *sequence(yaml_parser_t *p, int depth)
{
    json_t *a = json_array();
    for (bool ended;;) {
        json_t *v = next_node(p, depth + 1, YAML_SEQUENCE_END_EVENT, &ended, NULL, NULL);
        if (ended)
            return a;
        if (!v || json_array_append_new(a, v)) {
            json_decref(a);
            return NULL;
        }
    }
}

static json_t *node(yaml_parser_t *p, const yaml_event_t *e, int depth, json_t *lines)
{
    if (depth > MAX_DEPTH)
        return NULL;
    switch (e->type) {
    case YAML_SCALAR_EVENT: return scalar(e);
    case YAML_MAPPING_START_EVENT: return mapping(p, depth, lines);
    case YAML_SEQUENCE_START_EVENT: return sequence(p, depth);
    default: return NULL; /* aliases are not followed */
    }
}

/* The next event is of this type. */
static bool next_is(yaml_parser_t *p, yaml_event_type_t type)
{
    yaml_event_t e;
    if (!yaml_parser_parse(p, &e))
        return false;
    const bool is = e.type == type;
    yaml_event_delete(&e);
    return is;
}

/* The one document of the stream, with nothing behind it; NULL: something else. */
static json_t *document(yaml_parser_t *p, json_t *lines, const char **wrong)
{
    bool ended;
    if (!next_is(p, YAML_STREAM_START_EVENT) || !next_is(p, YAML_DOCUMENT_START_EVENT))
        return NULL;
    json_t *v = next_node(p, 0, YAML_NO_EVENT, &ended, lines, NULL);
    if (v && next_is(p, YAML_DOCUMENT_END_EVENT) && next_is(p, YAML_STREAM_END_EVENT))
        return v;
    if (v && !p->problem)
        *wrong = "a second document begins";
    json_decref(v);
    return NULL;
}

ts_status ts_yaml_read(const char *path, json_t **out, json_t **lines)
{
    ts_str text = { 0 };
    TS_TRY(ts_file_read(path, &text));
    yaml_parser_t p;
    if (!yaml_parser_initialize(&p)) {
        ts_str_deinit(&text);
        return ts_error(TS_ERR_NOMEM, "out of memory while reading %s", path);
    }
    yaml_parser_set_input_string(&p, (const unsigned char *)ts_str_text(&text), text.len);
    ts_status st = TS_OK;
    const char *wrong = "unexpected content";
    json_t *at = lines ? json_object() : NULL, *v = document(&p, at, &wrong);
    if (v) {
        *out = v;
        if (lines)
            *lines = json_incref(at);
    } else
        st = ts_error(
            TS_ERR_USER,
            "%s: not valid YAML (mappings, lists and scalars are understood): line %zu: %s", path,
            p.mark.line + 1, p.problem ? p.problem : wrong);
    json_decref(at);
    yaml_parser_delete(&p);
    ts_str_deinit(&text);
    return st;
}
