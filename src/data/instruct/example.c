#include "data/instruct/example.h"

#include "data/instruct/turns.h"

#include <string.h>

static ts_status no_memory(void) { return ts_error(TS_ERR_NOMEM, "no memory for a conversation"); }

void ts_example_deinit(ts_example *e)
{
    json_decref(e->conversation);
    json_decref(e->rejected);
    *e = (ts_example){ 0 };
}

/* What a record is read with. */
typedef struct reading {
    const ts_record_form *f;
    const json_t *record;
    json_t *prompt; /* messages before an answer; of turns with the answer, but for pairs */
    json_t *tools;  /* NULL: none */
} reading;

static const json_t *field(const reading *r, int column)
{
    const char *name = r->f->column[column];
    const json_t *v = name ? json_object_get(r->record, name) : NULL;
    return v && !json_is_null(v) ? v : NULL;
}

static const char *name_of(const reading *r, int column)
{
    return r->f->column[column] ? r->f->column[column] : "(no field)";
}

static bool is_empty(const json_t *v) { return !v || (json_is_string(v) && !json_string_length(v)); }

/* ---- a text a field ---- */

static ts_status add_history(const reading *r)
{
    const json_t *list = field(r, TS_COLUMN_HISTORY);
    const char *name = name_of(r, TS_COLUMN_HISTORY);
    if (list && !json_is_array(list))
        return ts_error(TS_ERR_USER, "\"%s\": expected a list of [question, answer]", name);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *pair = json_array_get(list, i);
        if (json_array_size(pair) != 2)
            return ts_error(TS_ERR_USER, "\"%s\": number %zu is no [question, answer]", name, i + 1);
        TS_TRY(ts_message_add("user", json_array_get(pair, 0), name, r->prompt));
        TS_TRY(ts_message_add("assistant", json_array_get(pair, 1), name, r->prompt));
    }
    return TS_OK;
}

/* The question: the prompt, and the query on a line of its own where there are both. */
static ts_status add_question(const reading *r)
{
    const json_t *prompt = field(r, TS_COLUMN_PROMPT), *query = field(r, TS_COLUMN_QUERY);
    if (is_empty(query))
        return ts_message_add("user", prompt, name_of(r, TS_COLUMN_PROMPT), r->prompt);
    if (is_empty(prompt))
        return ts_message_add("user", query, name_of(r, TS_COLUMN_QUERY), r->prompt);
    if (!json_is_string(prompt) || !json_is_string(query))
        return ts_error(TS_ERR_USER, "\"%s\", \"%s\": expected texts", name_of(r, TS_COLUMN_PROMPT),
                        name_of(r, TS_COLUMN_QUERY));
    json_t *both = json_sprintf("%s\n%s", json_string_value(prompt), json_string_value(query));
    const ts_status st = both ? ts_message_add("user", both, "prompt", r->prompt) : no_memory();
    json_decref(both);
    return st;
}

static ts_status read_prompt(reading *r)
{
    const json_t *system = field(r, TS_COLUMN_SYSTEM), *turns = field(r, TS_COLUMN_MESSAGES);
    TS_TRY(ts_tools_read(field(r, TS_COLUMN_TOOLS), name_of(r, TS_COLUMN_TOOLS), &r->tools));
    if (!is_empty(system))
        TS_TRY(ts_message_add("system", system, name_of(r, TS_COLUMN_SYSTEM), r->prompt));
    if (r->f->style == TS_STYLE_TURNS)
        return turns ? ts_turns_add(r->f, turns, name_of(r, TS_COLUMN_MESSAGES), r->prompt) : TS_OK;
    TS_TRY(add_history(r));
    return add_question(r);
}

/* ---- conversations ---- */

static ts_status make(const reading *r, json_t *messages, json_t **out)
{
    json_t *more = json_object_get(r->record, "chat_template_kwargs");
    json_t *o =
        json_pack("{s:O, s:O*, s:O*}", "messages", messages, "tools", r->tools, "chat_template_kwargs", more);
    if (!o)
        return no_memory();
    *out = o;
    return TS_OK;
}

/* The prompt and an answer: a text, a turn, or a list of turns. */
static ts_status with_answer(const reading *r, const json_t *answer, const char *name, json_t **out)
{
    json_t *messages = json_copy(r->prompt);
    ts_status st = messages ? TS_OK : no_memory();
    if (st == TS_OK && !answer)
        st = ts_error(TS_ERR_USER, "\"%s\" is missing", name);
    if (st == TS_OK && json_is_array(answer))
        for (size_t i = 0; i < json_array_size(answer) && st == TS_OK; i++)
            st = ts_turn_add(r->f, json_array_get(answer, i), name, messages);
    else if (st == TS_OK)
        st = ts_turn_add(r->f, answer, name, messages);
    if (st == TS_OK)
        st = make(r, messages, out);
    json_decref(messages);
    return st;
}

/* Of the conversation with its answer. */
static ts_status whole(const reading *r, json_t **out)
{
    const json_t *answer = field(r, TS_COLUMN_RESPONSE), *completion = json_object_get(r->record, "completion");
    if (r->f->style == TS_STYLE_FIELDS)
        return with_answer(r, answer, name_of(r, TS_COLUMN_RESPONSE), out);
    return json_is_array(completion) ? with_answer(r, completion, "completion", out) : make(r, r->prompt, out);
}

static ts_status pair(const reading *r, ts_example *out)
{
    const json_t *both = field(r, TS_COLUMN_RESPONSE), *chosen = field(r, TS_COLUMN_CHOSEN),
                 *rejected = field(r, TS_COLUMN_REJECTED), *all = json_object_get(r->record, "chosen_messages");
    const char *names[2] = { name_of(r, TS_COLUMN_CHOSEN), name_of(r, TS_COLUMN_REJECTED) };
    if (all) {
        chosen = all;
        rejected = json_object_get(r->record, "rejected_messages");
        names[0] = "chosen_messages";
        names[1] = "rejected_messages";
    } else if (!chosen && !rejected && json_array_size(both) == 2) {
        chosen = json_array_get(both, 0);
        rejected = json_array_get(both, 1);
        names[0] = names[1] = name_of(r, TS_COLUMN_RESPONSE);
    }
    TS_TRY(with_answer(r, chosen, names[0], &out->conversation));
    return with_answer(r, rejected, names[1], &out->rejected);
}

static ts_status verdict(const reading *r, ts_example *out)
{
    const json_t *v = field(r, TS_COLUMN_KTO_TAG);
    const bool is_number = json_is_integer(v) && (json_integer_value(v) == 0 || json_integer_value(v) == 1);
    if (!json_is_boolean(v) && !is_number)
        return ts_error(TS_ERR_USER, "\"%s\": expected true (desirable) or false", name_of(r, TS_COLUMN_KTO_TAG));
    out->is_desirable = json_is_true(v) || json_integer_value(v) == 1;
    return whole(r, &out->conversation);
}

ts_status ts_example_read(const ts_record_form *f, const json_t *record, ts_rows_kind kind, ts_example *out)
{
    ts_record_form told;
    *out = (ts_example){ 0 };
    if (f->style == TS_STYLE_TOLD) {
        TS_TRY(ts_record_form_of(record, &told));
        f = &told;
    }
    reading r = { .f = f, .record = record, .prompt = json_array() };
    ts_status st = r.prompt ? read_prompt(&r) : no_memory();
    if (st == TS_OK)
        st = kind == TS_ROWS_SFT     ? whole(&r, &out->conversation)
             : kind == TS_ROWS_PAIRS ? pair(&r, out)
                                     : verdict(&r, out);
    json_decref(r.prompt);
    json_decref(r.tools);
    if (st != TS_OK)
        ts_example_deinit(out);
    return st;
}

ts_status ts_example_mismatch(const ts_example *e, const ts_example *other, json_t **out)
{
    json_t *own = json_object_get(e->conversation, "messages"),
           *others = json_object_get(other->conversation, "messages");
    json_t *messages = json_copy(own), *o = json_copy(e->conversation);
    const size_t n = json_array_size(own), k = json_array_size(others);
    const bool good = messages && o && n && k &&
                      json_array_set(messages, n - 1, json_array_get(others, k - 1)) == 0 &&
                      json_object_set(o, "messages", messages) == 0;
    json_decref(messages);
    if (!good) {
        json_decref(o);
        return no_memory();
    }
    *out = o;
    return TS_OK;
}
