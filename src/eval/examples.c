#include "eval/examples.h"

#include "base/file.h"
#include "eval/pyregex.h"

#include <string.h>

static ts_status no_memory(void) { return ts_error(TS_ERR_NOMEM, "out of memory for examples"); }

/* Takes the record over. */
static ts_status add(ts_eval_records *r, json_t *record, int64_t line)
{
    ts_status st = record ? ts_grow(&r->v, &r->cap_v, r->n + 1, sizeof *r->v) : no_memory();
    if (st == TS_OK)
        st = ts_grow(&r->line, &r->cap_line, r->n + 1, sizeof *r->line);
    if (st != TS_OK) {
        json_decref(record);
        return st;
    }
    r->line[r->n] = line;
    r->v[r->n++] = record;
    return TS_OK;
}

ts_status ts_eval_examples_listed(const char *task, const json_t *samples, ts_eval_records *out)
{
    ts_status st = ts_str_puts(&out->path, task);
    for (size_t i = 0; i < json_array_size(samples) && st == TS_OK; i++) {
        const json_t *s = json_array_get(samples, i);
        st = json_is_object(s) ? add(out, json_deep_copy(s), (int64_t)i + 1)
                               : ts_error(TS_ERR_USER, "task %s: \"samples\": expected objects", task);
    }
    return st;
}

/* One question and its answer; they lie between these places. */
static ts_status add_pair(const char *pattern, const char *description, const char *s, const char *answer,
                          const char *end, int64_t line, ts_eval_records *r)
{
    ts_pyregex *re = NULL;
    ts_str target = { 0 };
    const char *q = s + strlen("Q: "), *a = answer + strlen("\nA:");
    size_t n_q = (size_t)(answer - q), n_a = (size_t)(end - a);
    bool found = false;
    ts_py_strip(&q, &n_q);
    ts_py_strip(&a, &n_a);
    ts_status st = ts_pyregex_create(pattern, "fewshot_answer", &re);
    if (st == TS_OK)
        st = ts_pyregex_pick(re, a, n_a, -1, &target, &found);
    if (st == TS_OK && !found)
        st = ts_error(TS_ERR_USER, "%s:%lld: the example that begins here has no answer", r->path.s,
                      (long long)line);
    if (st == TS_OK)
        st = add(r,
                 json_pack("{ss ss% ss% ss%}", "description", description, "input", q, n_q, "answer", a, n_a,
                           "target", ts_str_text(&target), target.len),
                 line);
    ts_pyregex_destroy(&re);
    ts_str_deinit(&target);
    return st;
}

static int64_t line_of(const char *text, const char *at)
{
    int64_t n = 1;
    for (; text < at; text++)
        n += *text == '\n';
    return n;
}

static ts_status read_talk(const char *pattern, const ts_str *text, ts_eval_records *r)
{
    const char *all = ts_str_text(text), *s = all;
    const char *dashes = strstr(s, "\n-----\n");
    s = dashes ? dashes + strlen("\n-----\n") : s;
    const char *q = !strncmp(s, "Q: ", 3) ? s : strstr(s, "\nQ: ");
    ts_str description = { 0 };
    ts_status st = q ? ts_str_add(&description, s, (size_t)(q - s)) : TS_OK;
    if (st == TS_OK && q && *q == '\n')
        st = ts_str_puts(&description, "\n");
    while (q && st == TS_OK) {
        q += *q == '\n';
        const char *answer = strstr(q, "\nA:"), *next = answer ? strstr(answer, "\nQ: ") : NULL;
        if (!answer)
            st = ts_error(TS_ERR_USER, "%s:%lld: a question without an answer", r->path.s,
                          (long long)line_of(all, q));
        else
            st = add_pair(pattern, ts_str_text(&description), q, answer,
                          next ? next : answer + strlen(answer), line_of(all, q), r);
        q = next;
    }
    ts_str_deinit(&description);
    return st == TS_OK && !r->n ? ts_error(TS_ERR_USER, "%s: there are no questions (\"Q: \")", r->path.s)
                                : st;
}

ts_status ts_eval_examples_read(const json_t *def, const char *path, ts_eval_records *out)
{
    const char *pattern, *rows;
    ts_str text = { 0 };
    TS_TRY(ts_json_text(def, path, "rows", NULL, &rows));
    TS_TRY(ts_json_text(def, path, "fewshot_answer", "answer is (.*?)\\.?\\s*$", &pattern));
    if (!ts_path_ends(path, ".txt"))
        return ts_eval_records_read(path, json_object_get(def, "columns"), rows, out);
    ts_status st = ts_str_puts(&out->path, path);
    if (st == TS_OK)
        st = ts_file_read(path, &text);
    if (st == TS_OK && ts_utf8_check(ts_str_text(&text), text.len) != text.len)
        st = ts_error(TS_ERR_USER, "%s: it is not UTF-8", path);
    if (st == TS_OK)
        st = read_talk(pattern, &text, out);
    ts_str_deinit(&text);
    return st;
}
