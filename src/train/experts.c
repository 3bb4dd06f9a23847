#include "train/experts.h"

#include "ops/group.h"

#include <math.h>

ts_status ts_expert_report_init(ts_expert_report *r, const ts_expert_load *l)
{
    *r = (ts_expert_report){ .layers = l ? l->layers : 0, .experts = l ? l->experts : 0 };
    return r->experts ? ts_alloc(&r->load, (size_t)(r->layers * r->experts), sizeof *r->load) : TS_OK;
}

void ts_expert_report_deinit(ts_expert_report *r) { ts_free(&r->load); }

void ts_expert_report_begin(const ts_expert_load *l)
{
    if (l && l->n)
        l->dev->zero(l->dev, l->sums->data, l->sums->bytes);
}

/* DeepSeek-V3 (arXiv 2412.19437): who had less than the mean is chosen more easily from now on. */
static ts_status move_bias(ts_param *p, const float *load, int64_t n, double rate)
{
    ts_device *dev = p->set->dev;
    double mean = 0;
    float *b;
    TS_TRY(ts_alloc(&b, (size_t)n, sizeof *b));
    const ts_status st = ts_device_read(dev, b, p->value, (size_t)n * sizeof *b);
    for (int64_t e = 0; e < n; e++)
        mean += (double)load[e] / (double)n;
    for (int64_t e = 0; e < n; e++)
        b[e] += (float)rate * (float)((mean > (double)load[e]) - (mean < (double)load[e]));
    if (st == TS_OK)
        dev->to_device(dev, p->value, b, (size_t)n * sizeof *b);
    p->version++;
    ts_free(&b);
    return st;
}

/* One layer's sums of all processes into the report: losses are still sums. */
static void add_layer(ts_expert_report *r, int64_t layer, const float *sums, double out[2])
{
    const int64_t E = r->experts;
    for (int64_t e = 0; e < E; e++) {
        r->load[layer * E + e] = (double)sums[e];
        out[0] += (double)sums[E + e];
    }
    out[1] += (double)sums[3 * E];
}

static void find_extremes(ts_expert_report *r)
{
    r->most = 0, r->least = INFINITY;
    for (int64_t l = 0; l < r->layers; l++) {
        double sum = 0;
        for (int64_t e = 0; e < r->experts; e++)
            sum += r->load[l * r->experts + e];
        for (int64_t e = 0; e < r->experts && sum > 0; e++) {
            const double share = r->load[l * r->experts + e] * (double)r->experts / sum;
            r->most = fmax(r->most, share);
            r->least = fmin(r->least, share);
        }
    }
    r->least = isfinite(r->least) ? r->least : 0;
}

/* This stage's layers: sums of all who share out the batch. */
static ts_status read_sums(ts_expert_report *r, const ts_expert_load *l, const ts_expert_rules *rules,
                           const ts_mesh *mesh, double losses[2])
{
    const int64_t width = ts_expert_load_width(l), n = l->n * width;
    float *sums;
    if (!l->n)
        return TS_OK;
    TS_TRY(ts_group_run_on(l->dev, mesh->comm[TS_MESH_DP_CP],
                           ts_all_reduce(l->sums->data, n, TS_COMM_F32, TS_COMM_SUM), n, n));
    TS_TRY(ts_alloc(&sums, (size_t)n, sizeof *sums));
    ts_status st = ts_device_read(l->dev, sums, l->sums->data, (size_t)n * sizeof *sums);
    for (int64_t i = 0; st == TS_OK && i < l->n; i++) {
        add_layer(r, l->layer[i], sums + i * width, losses);
        if (l->bias[i] && rules->bias_rate > 0)
            st = move_bias(l->bias[i], sums + i * width, l->experts, rules->bias_rate);
    }
    ts_free(&sums);
    return st;
}

ts_status ts_expert_report_finish(ts_expert_report *r, const ts_expert_load *l, const ts_expert_rules *rules,
                                  const ts_mesh *mesh, int64_t passes)
{
    double sums[3] = { 0 };
    if (!r->experts)
        return TS_OK;
    if (rules->routes)
        TS_TRY(ts_routes_step(rules->routes, mesh->world));
    for (int64_t i = 0; i < r->layers * r->experts; i++)
        r->load[i] = 0;
    TS_TRY(read_sums(r, l, rules, mesh, sums));
    sums[2] = (double)l->n;
    ts_comm *stages = mesh->comm[TS_MESH_PP];
    if (ts_group_shares(stages)) {
        TS_TRY(ts_comm_run(stages, ts_all_reduce(sums, 3, TS_COMM_F64, TS_COMM_SUM)));
        TS_TRY(ts_comm_run(stages, ts_all_reduce(r->load, r->layers * r->experts, TS_COMM_F64, TS_COMM_SUM)));
    }
    const double all = sums[2] * (double)(passes * mesh->size[TS_MESH_DP]);
    r->balance = rules->aux > 0 ? sums[0] / all / (double)rules->aux : 0;
    r->z = rules->z > 0 ? sums[1] / all / (double)rules->z : 0;
    find_extremes(r);
    return TS_OK;
}

ts_status ts_expert_report_json(const ts_expert_report *r, ts_str *out)
{
    bool first = true;
    TS_TRY(ts_str_puts(out, ", \"load_balancing_loss\": "));
    TS_TRY(ts_str_json_real(out, r->balance, 17));
    TS_TRY(ts_str_puts(out, ", \"z_loss\": "));
    TS_TRY(ts_str_json_real(out, r->z, 17));
    TS_TRY(ts_str_puts(out, ", \"expert_load\": {"));
    for (int64_t l = 0; l < r->layers; l++) {
        const double *load = r->load + l * r->experts;
        double sum = 0;
        for (int64_t e = 0; e < r->experts; e++)
            sum += load[e];
        if (sum == 0)
            continue;
        TS_TRY(ts_str_printf(out, "%s\"%lld\": [", first ? "" : ", ", (long long)l));
        for (int64_t e = 0; e < r->experts; e++)
            TS_TRY(ts_str_printf(out, "%s%.0f", e ? ", " : "", load[e]));
        TS_TRY(ts_str_puts(out, "]"));
        first = false;
    }
    return ts_str_puts(out, "}");
}
