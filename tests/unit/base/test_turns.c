/* Two pieces of work that take turns: in which order they run, and what a failure leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/turns.h"

#include <string.h>

typedef struct piece {
    char *log;
    char letter;
    int steps; /* at each it writes its letter and gives way */
    ts_status result;
} piece;

static void write_to(char *log, char c)
{
    const size_t n = strlen(log);
    log[n] = c, log[n + 1] = 0;
}

/* Uses some of its stack, and finds it as it was. */
static ts_status work(void *ctx)
{
    piece *p = ctx;
    volatile unsigned char room[1 << 16];
    for (int i = 0; i < p->steps; i++) {
        for (size_t k = 0; k < sizeof room; k++)
            room[k] = (unsigned char)(p->letter + i);
        write_to(p->log, p->letter);
        ts_turns_give_way();
        for (size_t k = 0; k < sizeof room; k++)
            if (room[k] != (unsigned char)(p->letter + i))
                write_to(p->log, '!');
    }
    return p->result == TS_OK ? TS_OK : ts_error(p->result, "%c does not go on", p->letter);
}

static void note(void *ctx, int from, int to)
{
    char *log = ctx;
    write_to(log, from < 0 ? '(' : (char)('0' + from));
    write_to(log, to < 0 ? ')' : (char)('0' + to));
}

static ts_status both(piece *a, piece *b, char *log, char *turns)
{
    const ts_turn two[2] = { { work, a }, { work, b } };
    a->log = b->log = log;
    return ts_turns_run(two, turns ? note : NULL, turns);
}

static void alternate(void **state)
{
    (void)state;
    char log[64] = "", turns[64] = "";
    piece a = { .letter = 'a', .steps = 2 }, b = { .letter = 'b', .steps = 4 };
    assert_int_equal(both(&a, &b, log, turns), TS_OK);
    assert_string_equal(log, "ababbb");
    assert_string_equal(turns, "(001100110011)");
    *log = 0;
    piece c = { .letter = 'c', .steps = 0 }, d = { .letter = 'd', .steps = 3 };
    assert_int_equal(both(&d, &c, log, NULL), TS_OK);
    assert_string_equal(log, "ddd");
}

/* Who is alone goes on. */
static void nobody_else(void **state)
{
    (void)state;
    ts_turns_give_way();
}

static void failures(void **state)
{
    (void)state;
    char log[64] = "";
    piece a = { .letter = 'a', .steps = 2, .result = TS_ERR_USER }, b = { .letter = 'b', .steps = 9 };
    assert_int_equal(both(&a, &b, log, NULL), TS_ERR_USER);
    assert_string_equal(ts_error_message(), "a does not go on");
    assert_string_equal(log, "abab"); /* the other is left where it is */
    *log = 0;
    piece c = { .letter = 'c', .steps = 1 }, d = { .letter = 'd', .steps = 1, .result = TS_ERR_RUN };
    assert_int_equal(both(&c, &d, log, NULL), TS_ERR_RUN);
    assert_string_equal(log, "cd");
    piece e = { .letter = 'e', .steps = 1 }, f = { .letter = 'f', .steps = 1 };
    assert_int_equal(both(&e, &f, log, NULL), TS_OK); /* and others may come */
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(alternate), cmocka_unit_test(nobody_else),
                                        cmocka_unit_test(failures) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
