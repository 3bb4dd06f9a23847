/* Tiny models that see pictures against transformers: log-probabilities, loss, gradients through tower and joint, and what is
 * written back. scripts/golden_vision.py made the cases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../unit/temp.h"
#include "case.h"
#include "device/isa.h"
#include "infer/score.h"
#include "model/pictures.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { MOST = 96 };

typedef struct vision {
    golden g;
    ts_picture_set set;
} vision;

static void open_case(vision *v, const char *name)
{
    golden *g = &v->g;
    char file[300];
    ts_st_file *f = NULL;
    /* biases of keys change no softmax: units of gradients as large as 1 are left of theirs */
    *v = (vision){ .g = { .name = name, .rest = 2 * FLT_EPSILON } };
    snprintf(g->path, sizeof g->path, "tests/golden/vision/%s", name);
    snprintf(file, sizeof file, "%s/golden.json", g->path);
    OK(ts_json_read(file, &g->json));
    const ts_device_options o = { .threads = 1, .isa = TS_ISA_ALL };
    OK(ts_device_open("cpu", &o, &g->dev));
    const ts_model_use use = { .dev = g->dev, .compute = TS_DTYPE_F32, .training = true };
    OK(ts_model_load(g->path, &use, &g->model));
    const ts_tape_options to = { 0 };
    OK(ts_tape_create(g->dev, &to, &g->tape));
    const json_t *row = json_array_get(json_object_get(g->json, "tokens"), 0);
    g->B = 1, g->S = (int64_t)json_array_size(row);
    assert_true(g->S <= MOST);
    OK(ts_alloc(&g->ids, (size_t)g->S, sizeof *g->ids));
    for (int64_t i = 0; i < g->S; i++)
        g->ids[i] = (int32_t)json_integer_value(json_array_get(row, (size_t)i));
    snprintf(file, sizeof file, "%s/tensors.safetensors", g->path);
    OK(ts_st_file_open(file, &f));
    OK(ts_picture_set_read(&g->model.decoder->arch, f, 0, g->ids, g->S, file, &v->set));
    ts_st_file_destroy(&f);
}

static void close_case(vision *v)
{
    golden *g = &v->g;
    ts_picture_set_deinit(&v->set);
    ts_tape_destroy(&g->tape);
    ts_model_deinit(&g->model);
    ts_device_close(&g->dev);
    ts_free(&g->ids);
    json_decref(g->json);
}

/* As of the families of words (test_families.c). */
static double logit_bound(const golden *g)
{
    return 10 * real_of(g->json, "own_error") + 64 * FLT_EPSILON * real_of(g->json, "logit_scale");
}

static void check_logprobs(vision *v)
{
    golden *g = &v->g;
    double got[MOST];
    bool greedy[MOST];
    const json_t *want = json_array_get(json_object_get(g->json, "logprobs"), 0);
    OK(ts_score_ids(g->model.decoder, g->tape, g->ids, g->S, &v->set.p, NULL, got, greedy));
    for (int64_t s = 1; s < g->S; s++)
        if (!(fabs(got[s] - real_at(want, (size_t)s - 1)) <= 2 * logit_bound(g)))
            fail_msg("%s: log-probability %lld is %.8g, expected %.8g", g->name, (long long)s, got[s],
                     real_at(want, (size_t)s - 1));
}

static ts_tensor *upload(golden *g, ts_dtype dtype, const void *host)
{
    ts_tensor *t = NULL;
    OK(ts_tape_upload(g->tape, dtype, host, g->S, &t));
    return t;
}

/* Mean loss over all tokens but the first; leaves the gradients in the parameters. */
static double forward_backward(vision *v, const ts_recompute_plan *plan)
{
    golden *g = &v->g;
    int32_t pos[MOST], labels[MOST];
    float weight[MOST], losses[MOST];
    ts_decoder *d = g->model.decoder;
    for (int64_t i = 0; i < g->S; i++) {
        const bool last = i == g->S - 1;
        pos[i] = (int32_t)i;
        labels[i] = last ? -1 : g->ids[i + 1];
        weight[i] = last ? 0 : 1 / (float)(g->S - 1);
    }
    ts_tape_reset(g->tape);
    g->tape->recording = true;
    g->dev->zero(g->dev, d->params.grads->data, d->params.grads->bytes);
    const ts_tensor *ids = upload(g, TS_DTYPE_I32, g->ids);
    const ts_run run = { .B = 1, .S = g->S, .pos = upload(g, TS_DTYPE_I32, pos), .pictures = &v->set.p };
    ts_xent_op o = ts_decoder_head(d);
    ts_tensor *hidden = NULL, *loss = NULL;
    OK(ts_decoder_prepare(d, g->S, g->S));
    OK(ts_decoder_forward(d, g->tape, &run, plan, ids, &hidden));
    o.labels = upload(g, TS_DTYPE_I32, labels);
    OK(ts_op_linear_xent(g->tape, &o, hidden, &loss, NULL));
    g->dev->to_host(g->dev, losses, ts_tensor_data(loss), (size_t)g->S * sizeof *losses);
    OK(ts_tape_accumulate(g->tape, loss, upload(g, TS_DTYPE_F32, weight)));
    OK(ts_tape_backward(g->tape));
    ts_tape_reset(g->tape);
    double sum = 0;
    for (int64_t i = 0; i + 1 < g->S; i++)
        sum += (double)losses[i];
    return sum / (double)(g->S - 1);
}

/* Also where the decoder's layers run again: what joins them is still there. */
static void check_gradients(vision *v, const ts_recompute_plan *plan)
{
    golden *g = &v->g;
    ts_name_map m = { 0 };
    const double loss = forward_backward(v, plan), want = real_of(g->json, "loss");
    if (!(fabs(loss - want) <= logit_bound(g)))
        fail_msg("%s: loss is %.8g, expected %.8g", g->name, loss, want);
    OK(ts_family_names(g->model.family, &g->model.decoder->arch, &m));
    assert_int_equal(m.n_tensors, json_object_size(json_object_get(g->json, "grads")));
    for (size_t i = 0; i < m.n_tensors; i++) {
        const int64_t n = count_of(&m.tensor[i]);
        float *got = NULL;
        OK(ts_alloc(&got, (size_t)n, sizeof *got));
        gather(g, &m, &m.tensor[i], got);
        check_gradient(g, m.tensor[i].hf_name, got, n);
        ts_free(&got);
    }
    ts_name_map_deinit(&m);
}

/* Every tensor has its name, shape and bits again, and the configuration its words. */
static void check_saved(vision *v)
{
    golden *g = &v->g;
    temp t;
    ts_st_dir *before = NULL, *after = NULL;
    const ts_weights_save_options o = { .dtype = g->model.file_dtype };
    temp_make(&t);
    OK(ts_weights_save(&g->model, temp_path(&t, "saved"), &o));
    OK(ts_st_dir_open(g->path, "model", &before));
    OK(ts_st_dir_open(temp_path(&t, "saved"), "model", &after));
    assert_int_equal(ts_st_dir_count(after), ts_st_dir_count(before));
    for (int64_t i = 0; i < ts_st_dir_count(after); i++) {
        const ts_st_tensor *y = ts_st_dir_at(after, i), *x = ts_st_dir_find(before, y->name);
        if (!x)
            fail_msg("%s: %s was not in the folder", g->name, y->name);
        assert_int_equal(x->rank, y->rank);
        assert_memory_equal(x->shape, y->shape, (size_t)x->rank * sizeof *x->shape);
        if (x->size != y->size || memcmp(x->data, y->data, x->size))
            fail_msg("%s: %s has other values", g->name, y->name);
    }
    ts_st_dir_destroy(&before);
    ts_st_dir_destroy(&after);
    temp_remove(&t);
}

/* What a checkpoint says of the model, read back. */
static void check_described(vision *v)
{
    const ts_arch *a = &v->g.model.decoder->arch;
    json_t *o = NULL;
    ts_arch back;
    ts_arch_init(&back);
    OK(ts_arch_write(a, &o));
    OK(ts_arch_read(o, "a description", &back));
    assert_true(ts_arch_equal(a, &back));
    back.vision->merge++;
    assert_false(ts_arch_equal(a, &back));
    ts_arch_deinit(&back);
    json_decref(o);
}

static void test_case(void **state)
{
    vision v;
    const ts_recompute_plan again = { .method = TS_RECOMPUTE_UNIFORM, .layers = 1 };
    open_case(&v, *state);
    check_logprobs(&v);
    check_saved(&v);
    check_described(&v);
    check_gradients(&v, NULL);
    check_gradients(&v, &again);
    close_case(&v);
}

/* A text with more or fewer placeholders than its pictures have rows. */
static void wrong_counts(void **state)
{
    (void)state;
    vision v;
    open_case(&v, "qwen2-vl");
    ts_picture_set set = { 0 };
    const ts_arch *a = &v.g.model.decoder->arch;
    const int64_t grid[3] = { 1, 4, 4 };
    const ts_seen_media seen[TS_SEEN_KINDS] = { { .pixels = v.set.pixels, .rank = 2, .shape = { 16, ts_vision_pixels(a->vision) },
                                                  .n = 1, .grid = grid, .what = "pixel_values" } };
    assert_int_equal(ts_picture_set_make(a, v.g.ids, v.g.S, seen, "line 3", &set), TS_ERR_USER);
    assert_non_null(strstr(ts_error_message(), "line 3"));
    assert_non_null(strstr(ts_error_message(), "10 placeholders for its pictures"));
    close_case(&v);
}

#define CASE(name_) { name_, test_case, NULL, NULL, (void *)(uintptr_t)name_ }
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE("qwen2-vl"), CASE("qwen2.5-vl"), CASE("qwen3-vl"), CASE("qwen3-vl-moe"), CASE("glm4v"),
        CASE("llava"), CASE("internvl"), CASE("internvl-6b"), cmocka_unit_test(wrong_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
