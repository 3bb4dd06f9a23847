#include "model/adapter_start.h"

#include "base/file.h"
#include "base/log.h"
#include "base/nf4.h"
#include "base/svd.h"
#include "base/thread.h"
#include "model/weights.h"
#include "model/weights_bnb.h"
#include "model/weights_scaled.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- which ---- */

ts_status ts_adapter_start_read(const json_t *config, const char *file, bool is_begun, ts_adapter_start *out, int64_t *passes)
{
    const json_t *v = json_object_get(config, "init_lora_weights");
    const char *word = json_string_value(v);
    *out = TS_ADAPTER_START_ZERO, *passes = 0;
    if (!word || (is_begun && !ts_adapter_start_of(word, out, passes) && strncasecmp(word, "corda", 5) && strncasecmp(word, "lora_ga", 7)))
        return TS_OK; /* what leaves the weights as they are may be called anything */
    if (ts_adapter_start_of(word, out, passes) && !(is_begun && (*passes || *out == TS_ADAPTER_START_LOFTQ)))
        return TS_OK;
    return ts_error(TS_ERR_USER, "%s: init_lora_weights is %s, which changes the model's weights before training, and not in the same "
                                 "way again: write the adapter with PEFT's path_initial_model_for_weight_conversion, which makes an "
                                 "adapter of the unchanged model of it", file, word);
}

static bool asks_weights(ts_adapter_start s) { return s >= TS_ADAPTER_START_PISSA; }

ts_status ts_adapter_start_check(const ts_adapters *a, const char *file)
{
    const char *word = ts_adapter_start_name(a->start);
    if (!asks_weights(a->start))
        return TS_OK;
    if (a->megatron)
        return ts_error(TS_ERR_USER, "--lora-init %s: the names of --lora-target-modules must be those of the Hugging Face class, whose "
                                     "matrices it is made of", word);
    for (size_t i = 0; i < a->n; i++) {
        const ts_adapted *m = &a->module[i];
        const ts_adapter_site *s = &a->plan.site[m->site];
        const int64_t most = s->in < m->out ? s->in : m->out;
        if (m->parameter || s->is_table)
            return ts_error(TS_ERR_USER, "%s: init_lora_weights is %s, of linear layers alone: leave %s out", file, word, m->name);
        if (s->dora)
            return ts_error(TS_ERR_USER, "%s: init_lora_weights is %s, and use_dora begins with the lengths of whole weights: leave "
                                         "one of the two out", file, word);
        if (s->part[m->part].rank > most)
            return ts_error(TS_ERR_USER, "%s: init_lora_weights is %s, but %s is of rank %lld, and its weight of %lld at most", file,
                            word, m->name, (long long)s->part[m->part].rank, (long long)most);
    }
    return TS_OK;
}

/* ---- making ---- */

/* A module's: what it begins with, and the weight in files without that. */
typedef struct made {
    ts_st_tensor t; /* what is left */
    const ts_st_tensor *base;
    float *a, *b;   /* [rank, in], [out, rank] in the order of files */
    float scale;
    int64_t rank, in, out;
    bool transposed;
    bool leaves; /* the weight is put into its place */
    ts_status status;
} made;

struct ts_adapter_starts {
    const ts_adapters *adapters;
    made *v; /* [n], a module each */
    size_t n;
};

void ts_adapter_start_drop(ts_adapters *a)
{
    for (size_t i = 0; a->starts && i < a->starts->n; i++) {
        ts_free(&a->starts->v[i].a);
        ts_free(&a->starts->v[i].b);
    }
    if (a->starts)
        ts_free(&a->starts->v);
    ts_free(&a->starts);
}

/* Elements of what is left, as they are stored. */
static void make_rest(const ts_st_tensor *t, int64_t first, int64_t n, float *out)
{
    const made *m = t->made_of;
    const int64_t cols = m->transposed ? m->out : m->in;
    ts_dtype type = TS_DTYPE_F32;
    ts_status st = ts_st_read_f32(m->base, first, n, out);
    if (st == TS_OK)
        st = ts_nf4_type(m->base, &type);
    TS_ASSERT(st == TS_OK, "%s of %s cannot be read", t->name, t->path);
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = first + i, row = m->transposed ? at % cols : at / cols, column = m->transposed ? at / cols : at % cols;
        double sum = 0;
        for (int64_t k = 0; k < m->rank; k++)
            sum += (double)m->b[row * m->rank + k] * (double)m->a[k * m->in + column];
        const float v = (float)((double)out[i] - (double)m->scale * sum);
        out[i] = type == TS_DTYPE_BF16  ? ts_bf16_to_f32(ts_f32_to_bf16(v))
                 : type == TS_DTYPE_F16 ? ts_f16_to_f32(ts_f32_to_f16(v))
                                        : v;
    }
}

/* w less what NF4 makes of it. */
static ts_status leave_lost(const ts_st_tensor *t, float *w)
{
    ts_nf4_scales s;
    uint8_t *code = NULL;
    float *values = NULL;
    ts_dtype type;
    TS_TRY(ts_nf4_type(t, &type));
    TS_TRY(ts_nf4_scales_make(t, &s));
    ts_status st = ts_alloc(&code, (size_t)t->elements, sizeof *code);
    if (st == TS_OK)
        st = ts_alloc(&values, (size_t)t->elements, sizeof *values);
    if (st == TS_OK)
        st = ts_nf4_codes(t, &s, 0, t->elements, values, code);
    for (int64_t i = 0; st == TS_OK && i < t->elements; i++) {
        const int64_t block = i / TS_NF4_BLOCK;
        float level[TS_NF4_LEVELS];
        ts_nf4_values(ts_nf4_levels, ts_nf4_most_of(ts_nf4_nested_levels[s.code[block]], s.nested[block / TS_NF4_NESTED], s.offset), type, level);
        w[i] -= level[code[i]];
    }
    ts_free(&code);
    ts_free(&values);
    ts_nf4_scales_deinit(&s);
    return st;
}

/* The weight as [out, in], or of LoftQ what of it is lost. */
static ts_status read_weight(const made *m, ts_adapter_start start, float *w)
{
    const int64_t n = m->in * m->out;
    float *file;
    TS_TRY(ts_st_read_f32(m->base, 0, n, w));
    if (start == TS_ADAPTER_START_LOFTQ)
        TS_TRY(leave_lost(m->base, w));
    if (!m->transposed)
        return TS_OK;
    TS_TRY(ts_alloc(&file, (size_t)n, sizeof *file));
    memcpy(file, w, (size_t)n * sizeof *file);
    for (int64_t i = 0; i < n; i++)
        w[i % m->out * m->in + i / m->out] = file[i];
    ts_free(&file);
    return TS_OK;
}

/* A = sqrt(s / by) v, B = u sqrt(s / by). */
static ts_status factorise(const made *m, const float *w, int64_t passes, double by)
{
    float *s;
    TS_TRY(ts_alloc(&s, (size_t)m->rank, sizeof *s));
    const ts_status st = ts_svd_largest(w, m->out, m->in, m->rank, passes, m->b, s, m->a);
    for (int64_t k = 0; st == TS_OK && k < m->rank; k++) {
        const float root = (float)sqrt((double)s[k] / by);
        for (int64_t i = 0; i < m->in; i++)
            m->a[k * m->in + i] *= root;
        for (int64_t i = 0; i < m->out; i++)
            m->b[i * m->rank + k] *= root;
    }
    ts_free(&s);
    return st;
}

static ts_status make_one(const made *m, ts_adapter_start start, int64_t passes)
{
    float *w;
    TS_TRY(ts_alloc(&w, (size_t)(m->in * m->out), sizeof *w));
    ts_status st = read_weight(m, start, w);
    if (st == TS_OK)
        st = start == TS_ADAPTER_START_OLORA ? ts_qr_first(w, m->out, m->in, m->rank, m->b, m->a)
                                             : factorise(m, w, passes, start == TS_ADAPTER_START_PISSA ? (double)m->scale : 1);
    ts_free(&w);
    return st;
}

static void make_share(void *starts, int64_t begin, int64_t end, int thread)
{
    ts_adapter_starts *s = starts;
    (void)thread;
    for (int64_t i = begin; i < end; i++)
        s->v[i].status = make_one(&s->v[i], s->adapters->start, s->adapters->start_passes);
}

static ts_status make_all(ts_adapter_starts *s)
{
    const double began = ts_now();
    ts_pool *pool;
    TS_TRY(ts_pool_create(ts_cpu_count(), &pool));
    ts_pool_run(pool, (int64_t)s->n, 1, make_share, s);
    ts_pool_destroy(&pool);
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].status != TS_OK) /* threads tell nothing: again, to hear of it */
            TS_TRY(make_one(&s->v[i], s->adapters->start, s->adapters->start_passes));
    ts_log(TS_LOG_INFO, "--lora-init %s: %zu weights taken apart in %.1f s", ts_adapter_start_name(s->adapters->start), s->n, ts_now() - began);
    return TS_OK;
}

/* A beginning that a checkpoint has, in the order of files. */
static ts_status take(const ts_checkpoint *ck, const ts_adapters *a, const ts_adapted *m, const made *to)
{
    char name[TS_DECLARED_NAME];
    const ts_adapter_site *s = &a->plan.site[m->site];
    for (int k = 0; k < 2; k++) {
        ts_adapter_name(s, m->part, k ? TS_ADAPTER_START_B : TS_ADAPTER_START_A, name);
        const ts_st_tensor *t = ts_checkpoint_tensor(ck, name);
        if (!t)
            return ts_error(TS_ERR_USER, "%s: tensor %s is missing", ts_checkpoint_path(ck), name);
        TS_TRY(ts_weights_check_shape(t, &(ts_name_tensor){ .rank = 2, .dim = { k ? to->out : to->rank, k ? to->rank : to->in } },
                                      "the adapter says"));
        if (!k)
            TS_TRY(ts_st_read_f32(t, 0, t->elements, to->a));
        for (size_t j = 0; k && j < m->n_rows; j++)
            for (int64_t i = 0; i < m->rows[j].n; i++)
                TS_TRY(ts_st_read_f32(t, (m->rows[j].row + i) * to->rank, to->rank,
                                      to->b + (m->rows[j].hf + i * m->rows[j].step) * to->rank));
    }
    return TS_OK;
}

/* The module's weight in the files. */
static ts_status find_weight(const ts_adapters *a, const ts_adapted *m, const ts_family *f, const ts_arch *arch, const ts_name_map *map,
                             const ts_st_dir *dir, made *out)
{
    const ts_adapter_site *s = &a->plan.site[m->site];
    char name[TS_FAMILY_NAME];
    ts_dtype type;
    snprintf(name, sizeof name, "%s.weight", m->name);
    out->rank = s->part[m->part].rank, out->scale = s->part[m->part].scale, out->in = s->in, out->out = m->out;
    out->base = ts_weights_find(f, arch, dir, name);
    for (size_t i = 0; i < map->n_tensors; i++)
        if (!strcmp(map->tensor[i].hf_name, name))
            out->transposed = map->piece[map->tensor[i].first_piece].transposed;
    if (!out->base)
        return ts_error(TS_ERR_USER, "--lora-init %s: tensor %s is in none of the files", ts_adapter_start_name(a->start), name);
    if (ts_scaled_is(dir, out->base))
        return ts_error(TS_ERR_USER, "--lora-init %s: %s: tensor %s is in few bits already: give --load the model before that",
                        ts_adapter_start_name(a->start), out->base->path, name);
    TS_TRY(ts_nf4_type(out->base, &type));
    const int64_t dim[] = { out->transposed ? s->in : m->out, out->transposed ? m->out : s->in };
    return ts_weights_check_shape(out->base, &(ts_name_tensor){ .rank = 2, .dim = { dim[0], dim[1] } }, "config.json says");
}

static ts_status find_all(ts_adapters *a, const ts_family *f, const ts_arch *arch, const ts_st_dir *dir, const ts_checkpoint *ck)
{
    ts_name_map map = { 0 };
    TS_TRY(ts_family_names(f, arch, &map));
    ts_status st = TS_OK;
    for (size_t i = 0; st == TS_OK && i < a->n; i++) {
        made *m = &a->starts->v[i];
        st = find_weight(a, &a->module[i], f, arch, &map, dir, m);
        if (st == TS_OK)
            st = ts_alloc(&m->a, (size_t)(m->rank * m->in), sizeof *m->a);
        if (st == TS_OK)
            st = ts_alloc(&m->b, (size_t)(m->out * m->rank), sizeof *m->b);
        if (st == TS_OK && ck)
            st = take(ck, a, &a->module[i], m);
    }
    ts_name_map_deinit(&map);
    return st;
}

ts_status ts_adapter_start_make(ts_adapters *a, const ts_family *family, const ts_arch *arch, ts_st_dir *dir, const ts_checkpoint *ck)
{
    if (!asks_weights(a->start) || (ck && !a->plan.starts))
        return TS_OK;
    TS_TRY(ts_alloc(&a->starts, 1, sizeof *a->starts));
    a->starts->adapters = a;
    TS_TRY(ts_alloc(&a->starts->v, a->n, sizeof *a->starts->v));
    a->starts->n = a->n;
    TS_TRY(find_all(a, family, arch, dir, ck));
    if (!ck)
        TS_TRY(make_all(a->starts));
    for (size_t i = 0; a->plan.starts && i < a->n; i++) {
        made *m = &a->starts->v[i];
        m->t = *m->base;
        m->t.data = NULL, m->t.make = make_rest, m->t.made_of = m;
        ts_st_dir_replace(dir, &m->t);
    }
    return TS_OK;
}

/* ---- values ---- */

static ts_status put(const ts_adapters *a, ts_decoder *d, const ts_adapted *m, const made *from, bool first)
{
    char name[TS_DECLARED_NAME];
    const ts_adapter_site *s = &a->plan.site[m->site];
    ts_adapter_name(s, m->part, first ? TS_ADAPTER_START_A : TS_ADAPTER_A, name);
    ts_param *pa = ts_param_find(&d->params, name);
    ts_adapter_name(s, m->part, first ? TS_ADAPTER_START_B : TS_ADAPTER_B, name);
    ts_param *pb = ts_param_find(&d->params, name);
    float *x;
    if (!pa || !pb) /* on another stage */
        return TS_OK;
    const int64_t na = from->rank * from->in, nb = from->out * from->rank;
    TS_TRY(ts_alloc(&x, (size_t)(na > nb ? na : nb), sizeof *x));
    memcpy(x, from->a, (size_t)na * sizeof *x);
    ts_status st = ts_weights_put_rows(pa, 0, from->rank, x);
    for (size_t k = 0; k < m->n_rows; k++)
        for (int64_t i = 0; i < m->rows[k].n; i++)
            memcpy(x + (m->rows[k].row + i) * from->rank, from->b + (m->rows[k].hf + i * m->rows[k].step) * from->rank,
                   (size_t)from->rank * sizeof *x);
    if (st == TS_OK)
        st = ts_weights_put_rows(pb, 0, from->out, x);
    ts_free(&x);
    return st;
}

ts_status ts_adapter_start_fill(const ts_adapters *a, ts_decoder *d, bool trained)
{
    if (!asks_weights(a->start))
        return TS_OK;
    if (!a->starts)
        return ts_error(TS_ERR_USER, "--lora-init %s: it is made of the weights in a Hugging Face folder: --load must be one", ts_adapter_start_name(a->start));
    for (size_t i = 0; i < a->n; i++) {
        if (trained)
            TS_TRY(put(a, d, &a->module[i], &a->starts->v[i], false));
        if (a->plan.starts)
            TS_TRY(put(a, d, &a->module[i], &a->starts->v[i], true));
    }
    return TS_OK;
}

/* ---- in folders ---- */

static ts_status times(json_t *object, const char *key, double by)
{
    const json_t *v = json_object_get(object, key);
    const double x = json_number_value(v) * by;
    if (!json_is_number(v))
        return TS_OK;
    return json_object_set_new(object, key, x == (double)(int64_t)x ? json_integer((int64_t)x) : json_real(x))
               ? ts_error(TS_ERR_NOMEM, "no memory") : TS_OK;
}

ts_status ts_adapter_start_undo(json_t *config)
{
    const double alpha = json_is_true(json_object_get(config, "use_rslora")) ? sqrt(2) : 2;
    json_t *ranks = json_object_get(config, "rank_pattern"), *alphas = json_object_get(config, "alpha_pattern"), *v;
    const char *key;
    TS_TRY(times(config, "r", 2));
    TS_TRY(times(config, "lora_alpha", alpha));
    json_object_foreach(ranks, key, v)
        TS_TRY(times(ranks, key, 2));
    json_object_foreach(alphas, key, v)
        TS_TRY(times(alphas, key, alpha));
    return json_object_set_new(config, "init_lora_weights", json_true()) ? ts_error(TS_ERR_NOMEM, "no memory") : TS_OK;
}
