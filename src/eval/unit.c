#include "eval/unit.h"

#include "base/file.h"
#include "eval/examples.h"

#include <string.h>

static ts_status no_memory(void) { return ts_error(TS_ERR_NOMEM, "out of memory for a benchmark"); }

/* ---- which files ---- */

/* The i-th of what a task names: a text, or a list of texts. */
static const char *stem_at(const json_t *def, const char *key, size_t i)
{
    const json_t *v = json_object_get(def, key);
    return json_is_array(v) ? json_string_value(json_array_get(v, i)) : i ? NULL : json_string_value(v);
}

static ts_status with_subject(const char *stem, const char *subject, ts_str *out)
{
    const char *at = strstr(stem, "{subject}");
    ts_str_reset(out);
    if (!at || !subject)
        return ts_str_puts(out, stem);
    return ts_str_printf(out, "%.*s%s%s", (int)(at - stem), stem, subject, at + strlen("{subject}"));
}

/* The first of a task's files that is there. */
static ts_status find(const ts_eval_options *o, const ts_eval_task *t, const char *key, const char *subject,
                      ts_str *path, bool *found)
{
    ts_str stem = { 0 };
    const char *s;
    ts_status st = TS_OK;
    *found = false;
    for (size_t i = 0; st == TS_OK && !*found && (s = stem_at(t->def, key, i)); i++) {
        st = with_subject(s, subject, &stem);
        if (st == TS_OK)
            st = ts_eval_find_file(o->data_path, stem.s, path, found);
    }
    ts_str_deinit(&stem);
    return st;
}

/* "a, b or c" of a task's files, for messages. */
static ts_status none_there(const ts_eval_options *o, const ts_eval_task *t, const char *key,
                            const char *subject, const char *what)
{
    ts_str names = { 0 }, stem = { 0 };
    const char *s;
    ts_status st = TS_OK;
    for (size_t i = 0; st == TS_OK && (s = stem_at(t->def, key, i)); i++) {
        st = with_subject(s, subject, &stem);
        if (st == TS_OK)
            st = ts_str_printf(&names, "%s%s", i ? ", " : "", stem.s);
    }
    if (st == TS_OK)
        st =
            ts_error(TS_ERR_USER,
                     "task %s: %s is not in --task-data-path %s: expected %s (.jsonl, .json, .csv, .parquet)",
                     t->name, what, o->data_path, ts_str_text(&names));
    ts_str_deinit(&names);
    ts_str_deinit(&stem);
    return st;
}

/* Whether a file's name is the stem with a subject in it; that subject. */
static ts_status subject_of(const char *stem, const char *name, char **out)
{
    static const char *const ends[] = { ".jsonl", ".json", ".csv", ".jsonl.gz", ".jsonl.zst", ".parquet" };
    const char *at = strstr(stem, "{subject}"), *behind = at + strlen("{subject}");
    const size_t front = (size_t)(at - stem), n = strlen(name), back = strlen(behind);
    *out = NULL;
    for (size_t i = 0; i < sizeof ends / sizeof *ends && !*out; i++) {
        const size_t tail = back + strlen(ends[i]);
        if (n > front + tail && !strncmp(name, stem, front) && ts_path_ends(name, ends[i]) &&
            !strncmp(name + n - tail, behind, back))
            TS_TRY(ts_strndup(name + front, n - front - tail, out));
    }
    return TS_OK;
}

static bool is_listed(const json_t *list, const char *text)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!strcmp(json_string_value(json_array_get(list, i)), text))
            return true;
    return false;
}

/* ---- samples ---- */

/* What templates see beside a record's own fields. */
static ts_status dress(const ts_eval_unit *u, ts_eval_writer *w, json_t *record, const char *place)
{
    const char *subject = u->subject ? u->subject : "";
    const json_t *name = json_object_get(json_object_get(u->task->def, "subject_names"), subject);
    ts_str_reset(&w->a);
    TS_TRY(ts_str_puts(&w->a, name ? json_string_value(name) : subject));
    for (size_t i = 0; i < w->a.len && !name; i++)
        w->a.s[i] = w->a.s[i] == '_' ? ' ' : w->a.s[i];
    if (json_object_set_new(record, "subject", json_string(subject)) ||
        json_object_set_new(record, "subject_name", json_string(ts_str_text(&w->a))))
        return no_memory();
    return ts_eval_add_fields(u->task, record, place, &w->work);
}

static ts_status dress_all(const ts_eval_unit *u, ts_eval_writer *w, const ts_eval_records *r, ts_str *place)
{
    TS_TRY(ts_eval_records_need(r, json_object_get(u->task->def, "needs")));
    for (size_t i = 0; i < r->n; i++) {
        TS_TRY(ts_eval_place(r, i, place));
        TS_TRY(dress(u, w, r->v[i], place->s));
    }
    return TS_OK;
}

/* Examples in front of sample i, of which there are `want`: those of the file, without the record itself where it is the
 * same file. */
static ts_status examples_of(const ts_eval_unit *u, const ts_eval_records *examples, int64_t want, size_t i,
                             json_t **out)
{
    const bool same = examples->n == u->records.n && examples->v[0] == u->records.v[0];
    size_t k = 0;
    for (size_t e = 0; e < examples->n && (int64_t)k < want; e++)
        if (!same || e != i)
            out[k++] = examples->v[e];
    return (int64_t)k == want
               ? TS_OK
               : ts_error(TS_ERR_USER, "%s has %zu records for examples, and --num-fewshot is %lld",
                          examples->path.s, k, (long long)want);
}

static ts_status make_samples(const ts_eval_options *o, const ts_eval_style *style, ts_eval_unit *u,
                              ts_eval_writer *w, const ts_eval_records *examples, int64_t want, ts_str *place)
{
    json_t **v;
    ts_status st = TS_OK;
    const size_t n =
        o->max_samples && (size_t)o->max_samples < u->records.n ? (size_t)o->max_samples : u->records.n;
    TS_TRY(ts_alloc(&u->sample, n, sizeof *u->sample));
    TS_TRY(ts_alloc(&u->line, n, sizeof *u->line));
    TS_TRY(ts_alloc(&v, (size_t)want, sizeof *v));
    for (; u->n < n && st == TS_OK; u->n++) {
        ts_eval_sample *s = &u->sample[u->n];
        s->index = (int64_t)u->n;
        if (want)
            st = examples_of(u, examples, want, u->n, v);
        if (st == TS_OK)
            st = ts_eval_place(&u->records, u->n, place);
        if (st == TS_OK)
            st = ts_eval_sample_make(u->task, style, w, u->records.v[u->n], v, (size_t)want, place->s, s);
    }
    ts_free(&v);
    return st;
}

/* The records that examples are taken from: a file of their own, those in the task, or the others of the same file. */
static ts_status open_examples(const ts_eval_options *o, ts_eval_unit *u, ts_eval_writer *w, ts_str *place,
                               ts_eval_records *out)
{
    const json_t *def = u->task->def,
                 *own = json_object_get(json_object_get(def, "fewshot_config"), "samples");
    bool found = false;
    if (json_is_array(own))
        TS_TRY(ts_eval_examples_listed(u->task->name, own, out));
    else if (json_object_get(def, "fewshot_split")) {
        TS_TRY(find(o, u->task, "fewshot_split", u->subject, place, &found));
        if (!found)
            return none_there(o, u->task, "fewshot_split", u->subject,
                              "the file of examples (--num-fewshot)");
        TS_TRY(ts_eval_examples_read(def, place->s, out));
    } else {
        *out = u->records;
        return TS_OK;
    }
    TS_TRY(dress_all(u, w, out, place));
    json_t *said = out->n ? json_object_get(out->v[0], "description") : NULL;
    for (size_t i = 0; said && i < u->records.n; i++) /* of all, as prompts of examples have it */
        if (!json_object_get(u->records.v[i], "description") &&
            json_object_set(u->records.v[i], "description", said))
            return no_memory();
    return TS_OK;
}

static ts_status open_unit(const ts_eval_options *o, const ts_eval_style *style, const char *path,
                           ts_eval_unit *u)
{
    const json_t *def = u->task->def;
    const char *rows;
    ts_eval_writer w = { 0 };
    ts_eval_records examples = { 0 };
    ts_str place = { 0 };
    const int64_t want = o->num_fewshot >= 0 ? o->num_fewshot : u->task->num_fewshot;
    ts_status st;
    TS_TRY_TO(done, st, ts_json_text(def, u->task->name, "rows", NULL, &rows));
    TS_TRY_TO(done, st, ts_eval_records_read(path, json_object_get(def, "columns"), rows, &u->records));
    TS_TRY_TO(done, st, dress_all(u, &w, &u->records, &place));
    if (want)
        TS_TRY_TO(done, st, open_examples(o, u, &w, &place, &examples));
    st = make_samples(o, style, u, &w, &examples, want, &place);
done:
    if (examples.v != u->records.v)
        ts_eval_records_deinit(&examples);
    ts_eval_writer_deinit(&w);
    ts_str_deinit(&place);
    return st;
}

/* ---- units ---- */

/* Takes the subject over; NULL: the task has none. */
static ts_status add_unit(ts_eval_units *u, const ts_eval_options *o, const ts_eval_style *style,
                          const ts_eval_task *t, const ts_eval_judging *j, char *subject, const char *path)
{
    const ts_status st = ts_grow(&u->v, &u->cap, u->n + 1, sizeof *u->v);
    if (st != TS_OK) {
        ts_free(&subject);
        return st;
    }
    u->v[u->n++] = (ts_eval_unit){ .task = t, .judging = j, .subject = subject };
    return open_unit(o, style, path, &u->v[u->n - 1]);
}

/* The subjects of one stem, as the files in its folder have them. */
static ts_status add_subjects(ts_eval_units *u, const ts_eval_options *o, const ts_eval_style *style,
                              const ts_eval_task *t, const ts_eval_judging *j, const char *stem)
{
    const char *base = strrchr(stem, '/');
    ts_str folder = { 0 }, path = { 0 };
    char **names = NULL;
    size_t n = 0;
    ts_status st;
    TS_TRY_TO(done, st, ts_path_join(&folder, o->data_path, base ? stem : ""));
    folder.len -= base ? strlen(base) : 0;
    if (base)
        folder.s[folder.len] = 0;
    TS_TRY_TO(done, st, ts_dir_list(folder.s, &names, &n));
    for (size_t i = 0; i < n && st == TS_OK; i++) {
        char *subject;
        st = subject_of(base ? base + 1 : stem, names[i], &subject);
        if (st != TS_OK || !subject || is_listed(json_object_get(t->def, "leave_out"), subject)) {
            ts_free(&subject);
            continue;
        }
        st = ts_path_join(&path, folder.s, names[i]);
        if (st == TS_OK)
            st = add_unit(u, o, style, t, j, subject, path.s);
        else
            ts_free(&subject);
    }
done:
    for (size_t i = 0; i < n; i++)
        ts_free(&names[i]);
    ts_free(&names);
    ts_str_deinit(&folder);
    ts_str_deinit(&path);
    return st;
}

ts_status ts_eval_units_add(ts_eval_units *u, const ts_eval_options *o, const ts_eval_style *style,
                            const ts_eval_task *t, const ts_eval_judging *j)
{
    const size_t before = u->n;
    ts_str path = { 0 };
    const char *stem = stem_at(t->def, "test_split", 0);
    bool found;
    if (!stem)
        return ts_error(TS_ERR_USER, "task %s: \"test_split\": expected the name of its file", t->name);
    if (!ts_path_is_dir(o->data_path))
        return ts_error(TS_ERR_USER, "--task-data-path %s: expected a folder", o->data_path);
    if (strstr(stem, "{subject}")) {
        for (size_t i = 0; u->n == before && (stem = stem_at(t->def, "test_split", i)); i++)
            TS_TRY(add_subjects(u, o, style, t, j, stem));
        return u->n > before ? TS_OK : none_there(o, t, "test_split", "SUBJECT", "the file of a subject");
    }
    ts_status st = find(o, t, "test_split", NULL, &path, &found);
    if (st == TS_OK)
        st = found ? add_unit(u, o, style, t, j, NULL, path.s)
                   : none_there(o, t, "test_split", NULL, "the file of questions");
    ts_str_deinit(&path);
    return st;
}

void ts_eval_units_deinit(ts_eval_units *u)
{
    for (size_t i = 0; i < u->n; i++) {
        ts_eval_unit *e = &u->v[i];
        for (size_t k = 0; k < e->n; k++) {
            ts_eval_sample_deinit(&e->sample[k]);
            json_decref(e->line[k]);
        }
        ts_free(&e->sample);
        ts_free(&e->line);
        ts_free(&e->subject);
        ts_eval_records_deinit(&e->records);
    }
    ts_free(&u->v);
    *u = (ts_eval_units){ 0 };
}

/* ---- lines ---- */

ts_status ts_eval_line_begin(const ts_eval_unit *u, size_t i, json_t **out)
{
    const ts_eval_sample *s = &u->sample[i];
    const json_t *prompt = json_array_get(s->prompts, 0);
    json_t *line = json_pack("{ss}", "task", u->task->name);
    bool good = line != NULL;
    if (u->subject)
        good = good && !json_object_set_new(line, "subject", json_string(u->subject));
    good = good && !json_object_set_new(line, "index", json_integer(s->index));
    if (json_array_size(s->prompts) > 1)
        good = good && !json_object_set(line, "prompts", s->prompts);
    else
        good = good && !json_object_set(line, json_is_string(prompt) ? "prompt" : "conversation",
                                        (json_t *)(uintptr_t)prompt);
    good = good && (!s->choices || !json_object_set(line, "choices", s->choices));
    good = good && !json_object_set(line, "target", s->target);
    *out = line;
    return good ? TS_OK : no_memory();
}

void ts_eval_line_place(ts_eval_units *u, json_t *line)
{
    const char *task = json_string_value(json_object_get(line, "task")),
               *subject = json_string_value(json_object_get(line, "subject"));
    const json_int_t i = json_integer_value(json_object_get(line, "index"));
    for (size_t k = 0; k < u->n && task; k++) {
        ts_eval_unit *e = &u->v[k];
        const bool same =
            !strcmp(e->task->name, task) && !strcmp(e->subject ? e->subject : "", subject ? subject : "");
        if (!same || i < 0 || (size_t)i >= e->n || e->line[i])
            continue;
        e->line[i] = line;
        return;
    }
    json_decref(line);
}

ts_status ts_eval_lines_write(const ts_eval_units *u, ts_str *out)
{
    for (size_t k = 0; k < u->n; k++)
        for (size_t i = 0; i < u->v[k].n; i++) {
            if (!u->v[k].line[i])
                continue;
            TS_TRY(ts_json_write(u->v[k].line[i], JSON_COMPACT, "a sample", out));
            TS_TRY(ts_str_puts(out, "\n"));
        }
    return TS_OK;
}
