/* The handlers by name, and what becomes of a conversation. */
#include "data/handlers/inside.h"

#include "base/log.h"

#include <string.h>

enum { CUTOFF = 100000 }; /* ids of a conversation, where --seq-length does not say */

#define RECORDS(name_, output_, form_, more_)                                                                \
    {                                                                                                        \
        .name = name_, .output = TS_OUTPUT_##output_, .formatting = form_, .has_more = more_                 \
    }
#define CORPUS(name_, output_, fn_, ...)                                                                     \
    {                                                                                                        \
        .name = name_, .output = TS_OUTPUT_##output_, .corpus = ts_corpus_##fn_, .fields = { __VA_ARGS__ }   \
    }
static const ts_handler_kind kinds[] = {
    RECORDS("AlpacaStyleInstructionHandler", SAMPLE, "alpaca", false),
    RECORDS("SharegptStyleInstructionHandler", SAMPLE, "sharegpt", false),
    RECORDS("OpenAIInstructionHandler", SAMPLE, "openai", false),
    RECORDS("LlamaFactoryInstructionHandler", SAMPLE, "alpaca", false),
    RECORDS("AlpacaStylePairwiseHandler", PAIR, "alpaca", false),
    RECORDS("SharegptStylePairwiseHandler", PAIR, "sharegpt", false),
    RECORDS("PPOAlpacaStyleInstructionHandler", PROMPT, "alpaca", false),
    RECORDS("R1AlpacaStyleInstructionHandler", PROMPT, "alpaca", true),
    RECORDS("R1SharegptStyleInstructionHandler", PROMPT, "sharegpt", true),
    CORPUS("AlpacaStyleProcessRewardHandler", STEPS, rewards, "input", "value"),
    CORPUS("AlpacaPretrainHandler", TEXT, alpaca, "instruction", "input", "output"),
    CORPUS("SharegptPretrainHandler", TEXT, sharegpt, NULL),
    CORPUS("StackOverflowPythonPretrainHandler", TEXT, stack_overflow, "title", "question_body",
           "answer_body"),
    CORPUS("GeneralInstructionHandler", STEPS, general, "instruction", "input", "output"),
    CORPUS("BelleMultiTurnInstructionHandler", STEPS, belle, "instruction", "output"),
    CORPUS("LeetcodePythonInstructionHandler", STEPS, leetcode, "code_with_problem", "code_only",
           "explanation_only"),
    CORPUS("MOSSMultiTurnHandler", STEPS, moss, "chat"),
    CORPUS("MOSSInstructionHandler", STEPS, moss_turns, "chat"),
};
static const char plain[] = "GeneralPretrainHandler";

static ts_status unknown_name(const char *name)
{
    ts_str known = { 0 };
    ts_status st = ts_str_puts(&known, plain);
    for (size_t i = 0; st == TS_OK && i < sizeof kinds / sizeof *kinds; i++)
        st = ts_str_printf(&known, " %s", kinds[i].name);
    if (st == TS_OK)
        st = ts_error(TS_ERR_USER, "--handler-name %s is not known; expected one of %s", name, known.s);
    ts_str_deinit(&known);
    return st;
}

static ts_status find_kind(const char *name, const ts_handler_kind **out)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(kinds[i].name, name)) {
            *out = &kinds[i];
            return TS_OK;
        }
    return unknown_name(name);
}

static bool has_template(const ts_handler_kind *k) { return k && !k->corpus; }

static ts_status check_options(const ts_handler_options *o, const ts_handler_kind *k)
{
    const char *name = k ? k->name : plain;
    if (o->prompt.type && !has_template(k))
        return ts_error(TS_ERR_USER, "--prompt-type %s: --handler-name %s has no template", o->prompt.type,
                        name);
    if (has_template(k) && !o->prompt.type)
        return ts_error(TS_ERR_USER,
                        "--handler-name %s needs --prompt-type: the name of a template, such as qwen3", name);
    if (o->map_keys && (!has_template(k) || o->dataset_dir))
        return ts_error(TS_ERR_USER, "--map-keys: the columns of --handler-name %s are %s", name,
                        o->dataset_dir ? "in dataset_info.json" : "its own");
    if (o->neat_pack && !o->pack)
        return ts_error(TS_ERR_USER, "--neat-pack goes with --pack");
    if (o->pack && !(k && (k->output == TS_OUTPUT_SAMPLE || k->output == TS_OUTPUT_STEPS)))
        return ts_error(TS_ERR_USER,
                        "--pack puts samples of instructions together: --handler-name %s makes none", name);
    if (o->pack && o->seq_length < 2)
        return ts_error(TS_ERR_USER, "--pack needs --seq-length: how many tokens a pack has");
    if (o->additional_keys.n && !(k && k->has_more))
        return ts_error(TS_ERR_USER, "--dataset-additional-keys goes with the R1 handlers, not with %s",
                        name);
    return TS_OK;
}

/* ---- keys and fields ---- */

static ts_status set_keys(ts_handler *h, const ts_option_list *json_keys)
{
    static const char *const outputs[][5] = {
        [TS_OUTPUT_SAMPLE] = { "input_ids", "attention_mask", "labels" },
        [TS_OUTPUT_PAIR] = { "chosen_input_ids", "chosen_labels", "rejected_input_ids", "rejected_labels" },
        [TS_OUTPUT_PROMPT] = { "input_ids", "attention_mask" },
        [TS_OUTPUT_TEXT] = { "text" },
        [TS_OUTPUT_STEPS] = { "input_ids", "attention_mask", "labels" },
    };
    const char *const *own = outputs[h->kind->output];
    const bool given = h->kind->corpus && !h->kind->fields[0];
    const ts_option_list *more = &h->o->additional_keys;
    TS_TRY(ts_alloc(&h->keys, (size_t)(5 + more->n + json_keys->n), sizeof *h->keys));
    for (int64_t i = 0; given && i < json_keys->n; i++)
        h->keys[h->n_keys++] = json_keys->v[i];
    for (; !given && *own; own++)
        h->keys[h->n_keys++] = *own;
    for (int64_t i = 0; i < more->n; i++) {
        if (!strcmp(more->v[i], "input_ids") || !strcmp(more->v[i], "attention_mask"))
            return ts_error(TS_ERR_USER, "--dataset-additional-keys: %s is the prompt's", more->v[i]);
        h->keys[h->n_keys++] = more->v[i];
    }
    return TS_OK;
}

/* The number of a field among those that are read. */
static int read_field(ts_handler *h, const char *name)
{
    for (size_t i = 0; i < h->n_read; i++)
        if (!strcmp(h->read[i], name))
            return (int)i;
    h->read[h->n_read] = name;
    return (int)h->n_read++;
}

static ts_status set_fields(ts_handler *h, const ts_option_list *json_keys)
{
    const ts_option_list *more = &h->o->additional_keys;
    TS_TRY(ts_alloc(&h->read, (size_t)(TS_N_COLUMNS + 4 + more->n + json_keys->n), sizeof *h->read));
    for (int i = 0; i < TS_N_COLUMNS; i++) {
        const bool is_pair = i == TS_COLUMN_CHOSEN || i == TS_COLUMN_REJECTED;
        const bool other = h->kind->output == TS_OUTPUT_PAIR ? i == TS_COLUMN_RESPONSE : is_pair;
        h->at[i] = !h->kind->corpus && h->form.column[i] && !other ? read_field(h, h->form.column[i]) : -1;
    }
    for (size_t i = 0; h->kind->corpus && i < 4 && h->kind->fields[i]; i++)
        read_field(h, h->kind->fields[i]);
    for (int64_t i = 0; h->kind->corpus && !h->kind->fields[0] && i < json_keys->n; i++)
        read_field(h, json_keys->v[i]);
    TS_TRY(ts_alloc(&h->more, (size_t)more->n, sizeof *h->more));
    for (int64_t i = 0; i < more->n; i++)
        h->more[i] = read_field(h, more->v[i]);
    return TS_OK;
}

static ts_status set_form(ts_handler *h, const char *input)
{
    const ts_handler_options *o = h->o;
    if (strcmp(h->kind->name, "LlamaFactoryInstructionHandler") != 0) {
        TS_TRY(ts_record_form_map_as(&h->form, h->kind->formatting, o->map_keys));
        h->is_openai = !strcmp(h->kind->formatting, "openai");
        if (h->is_openai && !json_object_get(h->form.names, "messages"))
            h->form.column[TS_COLUMN_MESSAGES] = "messages";
        if (h->is_openai && !json_object_get(h->form.names, "tools"))
            h->form.column[TS_COLUMN_TOOLS] = "tools";
        return TS_OK;
    }
    if (!o->dataset_dir)
        return ts_error(TS_ERR_USER,
                        "--handler-name %s needs --dataset-dir: the folder with dataset_info.json",
                        h->kind->name);
    if (!input || strchr(input, ','))
        return ts_error(TS_ERR_USER, "--handler-name %s: --input names one data set of dataset_info.json",
                        h->kind->name);
    TS_TRY(ts_record_form_find(&h->form, o->dataset_dir, input, &h->file));
    const char *formatting = json_string_value(json_object_get(h->form.names, "formatting"));
    h->is_openai = formatting && !strcmp(formatting, "openai");
    return TS_OK;
}

/* The id of a text that is one token. */
static ts_status one_token(const ts_text_tokenizer *tok, const char *option, const char *text, int32_t *id)
{
    ts_tokenizer_scratch *scratch = NULL;
    ts_ids ids = { 0 };
    ts_status st = tok->tok ? ts_tokenizer_scratch_create(tok->tok, &scratch)
                            : ts_error(TS_ERR_USER, "%s needs a tokenizer of texts", option);
    if (st == TS_OK)
        st = ts_tokenizer_encode(tok->tok, scratch, text, strlen(text), false, &ids);
    if (st == TS_OK && ids.n != 1)
        st = ts_error(TS_ERR_USER, "%s: %s is %zu tokens: expected one", option, text, ids.n);
    if (st == TS_OK)
        *id = ids.v[0];
    ts_ids_deinit(&ids);
    ts_tokenizer_scratch_destroy(&scratch);
    return st;
}

ts_status ts_handler_open(const ts_handler_options *o, const char *input, const ts_option_list *json_keys,
                          bool append_eod, ts_text_tokenizer *tok, ts_handler **out)
{
    const ts_handler_kind *k = NULL;
    ts_handler *h = NULL;
    if (o->name && strcmp(o->name, plain) != 0)
        TS_TRY(find_kind(o->name, &k));
    TS_TRY(check_options(o, k));
    *out = NULL;
    if (!k)
        return TS_OK;
    TS_TRY(ts_alloc(&h, 1, sizeof *h));
    *h = (ts_handler){ .kind = k, .o = o, .tok = tok, .append_eod = append_eod };
    ts_status st = has_template(k) ? set_form(h, input) : TS_OK;
    if (st == TS_OK)
        st = set_keys(h, json_keys);
    if (st == TS_OK)
        st = set_fields(h, json_keys);
    if (st == TS_OK && has_template(k))
        st = ts_prompt_open(&o->prompt, tok, &h->prompt);
    if (st == TS_OK && k->corpus == ts_corpus_rewards)
        st = one_token(tok, "--placeholder-token", o->placeholder_token, &h->placeholder);
    if (st == TS_OK && o->pack && tok->pad < 0)
        st = ts_error(
            TS_ERR_USER,
            "--pack: the tokenizer has no pad token; name one with --tokenizer-kwargs pad_token TOKEN");
    if (st == TS_OK)
        *out = h;
    else
        ts_handler_close(&h);
    return st;
}

void ts_handler_close(ts_handler **handler)
{
    ts_handler *h = *handler;
    if (!h)
        return;
    ts_prompt_close(&h->prompt);
    ts_record_form_deinit(&h->form);
    ts_str_deinit(&h->file);
    ts_free(&h->keys);
    ts_free(&h->read);
    ts_free(&h->more);
    ts_free(handler);
}

const char *const *ts_handler_keys(const ts_handler *h, size_t *n)
{
    *n = h->n_keys;
    return h->keys;
}

bool ts_handler_is_packed(const ts_handler *h) { return h->kind->output != TS_OUTPUT_TEXT; }
const char *ts_handler_file(const ts_handler *h) { return h->file.len ? h->file.s : NULL; }

/* ---- work ---- */

ts_status ts_handler_work_create(const ts_handler *h, ts_handler_work **out)
{
    ts_handler_work *w;
    TS_TRY(ts_alloc(&w, 1, sizeof *w));
    ts_status st = h->prompt ? ts_prompt_work_create(h->prompt, &w->prompt) : TS_OK;
    if (st == TS_OK && h->tok->tok)
        st = ts_tokenizer_scratch_create(h->tok->tok, &w->scratch);
    if (st == TS_OK)
        *out = w;
    else
        ts_handler_work_destroy(&w);
    return st;
}

void ts_handler_work_destroy(ts_handler_work **work)
{
    ts_handler_work *w = *work;
    if (!w)
        return;
    while (w->n_held)
        json_decref(w->held[--w->n_held]);
    ts_prompt_work_destroy(&w->prompt);
    ts_tokenizer_scratch_destroy(&w->scratch);
    ts_json_fields_deinit(&w->fields);
    ts_prompt_talk_deinit(&w->talk);
    ts_arena_deinit(&w->arena);
    ts_str_deinit(&w->text);
    for (int i = 0; i < 2; i++)
        ts_ids_deinit(&w->ids[i]);
    ts_free(work);
}

/* ---- samples ---- */

static ts_status add_ids(ts_token_run *r, const int32_t *ids, size_t n)
{
    TS_TRY(ts_grow(&r->ids.v, &r->ids.cap, r->ids.n + n, sizeof *r->ids.v));
    if (n)
        memcpy(r->ids.v + r->ids.n, ids, n * sizeof *ids);
    r->ids.n += n;
    return TS_OK;
}

static ts_status fill(ts_token_run *r, int32_t value, size_t n)
{
    TS_TRY(ts_grow(&r->ids.v, &r->ids.cap, r->ids.n + n, sizeof *r->ids.v));
    for (size_t i = 0; i < n; i++)
        r->ids.v[r->ids.n++] = value;
    return TS_OK;
}

static ts_status end_all(const ts_handler *h, ts_token_run *runs)
{
    for (size_t k = 0; k < h->n_keys; k++)
        TS_TRY(ts_token_run_end(&runs[k]));
    return TS_OK;
}

static int64_t limit_of(const ts_handler *h) { return h->o->seq_length ? h->o->seq_length : CUTOFF; }

static ts_status add_sample(const ts_handler *h, ts_handler_work *w, ts_token_run *runs)
{
    const size_t before = runs[0].ids.n;
    const int64_t part = h->o->neat_pack ? h->o->seq_length - 1 : 0;
    TS_TRY(ts_prompt_sample(h->prompt, w->prompt, &w->talk, limit_of(h), part, false, &runs[0].ids,
                            &runs[2].ids, NULL));
    if (h->append_eod) {
        TS_TRY(ts_ids_add(&runs[0].ids, h->tok->eod));
        TS_TRY(ts_ids_add(&runs[2].ids, h->tok->eod));
    }
    TS_TRY(fill(&runs[1], 1, runs[0].ids.n - before));
    return end_all(h, runs);
}

static ts_status add_side(const ts_handler *h, const ts_prompt_pair *v, const int32_t *prompt,
                          size_t n_prompt, ts_token_run *ids, ts_token_run *labels)
{
    TS_TRY(add_ids(ids, prompt, n_prompt));
    TS_TRY(fill(labels, -100, n_prompt));
    TS_TRY(add_ids(ids, v->target, v->n_target));
    TS_TRY(add_ids(labels, v->target, v->n_target));
    if (!ts_prompt_is_efficient(h->prompt))
        return TS_OK;
    TS_TRY(fill(ids, ts_prompt_eos(h->prompt), 1));
    return fill(labels, ts_prompt_eos(h->prompt), 1);
}

/* Both answers stand behind the chosen one's prompt. */
static ts_status add_pair(const ts_handler *h, ts_handler_work *w, ts_token_run *runs)
{
    ts_prompt_pair v;
    TS_TRY(ts_prompt_encode_last(h->prompt, w->prompt, &w->talk, &v));
    const size_t n_prompt = v.n_source;
    TS_TRY(ts_grow(&w->ids[0].v, &w->ids[0].cap, n_prompt, sizeof *w->ids[0].v));
    if (n_prompt)
        memcpy(w->ids[0].v, v.source, n_prompt * sizeof *v.source);
    TS_TRY(add_side(h, &v, w->ids[0].v, n_prompt, &runs[0], &runs[1]));
    w->talk.v[w->talk.n - 1] = w->rejected;
    TS_TRY(ts_prompt_encode_last(h->prompt, w->prompt, &w->talk, &v));
    TS_TRY(add_side(h, &v, w->ids[0].v, n_prompt, &runs[2], &runs[3]));
    return end_all(h, runs);
}

/* A text of a record's field, encoded alone. */
static ts_status add_text(const ts_handler *h, ts_handler_work *w, ts_prompt_text t, ts_token_run *run)
{
    return t.n ? ts_tokenizer_encode(h->tok->tok, w->scratch, t.s, t.n, false, &run->ids) : TS_OK;
}

/* Earlier answers are part of the prompt. */
static ts_status add_prompt(const ts_handler *h, ts_handler_work *w, ts_token_run *runs)
{
    ts_prompt_pairs pairs;
    const ts_prompt_turn answer = w->talk.v[w->talk.n - 1];
    const size_t before = runs[0].ids.n;
    TS_TRY(ts_prompt_encode(h->prompt, w->prompt, &w->talk, limit_of(h), &pairs));
    for (size_t i = 0; i < pairs.n; i++) {
        TS_TRY(add_ids(&runs[0], pairs.v[i].source, pairs.v[i].n_source));
        if (i + 1 < pairs.n)
            TS_TRY(add_ids(&runs[0], pairs.v[i].target, pairs.v[i].n_target));
    }
    TS_TRY(fill(&runs[1], 1, runs[0].ids.n - before));
    for (size_t k = 2; k < h->n_keys; k++) {
        const ts_json_field *f = &w->fields.v[h->more[k - 2]];
        const bool is_label = !strcmp(h->keys[k], "labels");
        if (!is_label && f->kind != TS_JSON_TEXT)
            return ts_error(TS_ERR_USER, "%s: expected a text", h->keys[k]);
        TS_TRY(add_text(h, w, is_label ? answer.content : (ts_prompt_text){ f->s, f->n }, &runs[k]));
    }
    return end_all(h, runs);
}

ts_status ts_handler_record(const ts_handler *h, ts_handler_work *w, const char *record, size_t n,
                            ts_token_run *runs)
{
    TS_TRY(ts_json_fields_read(&w->fields, record, n, h->read, h->n_read));
    if (h->kind->corpus)
        return h->kind->corpus(h, w, runs);
    TS_TRY(ts_record_read(h, w));
    switch (h->kind->output) {
    case TS_OUTPUT_PAIR: return add_pair(h, w, runs);
    case TS_OUTPUT_PROMPT: return add_prompt(h, w, runs);
    default: return add_sample(h, w, runs);
    }
}
