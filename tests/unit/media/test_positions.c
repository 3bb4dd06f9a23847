/* M-RoPE by both rules of what follows a clip: transformers 5.24's positions and 4.57.1's of the same text. */
#include "../cmocka_all.h"
#include "../temp.h"

#include "media/positions.h"

#include <string.h>

enum { N_MOST = 32 };

/* Of ids written as letters: '.' text, 'p' picture, 'v' clip, 's' sound; want [3, N_MOST]. */
static void check(const char *ids, const ts_placed_medium *media, int64_t n_media,
                  ts_positions_after after, const int *want, int64_t want_next)
{
    const int64_t n = (int64_t)strlen(ids);
    int8_t kind[N_MOST];
    int32_t got[3 * N_MOST];
    int64_t next = 0;
    for (int64_t i = 0; i < n; i++)
        kind[i] = ids[i] == 'p'   ? TS_MEDIUM_PICTURE
                  : ids[i] == 'v' ? TS_MEDIUM_CLIP
                  : ids[i] == 's' ? TS_MEDIUM_SOUND
                                  : -1;
    const ts_placed_text text = { kind, n, media, n_media };
    OK(ts_positions_make(&text, after, got, &next));
    for (int64_t i = 0; i < 3 * n; i++)
        if (got[i] != want[i / n * N_MOST + i % n])
            fail_msg("%s: position %d of id %d is %d, not %d", ids, (int)(i / n), (int)(i % n),
                     (int)got[i], want[i / n * N_MOST + i % n]);
    assert_int_equal(next, want_next);
}

/* Two steps of time a second, a second a step. */
static void a_clip_in_time(void **state)
{
    (void)state;
    const ts_placed_medium clip = { TS_MEDIUM_CLIP, .steps = 4, .rows = 2,
                                    .columns = 2,   .step = 2,  .name = "clip" };
    int want[3][N_MOST] = { { 0, 1, 2, 2, 2, 2, 4, 4, 4, 4, 6, 6, 6, 6, 8, 8, 8, 8, 4, 5, 6 },
                            { 0, 1, 2, 2, 3, 3, 2, 2, 3, 3, 2, 2, 3, 3, 2, 2, 3, 3, 4, 5, 6 },
                            { 0, 1, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 4, 5, 6 } };
    check("..vvvvvvvvvvvvvvvv...", &clip, 1, TS_AFTER_EXTENT, want[0], 9);
    for (int d = 0; d < 3; d++)
        for (int i = 0; i < 3; i++)
            want[d][18 + i] = 9 + i;
    check("..vvvvvvvvvvvvvvvv...", &clip, 1, TS_AFTER_LARGEST, want[0], 12);
}

static void steps_that_stand_apart(void **state)
{
    (void)state;
    static const int want[3][N_MOST] = { { 0, 1, 2, 2, 2, 2, 4, 5, 6, 6, 6, 6, 8 },
                                         { 0, 1, 2, 2, 3, 3, 4, 5, 6, 6, 7, 7, 8 },
                                         { 0, 1, 2, 3, 2, 3, 4, 5, 6, 7, 6, 7, 8 } };
    const ts_placed_medium clip = { TS_MEDIUM_CLIP, .steps = 2, .rows = 2,
                                    .columns = 2,   .step = 1,  .name = "clip" };
    check("..vvvv..vvvv.", &clip, 1, TS_AFTER_EXTENT, want[0], 9);
    check("..vvvv..vvvv.", &clip, 1, TS_AFTER_LARGEST, want[0], 9);
}

/* A clip of one row and its sound count from one base; a sound of its own counts on like text. */
static void sounds(void **state)
{
    (void)state;
    static const int want[3][N_MOST] = { { 0, 1, 1, 1, 2, 3, 3, 3, 4, 5, 6, 7 },
                                         { 0, 1, 1, 1, 2, 1, 1, 3, 4, 5, 6, 7 },
                                         { 0, 1, 2, 1, 2, 1, 2, 3, 4, 5, 6, 7 } };
    const ts_placed_medium media[] = {
        { TS_MEDIUM_CLIP, .steps = 2, .rows = 1, .columns = 2, .step = 2, .has_own_sound = true,
          .name = "clip" },
        { TS_MEDIUM_SOUND, .steps = 3, .name = "its sound" },
        { TS_MEDIUM_SOUND, .steps = 2, .name = "sound" },
    };
    check(".vvssvvs.ss.", media, 3, TS_AFTER_LARGEST, want[0], 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_clip_in_time),
                                        cmocka_unit_test(steps_that_stand_apart),
                                        cmocka_unit_test(sounds) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
