#include "data/source.h"

#define ROW(type, field, name, def, lo, hi, choices, help)                                         \
    TS_ROW(type, ts_data_options, field, name, def, lo, hi, choices, "data", help)
#define NOTE(name_, words, help_)                                                                  \
    { .name = name_, .type = TS_OPTION_NOTE, .lo = words, .group = "data", .help = help_ }

const ts_option ts_data_option_rows[] = {
    ROW(LIST, data_path, "data-path", NULL, 0, 0, NULL,
        "prefixes of .bin/.idx files, or weight prefix pairs, for all parts by --split"),
    ROW(TEXT, split, "split", "969,30,1", 0, 0, NULL,
        "proportions of training, validation and test data"),
    ROW(LIST, train_data_path, "train-data-path", NULL, 0, 0, NULL,
        "as --data-path, for training alone"),
    ROW(LIST, valid_data_path, "valid-data-path", NULL, 0, 0, NULL,
        "as --data-path, for validation alone"),
    ROW(LIST, test_data_path, "test-data-path", NULL, 0, 0, NULL, "as --data-path, for test alone"),
    ROW(TEXT, data_args_path, "data-args-path", NULL, 0, 0, NULL,
        "file with the words of --data-path"),
    ROW(FLAG, mock_data, "mock-data", NULL, 0, 0, NULL, "made-up tokens instead of files"),
    ROW(FLAG, eod_mask_loss, "eod-mask-loss", NULL, 0, 0, NULL,
        "no loss where the input is end-of-document"),
    ROW(FLAG, reset_position_ids, "reset-position-ids", NULL, 0, 0, NULL,
        "positions restart after end-of-document"),
    ROW(FLAG, reset_attention_mask, "reset-attention-mask", NULL, 0, 0, NULL,
        "documents in one sample do not see each other"),
    ROW(CHOICE, dataloader_type, "dataloader-type", "single", 0, 0, "single|cyclic|external",
        "order of samples: single passes through the shuffled order once, cyclic permutes it again "
        "in each pass (external is refused)"),
    ROW(NOFLAG, data_sharding, "no-data-sharding", NULL, 0, 0, NULL,
        "cyclic: permute all samples together instead of a part for each process"),
    ROW(INT, num_workers, "num-workers", "2", 0, 1024, NULL,
        "data loading threads; batches are the same whatever it is"),
    ROW(TEXT, data_cache_path, "data-cache-path", NULL, 0, 0, NULL,
        "folder for the orders of samples, made once (default: cache/GPTDataset_indices beside the "
        "data for orders of more than 33 million entries, else none)"),
    NOTE("no-create-attention-mask-in-dataloader", 0, "masks are never stored"),
    NOTE("create-attention-mask-in-dataloader", 0, "masks are never stored"),
    NOTE("no-mmap-bin-files", 0, "files are always mapped"),
    NOTE("data-impl", 1, "one format"),
};
const size_t ts_data_option_count = sizeof ts_data_option_rows / sizeof *ts_data_option_rows;
