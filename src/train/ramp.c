#include "train/ramp.h"

#include <stdlib.h>

static ts_status read_words(const ts_option_list *l, int64_t out[3])
{
    static const char *const names[] = { "START", "INCREMENT", "SAMPLES" };
    if (l->n != 3)
        return ts_error(TS_ERR_USER,
                        "--rampup-batch-size takes three numbers, START INCREMENT SAMPLES; "
                        "there are %lld",
                        (long long)l->n);
    for (int i = 0; i < 3; i++) {
        char *end;
        out[i] = strtoll(l->v[i], &end, 10);
        if (end == l->v[i] || *end || out[i] < 1 || out[i] > INT64_C(1000000000000000))
            return ts_error(TS_ERR_USER,
                            "--rampup-batch-size: %s is \"%s\", expected a whole number of at "
                            "least 1",
                            names[i], l->v[i]);
    }
    return TS_OK;
}

/* Every size on the way must be cut into whole micro-batches on every process. */
static ts_status check_sizes(const ts_batch_ramp *r, int64_t micro, int dp)
{
    const int64_t chunk = micro * dp, way = r->full - r->start;
    if (way < 0)
        return ts_error(TS_ERR_USER,
                        "--rampup-batch-size begins with %lld sequences, more than "
                        "--global-batch-size %lld",
                        (long long)r->start, (long long)r->full);
    if (way % r->increment)
        return ts_error(TS_ERR_USER,
                        "--rampup-batch-size: from %lld to --global-batch-size %lld are %lld "
                        "sequences, no multiple of the increment %lld",
                        (long long)r->start, (long long)r->full, (long long)way,
                        (long long)r->increment);
    if (r->start % chunk || (way && r->increment % chunk))
        return ts_error(TS_ERR_USER,
                        "--rampup-batch-size: START %lld and INCREMENT %lld must be multiples of "
                        "--micro-batch-size %lld x %d processes",
                        (long long)r->start, (long long)r->increment, (long long)micro, dp);
    return TS_OK;
}

static ts_status check_lengths(const ts_train_options *o)
{
    const struct {
        int64_t given;
        const char *iters, *samples;
    } rows[] = {
        { o->train_iters, "train-iters", "train-samples" },
        { o->lr_decay_iters, "lr-decay-iters", "lr-decay-samples" },
        { o->lr_warmup_iters, "lr-warmup-iters", "lr-warmup-samples" },
        { o->lr_wsd_decay_iters, "lr-wsd-decay-iters", "lr-wsd-decay-samples" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].given)
            return ts_error(TS_ERR_USER,
                            "with --rampup-batch-size iterations have no fixed number of samples: "
                            "give --%s instead of --%s",
                            rows[i].samples, rows[i].iters);
    return TS_OK;
}

ts_status ts_batch_ramp_init(ts_batch_ramp *r, const ts_train_options *o, int dp)
{
    const int64_t full = ts_train_global_batch(o, dp);
    int64_t words[3];
    ts_batch_ramp made = { .full = full, .start = full, .increment = 1 };
    if (o->rampup_batch_size.n) {
        TS_TRY(read_words(&o->rampup_batch_size, words));
        made = (ts_batch_ramp){ full, words[0], words[1], words[2] };
        TS_TRY(check_lengths(o));
        TS_TRY(check_sizes(&made, o->micro_batch_size, dp));
        if (made.start == full)
            made.samples = 0;
    }
    *r = made;
    return TS_OK;
}

/* Samples of one size, as Megatron has it: a quotient in double that is not rounded to whole
 * samples. */
static double samples_of_a_size(const ts_batch_ramp *r)
{
    return (double)r->samples / (double)((r->full - r->start) / r->increment);
}

int64_t ts_batch_ramp_at(const ts_batch_ramp *r, int64_t consumed)
{
    if (r->samples == 0 || consumed > r->samples)
        return r->full;
    const int64_t sizes = (int64_t)((double)consumed / samples_of_a_size(r)),
                  size = r->start + sizes * r->increment;
    return size < r->full ? size : r->full;
}

/* Steps of one size at once: a run may have more steps than anyone wants to count. */
int64_t ts_batch_ramp_steps(const ts_batch_ramp *r, int64_t n)
{
    int64_t steps = 0, consumed = 0;
    const int64_t last = r->samples < n ? r->samples : n; /* the ramp's last step begins there */
    while (r->samples > 0 && consumed <= last) {
        const int64_t size = ts_batch_ramp_at(r, consumed);
        int64_t more = 1;
        /* the largest number that stays within the size and the ramp, from the right side */
        const double next = samples_of_a_size(r) * (double)((size - r->start) / r->increment + 1);
        const int64_t end = next < (double)last ? (int64_t)next : last;
        if (end > consumed)
            more = (end - consumed) / size;
        more = more > 1 ? more - 1 : 1; /* the rest singly: the product above was rounded */
        steps += more;
        consumed += more * size;
    }
    return n > consumed ? steps + (n - consumed) / r->full : steps;
}
