#include "eval/sample.h"

#include "eval/pyregex.h"

#include <string.h>

void ts_eval_sample_deinit(ts_eval_sample *s)
{
    json_decref(s->prompts);
    json_decref(s->choices);
    json_decref(s->target);
    *s = (ts_eval_sample){ 0 };
}

void ts_eval_writer_deinit(ts_eval_writer *w)
{
    ts_jinja_text_deinit(&w->work);
    ts_str_deinit(&w->a);
    ts_str_deinit(&w->b);
}

static ts_status no_memory(void) { return ts_error(TS_ERR_NOMEM, "out of memory for a prompt"); }

/* Whether there is white space at the beginning of b or the end of a, or nothing in one of them. */
static bool is_apart(const char *a, const char *b)
{
    const char *s = a, *t = b;
    size_t n = strlen(a), m = strlen(b);
    const size_t had = n;
    if (!n || !m)
        return true;
    ts_py_strip(&s, &n);
    ts_py_strip(&t, &m);
    return s + n != a + had || t != b;
}

/* ---- messages: {"role", "content", "end"}, end being what follows the content in a plain text ---- */

static ts_status say(json_t *messages, const char *role, const char *content, const char *end)
{
    return json_array_append_new(messages,
                                 json_pack("{ssssss}", "role", role, "content", content, "end", end))
               ? no_memory()
               : TS_OK;
}

/* The answer's own text: a choice, the first of several, or a text. */
static ts_status answer_text(const json_t *target, const json_t *choices, const char *place, const char **out)
{
    const json_t *first = json_is_array(target) ? json_array_get(target, 0) : target;
    if (json_is_integer(first))
        first = json_array_get(choices, (size_t)json_integer_value(first));
    *out = json_string_value(first);
    return *out ? TS_OK : ts_error(TS_ERR_USER, "%s: the answer is none of the choices", place);
}

/* A question, and its answer or how that begins (NULL, NULL: neither). */
static ts_status ask(const ts_eval_task *t, ts_eval_writer *w, json_t *messages, const char *question,
                     const char *answer, const char *prefix)
{
    const bool has_answer = answer && *answer;
    const char *end =
        (has_answer && !prefix) || (prefix && !is_apart(question, prefix)) ? t->target_delimiter : "";
    TS_TRY(say(messages, "user", question, end));
    if (!has_answer)
        return prefix ? say(messages, "assistant", prefix, "") : TS_OK;
    ts_str_reset(&w->b);
    TS_TRY(ts_str_printf(&w->b, "%s%s%s", prefix ? prefix : "",
                         prefix && !is_apart(prefix, answer) ? " " : "", answer));
    return say(messages, "assistant", w->b.s, t->fewshot_delimiter);
}

/* The system's text: the user's, then the description. */
static ts_status say_system(const ts_eval_task *t, const ts_eval_style *style, ts_eval_writer *w,
                            const json_t *record, const char *place, json_t *messages)
{
    const char *system = style->system ? style->system : "";
    ts_str_reset(&w->a);
    ts_str_reset(&w->b);
    TS_TRY(ts_eval_text_of(&t->description, record, place, &w->work, &w->b));
    TS_TRY(ts_str_printf(&w->a, "%s%s%s", system,
                         is_apart(system, ts_str_text(&w->b)) ? "" : t->fewshot_delimiter,
                         ts_str_text(&w->b)));
    return w->a.len ? say(messages, "system", w->a.s, "") : TS_OK;
}

static ts_status prefix_of(const ts_eval_task *t, ts_eval_writer *w, const json_t *record, const char *place,
                           char **out)
{
    *out = NULL;
    ts_str_reset(&w->a);
    TS_TRY(ts_eval_text_of(&t->prefix, record, place, &w->work, &w->a));
    return w->a.len ? ts_strdup(w->a.s, out) : TS_OK;
}

/* The number that a task of several contexts says which is right with. */
static ts_status right_context(const ts_eval_task *t, ts_eval_writer *w, const json_t *record,
                               const char *place, const json_t *contexts, int64_t *out)
{
    ts_str_reset(&w->a);
    TS_TRY(ts_eval_text_of(&t->text, record, place, &w->work, &w->a));
    const bool good =
        w->a.len == 1 && w->a.s[0] >= '0' && (size_t)(w->a.s[0] - '0') < json_array_size(contexts);
    if (good)
        *out = w->a.s[0] - '0';
    return good ? TS_OK
                : ts_error(TS_ERR_USER, "%s: which of its choices is right is \"%s\"", place,
                           ts_str_text(&w->a));
}

static ts_status say_example(const ts_eval_task *t, ts_eval_writer *w, const json_t *record,
                             const char *place, json_t *messages)
{
    json_t *choices = NULL, *target = NULL;
    char *prefix = NULL;
    const char *answer = NULL, *question = NULL;
    int64_t right = 0;
    ts_status st;
    if (t->choices.plain || t->fixed_choices)
        TS_TRY_TO(done, st, ts_eval_choices_of(t, record, place, &w->work, &choices));
    TS_TRY_TO(done, st, ts_eval_target_of(t, record, place, &w->work, &target));
    TS_TRY_TO(done, st, answer_text(target, choices, place, &answer));
    TS_TRY_TO(done, st, prefix_of(t, w, record, place, &prefix));
    if (t->multiple_inputs) {
        TS_TRY_TO(done, st, right_context(t, w, record, place, choices, &right));
        question = json_string_value(json_array_get(choices, (size_t)right));
    } else {
        ts_str_reset(&w->a);
        TS_TRY_TO(done, st, ts_eval_text_of(&t->text, record, place, &w->work, &w->a));
        question = ts_str_text(&w->a);
    }
    st = ask(t, w, messages, question, answer, prefix);
done:
    json_decref(choices);
    json_decref(target);
    ts_free(&prefix);
    return st;
}

/* ---- messages as a prompt ---- */

static ts_status as_text(const json_t *messages, size_t from, size_t upto, ts_str *out)
{
    for (size_t i = from; i < upto; i++) {
        const json_t *m = json_array_get(messages, i);
        TS_TRY(ts_str_puts(out, json_string_value(json_object_get(m, "content"))));
        TS_TRY(ts_str_puts(out, json_string_value(json_object_get(m, "end"))));
    }
    return TS_OK;
}

static bool is_by(const json_t *message, const char *role)
{
    const char *r = json_string_value(json_object_get(message, "role"));
    return r && !strcmp(r, role);
}

static ts_status add_message(json_t *list, const char *role, const char *content)
{
    return json_array_append_new(list, json_pack("{ssss}", "role", role, "content", content)) ? no_memory()
                                                                                              : TS_OK;
}

/* As a conversation (json_decref): every message its own, or all of them but the system's one question. */
static ts_status as_conversation(const ts_eval_style *style, ts_eval_writer *w, const json_t *messages,
                                 json_t **out)
{
    const size_t n = json_array_size(messages), system = is_by(json_array_get(messages, 0), "system"),
                 begun = is_by(json_array_get(messages, n - 1), "assistant");
    json_t *list = json_array();
    ts_status st = list ? TS_OK : no_memory();
    for (size_t i = 0; i < n && st == TS_OK; i++) {
        const json_t *m = json_array_get(messages, i);
        const char *content = json_string_value(json_object_get(m, "content"));
        if (style->multiturn || (i == 0 && system) || (i == n - 1 && begun)) {
            st = add_message(list, json_string_value(json_object_get(m, "role")), content);
        } else if (i == system) {
            ts_str_reset(&w->b);
            st = as_text(messages, i, n - begun - 1, &w->b);
            if (st == TS_OK) /* the last one's end stays away */
                st = ts_str_puts(&w->b, json_string_value(json_object_get(
                                            json_array_get(messages, n - begun - 1), "content")));
            if (st == TS_OK)
                st = add_message(list, "user", ts_str_text(&w->b));
        }
    }
    *out = st == TS_OK ? json_pack("{so}", "messages", list) : NULL;
    if (st != TS_OK)
        json_decref(list);
    return st != TS_OK || *out ? st : no_memory();
}

/* Where a text goes on whose last message is the beginning of an answer: behind it, as transformers'
 * continue_final_message finds it. */
static size_t end_of_begun(const ts_str *text, const char *begun)
{
    const char *core = begun, *at = NULL;
    size_t n = strlen(begun);
    ts_py_strip(&core, &n);
    const size_t whole = strlen(core); /* without the white space in front */
    for (size_t i = 0; n > 0 && i + n <= text->len; i++)
        if (!memcmp(text->s + i, core, n))
            at = text->s + i;
    if (!at)
        return text->len;
    const size_t from = (size_t)(at - text->s);
    return from + (from + whole <= text->len && !memcmp(at, core, whole) ? whole : n);
}

static ts_status render_chat(const ts_eval_style *style, ts_eval_writer *w, const json_t *conversation)
{
    ts_chat_view v = { 0 };
    const size_t n = json_array_size(json_object_get(conversation, "messages"));
    const json_t *last = json_array_get(json_object_get(conversation, "messages"), n - 1);
    const bool begun = is_by(last, "assistant");
    TS_TRY(ts_chat_view_open(style->template, conversation, &v));
    const ts_status st = ts_chat_view_render(style->template, &v, n, !begun, &w->work);
    ts_chat_view_close(&v);
    if (st == TS_OK && begun)
        w->work.text.len = end_of_begun(&w->work.text, json_string_value(json_object_get(last, "content")));
    return st;
}

/* By the template; one that fails and that was given a system's message goes without it. */
static ts_status chat_text(const ts_eval_style *style, ts_eval_writer *w, json_t *conversation, json_t **out)
{
    json_t *messages = json_object_get(conversation, "messages");
    ts_status st = render_chat(style, w, conversation);
    if (st == TS_ERR_USER && is_by(json_array_get(messages, 0), "system")) {
        json_array_remove(messages, 0);
        st = render_chat(style, w, conversation);
    }
    if (st == TS_OK && !(*out = json_stringn(ts_str_text(&w->work.text), w->work.text.len)))
        st = no_memory();
    return st;
}

static ts_status add_prompt(const ts_eval_style *style, ts_eval_writer *w, const json_t *messages,
                            json_t *prompts)
{
    json_t *conversation = NULL, *prompt = NULL;
    ts_status st;
    if (!style->chat) {
        ts_str_reset(&w->b);
        TS_TRY(as_text(messages, 0, json_array_size(messages), &w->b));
        prompt = json_stringn(ts_str_text(&w->b), w->b.len);
    } else {
        TS_TRY(as_conversation(style, w, messages, &conversation));
        st = style->template ? chat_text(style, w, conversation, &prompt) : TS_OK;
        if (!style->template)
            prompt = json_incref(conversation);
        json_decref(conversation);
        TS_TRY(st);
    }
    return json_array_append_new(prompts, prompt) ? no_memory() : TS_OK;
}

/* The prompt behind the messages so far, or for each context one. */
static ts_status add_prompts(const ts_eval_task *t, const ts_eval_style *style, ts_eval_writer *w,
                             const char *question, const char *prefix, json_t *messages, ts_eval_sample *s)
{
    const size_t n = json_array_size(messages),
                 prompts = t->multiple_inputs ? json_array_size(s->choices) : 1;
    for (size_t i = 0; i < prompts; i++) {
        const char *q = t->multiple_inputs ? json_string_value(json_array_get(s->choices, i)) : question;
        while (json_array_size(messages) > n)
            json_array_remove(messages, n);
        TS_TRY(ask(t, w, messages, q, NULL, prefix));
        TS_TRY(add_prompt(style, w, messages, s->prompts));
    }
    return TS_OK;
}

/* Of a task of several contexts: what follows them all is the choice, and which is right the target. */
static ts_status turn_around(const ts_eval_task *t, ts_eval_writer *w, const json_t *record,
                             const char *place, ts_eval_sample *s)
{
    const size_t n = json_array_size(s->choices);
    int64_t right;
    TS_TRY(right_context(t, w, record, place, s->choices, &right));
    json_t *same = json_array();
    for (size_t i = 0; i < n; i++)
        if (json_array_append(same, s->target))
            return no_memory();
    json_decref(s->choices);
    json_decref(s->target);
    s->choices = same;
    s->target = json_integer(right);
    return s->target ? TS_OK : no_memory();
}

static ts_status make(const ts_eval_task *t, const ts_eval_style *style, ts_eval_writer *w,
                      const json_t *record, const char *place, json_t *messages, ts_eval_sample *s)
{
    char *prefix = NULL;
    ts_str question = { 0 };
    ts_status st;
    if (t->is_choice)
        TS_TRY(ts_eval_choices_of(t, record, place, &w->work, &s->choices));
    TS_TRY(ts_eval_target_of(t, record, place, &w->work, &s->target));
    s->prompts = json_array();
    TS_TRY_TO(done, st, prefix_of(t, w, record, place, &prefix));
    if (!t->multiple_inputs)
        TS_TRY_TO(done, st, ts_eval_text_of(&t->text, record, place, &w->work, &question));
    TS_TRY_TO(done, st, add_prompts(t, style, w, ts_str_text(&question), prefix, messages, s));
    s->between = !style->chat || (prefix && !is_apart(prefix, "x")) ? t->target_delimiter : "";
    if (t->multiple_inputs)
        st = turn_around(t, w, record, place, s);
done:
    ts_free(&prefix);
    ts_str_deinit(&question);
    return st;
}

ts_status ts_eval_sample_make(const ts_eval_task *t, const ts_eval_style *style, ts_eval_writer *w,
                              const json_t *record, json_t *const *examples, size_t n, const char *place,
                              ts_eval_sample *out)
{
    ts_eval_sample s = { .index = out->index };
    json_t *messages = json_array();
    ts_status st = messages ? say_system(t, style, w, record, place, messages) : no_memory();
    for (size_t i = 0; i < n && st == TS_OK; i++)
        st = say_example(t, w, examples[i], place, messages);
    if (st == TS_OK)
        st = make(t, style, w, record, place, messages, &s);
    json_decref(messages);
    if (st != TS_OK)
        ts_eval_sample_deinit(&s);
    else
        *out = s;
    return st;
}
