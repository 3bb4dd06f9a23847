#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/dump.h"

#include <math.h>
#include <string.h>

enum { ROWS = 6, COLS = 8 };

static float value(int64_t i) { return (float)sin((double)i) * 3; }

typedef struct gathering {
    float v[ROWS * COLS];
} gathering;

static void gather(void *ctx, int64_t at, int64_t n, int64_t whole)
{
    gathering *g = ctx;
    for (int64_t i = 0; i < n; i++)
        g->v[at + i] = value(whole + i);
}

/* A piece of these rows and columns with the values of the whole. */
static ts_dump_stats measure(ts_stretch *rows, size_t n_rows, ts_stretch *cols, size_t n_cols,
                             int64_t from, int64_t n)
{
    ts_dump_piece p = { .whole = { ROWS, COLS },
                        .span = { rows, cols },
                        .n_spans = { n_rows, n_cols },
                        .from = from,
                        .n = n };
    gathering g;
    ts_dump_walk(&p, gather, &g);
    ts_dump_measure(&p, g.v);
    return p.stats;
}

/* Whatever the cut, sums, extremes and hash are those of the whole; another value anywhere is another hash. */
static void pieces_add_up(void **state)
{
    (void)state;
    ts_stretch all_rows[] = { { 0, ROWS } }, all_cols[] = { { 0, COLS } },
               left[] = { { 0, 2 }, { 4, 2 } }, right[] = { { 2, 2 }, { 6, 2 } },
               outer[] = { { 0, 1 }, { 5, 1 } }, inner[] = { { 1, 4 } };
    const ts_dump_stats whole = measure(all_rows, 1, all_cols, 1, 0, ROWS * COLS);
    ts_dump_stats by_cols = measure(all_rows, 1, left, 2, 0, ROWS * 4),
                  by_rows = measure(outer, 2, all_cols, 1, 0, 2 * COLS),
                  in_order = measure(all_rows, 1, all_cols, 1, 0, 13);
    const ts_dump_stats others[] = { measure(all_rows, 1, right, 2, 0, ROWS * 4),
                                     measure(inner, 1, all_cols, 1, 0, 4 * COLS),
                                     measure(all_rows, 1, all_cols, 1, 13, ROWS * COLS - 13) };
    ts_dump_stats *const first[] = { &by_cols, &by_rows, &in_order };
    for (int i = 0; i < 3; i++) {
        ts_dump_add(first[i], &others[i]);
        assert_true(first[i]->hash == whole.hash && first[i]->count == whole.count);
        assert_true(first[i]->min == whole.min && first[i]->max == whole.max);
        assert_true(fabs(first[i]->squares - whole.squares) < 1e-12 * whole.squares);
    }
    float v[ROWS * COLS];
    ts_dump_piece p = { .whole = { ROWS, COLS },
                        .span = { all_rows, all_cols },
                        .n_spans = { 1, 1 },
                        .n = ROWS * COLS };
    for (int i = 0; i < ROWS * COLS; i++)
        v[i] = value(i);
    v[17] = nextafterf(v[17], 9);
    ts_dump_measure(&p, v);
    assert_true(p.stats.hash != whole.hash);
    v[17] = NAN;
    ts_dump_measure(&p, v);
    assert_true(p.stats.unfinite == 1 && isfinite(p.stats.sum) && p.stats.hash != whole.hash);
}

static void lines(void **state)
{
    (void)state;
    ts_stretch rows[] = { { 1, 2 }, { 5, 1 } }, cols[] = { { 0, COLS } };
    char name[] = "a \"name\"";
    ts_dump_piece p = { .name = name,
                        .kind = TS_DUMP_OUTPUT_GRADIENT,
                        .order = 3,
                        .whole = { ROWS, COLS },
                        .span = { rows, cols },
                        .n_spans = { 2, 1 },
                        .from = 4,
                        .n = 20,
                        .tensor = 7 },
                  q;
    float v[20] = { 1, -2, 0.1f };
    ts_str text = { 0 };
    json_t *line;
    ts_dump_measure(&p, v);
    assert_int_equal(ts_dump_write_line(&p, &text), TS_OK);
    assert_int_equal(ts_json_parse(text.s, text.len, "x", &line), TS_OK);
    assert_int_equal(ts_dump_read_line(line, "x", &q), TS_OK);
    assert_string_equal(q.name, name);
    assert_true(q.kind == p.kind && q.order == 3 && q.from == 4 && q.n == 20 && q.tensor == 7 &&
                !q.adds);
    assert_true(q.n_spans[0] == 2 && q.span[0][1].begin == 5 && q.whole[1] == COLS);
    assert_true(!memcmp(&q.stats, &p.stats, sizeof q.stats));
    ts_dump_piece_deinit(&q);
    const struct {
        const char *key;
        json_t *v;
    } wrong[] = { { "kind", json_string("colour") },     { "count", json_integer(21) },
                  { "rows", json_pack("[[ii]]", 5, 3) }, { "cols", json_array() },
                  { "shape", json_pack("[i]", 3) },      { "hash", json_string("12") },
                  { "from", json_integer(-1) },          { "name", json_null() } };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        json_t *copy = json_copy(line);
        json_object_set_new(copy, wrong[i].key, wrong[i].v);
        assert_int_equal(ts_dump_read_line(copy, "FILE:3", &q), TS_ERR_USER);
        assert_non_null(strstr(ts_error_message(), "FILE:3"));
        json_decref(copy);
    }
    json_decref(line);
    ts_str_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(pieces_add_up), cmocka_unit_test(lines) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
