#include "train/prefer_options.h"

#include <string.h>

#define RUN(type, field, name, def, lo, hi, choices, help)                                         \
    TS_ROW_IS(TS_OPTION_DECIDES, type, ts_prefer_options, field, name, def, lo, hi, choices, "preferences", help)
#define SMOOTH(field, name, stage)                                                                 \
    RUN(REAL, field, name, "0", 0, 0.5, NULL, "--stage " stage ": the share of pairs whose answers may be the wrong way round")

const ts_option ts_prefer_option_rows[] = {
    RUN(CHOICE, dpo_loss, "dpo-loss-type", "sigmoid", 0, 0, TS_CHOICES(TS_PREFER_LOSSES),
        "--stage dpo: -log sigmoid(beta z), max(0, 1 - beta z) or, of means, (z - 1 / (2 beta))^2"),
    RUN(REAL, dpo_beta, "dpo-beta", "0.1", 1e-6, 1e6, NULL, "--stage dpo: how closely the reference is kept to"),
    SMOOTH(dpo_smoothing, "dpo-label-smoothing", "dpo"),
    RUN(REAL, ftx, "pref-ftx", "0", 0, 1e6, NULL,
        "--stage dpo, simpo: weight of the chosen answer's own loss, its mean over its tokens"),
    TS_ROW_IS(TS_OPTION_DECIDES | TS_OPTION_PLACE, TEXT, ts_prefer_options, reference, "ref-model", NULL, 0, 0, NULL,
              "preferences", "--stage dpo, kto: the reference, a Hugging Face folder or checkpoints (without: --load as it is "
              "before training; with an adapter the model without it)"),
    RUN(INT, reference_step, "refer-model-iter", "-1", -1, 1e15, NULL, "the iteration of --ref-model's checkpoints; -1: the newest"),
    RUN(FLAG, reference_free, "dpo-reference-free", NULL, 0, 0, NULL, "--stage dpo: the reference finds everything equally likely"),
    { .name = "precompute-ref-log-probs", .type = TS_OPTION_FLAG, .offset = offsetof(ts_prefer_options, precompute),
      .group = "preferences", .help = "--stage dpo, kto: the reference sees all samples before the first step and is then let go" },
    RUN(CHOICE, simpo_loss, "simpo-loss-type", "sigmoid", 0, 0, TS_CHOICES(TS_PREFER_LOSSES), "--stage simpo: as --dpo-loss-type"),
    RUN(REAL, simpo_beta, "simpo-beta", "2.5", 1e-6, 1e6, NULL, "--stage simpo: what differences of means are multiplied by"),
    RUN(REAL, gamma, "gamma-beta-ratio", "1.4", 0, 1e6, NULL, "--stage simpo: by how much the chosen answer is to be ahead"),
    SMOOTH(simpo_smoothing, "simpo-label-smoothing", "simpo"),
    RUN(REAL, orpo_beta, "orpo-beta", "0.1", 0, 1e6, NULL, "--stage orpo: weight of the odds ratio"),
    RUN(REAL, kto_beta, "kto-beta", "0.1", 1e-6, 1e6, NULL, "--stage kto: as --dpo-beta"),
    RUN(REAL, desirable, "kto-desirable-weight", "1", 0, 1e6, NULL, "--stage kto: weight of answers that are desirable"),
    RUN(REAL, undesirable, "kto-undesirable-weight", "1", 0, 1e6, NULL, "--stage kto: weight of the others"),
    RUN(FLAG, no_final_norm, "no-post-layer-norm", NULL, 0, 0, NULL, "--stage rm: the head of rewards reads the last layer without "
        "the final norm"),
    RUN(FLAG, loosely, "load-checkpoint-loosely", NULL, 0, 0, NULL, "--stage rm: a --load without rm_head begins with a random one"),
};
const size_t ts_prefer_option_count = sizeof ts_prefer_option_rows / sizeof *ts_prefer_option_rows;

#define LATER TS_SUBJECT_TUNING
const ts_option ts_prefer_later_rows[] = {
    TS_LATER("dpo-loss-type", 1, NULL, LATER),
    TS_LATER("dpo-beta", 1, NULL, LATER),
    TS_LATER("dpo-label-smoothing", 1, NULL, LATER),
    TS_LATER("pref-ftx", 1, NULL, LATER),
    TS_LATER("ref-model", 1, NULL, LATER),
    TS_LATER("refer-model-iter", 1, NULL, LATER),
    TS_LATER("simpo-loss-type", 1, NULL, LATER),
    TS_LATER("simpo-beta", 1, NULL, LATER),
    TS_LATER("simpo-label-smoothing", 1, NULL, LATER),
    TS_LATER("gamma-beta-ratio", 1, NULL, LATER),
    TS_LATER("load-checkpoint-loosely", 0, NULL, LATER),
    TS_LATER("no-post-layer-norm", 0, NULL, LATER),
};
const size_t ts_prefer_later_count = sizeof ts_prefer_later_rows / sizeof *ts_prefer_later_rows;

enum { DPO = 1 << TS_STAGE_DPO, SIMPO = 1 << TS_STAGE_SIMPO, ORPO = 1 << TS_STAGE_ORPO, KTO = 1 << TS_STAGE_KTO,
       REWARD = 1 << TS_STAGE_REWARD };

/* Which stages read an option, and how the reader would type them. */
static const struct {
    const char *begins; /* of its name */
    int stages;
    const char *partner;
} readers[] = {
    { "dpo-", DPO, "--stage dpo" },           { "pref-ftx", DPO | SIMPO, "--stage dpo or simpo" },
    { "ref-model", DPO | KTO, "--stage dpo or kto" },
    { "precompute-ref-log-probs", DPO | KTO, "--stage dpo or kto" },
    { "simpo-", SIMPO, "--stage simpo" },     { "gamma-beta-ratio", SIMPO, "--stage simpo" },
    { "orpo-", ORPO, "--stage orpo" },        { "kto-", KTO, "--stage kto" },
    { "no-post-layer-norm", REWARD, "--stage rm" }, { "load-checkpoint-loosely", REWARD, "--stage rm" },
};

void ts_prefer_options_warn(int stage, const ts_option_set *set)
{
    for (size_t i = 0; i < ts_prefer_option_count; i++)
        for (size_t k = 0; k < sizeof readers / sizeof *readers; k++)
            if (!strncmp(ts_prefer_option_rows[i].name, readers[k].begins, strlen(readers[k].begins)))
                ts_option_warn_alone(set, ts_prefer_option_rows[i].name, readers[k].stages >> stage & 1, readers[k].partner);
    ts_option_warn_alone(set, "refer-model-iter", ts_option_given(set, "ref-model"), "--ref-model");
}

ts_status ts_prefer_options_check(const ts_prefer_options *o, int stage, const ts_option_set *set)
{
    if (stage != TS_STAGE_DPO && stage != TS_STAGE_KTO)
        return TS_OK;
    if (o->reference_free && stage == TS_STAGE_DPO) {
        TS_TRY(ts_option_exclude(set, "dpo-reference-free", "ref-model"));
        return ts_option_exclude(set, "dpo-reference-free", "precompute-ref-log-probs");
    }
    return TS_OK;
}

static ts_prefer_form form_of(int loss)
{
    return loss == TS_PREFER_LOSS_HINGE ? TS_PREFER_HINGE : loss == TS_PREFER_LOSS_IPO ? TS_PREFER_IPO : TS_PREFER_SIGMOID;
}

ts_prefer_rules ts_prefer_options_rules(const ts_prefer_options *o, int stage, bool pads_left)
{
    switch (stage) {
    case TS_STAGE_DPO:
        return (ts_prefer_rules){ .form = form_of(o->dpo_loss), .averages = o->dpo_loss == TS_PREFER_LOSS_IPO,
                                  .refers = !o->reference_free, .beta = o->dpo_beta, .smoothing = o->dpo_smoothing, .ftx = o->ftx };
    case TS_STAGE_SIMPO:
        return (ts_prefer_rules){ .form = form_of(o->simpo_loss), .averages = true, .beta = o->simpo_beta,
                                  .smoothing = o->simpo_smoothing, .margin = o->gamma, .ftx = o->ftx };
    case TS_STAGE_ORPO:
        return (ts_prefer_rules){ .form = TS_PREFER_ODDS, .averages = true, .beta = o->orpo_beta };
    case TS_STAGE_KTO:
        return (ts_prefer_rules){ .form = TS_PREFER_KTO, .refers = true, .beta = o->kto_beta,
                                  .weight = { o->desirable, o->undesirable } };
    default:
        return (ts_prefer_rules){ .form = TS_PREFER_SIGMOID, .beta = 1, .scores = true, .pads_left = pads_left };
    }
}
