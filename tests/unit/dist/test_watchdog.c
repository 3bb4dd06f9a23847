#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/thread.h"
#include "dist/watchdog.h"

#include <string.h>
#include <time.h>

typedef struct seen {
    _Atomic int times;
    ts_watch_report report;
} seen;

static void note(void *ctx, const ts_watch_report *r)
{
    seen *s = ctx;
    s->report = *r;
    atomic_fetch_add(&s->times, 1);
}

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

/* Many short collectives and long work between them are no reason to bark. */
static void quiet_while_things_move(void **state)
{
    (void)state;
    ts_watch w = { 0 };
    seen s = { 0 };
    ts_watchdog *dog;
    assert_int_equal(ts_watchdog_create(&w, 1, 3, "here", 0.4, note, &s, &dog), TS_OK);
    for (int i = 0; i < 20; i++) {
        ts_watch_enter(&w, "tp", "all-reduce");
        sleep_ms(50);
        ts_watch_leave(&w);
    }
    sleep_ms(800);
    ts_watchdog_destroy(&dog);
    assert_null(dog);
    assert_int_equal(s.times, 0);
}

static void reports_a_stuck_collective(void **state)
{
    (void)state;
    ts_watch w = { 0 };
    seen s = { 0 };
    ts_watchdog *dog;
    assert_int_equal(ts_watchdog_create(&w, 1, 3, "here", 0.2, note, &s, &dog), TS_OK);
    ts_watch_enter(&w, "tp", "barrier");
    ts_watch_leave(&w);
    ts_watch_phase(&w, "training");
    ts_watch_iteration(&w, 7);
    ts_watch_enter(&w, "tp", "all-gather");
    w.behind = 3;
    const double t0 = ts_now();
    while (!s.times && ts_now() - t0 < 20)
        sleep_ms(10);
    ts_watchdog_destroy(&dog);
    assert_true(s.times >= 1);
    assert_string_equal(s.report.collective, "all-gather");
    assert_string_equal(s.report.group, "tp");
    assert_false(s.report.has_stopped);
    assert_string_equal(s.report.phase, "training");
    assert_string_equal(s.report.host, "here");
    assert_int_equal(s.report.number, 2);
    assert_int_equal(s.report.rank, 1);
    assert_int_equal(s.report.behind, 3);
    assert_int_equal(s.report.iteration, 7);
    assert_true(s.report.seconds > 0.2);
}

/* Rank 1 waits for 2, who waits for 3: it is 3 that does not come, unless 2 has stopped while it waited. */
static void look_for_the_silent(bool stopped, int64_t named, int64_t expected)
{
    ts_watch_seat seats[5] = { 0 };
    ts_watch w = { .seats = seats };
    seen s = { 0 };
    ts_watchdog *dog;
    assert_int_equal(ts_watchdog_create(&w, 1, 5, "here", 0.2, note, &s, &dog), TS_OK);
    seats[2].behind = 4;
    seats[2].beats = 1;
    seats[4].named = named;
    w.behind = 3;
    ts_watch_limit(&w, 0.3);
    ts_watch_enter(&w, "dp", "all-reduce");
    const double t0 = ts_now();
    while (!s.times && ts_now() - t0 < 20) {
        for (int i = 0; i < 5; i++)
            atomic_fetch_add(&seats[i].beats, i != 1 && !(i == 2 && stopped));
        sleep_ms(2);
    }
    ts_watchdog_destroy(&dog);
    assert_int_equal(s.report.behind, expected);
    assert_int_equal(s.report.has_stopped, stopped || named);
    assert_string_equal(s.report.behind_host, "here");
    assert_true(s.report.seconds > 0.3);
}

static void finds_the_end_of_a_chain(void **state)
{
    (void)state;
    look_for_the_silent(false, 0, 4);
    look_for_the_silent(true, 0, 3);
    look_for_the_silent(false, 3, 3); /* it moves again, as the launcher ends the job that rank 4 gave up */
}

static void ends_at_once(void **state)
{
    (void)state;
    ts_watch_seat seat = { 0 };
    ts_watch w = { .seats = &seat };
    ts_watchdog *dog;
    const double t0 = ts_now();
    assert_int_equal(ts_watchdog_create(&w, 0, 1, "here", 600, NULL, NULL, &dog), TS_OK);
    ts_watchdog_destroy(&dog);
    assert_true(ts_now() - t0 < 0.9);
    assert_true(seat.beats > 0); /* from the start: who is stopped early is seen, too */
    ts_watchdog_destroy(&dog);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(quiet_while_things_move),
                                        cmocka_unit_test(reports_a_stuck_collective),
                                        cmocka_unit_test(finds_the_end_of_a_chain),
                                        cmocka_unit_test(ends_at_once) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
