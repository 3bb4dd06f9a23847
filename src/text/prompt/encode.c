/* The messages of a conversation as ids. */
#include "text/prompt/template.h"

#include <string.h>

ts_status ts_prompt_work_create(const ts_prompt_template *p, ts_prompt_work **out)
{
    ts_prompt_work *w;
    TS_TRY(ts_alloc(&w, 1, sizeof *w));
    const ts_status st = ts_tokenizer_scratch_create(p->tok, &w->scratch);
    if (st == TS_OK)
        *out = w;
    else
        ts_free(&w);
    return st;
}

void ts_prompt_work_destroy(ts_prompt_work **work)
{
    ts_prompt_work *w = *work;
    if (!w)
        return;
    ts_tokenizer_scratch_destroy(&w->scratch);
    ts_ids_deinit(&w->ids);
    ts_free(&w->end);
    ts_free(&w->pairs);
    ts_str_deinit(&w->text);
    ts_str_deinit(&w->plain);
    ts_str_deinit(&w->more);
    ts_jinja_text_deinit(&w->rendering);
    ts_prompt_talk_deinit(&w->joined);
    ts_arena_deinit(&w->arena);
    ts_free(work);
}

ts_status ts_prompt_put(const ts_prompt_template *p, ts_prompt_work *w, const char *s, size_t n)
{
    return n ? ts_tokenizer_encode(p->tok, w->scratch, s, n, false, &w->ids) : TS_OK;
}

ts_status ts_prompt_end(ts_prompt_work *w)
{
    TS_TRY(ts_grow(&w->end, &w->cap, w->n_ends + 1, sizeof *w->end));
    w->end[w->n_ends++] = w->ids.n;
    return TS_OK;
}

/* What stands for the placeholders of a slot. */
typedef struct filling {
    ts_prompt_text before, content; /* before: put in front of the content */
    const char *index;
    ts_prompt_text name, arguments;
} filling;

/* The length of the placeholder that s begins with, and what it stands for; 0: none. */
static size_t placeholder(const char *s, const filling *f, ts_prompt_text v[2])
{
    v[0] = v[1] = (ts_prompt_text){ NULL, 0 };
    if (f->content.s && !strncmp(s, "{{content}}", 11)) {
        v[0] = f->before;
        v[1] = f->content;
        return 11;
    }
    if (f->index && !strncmp(s, "{{idx}}", 7)) {
        v[0] = (ts_prompt_text){ f->index, strlen(f->index) };
        return 7;
    }
    if (f->name.s && !strncmp(s, "{{name}}", 8)) {
        v[0] = f->name;
        return 8;
    }
    if (f->arguments.s && !strncmp(s, "{{arguments}}", 13)) {
        v[0] = f->arguments;
        return 13;
    }
    return 0;
}

/* A slot's text with its placeholders filled; what is filled in is not looked at again. */
static ts_status fill(const ts_prompt_slot *s, const filling *f, ts_str *out)
{
    ts_prompt_text v[2];
    ts_str_reset(out);
    for (const char *at = s->text, *hit; *at;) {
        hit = strstr(at, "{{");
        TS_TRY(ts_str_add(out, at, hit ? (size_t)(hit - at) : strlen(at)));
        if (!hit)
            break;
        const size_t n = placeholder(hit, f, v);
        if (!n)
            TS_TRY(ts_str_add(out, hit, 2));
        for (int i = 0; i < 2; i++)
            if (v[i].n)
                TS_TRY(ts_str_add(out, v[i].s, v[i].n));
        at = hit + (n ? n : 2);
    }
    return TS_OK;
}

static ts_status put_slots(const ts_prompt_template *p, ts_prompt_work *w, const ts_prompt_slots *s, const filling *f)
{
    for (size_t i = 0; i < s->n; i++) {
        const ts_prompt_slot *slot = &s->v[i];
        if (!slot->text) {
            if (slot->id >= 0)
                TS_TRY(ts_ids_add(&w->ids, slot->id));
            continue;
        }
        TS_TRY(fill(slot, f, &w->text));
        TS_TRY(ts_prompt_put(p, w, ts_str_text(&w->text), w->text.len));
    }
    return TS_OK;
}

/* ---- thoughts ---- */

static const char *find(const char *s, size_t n, const char *word)
{
    return memmem(s, n, word, strlen(word));
}

static bool has_thought(const ts_prompt_template *p, ts_prompt_text t)
{
    return t.n && (find(t.s, t.n, p->thought[0]) || find(t.s, t.n, p->thought[1]));
}

/* Without thoughts and without the empty lines that it then begins with. */
static ts_status remove_thoughts(const ts_prompt_template *p, ts_prompt_text *t, ts_str *to)
{
    const char *at = t->s, *const end = t->s + t->n, *from, *till = NULL;
    ts_str_reset(to);
    while ((from = find(at, (size_t)(end - at), p->thought[0]))) {
        const char *inner = from + strlen(p->thought[0]);
        if (!(till = find(inner, (size_t)(end - inner), p->thought[1])))
            break;
        TS_TRY(ts_str_add(to, at, (size_t)(from - at)));
        at = till + strlen(p->thought[1]);
    }
    TS_TRY(ts_str_add(to, at, (size_t)(end - at)));
    const char *s = ts_str_text(to);
    const size_t blank = strspn(s, "\n");
    *t = (ts_prompt_text){ s + blank, to->len - blank };
    return TS_OK;
}

static ts_status put_empty_thought(const ts_prompt_template *p, ts_prompt_work *w)
{
    ts_str_reset(&w->text);
    TS_TRY(ts_str_puts(&w->text, p->thought[0]));
    TS_TRY(ts_str_puts(&w->text, p->thought[1]));
    return ts_prompt_put(p, w, w->text.s, w->text.len);
}

/* An answer with its thought in front, as such templates write it. */
static ts_status join_thought(const ts_prompt_template *p, const ts_prompt_turn *t, ts_str *to)
{
    ts_str_reset(to);
    TS_TRY(ts_str_puts(to, p->thought[0]));
    TS_TRY(ts_str_add(to, t->thought.s, t->thought.n));
    TS_TRY(ts_str_puts(to, p->thought[1]));
    return ts_str_add(to, t->content.s, t->content.n);
}

/* ---- messages ---- */

/* The thought of a message that is calls, and what stands behind it. */
static void split_thought(ts_prompt_text content, ts_prompt_text *thought, ts_prompt_text *rest)
{
    static const char open[] = "<think>", close[] = "</think>";
    const char *from = content.n ? find(content.s, content.n, open) : NULL, *till = NULL;
    for (const char *hit = from; hit && (hit = find(hit, content.n - (size_t)(hit - content.s), close));
         hit++)
        till = hit + sizeof close - 1;
    *thought = (ts_prompt_text){ from, till ? (size_t)(till - from) : 0 };
    *rest = till ? (ts_prompt_text){ till, content.n - (size_t)(till - content.s) } : content;
}

/* To w->more: the calls, behind the text that OpenAI's messages may have beside them. */
static ts_status calls_text(const ts_prompt_template *p, ts_prompt_work *w, ts_prompt_text beside, const json_t *calls)
{
    const size_t n = json_array_size(calls);
    ts_str_reset(&w->more);
    if (p->calls_named && n != 1)
        return ts_error(TS_ERR_USER, "%zu calls in one message: template %s writes one", n, p->name);
    if (p->calls_named && beside.n)
        return ts_error(TS_ERR_USER, "a text beside a call: template %s writes the call alone", p->name);
    if (p->calls_named)
        return ts_prompt_dump(p, w, json_object_get(json_array_get(calls, 0), "arguments"), &w->more);
    TS_TRY(ts_str_add(&w->more, beside.n ? beside.s : "", beside.n));
    if (beside.n && beside.s[beside.n - 1] != '\n')
        TS_TRY(ts_str_puts(&w->more, "\n"));
    return ts_prompt_calls_text(p, w, calls, &w->more);
}

/* Calls of tools: OpenAI's, or those that are the message's text, behind a thought. */
static ts_status put_calls(const ts_prompt_template *p, ts_prompt_work *w, const ts_prompt_turn *t,
                           ts_prompt_text content)
{
    ts_prompt_text thought = { NULL, 0 }, rest = content;
    json_t *calls = NULL;
    if (!t->calls)
        split_thought(content, &thought, &rest);
    TS_TRY(ts_prompt_calls_of(t, rest, &calls));
    ts_status st = calls_text(p, w, t->calls ? content : (ts_prompt_text){ NULL, 0 }, calls);
    if (st == TS_OK) {
        const json_t *name = json_object_get(json_array_get(calls, 0), "name");
        const ts_prompt_text text = { ts_str_text(&w->more), w->more.len };
        const filling f = { .before = p->calls_named ? (ts_prompt_text){ NULL, 0 } : thought,
                            .content = text,
                            .name = { json_string_value(name), json_string_length(name) },
                            .arguments = text };
        st = put_slots(p, w, &p->part[TS_PROMPT_OF_ROLE + TS_PROMPT_FUNCTION], &f);
    }
    json_decref(calls);
    return st;
}

/* What stands in front of the first question: the system's text and the tools', to w->more. */
static ts_status system_text(const ts_prompt_template *p, ts_prompt_work *w, const ts_prompt_talk *t, ts_str *out)
{
    const ts_prompt_text s = t->system.n ? t->system : (ts_prompt_text){ p->system, strlen(p->system) };
    ts_str_reset(out);
    TS_TRY(ts_str_add(out, s.s, s.n));
    return t->tools.n ? ts_prompt_tools_text(p, w, t->tools, out) : TS_OK;
}

/* Prefix and system. inner: Llama2Template's text to put into the question; empty in other classes. */
static ts_status put_head(const ts_prompt_template *p, ts_prompt_work *w, const ts_prompt_talk *t, ts_str *inner)
{
    const ts_prompt_slots *slots = &p->part[TS_PROMPT_SYSTEM];
    TS_TRY(put_slots(p, w, &p->part[TS_PROMPT_PREFIX], &(filling){ 0 }));
    TS_TRY(system_text(p, w, t, inner));
    const bool is_any = inner->len || t->tools.n;
    const filling f = { .content = { ts_str_text(inner), inner->len } };
    if (is_any && p->kind == TS_PROMPT_LLAMA2) { /* the first slot alone */
        TS_TRY(slots->v[0].text
                   ? fill(&slots->v[0], &f, &w->text)
                   : ts_error(TS_ERR_USER, "template %s: format_system must begin with a text", p->name));
        ts_str_reset(inner);
        return ts_str_add(inner, ts_str_text(&w->text), w->text.len);
    }
    const ts_status st = is_any ? put_slots(p, w, slots, &f) : TS_OK;
    ts_str_reset(inner);
    return st;
}

/* How a conversation is encoded: each answer, or all but the last as they stand in a prompt. */
typedef struct manner {
    bool last;
    ts_str *head, *answer; /* buffers: Llama 2's system; an answer with or without its thought */
} manner;

/* The text of an answer, its thought where the template has such. */
static ts_status answer_text(const ts_prompt_template *p, const ts_prompt_talk *t, size_t i, const manner *m,
                             ts_prompt_text *out)
{
    const ts_prompt_turn *turn = &t->v[i];
    *out = turn->content;
    if (p->kind != TS_PROMPT_REASONING)
        return TS_OK;
    if (p->thinking == TS_PROMPT_THINKING_FALSE || (m->last && i + 2 < t->n))
        return out->n ? remove_thoughts(p, out, m->answer) : TS_OK;
    if (turn->thought.n && !has_thought(p, *out)) {
        TS_TRY(join_thought(p, turn, m->answer));
        *out = (ts_prompt_text){ ts_str_text(m->answer), m->answer->len };
    }
    return TS_OK;
}

/* An answer that gets an empty thought, in itself or at the end of its question. */
static ts_status gets_thought(const ts_prompt_template *p, const ts_prompt_talk *t, size_t i, const manner *m,
                              bool *out)
{
    ts_prompt_text text;
    *out = p->kind == TS_PROMPT_REASONING && (!m->last || i + 1 == t->n);
    if (*out) {
        TS_TRY(answer_text(p, t, i, m, &text));
        *out = !has_thought(p, text);
    }
    return TS_OK;
}

static ts_status put_question(const ts_prompt_template *p, ts_prompt_work *w, const ts_prompt_talk *t, size_t i,
                              const manner *m)
{
    char index[24];
    bool thinks;
    snprintf(index, sizeof index, "%zu", i / 2);
    ts_str_reset(m->head);
    if (i == 0)
        TS_TRY(put_head(p, w, t, m->head));
    else if (p->kind != TS_PROMPT_LF)
        TS_TRY(put_slots(p, w, &p->part[TS_PROMPT_SEPARATOR], &(filling){ 0 }));
    const bool is_user = t->v[i].role == TS_PROMPT_USER;
    const filling f = { .before = { ts_str_text(m->head), is_user ? m->head->len : 0 },
                        .content = { t->v[i].content.n ? t->v[i].content.s : "", t->v[i].content.n },
                        .index = is_user ? index : NULL };
    TS_TRY(put_slots(p, w, &p->part[TS_PROMPT_OF_ROLE + (int)t->v[i].role], &f));
    TS_TRY(gets_thought(p, t, i + 1, m, &thinks));
    return thinks && p->thinking != TS_PROMPT_THINKING_TRUE ? put_empty_thought(p, w) : TS_OK;
}

static ts_status put_answer(const ts_prompt_template *p, ts_prompt_work *w, const ts_prompt_talk *t, size_t i,
                            const manner *m)
{
    const ts_prompt_turn *turn = &t->v[i];
    ts_prompt_text text;
    bool thinks;
    TS_TRY(gets_thought(p, t, i, m, &thinks));
    if (thinks && p->thinking == TS_PROMPT_THINKING_TRUE)
        TS_TRY(put_empty_thought(p, w));
    TS_TRY(answer_text(p, t, i, m, &text));
    if (turn->role == TS_PROMPT_FUNCTION || turn->calls)
        return put_calls(p, w, turn, text);
    const filling f = { .content = { text.n ? text.s : "", text.n } };
    return put_slots(p, w, &p->part[TS_PROMPT_OF_ROLE + TS_PROMPT_ASSISTANT], &f);
}

/* Questions and answers in turn; DeepSeek 4 puts several questions together itself. */
static ts_status check_order(const ts_prompt_template *p, const ts_prompt_talk *t)
{
    bool answers = true; /* the one before */
    for (size_t i = 0; i < t->n; i++) {
        const bool is_answer = t->v[i].role == TS_PROMPT_ASSISTANT || t->v[i].role == TS_PROMPT_FUNCTION;
        if (is_answer == answers && (is_answer || p->kind != TS_PROMPT_DEEPSEEK4))
            return ts_error(
                TS_ERR_USER,
                "message %zu: expected %s: users (or tools) and the assistant take turns, a user first",
                i + 1, answers ? "one of the user" : "an answer");
        answers = is_answer;
    }
    return t->n && answers ? TS_OK : ts_error(TS_ERR_USER, "the last message must be the assistant's answer");
}

static bool is_result(const ts_prompt_talk *t, size_t i)
{
    return i < t->n && t->v[i].role == TS_PROMPT_OBSERVATION;
}

/* Results [i, end) as one text. */
static ts_status join_texts(ts_prompt_work *w, const ts_prompt_talk *t, size_t i, size_t end,
                            ts_prompt_text *out)
{
    static const char between[] = "\n</tool_response>\n<tool_response>\n"; /* LLaMA-Factory's */
    size_t n = (end - i - 1) * (sizeof between - 1);
    char *to;
    for (size_t k = i; k < end; k++)
        n += t->v[k].content.n;
    TS_TRY(ts_arena_alloc(&w->arena, n + 1, &to));
    *out = (ts_prompt_text){ to, n };
    for (size_t k = i; k < end; k++) {
        if (k > i)
            to = (char *)memcpy(to, between, sizeof between - 1) + (sizeof between - 1);
        if (t->v[k].content.n)
            to = (char *)memcpy(to, t->v[k].content.s, t->v[k].content.n) + t->v[k].content.n;
    }
    return TS_OK;
}

/* Results of several calls stand in one message. */
static ts_status join_results(ts_prompt_work *w, const ts_prompt_talk *t, const ts_prompt_talk **out)
{
    size_t i = 0;
    while (i < t->n && !(is_result(t, i) && is_result(t, i + 1)))
        i++;
    *out = t;
    if (i == t->n)
        return TS_OK;
    ts_arena_reset(&w->arena);
    w->joined.n = 0;
    w->joined.system = t->system;
    w->joined.tools = t->tools;
    for (size_t end = i = 0; i < t->n; i = end) {
        for (end = i + 1; is_result(t, i) && is_result(t, end);)
            end++;
        TS_TRY(ts_prompt_talk_add(&w->joined, t->v[i].role, NULL, 0));
        ts_prompt_turn *turn = &w->joined.v[w->joined.n - 1];
        *turn = t->v[i];
        if (end > i + 1)
            TS_TRY(join_texts(w, t, i, end, &turn->content));
    }
    *out = &w->joined;
    return TS_OK;
}

static ts_status encode_all(const ts_prompt_template *p, ts_prompt_work *w, const ts_prompt_talk *t, bool last)
{
    ts_str head = { 0 };
    const manner m = { last, &head, &w->plain };
    if (p->kind != TS_PROMPT_DEEPSEEK4)
        TS_TRY(join_results(w, t, &t));
    ts_status st = check_order(p, t);
    w->ids.n = w->n_ends = 0;
    if (st == TS_OK && p->kind == TS_PROMPT_DEEPSEEK4)
        return ts_prompt_render_whole(p, w, t, last);
    for (size_t i = 0; st == TS_OK && i < t->n; i++) {
        st = i % 2 ? put_answer(p, w, t, i, &m) : put_question(p, w, t, i, &m);
        if (st == TS_OK)
            st = ts_prompt_end(w);
    }
    ts_str_deinit(&head);
    return st;
}

/* ---- pairs ---- */

/* int(limit * (target / (source + target))), in the same arithmetic. */
static size_t share(size_t source, size_t target, size_t limit)
{
    return (size_t)((double)limit * ((double)target / (double)(source + target)));
}

/* How much of a pair there is room for: the classic rule. */
static void fit_share(size_t *source, size_t *target, size_t limit)
{
    size_t most = *source + *target ? share(*source, *target, limit) : 0;
    most = most > 1 ? most : 1;
    const size_t left = limit - (most < *target ? most : *target);
    *source = *source < left ? *source : left;
    *target = *target < most ? *target : most;
}

/* LLaMA-Factory's rule: what is short stays whole. */
static void fit_longer(size_t *source, size_t *target, size_t limit)
{
    const size_t most = *target * 2 < limit   ? limit
                        : *source * 2 < limit ? limit - *source
                                              : share(*source, *target, limit);
    *target = *target < most ? *target : most;
    const size_t left = limit > *target ? limit - *target : 0;
    *source = *source < left ? *source : left;
}

static ts_status cut_pairs(const ts_prompt_template *p, ts_prompt_work *w, int64_t limit, ts_prompt_pairs *out)
{
    const bool is_lf = p->kind >= TS_PROMPT_LF;
    size_t room = limit > 0 ? (size_t)limit : 1000000, n = 0, total = 0;
    room -= is_lf; /* one is kept for a label */
    TS_TRY(ts_grow(&w->pairs, &w->cap_pairs, w->n_ends / 2 + 1, sizeof *w->pairs));
    for (size_t i = 0; i + 1 < w->n_ends && total < room; i += 2) {
        const size_t begin = i ? w->end[i - 1] : 0, middle = w->end[i];
        size_t source = middle - begin, target = w->end[i + 1] - middle;
        (is_lf ? fit_longer : fit_share)(&source, &target, room - total);
        w->pairs[n++] = (ts_prompt_pair){ w->ids.v + begin, w->ids.v + middle, source, target };
        total += source + target;
    }
    *out = (ts_prompt_pairs){ w->pairs, n };
    return TS_OK;
}

ts_status ts_prompt_encode(const ts_prompt_template *p, ts_prompt_work *w, const ts_prompt_talk *t, int64_t limit,
                           ts_prompt_pairs *out)
{
    TS_TRY(encode_all(p, w, t, false));
    return cut_pairs(p, w, limit, out);
}

/* Joins what stands before the last answer, which may have been cut to the room that there is. */
static void join_pairs(ts_prompt_work *w, const ts_prompt_pairs *pairs, ts_prompt_pair *out)
{
    const ts_prompt_pair *last = &pairs->v[pairs->n - 1];
    size_t n = 0;
    for (size_t i = 0; i < pairs->n; i++) {
        const ts_prompt_pair *v = &pairs->v[i];
        memmove(w->ids.v + n, v->source, v->n_source * sizeof *w->ids.v);
        n += v->n_source;
        if (v == last)
            break;
        memmove(w->ids.v + n, v->target, v->n_target * sizeof *w->ids.v);
        n += v->n_target;
    }
    *out = (ts_prompt_pair){ w->ids.v, last->target, n, last->n_target };
}

ts_status ts_prompt_encode_last(const ts_prompt_template *p, ts_prompt_work *w, const ts_prompt_talk *t,
                                ts_prompt_pair *out)
{
    ts_prompt_pairs pairs;
    TS_TRY(encode_all(p, w, t, true));
    if (p->kind < TS_PROMPT_LF) { /* only the classic form cuts a prompt, at a million ids */
        TS_TRY(cut_pairs(p, w, 0, &pairs));
        join_pairs(w, &pairs, out);
        return TS_OK;
    }
    const size_t middle = w->end[w->n_ends - 2];
    *out = (ts_prompt_pair){ w->ids.v, w->ids.v + middle, middle, w->ids.n - middle };
    return TS_OK;
}

/* ---- samples ---- */

static ts_status add_many(ts_ids *to, const int32_t *ids, size_t n)
{
    TS_TRY(ts_grow(&to->v, &to->cap, to->n + n, sizeof *to->v));
    if (n)
        memcpy(to->v + to->n, ids, n * sizeof *ids);
    to->n += n;
    return TS_OK;
}

static ts_status add_none(ts_ids *to, size_t n)
{
    TS_TRY(ts_grow(&to->v, &to->cap, to->n + n, sizeof *to->v));
    for (size_t i = 0; i < n; i++)
        to->v[to->n++] = -100;
    return TS_OK;
}

/* How much the labels of answer i of a conversation count; 0: it has none. */
static float weight_of(const ts_prompt_talk *t, size_t i, bool last_only)
{
    size_t n = 0, last = 0, found = t->n;
    for (size_t k = 0; k < t->n; k++)
        if (t->v[k].role == TS_PROMPT_ASSISTANT || t->v[k].role == TS_PROMPT_FUNCTION) {
            last = n;
            found = n++ == i ? k : found;
        }
    return found < t->n && (!last_only || i == last) ? t->v[found].weight : 0;
}

/* Labels from `from` on count so much; 0 has none. */
static ts_status weigh(ts_chat_weights *weights, size_t from, size_t end, float weight)
{
    if (weight == 0 || (weight == 1 && !(weights && weights->n)) || from == end)
        return TS_OK;
    if (!weights)
        return ts_error(TS_ERR_USER, "\"weight\" %g: files of tokens hold no parts of a weight: give 0 or 1, or train on the "
                                     "records as they are (posttrain --data-path FILE.jsonl)", (double)weight);
    return ts_chat_weights_set(weights, from, end, weight);
}

ts_status ts_prompt_sample(const ts_prompt_template *p, ts_prompt_work *w, const ts_prompt_talk *t, int64_t limit,
                           int64_t part, bool last_only, ts_ids *ids, ts_ids *labels, ts_chat_weights *weights)
{
    ts_prompt_pairs pairs;
    float weight = 0; /* of the answer before */
    TS_TRY(ts_prompt_encode(p, w, t, limit, &pairs));
    for (size_t i = 0; i < pairs.n; i++) {
        ts_prompt_pair v = pairs.v[i];
        if (part > 0)
            fit_longer(&v.n_source, &v.n_target, (size_t)part);
        TS_TRY(add_many(ids, v.source, v.n_source));
        TS_TRY(add_none(labels, v.n_source));
        const size_t source = labels->n - v.n_source;
        if (p->is_efficient && weight > 0 && v.n_source) { /* the end of the answer before */
            labels->v[source] = p->eos;
            TS_TRY(weigh(weights, source, source + 1, weight));
        }
        weight = weight_of(t, i, last_only);
        TS_TRY(add_many(ids, v.target, v.n_target));
        TS_TRY(weight > 0 ? add_many(labels, v.target, v.n_target) : add_none(labels, v.n_target));
        TS_TRY(weigh(weights, labels->n - v.n_target, labels->n, weight));
    }
    if (p->is_efficient) {
        TS_TRY(ts_ids_add(ids, p->eos));
        TS_TRY(ts_ids_add(labels, weight > 0 ? p->eos : -100));
        TS_TRY(weigh(weights, labels->n - 1, labels->n, weight));
    }
    return weights && weights->n ? ts_chat_weights_set(weights, labels->n, labels->n, 1) : TS_OK;
}
