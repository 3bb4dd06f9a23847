#include "data/media/mm_data.h"

#include "base/file.h"
#include "base/mem.h"
#include "data/nprandom.h"

#include <stdio.h>
#include <string.h>

const ts_option ts_mm_option_rows[] = {
    TS_ROW_IS(TS_OPTION_DECIDES, TEXT, ts_mm_options, data, "mm-data", NULL, 0, 0, NULL, "data",
              "samples with pictures and clips: MindSpeed MM's data.json (docs/vision.md)"),
};
const size_t ts_mm_option_count = sizeof ts_mm_option_rows / sizeof *ts_mm_option_rows;

/* Keys of records, as attr calls them. */
enum { MESSAGES, IMAGES, VIDEOS, AUDIOS, ROLE, CONTENT, USER, ASSISTANT, SYSTEM, ATTRS };
static const char *const attr_keys[ATTRS] = { "messages", "images", "videos", "audios", "role_tag", "content_tag", "user_tag",
                                              "assistant_tag", "system_tag" };
static const char *const attr_usual[ATTRS] = { "messages", "images", "videos", "audios", "role", "content", "user", "assistant",
                                               "system" };

struct ts_mm_source {
    ts_dataset base;
    ts_field field[TS_MM_FIELDS];
    ts_data_need need;
    json_t *config;           /* data.json */
    ts_str file, folder;      /* of the records; what their media's paths count from */
    json_t *records;          /* a list of lines as ts_media_reader reads them */
    ts_tokenizer *tok;
    ts_media_reader reader;
    bool is_open;
    bool shuffles;
    uint32_t *order;          /* [samples] records, pass after pass; NULL: as they stand */
};

/* ---- records ---- */

static ts_status no_memory(void) { return ts_error(TS_ERR_NOMEM, "no memory for records with pictures"); }

static ts_status record_error(const ts_mm_source *s, size_t i, const char *why)
{
    return ts_error(TS_ERR_USER, "%s: record %zu: %s", s->file.s, i, why);
}

static const char *attr_of(const json_t *attr, int key)
{
    const char *name = json_string_value(json_object_get(attr, attr_keys[key]));
    return name ? name : attr_usual[key];
}

/* "messages" of role and content, by the names of attr; NULL: they are none. */
static json_t *messages_of(const json_t *list, const json_t *attr)
{
    static const char *const roles[] = { "user", "assistant", "system" };
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *m = json_array_get(list, i);
        const char *role = json_string_value(json_object_get(m, attr_of(attr, ROLE))), *is = role;
        json_t *content = json_object_get(m, attr_of(attr, CONTENT));
        for (int k = 0; role && k < 3; k++)
            is = !strcmp(role, attr_of(attr, USER + k)) ? roles[k] : is;
        if (!is || !content || json_array_append_new(out, json_pack("{s:s, s:O}", "role", is, "content", content))) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}

static ts_status take_media(const json_t *record, const char *from, const char *to, json_t *line)
{
    json_t *v = json_object_get(record, from);
    if (!v || json_is_null(v))
        return TS_OK;
    json_t *list = json_is_array(v) ? json_incref(v) : json_pack("[O]", v);
    return json_object_set_new(line, to, list) ? no_memory() : TS_OK;
}

static ts_status line_of(const ts_mm_source *s, size_t i, const json_t *record, const json_t *attr, bool talks, json_t **out)
{
    static const char *const media[] = { "images", "videos", "audios" };
    const json_t *list = json_object_get(record, talks ? "conversations" : attr_of(attr, MESSAGES));
    if (!json_is_array(list) || !json_array_size(list))
        return record_error(s, i, talks ? "\"conversations\" is missing or no list" : "there are no messages");
    json_t *messages = messages_of(list, attr);
    if (!messages)
        return record_error(s, i, "a message has no role or no content");
    json_t *line = json_pack("{s:o}", "messages", messages);
    if (!line)
        return no_memory();
    ts_status st = TS_OK;
    if (talks)
        st = take_media(record, "image", "images", line);
    if (talks && st == TS_OK)
        st = take_media(record, "video", "videos", line);
    for (int k = 0; !talks && st == TS_OK && k < 3; k++)
        st = take_media(record, attr_of(attr, IMAGES + k), media[k], line);
    if (st == TS_OK)
        *out = line;
    else
        json_decref(line);
    return st;
}

/* A JSON list, or JSON lines. */
static ts_status read_list(const char *path, json_t **out)
{
    const size_t n = strlen(path);
    ts_str text = { 0 };
    if (n < 6 || strcmp(path + n - 6, ".jsonl"))
        return ts_json_read(path, out);
    TS_TRY(ts_file_read(path, &text));
    json_t *list = json_array();
    ts_status st = list ? TS_OK : no_memory();
    int64_t number = 1;
    for (const char *at = text.s, *end; st == TS_OK && at && at < text.s + text.len; at = end + 1, number++) {
        char name[300];
        json_t *one = NULL;
        end = memchr(at, '\n', (size_t)(text.s + text.len - at));
        end = end ? end : text.s + text.len;
        if (strspn(at, " \t\r\n") >= (size_t)(end - at))
            continue;
        snprintf(name, sizeof name, "%s:%lld", path, (long long)number);
        st = ts_json_parse(at, (size_t)(end - at), name, &one);
        if (st == TS_OK && json_array_append_new(list, one))
            st = no_memory();
    }
    ts_str_deinit(&text);
    if (st == TS_OK)
        *out = list;
    else
        json_decref(list);
    return st;
}

static ts_status read_records(ts_mm_source *s, const json_t *attr, bool talks)
{
    json_t *list = NULL;
    TS_TRY(read_list(s->file.s, &list));
    s->records = json_array();
    ts_status st = !s->records ? no_memory() : json_array_size(list) ? TS_OK : ts_error(TS_ERR_USER, "%s: there are no records", s->file.s);
    for (size_t i = 0; st == TS_OK && i < json_array_size(list); i++) {
        json_t *line = NULL;
        st = line_of(s, i, json_array_get(list, i), attr, talks, &line);
        if (st == TS_OK && json_array_append_new(s->records, line))
            st = no_memory();
    }
    json_decref(list);
    return st;
}

/* ---- data.json ---- */

static ts_status locate(ts_mm_source *s, const json_t *basic, const char *file, bool talks)
{
    const char *path = NULL, *folder = NULL;
    TS_TRY(ts_json_text(basic, file, talks ? "data_path" : "dataset", NULL, &path));
    TS_TRY(ts_json_text(basic, file, talks ? "data_folder" : "dataset_dir", NULL, &folder));
    if (!path)
        return ts_error(TS_ERR_USER, "%s: basic_parameters names no records (%s)", file, talks ? "data_path" : "dataset");
    TS_TRY(ts_str_puts(&s->file, path));
    const char *slash = strrchr(path, '/');
    return folder ? ts_str_puts(&s->folder, folder) : slash ? ts_str_add(&s->folder, path, (size_t)(slash - path) + 1) : ts_str_puts(&s->folder, ".");
}

static ts_status read_config(ts_mm_source *s, const char *file)
{
    const char *type = NULL;
    json_t *attr = NULL;
    TS_TRY(ts_json_read(file, &s->config));
    const json_t *param = json_object_get(s->config, "dataset_param"), *loader = json_object_get(s->config, "dataloader_param");
    TS_TRY(ts_json_text(param, file, "dataset_type", NULL, &type));
    if (!type || (strcmp(type, "huggingface") && strcmp(type, "multimodal")))
        return ts_error(TS_ERR_USER, "%s: dataset_type is \"%.40s\", expected huggingface or multimodal", file, type ? type : "missing");
    const bool talks = !strcmp(type, "multimodal");
    TS_TRY(locate(s, json_object_get(param, "basic_parameters"), file, talks));
    s->shuffles = true;
    TS_TRY(ts_json_bool(loader, file, "shuffle", true, &s->shuffles));
    attr = talks ? json_pack("{s:s, s:s, s:s, s:s}", "role_tag", "from", "content_tag", "value", "user_tag", "human", "assistant_tag", "gpt")
                 : json_incref(json_object_get(param, "attr"));
    const ts_status st = read_records(s, attr, talks);
    json_decref(attr);
    return st;
}

/* ---- samples ---- */

int64_t ts_mm_source_records(const ts_mm_source *s) { return (int64_t)json_array_size(s->records); }

void ts_mm_source_where(const ts_mm_source *s, int64_t record, char *out, size_t size)
{
    snprintf(out, size, "%s: record %lld", s->file.s, (long long)record);
}

ts_status ts_mm_source_describe(const ts_mm_source *s, ts_str *out)
{
    const int64_t n = ts_mm_source_records(s);
    return ts_str_printf(out, "training data: %lld records of %s, gone through %.3g times%s", (long long)n, s->file.s,
                         (double)s->need.n_train / (double)n, s->shuffles ? ", shuffled" : "");
}

ts_status ts_mm_source_read(const ts_mm_source *s, int64_t record, ts_media_line *out)
{
    char where[400], why[1024];
    ts_tokenizer_scratch *scratch;
    TS_TRY(ts_tokenizer_scratch_create(s->tok, &scratch));
    const ts_status st = ts_media_reader_read(&s->reader, scratch, json_array_get(s->records, (size_t)record), s->folder.s, false, out);
    ts_tokenizer_scratch_destroy(&scratch);
    ts_mm_source_where(s, record, where, sizeof where);
    if (st == TS_ERR_USER) {
        snprintf(why, sizeof why, "%s", ts_error_message());
        return ts_error(TS_ERR_USER, "%s: %s", where, why);
    }
    if (st == TS_OK && (int64_t)out->ids.n > s->need.seq_length)
        return ts_error(TS_ERR_USER, "%s has %zu tokens, more than --seq-length %lld: samples with media are not cut", where,
                        out->ids.n, (long long)s->need.seq_length);
    return st;
}

static ts_status get(const ts_dataset *d, int64_t i, const ts_batch *b, int64_t row)
{
    const ts_mm_source *s = (const ts_mm_source *)(const void *)d;
    const int64_t n = ts_mm_source_records(s), S = s->need.seq_length, record = s->order ? s->order[i] : i % n;
    int32_t *tokens = ts_batch_ints(b, "tokens", row), *labels = ts_batch_ints(b, "labels", row);
    float *mask = ts_batch_floats(b, "loss_mask", row);
    ts_media_line l = { 0 };
    const ts_status st = ts_mm_source_read(s, record, &l);
    for (int64_t k = 0; st == TS_OK && k < S; k++) {
        const bool next = k + 1 < (int64_t)l.ids.n;
        tokens[k] = k < (int64_t)l.ids.n ? l.ids.v[k] : s->need.pad >= 0 ? s->need.pad : 0;
        labels[k] = next ? l.labels.v[k + 1] : -100;
        mask[k] = labels[k] >= 0;
    }
    if (st == TS_OK) {
        *ts_batch_ints(b, "length", row) = (int32_t)l.ids.n;
        *ts_batch_ints(b, "record", row) = (int32_t)record;
    }
    ts_media_line_deinit(&l);
    return st;
}

int ts_mm_fields(int64_t S, ts_field out[TS_MM_FIELDS])
{
    out[0] = (ts_field){ "tokens", TS_DTYPE_I32, S };
    out[1] = (ts_field){ "labels", TS_DTYPE_I32, S };
    out[2] = (ts_field){ "loss_mask", TS_DTYPE_F32, S };
    out[3] = (ts_field){ "length", TS_DTYPE_I32, 1 };
    out[4] = (ts_field){ "record", TS_DTYPE_I32, 1 };
    return TS_MM_FIELDS;
}

/* Each pass over the records in an order of its own. */
static ts_status make_order(ts_mm_source *s)
{
    const int64_t n = ts_mm_source_records(s);
    ts_nprandom r;
    if (!s->shuffles || s->need.n_train < 1)
        return TS_OK;
    TS_TRY(ts_alloc(&s->order, (size_t)((s->need.n_train / n + 1) * n), sizeof *s->order));
    ts_nprandom_init(&r, s->need.seed);
    for (int64_t at = 0; at < s->need.n_train; at += n) {
        for (int64_t i = 0; i < n; i++)
            s->order[at + i] = (uint32_t)i;
        ts_nprandom_shuffle_u32(&r, s->order + at, n);
    }
    return TS_OK;
}

/* All records of small sets, the first ones of large sets. */
static ts_status try_records(const ts_mm_source *s)
{
    enum { TRIED = 1024 };
    ts_media_line l = { 0 };
    ts_status st = TS_OK;
    bool trains = false;
    for (int64_t i = 0; st == TS_OK && i < ts_mm_source_records(s) && i < TRIED; i++) {
        st = ts_mm_source_read(s, i, &l);
        for (size_t k = 0; st == TS_OK && !trains && k < l.labels.n; k++)
            trains = l.labels.v[k] >= 0;
    }
    ts_media_line_deinit(&l);
    return st == TS_OK && !trains ? ts_error(TS_ERR_USER, "%s: no record has an answer to train on", s->file.s) : st;
}

static ts_status open_all(ts_mm_source *s, const ts_mm_options *o, const char *folder)
{
    TS_TRY(read_config(s, o->data));
    TS_TRY(ts_tokenizer_open(folder, NULL, &s->tok));
    TS_TRY(ts_media_reader_open(folder, NULL, s->tok, &s->reader));
    s->is_open = true;
    TS_TRY(try_records(s));
    return make_order(s);
}

ts_status ts_mm_source_create(const ts_mm_options *o, const char *folder, const ts_data_need *need, ts_mm_source **out)
{
    ts_mm_source *s;
    TS_TRY(ts_alloc(&s, 1, sizeof *s));
    s->need = *need;
    const ts_status st = open_all(s, o, folder);
    s->base = (ts_dataset){ .n = need->n_train, .field = s->field, .n_fields = ts_mm_fields(need->seq_length, s->field), .get = get };
    if (st != TS_OK)
        ts_mm_source_destroy(&s);
    else
        *out = s;
    return st;
}

void ts_mm_source_destroy(ts_mm_source **source)
{
    ts_mm_source *s = *source;
    if (!s)
        return;
    if (s->is_open)
        ts_media_reader_close(&s->reader);
    ts_tokenizer_destroy(&s->tok);
    json_decref(s->records);
    json_decref(s->config);
    ts_str_deinit(&s->file);
    ts_str_deinit(&s->folder);
    ts_free(&s->order);
    ts_free(source);
}

const ts_dataset *ts_mm_source_part(const ts_mm_source *s, ts_data_part part)
{
    return part == TS_DATA_TRAIN && s->need.n_train > 0 ? &s->base : NULL;
}
