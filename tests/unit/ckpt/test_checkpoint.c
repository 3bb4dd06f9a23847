#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ckpt/check.h"
#include "ckpt/names.h"
#include "ckpt_make.h"
#include "thread_comm.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void save_some(const char *dir, int64_t keep, bool large, int n, const int64_t *iterations)
{
    ts_checkpointer *c = NULL;
    const ts_ckpt_options o = { .dir = dir, .keep = keep,
                                .max_shard_bytes = large ? 3 << 20 : 2000 };
    OK(ts_checkpointer_create(&o, NULL, &c));
    for (int i = 0; i < n; i++)
        OK(make_save(c, iterations[i], large));
    ts_checkpointer_destroy(&c);
}

static void expect_open(const char *dir, int64_t step, int64_t iteration, bool large)
{
    ts_checkpoint *ck = NULL;
    OK(ts_checkpoint_open(dir, step, 0, NULL, &ck));
    if (!make_equals(ck, iteration, large))
        fail_msg("%s: iteration %lld instead of %lld, or other bytes", dir,
                 (long long)ts_checkpoint_iteration(ck), (long long)iteration);
    ts_checkpoint_close(&ck);
}

static void saves_and_loads(void **state)
{
    (void)state;
    temp t;
    ts_checkpoint *ck = NULL;
    temp_make(&t);
    assert_false(ts_checkpoint_is(t.dir));
    REFUSED(ts_checkpoint_open(t.dir, -1, 0, NULL, &ck), TS_ERR_USER, "holds no checkpoint");
    save_some(t.dir, 0, true, 2, (const int64_t[]){ 10, 20 });
    assert_true(ts_checkpoint_is(t.dir));
    assert_true(ts_checkpoint_is(temp_path(&t, "iter_0000010")));
    expect_open(t.dir, -1, 20, true);
    expect_open(t.dir, 10, 10, true);
    expect_open(temp_path(&t, "iter_0000010"), -1, 10, true);
    REFUSED(ts_checkpoint_open(t.dir, 15, 0, NULL, &ck), TS_ERR_USER,
            "has no checkpoint of iteration 15, but there is 20, 10");
    REFUSED(ts_checkpoint_open(temp_path(&t, "iter_0000010"), 20, 0, NULL, &ck), TS_ERR_USER,
            "iteration 10, not of 20");
    OK(ts_checkpoint_open(t.dir, -1, TS_CKPT_MODEL_ONLY, NULL, &ck));
    assert_int_equal(ts_checkpoint_count(ck, TS_CKPT_OPTIMIZER), 0);
    assert_int_equal(ts_checkpoint_count(ck, TS_CKPT_MODEL), MAKE_TENSORS / 2);
    assert_null(ts_checkpoint_tensor(ck, "optimizer.layers.0.weight.exp_avg"));
    ts_checkpoint_close(&ck);
    ts_str text = { 0 };
    OK(ts_file_read(temp_path(&t, "latest_checkpointed_iteration.txt"), &text));
    assert_string_equal(text.s, "20\n");
    ts_str_deinit(&text);
    temp_remove(&t);
}

/* Without an optimizer, without anything. */
static void few_tensors(void **state)
{
    (void)state;
    temp t;
    ts_checkpointer *c = NULL;
    ts_checkpoint *ck = NULL;
    temp_make(&t);
    const float v = 2;
    const ts_ckpt_tensor one = { .name = "w", .dtype = TS_ST_F32, .data = &v };
    OK(ts_checkpointer_create(&(ts_ckpt_options){ .dir = t.dir }, NULL, &c));
    OK(ts_checkpointer_save(c, 0, &one, 1, "{}"));
    OK(ts_checkpoint_open(t.dir, 0, 0, NULL, &ck));
    assert_memory_equal(ts_checkpoint_tensor(ck, "w")->data, &v, sizeof v);
    assert_int_equal(ts_checkpoint_count(ck, TS_CKPT_OPTIMIZER), 0);
    ts_checkpoint_close(&ck);
    OK(ts_checkpointer_save(c, 1, NULL, 0, "{\"a\": 1}"));
    OK(ts_checkpoint_open(t.dir, -1, 0, NULL, &ck));
    assert_int_equal(ts_checkpoint_iteration(ck), 1);
    assert_int_equal(ts_checkpoint_count(ck, TS_CKPT_MODEL), 0);
    ts_checkpoint_close(&ck);
    ts_checkpointer_destroy(&c);
    temp_remove(&t);
}

/* A folder that cannot be listed just now holds checkpoints for all that is known: a run that took it
 * for an empty one would begin anew. */
static void cannot_be_listed(void **state)
{
    (void)state;
    temp t;
    struct rlimit was, none;
    ts_checkpoint *ck = NULL;
    temp_make(&t);
    save_some(t.dir, 0, false, 1, (const int64_t[]){ 1 });
    assert_true(ts_checkpoint_is(t.dir));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    none = was;
    none.rlim_cur = 0; /* no file can be opened */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const bool is = ts_checkpoint_is(t.dir);
    const ts_status st = ts_checkpoint_open(t.dir, -1, 0, NULL, &ck);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    assert_true(is);
    REFUSED(st, TS_ERR_USER, "Too many open files");
    temp_remove(&t);
}

/* keep counts by the order of saving: a run that was set back keeps what it saved since. */
static void keeps_the_newest(void **state)
{
    (void)state;
    temp t;
    char **names;
    size_t n;
    temp_make(&t);
    save_some(t.dir, 0, false, 3, (const int64_t[]){ 100, 200, 300 });
    OK(ts_mkdirs(temp_path(&t, "iter_0000001/mp_rank_00"))); /* somebody else's: not touched */
    save_some(t.dir, 2, false, 2, (const int64_t[]){ 110, 120 });
    OK(ts_dir_list(t.dir, &names, &n));
    static const char *const expected[] = { ".lock", "iter_0000001", "iter_0000110", "iter_0000120",
                                            "latest_checkpointed_iteration.txt" };
    assert_int_equal(n, 5);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(names[i], expected[i]);
        ts_free(&names[i]);
    }
    ts_free(&names);
    expect_open(t.dir, -1, 120, false);
    temp_remove(&t);
}

static void replaces_an_iteration(void **state)
{
    (void)state;
    temp t;
    temp_make(&t);
    ts_checkpointer *c = NULL;
    const float a = 1, b = 2;
    const ts_ckpt_tensor was = { .name = "w", .dtype = TS_ST_F32, .data = &a };
    OK(ts_checkpointer_create(&(ts_ckpt_options){ .dir = t.dir }, NULL, &c));
    OK(ts_checkpointer_save(c, 5, &was, 1, "{}"));
    ts_checkpoint *old = NULL, *new = NULL;
    OK(ts_checkpoint_open(t.dir, 5, 0, NULL, &old));
    const ts_ckpt_tensor is = { .name = "w", .dtype = TS_ST_F32, .data = &b };
    OK(ts_checkpointer_save(c, 5, &is, 1, "{}"));
    OK(ts_checkpoint_open(t.dir, 5, 0, NULL, &new));
    /* who reads it still can */
    assert_memory_equal(ts_checkpoint_tensor(old, "w")->data, &a, sizeof a);
    assert_memory_equal(ts_checkpoint_tensor(new, "w")->data, &b, sizeof b);
    ts_checkpoint_close(&old);
    ts_checkpoint_close(&new);
    ts_checkpointer_destroy(&c);
    assert_false(ts_path_exists(temp_path(&t, ".old-iter_0000005")));
    temp_remove(&t);
}

/* On threads that are ranks, where a test cannot be left by a jump. */
#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "line %d: %s: %s\n", __LINE__, #cond, ts_error_message());             \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

typedef struct shared_save {
    const char *dir;
    bool is_background;
    size_t staging;
    int64_t iteration;
} shared_save;

static void save_as_rank(ts_comm *comm, void *ctx)
{
    const shared_save *s = ctx;
    ts_checkpointer *c = NULL;
    const ts_ckpt_options o = { .dir = s->dir, .max_shard_bytes = 2000,
                                .is_background = s->is_background,
                                .staging_bytes = s->staging };
    MUST(TS_OK == ts_checkpointer_create(&o, comm, &c));
    MUST(TS_OK == make_save(c, s->iteration, true));
    if (s->is_background)
        for (int i = 0; i < 3; i++)
            MUST(TS_OK == ts_checkpointer_poll(c));
    MUST(TS_OK == make_save(c, s->iteration + 1, true));
    MUST(!s->staging || ts_checkpointer_staging(c) <= s->staging);
    MUST(s->is_background || !ts_checkpointer_staging(c));
    MUST(TS_OK == ts_checkpointer_wait(c));
    MUST(TS_OK == ts_checkpointer_wait(c));
    MUST(TS_OK == ts_checkpointer_poll(c));
    ts_checkpointer_destroy(&c);
}

static void open_as_rank(ts_comm *comm, void *ctx)
{
    const shared_save *s = ctx;
    ts_checkpoint *ck = NULL;
    MUST(TS_OK == ts_checkpoint_open(s->dir, -1, 0, comm, &ck));
    MUST(make_equals(ck, s->iteration + 1, true));
    ts_checkpoint_close(&ck);
}

/* Saved by one number of ranks, loaded by others; at once and in the background with any staging
 * buffer. */
static void ranks(void **state)
{
    (void)state;
    temp t;
    temp_make(&t);
    shared_save s = { .dir = t.dir };
    static const size_t staging[] = { 0, 1, 3000, 100 << 20 };
    for (int size = 1; size <= 4; size++)
        for (int k = 0; k < 5; k++) {
            s.is_background = k > 0;
            s.staging = k ? staging[k - 1] : 0;
            s.iteration += 10;
            group_run(size, save_as_rank, &s);
            group_run(1 + (size + k) % 4, open_as_rank, &s);
            expect_open(t.dir, s.iteration, s.iteration, true);
        }
    temp_remove(&t);
}

static void same_files(const char *a, const char *b)
{
    char **names;
    size_t n, files = 0;
    ts_str p = { 0 }, x = { 0 }, y = { 0 };
    OK(ts_dir_list(a, &names, &n));
    for (size_t i = 0; i < n; i++) {
        OK(ts_path_join(&p, a, names[i]));
        OK(ts_file_read(p.s, &x));
        OK(ts_path_join(&p, b, names[i]));
        OK(ts_file_read(p.s, &y));
        if (strcmp(names[i], CKPT_MANIFEST)) {
            assert_int_equal(x.len, y.len);
            assert_memory_equal(x.s, y.s, x.len);
            files++;
        }
        ts_free(&names[i]);
    }
    assert_true(files > 4);
    ts_free(&names);
    ts_str_deinit(&p);
    ts_str_deinit(&x);
    ts_str_deinit(&y);
}

/* What is written in the background is what would have been written at once. */
static void background_is_equal(void **state)
{
    (void)state;
    temp t, u;
    ts_checkpointer *c = NULL;
    temp_make(&t);
    temp_make(&u);
    for (int k = 0; k < 2; k++) {
        const ts_ckpt_options o = { .dir = k ? u.dir : t.dir, .is_background = k,
                                    .max_shard_bytes = 2 << 20 };
        OK(ts_checkpointer_create(&o, NULL, &c));
        OK(make_save(c, 7, true));
        if (k) /* nothing is published before somebody asks */
            assert_false(ts_path_exists(temp_path(&u, "iter_0000007")));
        for (int i = 0; k && i < 5000 && !ts_path_exists(temp_path(&u, "iter_0000007")); i++) {
            OK(ts_checkpointer_poll(c));
            usleep(1000);
        }
        ts_checkpointer_destroy(&c);
    }
    ts_str a = { 0 };
    OK(ts_path_join(&a, t.dir, "iter_0000007"));
    same_files(a.s, temp_path(&u, "iter_0000007"));
    ts_str_deinit(&a);
    /* Given up: nothing stays but the lock. */
    const ts_ckpt_options o = { .dir = u.dir, .is_background = true };
    OK(ts_checkpointer_create(&o, NULL, &c));
    OK(make_save(c, 8, true));
    ts_checkpointer_destroy(&c);
    assert_false(ts_path_exists(temp_path(&u, ".tmp-iter_0000008")));
    assert_false(ts_path_exists(temp_path(&u, "iter_0000008")));
    expect_open(u.dir, -1, 7, true);
    temp_remove(&t);
    temp_remove(&u);
}

static void one_job_a_folder(void **state)
{
    (void)state;
    temp t;
    ts_checkpointer *a = NULL, *b = NULL;
    temp_make(&t);
    const ts_ckpt_options o = { .dir = t.dir };
    OK(ts_checkpointer_create(&o, NULL, &a));
    REFUSED(ts_checkpointer_create(&o, NULL, &b), TS_ERR_USER,
            "another job is saving checkpoints there");
    ts_checkpointer_destroy(&a);
    OK(ts_checkpointer_create(&o, NULL, &b));
    ts_checkpointer_destroy(&b);
    temp_write(&t, "file", "x", 1);
    REFUSED(ts_checkpointer_create(&(ts_ckpt_options){ .dir = temp_path(&t, "file") }, NULL, &a),
            TS_ERR_USER, "file");
    temp_remove(&t);
}

static void overwrite(const char *path, int64_t at, const void *data, size_t n)
{
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, (long)at, SEEK_SET), 0);
    assert_int_equal(fwrite(data, 1, n, f), n);
    fclose(f);
}

/* A damaged newest checkpoint is named, and the one before is used. */
static void falls_back(void **state)
{
    (void)state;
    temp t;
    ts_checkpoint *ck = NULL;
    temp_make(&t);
    save_some(t.dir, 0, false, 3, (const int64_t[]){ 10, 20, 30 });
    assert_int_equal(truncate(temp_path(&t, "iter_0000030/state.json"), 3), 0);
    expect_open(t.dir, -1, 20, false);
    REFUSED(ts_checkpoint_open(t.dir, 30, 0, NULL, &ck), TS_ERR_USER,
            "iter_0000030/state.json: damaged: has 3 bytes");
    assert_int_equal(unlink(temp_path(&t, "iter_0000020/manifest.json")), 0);
    expect_open(t.dir, -1, 10, false);
    assert_int_equal(unlink(temp_path(&t, "latest_checkpointed_iteration.txt")), 0);
    expect_open(t.dir, -1, 10, false);
    temp_write(&t, "latest_checkpointed_iteration.txt", "900\n", 4);
    expect_open(t.dir, -1, 10, false);
    assert_int_equal(unlink(temp_path(&t, "iter_0000010/model.safetensors.index.json")), 0);
    REFUSED(ts_checkpoint_open(t.dir, -1, 0, NULL, &ck), TS_ERR_USER,
            "none of its 3 checkpoints is good");
    temp_remove(&t);
}

/* A file of another iteration, or a whole folder under another's name. */
static void swapped(void **state)
{
    (void)state;
    temp t;
    ts_str from = { 0 };
    ts_checkpoint *ck = NULL;
    temp_make(&t);
    save_some(t.dir, 0, false, 3, (const int64_t[]){ 1, 2, 3 });
    OK(ts_path_join(&from, t.dir, "iter_0000001/state.json"));
    assert_int_equal(rename(from.s, temp_path(&t, "iter_0000003/state.json")), 0);
    REFUSED(ts_checkpoint_open(t.dir, 3, 0, NULL, &ck), TS_ERR_USER, "state.json: damaged");
    OK(ts_remove_tree(temp_path(&t, "iter_0000003")));
    OK(ts_path_join(&from, t.dir, "iter_0000002"));
    assert_int_equal(rename(from.s, temp_path(&t, "iter_0000003")), 0);
    REFUSED(ts_checkpoint_open(t.dir, 3, 0, NULL, &ck), TS_ERR_USER, "manifest of iteration 2");
    REFUSED(ts_checkpoint_open(t.dir, -1, 0, NULL, &ck), TS_ERR_USER, "none of its 2");
    ts_str_deinit(&from);
    temp_remove(&t);
}

typedef struct seen {
    int64_t n, byte, begin, end;
    int bit;
    char tensor[64], path[256];
} seen;

static void see(void *ctx, const ts_ckpt_damage *d)
{
    seen *s = ctx;
    s->n++;
    s->byte = d->byte, s->bit = d->bit, s->begin = d->begin, s->end = d->end;
    snprintf(s->tensor, sizeof s->tensor, "%s", d->tensor ? d->tensor : "");
    snprintf(s->path, sizeof s->path, "%s", d->path);
}

static bool check(const char *folder, seen *s)
{
    *s = (seen){ 0 };
    ts_ckpt_check c = { .found = see, .ctx = s };
    const ts_status st = ts_ckpt_check_folder(folder, &c);
    assert_int_equal(st, s->n ? TS_ERR_USER : TS_OK);
    return st == TS_OK;
}

/* Where a finding must lie: the tensor at a byte of a file. */
static void tensor_at(const char *path, int64_t byte, char *out, size_t n)
{
    ts_st_file *f = NULL;
    struct stat sb;
    *out = 0;
    if (!strstr(path, ".safetensors") || strstr(path, ".json"))
        return;
    OK(ts_st_file_open(path, &f));
    assert_int_equal(stat(path, &sb), 0);
    int64_t at = sb.st_size;
    for (int64_t i = ts_st_file_count(f); i-- > 0;) {
        const ts_st_tensor *t = ts_st_file_at(f, i);
        if (byte < at && byte >= at - (int64_t)t->size)
            snprintf(out, n, "%s", t->name);
        at -= (int64_t)t->size;
    }
    if (byte < at)
        snprintf(out, n, "header");
    ts_st_file_destroy(&f);
}

/* Bits flipped at random over all files: each found, in its file, at its byte and bit, in its
 * tensor. */
static void bit_flips(void **state)
{
    (void)state;
    temp t;
    char **names, path[256], tensor[64];
    size_t n;
    struct stat sb;
    seen s;
    uint32_t x = 12345;
    temp_make(&t);
    save_some(t.dir, 0, false, 1, (const int64_t[]){ 1 });
    OK(ts_dir_list(temp_path(&t, "iter_0000001"), &names, &n));
    assert_true(n >= 9);
    assert_true(check(temp_path(&t, "iter_0000001"), &s));
    int64_t flips = 0, located = 0;
    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/iter_0000001/%s", t.dir, names[i]);
        assert_int_equal(stat(path, &sb), 0);
        for (int k = 0; k < 500; k++, flips++) {
            ts_map m;
            x = x * 1664525u + 1013904223u;
            const int64_t at = (int64_t)((x >> 8) % (uint64_t)sb.st_size);
            const int bit = (int)(x >> 5 & 7);
            OK(ts_map_open(path, &m));
            const unsigned char was = m.data[at], is = (unsigned char)(was ^ 1u << bit);
            ts_map_close(&m);
            tensor_at(path, at, tensor, sizeof tensor);
            overwrite(path, at, &is, 1);
            if (check(temp_path(&t, "iter_0000001"), &s))
                fail_msg("%s: bit %d of byte %lld is flipped, and it was not seen", path, bit,
                         (long long)at);
            overwrite(path, at, &was, 1);
            assert_string_equal(s.path, path);
            if (s.byte == at && s.bit == bit) {
                located++;
                assert_string_equal(s.tensor, tensor);
            } else { /* the manifest's own digits, or its first words */
                assert_string_equal(names[i], CKPT_MANIFEST);
            }
        }
        ts_free(&names[i]);
    }
    ts_free(&names);
    assert_true(check(temp_path(&t, "iter_0000001"), &s));
    assert_true(located > flips * 95 / 100);
    print_message("%lld flips, all found, %lld to the bit\n", (long long)flips, (long long)located);
    temp_remove(&t);
}

/* Damage in files of several chunks: one byte, many, a whole run of chunks, a cut end, a longer
 * file. */
static void larger_damage(void **state)
{
    (void)state;
    temp t;
    seen s;
    char folder[128], path[160];
    static const char zeros[5000];
    temp_make(&t);
    save_some(t.dir, 0, true, 1, (const int64_t[]){ 1 });
    snprintf(folder, sizeof folder, "%s/iter_0000001", t.dir);
    ts_checkpoint *ck = NULL;
    OK(ts_checkpoint_open(t.dir, -1, 0, NULL, &ck));
    const ts_st_tensor *w = ts_checkpoint_tensor(ck, "model.layers.3.weight");
    snprintf(path, sizeof path, "%s/%s", folder, strrchr(w->path, '/') + 1);
    const int64_t size = (int64_t)w->size, chunk = 1 << 20;
    assert_true(size > 4 * chunk);
    const unsigned char byte = (unsigned char)(((const unsigned char *)w->data)[size - 1] ^ 0x5A);
    ts_checkpoint_close(&ck);
    struct stat sb;
    assert_int_equal(stat(path, &sb), 0);
    overwrite(path, sb.st_size - 1, &byte, 1);
    assert_false(check(folder, &s));
    assert_true(s.n == 1 && s.byte == sb.st_size - 1 && s.bit == -1);
    overwrite(path, 2 * chunk - 10, zeros, 20); /* over a border */
    overwrite(path, 3 * chunk + 5, zeros, 4000);
    assert_false(check(folder, &s));
    assert_true(s.n == 1 && s.byte == -1 && s.begin == chunk && s.end == sb.st_size);
    assert_string_equal(s.tensor, "model.layers.3.weight");
    assert_int_equal(truncate(path, sb.st_size - 100), 0);
    assert_false(check(folder, &s));
    assert_true(s.n == 2);
    assert_int_equal(truncate(path, sb.st_size + 100), 0);
    assert_false(check(folder, &s));
    assert_int_equal(unlink(path), 0);
    assert_false(check(folder, &s));
    assert_true(s.n == 1 && s.begin == -1);
    assert_int_equal(mkfifo(path, 0600), 0); /* does not hang */
    assert_false(check(folder, &s));
    temp_remove(&t);
}

static void save_or_fail(ts_comm *comm, void *ctx)
{
    const shared_save *s = ctx;
    ts_checkpointer *c = NULL;
    const ts_ckpt_options o = { .dir = s->dir, .is_background = s->is_background };
    MUST(TS_OK == ts_checkpointer_create(&o, comm, &c));
    ts_status st = make_save(c, s->iteration, true);
    if (st == TS_OK)
        st = ts_checkpointer_wait(c);
    MUST(st == TS_ERR_IO);
    MUST(strstr(ts_error_message(), "no room for the checkpoint"));
    ts_checkpointer_destroy(&c);
}

/* A full disk: told with figures, on all ranks alike, and the checkpoint before is as it was. */
static void full_disk(void **state)
{
    (void)state;
    temp t;
    temp_make(&t);
    if (mount("tmpfs", t.dir, "tmpfs", 0, "size=9m") != 0) {
        print_message("skipped: a full disk needs the right to mount a small file system\n");
        temp_remove(&t);
        skip();
    }
    save_some(t.dir, 1, true, 1, (const int64_t[]){ 1 });
    shared_save s = { .dir = t.dir, .iteration = 2 };
    for (int k = 0; k < 4; k++) {
        s.is_background = k & 1;
        group_run(1 + k / 2, save_or_fail, &s);
        expect_open(t.dir, -1, 1, true);
    }
    assert_int_equal(umount(t.dir), 0);
    temp_remove(&t);
}

/* Real kills at random moments, each followed by a look. */
static void killed(void **state)
{
    (void)state;
    temp t;
    temp_make(&t);
    save_some(t.dir, 0, false, 1, (const int64_t[]){ 1 });
    uint32_t x = 99;
    for (int k = 0; k < 60; k++) {
        const pid_t pid = fork();
        if (pid == 0) {
            ts_checkpointer *c = NULL;
            const ts_ckpt_options o = {
                .dir = t.dir, .keep = 2, .is_background = k & 1, .max_shard_bytes = 2000
            };
            if (ts_checkpointer_create(&o, NULL, &c) == TS_OK)
                for (int64_t i = 2; make_save(c, i % 5 + 1, false) == TS_OK; i++)
                    ;
            _exit(1);
        }
        assert_true(pid > 0);
        x = x * 1664525u + 1013904223u;
        usleep(500 + x % 20000);
        int status;
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        ts_checkpoint *ck = NULL;
        OK(ts_checkpoint_open(t.dir, -1, 0, NULL, &ck));
        assert_true(make_equals(ck, ts_checkpoint_iteration(ck), false));
        ts_checkpoint_close(&ck);
    }
    temp_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(saves_and_loads), cmocka_unit_test(few_tensors),
        cmocka_unit_test(cannot_be_listed),
        cmocka_unit_test(keeps_the_newest), cmocka_unit_test(replaces_an_iteration),
        cmocka_unit_test(ranks), cmocka_unit_test(background_is_equal),
        cmocka_unit_test(one_job_a_folder), cmocka_unit_test(falls_back),
        cmocka_unit_test(swapped), cmocka_unit_test(bit_flips),
        cmocka_unit_test(larger_damage), cmocka_unit_test(full_disk),
        cmocka_unit_test(killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
