#include "parallel/schedule.h"

#include "base/mem.h"

const char *ts_unit_kind_name(ts_unit_kind kind)
{
    static const char *const name[TS_UNIT_KINDS] = {
        [TS_UNIT_FORWARD] = "forward",           [TS_UNIT_BACKWARD] = "backward",
        [TS_UNIT_INPUT_GRAD] = "input gradient", [TS_UNIT_WEIGHT_GRAD] = "weight gradient",
        [TS_UNIT_RECOMPUTE] = "recompute",
    };
    return name[kind];
}

void ts_schedule_destroy(ts_schedule **s)
{
    if (!*s)
        return;
    for (int64_t r = 0; (*s)->stage && r < (*s)->shape.n_stages; r++)
        ts_free(&(*s)->stage[r].v);
    ts_free(&(*s)->stage);
    ts_free(s);
}

/* ---- where a chunk is in the pipeline ---- */

static bool goes_back(const ts_schedule *s, int64_t chunk) { return s->is_v && chunk % 2; }

int64_t ts_schedule_part(const ts_schedule *s, ts_spot at)
{
    const int64_t p = s->shape.n_stages;
    return at.chunk * p + (goes_back(s, at.chunk) ? p - 1 - at.stage : at.stage);
}

ts_spot ts_schedule_spot(const ts_schedule *s, int64_t part)
{
    const int64_t p = s->shape.n_stages, chunk = part / p;
    return (ts_spot){ goes_back(s, chunk) ? p - 1 - part % p : part % p, chunk };
}

bool ts_schedule_before(const ts_schedule *s, ts_spot at, ts_spot *out)
{
    const int64_t part = ts_schedule_part(s, at);
    if (part == 0)
        return false;
    *out = ts_schedule_spot(s, part - 1);
    return true;
}

bool ts_schedule_after(const ts_schedule *s, ts_spot at, ts_spot *out)
{
    const int64_t part = ts_schedule_part(s, at);
    if (part == s->shape.n_stages * s->shape.n_chunks - 1)
        return false;
    *out = ts_schedule_spot(s, part + 1);
    return true;
}

/* ---- what it holds ---- */

ts_schedule_held ts_schedule_holds(const ts_schedule *s, int64_t stage)
{
    ts_schedule_held now = { 0 }, most = { 0 };
    for (int64_t i = 0; i < s->stage[stage].n; i++) {
        const ts_unit u = s->stage[stage].v[i];
        now.units += (u.kind == TS_UNIT_FORWARD && !u.runs_again) || u.kind == TS_UNIT_RECOMPUTE;
        now.weight_halves += u.kind == TS_UNIT_INPUT_GRAD;
        most.units = now.units > most.units ? now.units : most.units;
        most.weight_halves =
            now.weight_halves > most.weight_halves ? now.weight_halves : most.weight_halves;
        now.units -= u.kind == TS_UNIT_BACKWARD || u.kind == TS_UNIT_WEIGHT_GRAD;
        now.weight_halves -= u.kind == TS_UNIT_WEIGHT_GRAD;
    }
    return most;
}
