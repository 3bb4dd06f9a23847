#include "train/head_options.h"

#include "base/mem.h"

#include <string.h>

#define RUN(type, field, name, def, lo, hi, choices, help)                                         \
    TS_ROW_IS(TS_OPTION_DECIDES, type, ts_head_options, field, name, def, lo, hi, choices, "heads", help)

/* A text of the row, and of the query. */
enum { NEGATIVES_MOST = TS_ROW_KEYS - 2 };

const ts_option ts_head_option_rows[] = {
    RUN(INT, labels, "num-labels", "0", 0, 1 << 20, NULL,
        "--stage cls, reg: labels of a text (0: 2 of cls, 1 of reg); a head for them (score) takes the output layer's place, with "
        "random values where --load has none"),
    RUN(CHOICE, problem, "problem-type", "single_label_classification", 0, 0, TS_CHOICES(TS_PROBLEMS),
        "--stage cls: a text has one of the labels, or any number of them, or of each a number (which is --stage reg)"),
    RUN(INT, negatives, "num-negatives", "0", 0, NEGATIVES_MOST, NULL,
        "--stage embed, rerank: texts of a record that do not belong to its query, so many of each record"),
    RUN(CHOICE, rank_loss, "rerank-loss", "pointwise", 0, 0, TS_CHOICES(TS_RANK_LOSSES),
        "--stage rerank: each text belongs to the query or not; the positive one is the best of them all; it is better than each "
        "of the others"),
    RUN(CHOICE, pooling, "pooling-mode", "last", 0, 0, TS_CHOICES(TS_POOLINGS),
        "--stage embed: a text's vector is its last token's, the mean of all, or the first one's"),
    RUN(REAL, temperature, "contrastive-temperature", "0.05", 1e-6, 1e6, NULL,
        "--stage embed: what products of vectors are divided by (sentence-transformers' scale is its inverse)"),
    RUN(NOFLAG, unit, "no-normalize-embeddings", NULL, 0, 0, NULL, "--stage embed: vectors as they are, not of length one"),
    RUN(LIST, dims, "matryoshka-dims", NULL, 0, 0, NULL,
        "--stage embed: the first so many numbers of a vector are trained as vectors of their own too, such as 64 128 256"),
    RUN(FLAG, gathers, "gather-across-devices", NULL, 0, 0, NULL,
        "--stage embed: a query's text is told from those of all data-parallel processes' micro-batches, not of its own alone"),
};
const size_t ts_head_option_count = sizeof ts_head_option_rows / sizeof *ts_head_option_rows;

const ts_option ts_head_later_rows[] = {
    TS_LATER("num-labels", 1, NULL, TS_SUBJECT_TUNING),
};
const size_t ts_head_later_count = sizeof ts_head_later_rows / sizeof *ts_head_later_rows;

enum { CLASSES = 1 << TS_STAGE_CLASSES, REGRESSION = 1 << TS_STAGE_REGRESSION, EMBED = 1 << TS_STAGE_EMBED,
       RERANK = 1 << TS_STAGE_RERANK };

/* Which stages read an option, and how the reader would type them. */
static const struct {
    const char *name;
    int stages;
    const char *partner;
} readers[] = {
    { "num-labels", CLASSES | REGRESSION, "--stage cls or reg" },
    { "problem-type", CLASSES | REGRESSION, "--stage cls or reg" },
    { "num-negatives", EMBED | RERANK, "--stage embed or rerank" },
    { "rerank-loss", RERANK, "--stage rerank" },
    { "pooling-mode", EMBED, "--stage embed" },
    { "contrastive-temperature", EMBED, "--stage embed" },
    { "no-normalize-embeddings", EMBED, "--stage embed" },
    { "matryoshka-dims", EMBED, "--stage embed" },
    { "gather-across-devices", EMBED, "--stage embed" },
};

void ts_head_options_warn(int stage, const ts_option_set *set)
{
    for (size_t i = 1; i < sizeof readers / sizeof *readers; i++) /* the first is refused */
        ts_option_warn_alone(set, readers[i].name, readers[i].stages >> stage & 1, readers[i].partner);
}

/* Texts are no conversations. */
static ts_status check_texts(const char *stage, const ts_option_set *set)
{
    static const char *const talk[] = { "hf-chat-template", "chat-template", "prompt-type", "mask-history", "map-keys" };
    if (ts_option_is_on(set, "pack") || ts_option_is_on(set, "reset-attention-mask"))
        return ts_error(TS_ERR_USER, "--stage %s: a row is one text: leave --pack and --reset-attention-mask out", stage);
    for (size_t i = 0; i < sizeof talk / sizeof *talk; i++)
        if (ts_option_is_on(set, talk[i]))
            return ts_error(TS_ERR_USER, "--stage %s: --%s is of conversations, and lines are texts (docs/heads.md)", stage, talk[i]);
    return TS_OK;
}

static ts_status check_labels(const ts_head_options *o, int stage, const ts_option_set *set)
{
    if (ts_option_given(set, "num-labels") && !o->labels)
        return ts_error(TS_ERR_USER, "--num-labels 0: a head tells at least one number of a text");
    if (stage == TS_STAGE_REGRESSION && ts_option_given(set, "problem-type") && o->problem != TS_PROBLEM_REGRESSION)
        return ts_error(TS_ERR_USER, "--problem-type goes with --stage cls, or is regression: that is what --stage reg trains for");
    if (stage == TS_STAGE_CLASSES && o->problem == TS_PROBLEM_SINGLE && o->labels == 1)
        return ts_error(TS_ERR_USER, "--num-labels 1: all texts would have the one label: give 2 or more, or --problem-type "
                                     "multi_label_classification or regression");
    return TS_OK;
}

ts_status ts_head_options_check(const ts_head_options *o, int stage, const ts_option_set *set)
{
    static const char *const words[] = { [TS_STAGE_CLASSES] = "cls", [TS_STAGE_REGRESSION] = "reg", [TS_STAGE_EMBED] = "embed",
                                         [TS_STAGE_RERANK] = "rerank" };
    if (ts_option_is_on(set, "num-labels") && !(readers[0].stages >> stage & 1))
        return ts_error(TS_ERR_USER, "--num-labels goes with %s", readers[0].partner);
    if (!ts_head_on(stage))
        return TS_OK;
    TS_TRY(check_texts(words[stage], set));
    if (stage == TS_STAGE_RERANK && o->rank_loss != TS_RANK_POINTWISE && !o->negatives)
        return ts_error(TS_ERR_USER, "--rerank-loss %s compares a text that belongs to the query with others: give --num-negatives",
                        o->rank_loss == TS_RANK_LISTWISE ? "listwise" : "pairwise");
    return check_labels(o, stage, set);
}

int64_t ts_head_labels(const ts_head_options *o, int stage)
{
    if (stage == TS_STAGE_RERANK)
        return 1;
    if (stage != TS_STAGE_CLASSES && stage != TS_STAGE_REGRESSION)
        return 0;
    return o->labels ? o->labels : ts_head_problem(o, stage) == TS_PROBLEM_REGRESSION ? 1 : 2;
}

ts_problem ts_head_problem(const ts_head_options *o, int stage)
{
    return stage == TS_STAGE_REGRESSION ? TS_PROBLEM_REGRESSION
           : stage == TS_STAGE_RERANK   ? TS_PROBLEM_MULTI
                                        : (ts_problem)o->problem;
}

ts_texts ts_head_texts(const ts_head_options *o, int stage)
{
    const ts_problem problem = ts_head_problem(o, stage);
    if (stage == TS_STAGE_EMBED || stage == TS_STAGE_RERANK)
        return (ts_texts){ .kind = stage == TS_STAGE_EMBED ? TS_TEXTS_MATCH : TS_TEXTS_RANK,
                           .each = o->negatives + (stage == TS_STAGE_EMBED ? 2 : 1) };
    return (ts_texts){ .kind = problem == TS_PROBLEM_SINGLE ? TS_TEXTS_CLASS : TS_TEXTS_NUMBERS,
                       .labels = ts_head_labels(o, stage), .shares = problem == TS_PROBLEM_MULTI, .each = 1 };
}

static ts_told_form form_of(const ts_head_options *o, int stage)
{
    if (stage == TS_STAGE_RERANK)
        return o->rank_loss == TS_RANK_LISTWISE   ? TS_TOLD_CHOICE
               : o->rank_loss == TS_RANK_PAIRWISE ? TS_TOLD_AHEAD
                                                  : TS_TOLD_BINARY;
    const ts_problem problem = ts_head_problem(o, stage);
    return stage == TS_STAGE_EMBED || problem == TS_PROBLEM_SINGLE ? TS_TOLD_CHOICE
           : problem == TS_PROBLEM_MULTI                           ? TS_TOLD_BINARY
                                                                   : TS_TOLD_SQUARE;
}

ts_pooled_rules ts_head_rules(const ts_head_options *o, int stage, bool pads_left)
{
    const ts_texts texts = ts_head_texts(o, stage);
    const bool matches = stage == TS_STAGE_EMBED;
    return (ts_pooled_rules){ .form = form_of(o, stage), .scale = matches ? 1 / o->temperature : 1,
                              .passed = -1, .pooling = matches ? (ts_pooling)o->pooling : TS_POOL_LAST, .pads_left = pads_left,
                              .each = texts.each, .numbers = ts_texts_numbers(&texts), .matches = matches, .unit = o->unit };
}

ts_status ts_head_dims(const ts_head_options *o, int64_t hidden, int64_t **out, int64_t *n)
{
    int64_t *own, *all = NULL;
    TS_TRY(ts_option_numbers("matryoshka-dims", &o->dims, &own, n));
    ts_status st = ts_alloc(&all, (size_t)*n + 1, sizeof *all);
    if (st == TS_OK)
        all[0] = hidden;
    for (int64_t i = 0; st == TS_OK && i < *n; i++) {
        all[1 + i] = own[i];
        if (own[i] < 1 || own[i] >= hidden)
            st = ts_error(TS_ERR_USER, "--matryoshka-dims %lld: the model's vectors have %lld numbers: give fewer, at least 1",
                          (long long)own[i], (long long)hidden);
    }
    ts_free(&own);
    if (st != TS_OK) {
        ts_free(&all);
        return st;
    }
    *out = all;
    ++*n;
    return TS_OK;
}
