/* The parameters that a described model has, by name and shape, without the model. */
#ifndef TS_MODEL_PARAM_LIST_H
#define TS_MODEL_PARAM_LIST_H
#include "base/names.h"
#include "model/arch.h"

typedef struct ts_listed_param {
    int64_t dim[2];   /* of a stack of matrices all rows; dim[1] 0: one dimension */
    int64_t matrices; /* 1: no stack */
    int64_t vectors;  /* in one, dim[0] elements together; 0: it is no such parameter */
} ts_listed_param;

typedef struct ts_param_list {
    ts_names *names;        /* "decoder.layers.0.mlp.linear_fc1.weight", in the model's order */
    ts_listed_param *param; /* [ts_names_count(names)] */
    size_t cap;
} ts_param_list;

/* Of a checked description; *out need not be set. */
ts_status ts_param_list_make(const ts_arch *a, ts_param_list *out) TS_NODISCARD;
void ts_param_list_deinit(ts_param_list *l);
#endif
