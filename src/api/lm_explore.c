#include "api/lm_explore.h"

#include "base/log.h"

#define GROUP "exploring"
#define NUMBER "-?\\$?[0-9]+(?:,[0-9]{3})*(?:\\.[0-9]+)?"
#define ROW(type, field, name, def, lo, hi, help) TS_ROW(type, ts_lm_explore_options, field, name, def, lo, hi, NULL, GROUP, help)
#define CHOICE(field, name, def, list, help)                                                                             \
    TS_ROW(CHOICE, ts_lm_explore_options, field, name, def, 0, 0, TS_CHOICES(list), GROUP, help)

const ts_option ts_lm_explore_rows[] = {
    CHOICE(approach, "approach", "none", TS_APPROACHES,
           "of a prompt several answers are begun and one is chosen: chains of thought behind different first tokens, draws that "
           "are scored or voted on, beams of steps that a reward guides (all in one tree, or in several), a tree by shares"),
    ROW(INT, n, "n", "8", 1, TS_EXPLORE_MOST, "with --approach: answers, or places in a tree"),
    ROW(INT, beam_width, "beam-width", "4", 1, TS_EXPLORE_MOST,
        "with --approach beam_search or dvts: a beam that goes on does so so many times; it divides --n"),
    ROW(INT, iterations, "num-iterations", "40", 1, 1 << 20, "of steps; the last one goes to the answer's end"),
    ROW(TEXT, delimiter, "step-delimiter", NULL, 0, 0, "the text at which a step ends (default: an empty line)"),
    ROW(INT, step_tokens, "step-tokens", "2048", 1, 1 << 30, "tokens of a step, at most"),
    ROW(INT, budget, "max-total-tokens", "0", 0, 9e15,
        "new tokens of all answers to a prompt together, which they share out evenly (0: any number)"),
    ROW(REAL, temperature, "rebase-temperature", "0.1", 1e-6, 1e6,
        "with --approach rebase: how evenly places are shared out, softmax(reward / it)"),
    CHOICE(steps, "agg-strategy", "last", TS_STEP_SCORES, "what the rewards of an answer's steps come to"),
    CHOICE(vote, "vote", "best", TS_VOTES,
           "which answer is chosen: the one of the best score, the one that most tell, or the one whose scores sum to most "
           "(default: weighted of cot_decoding, majority of self_consistency, else best)"),
    ROW(TEXT, regex, "answer-regex", NULL, 0, 0,
        "a regular expression (Python's) whose last match, or that of its first group, is what an answer tells (default: the last number "
        "in cot_decoding and self_consistency)"),
};
const size_t ts_lm_explore_count = sizeof ts_lm_explore_rows / sizeof *ts_lm_explore_rows;

/* ---- options ---- */

/* Options that mean something of some approaches alone are no mistake, but said. */
static void warn(const ts_lm_explore_options *o, const ts_option_set *set)
{
    static const char *const any[] = { "n", "max-total-tokens", "vote", "answer-regex" },
                      *const steps[] = { "num-iterations", "step-delimiter", "step-tokens", "agg-strategy" },
                      *const reward[] = { "reward-model", "reward-tokens", "reward-suffix", "no-post-layer-norm" };
    const ts_approach a = (ts_approach)o->approach;
    for (size_t i = 0; i < sizeof any / sizeof *any; i++)
        ts_option_warn_alone(set, any[i], a != TS_APPROACH_NONE, "--approach");
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        ts_option_warn_alone(set, steps[i], ts_approach_has_steps(a), "--approach beam_search, dvts or rebase");
    for (size_t i = 0; i < sizeof reward / sizeof *reward; i++)
        ts_option_warn_alone(set, reward[i], a != TS_APPROACH_NONE && a != TS_APPROACH_COT, "an --approach that scores answers");
    ts_option_warn_alone(set, "beam-width", a == TS_APPROACH_BEAMS || a == TS_APPROACH_DVTS,
                         "--approach beam_search or dvts (--num-beams: beams of tokens)");
    ts_option_warn_alone(set, "rebase-temperature", a == TS_APPROACH_REBASE, "--approach rebase");
}

ts_status ts_lm_explore_check(const ts_lm_explore_options *o, const ts_option_set *set, ts_gen_options *go)
{
    const ts_approach a = (ts_approach)o->approach;
    const bool beams = a == TS_APPROACH_BEAMS || a == TS_APPROACH_DVTS;
    warn(o, set);
    if (a == TS_APPROACH_NONE)
        return TS_OK;
    if (a == TS_APPROACH_COT && go->do_sample)
        return ts_error(TS_ERR_USER, "--approach cot_decoding goes on greedily: leave --do-sample out");
    if (ts_approach_draws(a) && go->greedy)
        return ts_error(TS_ERR_USER, "--approach draws its answers: leave --greedy out");
    if (go->lookup || go->draft_model)
        return ts_error(TS_ERR_USER, "guesses (--prompt-lookup-num-tokens, --draft-model) do not go with --approach");
    if (ts_approach_rewards(a) && !o->reward.model)
        return ts_error(TS_ERR_USER, "--approach needs --reward-model, which scores the answers");
    if (beams && o->n % o->beam_width)
        return ts_error(TS_ERR_USER, "--beam-width %lld does not divide --n %lld", (long long)o->beam_width, (long long)o->n);
    if (a == TS_APPROACH_COT && o->n > TS_CHOICE_MOST_TOP)
        return ts_error(TS_ERR_USER, "--n %lld: --approach cot_decoding branches at %d first tokens at most", (long long)o->n,
                        TS_CHOICE_MOST_TOP);
    if (o->budget && o->budget < o->n)
        return ts_error(TS_ERR_USER, "--max-total-tokens %lld is less than a token for each of --n %lld answers",
                        (long long)o->budget, (long long)o->n);
    if (o->delimiter && !o->delimiter[0])
        return ts_error(TS_ERR_USER, "--step-delimiter: the text is empty");
    go->do_sample = ts_approach_draws(a);
    return TS_OK;
}

/* ---- opening ---- */

static ts_vote vote_of(const ts_lm_explore_options *o, const ts_option_set *set)
{
    if (ts_option_given(set, "vote"))
        return (ts_vote)o->vote;
    return o->approach == TS_APPROACH_COT                ? TS_VOTE_WEIGHTED
           : o->approach == TS_APPROACH_SELF_CONSISTENCY ? TS_VOTE_MAJORITY
                                                         : TS_VOTE_BEST;
}

static ts_status check_votes(const ts_lm *lm, const ts_lm_explore_options *o, const ts_lm_explorer *x)
{
    const bool scores = o->approach == TS_APPROACH_COT || o->reward.model;
    if (x->o.vote != TS_VOTE_MAJORITY && !scores)
        return ts_error(TS_ERR_USER, "--vote best and weighted go by scores, which --reward-model gives");
    if (!ts_lm_has_text(lm) && (x->o.vote != TS_VOTE_BEST || o->regex))
        return ts_error(TS_ERR_USER, "--vote and --answer-regex are of texts, and %s has no tokenizer%s",
                        lm->model.folder ? lm->model.folder : "the checkpoint",
                        o->approach == TS_APPROACH_COT ? " (--vote best goes without)" : "");
    return TS_OK;
}

ts_status ts_lm_explore_open(const ts_lm *lm, const ts_lm_explore_options *o, const ts_option_set *set, const ts_gen_config *c,
                             ts_lm_explorer *x)
{
    const ts_approach a = (ts_approach)o->approach;
    const bool numbers = a == TS_APPROACH_COT || a == TS_APPROACH_SELF_CONSISTENCY;
    x->o = (ts_explore_options){ .approach = a, .n = o->n, .m = a == TS_APPROACH_BEAMS || a == TS_APPROACH_DVTS ? o->beam_width : 0,
                                 .most_steps = o->iterations, .step_tokens = o->step_tokens,
                                 .delimiter = o->delimiter ? o->delimiter : "\n\n", .budget = o->budget,
                                 .temperature = o->temperature, .steps = (ts_step_score)o->steps, .vote = vote_of(o, set) };
    if (a == TS_APPROACH_NONE)
        return TS_OK;
    if (c->num_beams > 1)
        return ts_error(TS_ERR_USER, "--approach does not go with beams of tokens (%s)",
                        ts_option_given(set, "num-beams") ? "--num-beams" : "num_beams of generation_config.json: --num-beams 1");
    TS_TRY(check_votes(lm, o, x));
    if (o->regex || (numbers && ts_lm_has_text(lm)))
        TS_TRY(ts_pyregex_create(o->regex ? o->regex : NUMBER, "--answer-regex", &x->regex));
    x->has_rewarder = o->reward.model && a != TS_APPROACH_COT;
    return x->has_rewarder ? ts_rewarder_open(lm, &o->reward, &x->rewarder) : TS_OK;
}

void ts_lm_explore_close(ts_lm_explorer *x)
{
    ts_pyregex_destroy(&x->regex);
    ts_rewarder_close(&x->rewarder);
}

/* ---- running ---- */

static ts_status on_reward(void *ctx, const ts_prompt *prompt, const int32_t *ids, int64_t n, double *out)
{
    ts_lm_explorer *x = ctx;
    return ts_rewarder_tell(&x->rewarder, prompt, ids, n, out);
}

static ts_status on_answer(void *ctx, const char *text, size_t n, size_t *from, size_t *upto, bool *found)
{
    const ts_lm_explorer *x = ctx;
    return ts_pyregex_find(x->regex, text, n, -1, from, upto, found);
}

static int64_t longest(const ts_gen_line *lines, size_t n)
{
    int64_t most = 1;
    for (size_t i = 0; i < n; i++)
        most = lines[i].prompt.n + lines[i].max_new > most ? lines[i].prompt.n + lines[i].max_new : most;
    return most;
}

static bool tells(const ts_exploration *e)
{
    for (size_t i = 0; i < e->n; i++)
        if (e->paths[i].has_answer)
            return true;
    return false;
}

ts_status ts_lm_explore_run(ts_lm *lm, ts_lm_explorer *x, const ts_gen_config *c, int64_t batch, const ts_gen_line *lines,
                            size_t n, ts_lm_explored_fn *done, void *ctx)
{
    const ts_explore_hooks hooks = { x, x->has_rewarder ? on_reward : NULL, x->regex ? on_answer : NULL };
    const ts_tokenizer *tok = ts_lm_has_text(lm) ? lm->tok.tok : NULL;
    ts_explorer *explorer;
    size_t mute = 0;
    TS_TRY(ts_lm_need_words(lm, "ts_lm_explore", true));
    TS_TRY(ts_explorer_create(lm->model.decoder, c, &x->o, tok, &hooks, batch, longest(lines, n), &explorer));
    ts_status st = TS_OK;
    for (size_t i = 0; st == TS_OK && i < n; i++) {
        ts_exploration e = { 0 };
        st = ts_explore(explorer, &lines[i], &e);
        mute += st == TS_OK && x->regex && !tells(&e);
        if (st == TS_OK)
            st = done(ctx, &lines[i], &e);
        ts_exploration_deinit(&e);
    }
    ts_explorer_destroy(&explorer);
    if (st == TS_OK && mute)
        ts_log(TS_LOG_WARN, "%zu of %zu lines have no answer that --answer-regex finds: chosen without a vote", mute, n);
    return st;
}
