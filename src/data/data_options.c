#include "data/source.h"

#define ROW(type, field, name, def, lo, hi, choices, help)                                         \
    TS_ROW(type, ts_data_options, field, name, def, lo, hi, choices, "data", help)
/* an option that decides what is computed */
#define RUN(type, field, name, def, lo, hi, choices, help)                                         \
    TS_ROW_IS(TS_OPTION_DECIDES, type, ts_data_options, field, name, def, lo, hi, choices, "data", \
              help)
/* files that decide it */
#define FILES(type, field, name, help)                                                             \
    TS_ROW_IS(TS_OPTION_DECIDES | TS_OPTION_PLACE, type, ts_data_options, field, name, NULL, 0, 0, \
              NULL, "data", help)
#define NOTE(name_, words, help_) TS_NOTE(name_, words, "data", help_)
#define RECORDS                                                                                    \
    "records that are read while training; `tessera preprocess` makes files for --data-path"

const ts_option ts_data_option_rows[] = {
    FILES(LIST, data_path, "data-path",
          "prefixes of .bin/.idx files, or weight prefix pairs, for all parts by --split"),
    RUN(TEXT, split, "split", "969,30,1", 0, 0, NULL,
        "proportions of training, validation and test data"),
    FILES(LIST, train_data_path, "train-data-path", "as --data-path, for training alone"),
    FILES(LIST, valid_data_path, "valid-data-path", "as --data-path, for validation alone"),
    FILES(LIST, test_data_path, "test-data-path", "as --data-path, for test alone"),
    FILES(TEXT, data_args_path, "data-args-path", "file with the words of --data-path"),
    RUN(FLAG, mock_data, "mock-data", NULL, 0, 0, NULL, "made-up tokens instead of files"),
    RUN(FLAG, eod_mask_loss, "eod-mask-loss", NULL, 0, 0, NULL,
        "no loss where the input is end-of-document"),
    RUN(FLAG, reset_position_ids, "reset-position-ids", NULL, 0, 0, NULL,
        "positions restart after end-of-document"),
    RUN(FLAG, reset_attention_mask, "reset-attention-mask", NULL, 0, 0, NULL,
        "documents in one sample do not see each other"),
    RUN(CHOICE, dataloader_type, "dataloader-type", "single", 0, 0, TS_CHOICES(TS_DATALOADERS),
        "order of samples: single passes through the shuffled order once, cyclic permutes it again "
        "in each pass (external is refused)"),
    RUN(NOFLAG, data_sharding, "no-data-sharding", NULL, 0, 0, NULL,
        "cyclic: permute all samples together instead of a part for each process"),
    TS_ROW_IS(
        TS_OPTION_PLACE, TEXT, ts_data_options, data_cache_path, "data-cache-path", NULL, 0, 0,
        NULL, "data",
        "folder for the orders of samples, made once (default: cache/GPTDataset_indices beside the "
        "data for orders of more than 33 million entries, else none)"),
    NOTE("no-create-attention-mask-in-dataloader", 0, "masks are never stored"),
    NOTE("create-attention-mask-in-dataloader", 0, "masks are never stored"),
    NOTE("no-mmap-bin-files", 0, "files are always mapped"),
    NOTE("data-impl", 1, "one format"),
    NOTE("data-manager-type", 1, "one order of samples, Megatron's"),
    NOTE("dataloader-drop-last", TS_OPTION_ANY, "incomplete batches are always dropped"),
    NOTE("num-workers", 1, "batches are taken from mapped files as steps need them"),
    NOTE("dataloader-num-workers", 1, "batches are taken from mapped files as steps need them"),
    NOTE("workers", 1, "`tessera preprocess --workers`"),
    NOTE("max-new-tokens", 1, "`tessera infer --max-new-tokens`"),
    NOTE("preprocessing-num-workers", 1, "`tessera preprocess --workers`"),
    NOTE("overwrite-cache", TS_OPTION_ANY, "--data-cache-path holds orders of samples alone"),
    NOTE("use-one-sent-docs", 0, "a matter of other models"),
    { .name = "handler-name",
      .type = TS_OPTION_LATER,
      .lo = 1,
      .def = "GeneralPretrainHandler",
      .help = "records of this kind; GeneralPretrainHandler's, plain text, are understood" },
    TS_LATER("formatting", 1, NULL, RECORDS),
    TS_LATER("train-doc-idx-path", 1, NULL, RECORDS),
    TS_LATER("train-sample-idx-path", 1, NULL, RECORDS),
    TS_LATER("train-shuffle-idx-path", 1, NULL, RECORDS),
    TS_LATER("data-efficiency-curriculum-learning", 0, NULL, RECORDS),
    TS_LATER("random-ltd", 0, NULL, RECORDS),
    TS_HINT("data", TS_OPTION_MANY, "--data-path PREFIX, of files that `tessera preprocess` makes"),
    TS_HINT("append-eod", TS_OPTION_ANY, "`tessera preprocess --append-eod`"),
    TS_LATER("dataset.", TS_OPTION_ANY, NULL, RECORDS),
    TS_HINT("file-name", 1, "--data-path PREFIX, of files that `tessera preprocess` makes"),
    TS_HINT("train-file", 1, "--data-path PREFIX, of files that `tessera preprocess` makes"),
    TS_HINT("train-data", TS_OPTION_MANY, "--train-data-path"),
    TS_HINT("validation-file", 1, "--valid-data-path"),
    TS_HINT("val-data", TS_OPTION_MANY, "--valid-data-path"),
};
const size_t ts_data_option_count = sizeof ts_data_option_rows / sizeof *ts_data_option_rows;
