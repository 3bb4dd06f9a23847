#include "train/distill.h"

#include "train/tuning_options.h"

#include <stdio.h>
#include <string.h>

#define RUN(type, field, name, def, lo, hi, choices, help)                                         \
    TS_ROW_IS(TS_OPTION_DECIDES, type, ts_distill_options, field, name, def, lo, hi, choices, "distillation", help)
#define TEACHER(field, name, help)                                                                 \
    TS_ROW_IS(TS_OPTION_PLACE, TEXT, ts_distill_options, field, name, NULL, 0, 0, NULL, "distillation", help)

const ts_option ts_distill_option_rows[] = {
    RUN(FLAG, qad, "qad-enable", NULL, 0, 0, NULL,
        "learn a frozen teacher's distributions of the next token instead of the tokens themselves, as a "
        "student of few bits may (with --qat-scheme; docs/low-precision.md)"),
    TEACHER(qad_teacher, "qad-teacher-load", "the teacher: a Hugging Face folder or checkpoints"),
    RUN(REAL, temperature, "kl-temperature", "1.0", 1e-3, 1e3, NULL,
        "what logits of both are divided by: more makes the teacher's small probabilities count"),
    RUN(REAL, weight, "kl-loss-weight", "1.0", 0, 1e6, NULL, "what the loss is multiplied with"),
    RUN(CHOICE, reduction, "kl-loss-reduction", "mean", 0, 0, TS_CHOICES(TS_KL_REDUCTIONS),
        "the loss of a step: the mean over its tokens, or their sum"),
    RUN(FLAG, kd, "kd", NULL, 0, 0, NULL,
        "learn the tokens and a frozen teacher's distributions of them"),
    TEACHER(kd_teacher, "load-teacher", "the teacher of --kd: a Hugging Face folder or checkpoints"),
    TEACHER(teacher_model, "teacher-model", "the same without --kd, which it says"),
    TEACHER(teacher_model, "kd-teacher-load", "as --teacher-model"),
    RUN(REAL, alpha, "kd-alpha-ce", "1", 0, 1e6, NULL, "of --kd: weight of the tokens' cross-entropy"),
    RUN(REAL, beta, "kd-beta-ce", "1", 0, 1e6, NULL, "of --kd: weight of the teacher's part"),
    RUN(REAL, kd_temperature, "kd-temp", "1.0", 1e-3, 1e3, NULL, "of --kd: as --kl-temperature"),
    RUN(REAL, divergence, "gkd-beta", "0", 0, 1, NULL,
        "of --kd: which divergence is learned (TRL's GKD): 0 KL(teacher, student), 1 KL(student, teacher), between "
        "the generalized Jensen-Shannon"),
    RUN(REAL, on_policy, "gkd-lmbda", "0", 0, 1, NULL,
        "of --kd: the share of answers that the student writes itself, of which only 0 is trained here"),
    TS_ROW_IS(TS_OPTION_DECIDES | TS_OPTION_PLACE, TEXT, ts_distill_options, kept, "kd-logits", NULL, 0, 0, NULL, "distillation",
              "posttrain --stage sft: a file of the teacher's likeliest tokens, which is learned in its place; what is missing "
              "of it the teacher finds before the first step, once, and is let go"),
    RUN(INT, topk, "kd-topk", "64", 1, 1 << 20, NULL, "of --kd-logits: how many tokens are kept of each label"),
    { .name = "kd-logits-only", .type = TS_OPTION_FLAG, .offset = offsetof(ts_distill_options, only), .group = "distillation",
      .help = "of --kd-logits: the file is made, and nothing is trained" },
};
const size_t ts_distill_option_count = sizeof ts_distill_option_rows / sizeof *ts_distill_option_rows;

static const char *teacher_of(const ts_distill_options *o)
{
    return o->qad ? o->qad_teacher : o->teacher_model ? o->teacher_model : o->kd ? o->kd_teacher : NULL;
}

static ts_status check_kept(const ts_distill_options *o, int stage)
{
    if (!o->kept)
        return o->only ? ts_error(TS_ERR_USER, "--kd-logits-only needs --kd-logits FILE") : TS_OK;
    if (o->qad)
        return ts_error(TS_ERR_USER, "--kd-logits goes with --kd, not with --qad-enable");
    if (stage != TS_STAGE_SFT)
        return ts_error(TS_ERR_USER, "--kd-logits goes with `tessera posttrain --stage sft`");
    if (o->only && !teacher_of(o))
        return ts_error(TS_ERR_USER, "--kd-logits-only needs --teacher-model, a folder with the teacher's weights");
    return TS_OK;
}

ts_status ts_distill_options_check(const ts_distill_options *o, int stage, int64_t stages)
{
    if (o->qad && (o->kd || o->teacher_model || o->kept))
        return ts_error(TS_ERR_USER, "--qad-enable and --%s contradict each other: give one",
                        o->kd ? "kd" : o->kept ? "kd-logits" : "teacher-model");
    if (o->qad && !o->qad_teacher)
        return ts_error(TS_ERR_USER, "--qad-enable needs --qad-teacher-load, a folder with the teacher's weights");
    if (o->teacher_model && o->kd_teacher)
        return ts_error(TS_ERR_USER, "--load-teacher and --teacher-model both name the teacher: give one");
    if (o->kd && !o->kept && !teacher_of(o))
        return ts_error(TS_ERR_USER, "--kd needs --load-teacher, a folder with the teacher's weights");
    if (o->on_policy > 0)
        return ts_error(TS_ERR_USER, "--gkd-lmbda %g: answers that the student writes are not trained on here: give 0", o->on_policy);
    if (ts_distill_on(o) && !o->kept && stages > 1)
        return ts_error(TS_ERR_USER, "--%s has the whole teacher on every process: leave out --pipeline-model-parallel-size, or "
                                     "learn what was kept of it (--kd-logits)", o->qad ? "qad-enable" : "kd");
    return check_kept(o, stage);
}

void ts_distill_options_warn(const ts_distill_options *o, const ts_option_set *set)
{
    static const char *const qad[] = { "qad-teacher-load", "kl-temperature", "kl-loss-weight",
                                       "kl-loss-reduction" };
    static const char *const kd[] = { "kd-alpha-ce", "kd-beta-ce", "kd-temp", "gkd-beta", "gkd-lmbda" };
    const bool learns = ts_distill_on(o) && !o->qad;
    for (size_t i = 0; i < sizeof qad / sizeof *qad; i++)
        ts_option_warn_alone(set, qad[i], o->qad, "--qad-enable");
    for (size_t i = 0; i < sizeof kd / sizeof *kd; i++)
        ts_option_warn_alone(set, kd[i], learns, "--kd");
    ts_option_warn_alone(set, "load-teacher", o->kd || o->kept, "--kd");
    ts_option_warn_alone(set, "kd-topk", o->kept, "--kd-logits");
}

ts_status ts_distill_open(const ts_distill_options *o, const ts_model_use *student_use,
                          const ts_decoder *student, ts_model *teacher)
{
    const char *folder = teacher_of(o);
    const ts_model_use use = { .dev = student_use->dev, .compute = student_use->compute,
                               .group = student_use->group, .stage_of = student_use->stage_of,
                               .stage_ctx = student_use->stage_ctx };
    ts_model m;
    const ts_status st = ts_model_open(folder, -1, &use, &m);
    if (st != TS_OK)
        return ts_error_context(st, "while opening the teacher %s", folder);
    const int64_t rows = m.decoder->embedding->place.dim[0].whole,
                  own = student->embedding->place.dim[0].whole;
    if (rows != own) {
        ts_model_deinit(&m);
        return ts_error(TS_ERR_USER, "%s: the teacher has a vocabulary of %lld tokens, the student one of %lld: "
                                     "both must have the same", folder, (long long)rows, (long long)own);
    }
    *teacher = m;
    return TS_OK;
}

/* ---- what is kept of it ---- */

ts_kept_facts ts_distill_facts(const ts_distill_options *o, int64_t vocab, int64_t samples, int64_t seq_length)
{
    ts_kept_facts f = { .k = o->topk, .vocab = vocab, .samples = samples, .seq_length = seq_length,
                        .temperature = o->kd_temperature };
    const char *folder = teacher_of(o);
    const size_t n = folder ? strlen(folder) : 0;
    if (folder)
        snprintf(f.teacher, sizeof f.teacher, "%s", n < sizeof f.teacher ? folder : folder + n + 1 - sizeof f.teacher);
    return f;
}

static ts_status differs(const char *path, const char *what, double is, double wanted)
{
    return ts_error(TS_ERR_USER, "--kd-logits %s was made with %s %.15g, and this run has %.15g: give that, or another file", path,
                    what, is, wanted);
}

ts_status ts_distill_check_kept(const ts_distill_options *o, const ts_kept_facts *is, const ts_kept_facts *wanted)
{
    if (is->vocab != wanted->vocab)
        return differs(o->kept, "a vocabulary of", (double)is->vocab, (double)wanted->vocab);
    if (is->k != wanted->k)
        return differs(o->kept, "--kd-topk", (double)is->k, (double)wanted->k);
    if (is->temperature != wanted->temperature)
        return differs(o->kept, "--kd-temp", is->temperature, wanted->temperature);
    if (is->seq_length != wanted->seq_length)
        return differs(o->kept, "--seq-length", (double)is->seq_length, (double)wanted->seq_length);
    if (is->samples != wanted->samples)
        return differs(o->kept, "a number of samples of", (double)is->samples, (double)wanted->samples);
    if (wanted->teacher[0] && strcmp(is->teacher, wanted->teacher) != 0)
        return ts_error(TS_ERR_USER, "--kd-logits %s was made of the teacher %s, and this run has %s: give that, or another file",
                        o->kept, is->teacher, wanted->teacher);
    return TS_OK;
}

bool ts_distill_has_teacher(const ts_distill_options *o) { return teacher_of(o); }

ts_lm_teacher ts_distill_teacher(const ts_distill_options *o, const ts_model *teacher)
{
    if (!ts_distill_on(o))
        return (ts_lm_teacher){ .network.kind = NULL };
    ts_lm_teacher t = { .temperature = (float)(o->qad ? o->temperature : o->kd_temperature),
                        .kl = (float)(o->qad ? o->weight : o->beta), .ce = (float)(o->qad ? 0 : o->alpha),
                        .beta = (float)(o->qad ? 0 : o->divergence),
                        .is_sum = o->qad && o->reduction == TS_KL_SUM, .k = o->kept ? o->topk : 0 };
    if (teacher->decoder)
        t.network = ts_decoder_network(teacher->decoder);
    return t;
}
