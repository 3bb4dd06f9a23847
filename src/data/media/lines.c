#include "data/media/lines.h"

#include "base/file.h"
#include "data/media/parts.h"
#include "text/normalize/normalize.h"

#include <string.h>

enum { NO_LABEL = -100 };

void ts_media_line_deinit(ts_media_line *l)
{
    ts_ids_deinit(&l->ids);
    ts_ids_deinit(&l->labels);
    ts_media_sample_deinit(&l->media);
}

/* ---- the folder ---- */

static ts_status add_end(ts_media_reader *r, const json_t *v, const char *file)
{
    const json_int_t id = json_integer_value(v);
    if (!json_is_integer(v) || id < 0 || id >= ts_tokenizer_vocab_size(r->tok))
        return ts_error(TS_ERR_USER, "%s: \"eos_token_id\" must be ids of the tokenizer", file);
    return ts_ids_add(&r->ends, (int32_t)id);
}

static ts_status read_generation(ts_media_reader *r, const json_t *o, const char *file)
{
    const json_t *ends = json_object_get(o, "eos_token_id");
    int64_t start;
    TS_TRY(ts_json_int(o, file, "decoder_start_token_id", -1, -1, INT32_MAX, &start));
    r->start = (int32_t)start;
    for (size_t i = 0; i < json_array_size(ends); i++)
        TS_TRY(add_end(r, json_array_get(ends, i), file));
    if (ends && !json_is_array(ends) && !json_is_null(ends))
        TS_TRY(add_end(r, ends, file));
    if (!r->ends.n && ts_tokenizer_eos(r->tok) >= 0)
        TS_TRY(ts_ids_add(&r->ends, ts_tokenizer_eos(r->tok)));
    if (!r->ends.n)
        return ts_error(TS_ERR_USER, "%s: which token ends an answer is not said here, nor by the tokenizer", file);
    return TS_OK;
}

static ts_status open_generation(ts_media_reader *r, const char *folder)
{
    ts_str path = { 0 };
    json_t *o = NULL;
    ts_status st = ts_path_join(&path, folder, "generation_config.json");
    if (st == TS_OK && ts_path_exists(path.s))
        st = ts_json_read(path.s, &o);
    if (st == TS_OK)
        st = read_generation(r, o, path.s);
    json_decref(o);
    ts_str_deinit(&path);
    return st;
}

/* The ids that an empty text has, but for those behind it. */
static ts_status find_before(ts_media_reader *r)
{
    ts_tokenizer_scratch *scratch = NULL;
    TS_TRY(ts_tokenizer_scratch_create(r->tok, &scratch));
    const ts_status st = ts_tokenizer_encode(r->tok, scratch, "", 0, true, &r->before);
    const size_t ends = ts_tokenizer_ends(r->tok);
    r->before.n -= st == TS_OK && ends <= r->before.n ? ends : 0;
    ts_tokenizer_scratch_destroy(&scratch);
    return st;
}

static ts_status open_parts(const char *folder, const char *now, ts_media_reader *r)
{
    TS_TRY(ts_media_processor_open(folder, r->tok, &r->processor));
    if (!r->processor)
        return ts_error(TS_ERR_USER, "%s: its config.json is of no model that reads pictures, clips or sounds", folder);
    r->is_whisper = ts_media_is_transcribed(r->processor);
    TS_TRY(open_generation(r, folder));
    TS_TRY(find_before(r));
    return r->is_whisper ? TS_OK : ts_chat_template_open(folder, NULL, now, &r->template);
}

ts_status ts_media_reader_open(const char *folder, const char *now, const ts_tokenizer *tok, ts_media_reader *out)
{
    *out = (ts_media_reader){ .tok = tok, .start = -1 };
    const ts_status st = open_parts(folder, now, out);
    if (st != TS_OK)
        ts_media_reader_close(out);
    return st;
}

void ts_media_reader_close(ts_media_reader *r)
{
    ts_media_processor_close(&r->processor);
    ts_chat_template_close(&r->template);
    ts_ids_deinit(&r->ends);
    ts_ids_deinit(&r->before);
}

/* ---- media ---- */

typedef struct job {
    const ts_media_reader *r;
    ts_tokenizer_scratch *scratch;
    const char *base;
    ts_media_line *out;
    ts_media_parts parts;
    ts_chat_view view;
    ts_jinja_text part; /* a rendering of the first messages */
    ts_str whole, wide; /* of all, and with the media's ids */
    size_t *mark;       /* [2 * answers] places in whole: where an answer begins and ends */
    size_t n_marks, cap_marks;
    ts_text_mark *place; /* the same in wide, and among the ids */
} job;

static ts_status full_path(const job *j, const char *path, ts_str *out)
{
    if (*path != '/' && j->base && *j->base)
        return ts_path_join(out, j->base, path);
    ts_str_reset(out);
    return ts_str_puts(out, path);
}

/* data:image/...;base64, and the bytes. */
static ts_status add_data(job *j, const char *url)
{
    const char *comma = strchr(url, ','), *name = "a picture in a data: URL";
    ts_str bytes = { 0 };
    ts_picture picture = { 0 };
    if (!comma || comma - url < 7 || strncmp(comma - 7, ";base64", 7) != 0)
        return ts_error(TS_ERR_USER, "%s: data:image/...;base64, is expected", name);
    ts_status st = ts_base64_decode(comma + 1, strlen(comma + 1), &bytes);
    if (st == TS_OK)
        st = ts_picture_decode((const uint8_t *)ts_str_text(&bytes), bytes.len, name, &picture);
    if (st == TS_OK)
        st = ts_media_add_picture(j->r->processor, &picture, name, &j->out->media);
    ts_picture_deinit(&picture);
    ts_str_deinit(&bytes);
    return st;
}

static ts_status add_clip_of_pictures(job *j, const json_t *list)
{
    const size_t n = json_array_size(list);
    ts_str *path = NULL;
    const char **frames = NULL;
    ts_status st = ts_alloc(&path, n, sizeof *path);
    if (st == TS_OK)
        st = ts_alloc(&frames, n, sizeof *frames);
    for (size_t i = 0; st == TS_OK && i < n; i++) {
        st = full_path(j, json_string_value(json_array_get(list, i)), &path[i]);
        frames[i] = path[i].s;
    }
    const ts_clip_source clip = { .frames = frames, .n_frames = n };
    if (st == TS_OK)
        st = ts_media_add_clip(j->r->processor, &clip, &j->out->media);
    for (size_t i = 0; path && i < n; i++)
        ts_str_deinit(&path[i]);
    ts_free(&path);
    ts_free(&frames);
    return st;
}

static ts_status add_file(job *j, const char *kind, const char *path, bool use_sound)
{
    const ts_media_processor *p = j->r->processor;
    ts_str full = { 0 };
    if (!strncmp(path, "http://", 7) || !strncmp(path, "https://", 8))
        return ts_error(TS_ERR_USER, "%s: nothing is fetched from a network; give the path of a file", path);
    ts_status st = full_path(j, !strncmp(path, "file://", 7) ? path + 7 : path, &full);
    const ts_clip_source clip = { .path = full.s, .use_sound = use_sound };
    if (st == TS_OK && !strcmp(kind, "image"))
        st = ts_media_add_picture_file(p, full.s, &j->out->media);
    else if (st == TS_OK && !strcmp(kind, "video"))
        st = ts_media_add_clip(p, &clip, &j->out->media);
    else if (st == TS_OK)
        st = ts_media_add_sound_file(p, full.s, &j->out->media);
    ts_str_deinit(&full);
    return st;
}

static ts_status add_media(job *j, bool use_sound)
{
    for (size_t i = 0; i < json_array_size(j->parts.media); i++) {
        const json_t *m = json_array_get(j->parts.media, i), *path = json_array_get(m, 1);
        const char *kind = json_string_value(json_array_get(m, 0)), *text = json_string_value(path);
        const ts_status st = json_is_array(path)                                     ? add_clip_of_pictures(j, path)
                             : !strcmp(kind, "image") && !strncmp(text, "data:", 5) ? add_data(j, text)
                                                                                     : add_file(j, kind, text, use_sound);
        if (st != TS_OK)
            return ts_error_context(st, "in messages[%lld]", (long long)json_integer_value(json_array_get(m, 2)));
    }
    return ts_media_finish(j->r->processor, &j->out->media);
}

/* ---- text ---- */

static bool begins(const ts_str *all, const ts_str *part)
{
    return part->len <= all->len && (!part->len || !memcmp(all->s, part->s, part->len));
}

/* The rendering of the first n messages, which must be how that of all begins, as a mark. */
static ts_status mark_end(job *j, size_t n, bool prompt)
{
    TS_TRY(ts_chat_view_render(&j->r->template, &j->view, n, prompt, &j->part));
    if (!begins(&j->whole, &j->part.text))
        return ts_error(TS_ERR_USER, "messages[%zu]: the template %s writes what stands before in another way once more follows, "
                        "so it is not known which tokens are the answer's", n ? n - 1 : 0, j->r->template.name.s);
    TS_TRY(ts_grow(&j->mark, &j->cap_marks, j->n_marks + 1, sizeof *j->mark));
    j->mark[j->n_marks++] = j->part.text.len;
    return TS_OK;
}

static ts_status render(job *j, bool is_prompt)
{
    const size_t n = json_array_size(j->view.messages);
    TS_TRY(ts_chat_view_render(&j->r->template, &j->view, n, is_prompt, &j->part));
    TS_TRY(ts_str_add(&j->whole, ts_str_text(&j->part.text), j->part.text.len));
    for (size_t k = 0; !is_prompt && k < n; k++) {
        const char *role = json_string_value(json_object_get(json_array_get(j->view.messages, k), "role"));
        if (!role || strcmp(role, "assistant") != 0)
            continue;
        TS_TRY(mark_end(j, k, true));
        TS_TRY(mark_end(j, k + 1, false));
    }
    return TS_OK;
}

/* The ids of the wide text, behind what the tokenizer puts before one that does not begin with it. */
static ts_status encode(job *j)
{
    const ts_media_reader *r = j->r;
    ts_ids *ids = &j->out->ids;
    const char *first = r->before.n == 1 ? ts_tokenizer_id_token(r->tok, r->before.v[0]) : NULL;
    const bool is_there = !ts_media_doubles_start(r->processor) && first && !strncmp(ts_str_text(&j->wide), first, strlen(first));
    for (size_t i = 0; !is_there && i < r->before.n; i++)
        TS_TRY(ts_ids_add(ids, r->before.v[i]));
    TS_TRY(ts_alloc(&j->place, j->n_marks, sizeof *j->place));
    for (size_t i = 0; i < j->n_marks; i++)
        j->place[i].at = j->mark[i];
    return ts_tokenizer_encode_marked(r->tok, j->scratch, ts_str_text(&j->wide), j->wide.len, j->place, j->n_marks, ids);
}

/* ---- labels ---- */

static bool is_end(const ts_media_reader *r, int32_t id)
{
    for (size_t i = 0; i < r->ends.n; i++)
        if (r->ends.v[i] == id)
            return true;
    return false;
}

static ts_status label(job *j)
{
    ts_ids *ids = &j->out->ids, *labels = &j->out->labels;
    for (size_t i = 0; i < ids->n; i++)
        TS_TRY(ts_ids_add(labels, NO_LABEL));
    for (size_t k = 0; k < j->n_marks; k += 2) {
        const size_t from = j->place[k].from, to = j->place[k + 1].from;
        size_t end = from;
        while (end < to && !is_end(j->r, ids->v[end]))
            end++;
        const bool has_end = end < to;
        if (!has_end && (k + 2 < j->n_marks || to < ids->n || ts_tokenizer_eos(j->r->tok) < 0))
            return ts_error(TS_ERR_USER, "the template %s writes an answer without a token that ends it", j->r->template.name.s);
        for (size_t i = from; i < end + has_end; i++)
            labels->v[i] = ids->v[i];
        if (!has_end) {
            TS_TRY(ts_ids_add(ids, ts_tokenizer_eos(j->r->tok)));
            TS_TRY(ts_ids_add(labels, ts_tokenizer_eos(j->r->tok)));
        }
    }
    return TS_OK;
}

/* ---- a line ---- */

static ts_status read_conversation(job *j, const json_t *line, bool is_prompt)
{
    const ts_media_reader *r = j->r;
    const json_t *use = json_object_get(line, "use_audio_in_video");
    TS_TRY(ts_media_parts_read(line, is_prompt, &j->parts));
    TS_TRY(add_media(j, json_is_true(use)));
    if (ts_media_marks_itself(r->processor))
        TS_TRY(ts_media_parts_join(&j->parts, ts_media_placeholder(r->processor, TS_MEDIUM_PICTURE)));
    json_t *conversation = json_copy((json_t *)(uintptr_t)line);
    if (!conversation || json_object_set(conversation, "messages", j->parts.messages)) {
        json_decref(conversation);
        return ts_error(TS_ERR_NOMEM, "no memory for a conversation");
    }
    const ts_status st = ts_chat_view_open(&r->template, conversation, &j->view);
    json_decref(conversation);
    if (st != TS_OK)
        return st;
    TS_TRY(render(j, is_prompt));
    TS_TRY(ts_media_widen(r->processor, &j->out->media, ts_str_text(&j->whole), j->whole.len, j->mark, j->n_marks, &j->wide));
    TS_TRY(encode(j));
    return label(j);
}

/* ---- Whisper ---- */

static ts_status add_token(job *j, const char *before, const json_t *name, const char *field)
{
    const char *text = json_string_value(name);
    ts_str token = { 0 };
    if (!text)
        return ts_error(TS_ERR_USER, "\"%s\" must be a text", field);
    ts_status st = ts_str_printf(&token, "<|%s%s|>", before, text);
    const int32_t id = st == TS_OK ? ts_tokenizer_token_id(j->r->tok, token.s) : -1;
    if (st == TS_OK && id < 0)
        st = ts_error(TS_ERR_USER, "\"%s\": the tokenizer has no %s", field, token.s);
    if (st == TS_OK)
        st = ts_ids_add(&j->out->ids, id);
    ts_str_deinit(&token);
    return st;
}

static ts_status read_spoken(job *j, const json_t *line, bool is_prompt)
{
    ts_media_line *out = j->out;
    const json_t *path = json_object_get(line, "audio"), *text = json_object_get(line, "text");
    if (!json_is_string(path))
        return ts_error(TS_ERR_USER, "\"audio\" must be the path of a sound");
    TS_TRY(add_file(j, "audio", json_string_value(path), false));
    TS_TRY(ts_media_finish(j->r->processor, &out->media));
    if (j->r->start < 0)
        return ts_error(TS_ERR_USER, "generation_config.json says no \"decoder_start_token_id\"");
    TS_TRY(ts_ids_add(&out->ids, j->r->start));
    TS_TRY(add_token(j, "", json_object_get(line, "language"), "language"));
    TS_TRY(add_token(j, "", json_object_get(line, "task"), "task"));
    const int32_t no_times = ts_tokenizer_token_id(j->r->tok, "<|notimestamps|>");
    if (no_times < 0)
        return ts_error(TS_ERR_USER, "the tokenizer has no <|notimestamps|>");
    TS_TRY(ts_ids_add(&out->ids, no_times));
    if (!is_prompt && !json_is_string(text))
        return ts_error(TS_ERR_USER, "\"text\" must be what is said");
    if (!is_prompt)
        TS_TRY(ts_tokenizer_encode(j->r->tok, j->scratch, json_string_value(text), json_string_length(text), false, &out->ids));
    for (size_t i = 1; i < out->ids.n; i++)
        TS_TRY(ts_ids_add(&out->labels, out->ids.v[i]));
    return ts_ids_add(&out->labels, j->r->ends.v[0]);
}

ts_status ts_media_reader_read(const ts_media_reader *r, ts_tokenizer_scratch *scratch, const json_t *line, const char *base,
                               bool is_prompt, ts_media_line *out)
{
    job j = { .r = r, .scratch = scratch, .base = base, .out = out };
    out->ids.n = out->labels.n = 0;
    ts_media_sample_deinit(&out->media);
    const ts_status st = r->is_whisper ? read_spoken(&j, line, is_prompt) : read_conversation(&j, line, is_prompt);
    ts_media_parts_deinit(&j.parts);
    ts_chat_view_close(&j.view);
    ts_jinja_text_deinit(&j.part);
    ts_str_deinit(&j.whole);
    ts_str_deinit(&j.wide);
    ts_free(&j.mark);
    ts_free(&j.place);
    return st;
}
