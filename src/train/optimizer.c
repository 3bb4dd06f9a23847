#include "train/optimizer.h"

#include <math.h>

static ts_status flat(ts_param_set *p, ts_storage **out)
{
    TS_TRY(ts_storage_create(p->dev, TS_MEM_OPTIM, (size_t)p->total * sizeof(float), out));
    p->dev->zero(p->dev, (*out)->data, (*out)->bytes);
    return TS_OK;
}

static int64_t blocks_of(const ts_param_set *p)
{
    return (p->total + TS_SUMSQ_BLOCK - 1) / TS_SUMSQ_BLOCK;
}

ts_status ts_optimizer_init(ts_optimizer *z, const ts_train_options *o, ts_param_set *params)
{
    *z = (ts_optimizer){ .o = o, .params = params };
    const bool adam = o->optimizer == TS_OPTIMIZER_ADAM;
    if (adam || o->sgd_momentum > 0)
        TS_TRY(flat(params, &z->m));
    if (adam)
        TS_TRY(flat(params, &z->v));
    const size_t n = (size_t)blocks_of(params);
    TS_TRY(ts_storage_create(params->dev, TS_MEM_OTHER, n * sizeof(double), &z->sums));
    if (o->log_num_zeros)
        TS_TRY(ts_storage_create(params->dev, TS_MEM_OTHER, n * sizeof(int64_t), &z->zeros));
    return TS_OK;
}

void ts_optimizer_deinit(ts_optimizer *z)
{
    ts_storage_release(&z->m);
    ts_storage_release(&z->v);
    ts_storage_release(&z->sums);
    ts_storage_release(&z->zeros);
}

ts_status ts_optimizer_sumsq(ts_optimizer *z, const float *x, double *sum, int64_t *zero_count)
{
    ts_device *dev = z->params->dev;
    const int64_t n = blocks_of(z->params);
    const bool count = zero_count && z->zeros;
    const ts_sumsq_args a = { .x = x, .len = z->params->total, .out = z->sums->data,
                              .zeros = count ? z->zeros->data : NULL };
    ts_launch_sumsq(dev, &a, n,
                    (ts_cost){ 2.0 * (double)a.len, 4.0 * (double)a.len, TS_DTYPE_F32 });
    double *host;
    *sum = 0;
    if (!dev->computes)
        return TS_OK;
    TS_TRY(ts_alloc(&host, (size_t)n, sizeof *host));
    dev->to_host(dev, host, z->sums->data, (size_t)n * sizeof *host);
    for (int64_t i = 0; i < n; i++)
        *sum += host[i];
    if (count) {
        int64_t *zeros = (int64_t *)(void *)host;
        dev->to_host(dev, zeros, z->zeros->data, (size_t)n * sizeof *zeros);
        *zero_count = -z->params->total;
        for (int64_t i = 0; i < n; i++)
            *zero_count += zeros[i];
        for (size_t i = 0; i < z->params->n; i++)
            *zero_count += ts_param_count(z->params->p[i]);
    }
    ts_free(&host);
    return TS_OK;
}

static void adam(const ts_optimizer *z, const ts_param *p, const float *g, double lr, double scale)
{
    const ts_train_options *o = z->o;
    const double t = (double)z->steps, n = (double)ts_param_count(p);
    const ts_adamw_args a = { .p = p->value, .m = (float *)z->m->data + p->offset,
                              .v = (float *)z->v->data + p->offset, .grad = g, .lr = (float)lr,
                              .beta1 = (float)o->adam_beta1, .beta2 = (float)o->adam_beta2,
                              .eps = (float)o->adam_eps,
                              .weight_decay = p->decays ? (float)o->weight_decay : 0,
                              .grad_scale = (float)scale, .c1 = 1 - pow(o->adam_beta1, t),
                              .c2 = 1 - pow(o->adam_beta2, t) };
    ts_launch_adamw(z->params->dev, &a, ts_param_count(p),
                    (ts_cost){ 12 * n, 28 * n, TS_DTYPE_F32 });
}

static void sgd(const ts_optimizer *z, const ts_param *p, const float *g, double lr, double scale)
{
    const double n = (double)ts_param_count(p);
    const ts_sgd_args a = { .p = p->value, .m = z->m ? (float *)z->m->data + p->offset : NULL,
                            .grad = g, .lr = (float)lr, .momentum = (float)z->o->sgd_momentum,
                            .weight_decay = p->decays ? (float)z->o->weight_decay : 0,
                            .grad_scale = (float)scale };
    ts_launch_sgd(z->params->dev, &a, ts_param_count(p),
                  (ts_cost){ 4 * n, (z->m ? 20 : 12) * n, TS_DTYPE_F32 });
}

void ts_optimizer_step(ts_optimizer *z, const float *grads, double lr, double grad_scale)
{
    z->steps++;
    for (size_t i = 0; i < z->params->n; i++) {
        const ts_param *p = z->params->p[i];
        if (z->o->optimizer == TS_OPTIMIZER_ADAM)
            adam(z, p, grads + p->offset, lr, grad_scale);
        else
            sgd(z, p, grads + p->offset, lr, grad_scale);
    }
    ts_param_set_changed(z->params);
}
