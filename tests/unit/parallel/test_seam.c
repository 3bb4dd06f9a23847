/* Who hands which rows to whom at the border of two networks: for many pairs of layouts each row of each
 * receiver comes once, from someone who has it, and both sides list what goes between two of them alike. */
#include "../cmocka_all.h"
#include "base/mem.h"
#include "parallel/seam.h"

enum { MOST = 512, SIDES = 8 };

static ts_comm three = { .size = 3 }, two = { .size = 2 }, four = { .size = 4 };
static const ts_spread zigzag = { .comm = &two, .length = 24, .heads = 1, .zigzag = true },
                       uneven = { .comm = &three, .length = 24, .heads = 3 }, /* of 25 too */
                       in_rows = { .comm = &two, .length = 24, .heads = 1 },
                       both = { .comm = &four, .length = 24, .heads = 2, .zigzag = true };
static const ts_seam_side sides[SIDES] = {
    { 1, 1, NULL, false }, { 2, 1, NULL, false },     { 3, 1, NULL, true }, { 2, 2, &zigzag, true },
    { 1, 3, &uneven, false }, { 2, 2, &in_rows, false }, { 1, 4, &both, false }, { 2, 3, NULL, false },
};

/* Rows by their definition: samples one after another, positions of a context process in the order in which
 * it has them, an even part of all of these. */
static int64_t list_rows(const ts_seam_side *s, int64_t samples, int64_t length, int rank, int64_t *rows)
{
    const ts_stretches at = ts_spread_rows(s->spread, length, rank / s->tp);
    int64_t n = 0;
    for (int64_t b = 0; b < samples; b++)
        for (int64_t i = 0; i < ts_stretches_count(&at); i++)
            rows[n++] = b * length + ts_stretches_at(&at, i);
    const int64_t part = s->by_tp ? n / s->tp : n, first = s->by_tp ? part * (rank % s->tp) : 0;
    for (int64_t i = 0; i < part; i++)
        rows[i] = rows[first + i];
    assert_int_equal(part, ts_seam_rows(s, samples, length, rank));
    return part;
}

/* Follows what sender i sends to receiver j, and where j puts it. */
static void follow(const ts_seam_runs *sends, int j, const ts_seam_runs *gets, int i, const int64_t *from,
                   const int64_t *to, int *times)
{
    int64_t g = 0;
    for (int64_t k = 0; k < sends->n; k++) {
        const ts_seam_run *s = &sends->v[k];
        if (s->peer != j)
            continue;
        while (g < gets->n && gets->v[g].peer != i)
            g++;
        assert_true(g < gets->n);
        assert_int_equal(gets->v[g].n, s->n);
        for (int64_t r = 0; r < s->n; r++) {
            assert_int_equal(from[s->here + r], to[gets->v[g].here + r]);
            times[gets->v[g].here + r]++;
        }
        g++;
    }
    for (; g < gets->n; g++)
        assert_int_not_equal(gets->v[g].peer, i);
}

static void pair_of(const ts_seam_side *from, const ts_seam_side *to, int64_t samples)
{
    static int64_t a[MOST], b[MOST];
    for (int j = 0; j < ts_seam_size(to); j++) {
        int times[MOST] = { 0 };
        ts_seam_runs gets;
        const int64_t n = list_rows(to, samples, 24, j, b);
        assert_int_equal(ts_seam_receives(from, to, samples, 24, j, &gets), TS_OK);
        for (int i = 0; i < ts_seam_size(from); i++) {
            ts_seam_runs sends;
            assert_int_equal(ts_seam_sends(from, to, samples, 24, i, &sends), TS_OK);
            list_rows(from, samples, 24, i, a);
            follow(&sends, j, &gets, i, a, b, times);
            ts_free(&sends.v);
        }
        for (int64_t k = 0; k < n; k++)
            assert_int_equal(times[k], 1);
        ts_free(&gets.v);
    }
}

static void every_row_comes_once(void **state)
{
    (void)state;
    for (int i = 0; i < SIDES; i++)
        for (int k = 0; k < SIDES; k++)
            for (int64_t samples = 1; samples <= 3; samples++)
                pair_of(&sides[i], &sides[k], samples);
}

/* Where both sides have the same rows in a piece it is one message, and those who have copies serve as many. */
static void few_messages(void **state)
{
    (void)state;
    static const ts_seam_side copies = { 2, 1, NULL, false }, four_copies = { 4, 1, NULL, false };
    for (int i = 0; i < 2; i++) {
        ts_seam_runs sends;
        assert_int_equal(ts_seam_sends(&copies, &four_copies, 3, 24, i, &sends), TS_OK);
        assert_int_equal(sends.n, 2);
        for (int k = 0; k < 2; k++) {
            assert_int_equal(sends.v[k].peer, i + 2 * k);
            assert_int_equal(sends.v[k].n, 3 * 24);
        }
        ts_free(&sends.v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_row_comes_once), cmocka_unit_test(few_messages) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
