/* Answers that are chosen of several, against the papers' rules on transformers (scripts/golden_explore.py). */
#include "api/lm_explore.h"
#include "api/words.h"
#include "base/file.h"
#include "base/json.h"

#include "../unit/cmocka_all.h"
#include "../unit/temp.h"

#include <math.h>
#include <string.h>

#define FOLDER "tests/golden/explore"
#define MODEL "tests/golden/evaluate/model"
enum { MOST_WORDS = 64, MOST_TEXT = 160 };

/* A case's options as words of the command line. */
typedef struct words {
    const char *v[MOST_WORDS];
    char text[MOST_WORDS][MOST_TEXT];
    size_t n;
} words;

static void add_word(words *w, const char *text)
{
    assert_true(w->n < MOST_WORDS && strlen(text) < MOST_TEXT);
    strcpy(w->text[w->n], text);
    w->v[w->n] = w->text[w->n];
    w->n++;
}

static void add_value(words *w, const json_t *v)
{
    char number[32];
    size_t i;
    json_t *one;
    if (json_is_string(v))
        add_word(w, json_string_value(v));
    else if (json_is_number(v)) {
        snprintf(number, sizeof number, "%.17g", json_number_value(v));
        add_word(w, number);
    }
    json_array_foreach(v, i, one) add_word(w, json_string_value(one));
}

static void add_options(words *w, const json_t *options)
{
    const char *name;
    json_t *v;
    char text[MOST_TEXT];
    json_object_foreach((json_t *)(uintptr_t)options, name, v)
    {
        snprintf(text, sizeof text, "--%s", name);
        add_word(w, text);
        if (strcmp(name, "reward-model") != 0) {
            add_value(w, v);
            continue;
        }
        snprintf(text, sizeof text, FOLDER "/%s", json_string_value(v));
        add_word(w, strcmp(json_string_value(v), "judge") ? text : MODEL);
    }
}

/* What a case is run with. */
typedef struct running {
    ts_lm_explore_options xo;
    ts_gen_options go;
    ts_lm_batch_options batch;
    ts_gen_config config;
    ts_lm_explorer explorer;
    ts_option_set *set;
    const json_t *want;
} running;

static const char *end_of(const ts_path *p)
{
    return p->end == TS_PATH_STOP ? "stop" : p->end == TS_PATH_LENGTH ? "length" : "left";
}

/* Probabilities and rewards come of float32 passes of both: logits of a size of some tens are off by units of 1e-6 times
 * as many sums as a pass has, and a score is no steeper in them than 1 (products of rewards have 5 factors at most). */
static void is_near(double got, double want, const char *what, size_t i)
{
    if (!(fabs(got - want) <= 1e-4 * (1 + fabs(want))))
        fail_msg("candidate %zu: %s is %.9g, expected %.9g", i, what, got, want);
}

static void check_path(const ts_path *p, const json_t *want, size_t i, bool has_regex)
{
    const json_t *ids = json_object_get(want, "ids"), *rewards = json_object_get(want, "rewards"), *answer = json_object_get(want, "answer");
    assert_int_equal(p->number, json_integer_value(json_object_get(want, "candidate")));
    assert_int_equal(p->n, json_array_size(ids));
    for (size_t k = 0; k < p->n; k++)
        assert_int_equal(p->ids[k], json_integer_value(json_array_get(ids, k)));
    assert_string_equal(ts_str_text(&p->text), json_string_value(json_object_get(want, "text")));
    assert_string_equal(end_of(p), json_string_value(json_object_get(want, "end")));
    assert_int_equal(p->n_rewards, json_array_size(rewards));
    for (size_t k = 0; k < p->n_rewards; k++)
        is_near(p->rewards[k], json_number_value(json_array_get(rewards, k)), "a reward", i);
    assert_int_equal(!isnan(p->score), json_object_get(want, "score") != NULL);
    if (!isnan(p->score))
        is_near(p->score, json_number_value(json_object_get(want, "score")), "the score", i);
    if (has_regex)
        assert_int_equal(p->has_answer, answer != NULL);
    if (answer)
        assert_string_equal(ts_str_text(&p->answer), json_string_value(answer));
}

static ts_status check(void *ctx, const ts_gen_line *line, const ts_exploration *e)
{
    const running *r = ctx;
    const json_t *all = json_object_get(r->want, "candidates");
    (void)line;
    assert_int_equal(e->n, json_array_size(all));
    for (size_t i = 0; i < e->n; i++)
        check_path(&e->paths[i], json_array_get(all, i), i, r->explorer.regex);
    assert_int_equal(e->new_tokens, json_integer_value(json_object_get(r->want, "used")));
    assert_int_equal(e->paths[e->chosen].number, json_integer_value(json_object_get(r->want, "chosen")));
    return TS_OK;
}

static void run_case(ts_lm *lm, const json_t *want, const char *batch)
{
    static words w;
    running r = { .want = want };
    const char *prompt = json_string_value(json_object_get(want, "prompt"));
    ts_ids ids = { 0 };
    const ts_option_table tables[] = { TS_LM_EXPLORE_TABLES(&r.xo),
                                       { ts_gen_option_rows, ts_gen_option_count, &r.go },
                                       { ts_lm_batch_rows, ts_lm_batch_count, &r.batch } };
    w.n = 0;
    add_options(&w, json_object_get(want, "options"));
    add_word(&w, "--batch-size");
    add_word(&w, batch);
    OK(ts_words_parse(tables, sizeof tables / sizeof *tables, w.v, w.n, &r.set));
    OK(ts_lm_explore_check(&r.xo, r.set, &r.go));
    OK(ts_lm_gen_config(lm, &r.go, r.set, &r.config));
    OK(ts_lm_explore_open(lm, &r.xo, r.set, &r.config, &r.explorer));
    OK(ts_lm_add_text(lm, prompt, strlen(prompt), &ids));
    ts_gen_line line = { .prompt = { ids.v, (int64_t)ids.n } };
    OK(ts_gen_limit(&r.config, &lm->model.decoder->arch, line.prompt.n, &line.max_new));
    OK(ts_lm_explore_run(lm, &r.explorer, &r.config, r.batch.batch_size, &line, 1, check, &r));
    ts_lm_explore_close(&r.explorer);
    ts_option_set_destroy(&r.set);
    ts_ids_deinit(&ids);
}

/* All at once, and with room for two, so that leaders and those behind them take turns. */
static void equals_the_reference(void **state)
{
    json_t *cases;
    ts_lm *lm;
    (void)state;
    OK(ts_json_read(FOLDER "/golden.json", &cases));
    OK(ts_lm_open(MODEL, (const char *const[]){ "--threads", "2" }, 2, &lm));
    for (size_t i = 0; i < json_array_size(cases); i++) {
        printf("case %zu\n", i);
        run_case(lm, json_array_get(cases, i), "16");
        run_case(lm, json_array_get(cases, i), "2");
    }
    ts_lm_close(&lm);
    json_decref(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(equals_the_reference) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
