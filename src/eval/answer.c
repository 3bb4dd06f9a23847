#include "eval/answer.h"

#include "eval/pyregex.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef enum step_kind { STEP_REGEX, STEP_STRIP, STEP_LOWER, STEP_FIRST_LINE, STEP_NOTHING } step_kind;
typedef struct step {
    step_kind kind;
    ts_pyregex *re;
    int64_t select;
    const char *fallback;
} step;

typedef struct filter {
    const char *name;
    step *step; /* [n] */
    size_t n;
} filter;

struct ts_eval_judging {
    const ts_eval_task *t;
    const ts_python *python;
    filter *filter; /* [n_filters] */
    size_t n_filters;
    ts_pyregex **ignore; /* [n_ignore] what exact matches leave out */
    size_t n_ignore;
    bool ignore_case, ignore_punctuation;
    ts_eval_text program;
    double seconds; /* that a program may take */
};

static ts_status no_memory(void) { return ts_error(TS_ERR_NOMEM, "out of memory for a judgement"); }

/* ---- filters ---- */

static ts_status read_step(const ts_eval_task *t, const json_t *s, step *out)
{
    static const char *const names[] = { "regex", "remove_whitespace", "lowercase", "first_line",
                                         "take_first" };
    const char *what, *pattern;
    size_t k = 0;
    TS_TRY(ts_json_text(s, t->name, "function", "", &what));
    while (k < sizeof names / sizeof *names && strcmp(what, names[k]) != 0)
        k++;
    if (k == sizeof names / sizeof *names)
        return ts_error(TS_ERR_USER,
                        "task %s: a filter \"%s\" is not known here; there are regex, remove_whitespace, "
                        "lowercase, first_line, take_first",
                        t->name, what);
    out->kind = (step_kind)k;
    if (out->kind != STEP_REGEX)
        return TS_OK;
    TS_TRY(ts_json_text(s, t->name, "regex_pattern", "#### (\\-?[0-9\\.\\,]+)", &pattern));
    TS_TRY(ts_json_text(s, t->name, "fallback", "[invalid]", &out->fallback));
    TS_TRY(ts_json_int(s, t->name, "group_select", 0, -1000, 1000, &out->select));
    return ts_pyregex_create(pattern, t->name, &out->re);
}

static ts_status read_filters(ts_eval_judging *j)
{
    const json_t *list = json_object_get(j->t->def, "filter_list");
    TS_TRY(ts_alloc(&j->filter, json_array_size(list) + 1, sizeof *j->filter));
    if (!list) {
        j->filter[j->n_filters++].name = "none";
        return TS_OK;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *f = json_array_get(list, i), *steps = json_object_get(f, "filter");
        filter *out = &j->filter[j->n_filters++];
        TS_TRY(ts_json_text(f, j->t->name, "name", "none", &out->name));
        TS_TRY(ts_alloc(&out->step, json_array_size(steps), sizeof *out->step));
        for (; out->n < json_array_size(steps); out->n++)
            TS_TRY(read_step(j->t, json_array_get(steps, out->n), &out->step[out->n]));
    }
    return TS_OK;
}

static const json_t *metric_of(const ts_eval_judging *j, const char *name)
{
    const json_t *list = json_object_get(j->t->def, "metric_list");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *metric = json_string_value(json_object_get(json_array_get(list, i), "metric"));
        if (metric && !strcmp(metric, name))
            return json_array_get(list, i);
    }
    return NULL;
}

/* What an exact match leaves out of both texts. */
static ts_status read_match(ts_eval_judging *j)
{
    const json_t *m = metric_of(j, "exact_match"), *list = json_object_get(m, "regexes_to_ignore");
    if (!m)
        return TS_OK;
    TS_TRY(ts_json_bool(m, j->t->name, "ignore_case", false, &j->ignore_case));
    TS_TRY(ts_json_bool(m, j->t->name, "ignore_punctuation", false, &j->ignore_punctuation));
    TS_TRY(ts_alloc(&j->ignore, json_array_size(list), sizeof *j->ignore));
    for (; j->n_ignore < json_array_size(list); j->n_ignore++) {
        const char *pattern = json_string_value(json_array_get(list, j->n_ignore));
        TS_TRY(ts_pyregex_create(pattern ? pattern : "", j->t->name, &j->ignore[j->n_ignore]));
    }
    return TS_OK;
}

static ts_status check_metrics(const ts_eval_judging *j)
{
    static const char *const of_choices[] = { "acc", "acc_norm", "acc_bytes", "acc_tokens", NULL },
                             *const of_texts[] = { "exact_match", "pass@1", "needle", NULL };
    const json_t *list = json_object_get(j->t->def, "metric_list");
    const char *const *known = j->t->is_choice ? of_choices : of_texts;
    if (!json_array_size(list))
        return ts_error(TS_ERR_USER, "task %s: \"metric_list\": expected a list of metrics", j->t->name);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *metric = json_string_value(json_object_get(json_array_get(list, i), "metric"));
        size_t k = 0;
        while (known[k] && (!metric || strcmp(metric, known[k]) != 0))
            k++;
        if (!known[k])
            return ts_error(
                TS_ERR_USER, "task %s: a metric \"%s\" of its kind is not known here; there are %s",
                j->t->name, metric ? metric : "",
                j->t->is_choice ? "acc, acc_norm, acc_bytes, acc_tokens" : "exact_match, pass@1, needle");
    }
    return TS_OK;
}

ts_status ts_eval_judging_create(const ts_eval_task *t, const ts_python *python, ts_eval_judging **out)
{
    ts_eval_judging *j;
    TS_TRY(ts_alloc(&j, 1, sizeof *j));
    j->t = t, j->python = python;
    ts_status st = check_metrics(j);
    if (st == TS_OK)
        st = read_filters(j);
    if (st == TS_OK)
        st = read_match(j);
    if (st == TS_OK)
        st = ts_json_text(t->def, t->name, "program", NULL, &j->program.plain);
    if (st == TS_OK && j->program.plain)
        st = ts_jinja_parse(t->name, j->program.plain, strlen(j->program.plain), &j->program.jinja);
    if (st == TS_OK)
        st = ts_json_real(t->def, t->name, "time_limit", 3, &j->seconds);
    if (st != TS_OK)
        ts_eval_judging_destroy(&j);
    else
        *out = j;
    return st;
}

void ts_eval_judging_destroy(ts_eval_judging **judging)
{
    ts_eval_judging *j = *judging;
    if (!j)
        return;
    for (size_t i = 0; i < j->n_filters; i++) {
        for (size_t k = 0; k < j->filter[i].n; k++)
            ts_pyregex_destroy(&j->filter[i].step[k].re);
        ts_free(&j->filter[i].step);
    }
    for (size_t i = 0; i < j->n_ignore; i++)
        ts_pyregex_destroy(&j->ignore[i]);
    ts_free(&j->filter);
    ts_free(&j->ignore);
    ts_jinja_destroy(&j->program.jinja);
    ts_free(judging);
}

/* ---- choices ---- */

static bool is_right(const json_t *target, const json_t *choices, size_t pick)
{
    if (json_is_string(target)) { /* the first choice of that text */
        for (size_t i = 0; i < json_array_size(choices); i++)
            if (json_equal(json_array_get(choices, i), target))
                return i == pick;
        return false;
    }
    for (size_t i = 0; i < json_array_size(target); i++)
        if (json_integer_value(json_array_get(target, i)) == (json_int_t)pick)
            return true;
    return json_is_integer(target) && json_integer_value(target) == (json_int_t)pick;
}

/* What a metric divides a choice's log-likelihood by. */
static double divisor(const char *metric, const json_t *choice, int64_t tokens)
{
    const char *s = json_string_value(choice);
    const bool bytes = !strcmp(metric, "acc_bytes");
    size_t n = 0;
    if (!strcmp(metric, "acc"))
        return 1;
    if (!strcmp(metric, "acc_tokens"))
        return (double)tokens;
    for (size_t i = 0; s[i]; i++)
        n += bytes || ((unsigned char)s[i] & 0xC0) != 0x80;
    return (double)n;
}

ts_status ts_eval_judge_choices(const ts_eval_judging *j, const ts_eval_sample *s,
                                const double *loglikelihoods, const int64_t *tokens, json_t *line)
{
    const size_t n = json_array_size(s->choices);
    const json_t *metrics = json_object_get(j->t->def, "metric_list");
    json_t *list = json_array(), *correct = json_object();
    bool good = true;
    for (size_t i = 0; i < n; i++)
        good &= !json_array_append_new(list, ts_json_number(loglikelihoods[i]));
    for (size_t m = 0; m < json_array_size(metrics); m++) {
        const char *name = json_string_value(json_object_get(json_array_get(metrics, m), "metric"));
        size_t best = 0;
        double most = -INFINITY;
        for (size_t i = 0; i < n; i++) {
            const double v = loglikelihoods[i] / divisor(name, json_array_get(s->choices, i), tokens[i]);
            if (v > most)
                most = v, best = i;
        }
        good &= !json_object_set_new(correct, name, json_integer(is_right(s->target, s->choices, best)));
    }
    good &= !json_object_set_new(line, "loglikelihoods", list);
    good &= !json_object_set_new(line, "correct", correct);
    return good ? TS_OK : no_memory();
}

/* ---- texts ---- */

static ts_status run_step(const step *s, const ts_str *in, ts_str *out)
{
    const char *p = ts_str_text(in);
    size_t n = in->len;
    bool found;
    ts_str_reset(out);
    switch (s->kind) {
    case STEP_REGEX:
        TS_TRY(ts_pyregex_pick(s->re, p, n, s->select, out, &found));
        return found ? TS_OK : ts_str_puts(out, s->fallback);
    case STEP_STRIP: ts_py_strip(&p, &n); return ts_str_add(out, p, n);
    case STEP_LOWER: return ts_py_lower(p, n, out);
    case STEP_FIRST_LINE: return ts_str_add(out, p, strcspn(p, "\n"));
    default: return ts_str_add(out, p, n);
    }
}

static ts_status run_filter(const filter *f, const char *text, size_t n, ts_str *out)
{
    ts_str next = { 0 };
    ts_str_reset(out);
    ts_status st = ts_str_add(out, text, n);
    for (size_t i = 0; i < f->n && st == TS_OK; i++) {
        st = run_step(&f->step[i], out, &next);
        const ts_str swap = *out;
        *out = next;
        next = swap;
    }
    ts_str_deinit(&next);
    return st;
}

static bool is_punctuation(char c)
{
    return c > 32 && c < 127 && strchr("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", c);
}

/* A text without what exact matches ignore. */
static ts_status reduced(const ts_eval_judging *j, const char *s, size_t n, ts_str *out)
{
    ts_str part = { 0 };
    ts_str_reset(out);
    ts_status st = ts_str_add(out, s, n);
    for (size_t i = 0; i < j->n_ignore && st == TS_OK; i++) {
        st = ts_pyregex_sub(j->ignore[i], "", ts_str_text(out), out->len, &part);
        const ts_str swap = *out;
        *out = part;
        part = swap;
    }
    if (j->ignore_case && st == TS_OK) {
        ts_str_reset(&part);
        st = ts_py_lower(ts_str_text(out), out->len, &part);
        const ts_str swap = *out;
        *out = part;
        part = swap;
    }
    ts_str_deinit(&part);
    if (j->ignore_punctuation && st == TS_OK && out->len) {
        size_t kept = 0;
        for (size_t i = 0; i < out->len; i++)
            if (!is_punctuation(out->s[i]))
                out->s[kept++] = out->s[i];
        out->s[out->len = kept] = 0;
    }
    return st;
}

/* The answer's text: the target, or the choice of that number; of several each counts. */
static const json_t *gold_text(const ts_eval_sample *s, const json_t *fixed, size_t i)
{
    const json_t *g = json_is_array(s->target) ? json_array_get(s->target, i) : i ? NULL : s->target;
    return json_is_integer(g) && fixed ? json_array_get(fixed, (size_t)json_integer_value(g)) : g;
}

static ts_status matches(const ts_eval_judging *j, const ts_eval_sample *s, const ts_str *got, bool *is)
{
    ts_str a = { 0 }, b = { 0 };
    const json_t *gold;
    *is = false;
    ts_status st = reduced(j, ts_str_text(got), got->len, &a);
    for (size_t i = 0; st == TS_OK && (gold = gold_text(s, j->t->fixed_choices, i)); i++) {
        char number[32];
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(gold));
        const char *t = json_is_string(gold) ? json_string_value(gold) : number;
        st = reduced(j, t, strlen(t), &b);
        *is |= st == TS_OK && a.len == b.len && !memcmp(ts_str_text(&a), ts_str_text(&b), a.len);
    }
    ts_str_deinit(&a);
    ts_str_deinit(&b);
    return st;
}

static ts_status passes(const ts_eval_judging *j, const ts_eval_sample *s, const json_t *record,
                        const char *place, const ts_str *answer, bool *is)
{
    ts_jinja_text work = { 0 };
    ts_str program = { 0 };
    json_t *with = json_copy((json_t *)(uintptr_t)record);
    ts_status st =
        with && !json_object_set_new(with, "answer", json_stringn(ts_str_text(answer), answer->len))
            ? TS_OK
            : no_memory();
    if (st == TS_OK)
        st = ts_eval_text_of(&j->program, with, place, &work, &program);
    if (st == TS_OK)
        st = ts_str_printf(&program, "\n%s\n", json_string_value(s->target));
    if (st == TS_OK)
        st = ts_python_passes(j->python, program.s, program.len, j->seconds, is);
    json_decref(with);
    ts_jinja_text_deinit(&work);
    ts_str_deinit(&program);
    return st;
}

/* Levenshtein's distance of the first 4096 bytes. */
static ts_status distance(const char *a, const char *b, double *out)
{
    enum { MOST = 4096 };
    const size_t n = strnlen(a, MOST), m = strnlen(b, MOST);
    int32_t *row;
    TS_TRY(ts_alloc(&row, m + 1, sizeof *row));
    for (size_t k = 0; k <= m; k++)
        row[k] = (int32_t)k;
    for (size_t i = 1; i <= n; i++) {
        int32_t corner = row[0];
        row[0] = (int32_t)i;
        for (size_t k = 1; k <= m; k++) {
            const int32_t replaced = corner + (a[i - 1] != b[k - 1]),
                          shorter = row[k] < row[k - 1] ? row[k] : row[k - 1];
            corner = row[k];
            row[k] = replaced < shorter + 1 ? replaced : shorter + 1;
        }
    }
    *out = (double)row[m] / (double)(n > m ? n : m > 0 ? m : 1);
    ts_free(&row);
    return TS_OK;
}

/* 1 where the keyword is in the answer, else a fifth of how alike answer and needle are. */
static ts_status needle_score(const json_t *record, const ts_str *answer, const ts_eval_sample *s,
                              double *out)
{
    const char *keyword = json_string_value(json_object_get(record, "keyword")),
               *needle = json_string_value(s->target);
    double far = 1;
    if (keyword && *keyword && strstr(ts_str_text(answer), keyword)) {
        *out = 1;
        return TS_OK;
    }
    TS_TRY(distance(ts_str_text(answer), needle ? needle : "", &far));
    *out = 0.2 * (1 - far);
    return TS_OK;
}

static ts_status judge_filtered(const ts_eval_judging *j, const ts_eval_sample *s, const json_t *record,
                                const char *place, const filter *f, const ts_str *got, json_t *correct)
{
    bool is = false;
    double score = 0;
    const char *name = j->t->judge == TS_EVAL_PYTHON   ? "pass@1"
                       : j->t->judge == TS_EVAL_NEEDLE ? "needle"
                       : !strcmp(f->name, "none")      ? "exact_match"
                                                       : f->name;
    if (j->t->judge == TS_EVAL_NEEDLE)
        TS_TRY(needle_score(record, got, s, &score));
    else if (j->t->judge == TS_EVAL_PYTHON)
        TS_TRY(passes(j, s, record, place, got, &is));
    else
        TS_TRY(matches(j, s, got, &is));
    json_t *v = j->t->judge == TS_EVAL_NEEDLE ? json_real(score) : json_integer(is);
    return json_object_set_new(correct, name, v) ? no_memory() : TS_OK;
}

ts_status ts_eval_judge_text(const ts_eval_judging *j, const ts_eval_sample *s, const json_t *record,
                             const char *place, const char *text, size_t n, json_t *line)
{
    ts_str got = { 0 };
    json_t *extracted = json_object(), *correct = json_object();
    ts_status st = json_object_set_new(line, "generated", json_stringn(text, n)) ||
                           json_object_set_new(line, "extracted", extracted) ||
                           json_object_set_new(line, "correct", correct)
                       ? no_memory()
                       : TS_OK;
    for (size_t i = 0; i < j->n_filters && st == TS_OK; i++) {
        const filter *f = &j->filter[i];
        st = run_filter(f, text, n, &got);
        if (st == TS_OK && json_object_set_new(extracted, f->name, json_stringn(ts_str_text(&got), got.len)))
            st = no_memory();
        if (st == TS_OK)
            st = judge_filtered(j, s, record, place, f, &got, correct);
    }
    ts_str_deinit(&got);
    return st;
}
