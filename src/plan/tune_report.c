#include "plan/tune.h"

#include "io/svg.h"

#include <stdio.h>

ts_status ts_candidate_options(const ts_candidate *c, ts_str *out)
{
    const int64_t *v = c->value;
    TS_TRY(ts_str_printf(out, "--tensor-model-parallel-size %lld%s --pipeline-model-parallel-size %lld",
                         (long long)v[TS_TUNED_TENSOR], v[TS_TUNED_TENSOR] > 1 ? " --sequence-parallel" : "",
                         (long long)v[TS_TUNED_PIPELINE]));
    if (v[TS_TUNED_CHUNKS] > 1)
        TS_TRY(ts_str_printf(out, " --num-virtual-stages-per-pipeline-rank %lld",
                             (long long)v[TS_TUNED_CHUNKS]));
    if (v[TS_TUNED_CONTEXT] > 1)
        TS_TRY(ts_str_printf(out, " --context-parallel-size %lld", (long long)v[TS_TUNED_CONTEXT]));
    TS_TRY(ts_str_printf(out, " --micro-batch-size %lld", (long long)v[TS_TUNED_MICRO]));
    if (v[TS_TUNED_STATE])
        TS_TRY(ts_str_puts(out, " --use-distributed-optimizer"));
    return v[TS_TUNED_RECOMPUTE] ? ts_str_puts(out, " --recompute-granularity full") : TS_OK;
}

/* ---- for people ---- */

static ts_status rows(const ts_tuning *t, int64_t top, ts_str *out)
{
    char peak[32];
    TS_TRY(ts_str_printf(out, "\n%13s %7s %8s %8s  %s\n", "tokens/s", "bubble", "network", "memory",
                         "options"));
    for (int64_t i = 0; i < t->n && i < top; i++) {
        const ts_candidate *c = &t->v[i];
        TS_TRY(ts_str_printf(out, "%13.0f %5.1f %% %6.1f %% %8s  ", c->tokens, 100 * c->bubble,
                             100 * c->network, ts_human_bytes((double)c->peak, peak)));
        TS_TRY(ts_candidate_options(c, out));
        TS_TRY(ts_str_puts(out, c->fits ? "\n" : "  does NOT FIT\n"));
    }
    return t->n > top ? ts_str_printf(out, "%13s and %lld more\n", "", (long long)(t->n - top)) : TS_OK;
}

/* The best layout in which one thing has this other value. */
static const ts_candidate *best_with(const ts_tuning *t, ts_tuned what, int64_t value)
{
    for (int64_t i = 0; i < t->n; i++)
        if (t->v[i].value[what] == value)
            return &t->v[i];
    return NULL;
}

/* What costs it most beside the choice. */
static const char *reason(const ts_candidate *c, const ts_candidate *best)
{
    const double bubble = c->bubble - best->bubble, network = c->network - best->network;
    if (!c->fits)
        return "does not fit";
    if (bubble <= 0.005 && network <= 0.005)
        return c->value[TS_TUNED_RECOMPUTE] > best->value[TS_TUNED_RECOMPUTE] ? "layers are computed twice"
                                                                              : "smaller pieces of work";
    return bubble > network ? "stages wait longer" : "more messages";
}

static ts_status why(const ts_tuning *t, ts_str *out)
{
    const ts_candidate *best = &t->v[0];
    char peak[32];
    TS_TRY(ts_str_puts(out, "\nwith another value at best:\n"));
    for (ts_tuned k = 0; k < TS_TUNED; k++)
        for (int64_t value = 0; value <= 128 && !t->given[k]; value++) {
            const ts_candidate *c = value == best->value[k] ? NULL : best_with(t, k, value);
            if (c)
                TS_TRY(ts_str_printf(out, "  --%-38s %4lld  %5.1f %% of its tokens/s, %s: %s\n",
                                     ts_tuned_name(k), (long long)value, 100 * c->tokens / best->tokens,
                                     ts_human_bytes((double)c->peak, peak), reason(c, best)));
        }
    return TS_OK;
}

ts_status ts_tuning_table(const ts_tuning *t, int64_t top, ts_str *out)
{
    const ts_candidate *best = &t->v[0];
    int64_t fit = 0;
    for (int64_t i = 0; i < t->n; i++)
        fit += t->v[i].fits;
    TS_TRY(ts_str_printf(out, "%d processes, each %s: %lld layouts planned, %lld fit, %lld cannot be\n\n",
                         t->world, t->hardware, (long long)t->n, (long long)fit, (long long)t->refused));
    TS_TRY(ts_str_puts(out, best->fits ? "choice  " : "none fits; the smallest  "));
    TS_TRY(ts_candidate_options(best, out));
    TS_TRY(ts_str_puts(out, "\n"));
    TS_TRY(rows(t, top, out));
    return why(t, out);
}

/* ---- JSON ---- */

static json_t *candidate_json(const ts_candidate *c)
{
    json_t *o = json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:b}", "peak_bytes", (json_int_t)c->peak,
                          "step_seconds", ts_json_number(c->seconds), "tokens_per_second",
                          ts_json_number(c->tokens), "bubble", ts_json_number(c->bubble), "network",
                          ts_json_number(c->network), "utilisation", ts_json_number(c->utilisation), "fits",
                          (int)c->fits);
    for (ts_tuned k = 0; o && k < TS_TUNED; k++)
        if (json_object_set_new(o, ts_tuned_name(k), json_integer((json_int_t)c->value[k]))) {
            json_decref(o);
            o = NULL;
        }
    return o;
}

ts_status ts_tuning_json(const ts_tuning *t, ts_str *out)
{
    json_t *all = json_array();
    for (int64_t i = 0; all && i < t->n; i++)
        if (json_array_append_new(all, candidate_json(&t->v[i]))) {
            json_decref(all);
            all = NULL;
        }
    json_t *o = json_pack("{s:i, s:o, s:I, s:o}", "world_size", t->world, "hardware",
                          ts_json_string(t->hardware), "refused", (json_int_t)t->refused, "layouts", all);
    const ts_status st = ts_json_write(o, JSON_INDENT(1) | JSON_REAL_PRECISION(15), "the layouts", out);
    json_decref(o);
    return st == TS_OK ? ts_str_puts(out, "\n") : st;
}

/* ---- a picture ---- */

enum { WIDTH = 760, HEIGHT = 460, LEFT = 90, BOTTOM = 60, MARGIN = 36 };

typedef struct axes {
    double most_memory, most_tokens;
} axes;

static double at_x(const axes *a, double bytes)
{
    return LEFT + (WIDTH - LEFT - MARGIN) * bytes / a->most_memory;
}

static double at_y(const axes *a, double tokens)
{
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - MARGIN) * tokens / a->most_tokens;
}

static ts_status frame(const axes *a, ts_str *out)
{
    char text[32];
    TS_TRY(ts_svg_begin(out, WIDTH, HEIGHT, "path{stroke:#ddd}"));
    for (int i = 0; i <= 4; i++) {
        const double x = at_x(a, a->most_memory * i / 4), y = at_y(a, a->most_tokens * i / 4);
        TS_TRY(ts_str_printf(out, "<path d=\"M%.1f %d V%d M%d %.1f H%d\"/>\n", x, MARGIN,
                             HEIGHT - BOTTOM, LEFT, y, WIDTH - MARGIN));
        TS_TRY(ts_svg_text(out, "n", x, HEIGHT - BOTTOM + 18,
                           ts_human_bytes(a->most_memory * i / 4, text)));
        snprintf(text, sizeof text, "%.0f", a->most_tokens * i / 4);
        TS_TRY(ts_svg_text(out, "e", LEFT - 8, y + 4, text));
    }
    TS_TRY(ts_svg_text(out, "n", (LEFT + WIDTH) / 2, HEIGHT - 14, "memory of the largest process"));
    return ts_svg_text(out, NULL, LEFT, 14,
                       "tokens per second; circled: the choice; hollow: does not fit");
}

ts_status ts_tuning_svg(const ts_tuning *t, ts_str *out)
{
    axes a = { 1, 1 };
    for (int64_t i = 0; i < t->n; i++) {
        const double bytes = 1.05 * (double)t->v[i].peak, tokens = 1.05 * t->v[i].tokens;
        a.most_memory = bytes > a.most_memory ? bytes : a.most_memory;
        a.most_tokens = tokens > a.most_tokens ? tokens : a.most_tokens;
    }
    /* four marks, all of them round */
    a = (axes){ 4 * ts_svg_step(a.most_memory, 4), 4 * ts_svg_step(a.most_tokens, 4) };
    TS_TRY(frame(&a, out));
    for (int64_t i = 0; i < t->n; i++) {
        const ts_candidate *c = &t->v[i];
        const double x = at_x(&a, (double)c->peak), y = at_y(&a, c->tokens);
        TS_TRY(ts_str_puts(out, "<g><title>"));
        TS_TRY(ts_candidate_options(c, out));
        TS_TRY(ts_str_printf(out,
                             ": %.0f tokens/s</title><circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" stroke=\"#2b6cb0\" "
                             "fill=\"%s\"/></g>\n",
                             c->tokens, x, y, c->fits ? "#6fa8dc" : "none"));
        if (i == 0)
            TS_TRY(ts_str_printf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"9\" stroke=\"#c0392b\" "
                                      "stroke-width=\"2\" fill=\"none\"/>\n", x, y));
    }
    return ts_svg_end(out);
}
