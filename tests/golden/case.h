/* A tiny model that a golden is of, and gradients against its digests. Include after cmocka.h and unit/temp.h. */
#ifndef TS_TESTS_GOLDEN_CASE_H
#define TS_TESTS_GOLDEN_CASE_H
#include "model/open.h"

#include <float.h>
#include <math.h>

/* One case at work. */
typedef struct golden {
    const char *name;
    char path[256];
    json_t *json;
    ts_device *dev;
    ts_model model;
    ts_tape *tape;
    int64_t B, S;
    int32_t *ids; /* [B, S] */
    double rest;  /* what is left of gradients that are 0; 0: 1e-8 */
} golden;

static inline double real_at(const json_t *list, size_t i)
{
    return json_number_value(json_array_get(list, i));
}

static inline double real_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    assert_true(json_is_number(v));
    return json_number_value(v);
}

/* Values in a row of it. */
static inline int64_t width_of(const ts_name_tensor *t) { return t->cols ? t->cols : t->rank > 1 && !t->is_line ? t->dim[t->rank - 1] : 1; }

static inline int64_t count_of(const ts_name_tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= t->dim[i];
    return n;
}

/* Biases that help routers to choose have none. */
static inline bool has_gradient(const golden *g, const ts_name_map *m, const ts_name_tensor *t)
{
    return ts_param_find(&g->model.decoder->params, m->piece[t->first_piece].name)->grad;
}

/* The gradient of one tensor in the file's orientation; of a stack its matrices stand one below the other. */
static inline void gather(const golden *g, const ts_name_map *m, const ts_name_tensor *t, float *out)
{
    const int64_t width = width_of(t), groups = t->groups ? t->groups : 1, each = width / groups, matrix = t->rank == 3 ? t->dim[1] * t->dim[2] : 0;
    for (size_t i = 0; i < t->n_pieces; i++) {
        const ts_name_piece *p = &m->piece[t->first_piece + i];
        const ts_param *param = ts_param_find(&g->model.decoder->params, p->name);
        assert_non_null(param);
        for (int64_t r = 0; r < p->rows; r++)
            for (int64_t c = 0; c < param->dim[1]; c++)
                out[p->transposed ? p->matrix * matrix + c * width + p->hf_row + r * p->step
                                  : (p->hf_row + r * p->step) * width + c % each * groups + c / each] =
                    param->grad[(p->row + r) * param->dim[1] + c];
    }
}

static inline void check_gradient(const golden *g, const char *name, const float *got, int64_t n)
{
    char alias[TS_FAMILY_NAME];
    const json_t *grads = json_object_get(g->json, "grads"), *want = json_object_get(grads, name);
    for (int k = 0; !want && ts_family_alias(g->model.family, name, k, alias); k++)
        want = json_object_get(grads, alias);
    if (!want)
        fail_msg("%s: the golden has no gradient of %s", g->name, name);
    const json_t *at = json_object_get(want, "at"), *values = json_object_get(want, "values");
    double sum = 0, size = 0, top = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += (double)got[i];
        size += fabs((double)got[i]);
        top = fmax(top, fabs((double)got[i]));
    }
    /* Sums of float32 products over 40 tokens and back through the layers: some hundred units of
     * the largest value, whatever the order. */
    const double bound = 256 * FLT_EPSILON * top + (g->rest > 0 ? g->rest : 1e-8);
    for (size_t i = 0; i < json_array_size(at); i++) {
        const int64_t k = json_integer_value(json_array_get(at, i));
        assert_true(k >= 0 && k < n);
        if (!(fabs((double)got[k] - real_at(values, i)) <= bound))
            fail_msg("%s: gradient %lld of %s is %.8g, expected %.8g within %.2g", g->name,
                     (long long)k, name, (double)got[k], real_at(values, i), bound);
    }
    if (!(fabs(sum - real_of(want, "sum")) <= bound * (double)n) ||
        !(fabs(size - real_of(want, "abs")) <= bound * (double)n))
        fail_msg("%s: gradient of %s sums to %.8g (sizes %.8g), expected %.8g (%.8g)", g->name,
                 name, sum, size, real_of(want, "sum"), real_of(want, "abs"));
}
#endif
