#include "media/families.h"

#include <string.h>

static ts_status repeat(ts_str *out, const char *word, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        TS_TRY(ts_str_puts(out, word));
    return TS_OK;
}

static ts_status framed(const ts_media_processor *p, const char *word, int64_t n, ts_str *out)
{
    TS_TRY(ts_str_puts(out, p->word[TS_WORD_OPEN]));
    TS_TRY(repeat(out, word, n));
    return ts_str_puts(out, p->word[TS_WORD_CLOSE]);
}

/* The time of group i of a clip's frames: of its first frame, or between those of its first and its last. */
static double group_time(const ts_media_processor *p, const ts_medium *m, int64_t i, bool is_mean)
{
    const int64_t first = i * p->clip.temporal, last = first + p->clip.temporal - 1, end = m->n_frames - 1;
    const double a = m->times[first < end ? first : end], b = m->times[last < end ? last : end];
    return is_mean ? (a + b) / 2 : a;
}

static ts_status write_clip(const ts_media_processor *p, const ts_medium *m, ts_str *out)
{
    const int64_t groups = m->grid[0], each = groups ? m->tokens / groups : 0;
    switch (p->family->clip_widening) {
    case TS_WIDEN_FRAMES:
        for (int64_t i = 0; i < m->n_frames; i++) {
            TS_TRY(ts_str_printf(out, "%sFrame%lld: ", i ? "\n" : "", (long long)i + 1));
            TS_TRY(framed(p, p->word[TS_WORD_FEATURE], p->per_tile, out));
        }
        return TS_OK;
    case TS_WIDEN_TIMED:
        for (int64_t i = 0; i < groups; i++) {
            TS_TRY(ts_str_printf(out, "<%.1f seconds>", group_time(p, m, i, true)));
            TS_TRY(framed(p, p->word[TS_WORD_CLIP], each, out));
        }
        return TS_OK;
    case TS_WIDEN_TIME_BEHIND:
        for (int64_t i = 0; i < groups; i++) {
            TS_TRY(framed(p, p->word[TS_WORD_PICTURE], each, out));
            TS_TRY(ts_str_printf(out, "%lld", (long long)group_time(p, m, i, false)));
        }
        return TS_OK;
    default:
        return repeat(out, p->word[TS_WORD_CLIP], m->tokens);
    }
}

/* ---- a clip with its own sound: ids of both among each other ---- */

typedef struct both {
    const ts_media_processor *p;
    int64_t frame;   /* ids of one step of the clip's time */
    int64_t clip, sound; /* ids of each */
    double step;     /* of the clip's time, in ids of sound */
} both;

/* Ids of the clip that come before time `t`. */
static int64_t clip_before(const both *b, double t)
{
    int64_t n = 0;
    while (n < b->clip && (double)(n / b->frame) * b->step < t)
        n += b->frame;
    return n;
}

/* A stretch of time of the clip, then the same of the sound, and so on. */
static ts_status in_chunks(const both *b, ts_str *out)
{
    const double chunk = (double)(int64_t)(b->p->ids_per_second * (double)b->p->chunk_seconds_x1000 / 1000);
    int64_t v = 0, a = 0;
    for (int64_t k = 1; v < b->clip || a < b->sound; k++) {
        const double end = (double)k * chunk;
        const int64_t next_v = clip_before(b, end), next_a = end < (double)b->sound ? (int64_t)end : b->sound;
        TS_TRY(repeat(out, b->p->word[TS_WORD_CLIP], next_v - v));
        TS_TRY(repeat(out, b->p->word[TS_WORD_SOUND], next_a - a));
        v = next_v, a = next_a;
    }
    return TS_OK;
}

/* Whatever is earlier; the clip where both are. */
static ts_status by_time(const both *b, ts_str *out)
{
    int64_t v = 0, a = 0;
    while (v < b->clip || a < b->sound) {
        const bool is_clip = a == b->sound || (v < b->clip && (double)(v / b->frame) * b->step <= (double)a);
        TS_TRY(ts_str_puts(out, b->p->word[is_clip ? TS_WORD_CLIP : TS_WORD_SOUND]));
        v += is_clip;
        a += !is_clip;
    }
    return TS_OK;
}

static ts_status write_both(const ts_media_processor *p, const ts_medium *m, const ts_medium *sound, ts_str *out)
{
    const both b = { p, m->tokens / m->grid[0], m->tokens, sound->tokens, m->second_per_grid * p->ids_per_second };
    TS_TRY(ts_str_puts(out, p->word[TS_WORD_SOUND_OPEN]));
    TS_TRY(p->family->own_sound == TS_OWN_SOUND_CHUNKS ? in_chunks(&b, out) : by_time(&b, out));
    return ts_str_puts(out, p->word[TS_WORD_SOUND_CLOSE]);
}

ts_status ts_media_write_text(const ts_media_processor *p, ts_medium *m, const ts_medium *sound)
{
    ts_str text = { 0 };
    ts_status st = TS_OK;
    if (!p->word[(int)m->kind])
        return TS_OK;
    if (m->kind == TS_MEDIUM_CLIP)
        st = sound ? write_both(p, m, sound, &text) : write_clip(p, m, &text);
    else if (m->kind == TS_MEDIUM_PICTURE && p->family->picture_widening == TS_WIDEN_FRAMED)
        st = framed(p, p->word[TS_WORD_FEATURE], m->tokens, &text);
    else
        st = repeat(&text, p->word[(int)m->kind], m->tokens);
    if (st == TS_OK)
        st = ts_strndup(ts_str_text(&text), text.len, &m->text);
    ts_str_deinit(&text);
    return st;
}

/* ---- in a text ---- */

typedef struct place {
    size_t at, end; /* of a placeholder; at is n: there are no more */
    ts_medium_kind kind;
} place;

static bool stands(const char *text, size_t n, size_t at, const char *word)
{
    const size_t len = word ? strlen(word) : 0;
    return len && len <= n - at && !memcmp(text + at, word, len);
}

static bool stands_before(const char *text, size_t at, const char *word)
{
    const size_t len = word ? strlen(word) : 0;
    return len && len <= at && !memcmp(text + at - len, word, len);
}

static place next_place(const ts_media_processor *p, const char *text, size_t n, size_t from)
{
    for (size_t at = from; at < n; at++)
        for (int k = 0; k < TS_MEDIUM_KINDS; k++)
            if (stands(text, n, at, p->word[k])) {
                place found = { at, at + strlen(p->word[k]), (ts_medium_kind)k };
                const bool takes_ends = k == TS_MEDIUM_CLIP && p->family->frames_have_ends;
                if (takes_ends && stands_before(text, at, p->word[TS_WORD_OPEN]) &&
                    stands(text, n, found.end, p->word[TS_WORD_CLOSE])) {
                    found.at -= strlen(p->word[TS_WORD_OPEN]);
                    found.end += strlen(p->word[TS_WORD_CLOSE]);
                }
                return found;
            }
    return (place){ n, n, TS_MEDIUM_KINDS };
}

/* The next medium that has a place of its own. */
static const ts_medium *next_medium(const ts_media_sample *s, size_t *i)
{
    const bool was_clip_with_sound = *i && s->v[*i - 1].has_own_sound;
    *i += was_clip_with_sound;
    return *i < s->n ? &s->v[(*i)++] : NULL;
}

ts_status ts_media_widen(const ts_media_processor *p, const ts_media_sample *s, const char *text, size_t n, size_t *mark,
                         size_t n_marks, ts_str *out)
{
    size_t i = 0, from = 0, k = 0;
    ts_str_reset(out);
    for (;;) {
        const place at = next_place(p, text, n, from);
        for (; k < n_marks && mark[k] <= at.at; k++)
            mark[k] = out->len + mark[k] - from;
        TS_TRY(ts_str_add(out, text + from, at.at - from));
        if (at.kind == TS_MEDIUM_KINDS)
            break;
        const ts_medium *m = next_medium(s, &i);
        if (!m || m->kind != at.kind)
            return ts_error(TS_ERR_USER, "the conversation has a place for %s (%s) where %s", ts_medium_word(at.kind),
                            p->word[(int)at.kind], m ? "another medium is due" : "there are no more media");
        TS_TRY(ts_str_puts(out, m->text));
        from = at.end;
        for (; k < n_marks && mark[k] < from; k++)
            mark[k] = out->len; /* inside of a placeholder: behind it */
    }
    const ts_medium *left = next_medium(s, &i);
    if (left)
        return ts_error(TS_ERR_USER, "%s: the conversation has no place for this %s", left->name, ts_medium_word(left->kind));
    return TS_OK;
}
