#include "eval/task.h"

#include "base/file.h"
#include "eval/pyregex.h"
#include "eval/task_files.h"

#include <stdlib.h>
#include <string.h>

static ts_status no_memory(void) { return ts_error(TS_ERR_NOMEM, "out of memory for a task"); }

/* ---- definitions ---- */

ts_status ts_eval_task_names(ts_str *out)
{
    for (size_t i = 0; i < ts_eval_task_file_count; i++)
        TS_TRY(ts_str_printf(out, "%s%s", i ? ", " : "", ts_eval_task_files[i].name));
    return TS_OK;
}

static bool is_yaml(const char *path) { return ts_path_ends(path, ".yaml") || ts_path_ends(path, ".yml"); }

static ts_status read_definition(const char *name, json_t **out)
{
    ts_str names = { 0 };
    for (size_t i = 0; i < ts_eval_task_file_count; i++)
        if (!strcmp(name, ts_eval_task_files[i].name))
            return ts_json_parse(ts_eval_task_files[i].text, ts_eval_task_files[i].size, name, out);
    if (is_yaml(name))
        return ts_yaml_read(name, out, NULL);
    if (ts_path_ends(name, ".json"))
        return ts_json_read(name, out);
    ts_status st = ts_eval_task_names(&names);
    if (st == TS_OK)
        st = ts_error(TS_ERR_USER,
                      "--task %s: there is no such task; there are %s, and files of one's own (.yaml, .json)",
                      name, ts_str_text(&names));
    ts_str_deinit(&names);
    return st;
}

static ts_status bad(const ts_eval_task *t, const char *key, const char *expected)
{
    return ts_error(TS_ERR_USER, "task %s: \"%s\": expected %s", t->name, key, expected);
}

/* Compiles what has marks of templates. The last end of line, which Jinja leaves out, stays. */
static ts_status compile(const ts_eval_task *t, const char *key, const char *s, ts_jinja **out)
{
    ts_str text = { 0 }, name = { 0 };
    *out = NULL;
    if (!strstr(s, "{{") && !strstr(s, "{%"))
        return TS_OK;
    ts_status st = ts_str_puts(&text, s);
    if (st == TS_OK && text.len && text.s[text.len - 1] == '\n')
        st = ts_str_puts(&text, "\n");
    if (st == TS_OK)
        st = ts_str_printf(&name, "task %s, %s", t->name, key);
    if (st == TS_OK)
        st = ts_jinja_parse(name.s, text.s, text.len, out);
    ts_str_deinit(&text);
    ts_str_deinit(&name);
    return st;
}

static ts_status read_text(const ts_eval_task *t, const char *key, ts_eval_text *out)
{
    TS_TRY(ts_json_text(t->def, t->name, key, NULL, &out->plain));
    return out->plain ? compile(t, key, out->plain, &out->jinja) : TS_OK;
}

/* A template of one expression, as one that writes its list as JSON. */
static ts_status compile_list(const ts_eval_task *t, const char *key, const char *s, ts_jinja **out)
{
    const size_t n = strlen(s);
    ts_str text = { 0 };
    if (n < 4 || strncmp(s, "{{", 2) != 0 || strcmp(s + n - 2, "}}") != 0 || strstr(s + 2, "{{"))
        return compile(t, key, s, out);
    ts_status st = ts_str_printf(&text, "{{ (%.*s) | list | tojson }}", (int)(n - 4), s + 2);
    if (st == TS_OK)
        st = compile(t, key, text.s, out);
    ts_str_deinit(&text);
    return st;
}

static ts_status read_choices(ts_eval_task *t)
{
    json_t *v = json_object_get(t->def, "doc_to_choice");
    if (json_is_object(v)) { /* as lm-evaluation-harness: its values */
        json_t *list = json_array(), *item;
        const char *key;
        json_object_foreach(v, key, item) json_array_append(list, item);
        if (json_object_set_new(t->def, "doc_to_choice", list))
            return no_memory();
        v = json_object_get(t->def, "doc_to_choice");
    }
    t->fixed_choices = json_is_array(v) ? v : NULL;
    if (json_is_string(v)) {
        t->choices.plain = json_string_value(v);
        return compile_list(t, "doc_to_choice", t->choices.plain, &t->choices.jinja);
    }
    for (size_t i = 0; i < json_array_size(v); i++)
        if (!json_is_string(json_array_get(v, i)))
            return bad(t, "doc_to_choice", "a list of texts");
    return v || !t->is_choice ? TS_OK : bad(t, "doc_to_choice", "a list of texts, a field or a template");
}

static ts_status read_fields(ts_eval_task *t)
{
    json_t *fields = json_object_get(t->def, "fields"), *f;
    const char *key;
    TS_TRY(ts_alloc(&t->field, json_object_size(fields), sizeof *t->field));
    json_object_foreach(fields, key, f)
    {
        const char *from;
        TS_TRY(ts_json_text(f, t->name, "from", NULL, &from));
        if (!from)
            return bad(t, key, "\"from\", a template");
        TS_TRY(compile(t, key, from, &t->field[t->n_fields]));
        if (!t->field[t->n_fields])
            return bad(t, key, "\"from\", a template");
        t->n_fields++;
    }
    return TS_OK;
}

static ts_status read_kind(ts_eval_task *t)
{
    const char *type, *judge;
    TS_TRY(ts_json_text(t->def, t->name, "output_type", "generate_until", &type));
    TS_TRY(ts_json_text(t->def, t->name, "judge", "", &judge));
    t->is_choice = !strcmp(type, "multiple_choice");
    if (!t->is_choice && strcmp(type, "generate_until") != 0)
        return bad(t, "output_type", "multiple_choice or generate_until");
    t->judge = !strcmp(judge, "python")   ? TS_EVAL_PYTHON
               : !strcmp(judge, "needle") ? TS_EVAL_NEEDLE
                                          : TS_EVAL_PLAIN;
    if (*judge && t->judge == TS_EVAL_PLAIN)
        return bad(t, "judge", "python or needle");
    return ts_json_bool(t->def, t->name, "multiple_inputs", false, &t->multiple_inputs);
}

static ts_status settle(ts_eval_task *t, ts_eval_rule rule)
{
    static const char *const names[] = { "lm-eval", "original" };
    const json_t *rules = json_object_get(t->def, "rules");
    json_t *own = json_object_get(rules, names[rule]);
    if (rules && !own)
        return ts_error(TS_ERR_USER, "task %s has no rule of --eval-rule %s", t->name, names[rule]);
    if (own && json_object_update(t->def, own))
        return no_memory();
    TS_TRY(read_kind(t));
    TS_TRY(read_text(t, "doc_to_text", &t->text));
    TS_TRY(read_text(t, "doc_to_target", &t->target));
    TS_TRY(read_text(t, "description", &t->description));
    TS_TRY(read_text(t, "gen_prefix", &t->prefix));
    TS_TRY(read_choices(t));
    TS_TRY(read_fields(t));
    if (!t->text.plain || !t->target.plain)
        return bad(t, t->text.plain ? "doc_to_target" : "doc_to_text", "a template");
    TS_TRY(ts_json_text(t->def, t->name, "target_delimiter", " ", &t->target_delimiter));
    TS_TRY(ts_json_text(t->def, t->name, "fewshot_delimiter", "\n\n", &t->fewshot_delimiter));
    return ts_json_int(t->def, t->name, "num_fewshot", 0, 0, 1000, &t->num_fewshot);
}

ts_status ts_eval_task_open(const char *name, ts_eval_rule rule, ts_eval_task *out)
{
    ts_eval_task t = { .name = name };
    TS_TRY(read_definition(name, &t.def));
    ts_status st = json_is_object(t.def) ? ts_json_text(t.def, name, "task", name, &t.name)
                                         : ts_error(TS_ERR_USER, "%s: expected a task, an object", name);
    if (st == TS_OK)
        st = settle(&t, rule);
    if (st != TS_OK)
        ts_eval_task_close(&t);
    else
        *out = t;
    return st;
}

void ts_eval_task_close(ts_eval_task *t)
{
    ts_jinja_destroy(&t->text.jinja);
    ts_jinja_destroy(&t->target.jinja);
    ts_jinja_destroy(&t->description.jinja);
    ts_jinja_destroy(&t->prefix.jinja);
    ts_jinja_destroy(&t->choices.jinja);
    for (size_t i = 0; i < t->n_fields; i++)
        ts_jinja_destroy(&t->field[i]);
    ts_free(&t->field);
    json_decref(t->def);
    *t = (ts_eval_task){ 0 };
}

/* ---- what a record says ---- */

static ts_status render(const ts_jinja *j, const json_t *record, const char *place, ts_jinja_text *work)
{
    const struct tm now = { 0 };
    const ts_status st = ts_jinja_render(j, record, &now, work);
    return st == TS_OK ? st : ts_error_context(st, "of %s", place);
}

ts_status ts_eval_text_of(const ts_eval_text *t, const json_t *record, const char *place, ts_jinja_text *work,
                          ts_str *out)
{
    if (!t->plain)
        return TS_OK;
    if (t->jinja) {
        TS_TRY(render(t->jinja, record, place, work));
        return ts_str_add(out, ts_str_text(&work->text), work->text.len);
    }
    const json_t *v = json_object_get(record, t->plain);
    if (v && !json_is_string(v))
        return ts_error(TS_ERR_USER, "%s: \"%s\": expected a text", place, t->plain);
    return v ? ts_str_add(out, json_string_value(v), json_string_length(v)) : ts_str_puts(out, t->plain);
}

/* One step of a field on a text; in and out are not the same. */
static ts_status step(const json_t *s, const char *place, const ts_str *in, ts_str *out)
{
    const char *what = json_string_value(json_array_get(s, 0)), *a = json_string_value(json_array_get(s, 1)),
               *b = json_string_value(json_array_get(s, 2)), *p = ts_str_text(in);
    size_t n = in->len;
    ts_str_reset(out);
    if (what && !strcmp(what, "strip")) {
        ts_py_strip(&p, &n);
        return ts_str_add(out, p, n);
    }
    if (!what || !a || !b || !*a)
        return ts_error(TS_ERR_USER,
                        "%s: steps of fields are [\"strip\"], [\"replace\", a, b] and [\"sub\", regex, b]",
                        place);
    if (!strcmp(what, "sub")) {
        ts_pyregex *re;
        TS_TRY(ts_pyregex_create(a, place, &re));
        const ts_status st = ts_pyregex_sub(re, b, p, n, out);
        ts_pyregex_destroy(&re);
        return st;
    }
    for (const char *next; (next = strstr(p, a)); p = next + strlen(a)) {
        TS_TRY(ts_str_add(out, p, (size_t)(next - p)));
        TS_TRY(ts_str_puts(out, b));
    }
    return ts_str_puts(out, p);
}

/* A text after all steps, as a JSON text. */
static ts_status after_steps(const json_t *steps, const char *place, const char *s, size_t n, json_t **out)
{
    ts_str text[2] = { { 0 } };
    int at = 0;
    ts_status st = ts_str_add(&text[0], s, n);
    for (size_t i = 0; i < json_array_size(steps) && st == TS_OK; i++, at = !at)
        st = step(json_array_get(steps, i), place, &text[at], &text[!at]);
    if (st == TS_OK && !(*out = json_stringn(ts_str_text(&text[at]), text[at].len)))
        st = no_memory();
    ts_str_deinit(&text[0]);
    ts_str_deinit(&text[1]);
    return st;
}

ts_status ts_eval_add_fields(const ts_eval_task *t, json_t *record, const char *place, ts_jinja_text *work)
{
    json_t *fields = json_object_get(t->def, "fields"), *f, *list = NULL, *v = NULL;
    const char *key;
    size_t k = 0;
    json_object_foreach(fields, key, f)
    {
        const json_t *steps = json_object_get(f, "steps");
        TS_TRY(render(t->field[k++], record, place, work));
        if (!json_is_true(json_object_get(f, "list"))) {
            TS_TRY(after_steps(steps, place, ts_str_text(&work->text), work->text.len, &v));
        } else {
            TS_TRY(ts_json_parse(ts_str_text(&work->text), work->text.len, place, &list));
            v = json_array();
            ts_status st =
                v && json_is_array(list) ? TS_OK : ts_error(TS_ERR_USER, "%s: \"%s\" is no list", place, key);
            for (size_t i = 0; i < json_array_size(list) && st == TS_OK; i++) {
                const json_t *item = json_array_get(list, i);
                json_t *done = NULL;
                st = json_is_string(item)
                         ? after_steps(steps, place, json_string_value(item), json_string_length(item), &done)
                         : ts_error(TS_ERR_USER, "%s: \"%s\" has what is no text", place, key);
                if (st == TS_OK && json_array_append_new(v, done))
                    st = no_memory();
            }
            json_decref(list);
            if (st != TS_OK) {
                json_decref(v);
                return st;
            }
        }
        if (json_object_set_new(record, key, v))
            return no_memory();
    }
    return TS_OK;
}

ts_status ts_eval_choices_of(const ts_eval_task *t, const json_t *record, const char *place,
                             ts_jinja_text *work, json_t **out)
{
    if (t->fixed_choices) {
        *out = json_incref(t->fixed_choices);
        return TS_OK;
    }
    json_t *list = NULL;
    if (t->choices.jinja) {
        TS_TRY(render(t->choices.jinja, record, place, work));
        TS_TRY(ts_json_load(ts_str_text(&work->text), work->text.len, JSON_DECODE_ANY, place, &list));
    } else {
        list = json_incref(json_object_get(record, t->choices.plain));
    }
    bool good = json_array_size(list) > 0;
    for (size_t i = 0; i < json_array_size(list); i++)
        good = good && json_is_string(json_array_get(list, i));
    if (good) {
        *out = list;
        return TS_OK;
    }
    json_decref(list);
    return ts_error(TS_ERR_USER, "%s: its choices are no list of texts", place);
}

static bool is_number(const ts_str *s)
{
    size_t i = 0;
    while (i < s->len && s->s[i] >= '0' && s->s[i] <= '9')
        i++;
    return i > 0 && i == s->len && i < 10;
}

ts_status ts_eval_target_of(const ts_eval_task *t, const json_t *record, const char *place,
                            ts_jinja_text *work, json_t **out)
{
    ts_str text = { 0 };
    const json_t *v = t->target.jinja ? NULL : json_object_get(record, t->target.plain);
    if (json_is_integer(v) || json_is_array(v)) {
        *out = json_incref((json_t *)(uintptr_t)v);
        return TS_OK;
    }
    ts_status st = ts_eval_text_of(&t->target, record, place, work, &text);
    const bool has_choices = !t->multiple_inputs && (t->choices.plain || t->fixed_choices);
    if (st == TS_OK && has_choices && is_number(&text))
        *out = json_integer(strtoll(text.s, NULL, 10));
    else if (st == TS_OK && has_choices && text.len > 1 && text.s[0] == '[')
        st = ts_json_load(text.s, text.len, JSON_DECODE_ANY, place, out);
    else if (st == TS_OK)
        *out = json_stringn(ts_str_text(&text), text.len);
    ts_str_deinit(&text);
    return st != TS_OK || *out ? st : no_memory();
}
