#include "data/media/parts.h"

#include <string.h>

typedef struct reading {
    const json_t *line;
    size_t used[TS_MEDIUM_KINDS]; /* of the line's lists */
    size_t message;
    ts_media_parts *out;
} reading;

static const char *const list_names[TS_MEDIUM_KINDS] = { "images", "videos", "audios" };

static ts_status no_memory(void) { return ts_error(TS_ERR_NOMEM, "no memory for a conversation"); }

static ts_status append(json_t *list, json_t *v) { return json_array_append_new(list, v) ? no_memory() : TS_OK; }

static ts_status add_text(json_t *content, const char *text, size_t n)
{
    return append(content, json_pack("{s:s, s:s%}", "type", "text", "text", text, n));
}

static bool is_path(const json_t *v)
{
    bool is = json_is_string(v) || (json_is_array(v) && json_array_size(v));
    for (size_t i = 0; is && i < json_array_size(v); i++)
        is = json_is_string(json_array_get(v, i));
    return is;
}

/* where: the list that a marker in a text stands for; NULL: the medium is a part of its own. */
static ts_status add_medium(reading *r, json_t *content, ts_medium_kind kind, json_t *path, const char *where)
{
    const char *word = ts_medium_word(kind);
    if (!is_path(path) || (json_is_array(path) && kind != TS_MEDIUM_CLIP))
        return ts_error(TS_ERR_USER, "messages[%zu]: %s: %s must have %s", r->message, where ? where : "content", word,
                        kind == TS_MEDIUM_CLIP ? "a path or a list of paths" : "a path");
    TS_TRY(append(r->out->media, json_pack("[s, O, I]", word, path, (json_int_t)r->message)));
    return append(content, json_pack("{s:s, s:b}", "type", word, "is_marker", where != NULL));
}

/* ---- texts with markers ---- */

static bool next_marker(const char *text, size_t n, size_t from, size_t *at, size_t *len, ts_medium_kind *kind)
{
    static const char *const markers[TS_MEDIUM_KINDS] = { "<image>", "<video>", "<audio>" };
    for (*at = from; *at < n; (*at)++)
        for (int k = 0; k < TS_MEDIUM_KINDS; k++) {
            *len = strlen(markers[k]);
            if (*len <= n - *at && !memcmp(text + *at, markers[k], *len)) {
                *kind = (ts_medium_kind)k;
                return true;
            }
        }
    return false;
}

static ts_status split_text(reading *r, const json_t *text, json_t *content)
{
    const char *s = json_string_value(text);
    const size_t n = json_string_length(text);
    size_t from = 0, at, len;
    ts_medium_kind kind;
    while (next_marker(s, n, from, &at, &len, &kind)) {
        json_t *list = json_object_get(r->line, list_names[kind]);
        if (r->used[kind] >= json_array_size(list))
            return ts_error(TS_ERR_USER, "messages[%zu]: marker <%s> number %zu, but \"%s\" has %zu entries", r->message,
                            ts_medium_word(kind), r->used[kind] + 1, list_names[kind], json_array_size(list));
        if (at > from)
            TS_TRY(add_text(content, s + from, at - from));
        TS_TRY(add_medium(r, content, kind, json_array_get(list, r->used[kind]++), list_names[kind]));
        from = at + len;
    }
    return from < n || !json_array_size(content) ? add_text(content, s + from, n - from) : TS_OK;
}

/* ---- lists of parts ---- */

static bool kind_of(const char *type, ts_medium_kind *kind)
{
    static const struct {
        const char *type;
        ts_medium_kind kind;
    } types[] = { { "image", TS_MEDIUM_PICTURE },     { "image_url", TS_MEDIUM_PICTURE }, { "video", TS_MEDIUM_CLIP },
                  { "video_url", TS_MEDIUM_CLIP },    { "audio", TS_MEDIUM_SOUND },       { "audio_url", TS_MEDIUM_SOUND },
                  { "input_audio", TS_MEDIUM_SOUND } };
    for (size_t i = 0; type && i < sizeof types / sizeof *types; i++)
        if (!strcmp(types[i].type, type)) {
            *kind = types[i].kind;
            return true;
        }
    return false;
}

/* Under the first of the names that it goes by. */
static json_t *path_of(const json_t *part, const char *type, ts_medium_kind kind)
{
    const char *const keys[] = { "path", ts_medium_word(kind), type, "url" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        json_t *v = json_object_get(part, keys[i]);
        if (json_is_object(v))
            v = json_object_get(v, "url");
        if (v)
            return v;
    }
    return NULL;
}

static ts_status add_part(reading *r, const json_t *part, json_t *content)
{
    const char *type = json_string_value(json_object_get(part, "type"));
    const json_t *text = json_object_get(part, "text");
    ts_medium_kind kind;
    if (kind_of(type, &kind))
        return add_medium(r, content, kind, path_of(part, type, kind), NULL);
    if (!type || strcmp(type, "text") != 0 || !json_is_string(text))
        return ts_error(TS_ERR_USER, "messages[%zu]: a part of \"content\" must be {\"type\": \"text\", \"text\": ...} or one of an image, "
                        "a video or an audio", r->message);
    return add_text(content, json_string_value(text), json_string_length(text));
}

static ts_status read_content(reading *r, const json_t *v, json_t *content)
{
    if (json_is_string(v))
        return split_text(r, v, content);
    if (!json_is_array(v))
        return ts_error(TS_ERR_USER, "messages[%zu]: \"content\" must be a text or a list of parts", r->message);
    for (size_t i = 0; i < json_array_size(v); i++)
        TS_TRY(add_part(r, json_array_get(v, i), content));
    return TS_OK;
}

static ts_status read_message(reading *r, const json_t *message)
{
    json_t *content = json_array(), *copy = json_is_object(message) ? json_copy((json_t *)(uintptr_t)message) : NULL;
    ts_status st = content ? TS_OK : no_memory();
    if (st == TS_OK && !copy)
        st = ts_error(TS_ERR_USER, "messages[%zu] must be an object with \"role\" and \"content\"", r->message);
    if (st == TS_OK)
        st = read_content(r, json_object_get(message, "content"), content);
    if (st == TS_OK && json_object_set(copy, "content", content))
        st = no_memory();
    if (st == TS_OK)
        st = append(r->out->messages, json_incref(copy));
    json_decref(content);
    json_decref(copy);
    return st;
}

static ts_status check_used(const reading *r)
{
    for (int k = 0; k < TS_MEDIUM_KINDS; k++) {
        const json_t *list = json_object_get(r->line, list_names[k]);
        if (list && !json_is_null(list) && !json_is_array(list))
            return ts_error(TS_ERR_USER, "\"%s\" must be a list of paths", list_names[k]);
        if (json_array_size(list) != r->used[k])
            return ts_error(TS_ERR_USER, "\"%s\" has %zu entries, but the texts have %zu markers <%s>", list_names[k],
                            json_array_size(list), r->used[k], ts_medium_word((ts_medium_kind)k));
    }
    return TS_OK;
}

static bool is_answer(const json_t *message)
{
    const char *role = json_string_value(json_object_get(message, "role"));
    return role && !strcmp(role, "assistant");
}

static ts_status read_messages(reading *r, bool is_prompt)
{
    const json_t *messages = json_object_get(r->line, "messages");
    size_t n = json_array_size(messages);
    if (!n)
        return ts_error(TS_ERR_USER, "\"messages\" must be a list of messages");
    n -= is_prompt && is_answer(json_array_get(messages, n - 1));
    for (r->message = 0; r->message < n; r->message++)
        TS_TRY(read_message(r, json_array_get(messages, r->message)));
    return check_used(r);
}

ts_status ts_media_parts_read(const json_t *line, bool is_prompt, ts_media_parts *out)
{
    ts_media_parts p = { json_array(), json_array() };
    reading r = { .line = line, .out = &p };
    ts_status st = p.messages && p.media ? read_messages(&r, is_prompt) : no_memory();
    if (st == TS_OK)
        *out = p;
    else
        ts_media_parts_deinit(&p);
    return st;
}

void ts_media_parts_deinit(ts_media_parts *p)
{
    json_decref(p->messages);
    json_decref(p->media);
    *p = (ts_media_parts){ 0 };
}

/* ---- as texts ---- */

static ts_status join(const json_t *content, const char *mark, ts_str *text)
{
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *part = json_array_get(content, i), *s = json_object_get(part, "text");
        if (s)
            TS_TRY(ts_str_add(text, json_string_value(s), json_string_length(s)));
        else
            TS_TRY(ts_str_printf(text, "%s%s", mark, json_is_true(json_object_get(part, "is_marker")) ? "" : "\n"));
    }
    return TS_OK;
}

ts_status ts_media_parts_join(ts_media_parts *p, const char *mark)
{
    ts_str text = { 0 };
    ts_status st = TS_OK;
    for (size_t i = 0; st == TS_OK && i < json_array_size(p->messages); i++) {
        json_t *m = json_array_get(p->messages, i);
        ts_str_reset(&text);
        st = join(json_object_get(m, "content"), mark, &text);
        if (st == TS_OK && json_object_set_new(m, "content", json_stringn(ts_str_text(&text), text.len)))
            st = no_memory();
    }
    ts_str_deinit(&text);
    return st;
}
