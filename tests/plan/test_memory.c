/* test_memory TESSERA RANKS: what `plan` says of memory against what `pretrain` then takes, with
 * the built program, over configurations that differ in everything memory depends on. RANKS 1, or 2
 * under mpirun (exit code 77, skipped, where there is none). */
#include "base/file.h"
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LLAMA                                                                                      \
    "--position-embedding-type rope --normalization RMSNorm --swiglu --disable-bias-linear "       \
    "--max-position-embeddings 4096 --hidden-size 256 --ffn-hidden-size 704 --num-attention-heads 4 "
#define VOCAB "--tokenizer-type NullTokenizer --vocab-size 4095 "
#define UNTIED "--untie-embeddings-and-output-weights "

typedef struct config {
    const char *name, *options;
    bool two_ranks; /* run with two as well */
} config;

static const config configs[] = {
    { "fp32", LLAMA VOCAB "--num-layers 4 --seq-length 128 --micro-batch-size 4", true },
    { "bf16", LLAMA VOCAB "--num-layers 4 --seq-length 128 --micro-batch-size 4 --bf16", true },
    { "int8", LLAMA VOCAB "--num-layers 4 --seq-length 128 --micro-batch-size 4 --bf16 --int8 all",
      false },
    { "fp16", LLAMA VOCAB "--num-layers 4 --seq-length 128 --micro-batch-size 4 --fp16", false },
    { "moments in bf16",
      LLAMA VOCAB "--num-layers 4 --seq-length 128 --micro-batch-size 4 --bf16 "
                  "--use-precision-aware-optimizer --exp-avg-dtype bf16 --exp-avg-sq-dtype bf16",
      true },
    { "weights in bf16",
      LLAMA VOCAB "--num-layers 4 --seq-length 128 --micro-batch-size 4 --bf16 "
                  "--use-precision-aware-optimizer --exp-avg-dtype bf16 --exp-avg-sq-dtype bf16 "
                  "--main-params-dtype bf16 --log-params-norm",
      false },
    { "recomputed by layer",
      LLAMA VOCAB
      "--num-layers 5 --seq-length 256 --micro-batch-size 2 --bf16 "
      "--recompute-granularity full --recompute-method uniform --recompute-num-layers 1",
      true },
    { "recomputed by two",
      LLAMA VOCAB
      "--num-layers 5 --seq-length 256 --micro-batch-size 2 "
      "--recompute-granularity full --recompute-method uniform --recompute-num-layers 2",
      false },
    { "two of five recomputed",
      LLAMA VOCAB "--num-layers 5 --seq-length 256 --micro-batch-size 2 --bf16 "
                  "--recompute-granularity full --recompute-method block --recompute-num-layers 2",
      false },
    { "inputs of layers on the host",
      LLAMA VOCAB
      "--num-layers 5 --seq-length 256 --micro-batch-size 2 --bf16 --swap-layer-input "
      "--recompute-granularity full --recompute-method uniform --recompute-num-layers 1",
      true },
    { "MLPs recomputed",
      LLAMA VOCAB "--num-layers 5 --seq-length 256 --micro-batch-size 2 --bf16 "
                  "--recompute-granularity selective --recompute-modules mlp",
      false },
    { "untied", LLAMA VOCAB UNTIED "--num-layers 3 --seq-length 256 --micro-batch-size 2 --bf16",
      true },
    { "many micro-batches",
      LLAMA VOCAB "--num-layers 2 --seq-length 128 --micro-batch-size 2 "
                  "--global-batch-size 16",
      true },
    { "deterministic",
      LLAMA VOCAB "--num-layers 3 --seq-length 256 --micro-batch-size 2 --global-batch-size 8 "
                  "--deterministic-mode",
      true },
    { "dropout",
      LLAMA VOCAB
      "--num-layers 3 --seq-length 128 --micro-batch-size 4 --bf16 --hidden-dropout 0.1 "
      "--attention-dropout 0.1",
      false },
    { "a large vocabulary",
      LLAMA UNTIED "--tokenizer-type NullTokenizer --vocab-size 65535 --num-layers 2 "
                   "--seq-length 128 --micro-batch-size 2 --bf16",
      false },
    { "long sequences",
      LLAMA VOCAB "--num-layers 2 --seq-length 4096 --micro-batch-size 1 --bf16 "
                  "--group-query-attention --num-query-groups 2",
      false },
    { "like GPT-2",
      VOCAB
      "--num-layers 4 --hidden-size 256 --num-attention-heads 4 --max-position-embeddings 256 "
      "--seq-length 128 --micro-batch-size 4 --hidden-dropout 0.1",
      true },
    { "cheap activations kept",
      LLAMA VOCAB "--num-layers 3 --seq-length 256 --micro-batch-size 2 --bf16 "
                  "--keep-cheap-activations",
      false },
    { "SGD, norms counted",
      LLAMA VOCAB "--num-layers 3 --seq-length 256 --micro-batch-size 2 --optimizer sgd "
                  "--log-num-zeros-in-grad --log-params-norm",
      false },
    { "buckets under way",
      LLAMA VOCAB "--num-layers 3 --seq-length 256 --micro-batch-size 2 "
                  "--overlap-grad-reduce --ddp-bucket-size 200000",
      true },
    { "frozen, norms trained",
      LLAMA VOCAB "--num-layers 4 --seq-length 128 --micro-batch-size 4 --bf16 "
                  "--freeze embedding linear_qkv linear_proj linear_fc1 linear_fc2",
      true },
    { "the upper half trained",
      LLAMA VOCAB UNTIED "--num-layers 4 --seq-length 256 --micro-batch-size 2 "
                         "--overlap-grad-reduce --freeze embedding layers.{0-1} "
                         "--recompute-granularity full --recompute-method uniform",
      true },
    { "more threads",
      LLAMA VOCAB "--num-layers 2 --seq-length 128 --micro-batch-size 2 --threads 5", false },
};

static const char common[] =
    "--train-iters 2 --lr 1e-4 --mock-data --eval-iters 0 --log-level error "
    "--log-interval 100";

/* What the command prints, all of it. */
static bool output_of(const char *command, ts_str *out)
{
    FILE *f = popen(command, "r");
    char piece[4096];
    size_t n;
    if (!f)
        return false;
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        if (ts_str_add(out, piece, n) != TS_OK)
            break;
    return pclose(f) == 0;
}

typedef struct planned {
    double peak, sum;
    char at[128];
} planned;

static bool plan(const char *program, const char *options, int ranks, planned *p)
{
    ts_str command = { 0 }, text = { 0 };
    json_t *o = NULL;
    bool ok = ts_str_printf(&command, "%s plan --world-size %d --json %s %s", program, ranks,
                            options, common) == TS_OK &&
              output_of(command.s, &text) &&
              ts_json_parse(text.s, text.len, "the plan", &o) == TS_OK;
    const json_t *m = json_object_get(json_array_get(json_object_get(o, "ranks"), 0), "memory");
    static const char *const kinds[] = { "weights", "gradients", "optimizer", "activations",
                                         "swapped", "buffers" };
    p->peak = json_number_value(json_object_get(m, "peak_bytes"));
    p->sum = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        p->sum += json_number_value(json_object_get(m, kinds[i]));
    const char *at = json_string_value(json_object_get(m, "peak_at"));
    snprintf(p->at, sizeof p->at, "%s", at ? at : "");
    ok = ok && p->peak > 0 && p->at[0];
    json_decref(o);
    ts_str_deinit(&command);
    ts_str_deinit(&text);
    return ok;
}

typedef struct taken {
    double accounted, process;
} taken;

static bool read_metrics(const char *path, taken *t)
{
    ts_str text = { 0 };
    bool ok = ts_file_read(path, &text) == TS_OK;
    int lines = 0;
    *t = (taken){ 0, 0 };
    for (char *line = ok ? strtok(text.s, "\n") : NULL; line; line = strtok(NULL, "\n"), lines++) {
        json_t *o = NULL;
        ok = ok && ts_json_parse(line, strlen(line), path, &o) == TS_OK;
        t->accounted =
            fmax(t->accounted, json_number_value(json_object_get(o, "memory_peak_bytes")));
        t->process = fmax(t->process, json_number_value(json_object_get(o, "rss_peak_bytes")));
        json_decref(o);
    }
    ts_str_deinit(&text);
    return ok && lines == 2;
}

static bool train(const char *program, const char *options, int ranks, const char *folder, taken *t)
{
    static const char mpi[] = "mpirun --allow-run-as-root --oversubscribe --bind-to none -n 2 ";
    ts_str command = { 0 }, text = { 0 }, path = { 0 };
    bool ok = ts_path_join(&path, folder, "metrics.jsonl") == TS_OK &&
              ts_remove_tree(path.s) == TS_OK &&
              ts_str_printf(&command, "%s%s pretrain --metrics-jsonl %s %s %s",
                            ranks > 1 ? mpi : "", program, path.s, options, common) == TS_OK &&
              output_of(command.s, &text) && read_metrics(path.s, t);
    ts_str_deinit(&command);
    ts_str_deinit(&text);
    ts_str_deinit(&path);
    return ok;
}

/* The same code books on both devices, so the account must agree to the byte. The process has its
 * program, MPI and the like beside that: 12 % and 64 MB are allowed, and no less than the account
 * can be right (pages of work space that a small model never touches aside). */
static bool check(const char *program, const config *c, int ranks, const char *folder)
{
    planned p;
    taken t = { 0, 0 };
    if (!plan(program, c->options, ranks, &p) || !train(program, c->options, ranks, folder, &t)) {
        printf("FAIL %s, %d rank%s: could not be run\n", c->name, ranks, ranks > 1 ? "s" : "");
        return false;
    }
    const bool ok = p.peak == t.accounted && p.sum == p.peak && t.process <= 1.12 * p.peak + 64e6 &&
                    t.process >= p.peak - 40e6;
    printf("%s %s, %d rank%s: planned %.3f MB (%s), accounted %.3f MB, process %.1f MB\n",
           ok ? "ok  " : "FAIL", c->name, ranks, ranks > 1 ? "s" : "", p.peak * 1e-6, p.at,
           t.accounted * 1e-6, t.process * 1e-6);
    return ok;
}

/* Copies of a background save are in the account too, and a checkpoint is planned for from its
 * description. */
static bool check_checkpoint(const char *program, const char *folder)
{
    ts_str save = { 0 }, load = { 0 };
    bool ok =
        ts_str_printf(&save,
                      LLAMA VOCAB "--num-layers 3 --seq-length 64 --save %s/ck --save-interval 1 "
                                  "--async-save",
                      folder) == TS_OK &&
        ts_str_printf(&load, "--load %s/ck --finetune --seq-length 256 --micro-batch-size 2",
                      folder) == TS_OK;
    ok = ok && check(program, &(config){ "saving in the background", save.s, false }, 1, folder) &&
         check(program, &(config){ "from a checkpoint", load.s, false }, 1, folder);
    ts_str_deinit(&save);
    ts_str_deinit(&load);
    return ok;
}

/* A folder of weights: planned for from its description alone. */
static bool check_folder(const char *program, const char *folder)
{
    ts_str make = { 0 }, load = { 0 }, nothing = { 0 };
    bool ok =
        ts_str_printf(&make, "%s pretrain %s --num-layers 2 %s --seq-length 64 --save-hf %s/hf",
                      program, LLAMA VOCAB, common, folder) == TS_OK &&
        output_of(make.s, &nothing) &&
        ts_str_printf(&load, "--load %s/hf --seq-length 128 --micro-batch-size 4 --bf16", folder) ==
            TS_OK;
    ok = ok && check(program, &(config){ "a Hugging Face folder", load.s, false }, 1, folder);
    ts_str_deinit(&make);
    ts_str_deinit(&load);
    ts_str_deinit(&nothing);
    return ok;
}

int main(int argc, char **argv)
{
    const int ranks = argc == 3 ? atoi(argv[2]) : 0;
    char folder[] = "/tmp/tessera-plan-XXXXXX";
    if (ranks < 1 || ranks > 2) {
        fprintf(stderr, "usage: test_memory TESSERA 1|2\n");
        return 2;
    }
    if (ranks > 1 && system("command -v mpirun >/dev/null 2>&1") != 0) {
        printf("SKIPPED: no mpirun; on Debian: apt-get install openmpi-bin\n");
        return 77;
    }
    if (!mkdtemp(folder))
        return 2;
    int failed = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++)
        if (ranks == 1 || configs[i].two_ranks)
            failed += !check(argv[1], &configs[i], ranks, folder);
    if (ranks == 1)
        failed += !check_folder(argv[1], folder) + !check_checkpoint(argv[1], folder);
    if (ts_remove_tree(folder) != TS_OK)
        fprintf(stderr, "%s\n", ts_error_message());
    printf("%d failed\n", failed);
    return failed != 0;
}
