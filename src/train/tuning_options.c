#include "train/tuning_options.h"

#define RUN(type, field, name, def, lo, hi, choices, help)                                         \
    TS_ROW_IS(TS_OPTION_DECIDES, type, ts_tuning_options, field, name, def, lo, hi, choices, "tuning", help)

const ts_option ts_tuning_option_rows[] = {
    RUN(CHOICE, stage, "stage", "pt", 0, 0, TS_CHOICES(TS_STAGES),
        "what is trained for: cls classes of texts, reg numbers, embed vectors, rerank which text belongs to a query; sft answers; dpo, simpo, orpo, kto preferences; rm (orm), prm rewards (pt: text, as `pretrain`)"),
    RUN(FLAG, instruction, "is-instruction-dataset", NULL, 0, 0, NULL,
        "--data-path names samples with labels, PREFIX of PREFIX_packed_KEY_document (sft; the stage says so too)"),
    RUN(FLAG, pairwise, "is-pairwise-dataset", NULL, 0, 0, NULL,
        "... with a chosen and a rejected answer (the other stages)"),
    RUN(NOFLAG, shuffles, "no-shuffle", NULL, 0, 0, NULL, "samples in the order of the files in every epoch"),
    RUN(NOFLAG, shuffles, "disable-shuffling", NULL, 0, 0, NULL, "as --no-shuffle"),
    RUN(FLAG, padded_samples, "padded-samples", NULL, 0, 0, NULL,
        "epochs are filled up to whole global batches with the first samples again"),
    RUN(FLAG, full_shuffle, "full-shuffle-instruction-dataset", NULL, 0, 0, NULL,
        "all epochs are shuffled together once more"),
    RUN(NOFLAG, pads, "no-pad-to-seq-lengths", NULL, 0, 0, NULL,
        "micro-batches are as long as their longest sample, not --seq-length: the same losses in less time "
        "(--variable-seq-lengths is the same here)"),
    RUN(INT, multiple, "pad-to-multiple-of", "8", 1, 1 << 20, NULL,
        "with --no-pad-to-seq-lengths: lengths are rounded up to a multiple of this"),
    RUN(CHOICE, padding_side, "tokenizer-padding-side", "right", 0, 0, TS_CHOICES(TS_PADDING_SIDES),
        "where short samples are filled up"),
    TS_NOTE("cut-max-seqlen", TS_OPTION_ANY, "tuning", "samples are cut to --seq-length always, but for --no-cut-token"),
    RUN(NOFLAG, cuts, "no-cut-token", NULL, 0, 0, NULL, "samples longer than --seq-length are refused, not cut"),
    RUN(FLAG, neat_pack, "neat-pack", NULL, 0, 0, NULL,
        "attention_mask numbers the documents of a packed sample; with --reset-attention-mask they do not see each other "
        "and positions restart"),
    RUN(INT, piece, "fix-sub-seq-length", "0", 0, 1 << 26, NULL,
        "with --reset-attention-mask: documents are cut into pieces of so many tokens, as a benchmark"),
    RUN(REAL, noise_alpha, "neftune-noise-alpha", "0", 0, 1e6, NULL,
        "noise on the embeddings while training, up to this / sqrt(length x hidden size) (NEFTune, as transformers adds it)"),
    RUN(FLAG, per_token_loss, "calculate-per-token-loss", NULL, 0, 0, NULL,
        "the loss is the mean over all trained tokens of the global batch, not the mean over micro-batches of theirs"),
};
const size_t ts_tuning_option_count = sizeof ts_tuning_option_rows / sizeof *ts_tuning_option_rows;

#define SFT TS_SUBJECT_TUNING
const ts_option ts_tuning_later_rows[] = {
    TS_LATER("stage", 1, "pt", SFT),
    TS_LATER("is-instruction-dataset", TS_OPTION_ANY, "false|False", SFT),
    TS_LATER("is-pairwise-dataset", TS_OPTION_ANY, "false|False", SFT),
    TS_LATER("no-pad-to-seq-lengths", TS_OPTION_ANY, "false|False", SFT),
    TS_LATER("neat-pack", 0, NULL, SFT),
    TS_LATER("fix-sub-seq-length", 1, "0", SFT),
    TS_LATER("cut-max-seqlen", 0, NULL, SFT),
    TS_LATER("pad-to-multiple-of", 1, "1|0", SFT),
    TS_LATER("tokenizer-padding-side", 1, "right", SFT),
    TS_LATER("no-shuffle", TS_OPTION_ANY, "false|False", SFT),
    TS_LATER("disable-shuffling", TS_OPTION_ANY, "false|False", SFT),
    TS_LATER("padded-samples", 0, NULL, SFT),
    TS_LATER("full-shuffle-instruction-dataset", TS_OPTION_ANY, "false|False", SFT),
    TS_LATER("no-cut-token", TS_OPTION_ANY, "false|False", SFT),
    TS_NOTE("calculate-per-token-loss", 0, "training", "always so"),
};
const size_t ts_tuning_later_count = sizeof ts_tuning_later_rows / sizeof *ts_tuning_later_rows;

static bool is_pairs(int stage) { return stage > TS_STAGE_SFT && stage != TS_STAGE_PROCESS; }

/* Text alone is trained on. */
static ts_status check_text(const ts_option_set *set)
{
    if (ts_option_is_on(set, "num-train-epochs"))
        return ts_error(TS_ERR_USER, "--num-train-epochs counts samples that `tessera posttrain` tunes on; for text give "
                                     "--train-iters or --train-samples");
    for (size_t i = 0; i < ts_tuning_option_count; i++) {
        const ts_option *row = &ts_tuning_option_rows[i];
        const bool tells = row->type == TS_OPTION_FLAG || row->type == TS_OPTION_NOFLAG;
        if (tells && row->offset != offsetof(ts_tuning_options, per_token_loss) && ts_option_is_on(set, row->name))
            return ts_error(TS_ERR_USER, "--%s goes with a stage of tuning: give --stage sft, or another", row->name);
    }
    return TS_OK;
}

static ts_status check_stage(int stage)
{
    return stage != TS_STAGE_PROCESS ? TS_OK
                                     : ts_error(TS_ERR_USER, "--stage prm: this build has no rewards of single steps; --stage rm "
                                                             "trains one of whole answers");
}

int64_t ts_tuning_multiple(const ts_tuning_options *o, bool varies, int64_t each)
{
    int64_t n = each;
    if (!ts_tuning_on(o) || (o->pads && !varies))
        return 0;
    while (n % o->multiple)
        n += each;
    return n;
}

static bool has_lengths(const ts_tuning_options *o, const ts_option_set *set)
{
    return ts_tuning_multiple(o, ts_option_is_on(set, "variable-seq-lengths"), 1) > 0;
}

ts_status ts_tuning_options_check(const ts_tuning_options *o, const ts_option_set *set)
{
    if (!ts_tuning_on(o))
        return check_text(set);
    TS_TRY(check_stage(o->stage));
    TS_TRY(ts_option_exclude(set, "is-instruction-dataset", "is-pairwise-dataset"));
    TS_TRY(ts_option_exclude(set, "cut-max-seqlen", "no-cut-token"));
    TS_TRY(ts_option_exclude(set, "no-shuffle", "full-shuffle-instruction-dataset"));
    if (o->instruction && is_pairs(o->stage))
        return ts_error(TS_ERR_USER, "--is-instruction-dataset: this --stage compares answers: give --is-pairwise-dataset");
    if (o->pairwise && !is_pairs(o->stage))
        return ts_error(TS_ERR_USER, "--is-pairwise-dataset: this --stage trains on answers as they are: give "
                                     "--is-instruction-dataset");
    if (o->neat_pack && o->stage != TS_STAGE_SFT)
        return ts_error(TS_ERR_USER, "--neat-pack goes with --stage sft");
    if (has_lengths(o, set) && o->padding_side == TS_PADDING_LEFT)
        return ts_error(TS_ERR_USER, "--tokenizer-padding-side left: rows of different lengths (--no-pad-to-seq-lengths) are "
                                     "filled up behind: leave one out");
    return TS_OK;
}

void ts_tuning_options_warn(const ts_tuning_options *o, const ts_option_set *set)
{
    const bool resets = ts_option_is_on(set, "reset-attention-mask");
    ts_option_warn_alone(set, "pad-to-multiple-of", has_lengths(o, set), "--no-pad-to-seq-lengths");
    ts_option_warn_alone(set, "fix-sub-seq-length", resets, "--reset-attention-mask");
    ts_option_warn_alone(set, "neat-pack", resets, "--reset-attention-mask");
}

ts_tuning_data ts_tuning_options_data(const ts_tuning_options *o, int64_t global)
{
    return (ts_tuning_data){ .kind = o->stage == TS_STAGE_KTO ? TS_ROWS_KTO : is_pairs(o->stage) ? TS_ROWS_PAIRS : TS_ROWS_SFT,
                             .shuffles = o->shuffles, .fills_epochs = o->padded_samples, .shuffles_all = o->full_shuffle,
                             .compares = is_pairs(o->stage) && o->stage != TS_STAGE_REWARD,
                             .cuts = o->cuts, .pads_left = o->padding_side == TS_PADDING_LEFT,
                             .has_ordinals = o->neat_pack, .piece = o->piece, .global = global };
}
