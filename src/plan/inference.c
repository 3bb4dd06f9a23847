#include "plan/inference.h"

#include "infer/model_group.h"
#include "infer/engine.h"
#include "model/open.h"
#include "plan/hardware.h"

#include <jansson.h>

#define ROW(type, field, name, def, lo, hi, help) \
    TS_ROW(type, ts_plan_inference, field, name, def, lo, hi, NULL, "plan", help)

const ts_option ts_plan_inference_rows[] = {
    TS_ROW(CHOICE, ts_plan_inference, task, "task", "train", 0, 0, TS_CHOICES(TS_PLAN_TASKS), "plan",
           "what is planned: a training, or the use of a model (weights, keys and values of each process)"),
    ROW(INT, sequences, "max-num-seqs", "1", 1, TS_ENGINE_MOST_SLOTS, "with --task infer: texts side by side"),
    ROW(INT, length, "max-model-len", "0", 0, INT32_MAX,
        "with --task infer: tokens of each (default: as many as the model has positions)"),
    ROW(FLAG, load_in_8bit, "load-in-8bit", NULL, 0, 0, "with --task infer: weights are held in 8 bits"),
    ROW(FLAG, load_in_4bit, "load-in-4bit", NULL, 0, 0, "with --task infer: in 4 bits, the output layer in 8"),
};
const size_t ts_plan_inference_count = sizeof ts_plan_inference_rows / sizeof *ts_plan_inference_rows;

/* Of the processes of a stage. */
typedef struct stage {
    int64_t rank, count; /* the first of them, and how many */
    ts_layer_range layers;
    int64_t weights, cache, other; /* bytes of one */
} stage;

typedef struct figures {
    const ts_job_options *o;
    const ts_option_set *set;
    const ts_plan_inference *i;
    ts_model_group_options cut;
    ts_model_use use;
    int64_t world, models, length, parameters, layers;
    stage *stage;
    int64_t n;
} figures;

static ts_status check(const figures *f)
{
    const ts_parallel_options *p = &f->o->parallel;
    if (f->i->load_in_8bit && f->i->load_in_4bit)
        return ts_error(TS_ERR_USER, "--load-in-8bit and --load-in-4bit contradict each other: give one");
    if (p->context > 1 || p->two || p->sequence || p->chunks > 1 || p->chunk_layers || p->matrix)
        return ts_error(TS_ERR_USER, "--task infer: models are cut by --tensor-model-parallel-size, "
                                     "--pipeline-model-parallel-size (one part a stage) and --expert-model-parallel-size: leave "
                                     "other layouts out");
    return TS_OK;
}

/* As the commands open it, but for values. */
static ts_status open_model(const figures *f, ts_model *m)
{
    const char *load = f->o->runtime.load;
    const int64_t vocab = f->o->text.vocab_size;
    ts_arch a;
    if (load && (ts_checkpoint_is(load) || ts_model_is_hf(load)))
        return ts_model_open(load, f->o->train.ckpt_step, &f->use, m);
    ts_arch_init(&a);
    ts_status st = ts_model_describe(&f->o->model, f->set, vocab > 0 ? vocab : 1, &a);
    if (st == TS_OK && !vocab && !ts_model_is_named(&f->o->model) && !f->o->model.padded_vocab_size)
        st = ts_error(TS_ERR_USER, "--vocab-size is missing");
    if (st == TS_OK)
        st = ts_model_make(&a, &f->use, 0, m);
    ts_arch_deinit(&a);
    return st;
}

/* Room for all texts. */
static ts_status keep(figures *f, ts_decoder *d)
{
    ts_engine *e;
    const int64_t n = f->i->sequences;
    f->length = f->i->length ? f->i->length : d->arch.max_positions;
    if (!f->length)
        return ts_error(TS_ERR_USER, "--max-model-len is missing: this model has any number of positions");
    const bool paged = ts_engine_has_pages(d);
    const int64_t pages = (f->length + TS_ENGINE_PAGE - 1) / TS_ENGINE_PAGE * n;
    TS_TRY((paged ? ts_engine_create_paged : ts_engine_create)(d, n, &e));
    const int64_t before = d->dev->mem.now[TS_MEM_OTHER];
    const ts_status st = paged ? ts_engine_reserve_pages(e, pages) : ts_engine_reserve(e, f->length);
    stage *s = &f->stage[f->n];
    s->cache = d->dev->mem.now[TS_MEM_OTHER] - before;
    s->weights = d->dev->mem.now[TS_MEM_WEIGHT];
    s->other = d->dev->mem.total - s->cache - s->weights;
    ts_engine_destroy(&e);
    return st;
}

static ts_status simulate(figures *f, const ts_sim_hardware *hw, int64_t rank)
{
    ts_comm *world = NULL;
    ts_model_group *group = NULL;
    ts_model m = { 0 };
    ts_status st;
    TS_TRY(ts_sim_open_hardware(hw, &f->use.dev));
    TS_TRY_TO(done, st, ts_comm_sim_create((int)rank, (int)f->world, "world", NULL, &world));
    TS_TRY_TO(done, st, ts_model_group_create(&f->cut, world, &group));
    ts_model_group_use(group, &f->use);
    TS_TRY_TO(done, st, open_model(f, &m));
    m.decoder->model_group = group;
    TS_TRY_TO(done, st, ts_param_set_book(&m.decoder->params));
    f->models = group->models;
    f->parameters = ts_decoder_parameters(m.decoder), f->layers = m.decoder->arch.n_layers;
    f->stage[f->n] = (stage){ .rank = rank, .count = f->world / f->cut.pipeline, .layers = ts_model_group_layers(group) };
    st = keep(f, m.decoder);
    f->n += st == TS_OK;
done:
    ts_model_deinit(&m);
    ts_model_group_destroy(&group);
    ts_comm_destroy(&world);
    ts_device_close(&f->use.dev);
    return st;
}

static ts_status run(figures *f, const ts_plan_options *p)
{
    const ts_parallel_options *l = &f->o->parallel;
    ts_sim_hardware hw;
    TS_TRY(check(f));
    f->cut = (ts_model_group_options){ .tensor = l->tensor, .pipeline = l->pipeline, .experts = ts_parallel_expert_size(l),
                                .expert_tensor = l->tensor_extends_experts ? 1 : l->expert_tensor, .unaligned = l->unaligned,
                                .first_layers = l->first_layers, .last_layers = l->last_layers, .layer_list = l->layer_list,
                                .layout = l->layout };
    f->use = (ts_model_use){ .inference = true, .lora = &f->o->lora,
                             .quant = f->i->load_in_8bit   ? TS_QUANT_INT8
                                      : f->i->load_in_4bit ? TS_QUANT_NF4
                                                           : TS_QUANT_NONE };
    f->world = ts_plan_world_size(f->o, p);
    TS_TRY(ts_runtime_dtype(&f->o->runtime, &f->use.compute));
    int of_host;
    TS_TRY(ts_plan_hardware(p->hardware, (int)f->o->runtime.threads, (int)f->world, &of_host, &hw));
    TS_TRY(ts_alloc(&f->stage, (size_t)f->cut.pipeline, sizeof *f->stage));
    for (int64_t s = 0; s < f->cut.pipeline; s++)
        TS_TRY(simulate(f, &hw, s * (f->world / f->cut.pipeline)));
    return TS_OK;
}

static int64_t per_token(const figures *f, const stage *s) { return s->cache / (f->length * f->i->sequences); }

static ts_status table(const figures *f, ts_str *out)
{
    char a[32], b[32], c[32], d[32], e[32];
    TS_TRY(ts_str_printf(out, "%lld parameters, %lld layers, on %lld process%s: %lld model%s; %lld text%s of %lld tokens for each\n\n",
                         (long long)f->parameters, (long long)f->layers, (long long)f->world, f->world == 1 ? "" : "es",
                         (long long)f->models, f->models == 1 ? "" : "s", (long long)f->i->sequences,
                         f->i->sequences == 1 ? "" : "s", (long long)f->length));
    TS_TRY(ts_str_printf(out, "%-7s %9s %11s %12s %16s %12s %12s %12s\n", "stage", "processes", "layers", "weights", "keys and values",
                         "of a token", "other", "in all"));
    for (int64_t i = 0; i < f->n; i++) {
        const stage *s = &f->stage[i];
        char layers[48];
        snprintf(layers, sizeof layers, "%lld-%lld", (long long)s->layers.first, (long long)s->layers.last - 1);
        TS_TRY(ts_str_printf(out, "%-7lld %9lld %11s %12s %16s %12s %12s %12s\n", (long long)i, (long long)s->count, layers,
                             ts_human_bytes((double)s->weights, a), ts_human_bytes((double)s->cache, b),
                             ts_human_bytes((double)per_token(f, s), c), ts_human_bytes((double)s->other, d),
                             ts_human_bytes((double)(s->weights + s->cache + s->other), e)));
    }
    return TS_OK;
}

static ts_status json(const figures *f, ts_str *out)
{
    json_t *stages = json_array();
    for (int64_t i = 0; i < f->n; i++) {
        const stage *s = &f->stage[i];
        json_array_append_new(stages,
                              json_pack("{sI sI sI sI sI sI sI}", "rank", (json_int_t)s->rank, "count", (json_int_t)s->count,
                                        "first_layer", (json_int_t)s->layers.first, "layers",
                                        (json_int_t)(s->layers.last - s->layers.first), "weight_bytes", (json_int_t)s->weights,
                                        "cache_bytes", (json_int_t)s->cache, "other_bytes", (json_int_t)s->other));
    }
    json_t *o = json_pack("{ss sI sI sI sI sI so}", "task", "infer", "world_size", (json_int_t)f->world, "models",
                          (json_int_t)f->models, "parameters", (json_int_t)f->parameters, "max_num_seqs",
                          (json_int_t)f->i->sequences, "max_model_len", (json_int_t)f->length, "stages", stages);
    const ts_status st = ts_json_write(o, JSON_INDENT(1), "the plan", out);
    json_decref(o);
    return st == TS_OK ? ts_str_puts(out, "\n") : st;
}

ts_status ts_plan_inference_text(const ts_job_options *o, const ts_option_set *set, const ts_plan_options *p,
                                 const ts_plan_inference *i, ts_str *out)
{
    figures f = { .o = o, .set = set, .i = i };
    ts_status st = run(&f, p);
    if (st == TS_OK)
        st = (p->json ? json : table)(&f, out);
    ts_free(&f.stage);
    return st;
}
