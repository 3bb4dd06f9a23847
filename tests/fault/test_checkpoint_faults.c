/* Every call of a save to the system fails once, in several ways; every allocation too. After each
 * the folder must yield a whole checkpoint, the one before or the new one, and the next save must
 * go through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../unit/ckpt/ckpt_make.h"
#include "base/log.h"
#include "ckpt/check.h"
#include "io_hooks.h"

#include <errno.h>
#include <unistd.h>

typedef struct scenario {
    const char *name;
    int64_t keep, before; /* checkpoints 1..before are there */
    int64_t iteration, content;
    bool is_background;
} scenario;

static const scenario scenarios[] = {
    { "one more", 0, 1, 2, 2, false },
    { "in place of another", 0, 2, 2, 12, false },
    { "the last of two goes", 1, 1, 2, 2, false },
    { "in the background", 2, 2, 3, 3, true },
};

static ts_checkpointer *saver(const char *dir, const scenario *s)
{
    ts_checkpointer *c = NULL;
    OK(ts_checkpointer_create(&(ts_ckpt_options){ .dir = dir, .keep = s->keep,
                                                  .max_shard_bytes = 2000,
                                                  .is_background = s->is_background },
                              NULL, &c));
    return c;
}

static ts_status save(ts_checkpointer *c, const scenario *s)
{
    const ts_status st = make_save_as(c, s->iteration, s->content, false);
    return st == TS_OK ? ts_checkpointer_wait(c) : st;
}

/* The folder as it was before the save. */
static ts_checkpointer *begin(const char *dir, const scenario *s)
{
    OK(ts_remove_tree(dir));
    ts_checkpointer *c = saver(dir, s);
    for (int64_t i = 1; i <= s->before; i++) {
        OK(make_save(c, i, false));
        OK(ts_checkpointer_wait(c));
    }
    return c;
}

static void expect_whole(const char *dir, const scenario *s, ts_status st, const char *fault)
{
    ts_checkpoint *ck = NULL;
    if (ts_checkpoint_open(dir, -1, 0, NULL, &ck) != TS_OK)
        fail_msg("%s, %s: nothing can be loaded: %s", s->name, fault, ts_error_message());
    const bool is_new =
        ts_checkpoint_iteration(ck) == s->iteration && make_holds(ck, s->content, false);
    const bool is_old = make_equals(ck, s->before, false);
    if (!is_new && (st == TS_OK || !is_old))
        fail_msg("%s, %s: status %d, but iteration %lld was loaded", s->name, fault, st,
                 (long long)ts_checkpoint_iteration(ck));
    ts_checkpoint_close(&ck);
}

/* Returns whether the fault came about: there is such a call. */
static bool fault_one(const char *dir, const scenario *s, hook_fault fault, int64_t n, int error,
                      int64_t *failed)
{
    char what[256], message[1024];
    ts_checkpointer *c = begin(dir, s);
    hooks_arm(dir, fault, n, error, false);
    const ts_status st = save(c, s);
    snprintf(message, sizeof message, "%s", ts_error_message());
    const bool hit = hooks_disarm();
    snprintf(what, sizeof what, "%s, %s (fault %d)", strerror(error), hooks_last(), (int)fault);
    if (hit) {
        *failed += st != TS_OK;
        if (st != TS_OK && (st != TS_ERR_IO || !strstr(message, dir)))
            fail_msg("%s, %s: status %d: %s", s->name, what, st, message);
        expect_whole(dir, s, st, what);
    } else {
        assert_int_equal(st, TS_OK);
    }
    /* The fault is over: the same checkpointer goes on. */
    if (hit) {
        OK(make_save(c, 50, false));
        OK(ts_checkpointer_wait(c));
        ts_checkpoint *ck = NULL;
        OK(ts_checkpoint_open(dir, -1, 0, NULL, &ck));
        assert_true(make_equals(ck, 50, false));
        ts_checkpoint_close(&ck);
        char **names;
        size_t count;
        OK(ts_dir_list(dir, &names, &count));
        for (size_t i = 0; i < count; i++) {
            if (!strncmp(names[i], ".tmp-", 5) || !strncmp(names[i], ".old-", 5))
                fail_msg("%s, %s: %s stays", s->name, what, names[i]);
            ts_free(&names[i]);
        }
        ts_free(&names);
    }
    ts_checkpointer_destroy(&c);
    return hit;
}

static void system_calls(void **state)
{
    (void)state;
    static const struct {
        hook_fault fault;
        int error;
    } faults[] = { { HOOK_FAIL, EIO },       { HOOK_FAIL, ENOSPC }, { HOOK_FAIL_ON, EIO },
                   { HOOK_FAIL_ON, ENOSPC }, { HOOK_SHORT, 0 },     { HOOK_SHORT_FULL, ENOSPC } };
    temp t;
    char dir[128];
    temp_make(&t);
    snprintf(dir, sizeof dir, "%s/save", t.dir);
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        const scenario *s = &scenarios[i];
        ts_checkpointer *c = begin(dir, s);
        hooks_arm(dir, HOOK_NONE, 0, 0, false);
        OK(save(c, s));
        hooks_disarm();
        const int64_t calls = hooks_calls();
        ts_checkpointer_destroy(&c);
        int64_t hits = 0, failed = 0;
        assert_true(calls > 50);
        for (size_t k = 0; k < sizeof faults / sizeof *faults; k++)
            for (int64_t n = 0; n < calls; n++)
                hits += fault_one(dir, s, faults[k].fault, n, faults[k].error, &failed);
        assert_true(hits > 4 * calls);
        print_message("%s: %lld calls, %lld faults, %lld of them ended the save\n", s->name,
                      (long long)calls, (long long)hits, (long long)failed);
    }
    temp_remove(&t);
}

/* Every allocation of a save and of a load. */
static void memory(void **state)
{
    (void)state;
    temp t;
    char dir[128];
    ts_checkpoint *ck = NULL;
    temp_make(&t);
    snprintf(dir, sizeof dir, "%s/save", t.dir);
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        const scenario *s = &scenarios[i];
        bool hit = true;
        int64_t n = 0;
        make m;
        make_init(&m, s->content, false);
        for (; hit; n++) {
            ts_checkpointer *c = begin(dir, s);
            hooks_arm_memory(n);
            ts_status st = ts_checkpointer_save(c, s->iteration, m.t, MAKE_TENSORS, m.state);
            if (st == TS_OK)
                st = ts_checkpointer_wait(c);
            hit = hooks_arm_memory(-1);
            assert_true(st == TS_OK || (hit && st == TS_ERR_NOMEM));
            expect_whole(dir, s, st, "out of memory");
            ts_checkpointer_destroy(&c);
        }
        make_deinit(&m);
        print_message("%s: %lld allocations of a save\n", s->name, (long long)n);
    }
    bool hit = true;
    int64_t n = 0;
    for (; hit; n++) {
        hooks_arm_memory(n);
        const ts_status st = ts_checkpoint_open(dir, -1, 0, NULL, &ck);
        hit = hooks_arm_memory(-1);
        if (st != TS_OK && st != TS_ERR_NOMEM)
            fail_msg("allocation %lld: status %d: %s", (long long)n, st, ts_error_message());
        assert_true(hit || st == TS_OK);
        ts_checkpoint_close(&ck);
    }
    print_message("%lld allocations of a load\n", (long long)n);
    temp_remove(&t);
}

/* A disk that cannot read some block: the checkpoint before is used. */
static void unreadable(void **state)
{
    (void)state;
    temp t;
    ts_checkpoint *ck = NULL;
    temp_make(&t);
    const scenario s = { "read", 0, 2, 0, 0, false };
    ts_checkpointer *c = begin(t.dir, &s);
    ts_checkpointer_destroy(&c);
    for (int64_t n = 0; n < 8; n++) {
        hooks_arm_read(n);
        REFUSED(ts_checkpoint_open(t.dir, 2, 0, NULL, &ck), TS_ERR_USER,
                "cannot be read: Input/output error");
        hooks_arm_read(n);
        OK(ts_checkpoint_open(t.dir, -1, 0, NULL, &ck));
        assert_true(make_equals(ck, 1, false));
        ts_checkpoint_close(&ck);
    }
    hooks_arm_read(-1);
    temp_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(system_calls), cmocka_unit_test(memory), cmocka_unit_test(unreadable),
    };
    if (!access("/dev/shm", W_OK)) /* thousands of saves: where flushing costs nothing */
        setenv("TMPDIR", "/dev/shm", 0);
    ts_log_init(TS_LOG_ERROR, "");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
