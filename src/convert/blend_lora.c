/* Several adapters of PEFT made one. */
#include "convert/convert.h"

#include "base/file.h"
#include "base/output.h"
#include "base/svd.h"
#include "io/st_write.h"
#include "model/adapter_rules.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is read ---- */

typedef struct part {
    const char *folder;
    double weight;
    json_t *config;
    ts_str file; /* its config's */
    ts_adapter_rules rules;
    bool has_rules;
    ts_st_dir *dir;
    int64_t most; /* the largest rank that its config has */
} part;

typedef struct blending {
    const ts_convert_options *o;
    part *part; /* [n] */
    int64_t n, rank;
    ts_names *modules; /* "base_model.model.layers.0.q_proj", of all */
    ts_st_writer *w;
    ts_convert_result *r;
} blending;

static const char *const ends[2][2] = { { ".lora_A.weight", ".lora_B.weight" }, { ".lora_embedding_A", ".lora_embedding_B" } };

/* Which of the four the tensor's name ends with, as kind (1: of an embedding) and side (1: B); its module is before that. */
static bool split_name(const char *name, char module[TS_ADAPTER_FILE_NAME], int *kind, int *side)
{
    const size_t n = strlen(name);
    for (int i = 0; i < 4; i++) {
        const char *end = ends[i / 2][i % 2];
        const size_t m = strlen(end);
        if (n <= m || n - m >= TS_ADAPTER_FILE_NAME || strcmp(name + n - m, end))
            continue;
        snprintf(module, TS_ADAPTER_FILE_NAME, "%.*s", (int)(n - m), name);
        *kind = i / 2, *side = i % 2;
        return true;
    }
    return false;
}

static ts_status check_part(const part *p)
{
    static const char *const others[] = { "modules_to_save", "target_parameters" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (json_array_size(json_object_get(p->config, others[i])))
            return ts_error(TS_ERR_USER, "--lora-merge: %s: %s is set: adapters that are sums of two matrices alone are made one",
                            p->file.s, others[i]);
    if (p->rules.dora)
        return ts_error(TS_ERR_USER, "--lora-merge: %s: use_dora is set: lengths of several adapters are not made one", p->file.s);
    const char *init = json_string_value(json_object_get(p->config, "init_lora_weights"));
    ts_adapter_start start;
    int64_t passes;
    if (init && (!ts_adapter_start_of(init, &start, &passes) || start >= TS_ADAPTER_START_PISSA))
        return ts_error(TS_ERR_USER, "--lora-merge: %s: init_lora_weights is %s, so that it is of other weights than the model's: write it "
                                     "with PEFT's path_initial_model_for_weight_conversion first", p->file.s, init);
    return TS_OK;
}

static ts_status note_modules(blending *x, const part *p)
{
    char module[TS_ADAPTER_FILE_NAME];
    int kind, side;
    for (int64_t i = 0; i < ts_st_dir_count(p->dir); i++) {
        const char *name = ts_st_dir_at(p->dir, i)->name;
        const size_t n = strlen(name), base = sizeof ".base_layer.weight" - 1;
        if (n > base && !strcmp(name + n - base, ".base_layer.weight")) /* the model's own */
            continue;
        if (!split_name(name, module, &kind, &side))
            return ts_error(TS_ERR_USER, "--lora-merge %s: tensor %s is neither A nor B of a module", p->folder, name);
        if (ts_names_find(x->modules, module) < 0)
            TS_TRY(ts_names_add(x->modules, module));
    }
    return TS_OK;
}

static ts_status open_part(blending *x, part *p)
{
    json_t *v;
    const char *key;
    TS_TRY(ts_path_join(&p->file, p->folder, "adapter_config.json"));
    if (!ts_path_exists(p->file.s))
        return ts_error(TS_ERR_USER, "--lora-merge %s: there is no adapter_config.json in it", p->folder);
    TS_TRY(ts_json_read(p->file.s, &p->config));
    TS_TRY(ts_adapter_rules_open(p->config, p->file.s, &p->rules));
    p->has_rules = true;
    TS_TRY(check_part(p));
    p->most = p->rules.r;
    json_object_foreach(json_object_get(p->config, "rank_pattern"), key, v)
        p->most = (int64_t)json_number_value(v) > p->most ? (int64_t)json_number_value(v) : p->most;
    TS_TRY(ts_st_dir_open(p->folder, "adapter_model", &p->dir));
    return note_modules(x, p);
}

static ts_status open_all(blending *x)
{
    const ts_option_list *folders = &x->o->lora_merge, *weights = &x->o->lora_weights;
    if (weights->n && weights->n != folders->n)
        return ts_error(TS_ERR_USER, "--lora-weights has %lld numbers, and --lora-merge %lld folders", (long long)weights->n,
                        (long long)folders->n);
    TS_TRY(ts_alloc(&x->part, (size_t)folders->n, sizeof *x->part));
    for (x->n = 0; x->n < folders->n; x->n++) {
        part *p = &x->part[x->n];
        char *end = NULL;
        p->folder = folders->v[x->n];
        p->weight = weights->n ? strtod(weights->v[x->n], &end) : 1;
        if (end && (*end || end == weights->v[x->n] || !isfinite(p->weight)))
            return ts_error(TS_ERR_USER, "--lora-weights %s: expected numbers", weights->v[x->n]);
    }
    for (int64_t i = 0; i < x->n; i++) {
        TS_TRY(open_part(x, &x->part[i]));
        const int64_t most = x->part[i].most;
        if (x->o->lora_combination == TS_LORA_LINEAR && i && most != x->rank)
            return ts_error(TS_ERR_USER, "--lora-combination linear: %s is of rank %lld and %s of %lld: give cat or svd", x->part[0].folder,
                            (long long)x->rank, x->part[i].folder, (long long)most);
        x->rank = x->o->lora_combination == TS_LORA_CAT ? x->rank + most : most > x->rank ? most : x->rank;
    }
    return TS_OK;
}

/* ---- a module ---- */

/* A part's two tensors of it; NULL: it has none. */
static ts_status find_two(const part *p, const char *module, int *kind, const ts_st_tensor *t[2])
{
    char name[TS_ADAPTER_FILE_NAME + 32];
    t[0] = t[1] = NULL;
    for (*kind = 0; *kind < 2; ++*kind) {
        for (int side = 0; side < 2; side++) {
            snprintf(name, sizeof name, "%s%s", module, ends[*kind][side]);
            t[side] = ts_st_dir_find(p->dir, name);
        }
        if (t[0] || t[1])
            break;
    }
    if (!t[0] && !t[1])
        return TS_OK;
    if (!t[0] || !t[1] || t[0]->rank != 2 || t[1]->rank != 2 || t[0]->shape[0] != t[1]->shape[1])
        return ts_error(TS_ERR_USER, "--lora-merge %s: %s has no A [rank, in] and B [out, rank]", p->folder, module);
    return TS_OK;
}

/* What the sum is multiplied with, of a module's A and B here. */
static ts_status weight_of(const part *p, const char *module, const ts_st_tensor *a, double *out)
{
    static const char begin[] = "base_model.model.";
    int64_t rank;
    float scale;
    const bool has = !strncmp(module, begin, sizeof begin - 1);
    TS_TRY(ts_adapter_rules_rank(&p->rules, module + (has ? sizeof begin - 1 : 0), &rank, &scale));
    if (rank != a->shape[0])
        return ts_error(TS_ERR_USER, "%s: tensor %s is of rank %lld, but %s says %lld", a->path, a->name, (long long)a->shape[0],
                        p->file.s, (long long)rank);
    *out = p->weight * (double)scale;
    return TS_OK;
}

/* A and B of one part, x of each, to rows (columns) of the sum's from `at` on, of `rank`. */
static ts_status add_two(const ts_st_tensor *t[2], const double by[2], int64_t at, int64_t rank, float *a, float *b)
{
    const int64_t r = t[0]->shape[0], in = t[0]->shape[1], out = t[1]->shape[0], room = in > out ? in * r : out * r;
    float *x;
    TS_TRY(ts_alloc(&x, (size_t)room, sizeof *x));
    ts_status st = ts_st_read_f32(t[0], 0, r * in, x);
    for (int64_t i = 0; st == TS_OK && i < r * in; i++)
        a[at * in + i] += (float)(by[0] * (double)x[i]);
    if (st == TS_OK)
        st = ts_st_read_f32(t[1], 0, out * r, x);
    for (int64_t i = 0; st == TS_OK && i < out * r; i++)
        b[i / r * rank + at + i % r] += (float)(by[1] * (double)x[i]);
    ts_free(&x);
    return st;
}

/* Of the sum B A of `all` ranks the largest values: A v, B u diag(s). */
static ts_status shorten(const float *a, const float *b, int64_t all, int64_t in, int64_t out, int64_t rank, float *to_a, float *to_b)
{
    const int64_t least = in < out ? in : out, r = rank < least ? rank : least;
    float *w, *u = NULL, *s = NULL;
    TS_TRY(ts_alloc(&w, (size_t)(in * out), sizeof *w));
    ts_status st = ts_alloc(&u, (size_t)(out * r), sizeof *u);
    if (st == TS_OK)
        st = ts_alloc(&s, (size_t)r, sizeof *s);
    for (int64_t i = 0; st == TS_OK && i < out; i++)
        for (int64_t k = 0; k < all; k++)
            for (int64_t c = 0; c < in; c++)
                w[i * in + c] += b[i * all + k] * a[k * in + c];
    if (st == TS_OK)
        st = ts_svd_largest(w, out, in, r, 0, u, s, to_a);
    for (int64_t i = 0; st == TS_OK && i < out; i++)
        for (int64_t k = 0; k < r; k++)
            to_b[i * rank + k] = u[i * r + k] * s[k];
    ts_free(&w);
    ts_free(&u);
    ts_free(&s);
    return st;
}

typedef struct sizes {
    int64_t in, out;
    int kind;
} sizes;

/* How wide a module is, which all that have it say. */
static ts_status find_sizes(const blending *x, const char *module, sizes *z)
{
    const ts_st_tensor *t[2];
    int kind;
    *z = (sizes){ 0 };
    for (int64_t i = 0; i < x->n; i++) {
        TS_TRY(find_two(&x->part[i], module, &kind, t));
        if (!t[0])
            continue;
        if (z->in && (t[0]->shape[1] != z->in || t[1]->shape[0] != z->out || kind != z->kind))
            return ts_error(TS_ERR_USER, "--lora-merge %s: %s is of another size than in the adapters before it", x->part[i].folder, module);
        *z = (sizes){ t[0]->shape[1], t[1]->shape[0], kind };
    }
    return TS_OK;
}

static ts_status add_parts(const blending *x, const char *module, int64_t rank, float *a, float *b)
{
    int64_t at = 0;
    for (int64_t i = 0; i < x->n; i++) {
        const ts_st_tensor *t[2];
        int kind;
        double w = 0;
        TS_TRY(find_two(&x->part[i], module, &kind, t));
        if (!t[0])
            continue;
        TS_TRY(weight_of(&x->part[i], module, t[0], &w));
        const double root = sqrt(fabs(w)), both[2][2] = { { w, 1 }, { w < 0 ? -root : root, root } };
        TS_TRY(add_two(t, both[x->o->lora_combination == TS_LORA_LINEAR], at, rank, a, b));
        at += x->o->lora_combination == TS_LORA_LINEAR ? 0 : t[0]->shape[0];
    }
    return TS_OK;
}

static ts_status put_module(blending *x, int64_t i)
{
    const char *module = ts_names_text(x->modules, (size_t)i);
    int64_t all = 0;
    sizes z;
    float *a, *b = NULL, *few = NULL;
    for (int64_t k = 0; k < x->n; k++)
        all += x->part[k].most;
    all = x->o->lora_combination == TS_LORA_LINEAR ? x->rank : all;
    TS_TRY(find_sizes(x, module, &z));
    TS_TRY(ts_alloc(&a, (size_t)(all * z.in), sizeof *a));
    ts_status st = ts_alloc(&b, (size_t)(z.out * all), sizeof *b);
    if (st == TS_OK)
        st = add_parts(x, module, all, a, b);
    const float *put_a = a, *put_b = b;
    if (st == TS_OK && x->o->lora_combination == TS_LORA_SVD) {
        st = ts_alloc(&few, (size_t)(x->rank * (z.in + z.out)), sizeof *few);
        put_a = few, put_b = few ? few + x->rank * z.in : NULL;
        if (st == TS_OK)
            st = shorten(a, b, all, z.in, z.out, x->rank, few, few + x->rank * z.in);
    }
    if (st == TS_OK)
        st = ts_st_writer_put(x->w, 2 * i, 0, put_a, (size_t)(x->rank * z.in) * sizeof *a);
    if (st == TS_OK)
        st = ts_st_writer_put(x->w, 2 * i + 1, 0, put_b, (size_t)(z.out * x->rank) * sizeof *b);
    x->r->tensors += 2;
    x->r->bytes += x->rank * (z.in + z.out) * (int64_t)sizeof *a;
    ts_free(&a);
    ts_free(&b);
    ts_free(&few);
    return st;
}

/* ---- the folder ---- */

static ts_status name_tensors(const blending *x)
{
    char name[TS_ADAPTER_FILE_NAME + 32];
    for (size_t i = 0; i < ts_names_count(x->modules); i++) {
        sizes z;
        TS_TRY(find_sizes(x, ts_names_text(x->modules, i), &z));
        for (int side = 0; side < 2; side++) {
            const int64_t dim[2] = { side ? z.out : x->rank, side ? x->rank : z.in };
            snprintf(name, sizeof name, "%s%s", ts_names_text(x->modules, i), ends[z.kind][side]);
            TS_TRY(ts_st_writer_add(x->w, name, TS_ST_F32, 2, dim));
        }
    }
    return TS_OK;
}

static ts_status write_tensors(blending *x, const char *folder)
{
    ts_str path = { 0 };
    ts_status st = ts_path_join(&path, folder, "adapter_model.safetensors");
    if (st == TS_OK)
        st = ts_st_writer_create(path.s, &x->w);
    if (st == TS_OK)
        st = name_tensors(x);
    if (st == TS_OK)
        st = ts_st_writer_begin(x->w);
    for (size_t i = 0; st == TS_OK && i < ts_names_count(x->modules); i++)
        st = put_module(x, (int64_t)i);
    if (st == TS_OK)
        st = ts_st_writer_finish(x->w);
    ts_st_writer_destroy(&x->w);
    ts_str_deinit(&path);
    return st;
}

/* The first one's, of all modules by their names; the scale is 1. */
static ts_status write_config(const blending *x, const char *folder)
{
    static const char begin[] = "base_model.model.";
    ts_str path = { 0 }, text = { 0 };
    json_t *c = json_deep_copy(x->part[0].config), *targets = json_array();
    bool failed = !c || !targets;
    for (size_t i = 0; !failed && i < ts_names_count(x->modules); i++) {
        const char *name = ts_names_text(x->modules, i);
        failed = json_array_append_new(targets, json_string(name + (strncmp(name, begin, sizeof begin - 1) ? 0 : sizeof begin - 1)));
    }
    failed = failed || json_object_set(c, "target_modules", targets) || json_object_set_new(c, "r", json_integer(x->rank)) ||
             json_object_set_new(c, "lora_alpha", json_integer(x->rank)) || json_object_set_new(c, "use_rslora", json_false()) ||
             json_object_set_new(c, "rank_pattern", json_object()) || json_object_set_new(c, "alpha_pattern", json_object()) ||
             json_object_set_new(c, "layers_to_transform", json_null()) || json_object_set_new(c, "layers_pattern", json_null()) ||
             json_object_set_new(c, "exclude_modules", json_null());
    ts_status st = failed ? ts_error(TS_ERR_NOMEM, "no memory")
                          : ts_json_write(c, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_REAL_PRECISION(17), "adapter_config.json", &text);
    if (st == TS_OK)
        st = ts_path_join(&path, folder, "adapter_config.json");
    if (st == TS_OK)
        st = ts_file_write_atomic(path.s, text.s, text.len);
    json_decref(c);
    json_decref(targets);
    ts_str_deinit(&path);
    ts_str_deinit(&text);
    return st;
}

static ts_status make_folder(void *blend, const char *folder)
{
    TS_TRY(write_tensors(blend, folder));
    return write_config(blend, folder);
}

ts_status ts_convert_blend_lora(const ts_convert_options *o, ts_convert_result *r)
{
    blending x = { .o = o, .r = r };
    if (o->load_dir || o->outfile || o->lora.load)
        return ts_error(TS_ERR_USER, "--lora-merge makes one adapter of several, without a model: leave %s out",
                        o->load_dir ? "--load-dir" : o->outfile ? "--outfile" : "--lora-load");
    if (!o->save_dir)
        return ts_error(TS_ERR_USER, "--save-dir is missing");
    TS_TRY(ts_names_create(64, &x.modules));
    ts_status st = open_all(&x);
    if (st == TS_OK)
        st = ts_weights_publish(o->save_dir, "--save-dir", make_folder, &x);
    for (int64_t i = 0; i < x.n; i++) {
        part *p = &x.part[i];
        if (p->has_rules)
            ts_adapter_rules_close(&p->rules);
        json_decref(p->config);
        ts_st_dir_destroy(&p->dir);
        ts_str_deinit(&p->file);
    }
    ts_free(&x.part);
    ts_names_destroy(&x.modules);
    snprintf(r->from, sizeof r->from, "peft");
    snprintf(r->architecture, sizeof r->architecture, "LoRA");
    r->iteration = -1;
    return st;
}
