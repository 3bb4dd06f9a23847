#include "train/record.h"
#include "train/indexer.h"

#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "io/events.h"
#include "io/trail.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct ts_recorder {
    const ts_train_options *o;
    int64_t train_iters;
    ts_trail metrics;
    /* The second one counts its steps in samples, in a folder of its own: where a reader is told to
     * forget what lies behind a step, it does so for all that is in the folder. */
    ts_events *events, *by_samples;
    ts_str line;
    /* since the last log line */
    double seconds, loss;
    double swapped[TS_WAYS]; /* until the last step */
    int64_t steps, good, tokens, skipped, nan;
    double began;
    int64_t began_at;
};

/* Found before the first step: a mistake in the option, not a failure while running. */
static ts_status events_refused(const char *dir)
{
    char text[1024];
    snprintf(text, sizeof text, "%s", ts_error_message());
    return ts_error(TS_ERR_USER, "--tensorboard-dir %s: %s", dir, text);
}

static ts_status open_events(ts_recorder *r, const ts_trainer *t, bool is_again)
{
    const char *dir = r->o->tensorboard_dir;
    ts_str samples = { 0 };
    ts_status st = ts_path_join(&samples, dir, "samples");
    if (st == TS_OK)
        st = ts_events_create(dir, is_again ? t->iteration + 1 : 0, &r->events);
    if (st == TS_OK)
        st = ts_events_create(samples.s, is_again ? t->consumed + 1 : 0, &r->by_samples);
    ts_str_deinit(&samples);
    return st == TS_ERR_IO ? events_refused(dir) : st;
}

ts_status ts_recorder_create(const ts_trainer *t, int64_t train_iters, bool is_again,
                             ts_recorder **out)
{
    const ts_train_options *o = t->o;
    ts_recorder *r;
    TS_TRY(ts_alloc(&r, 1, sizeof *r));
    *r = (ts_recorder){ .o = o, .train_iters = train_iters, .began = ts_now(), .began_at = -1 };
    ts_status st = TS_OK;
    if (o->metrics_jsonl && !o->skip_train)
        st = ts_trail_open_lines(&r->metrics, "--metrics-jsonl", o->metrics_jsonl);
    if (st == TS_OK && o->tensorboard_dir && !o->skip_train)
        st = open_events(r, t, is_again);
    if (st != TS_OK)
        ts_recorder_destroy(&r);
    else
        *out = r;
    return st;
}

ts_status ts_recorder_close(ts_recorder **rec)
{
    ts_recorder *r = *rec;
    if (!r)
        return TS_OK;
    ts_status st = ts_trail_close(&r->metrics), of_events = ts_events_close(&r->events);
    st = st == TS_OK ? of_events : st;
    of_events = ts_events_close(&r->by_samples);
    ts_str_deinit(&r->line);
    ts_free(rec);
    return st == TS_OK ? of_events : st;
}

void ts_recorder_destroy(ts_recorder **r) { (void)!ts_recorder_close(r); }

static double tflops_of(const ts_trainer *t, double seconds)
{
    return seconds > 0 ? ts_trainer_step_flops(t) / seconds / (double)t->comm->size * 1e-12 : 0;
}

static ts_status number(ts_str *l, const char *name, double v)
{
    TS_TRY(ts_str_printf(l, ", \"%s\": ", name));
    return ts_str_json_real(l, v, 17);
}

static ts_status traffic_member(ts_str *l, const ts_traffic *t)
{
    json_t *o = ts_traffic_json(t);
    ts_status st = ts_str_puts(l, ", \"traffic\": ");
    if (st == TS_OK)
        st = ts_json_write(o, 0, "the traffic of a step", l);
    json_decref(o);
    return st;
}

/* What went to the second memory in this step and came back, and what the device itself held. */
static ts_status swap_members(ts_recorder *r, const ts_device *dev, ts_str *l)
{
    const double out = dev->swapped[TS_TO_HOST] - r->swapped[TS_TO_HOST],
                 in = dev->swapped[TS_TO_DEVICE] - r->swapped[TS_TO_DEVICE];
    memcpy(r->swapped, dev->swapped, sizeof r->swapped);
    return ts_str_printf(l, ", \"device_peak_bytes\": %lld, \"swap_out_bytes\": %.0f, \"swap_in_bytes\": %.0f",
                         (long long)dev->mem.device_peak, out, in);
}

/* A mean over some of the samples, of which there may be none. */
static bool is_told(const ts_trainer *t, const ts_step_result *s, int side)
{
    return !t->objective->side[side].counts || s->side_weights[side] > 0;
}

static ts_status side_member(ts_str *l, const ts_trainer *t, const char *of, int side, double v)
{
    char name[48];
    snprintf(name, sizeof name, "%s%s", of, t->objective->side[side].name);
    for (char *space; (space = strchr(name, ' '));)
        *space = '_';
    return number(l, name, v);
}

static ts_status valid_members(ts_str *l, const ts_trainer *t, const ts_evaluation *e)
{
    TS_TRY(number(l, "valid_lm_loss", e->loss));
    for (int k = 0; k < t->objective->n_side; k++)
        if (e->side_weights[k] > 0)
            TS_TRY(side_member(l, t, "valid_", k, e->side[k]));
    return TS_OK;
}

static ts_status metrics_line(ts_recorder *r, const ts_trainer *t, const ts_step_result *s,
                              const ts_evaluation *valid)
{
    ts_str *l = &r->line;
    const double tflops = tflops_of(t, s->seconds);
    ts_str_reset(l);
    TS_TRY(ts_str_printf(l, "{\"iteration\": %lld, \"consumed_samples\": %lld",
                         (long long)t->iteration, (long long)t->consumed));
    TS_TRY(number(l, "lm_loss", s->loss));
    for (int k = 0; k < t->objective->n_side; k++) {
        if (!is_told(t, s, k))
            continue;
        TS_TRY(side_member(l, t, "", k, s->side[k]));
    }
    TS_TRY(number(l, "grad_norm", s->grad_norm));
    TS_TRY(number(l, "learning_rate", s->lr));
    if (t->optim.has_decoupled)
        TS_TRY(number(l, "decoupled_learning_rate", s->decoupled_lr));
    TS_TRY(number(l, "loss_scale", s->loss_scale));
    if (r->o->log_num_zeros)
        TS_TRY(ts_str_printf(l, ", \"num_zeros\": %lld", (long long)s->zeros));
    if (r->o->log_params_norm)
        TS_TRY(number(l, "params_norm", s->params_norm));
    if (ts_train_keeps_tops(r->o))
        TS_TRY(number(l, "max_attention_logit", s->max_logit));
    if (ts_index_trains(t->objective->index))
        TS_TRY(number(l, "indexer_loss", s->index_loss));
    if (t->experts.experts)
        TS_TRY(ts_expert_report_json(&t->experts, l));
    TS_TRY(number(l, "tokens_per_second", (double)s->tokens / s->seconds));
    TS_TRY(number(l, "tflops", tflops));
    if (r->o->peak_tflops > 0)
        TS_TRY(number(l, "mfu", tflops / r->o->peak_tflops));
    if (valid)
        TS_TRY(valid_members(l, t, valid));
    TS_TRY(number(l, "iteration_seconds", s->seconds));
    TS_TRY(ts_str_printf(
        l, ", \"memory_peak_bytes\": %lld, \"rss_peak_bytes\": %lld, \"skipped\": %s",
        (long long)s->memory_peak, (long long)s->rss_peak, s->skipped ? "true" : "false"));
    if (t->dev->swapped[TS_TO_HOST] > 0)
        TS_TRY(swap_members(r, t->dev, l));
    if (t->comm->size > 1)
        TS_TRY(traffic_member(l, &s->traffic));
    return ts_str_puts(l, "}\n");
}

static ts_status write_metrics(ts_recorder *r, const ts_trainer *t, const ts_step_result *s,
                               const ts_evaluation *valid)
{
    TS_TRY(metrics_line(r, t, s, valid));
    ts_trail_add(&r->metrics, r->line.s, r->line.len);
    return TS_OK;
}

static ts_status write_events(ts_recorder *r, const ts_trainer *t, const ts_step_result *s)
{
    const ts_event_scalar by_step[] = {
        { "learning-rate", s->lr }, { "batch-size", (double)t->feed.global }, { "lm loss", s->loss },
        { "loss-scale", s->loss_scale }, { "grad-norm", s->grad_norm },
        { "iteration-time", s->seconds }, { "throughput", tflops_of(t, s->seconds) },
    };
    const ts_event_scalar by_samples[] = {
        { "learning-rate vs samples", s->lr }, { "lm loss vs samples", s->loss },
        { "loss-scale vs samples", s->loss_scale }, { "grad-norm vs samples", s->grad_norm },
    };
    const ts_event_scalar logit = { "max_attention_logit", s->max_logit };
    const ts_event_scalar experts[] = { { "load_balancing_loss", t->experts.balance }, { "z_loss", t->experts.z },
                                        { "expert-load-most", t->experts.most },
                                        { "expert-load-least", t->experts.least } };
    const ts_event_scalar index = { "indexer loss", s->index_loss };
    const ts_event_scalar decoupled = { "decoupled-learning-rate", s->decoupled_lr };
    TS_TRY(ts_events_scalars(r->events, t->iteration, by_step, sizeof by_step / sizeof *by_step));
    if (t->optim.has_decoupled)
        TS_TRY(ts_events_scalars(r->events, t->iteration, &decoupled, 1));
    if (ts_index_trains(t->objective->index))
        TS_TRY(ts_events_scalars(r->events, t->iteration, &index, 1));
    if (ts_train_keeps_tops(r->o))
        TS_TRY(ts_events_scalars(r->events, t->iteration, &logit, 1));
    for (int k = 0; k < t->objective->n_side; k++) {
        if (!is_told(t, s, k))
            continue;
        const ts_event_scalar side = { t->objective->side[k].name, s->side[k] };
        TS_TRY(ts_events_scalars(r->events, t->iteration, &side, 1));
    }
    if (t->experts.experts)
        TS_TRY(ts_events_scalars(r->events, t->iteration, experts, sizeof experts / sizeof *experts));
    return ts_events_scalars(r->by_samples, t->consumed, by_samples,
                             sizeof by_samples / sizeof *by_samples);
}

static void time_left(const ts_recorder *r, const ts_trainer *t, char *buf, size_t size)
{
    const int64_t done = t->iteration - r->began_at;
    const double left =
        done > 0 ? (ts_now() - r->began) / (double)done * (double)(r->train_iters - t->iteration)
                 : 0;
    const long long s = (long long)(left > 0 ? left : 0);
    snprintf(buf, size, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
}

/* Megatron's line, its fields in its order; rate and time left behind them. */
static void log_line(ts_recorder *r, const ts_trainer *t, const ts_step_result *s)
{
    char when[32], left[32], throughput[64] = "", mfu[32] = "", zeros[48] = "", norm[48] = "", logit[64] = "",
         loss[48] = "", side[48 * (1 + TS_SIDE_LOSSES)] = "",
         rate[64] = "", experts[128] = "";
    const time_t now = time(NULL);
    struct tm tm;
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", localtime_r(&now, &tm));
    time_left(r, t, left, sizeof left);
    const double per = r->seconds / (double)r->steps,
                 mean = r->good ? r->loss / (double)r->good : 0;
    if (r->o->log_throughput)
        snprintf(throughput, sizeof throughput, " throughput per GPU (TFLOP/s/GPU): %.3f |",
                 tflops_of(t, per));
    if (r->o->peak_tflops > 0)
        snprintf(mfu, sizeof mfu, " MFU: %.1f %% |", 100 * tflops_of(t, per) / r->o->peak_tflops);
    if (mean > 0)
        snprintf(loss, sizeof loss, " lm loss: %.6E |", mean);
    if (ts_index_trains(t->objective->index))
        snprintf(side, sizeof side, " indexer loss: %.6E |", s->index_loss);
    for (int k = 0; k < t->objective->n_side; k++)
        if (is_told(t, s, k))
            snprintf(side + strlen(side), sizeof side - strlen(side), " %s: %.6E |", t->objective->side[k].name, s->side[k]);
    if (t->optim.has_decoupled)
        snprintf(rate, sizeof rate, " decoupled learning rate: %.6E |", s->decoupled_lr);
    if (r->o->log_num_zeros)
        snprintf(zeros, sizeof zeros, " num zeros: %lld |", (long long)s->zeros);
    if (r->o->log_params_norm)
        snprintf(norm, sizeof norm, " params norm: %.3f |", s->params_norm);
    if (ts_train_keeps_tops(r->o))
        snprintf(logit, sizeof logit, " max attention logit: %.3f |", s->max_logit);
    if (t->experts.balance > 0)
        snprintf(experts, sizeof experts, " load_balancing_loss: %.6E |", t->experts.balance);
    if (t->experts.experts)
        snprintf(experts + strlen(experts), sizeof experts - strlen(experts), " expert load: %.2f to %.2f |",
                 t->experts.least, t->experts.most);
    ts_log_raw(
        " [%s] iteration %8lld/%8lld | consumed samples: %12lld | elapsed time per iteration (ms): %.1f |%s%s"
        " learning rate: %.6E |%s global batch size: %5lld |%s%s loss scale: %.1f | grad norm: %.3f |%s%s%s%s"
        " number of skipped iterations: %3lld | number of nan iterations: %3lld |"
        " tokens per second: %.1f | time left: %s |\n",
        when, (long long)t->iteration, (long long)r->train_iters, (long long)t->consumed, per * 1e3,
        throughput, mfu, s->lr, rate, (long long)t->feed.global, loss, side, s->loss_scale,
        s->grad_norm, zeros, norm, logit, experts, (long long)r->skipped, (long long)r->nan,
        (double)r->tokens / r->seconds, left);
}

ts_status ts_recorder_step(ts_recorder *r, const ts_trainer *t, const ts_step_result *s,
                           const ts_evaluation *valid)
{
    if (r->began_at < 0)
        r->began_at = t->iteration - 1;
    r->seconds += s->seconds;
    r->tokens += s->tokens;
    r->steps++;
    r->skipped += s->skipped;
    if (isfinite(s->loss) && !s->skipped) {
        r->loss += s->loss;
        r->good++;
    } else if (!isfinite(s->loss)) {
        r->nan++;
    }
    if (ts_trail_is_open(&r->metrics))
        TS_TRY(write_metrics(r, t, s, valid));
    if (r->events && t->iteration % r->o->events_interval == 0)
        TS_TRY(write_events(r, t, s));
    if (t->iteration % r->o->log_interval == 0) {
        log_line(r, t, s);
        r->seconds = r->loss = 0;
        r->steps = r->good = r->tokens = r->skipped = r->nan = 0;
    }
    return TS_OK;
}

/* Megatron's names: "lm loss validation", "... ppl", and each with " vs samples"; what is told beside it likewise. */
static ts_status evaluation_events(ts_recorder *r, const ts_trainer *t, const char *part, const ts_evaluation *e, double ppl)
{
    char tag[4][64];
    snprintf(tag[0], sizeof tag[0], "lm loss %s", part);
    snprintf(tag[1], sizeof tag[1], "lm loss %s ppl", part);
    snprintf(tag[2], sizeof tag[2], "lm loss %s vs samples", part);
    snprintf(tag[3], sizeof tag[3], "lm loss %s ppl vs samples", part);
    const ts_event_scalar v[] = { { tag[0], e->loss }, { tag[1], ppl } },
                          by_samples[] = { { tag[2], e->loss }, { tag[3], ppl } };
    const size_t n = r->o->events_ppl ? 2 : 1;
    TS_TRY(ts_events_scalars(r->events, t->iteration, v, n));
    for (int k = 0; k < t->objective->n_side; k++) {
        snprintf(tag[0], sizeof tag[0], "%s %s", t->objective->side[k].name, part);
        if (e->side_weights[k] > 0)
            TS_TRY(ts_events_scalars(r->events, t->iteration, &(ts_event_scalar){ tag[0], e->side[k] }, 1));
    }
    return ts_events_scalars(r->by_samples, t->consumed, by_samples, n);
}

ts_status ts_recorder_evaluation(ts_recorder *r, const ts_trainer *t, const char *part, const ts_evaluation *e)
{
    const double ppl = exp(e->loss < 20 ? e->loss : 20);
    char side[56 * TS_SIDE_LOSSES] = "";
    for (int k = 0; k < t->objective->n_side; k++)
        if (e->side_weights[k] > 0)
            snprintf(side + strlen(side), sizeof side - strlen(side), " %s: %.6E |", t->objective->side[k].name, e->side[k]);
    ts_log_raw(" %s loss at iteration %lld | lm loss value: %.6E | lm loss PPL: %.6E |%s\n", part,
               (long long)t->iteration, e->loss, ppl, side);
    return r->events ? evaluation_events(r, t, part, e, ppl) : TS_OK;
}
