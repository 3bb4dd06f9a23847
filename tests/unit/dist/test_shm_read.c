/* Values of another process that is there, and of one that has ended. */
#include "../cmocka_all.h"
#include "../temp.h"
#include "dist/shm_read.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void ended_process_is_named(void **state)
{
    (void)state;
    static int64_t token, values[3] = { 5, 6, 7 };
    const size_t bytes = sizeof(ts_shm_head) + 2 * sizeof(ts_shm_rank);
    ts_shm_head *h = aligned_alloc(64, bytes);
    assert_non_null(h);
    memset(h, 0, bytes);
    h->cookie = 1234;
    for (int rank = 0; rank < 2; rank++)
        ts_shm_offer(h, rank, &token);
    int64_t got[3] = { 0 };
    OK(ts_shm_read(h, 1, got, (const char *)values, sizeof got, NULL));
    assert_memory_equal(got, values, sizeof got);

    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    h->rank[1].pid = pid;
    assert_int_equal(ts_shm_read(h, 1, got, (const char *)values, sizeof got, NULL), TS_ERR_RUN);
    char text[64];
    snprintf(text, sizeof text, "rank 1 (process %d) has ended", (int)pid);
    assert_non_null(strstr(ts_error_message(), text));
    free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(ended_process_is_named) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
