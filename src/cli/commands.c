#include "cli/commands.h"

extern const ts_command ts_cmd_chat, ts_cmd_checkpoint, ts_cmd_completion, ts_cmd_convert, ts_cmd_data, ts_cmd_diff_runs,
    ts_cmd_evaluate, ts_cmd_export, ts_cmd_infer, ts_cmd_info, ts_cmd_plan, ts_cmd_posttrain, ts_cmd_pretrain, ts_cmd_report,
    ts_cmd_schedule, ts_cmd_score, ts_cmd_serve,
    ts_cmd_preprocess, ts_cmd_tokenize, ts_cmd_train_tokenizer, ts_cmd_tune;

const ts_command *const ts_commands[] = {
    &ts_cmd_chat,
    &ts_cmd_checkpoint,
    &ts_cmd_completion,
    &ts_cmd_convert,
    &ts_cmd_data,
    &ts_cmd_diff_runs,
    &ts_cmd_evaluate,
    &ts_cmd_export,
    &ts_cmd_infer,
    &ts_cmd_info,
    &ts_cmd_plan,
    &ts_cmd_posttrain,
    &ts_cmd_preprocess,
    &ts_cmd_pretrain,
    &ts_cmd_report,
    &ts_cmd_schedule,
    &ts_cmd_score,
    &ts_cmd_serve,
    &ts_cmd_tokenize,
    &ts_cmd_train_tokenizer,
    &ts_cmd_tune,
    NULL,
};
