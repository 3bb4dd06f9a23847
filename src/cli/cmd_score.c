#include "api/lm_media.h"
#include "api/words.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/processes.h"
#include "infer/deal.h"
#include "infer/score.h"
#include "io/jsonl.h"
#include "io/st_write.h"
#include "model/pictures.h"
#include "text/one_token.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct score_options {
    const char *input, *output, *logits, *record, *replay, *tensors, *media_dir;
    int on_bad_record, pooling;
    bool head, embeddings, unit;
    ts_option_list reward_tokens;
    const char *placeholder;
} score_options;

#define ROW(type, field, name, def, help)                                                          \
    TS_ROW(type, score_options, field, name, def, 0, 0, NULL, "score", help)
static const ts_option score_rows[] = {
    ROW(TEXT, input, "input", NULL,
        "JSON lines with \"ids\" or \"text\" (or \"prompt\" and \"completion\"), also packed (.gz, "
        ".zst); - is the standard input"),
    TS_BAD_RECORD_ROW(score_options, on_bad_record, "score"),
    ROW(TEXT, output, "output", "-", "JSON lines: ids, logprobs, sum, count, greedy"),
    ROW(FLAG, head, "head", NULL,
        "of a model with a head of labels: what it tells of each line from the last token, a label or labels with probabilities, "
        "or numbers"),
    ROW(LIST, reward_tokens, "reward-tokens", NULL,
        "with --reward: of a language model, the reward is the probability of the first of these words among them (one: among all)"),
    ROW(TEXT, placeholder, "placeholder-token", NULL,
        "with --reward-tokens: a reward behind each of these tokens, of which the smallest is the text's, not behind the last one"),
    ROW(FLAG, embeddings, "embeddings", NULL, "the vector of each line, pooled and normalized as modules.json in --load says"),
    TS_ROW(CHOICE, score_options, pooling, "pooling-mode", "last", 0, 0, TS_CHOICES(TS_POOLINGS), "score",
           "with --embeddings: whose vector it is, the last token's, the mean of all or the first one's, whatever --load says"),
    ROW(NOFLAG, unit, "no-normalize-embeddings", NULL, "with --embeddings: vectors as they are, not of length one"),
    ROW(TEXT, logits, "logits", NULL,
        "also write the first line's logits to this safetensors file"),
    ROW(TEXT, tensors, "tensors", NULL,
        "pictures of the lines, of which the placeholders are among the ids: a safetensors file that data show --tensors has written"),
    ROW(TEXT, media_dir, "media-dir", NULL,
        "relative paths of pictures and clips in \"messages\" count from this folder, not from that of --input"),
    TS_ROW_IS(TS_OPTION_PLACE, TEXT, score_options, record, "moe-routing-record", NULL, 0, 0, NULL, "score",
              "a file for the experts that each token goes to in each layer (docs/moe.md)"),
    ROW(TEXT, replay, "moe-routing-replay", NULL,
        "such a file, of the same lines or of a training on them: tokens go to the experts that are in it"),
};

static const char usage[] =
    "usage: tessera score --load DIR --input FILE.jsonl --output OUT.jsonl\n\n"
    "Writes the natural logarithm of each token's probability given those before it (the first is\n"
    "null), their sum, and whether each was the most probable one. Of a model of rewards, with --reward: the\n"
    "reward of each line, at its last token; of one with a head of labels, with --head: its labels or numbers.\n"
    "example: echo '{\"text\": \"The sky is blue.\"}' | tessera score --load models/my-model --input -";

typedef struct scorer {
    score_options o;
    ts_lm lm;
    double *logprobs;
    bool *greedy;
    size_t cap_l, cap_g;
    ts_str line;
    ts_sentence how; /* with --embeddings */
    int32_t *word;   /* with --reward-tokens: [o.reward_tokens.n] */
    int32_t mark;    /* behind which they are told; -1: behind the last token */
    ts_st_file *tensors;
    ts_picture_set seen; /* of the line at hand */
    ts_lm_media media;   /* of lines with messages */
    ts_output out;
    ts_str dealt; /* lines of this process, where they are dealt out */
    int64_t given;    /* lines so far, bad ones too */
    int64_t bad_line; /* the first with a score that is not a number; 0: none */
} scorer;

/* Why a line cannot be scored, with its place. */
static ts_status of_line(ts_jsonl *in, ts_status st)
{
    char why[512];
    if (st != TS_ERR_USER)
        return st;
    snprintf(why, sizeof why, "%s", ts_error_message());
    return ts_jsonl_error(in, "%s", why);
}

static ts_status encode(scorer *s, const json_t *text, const json_t *prompt, const json_t *rest,
                        ts_ids *ids, size_t *first)
{
    *first = 0;
    if (text)
        return ts_text_encode(&s->lm.tok, s->lm.scratch, json_string_value(text),
                              json_string_length(text), ids);
    return ts_text_encode_pair(&s->lm.tok, s->lm.scratch, json_string_value(prompt),
                               json_string_length(prompt), json_string_value(rest),
                               json_string_length(rest), ids, first);
}

/* A conversation, with its pictures. */
static ts_status see_messages(scorer *s, const json_t *line, int32_t **ids, int64_t *n)
{
    TS_TRY(ts_lm_media_read(&s->lm, &s->media, line, s->o.input, s->o.media_dir, false, "messages"));
    *n = (int64_t)s->media.line.ids.n;
    TS_TRY(ts_alloc(ids, (size_t)*n, sizeof **ids));
    memcpy(*ids, s->media.line.ids.v, (size_t)*n * sizeof **ids);
    s->lm.pictures = &s->media.set.p;
    return TS_OK;
}

/* Ids of a line; *first is where scoring begins (behind a prompt). */
static ts_status line_ids(scorer *s, ts_jsonl *in, const json_t *line, int32_t **ids,
                          int64_t *n, int64_t *first)
{
    *first = 1;
    s->lm.pictures = NULL;
    if (ts_lm_sees(&s->lm, line))
        return of_line(in, see_messages(s, line, ids, n));
    if (json_object_get(line, "ids"))
        return ts_jsonl_ids(in, line, s->lm.model.decoder->arch.vocab, ids, n);
    const json_t *text = json_object_get(line, "text"), *prompt = json_object_get(line, "prompt"),
                 *rest = json_object_get(line, "completion");
    if (!json_is_string(text) && !(json_is_string(prompt) && json_is_string(rest)))
        return ts_jsonl_error(in,
                              "\"ids\", \"text\", or \"prompt\" and \"completion\" were expected");
    TS_TRY(ts_lm_need_tokenizer(&s->lm));
    ts_ids out = { 0 };
    size_t behind = 0;
    ts_status st = of_line(
        in, encode(s, json_is_string(text) ? text : NULL, prompt, rest, &out, &behind));
    if (st == TS_OK)
        st = of_line(in, ts_lm_check_text(&s->lm, &out));
    if (st != TS_OK) {
        ts_ids_deinit(&out);
        return st;
    }
    *ids = out.v;
    *n = (int64_t)out.n;
    *first = behind > 0 ? (int64_t)behind : 1;
    return TS_OK;
}

static ts_status begin_line(ts_str *l, const int32_t *ids, int64_t n)
{
    ts_str_reset(l);
    TS_TRY(ts_str_puts(l, "{\"ids\": ["));
    for (int64_t i = 0; i < n; i++)
        TS_TRY(ts_str_printf(l, "%s%d", i ? ", " : "", (int)ids[i]));
    return ts_str_puts(l, "]");
}

static ts_status reward_line(scorer *s, const int32_t *ids, int64_t n, double reward)
{
    TS_TRY(begin_line(&s->line, ids, n));
    TS_TRY(ts_str_puts(&s->line, ", \"reward\": "));
    TS_TRY(ts_str_json_real(&s->line, reward, 9));
    return ts_str_puts(&s->line, "}");
}

static ts_status format_line(scorer *s, const int32_t *ids, int64_t n, int64_t first)
{
    ts_str *l = &s->line;
    double sum = 0;
    TS_TRY(begin_line(l, ids, n));
    TS_TRY(ts_str_puts(l, ", \"logprobs\": [null"));
    for (int64_t i = 1; i < n; i++) {
        TS_TRY(ts_str_puts(l, ", "));
        TS_TRY(ts_str_json_real(l, s->logprobs[i], 9));
        sum += i >= first ? s->logprobs[i] : 0;
    }
    TS_TRY(ts_str_puts(l, "], \"sum\": "));
    TS_TRY(ts_str_json_real(l, sum, 17));
    TS_TRY(ts_str_printf(l, ", \"count\": %lld, \"greedy\": [null",
                         (long long)(n > first ? n - first : 0)));
    for (int64_t i = 1; i < n; i++)
        TS_TRY(ts_str_printf(l, ", %s",
                             isnan(s->logprobs[i]) ? "null"
                             : s->greedy[i]        ? "true"
                                                   : "false"));
    return ts_str_puts(l, "]}");
}

/* Whether all scores are numbers; of what is no number, the first line is remembered. */
static void look_for_nan(scorer *s, int64_t line, const double *v, int64_t n)
{
    for (int64_t i = 0; i < n && !s->bad_line; i++)
        if (!isfinite(v[i]))
            s->bad_line = line;
}

static ts_status write_logits(scorer *s, const int32_t *ids, int64_t n)
{
    const int64_t shape[2] = { n, s->lm.model.decoder->arch.vocab };
    float *z;
    ts_st_writer *w = NULL;
    TS_TRY(ts_alloc(&z, (size_t)(shape[0] * shape[1]), sizeof *z));
    ts_status st = ts_lm_logits(&s->lm, ids, (size_t)n, z);
    if (st == TS_OK)
        st = ts_st_writer_create(s->o.logits, &w);
    if (st == TS_OK)
        st = ts_st_writer_add(w, "logits", TS_ST_F32, 2, shape);
    if (st == TS_OK)
        st = ts_st_writer_begin(w);
    if (st == TS_OK)
        st = ts_st_writer_put(w, 0, 0, z, (size_t)(shape[0] * shape[1]) * sizeof *z);
    if (st == TS_OK)
        st = ts_st_writer_finish(w);
    ts_st_writer_destroy(&w);
    ts_free(&z);
    return st;
}

static ts_status put_reals(ts_str *l, const char *key, const double *v, int64_t n)
{
    TS_TRY(ts_str_printf(l, ", \"%s\": [", key));
    for (int64_t k = 0; k < n; k++) {
        TS_TRY(ts_str_puts(l, k ? ", " : ""));
        TS_TRY(ts_str_json_real(l, v[k], 9));
    }
    return ts_str_puts(l, "]");
}

/* What is told by logits z [n] of one of n labels; they become probabilities. */
static ts_status put_one(ts_str *l, double *z, int64_t n)
{
    int64_t best = 0;
    double sum = 0;
    for (int64_t k = 0; k < n; k++)
        best = z[k] > z[best] ? k : best;
    const double most = z[best];
    for (int64_t k = 0; k < n; k++)
        sum += z[k] = exp(z[k] - most);
    for (int64_t k = 0; k < n; k++)
        z[k] /= sum;
    TS_TRY(ts_str_printf(l, ", \"label\": %lld", (long long)best));
    return put_reals(l, "probabilities", z, n);
}

/* Of any number of them. */
static ts_status put_many(ts_str *l, double *z, int64_t n)
{
    bool any = false;
    TS_TRY(ts_str_puts(l, ", \"labels\": ["));
    for (int64_t k = 0; k < n; k++) {
        if (z[k] > 0) {
            TS_TRY(ts_str_printf(l, "%s%lld", any ? ", " : "", (long long)k));
            any = true;
        }
        z[k] = 1 / (1 + exp(-z[k]));
    }
    TS_TRY(ts_str_puts(l, "]"));
    return put_reals(l, "probabilities", z, n);
}

/* What the head tells of a text: z [labels] twice, of which the second half is written over. */
static ts_status labels_line(scorer *s, const int32_t *ids, int64_t n, double *z)
{
    const ts_arch *a = &s->lm.model.decoder->arch;
    TS_TRY(begin_line(&s->line, ids, n));
    if (a->problem == TS_PROBLEM_SINGLE)
        TS_TRY(put_one(&s->line, z + a->labels, a->labels));
    else if (a->problem == TS_PROBLEM_MULTI)
        TS_TRY(put_many(&s->line, z + a->labels, a->labels));
    TS_TRY(put_reals(&s->line, "logits", z, a->labels));
    return ts_str_puts(&s->line, "}");
}

static ts_status score_labels(scorer *s, ts_jsonl *in, const int32_t *ids, int64_t n)
{
    const int64_t labels = s->lm.model.decoder->arch.labels;
    float *told;
    double *z;
    TS_TRY(ts_alloc(&told, (size_t)labels, sizeof *told));
    ts_status st = ts_alloc(&z, 2 * (size_t)labels, sizeof *z);
    if (st == TS_OK)
        st = ts_lm_labels(&s->lm, ids, (size_t)n, told);
    for (int64_t k = 0; st == TS_OK && k < labels; k++)
        z[k] = z[labels + k] = (double)told[k];
    if (st == TS_OK) {
        look_for_nan(s, in->line, z, labels);
        st = labels_line(s, ids, n, z);
    }
    ts_free(&z);
    ts_free(&told);
    return st;
}

static ts_status score_vector(scorer *s, ts_jsonl *in, const int32_t *ids, int64_t n)
{
    const int64_t width = s->lm.model.decoder->arch.hidden;
    float *v;
    double *x;
    TS_TRY(ts_alloc(&v, (size_t)width, sizeof *v));
    ts_status st = ts_alloc(&x, (size_t)width, sizeof *x);
    if (st == TS_OK)
        st = ts_lm_vector(&s->lm, ids, (size_t)n, &s->how, v);
    for (int64_t i = 0; st == TS_OK && i < width; i++)
        x[i] = (double)v[i];
    if (st == TS_OK) {
        look_for_nan(s, in->line, x, width);
        st = begin_line(&s->line, ids, n);
    }
    if (st == TS_OK)
        st = put_reals(&s->line, "embedding", x, width);
    ts_free(&x);
    ts_free(&v);
    return st == TS_OK ? ts_str_puts(&s->line, "}") : st;
}

static ts_status score_words(scorer *s, ts_jsonl *in, const int32_t *ids, int64_t n, int64_t first)
{
    TS_TRY(ts_grow(&s->logprobs, &s->cap_l, (size_t)n, sizeof *s->logprobs));
    TS_TRY(ts_grow(&s->greedy, &s->cap_g, (size_t)n, sizeof *s->greedy));
    TS_TRY(ts_lm_score(&s->lm, ids, (size_t)n, s->logprobs, s->greedy));
    look_for_nan(s, in->line, s->logprobs, n);
    if (s->o.logits && in->records == 1)
        TS_TRY(write_logits(s, ids, n));
    return format_line(s, ids, n, first);
}

static ts_status score_reward(scorer *s, ts_jsonl *in, const int32_t *ids, int64_t n)
{
    double reward;
    TS_TRY(ts_lm_reward(&s->lm, ids, (size_t)n, &reward));
    look_for_nan(s, in->line, &reward, 1);
    return reward_line(s, ids, n, reward);
}

/* Of a language model that judges: rewards behind each mark, or the last token. */
static ts_status score_judged(scorer *s, ts_jsonl *in, const int32_t *ids, int64_t n)
{
    const int64_t vocab = s->lm.model.decoder->arch.vocab;
    float *z;
    double *rewards = NULL, least = 2;
    int64_t told = 0;
    TS_TRY(ts_alloc(&z, (size_t)(n * vocab), sizeof *z));
    ts_status st = ts_alloc(&rewards, (size_t)n, sizeof *rewards);
    if (st == TS_OK)
        st = ts_lm_logits(&s->lm, ids, (size_t)n, z);
    for (int64_t i = 0; st == TS_OK && i < n; i++)
        if (s->mark < 0 ? i == n - 1 : ids[i] == s->mark) {
            rewards[told] = ts_score_word(z + i * vocab, vocab, s->word, s->o.reward_tokens.n);
            least = fmin(least, rewards[told++]);
        }
    if (st == TS_OK && !told)
        st = ts_jsonl_error(in, "there is no token %s (--placeholder-token)", s->o.placeholder);
    if (st == TS_OK) {
        look_for_nan(s, in->line, rewards, told);
        st = begin_line(&s->line, ids, n);
    }
    if (st == TS_OK && s->mark >= 0)
        st = put_reals(&s->line, "rewards", rewards, told);
    if (st == TS_OK)
        st = ts_str_puts(&s->line, ", \"reward\": ");
    if (st == TS_OK)
        st = ts_str_json_real(&s->line, least, 9);
    ts_free(&rewards);
    ts_free(&z);
    return st == TS_OK ? ts_str_puts(&s->line, "}") : st;
}

/* Pictures of the line, by its number among the records. */
static ts_status see_line(scorer *s, const ts_jsonl *in, const int32_t *ids, int64_t n)
{
    ts_picture_set_deinit(&s->seen);
    s->lm.pictures = NULL;
    TS_TRY(ts_picture_set_read(&s->lm.model.decoder->arch, s->tensors, in->records - 1, ids, n, s->o.tensors, &s->seen));
    s->lm.pictures = &s->seen.p;
    return TS_OK;
}

static ts_status score_line(scorer *s, ts_jsonl *in, const json_t *line)
{
    int32_t *ids = NULL;
    int64_t n, first;
    TS_TRY(line_ids(s, in, line, &ids, &n, &first));
    ts_status st = n > 0 ? TS_OK : ts_jsonl_error(in, "there are no tokens to score");
    if (st == TS_OK && s->tensors)
        st = of_line(in, see_line(s, in, ids, n));
    if (st == TS_OK)
        st = s->o.head         ? score_labels(s, in, ids, n)
             : s->o.embeddings ? score_vector(s, in, ids, n)
             : s->word         ? score_judged(s, in, ids, n)
             : s->lm.o.reward  ? score_reward(s, in, ids, n)
                               : score_words(s, in, ids, n, first);
    if (st == TS_OK)
        st = ts_lm_leaders(&s->lm) ? ts_deal_put(&s->dealt, s->given, s->line.s, s->line.len) : ts_jsonl_out_line(&s->out, &s->line);
    ts_free(&ids);
    return st;
}

static ts_status no_number(const scorer *s)
{
    return ts_lm_explain(&s->lm, ts_error(TS_ERR_RUN, "line %lld: a %s is not a number",
                                          (long long)s->bad_line, s->o.head ? "logit" : s->o.embeddings ? "vector" : s->lm.o.reward ? "reward" : "log-probability"));
}

static ts_status write_dealt(void *ctx, const char *line, size_t n)
{
    scorer *s = ctx;
    ts_str_reset(&s->line);
    TS_TRY(ts_str_add(&s->line, line, n));
    return ts_jsonl_out_line(&s->out, &s->line);
}

/* What the models of several processes have told, in the order of the input. */
static ts_status collect(scorer *s, ts_status st)
{
    ts_comm *c = ts_lm_leaders(&s->lm);
    TS_TRY(ts_comm_agree(c, st));
    return ts_comm_agree(c, ts_deal_collect(c, &s->dealt, write_dealt, s));
}

static bool is_mine(const scorer *s)
{
    const ts_comm *c = ts_lm_leaders(&s->lm);
    return !c || ts_deal_is_mine(c, s->given - 1);
}

static ts_status score_file(scorer *s)
{
    ts_jsonl in;
    const bool writes = !(s->lm.world && s->lm.world->rank);
    static const char *const keys[] = { "ids", "text", "prompt", "completion", "messages", "images", "videos", "audios",
                                        "use_audio_in_video" };
    ts_status st = ts_jsonl_open(s->o.input, keys, sizeof keys / sizeof *keys,
                                 (ts_on_bad_record)s->o.on_bad_record, &in);
    if (st == TS_OK && writes)
        st = ts_jsonl_out_open(s->o.output, &s->out);
    while (st == TS_OK) {
        json_t *line;
        st = ts_jsonl_next(&in, &line);
        if (st != TS_OK || !line)
            break;
        s->given++;
        if (is_mine(s))
            st = ts_jsonl_done(&in, score_line(s, &in, line));
        json_decref(line);
    }
    if (ts_lm_leaders(&s->lm))
        st = collect(s, st);
    if (st == TS_OK && writes)
        st = ts_output_finish(&s->out);
    ts_output_abandon(&s->out);
    ts_jsonl_close(&in);
    return st == TS_OK && s->bad_line ? no_number(s) : st;
}

static ts_status check_vectors(scorer *s, const ts_option_set *set)
{
    const bool tells = s->o.head || s->lm.o.reward || s->o.logits || s->o.record || s->o.replay;
    bool found;
    ts_option_warn_alone(set, "pooling-mode", s->o.embeddings, "--embeddings");
    ts_option_warn_alone(set, "no-normalize-embeddings", s->o.embeddings, "--embeddings");
    if (!s->o.embeddings)
        return TS_OK;
    if (tells)
        return ts_error(TS_ERR_USER, "--embeddings writes vectors alone: leave --head, --reward, --logits and --moe-routing-record "
                                     "and -replay out");
    s->how = (ts_sentence){ .unit = true };
    TS_TRY(ts_sentence_read(s->lm.rt.load, &s->how, &found));
    if (ts_option_given(set, "pooling-mode"))
        s->how.pooling = (ts_pooling)s->o.pooling;
    s->how.unit = s->how.unit && s->o.unit;
    return TS_OK;
}

/* The words of a language model that judges; before it is opened, and behind that. */
static ts_status check_words(scorer *s)
{
    if (s->o.reward_tokens.n && !s->lm.o.reward)
        return ts_error(TS_ERR_USER, "--reward-tokens goes with --reward");
    if (s->o.placeholder && !s->o.reward_tokens.n)
        return ts_error(TS_ERR_USER, "--placeholder-token goes with --reward-tokens");
    if (s->o.reward_tokens.n)
        s->lm.o.reward = false; /* it has no head of its own for that */
    return TS_OK;
}

static ts_status find_words(scorer *s)
{
    const ts_option_list *words = &s->o.reward_tokens;
    const int64_t vocab = s->lm.model.decoder->arch.vocab;
    s->mark = -1;
    if (!words->n)
        return TS_OK;
    TS_TRY(ts_lm_find_tokenizer(&s->lm));
    const ts_tokenizer *tok = s->lm.has_tok ? s->lm.tok.tok : NULL;
    TS_TRY(ts_alloc(&s->word, (size_t)words->n, sizeof *s->word));
    for (int64_t i = 0; i < words->n; i++)
        TS_TRY(ts_one_token(tok, "reward-tokens", words->v[i], vocab, &s->word[i]));
    return s->o.placeholder ? ts_one_token(tok, "placeholder-token", s->o.placeholder, vocab, &s->mark) : TS_OK;
}

static ts_status open_model(scorer *s, const ts_option_set *set)
{
    if (!s->lm.rt.load || !s->o.input)
        return ts_error(TS_ERR_USER, "--%s is missing", s->lm.rt.load ? "input" : "load");
    if (s->o.logits && s->o.output && ts_output_is_same(s->o.logits, s->o.output))
        return ts_error(TS_ERR_USER, "--logits %s and --output %s name the same file: give two",
                        s->o.logits, s->o.output);
    if (s->o.logits && s->lm.o.reward)
        return ts_error(TS_ERR_USER, "--logits: a model of rewards (--reward) has none: leave one out");
    TS_TRY(ts_output_check("--output", s->o.output));
    if (s->o.logits)
        TS_TRY(ts_output_check("--logits", s->o.logits));
    if (s->o.replay && s->o.logits)
        return ts_error(TS_ERR_USER, "--moe-routing-replay is of scores, not of --logits: leave one out");
    if (s->o.record && s->o.replay)
        return ts_error(TS_ERR_USER, "--moe-routing-record and --moe-routing-replay: what is replayed is chosen by nobody: "
                                     "give one");
    if (s->o.record)
        TS_TRY(ts_output_check("--moe-routing-record", s->o.record));
    if (s->o.head && s->lm.o.reward)
        return ts_error(TS_ERR_USER, "--head and --reward are of different models: give one");
    if (s->o.head && (s->o.logits || s->o.record || s->o.replay))
        return ts_error(TS_ERR_USER, "--head tells labels: leave --logits, --moe-routing-record and --moe-routing-replay out");
    TS_TRY(check_vectors(s, set));
    TS_TRY(check_words(s));
    s->lm.o.classes = s->o.head;
    return ts_lm_begin(&s->lm);
}

static ts_status open_rest(scorer *s)
{
    if (ts_lm_leaders(&s->lm) && !strcmp(s->o.input, "-"))
        return ts_error(TS_ERR_USER, "--input -: of several processes one alone has the standard input, and lines are dealt to "
                                     "%d: give a file", s->lm.model_group->models);
    TS_TRY(find_words(s));
    if (s->o.tensors)
        TS_TRY(ts_st_file_open(s->o.tensors, &s->tensors));
    return s->o.record || s->o.replay ? ts_lm_routing(&s->lm, s->o.record, s->o.replay) : TS_OK;
}

static void close_all(scorer *s)
{
    ts_lm_end(&s->lm);
    ts_picture_set_deinit(&s->seen);
    ts_lm_media_close(&s->media);
    ts_st_file_destroy(&s->tensors);
    ts_free(&s->logprobs);
    ts_free(&s->greedy);
    ts_free(&s->word);
    ts_str_deinit(&s->dealt);
    ts_str_deinit(&s->line);
}

static ts_status lead(scorer *s)
{
    ts_status st = open_rest(s);
    if (ts_lm_leaders(&s->lm))
        st = ts_comm_agree(s->lm.model_group->leaders, st);
    if (st == TS_OK)
        st = score_file(s);
    return st == TS_OK && s->o.record ? ts_lm_routing(&s->lm, NULL, NULL) : st;
}

static ts_status score(scorer *s, const ts_option_set *set)
{
    ts_status st = open_model(s, set);
    if (st == TS_OK)
        st = ts_lm_follows(&s->lm) ? ts_lm_follow(&s->lm) : ts_lm_dismiss(&s->lm, lead(s));
    st = ts_device_explain(s->lm.dev, st);
    close_all(s);
    return st;
}

static ts_status run(int argc, char *const *argv);
const ts_command ts_cmd_score = { "score", "log-probabilities of given texts or tokens", run };

static ts_status run(int argc, char *const *argv)
{
    scorer s = { 0 };
    const ts_option_table tables[] = {
        { score_rows, sizeof score_rows / sizeof *score_rows, &s.o },
        { ts_lm_option_rows, ts_lm_option_count, &s.lm.o },
        { ts_model_group_option_rows, ts_model_group_option_count, &s.lm.cut },
        { ts_lm_reward_rows, ts_lm_reward_count, &s.lm.o },
        { ts_text_option_rows, ts_text_option_count, &s.lm.to },
        { ts_runtime_option_rows, ts_runtime_option_count, &s.lm.rt },
    };
    ts_option_set *set;
    bool helped;
    TS_TRY(ts_command_options(&ts_cmd_score, usage, tables, sizeof tables / sizeof *tables, argc, argv, &set, &helped));
    if (helped)
        return TS_OK;
    ts_status st = ts_comm_world(&s.lm.world);
    if (st == TS_OK) {
        ts_processes_log((ts_log_level)s.lm.rt.log_level, s.lm.world);
        ts_words_log_notes(set);
        st = score(&s, set);
        st = ts_processes_end(&s.lm.world, st);
    }
    ts_option_set_destroy(&set);
    return st;
}
