#include "text/chat/template.h"

#include "base/file.h"
#include "text/gguf/gguf_tokenizer.h"

#include <string.h>

static ts_status no_memory(void) { return ts_error(TS_ERR_NOMEM, "no memory for a chat template"); }

/* ---- from a folder ---- */

/* A file of the folder as JSON; *out NULL: not there. A GGUF file holds one of them in its keys. model_max_length is often 10^30: numbers are read as reals. */
static ts_status read_json(const char *folder, const char *file, json_t **out)
{
    ts_str path = { 0 }, text = { 0 };
    *out = NULL;
    if (ts_gguf_is(folder))
        return strcmp(file, "tokenizer_config.json") ? TS_OK : ts_gguf_tokenizer_config(folder, out);
    ts_status st = ts_path_join(&path, folder, file);
    if (st == TS_OK && ts_path_exists(path.s)) {
        st = ts_file_read(path.s, &text);
        if (st == TS_OK)
            st = ts_json_load(ts_str_text(&text), text.len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, path.s, out);
    }
    ts_str_deinit(&text);
    ts_str_deinit(&path);
    return st;
}

/* A template in a file of its own; *out stays NULL where there is none. */
static ts_status read_file(ts_chat_template *t, const char *folder, const char *file, ts_jinja **out)
{
    TS_TRY(ts_path_join(&t->name, folder, file));
    return ts_path_exists(t->name.s) ? ts_jinja_read(t->name.s, out) : TS_OK;
}

static ts_status parse_text(ts_chat_template *t, const json_t *text, ts_jinja **out)
{
    return ts_jinja_parse(t->name.s, json_string_value(text), json_string_length(text), out);
}

/* "chat_template" of a JSON file of the folder. */
static ts_status parse_config(ts_chat_template *t, const char *folder, const char *file, const json_t *config)
{
    const json_t *v = json_object_get(config, "chat_template");
    TS_TRY(ts_path_join(&t->name, folder, file));
    if (json_is_string(v))
        return parse_text(t, v, &t->plain);
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *one = json_array_get(v, i), *text = json_object_get(one, "template");
        const char *name = json_string_value(json_object_get(one, "name"));
        ts_jinja **to = !name || !json_is_string(text) ? NULL
                        : !strcmp(name, "default")     ? &t->plain
                        : !strcmp(name, "tool_use")    ? &t->with_tools
                                                       : NULL;
        if (to && !*to)
            TS_TRY(parse_text(t, text, to));
    }
    if (v && !json_is_null(v) && !t->plain)
        return ts_error(TS_ERR_USER, "%s: chat_template: expected a text, or a list with a \"default\" one",
                        t->name.s);
    return TS_OK;
}

static ts_status add_role(json_t *roles, const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    if (json_is_object(v))
        v = json_object_get(v, "content");
    if (!json_is_string(v) || json_object_get(roles, key))
        return TS_OK;
    return json_object_set_new(roles, key, json_copy((json_t *)(uintptr_t)v)) == 0 ? TS_OK : no_memory();
}

static ts_status read_roles(ts_chat_template *t, const char *folder, const json_t *config)
{
    static const char *const key[] = { "bos_token", "eos_token", "unk_token", "sep_token",
                                       "pad_token", "cls_token", "mask_token" };
    json_t *map = NULL;
    ts_status st = read_json(folder, "special_tokens_map.json", &map);
    t->roles = json_object();
    if (!t->roles && st == TS_OK)
        st = no_memory();
    for (size_t i = 0; i < sizeof key / sizeof *key && st == TS_OK; i++) {
        st = add_role(t->roles, config, key[i]);
        if (st == TS_OK)
            st = add_role(t->roles, map, key[i]);
    }
    json_decref(map);
    return st;
}

/* The file of its own that processors had before chat_template.jinja. */
static ts_status read_processor_file(ts_chat_template *t, const char *folder)
{
    json_t *o = NULL;
    ts_status st = read_json(folder, "chat_template.json", &o);
    if (st == TS_OK && o)
        st = parse_config(t, folder, "chat_template.json", o);
    json_decref(o);
    return st;
}

static ts_status open_folder(ts_chat_template *t, const char *folder, const char *file, const json_t *config)
{
    TS_TRY(read_roles(t, folder, config));
    if (file) {
        TS_TRY(ts_str_puts(&t->name, file));
        return ts_jinja_read(file, &t->plain);
    }
    TS_TRY(read_file(t, folder, "additional_chat_templates/tool_use.jinja", &t->with_tools));
    TS_TRY(read_file(t, folder, "chat_template.jinja", &t->plain));
    if (!t->plain)
        TS_TRY(read_processor_file(t, folder));
    if (!t->plain)
        TS_TRY(parse_config(t, folder, "tokenizer_config.json", config));
    if (!t->plain)
        return ts_error(TS_ERR_USER,
                        "%s has no chat template: expected chat_template.jinja, or \"chat_template\" in "
                        "tokenizer_config.json; --chat-template FILE names another",
                        folder);
    return TS_OK;
}

ts_status ts_chat_template_open(const char *folder, const char *file, const char *now, ts_chat_template *out)
{
    ts_chat_template t = { 0 };
    json_t *config = NULL;
    ts_status st = ts_chat_now("--template-now", now, &t.now);
    if (st == TS_OK)
        st = read_json(folder, "tokenizer_config.json", &config);
    if (st == TS_OK)
        st = open_folder(&t, folder, file, config);
    json_decref(config);
    if (st != TS_OK)
        ts_chat_template_close(&t);
    else
        *out = t;
    return st;
}

void ts_chat_template_close(ts_chat_template *t)
{
    ts_jinja_destroy(&t->plain);
    ts_jinja_destroy(&t->with_tools);
    json_decref(t->roles);
    ts_str_deinit(&t->name);
    *t = (ts_chat_template){ 0 };
}

bool ts_chat_template_is_in(const char *folder)
{
    json_t *config = NULL;
    ts_str path = { 0 };
    static const char *const files[] = { "chat_template.jinja", "chat_template.json" };
    bool is = false;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        is = is || (ts_path_join(&path, folder, files[i]) == TS_OK && ts_path_exists(path.s));
    if (!is && read_json(folder, "tokenizer_config.json", &config) == TS_OK) {
        const json_t *v = json_object_get(config, "chat_template");
        is = v && !json_is_null(v);
    }
    json_decref(config);
    ts_str_deinit(&path);
    return is;
}

ts_status ts_chat_now(const char *option, const char *text, struct tm *now)
{
    *now = (struct tm){ .tm_isdst = -1 };
    if (!text) {
        const time_t t = time(NULL);
        return localtime_r(&t, now) ? TS_OK : ts_error(TS_ERR_IO, "the clock cannot be read");
    }
    const char *end = strptime(text, "%Y-%m-%d", now);
    if (end && *end)
        end = strptime(end, "T%H:%M:%S", now);
    struct tm normal = *now;
    if (!end || *end || timegm(&normal) == -1 || normal.tm_mday != now->tm_mday)
        return ts_error(TS_ERR_USER, "%s: expected YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS, found \"%s\"", option, text);
    *now = normal;
    return TS_OK;
}

/* ---- a conversation in it ---- */

/* What a message says of its reasoning, under the first of the names it goes by. */
static json_t *reasoning(const json_t *message)
{
    static const char *const key[] = { "reasoning_content", "thinking", "reasoning" };
    json_t *v = NULL;
    for (size_t i = 0; i < sizeof key / sizeof *key && (!v || json_is_null(v)); i++)
        v = json_object_get(message, key[i]);
    return v && !json_is_null(v) ? v : NULL;
}

/* A message as transformers hands it to a template. NULL: no memory. */
static json_t *for_template(const json_t *message)
{
    json_t *out = json_object(), *v;
    json_t *const thought = reasoning(message);
    const char *key;
    bool good = out && (!thought || json_object_set(out, "thinking", thought) == 0);
    json_object_foreach((json_t *)(uintptr_t)message, key, v)
    {
        if (good && !json_is_null(v))
            good = json_object_set(out, key, v) == 0;
    }
    good = good && (!thought || json_object_set(out, "reasoning_content", thought) == 0);
    if (!good)
        json_decref(out);
    return good ? out : NULL;
}

static ts_status copy_messages(const json_t *conversation, json_t *out)
{
    const json_t *list = json_object_get(conversation, "messages");
    if (!json_is_array(list) || !json_array_size(list))
        return ts_error(TS_ERR_USER, "\"messages\": expected a list of messages");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *m = json_array_get(list, i);
        if (!json_is_object(m) || !json_is_string(json_object_get(m, "role")))
            return ts_error(TS_ERR_USER, "messages[%zu]: expected an object with \"role\" and \"content\"", i);
        if (json_array_append_new(out, for_template(m)) != 0)
            return no_memory();
    }
    return TS_OK;
}

static ts_status set_vars(const ts_chat_template *t, const json_t *conversation, ts_chat_view *v)
{
    const json_t *more = json_object_get(conversation, "chat_template_kwargs");
    json_t *tools = json_object_get(conversation, "tools");
    if (more && !json_is_null(more) && !json_is_object(more))
        return ts_error(TS_ERR_USER, "\"chat_template_kwargs\": expected an object");
    if (tools && !json_is_null(tools) && !json_is_array(tools))
        return ts_error(TS_ERR_USER, "\"tools\": expected a list of tools");
    const bool has_tools = json_array_size(tools) > 0;
    v->jinja = has_tools && t->with_tools ? t->with_tools : t->plain;
    if (json_object_update(v->vars, t->roles) ||
        (json_is_object(more) && json_object_update(v->vars, (json_t *)(uintptr_t)more)) ||
        json_object_set_new(v->vars, "documents", json_null()) ||
        json_object_set(v->vars, "tools", has_tools ? tools : json_null()))
        return no_memory();
    return TS_OK;
}

ts_status ts_chat_view_open(const ts_chat_template *t, const json_t *conversation, ts_chat_view *out)
{
    ts_chat_view v = { .vars = json_object(), .messages = json_array() };
    ts_status st = v.vars && v.messages ? TS_OK : no_memory();
    if (st == TS_OK)
        st = copy_messages(conversation, v.messages);
    if (st == TS_OK)
        st = set_vars(t, conversation, &v);
    if (st != TS_OK)
        ts_chat_view_close(&v);
    else
        *out = v;
    return st;
}

void ts_chat_view_close(ts_chat_view *v)
{
    json_decref(v->vars);
    json_decref(v->messages);
    *v = (ts_chat_view){ 0 };
}

ts_status ts_chat_view_render(const ts_chat_template *t, ts_chat_view *v, size_t n, bool prompt, ts_jinja_text *out)
{
    json_t *list = n < json_array_size(v->messages) ? json_array() : json_incref(v->messages);
    bool good = list != NULL;
    for (size_t i = json_array_size(list); good && i < n; i++)
        good = json_array_append(list, json_array_get(v->messages, i)) == 0;
    good = good && json_object_set(v->vars, "messages", list) == 0 &&
           json_object_set(v->vars, "add_generation_prompt", prompt ? json_true() : json_false()) == 0;
    json_decref(list);
    return good ? ts_jinja_render(v->jinja, v->vars, &t->now, out) : no_memory();
}
