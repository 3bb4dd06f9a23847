#include "text/postproc.h"

#include <string.h>

enum { MAX_DEPTH = 16 };

/* Puts ids around what is there: the first of `front` becomes the very first id. */
static ts_status wrap(ts_postproc *p, const ts_ids *front, const ts_ids *back)
{
    ts_ids before = { 0 };
    ts_status st = TS_OK;
    for (size_t i = 0; i < front->n && st == TS_OK; i++)
        st = ts_ids_add(&before, front->v[i]);
    for (size_t i = 0; i < p->before.n && st == TS_OK; i++)
        st = ts_ids_add(&before, p->before.v[i]);
    for (size_t i = 0; i < back->n && st == TS_OK; i++)
        st = ts_ids_add(&p->after, back->v[i]);
    ts_ids_deinit(&p->before);
    p->before = before;
    return st;
}

/* The ids of one special token of a template. */
static ts_status special_ids(const json_t *table, const json_t *token, const char *file,
                             ts_ids *out)
{
    const char *name = json_string_value(json_object_get(token, "id"));
    const json_t *ids = json_object_get(name ? json_object_get(table, name) : NULL, "ids");
    if (!json_is_array(ids))
        return ts_error(TS_ERR_USER,
                        "%s: the post-processor's template names '%s', which is not in its "
                        "special_tokens",
                        file, name ? name : "");
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *id = json_array_get(ids, i);
        const json_int_t v = json_is_integer(id) ? json_integer_value(id) : -1;
        if (v < 0 || v > INT32_MAX)
            return ts_error(TS_ERR_USER,
                            "%s: an id of the special token '%s' is not a whole number from 0 on",
                            file, name);
        TS_TRY(ts_ids_add(out, (int32_t)v));
    }
    return TS_OK;
}

static ts_status load_template(ts_postproc *p, const json_t *o, const char *file)
{
    const json_t *items = json_object_get(o, "single"),
                 *table = json_object_get(o, "special_tokens");
    ts_ids side[2] = { { 0 }, { 0 } };
    size_t texts = 0;
    ts_status st = TS_OK;
    if (!json_is_array(items))
        return ts_error(TS_ERR_USER, "%s: TemplateProcessing needs the list single", file);
    for (size_t i = 0; i < json_array_size(items) && st == TS_OK; i++) {
        const json_t *item = json_array_get(items, i);
        if (json_object_get(item, "Sequence"))
            texts++;
        else
            st = special_ids(table, json_object_get(item, "SpecialToken"), file, &side[texts > 0]);
    }
    if (st == TS_OK && texts > 1)
        st = ts_error(TS_ERR_USER, "%s: a template with the text in it %zu times is not supported",
                      file, texts);
    if (st == TS_OK)
        st = wrap(p, &side[0], &side[1]);
    p->drops_text |= texts == 0;
    ts_ids_deinit(&side[0]);
    ts_ids_deinit(&side[1]);
    return st;
}

/* BertProcessing and RobertaProcessing: cls, text, sep; each [text, id]. */
static ts_status load_pair(ts_postproc *p, const json_t *o, const char *file)
{
    int32_t v[2];
    for (int i = 0; i < 2; i++) {
        const json_t *id = json_array_get(json_object_get(o, i ? "sep" : "cls"), 1);
        if (!json_is_integer(id) || json_integer_value(id) < 0 ||
            json_integer_value(id) > INT32_MAX)
            return ts_error(TS_ERR_USER, "%s: post-processor %s must be [text, id]", file,
                            i ? "sep" : "cls");
        v[i] = (int32_t)json_integer_value(id);
    }
    const ts_ids front = { .v = &v[0], .n = 1 }, back = { .v = &v[1], .n = 1 };
    return wrap(p, &front, &back);
}

static ts_status load(ts_postproc *p, const json_t *o, const char *file, int depth)
{
    const char *type;
    if (!o || json_is_null(o))
        return TS_OK;
    if (!json_is_object(o) || depth > MAX_DEPTH)
        return ts_error(TS_ERR_USER,
                        "%s: a post-processor must be an object, nested at most %d deep", file,
                        MAX_DEPTH);
    TS_TRY(ts_json_text(o, file, "type", "", &type));
    if (!strcmp(type, "TemplateProcessing"))
        return load_template(p, o, file);
    if (!strcmp(type, "ByteLevel") || !strcmp(type, "RobertaProcessing"))
        p->trims |= !json_is_false(json_object_get(o, "trim_offsets"));
    if (!strcmp(type, "ByteLevel"))
        return TS_OK;
    if (!strcmp(type, "BertProcessing") || !strcmp(type, "RobertaProcessing"))
        return load_pair(p, o, file);
    if (strcmp(type, "Sequence") != 0)
        return ts_error(TS_ERR_USER, "%s: post-processor '%s' is not supported", file, type);
    const json_t *list = json_object_get(o, "processors");
    if (!json_is_array(list))
        return ts_error(TS_ERR_USER, "%s: post-processor Sequence needs the list processors", file);
    for (size_t i = 0; i < json_array_size(list); i++)
        TS_TRY(load(p, json_array_get(list, i), file, depth + 1));
    return TS_OK;
}

ts_status ts_postproc_load(ts_postproc *p, const json_t *o, const char *file)
{
    return load(p, o, file, 0);
}

void ts_postproc_deinit(ts_postproc *p)
{
    ts_ids_deinit(&p->before);
    ts_ids_deinit(&p->after);
}
