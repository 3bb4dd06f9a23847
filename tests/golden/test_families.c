/* Tiny models of every family against transformers, and adapters beside some of them against peft: logits,
 * log-probabilities, loss, gradients, five AdamW steps, and what is written back. scripts/golden_families.py and
 * scripts/golden_adapters.py made the cases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../unit/temp.h"
#include "case.h"
#include "device/isa.h"
#include "infer/score.h"
#include "model/adapters.h"
#include "model/open.h"
#include "model/weights_packed.h"
#include "model/weights_scaled.h"
#include "train/optimizer.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const char folder[] = "tests/golden/families", adapted[] = "tests/golden/adapters";

static void close_case(golden *g)
{
    ts_tape_destroy(&g->tape);
    ts_model_deinit(&g->model);
    ts_device_close(&g->dev);
    ts_free(&g->ids);
    json_decref(g->json);
}

/* The folder's model with hyper-connections, whose weights lie beside it under our own names. */
static void load_hyper(golden *g, const json_t *sizes, const ts_model_use *use)
{
    char file[300];
    float values[1024];
    ts_arch a;
    ts_st_dir *dir = NULL;
    ts_st_file *more = NULL;
    ts_arch_init(&a);
    OK(ts_family_read_folder(g->path, &g->model.family, &a, &g->model.config));
    a.hyper_streams = (int64_t)real_of(sizes, "streams"), a.hyper_turns = (int64_t)real_of(sizes, "turns");
    OK(ts_arch_check(&a, g->path));
    OK(ts_model_use_decoder(&a, use, TS_DTYPE_F32, &g->model));
    g->model.decoder->arch.hyper_streams = 0; /* the names of files are the Qwen3 model's */
    OK(ts_st_dir_open(g->path, "model", &dir));
    OK(ts_weights_load(g->model.decoder, g->model.family, dir, g->path, 0));
    snprintf(file, sizeof file, "%s/hyper.safetensors", g->path);
    OK(ts_st_file_open(file, &more));
    for (int64_t i = 0; i < ts_st_file_count(more); i++) {
        const ts_st_tensor *t = ts_st_file_at(more, i);
        ts_param *p = ts_param_find(&g->model.decoder->params, t->name);
        assert_non_null(p);
        assert_true(t->elements == ts_param_count(p) && p->dim[0] == t->shape[0]);
        for (int64_t at = 0, n; at < t->elements; at += n) {
            n = t->elements - at < 1024 ? t->elements - at : 1024;
            OK(ts_st_read_f32(t, at, n, values));
            OK(ts_param_put(p, at, n, values));
        }
    }
    ts_param_set_changed(&g->model.decoder->params);
    ts_st_file_destroy(&more);
    ts_st_dir_destroy(&dir);
    ts_arch_deinit(&a);
}

/* The folder's adapter beside the model that it was made for. */
static void load_adapted(golden *g, const char *base, const char *adapter, ts_model_use use)
{
    char model[300];
    const ts_lora_options o = { .load = adapter };
    snprintf(model, sizeof model, "%s/%s", folder, base);
    use.lora = &o;
    OK(ts_model_load(model, &use, &g->model));
}

static void open_case(golden *g, const char *within, const char *name)
{
    char file[300];
    *g = (golden){ .name = name };
    snprintf(g->path, sizeof g->path, "%s/%s", within, name);
    snprintf(file, sizeof file, "%s/golden.json", g->path);
    OK(ts_json_read(file, &g->json));
    const ts_device_options o = { .threads = 1, .isa = TS_ISA_ALL };
    OK(ts_device_open("cpu", &o, &g->dev));
    const ts_model_use use = { .dev = g->dev, .compute = TS_DTYPE_F32, .training = true };
    const json_t *hyper = json_object_get(g->json, "hyper"), *base = json_object_get(g->json, "base");
    if (base)
        load_adapted(g, json_string_value(base), g->path, use);
    else if (hyper)
        load_hyper(g, hyper, &use);
    else
        OK(ts_model_load(g->path, &use, &g->model));
    const ts_tape_options to = { 0 };
    OK(ts_tape_create(g->dev, &to, &g->tape));
    const json_t *rows = json_object_get(g->json, "tokens");
    g->B = (int64_t)json_array_size(rows);
    g->S = (int64_t)json_array_size(json_array_get(rows, 0));
    OK(ts_alloc(&g->ids, (size_t)(g->B * g->S), sizeof *g->ids));
    for (int64_t i = 0; i < g->B * g->S; i++)
        g->ids[i] = (int32_t)json_integer_value(
            json_array_get(json_array_get(rows, (size_t)(i / g->S)), (size_t)(i % g->S)));
}

/* What transformers itself is off by in float32 (found against float64), ten times for another
 * order of the sums, and a few units of the largest logit. */
static double logit_bound(const golden *g)
{
    return 10 * real_of(g->json, "own_error") + 64 * FLT_EPSILON * real_of(g->json, "logit_scale");
}

static void check_logits(golden *g)
{
    const int64_t V = g->model.decoder->arch.vocab;
    char file[300];
    ts_st_file *f = NULL;
    float *got = NULL, *want = NULL;
    snprintf(file, sizeof file, "%s/logits.safetensors", g->path);
    OK(ts_st_file_open(file, &f));
    const ts_st_tensor *t = ts_st_file_find(f, "logits");
    assert_non_null(t);
    assert_int_equal(t->elements, g->S * V);
    OK(ts_alloc(&got, (size_t)(2 * g->S * V), sizeof *got));
    want = got + g->S * V;
    OK(ts_st_read_f32(t, 0, g->S * V, want));
    OK(ts_score_logits(g->model.decoder, g->tape, g->ids, g->S, NULL, got));
    for (int64_t i = 0; i < g->S * V; i++)
        if (!(fabsf(got[i] - want[i]) <= logit_bound(g)))
            fail_msg("%s: logit %lld of token %lld is %.8g, expected %.8g within %.2g", g->name,
                     (long long)(i % V), (long long)(i / V), (double)got[i], (double)want[i],
                     logit_bound(g));
    ts_free(&got);
    ts_st_file_destroy(&f);
}

static void check_logprobs(golden *g)
{
    double *got = NULL;
    bool *greedy = NULL;
    OK(ts_alloc(&got, (size_t)g->S, sizeof *got));
    OK(ts_alloc(&greedy, (size_t)g->S, sizeof *greedy));
    for (int64_t b = 0; b < g->B; b++) {
        const json_t *want = json_array_get(json_object_get(g->json, "logprobs"), (size_t)b);
        OK(ts_score_ids(g->model.decoder, g->tape, g->ids + b * g->S, g->S, NULL, NULL, got, greedy));
        for (int64_t s = 1; s < g->S; s++)
            if (!(fabs(got[s] - real_at(want, (size_t)s - 1)) <= 2 * logit_bound(g)))
                fail_msg("%s: log-probability %lld of row %lld is %.8g, expected %.8g", g->name,
                         (long long)s, (long long)b, got[s], real_at(want, (size_t)s - 1));
    }
    ts_free(&got);
    ts_free(&greedy);
}

static ts_tensor *upload(golden *g, ts_dtype dtype, const void *host)
{
    ts_tensor *t = NULL;
    OK(ts_tape_new_kind(g->tape, TS_MEM_DATA, dtype, g->B * g->S, 0, &t));
    g->dev->to_device(g->dev, ts_tensor_data(t), host, (size_t)(g->B * g->S) * 4);
    return t;
}

/* Mean loss over all tokens but the first of each row; leaves the gradients in the parameters. */
static double forward_backward_with(golden *g, const ts_recompute_plan *plan)
{
    enum { MOST = 64 };
    const int64_t n = g->B * g->S;
    int32_t pos[MOST], labels[MOST];
    float weight[MOST], losses[MOST];
    ts_decoder *d = g->model.decoder;
    assert_true(n <= MOST);
    for (int64_t i = 0; i < n; i++) {
        const bool last = i % g->S == g->S - 1;
        pos[i] = (int32_t)(i % g->S);
        labels[i] = last ? -1 : g->ids[i + 1];
        weight[i] = last ? 0 : 1 / (float)(g->B * (g->S - 1));
    }
    ts_tape_reset(g->tape);
    g->tape->recording = true;
    g->dev->zero(g->dev, d->params.grads->data, d->params.grads->bytes);
    const ts_tensor *ids = upload(g, TS_DTYPE_I32, g->ids);
    const ts_run run = { .B = g->B, .S = g->S, .pos = upload(g, TS_DTYPE_I32, pos) };
    ts_xent_op o = ts_decoder_head(d);
    ts_tensor *hidden = NULL, *loss = NULL;
    OK(ts_decoder_prepare(d, g->S, g->S));
    OK(ts_decoder_forward(d, g->tape, &run, plan, ids, &hidden));
    o.labels = upload(g, TS_DTYPE_I32, labels);
    OK(ts_op_linear_xent(g->tape, &o, hidden, &loss, NULL));
    g->dev->to_host(g->dev, losses, ts_tensor_data(loss), (size_t)n * sizeof *losses);
    OK(ts_tape_accumulate(g->tape, loss, upload(g, TS_DTYPE_F32, weight)));
    OK(ts_tape_backward(g->tape));
    ts_tape_reset(g->tape);
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        if (labels[i] >= 0)
            sum += (double)losses[i];
    return sum / (double)(g->B * (g->S - 1));
}

static double forward_backward(golden *g) { return forward_backward_with(g, NULL); }

/* Layers that run again, two by two and one by one, give the gradients of those that keep all: what they read beside
 * the stream is still there. Sums of them may come in another order. */
static void check_recomputed(golden *g)
{
    const ts_decoder *d = g->model.decoder;
    const size_t bytes = d->params.grads->bytes, n = bytes / sizeof(float);
    const float *got = d->params.grads->data;
    float *kept = NULL, top = 0;
    OK(ts_alloc(&kept, n, sizeof *kept));
    forward_backward(g);
    memcpy(kept, got, bytes);
    for (size_t i = 0; i < n; i++)
        top = fmaxf(top, fabsf(kept[i]));
    for (int64_t layers = 1; layers <= 2; layers++) {
        const ts_recompute_plan plan = { .method = TS_RECOMPUTE_UNIFORM, .layers = layers };
        forward_backward_with(g, &plan);
        for (size_t i = 0; i < n; i++)
            if (!(fabsf(got[i] - kept[i]) <= 16 * FLT_EPSILON * top))
                fail_msg("%s: gradient %zu is %.8g with layers that run again, else %.8g", g->name, i, (double)got[i],
                         (double)kept[i]);
    }
    ts_free(&kept);
}

static void check_gradients(golden *g)
{
    ts_name_map m = { 0 };
    size_t trained = 0;
    const double loss = forward_backward(g), want = real_of(g->json, "loss");
    if (!(fabs(loss - want) <= logit_bound(g)))
        fail_msg("%s: loss is %.8g, expected %.8g", g->name, loss, want);
    OK(ts_family_names(g->model.family, &g->model.decoder->arch, &m));
    for (size_t i = 0; i < m.n_tensors; i++) {
        const ts_name_tensor *t = &m.tensor[i];
        const int64_t n = count_of(t);
        float *got = NULL;
        if (!has_gradient(g, &m, t))
            continue;
        trained++;
        OK(ts_alloc(&got, (size_t)n, sizeof *got));
        gather(g, &m, t, got);
        check_gradient(g, t->hf_name, got, n);
        ts_free(&got);
    }
    assert_int_equal(trained, json_object_size(json_object_get(g->json, "grads")));
    ts_name_map_deinit(&m);
}

static void check_near(const golden *g, const char *what, int64_t step, double got, double want)
{
    /* AdamW divides by the root of squares: errors of the gradient come back as large as they were,
     * relative to it, and grow with the steps. */
    const double bound = (1e-5 + 2e-5 * (double)step) * fabs(want);
    if (!(fabs(got - want) <= bound))
        fail_msg("%s: %s of step %lld is %.8g, expected %.8g within %.2g", g->name, what,
                 (long long)step, got, want, bound);
}

static void check_adamw(golden *g)
{
    const json_t *a = json_object_get(g->json, "adamw");
    const ts_train_options o = { .optimizer = TS_OPTIMIZER_ADAM,
                                 .adam_beta1 = real_of(a, "beta1"),
                                 .adam_beta2 = real_of(a, "beta2"),
                                 .adam_eps = real_of(a, "eps"),
                                 .weight_decay = real_of(a, "weight_decay") };
    ts_param_set *params = &g->model.decoder->params;
    ts_optimizer z;
    OK(ts_optimizer_init(&z, &o, params, NULL));
    for (int64_t step = 0; step < (int64_t)real_of(a, "steps"); step++) {
        double sumsq = 0;
        const double loss = forward_backward(g);
        OK(ts_optimizer_sumsq(&z, params->grads->data, &sumsq, NULL));
        const double norm = sqrt(sumsq), clip = real_of(a, "clip_grad") / (norm + 1e-6);
        check_near(g, "loss", step, loss, real_at(json_object_get(a, "losses"), (size_t)step));
        check_near(g, "norm", step, norm, real_at(json_object_get(a, "norms"), (size_t)step));
        OK(ts_optimizer_step(&z, params->grads->data, real_of(a, "lr"), clip < 1 ? clip : 1));
    }
    ts_optimizer_deinit(&z);
}

/* Stacks that the files have in MXFP4 are written as the values that these are. */
static void check_unpacked(const golden *g, const ts_packed *packed, const ts_st_tensor *y)
{
    const int64_t in = y->shape[1], out = y->shape[2];
    float *row = NULL;
    OK(ts_alloc(&row, (size_t)in, sizeof *row));
    for (int64_t r = 0; r < y->shape[0] * out; r++) {
        ts_packed_row(packed, r, row);
        for (int64_t i = 0; i < in; i++) {
            float v;
            OK(ts_st_read_f32(y, r / out * in * out + i * out + r % out, 1, &v));
            if (v != row[i])
                fail_msg("%s: %s has %g in row %lld, expected %g", g->name, y->name, (double)v, (long long)r,
                         (double)row[i]);
        }
    }
    ts_free(&row);
}

/* Likewise matrices with scales beside them. */
static void check_scaled(const golden *g, const ts_st_dir *before, const ts_st_tensor *x, const ts_st_tensor *y)
{
    const ts_name_tensor want = { .rank = 2, .dim = { y->shape[0], y->shape[1] } };
    ts_scaled s;
    float *row = NULL;
    OK(ts_scaled_find(before, x, &want, &s));
    OK(ts_alloc(&row, (size_t)(2 * y->shape[1]), sizeof *row));
    for (int64_t r = 0; r < y->shape[0]; r++) {
        ts_scaled_row(&s, r, row);
        OK(ts_st_read_rows_f32(y, r, r + 1, row + y->shape[1]));
        if (memcmp(row, row + y->shape[1], (size_t)y->shape[1] * sizeof *row))
            fail_msg("%s: %s has other values in row %lld", g->name, y->name, (long long)r);
    }
    ts_free(&row);
}

/* Tensors that are scales of others, or a part of them. */
static int64_t count_scales(const ts_st_dir *dir)
{
    char stem[TS_FAMILY_NAME];
    int64_t n = 0;
    for (int64_t i = 0; i < ts_st_dir_count(dir); i++) {
        const ts_st_tensor *of = ts_scaled_stem(ts_st_dir_at(dir, i)->name, stem) ? ts_st_dir_find(dir, stem) : NULL;
        n += of && ts_scaled_is(dir, of);
    }
    return n;
}

/* Written in the files' own type, every tensor has its name, shape and bits again. */
static void check_saved(golden *g)
{
    temp t;
    ts_st_dir *before = NULL, *after = NULL;
    ts_packed packed;
    int64_t unpacked = 0;
    const ts_weights_save_options o = { .dtype = g->model.file_dtype };
    temp_make(&t);
    OK(ts_weights_save(&g->model, temp_path(&t, "saved"), &o));
    OK(ts_st_dir_open(g->path, "model", &before));
    OK(ts_st_dir_open(temp_path(&t, "saved"), "model", &after));
    assert_true(ts_st_dir_count(after) > 0);
    for (int64_t i = 0; i < ts_st_dir_count(after); i++) {
        const ts_st_tensor *y = ts_st_dir_at(after, i);
        char alias[TS_FAMILY_NAME];
        const ts_st_tensor *x = ts_st_dir_find(before, y->name);
        for (int k = 0; !x && ts_family_alias(g->model.family, y->name, k, alias); k++)
            x = ts_st_dir_find(before, alias);
        if (!x && ts_packed_find(g->model.family, before, y->name, &packed)) {
            check_unpacked(g, &packed, y);
            unpacked++;
            continue;
        }
        if (!x)
            fail_msg("%s: %s was not in the folder", g->name, y->name);
        if (ts_scaled_is(before, x)) {
            check_scaled(g, before, x, y);
            continue;
        }
        if (ts_family_other_name(g->model.family, y->name, alias) && ts_st_dir_find(before, alias))
            fail_msg("%s: %s is %s in the folder", g->name, y->name, alias);
        assert_int_equal(x->rank, y->rank);
        assert_memory_equal(x->shape, y->shape, (size_t)x->rank * sizeof *x->shape);
        assert_int_equal(x->size, y->size);
        if (memcmp(x->data, y->data, x->size))
            fail_msg("%s: %s has other values", g->name, y->name);
    }
    assert_true(ts_st_dir_count(after) <= ts_st_dir_count(before));
    if (strcmp(g->name, "gpt2-old")) /* whose folder holds buffers and a twin too */
        assert_int_equal(ts_st_dir_count(after) + unpacked + count_scales(before), ts_st_dir_count(before));
    ts_st_dir_destroy(&before);
    ts_st_dir_destroy(&after);
    temp_remove(&t);
}

static void test_case(void **state)
{
    golden g;
    open_case(&g, folder, *state);
    check_logits(&g);
    check_logprobs(&g);
    check_saved(&g);
    check_gradients(&g);
    check_recomputed(&g);
    check_adamw(&g);
    close_case(&g);
}

/* ---- adapters ---- */

/* The gradient of one of a module's parameters, in the order of its file. */
static void gather_adapter(const golden *g, const ts_adapted *m, ts_adapter_kind kind, float *out)
{
    char name[TS_DECLARED_NAME];
    ts_adapter_name(&g->model.adapters->plan.site[m->site], m->part, kind, name);
    const ts_param *p = ts_param_find(&g->model.decoder->params, name);
    assert_non_null(p);
    const float *from = p->grad;
    if (kind == TS_ADAPTER_A) {
        memcpy(out, from, (size_t)ts_param_count(p) * sizeof *out);
        return;
    }
    const ts_adapter_site *s = &g->model.adapters->plan.site[m->site];
    if (s->experts || s->is_table) {
        ts_adapted_experts(m, s, true, from, out);
        return;
    }
    for (size_t k = 0; k < m->n_rows; k++)
        for (int64_t i = 0; i < m->rows[k].n; i++)
            memcpy(out + (m->rows[k].hf + i * m->rows[k].step) * p->dim[1], from + (m->rows[k].row + i) * p->dim[1],
                   (size_t)p->dim[1] * sizeof *out);
}

static void check_adapter_gradients(golden *g)
{
    const ts_adapters *a = g->model.adapters;
    ts_name_map map = { 0 };
    float got[8192];
    char name[TS_ADAPTER_FILE_NAME];
    size_t tensors = 0;
    const double loss = forward_backward(g), want = real_of(g->json, "loss");
    if (!(fabs(loss - want) <= logit_bound(g)))
        fail_msg("%s: loss is %.8g, expected %.8g", g->name, loss, want);
    for (size_t i = 0; i < a->n; i++)
        for (int k = 0; k < ts_adapter_kinds(&a->plan.site[a->module[i].site]); k++, tensors++) {
            int64_t dim[2];
            ts_adapter_file_name(a, &a->module[i], (ts_adapter_kind)k, name, dim);
            const int64_t n = dim[0] * (dim[1] ? dim[1] : 1);
            assert_true(n <= 8192);
            gather_adapter(g, &a->module[i], (ts_adapter_kind)k, got);
            check_gradient(g, name, got, n);
        }
    OK(ts_family_names(g->model.family, &g->model.decoder->arch, &map));
    for (size_t i = 0; i < map.n_tensors; i++) {
        if (!has_gradient(g, &map, &map.tensor[i]))
            continue;
        assert_true(count_of(&map.tensor[i]) <= 8192);
        gather(g, &map, &map.tensor[i], got);
        snprintf(name, sizeof name, "base_model.model.%s", map.tensor[i].hf_name);
        check_gradient(g, name, got, count_of(&map.tensor[i]));
    }
    assert_int_equal(tensors + ts_names_count(a->saved_files), json_object_size(json_object_get(g->json, "grads")));
    ts_name_map_deinit(&map);
}

/* Whether the adapter of an embedding changes the output layer too once they are one: it is that in this model. */
static bool changes_head(const golden *g)
{
    return g->model.decoder->arch.tied && ts_adapter_lora(&g->model.decoder->table);
}

/* One that began with a part of the weights is written as one of the unchanged model. */
static void check_undone(const golden *g, const char *written)
{
    golden again = *g;
    load_adapted(&again, json_string_value(json_object_get(g->json, "base")), written,
                 (ts_model_use){ .dev = g->dev, .compute = TS_DTYPE_F32, .training = true });
    assert_false(again.model.adapters->plan.starts);
    check_logits(&again);
    ts_model_deinit(&again.model);
}

/* The lengths of what multiplies each rank in what A and B were at first; signs are anyone's. */
static void check_first(const golden *g)
{
    json_t *first = json_object_get(g->json, "first"), *want;
    const ts_adapters *a = g->model.adapters;
    assert_int_equal(json_object_size(first), a->plan.starts ? 2 * a->n : 0);
    for (size_t i = 0; first && i < a->n; i++)
        for (int k = 0; k < 2; k++) {
            char name[TS_ADAPTER_FILE_NAME];
            int64_t dim[2];
            ts_adapter_file_name(a, &a->module[i], k ? TS_ADAPTER_B : TS_ADAPTER_A, name, dim);
            want = json_object_get(first, name);
            ts_adapter_name(&a->plan.site[a->module[i].site], a->module[i].part, k ? TS_ADAPTER_START_B : TS_ADAPTER_START_A, name);
            const ts_param *p = ts_param_find(&g->model.decoder->params, name);
            assert_true(p && json_array_size(want) == (size_t)p->dim[k]);
            for (int64_t r = 0; r < p->dim[k]; r++) {
                const float *from = (const float *)p->value + r * (k ? 1 : p->dim[1]);
                double sum = 0, length = json_number_value(json_array_get(want, (size_t)r));
                for (int64_t c = 0; c < p->dim[!k]; c++)
                    sum += pow((double)from[c * (k ? p->dim[1] : 1)], 2);
                if (fabs(sqrt(sum) - length) > 1e-5 * length) /* torch's svd is of floats, with gaps of some per cent */
                    fail_msg("%s: %s: rank %lld has length %.9g, expected %.9g", g->name, name, (long long)r, sqrt(sum), length);
            }
        }
}

/* What is written is what was read; and with the model in one, it computes the same. */
static void check_adapter_saved(golden *g)
{
    temp t;
    golden merged = *g;
    const ts_weights_source values = ts_model_source(&g->model);
    ts_merger merger = { .a = g->model.adapters, .read = values.read, .ctx = values.ctx };
    ts_weights_source both = values;
    const ts_weights_save_options o = { .dtype = TS_ST_F32 };
    const ts_model_use use = { .dev = g->dev, .compute = TS_DTYPE_F32, .training = true };
    ts_st_dir *before = NULL, *after = NULL;
    int64_t bases = 0;
    temp_make(&t);
    OK(ts_adapters_write(g->model.adapters, &values, NULL, temp_path(&t, "adapter"), "--save-peft"));
    OK(ts_st_dir_open(g->path, "adapter_model", &before));
    OK(ts_st_dir_open(temp_path(&t, "adapter"), "adapter_model", &after));
    if (g->model.adapters->plan.starts)
        check_undone(g, temp_path(&t, "adapter"));
    for (int64_t i = 0; !g->model.adapters->plan.starts && i < ts_st_dir_count(before); i++) {
        const ts_st_tensor *x = ts_st_dir_at(before, i), *y = ts_st_dir_find(after, x->name);
        if (strstr(x->name, ".base_layer.weight")) { /* the model's own, which is not written again */
            bases++;
            continue;
        }
        assert_non_null(y);
        assert_true(x->rank == y->rank && x->size == y->size && !memcmp(x->shape, y->shape, (size_t)x->rank * sizeof *x->shape));
        assert_memory_equal(x->data, y->data, x->size);
    }
    assert_true(g->model.adapters->plan.starts || ts_st_dir_count(before) == ts_st_dir_count(after) + bases);
    both.read = ts_merger_read, both.ctx = &merger;
    OK(ts_weights_write(&both, temp_path(&t, "merged"), "--save-hf", &o));
    OK(ts_model_load(temp_path(&t, "merged"), &use, &merged.model));
    if (!changes_head(g))
        check_logits(&merged);
    ts_model_deinit(&merged.model);
    ts_merger_deinit(&merger);
    ts_st_dir_destroy(&before);
    ts_st_dir_destroy(&after);
    temp_remove(&t);
}

static void test_adapter(void **state)
{
    golden g;
    open_case(&g, adapted, *state);
    check_logits(&g);
    check_logprobs(&g);
    check_first(&g);
    check_adapter_saved(&g);
    check_adapter_gradients(&g);
    check_recomputed(&g);
    check_adamw(&g);
    close_case(&g);
}

/* Every parameter beside the Qwen3 model's. */
static void check_hyper_gradients(const golden *g)
{
    const ts_param_set *s = &g->model.decoder->params;
    const golden beside = { .name = g->name, .json = json_object_get(g->json, "hyper"), .model.family = g->model.family };
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (strstr(s->p[i]->name, "_hyper.") || strstr(s->p[i]->name, "hyper_head.")) {
            check_gradient(&beside, s->p[i]->name, s->p[i]->grad, ts_param_count(s->p[i]));
            n++;
        }
    assert_int_equal(n, json_object_size(json_object_get(beside.json, "grads")));
}

/* Hyper-connections (scripts/golden_hyper.py), which no class has with layers that are known here. */
static void test_hyper(void **state)
{
    golden g;
    (void)state;
    open_case(&g, "tests/golden", "hyper");
    check_logits(&g);
    check_logprobs(&g);
    check_gradients(&g);
    check_hyper_gradients(&g);
    check_recomputed(&g);
    check_adamw(&g);
    close_case(&g);
}

int main(void)
{
    enum { MOST = 256 };
    struct CMUnitTest tests[MOST];
    char **names[2] = { NULL, NULL };
    size_t n[2] = { 0, 0 }, all = 0;
    const char *const folders[2] = { folder, adapted };
    CMUnitTestFunction const functions[2] = { test_case, test_adapter };
    for (int k = 0; k < 2; k++) {
        if (ts_dir_list(folders[k], &names[k], &n[k]) != TS_OK || n[k] == 0 || all + n[k] >= MOST) {
            print_error("%s: 1 to %d cases expected\n", folders[k], (int)MOST);
            return 1;
        }
        for (size_t i = 0; i < n[k]; i++)
            tests[all++] = (struct CMUnitTest){ names[k][i], functions[k], NULL, NULL, names[k][i] };
    }
    tests[all++] = (struct CMUnitTest)cmocka_unit_test(test_hyper);
    const int failed = _cmocka_run_group_tests("golden families", tests, all, NULL, NULL);
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < n[k]; i++)
            ts_free(&names[k][i]);
        ts_free(&names[k]);
    }
    return failed;
}
