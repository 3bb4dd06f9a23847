#include "train/job_tokens.h"

#include "model/open.h"
#include "train/model_files.h"

/* Of a Hugging Face folder whose vocabulary may grow the tokenizer counts, named or not. */
ts_status ts_job_read_tokenizer(const ts_job_options *o, ts_job_tokens *k, ts_text_options *text, ts_new_rows_want *rows)
{
    const char *load = o->runtime.load;
    const bool grows = ts_text_options_grow(&o->text) || o->rows.resize;
    *text = o->text;
    if (grows && !ts_text_options_given(text) && load && ts_model_is_hf(load))
        text->name_or_path = load;
    *k = (ts_job_tokens){ .vocab = o->text.vocab_size, .eod = -1, .pad = -1 };
    if (!ts_text_options_given(text))
        return TS_OK;
    TS_TRY(ts_text_tokenizer_open(text, &k->tok));
    k->has_tok = true;
    k->vocab = k->tok.vocab_size;
    k->eod = k->tok.eod;
    k->pad = k->tok.pad;
    return grows ? ts_new_rows_wanted(&o->rows, text, &k->tok, (uint64_t)o->train.seed, rows) : TS_OK;
}

/* A checkpoint's vocabulary stays as it is: tokens that are asked for again are its tokenizer's. */
ts_status ts_job_check_tokens(const ts_text_options *text, const ts_model *m)
{
    ts_text_options own;
    ts_text_tokenizer t;
    ts_option_set *set = NULL;
    ts_new_tokens tokens;
    bool found;
    if (!ts_text_options_grow(text) || ts_text_options_given(text))
        return TS_OK;
    TS_TRY(ts_new_tokens_read(&text->add_tokens, &text->add_special_tokens, text->new_tokens_config, &tokens));
    ts_status st = ts_model_tokenizer(m, &own, &set, &found);
    if (st == TS_OK && !found)
        st = ts_error(TS_ERR_USER, "--add-tokens: there is no tokenizer that could get them: name one (--tokenizer-name-or-path)");
    if (st == TS_OK)
        st = ts_text_tokenizer_open(&own, &t);
    if (st == TS_OK) {
        for (size_t i = 0; i < tokens.n && st == TS_OK; i++)
            if (t.tok && ts_tokenizer_token_id(t.tok, tokens.v[i].text) < 0)
                st = ts_error(TS_ERR_USER, "--add-tokens %s: %s has no such token, and a checkpoint's vocabulary stays as it is: "
                                           "convert it to a Hugging Face folder, and begin with that and --add-tokens",
                              tokens.v[i].text, m->folder ? m->folder : "the model");
        ts_text_tokenizer_close(&t);
    }
    ts_option_set_destroy(&set);
    ts_new_tokens_deinit(&tokens);
    return st;
}

void ts_job_close_tokenizer(ts_job_tokens *k)
{
    if (k->has_tok)
        ts_text_tokenizer_close(&k->tok);
    k->has_tok = false;
}
