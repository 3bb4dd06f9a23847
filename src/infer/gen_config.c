#include "infer/gen_config.h"

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"

#include <string.h>

/* Logits divided by less would not be numbers of fp32 any more. */
#define LEAST_TEMPERATURE 1e-30

#define ROW(type, field, name, lo, hi, help)                                                       \
    TS_ROW(type, ts_gen_options, field, name, NULL, lo, hi, NULL, "generation", help)

#define TASKS "evaluation on tasks; `tessera score` gives the probabilities of texts"

const ts_option ts_gen_option_rows[] = {
    ROW(INT, max_new_tokens, "max-new-tokens", 1, 1 << 30,
        "new tokens at most (default: generation_config.json's, else 128)"),
    ROW(INT, min_new_tokens, "min-new-tokens", 0, 1 << 30, "no end-of-text token before so many"),
    ROW(FLAG, greedy, "greedy", 0, 0,
        "always the most probable token, whatever generation_config.json says"),
    ROW(FLAG, do_sample, "do-sample", 0, 0, "draw the next token by its probability"),
    ROW(REAL, temperature, "temperature", 0, 1e6,
        "with --do-sample: logits are divided by it (default 1)"),
    ROW(INT, top_k, "top-k", 0, 1 << 30,
        "with --do-sample: of the K most probable tokens only; 0: of all (default 50)"),
    ROW(REAL, top_p, "top-p", 0, 1,
        "with --do-sample: of the fewest tokens whose probabilities sum to P (default 1)"),
    ROW(REAL, min_p, "min-p", 0, 1,
        "with --do-sample: of tokens at least P times as probable as the best (default 0)"),
    ROW(REAL, repetition_penalty, "repetition-penalty", 1e-6, 1e6,
        "tokens that the text has become less probable above 1 (default 1)"),
    ROW(INT, num_beams, "num-beams", 1, 64, "beam search with so many beams (default 1: none)"),
    ROW(REAL, length_penalty, "length-penalty", -1e6, 1e6,
        "beams: scores are divided by length to this power (default 1)"),
    ROW(FLAG, early_stopping, "early-stopping", 0, 0,
        "beams: end as soon as --num-beams texts are complete"),
    ROW(EACH, stop, "stop", 0, 0,
        "end where the new text has TEXT; ids keep all tokens, text ends before TEXT; may be repeated"),
    ROW(LIST, add_eos, "add-eos-token", 0, 0, "tokens that end a text too, as <|eot_id|>"),
    ROW(FLAG, ignore_eos, "ignore-eos", 0, 0, "go on after an end-of-text token"),
    ROW(FLAG, logprobs, "logprobs", 0, 0,
        "also the natural logarithm of each new token's probability (of the model, before any penalty)"),
    ROW(INT, seed, "seed", 0, 9007199254740992.0,
        "of --do-sample; a line's draws depend on it and the line's number"),
    ROW(TEXT, json_schema, "json-schema", 0, 0,
        "answers are JSON texts of this schema ({}: any), and end when they are whole"),
    ROW(TEXT, json_schema_file, "json-schema-file", 0, 0, "the same, of a file"),
    ROW(TEXT, grammar, "grammar", 0, 0, "answers fit a grammar in llama.cpp's notation (GBNF): root ::= \"yes\" | \"no\""),
    ROW(TEXT, grammar_file, "grammar-file", 0, 0, "the same, of a file"),
    ROW(TEXT, regex, "regex", 0, 0, "answers match a regular expression, whole"),
    ROW(INT, lookup, "prompt-lookup-num-tokens", 1, 64,
        "guess so many tokens from text that repeats, and check them at once: faster, the same answers"),
    { .name = "max-matching-ngram-size", .type = TS_OPTION_INT, .offset = offsetof(ts_gen_options, ngram), .def = "3", .lo = 1,
      .hi = 16, .group = "generation", .help = "with --prompt-lookup-num-tokens: tokens that have to repeat, at most" },
    ROW(TEXT, draft_model, "draft-model", 0, 0,
        "a smaller model with the same tokenizer, whose guesses are checked at once: faster, the same answers"),
    { .name = "num-speculative-tokens", .type = TS_OPTION_INT, .offset = offsetof(ts_gen_options, drafts), .def = "5", .lo = 1,
      .hi = 64, .group = "generation", .help = "guesses of --draft-model in each step" },
    TS_HINT("assistant-model", 1, "--draft-model"),
    TS_HINT("num-assistant-tokens", 1, "--num-speculative-tokens"),
    TS_NOTE("use-kv-cache", 0, "generation", "keys and values are always kept"),
    TS_NOTE("broadcast", 0, "generation", "one process generates"),
    TS_NOTE("infer-backend", 1, "generation", "one way of generating"),
    TS_NOTE("max-tokens-to-oom", 1, "generation", "--memory-limit-gb bounds memory"),
    TS_LATER("task-data-path", TS_OPTION_MANY, NULL, TASKS),
    TS_LATER("evaluation-batch-size", 1, NULL, TASKS),
    TS_LATER("no-chat-template", 0, NULL, TASKS),
    TS_LATER("instruction-template", 1, NULL, TASKS),
    TS_LATER("alternative-prompt", 0, NULL, TASKS),
    TS_HINT("task", TS_OPTION_MANY, "--greedy, --do-sample, or --num-beams N"),
    TS_HINT("max-tokens", 1, "--max-new-tokens"),
    TS_HINT("n-predict", 1, "--max-new-tokens"),
    TS_HINT("stop-words", TS_OPTION_MANY, "--stop TEXT"),
    TS_HINT("output-file", 1, "--output"),
    TS_HINT("input-file", 1, "--input"),
};
const size_t ts_gen_option_count = sizeof ts_gen_option_rows / sizeof *ts_gen_option_rows;

/* Settings that would change what is generated and that are not done here, with their neutral
 * values. */
typedef struct unknown_setting {
    const char *key;
    double neutral;
} unknown_setting;
static const unknown_setting unknown_settings[] = {
    { "typical_p", 1 },
    { "epsilon_cutoff", 0 },
    { "eta_cutoff", 0 },
    { "no_repeat_ngram_size", 0 },
    { "num_beam_groups", 1 },
    { "diversity_penalty", 0 },
    { "guidance_scale", 1 },
    { "top_h", 0 },
    { "bad_words_ids", 0 },
    { "sequence_bias", 0 },
    { "suppress_tokens", 0 },
    { "begin_suppress_tokens", 0 },
    { "forced_bos_token_id", -1 },
    { "forced_eos_token_id", -1 },
    { "exponential_decay_length_penalty", 0 },
    { "penalty_alpha", 0 },
    { "stop_strings", 0 },
    { "min_length", 0 },
    { "num_return_sequences", 1 },
    { "encoder_no_repeat_ngram_size", 0 },
    { "encoder_repetition_penalty", 1 },
    { "renormalize_logits", 0 },
    { "watermarking_config", 0 },
    { "token_healing", 0 },
    { "force_words_ids", 0 },
    { "constraints", 0 },
    { "dola_layers", 0 },
    { "max_time", 0 },
};

static void report_unknown(const json_t *j, const char *file)
{
    for (size_t i = 0; i < sizeof unknown_settings / sizeof *unknown_settings; i++) {
        const json_t *v = json_object_get(j, unknown_settings[i].key);
        if (!v || json_is_null(v) || json_is_false(v) ||
            (json_is_number(v) && json_number_value(v) == unknown_settings[i].neutral))
            continue;
        ts_log(TS_LOG_WARN, "%s: %s is not supported and is left out", file,
               unknown_settings[i].key);
    }
}

static ts_status add_eos(const json_t *v, const char *file, ts_sampling *s)
{
    const json_int_t id = json_integer_value(v);
    if (!json_is_integer(v) || id < 0 || id > INT32_MAX)
        return ts_error(TS_ERR_USER, "%s: eos_token_id must be a token id or a list of them", file);
    if (s->n_eos == TS_ARCH_MAX_EOS)
        return ts_error(TS_ERR_USER, "%s: eos_token_id lists more than %d tokens", file,
                        TS_ARCH_MAX_EOS);
    s->eos[s->n_eos++] = (int32_t)id;
    return TS_OK;
}

static ts_status read_eos(const json_t *j, const char *file, ts_sampling *s)
{
    const json_t *v = json_object_get(j, "eos_token_id");
    if (!v || json_is_null(v))
        return TS_OK;
    if (!json_is_array(v))
        return add_eos(v, file, s);
    for (size_t i = 0; i < json_array_size(v); i++)
        TS_TRY(add_eos(json_array_get(v, i), file, s));
    return TS_OK;
}

static ts_status read_early_stopping(const json_t *j, const char *file, ts_gen_config *c)
{
    const json_t *v = json_object_get(j, "early_stopping");
    if (!v || json_is_null(v))
        return TS_OK;
    if (json_is_boolean(v))
        c->early_stopping = json_is_true(v) ? TS_EARLY_TRUE : TS_EARLY_FALSE;
    else if (json_is_string(v) && !strcmp(json_string_value(v), "never"))
        c->early_stopping = TS_EARLY_NEVER;
    else
        return ts_error(TS_ERR_USER, "%s: early_stopping must be true, false or \"never\"", file);
    return TS_OK;
}

/* The ranges are the options'. */
static bool in(double v, double lo, double hi) { return v >= lo && v <= hi; }

static ts_status read_file(const json_t *j, const char *file, ts_gen_config *c)
{
    ts_sampling *s = &c->sampling;
    const int64_t most = 1 << 30;
    TS_TRY(ts_json_bool(j, file, "do_sample", false, &s->do_sample));
    TS_TRY(ts_json_real(j, file, "temperature", 1, &s->temperature));
    TS_TRY(ts_json_int(j, file, "top_k", 50, 0, most, &s->top_k));
    TS_TRY(ts_json_real(j, file, "top_p", 1, &s->top_p));
    TS_TRY(ts_json_real(j, file, "min_p", 0, &s->min_p));
    TS_TRY(ts_json_real(j, file, "repetition_penalty", 1, &s->repetition_penalty));
    TS_TRY(ts_json_int(j, file, "min_new_tokens", 0, 0, most, &s->min_new_tokens));
    TS_TRY(ts_json_int(j, file, "max_new_tokens", 0, 0, most, &c->max_new_tokens));
    TS_TRY(ts_json_int(j, file, "max_length", 0, 0, most, &c->max_length));
    TS_TRY(ts_json_int(j, file, "num_beams", 1, 1, 64, &c->num_beams));
    TS_TRY(ts_json_real(j, file, "length_penalty", 1, &c->length_penalty));
    TS_TRY(read_early_stopping(j, file, c));
    if (!in(s->top_p, 0, 1) || !in(s->min_p, 0, 1) || !in(s->temperature, 0, 1e6) ||
        !in(s->repetition_penalty, 1e-6, 1e6) || !in(c->length_penalty, -1e6, 1e6))
        return ts_error(TS_ERR_USER,
                        "%s: expected top_p and min_p from 0 to 1, temperature from 0 and "
                        "repetition_penalty from 1e-6 to 1e6, length_penalty from -1e6 to 1e6; "
                        "found %g, %g, %g, %g, %g",
                        file, s->top_p, s->min_p, s->temperature, s->repetition_penalty,
                        c->length_penalty);
    report_unknown(j, file);
    return read_eos(j, file, s);
}

static ts_status read_folder(const char *folder, ts_gen_config *c)
{
    ts_str path = { 0 };
    json_t *j = NULL;
    ts_status st = folder ? ts_path_join(&path, folder, "generation_config.json") : TS_OK;
    if (st == TS_OK && folder && ts_path_exists(path.s))
        st = ts_json_read(path.s, &j);
    if (st == TS_OK && j && !json_is_object(j))
        st = ts_error(TS_ERR_USER, "%s: a JSON object was expected", path.s);
    if (st == TS_OK && j)
        st = read_file(j, path.s, c);
    json_decref(j);
    ts_str_deinit(&path);
    return st;
}

static void take_options(const ts_gen_options *o, const ts_option_set *set, ts_gen_config *c)
{
    ts_sampling *s = &c->sampling;
    if (o->greedy)
        s->do_sample = false;
    if (o->do_sample)
        s->do_sample = true;
#define TAKE(field, name, to)                                                                      \
    if (ts_option_given(set, name))                                                                \
        to = o->field
    TAKE(temperature, "temperature", s->temperature);
    TAKE(top_k, "top-k", s->top_k);
    TAKE(top_p, "top-p", s->top_p);
    TAKE(min_p, "min-p", s->min_p);
    TAKE(repetition_penalty, "repetition-penalty", s->repetition_penalty);
    TAKE(min_new_tokens, "min-new-tokens", s->min_new_tokens);
    TAKE(max_new_tokens, "max-new-tokens", c->max_new_tokens);
    TAKE(num_beams, "num-beams", c->num_beams);
    TAKE(length_penalty, "length-penalty", c->length_penalty);
#undef TAKE
    if (o->early_stopping)
        c->early_stopping = TS_EARLY_TRUE;
    if (o->greedy && !ts_option_given(set, "num-beams"))
        c->num_beams = 1;
    s->seed = (uint64_t)o->seed;
    c->ignore_eos = o->ignore_eos;
    c->logprobs = o->logprobs;
    c->drafts = o->lookup ? o->lookup : o->draft_model ? o->drafts : 0;
    c->ngram = o->ngram;
    c->stop = o->stop.v;
    c->n_stop = o->stop.n;
}

/* A setting, named as it was given: by its option, or by the folder's file. */
#define NAMED(set, option, key)                                                                    \
    (ts_option_given(set, option) ? "--" option : "generation_config.json's " key)

static ts_status check_options(const ts_gen_options *o, const ts_option_set *set,
                               const ts_gen_config *c)
{
    static const char *const only_sampling[] = { "temperature", "top-k", "top-p", "min-p",
                                                 "seed" };
    if (o->greedy && o->do_sample)
        return ts_error(TS_ERR_USER, "--greedy and --do-sample contradict each other: give one");
    if (o->greedy && c->num_beams > 1)
        return ts_error(TS_ERR_USER,
                        "--greedy and --num-beams %lld contradict each other: give one",
                        (long long)c->num_beams);
    if (c->sampling.do_sample && c->sampling.temperature < LEAST_TEMPERATURE)
        return ts_error(TS_ERR_USER,
                        "%s %g: expected a number above 0, and not below %g (--greedy "
                        "always takes the most probable token)",
                        NAMED(set, "temperature", "temperature"), c->sampling.temperature,
                        LEAST_TEMPERATURE);
    if (c->num_beams > 1 && c->n_stop)
        return ts_error(TS_ERR_USER, "--stop does not go with --num-beams");
    if (c->num_beams > 1 && (o->grammar || o->grammar_file || o->json_schema || o->json_schema_file || o->regex))
        return ts_error(TS_ERR_USER, "grammars and schemas do not go with --num-beams");
    if (o->lookup && o->draft_model)
        return ts_error(TS_ERR_USER, "--prompt-lookup-num-tokens and --draft-model both guess: give one");
    if (c->num_beams > 1 && (o->lookup || o->draft_model))
        return ts_error(TS_ERR_USER, "guesses (--prompt-lookup-num-tokens, --draft-model) do not go with --num-beams");
    ts_option_warn_alone(set, "max-matching-ngram-size", o->lookup > 0, "--prompt-lookup-num-tokens");
    ts_option_warn_alone(set, "num-speculative-tokens", o->draft_model, "--draft-model");
    if (c->num_beams > 1 && c->logprobs)
        return ts_error(TS_ERR_USER, "--logprobs does not go with --num-beams");
    if (c->max_new_tokens && c->sampling.min_new_tokens > c->max_new_tokens)
        return ts_error(TS_ERR_USER, "%s %lld is more than %s %lld",
                        NAMED(set, "min-new-tokens", "min_new_tokens"),
                        (long long)c->sampling.min_new_tokens,
                        NAMED(set, "max-new-tokens", "max_new_tokens"),
                        (long long)c->max_new_tokens);
    for (int64_t i = 0; i < c->n_stop; i++)
        if (!c->stop[i][0])
            return ts_error(TS_ERR_USER, "--stop: the text is empty");
    for (size_t i = 0; i < sizeof only_sampling / sizeof *only_sampling; i++)
        ts_option_warn_alone(set, only_sampling[i], c->sampling.do_sample, "--do-sample");
    ts_option_warn_alone(set, "length-penalty", c->num_beams > 1, "--num-beams above 1");
    ts_option_warn_alone(set, "early-stopping", c->num_beams > 1, "--num-beams above 1");
    ts_option_warn_alone(set, "min-new-tokens", !c->ignore_eos,
                         "end-of-text tokens (--ignore-eos goes on after them)");
    return TS_OK;
}

ts_status ts_gen_config_resolve(const ts_gen_options *o, const ts_option_set *set,
                                const char *folder, const ts_arch *arch, ts_gen_config *out)
{
    ts_gen_config c = { .num_beams = 1,
                        .length_penalty = 1,
                        .sampling = { .temperature = 1, .top_k = 50, .top_p = 1,
                                      .repetition_penalty = 1,
                                      .keep = 1 } };
    TS_TRY(read_folder(folder, &c));
    take_options(o, set, &c);
    TS_TRY(check_options(o, set, &c));
    for (int i = 0; c.sampling.n_eos == 0 && i < arch->n_eos; i++)
        c.sampling.eos[i] = (int32_t)arch->eos[i];
    c.sampling.n_eos = c.sampling.n_eos ? c.sampling.n_eos : arch->n_eos;
    if (c.ignore_eos)
        c.sampling.n_eos = 0;
    if (c.max_new_tokens)
        c.max_length = 0;
    else if (!c.max_length)
        c.max_new_tokens = 128;
    *out = c;
    return TS_OK;
}

/* ---- grammars ---- */

static ts_status of_schema(const char *text, const char *file, ts_str *out)
{
    json_t *schema = NULL;
    const char *name = file ? file : "--json-schema";
    TS_TRY(file ? ts_json_read(file, &schema) : ts_json_parse(text, strlen(text), name, &schema));
    const ts_status st = ts_grammar_of_schema(schema, name, out);
    json_decref(schema);
    return st;
}

ts_status ts_gen_grammar(const ts_gen_options *o, ts_grammar **out)
{
    const int n = !!o->grammar + !!o->grammar_file + !!o->json_schema + !!o->json_schema_file + !!o->regex;
    const char *name = o->grammar_file       ? o->grammar_file
                       : o->json_schema_file ? o->json_schema_file
                       : o->json_schema      ? "--json-schema"
                       : o->regex            ? "--regex"
                                             : "--grammar";
    ts_str text = { 0 };
    *out = NULL;
    if (!n)
        return TS_OK;
    if (n > 1)
        return ts_error(TS_ERR_USER, "--json-schema, --grammar and --regex, and their files: give one");
    ts_status st = o->grammar        ? ts_str_puts(&text, o->grammar)
                   : o->grammar_file ? ts_file_read(o->grammar_file, &text)
                   : o->regex        ? ts_grammar_of_regex(o->regex, "root", &text)
                                     : of_schema(o->json_schema, o->json_schema_file, &text);
    if (st == TS_OK)
        st = ts_grammar_parse(ts_str_text(&text), text.len, name, out);
    ts_str_deinit(&text);
    return st;
}
