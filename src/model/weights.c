#include "model/weights.h"

#include "base/file.h"
#include "base/log.h"
#include "model/adapters.h"
#include "model/families/vision.h"
#include "model/param_read.h"
#include "model/weights_nf4.h"
#include "model/weights_packed.h"
#include "model/weights_scaled.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void ts_model_deinit(ts_model *m)
{
    ts_decoder_destroy(&m->decoder);
    ts_adapters_destroy(&m->adapters);
    json_decref(m->config);
    json_decref(m->tokenizer);
    ts_free(&m->folder);
    ts_free(&m->tokens_folder);
    ts_free(&m->nf4_base);
    ts_st_dir_destroy(&m->mapped);
    ts_side_files_deinit(&m->files);
    ts_side_files_deinit(&m->hf_files);
    *m = (ts_model){ 0 };
}

ts_st_dtype ts_save_hf_dtype_of(ts_save_hf_dtype choice, ts_st_dtype as_is)
{
    static const ts_st_dtype of[] = { [TS_SAVE_HF_F32] = TS_ST_F32, [TS_SAVE_HF_BF16] = TS_ST_BF16,
                                      [TS_SAVE_HF_F16] = TS_ST_F16 };
    return choice == TS_SAVE_HF_AUTO ? as_is : of[choice];
}

ts_st_dtype ts_weights_dtype(const ts_st_dir *dir)
{
    size_t bytes[TS_ST_DTYPES] = { 0 };
    ts_st_dtype best = TS_ST_F32;
    for (int64_t i = 0; i < ts_st_dir_count(dir); i++) {
        const ts_st_tensor *t = ts_st_dir_at(dir, i);
        char stem[TS_FAMILY_NAME];
        if (ts_scaled_stem(t->name, stem))
            continue;
        bytes[t->dtype] += t->size;
        if ((t->dtype == TS_ST_F32 || t->dtype == TS_ST_BF16 || t->dtype == TS_ST_F16) &&
            bytes[t->dtype] > bytes[best])
            best = t->dtype;
    }
    return best;
}

/* ---- loading ---- */

enum { PIECE = 1 << 20 };

static ts_status wrong_shape(const ts_st_tensor *t, const ts_name_tensor *want, const char *who_says)
{
    ts_str found = { 0 }, expected = { 0 };
    ts_status st = ts_str_puts(&found, "[");
    for (int i = 0; st == TS_OK && i < t->rank; i++)
        st = ts_str_printf(&found, "%s%lld", i ? ", " : "", (long long)t->shape[i]);
    for (int i = 0; st == TS_OK && i < want->rank; i++)
        st = ts_str_printf(&expected, "%s%lld", i ? ", " : "", (long long)want->dim[i]);
    if (st == TS_OK)
        st = ts_error(TS_ERR_USER, "%s: tensor %s has shape %s], but %s [%s]", t->path, t->name, found.s, who_says,
                      ts_str_text(&expected));
    ts_str_deinit(&found);
    ts_str_deinit(&expected);
    return st;
}

ts_status ts_weights_check_shape(const ts_st_tensor *t, const ts_name_tensor *want, const char *who_says)
{
    bool same = t->rank == want->rank;
    for (int i = 0; same && i < want->rank; i++)
        same = t->shape[i] == want->dim[i];
    return same ? TS_OK : wrong_shape(t, want, who_says);
}

/* Under its name or another that files have, such as those of the base model alone. */
static const ts_st_tensor *find_named(const ts_family *f, const ts_st_dir *dir, const char *name)
{
    char alias[TS_FAMILY_NAME];
    const ts_st_tensor *t = ts_st_dir_find(dir, name);
    for (int i = 0; !t && ts_family_alias(f, name, i, alias); i++)
        t = ts_st_dir_find(dir, alias);
    return t;
}

enum { NAME = 128 };

/* The tensor's name of the embedding or the output layer. */
static const char *weight_of(const ts_family *f, const ts_arch *a, const char *ours, char name[NAME])
{
    const char *module = ts_family_module(f, a, ours);
    snprintf(name, NAME, "%s.weight", module ? module : "");
    return name;
}

const ts_st_tensor *ts_weights_find(const ts_family *f, const ts_arch *a, const ts_st_dir *dir,
                                    const char *name)
{
    char own[NAME];
    const ts_st_tensor *t = find_named(f, dir, name);
    if (!t && a->tied && !strcmp(name, weight_of(f, a, "embedding.word_embeddings", own)))
        t = find_named(f, dir, weight_of(f, a, "output_layer", own));
    return t;
}

const ts_st_tensor *ts_weights_table(const ts_family *f, const ts_arch *a, const ts_st_dir *dir)
{
    char own[NAME];
    const ts_st_tensor *t = ts_weights_find(f, a, dir, weight_of(f, a, "embedding.word_embeddings", own));
    const bool real = t && (t->dtype == TS_ST_F32 || t->dtype == TS_ST_BF16 || t->dtype == TS_ST_F16);
    return real && !t->make && t->rank == 2 && t->shape[0] == a->vocab && t->shape[1] == a->hidden &&
                   (uintptr_t)t->data % 4 == 0 ? t : NULL;
}

void ts_weights_map(ts_decoder *d, const ts_family *f, const ts_st_dir *dir)
{
    ts_param *p = ts_param_find(&d->params, "embedding.word_embeddings.weight");
    if (p && p->held == TS_HELD_FILE)
        p->value = (void *)(uintptr_t)ts_weights_table(f, &d->arch, dir)->data; /* nobody writes what is not trained */
}

/* Tokens go to experts that there are. */
static ts_status check_choices(const ts_st_tensor *t, int64_t experts)
{
    float *x;
    TS_TRY(ts_alloc(&x, PIECE, sizeof *x));
    ts_status st = TS_OK;
    for (int64_t i = 0; st == TS_OK && i < t->elements; i += PIECE) {
        const int64_t n = t->elements - i < PIECE ? t->elements - i : PIECE;
        st = ts_st_read_whole(t, i, n, x);
        for (int64_t k = 0; st == TS_OK && k < n; k++)
            if (!(x[k] >= 0 && x[k] < (float)experts && x[k] == floorf(x[k])))
                st = ts_error(TS_ERR_USER, "%s: tensor %s sends token %lld to expert %g, expected whole numbers from 0 to %lld",
                              t->path, t->name, (long long)((i + k) / t->shape[t->rank - 1]), (double)x[k],
                              (long long)experts - 1);
    }
    ts_free(&x);
    return st;
}

static ts_status check_tensor(const ts_family *f, const ts_arch *a, const ts_st_dir *dir,
                              const char *folder, const ts_name_tensor *want)
{
    char head[NAME];
    const ts_st_tensor *t = ts_weights_find(f, a, dir, want->hf_name);
    ts_packed packed;
    ts_scaled scaled;
    if (!t && ts_packed_find(f, dir, want->hf_name, &packed))
        return ts_packed_check(&packed, folder, want);
    if (t && ts_scaled_is(dir, t))
        return ts_scaled_find(dir, t, want, &scaled);
    if (!t)
        return ts_error(TS_ERR_USER, "%s: tensor %s is in none of the files%s", folder,
                        want->hf_name,
                        strcmp(want->hf_name, weight_of(f, a, "output_layer", head))
                            ? ""
                            : " (if the output layer is the embedding, config.json must say "
                              "tie_word_embeddings: true)");
    TS_TRY(ts_weights_check_shape(t, want, "config.json says"));
    if ((t->dtype == TS_ST_I64 || t->dtype == TS_ST_I32) && !want->is_choice)
        return ts_error(TS_ERR_USER, "%s: tensor %s is %s, expected F64, F32, F16 or BF16", t->path, t->name,
                        ts_st_dtype_name(t->dtype));
    return want->is_choice ? check_choices(t, a->n_experts) : TS_OK;
}

ts_status ts_weights_not_finite(const ts_st_tensor *t, int64_t *at)
{
    float *x;
    *at = -1;
    TS_TRY(ts_alloc(&x, PIECE, sizeof *x));
    ts_status st = TS_OK;
    for (int64_t i = 0; st == TS_OK && *at < 0 && i < t->elements; i += PIECE) {
        const int64_t n = t->elements - i < PIECE ? t->elements - i : PIECE;
        st = ts_st_read_f32(t, i, n, x);
        for (int64_t k = 0; st == TS_OK && *at < 0 && k < n; k++)
            if (!isfinite(x[k]))
                *at = i + k;
    }
    ts_free(&x);
    return st;
}

static ts_status same_values(const ts_st_tensor *a, const ts_st_tensor *b, bool *same)
{
    float *x;
    TS_TRY(ts_alloc(&x, 2 * PIECE, sizeof *x));
    ts_status st = TS_OK;
    *same = true;
    for (int64_t i = 0; st == TS_OK && *same && i < a->elements; i += PIECE) {
        const int64_t n = a->elements - i < PIECE ? a->elements - i : PIECE;
        st = ts_st_read_f32(a, i, n, x);
        if (st == TS_OK)
            st = ts_st_read_f32(b, i, n, x + PIECE);
        for (int64_t k = 0; st == TS_OK && *same && k < n; k++)
            *same = x[k] == x[PIECE + k];
    }
    ts_free(&x);
    return st;
}

ts_status ts_weights_settle_tie(const ts_family *f, const ts_st_dir *dir, const char *folder,
                                ts_arch *a, json_t *config)
{
    char e[NAME], h[NAME];
    if (f->vision)
        TS_TRY(ts_vision_settle_form(f, dir, a));
    if (!a->tied)
        return TS_OK;
    const ts_st_tensor *embed = find_named(f, dir, weight_of(f, a, "embedding.word_embeddings", e));
    const ts_st_tensor *head = find_named(f, dir, weight_of(f, a, "output_layer", h));
    if (!embed || !head)
        return TS_OK;
    const ts_name_tensor shape = { .rank = 2, .dim = { a->vocab, a->hidden } };
    const bool fits = head->rank == 2 && head->shape[0] == a->vocab && head->shape[1] == a->hidden;
    if (!fits)
        return wrong_shape(head, &shape, "config.json says");
    if (embed->elements != head->elements) /* found when the embedding is read */
        return TS_OK;
    bool same;
    TS_TRY(same_values(embed, head, &same));
    if (same)
        return TS_OK;
    a->tied = false;
    ts_log(TS_LOG_WARN,
           "%s: config.json says tie_word_embeddings, but %s and %s have different values: both "
           "are kept, and the output layer is not the embedding",
           folder, embed->name, head->name);
    if (json_object_set_new(config, "tie_word_embeddings", json_false()))
        return ts_error(TS_ERR_NOMEM, "out of memory while reading %s", folder);
    return TS_OK;
}

void ts_weights_settle_experts(const ts_st_dir *dir, ts_arch *a)
{
    for (int64_t i = 0; a->n_experts && i < ts_st_dir_count(dir) && !a->experts_stacked; i++)
        a->experts_stacked = strstr(ts_st_dir_at(dir, i)->name, ".experts.gate_up_proj");
}

ts_status ts_weights_settle_names(const ts_family *f, const ts_st_dir *dir, ts_arch *a)
{
    ts_name_map map = { 0 };
    char other[TS_FAMILY_NAME];
    a->other_names = false;
    if (f->vision)
        TS_TRY(ts_vision_settle_form(f, dir, a));
    const ts_status st = ts_family_names(f, a, &map);
    for (size_t i = 0; st == TS_OK && !a->other_names && i < map.n_tensors; i++)
        a->other_names = ts_family_other_name(f, map.tensor[i].hf_name, other) && ts_st_dir_find(dir, other);
    ts_name_map_deinit(&map);
    return st;
}

/* ---- layers that predict further tokens ---- */

static bool holds_depth(const ts_family *f, const ts_arch *a, const ts_st_dir *dir, const ts_name_map *map, int64_t k)
{
    char name[NAME];
    snprintf(name, sizeof name, "mtp.layers.%lld.enorm.weight", (long long)k);
    for (size_t i = 0; i < map->n_pieces; i++)
        if (!strcmp(map->piece[i].name, name))
            return ts_weights_find(f, a, dir, map->piece[i].hf_name);
    return false;
}

ts_status ts_weights_settle_mtp(const ts_family *f, const ts_st_dir *dir, ts_arch *a)
{
    ts_name_map map = { 0 };
    int64_t n = 0;
    if (!a->mtp_layers && ts_family_may_predict(f, a))
        a->mtp_layers = 1;
    if (!a->mtp_layers)
        return TS_OK;
    const ts_status st = ts_family_names(f, a, &map);
    while (st == TS_OK && n < a->mtp_layers && holds_depth(f, a, dir, &map, n))
        n++;
    ts_name_map_deinit(&map);
    if (st == TS_OK)
        a->mtp_layers = n;
    return st;
}

ts_status ts_weights_want_mtp(const char *folder, int64_t wanted, ts_arch *a, json_t *config)
{
    static const char *const keys[] = { "num_nextn_predict_layers", "mtp_num_hidden_layers" };
    if (wanted > a->mtp_layers)
        return ts_error(TS_ERR_USER,
                        "--mtp-num-layers %lld: %s has %lld layers that predict further tokens (num_nextn_predict_layers): "
                        "give at most that", (long long)wanted, folder, (long long)a->mtp_layers);
    a->mtp_layers = wanted;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (json_object_get(config, keys[i]) && json_object_set_new(config, keys[i], json_integer(wanted)))
            return ts_error(TS_ERR_NOMEM, "out of memory while reading %s", folder);
    return TS_OK;
}

/* Values in a row of the whole. */
static int64_t row_width(const ts_param *p) { return p->rank > 1 ? p->place.dim[p->place.rank - 1].whole : 1; }

/* Moves the columns that are here to the front. */
static void keep_columns(const ts_place_dim *d, float *row)
{
    float *to = row;
    for (int i = 0; d->axis != TS_AXIS_NONE && i < d->n_spans; i++) {
        memmove(to, row + d->span[i].begin, (size_t)d->span[i].n * sizeof *to);
        to += d->span[i].n;
    }
}

/* The spans of columns follow one another in the order of the whole. */
ts_status ts_weights_put_rows(ts_param *p, int64_t first, int64_t n, float *values)
{
    const int64_t cols = row_width(p);
    if (ts_place_is_whole(&p->place))
        return ts_param_put(p, first * cols, n * cols, values);
    for (int64_t r = 0; r < n; r++) {
        const int64_t here = ts_param_row_here(p, first + r);
        float *row = values + r * cols;
        if (here < 0)
            continue;
        if (p->rank > 1)
            keep_columns(&p->place.dim[p->place.rank - 1], row);
        TS_TRY(ts_param_put(p, here * p->dim[1], p->dim[1], row));
    }
    return TS_OK;
}

ts_status ts_weights_regroup(float *rows, int64_t n, int64_t cols, int64_t groups)
{
    const int64_t each = cols / groups;
    float *row;
    TS_TRY(ts_alloc(&row, (size_t)cols, sizeof *row));
    for (int64_t r = 0; r < n; r++) {
        memcpy(row, rows + r * cols, (size_t)cols * sizeof *row);
        for (int64_t g = 0; g < groups; g++)
            for (int64_t c = 0; c < each; c++)
                rows[r * cols + g * each + c] = row[c * groups + g];
    }
    ts_free(&row);
    return TS_OK;
}

/* Rows one after another, as many at a time as the buffer holds. */
static ts_status load_rows(const ts_name_tensor *tensor, const ts_name_piece *piece, const ts_st_tensor *t, ts_param *p,
                           float *buffer)
{
    const int64_t cols = row_width(p);
    const int64_t step = PIECE / cols > 0 ? PIECE / cols : 1;
    for (int64_t r = 0; r < piece->rows; r += step) {
        const int64_t n = piece->rows - r < step ? piece->rows - r : step;
        TS_TRY(ts_st_read_whole(t, (piece->hf_row + r) * cols, n * cols, buffer));
        if (tensor->groups)
            TS_TRY(ts_weights_regroup(buffer, n, cols, tensor->groups));
        TS_TRY(ts_weights_put_rows(p, piece->row + r, n, buffer));
    }
    return TS_OK;
}

/* A vector whose elements are not neighbours in the file. */
static ts_status load_spread(const ts_name_piece *piece, const ts_st_tensor *t, ts_param *p, float *buffer)
{
    for (int64_t r = 0; r < piece->rows; r++) {
        TS_TRY(ts_st_read_f32(t, piece->hf_row + r * piece->step, 1, buffer));
        TS_TRY(ts_weights_put_rows(p, piece->row + r, 1, buffer));
    }
    return TS_OK;
}

/* The file holds [in, out], perhaps one of several: our row r is its column hf_row + r step. Some rows at a time, since
 * they stand side by side. */
static ts_status load_transposed(const ts_name_piece *piece, const ts_st_tensor *t, ts_param *p,
                                 float *buffer)
{
    const int64_t in = row_width(p), out = t->shape[t->rank - 1], fit = PIECE / in, step = fit < 1 ? 1 : fit < 32 ? fit : 32;
    float *whole;
    TS_TRY(ts_alloc(&whole, (size_t)(in * out), sizeof *whole));
    ts_status st = ts_st_read_f32(t, piece->matrix * in * out, in * out, whole);
    for (int64_t r = 0; st == TS_OK && r < piece->rows; r += step) {
        const int64_t n = piece->rows - r < step ? piece->rows - r : step;
        const float *from = whole + piece->hf_row + r * piece->step;
        for (int64_t i = 0; i < in; i++)
            for (int64_t k = 0; k < n; k++)
                buffer[k * in + i] = from[i * out + k * piece->step];
        st = ts_weights_put_rows(p, piece->row + r, n, buffer);
    }
    ts_free(&whole);
    return st;
}

/* How files hold a tensor: as it is, in few bits with scales beside it, or in MXFP4 (t NULL). */
typedef struct held {
    const ts_st_tensor *t;
    ts_scaled scaled; /* codes NULL: not so */
    ts_packed packed;
} held;

static ts_status find_held(const ts_decoder *d, const ts_family *f, const ts_st_dir *dir, const ts_name_map *map,
                           const ts_name_tensor *want, held *out)
{
    *out = (held){ .t = ts_weights_find(f, &d->arch, dir, want->hf_name) };
    if (out->t && ts_scaled_is(dir, out->t) && map->piece[want->first_piece].transposed)
        return ts_error(TS_ERR_USER, "%s: tensor %s is %s with scales, which are not read of matrices that stand transposed",
                        out->t->path, out->t->name, ts_st_dtype_name(out->t->dtype));
    if (out->t && ts_scaled_is(dir, out->t))
        return ts_scaled_find(dir, out->t, want, &out->scaled);
    if (!out->t)
        ts_packed_find(f, dir, want->hf_name, &out->packed);
    return TS_OK;
}

/* Rows that are unpacked one after another. */
static ts_status load_codes(const ts_name_piece *piece, const held *h, ts_param *p, float *buffer)
{
    const int64_t out = h->t ? 0 : h->packed.scales->shape[1];
    for (int64_t r = 0; r < piece->rows; r++) {
        const int64_t row = piece->matrix * out + piece->hf_row + r * piece->step;
        if (h->t)
            ts_scaled_row(&h->scaled, row, buffer);
        else
            ts_packed_row(&h->packed, row, buffer);
        TS_TRY(ts_weights_put_rows(p, piece->row + r, 1, buffer));
    }
    return TS_OK;
}

/* Its rows of parameters that are held in NF4. */
static ts_status load_nf4(ts_decoder *d, const ts_name_map *map, const ts_name_tensor *tensor, const held *h)
{
    const bool by_bnb = h->scaled.bnb.codes && h->scaled.bnb.block;
    ts_nf4_reader r;
    TS_TRY(ts_nf4_reader_open(h->t, by_bnb ? &h->scaled.bnb : NULL, &r));
    ts_status st = TS_OK;
    for (size_t i = tensor->first_piece; st == TS_OK && i < tensor->first_piece + tensor->n_pieces; i++) {
        ts_param *p = ts_param_find(&d->params, map->piece[i].name);
        if (p && p->held == TS_HELD_NF4)
            st = ts_nf4_reader_put(&r, &map->piece[i], p);
    }
    ts_nf4_reader_close(&r);
    return st;
}

static ts_status load_tensor(ts_decoder *d, const ts_name_map *map, const ts_name_tensor *tensor, const held *h, float *buffer)
{
    const ts_st_tensor *t = h->t;
    bool in_nf4 = false;
    for (size_t i = tensor->first_piece; i < tensor->first_piece + tensor->n_pieces; i++) {
        const ts_name_piece *piece = &map->piece[i];
        ts_param *p = ts_param_find(&d->params, piece->name);
        in_nf4 = in_nf4 || (p && p->held == TS_HELD_NF4);
        if (!p || p->held == TS_HELD_NF4 || p->held == TS_HELD_FILE) /* on another stage, read by load_nf4, or not read */
            continue;
        TS_TRY(!t || h->scaled.codes ? load_codes(piece, h, p, buffer)
               : piece->transposed   ? load_transposed(piece, t, p, buffer)
               : piece->step != 1    ? load_spread(piece, t, p, buffer)
                                     : load_rows(tensor, piece, t, p, buffer));
    }
    return in_nf4 ? load_nf4(d, map, tensor, h) : TS_OK;
}

/* Room for a row of any. */
static ts_status make_buffer(const ts_decoder *d, float **buffer)
{
    int64_t widest = PIECE;
    for (size_t i = 0; i < d->params.n; i++)
        widest = row_width(d->params.p[i]) > widest ? row_width(d->params.p[i]) : widest;
    return ts_alloc(buffer, (size_t)widest, sizeof **buffer);
}

ts_status ts_weights_put_tensor(ts_decoder *d, const ts_name_map *map, const ts_name_tensor *tensor, const ts_st_tensor *t)
{
    float *buffer;
    TS_TRY(ts_weights_check_shape(t, tensor, "config.json says"));
    TS_TRY(make_buffer(d, &buffer));
    const ts_status st = load_tensor(d, map, tensor, &(held){ .t = t }, buffer);
    ts_free(&buffer);
    return st;
}

static bool is_mapped(const ts_family *f, const ts_name_map *map, const char *name)
{
    char packed[TS_PACKED_NAME], scaled[TS_FAMILY_NAME];
    if (ts_packed_stem(name, packed))
        name = packed;
    const char *codes = ts_scaled_stem(name, scaled) ? scaled : name;
    char alias[TS_FAMILY_NAME];
    for (size_t i = 0; i < map->n_tensors; i++) {
        const char *own = map->tensor[i].hf_name;
        bool is = !strcmp(own, name) || !strcmp(own, codes);
        for (int k = 0; !is && ts_family_alias(f, own, k, alias); k++)
            is = !strcmp(alias, name) || !strcmp(alias, codes);
        if (is)
            return true;
    }
    return false;
}

static void report_unused(const ts_family *f, const ts_arch *a, const ts_name_map *map,
                          const ts_st_dir *dir, const char *folder)
{
    int64_t unused = 0, further = 0;
    const char *first = NULL;
    char head[NAME];
    for (int64_t i = 0; i < ts_st_dir_count(dir); i++) {
        const char *name = ts_st_dir_at(dir, i)->name;
        if (is_mapped(f, map, name) || ts_family_ignores(f, a, name) ||
            (a->labels && !strcmp(name, weight_of(f, a, "output_layer", head)))) /* whose place the classes have */
            continue;
        if (ts_family_further(f, a, name)) {
            further++;
            continue;
        }
        first = first ? first : name;
        unused++;
    }
    if (further)
        ts_log(TS_LOG_INFO, "%s: %lld tensors are of layers that predict further tokens, which are not read for models of "
               "this type: they are left out", folder, (long long)further);
    if (unused)
        ts_log(TS_LOG_WARN, "%s: %lld tensors are not part of the model and are left out (%s%s)",
               folder, (long long)unused, first, unused > 1 ? ", ..." : "");
}

/* What of the files is not read. */
static ts_status report(const ts_decoder *d, const ts_family *f, const ts_st_dir *dir, const char *folder,
                        int64_t mtp_layers)
{
    ts_arch all = d->arch; /* borrows its layers */
    ts_name_map map = { 0 };
    all.mtp_layers = mtp_layers;
    const ts_status st = ts_family_names(f, &all, &map);
    if (st == TS_OK)
        report_unused(f, &all, &map, dir, folder);
    ts_name_map_deinit(&map);
    const int64_t n = mtp_layers - d->arch.mtp_layers;
    if (st == TS_OK && n > 0)
        ts_log(TS_LOG_INFO, "%s: %lld of its layers, which predict%s further tokens, %s left out (--mtp-num-layers)",
               folder, (long long)n, n > 1 ? "" : "s", n > 1 ? "are" : "is");
    return st;
}

/* Its values come from another tensor, or from no file. */
static bool is_elsewhere(const ts_decoder *d, const ts_name_map *map, size_t tensor)
{
    const ts_name_tensor *t = &map->tensor[tensor];
    return t->is_copy || (d->head_begins && !strcmp(t->hf_name, "score.weight")) ||
           (d->reward_begins && ts_decoder_is_reward(map->piece[t->first_piece].name));
}

ts_status ts_weights_load(ts_decoder *d, const ts_family *family, const ts_st_dir *dir,
                          const char *folder, int64_t mtp_layers)
{
    ts_name_map map = { 0 };
    float *buffer = NULL;
    ts_status st;
    TS_TRY_TO(done, st, ts_family_names(family, &d->arch, &map));
    TS_TRY_TO(done, st, make_buffer(d, &buffer));
    for (size_t i = 0; i < map.n_tensors; i++)
        if (!is_elsewhere(d, &map, i))
            TS_TRY_TO(done, st, check_tensor(family, &d->arch, dir, folder, &map.tensor[i]));
    for (size_t i = 0; i < map.n_tensors; i++) {
        if (is_elsewhere(d, &map, i))
            continue;
        held h;
        TS_TRY_TO(done, st, find_held(d, family, dir, &map, &map.tensor[i], &h));
        TS_TRY_TO(done, st, load_tensor(d, &map, &map.tensor[i], &h, buffer));
        if (h.t)
            ts_st_dir_is_done(dir, h.t);
    }
    TS_TRY_TO(done, st, report(d, family, dir, folder, mtp_layers));
    ts_param_set_changed(&d->params);
done:
    ts_free(&buffer);
    ts_name_map_deinit(&map);
    return st;
}
