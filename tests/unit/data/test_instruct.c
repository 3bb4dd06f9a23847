/* Records of instruction and preference data as conversations; conversations as rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../temp.h"
#include "data/instruct/chat_rows.h"
#include "data/instruct/example.h"
#include "data/instruct/packs.h"

#include <string.h>

/* Single quotes stand for double ones. */
static json_t *json_of(const char *text)
{
    char buf[2048];
    json_t *o;
    const size_t n = strlen(text);
    assert_true(n < sizeof buf);
    for (size_t i = 0; i <= n; i++)
        buf[i] = (char)(text[i] == '\'' ? '"' : text[i]);
    OK(ts_json_parse(buf, n, "a case", &o));
    return o;
}

typedef struct record_case {
    const char *map_keys; /* NULL: told by content */
    ts_rows_kind kind;
    const char *record;
    const char *messages, *rejected, *tools; /* of the conversations; messages NULL: refused, with `why` */
    bool is_desirable;
    const char *why;
} record_case;

#define U(text) "{'role': 'user', 'content': '" text "'}"
#define A(text) "{'role': 'assistant', 'content': '" text "'}"
#define SYS(text) "{'role': 'system', 'content': '" text "'}"
#define CALL(name, args) "{'type': 'function', 'function': {'name': '" name "', 'arguments': " args "}}"

static const record_case cases[] = {
    /* a text a field */
    { NULL, TS_ROWS_SFT, "{'instruction': 'Q', 'input': '', 'output': 'a'}", "[" U("Q") "," A("a") "]", NULL, NULL,
      false, NULL },
    { NULL, TS_ROWS_SFT,
      "{'instruction': 'Q', 'input': 'more', 'output': 'a', 'system': 's', 'history': [['x', 'y']]}",
      "[" SYS("s") "," U("x") "," A("y") "," U("Q\\nmore") "," A("a") "]", NULL, NULL, false, NULL },
    { NULL, TS_ROWS_SFT, "{'prompt': 'Q', 'completion': 'a'}", "[" U("Q") "," A("a") "]", NULL, NULL, false, NULL },
    { "{\"prompt\": \"q\", \"query\": \"\", \"response\": \"r\"}", TS_ROWS_SFT,
      "{'q': 'Q', 'input': 'not this', 'r': 'a', 'system': 'nor this'}", "[" U("Q") "," A("a") "]", NULL, NULL,
      false, NULL },
    { NULL, TS_ROWS_SFT, "{'instruction': 'Q', 'input': ''}", NULL, NULL, NULL, false, "\"output\" is missing" },
    { NULL, TS_ROWS_SFT, "{'instruction': ['Q'], 'output': 'a'}", NULL, NULL, NULL, false,
      "\"instruction\": expected a text" },
    { NULL, TS_ROWS_SFT, "{'instruction': 'Q', 'output': 'a', 'history': [['x']]}", NULL, NULL, NULL, false,
      "\"history\": number 1 is no [question, answer]" },
    { NULL, TS_ROWS_SFT, "{'text': 'Q'}", NULL, NULL, NULL, false, "found \"text\"" },
    /* turns */
    { NULL, TS_ROWS_SFT,
      "{'conversations': [{'from': 'human', 'value': 'Q'}, {'from': 'gpt', 'value': 'a'}], 'system': 's'}",
      "[" SYS("s") "," U("Q") "," A("a") "]", NULL, NULL, false, NULL },
    { NULL, TS_ROWS_SFT,
      "{'conversations': [{'from': 'system', 'value': 's'}, {'from': 'human', 'value': 'Q'}, {'from': 'function_call', "
      "'value': '[{\\'name\\': \\'f\\', \\'arguments\\': {\\'x\\': 1}}, {\\'name\\': \\'g\\', \\'arguments\\': {}}]'}, "
      "{'from': 'observation', 'value': '42'}, {'from': 'gpt', 'value': 'a'}], 'tools': '[{\\'name\\': \\'f\\'}]'}",
      "[" SYS("s") "," U("Q") ",{'role': 'assistant', 'content': '', 'tool_calls': [" CALL(
          "f", "{'x': 1}") "," CALL("g", "{}") "]},{'role': 'tool', 'content': '42'}," A("a") "]",
      NULL, "[{'type': 'function', 'function': {'name': 'f'}}]", false, NULL },
    { NULL, TS_ROWS_SFT, "{'conversations': [{'from': 'gpt', 'value': 'a'}, {'from': 'human', 'value': 'Q'}]}",
      NULL, NULL, NULL, false, "\"conversations\": turn 1 is the model's, where who speaks to it was expected" },
    { NULL, TS_ROWS_SFT, "{'conversations': [{'from': 'robot', 'value': 'a'}]}", NULL, NULL, NULL, false,
      "\"from\": \"robot\" is none of human, gpt, observation, function_call, system" },
    { NULL, TS_ROWS_SFT,
      "{'conversations': [{'from': 'human', 'value': 'Q'}, {'from': 'function_call', 'value': 'f(x)'}]}", NULL,
      NULL, NULL, false, "not valid JSON" },
    { "{\"messages\": \"talk\", \"tags\": {\"role_tag\": \"who\", \"content_tag\": \"says\", \"user_tag\": \"me\", "
      "\"assistant_tag\": \"you\"}}",
      TS_ROWS_SFT, "{'talk': [{'who': 'me', 'says': 'Q'}, {'who': 'you', 'says': 'a', 'weight': 0}]}",
      "[" U("Q") ",{'role': 'assistant', 'content': 'a', 'weight': 0}]", NULL, NULL, false, NULL },
    { "{\"answer\": \"x\"}", TS_ROWS_SFT, "{}", NULL, NULL, NULL, false, "--map-keys: there is no \"answer\"" },
    /* OpenAI's, and typed parts */
    { NULL, TS_ROWS_SFT,
      "{'messages': [" U("Q") ",{'role': 'assistant', 'content': null, 'reasoning_content': 'r', 'tool_calls': [" CALL(
          "f", "'{}'") "]}]}",
      "[" U("Q") ",{'role': 'assistant', 'content': null, 'reasoning_content': 'r', 'tool_calls': [" CALL(
          "f", "'{}'") "]}]",
      NULL, NULL, false, NULL },
    { NULL, TS_ROWS_SFT,
      "{'messages': [{'role': 'user', 'content': [{'type': 'text', 'value': 'Q'}], 'loss_weight': 0.0}, {'role': 'assistant', "
      "'content': [{'type': 'reasoning', 'value': 'r'}, {'type': 'text', 'value': 'a'}, {'type': 'text', 'value': 'b'}, "
      "{'type': 'tool_call', 'value': '{\\'name\\': \\'f\\', \\'arguments\\': {}}'}], 'loss_weight': 1.0}]}",
      "[{'role': 'user', 'content': 'Q', 'loss_weight': 0.0},{'role': 'assistant', 'content': 'ab', 'reasoning_content': 'r', "
      "'tool_calls': [" CALL("f", "{}") "], 'loss_weight': 1.0, 'weight': 1.0}]",
      NULL, NULL, false, NULL },
    { NULL, TS_ROWS_SFT, "{'messages': [{'role': 'user', 'content': [{'type': 'video', 'value': 'v'}]}]}", NULL,
      NULL, NULL, false, "a part of type \"video\" is not trained on" },
    /* pairs */
    { NULL, TS_ROWS_PAIRS, "{'instruction': 'Q', 'chosen': 'a', 'rejected': 'b'}", "[" U("Q") "," A("a") "]",
      "[" U("Q") "," A("b") "]", NULL, false, NULL },
    { NULL, TS_ROWS_PAIRS, "{'instruction': 'Q', 'output': ['a', 'b']}", "[" U("Q") "," A("a") "]",
      "[" U("Q") "," A("b") "]", NULL, false, NULL },
    { NULL, TS_ROWS_PAIRS, "{'prompt': 'Q', 'chosen': 'a', 'rejected': 'b'}", "[" U("Q") "," A("a") "]",
      "[" U("Q") "," A("b") "]", NULL, false, NULL },
    { NULL, TS_ROWS_PAIRS, "{'prompt': [" U("Q") "], 'chosen': [" A("a") "], 'rejected': [" A("b") "]}",
      "[" U("Q") "," A("a") "]", "[" U("Q") "," A("b") "]", NULL, false, NULL },
    { NULL, TS_ROWS_PAIRS, "{'chosen': [" U("Q") "," A("a") "], 'rejected': [" U("Q") "," A("b") "]}",
      "[" U("Q") "," A("a") "]", "[" U("Q") "," A("b") "]", NULL, false, NULL },
    { NULL, TS_ROWS_PAIRS,
      "{'conversations': [{'from': 'human', 'value': 'Q'}], 'chosen': {'from': 'gpt', 'value': 'a'}, "
      "'rejected': {'from': 'gpt', 'value': 'b'}}",
      "[" U("Q") "," A("a") "]", "[" U("Q") "," A("b") "]", NULL, false, NULL },
    { NULL, TS_ROWS_PAIRS, "{'prompt': 'Q', 'chosen': 'a'}", NULL, NULL, NULL, false, "\"rejected\" is missing" },
    /* verdicts */
    { NULL, TS_ROWS_KTO, "{'messages': [" U("Q") "," A("a") "], 'label': true}", "[" U("Q") "," A("a") "]", NULL,
      NULL, true, NULL },
    { NULL, TS_ROWS_KTO, "{'instruction': 'Q', 'output': 'a', 'kto_tag': false}", "[" U("Q") "," A("a") "]", NULL,
      NULL, false, NULL },
    { NULL, TS_ROWS_KTO, "{'prompt': [" U("Q") "], 'completion': [" A("a") "], 'label': 1}",
      "[" U("Q") "," A("a") "]", NULL, NULL, true, NULL },
    { NULL, TS_ROWS_KTO, "{'prompt': 'Q', 'completion': 'a', 'label': 'yes'}", NULL, NULL, NULL, false,
      "\"label\": expected true (desirable) or false" },
};

static void is_json(const json_t *got, const char *want, const char *record)
{
    json_t *o = want ? json_of(want) : NULL;
    char *text = got ? json_dumps(got, JSON_ENCODE_ANY) : NULL;
    if (got ? !o || !json_equal(got, o) : o != NULL)
        fail_msg("%s: %s, expected %s", record, text, want);
    free(text);
    json_decref(o);
}

static void records_become_conversations(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const record_case *c = &cases[i];
        ts_record_form form;
        ts_example e = { 0 };
        json_t *record = json_of(c->record);
        ts_record_form_init(&form);
        ts_status st = c->map_keys ? ts_record_form_map(&form, c->map_keys) : TS_OK;
        if (st == TS_OK)
            st = ts_example_read(&form, record, c->kind, &e);
        if (c->messages) {
            if (st != TS_OK)
                fail_msg("%s: %s", c->record, ts_error_message());
            is_json(json_object_get(e.conversation, "messages"), c->messages, c->record);
            is_json(json_object_get(e.conversation, "tools"), c->tools, c->record);
            is_json(e.rejected ? json_object_get(e.rejected, "messages") : NULL, c->rejected, c->record);
            assert_int_equal(e.is_desirable, c->is_desirable);
        } else {
            REFUSED(st, TS_ERR_USER, c->why);
        }
        ts_example_deinit(&e);
        ts_record_form_deinit(&form);
        json_decref(record);
    }
}

/* ---- rows ---- */

typedef struct scene {
    temp t;
    ts_chat_writer writer;
    ts_chat_options o;
    ts_rows *rows;
    ts_chat_counts counts;
} scene;

static void scene_open(scene *s, const char *template)
{
    const ts_text_options text = { .name_or_path = "tests/golden/text/byte_level" };
    temp_make(&s->t);
    temp_write(&s->t, "t.jinja", template, strlen(template));
    s->o.style.hf_chat_template = true;
    s->o.style.chat_template = temp_path(&s->t, "t.jinja");
    OK(ts_chat_writer_open(&s->o, NULL, &text, &s->writer));
}

static ts_status scene_rows(scene *s, ts_rows_kind kind, int64_t seq_length, const char *records)
{
    char buf[2048];
    const size_t n = strlen(records);
    assert_true(n < sizeof buf);
    for (size_t i = 0; i <= n; i++)
        buf[i] = (char)(records[i] == '\'' ? '"' : records[i]);
    temp_write(&s->t, "r.jsonl", buf, n);
    const ts_chat_need need = {
        .path = temp_path(&s->t, "r.jsonl"), .writer = &s->writer, .kind = kind, .seq_length = seq_length
    };
    return ts_chat_rows_open(&s->o, &need, &s->counts, &s->rows);
}

static void scene_rows_close(scene *s)
{
    if (s->rows)
        s->rows->destroy(s->rows);
    s->rows = NULL;
}

static void scene_close(scene *s)
{
    scene_rows_close(s);
    ts_chat_writer_close(&s->writer);
    temp_remove(&s->t);
}

/* The text of what is labelled under the key. */
static void trained_is(const scene *s, const ts_row *r, int key, const char *whole, const char *trained)
{
    ts_str text = { 0 };
    OK(ts_tokenizer_decode(s->writer.tok.tok, r->v[key], (size_t)r->n[key], false, &text));
    assert_string_equal(text.s, whole);
    ts_str_reset(&text);
    for (int64_t i = 0; i < r->n[key + 1]; i++)
        if (r->v[key + 1][i] != TS_ROW_NO_LABEL)
            OK(ts_tokenizer_decode(s->writer.tok.tok, &r->v[key + 1][i], 1, false, &text));
    assert_string_equal(ts_str_text(&text), trained);
    ts_str_deinit(&text);
}

static const char plain[] = "{% for m in messages %}<s>{{ m.role[0] }}:{{ m.content }}{% endfor %}"
                            "{% if add_generation_prompt %}<s>a:{% endif %}";

static void a_mismatched_answer_is_the_one_before(void **state)
{
    scene s = { 0 };
    ts_row r = { 0 };
    (void)state;
    scene_open(&s, plain);
    OK(scene_rows(&s, TS_ROWS_KTO, 0,
                  "{'messages': [" U("Q1") "," A("one") "], 'label': true}\n{'messages': [" U("Q2") "," A(
                      "two") "], 'label': false}\n"
                             "{'messages': [" U("x") "," A("y") "," U("Q3") "," A("three") "], 'label': true}\n"));
    assert_int_equal(s.rows->n, 3);
    OK(s.rows->read(s.rows, 0, &r));
    trained_is(&s, &r, 0, "<s>u:Q1<s>a:one", "one");
    trained_is(&s, &r, 2, "<s>u:Q1<s>a:three", "three");
    assert_int_equal(r.v[TS_KTO_TAGS][0], 1);
    OK(s.rows->read(s.rows, 1, &r));
    trained_is(&s, &r, 2, "<s>u:Q2<s>a:one", "one");
    assert_int_equal(r.v[TS_KTO_TAGS][0], 0);
    OK(s.rows->read(s.rows, 2, &r));
    trained_is(&s, &r, 0, "<s>u:x<s>a:y<s>u:Q3<s>a:three", "three");
    trained_is(&s, &r, 2, "<s>u:x<s>a:y<s>u:Q3<s>a:two", "two");
    ts_row_deinit(&r);
    scene_close(&s);
}

static void weights_leave_answers_out(void **state)
{
    static const char record[] =
        "{'messages': [" U("Q") ",{'role': 'assistant', 'content': 'no', 'weight': 0}," U("R") "," A("yes") "]}\n";
    static const char blocks[] =
        "{% for m in messages %}<s>{{ m.role[0] }}:{% if m.role == 'assistant' %}{% generation %}"
        "{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}";
    const char *const templates[] = { plain, blocks };
    (void)state;
    for (int i = 0; i < 2; i++) {
        scene s = { 0 };
        ts_row r = { 0 };
        scene_open(&s, templates[i]);
        OK(scene_rows(&s, TS_ROWS_SFT, 0, record));
        OK(s.rows->read(s.rows, 0, &r));
        trained_is(&s, &r, 0, "<s>u:Q<s>a:no<s>u:R<s>a:yes", "yes");
        scene_rows_close(&s);
        /* the first sample's last answer is not what a template is judged by, then */
        OK(scene_rows(&s, TS_ROWS_SFT, 0,
                      "{'messages': [" U("Q") "," A("yes") "," U(
                          "R") ",{'role': 'assistant', 'content': 'no', 'weight': 0}]}\n"));
        OK(s.rows->read(s.rows, 0, &r));
        trained_is(&s, &r, 0, "<s>u:Q<s>a:yes<s>u:R<s>a:no", "yes");
        ts_row_deinit(&r);
        scene_close(&s);
    }
}

static void what_is_read_is_counted(void **state)
{
    scene s = { 0 };
    (void)state;
    scene_open(&s, plain);
    s.o.on_bad_record = 1; /* skip */
    OK(scene_rows(
        &s, TS_ROWS_SFT, 0,
        "{'messages': [" U("Q1") "," A("one") "]}\n{'x': 1}\n{'messages': [" U("Q2") "," A("two") "]}\n"));
    assert_int_equal(s.counts.records, 3);
    assert_int_equal(s.counts.samples, 2);
    assert_int_equal(s.counts.cut, 0);
    const int64_t tokens = s.counts.tokens, trained = s.counts.trained;
    scene_rows_close(&s);
    s.o.max_samples = 1;
    OK(scene_rows(
        &s, TS_ROWS_SFT, 0,
        "{'x': 1}\n{'messages': [" U("Q1") "," A("one") "]}\n{'messages': [" U("Q2") "," A("two") "]}\n"));
    assert_int_equal(s.rows->n, 1);
    assert_true(s.counts.tokens < tokens && s.counts.trained < trained && s.counts.trained > 0);
    scene_rows_close(&s);
    s.o.max_samples = 0;
    OK(scene_rows(&s, TS_ROWS_SFT, tokens / 2 - 1, "{'messages': [" U("Q1") "," A("one two three") "]}\n"));
    assert_int_equal(s.counts.cut, 1);
    assert_int_equal(s.counts.tokens, tokens / 2 - 1);
    scene_rows_close(&s);
    REFUSED(scene_rows(&s, TS_ROWS_SFT, 2, "{'messages': [" U("Q1") "," A("one two three") "]}\n"), TS_ERR_USER,
            "there is nothing to train on");
    /* of pairs both answers are needed */
    static const char pairs[] = "{'prompt': 'Q', 'chosen': 'a', 'rejected': 'b'}\n"
                                "{'prompt': 'a question that is longer than all', 'chosen': 'a', 'rejected': 'b'}\n";
    OK(scene_rows(&s, TS_ROWS_PAIRS, 16, pairs));
    assert_int_equal(s.rows->n, 1);
    scene_rows_close(&s);
    s.o.on_bad_record = 0; /* stop */
    REFUSED(scene_rows(&s, TS_ROWS_PAIRS, 16, pairs), TS_ERR_USER, "r.jsonl:2: chosen_input_ids: ");
    scene_close(&s);
}

/* ---- packs ---- */

/* Best fit by looking at every pack; pack [n] of each sample. */
static int64_t fit_slowly(const int64_t *length, int64_t n, int64_t capacity, int64_t *pack, int64_t *room)
{
    int64_t n_packs = 0;
    for (int64_t len = capacity; len >= 0; len--)
        for (int64_t i = 0; i < n; i++) {
            if ((length[i] < capacity ? length[i] : capacity) != len)
                continue;
            int64_t best = -1;
            for (int64_t k = 0; k < n_packs; k++)
                if (room[k] >= len && (best < 0 || room[k] < room[best]))
                    best = k;
            if (best < 0)
                room[best = n_packs++] = capacity;
            room[best] -= len;
            pack[i] = best;
        }
    return n_packs;
}

static void samples_go_where_they_fit_best(void **state)
{
    enum { N = 200, CAPACITY = 130 };
    int64_t length[N], pack[N], room[N], left[N];
    uint32_t x = 1;
    ts_packs p;
    (void)state;
    for (int i = 0; i < N; i++)
        length[i] = (x = x * 1664525u + 1013904223u) >> 25; /* below 128 */
    length[7] = 1000;
    length[8] = 0;
    const int64_t n = fit_slowly(length, N, CAPACITY, pack, room);
    OK(ts_packs_make(length, N, CAPACITY, &p));
    assert_int_equal(p.n, n);
    assert_int_equal(p.begin[n], N);
    bool seen[N] = { false };
    for (int64_t k = 0; k < n; k++) {
        left[k] = CAPACITY;
        for (int64_t i = p.begin[k]; i < p.begin[k + 1]; i++) {
            const int64_t sample = p.sample[i];
            assert_false(seen[sample]);
            seen[sample] = true;
            left[k] -= length[sample] < CAPACITY ? length[sample] : CAPACITY;
        }
        assert_true(left[k] >= 0);
    }
    /* of several packs with one room any may be taken: what is left is the same */
    for (int64_t r = 0; r <= CAPACITY; r++) {
        int64_t a = 0, b = 0;
        for (int64_t k = 0; k < n; k++)
            a += room[k] == r, b += left[k] == r;
        assert_int_equal(a, b);
    }
    ts_packs_deinit(&p);
}

static ts_status count_up(const ts_rows *r, int64_t i, ts_row *out)
{
    (void)r;
    for (int k = 0; k < 2; k++) {
        OK(ts_row_room(out, k, i + 1));
        for (int64_t t = 0; t <= i; t++)
            out->v[k][t] = (int32_t)(10 * i + t);
    }
    return TS_OK;
}

static void keep(ts_rows *r) { (void)r; }

static void a_pack_is_its_samples_one_after_another(void **state)
{
    static const int64_t length[] = { 1, 2, 3, 4, 5 };
    static const int32_t ids[] = { 30, 31, 32, 33, 0 }, labels[] = { -100, 31, 32, 33, -100 },
                         ordinals[] = { 1, 1, 1, 1, 2 };
    ts_rows made = { .n = 4, .n_keys = 2, .read = count_up, .destroy = keep }, *rows = &made, *packs;
    ts_row r = { 0 };
    (void)state;
    OK(ts_pack_rows_open(&rows, length, 5, &packs));
    assert_null(rows);
    assert_int_equal(packs->n, 2);
    OK(packs->read(packs, 0, &r));
    assert_int_equal(r.n[0], 5);
    assert_memory_equal(r.v[0], ids, sizeof ids);
    assert_memory_equal(r.v[1], labels, sizeof labels);
    assert_memory_equal(r.v[2], ordinals, sizeof ordinals);
    packs->destroy(packs);
    ts_row_deinit(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_become_conversations),   cmocka_unit_test(a_mismatched_answer_is_the_one_before),
        cmocka_unit_test(weights_leave_answers_out),      cmocka_unit_test(what_is_read_is_counted),
        cmocka_unit_test(samples_go_where_they_fit_best), cmocka_unit_test(a_pack_is_its_samples_one_after_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
