#include "data/instruct/form.h"

#include "base/file.h"

#include <stdio.h>
#include <string.h>

#define NAME(value_, word_) word_,
static const char *const column_name[TS_N_COLUMNS] = { TS_COLUMNS(NAME) };
static const char *const tag_name[TS_N_TAGS] = { TS_TAGS(NAME) };

static const char *const sharegpt[TS_N_TAGS] = { "from",        "value",         "human", "gpt",
                                                 "observation", "function_call", "system" },
                         *const openai[TS_N_TAGS] = { "role", "content",       "user",  "assistant",
                                                      "tool", "function_call", "system" };

void ts_record_form_init(ts_record_form *f) { *f = (ts_record_form){ .style = TS_STYLE_TOLD }; }

void ts_record_form_deinit(ts_record_form *f)
{
    json_decref(f->names);
    ts_record_form_init(f);
}

static void use_tags(ts_record_form *f, const char *const *tags) { memcpy(f->tag, tags, sizeof f->tag); }

/* The fields that a style has when nobody names others. */
static void use_style(ts_record_form *f, ts_record_style style)
{
    f->style = style;
    memset(f->column, 0, sizeof f->column);
    if (style == TS_STYLE_FIELDS) {
        f->column[TS_COLUMN_PROMPT] = "instruction";
        f->column[TS_COLUMN_QUERY] = "input";
        f->column[TS_COLUMN_RESPONSE] = "output";
        f->column[TS_COLUMN_HISTORY] = "history";
    } else {
        f->column[TS_COLUMN_MESSAGES] = "conversations";
    }
    f->column[TS_COLUMN_SYSTEM] = "system";
    f->column[TS_COLUMN_TOOLS] = "tools";
    f->column[TS_COLUMN_CHOSEN] = "chosen";
    f->column[TS_COLUMN_REJECTED] = "rejected";
    f->column[TS_COLUMN_KTO_TAG] = "kto_tag";
    use_tags(f, sharegpt);
}

/* ---- by names that are given ---- */

static int find(const char *const *names, int n, const char *word)
{
    int i = 0;
    while (i < n && strcmp(names[i], word) != 0)
        i++;
    return i < n ? i : -1;
}

/* Puts given names in the places of `names`. what: "columns", "tags"; from: where they are given. */
static ts_status take_names(const json_t *given, const char *const *names, int n, const char **to, const char *from)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)given, key, v)
    {
        const int i = find(names, n, key);
        if (!strcmp(key, "tags"))
            continue;
        if (i < 0 && (!strcmp(key, "images") || !strcmp(key, "videos") || !strcmp(key, "audios")))
            return ts_error(TS_ERR_USER, "%s: \"%s\": pictures, films and sounds are not trained on here", from,
                            key);
        if (i < 0)
            return ts_error(TS_ERR_USER, "%s: there is no \"%s\"", from, key);
        if (!json_is_string(v) && !json_is_null(v))
            return ts_error(TS_ERR_USER, "%s: \"%s\": expected the name of a field", from, key);
        to[i] = json_string_length(v) ? json_string_value(v) : NULL;
    }
    return TS_OK;
}

/* names: {"columns", "tags"?, "formatting"?}, which the form keeps. */
static ts_status use_names(ts_record_form *f, json_t *names, const json_t *columns, const json_t *tags,
                           const char *style, const char *from)
{
    f->names = json_incref(names);
    const bool turns = style ? !strcmp(style, "sharegpt") : json_object_get(columns, "messages") || tags;
    if (style && !turns && strcmp(style, "alpaca") != 0 && strcmp(style, "openai") != 0)
        return ts_error(TS_ERR_USER, "%s: formatting \"%s\": expected alpaca, sharegpt or openai", from, style);
    const bool is_openai = style && !strcmp(style, "openai");
    use_style(f, turns || is_openai ? TS_STYLE_TURNS : TS_STYLE_FIELDS);
    if (is_openai)
        use_tags(f, openai);
    if (columns != names && json_is_object(columns)) /* of an entry, only what is named is read */
        for (int i = TS_COLUMN_PROMPT; i <= TS_COLUMN_RESPONSE; i++)
            f->column[i] = NULL;
    /* then these are read only where they are named */
    f->column[TS_COLUMN_SYSTEM] = f->column[TS_COLUMN_TOOLS] = f->column[TS_COLUMN_HISTORY] = NULL;
    if (columns && !json_is_object(columns))
        return ts_error(TS_ERR_USER, "%s: \"columns\": expected an object", from);
    if (tags && !json_is_object(tags))
        return ts_error(TS_ERR_USER, "%s: \"tags\": expected an object", from);
    TS_TRY(take_names(columns, column_name, TS_N_COLUMNS, f->column, from));
    return take_names(tags, tag_name, TS_N_TAGS, f->tag, from);
}

ts_status ts_record_form_map_as(ts_record_form *f, const char *formatting, const char *map_keys)
{
    json_t *o;
    const char *given = map_keys ? map_keys : "{}";
    TS_TRY(ts_json_parse(given, strlen(given), "--map-keys", &o));
    const ts_status st =
        json_is_object(o)
            ? use_names(f, o, o, json_object_get(o, "tags"), formatting, "--map-keys")
            : ts_error(TS_ERR_USER, "--map-keys: expected a JSON object, {\"prompt\": \"question\", ...}");
    json_decref(o);
    return st;
}

ts_status ts_record_form_map(ts_record_form *f, const char *map_keys)
{
    return ts_record_form_map_as(f, NULL, map_keys);
}

static ts_status use_entry(ts_record_form *f, json_t *entry, const char *file, const char *folder, const char *name,
                           ts_str *path)
{
    char from[512];
    const char *where, *style;
    snprintf(from, sizeof from, "%s: \"%s\"", file, name);
    if (!json_is_object(entry))
        return ts_error(TS_ERR_USER, "%s has no entry \"%s\" (an object)", file, name);
    TS_TRY(ts_json_text(entry, from, "file_name", NULL, &where));
    TS_TRY(ts_json_text(entry, from, "formatting", "alpaca", &style));
    if (!where)
        return ts_error(TS_ERR_USER, "%s: \"file_name\" is missing (data from a hub or a script are not fetched)",
                        from);
    TS_TRY(where[0] == '/' ? ts_str_puts(path, where) : ts_path_join(path, folder, where));
    return use_names(f, entry, json_object_get(entry, "columns"), json_object_get(entry, "tags"), style, from);
}

ts_status ts_record_form_find(ts_record_form *f, const char *folder, const char *name, ts_str *path)
{
    ts_str file = { 0 };
    json_t *all = NULL;
    ts_status st = ts_path_join(&file, folder, "dataset_info.json");
    if (st == TS_OK)
        st = ts_json_read(file.s, &all);
    if (st == TS_OK)
        st = use_entry(f, json_object_get(all, name), file.s, folder, name, path);
    json_decref(all);
    ts_str_deinit(&file);
    return st;
}

/* ---- by content ---- */

static bool is_list(const json_t *o, const char *key) { return json_is_array(json_object_get(o, key)); }

/* The names of the record's fields, for a message. */
static ts_status unknown(const json_t *record)
{
    ts_str names = { 0 };
    const char *key;
    json_t *v;
    ts_status st = ts_str_puts(&names, "");
    json_object_foreach((json_t *)(uintptr_t)record, key, v)
    {
        (void)v;
        if (st == TS_OK && names.len < 200)
            st = ts_str_printf(&names, "%s\"%.40s\"", names.len ? ", " : "", key);
    }
    if (st == TS_OK)
        st = ts_error(
            TS_ERR_USER,
            "expected \"messages\" or \"conversations\" (a list), \"instruction\", or \"prompt\" with \"completion\" or "
            "\"chosen\" and \"rejected\"; found %s (--map-keys says which field is what)",
            names.len ? names.s : "nothing");
    ts_str_deinit(&names);
    return st;
}

ts_status ts_record_form_of(const json_t *record, ts_record_form *out)
{
    ts_record_form_init(out);
    const char *list = is_list(record, "messages")                                       ? "messages"
                       : is_list(record, "conversations")                                ? "conversations"
                       : is_list(record, "prompt")                                       ? "prompt"
                       : is_list(record, "chosen") || is_list(record, "chosen_messages") ? "messages"
                                                                                         : NULL;
    if (list) {
        const json_t *first = json_array_get(json_object_get(record, list), 0);
        use_style(out, TS_STYLE_TURNS);
        out->column[TS_COLUMN_MESSAGES] = list;
        use_tags(out, json_object_get(first, "from") ? sharegpt : openai);
    } else if (json_object_get(record, "instruction")) {
        use_style(out, TS_STYLE_FIELDS);
    } else if (json_object_get(record, "prompt")) {
        use_style(out, TS_STYLE_FIELDS);
        out->column[TS_COLUMN_PROMPT] = "prompt";
        out->column[TS_COLUMN_QUERY] = NULL;
        out->column[TS_COLUMN_RESPONSE] = "completion";
    } else {
        return unknown(record);
    }
    if (json_object_get(record, "label"))
        out->column[TS_COLUMN_KTO_TAG] = "label";
    return TS_OK;
}
