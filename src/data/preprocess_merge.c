#include "data/preprocess.h"

#include "base/file.h"
#include "data/indexed.h"

#include <string.h>

/* The prefix of an .idx file's name that contains the key; NULL: another file. Caller frees. */
static ts_status prefix_of(const char *folder, const char *name, const char *key, ts_str *out)
{
    const size_t n = strlen(name);
    ts_str_reset(out);
    if (n < 5 || strcmp(name + n - 4, ".idx") || !strstr(name, key))
        return TS_OK;
    TS_TRY(ts_path_join(out, folder, name));
    out->len -= 4;
    out->s[out->len] = 0;
    return TS_OK;
}

/* All pairs of one key; the type is the first pair's. */
static ts_status merge_key(const ts_preprocess_options *o, const char *key, char *const *names,
                           size_t n, ts_preprocess_totals *totals)
{
    ts_str prefix = { 0 }, target = { 0 };
    ts_indexed_builder *b = NULL;
    ts_status st = ts_str_printf(&target, "%s_%s", o->output_prefix, key);
    for (size_t i = 0; st == TS_OK && i < n; i++) {
        ts_indexed *d = NULL;
        st = prefix_of(o->feed.input.v[0], names[i], key, &prefix);
        if (st != TS_OK || !prefix.len)
            continue;
        st = ts_indexed_open(prefix.s, &d);
        if (st == TS_OK && !b)
            st = ts_indexed_builder_create(target.s, ts_indexed_type(d), &b);
        if (st == TS_OK)
            st = ts_indexed_builder_merge(b, d);
        ts_indexed_destroy(&d);
    }
    if (st == TS_OK && !b)
        st = ts_error(TS_ERR_USER, "--merge-group-keys %s: no .idx file in %s has it in its name",
                      key, o->feed.input.v[0]);
    if (st == TS_OK)
        st = ts_indexed_builder_finish(b);
    if (st == TS_OK) {
        totals->documents += ts_indexed_builder_count(b);
        totals->tokens += ts_indexed_builder_tokens(b);
    }
    ts_indexed_builder_destroy(&b);
    ts_str_deinit(&prefix);
    ts_str_deinit(&target);
    return st;
}

ts_status ts_preprocess_merge(const ts_preprocess_options *o, ts_preprocess_totals *totals)
{
    char **names;
    size_t n;
    *totals = (ts_preprocess_totals){ 0 };
    const char *folder = o->feed.input.n == 1 ? o->feed.input.v[0] : NULL;
    if (!folder || !ts_path_is_dir(folder))
        return ts_error(TS_ERR_USER,
                        "--merge-group-keys needs --input FOLDER with .bin/.idx files");
    if (!o->output_prefix)
        return ts_error(TS_ERR_USER, "--output-prefix is missing");
    TS_TRY(ts_dir_list(folder, &names, &n));
    ts_status st = TS_OK;
    for (int64_t k = 0; st == TS_OK && k < o->merge_group_keys.n; k++)
        st = merge_key(o, o->merge_group_keys.v[k], names, n, totals);
    for (size_t i = 0; i < n; i++)
        ts_free(&names[i]);
    ts_free(&names);
    return st;
}
