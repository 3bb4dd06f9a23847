/* Orders on disk: found again, readable as .npy, and never believed when damaged or made for other
 * data. */
#include "../cmocka_all.h"

#include <string.h>

#include "../temp.h"
#include "base/log.h"
#include "data/gpt_cache.h"
#include "data/gpt_dataset.h"
#include "data/md5.h"

enum { S = 8, DOCS = 40 };

/* Swapped: two documents in each other's place, nothing else. */
static ts_indexed *build(temp *t, bool swapped)
{
    int32_t ids[64] = { 0 };
    ts_indexed_builder *b = NULL;
    ts_indexed *d = NULL;
    OK(ts_indexed_builder_create(temp_path(t, "d"), TS_INDEXED_I32, &b));
    for (int k = 0; k < DOCS; k++) {
        const int who = swapped && (k == 5 || k == 6) ? 11 - k : k;
        OK(ts_indexed_builder_add(b, ids, 1 + who * 8 % 60));
        OK(ts_indexed_builder_end_document(b));
    }
    OK(ts_indexed_builder_finish(b));
    ts_indexed_builder_destroy(&b);
    OK(ts_indexed_open(temp_path(t, "d"), &d));
    return d;
}

static ts_gpt_dataset *order(const ts_indexed *d, const char *folder, bool reads_only)
{
    ts_gpt_dataset *ds = NULL;
    const ts_gpt_args a = { .data = d,
                            .first = 2,
                            .count = DOCS - 5,
                            .seq_length = S,
                            .n_samples = 3000,
                            .seed = 5,
                            .cache_folder = folder,
                            .part = "train",
                            .reads_only = reads_only };
    OK(ts_gpt_dataset_create(&a, &ds));
    return ds;
}

static void same(const ts_gpt_dataset *x, const ts_gpt_dataset *y)
{
    const ts_gpt_order a = ts_gpt_dataset_order(x), b = ts_gpt_dataset_order(y);
    assert_true(a.n_samples == b.n_samples && a.n_documents == b.n_documents);
    assert_memory_equal(a.documents, b.documents, (size_t)a.n_documents * 4);
    assert_memory_equal(a.places, b.places, ((size_t)a.n_samples + 1) * sizeof *a.places);
    assert_memory_equal(a.shuffle, b.shuffle, (size_t)a.n_samples * 4);
}

/* The one file in `folder` whose name ends so. */
static void find(temp *t, const char *folder, const char *end, ts_str *out)
{
    char **names;
    size_t n, found = 0;
    (void)t;
    OK(ts_dir_list(folder, &names, &n));
    for (size_t i = 0; i < n; i++) {
        const size_t len = strlen(names[i]), tail = strlen(end);
        if (len > tail && !strcmp(names[i] + len - tail, end)) {
            OK(ts_path_join(out, folder, names[i]));
            found++;
        }
        free(names[i]);
    }
    free(names);
    assert_int_equal(found, 1);
    assert_int_equal(n, 4);
}

typedef struct rig {
    temp t;
    ts_indexed *data;
    ts_gpt_dataset *plain;
    char folder[128];
    ts_str path;
} rig;

static void rig_make(rig *r)
{
    *r = (rig){ 0 };
    temp_make(&r->t);
    r->data = build(&r->t, false);
    r->plain = order(r->data, NULL, false);
    assert_false(ts_gpt_dataset_is_mapped(r->plain)); /* short: no file without being asked */
    snprintf(r->folder, sizeof r->folder, "%s", temp_path(&r->t, "cache/orders"));
}

static void rig_free(rig *r)
{
    ts_gpt_dataset_destroy(&r->plain);
    ts_indexed_destroy(&r->data);
    ts_str_deinit(&r->path);
    temp_remove(&r->t);
}

/* Opens it; whether it came from disk; in any case it is the right one. */
static bool opened(const rig *r, bool reads_only)
{
    ts_gpt_dataset *ds = order(r->data, r->folder, reads_only);
    const bool mapped = ts_gpt_dataset_is_mapped(ds);
    same(r->plain, ds);
    ts_gpt_dataset_destroy(&ds);
    return mapped;
}

static void made_once_and_found_again(void **state)
{
    (void)state;
    rig r;
    rig_make(&r);
    assert_false(opened(&r, true));
    assert_false(ts_path_exists(r.folder)); /* that one does not write */
    assert_false(opened(&r, false));
    assert_true(opened(&r, true));
    assert_true(opened(&r, false));
    /* the names say what of, and the text is what the name is of */
    ts_str text = { 0 };
    char md5[33];
    find(&r.t, r.folder, "-GPTDataset-train-description.txt", &r.path);
    OK(ts_file_read(r.path.s, &text));
    ts_md5_hex(text.s, (size_t)(strrchr(text.s, '}') + 1 - text.s), md5);
    assert_memory_equal(strrchr(r.path.s, '/') + 1, md5, 32);
    ts_str_deinit(&text);
    rig_free(&r);
}

/* NumPy's layout, byte for byte. */
static void files_are_npy(void **state)
{
    (void)state;
    rig r;
    ts_str file = { 0 };
    rig_make(&r);
    assert_false(opened(&r, false));
    const ts_gpt_order o = ts_gpt_dataset_order(r.plain);
    find(&r.t, r.folder, "-GPTDataset-train-sample_index.npy", &r.path);
    OK(ts_file_read(r.path.s, &file));
    char want[129];
    snprintf(want, sizeof want, "{'descr': '<i4', 'fortran_order': False, 'shape': (%d, 2), }",
             (int)o.n_samples + 1);
    assert_int_equal(file.len, 128 + ((size_t)o.n_samples + 1) * 8);
    assert_memory_equal(file.s, "\x93NUMPY\x01\x00\x76\x00", 10);
    assert_memory_equal(file.s + 10, want, strlen(want));
    for (size_t i = 10 + strlen(want); i < 127; i++)
        assert_int_equal(file.s[i], ' ');
    assert_int_equal(file.s[127], '\n');
    assert_memory_equal(file.s + 128, o.places, ((size_t)o.n_samples + 1) * 8);
    ts_str_deinit(&file);
    rig_free(&r);
}

static void write_whole(const char *path, const ts_str *s, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(s->s, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void damage_is_found_and_mended(void **state)
{
    (void)state;
    static const char *const ends[] = { "document_index.npy", "sample_index.npy",
                                        "shuffle_index.npy", "description.txt" };
    rig r;
    rig_make(&r);
    assert_false(opened(&r, false));
    for (int e = 0; e < 4; e++) {
        ts_str file = { 0 };
        find(&r.t, r.folder, ends[e], &r.path);
        OK(ts_file_read(r.path.s, &file));
        const size_t places[] = { 1, 20, file.len / 2, file.len - 2 };
        for (int k = 0; k < 4; k++) { /* a byte of the header, of the middle, of the end */
            file.s[places[k]] ^= 1;
            write_whole(r.path.s, &file, file.len);
            file.s[places[k]] ^= 1;
            assert_false(opened(&r, false)); /* and written anew */
            assert_true(opened(&r, true));
        }
        write_whole(r.path.s, &file, file.len / 4 * 2); /* cut short */
        assert_false(opened(&r, false));
        assert_true(opened(&r, true));
        write_whole(r.path.s, &file, 0);
        assert_false(opened(&r, false));
        assert_int_equal(remove(r.path.s), 0);
        assert_false(opened(&r, false));
        assert_true(opened(&r, true));
        ts_str_deinit(&file);
    }
    rig_free(&r);
}

/* The same name with other documents in it. */
static void other_data_have_another_order(void **state)
{
    (void)state;
    rig r;
    rig_make(&r);
    assert_false(opened(&r, false));
    ts_gpt_dataset_destroy(&r.plain);
    ts_indexed_destroy(&r.data);
    r.data = build(&r.t, true);
    r.plain = order(r.data, NULL, false);
    assert_false(opened(&r, true));
    rig_free(&r);
}

/* A folder that cannot be made costs a warning. */
static void nowhere_to_write_is_no_failure(void **state)
{
    (void)state;
    rig r;
    rig_make(&r);
    snprintf(r.folder, sizeof r.folder, "%s", temp_path(&r.t, "d.idx/orders"));
    assert_false(opened(&r, false));
    assert_false(opened(&r, false));
    rig_free(&r);
}

static void md5_is_the_rfc_s(void **state)
{
    (void)state;
    static const struct {
        const char *text, *sum;
    } rows[] = {
        { "", "d41d8cd98f00b204e9800998ecf8427e" },
        { "abc", "900150983cd24fb0d6963f7d28e17f72" },
        { "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
          "d174ab98d277d9f5a5611c2c9f419d9f" },
        { "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
          "57edf4a22be3c955ac49da2e2107b67a" },
    };
    for (size_t i = 0; i < 4; i++) {
        char got[33];
        ts_md5_hex(rows[i].text, strlen(rows[i].text), got);
        assert_string_equal(got, rows[i].sum);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_once_and_found_again),
        cmocka_unit_test(files_are_npy),
        cmocka_unit_test(damage_is_found_and_mended),
        cmocka_unit_test(other_data_have_another_order),
        cmocka_unit_test(nowhere_to_write_is_no_failure),
        cmocka_unit_test(md5_is_the_rfc_s),
    };
    ts_log_init(TS_LOG_ERROR, "");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
