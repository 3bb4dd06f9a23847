/* Operators' gradients against central differences of the operator written in double.
 *
 * A case has variables (input tensors and parameters), an oracle y = F(x) in double, and a function
 * that does the same with the project's operators. The objective is sum(c[i] * y[i]) with random c.
 * Its gradient by differences (step 1e-6 in double) must be what the tape gives, within
 *
 *   u * growth * (M + S) + D     u: rounding unit of the type; growth: 6 + 2 sqrt(longest sum)
 *
 *   M = sum over i of |c[i] dy[i]/dx|: what is summed (with what a case knows to cancel inside
 * dy/dx), S: how far the gradient moves when every variable
 *   and every c is off by one unit (the largest of random signs), D: the error of the differences.
 * Outputs are held to the same bound. Each case runs on the reference and on the best kernels of
 * this CPU, with one thread and with two. */
#ifndef TS_TESTS_GRAD_H
#define TS_TESTS_GRAD_H
#include "ops/ops.h"

enum { GRAD_VARS = 8, GRAD_OUTS = 2 };

typedef struct grad_var {
    const char *name;
    int64_t d0, d1;   /* d1 0: a vector */
    bool is_param;
    bool is_frozen;   /* takes part without a gradient */
    double scale;     /* values are uniform in [-scale, scale); 0: 1 */
} grad_var;

/* IN("x", rows, cols), PARAM("w", n, 0), each with further fields behind */
#define IN(name_, rows, ...) { .name = name_, .d0 = rows, .d1 = __VA_ARGS__ }
#define PARAM(name_, rows, ...) { .name = name_, .is_param = true, .d0 = rows, .d1 = __VA_ARGS__ }

/* What a case's run gets: leaves and parameters by the number of their variable. */
typedef struct grad_env {
    ts_tape *tape;
    ts_device *dev;
    ts_tensor *leaf[GRAD_VARS];
    ts_param *param[GRAD_VARS];
    ts_tensor *out[GRAD_OUTS]; /* to be set; seeded with c, in this order. NULL: not an output */
    /* c as the tape gets it, for operators that take their gradient's weight */
    float *c;
} grad_env;

typedef struct grad_case grad_case;
struct grad_case {
    const char *name;
    grad_var var[GRAD_VARS];   /* to the first without a name */
    int64_t n_out;             /* elements of all outputs */
    int64_t longest;           /* sum */
    void (*oracle)(const grad_case *g, double *const *x, double *y);
    ts_status (*run)(const grad_case *g, grad_env *e);
    /* Adds sizes of terms whose sum is zero whatever x is, so that no difference shows them; or
     * NULL. */
    void (*cancels)(const grad_case *g, double *const *x, const double *c, double *const *mass);
    const void *ctx;           /* the case's own settings */
    /* set by the harness: the values themselves, for what is constant in F */
    double *const *x0;
    ts_tape_options tape;
    bool is_late;              /* outputs have their values after the backward */
    bool with_bf16;            /* also in bf16 */
};

/* Runs a case on all devices; prints its worst share of the bound. False: something was outside. */
bool grad_check(const grad_case *g);

/* Helpers for runs. Tensors of int32 or fp32 on the device. */
ts_status grad_ints(grad_env *e, const int32_t *v, int64_t n, ts_tensor **out) TS_NODISCARD;
ts_status grad_floats(grad_env *e, const float *v, int64_t n, ts_tensor **out) TS_NODISCARD;
/* Storage that lives until the case is over. */
ts_status grad_table(grad_env *e, const float *v, int64_t n, ts_storage **out) TS_NODISCARD;

#define GRAD_RUN(list)                                                                             \
    do {                                                                                           \
        for (size_t i_ = 0; i_ < sizeof(list) / sizeof *(list); i_++)                              \
            all_ = grad_check(&(list)[i_]) && all_;                                                \
    } while (0)
#endif
