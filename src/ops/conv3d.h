/* Convolution over frames, rows and columns, without padding, of processes that may share out the frames
 * (sequence parallelism of video models). Rows of tensors are positions, frame after frame; of each frame
 * all samples, of each sample its rows, of each row its columns:
 *
 *   x [frames * samples * rows * columns, in]        y likewise, [.., out], of what the kernel leaves:
 *   y[f, r, c] = b + sum over i, j, k of w[:, (i, j, k, :)] x[f s + i d, r s' + j d', c s'' + k d'']
 *   f below (frames - (kernel - 1) d - 1) / s + 1, and so on
 *
 * Where a group shares out the frames each process makes as many frames of y, one after another, from its own
 * frames of x and from the first ones of the process behind it (the halo), which that one sends; in the
 * backward pass their gradients go back and are added there. Nothing else is exchanged: gradients of w and b are
 * of the own frames, and summed over the group as other gradients are of what it shares out. */
#ifndef TS_OPS_CONV3D_H
#define TS_OPS_CONV3D_H
#include "ops/ops.h"

enum { TS_CONV_DIMS = 3 }; /* frames, rows, columns */

typedef struct ts_conv3d_op {
    ts_param *w, *b; /* [out, kernel positions * in], the last dimension's fastest; b [out], or NULL */
    int64_t kernel[TS_CONV_DIMS], stride[TS_CONV_DIMS], dilation[TS_CONV_DIMS];
    int64_t size[TS_CONV_DIMS]; /* of the whole x */
    int64_t samples;
    ts_comm *group; /* shares out the frames; NULL: all are here */
    bool whole;     /* with a group: x and y have all frames on each process all the same. Then x's gradient, too,
                       is whole on each, from y's, which is the same on all */
} ts_conv3d_op;

/* What y has in a dimension. */
int64_t ts_conv3d_out(const ts_conv3d_op *o, int dim);
/* The frames of x that are a process's own. */
ts_stretch ts_conv3d_frames(const ts_conv3d_op *o, int rank);
/* That there is an output, and that the group can share it out: as many frames on each, and a halo that
 * one neighbour has. TS_ERR_USER says what cannot be. */
ts_status ts_conv3d_check(const ts_conv3d_op *o) TS_NODISCARD;
/* x has the own frames, or all (whole). Unfolded rows, [y's rows, kernel positions * in], are kept for the
 * gradient of w where it has one. */
ts_status ts_op_conv3d(ts_tape *tape, const ts_conv3d_op *o, ts_tensor *x, ts_tensor **y) TS_NODISCARD;
#endif
