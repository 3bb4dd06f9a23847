#include "parallel/options.h"

#define GROUP "pipeline"
#define ROW(type, field, name, def, lo, hi, choices, help)                                         \
    TS_ROW(type, ts_parallel_options, field, name, def, lo, hi, choices, GROUP, help)
#define TRAVELS(name, help) TS_NOTE(name, 0, GROUP, help)

const ts_option ts_pipeline_option_rows[] = {
    ROW(INT, pipeline, "pipeline-model-parallel-size", "1", 1, 1 << 16, NULL,
        "stages of layers, each on processes of its own"),
    ROW(CHOICE, schedule, "pipeline-schedule", "1f1b", 0, 0, TS_CHOICES(TS_SCHEDULES),
        "order of a stage's work (`tessera schedule` draws it); of several chunks 1f1b is interleaved"),
    ROW(INT, chunk_layers, "num-layers-per-virtual-pipeline-stage", NULL, 1, 1 << 20, NULL,
        "layers of a chunk: a stage has several chunks, through which each micro-batch goes in turn"),
    ROW(INT, chunks, "num-virtual-stages-per-pipeline-rank", NULL, 1, 1 << 16, NULL,
        "the same by the number of chunks of a stage"),
    ROW(INT, group, "microbatch-group-size-per-virtual-pipeline-stage", NULL, 1, 1 << 22, NULL,
        "micro-batches that go through a chunk before the next one's turn (default: the stages)"),
    ROW(INT, first_layers, "decoder-first-pipeline-num-layers", NULL, 1, 1 << 20, NULL,
        "layers of the first stage; the others share out the rest"),
    ROW(INT, last_layers, "decoder-last-pipeline-num-layers", NULL, 1, 1 << 20, NULL,
        "layers of the last stage"),
    ROW(FLAG, embedding_counts, "account-for-embedding-in-pipeline-split", NULL, 0, 0, NULL,
        "the embedding counts as a layer of the first stage"),
    ROW(FLAG, loss_counts, "account-for-loss-in-pipeline-split", NULL, 0, 0, NULL,
        "the output layer counts as a layer of the last stage"),
    ROW(LIST, layer_list, "num-layer-list", NULL, 0, 0, NULL, "layers of each stage: 1,3,3,1"),
    ROW(TEXT, layout, "pipeline-model-parallel-layout", NULL, 0, 0, NULL,
        "what each stage has, chunk after chunk: E embedding, t layer, L output layer and loss; "
        "\"Et*3|t*4|t*4|t*3L\""),
    ROW(TEXT, matrix, "pipeline-num-transformer-layers", NULL, 0, 0, NULL,
        "the same as a matrix, a row a stage, a number a chunk: [[0,1],[1,1]*2,[1,0]]"),
    ROW(CHOICE, method, "schedules-method", "none", 0, 0, TS_CHOICES(TS_METHODS),
        "as --pipeline-schedule dualpipev"),
    ROW(FLAG, detaches, "dualpipev-dw-detach", NULL, 0, 0, NULL,
        "of dualpipev: gradients of weights wait in the cool-down too; more memory"),
    ROW(FLAG, nanopipe, "use-nanopipe", NULL, 0, 0, NULL, "as --pipeline-schedule nanopipe"),
    ROW(FLAG, in_advance, "recompute-in-advance", NULL, 0, 0, NULL,
        "with --recompute-granularity full: a chunk runs again while its gradient is on its way"),
    ROW(FLAG, in_bubble, "recompute-in-bubble", NULL, 0, 0, NULL,
        "chunks run again where a stage would wait, so that it holds no more than its first ones"),
    ROW(FLAG, varies, "variable-seq-lengths", NULL, 0, 0, NULL,
        "stages tell each other ahead how many rows come, which may then differ from one micro-batch to the next"),
    ROW(FLAG, dist_train, "dist-train", NULL, 0, 0, NULL,
        "the networks of a model (an encoder and what stands behind it) have processes and layouts of their own"),
    ROW(TEXT, dist_config, "dist-train-config", NULL, 0, 0, NULL,
        "of --dist-train: JSON or YAML file that lists them: name, model_index, world_size, "
        "tensor_model_parallel_size, pipeline_model_parallel_size, context_parallel_size, forward_only, main_dp"),
    TRAVELS("use-multiparameter-pipeline-model-parallel", "stages hand on as many tensors as a model has always"),
    TRAVELS("optimize-send-recv-comm", "forward messages and gradients have communicators of their own always"),
    TRAVELS("optimize-vpp-send-recv-comm", "forward messages and gradients have communicators of their own always"),
    TRAVELS("no-overlap-p2p-communication", "messages travel while others are computed always"),
    TRAVELS("overlap-p2p-communication-warmup-flush", "messages travel while others are computed always"),
    TRAVELS("no-scatter-gather-tensors-in-pipeline", "each process sends what it has"),
    TRAVELS("no-pipeline-parallel", "the same as --pipeline-model-parallel-size 1"),
    TS_LATER("pipeline-model-parallel-split-rank", 1, NULL, "models of an encoder and a decoder"),
    TS_LATER("standalone-embedding-stage", 0, NULL,
             "a stage of its own is --pipeline-model-parallel-layout \"E|...\""),
};
const size_t ts_pipeline_option_count =
    sizeof ts_pipeline_option_rows / sizeof *ts_pipeline_option_rows;

/* Ways to say which layers a stage has. */
static ts_status check_shares(const ts_option_set *set)
{
    static const char *const ways[] = { "num-layer-list", "pipeline-model-parallel-layout",
                                        "pipeline-num-transformer-layers",
                                        "decoder-first-pipeline-num-layers",
                                        "decoder-last-pipeline-num-layers" };
    static const char *const chunks[] = { "num-layers-per-virtual-pipeline-stage",
                                          "num-virtual-stages-per-pipeline-rank" };
    static const char *const counts[] = { "account-for-embedding-in-pipeline-split",
                                          "account-for-loss-in-pipeline-split" };
    for (int i = 0; i < 3; i++)
        for (int k = i + 1; k < 5; k++)
            TS_TRY(ts_option_exclude(set, ways[i], ways[k]));
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 2; k++) {
            TS_TRY(ts_option_exclude(set, ways[i], chunks[k]));
            TS_TRY(ts_option_exclude(set, ways[i], counts[k]));
        }
    return ts_option_exclude(set, chunks[0], chunks[1]);
}

/* What says an order, and what it goes with. */
static ts_status check_schedule(const ts_parallel_options *o, const ts_option_set *set)
{
    static const char *const fixed[] = { "num-layer-list", "pipeline-model-parallel-layout",
                                         "pipeline-num-transformer-layers",
                                         "decoder-first-pipeline-num-layers",
                                         "decoder-last-pipeline-num-layers",
                                         "num-layers-per-virtual-pipeline-stage" };
    const bool is_v = o->method == TS_METHOD_DUALPIPEV || o->schedule == TS_SCHEDULE_DUALPIPEV;
    const char *v = o->method == TS_METHOD_DUALPIPEV ? "schedules-method" : "pipeline-schedule";
    TS_TRY(ts_option_exclude(set, "use-nanopipe", "schedules-method"));
    TS_TRY(ts_option_exclude(set, "use-nanopipe", "pipeline-schedule"));
    TS_TRY(ts_option_exclude(set, "schedules-method", "pipeline-schedule"));
    for (size_t i = 0; is_v && i < sizeof fixed / sizeof *fixed; i++)
        TS_TRY(ts_option_exclude(set, v, fixed[i]));
    return ts_option_exclude(set, "recompute-in-bubble", "recompute-in-advance");
}

ts_status ts_pipeline_options_check(const ts_parallel_options *o, const ts_option_set *set)
{
    TS_TRY(check_shares(set));
    return check_schedule(o, set);
}

void ts_pipeline_options_warn(const ts_parallel_options *o, const ts_option_set *set)
{
    static const char *const staged[] = { "num-layers-per-virtual-pipeline-stage",
                                          "num-virtual-stages-per-pipeline-rank",
                                          "microbatch-group-size-per-virtual-pipeline-stage",
                                          "pipeline-model-parallel-layout",
                                          "pipeline-num-transformer-layers", "num-layer-list",
                                          "decoder-first-pipeline-num-layers",
                                          "decoder-last-pipeline-num-layers", "use-nanopipe",
                                          "recompute-in-advance", "recompute-in-bubble" };
    for (size_t i = 0; i < sizeof staged / sizeof *staged; i++)
        ts_option_warn_alone(set, staged[i], o->pipeline > 1, "stages (--pipeline-model-parallel-size)");
    ts_option_warn_alone(set, "dist-train-config", o->dist_train, "--dist-train");
    if (o->method != TS_METHOD_NONE)
        ts_option_warn_alone(set, "schedules-method", o->pipeline > 1,
                             "stages (--pipeline-model-parallel-size)");
}

ts_schedule_recompute ts_parallel_recompute(const ts_parallel_options *o)
{
    if (o->pipeline == 1)
        return TS_AGAIN_NONE;
    return o->in_advance ? TS_AGAIN_ADVANCE : o->in_bubble ? TS_AGAIN_BUBBLE : TS_AGAIN_NONE;
}
