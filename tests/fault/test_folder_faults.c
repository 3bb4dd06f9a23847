/* A model folder is replaced while one call to the system, or one allocation, fails. The folder is
 * the old one, and that was an error, or the new one; only what a warning names stays beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../unit/temp.h"
#include "base/log.h"
#include "base/output.h"
#include "io_hooks.h"
#include "model/weights.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char *const names[] = { "config.json", "tokenizer.json" };

static ts_status fill(const char *folder, const char *text)
{
    ts_str path = { 0 };
    ts_status st = TS_OK;
    for (size_t i = 0; st == TS_OK && i < 2; i++) {
        st = ts_path_join(&path, folder, names[i]);
        if (st == TS_OK)
            st = ts_file_write_atomic(path.s, text, strlen(text));
    }
    ts_str_deinit(&path);
    return st;
}

static ts_status make(void *ctx, const char *folder) { return fill(folder, ctx); }

static bool holds(const char *folder, const char *text)
{
    ts_str path = { 0 }, found = { 0 };
    bool is_so = true;
    for (size_t i = 0; i < 2; i++) {
        OK(ts_path_join(&path, folder, names[i]));
        ts_str_reset(&found);
        OK(ts_file_read(path.s, &found));
        is_so = is_so && !strcmp(found.s, text);
    }
    ts_str_deinit(&path);
    ts_str_deinit(&found);
    return is_so;
}

static char warned[4096];

static void hear(void *ctx, ts_log_level level, const char *text)
{
    (void)ctx, (void)level;
    snprintf(warned, sizeof warned, "%s", text);
}

/* What stands beside the folder has been told of; it goes, for the next fault. */
static void tidy(const char *dir, const char *folder, const char *what)
{
    char **list;
    size_t n;
    ts_str path = { 0 };
    OK(ts_dir_list(dir, &list, &n));
    for (size_t i = 0; i < n; i++) {
        OK(ts_path_join(&path, dir, list[i]));
        if (strcmp(path.s, folder) && !strstr(warned, path.s))
            fail_msg("%s: %s stays, but the warning is \"%s\"", what, list[i], warned);
        if (strcmp(path.s, folder))
            OK(ts_remove_tree(path.s));
        ts_free(&list[i]);
    }
    ts_free(&list);
    ts_str_deinit(&path);
}

/* Where all calls fail from one on, the old folder may not get its name back: the message says where
 * it is. */
static void take_back(const char *message, const char *folder)
{
    char old[256];
    const char *at = strstr(message, "what was there is in ");
    if (at && sscanf(at, "what was there is in %255s now", old) == 1)
        assert_int_equal(rename(old, folder), 0);
}

/* Returns whether the fault came about: there is such a call. */
static bool fault_one(const char *dir, const char *folder, hook_fault fault, int64_t n)
{
    char text[] = "new", message[1024], what[256];
    OK(ts_mkdirs(folder));
    OK(fill(folder, "old"));
    *warned = 0;
    if (fault == HOOK_NONE)
        hooks_arm_memory(n);
    else
        hooks_arm(dir, fault, n, EIO, false);
    const ts_status st = ts_weights_publish(folder, "--save-hf", make, text);
    const bool is_hit = fault == HOOK_NONE ? hooks_arm_memory(-1) : hooks_disarm();
    snprintf(message, sizeof message, "%s", ts_error_message());
    snprintf(what, sizeof what, "%s %lld: %s", fault == HOOK_NONE ? "allocation" : "call",
             (long long)n, fault == HOOK_NONE ? "" : hooks_last());
    if (st != TS_OK && (!is_hit || strstr(message, "cannot be removed")))
        fail_msg("%s: status %d: %s", what, st, message);
    take_back(message, folder);
    if (!holds(folder, st == TS_OK ? "new" : "old"))
        fail_msg("%s: status %d, but the folder is the other one", what, st);
    tidy(dir, folder, what);
    return is_hit;
}

static void each_fault(void **state)
{
    (void)state;
    static const struct {
        hook_fault fault;
        int64_t least; /* calls that there are */
    } faults[] = { { HOOK_FAIL, 15 }, { HOOK_FAIL_ON, 15 }, { HOOK_NONE, 15 } };
    char folder[128];
    temp t;
    temp_make(&t);
    snprintf(folder, sizeof folder, "%s/model", t.dir);
    ts_log_to(TS_LOG_WARN, hear, NULL);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        int64_t n = 0;
        while (fault_one(t.dir, folder, faults[i].fault, n))
            n++;
        assert_in_range(n, faults[i].least, 1000);
    }
    ts_log_to(TS_LOG_INFO, NULL, NULL);
    temp_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(each_fault) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
