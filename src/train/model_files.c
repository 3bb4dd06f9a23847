#include "train/model_files.h"

#include "base/file.h"
#include "text/hf_files.h"

#include <stdlib.h>
#include <string.h>

void ts_arch_take_ids(ts_arch *a, const ts_text_tokenizer *t)
{
    bool known = false;
    for (int i = 0; i < a->n_eos; i++)
        known = known || a->eos[i] == t->eod;
    if (t->eod >= 0 && !known) {
        a->eos[0] = t->eod;
        a->n_eos = 1;
    }
    if (t->bos >= 0)
        a->bos = t->bos;
    if (t->pad >= 0 && t->pad != t->eod)
        a->pad = t->pad;
    a->pad_frozen = false; /* as Megatron trains: the row of the filling token like any other */
}

/* ---- what is saved ---- */

static const char generation_config[] = "generation_config.json";

static ts_status make_generation_config(ts_model *m)
{
    ts_str text = { 0 };
    ts_status st = ts_weights_generation_config(&m->decoder->arch, &text);
    if (st == TS_OK)
        st = ts_side_files_put(&m->files, generation_config, text.s, text.len);
    ts_str_deinit(&text);
    return st;
}

/* Whether each token of t is a token of the folder's tokenizer, with the same id. */
static ts_status knows_tokens(const ts_model *m, const ts_text_tokenizer *t, bool *knows)
{
    ts_text_options o;
    ts_option_set *set = NULL;
    ts_text_tokenizer own = { 0 };
    TS_TRY(ts_model_tokenizer(m, &o, &set, knows));
    ts_status st = *knows ? ts_text_tokenizer_open(&o, &own) : TS_OK;
    *knows = st == TS_OK && own.tok && t->vocab_size <= own.vocab_size;
    for (int32_t id = 0; *knows && id < (int32_t)t->vocab_size; id++) {
        const char *a = ts_tokenizer_id_token(t->tok, id), *b = ts_tokenizer_id_token(own.tok, id);
        *knows = !a || (b && !strcmp(a, b));
    }
    if (own.tok)
        ts_text_tokenizer_close(&own);
    ts_option_set_destroy(&set);
    return st == TS_ERR_USER ? TS_OK : st; /* a damaged one gives way */
}

/* The folder's other files (chat template, special tokens) stay where the tokenizer that options name
 * is the folder's own in another class, and all of them where it only counts. */
static ts_status take_tokenizer(ts_model *m, const ts_text_options *o, const ts_text_tokenizer *t)
{
    bool has = false, knows = false;
    ts_text_options own;
    ts_option_set *set = NULL;
    if (!t->tok) {
        TS_TRY(ts_model_tokenizer(m, &own, &set, &has));
        ts_option_set_destroy(&set);
        if (has)
            return TS_OK;
    } else {
        TS_TRY(knows_tokens(m, t, &knows));
    }
    json_decref(m->tokenizer);
    m->tokenizer = NULL;
    if (!knows)
        ts_side_files_remove_tokenizer(&m->files);
    return ts_tokenizer_files_take(o, t, &m->files, &m->tokenizer);
}

ts_status ts_model_take_files(ts_model *m, const ts_text_options *o, const ts_text_tokenizer *t)
{
    if (m->folder && ts_path_exists(m->folder))
        TS_TRY(ts_hf_files_read(m->folder, &m->files));
    if (m->tokens_folder) {
        ts_side_files_remove_tokenizer(&m->files);
        TS_TRY(ts_hf_files_read(m->tokens_folder, &m->files));
    }
    if (t)
        TS_TRY(take_tokenizer(m, o, t));
    if (!ts_side_files_find(&m->files, generation_config))
        TS_TRY(make_generation_config(m));
    return ts_tokenizer_files_hf(&m->files, m->tokenizer, &m->hf_files);
}

/* ---- what a folder holds ---- */

ts_status ts_model_tokenizer(const ts_model *m, ts_text_options *o, ts_option_set **set,
                             bool *found)
{
    const char *folder = m->tokens_folder ? m->tokens_folder : m->folder;
    *found = m->tokenizer || (folder && ts_hf_files_have_tokenizer(folder));
    if (m->tokenizer)
        return ts_tokenizer_files_options(m->tokenizer, m->folder, o, set);
    *o = (ts_text_options){ .type = "PretrainedFromHF", .name_or_path = folder };
    return TS_OK;
}

/* ---- folders ---- */

/* The path without links, with a / at its end; what is not there yet stays as it is written. */
static ts_status resolve(const char *path, ts_str *out)
{
    ts_str head = { 0 };
    size_t n = strlen(path);
    char *real = NULL;
    ts_status st = ts_str_puts(&head, path);
    while (st == TS_OK && !(real = realpath(head.len ? head.s : ".", NULL)) && head.len) {
        while (head.len && head.s[head.len - 1] == '/')
            head.s[--head.len] = 0;
        while (head.len && head.s[head.len - 1] != '/')
            head.s[--head.len] = 0;
    }
    ts_str_reset(out);
    if (st == TS_OK)
        st = ts_str_printf(out, "%s/%s", real ? real : "", path + head.len);
    while (st == TS_OK && out->len > 1 && out->s[out->len - 1] == '/' && n)
        out->s[--out->len] = 0;
    if (st == TS_OK)
        st = ts_str_puts(out, "/");
    free(real);
    ts_str_deinit(&head);
    return st;
}

ts_status ts_model_folder_apart(const char *folder, const char *option, const char *other,
                                const char *other_option)
{
    ts_str a = { 0 }, b = { 0 };
    ts_status st = resolve(folder, &a);
    if (st == TS_OK)
        st = resolve(other, &b);
    if (st == TS_OK && !strncmp(b.s, a.s, a.len))
        st = ts_error(TS_ERR_USER,
                      "%s %s would replace %s %s, which is the same folder or in it: name another "
                      "folder",
                      option, folder, other_option, other);
    ts_str_deinit(&a);
    ts_str_deinit(&b);
    return st;
}
