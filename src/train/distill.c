#include "train/distill.h"

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
    RUN(REAL, alpha, "kd-alpha-ce", "1", 0, 1e6, NULL, "of --kd: weight of the tokens' cross-entropy"),
    RUN(REAL, beta, "kd-beta-ce", "1", 0, 1e6, NULL, "of --kd: weight of the teacher's part"),
    RUN(REAL, kd_temperature, "kd-temp", "1.0", 1e-3, 1e3, NULL, "of --kd: as --kl-temperature"),
};
const size_t ts_distill_option_count = sizeof ts_distill_option_rows / sizeof *ts_distill_option_rows;

ts_status ts_distill_options_check(const ts_distill_options *o, int64_t stages)
{
    if (o->qad && o->kd)
        return ts_error(TS_ERR_USER, "--qad-enable and --kd contradict each other: give one");
    if (o->qad && !o->qad_teacher)
        return ts_error(TS_ERR_USER, "--qad-enable needs --qad-teacher-load, a folder with the teacher's weights");
    if (o->kd && !o->kd_teacher)
        return ts_error(TS_ERR_USER, "--kd needs --load-teacher, a folder with the teacher's weights");
    if (ts_distill_on(o) && stages > 1)
        return ts_error(TS_ERR_USER, "--%s has the whole teacher on every process: leave out "
                                     "--pipeline-model-parallel-size", o->qad ? "qad-enable" : "kd");
    return TS_OK;
}

void ts_distill_options_warn(const ts_distill_options *o, const ts_option_set *set)
{
    static const char *const qad[] = { "qad-teacher-load", "kl-temperature", "kl-loss-weight",
                                       "kl-loss-reduction" };
    static const char *const kd[] = { "load-teacher", "kd-alpha-ce", "kd-beta-ce", "kd-temp" };
    for (size_t i = 0; i < sizeof qad / sizeof *qad; i++)
        ts_option_warn_alone(set, qad[i], o->qad, "--qad-enable");
    for (size_t i = 0; i < sizeof kd / sizeof *kd; i++)
        ts_option_warn_alone(set, kd[i], o->kd, "--kd");
}

ts_status ts_distill_open(const ts_distill_options *o, const ts_model_use *student_use,
                          const ts_decoder *student, ts_model *teacher)
{
    const char *folder = o->qad ? o->qad_teacher : o->kd_teacher, *name = o->qad ? "qad-teacher-load" : "load-teacher";
    const ts_model_use use = { .dev = student_use->dev, .compute = student_use->compute,
                               .group = student_use->group, .stage_of = student_use->stage_of,
                               .stage_ctx = student_use->stage_ctx };
    ts_model m;
    TS_TRY(ts_model_open(folder, -1, &use, &m));
    const int64_t rows = m.decoder->embedding->place.dim[0].whole,
                  own = student->embedding->place.dim[0].whole;
    if (rows != own) {
        ts_model_deinit(&m);
        return ts_error(TS_ERR_USER, "--%s %s: the teacher has a vocabulary of %lld tokens, the student one of %lld: "
                                     "both must have the same", name, folder, (long long)rows, (long long)own);
    }
    *teacher = m;
    return TS_OK;
}

ts_lm_teacher ts_distill_teacher(const ts_distill_options *o, const ts_model *teacher)
{
    if (!ts_distill_on(o))
        return (ts_lm_teacher){ .network.kind = NULL };
    return (ts_lm_teacher){ .network = ts_decoder_network(teacher->decoder),
                            .temperature = (float)(o->qad ? o->temperature : o->kd_temperature),
                            .kl = (float)(o->qad ? o->weight : o->beta), .ce = (float)(o->qad ? 0 : o->alpha),
                            .is_sum = o->qad && o->reduction == TS_KL_SUM };
}
