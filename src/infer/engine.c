#include "infer/engine.h"

#include "infer/angles.h"
#include "infer/model_group.h"
#include "infer/tell.h"

enum {
    CHUNK = 4096,       /* tokens of one long prompt that go through the layers at a time */
    GROUP_ROWS = 4096,  /* rows of a prefill of several prompts, padding included */
    FIRST_CAPACITY = 64,
};

struct ts_engine {
    ts_decoder *d;
    ts_device *dev;
    ts_tape *tape;
    int64_t slots, capacity;
    ts_layer_state **state;      /* [states]: as in ts_run; NULL of what keeps nothing */
    int64_t states;
    int32_t *length, *shift;     /* [slots]; shift as in ts_prompt */
    int32_t *q_start, *q_len;    /* [slots] of the pass at hand */
    int32_t *ids, *pos;          /* [rows] of the pass at hand */
    size_t cap_ids, cap_pos;
    float *logits;               /* a copy, where the device's cannot be read */
    size_t cap_logits;
    ts_storage *spare;           /* one slot of one layer, for reordering */
    bool is_paged;               /* keys and values lie in pages: each state has one slot, of n_pages */
    int64_t n_pages;
    ts_kv_pages pages;           /* of the pass at hand */
    int32_t *table;
    size_t cap_table;
    int64_t number;              /* among those of its model group */
    ts_status told;              /* of what could not be told and gives no status of its own */
};

static ts_model_group *group_of(const ts_engine *e) { return e->d->model_group; }

/* `what` with two numbers. */
static ts_status tell(ts_engine *e, ts_told_what what, int64_t a, int64_t b)
{
    return ts_tell(group_of(e), &(ts_told){ .what = what, .engine = e->number, .a = a, .b = b }, NULL);
}

static void tell_late(ts_engine *e, ts_told_what what, int64_t a, int64_t b)
{
    const ts_status st = tell(e, what, a, b);
    e->told = e->told == TS_OK ? st : e->told;
}

static ts_status create(ts_engine *e, int64_t slots)
{
    const int64_t layers = e->d->arch.n_layers;
    const ts_tape_options o = { 0 };
    e->slots = slots, e->states = layers + 1;
    TS_TRY(ts_tape_create(e->dev, &o, &e->tape));
    TS_TRY(ts_alloc(&e->state, (size_t)e->states, sizeof *e->state));
    if (e->d->ngram.order && e->d->embeds)
        TS_TRY(ts_ngram_state(&e->d->ngram, e->dev, slots, &e->state[layers]));
    for (int64_t l = 0; l < layers; l++) {
        const ts_sublayer *mixer = &e->d->block[l].mixer;
        if (mixer->make_state && e->d->here[l])
            TS_TRY(mixer->make_state(mixer->module, e->dev, e->d->compute, e->is_paged ? 1 : slots, &e->state[l]));
        ts_kv_state_use_code(e->state[l], e->d->kv_code);
    }
    TS_TRY(ts_alloc(&e->length, (size_t)slots, sizeof *e->length));
    TS_TRY(ts_alloc(&e->shift, (size_t)slots, sizeof *e->shift));
    TS_TRY(ts_alloc(&e->q_start, (size_t)slots, sizeof *e->q_start));
    return ts_alloc(&e->q_len, (size_t)slots, sizeof *e->q_len);
}

static void destroy_here(ts_engine **engine)
{
    ts_engine *e = *engine;
    if (!e)
        return;
    for (int64_t l = 0; e->state && l < e->states; l++)
        ts_layer_state_destroy(&e->state[l]);
    ts_storage_release(&e->spare);
    ts_tape_destroy(&e->tape);
    ts_free(&e->state);
    ts_free(&e->length);
    ts_free(&e->shift);
    ts_free(&e->q_start);
    ts_free(&e->q_len);
    ts_free(&e->ids);
    ts_free(&e->pos);
    ts_free(&e->logits);
    ts_free(&e->table);
    ts_free(engine);
}

static ts_status create_as(ts_decoder *d, int64_t slots, bool is_paged, ts_engine **out)
{
    ts_engine *e = NULL;
    TS_ASSERT(slots >= 1 && slots <= TS_ENGINE_MOST_SLOTS, "an engine of %lld slots",
              (long long)slots);
    TS_TRY(ts_tell(d->model_group, &(ts_told){ .what = TS_TOLD_CREATE, .a = slots, .b = is_paged }, NULL));
    const int64_t number = d->model_group ? d->model_group->n_engines++ : 0;
    ts_status st = ts_alloc(&e, 1, sizeof *e);
    if (st == TS_OK) {
        *e = (ts_engine){ .d = d, .dev = d->dev, .is_paged = is_paged, .number = number };
        st = create(e, slots);
    }
    st = ts_tell_agree(d->model_group, st);
    if (st != TS_OK)
        destroy_here(&e);
    else
        *out = e;
    return st;
}

ts_status ts_engine_create(ts_decoder *d, int64_t slots, ts_engine **out) { return create_as(d, slots, false, out); }

ts_status ts_engine_create_paged(ts_decoder *d, int64_t sequences, ts_engine **out)
{
    TS_ASSERT(ts_engine_has_pages(d), "an engine with pages of a model that keeps other things");
    return create_as(d, sequences, true, out);
}

bool ts_engine_has_pages(const ts_decoder *d)
{
    for (int64_t l = 0; l < d->arch.n_layers; l++)
        if (d->block[l].mixer.make_state && !d->block[l].mixer.has_pages)
            return false;
    return !d->ngram.order;
}

void ts_engine_destroy(ts_engine **engine)
{
    if (*engine)
        tell_late(*engine, TS_TOLD_DESTROY, 0, 0);
    destroy_here(engine);
}

int64_t ts_engine_length(const ts_engine *e, int64_t slot) { return e->length[slot]; }
int64_t ts_engine_slots(const ts_engine *e) { return e->slots; }

/* ---- what the layers keep ---- */

static ts_status reserve_here(ts_engine *e, int64_t tokens)
{
    if (tokens <= e->capacity)
        return TS_OK;
    const int64_t capacity = (tokens + FIRST_CAPACITY - 1) / FIRST_CAPACITY * FIRST_CAPACITY;
    ts_storage_release(&e->spare);
    for (int64_t l = 0; l < e->states; l++)
        /* a growth that failed half-way is finished by the next */
        if (e->state[l])
            TS_TRY(e->state[l]->kind->reserve(e->state[l], capacity, e->length));
    e->capacity = capacity;
    return TS_OK;
}

ts_status ts_engine_reserve(ts_engine *e, int64_t tokens)
{
    if (tokens <= e->capacity)
        return TS_OK;
    TS_TRY(tell(e, TS_TOLD_RESERVE, tokens, 0));
    return ts_tell_agree(group_of(e), reserve_here(e, tokens));
}

static ts_status reserve_pages_here(ts_engine *e, int64_t pages)
{
    const int32_t used = (int32_t)(e->n_pages << TS_ENGINE_PAGE_BITS);
    for (int64_t l = 0; l < e->states; l++)
        if (e->state[l])
            TS_TRY(e->state[l]->kind->reserve(e->state[l], pages << TS_ENGINE_PAGE_BITS, &used));
    e->n_pages = pages;
    return TS_OK;
}

ts_status ts_engine_reserve_pages(ts_engine *e, int64_t pages)
{
    TS_ASSERT(e->is_paged && pages << TS_ENGINE_PAGE_BITS <= INT32_MAX, "room for %lld pages", (long long)pages);
    if (pages <= e->n_pages)
        return TS_OK;
    TS_TRY(tell(e, TS_TOLD_RESERVE_PAGES, pages, 0));
    return ts_tell_agree(group_of(e), reserve_pages_here(e, pages));
}

/* Room by doubling, for a sequence whose end nobody knows. */
static ts_status need(ts_engine *e, int64_t tokens)
{
    if (tokens <= e->capacity)
        return TS_OK;
    if (e->is_paged) { /* of positions alone */
        e->capacity = tokens > 2 * e->capacity ? tokens : 2 * e->capacity;
        return TS_OK;
    }
    return reserve_here(e, tokens > 2 * e->capacity ? tokens : 2 * e->capacity);
}

static void copy_slot(ts_layer_state *s, int64_t to, int64_t from, int64_t length)
{
    if (s)
        s->kind->copy(s, to, from, length);
}

void ts_engine_clear(ts_engine *e, int64_t slot)
{
    tell_late(e, TS_TOLD_CLEAR, slot, 0);
    e->length[slot] = 0;
}

void ts_engine_copy(ts_engine *e, int64_t to, int64_t from)
{
    if (to == from)
        return;
    tell_late(e, TS_TOLD_COPY, to, from);
    for (int64_t l = 0; l < e->states; l++)
        copy_slot(e->state[l], to, from, e->length[from]);
    e->length[to] = e->length[from];
    e->shift[to] = e->shift[from];
}

/* The cycles of a permutation need one spare slot; a slot that nobody reads any more is overwritten
 * first. */
static void reorder_layer(ts_engine *e, ts_layer_state *s, const int64_t *from, int64_t n)
{
    int readers[TS_ENGINE_MOST_SLOTS] = { 0 };
    int64_t source[TS_ENGINE_MOST_SLOTS];
    bool done[TS_ENGINE_MOST_SLOTS] = { false };
    enum { SPARE = -1 };
    for (int64_t i = 0; i < n; i++) {
        source[i] = from[i];
        done[i] = from[i] == i;
        readers[from[i]] += !done[i];
    }
    for (int64_t left = n; left-- > 0;) {
        int64_t i = 0, blocked = -1;
        for (; i < n && (done[i] || readers[i]); i++)
            blocked = !done[i] && blocked < 0 ? i : blocked;
        if (i == n) {
            if (blocked < 0)
                return;
            i = blocked; /* a cycle: what stands here goes to the spare slot */
            s->kind->put_aside(s, i, e->length[i], e->spare->data);
            for (int64_t k = 0; k < n; k++)
                if (!done[k] && source[k] == i)
                    source[k] = SPARE;
        }
        if (source[i] == SPARE)
            s->kind->put_back(s, i, e->length[from[i]], e->spare->data);
        else
            s->kind->copy(s, i, source[i], e->length[from[i]]);
        done[i] = true;
        if (source[i] != SPARE)
            readers[source[i]]--;
    }
}

/* Room for what any layer holds of one slot. */
static ts_status make_spare(ts_engine *e)
{
    size_t most = 0;
    if (e->spare)
        return TS_OK;
    for (int64_t l = 0; l < e->states; l++)
        if (e->state[l] && e->state[l]->kind->slot_bytes(e->state[l]) > most)
            most = e->state[l]->kind->slot_bytes(e->state[l]);
    return most ? ts_storage_create(e->dev, TS_MEM_OTHER, most, &e->spare) : TS_OK;
}

ts_status ts_engine_reorder(ts_engine *e, const int64_t *from, int64_t n)
{
    int32_t length[TS_ENGINE_MOST_SLOTS], shift[TS_ENGINE_MOST_SLOTS];
    const ts_told t = { .what = TS_TOLD_REORDER, .engine = e->number, .b = n, .bytes = n * (int64_t)sizeof *from };
    TS_TRY(ts_tell(group_of(e), &t, from));
    TS_TRY(ts_tell_failed(group_of(e), make_spare(e)));
    for (int64_t l = 0; l < e->states; l++)
        if (e->state[l])
            reorder_layer(e, e->state[l], from, n);
    for (int64_t i = 0; i < n; i++)
        length[i] = e->length[from[i]], shift[i] = e->shift[from[i]];
    for (int64_t i = 0; i < n; i++)
        e->length[i] = length[i], e->shift[i] = shift[i];
    return TS_OK;
}

int64_t ts_engine_alone_above(const ts_engine *e) { return ts_angles_alone_above(&e->d->arch); }
bool ts_engine_must_refill(const ts_engine *e, int64_t n) { return ts_angles_change_at(&e->d->arch, n); }

/* ---- passes ---- */

/* Whose rows a pass has: n slots from `first` on; whether they are of prompts, or of one new token each. */
typedef struct pass_slots {
    int64_t first, n;
    bool is_prompt;
    const ts_pictures *pictures; /* of a prompt alone; NULL: none */
} pass_slots;

/* The last row of each sequence of B x S, as [B, hidden]. */
static ts_status last_rows(ts_engine *e, int64_t B, int64_t S, ts_tensor *hidden, ts_tensor **out)
{
    *out = hidden;
    if (S == 1)
        return TS_OK;
    const size_t row = (size_t)hidden->dim[1] * ts_dtype_size(hidden->dtype);
    TS_TRY(ts_tape_new(e->tape, hidden->dtype, B, hidden->dim[1], out));
    for (int64_t b = 0; b < B; b++)
        e->dev->move(e->dev, (char *)ts_tensor_data(*out) + (size_t)b * row,
                     (char *)ts_tensor_data(hidden) + (size_t)(b * S + e->q_len[b] - 1) * row, row);
    return TS_OK;
}

/* The pass's table of pages to the device. */
static ts_status put_table(ts_engine *e, int64_t B)
{
    ts_tensor *table;
    TS_TRY(ts_tape_upload(e->tape, TS_DTYPE_I32, e->table, B * e->pages.each, &table));
    e->pages.table = e->table, e->pages.on_device = table, e->pages.bits = TS_ENGINE_PAGE_BITS;
    return TS_OK;
}

/* hidden [B * S, hidden size]; NULL where the last layer is elsewhere. */
static ts_status forward(ts_engine *e, const pass_slots *of, int64_t S, ts_tensor **hidden)
{
    const int64_t first = of->first, B = of->n;
    ts_tensor *ids, *pos;
    int64_t longest = 0, ahead = 0;
    for (int64_t b = 0; b < B; b++) {
        longest = e->q_start[b] + e->q_len[b] > longest ? e->q_start[b] + e->q_len[b] : longest;
        ahead = !e->is_paged && e->shift[first + b] > ahead ? e->shift[first + b] : ahead;
    }
    const int64_t length = ts_angles_length(&e->d->arch, longest);
    TS_TRY(ts_decoder_prepare(e->d, (length > 1 ? longest : e->capacity) + ahead, length));
    TS_TRY(ts_tape_upload(e->tape, TS_DTYPE_I32, e->ids, B * S, &ids));
    TS_TRY(ts_tape_upload(e->tape, TS_DTYPE_I32, e->pos, B * S, &pos));
    if (e->is_paged)
        TS_TRY(put_table(e, B));
    const ts_run run = { .B = B, .S = S, .pos = pos, .state = e->state, .slot0 = first,
                         .q_start = e->q_start, .q_len = e->q_len, .any_cut = of->is_prompt,
                         .pages = e->is_paged ? &e->pages : NULL, .pictures = of->pictures };
    TS_TRY(ts_model_group_forward(e->d, e->tape, &run, ids, hidden));
    for (int64_t b = 0; !e->is_paged && b < B; b++)
        e->length[first + b] = e->q_start[b] + e->q_len[b];
    return TS_OK;
}

/* logits NULL: they are not wanted. */
static ts_status pass(ts_engine *e, const pass_slots *of, int64_t S, ts_tensor **logits)
{
    ts_tensor *hidden, *last = NULL;
    TS_TRY(forward(e, of, S, &hidden));
    if (!logits)
        return TS_OK;
    if (hidden)
        TS_TRY(last_rows(e, of->n, S, hidden, &last));
    return ts_model_group_logits(e->d, e->tape, last, of->n, logits);
}

/* Where the host can, it reads logits on the tape, which holds nothing else until the next pass. */
static ts_status hand_out(ts_engine *e, ts_tensor *logits, ts_logits *out)
{
    *out = (ts_logits){ ts_tensor_data(logits), logits->dim[1] };
    if (e->dev->on_host) {
        ts_tape_pop(e->tape, logits);
        return e->dev->sync(e->dev);
    }
    ts_status st =
        ts_grow(&e->logits, &e->cap_logits, (size_t)ts_tensor_count(logits), sizeof *e->logits);
    if (st == TS_OK)
        st = ts_device_read(e->dev, e->logits, out->v, ts_tensor_bytes(logits));
    out->v = e->logits;
    ts_tape_reset(e->tape);
    return st;
}

static ts_status clean_pass(ts_engine *e, const pass_slots *of, int64_t S, ts_logits *out)
{
    ts_tensor *logits = NULL;
    ts_tape_reset(e->tape);
    e->tape->recording = false;
    ts_status st = ts_tape_push(e->tape);
    if (st == TS_OK)
        st = pass(e, of, S, out ? &logits : NULL);
    if (st == TS_OK && out && !ts_model_group_follows(group_of(e)))
        return hand_out(e, logits, out);
    ts_tape_reset(e->tape);
    return st;
}

static ts_status rows(ts_engine *e, int64_t n)
{
    TS_TRY(ts_grow(&e->ids, &e->cap_ids, (size_t)n, sizeof *e->ids));
    return ts_grow(&e->pos, &e->cap_pos, (size_t)n, sizeof *e->pos);
}

/* n tokens at positions begin..begin+n-1 as row b of the pass; the rest of its S rows is padding. */
static void put_row(ts_engine *e, int64_t b, int64_t S, const int32_t *ids, int64_t begin,
                    int64_t n)
{
    for (int64_t i = 0; i < S; i++) {
        e->ids[b * S + i] = i < n ? ids[i] : 0;
        e->pos[b * S + i] = i < n ? (int32_t)(begin + i) : 0;
    }
    e->q_start[b] = (int32_t)begin;
    e->q_len[b] = (int32_t)n;
}

/* One prompt in chunks; the angles are those of its whole length. */
static ts_status prefill_one(ts_engine *e, int64_t slot, const ts_prompt *p, ts_logits *out)
{
    const int64_t chunk = p->n < CHUNK || p->pictures || ts_engine_alone_above(e) < p->n ? p->n : CHUNK;
    const pass_slots of = { slot, 1, true, p->pictures };
    TS_TRY(rows(e, chunk));
    for (int64_t at = 0; at < p->n; at += chunk) {
        const int64_t n = p->n - at < chunk ? p->n - at : chunk;
        put_row(e, 0, n, p->ids + at, at, n);
        TS_TRY(clean_pass(e, &of, n, at + n == p->n ? out : NULL));
    }
    return TS_OK;
}

int64_t ts_engine_prefill_group(const ts_prompt *prompts, int64_t n)
{
    int64_t longest = prompts[0].n, sum = prompts[0].n, k = 1;
    for (; k < n && !prompts[0].pictures && !prompts[k].pictures; k++) {
        const int64_t most = prompts[k].n > longest ? prompts[k].n : longest;
        sum += prompts[k].n;
        if (most * (k + 1) > GROUP_ROWS || most * (k + 1) * 3 > sum * 4)
            break;
        longest = most;
    }
    return k;
}

static ts_status prefill_here(ts_engine *e, int64_t first, int64_t n, const ts_prompt *prompts, ts_logits *out)
{
    int64_t S = 0;
    for (int64_t b = 0; b < n; b++) {
        e->length[first + b] = 0;
        e->shift[first + b] = (int32_t)prompts[b].shift;
        S = prompts[b].n > S ? prompts[b].n : S;
    }
    TS_TRY(need(e, S));
    if (n == 1)
        return prefill_one(e, first, prompts, out);
    TS_TRY(rows(e, n * S));
    for (int64_t b = 0; b < n; b++)
        put_row(e, b, S, prompts[b].ids, 0, prompts[b].n);
    return clean_pass(e, &(pass_slots){ first, n, true, NULL }, S, out);
}

ts_status ts_engine_prefill(ts_engine *e, int64_t first, int64_t n, const ts_prompt *prompts,
                            ts_logits *out)
{
    const ts_told t = { .what = TS_TOLD_PREFILL, .engine = e->number, .a = first, .b = n };
    TS_TRY(e->told);
    TS_TRY(ts_tell_prompts(group_of(e), &t, prompts, NULL));
    return ts_tell_failed(group_of(e), prefill_here(e, first, n, prompts, out));
}

static ts_status decode_here(ts_engine *e, int64_t n, const int32_t *ids, ts_logits *out)
{
    int64_t longest = 0;
    for (int64_t b = 0; b < n; b++)
        longest = e->length[b] > longest ? e->length[b] : longest;
    TS_TRY(need(e, longest + 1));
    TS_TRY(rows(e, n));
    for (int64_t b = 0; b < n; b++) {
        e->ids[b] = ids[b];
        e->q_start[b] = e->length[b], e->q_len[b] = 1;
        e->pos[b] = e->length[b] + e->shift[b];
    }
    return clean_pass(e, &(pass_slots){ 0, n, false, NULL }, 1, out);
}

ts_status ts_engine_decode(ts_engine *e, int64_t n, const int32_t *ids, ts_logits *out)
{
    const ts_told t = { .what = TS_TOLD_DECODE, .engine = e->number, .b = n, .bytes = n * (int64_t)sizeof *ids };
    TS_TRY(e->told);
    TS_TRY(ts_tell(group_of(e), &t, ids));
    return ts_tell_failed(group_of(e), decode_here(e, n, ids, out));
}

/* ---- passes of sequences in pages ---- */

/* Row b of the pass and of its table. */
static void put_stretch(ts_engine *e, int64_t b, int64_t S, const ts_engine_stretch *s)
{
    put_row(e, b, S, s->ids, s->begin, s->n);
    for (int64_t i = 0; i < e->pages.each; i++)
        e->table[b * e->pages.each + i] = i < s->n_pages ? s->pages[i] : 0;
}

static ts_status run_here(ts_engine *e, const ts_engine_stretch *s, int64_t n, bool is_prompt, ts_logits *out)
{
    int64_t S = 0, longest = 0;
    e->pages.each = 0;
    for (int64_t b = 0; b < n; b++) {
        const int64_t end = s[b].begin + s[b].n, pages = (end + TS_ENGINE_PAGE - 1) >> TS_ENGINE_PAGE_BITS;
        TS_ASSERT(e->is_paged && s[b].n > 0 && pages <= s[b].n_pages, "a sequence of %lld tokens in %lld pages",
                  (long long)end, (long long)s[b].n_pages);
        S = s[b].n > S ? s[b].n : S;
        longest = end > longest ? end : longest;
        e->pages.each = pages > e->pages.each ? pages : e->pages.each;
    }
    TS_TRY(need(e, longest));
    TS_TRY(rows(e, n * S));
    TS_TRY(ts_grow(&e->table, &e->cap_table, (size_t)(n * e->pages.each), sizeof *e->table));
    for (int64_t b = 0; b < n; b++)
        put_stretch(e, b, S, &s[b]);
    return clean_pass(e, &(pass_slots){ 0, n, is_prompt, NULL }, S, out);
}

ts_status ts_engine_run(ts_engine *e, const ts_engine_stretch *s, int64_t n, bool is_prompt, ts_logits *out)
{
    const ts_told t = { .what = TS_TOLD_RUN, .engine = e->number, .a = is_prompt, .b = n, .c = out != NULL };
    TS_TRY(e->told);
    TS_TRY(ts_tell_stretches(group_of(e), &t, s));
    return ts_tell_failed(group_of(e), run_here(e, s, n, is_prompt, out));
}

/* ---- what is asked of further tokens ---- */

/* The rows of the pass that something is asked of, tokens from `begin` on; *k of them. */
static ts_status asked_rows(ts_engine *e, ts_tensor *hidden, int64_t S, int64_t begin, const ts_ask *asks,
                            int64_t n_asks, int64_t k, ts_tensor **rows, ts_tensor **labels)
{
    const size_t row = (size_t)hidden->dim[1] * ts_dtype_size(hidden->dtype);
    int32_t *label;
    TS_TRY(ts_tape_new(e->tape, hidden->dtype, k, hidden->dim[1], rows));
    TS_TRY(ts_alloc(&label, (size_t)k, sizeof *label));
    k = 0;
    for (int64_t i = 0; i < n_asks; i++) {
        if (asks[i].at < begin || asks[i].at >= begin + S)
            continue;
        label[k] = asks[i].id;
        e->dev->move(e->dev, (char *)ts_tensor_data(*rows) + (size_t)k++ * row,
                     (char *)ts_tensor_data(hidden) + (size_t)(asks[i].row * S + asks[i].at - begin) * row, row);
    }
    const ts_status st = ts_tape_upload(e->tape, TS_DTYPE_I32, label, k, labels);
    ts_free(&label);
    return st;
}

/* Of the pass that is set up: answers to the asks that fall into it. */
static ts_status answer(ts_engine *e, const pass_slots *of, int64_t S, int64_t begin, const ts_ask *asks,
                        int64_t n_asks, float *logprobs)
{
    ts_tensor *hidden, *rows, *labels, *loss = NULL;
    float *host = NULL;
    int64_t k = 0;
    TS_TRY(forward(e, of, S, &hidden));
    for (int64_t i = 0; i < n_asks; i++)
        k += asks[i].at >= begin && asks[i].at < begin + S;
    if (!k)
        return TS_OK;
    if (hidden) {
        TS_TRY(asked_rows(e, hidden, S, begin, asks, n_asks, k, &rows, &labels));
        ts_xent_op head = ts_decoder_head(e->d);
        head.labels = labels;
        TS_TRY(ts_op_linear_xent(e->tape, &head, rows, &loss, NULL));
    }
    TS_TRY(ts_model_group_bring(e->d, e->tape, TS_DTYPE_F32, k, 0, &loss));
    if (ts_model_group_follows(group_of(e)))
        return TS_OK;
    TS_TRY(ts_alloc(&host, (size_t)k, sizeof *host));
    const ts_status st = ts_device_read(e->dev, host, ts_tensor_data(loss), (size_t)k * sizeof *host);
    k = 0;
    for (int64_t i = 0; i < n_asks && st == TS_OK; i++)
        if (asks[i].at >= begin && asks[i].at < begin + S)
            logprobs[i] = -host[k++];
    ts_free(&host);
    return st;
}

static ts_status extend_here(ts_engine *e, int64_t first, int64_t n, const ts_prompt *more, const ts_ask *asks,
                             int64_t n_asks, float *logprobs)
{
    const pass_slots of = { first, n, true, NULL };
    int64_t S = 0, longest = 0;
    for (int64_t b = 0; b < n; b++) {
        S = more[b].n > S ? more[b].n : S;
        longest = e->length[first + b] + more[b].n > longest ? e->length[first + b] + more[b].n : longest;
    }
    TS_TRY(need(e, longest));
    const int64_t chunk = n == 1 && S > CHUNK ? CHUNK : S;
    TS_TRY(rows(e, n * chunk));
    for (int64_t at = 0; at < S; at += chunk) {
        for (int64_t b = 0; b < n; b++)
            put_row(e, b, chunk, more[b].ids + at, e->length[first + b], more[b].n - at < chunk ? more[b].n - at : chunk);
        ts_tape_reset(e->tape);
        e->tape->recording = false;
        const ts_status st = answer(e, &of, chunk, at, asks, n_asks, logprobs);
        ts_tape_reset(e->tape);
        TS_TRY(st);
    }
    return TS_OK;
}

ts_status ts_engine_extend(ts_engine *e, int64_t first, int64_t n, const ts_prompt *more, const ts_ask *asks,
                           int64_t n_asks, float *logprobs)
{
    const ts_told t = { .what = TS_TOLD_EXTEND, .engine = e->number, .a = first, .b = n, .c = n_asks };
    TS_TRY(e->told);
    TS_TRY(ts_tell_prompts(group_of(e), &t, more, asks));
    return ts_tell_failed(group_of(e), extend_here(e, first, n, more, asks, n_asks, logprobs));
}
