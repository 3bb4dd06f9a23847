#include "cli/training.h"

static const char usage[] =
    "usage: tessera posttrain --stage sft --load DIR --data-path PREFIX --seq-length N --train-iters N --lr X ...\n"
    "       mpirun -n 4 tessera posttrain ...      (any layout of `pretrain`)\n\n"
    "Goes on from a trained model (--load DIR: a Hugging Face folder or checkpoints) with samples that say what is to be\n"
    "learned of them: their labels. Every option of `pretrain` keeps its meaning. Data are files\n"
    "PREFIX_packed_input_ids_document.bin/.idx and the same of labels (attention_mask with --neat-pack), one document a\n"
    "sample, as long as each other; a label of -100 is not trained. Short samples are filled up to --seq-length, or with\n"
    "--no-pad-to-seq-lengths to the longest of their micro-batch. The loss of a step is the mean of those of its\n"
    "micro-batches; --calculate-per-token-loss makes it the mean over all trained tokens.\n"
    "Stages dpo, simpo and orpo compare the answers of pairs (chosen_input_ids, chosen_labels, rejected_input_ids,\n"
    "rejected_labels), kto learns verdicts (input_ids, labels, kl_input_ids, kl_labels, kto_tags), rm a head of rewards;\n"
    "dpo and kto keep to --ref-model, else to the model that they begin with (docs/posttrain.md).\n"
    "Stages cls, reg, rerank and embed tell labels, numbers, rankings and vectors of whole texts, which lines of a\n"
    ".json, .jsonl or .parquet file hold (docs/heads.md).\n"
    "`tessera plan` with the same options says what the job will need.\n\n"
    "example: tessera posttrain --stage sft --load model --is-instruction-dataset --data-path my_data --split 95,5,0\n"
    "    --no-pad-to-seq-lengths --seq-length 2048 --micro-batch-size 4 --global-batch-size 32 --train-iters 500\n"
    "    --lr 1e-5 --min-lr 1e-6 --lr-decay-style cosine --eval-iters 4 --eval-interval 100 --bf16 --save-hf tuned";

static ts_status run(int argc, char *const *argv);
const ts_command ts_cmd_posttrain = { "posttrain", "tune a trained model on answers", run };

static ts_status run(int argc, char *const *argv)
{
    ts_training t = { 0 };
    ts_option_table tables[TS_JOB_TABLES];
    ts_job_tables(&t.o, tables);
    return ts_train_command(&ts_cmd_posttrain, usage, tables, true, argc, argv, &t);
}
