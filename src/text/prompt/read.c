/* A template out of a list of templates in JSON, bound to a tokenizer. */
#include "base/log.h"
#include "text/prompt/prompt_files.h"
#include "text/prompt/template.h"

#include <string.h>

static const char *const class_names[] = { "Template", "Llama2Template", "LFDefaultTemplate",
                                           "ReasoningTemplate", "DeepSeek4Template" };
/* By part. A role without a format of its own: the user's, but for tools' calls. */
static const char *const part_names[] = { "format_prefix",  "format_system",    "format_separator",
                                          "format_user",    "format_assistant", "format_observation",
                                          "format_function" };
/* Where the order of the roles is the order of their formats. */
_Static_assert(TS_PROMPT_OBSERVATION == 2 && TS_PROMPT_FUNCTION == 3, "part_names");

/* What is being read. */
typedef struct reader {
    ts_prompt_template *p;
    const char *file;
    const ts_text_tokenizer *tok;
} reader;

static ts_status wrong(const reader *r, const char *key, const char *what)
{
    return ts_error(TS_ERR_USER, "%s: template %s: %s: %s", r->file, r->p->name, key, what);
}

static ts_status find_token(const reader *r, const char *key, const char *token, int32_t *id)
{
    *id = ts_tokenizer_token_id(r->tok->tok, token);
    return *id >= 0 ? TS_OK
                    : ts_error(TS_ERR_USER, "%s: template %s: %s: the tokenizer has no token %s", r->file,
                               r->p->name, key, token);
}

/* ["bos_token"], ["eos_token"] or both: of these the first that the tokenizer has. */
static ts_status read_role(const reader *r, const char *key, const json_t *v, int32_t *id)
{
    bool bos = false, eos = false;
    for (size_t i = 0; i < json_array_size(v); i++) {
        const char *role = json_string_value(json_array_get(v, i));
        bos = bos || (role && !strcmp(role, "bos_token"));
        eos = eos || (role && !strcmp(role, "eos_token"));
    }
    if (!bos && !eos)
        return wrong(r, key, "a list of a slot is [\"bos_token\"] or [\"eos_token\"]");
    *id = bos && r->tok->bos >= 0 ? r->tok->bos : eos ? r->p->eos : -1;
    return TS_OK;
}

static ts_status read_slot(const reader *r, const char *key, const json_t *v, ts_prompt_slot *out)
{
    const char *token = json_string_value(json_object_get(v, "token"));
    *out = (ts_prompt_slot){ json_string_value(v), json_string_length(v), -1 };
    if (json_is_string(v))
        return TS_OK;
    if (json_is_array(v))
        return read_role(r, key, v, &out->id);
    return token ? find_token(r, key, token, &out->id)
                 : wrong(r, key, "a slot is a text, {\"token\": NAME}, [\"bos_token\"] or [\"eos_token\"]");
}

static bool has(const ts_prompt_slots *s, const char *placeholder)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].text && strstr(s->v[i].text, placeholder))
            return true;
    return false;
}

static ts_status add_text(ts_prompt_slots *s, const char *text)
{
    s->v[s->n++] = (ts_prompt_slot){ text, strlen(text), -1 };
    return TS_OK;
}

static ts_status add_eos(const reader *r, ts_prompt_slots *s)
{
    if (!r->p->is_efficient && r->p->eos >= 0)
        s->v[s->n++] = (ts_prompt_slot){ NULL, 0, r->p->eos };
    return TS_OK;
}

/* What stands for a format that the template does not give. */
static ts_status default_part(const reader *r, int part, ts_prompt_slots *s)
{
    const int role = part - TS_PROMPT_OF_ROLE;
    if (part == TS_PROMPT_PREFIX || part == TS_PROMPT_SEPARATOR)
        return TS_OK;
    TS_TRY(ts_alloc(&s->v, 2, sizeof *s->v));
    TS_TRY(add_text(s, role == TS_PROMPT_FUNCTION ? "Action: {{name}}\nAction Input: {{arguments}}"
                                                  : "{{content}}"));
    return role == TS_PROMPT_FUNCTION || role == TS_PROMPT_ASSISTANT ? add_eos(r, s) : TS_OK;
}

static ts_status read_part(const reader *r, int part)
{
    const char *key = part_names[part];
    const json_t *format = json_object_get(r->p->json, key);
    ts_prompt_slots *s = &r->p->part[part];
    if ((!format || json_is_null(format)) && part == TS_PROMPT_OF_ROLE + TS_PROMPT_OBSERVATION)
        format = json_object_get(r->p->json, key = "format_user");
    if (!format || json_is_null(format))
        return default_part(r, part, s);
    const json_t *list = json_object_get(format, "slots");
    if (!json_is_array(list))
        return wrong(r, key, "expected {\"slots\": [...]}");
    TS_TRY(ts_alloc(&s->v, json_array_size(list), sizeof *s->v));
    for (size_t i = 0; i < json_array_size(list); i++, s->n++)
        TS_TRY(read_slot(r, key, json_array_get(list, i), &s->v[i]));
    const bool named = has(s, "{{name}}") && has(s, "{{arguments}}"), content = has(s, "{{content}}");
    if (part == TS_PROMPT_PREFIX || part == TS_PROMPT_SEPARATOR)
        return content || named ? wrong(r, key, "no text of a message goes in here") : TS_OK;
    if (part == TS_PROMPT_OF_ROLE + TS_PROMPT_FUNCTION)
        return content || named ? TS_OK
                                : wrong(r, key, "expected {{content}}, or {{name}} and {{arguments}}");
    return content ? TS_OK : wrong(r, key, "there is no {{content}}: the messages' texts would be lost");
}

/* ---- tools ---- */

static ts_status tool_format(const reader *r, const char *key, const ts_prompt_tool_format **out)
{
    const char *name;
    const json_t *format = json_object_get(r->p->json, key);
    *out = NULL;
    if (!json_is_object(format))
        return TS_OK;
    TS_TRY(ts_json_text(format, r->file, "tool_format", NULL, &name));
    if (name && !(*out = ts_prompt_tool_format_of(name)))
        return wrong(r, key, "expected the tool_format default, qwen, glm4, glm4_moe or ling");
    return TS_OK;
}

static ts_status read_tools(const reader *r)
{
    ts_prompt_template *p = r->p;
    const ts_prompt_slots *s = &p->part[TS_PROMPT_OF_ROLE + TS_PROMPT_FUNCTION];
    const ts_prompt_tool_format *tools, *calls, *plain = ts_prompt_tool_format_of("default");
    TS_TRY(tool_format(r, "format_tools", &tools));
    TS_TRY(tool_format(r, "format_function", &calls));
    p->calls_named = has(s, "{{name}}") && has(s, "{{arguments}}");
    p->call_format = calls ? calls : plain;
    tools = tools ? tools : plain;
    TS_TRY(ts_jinja_parse("tools", tools->tools, strlen(tools->tools), &p->tools));
    TS_TRY(ts_jinja_parse("calls", p->call_format->calls, strlen(p->call_format->calls), &p->calls));
    TS_TRY(ts_jinja_parse("value", "{{ v | tojson }}", 16, &p->dump));
    return p->kind == TS_PROMPT_DEEPSEEK4
               ? ts_jinja_parse("deepseek4", ts_prompt_deepseek4, ts_prompt_deepseek4_size, &p->whole)
               : TS_OK;
}

/* ---- the end, and words that end an answer ---- */

/* The id of a token that an answer ends with; made where there is none. */
static ts_status end_token(const reader *r, ts_text_tokenizer *tok, const char *token, int32_t *id)
{
    const int64_t before = tok->vocab_size;
    TS_TRY(ts_tokenizer_add(tok->tok, token, true, id));
    tok->vocab_size = ts_tokenizer_vocab_size(tok->tok);
    if (tok->vocab_size > before)
        ts_log(TS_LOG_WARN,
               "template %s: the tokenizer has no token %s: it becomes the id %d, which the model must have",
               r->p->name, token, (int)*id);
    return TS_OK;
}

static ts_status read_end(const reader *r, ts_text_tokenizer *tok)
{
    ts_prompt_template *p = r->p;
    const json_t *words = json_object_get(p->json, "stop_words");
    const size_t n = json_array_size(words);
    bool replaces;
    TS_TRY(ts_json_bool(p->json, r->file, "efficient_eos", false, &p->is_efficient));
    TS_TRY(ts_json_bool(p->json, r->file, "replace_eos", false, &replaces));
    if (replaces && !n)
        return wrong(r, "replace_eos", "the end is the first of \"stop_words\", but there are none");
    TS_TRY(ts_alloc(&p->stops, n + 1, sizeof *p->stops));
    for (size_t i = 0; i < n; i++) {
        const char *word = json_string_value(json_array_get(words, i));
        if (!word || !*word)
            return wrong(r, "stop_words", "expected a list of texts");
        TS_TRY(end_token(r, tok, word, &p->stops[p->n_stops++]));
    }
    if (replaces)
        tok->eod = p->stops[0];
    else if (tok->eod < 0)
        TS_TRY(end_token(r, tok, "<|endoftext|>", &tok->eod));
    if (tok->pad < 0)
        tok->pad = tok->eod;
    p->eos = tok->eod;
    if (!replaces)
        p->stops[p->n_stops++] = p->eos;
    return TS_OK;
}

/* ---- the template ---- */

/* A text, or a list of texts that are one. */
static ts_status read_system(const reader *r)
{
    const json_t *v = json_object_get(r->p->json, "default_system");
    ts_str s = { 0 };
    ts_status st = TS_OK;
    if (json_is_string(v))
        st = ts_str_puts(&s, json_string_value(v));
    else if (v && !json_is_null(v) && !json_is_array(v))
        st = wrong(r, "default_system", "expected a text");
    for (size_t i = 0; st == TS_OK && i < json_array_size(v); i++) {
        const char *part = json_string_value(json_array_get(v, i));
        st = part ? ts_str_puts(&s, part) : wrong(r, "default_system", "expected a text");
    }
    if (st == TS_OK)
        st = ts_strdup(ts_str_text(&s), &r->p->system);
    ts_str_deinit(&s);
    return st;
}

static ts_status read_thought(const reader *r)
{
    const json_t *v = json_object_get(r->p->json, "thought_words");
    r->p->thought[0] = "<think>\n";
    r->p->thought[1] = "\n</think>\n\n";
    if (!v || json_is_null(v))
        return TS_OK;
    for (size_t i = 0; i < 2; i++) {
        r->p->thought[i] = json_string_value(json_array_get(v, i));
        if (!r->p->thought[i] || !*r->p->thought[i] || json_array_size(v) != 2)
            return wrong(r, "thought_words", "expected two texts");
    }
    return TS_OK;
}

static ts_status read_class(const reader *r)
{
    const char *name;
    TS_TRY(ts_json_text(r->p->json, r->file, "template_class", "Template", &name));
    for (size_t i = 0; i < sizeof class_names / sizeof *class_names; i++)
        if (!strcmp(name, class_names[i])) {
            r->p->kind = (ts_prompt_class)i;
            return TS_OK;
        }
    return ts_error(TS_ERR_USER,
                    "%s: template %s: template_class %s is not known: expected Template, Llama2Template, "
                    "LFDefaultTemplate, ReasoningTemplate or DeepSeek4Template",
                    r->file, r->p->name, name);
}

static ts_status read_template(const reader *r, ts_text_tokenizer *tok)
{
    TS_TRY(read_class(r));
    TS_TRY(read_end(r, tok));
    TS_TRY(read_system(r));
    TS_TRY(read_thought(r));
    for (int part = 0; part < TS_PROMPT_PARTS; part++)
        TS_TRY(read_part(r, part));
    return read_tools(r);
}

static ts_status no_template(const char *file, const json_t *list, const char *name)
{
    ts_str names = { 0 };
    ts_status st = TS_OK;
    for (size_t i = 0; st == TS_OK && i < json_array_size(list); i++) {
        const char *known = json_string_value(json_object_get(json_array_get(list, i), "name"));
        st = known ? ts_str_printf(&names, "%s%s", names.len ? " " : "", known) : TS_OK;
    }
    if (st == TS_OK)
        st = ts_error(TS_ERR_USER, "--prompt-type %s is no template of %s: it has %s", name, file,
                      ts_str_text(&names));
    ts_str_deinit(&names);
    return st;
}

/* The object of a name; of several the last. */
static ts_status find_template(const char *file, const json_t *list, const char *name, json_t **out)
{
    json_t *found = NULL;
    if (!json_is_array(list))
        return ts_error(TS_ERR_USER, "%s: expected a list of templates", file);
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *v = json_array_get(list, i);
        const char *known = json_string_value(json_object_get(v, "name"));
        if (known && !strcmp(known, name))
            found = v;
    }
    if (!found)
        return no_template(file, list, name);
    *out = json_incref(found);
    return TS_OK;
}

static ts_status read_list(const ts_prompt_options *o, const char *file, json_t **out)
{
    return o->path ? ts_json_read(file, out) : ts_json_parse(ts_prompt_list, ts_prompt_list_size, file, out);
}

/* The next "<|word|>" of a text; n: its length. NULL: there is none. */
static const char *next_mark(const char *s, size_t *n)
{
    for (; (s = strstr(s, "<|")); s++) {
        const char *end = s + 2 + strcspn(s + 2, "<> \"\\{}");
        if (end - s > 3 && *end == '>' && end[-1] == '|') {
            *n = (size_t)(end - s) + 1;
            return s;
        }
    }
    return NULL;
}

/* Marks of turns that the tokenizer has not: the model then reads them as some words. */
static ts_status warn_of_marks(const reader *r)
{
    ts_str text = { 0 }, first = { 0 };
    size_t n, missing = 0;
    ts_status st = ts_json_write(r->p->json, 0, r->p->name, &text);
    for (const char *m = ts_str_text(&text); st == TS_OK && (m = next_mark(m, &n)); m += n) {
        ts_str mark = { 0 };
        st = ts_str_add(&mark, m, n);
        if (st == TS_OK && ts_tokenizer_token_id(r->p->tok, mark.s) < 0 && !missing++)
            st = ts_str_add(&first, m, n);
        ts_str_deinit(&mark);
    }
    if (missing && st == TS_OK)
        ts_log(TS_LOG_WARN, "template %s: %s is no token of this tokenizer, so that it is read as several: "
                            "--add-special-tokens '%s' makes it one", r->p->name, first.s, first.s);
    ts_str_deinit(&text);
    ts_str_deinit(&first);
    return st;
}

ts_status ts_prompt_open(const ts_prompt_options *o, ts_text_tokenizer *tok, ts_prompt_template **out)
{
    const char *file = o->path ? o->path : "the built-in list";
    json_t *list = NULL;
    ts_prompt_template *p = NULL;
    if (!o->type)
        return ts_error(TS_ERR_USER, "--prompt-type is missing: the name of a template, such as qwen3");
    if (!tok->tok)
        return ts_error(TS_ERR_USER, "--prompt-type needs a tokenizer of texts: NullTokenizer has none");
    if (o->effort != TS_PROMPT_EFFORT_NONE && o->thinking != TS_PROMPT_THINKING_TRUE)
        return ts_error(TS_ERR_USER, "--reasoning-effort needs --enable-thinking true");
    TS_TRY(ts_alloc(&p, 1, sizeof *p));
    p->tok = tok->tok;
    p->thinking = (ts_prompt_thinking)o->thinking;
    p->effort = (ts_prompt_effort)o->effort;
    p->drops = o->drop_thinking == TS_PROMPT_DROP;
    const reader r = { p, file, tok };
    ts_status st = read_list(o, file, &list);
    if (st == TS_OK)
        st = find_template(file, list, o->type, &p->json);
    json_decref(list);
    if (st == TS_OK) {
        p->name = json_string_value(json_object_get(p->json, "name"));
        st = read_template(&r, tok);
        if (st == TS_OK)
            st = warn_of_marks(&r);
    }
    if (st == TS_OK)
        *out = p;
    else
        ts_prompt_close(&p);
    return st;
}

void ts_prompt_close(ts_prompt_template **prompt)
{
    ts_prompt_template *p = *prompt;
    if (!p)
        return;
    for (int part = 0; part < TS_PROMPT_PARTS; part++)
        ts_free(&p->part[part].v);
    ts_jinja_destroy(&p->tools);
    ts_jinja_destroy(&p->calls);
    ts_jinja_destroy(&p->dump);
    ts_jinja_destroy(&p->whole);
    ts_free(&p->stops);
    ts_free(&p->system);
    json_decref(p->json);
    ts_free(prompt);
}

const char *ts_prompt_name(const ts_prompt_template *p) { return p->name; }
bool ts_prompt_is_efficient(const ts_prompt_template *p) { return p->is_efficient; }
int32_t ts_prompt_eos(const ts_prompt_template *p) { return p->eos; }

const int32_t *ts_prompt_stops(const ts_prompt_template *p, size_t *n)
{
    *n = p->n_stops;
    return p->stops;
}
