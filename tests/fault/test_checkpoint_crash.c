/* The machine stops at every point of a save. The calls of one save are recorded; a small file
 * system of our own plays them up to each point, with what was not flushed lost in several ways:
 * everything kept (a killed process), everything lost, or for each file and folder some earlier
 * state since it was flushed (a crash), and the write under way torn. Each state is laid on disk
 * and must yield a whole checkpoint. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../unit/ckpt/ckpt_make.h"
#include "base/log.h"
#include "ckpt/check.h"
#include "io_hooks.h"

#include <sys/stat.h>
#include <unistd.h>

enum { INODES = 512, ENTRIES = 32, RANDOM = 5 };

typedef struct snap { /* one state of a file or folder */
    unsigned char *data;
    size_t n;
    struct {
        char name[96];
        int inode;
    } e[ENTRIES];
    int n_e;
} snap;

/* hist[0] is on disk, the last is what programs see. */
typedef struct inode {
    bool is_dir;
    snap *hist;
    size_t n, cap;
} inode;

typedef struct disk {
    inode node[INODES];
    int n;
    uint32_t random;
} disk;

static uint32_t draw(disk *d, uint32_t n)
{
    d->random = d->random * 1664525u + 1013904223u;
    return (d->random >> 8) % n;
}

static snap *now(disk *d, int i) { return &d->node[i].hist[d->node[i].n - 1]; }

/* A new state, for the caller to change. */
static snap *change(disk *d, int i)
{
    inode *x = &d->node[i];
    OK(ts_grow(&x->hist, &x->cap, x->n + 1, sizeof *x->hist));
    x->hist[x->n] = x->hist[x->n - 1];
    snap *s = &x->hist[x->n++];
    if (s->data) {
        unsigned char *copy = malloc(s->n);
        memcpy(copy, s->data, s->n);
        s->data = copy;
    }
    return s;
}

static void flush(disk *d, int i)
{
    inode *x = &d->node[i];
    for (size_t k = 0; k + 1 < x->n; k++)
        free(x->hist[k].data);
    x->hist[0] = x->hist[x->n - 1];
    x->n = 1;
}

static int new_inode(disk *d, bool is_dir)
{
    assert_true(d->n < INODES);
    inode *x = &d->node[d->n];
    x->is_dir = is_dir;
    OK(ts_grow(&x->hist, &x->cap, 1, sizeof *x->hist));
    x->n = 1;
    return d->n++;
}

static int entry_of(const snap *s, const char *name, size_t n)
{
    for (int k = 0; k < s->n_e; k++)
        if (strlen(s->e[k].name) == n && !memcmp(s->e[k].name, name, n))
            return k;
    return -1;
}

/* The inode at a path, and (when asked) its folder and name. */
static int look_up(disk *d, const char *path, int *folder, const char **name)
{
    int at = 0;
    for (const char *p = path; *p;) {
        const size_t n = strcspn(p, "/");
        if (folder)
            *folder = at, *name = p;
        const int k = at < 0 ? -1 : entry_of(now(d, at), p, n);
        at = k < 0 ? -1 : now(d, at)->e[k].inode;
        p += n + (p[n] == '/');
    }
    return at;
}

static void link_entry(disk *d, int folder, const char *name, int i)
{
    snap *s = change(d, folder);
    int k = entry_of(s, name, strlen(name));
    if (k < 0) {
        assert_true(s->n_e < ENTRIES);
        k = s->n_e++;
        snprintf(s->e[k].name, sizeof s->e[k].name, "%s", name);
    }
    s->e[k].inode = i;
}

static void drop(snap *s, const char *name)
{
    const int k = entry_of(s, name, strlen(name));
    assert_true(k >= 0);
    s->e[k] = s->e[--s->n_e];
}

static void grow_file(snap *s, size_t n)
{
    if (n <= s->n)
        return;
    s->data = realloc(s->data, n);
    memset(s->data + s->n, 0, n - s->n);
    s->n = n;
}

static void play_rename(disk *d, const hook_op *op)
{
    int from, to;
    const char *a, *b;
    const int i = look_up(d, op->path, &from, &a);
    look_up(d, op->to, &to, &b);
    assert_true(i > 0 && from == to); /* one step: both names at once */
    link_entry(d, to, b, i);
    drop(now(d, from), a);
}

static void play(disk *d, const hook_op *op)
{
    int folder = 0;
    const char *name = "";
    int i = look_up(d, op->path, &folder, &name);
    switch (op->kind) {
    case HOOK_OPEN:
        if (i < 0)
            link_entry(d, folder, name, new_inode(d, false));
        else if (op->is_new)
            change(d, i)->n = 0;
        break;
    case HOOK_MKDIR: link_entry(d, folder, name, new_inode(d, true)); break;
    case HOOK_WRITE: {
        snap *s = change(d, i);
        grow_file(s, (size_t)op->at + op->n);
        memcpy(s->data + op->at, op->data, op->n);
        break;
    }
    case HOOK_FALLOCATE: grow_file(change(d, i), op->n); break;
    case HOOK_FSYNC: flush(d, i); break;
    case HOOK_RENAME: play_rename(d, op); break;
    case HOOK_REMOVE: drop(change(d, folder), name); break;
    default: break;
    }
}

/* The folder as it is, all of it flushed. */
static void take_in(disk *d, int at, const char *path)
{
    char **names;
    size_t n;
    ts_str child = { 0 }, text = { 0 };
    OK(ts_dir_list(path, &names, &n));
    for (size_t k = 0; k < n; k++) {
        OK(ts_path_join(&child, path, names[k]));
        const int i = new_inode(d, ts_path_is_dir(child.s));
        link_entry(d, at, names[k], i);
        if (d->node[i].is_dir) {
            take_in(d, i, child.s);
        } else {
            OK(ts_file_read(child.s, &text));
            grow_file(now(d, i), text.len);
            if (text.len)
                memcpy(now(d, i)->data, text.s, text.len);
        }
        ts_free(&names[k]);
    }
    flush(d, at);
    ts_free(&names);
    ts_str_deinit(&child);
    ts_str_deinit(&text);
}

typedef enum loss { LOSE_NOTHING, LOSE_ALL, LOSE_SOME } loss;

static void lay_out(disk *d, int i, loss how, const char *path)
{
    const inode *x = &d->node[i];
    const snap *s = &x->hist[how == LOSE_NOTHING ? x->n - 1
                             : how == LOSE_ALL   ? 0
                                                 : draw(d, (uint32_t)x->n)];
    if (!x->is_dir) {
        FILE *f = fopen(path, "wb");
        assert_non_null(f);
        assert_true(!s->n || fwrite(s->data, 1, s->n, f) == s->n);
        fclose(f);
        return;
    }
    assert_int_equal(mkdir(path, 0750), 0);
    for (int k = 0; k < s->n_e; k++) {
        char child[256];
        snprintf(child, sizeof child, "%s/%s", path, s->e[k].name);
        lay_out(d, s->e[k].inode, how, child);
    }
}

static void disk_deinit(disk *d)
{
    for (int i = 0; i < d->n; i++) {
        for (size_t k = 0; k < d->node[i].n; k++)
            free(d->node[i].hist[k].data);
        ts_free(&d->node[i].hist);
    }
    free(d);
}

typedef struct scenario {
    const char *name;
    int64_t keep, before, iteration, content;
    bool is_background, has_leftovers;
} scenario;

static const scenario scenarios[] = {
    { "the first", 0, 0, 1, 1, false, false },
    { "one more", 0, 1, 2, 2, false, false },
    { "in place of another", 0, 2, 2, 12, false, false },
    { "the last of two goes", 1, 1, 2, 2, true, false },
    { "after a crash", 2, 3, 3, 13, false, true },
};

/* What a replacement leaves when it is stopped between its two renames, and half a new folder. */
static void leave_behind(const char *dir)
{
    char a[160], b[200];
    snprintf(a, sizeof a, "%s/iter_0000003", dir);
    snprintf(b, sizeof b, "%s/.old-iter_0000003", dir);
    assert_int_equal(rename(a, b), 0);
    snprintf(a, sizeof a, "%s/.tmp-iter_0000003", dir);
    assert_int_equal(mkdir(a, 0750), 0);
    snprintf(b, sizeof b, "%s/state.json", a);
    FILE *f = fopen(b, "wb");
    assert_non_null(f);
    fputs("{\"half", f);
    fclose(f);
}

static void check_state(const char *dir, const scenario *s, bool may_be_empty, size_t k,
                        const char *how)
{
    ts_checkpoint *ck = NULL;
    const ts_status st = ts_checkpoint_open(dir, -1, 0, NULL, &ck);
    if (st != TS_OK && !(st == TS_ERR_USER && may_be_empty))
        fail_msg("%s, crash before call %zu, %s: %s", s->name, k, how, ts_error_message());
    if (st == TS_OK &&
        !(ts_checkpoint_iteration(ck) == s->iteration && make_holds(ck, s->content, false)) &&
        !make_equals(ck, s->before, false))
        fail_msg("%s, crash before call %zu, %s: iteration %lld", s->name, k, how,
                 (long long)ts_checkpoint_iteration(ck));
    ts_checkpoint_close(&ck);
    /* Nothing that is half there bears an iteration's name. */
    ts_ckpt_entry *list;
    size_t n;
    OK(ts_ckpt_list(dir, &list, &n));
    for (size_t i = 0; i < n; i++) {
        ts_ckpt_check check = { 0 };
        if (ts_ckpt_check_folder(list[i].folder, &check) != TS_OK)
            fail_msg("%s, crash before call %zu, %s: %s", s->name, k, how, ts_error_message());
    }
    ts_ckpt_list_free(&list, n);
}

static void go_on(const char *dir)
{
    ts_checkpointer *c = NULL;
    ts_checkpoint *ck = NULL;
    OK(ts_checkpointer_create(&(ts_ckpt_options){ .dir = dir, .keep = 2 }, NULL, &c));
    OK(make_save(c, 50, false));
    ts_checkpointer_destroy(&c);
    OK(ts_checkpoint_open(dir, -1, 0, NULL, &ck));
    assert_true(make_equals(ck, 50, false));
    ts_checkpoint_close(&ck);
}

/* The write that is under way got so far. */
static void tear(disk *d, const char *dir, const hook_op *op)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, op->path);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, (long)op->at, SEEK_SET), 0);
    fwrite(op->data, 1, draw(d, (uint32_t)op->n), f);
    fclose(f);
}

static int64_t crash_at(disk *d, const scenario *s, const hook_op *ops, size_t k, size_t n,
                        const char *dir)
{
    int64_t states = 0;
    const bool is_torn = k < n && ops[k].kind == HOOK_WRITE;
    for (int v = 0; v < 2 + RANDOM + is_torn; v++, states++) {
        const bool tears = v == 2 + RANDOM;
        OK(ts_remove_tree(dir));
        lay_out(d, 0, v == 0 || tears ? LOSE_NOTHING : v == 1 ? LOSE_ALL : LOSE_SOME, dir);
        if (tears)
            tear(d, dir, &ops[k]);
        check_state(dir, s, s->before == 0 && k < n, k,
                    v == 0   ? "killed"
                    : v == 1 ? "all unflushed lost"
                    : tears  ? "torn write"
                             : "some lost");
        if ((k + (size_t)v) % 4 == 0)
            go_on(dir);
    }
    return states;
}

static int64_t run(const scenario *s, const char *dir, const char *copy)
{
    ts_checkpointer *c = NULL;
    const ts_ckpt_options o = { .dir = dir, .keep = s->keep, .max_shard_bytes = 2000,
                                .is_background = s->is_background };
    OK(ts_remove_tree(dir));
    OK(ts_checkpointer_create(&o, NULL, &c));
    for (int64_t i = 1; i <= s->before; i++)
        OK(make_save(c, i, false));
    OK(ts_checkpointer_wait(c));
    if (s->has_leftovers)
        leave_behind(dir);
    disk *d = calloc(1, sizeof *d);
    d->random = 77;
    new_inode(d, true);
    take_in(d, 0, dir);
    hooks_arm(dir, HOOK_NONE, 0, 0, true);
    OK(make_save_as(c, s->iteration, s->content, false));
    OK(ts_checkpointer_wait(c));
    hooks_disarm();
    ts_checkpointer_destroy(&c);
    size_t n;
    int64_t states = 0;
    const hook_op *ops = hooks_record(&n);
    for (size_t k = 0; k <= n; k++) {
        states += crash_at(d, s, ops, k, n, copy);
        if (k < n)
            play(d, &ops[k]);
    }
    /* The record is complete: played to its end it gives the folder as it is. */
    OK(ts_remove_tree(copy));
    lay_out(d, 0, LOSE_NOTHING, copy);
    ts_checkpoint *ck = NULL;
    OK(ts_checkpoint_open(copy, -1, 0, NULL, &ck));
    assert_true(ts_checkpoint_iteration(ck) == s->iteration && make_holds(ck, s->content, false));
    ts_checkpoint_close(&ck);
    print_message("%s: %zu calls, %lld states\n", s->name, n, (long long)states);
    disk_deinit(d);
    hooks_clear();
    return states;
}

static void crash_points(void **state)
{
    (void)state;
    temp t;
    char dir[128], copy[128];
    int64_t states = 0;
    temp_make(&t);
    snprintf(dir, sizeof dir, "%s/save", t.dir);
    snprintf(copy, sizeof copy, "%s/crashed", t.dir);
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
        states += run(&scenarios[i], dir, copy);
    assert_true(states >= 1000);
    temp_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(crash_points) };
    if (!access("/dev/shm", W_OK))
        setenv("TMPDIR", "/dev/shm", 0);
    ts_log_init(TS_LOG_ERROR, "");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
