#include "train/narrow_state.h"

#include "base/log.h"
#include "ops/judge.h"

#include <stdio.h>

/* NULL: nothing is delayed. */
static ts_narrow_set *set_of(const ts_trainer *t)
{
    ts_narrow_set *s = t->objective->params->narrow;
    return s && s->length ? s : NULL;
}

/* What this rank has compared in the step. */
static ts_status tell_compared(const ts_trainer *t)
{
    const ts_narrow_set *all = t->objective->params->narrow;
    ts_str line = { 0 };
    if (!all || !all->judge)
        return TS_OK;
    const ts_status st = ts_judge_tell(all->judge, &line);
    if (st == TS_OK && line.len && t->comm->rank == 0)
        ts_log(TS_LOG_INFO, "iteration %lld: %s", (long long)t->iteration + 1, line.s);
    ts_str_deinit(&line);
    return st;
}

ts_status ts_trainer_narrow_step(ts_trainer *t)
{
    ts_narrow_set *s = set_of(t);
    TS_TRY(tell_compared(t));
    if (!s)
        return TS_OK;
    const int64_t n = s->n * TS_OPERANDS;
    float *amax = s->host + ts_narrow_set_at(s, s->n);
    TS_TRY(ts_device_read(t->dev, amax, s->of[0].amax, (size_t)n * sizeof *amax));
    TS_TRY(ts_comm_run(t->mesh->comm[TS_MESH_TP], ts_all_reduce(amax, n, TS_COMM_F32, TS_COMM_MAX)));
    TS_TRY(ts_comm_run(t->mesh->comm[TS_MESH_DP_CP], ts_all_reduce(amax, n, TS_COMM_F32, TS_COMM_MAX)));
    ts_narrow_set_advance(s, amax);
    return TS_OK;
}

int64_t ts_narrow_state_count(const ts_trainer *t)
{
    return set_of(t) && !t->o->no_save_optim ? set_of(t)->n : 0;
}

void ts_narrow_state_list(const ts_trainer *t, int64_t key, ts_saved *list, int64_t *n)
{
    const ts_narrow_set *s = set_of(t);
    for (int64_t w = 0; w < ts_narrow_state_count(t); w++) {
        ts_saved *x = &list[(*n)++];
        snprintf(x->name, sizeof x->name, "fp8.%s", s->weight[w]->name);
        x->key = key + s->weight[w]->id;
        x->tensor = (ts_ckpt_tensor){ .part = TS_CKPT_OPTIMIZER, .dtype = TS_ST_F32, .rank = 2,
                                      .shape = { 1 + s->length, TS_OPERANDS }, .rows = 1 + s->length,
                                      .data = (float *)s->state->data + ts_narrow_set_at(s, w) };
    }
}

static ts_status read_weight(const ts_narrow_set *s, int64_t w, const ts_checkpoint *ck)
{
    char name[TS_SAVED_NAME];
    snprintf(name, sizeof name, "fp8.%s", s->weight[w]->name);
    const ts_st_tensor *t = ts_checkpoint_tensor(ck, name);
    if (!t)
        return TS_OK;
    if (t->rank != 2 || t->shape[0] < 2 || t->shape[1] != TS_OPERANDS)
        return ts_error(TS_ERR_USER, "%s: tensor %s is no history of three operands' largest values",
                        ts_checkpoint_path(ck), name);
    const int64_t rows = t->shape[0] < 1 + s->length ? t->shape[0] : 1 + s->length;
    return ts_st_read_f32(t, 0, rows * TS_OPERANDS, s->host + ts_narrow_set_at(s, w));
}

ts_status ts_narrow_state_restore(ts_trainer *t, const ts_checkpoint *ck)
{
    ts_narrow_set *s = set_of(t);
    for (int64_t w = 0; s && w < s->n; w++)
        TS_TRY(read_weight(s, w, ck));
    if (s)
        ts_narrow_set_upload(s);
    return TS_OK;
}
