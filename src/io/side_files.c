#include "io/side_files.h"

#include "base/file.h"
#include "base/output.h"

#include <string.h>

static void free_file(ts_side_file *f)
{
    ts_free(&f->name);
    ts_str_deinit(&f->text);
}

void ts_side_files_deinit(ts_side_files *f)
{
    for (size_t i = 0; i < f->n; i++)
        free_file(&f->v[i]);
    ts_free(&f->v);
    *f = (ts_side_files){ 0 };
}

const ts_side_file *ts_side_files_find(const ts_side_files *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (!strcmp(f->v[i].name, name))
            return &f->v[i];
    return NULL;
}

ts_status ts_side_files_put(ts_side_files *f, const char *name, const char *text, size_t n)
{
    ts_side_file file = { 0 };
    TS_TRY(ts_grow(&f->v, &f->cap, f->n + 1, sizeof *f->v));
    ts_status st = ts_strdup(name, &file.name);
    if (st == TS_OK)
        st = ts_str_add(&file.text, text, n);
    if (st != TS_OK) {
        free_file(&file);
        return st;
    }
    ts_side_files_remove(f, name);
    f->v[f->n++] = file;
    return TS_OK;
}

static void remove_at(ts_side_files *f, size_t i)
{
    free_file(&f->v[i]);
    memmove(f->v + i, f->v + i + 1, (f->n - i - 1) * sizeof *f->v);
    f->v[--f->n] = (ts_side_file){ 0 };
}

void ts_side_files_remove(ts_side_files *f, const char *name)
{
    for (size_t i = f->n; i-- > 0;)
        if (!strcmp(f->v[i].name, name))
            remove_at(f, i);
}

void ts_side_files_remove_tokenizer(ts_side_files *f)
{
    for (size_t i = f->n; i-- > 0;)
        if (ts_side_file_of_tokenizer(f->v[i].name))
            remove_at(f, i);
}

ts_status ts_side_files_copy(const ts_side_files *f, ts_side_files *out)
{
    for (size_t i = 0; i < f->n; i++)
        TS_TRY(ts_side_files_put(out, f->v[i].name, ts_str_text(&f->v[i].text), f->v[i].text.len));
    return TS_OK;
}

bool ts_side_file_of_tokenizer(const char *name)
{
    static const char *const names[] = {
        "tokenizer.json",     "tokenizer_config.json",   "special_tokens_map.json",
        "added_tokens.json",  "tokenizer.model",         "spiece.model",
        "vocab.json",         "sentencepiece.bpe.model", "merges.txt",
        "vocab.txt",          "chat_template.jinja",     "chat_template.json",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]))
            return true;
    return ts_path_ends(name, ".tiktoken") ||
           (!strncmp(name, "tokenization_", 13) && ts_path_ends(name, ".py"));
}

/* Families that transformers runs from code beside the weights cannot be loaded without it. */
bool ts_side_file_known(const char *name)
{
    const bool code = !strncmp(name, "modeling_", 9) || !strncmp(name, "configuration_", 14);
    const bool media = !strcmp(name, "processor_config.json") || !strcmp(name, "preprocessor_config.json") ||
                       !strcmp(name, "video_preprocessor_config.json");
    return ts_side_file_of_tokenizer(name) || media || !strcmp(name, "generation_config.json") ||
           (code && ts_path_ends(name, ".py"));
}

ts_status ts_side_files_take(ts_side_files *f, const char *folder, const char *name, const char *as,
                             bool *found)
{
    ts_str path = { 0 }, text = { 0 };
    ts_status st = ts_path_join(&path, folder, name);
    *found = st == TS_OK && ts_path_exists(path.s) && !ts_path_is_dir(path.s);
    if (*found)
        st = ts_file_read(path.s, &text);
    if (*found && st == TS_OK)
        st = ts_side_files_put(f, as ? as : name, ts_str_text(&text), text.len);
    ts_str_deinit(&path);
    ts_str_deinit(&text);
    return st;
}

ts_status ts_side_files_read(ts_side_files *f, const char *folder)
{
    char **names;
    size_t n;
    bool found;
    TS_TRY(ts_dir_list(folder, &names, &n));
    ts_status st = TS_OK;
    for (size_t i = 0; i < n; i++) {
        if (st == TS_OK && ts_side_file_known(names[i]))
            st = ts_side_files_take(f, folder, names[i], NULL, &found);
        ts_free(&names[i]);
    }
    ts_free(&names);
    return st;
}

/* The folder of a name that has one. */
static ts_status make_parent(const char *folder, const char *name)
{
    ts_str path = { 0 };
    const char *slash = strrchr(name, '/');
    if (!slash)
        return TS_OK;
    ts_status st = ts_path_join(&path, folder, name);
    if (st == TS_OK) {
        path.s[path.len - strlen(slash)] = 0;
        st = ts_mkdirs(path.s);
    }
    ts_str_deinit(&path);
    return st;
}

ts_status ts_side_files_write(const ts_side_files *f, const char *folder)
{
    ts_str path = { 0 };
    ts_status st = TS_OK;
    for (size_t i = 0; i < f->n && st == TS_OK; i++) {
        st = make_parent(folder, f->v[i].name);
        if (st == TS_OK)
            st = ts_path_join(&path, folder, f->v[i].name);
        if (st == TS_OK)
            st = ts_file_write_atomic(path.s, ts_str_text(&f->v[i].text), f->v[i].text.len);
    }
    ts_str_deinit(&path);
    return st;
}

size_t ts_side_files_bytes(const ts_side_files *f)
{
    size_t bytes = 0;
    for (size_t i = 0; i < f->n; i++)
        bytes += f->v[i].text.len;
    return bytes;
}
