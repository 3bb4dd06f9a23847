/* Layers that predict further tokens against a reference in torch (scripts/golden_mtp.py): losses and gradients, files
 * of models that have them. Five steps and documents in one sample are in tests/cli/mtp.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "../unit/temp.h"
#include "case.h"
#include "device/isa.h"
#include "infer/score.h"
#include "train/objective/lm.h"

#include <string.h>

enum { LENGTH = 20, DEPTHS = 2 };
static const char *const names[] = { "glm4_moe", "deepseek_v3", "qwen3_next", "deepseek_v4" };
enum { NAMES = sizeof names / sizeof *names };

/* Qwen3-Next has one, of which no key tells. */
static bool is_told(const char *name) { return strcmp(name, "qwen3_next") != 0; }
static int64_t depths_of(const char *name) { return is_told(name) ? DEPTHS : 1; }

static void open_with(golden *g, const char *name, int64_t depths)
{
    char file[300];
    *g = (golden){ .name = name, .B = 1, .S = LENGTH };
    snprintf(g->path, sizeof g->path, "tests/golden/mtp/%s", name);
    snprintf(file, sizeof file, "%s/golden.json", g->path);
    OK(ts_json_read(file, &g->json));
    OK(ts_device_open("cpu", &(ts_device_options){ .threads = 1, .isa = TS_ISA_ALL }, &g->dev));
    const ts_model_use use = { .dev = g->dev, .compute = TS_DTYPE_F32, .training = true, .mtp_layers = depths };
    OK(ts_model_load(g->path, &use, &g->model));
    OK(ts_tape_create(g->dev, &(ts_tape_options){ 0 }, &g->tape));
    OK(ts_alloc(&g->ids, LENGTH + 1, sizeof *g->ids));
    for (size_t i = 0; i <= LENGTH; i++)
        g->ids[i] = (int32_t)json_integer_value(json_array_get(json_object_get(g->json, "document"), i % LENGTH));
}

static void close_it(golden *g)
{
    ts_tape_destroy(&g->tape);
    ts_model_deinit(&g->model);
    ts_device_close(&g->dev);
    ts_free(&g->ids);
    json_decref(g->json);
}

/* Of the sample, with the gradients of all losses' means, those beside the first weighed by the factor. */
static void run_losses(golden *g, double mean[1 + DEPTHS])
{
    static const ts_field fields[] = { { "tokens", TS_DTYPE_I32, LENGTH + 1 }, { "loss_mask", TS_DTYPE_F32, LENGTH } };
    const ts_train_options t = { .seq_length = LENGTH, .mtp_factor = real_of(g->json, "factor") };
    const ts_network network = ts_decoder_network(g->model.decoder);
    ts_lm_objective o;
    ts_batch b;
    ts_passed out = { 0 };
    OK(ts_batch_create(fields, 2, 1, true, &b));
    memcpy(ts_batch_ints(&b, "tokens", 0), g->ids, (LENGTH + 1) * sizeof *g->ids);
    for (int i = 0; i < LENGTH; i++)
        ts_batch_floats(&b, "loss_mask", 0)[i] = 1;
    ts_lm_objective_init(&o, &network, &t, false, NULL);
    OK(o.base.prepare(&o.base));
    g->tape->recording = true;
    g->dev->zero(g->dev, g->model.decoder->params.grads->data, g->model.decoder->params.grads->bytes);
    OK(o.base.forward(&o.base, g->tape, &(ts_micro_batch){ .batch = &b, .rows = 1 }, &out));
    assert_int_equal(out.n, 1 + o.base.n_side);
    for (int k = 0; k < out.n; k++) {
        float weight[LENGTH];
        ts_tensor *w;
        for (int i = 0; i < LENGTH; i++)
            weight[i] = (float)((k ? o.base.side[k - 1].weight : 1) / (LENGTH - k));
        OK(ts_tape_upload(g->tape, TS_DTYPE_F32, weight, LENGTH, &w));
        OK(ts_tape_accumulate(g->tape, out.tensor[k], w));
    }
    OK(ts_tape_backward(g->tape));
    for (int k = 0; k < out.n; k++) { /* where nothing counts they are 0 */
        float losses[LENGTH];
        g->dev->to_host(g->dev, losses, ts_tensor_data(out.tensor[k]), sizeof losses);
        mean[k] = 0;
        for (int i = 0; i < LENGTH; i++)
            mean[k] += (double)losses[i] / (LENGTH - k);
    }
    ts_tape_reset(g->tape);
    ts_batch_deinit(&b);
}

static void losses_and_gradients_are_the_references(void **state)
{
    (void)state;
    for (int i = 0; i < NAMES; i++) {
        golden g;
        double mean[1 + DEPTHS];
        ts_name_map m = { 0 };
        const int64_t depths = depths_of(names[i]);
        open_with(&g, names[i], depths);
        run_losses(&g, mean);
        for (size_t k = 0; k <= (size_t)depths; k++) {
            const double want = real_at(json_object_get(g.json, "losses"), k);
            if (!(fabs(mean[k] - want) <= 1e-5 * want)) /* logits of some units through some 30 products of 24 terms */
                fail_msg("%s: loss %zu is %.8g, expected %.8g", g.name, k, mean[k], want);
        }
        OK(ts_family_names(g.model.family, &g.model.decoder->arch, &m));
        size_t n = 0;
        for (size_t t = 0; t < m.n_tensors; t++) {
            if (m.tensor[t].is_copy || !has_gradient(&g, &m, &m.tensor[t]))
                continue;
            const int64_t count = count_of(&m.tensor[t]);
            float *got;
            OK(ts_alloc(&got, (size_t)count, sizeof *got));
            gather(&g, &m, &m.tensor[t], got);
            check_gradient(&g, m.tensor[t].hf_name, got, count);
            ts_free(&got);
            n++;
        }
        assert_int_equal(n, json_object_size(json_object_get(g.json, "grads")));
        ts_name_map_deinit(&m);
        close_it(&g);
    }
}

/* What the model tells does not hang on them, to the bit. */
static void logits_are_the_models_own(void **state)
{
    (void)state;
    for (int i = 0; i < NAMES; i++) {
        float *logits[2];
        for (int k = 0; k < 2; k++) {
            golden g;
            open_with(&g, names[i], k * depths_of(names[i]));
            OK(ts_alloc(&logits[k], (size_t)(LENGTH * g.model.decoder->arch.vocab), sizeof *logits[k]));
            OK(ts_score_logits(g.model.decoder, g.tape, g.ids, LENGTH, NULL, logits[k]));
            if (k)
                assert_memory_equal(logits[0], logits[1],
                                    (size_t)(LENGTH * g.model.decoder->arch.vocab) * sizeof *logits[k]);
            close_it(&g);
        }
        ts_free(&logits[0]);
        ts_free(&logits[1]);
    }
}

/* Every tensor of the folder has its name, shape and bits again, those that stand there twice as well; without the
 * layers the others do, and config.json says that there are none. */
static void folders_are_written_back(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * NAMES; i++) {
        golden g;
        temp t;
        ts_st_dir *before = NULL, *after = NULL;
        const int64_t depths = i % 2 * depths_of(names[i / 2]);
        open_with(&g, names[i / 2], depths);
        temp_make(&t);
        OK(ts_weights_save(&g.model, temp_path(&t, "saved"), &(ts_weights_save_options){ .dtype = TS_ST_F32 }));
        if (is_told(names[i / 2]))
            assert_int_equal(json_integer_value(json_object_get(g.model.config, "num_nextn_predict_layers")), depths);
        OK(ts_st_dir_open(g.path, "model", &before));
        OK(ts_st_dir_open(temp_path(&t, "saved"), "model", &after));
        for (int64_t k = 0; k < ts_st_dir_count(after); k++) {
            const ts_st_tensor *y = ts_st_dir_at(after, k), *x = ts_st_dir_find(before, y->name);
            if (!x || x->size != y->size || memcmp(x->data, y->data, x->size))
                fail_msg("%s: %s has other values", g.name, y->name);
        }
        assert_true(depths ? ts_st_dir_count(after) == ts_st_dir_count(before)
                           : ts_st_dir_count(after) < ts_st_dir_count(before));
        ts_st_dir_destroy(&before);
        ts_st_dir_destroy(&after);
        temp_remove(&t);
        close_it(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(losses_and_gradients_are_the_references),
                                        cmocka_unit_test(logits_are_the_models_own),
                                        cmocka_unit_test(folders_are_written_back) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
