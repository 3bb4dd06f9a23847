/* What tools and their calls look like in text: a format is two Jinja templates. */
#include "text/prompt/template.h"

#include <string.h>

/* {{ '\n' }}: a line end behind a tag would be the tag's. */
#define NL "{{ '\\n' }}"
#define WRAPPED "((t if t.type == 'function' else {'type': 'function', 'function': t}) | tojson)"
#define IN_TAGS                                                                                              \
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"                       \
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>"                    \
    "{% for t in tools %}" NL "{{ " WRAPPED " }}{% endfor %}" NL "</tools>\n\nFor each function call, "
#define AS_OBJECT                                                                                            \
    "return a json object with function name and arguments within <tool_call></tool_call> XML tags:\n"       \
    "<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call>"
#define OBJECT_CALLS                                                                                         \
    "{% for c in calls %}{{ '' if loop.first else '\\n' }}<tool_call>\n"                                     \
    "{{ {'name': c.name, 'arguments': c.arguments} | tojson }}\n</tool_call>{% endfor %}"

static const char default_tools[] =
    "{% set ns = namespace(names='') %}You have access to the following tools:\n"
    "{% for t in tools %}{% set f = t.function if t.type == 'function' else t %}"
    "{% set ns.names = ns.names ~ ('' if loop.first else ', ') ~ f.name %}"
    "> Tool Name: {{ f.name }}\nTool Description: {{ f.description | default('') }}\nTool Args:\n"
    "{% for name, p in f.parameters.properties.items() %}"
    "{{ '  - ' }}{{ name }} ({{ p.type | default('') }}"
    "{{ ', required' if name in (f.parameters.required or []) }}): {{ p.description | default('') }}"
    "{{ ', should be one of [' ~ (p.enum | join(', ')) ~ ']' if p.enum }}"
    "{{ ', where each item should be ' ~ (p['items'].type | default('')) if p['items'] is mapping and p['items'] }}" NL
    "{% endfor %}" NL "{% endfor %}"
    "Use the following format if using a tool:\n```\n"
    "Action: tool name (one of [{{ ns.names }}]).\n"
    "Action Input: the input to the tool, in a JSON format representing the kwargs "
    "(e.g. ```{\"input\": \"hello world\", \"num_beams\": 5}```).\n```" NL;

static const ts_prompt_tool_format formats[] = {
    { "default", default_tools,
      "{% for c in calls %}{{ '' if loop.first else '\\n' }}Action: {{ c.name }}\n"
      "Action Input: {{ c.arguments | tojson }}{% endfor %}",
      false },
    { "qwen", "\n\n" IN_TAGS AS_OBJECT, OBJECT_CALLS, false },
    { "ling", IN_TAGS AS_OBJECT "\ndetailed thinking off", OBJECT_CALLS, false },
    { "glm4",
      "你是一个名为 ChatGLM 的人工智能助手。你是基于智谱 AI 公司训练的语言模型 GLM-4 模型开发的，"
      "你的任务是针对用户的问题和要求提供适当的答复和支持。\n\n# 可用工具"
      "{% for t in tools %}{% set f = t.function if t.type == 'function' else t %}" NL "\n## {{ f.name }}\n\n"
      "{{ f | tojson(indent=4) }}\n在调用上述函数时，请使用 Json 格式表示调用的参数。{% endfor %}",
      "{{ calls[0].name }}\n{{ calls[0].arguments | tojson }}", true },
    { "glm4_moe",
      "\n\n" IN_TAGS "output the function name and arguments within the following XML format:"
      "\n<tool_call>{function-name}\n<arg_key>{arg-key-1}</arg_key>\n<arg_value>{arg-value-1}</arg_value>"
      "\n<arg_key>{arg-key-2}</arg_key>\n<arg_value>{arg-value-2}</arg_value>\n...\n</tool_call>" NL,
      "{% for c in calls %}{{ '' if loop.first else '\\n' }}" NL "<tool_call>{{ c.name }}"
      "{% for k, v in c.arguments.items() %}" NL "<arg_key>{{ k }}</arg_key>\n"
      "<arg_value>{{ v if v is string else v | tojson }}</arg_value>{% endfor %}{% endfor %}",
      false },
};

const ts_prompt_tool_format *ts_prompt_tool_format_of(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (!strcmp(formats[i].name, name))
            return &formats[i];
    return NULL;
}

/* A template over one variable, appended to out. */
static ts_status render(const ts_jinja *t, ts_prompt_work *w, const char *name, const json_t *v, ts_str *out)
{
    const struct tm now = { .tm_mday = 1 }; /* no format shows a date */
    json_t *vars = json_object();
    ts_status st = !vars || json_object_set(vars, name, (json_t *)v)
                       ? ts_error(TS_ERR_NOMEM, "no memory for the text of a conversation")
                       : ts_jinja_render(t, vars, &now, &w->rendering);
    json_decref(vars);
    if (st == TS_OK)
        st = ts_str_add(out, ts_str_text(&w->rendering.text), w->rendering.text.len);
    return st;
}

static ts_status parse(ts_prompt_text text, const char *what, json_t **out)
{
    return ts_json_load(text.s, text.n, JSON_ALLOW_NUL, what, out);
}

ts_status ts_prompt_tools_text(const ts_prompt_template *p, ts_prompt_work *w, ts_prompt_text tools, ts_str *out)
{
    json_t *v = NULL;
    TS_TRY(parse(tools, "tools", &v));
    ts_status st = TS_OK;
    if (!json_is_array(v))
        st = ts_error(TS_ERR_USER, "tools: expected a list");
    else if (json_array_size(v))
        st = render(p->tools, w, "tools", v, out);
    json_decref(v);
    return st;
}

/* OpenAI's call, whose arguments are JSON as text, or a bare {"name", "arguments"}. */
static ts_status add_call(const json_t *call, json_t *list)
{
    const json_t *f = json_object_get(call, "function"), *of = json_is_object(f) ? f : call;
    const json_t *name = json_object_get(of, "name"), *arguments = json_object_get(of, "arguments");
    json_t *read = NULL;
    if (!json_is_string(name) || !arguments)
        return ts_error(TS_ERR_USER, "a call of a tool needs \"name\" (a text) and \"arguments\"");
    if (f && json_is_string(arguments)) {
        const ts_prompt_text text = { json_string_value(arguments), json_string_length(arguments) };
        TS_TRY(parse(text, "arguments of a call", &read));
    }
    const json_t *value = read ? read : arguments;
    json_t *plain = json_pack("{sOsO}", "name", name, "arguments", value);
    json_decref(read);
    return plain && !json_array_append_new(list, plain)
               ? TS_OK
               : ts_error(TS_ERR_NOMEM, "no memory for the calls of a message");
}

ts_status ts_prompt_calls_of(const ts_prompt_turn *t, ts_prompt_text content, json_t **out)
{
    json_t *read = NULL, *list = json_array();
    ts_status st = list ? TS_OK : ts_error(TS_ERR_NOMEM, "no memory for the calls of a message");
    if (st == TS_OK && !t->calls)
        st = parse(content, "calls of tools", &read);
    const json_t *all = t->calls ? t->calls : read;
    if (st == TS_OK && !json_is_array(all))
        st = add_call(all, list);
    for (size_t i = 0; st == TS_OK && i < json_array_size(all); i++)
        st = add_call(json_array_get(all, i), list);
    json_decref(read);
    if (st == TS_OK)
        *out = list;
    else
        json_decref(list);
    return st;
}

ts_status ts_prompt_calls_text(const ts_prompt_template *p, ts_prompt_work *w, const json_t *calls, ts_str *out)
{
    const size_t n = json_array_size(calls);
    if (p->call_format->one_call && n != 1)
        return ts_error(TS_ERR_USER, "%zu calls in one message: calls of the format %s stand alone", n,
                        p->call_format->name);
    return render(p->calls, w, "calls", calls, out);
}

ts_status ts_prompt_dump(const ts_prompt_template *p, ts_prompt_work *w, const json_t *v, ts_str *out)
{
    return render(p->dump, w, "v", v, out);
}
