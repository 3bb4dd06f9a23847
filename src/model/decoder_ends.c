/* What stands behind a decoder's last layer: its output layer, or a head of rewards or labels. */
#include "model/decoder.h"

#include <string.h>

/* Some rows, which every process has whole. */
ts_status ts_decoder_declare_numbers(ts_decoder *d, const ts_declarer *last)
{
    const ts_param_spec labels = { .place = ts_place_whole(d->arch.labels, d->arch.hidden), .decoupled = true,
                                   .is_router = true };
    if (d->arch.labels)
        return ts_declare(last, "output_layer.weight", &labels, &d->labels);
    const ts_declarer in = ts_declare_in(last, "rm_head");
    const ts_param_spec weight = { .place = ts_place_whole(1, d->arch.hidden), .is_router = true },
                        bias = { .place = ts_place_whole(1, 0), .start = TS_START_CONSTANT };
    TS_TRY(ts_declare(&in, "weight", &weight, &d->reward[0]));
    return ts_declare(&in, "bias", &bias, &d->reward[1]);
}

bool ts_decoder_is_reward(const char *name) { return !strncmp(name, "rm_head.", strlen("rm_head.")); }

ts_status ts_decoder_numbers(const ts_decoder *d, ts_tape *tape, ts_tensor *x, ts_tensor **y)
{
    ts_tensor *wide;
    TS_ASSERT(d->reward[0] || d->labels, "a model without a head of rewards or labels");
    TS_TRY(ts_op_cast(tape, x, TS_DTYPE_F32, &wide));
    return ts_op_linear(tape, wide, d->labels ? d->labels : d->reward[0], d->reward[1], y);
}

ts_xent_op ts_decoder_head(const ts_decoder *d)
{
    TS_ASSERT(!d->head.adapter, "the loss multiplies with the output layer's weight alone");
    return (ts_xent_op){ .w = d->head.w, .b = d->head.b, .vocab = d->arch.vocab,
                         .group = d->group.comm, .first = ts_decoder_first_token(d, d->head.w),
                         .softcap = (float)d->arch.logit_softcap,
                         .logit_scale = (float)d->arch.logit_scale, .unit_rows = d->arch.unit_head };
}
