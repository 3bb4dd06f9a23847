#include "cli/training.h"

static const char usage[] =
    "usage: tessera pretrain [--load DIR] --data-path PREFIX --seq-length N --train-iters N --lr X ...\n"
    "       mpirun -n 4 tessera pretrain ...      (data parallel over the processes)\n\n"
    "Trains from random weights (describe the model: --num-layers, --hidden-size, ...), from a Hugging Face\n"
    "folder (--load DIR), or continues a run (--load DIR with checkpoints). Data are Megatron's .bin/.idx files:\n"
    "`tessera preprocess` makes them. `tessera plan` with the same options says what the job will need.\n\n"
    "example: tessera pretrain --num-layers 6 --hidden-size 256 --num-attention-heads 4 --swiglu\n"
    "    --normalization RMSNorm --position-embedding-type rope --disable-bias-linear\n"
    "    --max-position-embeddings 256 --seq-length 256 --micro-batch-size 8 --train-iters 200 --lr 1e-3\n"
    "    --tokenizer-type PretrainedFromHF --tokenizer-name-or-path DIR --data-path my_text_document --bf16";

static ts_status run(int argc, char *const *argv);
const ts_command ts_cmd_pretrain = { "pretrain", "train a language model from scratch or continue",
                                     run };

static ts_status run(int argc, char *const *argv)
{
    ts_training t = { 0 };
    ts_option_table tables[TS_JOB_TABLES];
    ts_pretrain_tables(&t.o, tables);
    return ts_train_command(&ts_cmd_pretrain, usage, tables, false, argc, argv, &t);
}
