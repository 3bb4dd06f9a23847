/* Processors against transformers' (scripts/golden_generate.py), and the choice of a token. */
#include "../cmocka_all.h"
#include "../temp.h"

#include "base/json.h"
#include "infer/sample.h"

#include <math.h>
#include <string.h>

static double real(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static float *floats(const json_t *list)
{
    float *v = NULL;
    OK(ts_alloc(&v, json_array_size(list), sizeof *v));
    for (size_t i = 0; i < json_array_size(list); i++)
        v[i] = (float)json_number_value(json_array_get(list, i));
    return v;
}

static void check_kept(const json_t *c, const ts_sampler *s, size_t number)
{
    const json_t *kept = json_object_get(c, "kept");
    double sum = 0, best = -INFINITY;
    char key[24];
    if ((size_t)s->n != json_object_size(kept))
        fail_msg("case %zu: %lld tokens stay, expected %zu", number, (long long)s->n,
                 json_object_size(kept));
    for (int64_t i = 0; i < s->n; i++)
        best = fmax(best, (double)s->list[i].z);
    for (int64_t i = 0; i < s->n; i++)
        sum += exp((double)s->list[i].z - best);
    for (int64_t i = 0; i < s->n; i++) {
        snprintf(key, sizeof key, "%d", (int)s->list[i].id);
        const json_t *want = json_object_get(kept, key);
        const double p = exp((double)s->list[i].z - best) / sum;
        if (!want || fabs(p - json_number_value(want)) > 1e-5)
            fail_msg("case %zu: token %s has probability %.8f, expected %.8f", number, key, p,
                     json_number_value(want));
    }
}

static void test_processors(void **state)
{
    (void)state;
    json_t *cases = NULL;
    OK(ts_json_read("tests/golden/infer/sampling.json", &cases));
    assert_true(json_array_size(cases) >= 50);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i), *seen = json_object_get(c, "seen");
        const ts_sampling o = { .do_sample = true, .temperature = real(c, "temperature"),
                                .top_k = (int64_t)real(c, "top_k"), .top_p = real(c, "top_p"),
                                .min_p = real(c, "min_p"), .keep = 1,
                                .repetition_penalty = real(c, "repetition_penalty") };
        const int64_t vocab = (int64_t)json_array_size(json_object_get(c, "logits"));
        float *logits = floats(json_object_get(c, "logits"));
        ts_seen had = { 0 };
        for (size_t k = 0; k < json_array_size(seen); k++) {
            const int32_t id = (int32_t)json_integer_value(json_array_get(seen, k));
            OK(ts_seen_add(&had, vocab, &id, 1));
        }
        ts_sampler s;
        OK(ts_sampler_init(&s, &o, vocab));
        ts_sampler_process(&s, logits, &had, 0);
        OK(ts_sampler_filter(&s));
        check_kept(c, &s, i);
        ts_sampler_deinit(&s);
        ts_seen_deinit(&had);
        ts_free(&logits);
    }
    json_decref(cases);
}

/* How often each token comes is its probability; chi-squared with 4 degrees of freedom. */
static void test_frequencies(void **state)
{
    (void)state;
    enum { DRAWS = 20000, V = 5 };
    static const float z[V] = { 0.5f, -1, 2, 0, 1.25f };
    const ts_sampling o = { .do_sample = true, .temperature = 1, .top_p = 1,
                            .repetition_penalty = 1, .keep = 1,
                            .seed = 11 };
    ts_sampler s;
    int64_t count[V] = { 0 };
    double chi = 0;
    const double lse = ts_log_sum_exp(z, V);
    OK(ts_sampler_init(&s, &o, V));
    for (int64_t i = 0; i < DRAWS; i++) {
        int32_t id = -1;
        OK(ts_sampler_next(&s, z, NULL, (ts_place_in_line){ i % 100, i / 100 }, &id));
        assert_in_range(id, 0, V - 1);
        count[id]++;
    }
    for (int i = 0; i < V; i++) {
        const double want = DRAWS * exp((double)z[i] - lse);
        chi += ((double)count[i] - want) * ((double)count[i] - want) / want;
    }
    assert_true(chi < 18.5); /* one in a thousand */
    ts_sampler_deinit(&s);
}

/* Some logits that are no numbers, by every way to cut: said, never a draw from nothing. */
static void test_no_numbers(void **state)
{
    (void)state;
    enum { V = 5 };
    static const float z[V] = { 0.5f, NAN, 2, -INFINITY, 1.25f };
    for (int how = 0; how < 8; how++) {
        const ts_sampling o = { .do_sample = true, .temperature = 0.5, .repetition_penalty = 1,
                                .top_p = how & 1 ? 0.9 : 1, .top_k = how & 2 ? 3 : 0,
                                .min_p = how & 4 ? 0.1 : 0, .keep = 1 };
        ts_sampler s;
        int32_t id = -1;
        OK(ts_sampler_init(&s, &o, V));
        if (ts_sampler_next(&s, z, NULL, (ts_place_in_line){ 0, 0 }, &id) == TS_OK)
            assert_true(id == 0 || id == 2 || id == 4);
        else
            assert_non_null(strstr(ts_error_message(), "not a number"));
        ts_sampler_deinit(&s);
    }
}

static void test_place(void **state)
{
    (void)state;
    const double u = ts_sample_uniform(1, (ts_place_in_line){ 2, 3 }, 0);
    assert_true(u == ts_sample_uniform(1, (ts_place_in_line){ 2, 3 }, 0));
    assert_true(u != ts_sample_uniform(1, (ts_place_in_line){ 3, 2 }, 0));
    assert_true(u != ts_sample_uniform(1, (ts_place_in_line){ 2, 4 }, 0));
    assert_true(u != ts_sample_uniform(2, (ts_place_in_line){ 2, 3 }, 0));
    assert_true(u >= 0 && u < 1);
}

static void test_argmax(void **state)
{
    (void)state;
    float z[40];
    for (int i = 0; i < 40; i++)
        z[i] = (float)-i;
    z[37] = z[23] = 5; /* the first of equals, and in the tail behind whole vectors */
    assert_int_equal(ts_argmax(z, 40), 23);
    assert_int_equal(ts_argmax(z + 24, 16), 13);
    z[3] = NAN;
    assert_int_equal(ts_argmax(z, 40), 23);
    for (int i = 0; i < 40; i++)
        z[i] = NAN;
    assert_int_equal(ts_argmax(z, 40), -1);
    const ts_sampling o = { .temperature = 1, .top_p = 1, .repetition_penalty = 1, .keep = 1 };
    ts_sampler s;
    int32_t id;
    OK(ts_sampler_init(&s, &o, 40));
    REFUSED(ts_sampler_next(&s, z, NULL, (ts_place_in_line){ 4, 0 }, &id), TS_ERR_RUN, "line 5");
    ts_sampler_deinit(&s);
}

static void test_seen(void **state)
{
    (void)state;
    ts_seen s = { 0 };
    const int32_t ids[] = { 5, 64, 5, 63, 64, 0 };
    OK(ts_seen_add(&s, 65, ids, 6));
    assert_int_equal(s.n, 4);
    ts_seen_reset(&s);
    assert_int_equal(s.n, 0);
    OK(ts_seen_add(&s, 65, ids, 1));
    assert_int_equal(s.n, 1);
    ts_seen_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_processors), cmocka_unit_test(test_frequencies),
        cmocka_unit_test(test_no_numbers),
        cmocka_unit_test(test_place),      cmocka_unit_test(test_argmax),
        cmocka_unit_test(test_seen),
    };
    return cmocka_run_group_tests_name("infer sample", tests, NULL, NULL);
}
