#include "text/tokenizer_files.h"

#include "base/file.h"
#include "base/log.h"
#include "io/gguf/gguf.h"
#include "text/hf_files.h"
#include "text/load/sp_json.h"
#include "text/load/tiktoken_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ts_status no_memory(void)
{
    return ts_error(TS_ERR_NOMEM, "out of memory for the files of a tokenizer");
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static ts_status set_text(json_t *o, const char *key, const char *text)
{
    json_t *v = ts_json_string(text);
    return !v || json_object_set_new(o, key, v) ? no_memory() : TS_OK;
}

/* ---- from options to files ---- */

/* Which of the usual names a lone file gets. */
static const char *usual_name(const char *path, const ts_str *text)
{
    size_t i = 0;
    while (i < text->len && strchr(" \t\r\n", text->s[i]) && text->s[i])
        i++;
    if (ts_path_ends(path, ".tiktoken"))
        return base_name(path);
    return i < text->len && text->s[i] == '{' ? "tokenizer.json" : "tokenizer.model";
}

static ts_status take_folder(const char *folder, ts_side_files *files)
{
    ts_side_files all = { 0 };
    ts_status st = ts_hf_files_read(folder, &all);
    for (size_t i = 0; i < all.n && st == TS_OK; i++)
        if (ts_side_file_of_tokenizer(all.v[i].name))
            st = ts_side_files_put(files, all.v[i].name, ts_str_text(&all.v[i].text),
                                   all.v[i].text.len);
    ts_side_files_deinit(&all);
    return st;
}

/* The roles of a lone tokenizer.json are in the files beside it, and its chat template too. */
static ts_status take_beside(const char *path, ts_side_files *files)
{
    static const char *const names[] = { "tokenizer_config.json", "special_tokens_map.json",
                                         "chat_template.jinja" };
    char *folder = NULL;
    bool found;
    if (!ts_path_ends(path, "tokenizer.json"))
        return TS_OK;
    const size_t n = (size_t)(base_name(path) - path);
    TS_TRY(n ? ts_strndup(path, n, &folder) : ts_strdup(".", &folder));
    ts_status st = TS_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names && st == TS_OK; i++)
        st = ts_side_files_take(files, folder, names[i], NULL, &found);
    ts_free(&folder);
    return st;
}

/* Takes the file or folder that an option names; the option's value in the note. */
static ts_status take_path(const char *path, const char *as, ts_side_files *files, json_t *options,
                           const char *option)
{
    ts_str text = { 0 };
    if (ts_path_is_dir(path) || ts_gguf_is(path)) {
        TS_TRY(take_folder(path, files));
        return set_text(options, option, ".");
    }
    ts_status st = ts_file_read(path, &text);
    const char *name = st != TS_OK || as ? as : usual_name(path, &text);
    if (st == TS_OK)
        st = ts_side_files_put(files, name, ts_str_text(&text), text.len);
    if (st == TS_OK && !strcmp(name, "tokenizer.json"))
        st = take_beside(path, files);
    if (st == TS_OK)
        st = set_text(options, option, name);
    ts_str_deinit(&text);
    return st;
}

/* The name that a path's file gets, NULL: by its content; false: no path. */
static bool is_path_option(const char *option, const char **as)
{
    static const struct {
        const char *option, *as;
    } paths[] = { { "tokenizer-name-or-path", NULL },
                  { "tokenizer-model", NULL },
                  { "vocab-file", "vocab.json" },
                  { "merge-file", "merges.txt" } };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (!strcmp(paths[i].option, option)) {
            *as = paths[i].as;
            return true;
        }
    return false;
}

static ts_status set_list(json_t *o, const char *key, const ts_option_list *l)
{
    json_t *list = json_array();
    if (!list || json_object_set_new(o, key, list))
        return no_memory();
    for (int64_t i = 0; i < l->n; i++)
        if (json_array_append_new(list, ts_json_string(l->v[i])))
            return no_memory();
    return TS_OK;
}

static const char described[] = "new-tokens-config";

/* A file of new tokens is not kept: the tokens are special ones. */
static ts_status take_described(const ts_text_options *o, json_t *options)
{
    static const char special[] = "add-special-tokens";
    json_t *tokens = NULL, *list = json_object_get(options, special), *words;
    const char *token;
    if (!o->new_tokens_config)
        return TS_OK;
    TS_TRY(ts_yaml_read(o->new_tokens_config, &tokens, NULL));
    bool failed = !list && json_object_set_new(options, special, list = json_array());
    json_object_foreach(tokens, token, words)
        failed = failed || json_array_append_new(list, ts_json_string(token));
    json_decref(tokens);
    return failed ? no_memory() : TS_OK;
}

static ts_status take_option(const ts_option *row, const ts_text_options *o, ts_side_files *files,
                             json_t *options)
{
    const char *at = (const char *)o + row->offset, *as;
    if (row->type == TS_OPTION_TEXT) {
        const char *text = *(const char *const *)(const void *)at;
        if (!text || !strcmp(row->name, described))
            return TS_OK;
        return is_path_option(row->name, &as) ? take_path(text, as, files, options, row->name)
                                              : set_text(options, row->name, text);
    }
    if (row->type == TS_OPTION_INT) {
        const int64_t v = *(const int64_t *)(const void *)at;
        return v && json_object_set_new(options, row->name, json_integer(v)) ? no_memory() : TS_OK;
    }
    const ts_option_list *l = (const ts_option_list *)(const void *)at;
    return row->type == TS_OPTION_LIST && l->n ? set_list(options, row->name, l) : TS_OK;
}

static ts_status set_role(json_t *note, const char *key, const ts_text_tokenizer *t, int32_t id)
{
    const char *text = t->tok && id >= 0 ? ts_tokenizer_id_token(t->tok, id) : NULL;
    return set_text(note, key, text && ts_utf8_check(text, strlen(text)) == strlen(text) ? text : NULL);
}

static ts_status take_all(const ts_text_options *o, const ts_text_tokenizer *t,
                          ts_side_files *files, json_t *note)
{
    json_t *options = json_object();
    if (!options || json_object_set_new(note, "options", options))
        return no_memory();
    for (size_t i = 0; i < ts_text_option_count; i++)
        TS_TRY(take_option(&ts_text_option_rows[i], o, files, options));
    TS_TRY(take_described(o, options));
    TS_TRY(set_role(note, "bos_token", t, t->bos));
    TS_TRY(set_role(note, "eos_token", t, t->eod));
    TS_TRY(set_role(note, "pad_token", t, t->pad));
    return set_role(note, "unk_token", t, t->tok ? ts_tokenizer_unk(t->tok) : -1);
}

ts_status ts_tokenizer_files_take(const ts_text_options *o, const ts_text_tokenizer *t,
                                  ts_side_files *files, json_t **note)
{
    json_t *n = json_object();
    const ts_status st = n ? take_all(o, t, files, n) : no_memory();
    if (st == TS_OK)
        *note = n;
    else
        json_decref(n);
    return st;
}

/* ---- from files to options ---- */

typedef struct words {
    char **v;
    size_t n, cap;
} words;

static ts_status add_word(words *w, const char *prefix, const char *text)
{
    ts_str s = { 0 };
    TS_TRY(ts_grow(&w->v, &w->cap, w->n + 1, sizeof *w->v));
    TS_TRY(ts_str_printf(&s, "%s%s", prefix, text));
    w->v[w->n++] = s.s;
    return TS_OK;
}

/* "--name=" and the value; a path is a file's plain name or ".": the folder and nothing outside. */
static ts_status add_scalar(words *w, const char *name, const char *text, const char *folder)
{
    const char *as;
    ts_str option = { 0 }, path = { 0 };
    ts_status st = ts_str_printf(&option, "--%s=", name);
    if (st == TS_OK && is_path_option(name, &as)) {
        if (!*text || strchr(text, '/') || !strcmp(text, ".."))
            st = ts_error(TS_ERR_USER,
                          "%s: the note of its tokenizer names \"%.80s\" as %s, which is not the "
                          "plain name of a file",
                          folder, text, name);
        else if (!strcmp(text, "."))
            st = ts_str_puts(&path, folder);
        else
            st = ts_path_join(&path, folder, text);
        text = ts_str_text(&path);
    }
    if (st == TS_OK)
        st = add_word(w, option.s, text);
    ts_str_deinit(&option);
    ts_str_deinit(&path);
    return st;
}

static ts_status add_list(words *w, const char *name, const json_t *list, const char *folder)
{
    TS_TRY(add_word(w, "--", name));
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *each = json_string_value(json_array_get(list, i));
        if (!each || !strncmp(each, "--", 2))
            return ts_error(TS_ERR_USER, "%s: the note of its tokenizer: %s has an entry that is no "
                            "word", folder, name);
        TS_TRY(add_word(w, "", each));
    }
    return TS_OK;
}

/* As the note's writer spells it, for which is_path_option and add_value look. */
static const ts_option *row_of(const char *name)
{
    for (size_t i = 0; i < ts_text_option_count; i++)
        if (!strcmp(ts_text_option_rows[i].name, name))
            return &ts_text_option_rows[i];
    return NULL;
}

static ts_status add_value(words *w, const char *name, const json_t *v, const char *folder)
{
    char number[32];
    const ts_option *row = row_of(name);
    if (!row)
        return ts_error(TS_ERR_USER, "%s: the note of its tokenizer: %.80s is no option", folder,
                        name);
    if (json_is_array(v) != (row->type == TS_OPTION_LIST))
        return ts_error(TS_ERR_USER, "%s: the note of its tokenizer: %s %s a list", folder, name,
                        json_is_array(v) ? "is not" : "is");
    if (json_is_string(v))
        return add_scalar(w, name, json_string_value(v), folder);
    if (json_is_integer(v)) {
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        return add_scalar(w, name, number, folder);
    }
    return add_list(w, name, v, folder);
}

ts_status ts_tokenizer_files_options(const json_t *note, const char *folder, ts_text_options *o,
                                     ts_option_set **set)
{
    json_t *options = json_object_get(note, "options"), *v;
    const char *name;
    const ts_option_table table = { ts_text_option_rows, ts_text_option_count, o };
    words w = { 0 };
    ts_option_set *s = NULL;
    ts_status st = ts_option_set_create(&table, 1, &s);
    json_object_foreach(options, name, v)
    {
        if (st == TS_OK)
            st = add_value(&w, name, v, folder);
    }
    if (st == TS_OK)
        st = ts_option_parse(s, (int)w.n, w.v);
    if (st == TS_OK)
        st = ts_option_finish(s);
    for (size_t i = 0; i < w.n; i++)
        ts_free(&w.v[i]);
    ts_free(&w.v);
    if (st == TS_OK)
        *set = s;
    else
        ts_option_set_destroy(&s);
    return st;
}

/* ---- for transformers ---- */

static const char *const roles[] = { "bos_token", "eos_token", "pad_token", "unk_token" };
enum { N_ROLES = sizeof roles / sizeof *roles };

static ts_status put_json(ts_side_files *out, const char *name, const json_t *o)
{
    ts_str text = { 0 };
    ts_status st = ts_json_write(o, JSON_INDENT(2) | JSON_REAL_PRECISION(17), name, &text);
    if (st == TS_OK)
        st = ts_side_files_put(out, name, text.s, text.len);
    ts_str_deinit(&text);
    return st;
}

static int set_roles(json_t *config, const json_t *note)
{
    int bad = 0;
    for (int i = 0; i < N_ROLES; i++)
        if (json_is_string(json_object_get(note, roles[i])))
            bad |= json_object_set(config, roles[i], json_object_get(note, roles[i]));
    return bad;
}

/* tokenizer_config.json for files that had none: the class that reads them, and the roles. */
static ts_status make_config(const json_t *note, const char *class, bool adds_bos,
                             ts_side_files *out)
{
    json_t *config = json_pack("{s:s, s:b}", "tokenizer_class", class,
                               "clean_up_tokenization_spaces", 0);
    int bad = !config || set_roles(config, note);
    if (!bad && !strcmp(class, "LlamaTokenizer"))
        bad = json_object_set_new(config, "add_bos_token", json_boolean(adds_bos)) |
              json_object_set_new(config, "add_eos_token", json_false()) |
              json_object_set_new(config, "legacy", json_false());
    const ts_status st = bad ? no_memory() : put_json(out, "tokenizer_config.json", config);
    json_decref(config);
    return st;
}

/* --tokenizer-kwargs gave tokens other roles than the file says. model_max_length is often 10^30, so
 * numbers pass as reals. */
static ts_status correct_config(const json_t *note, ts_side_files *out)
{
    const ts_side_file *f = ts_side_files_find(out, "tokenizer_config.json");
    json_t *config;
    TS_TRY(ts_json_load(ts_str_text(&f->text), f->text.len,
                        JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, "tokenizer_config.json",
                        &config));
    ts_status st = set_roles(config, note) ? no_memory() : TS_OK;
    if (st == TS_OK)
        st = put_json(out, "tokenizer_config.json", config);
    json_decref(config);
    return st;
}

/* A rank file becomes the tokenizer.json that gives the same ids. */
static ts_status from_tiktoken(const ts_side_file *f, const json_t *note, ts_side_files *out)
{
    ts_text_options o;
    ts_option_set *set = NULL;
    ts_str text = { 0 };
    TS_TRY(ts_tokenizer_files_options(note, "", &o, &set));
    ts_status st = ts_tiktoken_json(ts_str_text(&f->text), f->text.len, f->name, &o, &text);
    if (st == TS_OK)
        st = ts_side_files_put(out, "tokenizer.json", text.s, text.len);
    if (st == TS_OK)
        ts_side_files_remove(out, f->name);
    ts_str_deinit(&text);
    ts_option_set_destroy(&set);
    return st;
}

/* Likewise a SentencePiece model, which stays beside it for other readers. *can: it has that form;
 * without, transformers makes of the model what it can. */
static ts_status from_sentencepiece(const ts_side_file *f, bool with_bos, ts_side_files *out,
                                    bool *can)
{
    ts_str text = { 0 };
    ts_status st = ts_sp_json(ts_str_text(&f->text), f->text.len, f->name, with_bos, false, &text, can);
    if (st == TS_OK && *can)
        st = ts_side_files_put(out, "tokenizer.json", text.s, text.len);
    ts_str_deinit(&text);
    return st;
}

static const ts_side_file *find_tiktoken(const ts_side_files *files)
{
    for (size_t i = 0; i < files->n; i++)
        if (ts_path_ends(files->v[i].name, ".tiktoken"))
            return &files->v[i];
    return NULL;
}

/* The form that transformers reads, of the tokenizer as it was given. */
static ts_status make_hf(const ts_side_files *files, const json_t *note, ts_side_files *out)
{
    const json_t *options = json_object_get(note, "options");
    const char *type = json_string_value(json_object_get(options, "tokenizer-type"));
    const ts_side_file *ranks = find_tiktoken(files),
                       *pieces = ts_side_files_find(files, "tokenizer.model");
    const bool has_json = ts_side_files_find(files, "tokenizer.json");
    const bool has_config = ts_side_files_find(files, "tokenizer_config.json");
    const bool adds_bos = type && !strcmp(type, "Llama2Tokenizer");
    bool can = true;
    TS_TRY(ts_side_files_copy(files, out));
    if (!note || (type && !strcmp(type, "NullTokenizer")))
        return TS_OK;
    if (ranks && !has_json)
        TS_TRY(from_tiktoken(ranks, note, out));
    else if (pieces && !has_json && !has_config)
        TS_TRY(from_sentencepiece(pieces, adds_bos, out, &can));
    if (has_config)
        return json_object_get(options, "tokenizer-kwargs") ? correct_config(note, out) : TS_OK;
    return make_config(note,
                       !can                                          ? "LlamaTokenizer"
                       : ts_side_files_find(out, "tokenizer.json")   ? "PreTrainedTokenizerFast"
                       : ts_side_files_find(out, "vocab.json")       ? "GPT2Tokenizer"
                                                                     : "PreTrainedTokenizerFast",
                       adds_bos, out);
}

/* The tokens that a note says beside it. Texts live as long as the note. */
static ts_status add_new(const json_t *note, ts_side_files *out)
{
    ts_text_options o;
    ts_option_set *set = NULL;
    ts_new_tokens t = { 0 };
    TS_TRY(ts_tokenizer_files_options(note, "", &o, &set));
    ts_status st = TS_OK;
    if (ts_text_options_grow(&o)) {
        st = ts_new_tokens_read(&o.add_tokens, &o.add_special_tokens, NULL, &t);
        if (st == TS_OK)
            st = ts_new_tokens_put(&t, out);
        ts_new_tokens_deinit(&t);
    }
    ts_option_set_destroy(&set);
    return st;
}

ts_status ts_tokenizer_files_hf(const ts_side_files *files, const json_t *note, ts_side_files *out)
{
    TS_TRY(make_hf(files, note, out));
    return note ? add_new(note, out) : TS_OK;
}
