/* The samples of a text part: tokens and what the options mark in them. */
#include "data/source_parts.h"

int ts_data_fields(const ts_data_options *o, int64_t seq_length, ts_field out[TS_DATA_FIELDS])
{
    int n = 0;
    out[n++] = (ts_field){ "tokens", TS_DTYPE_I32, seq_length + 1 };
    out[n++] = (ts_field){ "loss_mask", TS_DTYPE_F32, seq_length };
    if (o->reset_position_ids)
        out[n++] = (ts_field){ "position_ids", TS_DTYPE_I32, seq_length };
    if (o->reset_attention_mask)
        out[n++] = (ts_field){ "segments", TS_DTYPE_I32, seq_length };
    return n;
}

/* Runs of counting numbers, 2 to 257 long, each ended by end-of-document. */
static void make_up(const ts_text_part *d, int64_t i, int32_t *tokens, int64_t n)
{
    const ts_data_need *need = &d->source->need;
    const int64_t vocab = need->vocab_size < 1 << 16 ? need->vocab_size : 1 << 16;
    uint64_t x = (uint64_t)i * 0xD1342543DE82EF95u + need->seed;
    int64_t left = 0, at = 0;
    for (int64_t k = 0; k < n; k++) {
        if (left == 0) {
            x += 0x9E3779B97F4A7C15u, x ^= x >> 30, x *= 0xBF58476D1CE4E5B9u;
            x ^= x >> 27, x *= 0x94D049BB133111EBu, x ^= x >> 31;
            left = 2 + (int64_t)(x & 255);
            at = (int64_t)(x >> 8 & 0xFFFF);
        }
        left--;
        tokens[k] = left == 0 && need->eod >= 0 ? need->eod : (int32_t)(at++ % vocab);
    }
}

static void mark(const ts_data_source *s, int64_t n, const ts_batch *b, int64_t row)
{
    const int64_t S = s->need.seq_length;
    const int32_t eod = s->need.eod, pad = s->need.pad;
    int32_t *const tokens = ts_batch_ints(b, "tokens", row),
                   *const positions = ts_batch_ints(b, "position_ids", row),
                   *const segments = ts_batch_ints(b, "segments", row);
    float *const mask = ts_batch_floats(b, "loss_mask", row);
    int32_t position = 0, segment = 0;
    for (int64_t k = 0; k < S; k++) {
        const bool is_end = eod >= 0 && tokens[k] == eod;
        const bool is_pad = k + 1 >= n || (pad >= 0 && tokens[k + 1] == pad); /* of the label */
        if (mask)
            mask[k] = is_pad || (s->eod_mask_loss && is_end) ? 0 : 1;
        if (positions)
            positions[k] = position;
        if (segments)
            segments[k] = segment;
        position = s->reset_positions && is_end ? 0 : position + 1;
        segment += s->reset_attention && is_end;
    }
    for (int64_t k = 0; k <= S; k++)
        if (k >= n || (pad >= 0 && tokens[k] == pad))
            tokens[k] = 0;
}

ts_status ts_text_part_get(const ts_dataset *base, int64_t i, const ts_batch *b, int64_t row)
{
    const ts_text_part *d = (const ts_text_part *)(const void *)base;
    const ts_data_source *s = d->source;
    int32_t *tokens = ts_batch_ints(b, "tokens", row);
    int64_t member = 0, n = s->need.seq_length + 1;
    TS_ASSERT(tokens && i >= 0 && i < base->n, "sample %lld of %lld", (long long)i,
              (long long)base->n);
    if (d->is_made_up) {
        make_up(d, i, tokens, n);
    } else {
        if (d->blend)
            ts_blend_at(d->blend, i, &member, &i);
        TS_TRY(ts_gpt_dataset_get(d->members[member], i, s->need.vocab_size, tokens, &n));
    }
    mark(s, n, b, row);
    return TS_OK;
}
