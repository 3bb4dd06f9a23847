#include "data/handlers/columns.h"

#include "base/file.h"

#include <string.h>

#define NAME(value_, name_) name_,
static const char *const column_names[] = { TS_COLUMNS(NAME) }, *const tag_names[] = { TS_TAGS(NAME) };

#define BIT(column_) (1u << TS_COLUMN_##column_)
/* Which columns a form has. */
static const unsigned has[] = {
    [TS_FORM_ALPACA] =
        BIT(PROMPT) | BIT(QUERY) | BIT(RESPONSE) | BIT(HISTORY) | BIT(SYSTEM) | BIT(CHOSEN) | BIT(REJECTED),
    [TS_FORM_SHAREGPT] = BIT(MESSAGES) | BIT(SYSTEM) | BIT(TOOLS) | BIT(CHOSEN) | BIT(REJECTED),
    [TS_FORM_OPENAI] = BIT(MESSAGES) | BIT(SYSTEM) | BIT(TOOLS),
};

void ts_columns_deinit(ts_columns *c)
{
    json_decref(c->json);
    ts_free(&c->file);
    *c = (ts_columns){ 0 };
}

void ts_columns_init(ts_columns *c, ts_record_form form)
{
    static const ts_columns forms[] = {
        [TS_FORM_ALPACA] = { .name = { [TS_COLUMN_PROMPT] = "instruction",
                                       [TS_COLUMN_QUERY] = "input",
                                       [TS_COLUMN_RESPONSE] = "output",
                                       [TS_COLUMN_CHOSEN] = "chosen",
                                       [TS_COLUMN_REJECTED] = "rejected" } },
        [TS_FORM_SHAREGPT] = { .name = { [TS_COLUMN_MESSAGES] = "conversations",
                                         [TS_COLUMN_CHOSEN] = "chosen",
                                         [TS_COLUMN_REJECTED] = "rejected" },
                               .tag = { "from", "value", "human", "gpt", "observation", "function_call",
                                        "system" } },
        [TS_FORM_OPENAI] = { .name = { [TS_COLUMN_MESSAGES] = "messages", [TS_COLUMN_TOOLS] = "tools" },
                             .tag = { "role", "content", "user", "assistant", "tool", "function_call",
                                      "system" } },
    };
    *c = forms[form];
    c->form = form;
}

static int number_of(const char *const *names, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(names[i], name))
            return i;
    return -1;
}

static ts_status unknown(const char *where, const char *key, const char *const *names, int n, unsigned mask)
{
    ts_str known = { 0 };
    ts_status st = TS_OK;
    for (int i = 0; st == TS_OK && i < n; i++)
        st = mask & (1u << i) ? ts_str_printf(&known, "%s%s", known.len ? ", " : "", names[i]) : TS_OK;
    if (st == TS_OK)
        st = ts_error(TS_ERR_USER, "%s: %s is not known here; expected %s", where, key, ts_str_text(&known));
    ts_str_deinit(&known);
    return st;
}

/* A column's or tag's new name; "" and null are none. */
static ts_status rename_to(const char *where, const char *key, const json_t *v, const char **out)
{
    const char *s = json_string_value(v);
    if (!json_is_string(v) && !json_is_null(v))
        return ts_error(TS_ERR_USER, "%s: %s: expected the name of a column", where, key);
    *out = s && *s ? s : NULL;
    return TS_OK;
}

/* Tags that are not given match nothing, but for where role and content stand. */
static ts_status map_tags(ts_columns *c, const char *where, const json_t *tags)
{
    const char *key;
    json_t *v;
    if (!json_is_object(tags))
        return ts_error(TS_ERR_USER, "%s: tags: expected an object", where);
    for (int i = TS_TAG_CONTENT + 1; i < TS_TAG_COUNT; i++)
        c->tag[i] = NULL;
    json_object_foreach((json_t *)tags, key, v)
    {
        const int i = number_of(tag_names, TS_TAG_COUNT, key);
        if (i < 0)
            return unknown(where, key, tag_names, TS_TAG_COUNT, ~0u);
        TS_TRY(rename_to(where, key, v, &c->tag[i]));
    }
    return c->tag[TS_TAG_ROLE] && c->tag[TS_TAG_CONTENT]
               ? TS_OK
               : ts_error(TS_ERR_USER, "%s: role_tag and content_tag must name something", where);
}

ts_status ts_columns_map(ts_columns *c, const char *map_keys)
{
    static const char where[] = "--map-keys";
    const char *key;
    json_t *v;
    TS_TRY(ts_json_parse(map_keys, strlen(map_keys), where, &c->json));
    if (!json_is_object(c->json))
        return ts_error(TS_ERR_USER, "%s: expected a JSON object", where);
    json_object_foreach(c->json, key, v)
    {
        const int i = number_of(column_names, TS_COLUMN_COUNT, key);
        if (!strcmp(key, "tags") && c->form == TS_FORM_SHAREGPT)
            TS_TRY(map_tags(c, where, v));
        else if (i < 0 || !(has[c->form] & (1u << i)))
            return unknown(where, key, column_names, TS_COLUMN_COUNT, has[c->form]);
        else
            TS_TRY(rename_to(where, key, v, &c->name[i]));
    }
    return TS_OK;
}

/* ---- LLaMA-Factory's list of data sets ---- */

static ts_status form_of(const char *where, const json_t *set, ts_record_form *out)
{
    static const char *const forms[] = { "alpaca", "sharegpt", "openai" };
    const char *name;
    TS_TRY(ts_json_text(set, where, "formatting", "alpaca", &name));
    const int i = number_of(forms, 3, name);
    if (i < 0)
        return unknown(where, name, forms, 3, ~0u);
    *out = (ts_record_form)i;
    return TS_OK;
}

/* Where columns are given, others are not read. What other forms and media have is passed over. */
static ts_status take_columns(ts_columns *c, const char *where, const json_t *columns)
{
    for (int i = 0; i < TS_COLUMN_COUNT; i++) {
        const json_t *v = json_object_get(columns, column_names[i]);
        if (!(has[c->form] & (1u << i)))
            continue;
        c->name[i] = NULL;
        if (v)
            TS_TRY(rename_to(where, column_names[i], v, &c->name[i]));
    }
    return TS_OK;
}

static ts_status set_of(ts_columns *c, const char *where, const char *name, json_t *all, const json_t **out)
{
    ts_record_form form = TS_FORM_ALPACA;
    const json_t *set = json_object_get(all, name);
    if (!json_is_object(set)) {
        json_decref(all);
        return ts_error(TS_ERR_USER, "%s: there is no data set %s", where, name);
    }
    const ts_status st = form_of(where, set, &form);
    ts_columns_init(c, form);
    c->json = all;
    *out = set;
    return st;
}

ts_status ts_columns_of(ts_columns *c, const char *folder, const char *name)
{
    ts_str path = { 0 }, file = { 0 };
    json_t *all = NULL;
    const json_t *set = NULL, *v;
    const char *file_name;
    ts_status st;
    TS_TRY_TO(done, st, ts_path_join(&path, folder, "dataset_info.json"));
    TS_TRY_TO(done, st, ts_json_read(path.s, &all));
    TS_TRY_TO(done, st, set_of(c, path.s, name, all, &set));
    TS_TRY_TO(done, st, ts_json_text(set, path.s, "file_name", NULL, &file_name));
    if (!file_name) {
        st = ts_error(TS_ERR_USER, "%s: %s has no file_name; data sets of a hub or a script are not read",
                      path.s, name);
        goto done;
    }
    if ((v = json_object_get(set, "columns")))
        TS_TRY_TO(done, st, take_columns(c, path.s, v));
    if ((v = json_object_get(set, "tags")) && c->form == TS_FORM_SHAREGPT)
        TS_TRY_TO(done, st, map_tags(c, path.s, v));
    TS_TRY_TO(done, st, ts_path_join(&file, folder, file_name));
    st = ts_strdup(file.s, &c->file);
done:
    ts_str_deinit(&path);
    ts_str_deinit(&file);
    return st;
}
